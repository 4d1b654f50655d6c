"""Losses that compare distributions under torch's names; built from operations on tensors."""

import math
import warnings

import numpy as np

from mediml.nn.functional.distance import at_least
from mediml.nn.functional.reduction import reduced, reduction_name
from mediml.ops.broadcasting import operands
from mediml.tensor import Tensor

__all__ = ["gaussian_nll_loss", "kl_div", "poisson_nll_loss"]


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """Kullback–Leibler divergence from log-probabilities `input` to probabilities `target`: target (log target - input)

    Parameters
    ----------
    input, target : Tensor of one shape (or broadcast), floating
    size_average, reduce : bool, optional
        Deprecated; they overrule `reduction` as in torch, which still divides by the batch size for ``"batchmean"``.
    reduction : str
        ``"none"``, ``"batchmean"`` (the sum divided by the batch size: the divergence), ``"sum"`` or ``"mean"``.
    log_target : bool
        Whether `target` holds log-probabilities, too.
    """
    over_batch = reduction == "batchmean"
    overruled = size_average is not None or reduce is not None
    if reduction == "mean" and not overruled:
        warnings.warn(
            "kl_div: reduction='mean' divides by all elements and is no divergence; use reduction='batchmean'",
            stacklevel=3,
        )
    reduction = reduction_name("sum" if over_batch else reduction, size_average, reduce)
    input, target = operands("kl_div", input, target)
    if not input.is_floating_point():
        raise TypeError(f"kl_div: expected floating tensors, got {input.dtype}; use .float()")
    if log_target:
        loss = target.exp() * (target - input)
    else:
        positive = target.masked_fill(target == 0, 1)  # 0 log 0 counts as 0, which is 1 log 1
        loss = positive * positive.log() - target * input
    loss = reduced(loss, reduction)
    return loss / input.shape[0] if over_batch and input.ndim else loss


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Negative log-likelihood of counts `target` under Poisson's distribution.

    exp(input) - target * input               log_input: `input` is the logarithm of the rate
    input - target * log(input + eps)         otherwise
    + log(target!), by Stirling's formula     with `full`, where target > 1
    """
    reduction = reduction_name(reduction, size_average, reduce)
    input, target = operands("poisson_nll_loss", input, target)
    loss = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        many = target.masked_fill(target <= 1, 2)  # the formula is for large counts
        stirling = many * many.log() - many + 0.5 * (2 * math.pi * many).log()
        loss = loss + stirling.masked_fill(target <= 1, 0)
    return reduced(loss, reduction)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """Negative log-likelihood of `target` under normal distributions of mean `input` and variance `var`.

        (log max(var, eps) + (input - target)^2 / max(var, eps)) / 2     + log(2 pi) / 2 with `full`

    Parameters
    ----------
    input, target : Tensor that broadcast
    var : Tensor or float
        Of the input's shape; or without its last axis, or with size 1 on one axis.
    full : bool
    eps : float
        Least variance; the gradient for a smaller one is that at `eps`.
    reduction : str

    Raises
    ------
    TypeError, ValueError
        If `var` is no tensor or float, is negative (on the CPU), or does not fit `input`.
    """
    reduction = reduction_name(reduction)
    if isinstance(var, float):
        var = input.detach() * 0 + var
    if not isinstance(var, Tensor):
        raise TypeError(f"gaussian_nll_loss: var expects a Tensor or float, got {type(var).__name__}")
    if not var.is_cuda and (var._array < 0).any():  # a look at a GPU's numbers would copy them
        raise ValueError(f"gaussian_nll_loss: var has negative entries, got {np.min(var._array)}")
    var = at_least(_fitted(var, input), eps)
    loss = 0.5 * (var.log() + (input - target) ** 2 / var)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return reduced(loss, reduction)


def _fitted(var: Tensor, input: Tensor) -> Tensor:
    if var.shape == input.shape:
        return var
    if var.shape == input.shape[:-1]:
        return var.unsqueeze(-1)
    unequal = [own for own, other in zip(var.shape, input.shape) if own != other]
    if var.ndim != input.ndim or unequal != [1]:
        raise ValueError(
            f"gaussian_nll_loss: var expects the shape of input {tuple(input.shape)}, that without the last axis, or "
            f"size 1 on one axis, got {tuple(var.shape)}"
        )
    return var
