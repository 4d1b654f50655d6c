"""Normalisation as formulas and plain loops, for learning and for testing. The fast twin is ``cpu.py``.

All compute in float64 whatever the dtype; the variance is that of the two-pass formula, mean first, which loses nothing
where the mean is much larger than the spread.

A backward function returns all gradients at once, because they are made of the same two sums. The gradient for x has
three parts: the direct one, and two that come from x moving the mean and the variance of its set.
"""

import math

import numpy as np

from kernels.jit import kernel
from kernels.memory import empty, zeros
from kernels.norm import shapes
from kernels.norm.reference_rows import (
    double,
    given_or,
    layer_norm_backward_all,
    layer_norm_forward,
    local_response_norm_backward_x,
    local_response_norm_forward,
    rms_norm_backward_all,
    rms_norm_forward,
    rounded,
)

__all__ = [
    "batch_norm_backward_all",
    "batch_norm_forward",
    "batch_norm_statistics",
    "group_norm_backward_all",
    "group_norm_forward",
    "layer_norm_backward_all",
    "layer_norm_forward",
    "local_response_norm_backward_x",
    "local_response_norm_forward",
    "rms_norm_backward_all",
    "rms_norm_forward",
]


def batch_norm_statistics(x):
    """Mean and variance of each channel over all samples and places; M = N * L numbers.

        mean[c] = sum_{n, l} x[n, c, l] / M
        var[c]  = sum_{n, l} (x[n, c, l] - mean[c])^2 / M

    Parameters
    ----------
    x : ndarray of shape (N, C, L), float32 or float64

    Returns
    -------
    mean, var : ndarray of shape (C,), float64
        NaN where there is nothing to take the mean of.

    Raises
    ------
    TypeError, ValueError
        What `kernels.norm.shapes.batch_norm` refuses.

    Notes
    -----
    This variance, divided by M, is the biased one: with it the output has variance 1. The running variance that a
    layer keeps for evaluation is meant for the population and takes the unbiased one, var * M / (M - 1); with the
    momentum m it becomes (1 - m) * running_var + m * var * M / (M - 1), and the running mean likewise.

    Sums in float64. With u = 2^-53 the relative error of var is at most about M u + (M u |mean|)^2 / var.
    """
    _, C, _ = shapes.batch_norm("batch_norm", {"x": x}, {}, {})
    mean, var = empty(C, np.float64), empty(C, np.float64)
    _batch_norm_statistics(double(x), mean, var)
    return mean, var


def batch_norm_forward(x, weight, bias, mean, var, eps):
    """Each channel less its mean, divided by its standard deviation, scaled and shifted.

        x_hat[n, c, l] = (x[n, c, l] - mean[c]) / sqrt(var[c] + eps)
        y[n, c, l]     = weight[c] * x_hat[n, c, l] + bias[c]

    Parameters
    ----------
    x : ndarray of shape (N, C, L), float32 or float64
    weight, bias : ndarray of shape (C,), dtype of `x`, or None
        1 and 0 where None.
    mean, var : ndarray of shape (C,), float64
        Of `batch_norm_statistics` in training, the running ones in evaluation.
    eps : float

    Returns
    -------
    ndarray of shape (N, C, L), dtype of `x`

    Raises
    ------
    TypeError, ValueError
        What `kernels.norm.shapes.batch_norm` refuses.

    References
    ----------
    S. Ioffe, C. Szegedy, "Batch normalization: accelerating deep network training by reducing internal covariate
    shift", arXiv:1502.03167, algorithms 1 and 2.
    """
    parameters, statistics = {"weight": weight, "bias": bias}, {"mean": mean, "var": var}
    _, C, _ = shapes.batch_norm("batch_norm", {"x": x}, parameters, statistics)
    y = empty(x.shape, np.float64)
    _batch_norm(double(x), given_or(weight, 1, C), given_or(bias, 0, C), mean, var, float(eps), y)
    return rounded(y, x.dtype)


def batch_norm_backward_all(grad_y, x, weight, mean, var, eps, training):
    """Gradients for `x`, `weight` and `bias`.

        grad_bias[c]   = sum_{n, l} grad_y[n, c, l]
        grad_weight[c] = sum_{n, l} grad_y[n, c, l] * x_hat[n, c, l]
        grad_x[n, c, l] = weight[c] / sqrt(var[c] + eps)
                          * (grad_y[n, c, l] - grad_bias[c] / M - x_hat[n, c, l] * grad_weight[c] / M)

    The two last terms are there only in training: they take out of the gradient what would move the mean and the
    variance, which the next step of normalising would undo. In evaluation mean and var are constants.

    Parameters
    ----------
    grad_y, x : ndarray of shape (N, C, L)
    weight, mean, var, eps
        As in `batch_norm_forward`.
    training : bool
        Whether `mean` and `var` are those of `x`.

    Returns
    -------
    grad_x : ndarray of shape (N, C, L), dtype of `x`
    grad_weight, grad_bias : ndarray of shape (C,), dtype of `x`

    References
    ----------
    S. Ioffe, C. Szegedy, arXiv:1502.03167, section 3: their chain rule, collected.
    """
    arrays, statistics = {"x": x, "grad_y": grad_y}, {"mean": mean, "var": var}
    _, C, _ = shapes.batch_norm("batch_norm", arrays, {"weight": weight}, statistics)
    grad_x, grad_weight, grad_bias = empty(x.shape, np.float64), zeros(C, np.float64), zeros(C, np.float64)
    gradients = grad_x, grad_weight, grad_bias
    _batch_norm_backward(
        double(grad_y), double(x), given_or(weight, 1, C), mean, var, float(eps), bool(training), *gradients
    )
    return tuple(rounded(gradient, x.dtype) for gradient in gradients)


def group_norm_forward(x, groups, weight, bias, eps):
    """Each sample's channels in groups of C_g = C / groups; a group less its mean, divided by its standard deviation.

        mean[n, g] = sum_{c in g, l} x[n, c, l] / M,                 M = C_g * L;  c is in g where c // C_g = g
        var[n, g]  = sum_{c in g, l} (x[n, c, l] - mean[n, g])^2 / M
        y[n, c, l] = weight[c] * (x[n, c, l] - mean[n, g]) / sqrt(var[n, g] + eps) + bias[c]

    With as many groups as channels it is instance norm.

    Parameters
    ----------
    x : ndarray of shape (N, C, L), float32 or float64
    groups : int
        Divides C.
    weight, bias : ndarray of shape (C,), dtype of `x`, or None
    eps : float

    Returns
    -------
    y : ndarray of shape (N, C, L), dtype of `x`
    mean, var : ndarray of shape (N, groups), float64

    Raises
    ------
    TypeError, ValueError
        What `kernels.norm.shapes.group_norm` refuses.

    References
    ----------
    Y. Wu, K. He, "Group normalization", arXiv:1803.08494, equations 1 to 6.
    D. Ulyanov, A. Vedaldi, V. Lempitsky, "Instance normalization: the missing ingredient for fast stylization",
    arXiv:1607.08022.
    """
    N, C, _ = shapes.group_norm("group_norm", {"x": x}, groups, {"weight": weight, "bias": bias}, {})
    y = empty(x.shape, np.float64)
    mean, var = empty((N, groups), np.float64), empty((N, groups), np.float64)
    _group_norm(double(x), given_or(weight, 1, C), given_or(bias, 0, C), float(eps), mean, var, y)
    return rounded(y, x.dtype), mean, var


def group_norm_backward_all(grad_y, x, groups, weight, mean, var, eps):
    """Gradients for `x`, `weight` and `bias`. With x_hat as above, and the means over the M places of the group:

        grad_bias[c]   = sum_{n, l} grad_y[n, c, l]
        grad_weight[c] = sum_{n, l} grad_y[n, c, l] * x_hat[n, c, l]
        a[n, g] = mean of weight[c] * grad_y[n, c, l]
        b[n, g] = mean of weight[c] * grad_y[n, c, l] * x_hat[n, c, l]
        grad_x[n, c, l] = (weight[c] * grad_y[n, c, l] - a[n, g] - x_hat[n, c, l] * b[n, g]) / sqrt(var[n, g] + eps)

    Parameters
    ----------
    grad_y, x : ndarray of shape (N, C, L)
    groups, weight, eps
        As in `group_norm_forward`.
    mean, var : ndarray of shape (N, groups), float64
        As it returned them.

    Returns
    -------
    grad_x : ndarray of shape (N, C, L), dtype of `x`
    grad_weight, grad_bias : ndarray of shape (C,), dtype of `x`
    """
    arrays, statistics = {"x": x, "grad_y": grad_y}, {"mean": mean, "var": var}
    _, C, _ = shapes.group_norm("group_norm", arrays, groups, {"weight": weight}, statistics)
    grad_x, grad_weight, grad_bias = empty(x.shape, np.float64), zeros(C, np.float64), zeros(C, np.float64)
    gradients = grad_x, grad_weight, grad_bias
    _group_norm_backward(double(grad_y), double(x), given_or(weight, 1, C), mean, var, float(eps), *gradients)
    return tuple(rounded(gradient, x.dtype) for gradient in gradients)


@kernel
def _batch_norm_statistics(x, mean, var):
    N, C, L = x.shape
    M = N * L
    for c in range(C):
        acc = 0.0
        for n in range(N):
            for l in range(L):  # noqa: E741 - the formula's letter
                acc += x[n, c, l]
        mean[c] = acc / M
        acc = 0.0
        for n in range(N):
            for l in range(L):  # noqa: E741
                acc += (x[n, c, l] - mean[c]) ** 2
        var[c] = acc / M


@kernel
def _batch_norm(x, weight, bias, mean, var, eps, y):
    for n, c, l in np.ndindex(x.shape):  # noqa: E741
        x_hat = (x[n, c, l] - mean[c]) / math.sqrt(var[c] + eps)
        y[n, c, l] = weight[c] * x_hat + bias[c]


@kernel
def _batch_norm_backward(grad_y, x, weight, mean, var, eps, training, grad_x, grad_weight, grad_bias):
    N, _, L = x.shape
    M = N * L
    for n, c, l in np.ndindex(x.shape):  # noqa: E741
        x_hat = (x[n, c, l] - mean[c]) / math.sqrt(var[c] + eps)
        grad_weight[c] += grad_y[n, c, l] * x_hat
        grad_bias[c] += grad_y[n, c, l]
    for n, c, l in np.ndindex(x.shape):  # noqa: E741
        inner = grad_y[n, c, l]
        if training:
            x_hat = (x[n, c, l] - mean[c]) / math.sqrt(var[c] + eps)
            inner -= grad_bias[c] / M + x_hat * grad_weight[c] / M
        grad_x[n, c, l] = weight[c] / math.sqrt(var[c] + eps) * inner


@kernel
def _group_norm(x, weight, bias, eps, mean, var, y):
    _, C, L = x.shape
    C_g = C // mean.shape[1]
    M = C_g * L
    for n, g in np.ndindex(mean.shape):
        acc = 0.0
        for c in range(g * C_g, (g + 1) * C_g):
            for l in range(L):  # noqa: E741
                acc += x[n, c, l]
        mean[n, g] = acc / M
        acc = 0.0
        for c in range(g * C_g, (g + 1) * C_g):
            for l in range(L):  # noqa: E741
                acc += (x[n, c, l] - mean[n, g]) ** 2
        var[n, g] = acc / M
        for c in range(g * C_g, (g + 1) * C_g):
            for l in range(L):  # noqa: E741
                y[n, c, l] = weight[c] * (x[n, c, l] - mean[n, g]) / math.sqrt(var[n, g] + eps) + bias[c]


@kernel
def _group_norm_backward(grad_y, x, weight, mean, var, eps, grad_x, grad_weight, grad_bias):
    _, C, L = x.shape
    C_g = C // mean.shape[1]
    M = C_g * L
    for n, g in np.ndindex(mean.shape):
        sd = math.sqrt(var[n, g] + eps)
        a = b = 0.0
        for c in range(g * C_g, (g + 1) * C_g):
            for l in range(L):  # noqa: E741
                x_hat = (x[n, c, l] - mean[n, g]) / sd
                grad_weight[c] += grad_y[n, c, l] * x_hat
                grad_bias[c] += grad_y[n, c, l]
                a += weight[c] * grad_y[n, c, l] / M
                b += weight[c] * grad_y[n, c, l] * x_hat / M
        for c in range(g * C_g, (g + 1) * C_g):
            for l in range(L):  # noqa: E741
                x_hat = (x[n, c, l] - mean[n, g]) / sd
                grad_x[n, c, l] = (weight[c] * grad_y[n, c, l] - a - x_hat * b) / sd
