"""Elementwise losses as formula and plain loops, part of ``kernels/loss/reference.py``.

x, target and the weights have one shape, any; the loops count their elements as one axis. "mean" divides by the number
of elements. The gradient for the target of the four error losses is minus that for x.
"""

import math

import numpy as np

from kernels.jit import kernel
from kernels.loss import shapes
from kernels.memory import empty, readable

__all__ = [
    "binary_cross_entropy_backward_target", "binary_cross_entropy_backward_x", "binary_cross_entropy_forward",
    "binary_cross_entropy_with_logits_backward_target", "binary_cross_entropy_with_logits_backward_x",
    "binary_cross_entropy_with_logits_forward", "huber_loss_backward_x", "huber_loss_forward", "l1_loss_backward_x",
    "l1_loss_forward", "mse_loss_backward_x", "mse_loss_forward", "smooth_l1_loss_backward_x",
    "smooth_l1_loss_forward",
]  # fmt: skip


def mse_loss_forward(x, target, reduction):
    """Squared error: y[i] = (x[i] - target[i])^2.

    Parameters
    ----------
    x, target : ndarray of one shape and dtype, float32 or float64
    reduction : str
        ``"none"``, ``"mean"`` or ``"sum"``.

    Returns
    -------
    ndarray, dtype of `x`
        Shape of `x` for ``"none"``, else (). The mean of nothing is NaN.

    Raises
    ------
    TypeError, ValueError
        For wrong dtypes, shapes that differ, or another reduction.

    Notes
    -----
    Computes and adds up in float64 whatever the dtype. See Also: `mediml.nn.MSELoss`.
    """
    return _error_forward("mse_loss", _squared, x, target, reduction)


def mse_loss_backward_x(grad_y, x, target, reduction):
    """grad_x[i] = scale * 2 (x[i] - target[i]); scale is grad_y[i], grad_y, or for the mean grad_y / size."""
    return _error_backward("mse_loss", _squared_slope, grad_y, x, target, reduction)


def l1_loss_forward(x, target, reduction):
    """Absolute error: y[i] = |x[i] - target[i]|. Contract as `mse_loss_forward`."""
    return _error_forward("l1_loss", _absolute, x, target, reduction)


def l1_loss_backward_x(grad_y, x, target, reduction):
    """grad_x[i] = scale * sign(x[i] - target[i]); the sign of 0 and of NaN is 0. `scale` as `mse_loss_backward_x`."""
    return _error_backward("l1_loss", _absolute_slope, grad_y, x, target, reduction)


def smooth_l1_loss_forward(x, target, beta, reduction):
    """Absolute error with a rounded tip, z = x[i] - target[i], beta > 0:

        y[i] = z^2 / (2 beta)     where |z| < beta
        y[i] = |z| - beta / 2     elsewhere

    Contract as `mse_loss_forward`. Source: R. Girshick, "Fast R-CNN", arXiv:1504.08083, equation 3 (beta = 1).
    """
    shapes.check_positive("smooth_l1_loss", "beta", beta)
    return _error_forward("smooth_l1_loss", _smooth_l1, x, target, reduction, float(beta))


def smooth_l1_loss_backward_x(grad_y, x, target, beta, reduction):
    """grad_x[i] = scale * z / beta, held between -scale and scale. `scale` as `mse_loss_backward_x`."""
    shapes.check_positive("smooth_l1_loss", "beta", beta)
    return _error_backward("smooth_l1_loss", _smooth_l1_slope, grad_y, x, target, reduction, float(beta))


def huber_loss_forward(x, target, delta, reduction):
    """Squared error near 0, absolute error far from it, z = x[i] - target[i], delta > 0:

        y[i] = z^2 / 2                     where |z| < delta
        y[i] = delta (|z| - delta / 2)     elsewhere

    Contract as `mse_loss_forward`. Source: P. Huber, "Robust Estimation of a Location Parameter", Annals of
    Mathematical Statistics 35 (1964).
    """
    shapes.check_positive("huber_loss", "delta", delta)
    return _error_forward("huber_loss", _huber, x, target, reduction, float(delta))


def huber_loss_backward_x(grad_y, x, target, delta, reduction):
    """grad_x[i] = scale * z, held between -scale delta and scale delta. `scale` as `mse_loss_backward_x`."""
    shapes.check_positive("huber_loss", "delta", delta)
    return _error_backward("huber_loss", _huber_slope, grad_y, x, target, reduction, float(delta))


def binary_cross_entropy_forward(x, target, weight, reduction):
    """Cross entropy of a probability x with the probability target:

        y[i] = -weight[i] * (target[i] log x[i] + (1 - target[i]) log(1 - x[i]))     each log at least -100

    `x` and `target` lie in [0, 1]; `weight` has their shape and dtype, or is None for ones. Otherwise as
    `mse_loss_forward`.
    """
    shapes.check_binary(x, target, weight, reduction)
    y = empty(x.size, np.float64)
    _binary(_flat(x), _flat(target), _ones_for(weight, x), y)
    return _reduced(y, x, reduction)


def binary_cross_entropy_backward_x(grad_y, x, target, weight, reduction):
    """grad_x[i] = scale * weight[i] * (x[i] - target[i]) / max(x[i] (1 - x[i]), 1e-12)."""
    shapes.check_binary(x, target, weight, reduction)
    scale, grad_x = _gradient_arrays("binary_cross_entropy", grad_y, x, reduction)
    _binary_backward_x(_flat(x), _flat(target), _ones_for(weight, x), scale, grad_x)
    return grad_x.reshape(x.shape).astype(x.dtype)


def binary_cross_entropy_backward_target(grad_y, x, target, weight, reduction):
    """grad_target[i] = scale * weight[i] * (log(1 - x[i]) - log x[i]), infinite where x is 0 or 1."""
    shapes.check_binary(x, target, weight, reduction)
    scale, grad_target = _gradient_arrays("binary_cross_entropy", grad_y, x, reduction)
    _binary_backward_target(_flat(x), _ones_for(weight, x), scale, grad_target)
    return grad_target.reshape(x.shape).astype(x.dtype)


def binary_cross_entropy_with_logits_forward(x, target, weight, pos_weight, reduction):
    """`binary_cross_entropy_forward` of sigmoid(x), without overflow:

        y[i] = weight[i] * ((1 - target[i]) x[i] - (1 + (pos_weight[i] - 1) target[i]) log_sigmoid(x[i]))
        log_sigmoid(x) = min(x, 0) - log(1 + exp(-|x|))

    `weight` and `pos_weight` have the shape and dtype of `x`, or are None for ones; `target` is any number.
    """
    shapes.check_logits(x, target, weight, pos_weight, reduction)
    y = empty(x.size, np.float64)
    _binary_logits(_flat(x), _flat(target), _ones_for(weight, x), _ones_for(pos_weight, x), y)
    return _reduced(y, x, reduction)


def binary_cross_entropy_with_logits_backward_x(grad_y, x, target, weight, pos_weight, reduction):
    """grad_x[i] = scale * weight[i] * ((p t + 1 - t) * sigmoid(x[i]) - p t), p = pos_weight[i], t = target[i]."""
    shapes.check_logits(x, target, weight, pos_weight, reduction)
    scale, grad_x = _gradient_arrays("binary_cross_entropy_with_logits", grad_y, x, reduction)
    weights = _ones_for(weight, x), _ones_for(pos_weight, x)
    _binary_logits_backward_x(_flat(x), _flat(target), *weights, scale, grad_x)
    return grad_x.reshape(x.shape).astype(x.dtype)


def binary_cross_entropy_with_logits_backward_target(grad_y, x, target, weight, pos_weight, reduction):
    """grad_target[i] = scale * weight[i] * (log_sigmoid(-x[i]) - pos_weight[i] log_sigmoid(x[i]))."""
    shapes.check_logits(x, target, weight, pos_weight, reduction)
    scale, grad_target = _gradient_arrays("binary_cross_entropy_with_logits", grad_y, x, reduction)
    _binary_logits_backward_target(_flat(x), _ones_for(weight, x), _ones_for(pos_weight, x), scale, grad_target)
    return grad_target.reshape(x.shape).astype(x.dtype)


def _error_forward(op, loops, x, target, reduction, *parameters):
    shapes.check_errors(op, x, target, reduction)
    y = empty(x.size, np.float64)
    loops(_flat(x), _flat(target), *parameters, y)
    return _reduced(y, x, reduction)


def _error_backward(op, loops, grad_y, x, target, reduction, *parameters):
    shapes.check_errors(op, x, target, reduction)
    scale, grad_x = _gradient_arrays(op, grad_y, x, reduction)
    loops(_flat(x), _flat(target), *parameters, scale, grad_x)
    return grad_x.reshape(x.shape).astype(x.dtype)


def _gradient_arrays(op, grad_y, x, reduction):
    shapes.check_gradient(op, grad_y, x, reduction, x.shape)
    return _flat(shapes.scale_of(grad_y, x.size, reduction, x.shape)), empty(x.size, np.float64)


def _flat(array):
    return readable(array).reshape(-1)


def _ones_for(weight, x):
    return np.ones(x.size, x.dtype) if weight is None else _flat(weight)


def _reduced(y, x, reduction):
    if reduction == "none":
        return y.reshape(x.shape).astype(x.dtype)
    return shapes.reduce(_total(y), x.size, reduction, x.dtype)


@kernel
def _total(values):
    acc = 0.0
    for i in range(values.size):
        acc += values[i]
    return acc


@kernel
def _squared(x, target, y):
    for i in range(x.size):
        z = np.float64(x[i]) - target[i]
        y[i] = z * z


@kernel
def _squared_slope(x, target, scale, grad_x):
    for i in range(x.size):
        grad_x[i] = scale[i] * 2.0 * (np.float64(x[i]) - target[i])


@kernel
def _absolute(x, target, y):
    for i in range(x.size):
        y[i] = abs(np.float64(x[i]) - target[i])


@kernel
def _absolute_slope(x, target, scale, grad_x):
    for i in range(x.size):
        sign = 1.0 if x[i] > target[i] else (-1.0 if x[i] < target[i] else 0.0)
        grad_x[i] = scale[i] * sign


@kernel
def _smooth_l1(x, target, beta, y):
    for i in range(x.size):
        z = abs(np.float64(x[i]) - target[i])
        y[i] = 0.5 * z * z / beta if z < beta else z - 0.5 * beta


@kernel
def _smooth_l1_slope(x, target, beta, scale, grad_x):
    for i in range(x.size):
        z = np.float64(x[i]) - target[i]
        grad_x[i] = -scale[i] if z <= -beta else (scale[i] if z >= beta else scale[i] * z / beta)


@kernel
def _huber(x, target, delta, y):
    for i in range(x.size):
        z = abs(np.float64(x[i]) - target[i])
        y[i] = 0.5 * z * z if z < delta else delta * (z - 0.5 * delta)


@kernel
def _huber_slope(x, target, delta, scale, grad_x):
    for i in range(x.size):
        z = np.float64(x[i]) - target[i]
        grad_x[i] = scale[i] * (-delta if z <= -delta else (delta if z >= delta else z))


@kernel
def _binary(x, target, weight, y):
    for i in range(x.size):
        p = np.float64(x[i])
        log_p, log_rest = max(math.log(p), -100.0), max(math.log1p(-p), -100.0)
        y[i] = -weight[i] * (target[i] * log_p + (1.0 - target[i]) * log_rest)


@kernel
def _binary_backward_x(x, target, weight, scale, grad_x):
    for i in range(x.size):
        p = np.float64(x[i])
        grad_x[i] = scale[i] * weight[i] * (p - target[i]) / max(p * (1.0 - p), 1e-12)


@kernel
def _binary_backward_target(x, weight, scale, grad_target):
    for i in range(x.size):
        p = np.float64(x[i])
        grad_target[i] = scale[i] * weight[i] * (math.log1p(-p) - math.log(p))


@kernel
def _log_sigmoid(x):
    return (x if x < 0.0 else 0.0) - math.log1p(math.exp(-abs(x)))


@kernel
def _binary_logits(x, target, weight, pos_weight, y):
    for i in range(x.size):
        s, t = np.float64(x[i]), np.float64(target[i])
        y[i] = weight[i] * ((1.0 - t) * s - (1.0 + (pos_weight[i] - 1.0) * t) * _log_sigmoid(s))


@kernel
def _binary_logits_backward_x(x, target, weight, pos_weight, scale, grad_x):
    for i in range(x.size):
        s, t = np.float64(x[i]), np.float64(target[i])
        positive = pos_weight[i] * t
        grad_x[i] = scale[i] * weight[i] * ((positive + 1.0 - t) / (1.0 + math.exp(-s)) - positive)


@kernel
def _binary_logits_backward_target(x, weight, pos_weight, scale, grad_target):
    for i in range(x.size):
        s = np.float64(x[i])
        grad_target[i] = scale[i] * weight[i] * (_log_sigmoid(-s) - pos_weight[i] * _log_sigmoid(s))
