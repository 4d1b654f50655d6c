"""Batch and instance norm under torch's names: arguments normalised, kernels called, gradients recorded.

The running statistics are updated in place, as in torch. No gradient reads them later: evaluation keeps copies.
"""

import math
from typing import Any

import numpy as np

from mediml import arrays
from mediml.autograd import record
from mediml.device import backend, given
from mediml.nn.functional.norm import array_of, by_channel, by_groups, shaped
from mediml.tensor import Tensor

__all__ = ["batch_norm", "instance_norm"]


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel less its mean, divided by its standard deviation, scaled by `weight` and shifted by `bias`.

    Parameters
    ----------
    input : Tensor of shape (N, C, *), float32 or float64
    running_mean, running_var : Tensor of shape (C,), or None
        Used in evaluation. In training updated in place: running = (1 - momentum) * running + momentum * of the batch,
        with the unbiased variance, divided by M - 1 where a channel has M numbers. An empty batch changes nothing.
    weight, bias : Tensor of shape (C,), optional
    training : bool
        Normalise by the mean and the (biased) variance of the batch, instead of the running ones.
    momentum : float
        Weight of the batch in the running statistics.
    eps : float
        Added to the variance; above 0 in training.

    Returns
    -------
    Tensor of the shape and dtype of `input`

    Raises
    ------
    TypeError, ValueError
        As `kernels.norm.shapes.batch_norm`; in training for less than two numbers per channel, in evaluation where a
        running statistic is missing.

    Notes
    -----
    Formula: ``kernels.norm.reference.batch_norm_forward``, and the gradient with that of ``batch_norm_backward_all``.
    """
    x = by_channel("batch_norm", input)
    _check_running("batch_norm", x, running_mean, running_var, needed=not training)
    if training and math.prod(input.shape) == input.shape[1] > 0:
        raise ValueError(
            f"batch_norm: expected more than 1 value per channel when training, got input size {tuple(input.shape)}"
        )
    if eps < 0 or (training and eps == 0):
        raise ValueError(f"batch_norm: eps expects a number {'above' if training else 'not below'} 0, got {eps}")
    if running_mean is None or running_var is None or training:
        mean, var = backend("norm", input=input).batch_norm_statistics(x)
    else:
        mean, var = (statistic._array.astype(np.float64) for statistic in (running_mean, running_var))
    result = _by_batch_norm("batch_norm", input, weight, bias, mean, var, eps, training)
    if training and running_mean is not None and running_var is not None and x.size:
        M = x.shape[0] * x.shape[2]  # noqa: N806 - the symbol of the formula
        _update(running_mean, mean, momentum)
        _update(running_var, var, momentum, M / (M - 1))
    return result


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel of each sample less its mean, divided by its standard deviation, scaled and shifted by channel.

    Parameters
    ----------
    input : Tensor of shape (N, C, *), float32 or float64
    running_mean, running_var : Tensor of shape (C,), or None
        As in `batch_norm`, with the mean over the samples of their means and unbiased variances. As in torch, an empty
        batch leaves NaN in them: the mean of nothing.
    weight, bias : Tensor of shape (C,), optional
    use_input_stats : bool
        Normalise by the statistics of `input`, instead of the running ones.
    momentum : float
        Weight of the batch in the running statistics.
    eps : float
        Added to the variance.

    Returns
    -------
    Tensor of the shape and dtype of `input`

    Raises
    ------
    TypeError, ValueError
        As `kernels.norm.shapes.group_norm`; with `use_input_stats` for a single place in a channel, otherwise where a
        running statistic is missing.

    Notes
    -----
    Formula: ``kernels.norm.reference.group_norm_forward`` with a group for each channel, otherwise
    ``batch_norm_forward``.
    """
    if use_input_stats and math.prod(input.shape[2:]) == 1:
        raise ValueError(
            f"instance_norm: expected more than 1 spatial element when training, got input size {tuple(input.shape)}"
        )
    x = by_channel("instance_norm", input)
    _check_running("instance_norm", x, running_mean, running_var, needed=not use_input_stats)
    if not use_input_stats and running_mean is not None and running_var is not None:
        mean, var = (statistic._array.astype(np.float64) for statistic in (running_mean, running_var))
        return _by_batch_norm("instance_norm", input, weight, bias, mean, var, eps, False)
    result, mean, var = by_groups("instance_norm", input, max(x.shape[1], 1), weight, bias, eps)
    N, C, L = x.shape  # noqa: N806 - the symbols of the formula
    if running_mean is not None and running_var is not None and L and C:
        for running, of_samples in ((running_mean, mean), (running_var, var * (L / (L - 1)))):
            _update(running, of_samples.mean(axis=0) if N else arrays.full(C, np.nan, np.float64, x), momentum)
    return result


def _by_batch_norm(
    op: str, input: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Any, var: Any, eps: float, training: bool
) -> Tensor:
    """By a mean and a variance for each channel."""
    kernels = backend("norm", input=input, **given(weight=weight, bias=bias))
    x, scales = by_channel(op, input), array_of(weight)
    y = kernels.batch_norm_forward(x, scales, array_of(bias), mean, var, float(eps))

    def backward(grad_y: Any) -> tuple[Any, ...]:
        grads = kernels.batch_norm_backward_all(grad_y.reshape(x.shape), x, scales, mean, var, float(eps), training)
        return shaped(grads, input, weight, bias)

    return record(op, y.reshape(input.shape), (input, weight, bias), backward, saved=(input, weight))


def _averaging() -> Any:
    """The GPU's way to move a running statistic: one launch for it all."""
    from kernels.gpu import averaging  # here: what runs on the CPU does without it

    return averaging


def _check_running(op: str, x: Any, running_mean: Tensor | None, running_var: Tensor | None, needed: bool) -> None:
    """Refuse running statistics that do not belong to the channels of `x`, or of which one is missing."""
    running = {"running_mean": running_mean, "running_var": running_var}
    for name, statistic in running.items():
        if statistic is None:
            if needed:
                raise ValueError(f"{op}: {name} expects a tensor where the input's own statistics are not used")
            if any(other is not None for other in running.values()):
                raise ValueError(f"{op}: running_mean and running_var must both be given or neither; {name} is None")
            continue
        if statistic.requires_grad:
            raise ValueError(f"{op}: {name} expects a tensor that requires no gradient; use .detach()")
        if statistic.shape != x.shape[1:2]:
            raise ValueError(f"{op}: {name} expects the shape {x.shape[1:2]}, got {tuple(statistic.shape)}")
        if statistic.dtype != x.dtype:
            raise TypeError(f"{op}: {name} expects the dtype of input, {x.dtype}, got {statistic.dtype}")


def _update(running: Tensor, value: Any, momentum: float, scale: float = 1.0) -> None:
    """running = (1 - momentum) * running + momentum * (value * scale), in place."""
    with np.errstate(invalid="ignore", over="ignore"):
        if running.is_cuda and running.is_contiguous():
            _averaging().move_towards(running._array, arrays.contiguous(value), float(momentum), scale)
        else:
            value = value if scale == 1 else value * scale
            running._array[...] = (1 - float(momentum)) * running._array.astype(np.float64) + float(momentum) * value
    running._bump_version()
