"""``np.add.at``: values added where an index says, several to one element if it is named several times.

A GPU's way would be atomic additions, whose order, and so whose rounding, is another at each run. Here the index is
sorted first; the elements that go to one target then lie side by side, in the order in which they were given:

    index    3  0  3  1  3          sorted, stable      0  1  3  3  3
    values   a  b  c  d  e          values              b  d  a  c  e
                                    one thread each     b  d  └a+c+e┘

One thread adds up a target (one for each element of the axes that the index leaves): the sum is NumPy's to the last
bit. A target that is named a million times keeps its thread busy for as long.
"""

import math

import numpy as np
from numba import cuda

from kernels.gpu.array import DeviceArray
from kernels.gpu.geometry import at, broadcast, joined, kernel_shape, offset_of, overlap, span, steps
from kernels.gpu.indexing import fitted, get, place_of, set
from kernels.gpu.launch import kernel, strided
from kernels.gpu.memory import empty
from kernels.gpu.ordering import sorted_lines
from kernels.gpu.places import Places, entries_of, is_basic
from kernels.gpu.ufuncs import refuse_repeated

__all__ = ["ufunc_at"]


@kernel
def _write_places(numbers, first, shape, strides, y):
    for b in range(cuda.grid(1), y.size, cuda.gridsize(1)):
        y[b] = place_of(b, numbers, first, shape, strides)


@kernel
def _add_runs(x, x_first, before, before_steps, indexed, indexed_steps, after, after_steps,
              places, order, B, Q, value, value_first, value_shape, value_steps, count):  # fmt: skip
    """The thread at the beginning of a run of equal places adds its values one after the other."""
    for i in range(cuda.grid(1), count, cuda.gridsize(1)):
        s, p, q = i // Q % B, i // Q // B, i % Q
        place = places[s]
        if place >= 0 and (s == 0 or places[s - 1] != place):
            target = x_first + offset_of(p, before, before_steps) + offset_of(q, after, after_steps)
            target += offset_of(place, indexed, indexed_steps)
            acc = x.dtype.type(x[target])
            while s < B and places[s] == place:
                source = (p * B + order[s]) * Q + q
                added = at(value, value_first + offset_of(source, value_shape, value_steps))
                acc = x.dtype.type(acc + x.dtype.type(added))
                s += 1
            x[target] = acc


def ufunc_at(ufunc, x, index, values):
    """``np.add.at(x, index, values)``."""
    if ufunc is not np.add or not isinstance(x, DeviceArray) or x.dtype.char in "e?":
        raise TypeError(f"numpy.{ufunc.__name__}.at is supported on the device for add to 32 and 64 bits only")
    if not isinstance(values, DeviceArray):
        if np.ndim(values):
            raise TypeError("numpy.add.at: values is on the host; copy it to the device first")
        values = x.dtype.type(values)
    elif not np.can_cast(values.dtype, x.dtype, "same_kind"):
        raise TypeError(f"numpy.add.at: {values.dtype} cannot be added to {x.dtype} in place")
    entries = entries_of(index, x.ndim)
    if is_basic(entries):
        view = get(x, index)
        set(x, index, view + values)
        return
    refuse_repeated(x)
    places = Places(x, entries)
    shape = places.result_shape
    if not math.prod(shape):
        return
    B, Q = math.prod(places.shape), math.prod(places.view.shape[a] for a in places.after)
    numbers = empty(B, np.int64)
    _write_places[strided(B)](*places.for_kernel(), numbers)
    ordered, order = sorted_lines(numbers.reshape(1, B))
    if isinstance(values, DeviceArray):
        values = broadcast(fitted(values, shape), shape)
        values = values.copy() if overlap(values, x) else values
        (value_shape, value_steps), memory = joined(shape, steps(values)), span(values)
    else:
        (value_shape, value_steps), memory = joined(shape, (0,) * len(shape)), (values, 0)
    count = math.prod(shape)
    _add_runs[strided(count)](
        *span(places.view), *places.ways(), ordered.reshape(-1), order.reshape(-1), B, Q,
        *memory, kernel_shape(value_shape), value_steps, count,
    )  # fmt: skip
