"""How a kernel finds its way in an array of any number of axes and any strides, with one compiled version for all.

A strided array is passed as the memory that it touches, in one axis; the place of its first element there; and its
strides, counted in elements. The element number i in C order is then at ``first + offset_of(i, shape, strides)``.
Before that, axes of size 1 are dropped and neighbours are joined where the strides of all operands allow: most work
has one axis or two, and the fewer there are the fewer divisions it takes to find an element.
"""

import numpy as np
from numba import types
from numba.extending import overload

from kernels.elementary import formula
from kernels.gpu.array import DeviceArray

__all__ = ["at", "bounds", "broadcast", "joined", "kernel_shape", "offset_of", "overlap", "span", "steps"]


@formula
def offset_of(i, shape, strides):
    """How many elements from the first the element number `i` lies. The sizes' dtype is that of the divisions."""
    rest = type(shape[0])(i)
    offset = np.int64(0)
    for axis in range(len(shape) - 1, 0, -1):
        size = shape[axis]
        offset += np.int64(rest % size) * strides[axis]
        rest = type(size)(rest // size)
    return offset + np.int64(rest) * strides[0]


def at(x, i):
    """``x[i]`` of an array, `x` itself if it is a number: so one kernel serves both."""
    return x[i] if isinstance(x, np.ndarray) else x


@overload(at)
def _at(x, i):
    if isinstance(x, types.Array):
        return lambda x, i: x[i]
    return lambda x, i: x


def steps(array):
    """Strides in elements."""
    itemsize = array.itemsize
    return tuple(stride // itemsize for stride in array.strides)


def bounds(array):
    """Address of the first byte that an array touches, and of the one behind the last."""
    low = high = array.pointer
    if array.size:
        for size, stride in zip(array.shape, array.strides):
            low, high = (low, high + (size - 1) * stride) if stride > 0 else (low + (size - 1) * stride, high)
        high += array.itemsize
    return low, high


def overlap(a, b):
    """Whether two device arrays may have memory in common: whether the ranges they touch meet."""
    (a_low, a_high), (b_low, b_high) = bounds(a), bounds(b)
    return a_low < b_high and b_low < a_high


def span(array):
    """The memory that an array touches as an array of one axis, and where in it the first element is."""
    if array.is_contiguous:
        return array.reshape(-1), 0
    low, high = bounds(array)
    memory = DeviceArray.at_address(array, low, (high - low) // array.itemsize)
    return memory, (array.pointer - low) // array.itemsize


def broadcast(array, shape):
    """A view in a shape to which the array's axes of size 1, and missing ones, are repeated."""
    if array.shape == tuple(shape):
        return array
    added = len(shape) - array.ndim
    strides = [0] * added
    for size, stride, wanted in zip(array.shape, array.strides, shape[added:]):
        if size not in (1, wanted):
            raise ValueError(f"an array of shape {array.shape} cannot be broadcast to {tuple(shape)}")
        strides.append(stride if size == wanted else 0)
    return array.restrided(shape, strides)


def joined(shape, *strides):
    """The same elements in as few axes as the strides of all operands allow, at least one.

    Parameters
    ----------
    shape : tuple of int
    *strides : tuple of int
        One per operand.

    Returns
    -------
    list: the new shape, then the new strides of each operand, all tuples
    """
    axes = []
    for size, *step in zip(shape, *strides):
        if size == 1:
            continue
        if axes and all(before == size * here for before, here in zip(axes[-1][1:], step)):
            axes[-1] = [axes[-1][0] * size, *step]
        else:
            axes.append([size, *step])
    if not axes:
        axes = [[1] + [0] * len(strides)]
    return [tuple(column) for column in zip(*axes)]


def kernel_shape(shape):
    """Sizes as kernels take them: of 32 bits where they suffice, as a GPU divides these several times faster."""
    count = 1
    for size in shape:
        count *= int(size)
    return tuple(np.uint32(size) for size in shape) if count < 2**32 else tuple(int(size) for size in shape)
