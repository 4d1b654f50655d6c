"""The same values in another dtype or on another device."""

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from mediml import arrays
from mediml.autograd import record
from mediml.device import Device
from mediml.dtypes import dtype_name, to_dtype
from mediml.tensor import Tensor

__all__ = ["bool", "byte", "cpu", "cuda", "double", "float", "half", "int", "long", "short", "to", "type", "type_as"]


def to(input: Tensor, *args: Any, dtype: Any = None, device: Any = None, copy: Any = False, **ignored: Any) -> Tensor:
    """The tensor with another dtype, device, or those of another tensor; itself where nothing changes."""
    unknown = sorted(set(ignored) - {"non_blocking", "memory_format"})
    if unknown:
        raise TypeError(f"to: unexpected argument {unknown[0]!r}; expected dtype, device, non_blocking or copy")
    for argument in args:
        if isinstance(argument, Tensor):
            dtype, device = argument.dtype, argument.device
        elif isinstance(argument, (str, Device)):
            device = argument
        elif argument is not None and argument is not True and argument is not False:  # True: torch's non_blocking
            dtype = argument
    target = input.device if device is None else Device(device)
    wanted = input.dtype if dtype is None else to_dtype(dtype)
    if target == input.device and wanted == input.dtype and not copy:
        return input
    source, origin = input.dtype, input.device

    def backward(grad_y: NDArray[Any]) -> tuple[NDArray[Any]]:
        return (arrays.moved(grad_y.astype(source, copy=False), origin),)

    # converted where it comes from, then moved, which copies; on one device `astype` makes the copy
    moves = origin != target and "cuda" in (origin.type, target.type)
    array = input._array.astype(wanted, copy=not moves)
    converted = record("to", arrays.moved(array, target), (input,), backward)
    converted._device = target
    return converted


def cpu(input: Tensor) -> Tensor:
    """The tensor on the CPU."""
    return to(input, device="cpu")


def cuda(input: Tensor, device: Any = None, non_blocking: Any = False) -> Tensor:
    """The tensor on the GPU."""
    return to(input, device="cuda" if device is None else Device(device))


def type(input: Tensor, dtype: Any = None) -> Any:
    """The tensor in another dtype; without one the name of its dtype."""
    return dtype_name(input.dtype) if dtype is None else to(input, dtype=dtype)


def type_as(input: Tensor, other: Tensor) -> Tensor:
    """The tensor in the dtype of another."""
    return to(input, dtype=other.dtype)


def _converter(dtype: str) -> Callable[[Tensor], Tensor]:
    def convert(input: Tensor) -> Tensor:
        return to(input, dtype=dtype)

    convert.__doc__ = f"The tensor as {dtype_name(dtype)}."
    return convert


float, double, half = _converter("float32"), _converter("float64"), _converter("float16")
byte, short, int, long = _converter("uint8"), _converter("int16"), _converter("int32"), _converter("int64")
bool = _converter("bool")
