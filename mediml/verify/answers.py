"""What an operator answers to a case: its outputs, and the gradients of its arguments. Ours, and PyTorch's."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import mediml
from mediml.tensor import Tensor
from mediml.verify.case import Case, arguments

__all__ = ["Answer", "answer_of_mediml", "answer_of_torch", "run"]


@dataclass(frozen=True)
class Answer:
    """Outputs in order, and gradients by argument, for the case's random cotangents."""

    outputs: tuple[NDArray[Any], ...]
    gradients: dict[str, NDArray[Any]]


def answer_of_mediml(case: Case, device: str, dtype: str) -> Answer:
    """Our operator's answer.

    Raises
    ------
    AssertionError
        If the operator changed an argument that it should only read.
    """
    drawn = {key: array.astype(dtype) if array.dtype.kind == "f" else array for key, array in case.draw().items()}
    tensors, outputs, found = run(case, drawn, device, dtype)
    gradients = {
        key: np.zeros_like(drawn[key]) if gradient is None else gradient.numpy(force=True)
        for key, gradient in zip(case.differentiated, found)
    }
    for key, array in drawn.items():
        if key not in case.updated and not np.array_equal(tensors[key].numpy(force=True), array, equal_nan=True):
            raise AssertionError(f"{case.op} changed its argument {key!r}")
    outputs += tuple(tensors[key] for key in case.updated)
    return Answer(tuple(output.numpy(force=True) for output in outputs), gradients)


def run(
    case: Case, drawn: Mapping[str, NDArray[Any]], device: str, dtype: str
) -> tuple[dict[str, Tensor], tuple[Tensor, ...], tuple[Tensor | None, ...]]:
    """Run our operator on a device, forward and backward: arguments, outputs and gradients, all still there."""
    tensors = {
        key: mediml.tensor(array, device=device, requires_grad=key in case.differentiated)
        for key, array in drawn.items()
    }
    operator = _operator(case.op, mediml.nn.functional, mediml)
    outputs = _as_tuple(operator(**arguments(tensors), **case.options))
    floating = [output for output in outputs if output.dtype.kind == "f"]
    cotangents = [array.astype(dtype) for array in case.draw_cotangents([tuple(out.shape) for out in floating])]
    if not case.differentiated:
        return tensors, outputs, ()
    wanted = [tensors[key] for key in case.differentiated]
    seeds = [mediml.tensor(array, device=device) for array in cotangents]
    return tensors, outputs, mediml.autograd.grad(floating, wanted, seeds, allow_unused=True)


def answer_of_torch(case: Case) -> Answer:
    """PyTorch's answer, in float64."""
    import torch

    from mediml.verify import compositions

    tensors = {key: torch.tensor(array, requires_grad=key in case.differentiated) for key, array in case.draw().items()}
    operator = _operator(case.op, torch.nn.functional, torch, compositions)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about its own speed, or about broadcasting
        outputs = _as_tuple(operator(**arguments(tensors), **case.options))
    floating = [output for output in outputs if output.dtype.is_floating_point]
    cotangents = case.draw_cotangents([tuple(output.shape) for output in floating])
    gradients = {}
    if case.differentiated:
        inputs = [tensors[key] for key in case.differentiated]
        found = torch.autograd.grad(floating, inputs, [torch.tensor(c) for c in cotangents], allow_unused=True)
        gradients = {
            key: np.zeros(tuple(tensors[key].shape)) if gradient is None else gradient.numpy()
            for key, gradient in zip(case.differentiated, found)
        }
    outputs += tuple(tensors[key] for key in case.updated)
    return Answer(tuple(output.detach().numpy() for output in outputs), gradients)


def _operator(name: str, *places: Any) -> Any:
    """The function of that name: of ``nn.functional``, else (as torch.matmul) of the package itself, else composed."""
    for place in places:
        if hasattr(place, name):
            return getattr(place, name)
    raise AttributeError(f"{places[0].__name__} has no function {name}")


def _as_tuple(outputs: Any) -> tuple[Any, ...]:
    return tuple(outputs) if isinstance(outputs, Sequence) else (outputs,)
