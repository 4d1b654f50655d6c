"""Where the extremum is, and running sums: reductions that keep a place, or every step.

The ways are those of ``reductions.py``. An extremum travels through the tree with its place, the lower place winning
among equals, so that the result does not depend on who met whom. A running sum of a long line is computed by blocks,
each with a part of the line, THREADS elements at a time: a thread adds what lies 1, 2, 4, … places before its own, then
what the elements before have added up to. What the parts before have added up to is known from a first launch that
reduces each part, and a running sum of its results.
"""

from functools import cache

import numpy as np
from numba import cuda
from numpy.lib.array_utils import normalize_axis_index

from kernels.elementary import formula
from kernels.gpu.array import DeviceArray
from kernels.gpu.geometry import joined, kernel_shape, offset_of, overlap, span, steps
from kernels.gpu.launch import blocks_for, kernel, strided
from kernels.gpu.memory import empty
from kernels.gpu.reductions import THREADS, accumulator, identity, split, sums_of_parts
from kernels.gpu.scalar_formulas import formula_of
from kernels.gpu.target import SIMULATED

__all__ = ["accumulate", "argmax", "argmin", "cumprod", "cumsum"]

#: Up to so many elements one thread goes through a line; so many lines fill a GPU with such threads.
_SHORT, _MANY = (4, 16) if SIMULATED else (64, 16384)

#: Elements for which a block of its own pays; how many of them, at most, share an output.
_PART, _PARTS = (32, 4) if SIMULATED else (8192, 64)

#: Blocks that fill a GPU.
_BLOCKS = 8 if SIMULATED else 1024


@formula
def _comes_first_max(value, place, best, best_place):
    """Whether `value` at `place` is to be preferred; a place of -1 holds nothing."""
    if place < 0 or best_place < 0:
        return place >= 0
    if value == best or (value != value and best != best):
        return place < best_place
    return value != value or value > best


@formula
def _comes_first_min(value, place, best, best_place):
    if place < 0 or best_place < 0:
        return place >= 0
    if value == best or (value != value and best != best):
        return place < best_place
    return value != value or value < best


@cache
def _arg_kernels(largest, char):
    comes_first = _comes_first_max if largest else _comes_first_min
    computed = accumulator(np.dtype(char))
    number = computed.type

    @kernel
    def by_thread(x, first, kept, kept_steps, reduced, reduced_steps, K, y):
        for n in range(cuda.grid(1), y.size, cuda.gridsize(1)):
            begin = first + offset_of(n, kept, kept_steps)
            best, best_place = number(x[begin]), 0
            for k in range(1, K):
                value = number(x[begin + offset_of(k, reduced, reduced_steps)])
                if comes_first(value, k, best, best_place):
                    best, best_place = value, k
            y[n] = best_place

    @kernel
    def by_block(x, first, kept, kept_steps, reduced, reduced_steps, N, K, part, values, places):
        n, p, t = cuda.blockIdx.x, cuda.blockIdx.y, cuda.threadIdx.x
        shared = cuda.shared.array(THREADS, computed)
        shared_places = cuda.shared.array(THREADS, np.int64)
        begin = first + offset_of(n, kept, kept_steps)
        best, best_place = number(x[begin]), -1
        for k in range(p * part + t, min(K, (p + 1) * part), THREADS):
            value = number(x[begin + offset_of(k, reduced, reduced_steps)])
            if comes_first(value, k, best, best_place):
                best, best_place = value, k
        shared[t] = best
        shared_places[t] = best_place
        cuda.syncthreads()
        half = THREADS // 2
        while half > 0:
            if t < half and comes_first(shared[t + half], shared_places[t + half], shared[t], shared_places[t]):
                shared[t] = shared[t + half]
                shared_places[t] = shared_places[t + half]
            cuda.syncthreads()
            half //= 2
        if t == 0:
            values[p * N + n] = shared[0]
            places[p * N + n] = shared_places[0]

    @kernel
    def of_parts(values, places, N, parts, y):
        for n in range(cuda.grid(1), N, cuda.gridsize(1)):
            best, best_place = values[n], places[n]
            for p in range(1, parts):
                if comes_first(values[p * N + n], places[p * N + n], best, best_place):
                    best, best_place = values[p * N + n], places[p * N + n]
            y[n] = best_place

    return by_thread, by_block, of_parts


def _arg(x, axis, out, keepdims, largest):
    axes = tuple(range(x.ndim)) if axis is None else (normalize_axis_index(axis, x.ndim),)
    kept_shape = tuple(1 if i in axes else size for i, size in enumerate(x.shape))
    y = empty(kept_shape if keepdims else tuple(s for i, s in enumerate(x.shape) if i not in axes), np.int64)
    kept, reduced, N, K = split(x, axes)
    if K == 0 and (N or axis is None):
        raise ValueError(f"attempt to get arg{'max' if largest else 'min'} of an empty sequence")
    if y.size:
        by_thread, by_block, of_parts = _arg_kernels(largest, x.dtype.char)
        memory, first = span(x)
        if K <= _SHORT or N >= _MANY:
            by_thread[strided(N)](memory, first, *kept, *reduced, K, y.reshape(-1))
        else:
            parts = min(blocks_for(K, _PART), _PARTS)
            values, places = empty(N * parts, accumulator(x.dtype)), empty(N * parts, np.int64)
            part = blocks_for(K, parts)
            by_block[(N, parts), THREADS](memory, first, *kept, *reduced, N, K, part, values, places)
            of_parts[strided(N)](values, places, N, parts, y.reshape(-1))
    if out is None:
        return y
    out[...] = y
    return out


def argmax(a, axis=None, out=None, *, keepdims=False):
    """Place of the largest element, the first of equal ones; of the first NaN if there is one."""
    return _arg(a, axis, out, keepdims, True)


def argmin(a, axis=None, out=None, *, keepdims=False):
    """Place of the smallest element, the first of equal ones; of the first NaN if there is one."""
    return _arg(a, axis, out, keepdims, False)


@cache
def _running_kernels(name, char):
    dtype = np.dtype(char)
    combine, number, start = formula_of(name, dtype.kind), dtype.type, identity(name, dtype)

    @kernel
    def by_thread(x, x_first, x_lines, x_step, y, y_first, y_lines, y_step, lines, N, K):
        for n in range(cuda.grid(1), N, cuda.gridsize(1)):
            x_begin, y_begin = x_first + offset_of(n, lines, x_lines), y_first + offset_of(n, lines, y_lines)
            acc = start
            for k in range(K):
                acc = number(combine(acc, number(x[x_begin + k * x_step])))
                y[y_begin + k * y_step] = acc

    @kernel
    def by_block(x, x_first, x_lines, x_step, y, y_first, y_lines, y_step, lines, N, K, part, sums):
        n, p, t = cuda.blockIdx.x, cuda.blockIdx.y, cuda.threadIdx.x
        shared = cuda.shared.array(THREADS, dtype)
        x_begin, y_begin = x_first + offset_of(n, lines, x_lines), y_first + offset_of(n, lines, y_lines)
        before = start if p == 0 else sums[(p - 1) * N + n]
        stop = min(K, (p + 1) * part)
        for begin in range(p * part, stop, THREADS):
            k = begin + t
            shared[t] = number(x[x_begin + k * x_step]) if k < stop else start
            cuda.syncthreads()
            reach = 1
            while reach < THREADS:
                value = shared[t - reach] if t >= reach else start
                cuda.syncthreads()
                shared[t] = number(combine(value, shared[t]))
                cuda.syncthreads()
                reach *= 2
            if k < stop:
                y[y_begin + k * y_step] = number(combine(before, shared[t]))
            before = number(combine(before, shared[THREADS - 1]))
            cuda.syncthreads()

    by_thread.__name__, by_block.__name__ = f"running_{name}_by_thread", f"running_{name}_by_block"
    return by_thread, by_block


def accumulate(ufunc, x, axis=0, dtype=None, out=None):
    """``ufunc.accumulate`` of add and multiply."""
    if ufunc.__name__ not in ("add", "multiply"):
        raise TypeError(f"numpy.{ufunc.__name__}.accumulate is not supported on the device")
    axis = normalize_axis_index(axis, x.ndim)
    out = out[0] if isinstance(out, tuple) else out
    if out is not None and (not isinstance(out, DeviceArray) or out.shape != x.shape):
        raise ValueError(f"numpy.{ufunc.__name__}.accumulate: out expects an array on the device of shape {x.shape}")
    if dtype is not None or out is not None:
        dtype = np.dtype(out.dtype if dtype is None else dtype)
    elif x.dtype.kind in "biu":
        dtype = np.result_type(x.dtype, np.uint64 if x.dtype.kind == "u" else np.int64)
    else:
        dtype = x.dtype
    y = empty(x.shape, dtype) if out is None else out
    if not y.size:
        return y
    if out is not None and overlap(x, y):
        x = x.copy()
    others = [i for i in range(x.ndim) if i != axis]
    sizes = tuple(x.shape[i] for i in others)
    lines, x_lines, y_lines = joined(sizes, *(tuple(steps(array)[i] for i in others) for array in (x, y)))
    N, K = int(np.prod(sizes, dtype=np.int64)), x.shape[axis]
    by_thread, by_block = _running_kernels(ufunc.__name__, accumulator(dtype).char)
    arguments = (*span(x), x_lines, steps(x)[axis], *span(y), y_lines, steps(y)[axis], kernel_shape(lines), N, K)
    if K <= _SHORT or N >= _MANY:
        by_thread[strided(N)](*arguments)
    else:
        parts = min(blocks_for(K, _PART), max(_PARTS, blocks_for(_BLOCKS, N)))
        part = blocks_for(K, parts)
        sums = empty(0, accumulator(dtype))
        if parts > 1:
            sums = sums_of_parts(x, axis, ufunc.__name__, accumulator(dtype), parts)
            accumulate(ufunc, sums, 0, out=sums)
        by_block[(N, parts), THREADS](*arguments, part, sums.reshape(-1))
    return y


def _running(ufunc, a, axis, dtype, out):
    return accumulate(ufunc, a.reshape(-1) if axis is None else a, 0 if axis is None else axis, dtype, out)


def cumsum(a, axis=None, dtype=None, out=None):
    """Running sum; over all elements in a row if `axis` is None."""
    return _running(np.add, a, axis, dtype, out)


def cumprod(a, axis=None, dtype=None, out=None):
    """Running product; over all elements in a row if `axis` is None."""
    return _running(np.multiply, a, axis, dtype, out)
