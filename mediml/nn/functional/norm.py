"""Normalisation under torch's names: arguments normalised, kernels called, gradients recorded.

Batch and instance norm, which may have running statistics, stand in ``batchnorm.py``.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from mediml.autograd import record
from mediml.device import backend, given
from mediml.nn.arguments import sizes
from mediml.tensor import Tensor

__all__ = ["group_norm", "layer_norm", "local_response_norm", "rms_norm"]


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """The last axes together less their mean, divided by their standard deviation, scaled and shifted by element.

    Parameters
    ----------
    input : Tensor of shape (*, *normalized_shape), float32 or float64
    normalized_shape : sequence of int
        Sizes of the last axes; at least one.
    weight, bias : Tensor of shape `normalized_shape`, optional
    eps : float
        Added to the (biased) variance.

    Returns
    -------
    Tensor of the shape and dtype of `input`

    Raises
    ------
    TypeError, ValueError
        If `input` does not end with `normalized_shape`, or `weight` or `bias` has another shape or dtype.

    Notes
    -----
    Formula: ``kernels.norm.reference.layer_norm_forward``.
    """
    kernels = backend("norm", input=input, **given(weight=weight, bias=bias))
    matrix = _rows("layer_norm", input, normalized_shape, {"weight": weight, "bias": bias})
    x, scales = input._array.reshape(matrix), _flat(weight)
    y, mean, var = kernels.layer_norm_forward(x, scales, _flat(bias), float(eps))

    def backward(grad_y: Any) -> tuple[Any, ...]:
        grads = kernels.layer_norm_backward_all(grad_y.reshape(matrix), x, scales, mean, var, float(eps))
        return shaped(grads, input, weight, bias)

    return record("layer_norm", y.reshape(input.shape), (input, weight, bias), backward, saved=(input, weight))


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Groups of channels of each sample less their mean, divided by their standard deviation, scaled and shifted.

    Parameters
    ----------
    input : Tensor of shape (N, C, *), float32 or float64
    num_groups : int
        Divides C.
    weight, bias : Tensor of shape (C,), optional
    eps : float
        Added to the (biased) variance.

    Returns
    -------
    Tensor of the shape and dtype of `input`

    Raises
    ------
    TypeError, ValueError
        As `kernels.norm.shapes.group_norm`; and for a single sample with one number per group.

    Notes
    -----
    Formula: ``kernels.norm.reference.group_norm_forward``.
    """
    N, C, L = by_channel("group_norm", input).shape  # noqa: N806 - the symbols of the formula
    if num_groups < 1:
        raise ValueError(f"group_norm: num_groups expects a number of at least 1, got {num_groups}")
    if C % num_groups:
        raise ValueError(f"group_norm: num_groups expects a number that divides the {C} channels, got {num_groups}")
    if N * C // num_groups * L == 1:
        raise ValueError(
            f"group_norm: expected more than 1 value per channel when training, got input size {tuple(input.shape)} "
            f"with {num_groups} groups"
        )
    return by_groups("group_norm", input, int(num_groups), weight, bias, eps)[0]


def rms_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """The last axes together divided by the root of the mean of their squares, scaled by element.

    Parameters
    ----------
    input : Tensor of shape (*, *normalized_shape), float32 or float64
    normalized_shape : sequence of int
        Sizes of the last axes; at least one.
    weight : Tensor of shape `normalized_shape`, optional
    eps : float, optional
        Added to the mean of the squares; by default the distance from 1 to the next number of the dtype.

    Returns
    -------
    Tensor of the shape and dtype of `input`

    Raises
    ------
    TypeError, ValueError
        As `layer_norm`.

    Notes
    -----
    Formula: ``kernels.norm.reference.rms_norm_forward``.
    """
    kernels = backend("norm", input=input, **given(weight=weight))
    matrix = _rows("rms_norm", input, normalized_shape, {"weight": weight})
    x, scales = input._array.reshape(matrix), _flat(weight)
    least = float(np.finfo(input.dtype).eps) if eps is None else float(eps)
    y, square = kernels.rms_norm_forward(x, scales, least)

    def backward(grad_y: Any) -> tuple[Any, ...]:
        grads = kernels.rms_norm_backward_all(grad_y.reshape(matrix), x, scales, square, least)
        return shaped(grads, input, weight)

    return record("rms_norm", y.reshape(input.shape), (input, weight), backward, saved=(input, weight))


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """Each number divided by (k + alpha * mean of the squares of `size` channels around it)^beta.

    Parameters
    ----------
    input : Tensor of shape (N, C, *), float32 or float64
        At least three axes.
    size : int
        Channels in a window; those beyond the first and the last count as 0.
    alpha, beta, k : float

    Returns
    -------
    Tensor of the shape and dtype of `input`

    Raises
    ------
    TypeError, ValueError
        For less than three axes, or a `size` below 1.

    Notes
    -----
    Formula: ``kernels.norm.reference.local_response_norm_forward``.
    """
    kernels = backend("norm", input=input)
    if input.ndim < 3:
        raise ValueError(f"local_response_norm: input expects at least 3 axes (N, C, *), got {tuple(input.shape)}")
    x = by_channel("local_response_norm", input)
    options = (int(size), float(alpha), float(beta), float(k))
    y = kernels.local_response_norm_forward(x, *options).reshape(input.shape)

    def backward(grad_y: Any) -> tuple[Any]:
        return (kernels.local_response_norm_backward_x(grad_y.reshape(x.shape), x, *options).reshape(input.shape),)

    return record("local_response_norm", y, (input,), backward, saved=(input,))


def by_groups(
    op: str, input: Tensor, groups: int, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Any, Any]:
    """By the mean and variance of each group of channels of each sample, which are returned, too."""
    kernels = backend("norm", input=input, **given(weight=weight, bias=bias))
    x, scales = by_channel(op, input), array_of(weight)
    y, mean, var = kernels.group_norm_forward(x, groups, scales, array_of(bias), float(eps))

    def backward(grad_y: Any) -> tuple[Any, ...]:
        grads = kernels.group_norm_backward_all(grad_y.reshape(x.shape), x, groups, scales, mean, var, float(eps))
        return shaped(grads, input, weight, bias)

    output = record(op, y.reshape(input.shape), (input, weight, bias), backward, saved=(input, weight))
    return output, mean, var


def by_channel(op: str, input: Tensor) -> Any:
    """The array as (N, C, L): all axes after the channels as one."""
    if input.ndim < 2:
        raise ValueError(f"{op}: input expects at least 2 axes (N, C, *), got {tuple(input.shape)}")
    return input._array.reshape(*input.shape[:2], math.prod(input.shape[2:]))


def _rows(
    op: str, input: Tensor, normalized_shape: Sequence[int], parameters: dict[str, Tensor | None]
) -> tuple[int, int]:
    """Shape of the matrix with `normalized_shape` in each row."""
    if not isinstance(normalized_shape, (tuple, list)):
        raise TypeError(f"{op}: normalized_shape expects a sequence of int, got {normalized_shape!r}")
    shape = sizes(op, "normalized_shape", normalized_shape, len(normalized_shape)) if normalized_shape else ()
    if not shape or tuple(input.shape[-len(shape) :]) != shape:
        raise ValueError(
            f"{op}: normalized_shape expects the sizes of the last axes of input {tuple(input.shape)}, at least of "
            f"one, got {shape}"
        )
    for name, parameter in parameters.items():
        if parameter is not None and tuple(parameter.shape) != shape:
            raise ValueError(f"{op}: {name} expects normalized_shape {shape}, got {tuple(parameter.shape)}")
    return math.prod(input.shape[: input.ndim - len(shape)]), math.prod(shape)


def array_of(parameter: Tensor | None) -> Any:
    """The array behind a parameter, if there is one."""
    return None if parameter is None else parameter._array


def _flat(parameter: Tensor | None) -> Any:
    return None if parameter is None else parameter._array.reshape(-1)


def shaped(gradients: tuple[Any, ...], *inputs: Tensor | None) -> tuple[Any, ...]:
    """Gradients in the shapes of the inputs; None for those that are None."""
    return tuple(None if i is None else gradient.reshape(i.shape) for gradient, i in zip(gradients, inputs))
