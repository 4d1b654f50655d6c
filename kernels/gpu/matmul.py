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
"""

from numba import cuda

from kernels.gpu.launch import kernel, per_tile
from kernels.gpu.memory import empty
from kernels.gpu.target import SIMULATED

__all__ = ["TILE", "matmul"]

#: Rows and columns of a tile. The simulator runs a Python thread for each of a block's threads, so it gets few.
TILE = 4 if SIMULATED else 16


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
def _matmul_tiled(a, b, y):
    """The same with tiles of a and b in shared memory. What lies beyond an edge counts as 0."""
    n, m = cuda.grid(2)
    batch, row, column = cuda.blockIdx.z, cuda.threadIdx.y, cuda.threadIdx.x
    a_tile = cuda.shared.array((TILE, TILE), y.dtype)
    b_tile = cuda.shared.array((TILE, TILE), y.dtype)
    zero = y.dtype.type(0)
    acc = zero
    for first in range(0, a.shape[2], TILE):
        k_a, k_b = first + column, first + row
        a_tile[row, column] = a[batch, m, k_a] if m < a.shape[1] and k_a < a.shape[2] else zero
        b_tile[row, column] = b[batch, k_b, n] if k_b < b.shape[1] and n < b.shape[2] else zero
        cuda.syncthreads()
        for k in range(TILE):
            acc += a_tile[row, k] * b_tile[k, column]
        cuda.syncthreads()
    if m < y.shape[1] and n < y.shape[2]:
        y[batch, m, n] = acc


def matmul(a, b, y=None):
    """Products of matrices, one for each entry of the batch.

    Parameters
    ----------
    a : DeviceArray of shape (B, M, K) or (M, K), float32 or float64; any strides, so a transposed view will do
    b : DeviceArray of shape (B, K, N) or (K, N), dtype of `a`; any strides
    y : DeviceArray of shape (B, M, N) or (M, N), optional
        Where to write.

    Returns
    -------
    DeviceArray, `y` or a new one

    Notes
    -----
    0 * inf is NaN, so a K that TILE does not divide is not padded by reading on: beyond the edge both factors are 0.
    """
    if y is None:
        y = empty((*a.shape[:-1], b.shape[-1]), a.dtype)
    a3, b3, y3 = (x if x.ndim == 3 else x[None] for x in (a, b, y))
    (columns, rows), threads = per_tile(y3.shape[1], y3.shape[2], TILE)
    _matmul_tiled[(columns, rows, y3.shape[0]), threads](a3, b3, y3)
    return y
