"""Arrays as kernels see them, which tell the recorder of each access and are safe to misuse."""

import ctypes
import operator
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediml.exercises._doctor.recording import ATOMIC, READ, WRITE, Recorder, UnsupportedError

__all__ = ["Array", "Origin", "Region", "Shape", "adopt", "allocate"]

#: What ``x.shape`` and the like may be asked for.
_PASSED_ON = ("dtype", "itemsize", "nbytes", "strides")


class Region:
    """Memory that one or more arrays lie in.

    Parameters
    ----------
    data : numpy.ndarray
        Which keeps the memory alive.
    low : int
        Its first address.
    nbytes : int
    blank : bool
        Nobody has written to it yet.
    """

    def __init__(self, data: NDArray[Any] | None, low: int, nbytes: int, blank: bool):
        self.data, self.low, self.nbytes = data, low, nbytes
        self.written = bytearray(nbytes) if blank else None

    def forget(self, array: NDArray[Any]) -> None:
        """What this array holds counts as written by nobody."""
        if self.written is None:
            self.written = bytearray(b"\x01") * self.nbytes
        for offset in _offsets(array, self.low).flat:
            self.written[offset] = 0


class Origin:
    """An argument, or a shared or local array, under the name that the kernel gives it."""

    def __init__(self, recorder: Recorder, name: str, space: str, data: NDArray[Any], region: Region, block: int = -1):
        self.number = len(recorder.origins)
        self.name, self.space, self.data, self.region, self.block = name, space, data, region, block
        self.start = _address(data) - region.low
        self.shape = data.shape
        self.logged = space in ("global", "shared")
        recorder.origins.append(self)

    def index(self, offset: int) -> tuple[int, ...]:
        """Index of the element at a byte of the region."""
        rest = offset - self.start
        index = [0] * len(self.shape)
        for size, stride in zip(self.shape, self.data.strides):
            if stride < 0:  # counted from the other end, where addresses are lowest
                rest -= (size - 1) * stride
        for axis in sorted(range(len(self.shape)), key=lambda axis: -abs(self.data.strides[axis])):
            stride = abs(self.data.strides[axis])
            if stride and self.shape[axis] > 1:
                index[axis], rest = divmod(rest, stride)
            if self.data.strides[axis] < 0:
                index[axis] = self.shape[axis] - 1 - index[axis]
        return tuple(index)

    def outside(self, offsets: NDArray[np.int64]) -> list[tuple[int, ...]]:
        """Indices of the elements that do not begin at one of these bytes of the region."""
        missing = ~np.isin(_offsets(self.data, self.region.low), offsets)
        return [tuple(int(i) for i in index) for index in np.argwhere(missing)]


class Shape(tuple[int, ...]):
    """Sizes that cannot be asked for from the end: ``x.shape[-1]`` does not compile for CUDA."""

    def __getitem__(self, index: Any) -> Any:
        if not isinstance(index, slice) and operator.index(index) < 0:
            raise UnsupportedError(f"shape[{index}]: Numba does not compile a negative index into a shape for CUDA")
        return tuple.__getitem__(self, index)


class Array:
    """Numba's view of an array within a kernel."""

    __slots__ = ("_data", "_offset", "_origin", "_recorder", "_shape", "_strides", "_void")

    __array_ufunc__ = None  # NumPy's operators leave it to ours, which do not exist: no array arithmetic in kernels
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, recorder: Recorder, origin: Origin, data: NDArray[Any], void: bool = False):
        self._recorder, self._origin, self._data, self._void = recorder, origin, data, void
        self._shape, self._strides = data.shape, data.strides
        self._offset = 0 if void else _address(data) - origin.region.low

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """So that ``isinstance(x, np.ndarray)`` in a helper says what it says of any array."""
        return np.ndarray

    # -- what kernels ask for -----------------------------------------------------------------------------------------

    @property
    def shape(self) -> Shape:
        return Shape(self._shape)

    @property
    def ndim(self) -> int:
        return len(self._shape)

    @property
    def size(self) -> int:
        return self._data.size

    @property
    def T(self) -> "Array":  # noqa: N802 - NumPy's name
        return self._view(self._data.T)

    def transpose(self, *axes: Any) -> "Array":
        return self._view(self._data.transpose(*axes))

    def reshape(self, *shape: Any) -> "Array":
        result = self._data.reshape(*shape)
        if self._data.size and not np.may_share_memory(result, self._data):
            raise UnsupportedError("reshape of an array that is not contiguous")
        return self._view(result)

    def ravel(self) -> "Array":
        return self.reshape(-1)

    def view(self, dtype: Any) -> "Array":
        return self._view(self._data.view(dtype))

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __getattr__(self, name: str) -> Any:
        if name in _PASSED_ON:
            return getattr(self._data, name)
        if hasattr(np.ndarray, name) and not name.startswith("_"):
            raise UnsupportedError(f"{self._origin.name}.{name}: a method of NumPy's arrays that kernels do not have")
        raise AttributeError(f"array {self._origin.name} has no attribute {name}")

    def __array__(self, dtype: Any = None, copy: Any = None) -> NDArray[Any]:
        raise UnsupportedError(
            f"a NumPy function of the whole array {self._origin.name}: kernels work element by element"
        )

    def __bool__(self) -> bool:
        raise UnsupportedError(f"the truth value of the array {self._origin.name}: kernels work element by element")

    # -- elements ------------------------------------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> Any:
        found = self._find(index, READ)
        if found is None:
            return self._part(index)
        inside, offset = found
        if not inside:
            return poison(self._data.dtype)
        if not self._void:
            self._recorder.access(self._origin, offset, READ)
        return self._data[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        found = self._find(index, WRITE)
        if found is None:
            self._assign(self._part(index), value)
            return
        inside, offset = found
        if isinstance(value, Array):
            raise UnsupportedError(f"an array written into one element of {self._origin.name}")
        if self._origin.space == "constant":
            raise UnsupportedError(f"writing to {self._origin.name}, which is a constant for the kernel")
        if inside:
            self._data[index] = _cast(value, self._data.dtype)
            if not self._void:
                self._recorder.access(self._origin, offset, WRITE, self._data[index])

    def change(self, index: Any, operation: Any) -> Any:
        """Atomically replace an element by ``operation(element)``; returns what was there."""
        found = self._find(index, ATOMIC)
        if found is None:
            raise UnsupportedError(f"an atomic operation on more than one element of {self._origin.name}")
        inside, offset = found
        if not inside:
            return poison(self._data.dtype)
        if not self._void:
            self._recorder.access(self._origin, offset, ATOMIC)
        old = self._data[index]
        self._data[index] = _cast(operation(old), self._data.dtype)
        return old

    def _find(self, index: Any, kind: int) -> tuple[bool, int] | None:
        """Whether one element lies inside, and at which byte; None where `index` means a part of the array."""
        parts = index if type(index) is tuple else (index,)
        if len(parts) != len(self._shape):
            return None
        offset, inside, negative = self._offset, True, False
        for part, size, stride in zip(parts, self._shape, self._strides):
            if type(part) is not int:
                if part is None or part is Ellipsis or isinstance(part, slice):
                    return None
                part = operator.index(part)  # an error for what is not a whole number, as in Numba
            if part < 0:
                negative = True
                part += size
            if not 0 <= part < size:
                inside = False
            offset += part * stride
        if not self._void and (negative or not inside):
            self._misplaced(tuple(operator.index(part) for part in parts), inside, kind)
        return inside, offset

    def _misplaced(self, index: tuple[int, ...], inside: bool, kind: int) -> None:
        if inside:
            name = "negative_index"
        else:
            name = "out_of_bounds_read" if kind == READ else "out_of_bounds_write"
        part = self._shape != self._origin.shape  # the index counts within a part of the array
        self._recorder.fault(name, self._origin, index, shape=self._shape, part=part)

    def _part(self, index: Any) -> "Array":
        """The view that `index` means; a view of nothing where it lies outside."""
        parts = index if type(index) is tuple else (index,)
        numbers, axis = [], 0
        for part in parts:
            if part is None:
                continue
            if isinstance(part, Array):
                raise UnsupportedError(f"an array as index of {self._origin.name}")
            if part is Ellipsis:
                axis += len(self._shape) - sum(p is not None and p is not Ellipsis for p in parts)
                continue
            if axis >= len(self._shape):
                raise IndexError(f"{self._origin.name} has {len(self._shape)} axes, not {len(parts)}")
            if not isinstance(part, slice):
                numbers.append((operator.index(part), self._shape[axis]))
            axis += 1
        inside = all(-size <= number < size for number, size in numbers)
        if not self._void and (not inside or any(number < 0 for number, _ in numbers)):
            self._misplaced(tuple(number for number, _ in numbers), inside, READ)
        if inside:
            return self._view(self._data[index])
        missing = tuple(0 if isinstance(p, (int, np.integer)) else p for p in parts)
        shape = np.empty([max(size, 1) for size in self._shape])[missing].shape
        return Array(self._recorder, self._origin, np.full(shape, poison(self._data.dtype)), void=True)

    def _assign(self, part: "Array", value: Any) -> None:
        if isinstance(value, Array):
            source = value
            value = np.empty(source._shape, source._data.dtype)
            for index in np.ndindex(*source._shape):
                value[index] = source[index]
        value = np.broadcast_to(value, part._shape)
        for index in np.ndindex(*part._shape):
            part[index] = value[index]

    def _view(self, data: NDArray[Any]) -> "Array":
        return Array(self._recorder, self._origin, data, self._void)


def poison(dtype: np.dtype[Any]) -> Any:
    """What is read where nothing is: NaN, or 0."""
    return dtype.type(np.nan) if dtype.kind in "fc" else dtype.type(0)


def allocate(recorder: Recorder, name: str, space: str, shape: Any, dtype: np.dtype[Any], block: int = -1) -> Array:
    """A shared or local array that nobody has written to."""
    data = np.full(shape, poison(dtype))
    return Array(recorder, Origin(recorder, name, space, data, _region_of(data, True), block), data)


def adopt(arrays: list[NDArray[Any]]) -> tuple[list[NDArray[Any]], list[Region]]:
    """Copies that overlap as the arrays do, and the region of each."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(np.lib.array_utils.byte_bounds(a) for a in arrays if a.size):
        if merged and low < merged[-1][1]:
            merged[-1] = merged[-1][0], max(high, merged[-1][1])
        else:
            merged.append((low, high))
    copies, owners = [], []
    memory: dict[int, tuple[NDArray[Any], Region]] = {}
    for a in arrays:
        if not a.size:
            copy = np.empty(a.shape, a.dtype)
            copies.append(copy)
            owners.append(Region(copy, _address(copy), 0, False))
            continue
        low, high = next(span for span in merged if span[0] <= _address(a) < span[1])
        if low not in memory:
            held = np.array((ctypes.c_ubyte * (high - low)).from_address(low), np.uint8)
            memory[low] = held, Region(held, _address(held), held.nbytes, False)
        held, region = memory[low]
        copies.append(np.ndarray(a.shape, a.dtype, held.data, _address(a) - low, a.strides))
        owners.append(region)
    return copies, owners


def _region_of(data: NDArray[Any], blank: bool) -> Region:
    return Region(data, _address(data), data.nbytes, blank)


def _address(array: NDArray[Any]) -> int:
    return int(array.__array_interface__["data"][0])


def _offsets(array: NDArray[Any], low: int) -> NDArray[Any]:
    """The byte of a region at which each element begins."""
    offsets = np.full(array.shape, _address(array) - low, np.int64)
    for axis, (size, stride) in enumerate(zip(array.shape, array.strides)):
        steps = np.arange(size, dtype=np.int64) * stride
        offsets += steps.reshape((-1,) + (1,) * (array.ndim - 1 - axis))
    return offsets


def _cast(value: Any, dtype: np.dtype[Any]) -> Any:
    """As the GPU stores it: integers wrap, fractions are cut off."""
    if dtype.kind in "iu" and isinstance(value, (int, np.integer)):
        bits = 8 * dtype.itemsize
        value = int(value) & ((1 << bits) - 1)
        return value - (1 << bits) if dtype.kind == "i" and value >> (bits - 1) else value
    if dtype.kind in "iu" and isinstance(value, (float, np.floating)):
        return int(value) if np.isfinite(value) else 0
    return value
