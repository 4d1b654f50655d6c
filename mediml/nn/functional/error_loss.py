"""Errors of numbers as losses under torch's names: squared, absolute, and the two that lie between.

All take the kernels of ``kernels/loss``; their gradient for the target is minus that for the input.
"""

import warnings
from typing import Any

import numpy as np

from mediml import arrays
from mediml.autograd import record
from mediml.device import backend
from mediml.nn.functional.reduction import reduction_name
from mediml.ops.broadcasting import operands
from mediml.tensor import Tensor

__all__ = ["huber_loss", "l1_loss", "mse_loss", "smooth_l1_loss"]


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Squared error (input - target)^2.

    Parameters
    ----------
    input, target : Tensor of one shape
        Other shapes are broadcast with a warning; dtypes are promoted.
    size_average, reduce : bool, optional
        Deprecated; they overrule `reduction` as in torch.
    reduction : str
        ``"none"``, ``"mean"`` (over the elements, or their weights) or ``"sum"``.
    weight : Tensor of the shape of `input`, optional

    Raises
    ------
    TypeError, ValueError
        If both are integers, if shapes do not fit, or for another reduction.
    """
    reduction = reduction_name(reduction, size_average, reduce)
    if weight is None:
        return _error_loss("mse_loss", input, target, reduction)
    _check_weight("mse_loss", weight, input)
    return _weighted(_error_loss("mse_loss", input, target, "none"), weight, reduction, weight.sum())


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Absolute error |input - target|; parameters and errors as `mse_loss`. The gradient at 0 is 0."""
    reduction = reduction_name(reduction, size_average, reduce)
    if weight is None:
        return _error_loss("l1_loss", input, target, reduction)
    _check_weight("l1_loss", weight, input)
    return _weighted(_error_loss("l1_loss", input, target, "none"), weight, reduction, weight.sum())


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """Absolute error z, rounded to z^2 / (2 beta) below `beta` (at least 0; 0: `l1_loss`). See also `mse_loss`."""
    reduction = reduction_name(reduction, size_average, reduce)
    if beta == 0:
        return _error_loss("l1_loss", input, target, reduction)
    return _error_loss("smooth_l1_loss", input, target, reduction, beta)


def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """Squared error z^2 / 2 below `delta` (above 0), delta (z - delta / 2) from there. See also `mse_loss`.

    As in torch, the mean of a weighted loss divides by the number of elements.
    """
    reduction = reduction_name(reduction, None, None)
    if weight is None:
        return _error_loss("huber_loss", input, target, reduction, delta)
    _check_weight("huber_loss", weight, input)
    loss = _error_loss("huber_loss", input, target, "none", delta)
    return _weighted(loss, weight, reduction, loss.numel())


def _error_loss(op: str, input: Tensor, target: Tensor, reduction: str, *parameters: float) -> Tensor:
    kernels = backend("loss", input=input, target=target)
    if target.shape != input.shape:
        warnings.warn(
            f"{op}: target of shape {tuple(target.shape)} and input of shape {tuple(input.shape)} are broadcast; "
            f"this will likely lead to incorrect results, give them the same shape",
            stacklevel=4,
        )
    input, target = operands(op, input, target)
    shape = np.broadcast_shapes(input.shape, target.shape)
    input, target = (tensor if tensor.shape == shape else tensor.expand(shape) for tensor in (input, target))
    x, t = input._array, target._array
    y = getattr(kernels, f"{op}_forward")(x, t, *parameters, reduction)

    def backward(grad_y: Any) -> tuple[Any, Any]:
        grad_x = getattr(kernels, f"{op}_backward_x")(arrays.asarray(grad_y), x, t, *parameters, reduction)
        return grad_x, -grad_x if target.requires_grad else None

    return record(op, y, (input, target), backward, (input, target))


def _weighted(loss: Tensor, weight: Tensor, reduction: str, count: Any) -> Tensor:
    loss = loss * weight
    if reduction == "none":
        return loss
    return loss.sum() / count if reduction == "mean" else loss.sum()


def _check_weight(op: str, weight: Tensor, input: Tensor) -> None:
    backend("loss", input=input, weight=weight)
    if weight.shape != input.shape:
        raise ValueError(
            f"{op}: weight and input must have the same size, got {tuple(weight.shape)} and {tuple(input.shape)}"
        )
