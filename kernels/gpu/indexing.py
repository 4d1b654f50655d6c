"""``x[index]`` and ``x[index] = value`` on the device, by slices, integers, index arrays, masks, and mixtures of them.

Without arrays an index gives a view and nothing is computed. With arrays a thread owns an element of the result: it
asks ``places.py`` which element of `x` that is. The axis that varies fastest is the last one of the result, so that
rows of a table, `x[rows]`, are read as they lie.

Writing with an index that may name an element twice: as in NumPy the last one wins, and always the same one. All first
claim their target with an integer maximum (whose result does not depend on the order), then the one that holds the
claim writes.
"""

import math

import numpy as np
from numba import cuda
from numpy.lib.array_utils import normalize_axis_index

from kernels.elementary import formula
from kernels.gpu.array import DeviceArray
from kernels.gpu.copying import copy_into
from kernels.gpu.geometry import at, broadcast, joined, kernel_shape, offset_of, overlap, span, steps
from kernels.gpu.launch import kernel, strided
from kernels.gpu.memory import empty
from kernels.gpu.places import Places, entries_of, is_basic
from kernels.gpu.ufuncs import refuse_repeated

__all__ = ["fitted", "get", "place_of", "put_along_axis", "repeat", "set", "take", "take_along_axis"]


@formula
def place_of(b, numbers, first, shape, strides):
    """The number, among the indexed elements, that element `b` of an index stands for; below 0 out of range."""
    return first + offset_of(b, shape, strides) + at(numbers, b)


@kernel
def _gather(x, x_first, before, before_steps, indexed, indexed_steps, after, after_steps,
            numbers, first, shape, strides, B, Q, y):  # fmt: skip
    for i in range(cuda.grid(1), y.size, cuda.gridsize(1)):
        place = place_of(i // Q % B, numbers, first, shape, strides)
        if place >= 0:
            start = x_first + offset_of(i // Q // B, before, before_steps) + offset_of(i % Q, after, after_steps)
            y[i] = x[start + offset_of(place, indexed, indexed_steps)]
        else:
            y[i] = 0


@kernel
def _claim(numbers, first, shape, strides, B, owner):
    for b in range(cuda.grid(1), B, cuda.gridsize(1)):
        place = place_of(b, numbers, first, shape, strides)
        if place >= 0:
            cuda.atomic.max(owner, place, b)


@kernel
def _scatter(x, x_first, before, before_steps, indexed, indexed_steps, after, after_steps,
             numbers, first, shape, strides, B, Q, owner,
             value, value_first, value_shape, value_steps, count):  # fmt: skip
    for i in range(cuda.grid(1), count, cuda.gridsize(1)):
        b = i // Q % B
        place = place_of(b, numbers, first, shape, strides)
        if place >= 0:
            winner = at(owner, place)  # -1: each is the only one
            if winner == b or winner < 0:
                start = x_first + offset_of(i // Q // B, before, before_steps) + offset_of(i % Q, after, after_steps)
                x[start + offset_of(place, indexed, indexed_steps)] = at(
                    value, value_first + offset_of(i, value_shape, value_steps)
                )


def get(x, index):
    """``x[index]``."""
    entries = entries_of(index, x.ndim)
    if is_basic(entries):
        return x._view(x._geometry[(*entries, Ellipsis)])
    places = Places(x, entries)
    y = empty(places.result_shape, x.dtype)
    if y.size:
        B, Q = math.prod(places.shape), math.prod(places.view.shape[a] for a in places.after)
        _gather[strided(y.size)](
            *span(places.view), *places.ways(), *places.for_kernel(), B, Q, y.reshape(-1)
        )  # fmt: skip
    return y


def set(x, index, value):
    """``x[index] = value``.

    Raises
    ------
    TypeError
        For a value that lies on the host and has axes: a copy to the device is asked for, never made in secret.
    """
    entries = entries_of(index, x.ndim)
    if not isinstance(value, DeviceArray):
        if np.ndim(value):
            raise TypeError(
                f"x[...] = value: x is on the device and the value, of shape {np.shape(value)}, on the host; copy it "
                f'there with kernels.gpu.transfer.to_device(array), a tensor with .to("cuda")'
            )
        value = value.dtype.type(value) if isinstance(value, np.generic) else np.asarray(value)[()]
    if is_basic(entries):
        view = x._view(x._geometry[(*entries, Ellipsis)])
        if isinstance(value, DeviceArray):
            copy_into(view, fitted(value, view.shape))
        else:
            view.fill(value)
        return
    refuse_repeated(x)
    if _is_whole_mask(x, entries) and (not isinstance(value, DeviceArray) or value.size == 1):
        mask = entries[0].reshape(*entries[0].shape, *(1,) * (x.ndim - entries[0].ndim))
        value = value.reshape(()).astype(x.dtype, copy=False) if isinstance(value, DeviceArray) else x.dtype.type(value)
        x[...] = np.where(mask, value, x)  # nothing has to be counted
        return
    places = Places(x, entries)
    shape = places.result_shape
    if not math.prod(shape):
        return
    if isinstance(value, DeviceArray):
        value = broadcast(fitted(value, shape), shape)
        value = value.copy() if overlap(value, x) else value
        (value_shape, value_steps), memory = joined(shape, steps(value)), span(value)
        owner = -1 if places.unique else claims(places)
    else:
        value_shape, value_steps = joined(shape, (0,) * len(shape))
        memory, owner = ((np.float32 if x.dtype.char == "e" else x.dtype.type)(value), 0), -1
    B, Q = math.prod(places.shape), math.prod(places.view.shape[a] for a in places.after)
    _scatter[strided(math.prod(shape))](
        *span(places.view), *places.ways(), *places.for_kernel(), B, Q, owner,
        *memory, kernel_shape(value_shape), value_steps, math.prod(shape),
    )  # fmt: skip


def _is_whole_mask(x, entries):
    """Whether the index is one mask on the device, over all axes or the first ones."""
    mask = entries[0]
    return (
        isinstance(mask, DeviceArray)
        and mask.dtype.kind == "b"
        and mask.shape == x.shape[: mask.ndim]
        and all(part == slice(None) for part in entries[1:] if isinstance(part, slice))
        and all(isinstance(part, slice) for part in entries[1:])
    )


def claims(places):
    """For each of the indexed elements, the last element of the index that names it; -1 where none does."""
    owner = empty(math.prod(places.view.shape[a] for a in places.indexed), np.int64)
    owner.fill(-1)
    B = math.prod(places.shape)
    _claim[strided(B)](*places.for_kernel(), B, owner)
    return owner


def fitted(value, shape):
    """The value without leading axes of size 1 that the place it goes to lacks, as NumPy assigns."""
    extra = value.ndim - len(shape)
    if extra > 0 and value.shape[:extra] == (1,) * extra:
        value = value.reshape(value.shape[extra:])
    try:
        fits = np.broadcast_shapes(value.shape, shape) == tuple(shape)
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"could not broadcast input array from shape {value.shape} into shape {tuple(shape)}")
    return value


def take(a, indices, axis=None, out=None, mode="raise"):
    """Entries along an axis; of all elements in a row if `axis` is None."""
    if mode != "raise" or out is not None:
        raise TypeError("numpy.take with mode= or out= is not supported on the device")
    if axis is None:
        a, axis = a.reshape(-1), 0
    axis = normalize_axis_index(axis, a.ndim)
    if not isinstance(indices, DeviceArray):
        indices = np.asarray(indices if np.ndim(indices) or np.size(indices) else [], None)
        indices = indices.astype(np.int64) if not indices.size else indices
    return get(a, (slice(None),) * axis + (indices,))


def _along(arr, indices, axis):
    """The index of ``take_along_axis``: the other axes count up in equal steps, which takes no memory."""
    axis = normalize_axis_index(axis, arr.ndim)
    if indices.ndim != arr.ndim:
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    index = []
    for i, size in enumerate(arr.shape):
        index.append(indices if i == axis else np.arange(size).reshape([-1 if j == i else 1 for j in range(arr.ndim)]))
    return tuple(index)


def take_along_axis(arr, indices, axis=-1):
    """``arr[i, indices[i, j]]`` for the last axis of a matrix, and likewise for others."""
    if axis is None:
        arr, axis = arr.reshape(-1), 0
    return get(arr, _along(arr, indices, axis))


def put_along_axis(arr, indices, values, axis):
    """``arr[i, indices[i, j]] = values[i, j]`` for the last axis of a matrix, and likewise for others."""
    if axis is None:
        arr, axis = arr.reshape(-1), 0
    set(arr, _along(arr, indices, axis), values)


def repeat(a, repeats, axis=None):
    """Each entry along an axis repeated in place. Counts on the device are copied to the host: they say how much."""
    repeats = repeats.get() if isinstance(repeats, DeviceArray) else np.asarray(repeats)
    if axis is None:
        a, axis = a.reshape(-1), 0
    axis = normalize_axis_index(axis, a.ndim)
    if repeats.size == 1:
        wide = broadcast(a.reshape(*a.shape[: axis + 1], 1, *a.shape[axis + 1 :]),
                         (*a.shape[: axis + 1], int(repeats.item()), *a.shape[axis + 1 :]))  # fmt: skip
        return wide.copy().reshape(*a.shape[:axis], -1 if a.size else a.shape[axis] * int(repeats.item()),
                                   *a.shape[axis + 1 :])  # fmt: skip
    return take(a, np.repeat(np.arange(a.shape[axis]), repeats), axis)
