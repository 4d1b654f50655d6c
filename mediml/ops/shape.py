"""The same elements in another arrangement: reshape, permute, repeat, join, split; each gradient puts them back.

What torch returns as a view shares memory here too.
"""

import builtins
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediml import arrays
from mediml.autograd import record
from mediml.device import common_device
from mediml.dtypes import promote_types
from mediml.ops.broadcasting import sum_to_shape
from mediml.ops.reduction import normalize_axes
from mediml.tensor import Tensor

__all__ = [
    "broadcast_to", "cat", "chunk", "clone", "concat", "contiguous", "expand", "expand_as", "flatten", "flip",
    "movedim", "narrow", "permute", "ravel", "repeat", "reshape", "reshape_as", "roll", "split", "squeeze", "stack",
    "swapaxes", "t", "tile", "transpose", "tril", "triu", "unbind", "unflatten", "unsqueeze", "view", "view_as",
]  # fmt: skip

Array = NDArray[Any]


def _sizes(sizes: tuple[Any, ...]) -> tuple[int, ...]:
    """Sizes given as x.f(2, 3) or x.f((2, 3))."""
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = tuple(sizes[0])
    return tuple(int(size) for size in sizes)


def _rearranged(name: str, input: Tensor, array: Array, backward: Any) -> Tensor:
    """The result of an operation that moves elements: a view where NumPy gave one."""
    result = record(name, array, (input,), backward)
    return result._as_view_of(input) if np.may_share_memory(array, input._array) else result


def reshape(input: Tensor, *shape: Any) -> Tensor:
    """The elements in C order in another shape; one size may be -1, computed from the others."""
    sizes = _sizes(shape)
    x = input._array
    try:
        array = x.reshape(sizes)
    except ValueError:
        raise ValueError(f"reshape: {tuple(x.shape)} has {x.size} elements and does not fit into {sizes}") from None
    return _rearranged("reshape", input, array, lambda grad_y: (grad_y.reshape(x.shape),))


def view(input: Tensor, *shape: Any) -> Tensor:
    """As `reshape`, but never a copy: the memory order must allow it. A dtype instead of sizes reinterprets bytes."""
    sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], (np.dtype, type)) else None
    if sizes is not None:
        return record("view", input._array.view(sizes), (input.detach(),), lambda grad_y: (None,))
    result = reshape(input, *shape)
    if input.numel() and not np.may_share_memory(result._array, input._array):
        raise ValueError(
            f"view: shape {tuple(result.shape)} needs a copy, because the memory is not in order; use .reshape(...)"
        )
    return result


def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """`reshape` to the shape of another tensor."""
    return reshape(input, other.shape)


def view_as(input: Tensor, other: Tensor) -> Tensor:
    """`view` in the shape of another tensor."""
    return view(input, other.shape)


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The dimensions from `start_dim` to `end_dim`, both included, joined into one."""
    ndim = max(input.ndim, 1)
    (start,) = normalize_axes("flatten", start_dim, ndim)
    (end,) = normalize_axes("flatten", end_dim, ndim)
    if start > end:
        raise ValueError(f"flatten: start_dim {start_dim} must not come after end_dim {end_dim}")
    shape = tuple(input.shape) or (1,)
    joined = int(np.prod(shape[start : end + 1], dtype=np.int64))
    return reshape(input, (*shape[:start], joined, *shape[end + 1 :]))


def ravel(input: Tensor) -> Tensor:
    """All elements in C order in one dimension."""
    return reshape(input, -1)


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """One dimension split into several of the given sizes."""
    (axis,) = normalize_axes("unflatten", dim, input.ndim)
    return reshape(input, tuple(input.shape[:axis]) + tuple(sizes) + tuple(input.shape[axis + 1 :]))


def permute(input: Tensor, *dims: Any) -> Tensor:
    """The dimensions in another order."""
    order = _sizes(dims)
    if len(order) != input.ndim:
        raise ValueError(f"permute: expected {input.ndim} dims, one per dimension of {tuple(input.shape)}, got {order}")
    axes = normalize_axes("permute", order, input.ndim) if order else ()
    inverse = np.argsort(axes)
    return _rearranged("permute", input, input._array.transpose(axes), lambda grad_y: (grad_y.transpose(inverse),))


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions exchanged."""
    if input.ndim == 0:
        return permute(input)
    (a,), (b,) = normalize_axes("transpose", dim0, input.ndim), normalize_axes("transpose", dim1, input.ndim)
    order = list(range(input.ndim))
    order[a], order[b] = b, a
    return permute(input, order)


def t(input: Tensor) -> Tensor:
    """A matrix transposed; a vector as it is."""
    if input.ndim > 2:
        raise ValueError(f"t: expected at most 2 dimensions, got {tuple(input.shape)}; use .mT or .transpose")
    return transpose(input, 0, 1) if input.ndim == 2 else input


swapaxes = transpose


def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Dimensions moved to new places, the others keeping their order."""
    sources = normalize_axes("movedim", source, input.ndim)
    targets = normalize_axes("movedim", destination, input.ndim)
    if len(sources) != len(targets):
        raise ValueError(f"movedim: expected as many destinations as sources, got {source} and {destination}")
    order = [axis for axis in range(input.ndim) if axis not in sources]
    for target, axis in sorted(zip(targets, sources)):
        order.insert(target, axis)
    return permute(input, order)


def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """Without the dimensions of size 1: all of them, or those in `dim`."""
    axes = normalize_axes("squeeze", dim, input.ndim) if dim is not None else tuple(range(input.ndim))
    shape = [size for axis, size in enumerate(input.shape) if axis not in axes or size != 1]
    return reshape(input, shape) if len(shape) != input.ndim else view_alias(input)


def view_alias(input: Tensor) -> Tensor:
    """A view of everything."""
    return _rearranged("alias", input, input._array.view(), lambda grad_y: (grad_y,))


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """With a new dimension of size 1 at `dim`."""
    (axis,) = normalize_axes("unsqueeze", dim, input.ndim + 1)
    x = input._array
    return _rearranged("unsqueeze", input, np.expand_dims(x, axis), lambda grad_y: (grad_y.reshape(x.shape),))


def expand(input: Tensor, *sizes: Any) -> Tensor:
    """Dimensions of size 1 repeated without a copy; -1 keeps a size. The result cannot be changed in place."""
    wanted = _sizes(sizes)
    added = len(wanted) - input.ndim
    if added < 0:
        raise ValueError(f"expand: {wanted} has fewer dimensions than {tuple(input.shape)}")
    if any(size < 0 for size in wanted[:added]):
        raise ValueError(f"expand: -1 keeps an existing size, and there is none for a new dimension in {wanted}")
    shape = tuple(input.shape[i - added] if size == -1 else size for i, size in enumerate(wanted))
    return broadcast_to(input, shape)


def broadcast_to(input: Tensor, shape: Sequence[int]) -> Tensor:
    """The tensor repeated to a shape without a copy."""
    x = input._array
    try:
        array = np.broadcast_to(x, tuple(shape))
    except ValueError:
        raise ValueError(
            f"expand: {tuple(x.shape)} cannot be repeated to {tuple(shape)}; sizes must be equal or 1"
        ) from None
    return _rearranged("expand", input, array, lambda grad_y: (sum_to_shape(grad_y, x.shape),))


def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """`expand` to the shape of another tensor."""
    return broadcast_to(input, other.shape)


def repeat(input: Tensor, *sizes: Any) -> Tensor:
    """The whole tensor repeated along each dimension, in new memory."""
    counts = _sizes(sizes)
    if len(counts) < input.ndim:
        raise ValueError(f"repeat: expected a count for each of {input.ndim} dimensions, got {counts}")
    x = input._array
    padded = (1,) * (len(counts) - x.ndim) + x.shape

    def backward(grad_y: Array) -> tuple[Array]:
        blocks = grad_y.reshape([n for pair in zip(counts, padded) for n in pair])
        return (blocks.sum(axis=tuple(range(0, 2 * len(counts), 2))).reshape(x.shape),)

    return record("repeat", np.tile(x, counts), (input,), backward)


def tile(input: Tensor, *dims: Any) -> Tensor:
    """As `repeat`; missing counts are 1."""
    counts = _sizes(dims)
    return repeat(input, (1,) * (input.ndim - len(counts)) + counts)


def flip(input: Tensor, *dims: Any) -> Tensor:
    """The order reversed along `dims`, in new memory."""
    axes = normalize_axes("flip", _sizes(dims), input.ndim) if _sizes(dims) else ()
    return record("flip", np.flip(input._array, axes).copy(), (input,), lambda grad_y: (np.flip(grad_y, axes),))


def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """Elements moved along `dims`; what leaves at one end comes back at the other."""
    back = [-s for s in shifts] if isinstance(shifts, (tuple, list)) else -shifts
    return record("roll", np.roll(input._array, shifts, dims), (input,), lambda grad_y: (np.roll(grad_y, back, dims),))


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle of the last two dimensions, zeros elsewhere."""
    return record("tril", np.tril(input._array, diagonal), (input,), lambda grad_y: (np.tril(grad_y, diagonal),))


def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangle of the last two dimensions, zeros elsewhere."""
    return record("triu", np.triu(input._array, diagonal), (input,), lambda grad_y: (np.triu(grad_y, diagonal),))


def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """A copy, on the tape."""
    return record("clone", input._array.copy(), (input,), lambda grad_y: (grad_y,))


def contiguous(input: Tensor, memory_format: Any = None) -> Tensor:
    """The tensor itself where its memory is in C order, else a copy that is."""
    if input.is_contiguous():
        return input
    return record("contiguous", arrays.contiguous(input._array), (input,), lambda grad_y: (grad_y,))


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors joined along an existing dimension."""
    if len(tensors) == 0:
        raise ValueError("cat: expected at least one tensor, got an empty sequence")
    common_device("cat", *tensors)
    kept = [tensor for tensor in tensors if tensor.shape != (0,)] or list(tensors[:1])  # torch passes over shape (0,)
    dtype = kept[0].dtype
    for tensor in tensors:
        dtype = promote_types(dtype, tensor.dtype)
    kept = [tensor.to(dtype) for tensor in kept]
    (axis,) = normalize_axes("cat", dim, kept[0].ndim) or (None,)
    if axis is None:
        raise ValueError("cat: a tensor without dimensions cannot be joined; use stack")
    try:
        array = np.concatenate([tensor._array for tensor in kept], axis)
    except ValueError:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in kept)
        raise ValueError(f"cat: expected equal sizes except along dim {dim}, got {shapes}") from None
    ends = np.cumsum([tensor.shape[axis] for tensor in kept])[:-1]
    return record("cat", array, kept, lambda grad_y: tuple(np.split(grad_y, ends, axis)))


concat = cat


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one shape joined along a new dimension."""
    if len(tensors) == 0:
        raise ValueError("stack: expected at least one tensor, got an empty sequence")
    shapes = {tuple(tensor.shape) for tensor in tensors}
    if len(shapes) > 1:
        raise ValueError(f"stack: expected tensors of one shape, got {sorted(shapes)}")
    return cat([unsqueeze(tensor, dim) for tensor in tensors], dim)


def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """`length` entries along `dim` from `start` on, as a view."""
    (axis,) = normalize_axes("narrow", dim, input.ndim)
    size = input.shape[axis]
    start = start + size if start < 0 else start
    if not 0 <= start <= size or not 0 <= length <= size - start:
        raise IndexError(f"narrow: start {start} and length {length} reach outside dim {dim} of size {size}")
    return input[(builtins.slice(None),) * axis + (builtins.slice(start, start + length),)]


def split(input: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of consecutive pieces along `dim`: of one size (the last may be smaller), or of the given sizes."""
    (axis,) = normalize_axes("split", dim, input.ndim)
    size = input.shape[axis]
    if isinstance(split_size_or_sections, int):
        step = split_size_or_sections
        if step < 0 or (step == 0 and size):
            raise ValueError(f"split: the size of a piece must be at least 1, got {step}")
        sections = [min(step, size - start) for start in range(0, size, step)] if size else [0]
    else:
        sections = list(split_size_or_sections)
        if builtins.sum(sections) != size:
            raise ValueError(f"split: sizes {sections} add up to {builtins.sum(sections)}, dim {dim} has {size}")
    starts = np.cumsum([0, *sections])
    return tuple(narrow(input, axis, int(start), length) for start, length in zip(starts, sections))


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of at most `chunks` pieces of equal size along `dim`; the last may be smaller."""
    if chunks < 1:
        raise ValueError(f"chunk: chunks must be at least 1, got {chunks}")
    (axis,) = normalize_axes("chunk", dim, input.ndim)
    return split(input, max(-(-input.shape[axis] // chunks), 1), axis)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of the entries along `dim`, without that dimension."""
    (axis,) = normalize_axes("unbind", dim, input.ndim)
    return tuple(input[(builtins.slice(None),) * axis + (i,)] for i in range(input.shape[axis]))
