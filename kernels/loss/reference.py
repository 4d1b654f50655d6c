"""Losses over classes as formula and plain loops: what a learner reads, what every test trusts.

The class axis is axis 1: x is (N, C) for a picture that has one class, (N, C, H, W) for one class per pixel. All
further axes are counted as one here, d of size D. The elementwise losses stand in ``reference_elementwise.py`` and are
to be had from here.
"""

import math

import numpy as np

from kernels.jit import kernel
from kernels.loss import shapes
from kernels.loss.reference_elementwise import (
    binary_cross_entropy_backward_target,
    binary_cross_entropy_backward_x,
    binary_cross_entropy_forward,
    binary_cross_entropy_with_logits_backward_target,
    binary_cross_entropy_with_logits_backward_x,
    binary_cross_entropy_with_logits_forward,
    huber_loss_backward_x,
    huber_loss_forward,
    l1_loss_backward_x,
    l1_loss_forward,
    mse_loss_backward_x,
    mse_loss_forward,
    smooth_l1_loss_backward_x,
    smooth_l1_loss_forward,
)
from kernels.memory import empty, readable

__all__ = [
    "binary_cross_entropy_backward_target", "binary_cross_entropy_backward_x", "binary_cross_entropy_forward",
    "binary_cross_entropy_with_logits_backward_target", "binary_cross_entropy_with_logits_backward_x",
    "binary_cross_entropy_with_logits_forward", "cross_entropy_backward_x", "cross_entropy_forward",
    "huber_loss_backward_x", "huber_loss_forward", "l1_loss_backward_x", "l1_loss_forward", "mse_loss_backward_x",
    "mse_loss_forward", "nll_loss_backward_x", "nll_loss_forward", "smooth_l1_loss_backward_x",
    "smooth_l1_loss_forward", "soft_cross_entropy_backward_target", "soft_cross_entropy_backward_x",
    "soft_cross_entropy_forward",
]  # fmt: skip


def cross_entropy_forward(x, target, weight, ignore_index, label_smoothing, reduction):
    """Cross entropy of scores with class indices: how surprised the model is by the true class.

        log_sum_exp[n, d] = log sum_c exp(x[n, c, d])
        y[n, d] = (1 - e) * weight[t] * (log_sum_exp[n, d] - x[n, t, d])
                  + e / C * sum_c weight[c] * (log_sum_exp[n, d] - x[n, c, d])
        y[n, d] = 0     where t = ignore_index
        t = target[n, d],  e = label_smoothing

    log_sum_exp - x[n, c, d] is -log softmax(x)[n, c, d]. The largest score is taken out of the sum first, so that no
    exponential overflows. The mean divides by weight_sum, the sum of weight[t] over what is not ignored.

    Parameters
    ----------
    x : ndarray of shape (N, C, …), float32 or float64
        Scores (logits), any real numbers.
    target : ndarray of shape (N, …), int64
        Classes from 0 to C - 1, or `ignore_index`.
    weight : ndarray of shape (C,), dtype of `x`, or None for ones
    ignore_index : int
    label_smoothing : float
        In [0, 1]: the share of the target that is spread evenly over all classes.
    reduction : str
        ``"none"``, ``"mean"`` or ``"sum"``.

    Returns
    -------
    y : ndarray, dtype of `x`
        Shape (N, …) for ``"none"``, else (). The mean of nothing is NaN.
    log_sum_exp : ndarray of shape (N, …), float64
    weight_sum : float
        Both as the gradient needs them.

    Raises
    ------
    TypeError, ValueError
        For wrong dtypes, shapes, classes (TargetError, an IndexError as well), smoothing or reduction.

    Notes
    -----
    Accumulates in float64 whatever the dtype.

    References
    ----------
    C. Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", arXiv:1512.00567, section 7 (label
    smoothing). See Also: `mediml.nn.CrossEntropyLoss`. Taught in lesson 09, training a CNN in five steps.
    """
    shapes.check_index_targets("cross_entropy", x, target, weight, ignore_index, reduction, label_smoothing)
    y, log_sum_exp, weights = (empty(target.shape, np.float64) for _ in range(3))
    arguments = _classes(x), _positions(target), _weights(weight, x), int(ignore_index), float(label_smoothing)
    _cross_entropy(*arguments, *(_positions(array) for array in (y, log_sum_exp, weights)))
    weight_sum = _total(weights.reshape(-1))
    return _reduced(y, weight_sum, reduction, x.dtype), log_sum_exp, weight_sum


def cross_entropy_backward_x(
    grad_y, x, target, weight, ignore_index, label_smoothing, reduction, log_sum_exp, weight_sum
):
    """Gradient for the scores: predicted probability minus wanted probability, per unit of weight.

    grad_x[n, c, d] = scale[n, d] * (softmax(x)[n, c, d] * sum_k wanted[k] - wanted[c])
    wanted[c] = (1 - e) * weight[t] * [c = t] + e / C * weight[c];     0 for every c where t = ignore_index
    scale = grad_y, for the mean divided by weight_sum
    """
    shapes.check_index_targets("cross_entropy", x, target, weight, ignore_index, reduction, label_smoothing)
    shapes.check_saved("cross_entropy", log_sum_exp, x)
    shapes.check_gradient("cross_entropy", grad_y, x, reduction, log_sum_exp.shape)
    scale = shapes.scale_of(grad_y, weight_sum, reduction, target.shape)
    grad_x = empty(x.shape, np.float64)
    arguments = _classes(x), _positions(target), _weights(weight, x), int(ignore_index), float(label_smoothing)
    _cross_entropy_backward(*arguments, _positions(readable(log_sum_exp)), _positions(scale), _classes(grad_x))
    return grad_x.astype(x.dtype)


def soft_cross_entropy_forward(x, target, weight, label_smoothing, reduction):
    """Cross entropy of scores with class probabilities.

        y[n, d] = sum_c weight[c] * q[n, c, d] * (log_sum_exp[n, d] - x[n, c, d])
        q[n, c, d] = (1 - e) * target[n, c, d] + e / C,     e = label_smoothing

    `target` has the shape and dtype of `x`; the mean divides by the number of positions. Otherwise as
    `cross_entropy_forward`. Returns y and log_sum_exp.
    """
    shapes.check_soft_targets("cross_entropy", x, target, weight, label_smoothing, reduction)
    y, log_sum_exp = (empty(shapes.positions(x.shape), np.float64) for _ in range(2))
    arguments = _classes(x), _classes(target), _weights(weight, x), float(label_smoothing)
    _soft_cross_entropy(*arguments, _positions(y), _positions(log_sum_exp))
    return _reduced(y, y.size, reduction, x.dtype), log_sum_exp


def soft_cross_entropy_backward_x(grad_y, x, target, weight, label_smoothing, reduction, log_sum_exp):
    """Gradient for the scores: as `cross_entropy_backward_x` with wanted[c] = weight[c] * q[n, c, d]."""
    shapes.check_soft_targets("cross_entropy", x, target, weight, label_smoothing, reduction)
    shapes.check_saved("cross_entropy", log_sum_exp, x)
    shapes.check_gradient("cross_entropy", grad_y, x, reduction, log_sum_exp.shape)
    scale = shapes.scale_of(grad_y, log_sum_exp.size, reduction, log_sum_exp.shape)
    grad_x = empty(x.shape, np.float64)
    arguments = _classes(x), _classes(target), _weights(weight, x), float(label_smoothing)
    _soft_cross_entropy_backward_x(*arguments, _positions(readable(log_sum_exp)), _positions(scale), _classes(grad_x))
    return grad_x.astype(x.dtype)


def soft_cross_entropy_backward_target(grad_y, x, weight, label_smoothing, reduction, log_sum_exp):
    """Gradient for the probabilities: scale[n, d] * (1 - e) * weight[c] * (log_sum_exp[n, d] - x[n, c, d])."""
    shapes.check_classes("cross_entropy", x, weight)
    shapes.check_smoothing("cross_entropy", label_smoothing)
    shapes.check_saved("cross_entropy", log_sum_exp, x)
    shapes.check_gradient("cross_entropy", grad_y, x, reduction, log_sum_exp.shape)
    scale = shapes.scale_of(grad_y, log_sum_exp.size, reduction, log_sum_exp.shape)
    grad_target = empty(x.shape, np.float64)
    arguments = _classes(x), _weights(weight, x), float(label_smoothing)
    saved = _positions(readable(log_sum_exp)), _positions(scale)
    _soft_cross_entropy_backward_target(*arguments, *saved, _classes(grad_target))
    return grad_target.astype(x.dtype)


def nll_loss_forward(x, target, weight, ignore_index, reduction):
    """Negative log-likelihood: what `cross_entropy_forward` is after a log-softmax.

        y[n, d] = -weight[t] * x[n, t, d]     t = target[n, d];     0 where t = ignore_index

    `x` holds log-probabilities; all else as in `cross_entropy_forward`. Returns y and weight_sum.
    """
    shapes.check_index_targets("nll_loss", x, target, weight, ignore_index, reduction, 0.0)
    y, weights = (empty(target.shape, np.float64) for _ in range(2))
    _nll(_classes(x), _positions(target), _weights(weight, x), int(ignore_index), _positions(y), _positions(weights))
    weight_sum = _total(weights.reshape(-1))
    return _reduced(y, weight_sum, reduction, x.dtype), weight_sum


def nll_loss_backward_x(grad_y, x, target, weight, ignore_index, reduction, weight_sum):
    """Gradient for the log-probabilities: -scale[n, d] * weight[t] for the target's class, 0 for all others."""
    shapes.check_index_targets("nll_loss", x, target, weight, ignore_index, reduction, 0.0)
    shapes.check_gradient("nll_loss", grad_y, x, reduction, target.shape)
    scale = shapes.scale_of(grad_y, weight_sum, reduction, target.shape)
    grad_x = empty(x.shape, np.float64)
    _nll_backward(_positions(target), _weights(weight, x), int(ignore_index), _positions(scale), _classes(grad_x))
    return grad_x.astype(x.dtype)


def _classes(array):
    return readable(array).reshape(*array.shape[:2], math.prod(array.shape[2:]))


def _positions(array):
    return readable(array).reshape(array.shape[0], math.prod(array.shape[1:]))


def _weights(weight, x):
    return np.ones(x.shape[1], x.dtype) if weight is None else readable(weight)


def _reduced(y, count, reduction, dtype):
    return y.astype(dtype) if reduction == "none" else shapes.reduce(_total(y.reshape(-1)), count, reduction, dtype)


@kernel
def _total(values):
    acc = 0.0
    for i in range(values.size):
        acc += values[i]
    return acc


@kernel
def _log_sum_exp(x, n, d):
    C = x.shape[1]
    largest = x[n, 0, d]
    for c in range(1, C):
        if x[n, c, d] > largest:
            largest = x[n, c, d]
    acc = 0.0
    for c in range(C):
        acc += math.exp(np.float64(x[n, c, d]) - largest)
    return largest + math.log(acc)


@kernel
def _cross_entropy(x, target, weight, ignore_index, smoothing, y, log_sum_exp, weights):
    N, C, D = x.shape
    for n, d in np.ndindex((N, D)):
        log_sum_exp[n, d] = _log_sum_exp(x, n, d)
        y[n, d] = weights[n, d] = 0.0
        t = target[n, d]
        if t == ignore_index:
            continue
        weights[n, d] = weight[t]
        y[n, d] = (1.0 - smoothing) * weight[t] * (log_sum_exp[n, d] - x[n, t, d])
        if smoothing > 0.0:
            for c in range(C):
                y[n, d] += smoothing / C * weight[c] * (log_sum_exp[n, d] - x[n, c, d])


@kernel
def _cross_entropy_backward(x, target, weight, ignore_index, smoothing, log_sum_exp, scale, grad_x):
    N, C, D = x.shape
    for n, d in np.ndindex((N, D)):
        t = target[n, d]
        wanted_sum = 0.0
        for c in range(C):
            wanted_sum += _wanted(c, t, C, weight, ignore_index, smoothing)
        for c in range(C):
            wanted = _wanted(c, t, C, weight, ignore_index, smoothing)
            softmax = math.exp(x[n, c, d] - log_sum_exp[n, d])
            # an ignored position has the gradient 0 even where the mean's scale is infinite
            grad_x[n, c, d] = softmax * 0.0 if t == ignore_index else scale[n, d] * (softmax * wanted_sum - wanted)


@kernel
def _wanted(c, t, C, weight, ignore_index, smoothing):
    if t == ignore_index:
        return 0.0
    return smoothing / C * weight[c] + ((1.0 - smoothing) * weight[c] if c == t else 0.0)


@kernel
def _soft_cross_entropy(x, target, weight, smoothing, y, log_sum_exp):
    N, C, D = x.shape
    for n, d in np.ndindex((N, D)):
        log_sum_exp[n, d] = _log_sum_exp(x, n, d)
        y[n, d] = 0.0
        for c in range(C):
            q = (1.0 - smoothing) * target[n, c, d] + smoothing / C
            y[n, d] += weight[c] * q * (log_sum_exp[n, d] - x[n, c, d])


@kernel
def _soft_cross_entropy_backward_x(x, target, weight, smoothing, log_sum_exp, scale, grad_x):
    N, C, D = x.shape
    for n, d in np.ndindex((N, D)):
        wanted_sum = 0.0
        for c in range(C):
            wanted_sum += weight[c] * ((1.0 - smoothing) * target[n, c, d] + smoothing / C)
        for c in range(C):
            wanted = weight[c] * ((1.0 - smoothing) * target[n, c, d] + smoothing / C)
            softmax = math.exp(x[n, c, d] - log_sum_exp[n, d])
            grad_x[n, c, d] = scale[n, d] * (softmax * wanted_sum - wanted)


@kernel
def _soft_cross_entropy_backward_target(x, weight, smoothing, log_sum_exp, scale, grad_target):
    N, C, D = x.shape
    for n, c, d in np.ndindex((N, C, D)):
        grad_target[n, c, d] = scale[n, d] * (1.0 - smoothing) * weight[c] * (log_sum_exp[n, d] - x[n, c, d])


@kernel
def _nll(x, target, weight, ignore_index, y, weights):
    N, _, D = x.shape
    for n, d in np.ndindex((N, D)):
        t = target[n, d]
        y[n, d] = 0.0 if t == ignore_index else -weight[t] * x[n, t, d]
        weights[n, d] = 0.0 if t == ignore_index else weight[t]


@kernel
def _nll_backward(target, weight, ignore_index, scale, grad_x):
    for n, c, d in np.ndindex(grad_x.shape):
        t = target[n, d]
        grad_x[n, c, d] = -scale[n, d] * weight[t] if c == t and t != ignore_index else 0.0
