"""CUDA kernels of lesson 07, right ones and wrong ones: each is a few lines, and each wrong one has one mistake.

The wrong ones are named for it (``_without_guard``, ``_in_place``, …). In Numba's simulator, and on many a GPU, most of
them give the right numbers most of the time; the kernel doctor says why they are wrong nevertheless.
"""
# mypy: allow-untyped-defs

import math

from numba import cuda, float32

__all__ = [
    "TILE", "block_sum", "block_sum_divergent", "block_sum_without_barrier", "convolve_row", "convolve_row_tiled",
    "count_values", "count_values_racing", "smooth", "smooth_in_place", "window", "window_by_index",
    "window_without_guard",
]  # fmt: skip

#: Threads of a block in the kernels with shared memory; a power of two.
TILE = 16

#: A tile with room for the neighbours of its last element.
WITH_NEIGHBOURS = 2 * TILE


@cuda.jit
def window_without_guard(image_hu, grey, low, high):
    """Map [low, high] HU to [0, 1]. Wrong: the last block reaches beyond the end of the row."""
    i = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    grey[i] = min(max((image_hu[i] - low) / (high - low), float32(0)), float32(1))


@cuda.jit
def window_by_index(image_hu, grey, low, high):
    """Map [low, high] HU to [0, 1]: one thread, one pixel of a row, and nothing to do for threads beyond its end."""
    i = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    if i < grey.size:
        grey[i] = min(max((image_hu[i] - low) / (high - low), float32(0)), float32(1))


@cuda.jit
def window(image_hu, grey, low, high):
    """The same for an image: x runs along the columns, so that neighbouring threads read neighbouring addresses."""
    w, h = cuda.grid(2)
    if h < grey.shape[0] and w < grey.shape[1]:
        grey[h, w] = min(max((image_hu[h, w] - low) / (high - low), float32(0)), float32(1))


@cuda.jit
def smooth_in_place(x):
    """Mean of three neighbours. Wrong: a thread may read what its neighbour has already overwritten."""
    i = cuda.grid(1)
    if 0 < i < x.size - 1:
        x[i] = (x[i - 1] + x[i] + x[i + 1]) / float32(3)


@cuda.jit
def smooth(x, y):
    """Mean of three neighbours: nobody writes what another reads. The two ends are copied."""
    i = cuda.grid(1)
    if 0 < i < x.size - 1:
        y[i] = (x[i - 1] + x[i] + x[i + 1]) / float32(3)
    elif i < x.size:
        y[i] = x[i]


@cuda.jit
def block_sum(x, partial):
    """Sum of the elements of each block, as a tree in shared memory: half as many threads add at each step."""
    cache = cuda.shared.array(TILE, float32)
    t, i = cuda.threadIdx.x, cuda.grid(1)
    cache[t] = x[i] if i < x.size else float32(0)
    cuda.syncthreads()
    half = TILE // 2
    while half > 0:
        if t < half:
            cache[t] += cache[t + half]
        cuda.syncthreads()
        half //= 2
    if t == 0:
        partial[cuda.blockIdx.x] = cache[0]


@cuda.jit
def block_sum_without_barrier(x, partial):
    """`block_sum`. Wrong: nothing makes a thread wait until its partner has added."""
    cache = cuda.shared.array(TILE, float32)
    t, i = cuda.threadIdx.x, cuda.grid(1)
    cache[t] = x[i] if i < x.size else float32(0)
    cuda.syncthreads()
    half = TILE // 2
    while half > 0:
        if t < half:
            cache[t] += cache[t + half]
        half //= 2
    if t == 0:
        partial[cuda.blockIdx.x] = cache[0]


@cuda.jit
def block_sum_divergent(x, partial):
    """`block_sum`. Wrong: threads without a partner never come to the barrier at which the others wait."""
    cache = cuda.shared.array(TILE, float32)
    t, i = cuda.threadIdx.x, cuda.grid(1)
    cache[t] = x[i] if i < x.size else float32(0)
    cuda.syncthreads()
    half = TILE // 2
    while half > 0:
        if t < half:
            cache[t] += cache[t + half]
            cuda.syncthreads()
        half //= 2
    if t == 0:
        partial[cuda.blockIdx.x] = cache[0]


@cuda.jit
def count_values_racing(values, counts):
    """How often each value occurs. Wrong: two threads read the same count, both add 1, and one of them is lost."""
    i = cuda.grid(1)
    if i < values.size:
        counts[values[i]] += 1


@cuda.jit
def count_values(values, counts):
    """How often each value occurs: the addition is one operation that no other thread can come between."""
    i = cuda.grid(1)
    if i < values.size:
        cuda.atomic.add(counts, values[i], 1)


@cuda.jit
def convolve_row(x, weight, y):
    """y[i] = sum_k weight[k] x[i + k]: each thread reads its K neighbours from global memory."""
    i = cuda.grid(1)
    if i < y.size:
        acc = float32(0)
        for k in range(weight.size):
            acc += weight[k] * x[i + k]
        y[i] = acc


@cuda.jit
def convolve_row_tiled(x, weight, y):
    """The same: a block first loads the TILE + K - 1 elements it needs into shared memory, each once (K <= TILE)."""
    tile = cuda.shared.array(WITH_NEIGHBOURS, float32)
    t, i = cuda.threadIdx.x, cuda.grid(1)
    if i < x.size:
        tile[t] = x[i]
    if t < weight.size - 1 and i + TILE < x.size:
        tile[t + TILE] = x[i + TILE]
    cuda.syncthreads()
    if i < y.size:
        acc = float32(0)
        for k in range(weight.size):
            acc += weight[k] * tile[t + k]
        y[i] = acc


def blocks_for(count: int, threads: int) -> int:
    """Blocks of `threads` threads that cover `count` elements."""
    return math.ceil(count / threads)
