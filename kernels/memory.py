"""The one place where the arrays of a kernel come from: inputs made fit for it, outputs born.

Tests call `fill_new_arrays_with_nan`, so that an element that no thread writes is seen.
"""

import numpy as np

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))

_fill_with_nan = False


class OnDevice:
    """Base of ``kernels.gpu.array.DeviceArray``: what the checks know of the GPU without loading it."""

    __slots__ = ()


# What a kernel is given, in the memory of the host or of the GPU: the checks of a family's ``shapes.py`` serve all back
# ends, so they ask for this. Two classes, not an abstract one: that made a small step of training one twentieth slower.
Array = (np.ndarray, OnDevice)


def fill_new_arrays_with_nan(enabled):
    """For tests: fill every array of `empty` with NaN (integers: their minimum). Returns the old setting."""
    global _fill_with_nan
    previous, _fill_with_nan = _fill_with_nan, bool(enabled)
    return previous


def filling_with_nan():
    """Whether tests have asked for NaN in new arrays."""
    return _fill_with_nan


def empty(shape, dtype):
    """A new C-contiguous array that its kernel must write completely."""
    array = np.empty(shape, dtype)
    if _fill_with_nan:
        array.fill(np.nan if array.dtype.kind == "f" else np.iinfo(array.dtype).min)
    return array


def zeros(shape, dtype):
    """A new C-contiguous array of zeros, for kernels that add to it."""
    return np.zeros(shape, dtype)


def readable(array):
    """The array as kernels take it: C-contiguous, aligned, native byte order, and flagged writable.

    Copies only where it must. One layout means one compiled version per dtype; Numba would compile another one for
    a read-only or strided array.
    """
    array = np.asarray(array)
    if array.flags.carray and array.dtype.isnative:  # nearly always; the general way takes ten times as long
        return array
    return np.require(array, array.dtype.newbyteorder("="), ["C", "A", "W"])
