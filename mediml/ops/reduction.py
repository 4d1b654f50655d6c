"""Many elements to one: sums, means, extrema, and the order of elements; torch's names and gradients."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediml import arrays
from mediml.autograd import record
from mediml.ops.broadcasting import as_float
from mediml.ops.comparison import ne
from mediml.tensor import Tensor

__all__ = [
    "all", "any", "argmax", "argmin", "count_nonzero", "cumsum", "logsumexp", "mean", "norm", "prod", "std", "sum",
    "var",
]  # fmt: skip

Array = NDArray[Any]
Axes = int | Sequence[int] | None


def normalize_axes(name: str, dim: Axes, ndim: int) -> tuple[int, ...]:
    """Axes as a tuple of non-negative int; None means all of them.

    Raises
    ------
    IndexError
        If an axis is outside [-ndim, ndim - 1].
    ValueError
        If an axis appears twice.
    """
    if dim is None:
        return tuple(range(ndim))
    axes = (dim,) if isinstance(dim, (int, np.integer)) else tuple(dim)
    if not axes:
        return tuple(range(ndim))
    room = max(ndim, 1)  # a tensor without dimensions may be reduced along dim 0 or -1
    for axis in axes:
        if not -room <= axis < room:
            raise IndexError(f"{name}: dim expects a value in [{-room}, {room - 1}], got {axis}")
    result = tuple(int(axis) % room for axis in axes)
    if len(set(result)) != len(result):
        raise ValueError(f"{name}: dim {tuple(axes)} names an axis twice")
    return result if ndim else ()


def _restore(array: Array, axes: tuple[int, ...], ndim: int, keepdim: bool) -> Array:
    """Give a reduced array its axes of size 1 again, so that it broadcasts against what was reduced."""
    return array if keepdim or not ndim else np.expand_dims(array, axes)


def sum(input: Tensor, dim: Axes = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Sum over `dim` (all dimensions if None). Integers and bools add up to int64."""
    if dtype is not None:
        input = input.to(dtype)
    axes = normalize_axes("sum", dim, input.ndim)
    x = input._array
    result = np.int64 if x.dtype.kind in "iub" and dtype is None else x.dtype

    def backward(grad_y: Array) -> tuple[Array]:
        return (np.broadcast_to(_restore(grad_y, axes, x.ndim, keepdim), x.shape),)

    return record("sum", x.sum(axis=axes, keepdims=keepdim, dtype=result), (input,), backward)


def mean(input: Tensor, dim: Axes = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Mean over `dim` (all dimensions if None); nan for no elements."""
    if dtype is not None:
        input = input.to(dtype)
    if not input.is_floating_point():
        raise TypeError(f"mean: expected a floating dtype, got {input.dtype}; use .float() or dtype=")
    axes = normalize_axes("mean", dim, input.ndim)
    x = input._array
    count = int(np.prod([x.shape[axis] for axis in axes], dtype=np.int64))

    def backward(grad_y: Array) -> tuple[Array]:
        share = _restore(grad_y, axes, x.ndim, keepdim) / np.asarray(max(count, 1), x.dtype)
        return (np.broadcast_to(share, x.shape),)

    with np.errstate(all="ignore"):
        y = x.sum(axis=axes, keepdims=keepdim) / np.asarray(count, x.dtype)
    return record("mean", y, (input,), backward)


def prod(input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Product over `dim` (all dimensions if None)."""
    if dtype is not None:
        input = input.to(dtype)
    axes = normalize_axes("prod", dim, input.ndim)
    x = input._array
    y = x.prod(axis=axes, keepdims=keepdim)

    def backward(grad_y: Array) -> tuple[Array]:
        gradient = _restore(grad_y, axes, x.ndim, keepdim)
        moved = np.moveaxis(x, axes, range(-len(axes), 0)) if axes else x
        flat = moved.reshape(*moved.shape[: x.ndim - len(axes)], -1)
        others = _product_of_the_others(flat).reshape(moved.shape)
        return (gradient * (np.moveaxis(others, range(-len(axes), 0), axes) if axes else others),)

    return record("prod", y, (input,), backward, (input,))


def _product_of_the_others(x: Array) -> Array:
    """For each element of the last axis the product of all the others, without a division that zeros would spoil."""
    before = np.ones_like(x)
    after = np.ones_like(x)
    np.cumprod(x[..., :-1], axis=-1, out=before[..., 1:])
    after[..., :-1] = np.cumprod(x[..., :0:-1], axis=-1)[..., ::-1]
    return before * after


def var(
    input: Tensor, dim: Axes = None, unbiased: bool = True, keepdim: bool = False, *, correction: float | None = None
) -> Tensor:
    """Variance: squared distance from the mean, divided by the count less `correction` (1 if `unbiased`)."""
    axes = normalize_axes("var", dim, input.ndim)
    x = input._array
    if correction is None:
        correction = 1 if unbiased else 0
    count = int(np.prod([x.shape[axis] for axis in axes], dtype=np.int64))
    with np.errstate(all="ignore"):
        centred = x - x.mean(axis=axes, keepdims=True)
        divisor = np.asarray(max(count - correction, 0), x.dtype)
        y = (centred * centred).sum(axis=axes, keepdims=keepdim) / divisor

    def backward(grad_y: Array) -> tuple[Array]:
        with np.errstate(all="ignore"):
            return (_restore(grad_y, axes, x.ndim, keepdim) * (2 / divisor) * centred,)

    return record("var", y, (input,), backward, (input,))


def std(
    input: Tensor, dim: Axes = None, unbiased: bool = True, keepdim: bool = False, *, correction: float | None = None
) -> Tensor:
    """Standard deviation: the square root of `var`."""
    return var(input, dim, unbiased, keepdim, correction=correction).sqrt()


def norm(input: Tensor, p: float | str | None = "fro", dim: Axes = None, keepdim: bool = False) -> Tensor:
    """(sum |x|^p)^(1/p); p = inf gives the largest |x|, -inf the smallest, 0 the count of elements that are not 0."""
    order = 2.0 if p is None or p == "fro" else p
    if isinstance(order, str):
        raise ValueError(f"norm: p expects a number or 'fro', got {p!r}")
    size = input.abs()
    axes = normalize_axes("norm", dim, input.ndim)
    if order == float("inf"):
        return size.amax(axes, keepdim)
    if order == float("-inf"):
        return size.amin(axes, keepdim)
    if order == 0:
        count = ne(input, 0)._array.sum(axis=axes, keepdims=keepdim, dtype=input.dtype)
        return record("norm", count, (input,), lambda grad_y: (np.zeros_like(input._array),))
    if order == 1:
        return size.sum(axes, keepdim)
    return _power_norm(input, order, axes, keepdim)


def _power_norm(input: Tensor, p: float, axes: tuple[int, ...], keepdim: bool) -> Tensor:
    x = input._array
    magnitude = np.abs(x)
    power = magnitude * magnitude if p == 2 else magnitude**p
    y = arrays.asarray(power.sum(axis=axes, keepdims=keepdim) ** (1 / p), x.dtype)

    def backward(grad_y: Array) -> tuple[Array]:
        whole = _restore(y, axes, x.ndim, keepdim)
        with np.errstate(all="ignore"):
            slope = x / whole if p == 2 else np.sign(x) * (magnitude / whole) ** (p - 1)
        # at the origin, where no slope is defined, torch's subgradient is 0
        return (np.where(whole == 0, 0, _restore(grad_y, axes, x.ndim, keepdim) * slope),)

    return record("norm", y, (input,), backward, (input,), saves_output=True)


def logsumexp(input: Tensor, dim: Axes, keepdim: bool = False) -> Tensor:
    """ln sum e^x, computed without overflow."""
    input = as_float(input)
    axes = normalize_axes("logsumexp", dim, input.ndim)
    x = input._array
    highest = x.max(axis=axes, keepdims=True) if x.size else arrays.zeros([1] * x.ndim, x.dtype, x)
    shift = np.where(np.isfinite(highest), highest, 0)
    with np.errstate(all="ignore"):
        kept = np.log(np.exp(x - shift).sum(axis=axes, keepdims=True)) + shift

    def backward(grad_y: Array) -> tuple[Array]:
        with np.errstate(all="ignore"):
            return (_restore(grad_y, axes, x.ndim, keepdim) * np.exp(x - kept),)

    return record("logsumexp", kept if keepdim else kept.squeeze(axes), (input,), backward, (input,))


def cumsum(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Running sum along `dim`."""
    if dtype is not None:
        input = input.to(dtype)
    (axis,) = normalize_axes("cumsum", dim, input.ndim) or (0,)
    y = np.cumsum(input._array, axis=axis) if input.ndim else input._array.copy()

    def backward(grad_y: Array) -> tuple[Array]:
        return (np.flip(np.cumsum(np.flip(grad_y, axis), axis=axis), axis) if grad_y.ndim else grad_y,)

    return record("cumsum", y, (input,), backward)


def _without_gradient(name: str, array: Any, input: Tensor) -> Tensor:
    return record(name, array, (input.detach(),), lambda grad_y: (None,))


def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index of the largest element along `dim` (of all elements in a row if None); the first of equal ones."""
    return _without_gradient("argmax", _arg(np.argmax, "argmax", input, dim, keepdim), input)


def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index of the smallest element along `dim` (of all elements in a row if None); the first of equal ones."""
    return _without_gradient("argmin", _arg(np.argmin, "argmin", input, dim, keepdim), input)


def _arg(function: Any, name: str, input: Tensor, dim: int | None, keepdim: bool) -> Any:
    if dim is not None:
        normalize_axes(name, dim, input.ndim)
    if input._array.size == 0 and dim is None:
        raise ValueError(f"{name}: expected at least one element, got shape {tuple(input.shape)}")
    return function(input._array, axis=dim if input.ndim else None, keepdims=keepdim)


def all(input: Tensor, dim: Axes = None, keepdim: bool = False) -> Tensor:
    """Whether every element is true."""
    axes = normalize_axes("all", dim, input.ndim)
    return _without_gradient("all", input._array.all(axis=axes, keepdims=keepdim), input)


def any(input: Tensor, dim: Axes = None, keepdim: bool = False) -> Tensor:
    """Whether an element is true."""
    axes = normalize_axes("any", dim, input.ndim)
    return _without_gradient("any", input._array.any(axis=axes, keepdims=keepdim), input)


def count_nonzero(input: Tensor, dim: Axes = None) -> Tensor:
    """How many elements are not 0."""
    axes = normalize_axes("count_nonzero", dim, input.ndim)
    return _without_gradient("count_nonzero", np.count_nonzero(input._array, axis=axes), input)
