"""Data sets and batches: torch.utils.data's names and meaning."""

import threading

import numpy as np
import pytest

import mediml
from mediml.utils import data as loader


class Squares(loader.Dataset):
    def __len__(self):
        return 10

    def __getitem__(self, index):
        if not 0 <= index < 10:
            raise IndexError(index)
        return np.float32(index) ** 2, {"index": index, "name": f"n{index}"}


def _tensors(count=10):
    return loader.TensorDataset(mediml.tensor(np.arange(count * 2.0).reshape(count, 2)), mediml.arange(count))


def _values(batches):
    return [batch[1].tolist() for batch in batches]


def test_batches_in_order():
    batches = list(loader.DataLoader(_tensors(), batch_size=4))
    assert _values(batches) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert batches[0][0].shape == (4, 2) and isinstance(batches[0], list)
    assert len(loader.DataLoader(_tensors(), batch_size=4)) == 3
    dropped = loader.DataLoader(_tensors(), batch_size=4, drop_last=True)
    assert _values(dropped) == [[0, 1, 2, 3], [4, 5, 6, 7]] and len(dropped) == 2


def test_shuffle_follows_the_generator():
    def order(seed):
        generator = mediml.Generator().manual_seed(seed)
        batches = loader.DataLoader(_tensors(), batch_size=3, shuffle=True, generator=generator)
        return [[i for batch in _values(batches) for i in batch] for _ in range(2)]

    first, second = order(0)
    assert sorted(first) == list(range(10)) and first != second != list(range(10))
    assert order(0) == [first, second] != order(1)
    mediml.manual_seed(5)
    a = _values(loader.DataLoader(_tensors(), shuffle=True))
    mediml.manual_seed(5)
    assert _values(loader.DataLoader(_tensors(), shuffle=True)) == a


def test_collate_nested_samples():
    values, parts = next(iter(loader.DataLoader(Squares(), batch_size=3)))
    assert values.tolist() == [0, 1, 4] and values.dtype == mediml.float32
    assert parts["index"].tolist() == [0, 1, 2] and parts["index"].dtype == mediml.int64
    assert parts["name"] == ["n0", "n1", "n2"]


def test_collate_agrees_with_torch():
    torch = pytest.importorskip("torch")
    from torch.utils.data import default_collate

    batch = [(1, 2.5, True, np.ones((2, 3), np.float32), [np.int16(4), "a"]) for _ in range(3)]
    for ours, theirs in zip(loader.default_collate(batch), default_collate(batch)):
        if isinstance(theirs, torch.Tensor):
            assert ours.dtype == theirs.numpy().dtype
            np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    assert loader.default_collate(batch)[4][1] == ("a", "a", "a") or loader.default_collate(batch)[4][1] == ["a"] * 3


def test_without_batches_and_with_own_collate():
    assert [x.tolist() for _, x in loader.DataLoader(_tensors(3), batch_size=None)] == [0, 1, 2]
    assert list(loader.DataLoader(Squares(), batch_size=5, collate_fn=len)) == [5, 5]
    assert _values(loader.DataLoader(_tensors(), batch_sampler=[[3, 1], [0]])) == [[3, 1], [0]]
    assert _values(loader.DataLoader(_tensors(), batch_size=2, sampler=[])) == []


def test_workers_keep_the_order_and_run_elsewhere():
    seen = set()

    class Watching(Squares):
        def __getitem__(self, index):
            seen.add(threading.current_thread().name)
            return super().__getitem__(index)

    plain = [v.tolist() for v, _ in loader.DataLoader(Squares(), batch_size=2)]
    started = []
    for ahead in (None, 1):  # room for more batches than there are, and for fewer
        threaded = loader.DataLoader(
            Watching(), batch_size=2, num_workers=3, worker_init_fn=started.append, prefetch_factor=ahead
        )
        assert [v.tolist() for v, _ in threaded] == plain
    assert all(name.startswith("mediml-loader") for name in seen)
    assert set(started) <= {0, 1, 2} and 0 in started

    class Broken(Squares):
        def __getitem__(self, index):
            raise RuntimeError("unreadable image 7")

    with pytest.raises(RuntimeError, match="unreadable image 7"):
        list(loader.DataLoader(Broken(), num_workers=2))


def test_subsets_and_splits():
    parts = loader.random_split(range(10), [0.5, 0.3, 0.2], mediml.Generator().manual_seed(0))
    assert [len(p) for p in parts] == [5, 3, 2]
    assert sorted(x for p in parts for x in p) == list(range(10))
    assert [len(p) for p in loader.random_split(range(10), [0.33, 0.33, 0.34])] == [4, 3, 3]
    assert [len(p) for p in loader.random_split(range(10), [7, 3])] == [7, 3]
    with pytest.raises(ValueError, match="sum up to 10"):
        loader.random_split(range(10), [7, 4])
    joined = loader.Subset(range(10), [3, 1]) + loader.Subset(range(10), [8])
    assert [joined[i] for i in (0, 1, 2, -1)] == [3, 1, 8, 8]
    with pytest.raises(IndexError):
        joined[3]


def test_samplers():
    sampler = loader.RandomSampler(range(4), replacement=True, num_samples=50)
    assert len(list(sampler)) == 50 and set(sampler) <= set(range(4))
    twice = list(loader.RandomSampler(range(4), num_samples=8))
    assert sorted(twice) == sorted(2 * list(range(4)))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"batch_size": 0}, "batch_size expects an int of at least 1"),
        ({"batch_size": 2.0}, "batch_size expects an int"),
        ({"shuffle": True, "sampler": [0]}, "sampler excludes shuffle"),
        ({"batch_sampler": [[0]], "batch_size": 2}, "batch_sampler excludes"),
        ({"batch_size": None, "drop_last": True}, "excludes shuffle and drop_last"),
        ({"num_workers": -1}, "num_workers expects at least 0"),
        ({"prefetch_factor": 2}, "num_workers above 0"),
    ],
)
def test_refusals(options, text):
    with pytest.raises(ValueError, match=text):
        loader.DataLoader(_tensors(), **options)


def test_unequal_samples():
    with pytest.raises(ValueError, match="samples of one shape"):
        loader.default_collate([np.zeros(2), np.zeros(3)])
    with pytest.raises(ValueError, match="lengths"):
        loader.TensorDataset(mediml.zeros(2), mediml.zeros(3))
    with pytest.raises(TypeError, match="default_collate"):
        loader.default_collate([object()])
