"""Extrema and order along an axis, with the positions they were found at, as torch returns them."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mediml import arrays
from mediml.autograd import record
from mediml.ops.elementwise import maximum, minimum
from mediml.ops.reduction import Axes, normalize_axes
from mediml.tensor import Tensor

__all__ = ["amax", "amin", "argsort", "max", "median", "min", "sort", "topk", "unique"]

Array = NDArray[Any]


class ValuesAndIndices(NamedTuple):
    """Elements, and where along the axis they stood (int64)."""

    values: Tensor
    indices: Tensor


def amax(input: Tensor, dim: Axes = (), keepdim: bool = False) -> Tensor:
    """Largest element over `dim`; equal ones share the gradient."""
    return _shared_extremum("amax", np.max, input, dim, keepdim)


def amin(input: Tensor, dim: Axes = (), keepdim: bool = False) -> Tensor:
    """Smallest element over `dim`; equal ones share the gradient."""
    return _shared_extremum("amin", np.min, input, dim, keepdim)


def _shared_extremum(name: str, function: Any, input: Tensor, dim: Axes, keepdim: bool) -> Tensor:
    axes = normalize_axes(name, dim, input.ndim)
    x = input._array
    if x.size == 0:
        raise ValueError(f"{name}: expected at least one element along dim {dim}, got shape {tuple(input.shape)}")
    kept = arrays.asarray(function(x, axis=axes, keepdims=True))

    def backward(grad_y: Array) -> tuple[Array]:
        found = (x == kept) | (np.isnan(x) & np.isnan(kept))
        share = found / found.sum(axis=axes, keepdims=True).astype(x.dtype)
        return ((share * grad_y.reshape(kept.shape)).astype(x.dtype, copy=False),)

    return record(name, kept if keepdim else kept.squeeze(axes), (input,), backward, (input,))


def max(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """Largest of all elements; with `dim` the largest along it and its index; with a tensor the larger of two."""
    return _extremum("max", amax, maximum, np.argmax, input, dim, keepdim)


def min(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """Smallest of all elements; with `dim` the smallest along it and its index; with a tensor the smaller of two."""
    return _extremum("min", amin, minimum, np.argmin, input, dim, keepdim)


def _extremum(name: str, over_all: Any, of_two: Any, arg: Any, input: Tensor, dim: Any, keepdim: bool) -> Any:
    if isinstance(dim, Tensor):
        return of_two(input, dim)
    if dim is None:
        return over_all(input)
    normalize_axes(name, dim, input.ndim)
    if input.ndim and input.shape[dim] == 0:
        raise ValueError(f"{name}: expected at least one element along dim {dim}, got shape {tuple(input.shape)}")
    order = arg(input._array, axis=dim, keepdims=True) if input.ndim else _first(input)
    return _take(name, input, order, dim, keepdim)


def _take(name: str, input: Tensor, order: Array, dim: int, keepdim: bool = True) -> ValuesAndIndices:
    """The elements at positions `order` along `dim`, with the gradient that puts each back at its place."""
    x = input._array
    values = np.take_along_axis(x, order, dim) if x.ndim else x.copy()

    def squeezed(array: Array) -> Array:
        return array if keepdim or not x.ndim else array.squeeze(dim)

    def backward(grad_y: Array, grad_indices: Array) -> tuple[Array]:
        if not x.ndim:
            return (grad_y,)
        grad_x = arrays.zeros(x.shape, grad_y.dtype, grad_y)
        np.put_along_axis(grad_x, order, grad_y.reshape(order.shape), dim)
        return (grad_x,)

    return ValuesAndIndices(*record(name, (squeezed(values), squeezed(order)), (input,), backward))


def _first(input: Tensor) -> Array:
    """Where the only element of a tensor without dimensions stands."""
    return arrays.zeros((), np.int64, input.device)


def _part(order: Array, dim: int, part: slice) -> Array:
    """Some of the positions along an axis."""
    return arrays.contiguous(order[(slice(None),) * (dim % order.ndim) + (part,)]) if order.ndim else order


def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> ValuesAndIndices:
    """The elements in order along `dim`, and where they stood. Always stable; NaN counts as the largest."""
    return _take("sort", input, argsort(input, dim, descending)._array, dim)


def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """Positions that put the elements in order along `dim`. Always stable."""
    normalize_axes("argsort", dim, input.ndim)
    x = input._array
    if not x.ndim:
        order = _first(input)
    elif descending:  # stable from the other side: reverse, sort, reverse
        flipped = np.flip(x, dim)
        order = x.shape[dim] - 1 - np.flip(np.argsort(flipped, axis=dim, kind="stable"), dim)
    else:
        order = np.argsort(x, axis=dim, kind="stable")
    return record("argsort", order, (input.detach(),), lambda grad_y: (None,))


def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> ValuesAndIndices:
    """The k largest (or smallest) elements along `dim`, in order, and where they stood."""
    normalize_axes("topk", dim, input.ndim)
    size = input.shape[dim] if input.ndim else 1
    if not 0 <= k <= size:
        raise ValueError(f"topk: k expects a value in [0, {size}], the size along dim {dim}, got {k}")
    order = argsort(input, dim, descending=largest)._array
    return _take("topk", input, _part(order, dim, slice(k)), dim)


def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The element in the middle of the order, the lower one of two; with `dim` its position too."""
    if dim is None:
        flat = input.reshape(-1)
        if flat.numel() == 0:
            raise ValueError("median: expected at least one element")
        return flat[argsort(flat)[(flat.numel() - 1) // 2].item()]
    order = argsort(input, dim)._array
    at = (input.shape[dim] - 1) // 2 if input.ndim else 0
    middle = _part(order, dim, slice(at, at + 1))
    return _take("median", input, middle, dim, keepdim)


def unique(input: Tensor, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False) -> Any:
    """Each value once, in order; also where each element went and how often each value came, if asked for."""
    options: dict[str, Any] = {"return_inverse": return_inverse, "return_counts": return_counts}
    parts = np.unique(input._array, **options)
    result = record(
        "unique", parts if isinstance(parts, tuple) else (parts,), (input.detach(),), lambda *grads: (None,)
    )
    return result if len(result) > 1 else result[0]
