"""Sequences of different lengths in one batch, under torch's names: padded to the longest, or packed without padding.

Packed, a batch holds first the first step of every sequence, then the second step of those that have one, and so on;
the sequences stand in the order of their lengths, the longest first.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from mediml import arrays
from mediml.autograd import record
from mediml.nn.functional.recurrence import checked_batch_sizes
from mediml.tensor import Tensor, from_array

__all__ = [
    "PackedSequence", "invert_permutation", "pack_padded_sequence", "pack_sequence", "pad_packed_sequence",
    "pad_sequence", "unpack_sequence", "unpad_sequence",
]  # fmt: skip


class _Packed(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Packed):
    """A batch of sequences without padding, as `pack_padded_sequence` and `pack_sequence` make it.

    Attributes
    ----------
    data : Tensor of shape (sum of the lengths, *)
        The first steps of all sequences, then the second steps of those that have one, and so on.
    batch_sizes : Tensor of shape (T,), int64
        How many sequences have a first step, a second step, …
    sorted_indices : Tensor of shape (N,), int64, or None
        Which sequence of the batch stands where; None: they came in the order of their lengths.
    unsorted_indices : Tensor of shape (N,), int64, or None
        The way back.
    """

    def __new__(
        cls,
        data: Any,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> "PackedSequence":
        if batch_sizes is None:
            if not isinstance(data, (list, tuple)) or len(data) != 2:
                raise ValueError("PackedSequence: expected data and batch_sizes, or a pair of them; use pack_sequence")
            data, batch_sizes = data
        for name, tensor in (("data", data), ("batch_sizes", batch_sizes)):
            _check_tensor("PackedSequence", name, tensor)
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> "PackedSequence":
        """With `data` of another dtype or on another device; itself where nothing changes."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        indices = (None if index is None else index.to(data.device) for index in self[2:])
        return type(self)(data, self.batch_sizes, *indices)

    def cpu(self) -> "PackedSequence":
        """On the CPU."""
        return self.to("cpu")

    def double(self) -> "PackedSequence":
        """In float64."""
        return self.to(dtype="float64")

    def float(self) -> "PackedSequence":
        """In float32."""
        return self.to(dtype="float32")

    def half(self) -> "PackedSequence":
        """In float16."""
        return self.to(dtype="float16")

    def long(self) -> "PackedSequence":
        """In int64."""
        return self.to(dtype="int64")

    def int(self) -> "PackedSequence":
        """In int32."""
        return self.to(dtype="int32")

    @property
    def is_cuda(self) -> bool:
        """Whether `data` is on a GPU."""
        return self.data.is_cuda


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes another; None for None."""
    if permutation is None:
        return None
    _check_tensor("invert_permutation", "permutation", permutation)
    order = arrays.to_host(permutation._array)
    if order.ndim != 1 or order.dtype.kind not in "iu" or not np.array_equal(np.sort(order), np.arange(order.size)):
        raise ValueError(f"invert_permutation: permutation expects each of 0 to N - 1 once, got {order.tolist()!s:.60}")
    return _placed(np.argsort(order).astype(order.dtype), permutation)


def _placed(array: Any, like: Tensor) -> Tensor:
    """Indices as a tensor where another one is."""
    return from_array(arrays.moved(array, like.device), like.device)


def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Leave the padding away.

    Parameters
    ----------
    input : Tensor of shape (T, N, *), or (N, T, *) with `batch_first`
    lengths : sequence of int or Tensor of shape (N,)
        Steps of each sequence, at least 1.
    batch_first : bool
    enforce_sorted : bool
        Expect the longest sequence first. False: sort them; `pad_packed_sequence` and the recurrent layers undo it.

    Returns
    -------
    PackedSequence

    Raises
    ------
    TypeError, ValueError
        For lengths that are not N numbers from 1 to T, or not sorted where they should be; for an empty batch.
    """
    op = "pack_padded_sequence"
    _check_tensor(op, "input", input)
    if input.ndim < 2 or input.numel() == 0:
        raise ValueError(f"{op}: input expects at least two axes, none of them empty, got {tuple(input.shape)}")
    steps = np.asarray(arrays.to_host(lengths._array) if isinstance(lengths, Tensor) else lengths)
    T, N = (input.shape[1], input.shape[0]) if batch_first else input.shape[:2]  # noqa: N806 - the symbols above
    if steps.ndim != 1 or steps.dtype.kind not in "iuf":
        raise ValueError(f"{op}: lengths expects a sequence of {N} int, got shape {steps.shape} of {steps.dtype}")
    steps = steps.astype(np.int64)
    if len(steps) != N:
        raise ValueError(f"{op}: lengths expects {N} numbers, one for each sequence, got {len(steps)}")
    if steps.min() < 1 or steps.max() > T:
        raise ValueError(f"{op}: lengths expects numbers from 1 to {T}, got {steps.min()} to {steps.max()}")
    order = None
    if not enforce_sorted:
        order = np.argsort(-steps, kind="stable")
        steps = steps[order]
    elif (np.diff(steps) > 0).any():
        raise ValueError(f"{op}: lengths expects the longest first; pass enforce_sorted=False to have them sorted")
    inside = np.arange(steps[0])[:, None] < steps
    t, n = np.nonzero(inside)
    n_in = n if order is None else order[n]
    data = input[n_in, t] if batch_first else input[t, n_in]
    indices = () if order is None else (_placed(order, input), _placed(np.argsort(order), input))
    return PackedSequence(data, from_array(inside.sum(1)), *indices)


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """Undo `pack_padded_sequence`.

    Parameters
    ----------
    sequence : PackedSequence
    batch_first : bool
        Return (N, T, *) instead of (T, N, *).
    padding_value : float
    total_length : int, optional
        T; by default the length of the longest sequence.

    Returns
    -------
    padded : Tensor
    lengths : Tensor of shape (N,), int64
        In the order in which the sequences were packed.
    """
    op = "pad_packed_sequence"
    if not isinstance(sequence, PackedSequence):
        raise TypeError(f"{op}: sequence expects a PackedSequence, got {type(sequence).__name__}")
    data, sizes = sequence.data, checked_batch_sizes(op, sequence.batch_sizes, len(sequence.data))
    T, N = len(sizes), sizes[0]  # noqa: N806
    if total_length is not None:
        if total_length < T:
            raise ValueError(f"{op}: total_length expects at least {T}, the longest sequence, got {total_length}")
        T = int(total_length)  # noqa: N806
    order = np.arange(N) if sequence.sorted_indices is None else arrays.to_host(sequence.sorted_indices._array)
    inside = np.arange(N) < sizes[:, None]
    t, n = np.nonzero(inside)
    places = (order[n], t) if batch_first else (t, order[n])
    shape = (*((N, T) if batch_first else (T, N)), *data.shape[1:])
    padded = arrays.full(shape, padding_value, data.dtype, data.device)
    padded[places] = data._array
    lengths = np.empty(N, np.int64)
    lengths[order] = inside.sum(0)
    result = record(op, padded, (data,), lambda grad: (grad[places],))
    return result, from_array(lengths)


def pad_sequence(
    sequences: Iterable[Tensor], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Tensor:
    """Sequences of shapes (L, *), filled up to the longest: (T, N, *), or (N, T, *) with `batch_first`.

    Parameters
    ----------
    sequences : iterable of Tensor
        Alike but for their first axis.
    batch_first : bool
    padding_value : float
    padding_side : str
        ``"right"``: fill up at the end; ``"left"``: before the beginning.
    """
    op = "pad_sequence"
    if not isinstance(sequences, Iterable):
        raise TypeError(f"{op}: sequences expects an iterable of Tensor, got {type(sequences).__name__}")
    parts = tuple(sequences)
    if padding_side not in ("left", "right"):
        raise ValueError(f"{op}: padding_side expects 'left' or 'right', got {padding_side!r}")
    if not parts:
        raise ValueError(f"{op}: sequences expects at least one Tensor, got none")
    for position, part in enumerate(parts):
        _check_tensor(op, f"sequences[{position}]", part)
        if part.ndim == 0 or part.shape[1:] != parts[0].shape[1:] or part.dtype != parts[0].dtype:
            raise ValueError(
                f"{op}: sequences[{position}] expects at least one axis, and dtype and further axes of sequences[0], "
                f"{parts[0].dtype} and {tuple(parts[0].shape[1:])}, got {part.dtype} and shape {tuple(part.shape)}"
            )
    T, N = max(len(part) for part in parts), len(parts)  # noqa: N806
    padded = arrays.full((N, T, *parts[0].shape[1:]), padding_value, parts[0].dtype, parts[0].device)
    places = [slice(T - len(part), T) if padding_side == "left" else slice(0, len(part)) for part in parts]
    for n, part in enumerate(parts):
        padded[n, places[n]] = part._array

    def backward(grad: Any) -> tuple[Any, ...]:
        rows = grad if batch_first else grad.swapaxes(0, 1)
        return tuple(rows[n, place] for n, place in enumerate(places))

    return record(op, padded if batch_first else arrays.contiguous(padded.swapaxes(0, 1)), parts, backward)


def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """Undo `pad_sequence`: the first `lengths[n]` steps of each sequence. Leaves its argument as it is."""
    op = "unpad_sequence"
    _check_tensor(op, "padded_sequences", padded_sequences)
    _check_tensor(op, "lengths", lengths)
    if padded_sequences.ndim < 2:
        raise ValueError(f"{op}: padded_sequences expects at least two axes, got {tuple(padded_sequences.shape)}")
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    if lengths.ndim != 1 or len(lengths) != len(rows):
        raise ValueError(f"{op}: lengths expects one for each of {len(rows)} sequences, got {tuple(lengths.shape)}")
    return [rows[n, : max(int(length), 0)] for n, length in enumerate(arrays.to_host(lengths._array))]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """`pad_sequence`, then `pack_padded_sequence`: sequences of shapes (L, *), each of at least one step."""
    parts = tuple(sequences)
    padded = pad_sequence(parts)
    return pack_padded_sequence(padded, [len(part) for part in parts], enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """Undo `pack_sequence`."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)


def _check_tensor(op: str, name: str, value: Any) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(f"{op}: {name} expects a mediml.Tensor, got {type(value).__name__}")
