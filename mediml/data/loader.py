"""Data sets and the loader that turns them into batches, with torch.utils.data's names and meaning."""

import bisect
import itertools
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from mediml.interchange import as_tensor
from mediml.random import Generator
from mediml.random import generator as numpy_generator
from mediml.tensor import Tensor, from_array

__all__ = [
    "BatchSampler",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "Subset",
    "TensorDataset",
    "default_collate",
    "random_split",
]


class Dataset:
    """Base class: define ``__getitem__(index)`` and ``__len__()``."""

    def __getitem__(self, index: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__")

    def __add__(self, other: "Dataset") -> "ConcatDataset":
        return ConcatDataset([self, other])

    def __class_getitem__(cls, item: Any) -> type["Dataset"]:
        return cls  # ``Dataset[T]`` in a base class, as in torch


class TensorDataset(Dataset):
    """Sample i holds row i of each tensor."""

    def __init__(self, *tensors: Tensor) -> None:
        lengths = [len(tensor) for tensor in tensors]
        if not tensors or len(set(lengths)) != 1:
            raise ValueError(f"TensorDataset: expected tensors of one length, got lengths {lengths}")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return len(self.tensors[0])


class Subset(Dataset):
    """The samples of a data set at the given indices."""

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> Any:
        return self.dataset[self.indices[index]]

    def __len__(self) -> int:
        return len(self.indices)


class ConcatDataset(Dataset):
    """The samples of several data sets, one after the other."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset: expected at least one data set")
        self.cumulative_sizes = list(itertools.accumulate(len(dataset) for dataset in self.datasets))

    def __getitem__(self, index: int) -> Any:
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(f"index {index} is out of range for {len(self)} samples")
        which = bisect.bisect_right(self.cumulative_sizes, position)
        return self.datasets[which][position - (self.cumulative_sizes[which - 1] if which else 0)]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]


def random_split(dataset: Any, lengths: Sequence[int | float], generator: Generator | None = None) -> list[Subset]:
    """Divide a data set at random into parts of given lengths, or of given fractions with sum 1.

    Images of one patient must not be divided so; see `mediml.data.splits.split_by_patient`.
    """
    count = len(dataset)
    sizes: list[Any] = list(lengths)
    if math.isclose(sum(sizes), 1) and sum(sizes) <= 1:
        if not all(0 <= fraction <= 1 for fraction in sizes):
            raise ValueError(f"random_split: fractions must lie between 0 and 1, got {list(lengths)}")
        sizes = [math.floor(count * fraction) for fraction in sizes]
        for extra in range(count - sum(sizes)):
            sizes[extra % len(sizes)] += 1
    if sum(sizes) != count:
        raise ValueError(f"random_split: lengths must sum up to {count}, the length of the data set, got {sizes}")
    order = numpy_generator(generator).permutation(count).tolist()
    ends = itertools.accumulate(int(size) for size in sizes)
    return [Subset(dataset, order[end - int(size) : end]) for end, size in zip(ends, sizes)]


class Sampler:
    """Base class: an iterable of indices, with a length."""

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(f"{type(self).__name__} must define __iter__")


class SequentialSampler(Sampler):
    """0, 1, … to the end."""

    def __init__(self, data_source: Any) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler):
    """A new random order each time; with `replacement`, independent draws."""

    def __init__(
        self,
        data_source: Any,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        if num_samples is not None and num_samples < 1:
            raise ValueError(f"RandomSampler: num_samples expects at least 1, got {num_samples}")
        self.data_source, self.replacement, self.generator = data_source, replacement, generator
        self._num_samples = num_samples

    @property
    def num_samples(self) -> int:
        """How many indices are drawn."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        source, count = numpy_generator(self.generator), len(self.data_source)
        if self.replacement:
            return iter(source.integers(0, count, self.num_samples).tolist())
        rounds = math.ceil(self.num_samples / count) if count else 0
        order = np.concatenate([source.permutation(count) for _ in range(rounds)]) if rounds else np.empty(0, int)
        return iter(order[: self.num_samples].tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler):
    """Lists of `batch_size` indices; `drop_last` leaves out a last one that is shorter."""

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(f"batch_size expects an int of at least 1, got {batch_size!r}")
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        count = len(self.sampler)  # type: ignore[arg-type]
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)


class DataLoader:
    """Batches of a data set; iterate over it once per epoch.

    Takes torch's arguments. With ``num_workers`` above 0 as many *threads* prepare batches ahead, in order: nothing is
    pickled and no process is started. A data set that draws random numbers of its own is repeatable with 0 workers
    only. ``pin_memory``, ``timeout``, ``multiprocessing_context`` and ``persistent_workers`` have no effect here.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[list[int]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
    ) -> None:
        if num_workers < 0:
            raise ValueError(f"DataLoader: num_workers expects at least 0, got {num_workers}")
        if sampler is not None and shuffle:
            raise ValueError("DataLoader: sampler excludes shuffle; let the sampler do the shuffling")
        if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
            raise ValueError("DataLoader: batch_sampler excludes batch_size, shuffle, sampler and drop_last")
        if batch_size is None and (shuffle or drop_last):
            raise ValueError("DataLoader: batch_size=None, which turns batches off, excludes shuffle and drop_last")
        if prefetch_factor is not None and (num_workers == 0 or prefetch_factor < 1):
            raise ValueError("DataLoader: prefetch_factor expects at least 1, and num_workers above 0")
        self.dataset, self.num_workers, self.drop_last, self.generator = dataset, num_workers, drop_last, generator
        self.worker_init_fn, self.prefetch_factor = worker_init_fn, prefetch_factor
        if sampler is None:
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        self.sampler = sampler
        if batch_sampler is None and batch_size is not None:
            batch_sampler = BatchSampler(self.sampler, batch_size, drop_last)
        self.batch_sampler = batch_sampler
        self.batch_size = batch_size
        self.collate_fn = collate_fn or (default_collate if batch_sampler is not None else _as_tensors)

    def __len__(self) -> int:
        return len(self.sampler if self.batch_sampler is None else self.batch_sampler)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Any]:
        wanted = iter(self.sampler if self.batch_sampler is None else self.batch_sampler)
        return self._with_threads(wanted) if self.num_workers else map(self._fetch, wanted)

    def _fetch(self, wanted: Any) -> Any:
        if self.batch_sampler is None:
            return self.collate_fn(self.dataset[wanted])
        if self.collate_fn is default_collate and isinstance(self.dataset, TensorDataset):
            return list(self.dataset[np.asarray(wanted)])  # the same batch, gathered at once
        if hasattr(self.dataset, "__getitems__"):
            return self.collate_fn(self.dataset.__getitems__(wanted))
        return self.collate_fn([self.dataset[index] for index in wanted])

    def _with_threads(self, wanted: Iterator[Any]) -> Iterator[Any]:
        numbers = itertools.count()
        start = self.worker_init_fn and (lambda: self.worker_init_fn(next(numbers)))  # type: ignore[misc]
        with ThreadPoolExecutor(self.num_workers, "mediml-loader", start) as pool:
            ahead: deque[Future[Any]] = deque()
            try:
                for batch in wanted:
                    ahead.append(pool.submit(self._fetch, batch))
                    if len(ahead) >= self.num_workers * (self.prefetch_factor or 2):
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            finally:
                for batch in ahead:
                    batch.cancel()


def default_collate(batch: list[Any]) -> Any:
    """Stack samples: tensors, arrays and numbers become tensors with a batch axis; tuples and mappings go by part."""
    first = batch[0]
    if isinstance(first, (Tensor, np.ndarray, np.generic)):
        arrays = [np.asarray(sample._array if isinstance(sample, Tensor) else sample) for sample in batch]
        if len({array.shape for array in arrays}) != 1:
            raise ValueError(f"default_collate: expected samples of one shape, got {sorted({a.shape for a in arrays})}")
        return from_array(np.stack(arrays))
    if isinstance(first, bool):
        return as_tensor(np.asarray(batch))
    if isinstance(first, float):
        return as_tensor(np.asarray(batch, np.float64))
    if isinstance(first, int):
        return as_tensor(np.asarray(batch, np.int64))
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, Mapping):
        return {key: default_collate([sample[key] for sample in batch]) for key in first}
    if isinstance(first, Sequence):
        if len({len(sample) for sample in batch}) != 1:
            raise ValueError("default_collate: expected samples with the same number of parts")
        parts = [default_collate(list(part)) for part in zip(*batch)]
        if isinstance(first, tuple) and hasattr(first, "_fields"):
            return type(first)(*parts)
        return parts
    raise TypeError(f"default_collate: expected tensors, arrays, numbers, strings, tuples or dicts, got {type(first)}")


def _as_tensors(sample: Any) -> Any:
    """What a loader without batches gives back: arrays as tensors, all else as it is."""
    if isinstance(sample, np.ndarray):
        return as_tensor(sample)
    if isinstance(sample, (list, tuple)):
        return type(sample)(_as_tensors(part) for part in sample)
    return sample
