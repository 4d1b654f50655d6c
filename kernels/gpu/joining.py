"""Arrays put together and taken apart: each piece of the result is a view, and one launch copies into it."""

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from kernels.gpu.array import DeviceArray
from kernels.gpu.copying import copy_into
from kernels.gpu.geometry import broadcast
from kernels.gpu.memory import empty

__all__ = ["concatenate", "pad", "roll", "split", "stack", "tile"]


def _part(axis, start, stop):
    return (slice(None),) * axis + (slice(start, stop),)


def concatenate(arrays, axis=0, out=None, *, dtype=None, casting="same_kind"):
    """Joined along an axis that they have; all elements in a row if `axis` is None."""
    arrays = list(arrays)
    if not all(isinstance(array, DeviceArray) for array in arrays):
        raise TypeError("numpy.concatenate: some arrays are on the device and some on the host")
    if axis is None:
        arrays, axis = [array.reshape(-1) for array in arrays], 0
    axis = normalize_axis_index(axis, arrays[0].ndim)
    rest = [(*array.shape[:axis], *array.shape[axis + 1 :]) for array in arrays]
    if len(set(rest)) > 1 or len({array.ndim for array in arrays}) > 1:
        raise ValueError(
            f"all the input array dimensions except for the concatenation axis must match exactly, got "
            f"{', '.join(str(array.shape) for array in arrays)} along axis {axis}"
        )
    total = sum(array.shape[axis] for array in arrays)
    if out is None:
        dtype = np.result_type(*(array.dtype for array in arrays)) if dtype is None else dtype
        out = empty((*arrays[0].shape[:axis], total, *arrays[0].shape[axis + 1 :]), dtype)
    start = 0
    for array in arrays:
        copy_into(out[_part(axis, start, start + array.shape[axis])], array)
        start += array.shape[axis]
    return out


def stack(arrays, axis=0, out=None, *, dtype=None, casting="same_kind"):
    """Joined along a new axis."""
    arrays = list(arrays)
    if len({np.shape(array) for array in arrays}) > 1:
        raise ValueError("all input arrays must have the same shape")
    axis = normalize_axis_index(axis, arrays[0].ndim + 1)
    return concatenate([np.expand_dims(array, axis) for array in arrays], axis, out, dtype=dtype)


def split(ary, indices_or_sections, axis=0):
    """Views of consecutive pieces: of equal size, or ending at the given places."""
    axis = normalize_axis_index(axis, ary.ndim)
    size = ary.shape[axis]
    if np.ndim(indices_or_sections) == 0:
        count = int(indices_or_sections)
        if size % count:
            raise ValueError("array split does not result in an equal division")
        ends = [size // count * i for i in range(1, count)]
    else:
        ends = [int(end) for end in indices_or_sections]
    return [ary[_part(axis, start, stop)] for start, stop in zip([0, *ends], [*ends, size])]


def tile(A, reps):
    """The whole array repeated along each axis, in one launch."""
    counts = (int(reps),) if np.ndim(reps) == 0 else tuple(int(n) for n in reps)
    ndim = max(len(counts), A.ndim)
    counts, sizes = (1,) * (ndim - len(counts)) + counts, (1,) * (ndim - A.ndim) + A.shape
    pairs = [n for pair in zip(counts, sizes) for n in pair]
    view = A.reshape([n for size in sizes for n in (1, size)])
    y = empty(pairs, A.dtype)
    copy_into(y, broadcast(view, tuple(pairs)))
    return y.reshape([count * size for count, size in zip(counts, sizes)])


def roll(a, shift, axis=None):
    """What leaves at one end comes back at the other."""
    if axis is None:
        return roll(a.reshape(-1), shift, 0).reshape(a.shape)
    shifts, axes = np.broadcast_arrays(shift, axis)
    moved = a
    for by, one in zip(shifts.reshape(-1).tolist(), axes.reshape(-1).tolist()):
        one = normalize_axis_index(one, a.ndim)
        size = a.shape[one]
        by = by % size if size else 0
        y = empty(a.shape, a.dtype)
        copy_into(y[_part(one, by, None)], moved[_part(one, None, size - by)])
        copy_into(y[_part(one, None, by)], moved[_part(one, size - by, None)])
        moved = y
    return moved.copy() if moved is a else moved


def pad(array, pad_width, mode="constant", *, constant_values=0):
    """A constant around the array."""
    if mode != "constant" or np.ndim(constant_values):
        raise TypeError("numpy.pad is supported on the device for mode='constant' and one value")
    widths = np.broadcast_to(np.asarray(pad_width), (array.ndim, 2)).tolist()
    y = empty([size + before + after for size, (before, after) in zip(array.shape, widths)], array.dtype)
    y.fill(constant_values)
    copy_into(y[tuple(slice(before, before + size) for size, (before, _) in zip(array.shape, widths))], array)
    return y
