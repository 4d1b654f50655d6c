"""Matrix products on the device, for the families whose work is one: linear, convolution, recurrent layers.

`_matmul_naive` is the formula, one thread for one element. `_matmul_tiled` computes the same with shared memory:

        columns of b            Each block owns a tile of y. It walks along K one tile at a time: its threads load a
       ┌──┬──┬──┬──┐            tile of a and one of b into shared memory, each thread one element of both, wait until
       │  │░░│  │  │            all have (barrier), add TILE products, wait until all have read (barrier), go on.
    K  ├──┼──┼──┼──┤            So an element of a is read from global memory N / TILE times instead of N times.
       │  │░░│  │  │
       └──┴──┴──┴──┘
      ┌──┬──┬──┬──┐  ┌──┬──┬──┬──┐
    a │▒▒│▒▒│▒▒│▒▒│  │  │██│  │  │ y
      └──┴──┴──┴──┘  └──┴──┴──┴──┘

Where y has enough tiles of 64 by 64 to fill a GPU, ``matmul_blocked.py`` takes over, with several elements per thread.
Where y is small and K long, as for the gradient of weights, K is cut into parts: each part's product is a y of its own
in a workspace, and `_add_parts` adds them, always in the same order:

    y = a[:, :K_part] b[:K_part] + a[:, K_part : 2 K_part] b[K_part : 2 K_part] + ...
"""

import numpy as np
from numba import cuda

from kernels.gpu.launch import blocks_for, kernel
from kernels.gpu.matmul_blocked import LARGE, LARGE_DOUBLE, MEDIUM, runs_along_k
from kernels.gpu.memory import empty, on_device
from kernels.gpu.target import SIMULATED

__all__ = ["TILE", "matmul"]

#: Rows and columns of a tile. The simulator runs a Python thread for each of a block's threads, so it gets few.
TILE = 4 if SIMULATED else 16

#: One column more, so that elements below each other lie in different banks of shared memory.
_PADDED_TILE = (TILE, TILE + 1)

#: Blocks that keep a GPU busy: an H200 has 132 multiprocessors, each takes eight blocks of 256 threads of the tiled
#: kernel, and one or two of the blocked kernels, which use more registers.
_BUSY_TILED, _BUSY_BLOCKED = (4, 4) if SIMULATED else (1024, 128)

#: A part of K is not made shorter: below, writing the parts and adding them would cost as much as it saves.
_SHORTEST_PART = 8 if SIMULATED else 256

#: Lanes of `_add_parts`: consecutive elements of y, and parts of each that are added side by side.
_ELEMENTS, _LANES = (4, 2) if SIMULATED else (32, 8)

_MOST_Z = 65535


@kernel
def _matmul_naive(a, b, y):
    """y[b, m, n] = sum over k of a[b, m, k] b[b, k, n]: one thread, one element."""
    n, m = cuda.grid(2)
    batch = cuda.blockIdx.z
    if m < y.shape[1] and n < y.shape[2]:
        acc = y.dtype.type(0)
        for k in range(a.shape[2]):
            acc += a[batch, m, k] * b[batch, k, n]
        y[batch, m, n] = acc


@kernel
def _matmul_tiled(a, b, bias, bias_of_columns, y, accumulate, parts, K_part, a_by_k, b_by_k):
    """The same with tiles of a and b in shared memory. What lies beyond an edge counts as 0.

    y[batch * parts + part] is the product over the part of K that begins at part * K_part. Neighbours in a warp differ
    in `column`; which element of a tile a thread loads is chosen so that neighbours read neighbours in memory.
    """
    columns, row, column = (y.shape[2] + TILE - 1) // TILE, cuda.threadIdx.y, cuda.threadIdx.x
    # one number for all tiles: only the first axis of a grid may be longer than 65535
    m_0, n_0 = cuda.blockIdx.x // columns * TILE, cuda.blockIdx.x % columns * TILE
    m, n = m_0 + row, n_0 + column
    a_tile = cuda.shared.array(_PADDED_TILE, y.dtype)
    b_tile = cuda.shared.array(_PADDED_TILE, y.dtype)
    a_m, a_k = (row, column) if a_by_k else (column, row)
    b_n, b_k = (row, column) if b_by_k else (column, row)
    zero = y.dtype.type(0)
    for item in range(cuda.blockIdx.z, y.shape[0], cuda.gridDim.z):
        batch, begin = item // parts, item % parts * K_part
        end = min(begin + K_part, a.shape[2])
        a_batch, b_batch = min(batch, a.shape[0] - 1), min(batch, b.shape[0] - 1)
        acc = zero
        for first in range(begin, end, TILE):
            inside_a, inside_b = m_0 + a_m < a.shape[1], n_0 + b_n < b.shape[2]
            a_tile[a_m, a_k] = a[a_batch, m_0 + a_m, first + a_k] if inside_a and first + a_k < end else zero
            b_tile[b_k, b_n] = b[b_batch, first + b_k, n_0 + b_n] if inside_b and first + b_k < end else zero
            cuda.syncthreads()
            for k in range(TILE):
                acc += a_tile[row, k] * b_tile[k, column]
            cuda.syncthreads()
        if m < y.shape[1] and n < y.shape[2]:
            if bias is not None:
                acc += bias[n if bias_of_columns else m]
            if accumulate:
                acc += y[item, m, n]
            y[item, m, n] = acc


@kernel
def _add_parts(y_parts, bias, bias_of_columns, y, accumulate):
    """y[b] = sum over p of y_parts[b, p]: a block for _ELEMENTS elements, in which lane l adds parts l, l + _LANES"""
    lane, place = cuda.threadIdx.y, cuda.threadIdx.x
    sums = cuda.shared.array((_LANES, _ELEMENTS), y.dtype)
    element, (_, M, N) = cuda.blockIdx.x * _ELEMENTS + place, y.shape
    batch, m, n = element // (M * N), element // N % M, element % N
    acc = y.dtype.type(0)
    if element < y.size:
        for part in range(lane, y_parts.shape[1], _LANES):
            acc += y_parts[batch, part, m, n]
    sums[lane, place] = acc
    cuda.syncthreads()
    if lane == 0 and element < y.size:
        for other in range(1, _LANES):
            acc += sums[other, place]
        if bias is not None:
            acc += bias[n if bias_of_columns else m]
        if accumulate:
            acc += y[batch, m, n]
        y[batch, m, n] = acc


def matmul(a, b, y=None, *, bias=None, accumulate=False):
    """Products of matrices, one for each entry of the batch.

        y[b, m, n] = sum over k of a[b, m, k] b[b, k, n]  (+ bias[n])  (+ y[b, m, n])

    Parameters
    ----------
    a : DeviceArray of shape (B, M, K), (1, M, K) or (M, K), float32 or float64; any strides: a transposed view will do
    b : DeviceArray of shape (B, K, N), (1, K, N) or (K, N), dtype of `a`; any strides
        A batch of one counts for every entry of the other's.
    y : DeviceArray of shape (B, M, N) or (M, N), optional
        Where to write; any strides, too. Must not share memory with `a` or `b`.
    bias : DeviceArray of shape (N,), optional
        Added to every row. For a number per row, hand over the transposed views: ``matmul(b.T, a.T, y.T, bias=rows)``.
    accumulate : bool
        Add to what is in `y`.

    Returns
    -------
    DeviceArray, `y` or a new one

    Notes
    -----
    Every element is summed in an order that depends on the shapes and strides only: results repeat bit for bit.
    0 * inf is NaN, so a K that TILE does not divide is not padded by reading on: beyond the edge both factors are 0.
    """
    for array in (a, b, y, bias):
        if array is not None:
            on_device(array)
    if y is None:
        batches = [x.shape[0] for x in (a, b) if x.ndim == 3]
        batch = batches[-1:] if batches[:1] == [1] else batches[:1]
        y = empty((*batch, a.shape[-2], b.shape[-1]), a.dtype)
    a3, b3, y3 = (x if x.ndim == 3 else x[None] for x in (a, b, y))
    bias_of_columns = abs(y3.strides[1]) >= abs(y3.strides[2])
    if not bias_of_columns:  # y.T = b.T a.T: what lies side by side in memory is written by neighbours
        a3, b3, y3 = (x.transpose(0, 2, 1) for x in (b3, a3, y3))
    (B, M, N), K = y3.shape, a3.shape[2]
    multiply, parts, K_part = _plan(B, M, N, K, y.dtype)
    if parts == 1:
        multiply(a3, b3, bias, bias_of_columns, y3, accumulate, 1, K)
    elif y.size:
        y_parts = empty((B, parts, M, N), y.dtype)
        multiply(a3, b3, None, True, y_parts.reshape(B * parts, M, N), False, parts, K_part)
        grid = blocks_for(y.size, _ELEMENTS), (_ELEMENTS, _LANES)
        _add_parts[grid](y_parts, bias, bias_of_columns, y3, accumulate)
    return y


def _launch_tiled(a, b, bias, bias_of_columns, y, accumulate, parts, K_part):
    tiles = blocks_for(y.shape[1], TILE) * blocks_for(y.shape[2], TILE)
    grid = (tiles, 1, min(y.shape[0], _MOST_Z)), (TILE, TILE)
    _matmul_tiled[grid](a, b, bias, bias_of_columns, y, accumulate, parts, K_part, *runs_along_k(a, b))


def _plan(B, M, N, K, dtype):
    """Which kernel, into how many parts K is cut, and their length.

    The largest tiles that waste little at the edges and, with K in parts, still make enough blocks.
    """
    for chosen in (LARGE_DOUBLE if dtype == np.float64 else LARGE, MEDIUM):
        blocks = B * blocks_for(M, chosen.rows) * blocks_for(N, chosen.columns)
        longest = max(K // _SHORTEST_PART, 1)
        fits = min(M / chosen.rows, N / chosen.columns) >= 0.75
        if fits and K and blocks * longest >= _BUSY_BLOCKED:
            return (chosen.launch, *_parts(K, blocks, _BUSY_BLOCKED))
    return (_launch_tiled, *_parts(K, B * blocks_for(M, TILE) * blocks_for(N, TILE), _BUSY_TILED))


def _parts(K, blocks, busy):
    """Parts of K and their length, a multiple of 16, such that there are at least `busy` blocks if K is long enough."""
    parts = min(blocks_for(busy, max(blocks, 1)), max(K // _SHORTEST_PART, 1))
    K_part = blocks_for(blocks_for(K, parts), 16) * 16 if parts > 1 else K
    return (max(blocks_for(K, K_part), 1), K_part) if K else (1, 0)
