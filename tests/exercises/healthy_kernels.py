"""Kernels with nothing wrong, in which a doctor who is too keen might find something."""

import math

import numba
import numpy as np
from numba import cuda, float32, int32

N = 16
TILE = 4
WEIGHTS = np.array([0.25, 0.5, 0.25], np.float32)


@cuda.jit
def add(a, b, y):
    i = cuda.grid(1)
    if i < y.size:
        y[i] = a[i] + b[i]


@cuda.jit
def grid_stride(a, x, y):
    for i in range(cuda.grid(1), y.size, cuda.gridsize(1)):
        y[i] = a * x[i] + y[i]


@cuda.jit
def tree_reduction(x, y):
    s = cuda.shared.array(N, float32)
    i, t = cuda.grid(1), cuda.threadIdx.x
    s[t] = x[i] if i < x.size else 0
    cuda.syncthreads()
    k = N // 2
    while k > 0:
        if t < k:
            s[t] += s[t + k]
        cuda.syncthreads()
        k //= 2
    if t == 0:
        y[cuda.blockIdx.x] = s[0]


@cuda.jit
def tiled_matmul(a, b, y):
    column, row = cuda.grid(2)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    a_tile = cuda.shared.array((TILE, TILE), float32)
    b_tile = cuda.shared.array((TILE, TILE), float32)
    acc = float32(0)
    for first in range(0, a.shape[1], TILE):
        a_tile[ty, tx] = a[row, first + tx] if row < a.shape[0] and first + tx < a.shape[1] else 0
        b_tile[ty, tx] = b[first + ty, column] if first + ty < b.shape[0] and column < b.shape[1] else 0
        cuda.syncthreads()
        for k in range(TILE):
            acc += a_tile[ty, k] * b_tile[k, tx]
        cuda.syncthreads()
    if row < y.shape[0] and column < y.shape[1]:
        y[row, column] = acc


@cuda.jit
def stencil_with_halo(x, y):
    s = cuda.shared.array(N + 2, float32)
    i, t = cuda.grid(1), cuda.threadIdx.x
    s[t + 1] = x[i] if i < x.size else 0
    if t == 0:
        s[0] = x[i - 1] if i > 0 else 0
    if t == N - 1:
        s[N + 1] = x[i + 1] if i + 1 < x.size else 0
    cuda.syncthreads()
    if i < x.size:
        y[i] = s[t] + s[t + 1] + s[t + 2]


@cuda.jit
def histogram(x, y):
    counts = cuda.shared.array(5, int32)
    i, t = cuda.grid(1), cuda.threadIdx.x
    if t < 5:
        counts[t] = 0
    cuda.syncthreads()
    if i < x.size:
        cuda.atomic.add(counts, x[i], 1)
    cuda.syncthreads()
    if t < 5:
        cuda.atomic.add(y, t, counts[t])


@cuda.jit
def transposed(x, y):
    tile = cuda.shared.array((TILE, TILE + 1), float32)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    column, row = cuda.grid(2)
    if row < x.shape[0] and column < x.shape[1]:
        tile[ty, tx] = x[row, column]
    cuda.syncthreads()
    column, row = cuda.blockIdx.y * TILE + tx, cuda.blockIdx.x * TILE + ty
    if row < y.shape[0] and column < y.shape[1]:
        y[row][column] = tile[tx, ty]


@cuda.jit
def scan(x, y):
    s = cuda.shared.array(N, float32)
    t = cuda.threadIdx.x
    s[t] = x[t]
    cuda.syncthreads()
    k = 1
    while k < N:
        left = s[t - k] if t >= k else float32(0)
        cuda.syncthreads()
        s[t] += left
        cuda.syncthreads()
        k *= 2
    y[t] = s[t]


@cuda.jit(device=True)
def _squared(row, k):
    return row[k] * row[k]


@cuda.jit
def norms(x, y):
    i = cuda.grid(1)
    if i < x.shape[0]:
        acc = x.dtype.type(0)
        row = x[i, 1:]
        for k in range(row.shape[0]):
            acc += _squared(row, k)
        y[i] = math.sqrt(acc)


@cuda.jit
def softmax(x, y):
    values = cuda.local.array(3, float32)
    i = cuda.grid(1)
    if i < x.shape[0]:
        total = float32(0)
        for k in range(3):
            values[k] = math.exp(x[i, k])
            total += values[k]
        for k in range(3):
            y[i, k] = values[k] / total


@cuda.jit
def in_place(x):
    i = cuda.grid(1)
    if i < len(x):
        x[i] *= x[i]


@cuda.jit
def count_positive(x, y):
    i = cuda.grid(1)
    count = cuda.syncthreads_count(x[i] > 0)
    every, some = cuda.syncthreads_and(x[i] > 0), cuda.syncthreads_or(x[i] > 0)
    if cuda.threadIdx.x == 0:
        y[cuda.blockIdx.x, 0] = count
        y[cuda.blockIdx.x, 1] = every
        y[cuda.blockIdx.x, 2] = some


@cuda.jit
def largest(x, y):
    i = cuda.grid(1)
    if i < x.size:
        cuda.atomic.max(y, 0, x[i])


@cuda.jit
def constants(x, y):
    i = numba.cuda.grid(1)
    taps = cuda.const.array_like(WEIGHTS)
    if 0 < i < x.size - 1:
        y[i] = taps[0] * x[i - 1] + WEIGHTS[1] * x[i] + taps[2] * x[i + 1]
    elif i < x.size:
        y[i] = x[i]


@cuda.jit
def two_outputs_of_a_tuple(pair, y):
    i = cuda.grid(1)
    low, high = pair
    if i < y.size:
        y[i] = low[i] if low[i] < high[i] else high[i]


@cuda.jit
def three_axes(x, y):
    i, j, k = cuda.grid(3)
    if i < y.shape[2] and j < y.shape[1] and k < y.shape[0]:
        flat = y.reshape(y.size)
        flat[(k * y.shape[1] + j) * y.shape[2] + i] = x[k, j, i]
