"""Fast losses over classes. Same contracts as ``kernels/loss/reference.py``.

Optimizations
-------------
* Cross entropy is fused: one visit of a position finds its largest score, the sum of exponentials and the loss; no
  array of log-probabilities is written. The backward pass needs only log_sum_exp, one number for each position.
* log_sum_exp is kept in float64, so that score minus log_sum_exp loses nothing where scores are large; the exponentials
  themselves are of the dtype of `x`.
* Threads share the positions (n, d); each position's loss and its column of the gradient belong to one thread.
* The sum over positions runs over blocks of fixed length (``cpu_sums.py``).
"""

import math

import numpy as np

from kernels.jit import kernel
from kernels.loss import shapes
from kernels.loss.cpu_elementwise import (
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
from kernels.loss.cpu_sums import total
from kernels.memory import empty, readable, zeros
from kernels.parallel import for_each

__all__ = [
    "binary_cross_entropy_backward_target", "binary_cross_entropy_backward_x", "binary_cross_entropy_forward",
    "binary_cross_entropy_with_logits_backward_target", "binary_cross_entropy_with_logits_backward_x",
    "binary_cross_entropy_with_logits_forward", "cross_entropy_backward_x", "cross_entropy_forward",
    "huber_loss_backward_x", "huber_loss_forward", "l1_loss_backward_x", "l1_loss_forward", "mse_loss_backward_x",
    "mse_loss_forward", "nll_loss_backward_x", "nll_loss_forward", "smooth_l1_loss_backward_x",
    "smooth_l1_loss_forward", "soft_cross_entropy_backward_target", "soft_cross_entropy_backward_x",
    "soft_cross_entropy_forward",
]  # fmt: skip

#: Elementary operations that an exponential and its share of a row cost, for `for_each`.
COST_OF_EXP = 12


def cross_entropy_forward(x, target, weight, ignore_index, label_smoothing, reduction):
    """Same contract as in ``reference``."""
    shapes.check_index_targets("cross_entropy", x, target, weight, ignore_index, reduction, label_smoothing)
    y, log_sum_exp, weights = (empty(target.shape, np.float64) for _ in range(3))
    _over_positions(
        _cross_entropy, x, _flat(target), _weights(weight, x), int(ignore_index), float(label_smoothing),
        _flat(y), _flat(log_sum_exp), _flat(weights),
    )  # fmt: skip
    weight_sum = total(weights)
    return _reduced(y, weight_sum, reduction, x.dtype), log_sum_exp, weight_sum


def cross_entropy_backward_x(
    grad_y, x, target, weight, ignore_index, label_smoothing, reduction, log_sum_exp, weight_sum
):
    """Same contract as in ``reference``."""
    shapes.check_index_targets("cross_entropy", x, target, weight, ignore_index, reduction, label_smoothing)
    shapes.check_saved("cross_entropy", log_sum_exp, x)
    shapes.check_gradient("cross_entropy", grad_y, x, reduction, log_sum_exp.shape)
    scale = shapes.scale_of(grad_y, weight_sum, reduction, target.shape)
    grad_x = empty(x.shape, x.dtype)
    _over_positions(
        _cross_entropy_backward, x, _flat(target), _weights(weight, x), int(ignore_index), float(label_smoothing),
        _flat(log_sum_exp), _flat(scale), _classes(grad_x),
    )  # fmt: skip
    return grad_x


def soft_cross_entropy_forward(x, target, weight, label_smoothing, reduction):
    """Same contract as in ``reference``."""
    shapes.check_soft_targets("cross_entropy", x, target, weight, label_smoothing, reduction)
    y, log_sum_exp = (empty(shapes.positions(x.shape), np.float64) for _ in range(2))
    arguments = _classes(target), _weights(weight, x), float(label_smoothing)
    _over_positions(_soft_cross_entropy, x, *arguments, _flat(y), _flat(log_sum_exp))
    return _reduced(y, y.size, reduction, x.dtype), log_sum_exp


def soft_cross_entropy_backward_x(grad_y, x, target, weight, label_smoothing, reduction, log_sum_exp):
    """Same contract as in ``reference``."""
    shapes.check_soft_targets("cross_entropy", x, target, weight, label_smoothing, reduction)
    shapes.check_saved("cross_entropy", log_sum_exp, x)
    shapes.check_gradient("cross_entropy", grad_y, x, reduction, log_sum_exp.shape)
    scale = shapes.scale_of(grad_y, log_sum_exp.size, reduction, log_sum_exp.shape)
    grad_x = empty(x.shape, x.dtype)
    arguments = _classes(target), _weights(weight, x), float(label_smoothing), _flat(log_sum_exp), _flat(scale)
    _over_positions(_soft_cross_entropy_backward_x, x, *arguments, _classes(grad_x))
    return grad_x


def soft_cross_entropy_backward_target(grad_y, x, weight, label_smoothing, reduction, log_sum_exp):
    """Same contract as in ``reference``."""
    shapes.check_classes("cross_entropy", x, weight)
    shapes.check_smoothing("cross_entropy", label_smoothing)
    shapes.check_saved("cross_entropy", log_sum_exp, x)
    shapes.check_gradient("cross_entropy", grad_y, x, reduction, log_sum_exp.shape)
    scale = shapes.scale_of(grad_y, log_sum_exp.size, reduction, log_sum_exp.shape)
    grad_target = empty(x.shape, x.dtype)
    arguments = _weights(weight, x), float(label_smoothing), _flat(log_sum_exp), _flat(scale)
    _over_positions(_soft_cross_entropy_backward_target, x, *arguments, _classes(grad_target))
    return grad_target


def nll_loss_forward(x, target, weight, ignore_index, reduction):
    """Same contract as in ``reference``."""
    shapes.check_index_targets("nll_loss", x, target, weight, ignore_index, reduction, 0.0)
    y, weights = (empty(target.shape, np.float64) for _ in range(2))
    _over_positions(_nll, x, _flat(target), _weights(weight, x), int(ignore_index), _flat(y), _flat(weights))
    weight_sum = total(weights)
    return _reduced(y, weight_sum, reduction, x.dtype), weight_sum


def nll_loss_backward_x(grad_y, x, target, weight, ignore_index, reduction, weight_sum):
    """Same contract as in ``reference``."""
    shapes.check_index_targets("nll_loss", x, target, weight, ignore_index, reduction, 0.0)
    shapes.check_gradient("nll_loss", grad_y, x, reduction, target.shape)
    scale = shapes.scale_of(grad_y, weight_sum, reduction, target.shape)
    grad_x = zeros(x.shape, x.dtype)
    _over_positions(_nll_backward, grad_x, _flat(target), _weights(weight, x), int(ignore_index), _flat(scale))
    return grad_x


def _over_positions(loops, x, *arguments):
    classes = _classes(x)
    for_each(loops, classes.shape[0] * classes.shape[2], COST_OF_EXP * x.size, classes, *arguments)


def _classes(array):
    return readable(array).reshape(*array.shape[:2], math.prod(array.shape[2:]))


def _flat(array):
    return readable(array).reshape(-1)


def _weights(weight, x):
    return np.ones(x.shape[1], x.dtype) if weight is None else readable(weight)


def _reduced(y, count, reduction, dtype):
    return y.astype(dtype) if reduction == "none" else shapes.reduce(total(y), count, reduction, dtype)


@kernel
def _log_sum_exp(x, n, d):
    C = x.shape[1]
    largest = x[n, 0, d]
    for c in range(1, C):
        if x[n, c, d] > largest:
            largest = x[n, c, d]
    acc = 0.0
    for c in range(C):
        acc += math.exp(x[n, c, d] - largest)
    return largest + math.log(acc)


@kernel
def _softmax(x, n, c, d, log_sum_exp):
    # the difference in float64, the exponential in the dtype of x
    return math.exp(x.dtype.type(x[n, c, d] - log_sum_exp))


@kernel
def _cross_entropy(lo, hi, x, target, weight, ignore_index, smoothing, y, log_sum_exp, weights):
    _, C, D = x.shape
    for i in range(lo, hi):
        n, d = i // D, i % D
        log_sum_exp[i] = _log_sum_exp(x, n, d)
        t = target[i]
        if t == ignore_index:
            y[i] = weights[i] = 0.0
            continue
        weights[i] = weight[t]
        loss = (1.0 - smoothing) * weight[t] * (log_sum_exp[i] - x[n, t, d])
        if smoothing > 0.0:
            even = 0.0
            for c in range(C):
                even += weight[c] * (log_sum_exp[i] - x[n, c, d])
            loss += smoothing / C * even
        y[i] = loss


@kernel
def _cross_entropy_backward(lo, hi, x, target, weight, ignore_index, smoothing, log_sum_exp, scale, grad_x):
    _, C, D = x.shape
    weight_of_all = 0.0
    for c in range(C):
        weight_of_all += weight[c]
    for i in range(lo, hi):
        n, d, t = i // D, i % D, target[i]
        # what is wanted: `own` for the target's class, `even` times its weight for every class
        own = even = 0.0
        if t != ignore_index:
            own = scale[i] * (1.0 - smoothing) * weight[t]
            even = scale[i] * (smoothing / C) if smoothing > 0.0 else 0.0
        wanted_sum = own + even * weight_of_all
        for c in range(C):
            grad_x[n, c, d] = _softmax(x, n, c, d, log_sum_exp[i]) * wanted_sum - even * weight[c]
        if t != ignore_index:
            grad_x[n, t, d] -= own


@kernel
def _soft_cross_entropy(lo, hi, x, target, weight, smoothing, y, log_sum_exp):
    _, C, D = x.shape
    for i in range(lo, hi):
        n, d = i // D, i % D
        log_sum_exp[i] = _log_sum_exp(x, n, d)
        loss = 0.0
        for c in range(C):
            loss += _wanted(target, weight, smoothing, n, c, d) * (log_sum_exp[i] - x[n, c, d])
        y[i] = loss


@kernel
def _wanted(target, weight, smoothing, n, c, d):
    return weight[c] * ((1.0 - smoothing) * target[n, c, d] + smoothing / target.shape[1])


@kernel
def _soft_cross_entropy_backward_x(lo, hi, x, target, weight, smoothing, log_sum_exp, scale, grad_x):
    _, C, D = x.shape
    for i in range(lo, hi):
        n, d = i // D, i % D
        wanted_sum = 0.0
        for c in range(C):
            wanted_sum += _wanted(target, weight, smoothing, n, c, d)
        for c in range(C):
            surplus = _softmax(x, n, c, d, log_sum_exp[i]) * wanted_sum - _wanted(target, weight, smoothing, n, c, d)
            grad_x[n, c, d] = scale[i] * surplus


@kernel
def _soft_cross_entropy_backward_target(lo, hi, x, weight, smoothing, log_sum_exp, scale, grad_target):
    _, C, D = x.shape
    for i in range(lo, hi):
        n, d = i // D, i % D
        for c in range(C):
            grad_target[n, c, d] = scale[i] * (1.0 - smoothing) * weight[c] * (log_sum_exp[i] - x[n, c, d])


@kernel
def _nll(lo, hi, x, target, weight, ignore_index, y, weights):
    D = x.shape[2]
    for i in range(lo, hi):
        t = target[i]
        y[i] = weights[i] = 0.0
        if t != ignore_index:
            y[i] = -weight[t] * x[i // D, t, i % D]
            weights[i] = weight[t]


@kernel
def _nll_backward(lo, hi, grad_x, target, weight, ignore_index, scale):
    D = grad_x.shape[2]
    for i in range(lo, hi):
        t = target[i]
        if t != ignore_index:
            grad_x[i // D, t, i % D] = -scale[i] * weight[t]
