"""Sorting on the device: stable, along any axis, NaN behind all numbers as in NumPy.

Lines are sorted in tiles first, a block each: every thread counts how many of the tile's elements come before its own
(smaller, or equal and further left) and so knows its place. Sorted runs are then merged two by two, and again:

    run      1  4  7  9   |   2  4  8         a thread moves one element: its place in the merged run is its place in
    becomes  1  2  4  4  7  8  9              its own run plus the number of elements of the other that come before
                                              it, which a binary search tells (of equal ones the left run's are first)

Every element has its own thread in every pass, and no place is written twice. Positions travel with the elements.
"""

import numpy as np
from numba import cuda
from numpy.lib.array_utils import normalize_axis_index

from kernels.elementary import formula
from kernels.gpu.launch import blocks_for, kernel, strided
from kernels.gpu.memory import empty
from kernels.gpu.positions import cumsum
from kernels.gpu.selecting import flat_nonzero
from kernels.gpu.target import SIMULATED

__all__ = ["argsort", "sort", "sorted_lines", "unique"]

#: Elements of a tile, and threads of the block that sorts it.
_TILE = 4 if SIMULATED else 256


@formula
def _before(a, b):
    """Whether `a` must come before `b`."""
    return a < b or (b != b and a == a)


@kernel
def _sort_tiles(x, K, tiles, keys, order):
    """x[n, k]: block n * tiles + tile sorts a tile of line n."""
    t, tile = cuda.threadIdx.x, cuda.blockIdx.x % tiles
    shared = cuda.shared.array(_TILE, keys.dtype)
    begin = tile * _TILE
    count = min(_TILE, K - begin)
    start = cuda.blockIdx.x // tiles * K + begin
    if t < count:
        shared[t] = x[start + t]
    cuda.syncthreads()
    if t < count:
        own, rank = shared[t], 0
        for other in range(count):
            if _before(shared[other], own) or (other < t and not _before(own, shared[other])):
                rank += 1
        keys[start + rank] = own
        order[start + rank] = begin + t


@kernel
def _merge(keys, order, K, run, new_keys, new_order):
    """Runs of `run` elements become runs of twice as many."""
    for i in range(cuda.grid(1), keys.size, cuda.gridsize(1)):
        line, k = i // K * K, i % K
        own, from_left = keys[i], k // run % 2 == 0
        base = k // (2 * run) * 2 * run
        other = base + run if from_left else base
        low, high = min(other, K), min(other + run, K)
        while low < high:
            middle = (low + high) // 2
            key = keys[line + middle]
            if _before(key, own) or (not from_left and not _before(own, key)):
                low = middle + 1
            else:
                high = middle
        place = k + low - other if from_left else k - run + low - other
        if other < K or not from_left:
            new_keys[line + place], new_order[line + place] = own, order[i]
        else:
            new_keys[i], new_order[i] = own, order[i]


def sorted_lines(x):
    """The elements of each row of a matrix in order, and where they stood (int64)."""
    N, K = x.shape
    x = x if x.is_contiguous else x.copy()
    keys, order = empty((N, K), x.dtype), empty((N, K), np.int64)
    if not keys.size:
        return keys, order
    tiles = blocks_for(K, _TILE)
    _sort_tiles[N * tiles, _TILE](x.reshape(-1), K, tiles, keys.reshape(-1), order.reshape(-1))
    run = _TILE
    if run < K:
        new_keys, new_order = empty((N, K), x.dtype), empty((N, K), np.int64)
    while run < K:
        _merge[strided(keys.size)](
            keys.reshape(-1), order.reshape(-1), K, run, new_keys.reshape(-1), new_order.reshape(-1)
        )
        keys, order, new_keys, new_order = new_keys, new_order, keys, order
        run *= 2
    return keys, order


def _along(a, axis, wanted):
    if a.dtype.kind == "b":
        a = a.view(np.uint8)
    if axis is None:
        a, axis = a.reshape(-1), 0
    axis = normalize_axis_index(axis, a.ndim)
    lines = a.swapaxes(axis, -1)
    found = sorted_lines(lines.reshape(-1, a.shape[axis]) if a.size else empty((0, 1), a.dtype))[wanted]
    return found.reshape(lines.shape).swapaxes(axis, -1)


def argsort(a, axis=-1, kind=None, order=None, *, stable=None):
    """Where the elements stand that come first, second, … along an axis; of equal ones the first stays first."""
    return _along(a, axis, 1)


def sort(a, axis=-1, kind=None, order=None, *, stable=None):
    """The elements in order along an axis."""
    found = _along(a, axis, 0)
    return found.view(np.bool_) if a.dtype.kind == "b" else found


def unique(ar, return_index=False, return_inverse=False, return_counts=False, axis=None, *, equal_nan=True,
           sorted=True):  # fmt: skip
    """Each value once, in order. Copies one number to the host: how many there are."""
    if return_index or axis is not None or not equal_nan:
        raise TypeError("numpy.unique with return_index=, axis= or equal_nan= is not supported on the device")
    flat = ar.reshape(-1)
    as_numbers = flat.view(np.uint8) if flat.dtype.kind == "b" else flat
    keys, order = (part.reshape(-1) for part in sorted_lines(as_numbers.reshape(1, -1)))
    new = empty(keys.shape, np.bool_)
    if keys.size:
        new[:1] = True
        later, earlier = keys[1:], keys[:-1]
        new[1:] = (later != earlier) & ((later == later) | (earlier == earlier))  # NaN counts as one value
    places = flat_nonzero(new)
    values = keys[places].view(ar.dtype) if ar.dtype.kind == "b" else keys[places]
    results = [values]
    if return_inverse:
        inverse = empty(keys.shape, np.int64)
        inverse[order] = cumsum(new) - 1
        results.append(inverse.reshape(ar.shape))
    if return_counts:
        ends = empty(places.shape, np.int64)
        if places.size:
            ends[:-1], ends[-1:] = places[1:], keys.size
        results.append(ends - places)
    return tuple(results) if len(results) > 1 else values
