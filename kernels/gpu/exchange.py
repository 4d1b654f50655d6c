"""Memory on the GPU shared with other libraries, without a copy: ``__cuda_array_interface__`` and DLPack.

The interface is a dict with an address, a shape and strides; DLPack is the same as a C struct in a Python capsule. Who
hands memory out keeps it alive until the other side lets go: an adopted array holds the object that it came from, and a
capsule's deleter drops the reference that the capsule held.

Work of both sides must meet on one stream. Where the object is PyTorch's, launches follow PyTorch's current stream from
then on (``streams.py``); for any other, the producer's stream is waited for.

References
----------
https://numba.readthedocs.io/en/stable/cuda/cuda_array_interface.html, version 3
https://dmlc.github.io/dlpack/latest/c_api.html
"""

import ctypes
import sys

import numpy as np
from numba import cuda

from kernels.gpu import streams
from kernels.gpu.array import DeviceArray
from kernels.gpu.target import memory_is_host

__all__ = ["DLPACK_DEVICE", "adopted", "capsule_of", "interface_of"]

#: What ``__dlpack_device__`` says: an NVIDIA GPU (2), the first of this process.
DLPACK_DEVICE = (2, 0)

#: DLPack's codes of NumPy's kinds of dtype.
_CODES = {"i": 0, "u": 1, "f": 2, "b": 6}
_KINDS = {code: kind for kind, code in _CODES.items()}


class _Foreign:
    """Memory of another library: it lives as long as what is held here."""

    def __init__(self, pointer, owner):
        self.pointer, self.owner = pointer, owner


def interface_of(array):
    """``__cuda_array_interface__`` of a DeviceArray."""
    handle = streams.current_handle()
    return {
        "shape": array.shape, "typestr": array.dtype.str, "data": (array.pointer, False), "version": 3,
        "strides": None if array.is_contiguous else array.strides, "stream": handle or 1,  # 1: the default stream
    }  # fmt: skip


def adopted(source):
    """A DeviceArray over the memory of an object with ``__cuda_array_interface__`` or ``__dlpack__``.

    Raises
    ------
    TypeError
        For memory that may only be read, or a dtype that NumPy has not.
    """
    if type(source).__module__.partition(".")[0] == "torch":
        streams.follow(_stream_of_torch)
    interface = getattr(source, "__cuda_array_interface__", None)
    if interface is None:
        return _from_capsule(source.__dlpack__(stream=streams.current_handle() or 1))
    pointer, read_only = interface["data"]
    if read_only:
        raise TypeError("the array on the GPU may only be read, and a tensor's memory can be written; copy it first")
    _wait_for(interface.get("stream"))
    dtype = np.dtype(interface["typestr"])
    return DeviceArray.over(_Foreign(pointer, source), tuple(interface["shape"]), dtype, interface.get("strides"))


def _stream_of_torch():
    """Handle of PyTorch's current stream."""
    return sys.modules["torch"].cuda.current_stream().cuda_stream


def _wait_for(handle):
    """Let the work that the producer has queued on its stream finish, if ours is another."""
    if handle is None or memory_is_host() or (1 if handle == 0 else handle) == (streams.current_handle() or 1):
        return
    stream = cuda.default_stream() if handle in (0, 1) else cuda.external_stream(handle)
    stream.synchronize()


# -- DLPack ----------------------------------------------------------------------------------------------------------


class _Tensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p), ("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32), ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)), ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )  # fmt: skip


_Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class _Managed(ctypes.Structure):
    _fields_ = (("tensor", _Tensor), ("context", ctypes.c_void_p), ("deleter", _Deleter))


_python = ctypes.pythonapi
_Destructor = ctypes.CFUNCTYPE(None, ctypes.c_void_p)  # not py_object: the capsule is being destroyed
_new_capsule = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, _Destructor)(
    ("PyCapsule_New", _python)
)
_pointer_in = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_GetPointer", _python))
_set_name = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_SetName", _python))
_is_valid = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)(("PyCapsule_IsValid", _python))
_raw_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)(("PyCapsule_GetPointer", _python))

_NAME, _USED_NAME = b"dltensor", b"used_dltensor"

#: Structs that others may still read, with what they point to, by address.
_handed_out = {}


@_Deleter
def _let_go(address):
    _handed_out.pop(address, None)


@_Destructor
def _destroyed(capsule):
    """Nobody took the tensor out of the capsule: it is let go of here."""
    if _is_valid(capsule, _NAME):
        _handed_out.pop(_raw_pointer(capsule, _NAME), None)


def capsule_of(array, stream=None):
    """DLPack's capsule of a DeviceArray, for a consumer that works on `stream` (None, or 1: the default one)."""
    handle = 0 if stream in (None, 0, 1, -1) else stream
    if stream != -1 and handle != streams.current_handle() and not memory_is_host():
        own = streams.current()
        (cuda.default_stream() if own == 0 else own).synchronize()
    sizes = (ctypes.c_int64 * array.ndim)(*array.shape)
    steps = (ctypes.c_int64 * array.ndim)(*(step // array.itemsize for step in array.strides))
    managed = _Managed(
        _Tensor(
            array.pointer, *DLPACK_DEVICE, array.ndim, _CODES[array.dtype.kind], array.itemsize * 8, 1, sizes, steps, 0
        ),
        None,
        _let_go,
    )
    address = ctypes.addressof(managed)
    _handed_out[address] = (managed, array, sizes, steps)
    return _new_capsule(address, _NAME, _destroyed)


class _Consumed:
    """A struct taken out of a capsule; its owner is told when no array needs the memory any more."""

    def __init__(self, managed):
        self.managed = managed

    def __del__(self):
        if self.managed.deleter:
            self.managed.deleter(ctypes.addressof(self.managed))


def _from_capsule(capsule):
    managed = _Managed.from_address(_pointer_in(capsule, _NAME))
    tensor = managed.tensor
    if tensor.device_type != DLPACK_DEVICE[0] or tensor.code not in _KINDS or tensor.lanes != 1:
        raise TypeError(
            f"dlpack: expected numbers on an NVIDIA GPU, got device {tensor.device_type}, dtype code {tensor.code}, "
            f"{tensor.lanes} lanes"
        )
    _set_name(capsule, _USED_NAME)
    dtype = np.dtype(f"{_KINDS[tensor.code]}{tensor.bits // 8}")
    shape = tuple(tensor.shape[axis] for axis in range(tensor.ndim))
    strides = tuple(tensor.strides[axis] * dtype.itemsize for axis in range(tensor.ndim)) if tensor.strides else None
    return DeviceArray.over(_Foreign(tensor.data + tensor.byte_offset, _Consumed(managed)), shape, dtype, strides)
