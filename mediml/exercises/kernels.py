"""CUDA kernels for lesson 07: three that are ill, each beside the one that is well.

Each is small enough to be run by the doctor, and written as one would for a GPU:

    report = doctor.examine(kernels.add_without_guard, 2, 16, a, b, y, outputs=["y"])
"""
# mypy: allow-untyped-defs

from numba import cuda, float32

__all__ = [
    "THREADS",
    "add",
    "add_without_guard",
    "smooth",
    "smooth_in_place",
    "total",
    "total_without_barrier",
    "transpose",
    "transpose_tiled",
]

#: Threads of a block, and so the size of its shared memory: few, so that a picture shows them all.
THREADS = 16

#: Side of a tile of `transpose_tiled`.
TILE = 4


@cuda.jit
def add_without_guard(a, b, y):
    """y = a + b, one thread for each element. Whole blocks rarely fit: the last one reaches beyond the end."""
    i = cuda.grid(1)
    y[i] = a[i] + b[i]


@cuda.jit
def add(a, b, y):
    """y = a + b. The guard lets only threads work that have an element."""
    i = cuda.grid(1)
    if i < y.size:
        y[i] = a[i] + b[i]


@cuda.jit
def smooth_in_place(x):
    """Mean of three neighbours, written over x: a neighbour may have been changed already, or not yet."""
    i = cuda.grid(1)
    if 0 < i < x.size - 1:
        x[i] = (x[i - 1] + x[i] + x[i + 1]) / float32(3)


@cuda.jit
def smooth(x, y):
    """The same into an array of its own: nobody reads what another thread writes."""
    i = cuda.grid(1)
    if 0 < i < x.size - 1:
        y[i] = (x[i - 1] + x[i] + x[i + 1]) / float32(3)
    elif i < x.size:
        y[i] = x[i]  # the two ends stay


@cuda.jit
def total_without_barrier(x, y):
    """Sum of each block's elements by halves, in which a thread may add what is not there yet."""
    s = cuda.shared.array(THREADS, float32)
    i, t = cuda.grid(1), cuda.threadIdx.x
    s[t] = x[i] if i < x.size else 0
    cuda.syncthreads()
    half = THREADS // 2
    while half > 0:
        if t < half:
            s[t] += s[t + half]
        half //= 2
    if t == 0:
        y[cuda.blockIdx.x] = s[0]


@cuda.jit
def total(x, y):
    """The same with a barrier after each halving."""
    s = cuda.shared.array(THREADS, float32)
    i, t = cuda.grid(1), cuda.threadIdx.x
    s[t] = x[i] if i < x.size else 0
    cuda.syncthreads()
    half = THREADS // 2
    while half > 0:
        if t < half:
            s[t] += s[t + half]
        cuda.syncthreads()  # outside the if: every thread comes by
        half //= 2
    if t == 0:
        y[cuda.blockIdx.x] = s[0]


@cuda.jit
def transpose(x, y):
    """y = x transposed. Right, and slow: neighbouring threads write to different rows of y."""
    column, row = cuda.grid(2)
    if row < x.shape[0] and column < x.shape[1]:
        y[column, row] = x[row, column]


@cuda.jit
def transpose_tiled(x, y):
    """The same through a tile in shared memory: neighbouring threads read and write neighbouring elements."""
    tile = cuda.shared.array((TILE, TILE), float32)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    column, row = cuda.grid(2)
    if row < x.shape[0] and column < x.shape[1]:
        tile[ty, tx] = x[row, column]
    cuda.syncthreads()
    column, row = cuda.blockIdx.y * TILE + tx, cuda.blockIdx.x * TILE + ty  # of y
    if row < y.shape[0] and column < y.shape[1]:
        y[row, column] = tile[tx, ty]
