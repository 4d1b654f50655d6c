"""Copies on the device: strided to contiguous, one dtype to another, one value everywhere."""

import numpy as np
from numba import cuda

from kernels.gpu.launch import kernel, strided
from kernels.gpu.memory import empty

__all__ = ["copied", "copy_into", "fill"]

#: Axes that the strided kernel has; more are joined where the strides allow it, or copied one index at a time.
_AXES = 4


@kernel
def _fill(y, value):
    for i in range(cuda.grid(1), y.size, cuda.gridsize(1)):
        y[i] = value


@kernel
def _fill_strided(y, value):
    _, B, C, D = y.shape
    for i in range(cuda.grid(1), y.size, cuda.gridsize(1)):
        y[i // (B * C * D), i // (C * D) % B, i // D % C, i % D] = value


@kernel
def _copy(x, y):
    for i in range(cuda.grid(1), y.size, cuda.gridsize(1)):
        y[i] = x[i]


@kernel
def _copy_strided(x, y):
    _, B, C, D = y.shape
    for i in range(cuda.grid(1), y.size, cuda.gridsize(1)):
        a, b, c, d = i // (B * C * D), i // (C * D) % B, i // D % C, i % D
        y[a, b, c, d] = x[a, b, c, d]


def copied(x, dtype=None):
    """The elements of `x`, in another dtype if one is given, in new C-contiguous memory."""
    y = empty(x.shape, x.dtype if dtype is None else dtype)
    copy_into(y, x)
    return y


def copy_into(y, x):
    """Write the elements of `x` into `y`, of the same shape; the dtypes may differ."""
    if x.is_contiguous and y.is_contiguous:
        _copy[strided(y.size)](x.reshape(-1), y.reshape(-1))
        return
    for x_part, y_part in _of_four_axes(x, y):
        _copy_strided[strided(y_part.size)](x_part, y_part)


def fill(y, value):
    """Write one value into every element of `y`."""
    value = np.asarray(value).astype(y.dtype)[()]
    if y.is_contiguous:
        _fill[strided(y.size)](y.reshape(-1), value)
        return
    for (part,) in _of_four_axes(y):
        _fill_strided[strided(part.size)](part, value)


def _of_four_axes(*arrays):
    """The arrays, of one shape, with exactly four axes: fewer get axes of size 1, more are gone through one by one."""
    missing = _AXES - arrays[0].ndim
    if missing >= 0:
        yield tuple(array[(None,) * missing] for array in arrays)
        return
    for i in range(arrays[0].shape[0]):
        yield from _of_four_axes(*(array[i] for array in arrays))
