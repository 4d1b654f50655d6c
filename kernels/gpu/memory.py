"""Device memory that is used again: after the first step of a training, no step asks the driver for any.

A block that no array needs any more goes to a list of its size and stream, and the next `empty` of that size takes it
from there. Sizes are rounded up to a power of two or the middle between two, so that different shapes can share one.
What is handed on was last used on the same stream, whose work happens in order: no wait is needed. A block that
another stream has used as well, which may still be at it, waits in a list of its own until the GPU has been waited for.

`empty` and `zeros` are to kernels on the GPU what those of ``kernels/memory.py`` are on the CPU, and tests fill the
arrays of `empty` with NaN likewise.
"""

import gc
import math
import threading
import weakref
from collections import defaultdict
from typing import NamedTuple

import numpy as np
from numba import cuda

from kernels import memory as host_memory
from kernels.gpu import streams
from kernels.gpu.array import DeviceArray
from kernels.gpu.target import SIMULATED, memory_is_host, require

__all__ = ["Usage", "empty", "empty_cache", "on_device", "readable", "usage", "zeros"]

_SMALLEST = 256  # bytes; alignment that CUDA guarantees


class Usage(NamedTuple):
    """What the pool has done since the process began."""

    allocations: int  # blocks asked from the driver
    reuses: int  # blocks taken from the lists
    bytes_held: int  # by the pool in all, in use or not
    bytes_in_use: int


class _Pool:
    def __init__(self):
        self.lock = threading.RLock()  # a block may come back while another is being taken
        self.free = defaultdict(list)
        self.shared = []  # (stream, size, memory) of blocks that were used on other streams, too
        self.allocations = self.reuses = self.bytes_held = self.bytes_in_use = 0

    def take(self, nbytes):
        require()
        size, stream = _rounded(nbytes), (streams.current_handle(), memory_is_host())
        with self.lock:
            if self.shared and not self.free[stream, size]:
                self._take_back_shared()
            found = self.free[stream, size].pop() if self.free[stream, size] else None
            if found is None:
                found = self._allocate(size)
                self.allocations += 1
                self.bytes_held += size
            else:
                self.reuses += 1
                if memory_is_host() and not SIMULATED:  # nothing will write it, and what reads it must find a number
                    found.fill(0)
            self.bytes_in_use += size
        block = _Block(found, stream[0])
        weakref.finalize(block, self._give_back, stream, size, found, block.others).atexit = False
        return block

    def _allocate(self, size):
        try:
            return _allocate(size)
        except Exception:  # out of memory: what lies unused goes back to the driver first, what cycles keep as well
            gc.collect()
            self.clear()
            return _allocate(size)

    def _give_back(self, stream, size, memory, others):
        with self.lock:
            if others:
                self.shared.append((stream, size, memory))
            else:
                self.free[stream, size].append(memory)
            self.bytes_in_use -= size

    def _take_back_shared(self):
        shared, self.shared = self.shared, []
        _wait_for_all_streams()
        for stream, size, memory in shared:
            self.free[stream, size].append(memory)

    def clear(self):
        with self.lock:
            if self.free or self.shared:
                self._take_back_shared()
            # a block may come back in the middle of this, from a collection of garbage: it goes to the new lists
            unused, self.free = self.free, defaultdict(list)
            for (_, size), blocks in unused.items():
                self.bytes_held -= size * len(blocks)


class _Block:
    """Memory in use: it lives as long as an array that lies in it."""

    __slots__ = ("__weakref__", "memory", "others", "stream")

    def __init__(self, memory, stream):
        self.memory = memory
        self.stream = stream
        self.others = set()  # other streams that kernels have used it on

    @property
    def pointer(self):
        """Address on the device."""
        if isinstance(self.memory, np.ndarray):
            return self.memory.ctypes.data
        return int(self.memory.device_ctypes_pointer.value)


_pool = _Pool()


def _allocate(size):
    if memory_is_host():
        return np.zeros(size, np.uint8)
    return cuda.current_context().memalloc(size)


def _wait_for_all_streams():
    if not memory_is_host():
        cuda.synchronize()


def _rounded(nbytes):
    """The next of 256, 384, 512, 768, 1024, 1536 …"""
    size = max(int(nbytes), _SMALLEST)
    power = 1 << (size - 1).bit_length()
    return power * 3 // 4 if power * 3 // 4 >= size else power


def usage():
    """What the pool has done so far."""
    return Usage(_pool.allocations, _pool.reuses, _pool.bytes_held, _pool.bytes_in_use)


def empty_cache():
    """Give the blocks that no array needs back to the driver."""
    _pool.clear()


def empty(shape, dtype):
    """A new C-contiguous array on the device that its kernel must write completely."""
    dtype = np.dtype(dtype)
    shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    count = math.prod(shape)
    array = DeviceArray.over(_pool.take(count * dtype.itemsize), shape, dtype)
    if host_memory.filling_with_nan() and dtype.kind != "b":
        array.fill(np.nan if dtype.kind == "f" else np.iinfo(dtype).min)
    return array


def zeros(shape, dtype):
    """A new C-contiguous array of zeros on the device."""
    array = empty(shape, dtype)
    array.fill(0)
    return array


def on_device(array):
    """The array itself, any strides.

    Raises
    ------
    TypeError
        For an array of the host: copies to the device are asked for, never made in secret.
    """
    if not isinstance(array, DeviceArray):
        raise TypeError(
            f"a CUDA kernel expects an array on the device, got {type(array).__name__}; "
            f'copy it there with kernels.gpu.transfer.to_device(array), a tensor with .to("cuda")'
        )
    return array


def readable(array):
    """The array as kernels take it: on the device and C-contiguous; copies only where it must.

    Raises as `on_device`.
    """
    return array if on_device(array).is_contiguous else array.copy()
