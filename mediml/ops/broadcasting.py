"""What every operation on several tensors needs: operands of one dtype, and gradients back in the operand's shape."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediml.device import Device, common_device
from mediml.dtypes import default_float, result_type
from mediml.tensor import Tensor, from_array

__all__ = ["as_float", "operands", "sum_to_shape"]


def operands(name: str, *values: Any, to_float: bool = False) -> tuple[Tensor, ...]:
    """Tensors of one dtype and on one device from tensors and numbers, by torch's rule of promotion.

    Parameters
    ----------
    name : str
        The operation, for error texts.
    *values : Tensor, number or ndarray
    to_float : bool
        Make integers the default floating dtype, as a division does.
    """
    values = tuple(from_array(v) if isinstance(v, (np.ndarray, np.generic)) else v for v in values)
    tensors = [value for value in values if isinstance(value, Tensor)]
    try:
        dtype = result_type(*values)
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None
    if to_float and dtype.kind != "f":
        dtype = default_float()
    movable = [t for t in tensors if t.ndim == 0]  # as torch: a tensor without dimensions may come from another device
    device = common_device(name, *([t for t in tensors if t.ndim] or movable))
    result = []
    for value in values:
        tensor = value if isinstance(value, Tensor) else from_array(np.asarray(value, dtype), device)
        tensor = tensor if tensor.dtype == dtype else tensor.to(dtype)
        result.append(tensor if tensor.device == device else _brought(tensor, device))
    try:
        np.broadcast_shapes(*(tensor._array.shape for tensor in result))
    except ValueError:
        shapes = " and ".join(str(tuple(tensor.shape)) for tensor in result)
        raise ValueError(f"{name}: shapes {shapes} cannot be broadcast together; sizes must be equal or 1") from None
    return tuple(result)


def _brought(tensor: Tensor, device: Device) -> Tensor:
    """A tensor without dimensions for work on another device; a kernel takes a number, which needs no copy there."""
    if tensor.requires_grad or tensor.is_cuda:
        return tensor.to(device)
    return from_array(tensor._array.copy(), device)


def as_float(tensor: Tensor) -> Tensor:
    """The tensor itself, or an integer one in the default floating dtype."""
    return tensor if tensor.is_floating_point() else tensor.to(default_float())


def sum_to_shape(gradient: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Gradient of a broadcast: sums over the axes along which the operand was repeated."""
    if gradient.shape == tuple(shape):
        return gradient
    added = gradient.ndim - len(shape)
    axes = tuple(range(added)) + tuple(
        axis + added for axis, size in enumerate(shape) if size == 1 and gradient.shape[axis + added] != 1
    )
    return gradient.sum(axis=axes, keepdims=True).reshape(shape)
