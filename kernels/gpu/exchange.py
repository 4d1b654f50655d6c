"""Arrays handed to other libraries and taken from them without a copy: DLPack and the CUDA Array Interface.

A DLPack capsule holds a C structure that says where the elements lie, and a function to be called, once, when the taker
no longer needs them:

    x.__dlpack__()      makes the structure and a capsule "dltensor"; the structure keeps the array alive
    the taker           renames the capsule "used_dltensor" and calls the structure's deleter when it is done
    nobody takes it     the capsule's destructor calls the deleter

In the simulator the memory is the host's, and says so (kDLCPU): NumPy and torch can share it there.

References
----------
https://dmlc.github.io/dlpack/latest/c_api.html; https://numba.readthedocs.io/en/stable/cuda/cuda_array_interface.html
"""

import ctypes
import weakref

import numpy as np

from kernels.gpu import streams
from kernels.gpu.array import DeviceArray
from kernels.gpu.target import memory_is_host, require

__all__ = ["dlpack", "dlpack_device", "from_cuda_array_interface", "from_dlpack", "interface"]

_CPU, _CUDA = 1, 2
_CODES = {"i": 0, "u": 1, "f": 2, "b": 6}
_KINDS = {code: kind for kind, code in _CODES.items()}


class _Device(ctypes.Structure):
    _fields_ = (("type", ctypes.c_int32), ("id", ctypes.c_int32))


class _DataType(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16))


class _Tensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p), ("device", _Device), ("ndim", ctypes.c_int32), ("dtype", _DataType),
        ("shape", ctypes.POINTER(ctypes.c_int64)), ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )  # fmt: skip


class _Managed(ctypes.Structure):
    pass


_Deleter = ctypes.CFUNCTYPE(None, ctypes.POINTER(_Managed))
_Destructor = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_Managed._fields_ = (("tensor", _Tensor), ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p))

_api = ctypes.pythonapi
_new = _api.PyCapsule_New
_new.restype, _new.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
_is_valid = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)(("PyCapsule_IsValid", _api))
_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)(("PyCapsule_GetPointer", _api))
_rename = _api.PyCapsule_SetName
_rename.restype, _rename.argtypes = ctypes.c_int, (ctypes.py_object, ctypes.c_char_p)

#: What is handed out: the array and the C structures, by the address of the structure, until the deleter is called.
_handed_out = {}


@_Deleter
def _delete(managed):
    """May be called by any thread and in any order; a second call for the same structure finds nothing."""
    _handed_out.pop(ctypes.cast(managed, ctypes.c_void_p).value, None)


@ctypes.PYFUNCTYPE(None, ctypes.c_void_p)
def _destroy(capsule):
    """A capsule dies: if nobody has taken it, its array is let go."""
    if _is_valid(capsule, b"dltensor"):
        _handed_out.pop(_pointer(capsule, b"dltensor"), None)


def _device_id():
    from numba import cuda

    return 0 if memory_is_host() else cuda.get_current_device().id


def dlpack_device(x):
    """(kind, number) of the device, as DLPack counts."""
    return (_CPU if memory_is_host() else _CUDA), _device_id()


def dlpack(x, *, stream=None, max_version=None, dl_device=None, copy=None):
    """``x.__dlpack__()``: a capsule around the array.

    Parameters
    ----------
    stream : int, optional
        The taker's stream, which is made to wait for what is queued here: None and 1 the default one, -1 none.
    """
    if dl_device is not None and tuple(dl_device) != dlpack_device(x):
        raise BufferError(f"the array lies on device {dlpack_device(x)}, not on {tuple(dl_device)}")
    if any(stride % x.itemsize for stride in x.strides):
        raise BufferError("DLPack counts strides in elements")
    x = x.copy() if copy else x
    _let_wait(x, stream)
    ndim = x.ndim
    shape = (ctypes.c_int64 * max(ndim, 1))(*x.shape)
    strides = (ctypes.c_int64 * max(ndim, 1))(*(stride // x.itemsize for stride in x.strides))
    managed = _Managed()
    kind, number = dlpack_device(x)
    managed.tensor = _Tensor(
        x.pointer, _Device(kind, number), ndim, _DataType(_CODES[x.dtype.kind], 8 * x.itemsize, 1), shape, strides, 0
    )
    managed.deleter = ctypes.cast(_delete, ctypes.c_void_p)
    address = ctypes.addressof(managed)
    _handed_out[address] = (x, shape, strides, managed)
    return _new(address, b"dltensor", ctypes.cast(_destroy, ctypes.c_void_p))


def _let_wait(x, stream):
    """The taker's stream waits for what is queued on the current one; the memory learns that it is used there, too."""
    taker, ours = {None: 0, 1: 0}.get(stream, stream), streams.current_handle()
    if taker != x._block.stream:
        x._block.others.add(taker)
    if memory_is_host() or stream == -1:
        return
    if taker != ours:
        from numba import cuda

        event = cuda.event(timing=False)
        event.record(streams.current() or cuda.default_stream())
        event.wait(cuda.external_stream(taker) if taker else cuda.default_stream())


class _Lent:
    """Memory of another library: a block for `DeviceArray`. When no array needs it any more, `release` is called."""

    __slots__ = ("__weakref__", "keeps", "others", "pointer")
    stream = None  # its own library knows on which it is used

    def __init__(self, pointer, keeps=None, release=None):
        self.pointer, self.keeps, self.others = pointer, keeps, set()
        if release is not None:
            weakref.finalize(self, release).atexit = False


def from_dlpack(source):
    """The array in another library's memory, without a copy; that library lets it go when the last view is gone.

    Parameters
    ----------
    source : object with ``__dlpack__`` and ``__dlpack_device__``, such as a torch.Tensor on the GPU

    Raises
    ------
    BufferError, TypeError
        If it lies elsewhere than kernels can reach, or holds what has no dtype here.
    """
    require()
    kind, number = source.__dlpack_device__()
    wanted = _CPU if memory_is_host() else _CUDA
    if kind != wanted or (wanted == _CUDA and number != _device_id()):
        here = (wanted, _device_id())
        raise BufferError(f"from_dlpack: expected an array on device {here}, got {(int(kind), number)}")
    capsule = source.__dlpack__() if memory_is_host() else source.__dlpack__(stream=streams.current_handle() or 1)
    address = _pointer(id(capsule), b"dltensor")
    managed = _Managed.from_address(address)
    tensor = managed.tensor
    data_type, ndim = tensor.dtype, tensor.ndim
    if data_type.lanes != 1 or data_type.code not in _KINDS:
        raise TypeError(
            f"from_dlpack: no dtype for code {data_type.code}, {data_type.bits} bits, {data_type.lanes} lanes"
        )
    dtype = np.dtype(f"{_KINDS[data_type.code]}{data_type.bits // 8}")
    shape = tuple(tensor.shape[i] for i in range(ndim))
    strides = tuple(tensor.strides[i] * dtype.itemsize for i in range(ndim)) if tensor.strides else None
    pointer = (tensor.data or 0) + tensor.byte_offset
    _rename(capsule, b"used_dltensor")
    deleter = managed.deleter
    lent = _Lent(pointer, release=(lambda: _Destructor(deleter)(address)) if deleter else None)
    return _over(lent, shape, dtype, strides)


def _over(lent, shape, dtype, strides):
    if not lent.pointer:  # an array without elements may have no address
        from kernels.gpu.memory import empty

        return empty(shape, dtype)
    return DeviceArray.over(lent, shape, dtype, strides)


def interface(x):
    """``x.__cuda_array_interface__``, version 3, with the stream that the array's work is queued on."""
    if memory_is_host():
        raise AttributeError("__cuda_array_interface__: the simulator's arrays lie in host memory")
    return {
        "shape": x.shape, "typestr": x.dtype.str, "data": (x.pointer, False), "version": 3,
        "strides": None if x.is_contiguous else x.strides, "stream": streams.current_handle() or 1,
    }  # fmt: skip


def from_cuda_array_interface(source):
    """The array behind ``source.__cuda_array_interface__``, without a copy; `source` is kept alive."""
    require()
    found = source.__cuda_array_interface__
    if found.get("mask") is not None:
        raise TypeError("from_cuda_array_interface: masked arrays are not supported")
    if found["data"][1]:
        raise TypeError(
            "from_cuda_array_interface: the memory may only be read, and kernels write; copy the array first"
        )
    stream = found.get("stream")
    if stream is not None and not memory_is_host():
        from numba import cuda

        theirs = cuda.default_stream() if stream == 1 else cuda.external_stream(stream)
        event = cuda.event(timing=False)
        event.record(theirs)
        event.wait(streams.current() or cuda.default_stream())
    return _over(_Lent(found["data"][0] or 0, source), found["shape"], np.dtype(found["typestr"]), found.get("strides"))
