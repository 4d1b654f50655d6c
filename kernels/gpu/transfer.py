"""Between host and device: the only two ways, both counted, so that a test can say that a step makes no other."""

import numpy as np
from numba import cuda

from kernels.gpu import faults, streams
from kernels.gpu.array import DeviceArray
from kernels.gpu.memory import empty
from kernels.gpu.target import memory_is_host
from kernels.memory import readable as host_readable

__all__ = ["TRANSFERS", "to_device", "to_host"]


class Transfers:
    """How often, and how many bytes, this process has copied between host and device."""

    def __init__(self):
        self.to_device = self.to_host = 0
        self.bytes_to_device = self.bytes_to_host = 0


TRANSFERS = Transfers()


def to_device(array):
    """A copy of a host array in the memory of the device, C-contiguous."""
    array = host_readable(array)
    result = empty(array.shape, array.dtype)
    if array.size:
        TRANSFERS.to_device += 1
        TRANSFERS.bytes_to_device += array.nbytes
        if memory_is_host():
            np.copyto(result._geometry, array)
        else:
            result.for_kernel.copy_to_device(array, stream=streams.current())
            _wait()  # the host array may change or go as soon as this returns
    return result


def to_host(array):
    """A copy of a device array in host memory, C-contiguous. Waits for all that was queued before.

    Raises
    ------
    IndexError
        If a kernel since the last copy to the host has met an index out of range: see ``faults.py``.
    """
    result = _fetched(array)
    faults.check(_fetched)
    return result


def _fetched(array):
    contiguous = array if array.is_contiguous else array.copy()
    result = np.empty(array.shape, array.dtype)
    if result.size:
        TRANSFERS.to_host += 1
        TRANSFERS.bytes_to_host += result.nbytes
        if memory_is_host():
            np.copyto(result, contiguous._geometry)
        else:
            contiguous.for_kernel.copy_to_host(result, stream=streams.current())
            _wait()
    return result


def _wait():
    stream = streams.current()
    if stream == 0:
        cuda.default_stream().synchronize()
    else:
        stream.synchronize()


DeviceArray.get = to_host
