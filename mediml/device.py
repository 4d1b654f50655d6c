"""Where a tensor lives, and the only dispatch from an operator to the kernels of a back end."""

import importlib
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

from kernels import parallel

if TYPE_CHECKING:
    from mediml.tensor import Tensor

__all__ = ["Device", "backend", "get_num_threads", "given", "set_num_threads", "usable_kinds"]

#: ``"reference"`` computes on the CPU with the naive loops that a learner reads; ``"cuda"`` on one NVIDIA GPU.
KINDS = ("cpu", "reference", "cuda")


class Device:
    """A device by its kind: ``Device("cpu")``, ``Device("cuda")``, or ``Device("reference")`` for the naive kernels.

    Compares equal to another Device of the same kind.

    Raises
    ------
    ValueError
        For another name, for ``"cuda"`` where no GPU (nor its simulator) can be used, and for a GPU other than the
        first: choose that by the environment variable ``CUDA_VISIBLE_DEVICES``.
    """

    __slots__ = ("index", "type")

    type: str
    index: int | None

    def __init__(self, device: "str | int | Device", index: int | None = None):
        if isinstance(device, Device):
            index = device.index
            device = device.type
        if isinstance(device, int) and not isinstance(device, bool):
            device = f"cuda:{device}"  # torch's way to name a GPU
        if not isinstance(device, str):
            raise TypeError(f"device: expected a str or Device, got {type(device).__name__}")
        kind, _, number = device.partition(":")
        if kind not in KINDS or (number and not number.isdecimal()):
            raise ValueError(f"device: expected one of {', '.join(map(repr, KINDS))}, got {device!r}")
        self.type = kind
        self.index = int(number) if number else index
        if kind == "cuda":
            _check_gpu(self.index)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and self.type == other.type

    def __hash__(self) -> int:
        return hash(self.type)

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type={self.type!r}{index})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"


def _check_gpu(index: int | None) -> None:
    from kernels.gpu.target import require  # here: what runs on the CPU does without it

    require()
    if index not in (None, 0):
        raise ValueError(
            f"device: expected 'cuda' or 'cuda:0', got 'cuda:{index}'; one process uses one GPU: set "
            f"CUDA_VISIBLE_DEVICES={index} before Python starts, and that GPU is 'cuda:0'"
        )


CPU = Device("cpu")


def usable_kinds() -> tuple[str, ...]:
    """Those of `KINDS` that can be used here."""
    from kernels.gpu.target import problem

    return KINDS if problem() is None else tuple(kind for kind in KINDS if kind != "cuda")


@cache
def _kernel_module(family: str, kind: str) -> ModuleType:
    return importlib.import_module(f"kernels.{family}.{kind}")


def backend(family: str, **tensors: "Tensor") -> Any:
    """The kernels of a family for the device that all `tensors` are on, such as ``kernels.conv.cpu``.

    Parameters
    ----------
    family : str
    **tensors : Tensor
        By the argument's name, as the error text gives it; of optional ones only those that are `given`.

    Raises
    ------
    TypeError
        If an argument is not a Tensor.
    ValueError
        If the tensors are on different devices.
    """
    from mediml.tensor import Tensor

    first = next(iter(tensors))
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor):
            raise TypeError(
                f"{family}: {name} expects a mediml.Tensor, got {type(tensor).__name__}; "
                f"wrap an array with mediml.tensor(array)"
            )
        if tensor.device != tensors[first].device:
            raise ValueError(
                f"{family}: {name} expects the device of {first}, {tensors[first].device}, got {tensor.device}; "
                f"move one with .to({str(tensor.device)!r})"
            )
    return _kernel_module(family, tensors[first].device.type)


def given(**tensors: "Tensor | None") -> "dict[str, Tensor]":
    """Those of the optional tensors that are not None."""
    return {name: tensor for name, tensor in tensors.items() if tensor is not None}


def common_device(operation: str, *tensors: "Tensor | None") -> Device:
    """The device of all `tensors`; None among them is passed over."""
    from mediml.tensor import Tensor

    device = None
    for tensor in tensors:
        if tensor is None:
            continue
        if not isinstance(tensor, Tensor):
            raise TypeError(
                f"{operation}: expected mediml.Tensor arguments, got {type(tensor).__name__}; "
                f"wrap an array with mediml.tensor(array)"
            )
        if device is None:
            device = tensor.device
        elif tensor.device != device:
            raise ValueError(
                f"{operation}: expected all tensors on one device, got {device} and {tensor.device}; "
                f"move one with .to({str(device)!r})"
            )
    return device if device is not None else CPU


def get_num_threads() -> int:
    """Threads that a kernel on the CPU may use."""
    return parallel.thread_count()


def set_num_threads(count: int) -> None:
    """Let kernels on the CPU use `count` threads from now on; the results have the same bits for any number."""
    parallel.set_thread_count(count)
