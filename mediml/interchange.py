"""Tensors of numbers, arrays, and what other libraries hold in memory, copied or shared."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediml import arrays
from mediml.device import Device
from mediml.dtypes import default_float, to_dtype
from mediml.tensor import Tensor, from_array

__all__ = ["as_tensor", "from_dlpack", "from_numpy", "is_tensor", "tensor"]

#: What ``__dlpack_device__`` says of memory on an NVIDIA GPU.
_DLPACK_CUDA = 2


def tensor(data: Any, *, dtype: Any = None, device: str | Device | None = None, requires_grad: bool = False) -> Tensor:
    """A new tensor with a copy of `data`: numbers, nested sequences, an array or a tensor.

    Python floats become the default dtype (`mediml.float32`), Python ints `mediml.int64`; arrays keep their dtype.
    """
    result = as_tensor(data, dtype=dtype, device=device, copy=True)
    return result.requires_grad_(requires_grad)


def as_tensor(data: Any, dtype: Any = None, device: str | Device | None = None, copy: bool = False) -> Tensor:
    """A tensor of `data`, sharing its memory where no conversion is needed (and `copy` is False).

    Other libraries' arrays on the GPU (with ``__cuda_array_interface__``) become tensors on ``"cuda"``.
    """
    if isinstance(data, Tensor):
        if copy:
            data = data.detach()
        return data.to(dtype=dtype, device=device, copy=copy)
    if not isinstance(data, np.ndarray) and hasattr(data, "__cuda_array_interface__"):
        return as_tensor(_of_another_library(data), dtype, device, copy)
    if dtype is None and not hasattr(data, "__array__") and not hasattr(data, "__array_interface__"):
        data = [d._array if isinstance(d, Tensor) else d for d in data] if isinstance(data, (list, tuple)) else data
        array = np.asarray(data)
        if array.dtype == np.float64:
            array = np.asarray(data, default_float())
    else:
        array = np.asarray(data)
    wanted = to_dtype(array.dtype if dtype is None else dtype)
    array = array.astype(wanted) if copy or array.dtype != wanted or not array.dtype.isnative else array
    if device is None:
        return from_array(array)
    device = Device(device)
    return from_array(arrays.moved(array, device), device)


def _of_another_library(source: Any) -> Tensor:
    """A tensor over memory of the GPU that another library owns."""
    from kernels.gpu import exchange, streams  # here: what runs on the CPU does without it

    Device("cuda")  # refused where none can be used
    if type(source).__module__.partition(".")[0] == "torch":
        streams.follow_torch()
    by_interface = hasattr(source, "__cuda_array_interface__")
    adopt = exchange.from_cuda_array_interface if by_interface else exchange.from_dlpack
    result = from_array(adopt(source))
    to_dtype(result.dtype)
    return result


def from_numpy(array: NDArray[Any]) -> Tensor:
    """A tensor that shares the memory of an array: what changes in one changes in the other."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy: expected a numpy.ndarray, got {type(array).__name__}; use mediml.tensor")
    if not array.dtype.isnative:
        raise TypeError(
            f"from_numpy: expected native byte order, got {array.dtype}; use array.astype(dtype.newbyteorder('='))"
        )
    to_dtype(array.dtype)
    return from_array(array)


def from_dlpack(source: Any) -> Tensor:
    """A tensor that shares the memory of any object with ``__dlpack__``, such as a torch.Tensor on the CPU or a GPU."""
    if isinstance(source, Tensor):
        return source.detach()
    kind, _ = source.__dlpack_device__()
    return _of_another_library(source) if kind == _DLPACK_CUDA else from_array(np.from_dlpack(source))


def is_tensor(value: Any) -> bool:
    """Whether `value` is a Tensor."""
    return isinstance(value, Tensor)
