"""New tensors: zeros, ones, ranges, grids."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mediml import arrays
from mediml.device import CPU, Device
from mediml.dtypes import default_float, to_dtype
from mediml.interchange import tensor
from mediml.ops.shape import _sizes
from mediml.tensor import Tensor, from_array

__all__ = [
    "arange", "empty", "empty_like", "eye", "full", "full_like", "linspace", "meshgrid", "ones", "ones_like", "zeros",
    "zeros_like",
]  # fmt: skip

DeviceLike = str | Device | None


def _new(array: Any, dtype: Any, device: DeviceLike, requires_grad: bool) -> Tensor:
    """A tensor of numbers that NumPy has made, brought to where they are wanted."""
    array = np.asarray(array, default_float() if dtype is None else to_dtype(dtype))
    place = CPU if device is None else Device(device)
    return from_array(arrays.moved(array, place), place).requires_grad_(requires_grad)


def _filled(maker: Callable[..., Any], sizes: Any, dtype: Any, device: DeviceLike, requires_grad: bool) -> Tensor:
    """A tensor that ``maker(shape, dtype, place)`` makes where it is wanted."""
    dtype = default_float() if dtype is None else to_dtype(dtype)
    shape = _sizes(sizes)
    if any(size < 0 for size in shape):
        raise ValueError(f"a tensor cannot have a negative size, got {shape}")
    place = CPU if device is None else Device(device)
    return from_array(maker(shape, dtype, place), place).requires_grad_(requires_grad)


def zeros(*size: Any, dtype: Any = None, device: DeviceLike = None, requires_grad: bool = False) -> Tensor:
    """Zeros of a shape, given as ``zeros(2, 3)`` or ``zeros((2, 3))``."""
    return _filled(arrays.zeros, size, dtype, device, requires_grad)


def ones(*size: Any, dtype: Any = None, device: DeviceLike = None, requires_grad: bool = False) -> Tensor:
    """Ones of a shape."""
    return _filled(arrays.ones, size, dtype, device, requires_grad)


def empty(*size: Any, dtype: Any = None, device: DeviceLike = None, requires_grad: bool = False) -> Tensor:
    """A tensor of a shape with undefined values, to be written."""
    return _filled(arrays.empty, size, dtype, device, requires_grad)


def full(
    size: Sequence[int], fill_value: Any, *, dtype: Any = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """One value everywhere; the dtype is that of the value (a float: the default dtype)."""
    value = fill_value.item() if isinstance(fill_value, Tensor) else fill_value
    if dtype is None:
        dtype = np.bool_ if isinstance(value, bool) else np.int64 if isinstance(value, int) else default_float()

    def maker(shape: Any, dtype: Any, place: Device) -> Any:
        return arrays.full(shape, value, dtype, place)

    return _filled(maker, (size,), dtype, device, requires_grad)


def zeros_like(
    input: Tensor, *, dtype: Any = None, device: DeviceLike = None, requires_grad: bool = False, **_: Any
) -> Tensor:
    """Zeros with the shape, dtype and device of another tensor."""
    return zeros(input.shape, dtype=dtype or input.dtype, device=device or input.device, requires_grad=requires_grad)


def ones_like(
    input: Tensor, *, dtype: Any = None, device: DeviceLike = None, requires_grad: bool = False, **_: Any
) -> Tensor:
    """Ones with the shape, dtype and device of another tensor."""
    return ones(input.shape, dtype=dtype or input.dtype, device=device or input.device, requires_grad=requires_grad)


def empty_like(
    input: Tensor, *, dtype: Any = None, device: DeviceLike = None, requires_grad: bool = False, **_: Any
) -> Tensor:
    """Undefined values with the shape, dtype and device of another tensor."""
    return empty(input.shape, dtype=dtype or input.dtype, device=device or input.device, requires_grad=requires_grad)


def full_like(
    input: Tensor,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
    **_: Any,
) -> Tensor:
    """One value with the shape, dtype and device of another tensor."""
    dtype, device = dtype or input.dtype, device or input.device
    return full(input.shape, fill_value, dtype=dtype, device=device, requires_grad=requires_grad)


def new_zeros(input: Tensor, *size: Any, **options: Any) -> Tensor:
    """Zeros of a shape, with the dtype and device of this tensor where no others are given."""
    return zeros(*size, **{"dtype": input.dtype, "device": input.device, **options})


def new_ones(input: Tensor, *size: Any, **options: Any) -> Tensor:
    """Ones of a shape, with the dtype and device of this tensor where no others are given."""
    return ones(*size, **{"dtype": input.dtype, "device": input.device, **options})


def new_full(input: Tensor, size: Sequence[int], fill_value: Any, **options: Any) -> Tensor:
    """One value in a shape, with the dtype and device of this tensor where no others are given."""
    return full(size, fill_value, **{"dtype": input.dtype, "device": input.device, **options})


def new_tensor(input: Tensor, data: Any, **options: Any) -> Tensor:
    """A new tensor of `data`, with the dtype and device of this tensor where no others are given."""
    return tensor(data, **{"dtype": input.dtype, "device": input.device, **options})


def arange(
    start: Any,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Numbers from `start` (0 if alone) up to but not including `end`."""
    if end is None:
        start, end = 0, start
    start, end, step = (value.item() if isinstance(value, Tensor) else value for value in (start, end, step))
    if step == 0 or (end - start) * step < 0:
        raise ValueError(f"arange: step {step} never leads from {start} to {end}")
    if dtype is None:
        dtype = np.int64 if all(isinstance(value, int) for value in (start, end, step)) else default_float()
    return _new(np.arange(start, end, step), dtype, device, requires_grad)


def linspace(
    start: float, end: float, steps: int, *, dtype: Any = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """`steps` evenly spaced numbers from `start` to `end`, both included."""
    return _new(np.linspace(start, end, steps), dtype, device, requires_grad)


def eye(
    n: int, m: int | None = None, *, dtype: Any = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """Ones on the diagonal of an n by m matrix."""
    return _new(np.eye(n, m), dtype, device, requires_grad)


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Coordinates of a grid: one tensor per axis, each of the grid's shape."""
    if indexing not in ("ij", "xy"):
        raise ValueError(f"meshgrid: indexing expects 'ij' or 'xy', got {indexing!r}")
    axes = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else tensors
    shape = [axis.numel() for axis in axes]
    views = []
    for position, axis in enumerate(axes):
        view = [1] * len(shape)
        view[position] = shape[position]
        grid = axis.reshape(view).expand(shape)
        views.append(grid.transpose(0, 1) if indexing == "xy" and len(shape) > 1 else grid)
    return tuple(views)
