"""What an index means on the device: which axes it leaves, and where among the indexed ones each element lies.

``x[:, rows, 2, mask]`` has an array, an integer and a mask: together they index some axes of x, the others are sliced.
The indexed axes are seen as one, whose elements are numbered in C order; `Places` holds one number per element of the
broadcast index, as a sum of three parts:

* what is regular, as in ``numpy.ix_`` or ``numpy.indices``: a first number and a step per axis, no memory at all;
* index arrays of the host, checked at once, combined, and copied to the device (a copy that is counted);
* index arrays on the device, combined by a kernel, which notes an index out of range for the next copy to the host
  (``faults.py``); its element is skipped: reading gives 0, writing does nothing.

A mask becomes the numbers of its true elements; one on the device costs the copy of their count.
"""

import math
import operator

import numpy as np
from numba import cuda

from kernels.gpu import faults
from kernels.gpu.array import DeviceArray
from kernels.gpu.geometry import broadcast, joined, kernel_shape, offset_of, span, steps
from kernels.gpu.launch import kernel, strided
from kernels.gpu.memory import zeros
from kernels.gpu.selecting import flat_nonzero

__all__ = ["Places", "entries_of", "is_basic"]

#: Far below every number: an element whose index is out of range.
_LOST = -(2**62)


def entries_of(index, ndim):
    """The index as a list with one entry per slice, None, integer, bool, or array; ``...`` written out."""
    parts = list(index) if isinstance(index, tuple) else [index]
    parts = [_entry(part) for part in parts]
    used = sum(_consumed(part) for part in parts if part is not Ellipsis)
    if used > ndim:
        raise IndexError(f"too many indices for array: array is {ndim}-dimensional, but {used} were indexed")
    if sum(part is Ellipsis for part in parts) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    where = next((i for i, part in enumerate(parts) if part is Ellipsis), None)
    full = [slice(None)] * (ndim - used)
    return [*parts, *full] if where is None else [*parts[:where], *full, *parts[where + 1 :]]


_NO_INDEX = (  # NumPy's words
    "only integers, slices (`:`), ellipsis (`...`), numpy.newaxis (`None`) and integer or boolean arrays are valid "
    "indices"
)


def _entry(part):
    if part is None or part is Ellipsis or isinstance(part, (slice, bool, np.bool_)):
        return bool(part) if isinstance(part, np.bool_) else part
    if isinstance(part, DeviceArray):
        kind = part.dtype.kind
    elif isinstance(part, (np.ndarray, list, tuple, range)):
        part = np.asarray(part) if isinstance(part, np.ndarray) or len(part) else np.empty(0, np.int64)
        kind = part.dtype.kind
        if part.ndim == 0:
            return bool(part) if kind == "b" else operator.index(part)
    else:
        try:
            return operator.index(part)
        except TypeError:
            raise IndexError(_NO_INDEX) from None
    if kind not in "iub":
        raise IndexError("arrays used as indices must be of integer (or boolean) type")
    return part


def _is_array(part):
    return isinstance(part, (np.ndarray, DeviceArray))


def _consumed(part):
    if part is None or isinstance(part, bool):
        return 0
    return part.ndim if _is_array(part) and part.dtype.kind == "b" else 1


def is_basic(entries):
    """Whether there are only slices, None and integers: then the result is a view."""
    return not any(_is_array(part) or isinstance(part, bool) for part in entries)


class Places:
    """The meaning of an index with arrays in it for an array.

    Attributes
    ----------
    view : DeviceArray
        The array, sliced.
    before, indexed, after : list of int
        Axes of `view`.
    shape : tuple of int
        Of the broadcast index; the result's shape is that of the axes before, this, and of those after.
    unique : bool
        Whether no element can be addressed twice.
    """

    def __init__(self, x, entries):
        basic, groups, axis = [], [], 0
        for part in entries:
            if part is None or isinstance(part, slice):
                basic.append(part)
                axis += 1
                continue
            if isinstance(part, bool):  # a new axis, taken or not
                basic.append(None)
                groups.append(([axis], np.zeros(int(part), np.int64)))
                axis += 1
                continue
            consumed = _consumed(part)
            basic += [slice(None)] * consumed
            groups.append((list(range(axis, axis + consumed)), part))
            axis += consumed
        self.view = x._view(x._geometry[tuple(basic)])
        advanced = [not (part is None or isinstance(part, slice)) for part in entries]
        first, last = advanced.index(True), len(advanced) - 1 - advanced[::-1].index(True)
        self.indexed = [a for axes, _ in groups for a in axes]
        others = [a for a in range(self.view.ndim) if a not in self.indexed]
        adjacent = all(advanced[first : last + 1])
        self.before = [a for a in others if adjacent and a < min(self.indexed, default=0)]
        self.after = others[len(self.before) :]
        self._combine(groups)

    @property
    def result_shape(self):
        """Shape of what the index gives."""
        sizes = self.view.shape
        return (*(sizes[a] for a in self.before), *self.shape, *(sizes[a] for a in self.after))

    def _combine(self, groups):
        found = [(axes, *self._normalized(axes, part)) for axes, part in groups]
        try:
            self.shape = np.broadcast_shapes(*(() if isinstance(part, int) else part.shape for _, part, _ in found))
        except ValueError:
            shapes = " ".join(str(getattr(part, "shape", ())) for _, part, _ in found)
            raise IndexError(
                f"shape mismatch: indexing arrays could not be broadcast together with shapes {shapes}"
            ) from None
        ndim = len(self.shape)
        self.first, self.steps, on_host, on_device, told = 0, [0] * ndim, None, [], set()
        weight = 1
        for axes, part, distinct in reversed(found):
            if isinstance(part, int):
                self.first += part * weight
            elif isinstance(part, DeviceArray):
                on_device.append((part, axes, weight, distinct))
                told |= {ndim - 1} if distinct else set()
            else:
                regular = _regular(part)
                if regular is None:
                    on_host = part * weight + (0 if on_host is None else on_host)
                    told |= {ndim - 1} if distinct else set()
                else:
                    start, step, axis = regular
                    self.first += start * weight
                    if axis is not None:
                        self.steps[ndim - part.ndim + axis] += step * weight
                        told |= {ndim - part.ndim + axis} if step else set()
            weight *= math.prod(self.view.shape[a] for a in axes)
        self.unique = all(size <= 1 or axis in told for axis, size in enumerate(self.shape))
        self.irregular = self._numbers(on_host, on_device) if math.prod(self.shape) else 0

    def _normalized(self, axes, part):
        """(index without negative numbers, whether its elements are all distinct)."""
        sizes = tuple(self.view.shape[a] for a in axes)
        if isinstance(part, int):
            return int(_checked(np.asarray(part), sizes[0], axes[0])), True
        if part.dtype.kind == "b":
            for size, given, axis in zip(sizes, part.shape, axes):
                if size != given:
                    raise IndexError(
                        f"boolean index did not match indexed array along axis {axis}; size of axis is {size} but "
                        f"size of corresponding boolean axis is {given}"
                    )
            return (flat_nonzero(part) if isinstance(part, DeviceArray) else np.flatnonzero(part)), True
        return (part if isinstance(part, DeviceArray) else _checked(part, sizes[0], axes[0])), False

    def _numbers(self, on_host, on_device):
        """The irregular part: a device array of one axis, or 0."""
        from kernels.gpu.transfer import to_device  # here: transfer copies arrays, which are indexed

        if on_host is None and not on_device:
            return 0
        part, _, weight, is_mask = on_device[0] if on_device else (None, None, None, False)
        if on_host is None and len(on_device) == 1 and is_mask and weight == 1 and part.shape == self.shape:
            return part  # places that `flat_nonzero` has just found: they are in range
        if on_host is not None:
            numbers = to_device(np.broadcast_to(on_host, self.shape).astype(np.int64))
        else:
            numbers = zeros(self.shape, np.int64)
        for part, axes, weight, _ in on_device:
            index = broadcast(part, self.shape)
            shape, index_steps, _ = joined(self.shape, steps(index), steps(numbers))
            size = math.prod(self.view.shape[a] for a in axes)
            message = f"index {{value}} is out of bounds for axis {axes[0]} with size {size}"
            _add_numbers[strided(numbers.size)](
                *span(index), index_steps, kernel_shape(shape), size, weight, numbers.reshape(-1),
                faults.code(message), faults.note(),
            )  # fmt: skip
        return numbers.reshape(-1)

    def for_kernel(self):
        """What a kernel needs to find the place of an element of the index: for `place_of`."""
        shape, strides = joined(self.shape, tuple(self.steps))
        return self.irregular, self.first, kernel_shape(shape), strides

    def ways(self):
        """Sizes and strides of the axes before, of the indexed ones, of those after."""
        found = []
        for axes in (self.before, self.indexed, self.after):
            shape, strides = joined(tuple(self.view.shape[a] for a in axes), tuple(steps(self.view)[a] for a in axes))
            found += [kernel_shape(shape), strides]
        return found


def _checked(part, size, axis):
    """Negative indices counted from the end."""
    part = part.astype(np.int64)
    outside = (part < -size) | (part >= size)
    if outside.any():
        raise IndexError(f"index {part[outside].flat[0]} is out of bounds for axis {axis} with size {size}")
    return np.where(part < 0, part + size, part)


def _regular(part):
    """(first, step, axis) of an index array that runs along one axis in equal steps; None for another."""
    axes = [axis for axis, size in enumerate(part.shape) if size != 1]
    if len(axes) > 1 or not part.size:
        return None
    values = part.reshape(-1)
    if len(values) == 1:
        return int(values[0]), 0, None
    first, step = int(values[0]), int(values[1] - values[0])
    return (first, step, axes[0]) if np.array_equal(values, first + step * np.arange(len(values))) else None


@kernel
def _add_numbers(index, index_first, index_steps, shape, size, weight, numbers, code, note):
    for i in range(cuda.grid(1), numbers.size, cuda.gridsize(1)):
        given = np.int64(index[index_first + offset_of(i, shape, index_steps)])
        place = given + size if given < 0 else given
        if place < 0 or place >= size:
            note[0], note[1] = code, given
            numbers[i] = _LOST
        else:
            numbers[i] += place * weight
