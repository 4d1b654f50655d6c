"""Arrays on the host and on the device (the GPU) alike: what NumPy cannot say for both.

NumPy's functions and operators take arrays of the device too: ``np.where(mask, x, 0)`` computes where its arguments
lie. Left for this file are the calls that make an array of nothing, so that they must be told where; those that would
bring an array to the host, where NumPy means "make it an array"; and the way from one place to the other.

Places are told by a `Device`, or by an array that lies there.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from kernels.memory import Array

if TYPE_CHECKING:
    from mediml.device import Device

__all__ = [
    "arange", "asarray", "contiguous", "copied", "empty", "full", "moved", "on_device", "ones", "to_host",
    "zeros",
]  # fmt: skip


def on_device(place: Any) -> bool:
    """Whether a `Device` is a GPU; whether an array lies on one."""
    if isinstance(place, np.ndarray):  # nearly always
        return False
    return getattr(place, "type", None) == "cuda" or isinstance(place, Array)


def _device_memory() -> Any:
    from kernels.gpu import memory  # here: what runs on the CPU does without it

    return memory


def empty(shape: Any, dtype: Any, place: "Device | Any") -> Any:
    """A new array with undefined values, in C order."""
    return _device_memory().empty(shape, dtype) if on_device(place) else np.empty(shape, dtype)


def zeros(shape: Any, dtype: Any, place: "Device | Any") -> Any:
    """A new array of zeros."""
    return _device_memory().zeros(shape, dtype) if on_device(place) else np.zeros(shape, dtype)


def ones(shape: Any, dtype: Any, place: "Device | Any") -> Any:
    """A new array of ones."""
    return full(shape, 1, dtype, place)


def full(shape: Any, value: Any, dtype: Any, place: "Device | Any") -> Any:
    """A new array with one value everywhere."""
    if not on_device(place):
        return np.full(shape, value, dtype)
    array = _device_memory().empty(shape, dtype)
    array.fill(value)
    return array


def arange(count: int, place: "Device | Any") -> Any:
    """0, 1 … count - 1 as int64."""
    if not on_device(place):
        return np.arange(count)
    return np.cumsum(ones(count, np.int64, place)) - 1  # no copy from the host


def asarray(value: Any, dtype: Any = None) -> Any:
    """``numpy.asarray``; what lies on the device stays there."""
    if on_device(value):
        return value if dtype is None else value.astype(dtype, copy=False)
    return np.asarray(value, dtype)


def copied(array: Any, dtype: Any = None) -> Any:
    """A copy in C order, where the array lies."""
    if on_device(array):
        return array.astype(array.dtype if dtype is None else dtype)
    return np.array(array, dtype, order="C")


def contiguous(array: Any) -> Any:
    """The array itself if it lies in C order, else a copy that does."""
    if on_device(array):
        return array if array.flags.c_contiguous else array.copy()
    return np.asarray(array, order="C")


def to_host(array: Any) -> Any:
    """The array as NumPy has it: a copy (which waits for the device, and is counted), or the array itself."""
    if not on_device(array):
        return array
    from kernels.gpu import transfer

    return transfer.to_host(array)


def moved(array: Any, device: "Device") -> Any:
    """The array where `device` computes; itself if it lies there already."""
    if device.type != "cuda":
        return to_host(array)
    if on_device(array):
        return array
    from kernels.gpu import transfer

    return transfer.to_device(array)
