"""All parameters of a model as one vector, and back: as torch.nn.utils does."""

from collections.abc import Iterable

import mediml
from mediml.tensor import Tensor

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """The elements of all parameters in one dimension, in their order; on the tape.

    Raises
    ------
    TypeError, ValueError
        If something is no tensor, if devices differ, or if there are no parameters.
    """
    listed = [_checked("parameters_to_vector", parameter) for parameter in parameters]
    if not listed:
        raise ValueError("parameters_to_vector: parameters expects at least one tensor, got none")
    if len({parameter.device for parameter in listed}) > 1:
        raise TypeError("parameters_to_vector: parameters expects tensors on one device; move some with .to()")
    return mediml.cat([parameter.reshape(-1) for parameter in listed])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Give each parameter its slice of a vector, whose memory they then share, as in torch.

    What is left over of the vector is ignored.

    Raises
    ------
    TypeError
        If `vec` or a parameter is no tensor, or on another device.
    ValueError
        If the vector is too short or has not one dimension; then nothing is changed.
    """
    _checked("vector_to_parameters", vec)
    listed = [_checked("vector_to_parameters", parameter) for parameter in parameters]
    needed = sum(parameter.numel() for parameter in listed)
    if vec.ndim != 1 or vec.numel() < needed:
        raise ValueError(
            f"vector_to_parameters: vec expects one dimension of {needed} numbers, got shape {tuple(vec.shape)}"
        )
    if any(parameter.device != vec.device for parameter in listed):
        raise TypeError(f"vector_to_parameters: parameters expects tensors on the device of vec, {vec.device}")
    values, start = vec.detach(), 0
    for parameter in listed:
        parameter.data = values[start : start + parameter.numel()].reshape(parameter.shape)
        parameter._bump_version()
        start += parameter.numel()


def _checked(op: str, tensor: Tensor) -> Tensor:
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{op}: expected a mediml.Tensor, got {type(tensor).__name__}")
    return tensor
