"""Sums and means on the device that give the same bits every time: no atomics, a fixed order.

An axis is shared by tiles of threads (``axis.py``). A long one is cut into parts with a block each; the parts' sums are
an axis again, shorter, that is added up in the same way until one number is left. Which elements meet when depends on
the shape only. Nothing is added one after the other for long, so the error of a float32 sum stays at some ten units of
the last place, however many numbers there are.
"""

from functools import cache

import numpy as np
from numba import cuda

from kernels.elementary import formula
from kernels.gpu.axis import BLOCK, SHORT, place, tile, tree_sum
from kernels.gpu.elementwise import flat, named, rounded
from kernels.gpu.launch import blocks_for, kernel, strided
from kernels.gpu.memory import empty, readable
from kernels.gpu.target import SIMULATED

__all__ = ["sum_all", "sum_axis", "sum_channels", "sum_of"]

#: Blocks that keep a GPU busy: an axis is cut into parts until there are as many.
_BUSY = 4 if SIMULATED else 1024

#: Elements that a thread adds one after the other: at least, for a part to be worth a block; at most, for the error.
_LEAST, _MOST = (2, 4) if SIMULATED else (4, 256)

_MOST_PARTS = 65535  # the y axis of a grid


@formula
def _itself(x):
    return x


def sum_all(x, dtype=None):
    """Sum of all elements, in the dtype of `x` or another one: a DeviceArray of shape (); 0 for no element."""
    return sum_of(_itself, x, dtype=dtype)


def sum_of(formula, *arrays, parameters=(), dtype=None, divisor=1, result=None):
    """Sum of ``formula(arrays[0][i], …, *parameters)`` over all elements, divided by `divisor`.

    The formula computes in the dtype of its arguments; its values go into the sum and are written nowhere.

    Parameters
    ----------
    formula, *arrays, parameters
        As in `kernels.gpu.elementwise.over_elements`; one to four arrays.
    dtype : dtype, optional
        In which to add, float32 or float64; by default that of the first array.
    divisor : number
    result : dtype, optional
        Of the result; by default `dtype`.

    Returns
    -------
    DeviceArray of shape ()
    """
    dtype = np.dtype(arrays[0].dtype if dtype is None else dtype)
    blocks, _ = strided(blocks_for(arrays[0].size, _LEAST), BLOCK)
    parts = empty(blocks, dtype)
    loop = _loop_over(formula, len(arrays))
    loop[blocks, (1, BLOCK)](*flat(arrays), parts, rounded(parameters, arrays[0].dtype))
    return sum_axis(parts.reshape(1, -1, 1), divisor=divisor, result=result).reshape(())


def sum_axis(x, dtype=None, divisor=1, formula=_itself, also=None, result=None):
    """Sum over the middle axis, divided by `divisor`.

    Parameters
    ----------
    x : DeviceArray of shape (outer, L, inner)
    dtype : dtype, optional
        In which to add, float32 or float64; by default that of `x`.
    divisor : number
        L for the mean.
    formula : function marked with `kernels.elementary.formula`, optional
        Of an element of `x` and, where there is `also`, of the one of `also`: what to add up.
    also : DeviceArray of the shape of `x`, optional
    result : dtype, optional
        Of the result; by default `dtype`.

    Returns
    -------
    DeviceArray of shape (outer, inner)
    """
    dtype = np.dtype(x.dtype if dtype is None else dtype)
    arrays = [readable(array) for array in (x, also) if array is not None]
    while True:
        outer, L, inner = arrays[0].shape
        (blocks, threads), part = tile(outer, L, inner), _part(outer, L, inner)
        parts = max(blocks_for(L, part), 1)
        last = parts == 1
        y = empty((outer, parts, inner), result if last and result is not None else dtype)
        arguments = *arrays, part, dtype.type(divisor if last else 1), y
        _axis_loop_over(formula, len(arrays), dtype.type)[(blocks, parts), threads](*arguments)
        if last:
            return y.reshape(outer, inner)
        arrays, formula = [y], _itself


def sum_channels(x, dtype=None, divisor=1, formula=_itself, also=None, result=None):
    """Sum over the first and the last axis of (N, C, inner): a DeviceArray of shape (C,). Arguments as `sum_axis`."""
    N, C, inner = x.shape
    rows = (N * C, inner, 1)
    also = None if also is None else also.reshape(rows)
    sums = sum_axis(x.reshape(rows), dtype, formula=formula, also=also)
    return sum_axis(sums.reshape(1, N, C), divisor=divisor, result=result).reshape(C)


def _part(outer, L, inner):
    """The length of the parts into which an axis is cut."""
    if L <= SHORT:
        return max(L, 1)
    blocks, (_, height) = tile(outer, L, inner)
    wanted = min(blocks_for(_BUSY, max(blocks, 1)), blocks_for(L, _LEAST * height))
    return max(min(blocks_for(L, wanted), _MOST * height), blocks_for(L, _MOST_PARTS))


@cache
def _axis_loop_over(formula, count, real):
    """The kernel of `sum_axis`, which adds in the dtype `real`: blockIdx.y is the part."""

    def of_one(x, part, divisor, y):
        scratch = cuda.shared.array(BLOCK, real)
        o, i, first, step, inside = place(x)
        acc = real(0)
        if inside:
            begin = cuda.blockIdx.y * part
            for l in range(begin + first, min(begin + part, x.shape[1]), step):  # noqa: E741 - the formula's letter
                acc += real(formula(x[o, l, i]))
        total = tree_sum(scratch, acc)
        if inside and first == 0:
            y[o, cuda.blockIdx.y, i] = total / divisor

    def of_two(x, also, part, divisor, y):
        scratch = cuda.shared.array(BLOCK, real)
        o, i, first, step, inside = place(x)
        acc = real(0)
        if inside:
            begin = cuda.blockIdx.y * part
            for l in range(begin + first, min(begin + part, x.shape[1]), step):  # noqa: E741
                acc += real(formula(x[o, l, i], also[o, l, i]))
        total = tree_sum(scratch, acc)
        if inside and first == 0:
            y[o, cuda.blockIdx.y, i] = total / divisor

    return kernel(named(of_one if count == 1 else of_two, formula, "sum_of_"))


@cache
def _loop_over(formula, count):
    """The kernel of `sum_of`: a sum for each block, over elements that lie a whole grid apart."""

    def of_one(a, parts, parameters):
        scratch = cuda.shared.array(BLOCK, parts.dtype)
        acc = parts.dtype.type(0)
        for i in range(cuda.blockIdx.x * BLOCK + cuda.threadIdx.y, a.size, cuda.gridDim.x * BLOCK):
            acc += parts.dtype.type(formula(a[i], *parameters))
        total = tree_sum(scratch, acc)
        if cuda.threadIdx.y == 0:
            parts[cuda.blockIdx.x] = total

    def of_two(a, b, parts, parameters):
        scratch = cuda.shared.array(BLOCK, parts.dtype)
        acc = parts.dtype.type(0)
        for i in range(cuda.blockIdx.x * BLOCK + cuda.threadIdx.y, a.size, cuda.gridDim.x * BLOCK):
            acc += parts.dtype.type(formula(a[i], b[min(i, b.size - 1)], *parameters))
        total = tree_sum(scratch, acc)
        if cuda.threadIdx.y == 0:
            parts[cuda.blockIdx.x] = total

    def of_three(a, b, c, parts, parameters):
        scratch = cuda.shared.array(BLOCK, parts.dtype)
        acc = parts.dtype.type(0)
        for i in range(cuda.blockIdx.x * BLOCK + cuda.threadIdx.y, a.size, cuda.gridDim.x * BLOCK):
            acc += parts.dtype.type(formula(a[i], b[min(i, b.size - 1)], c[min(i, c.size - 1)], *parameters))
        total = tree_sum(scratch, acc)
        if cuda.threadIdx.y == 0:
            parts[cuda.blockIdx.x] = total

    def of_four(a, b, c, d, parts, parameters):
        scratch = cuda.shared.array(BLOCK, parts.dtype)
        acc = parts.dtype.type(0)
        for i in range(cuda.blockIdx.x * BLOCK + cuda.threadIdx.y, a.size, cuda.gridDim.x * BLOCK):
            b_i, c_i, d_i = min(i, b.size - 1), min(i, c.size - 1), min(i, d.size - 1)
            acc += parts.dtype.type(formula(a[i], b[b_i], c[c_i], d[d_i], *parameters))
        total = tree_sum(scratch, acc)
        if cuda.threadIdx.y == 0:
            parts[cuda.blockIdx.x] = total

    return kernel(named((of_one, of_two, of_three, of_four)[count - 1], formula, "sum_of_"))
