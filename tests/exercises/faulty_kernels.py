"""Kernels with a fault each. The line of a fault ends in ``# !``, that of its other half in ``# !!``."""

import math

from numba import cuda, float32, int32

N = 16


@cuda.jit
def no_guard(x, y):
    i = cuda.grid(1)
    y[i] = x[i]  # !


@cuda.jit
def guard_one_too_far(x, y):
    i = cuda.grid(1)
    if i <= y.size:
        y[i] = x[0]  # !


@cuda.jit
def no_right_border(x, y):
    i = cuda.grid(1)
    if i < y.size:
        y[i] = x[i] + x[i + 1]  # !


@cuda.jit
def no_left_border(x, y):
    i = cuda.grid(1)
    if i < y.size:
        y[i] = x[i - 1]  # !


@cuda.jit
def far_to_the_left(x, y):
    i = cuda.grid(1)
    if i < y.size:
        y[i] = x[i - 40]  # !


@cuda.jit
def axes_swapped(y):
    column, row = cuda.grid(2)
    if row < y.shape[0] and column < y.shape[1]:
        y[column, row] = 1  # !


@cuda.jit
def row_out_of_bounds(x, y):
    i = cuda.grid(1)
    row = x[i]  # !
    y[0, i] = row[0]


@cuda.jit
def beyond_the_row(x, y):
    i = cuda.grid(1)
    row = x[i]
    y[i] = row[i]  # !


@cuda.jit
def shared_half_loaded(x, y):
    s = cuda.shared.array(N, float32)
    t = cuda.threadIdx.x
    if t < 8:
        s[t] = x[t]
    cuda.syncthreads()
    y[t] = s[t]  # !


@cuda.jit
def shared_too_small(x, y):
    s = cuda.shared.array(N, float32)
    t = cuda.threadIdx.x
    s[t + 1] = x[t]  # !
    cuda.syncthreads()
    if t > 0:
        y[t] = s[t]
    else:
        y[t] = 0


@cuda.jit
def local_not_cleared(x, y):
    acc = cuda.local.array(2, float32)
    i = cuda.grid(1)
    acc[0] = 0
    for k in range(2):
        acc[k] += x[i]  # !
    y[i] = acc[0]


@cuda.jit
def output_added_to(x, y):
    i = cuda.grid(1)
    y[i] += x[i]  # !


@cuda.jit
def histogram_not_cleared(x, y):
    counts = cuda.shared.array(4, int32)
    t = cuda.threadIdx.x
    cuda.atomic.add(counts, x[t], 1)  # !
    cuda.syncthreads()
    if t < 4:
        y[t] = counts[t]


@cuda.jit
def reversed_without_barrier(x, y):
    s = cuda.shared.array(N, float32)
    t = cuda.threadIdx.x
    s[t] = x[t]  # !
    y[t] = s[N - 1 - t]  # !!


@cuda.jit
def reduction_without_barrier(x, y):
    s = cuda.shared.array(N, float32)
    t = cuda.threadIdx.x
    s[t] = x[cuda.grid(1)]
    cuda.syncthreads()
    k = N // 2
    while k > 0:
        if t < k:
            s[t] += s[t + k]  # !
        k //= 2
    if t == 0:
        y[cuda.blockIdx.x] = s[0]


@cuda.jit
def tile_overwritten(x, y):
    s = cuda.shared.array(N, float32)
    t = cuda.threadIdx.x
    acc = float32(0)
    for first in range(0, x.size, N):
        s[t] = x[first + t]  # !!
        cuda.syncthreads()
        acc += s[(t + 1) % N]  # !
    y[t] = acc


@cuda.jit
def sum_into_one(x, y):
    i = cuda.grid(1)
    y[0] += x[i]  # !


@cuda.jit
def histogram_without_atomics(x, y):
    i = cuda.grid(1)
    if i < x.size:
        y[x[i]] += 1  # !


@cuda.jit
def flag_raised_by_all(x, found):
    i = cuda.grid(1)
    if x[i] > 0:
        found[0] = 1  # !


@cuda.jit
def atomic_then_plain(x, y):
    i = cuda.grid(1)
    cuda.atomic.add(x, 0, 1)  # !
    y[i] = x[0]  # !!


@cuda.jit
def in_place_stencil(x):
    i = cuda.grid(1)
    if 0 < i < x.size:
        x[i] = x[i - 1]  # !


@cuda.jit
def neighbour_of_another_block(x, y):
    i = cuda.grid(1)
    x[i] = i  # !
    cuda.syncthreads()
    if i + 1 < x.size:
        y[i] = x[i + 1]  # !!


@cuda.jit
def barrier_in_if(x, y):
    s = cuda.shared.array(N, float32)
    t = cuda.threadIdx.x
    if t < 8:
        s[t] = x[t]
        cuda.syncthreads()  # !
        y[t] = s[7 - t]
    else:
        y[t] = 0


@cuda.jit
def early_return(x, y):
    s = cuda.shared.array(N, float32)
    i, t = cuda.grid(1), cuda.threadIdx.x
    if i >= x.size:
        return
    s[t] = x[i]
    cuda.syncthreads()  # !
    y[i] = s[t]


@cuda.jit
def barriers_in_both_branches(x, y):
    t = cuda.threadIdx.x
    if t % 2 == 0:
        y[t] = x[t]
        cuda.syncthreads()  # !
    else:
        cuda.syncthreads()
        y[t] = -x[t]


@cuda.jit
def out_of_step_from_then_on(x, y):
    s = cuda.shared.array(N, float32)
    t = cuda.threadIdx.x
    s[t] = x[t]
    if t < 4:
        cuda.syncthreads()  # !
    cuda.syncthreads()
    s[t] += 1
    cuda.syncthreads()
    y[t] = s[7 - t]


@cuda.jit
def more_barriers_for_some(y):
    t = cuda.threadIdx.x
    y[t] = 0
    for _ in range(2 if t < 4 else 1):
        cuda.syncthreads()  # !


@cuda.jit
def every_second(y):
    i = 2 * cuda.grid(1)
    if i < y.size:
        y[i] = 1  # !


@cuda.jit
def all_but_the_last(x, y):
    i = cuda.grid(1)
    if i < y.size - 1:
        y[i] = x[i]  # !


@cuda.jit
def never_ends(y):
    i = cuda.grid(1)
    k = 1
    while k != 0:  # !
        k += 2
    y[i] = k


@cuda.jit
def divides_by_zero(x, y):
    i = cuda.grid(1)
    y[i] = x[i] / i if i else 1 // i  # !


@cuda.jit
def shuffles(x, y):
    i = cuda.grid(1)
    y[i] = cuda.shfl_down_sync(0xFFFFFFFF, x[i], 1)  # !


@cuda.jit(device=True)
def _next(x, i):
    return x[i + 1]  # !


@cuda.jit
def device_function_reads_on(x, y):
    i = cuda.grid(1)
    if i < y.size:
        y[i] = math.sqrt(_next(x, i))


@cuda.jit
def shape_from_the_end(y):
    i = cuda.grid(1)
    if i < y.shape[-1]:  # !
        y[i] = 0


@cuda.jit
def index_is_a_fraction(y):
    i = cuda.grid(1)
    y[i / 1] = 0  # !


@cuda.jit
def returns_something(y):  # "!" would be on the decorator, where Python says the function begins
    y[cuda.grid(1)] = 0
    return 1


@cuda.jit
def recurses(y):
    recurses_too(y, 1)


@cuda.jit(device=True)
def recurses_too(y, n):
    return recurses_too(y, n + 1)  # !


def catches(y):
    while True:
        try:  # noqa: SIM105 - what a learner writes
            y[0] = 1
        except BaseException:
            pass


@cuda.jit
def whole_array(x, y):
    y[0] = (x + 1)[0]  # !


@cuda.jit
def whole_array_by_method(x, y):
    y[0] = x.sum()  # !


@cuda.jit
def unknown_name(x, y):
    y[0] = x[nowhere]  # noqa: F821  # !


@cuda.jit
def too_much_shared(y):
    s = cuda.shared.array(20000, float32)  # !
    y[0] = s[0]
