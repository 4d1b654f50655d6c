"""Many elements to one on the device: sums, extrema, truth, counts. The same bits at every run.

An array is seen as N outputs of K elements each, both of any number of axes and any strides. Three ways to reduce it:

* ``by_thread``: a thread goes through the elements of its output. For small K; and where the kept axes lie innermost,
  as in the sum over the rows of a matrix: neighbouring threads then read neighbouring elements.
* ``by_block``: else a block shares the elements of an output:

      thread  0   1   2   3   0   1   2   3  …    each takes every THREADS-th element: neighbours read neighbours;
              └───┼───┼───┘   │                    then half of the threads add what the other half has, and again:
                  └───┴───────┘                    a tree whose shape depends on the number of threads alone

* long ones are cut into parts, and the results of the parts are reduced by another launch.

No atomics, so the order is fixed; and no thread adds more than a few hundred numbers in a row, so that float32 is
enough to sum float32 in.
"""

from functools import cache

import numpy as np
from numba import cuda
from numpy.lib.array_utils import normalize_axis_tuple

from kernels.elementary import formula
from kernels.gpu.array import DeviceArray
from kernels.gpu.geometry import joined, kernel_shape, offset_of, span, steps
from kernels.gpu.launch import blocks_for, kernel, strided
from kernels.gpu.memory import empty
from kernels.gpu.scalar_formulas import formula_of
from kernels.gpu.target import SIMULATED

__all__ = ["THREADS", "accumulator", "identity", "normal_axes", "over", "reduce", "split", "sums_of_parts"]

#: Threads of a block that reduces together; a power of two.
THREADS = 8 if SIMULATED else 256

#: Up to so many elements one thread goes through them; where the kept axes lie innermost, so many are a part.
_SHORT, _COLUMN = (4, 6) if SIMULATED else (32, 256)

#: With so many outputs, kept axes that lie innermost fill the lanes of a warp.
_LANES = 4 if SIMULATED else 32

#: Elements of an output for which a block of its own pays, and the blocks that fill a GPU.
_PART, _BLOCKS = (32, 8) if SIMULATED else (8192, 1024)


@formula
def _plain(x):
    return x


@formula
def _truth(x):
    return x != type(x)(0)


_LOADS = {"plain": _plain, "truth": _truth}


def split(x, axes):
    """How a kernel finds its way: (sizes, strides) of the kept axes, (sizes, strides) of the reduced ones, N, K."""
    kept = [axis for axis in range(x.ndim) if axis not in axes]
    parts, counts = [], []
    for some in (kept, axes):
        sizes = tuple(x.shape[axis] for axis in some)
        shape, strides = joined(sizes, tuple(steps(x)[axis] for axis in some))
        parts.append((kernel_shape(shape), strides))
        counts.append(int(np.prod(sizes, dtype=np.int64)))
    return parts[0], parts[1], *counts


def _reduced(x, axes, name, load, computed, out):
    """Reduce `x` over `axes` with the ufunc `name` into the contiguous `out`; computed in the dtype `computed`."""
    (kept, kept_steps), (reduced, reduced_steps), N, K = split(x, axes)
    columns = N >= _LANES and abs(kept_steps[-1]) < min(abs(step) for step in reduced_steps)
    if columns:
        parts = blocks_for(K, _COLUMN)
    else:
        parts = min(blocks_for(K, _PART), blocks_for(_BLOCKS, N))
    target = out.reshape(-1) if parts == 1 else empty((parts, N), computed)
    by_thread, by_block = _kernels(name, load, x.dtype.char, computed.char)
    memory, first = span(x)
    part = blocks_for(K, parts)
    arguments = (memory, first, kept, kept_steps, reduced, reduced_steps, N, K, part, target.reshape(-1))
    if columns or K <= _SHORT:
        by_thread[strided(N * parts)](*arguments)
    else:
        by_block[(N, parts), THREADS](*arguments)
    if parts > 1:
        _reduced(target, (0,), name, "plain", computed, out)


def sums_of_parts(x, axis, name, computed, parts):
    """What equal parts of the lines along an axis come to, (parts, lines)."""
    kept, reduced, N, K = split(x, (axis,))
    y = empty((parts, N), computed)
    _, by_block = _kernels(name, "plain", x.dtype.char, computed.char)
    by_block[(N, parts), THREADS](*span(x), *kept, *reduced, N, K, blocks_for(K, parts), y.reshape(-1))
    return y


@cache
def _kernels(name, load, x_char, computed_char):
    combine, read = formula_of(name, np.dtype(computed_char).kind), _LOADS[load]
    computed = np.dtype(computed_char)
    number, start = computed.type, identity(name, computed)

    @kernel
    def by_thread(x, first, kept, kept_steps, reduced, reduced_steps, N, K, part, y):
        for i in range(cuda.grid(1), y.size, cuda.gridsize(1)):
            begin = first + offset_of(i % N, kept, kept_steps)
            acc = start
            for k in range(i // N * part, min(K, (i // N + 1) * part)):
                acc = number(combine(acc, number(read(x[begin + offset_of(k, reduced, reduced_steps)]))))
            y[i] = acc

    @kernel
    def by_block(x, first, kept, kept_steps, reduced, reduced_steps, N, K, part, y):
        n, p, t = cuda.blockIdx.x, cuda.blockIdx.y, cuda.threadIdx.x
        shared = cuda.shared.array(THREADS, computed)
        begin = first + offset_of(n, kept, kept_steps)
        acc = start
        for k in range(p * part + t, min(K, (p + 1) * part), THREADS):
            acc = number(combine(acc, number(read(x[begin + offset_of(k, reduced, reduced_steps)]))))
        shared[t] = acc
        cuda.syncthreads()
        half = THREADS // 2
        while half > 0:
            if t < half:
                shared[t] = number(combine(shared[t], shared[t + half]))
            cuda.syncthreads()
            half //= 2
        if t == 0:
            y[p * N + n] = shared[0]

    by_thread.__name__, by_block.__name__ = f"{name}_{load}_by_thread", f"{name}_{load}_by_block"
    return by_thread, by_block


def identity(name, dtype):
    """What leaves a number as it is."""
    if name in ("maximum", "minimum"):
        if dtype.kind == "f":
            return dtype.type(-np.inf if name == "maximum" else np.inf)
        return dtype.type(np.iinfo(dtype).min if name == "maximum" else np.iinfo(dtype).max)
    return dtype.type({"add": 0, "multiply": 1}[name])


def reduce(ufunc, x, axis=0, dtype=None, out=None, keepdims=False, initial=None, where=True):
    """``ufunc.reduce`` of add, multiply, maximum, minimum, logical_and and logical_or.

    Raises
    ------
    ValueError
        For the largest or smallest of no elements.
    """
    name = ufunc.__name__
    if name not in ("add", "multiply", "maximum", "minimum", "logical_and", "logical_or"):
        raise TypeError(f"numpy.{name}.reduce is not supported on the device")
    if initial is not None or where is not True:
        raise TypeError(f"numpy.{name}.reduce with initial= or where= is not supported on the device")
    logical = name.startswith("logical")
    if dtype is not None:
        dtype = np.dtype(dtype)
    elif logical:
        dtype = np.dtype(bool)
    elif name in ("add", "multiply") and x.dtype.kind in "biu":
        dtype = np.result_type(x.dtype, np.uint64 if x.dtype.kind == "u" else np.int64)
    else:
        dtype = x.dtype
    if name in ("maximum", "minimum") and not x.size and _is_wanted(x, axis):
        raise ValueError(f"zero-size array to reduction operation {name} which has no identity")
    load = "truth" if logical or dtype.kind == "b" else "plain"
    name = {"logical_or": "maximum", "logical_and": "minimum"}.get(name, name)
    return over(x, axis, name, load, dtype, out, keepdims)


def over(x, axis, name, load, dtype, out, keepdims):
    axes = normal_axes(axis, x.ndim)
    kept = tuple(1 if i in axes else size for i, size in enumerate(x.shape))
    shape = kept if keepdims else tuple(size for i, size in enumerate(x.shape) if i not in axes)
    y = empty(shape, dtype)
    if y.size and not x.size:
        y.fill(1 if name in ("multiply", "minimum") else 0)
    elif y.size:
        _reduced(x, axes, name, load, accumulator(dtype), y)
    if out is None:
        return y
    out = out[0] if isinstance(out, tuple) else out
    if not isinstance(out, DeviceArray):
        raise TypeError("a reduction's out expects an array on the device")
    out[...] = y
    return out


def _is_wanted(x, axis):
    """Whether the result has elements."""
    axes = normal_axes(axis, x.ndim)
    return all(size for i, size in enumerate(x.shape) if i not in axes)


def normal_axes(axis, ndim):
    return tuple(range(ndim)) if axis is None else tuple(sorted(normalize_axis_tuple(axis, ndim)))


def accumulator(dtype):
    """The dtype of the sum in a kernel: truth is counted in bytes, half precision is only stored."""
    return np.dtype({"b": np.uint8, "e": np.float32}.get(dtype.char if dtype.char == "e" else dtype.kind, dtype))
