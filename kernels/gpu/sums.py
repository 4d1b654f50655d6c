"""Sums and means on the device that give the same bits every time: no atomics, a fixed order.

A block of threads adds up a part of an axis. Each thread runs through the part in steps and adds what it meets in a
register; then the sums of the threads are added in shared memory, half of them to the other half at each step, a tree:

    thread      0   1   2   3   4   5   6   7
                │   │   │   │ ┌─┘   │   │   │
                +◄──┼───┼───┼─┘     │   │   │      stride 4: thread t adds what thread t + 4 has
                │   +◄──┼───┼───────┘   │   │
                │   │   +◄──┼───────────┘   │
                │   │   │   +◄──────────────┘
                +◄──┼───┘   │                      stride 2
                │   +◄──────┘
                +◄──┘                              stride 1

The blocks' sums are an axis again, shorter, that is added up in the same way until one number is left. Which elements
meet when depends on the shape only. Nothing is added one after the other for long, so the error of a float32 sum stays
at some ten units of the last place, however many there are.
"""

from functools import cache

from numba import cuda

from kernels.elementary import formula
from kernels.gpu.elementwise import flat, named, rounded
from kernels.gpu.launch import blocks_for, device_function, kernel, per_element, strided
from kernels.gpu.memory import empty, readable
from kernels.gpu.target import SIMULATED

__all__ = ["BLOCK", "mean_all", "sum_all", "sum_axis", "sum_channels", "sum_of", "tree_max", "tree_sum"]

#: Threads of a block that adds up together, a power of two.
BLOCK = 8 if SIMULATED else 256

#: The widest row of a block's threads: the threads of a warp.
_WARP = 4 if SIMULATED else 32

#: An axis up to this length is added up by a single thread.
_SHORT = 4 if SIMULATED else 32

#: Blocks that keep a GPU busy: an axis is cut into parts until there are as many.
_BUSY = 4 if SIMULATED else 1024

#: Elements that a thread adds one after the other: at least, for a part to be worth a block; at most, for the error.
_LEAST, _MOST = (2, 4) if SIMULATED else (4, 256)

_MOST_PARTS = 65535  # the y axis of a grid


@device_function
def tree_sum(scratch, value, width):
    """Sum of `value` over the threads of a block that have the same ``threadIdx.x``, `width` of them side by side.

    `scratch` is shared memory with a place for each thread. Every thread of the block must call, and gets the sum.
    """
    place = cuda.threadIdx.y * width + cuda.threadIdx.x
    scratch[place] = value
    stride = cuda.blockDim.y // 2
    cuda.syncthreads()
    while stride > 0:
        if cuda.threadIdx.y < stride:
            scratch[place] += scratch[place + stride * width]
        cuda.syncthreads()
        stride //= 2
    total = scratch[cuda.threadIdx.x]
    cuda.syncthreads()  # scratch may be used again
    return total


@device_function
def tree_max(scratch, value):
    """The largest `value` of the threads ``(0, y)`` of a block; as with `tree_sum` every thread calls and gets it.

    A NaN loses every comparison, so it is passed over if any thread has a number.
    """
    y = cuda.threadIdx.y
    scratch[y] = value
    stride = cuda.blockDim.y // 2
    cuda.syncthreads()
    while stride > 0:
        if y < stride and (scratch[y + stride] > scratch[y] or scratch[y] != scratch[y]):
            scratch[y] = scratch[y + stride]
        cuda.syncthreads()
        stride //= 2
    largest = scratch[0]
    cuda.syncthreads()
    return largest


@formula
def _itself(x):
    return x


def sum_all(x, dtype=None):
    """Sum of all elements, in the dtype of `x` or another one: a DeviceArray of shape (); 0 for no element."""
    return sum_of(_itself, x, dtype=dtype)


def mean_all(x, dtype=None):
    """Mean of all elements: a DeviceArray of shape (); NaN for no element."""
    return sum_of(_itself, x, dtype=dtype, divisor=x.size)


def sum_of(formula, *arrays, parameters=(), dtype=None, divisor=1):
    """Sum of ``formula(arrays[0][i], …, *parameters)`` over all elements, divided by `divisor`.

    The formula computes in the dtype of its arguments; its values go into the sum and are written nowhere.

    Parameters
    ----------
    formula, *arrays, parameters
        As in `kernels.gpu.elementwise.over_elements`; one to four arrays.
    dtype : dtype, optional
        Of the sum and the adding; by default that of the first array.
    divisor : number

    Returns
    -------
    DeviceArray of shape ()
    """
    dtype = arrays[0].dtype if dtype is None else dtype
    blocks, _ = strided(blocks_for(arrays[0].size, _LEAST), BLOCK)
    parts = empty(blocks, dtype)
    arguments = flat(arrays), parts, rounded(parameters, arrays[0].dtype)
    _loop_over(formula, len(arrays))[blocks, (1, BLOCK)](*arguments[0], *arguments[1:])
    return sum_axis(parts.reshape(1, -1, 1), divisor=divisor).reshape(())


def sum_axis(x, dtype=None, divisor=1, formula=_itself, also=None):
    """Sum over the middle axis, divided by `divisor`.

    Parameters
    ----------
    x : DeviceArray of shape (outer, L, inner)
        Any numbers; a mean of whole numbers needs a `dtype` that holds fractions.
    dtype : dtype, optional
        Of the sum and the adding; by default that of `x`.
    divisor : number
        L for the mean.
    formula : function marked with `kernels.elementary.formula`, optional
        Of an element of `x` and, where there is `also`, of the one of `also`: what to add up.
    also : DeviceArray of the shape of `x`, optional

    Returns
    -------
    DeviceArray of shape (outer, inner)
    """
    arrays = [readable(array) for array in (x, also) if array is not None]
    while True:
        outer, L, inner = x.shape
        loop, grid, part = _plan(formula, len(arrays), outer, L, inner)
        parts = blocks_for(L, part) if L else 1
        y = empty((outer, parts, inner), x.dtype if dtype is None else dtype)
        loop[grid](*arrays, part, y.dtype.type(divisor if parts == 1 else 1), y)
        if parts == 1:
            return y.reshape(outer, inner)
        x, arrays, formula = y, [y], _itself


def sum_channels(x, dtype=None, divisor=1, formula=_itself, also=None):
    """Sum over the first and the last axis of (N, C, inner): a DeviceArray of shape (C,). Arguments as `sum_axis`."""
    N, C, inner = x.shape
    rows = (N * C, inner, 1)
    sums = sum_axis(x.reshape(rows), dtype, 1, formula, None if also is None else also.reshape(rows))
    return sum_axis(sums.reshape(1, N, C), divisor=divisor).reshape(C)


def _plan(formula, count, outer, L, inner):
    """The kernel that adds up an axis, its grid, and the length of the parts into which it cuts the axis."""
    if L <= _SHORT:
        return _short(formula, count), per_element(outer * inner), max(L, 1)
    width = min(1 << (inner - 1).bit_length(), _WARP) if inner else 1
    height, columns = BLOCK // width, outer * blocks_for(inner, width)
    wanted = min(blocks_for(_BUSY, max(columns, 1)), blocks_for(L, _LEAST * height))
    part = max(min(blocks_for(L, wanted), _MOST * height), blocks_for(L, _MOST_PARTS))
    return _long(formula, count), ((columns, blocks_for(L, part)), (width, height)), part


@cache
def _loop_over(formula, count):
    """The kernel of `sum_of`: a sum for each block, over elements that lie a whole grid apart."""

    def of_one(a, parts, parameters):
        scratch = cuda.shared.array(BLOCK, parts.dtype)
        acc = parts.dtype.type(0)
        for i in range(cuda.blockIdx.x * BLOCK + cuda.threadIdx.y, a.size, cuda.gridDim.x * BLOCK):
            acc += parts.dtype.type(formula(a[i], *parameters))
        parts[cuda.blockIdx.x] = tree_sum(scratch, acc, 1)

    def of_two(a, b, parts, parameters):
        scratch = cuda.shared.array(BLOCK, parts.dtype)
        acc = parts.dtype.type(0)
        for i in range(cuda.blockIdx.x * BLOCK + cuda.threadIdx.y, a.size, cuda.gridDim.x * BLOCK):
            acc += parts.dtype.type(formula(a[i], b[min(i, b.size - 1)], *parameters))
        parts[cuda.blockIdx.x] = tree_sum(scratch, acc, 1)

    def of_three(a, b, c, parts, parameters):
        scratch = cuda.shared.array(BLOCK, parts.dtype)
        acc = parts.dtype.type(0)
        for i in range(cuda.blockIdx.x * BLOCK + cuda.threadIdx.y, a.size, cuda.gridDim.x * BLOCK):
            acc += parts.dtype.type(formula(a[i], b[min(i, b.size - 1)], c[min(i, c.size - 1)], *parameters))
        parts[cuda.blockIdx.x] = tree_sum(scratch, acc, 1)

    def of_four(a, b, c, d, parts, parameters):
        scratch = cuda.shared.array(BLOCK, parts.dtype)
        acc = parts.dtype.type(0)
        for i in range(cuda.blockIdx.x * BLOCK + cuda.threadIdx.y, a.size, cuda.gridDim.x * BLOCK):
            b_i, c_i, d_i = min(i, b.size - 1), min(i, c.size - 1), min(i, d.size - 1)
            acc += parts.dtype.type(formula(a[i], b[b_i], c[c_i], d[d_i], *parameters))
        parts[cuda.blockIdx.x] = tree_sum(scratch, acc, 1)

    return kernel(named((of_one, of_two, of_three, of_four)[count - 1], formula, "sum_of_"))


@cache
def _short(formula, count):
    """The kernel of `sum_axis` for a short axis: one thread, one sum."""

    def of_one(x, part, divisor, y):
        o, i = cuda.grid(1) // y.shape[2], cuda.grid(1) % y.shape[2]
        if o < y.shape[0]:
            acc = y.dtype.type(0)
            for l in range(x.shape[1]):  # noqa: E741 - the formula's letter
                acc += y.dtype.type(formula(x[o, l, i]))
            y[o, 0, i] = acc / divisor

    def of_two(x, also, part, divisor, y):
        o, i = cuda.grid(1) // y.shape[2], cuda.grid(1) % y.shape[2]
        if o < y.shape[0]:
            acc = y.dtype.type(0)
            for l in range(x.shape[1]):  # noqa: E741
                acc += y.dtype.type(formula(x[o, l, i], also[o, l, i]))
            y[o, 0, i] = acc / divisor

    return kernel(named(of_one if count == 1 else of_two, formula, "short_sum_of_"))


@cache
def _long(formula, count):
    """The kernel of `sum_axis` for a long axis: a block for a part of it and up to a warp's width of columns.

    x of a thread is its column, y where in the part it begins: the threads of a warp read neighbours, both where the
    columns are many (inner >= 32) and where the axis itself is the fastest (inner = 1, all threads along y).
    """

    def of_one(x, part, divisor, y):
        scratch = cuda.shared.array(BLOCK, y.dtype)
        width, height = cuda.blockDim.x, cuda.blockDim.y
        column_blocks = (y.shape[2] + width - 1) // width
        o, i = cuda.blockIdx.x // column_blocks, cuda.blockIdx.x % column_blocks * width + cuda.threadIdx.x
        acc = y.dtype.type(0)
        if i < y.shape[2]:
            first = cuda.blockIdx.y * part
            for l in range(first + cuda.threadIdx.y, min(first + part, x.shape[1]), height):  # noqa: E741
                acc += y.dtype.type(formula(x[o, l, i]))
        total = tree_sum(scratch, acc, width)
        if cuda.threadIdx.y == 0 and i < y.shape[2]:
            y[o, cuda.blockIdx.y, i] = total / divisor

    def of_two(x, also, part, divisor, y):
        scratch = cuda.shared.array(BLOCK, y.dtype)
        width, height = cuda.blockDim.x, cuda.blockDim.y
        column_blocks = (y.shape[2] + width - 1) // width
        o, i = cuda.blockIdx.x // column_blocks, cuda.blockIdx.x % column_blocks * width + cuda.threadIdx.x
        acc = y.dtype.type(0)
        if i < y.shape[2]:
            first = cuda.blockIdx.y * part
            for l in range(first + cuda.threadIdx.y, min(first + part, x.shape[1]), height):  # noqa: E741
                acc += y.dtype.type(formula(x[o, l, i], also[o, l, i]))
        total = tree_sum(scratch, acc, width)
        if cuda.threadIdx.y == 0 and i < y.shape[2]:
            y[o, cuda.blockIdx.y, i] = total / divisor

    return kernel(named(of_one if count == 1 else of_two, formula, "sum_of_"))
