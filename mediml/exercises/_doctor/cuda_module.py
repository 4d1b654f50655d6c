"""What a kernel sees as ``cuda`` while the doctor looks on."""

import dis
import math
import operator
import sys
import types
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from mediml.exercises._doctor.arrays import Array, Origin, Region, allocate
from mediml.exercises._doctor.numba_inside import dtype_of
from mediml.exercises._doctor.recording import Recorder, UnsupportedError

__all__ = ["Cuda", "Dim3", "constant"]

_SHARED_BYTES, _LOCAL_BYTES = 48 * 1024, 512 * 1024


class Dim3:
    """Three sizes or indices."""

    def __init__(self, x: int, y: int, z: int):
        self.x, self.y, self.z = x, y, z

    def __iter__(self) -> Any:
        return iter((self.x, self.y, self.z))


class Cuda:
    """What a kernel sees as ``cuda``.

    Parameters
    ----------
    recorder : Recorder
    blocks, threads : tuple of three int
    barrier : callable
        Waits for the block; gets a value to vote with and returns the values of all.
    """

    warpsize = 32

    def __init__(
        self,
        recorder: Recorder,
        blocks: tuple[int, int, int],
        threads: tuple[int, int, int],
        barrier: Callable[[Any], list[Any]],
    ):
        self._recorder, self._barrier = recorder, barrier
        self.gridDim, self.blockDim = Dim3(*blocks), Dim3(*threads)
        self.blockIdx = self.threadIdx = Dim3(0, 0, 0)
        self._block = self._number = 0
        self.shared, self.local, self.const = _Shared(self), _Local(self), _Const(self)
        self.atomic = _Atomic()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if "sync" in name:
            raise UnsupportedError(
                f"cuda.{name}: the doctor knows syncthreads() and its three votes, but no other meeting"
            )
        raise UnsupportedError(f"cuda.{name}")

    @property
    def laneid(self) -> int:
        return self._number % self.warpsize

    def grid(self, axes: int) -> Any:
        return _first(axes, [b * d + t for b, d, t in zip(self.blockIdx, self.blockDim, self.threadIdx)])

    def gridsize(self, axes: int) -> Any:
        return _first(axes, [g * d for g, d in zip(self.gridDim, self.blockDim)])

    def syncthreads(self) -> None:
        self._barrier(None)

    def syncthreads_count(self, value: Any) -> int:
        return sum(map(bool, self._barrier(value)))

    def syncthreads_and(self, value: Any) -> int:
        return int(all(self._barrier(value)))

    def syncthreads_or(self, value: Any) -> int:
        return int(any(self._barrier(value)))

    def threadfence(self) -> None:
        """Does nothing: the doctor's threads see all that was written before."""

    threadfence_block = threadfence_system = threadfence

    def selp(self, condition: Any, one: Any, other: Any) -> Any:
        return one if condition else other

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        return a * b + c

    def cbrt(self, x: Any) -> Any:
        return np.cbrt(x)

    def popc(self, value: Any) -> int:
        return bin(_bits(value)[0]).count("1")

    def brev(self, value: Any) -> int:
        value, width = _bits(value)
        return int(f"{value:0{width}b}"[::-1], 2)

    def clz(self, value: Any) -> int:
        value, width = _bits(value)
        return width - value.bit_length()

    def ffs(self, value: Any) -> int:
        value = _bits(value)[0]
        return (value & -value).bit_length()


def _bits(value: Any) -> tuple[int, int]:
    width = 8 * value.dtype.itemsize if isinstance(value, np.integer) else 64
    return int(value) & ((1 << width) - 1), width


def _first(axes: int, values: list[int]) -> Any:
    if axes not in (1, 2, 3):
        raise ValueError(f"expected 1, 2 or 3 axes, got {axes!r}")
    return values[0] if axes == 1 else tuple(values[:axes])


def _caller() -> tuple[types.CodeType, int]:
    frame = sys._getframe(2)
    return frame.f_code, frame.f_lasti


@cache
def _name_at(code: types.CodeType, position: int) -> str:
    """The variable that the value computed at a position of the code goes to."""
    for step in dis.get_instructions(code):
        if step.offset > position and step.opname.startswith("STORE_"):
            return str(step.argval[0] if isinstance(step.argval, tuple) else step.argval)
    return "?"


class _Shared:
    """Arrays of a block, one for each place that asks for one."""

    def __init__(self, cuda: Cuda):
        self.cuda = cuda
        self.arrays: dict[tuple[int, int, int], Array] = {}

    def array(self, shape: Any, dtype: Any, alignment: Any = None) -> Array:
        code, position = _caller()
        key = (self.cuda._block, id(code), position)
        if key not in self.arrays:
            name = _name_at(code, position)
            if shape == 0:
                raise UnsupportedError(f"{name}: shared memory whose size is given at the launch (shape 0)")
            _check_size(name, "shared", shape, dtype_of(dtype), _SHARED_BYTES)
            self.arrays[key] = allocate(
                self.cuda._recorder, name, "shared", shape, dtype_of(dtype), self.cuda._block
            )  # fmt: skip
        return self.arrays[key]


class _Local:
    """Arrays of a thread."""

    def __init__(self, cuda: Cuda):
        self.cuda = cuda

    def array(self, shape: Any, dtype: Any, alignment: Any = None) -> Array:
        name = _name_at(*_caller())
        _check_size(name, "local", shape, dtype_of(dtype), _LOCAL_BYTES)
        return allocate(self.cuda._recorder, name, "local", shape, dtype_of(dtype))


class _Const:
    def __init__(self, cuda: Cuda):
        self.cuda = cuda

    def array_like(self, values: Any) -> Array:
        return values if isinstance(values, Array) else constant(self.cuda._recorder, "constant", values)


def constant(recorder: Recorder, name: str, values: Any) -> Array:
    """An array that the kernel takes from its module."""
    data = np.ascontiguousarray(values)
    region = Region(data, data.__array_interface__["data"][0], data.nbytes, False)
    return Array(recorder, Origin(recorder, name, "constant", data, region), data)


def _check_size(name: str, space: str, shape: Any, dtype: np.dtype[Any], most: int) -> None:
    sizes = [operator.index(size) for size in (shape if isinstance(shape, tuple) else (shape,))]
    if min(sizes, default=1) < 0 or math.prod(sizes) * dtype.itemsize > most:
        raise ValueError(f"{name}: {space} memory holds {most} bytes, asked for {math.prod(sizes) * dtype.itemsize}")


def _atomic(operation: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def call(self: Any, array: Any, index: Any, value: Any) -> Any:
        if not isinstance(array, Array):
            raise TypeError(f"an atomic operation expects an array, got {type(array).__name__}")
        return array.change(index, lambda old: operation(old, value))

    return call


class _Atomic:
    """``cuda.atomic``: threads cannot come between reading and writing."""

    add, sub = _atomic(operator.add), _atomic(operator.sub)
    and_, or_, xor = _atomic(operator.and_), _atomic(operator.or_), _atomic(operator.xor)
    max, min = _atomic(lambda old, value: max(old, value)), _atomic(lambda old, value: min(old, value))
    nanmax, nanmin = _atomic(np.fmax), _atomic(np.fmin)
    exch = _atomic(lambda old, value: value)
    inc = _atomic(lambda old, value: 0 if old >= value else old + 1)
    dec = _atomic(lambda old, value: value if old == 0 or old > value else old - 1)

    def cas(self, array: Array, index: Any, old: Any, value: Any) -> Any:
        return array.change(index, lambda found: value if found == old else found)

    def compare_and_swap(self, array: Array, old: Any, value: Any) -> Any:
        return self.cas(array, (0,) * array.ndim, old, value)
