"""Which elements are not 0: counted, and their places written one behind the other.

mask           1  0  0  1  1        a running count says where in the list a place goes; the last count how long
running count  1  1  1  2  3        the list is. That one number is copied to the host, which must know the size
places         0  3  4              of the array that it makes: the one wait, counted in ``transfer.TRANSFERS``.
"""

import numpy as np
from numba import cuda

from kernels.gpu.launch import kernel, strided
from kernels.gpu.memory import empty
from kernels.gpu.positions import cumsum

__all__ = ["coordinates", "flat_nonzero", "nonzero"]


@kernel
def _list_places(mask, running, places):
    for i in range(cuda.grid(1), mask.size, cuda.gridsize(1)):
        if mask[i]:
            places[running[i] - 1] = i


def flat_nonzero(x):
    """Places, in C order, of the elements that are not 0. Copies one number to the host."""
    mask = (x if x.dtype.kind == "b" else x != 0).reshape(-1)
    if not mask.size:
        return empty(0, np.int64)
    running = cumsum(mask)
    places = empty(int(running[-1]), np.int64)
    _list_places[strided(mask.size if places.size else 0)](mask, running, places)
    return places


@kernel
def _coordinate(places, size, step, y):
    for i in range(cuda.grid(1), y.size, cuda.gridsize(1)):
        y[i] = places[i] // step % size


def coordinates(places, shape):
    """The index along each axis of elements with these places in C order."""
    if len(shape) == 1:
        return (places,)
    found, step = [], 1
    for size in reversed(shape):
        y = empty(places.shape, np.int64)
        _coordinate[strided(y.size)](places, size, step, y)
        found.append(y)
        step *= size
    return tuple(reversed(found))


def nonzero(a):
    """Index arrays, one per axis, of the elements that are not 0."""
    if a.ndim == 0:
        raise ValueError("nonzero of an array without axes: use numpy.atleast_1d first")
    return coordinates(flat_nonzero(a), a.shape)
