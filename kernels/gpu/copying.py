"""Copies on the device: strided to contiguous, one dtype to another, one value everywhere."""

import numpy as np

from kernels.gpu.memory import empty
from kernels.gpu.ufuncs import elementwise

__all__ = ["copied", "copy_into", "fill"]


def copied(x, dtype=None):
    """The elements of `x`, in another dtype if one is given, in new C-contiguous memory."""
    y = empty(x.shape, x.dtype if dtype is None else dtype)
    return elementwise("copy", [x], (x.dtype,), y, y.dtype, new=True)


def copy_into(y, x):
    """Write `x`, an array whose shape broadcasts to that of `y`, into `y`; the dtypes may differ."""
    elementwise("copy", [x], (x.dtype,), y, y.dtype)


def fill(y, value):
    """Write one value into every element of `y`."""
    value = np.asarray(value).astype(y.dtype)[()]
    elementwise("copy", [value], (y.dtype,), y, y.dtype)
