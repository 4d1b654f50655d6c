"""Elements by their place: indexing with gradients, gather and scatter, masks."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediml import arrays
from mediml.autograd import is_grad_enabled, record
from mediml.ops.elementwise import where
from mediml.ops.reduction import normalize_axes
from mediml.ops.shape import clone
from mediml.tensor import Tensor, from_array

__all__ = [
    "diagonal", "gather", "getitem", "index_select", "masked_fill", "masked_select", "nonzero", "repeat_interleave",
    "scatter", "scatter_add", "setitem", "take_along_dim",
]  # fmt: skip

Array = NDArray[Any]


def _array_index(index: Any) -> Any:
    """An index as NumPy takes it: tensors replaced by their arrays, lists made arrays."""
    if isinstance(index, tuple):
        return tuple(_array_index(part) for part in index)
    if isinstance(index, Tensor):
        if index.dtype.kind == "f":
            raise IndexError(f"index: expected an integer or bool tensor, got {index.dtype}")
        return index._array if index.ndim else (bool(index) if index.dtype.kind == "b" else int(index))
    if isinstance(index, list):
        return np.asarray(index if index else np.empty(0, np.int64))
    return index


def getitem(input: Tensor, index: Any) -> Tensor:
    """``input[index]``: a view for integers, slices, None and ``...``; a copy for index arrays and masks."""
    place = _array_index(index)
    x = input._array
    array = arrays.asarray(x[place])
    is_view = np.may_share_memory(array, x) and array.base is not None

    def backward(grad_y: Array) -> tuple[Array]:
        grad_x = arrays.zeros(x.shape, grad_y.dtype, grad_y)
        if is_view:
            grad_x[place] = grad_y
        else:
            np.add.at(grad_x, place, grad_y)  # an element that was taken twice receives both gradients
        return (grad_x,)

    if not is_view and np.may_share_memory(array, x):
        array = array.copy()
    result = record("getitem", array, (input,), backward)
    return result._as_view_of(input) if is_view else result


def setitem(input: Tensor, index: Any, value: Any) -> None:
    """``input[index] = value``; on the tape where a gradient is involved."""
    place = _array_index(index)
    tracked = is_grad_enabled() and (input.requires_grad or (isinstance(value, Tensor) and value.requires_grad))
    if not tracked:
        input._array[place] = _source(value, input)._array
        input._bump_version()
        return
    source = _source(value, input).to(input.dtype)
    before = clone(input)
    array = before._array.copy()
    array[place] = source._array

    def backward(grad_y: Array) -> tuple[Array, Array]:
        grad_x = grad_y.copy()
        grad_x[place] = 0
        grad_value = arrays.asarray(grad_y[place])
        lost = grad_value.ndim - source.ndim
        if lost < 0:  # NumPy drops leading axes of size 1 of what is assigned
            return grad_x, grad_value.reshape(source.shape)
        axes = tuple(range(lost)) + tuple(
            lost + axis for axis, size in enumerate(source.shape) if size == 1 and grad_value.shape[lost + axis] != 1
        )
        return grad_x, grad_value.sum(axis=axes, keepdims=True).reshape(source.shape)

    input._overwrite(record("setitem", array, (before, source), backward))


def _source(value: Any, input: Tensor) -> Tensor:
    """What is written into `input`, as a tensor where that is; a number needs no copy to the device."""
    if isinstance(value, Tensor):
        return value if value.device == input.device else value.to(device=input.device)
    array = arrays.asarray(value, input.dtype)
    return from_array(arrays.moved(array, input.device) if array.ndim else array, input.device)


def _checked(name: str, input: Tensor, dim: int, index: Tensor) -> int:
    (axis,) = normalize_axes(name, dim, input.ndim) or (0,)
    if index.dtype.kind not in "iu":
        raise TypeError(f"{name}: index expects an integer tensor, got {index.dtype}")
    size = input.shape[axis] if input.ndim else 1
    if arrays.on_device(index._array):  # looking at the indices would copy them: kernels guard themselves
        return axis
    if index.numel() and not (index._array.min() >= 0 and index._array.max() < size):
        raise IndexError(
            f"{name}: index expects values in [0, {size - 1}], got {index._array.min()} to {index._array.max()}"
        )
    return axis


def _grid(index: Array, axis: int) -> tuple[Array, ...]:
    """Index arrays that address, for each element of `index`, the place with `index` along `axis`."""
    sides = [[-1 if d == other else 1 for d in range(index.ndim)] for other in range(index.ndim)]
    grids = [arrays.arange(size, index).reshape(side) for size, side in zip(index.shape, sides)]
    grids[axis] = index
    return tuple(grids)


def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """out[i][j] = input[index[i][j]][j] for dim = 0, and likewise for the others."""
    axis = _checked("gather", input, dim, index)
    if index.ndim != input.ndim:
        raise ValueError(f"gather: index expects {input.ndim} dimensions as input has, got {index.ndim}")
    for d in range(input.ndim):
        if d != axis and index.shape[d] > input.shape[d]:
            raise ValueError(
                f"gather: index {tuple(index.shape)} is larger than input {tuple(input.shape)} along dim {d}"
            )
    x = input._array
    place = _grid(index._array, axis) if input.ndim else ()

    def backward(grad_y: Array) -> tuple[Array]:
        grad_x = arrays.zeros(x.shape, grad_y.dtype, grad_y)
        np.add.at(grad_x, place, grad_y)
        return (grad_x,)

    return record("gather", arrays.copied(x[place]), (input,), backward)


def take_along_dim(input: Tensor, indices: Tensor, dim: int) -> Tensor:
    """Elements at `indices` along `dim`, as `argsort` and `argmax` give them."""
    return gather(input, dim, indices)


def scatter(input: Tensor, dim: int, index: Tensor, src: Any) -> Tensor:
    """A copy of `input` in which out[index[i][j]][j] = src[i][j] (dim = 0); `src` a tensor or a number."""
    axis = _checked("scatter", input, dim, index)
    place = _grid(index._array, axis)
    source = (
        src
        if isinstance(src, Tensor)
        else from_array(arrays.full(index.shape, src, input.dtype, input.device), input.device)
    )
    window = tuple(slice(size) for size in index.shape)
    array = input._array.copy()
    array[place] = source._array[window]

    def backward(grad_y: Array) -> tuple[Array, Array]:
        grad_x = grad_y.copy()
        grad_x[place] = 0
        grad_source = arrays.zeros(source.shape, grad_y.dtype, grad_y)
        grad_source[window] = grad_y[place]
        return grad_x, grad_source

    return record("scatter", array, (input, source), backward)


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """A copy of `input` to which out[index[i][j]][j] += src[i][j] was added (dim = 0)."""
    axis = _checked("scatter_add", input, dim, index)
    place = _grid(index._array, axis)
    window = tuple(slice(size) for size in index.shape)
    array = input._array.copy()
    np.add.at(array, place, src._array[window])

    def backward(grad_y: Array) -> tuple[Array, Array]:
        grad_source = arrays.zeros(src.shape, grad_y.dtype, grad_y)
        grad_source[window] = grad_y[place]
        return grad_y, grad_source

    return record("scatter_add", array, (input, src), backward)


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The entries `index` (one dimension) along `dim`."""
    axis = _checked("index_select", input, dim, index)
    return getitem(input, (slice(None),) * axis + (index.reshape(-1),))


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """`value` where the bool mask is true, `input` elsewhere."""
    if mask.dtype.kind != "b":
        raise TypeError(f"masked_fill: mask expects a bool tensor, got {mask.dtype}")
    return where(mask, _source(value, input).to(input.dtype), input)


def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where the mask is true, in one dimension."""
    if mask.dtype.kind != "b":
        raise TypeError(f"masked_select: mask expects a bool tensor, got {mask.dtype}")
    shape = np.broadcast_shapes(input._array.shape, mask._array.shape)
    return getitem(input.expand(shape), mask.expand(shape))


def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """Where the elements are not 0: one row of indices each, or with `as_tuple` one tensor per dimension."""
    places = np.nonzero(np.atleast_1d(input._array))
    if as_tuple:
        return tuple(from_array(place, input.device) for place in places)
    table = np.stack(places, 1) if input.ndim else arrays.empty((len(places[0]), 0), np.int64, input.device)
    return from_array(table, input.device)


def repeat_interleave(input: Tensor, repeats: Any, dim: int | None = None) -> Tensor:
    """Each entry along `dim` repeated in place; without `dim` each element of the flattened tensor."""
    source = input.reshape(-1) if dim is None else input
    (axis,) = normalize_axes("repeat_interleave", 0 if dim is None else dim, source.ndim)
    counts = arrays.to_host(repeats._array) if isinstance(repeats, Tensor) else repeats
    place = np.repeat(np.arange(source.shape[axis]), counts)
    return getitem(source, (slice(None),) * axis + (place,))


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal of two dimensions, as the last dimension of the result."""
    x = input._array

    def backward(grad_y: Array) -> tuple[Array]:
        grad_x = arrays.zeros(x.shape, grad_y.dtype, grad_y)
        first, second = (np.arange(grad_y.shape[-1]) + max(shift, 0) for shift in (-offset, offset))
        np.moveaxis(grad_x, (dim1, dim2), (-2, -1))[..., first, second] = grad_y
        return (grad_x,)

    return record("diagonal", arrays.copied(np.diagonal(x, offset, dim1, dim2)), (input,), backward)
