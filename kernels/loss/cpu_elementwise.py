"""Fast elementwise losses, part of ``kernels/loss/cpu.py``. Same contracts as ``reference_elementwise.py``.

Optimizations
-------------
* Threads share the elements. Each loop begins by cutting out its part and then counts from 0, so that the compiler sees
  that no index is negative, and makes vector instructions of it where there is no logarithm: 15 times as fast.
* Arithmetic in the dtype of `x`; only the sum is in float64, over blocks of fixed length (``cpu_sums.py``).
* What is one number for all elements (a missing weight, the gradient of a reduced loss) is an array of one element, and
  is never spread out in memory.
"""

import math

import numpy as np

from kernels.jit import kernel
from kernels.loss import shapes
from kernels.loss.cpu_sums import total
from kernels.memory import empty, readable
from kernels.parallel import for_each

__all__ = [
    "binary_cross_entropy_backward_target", "binary_cross_entropy_backward_x", "binary_cross_entropy_forward",
    "binary_cross_entropy_with_logits_backward_target", "binary_cross_entropy_with_logits_backward_x",
    "binary_cross_entropy_with_logits_forward", "huber_loss_backward_x", "huber_loss_forward", "l1_loss_backward_x",
    "l1_loss_forward", "mse_loss_backward_x", "mse_loss_forward", "smooth_l1_loss_backward_x",
    "smooth_l1_loss_forward",
]  # fmt: skip

#: Elementary operations that one element costs with logarithms or exponentials, for `for_each`.
COST_OF_LOG = 20


def mse_loss_forward(x, target, reduction):
    """Same contract as in ``reference``."""
    shapes.check_errors("mse_loss", x, target, reduction)
    return _forward(_squared, 1, x, reduction, _flat(target))


def mse_loss_backward_x(grad_y, x, target, reduction):
    """Same contract as in ``reference``."""
    shapes.check_errors("mse_loss", x, target, reduction)
    return _backward("mse_loss", _squared_slope, 1, grad_y, x, reduction, _flat(target))


def l1_loss_forward(x, target, reduction):
    """Same contract as in ``reference``."""
    shapes.check_errors("l1_loss", x, target, reduction)
    return _forward(_absolute, 1, x, reduction, _flat(target))


def l1_loss_backward_x(grad_y, x, target, reduction):
    """Same contract as in ``reference``."""
    shapes.check_errors("l1_loss", x, target, reduction)
    return _backward("l1_loss", _absolute_slope, 1, grad_y, x, reduction, _flat(target))


def smooth_l1_loss_forward(x, target, beta, reduction):
    """Same contract as in ``reference``."""
    shapes.check_positive("smooth_l1_loss", "beta", beta)
    shapes.check_errors("smooth_l1_loss", x, target, reduction)
    bend, curve, slope = x.dtype.type(beta), x.dtype.type(0.5 / beta), x.dtype.type(1)
    return _forward(_bent, 2, x, reduction, _flat(target), bend, curve, slope)


def smooth_l1_loss_backward_x(grad_y, x, target, beta, reduction):
    """Same contract as in ``reference``."""
    shapes.check_positive("smooth_l1_loss", "beta", beta)
    shapes.check_errors("smooth_l1_loss", x, target, reduction)
    parameters = x.dtype.type(beta), x.dtype.type(1)
    return _backward("smooth_l1_loss", _bent_slope, 2, grad_y, x, reduction, _flat(target), *parameters)


def huber_loss_forward(x, target, delta, reduction):
    """Same contract as in ``reference``."""
    shapes.check_positive("huber_loss", "delta", delta)
    shapes.check_errors("huber_loss", x, target, reduction)
    bend, curve, slope = x.dtype.type(delta), x.dtype.type(0.5), x.dtype.type(delta)
    return _forward(_bent, 2, x, reduction, _flat(target), bend, curve, slope)


def huber_loss_backward_x(grad_y, x, target, delta, reduction):
    """Same contract as in ``reference``."""
    shapes.check_positive("huber_loss", "delta", delta)
    shapes.check_errors("huber_loss", x, target, reduction)
    parameters = x.dtype.type(delta), x.dtype.type(delta)
    return _backward("huber_loss", _bent_slope, 2, grad_y, x, reduction, _flat(target), *parameters)


def binary_cross_entropy_forward(x, target, weight, reduction):
    """Same contract as in ``reference``."""
    shapes.check_binary(x, target, weight, reduction)
    return _forward(_binary, COST_OF_LOG, x, reduction, _flat(target), _or_one(weight, x))


def binary_cross_entropy_backward_x(grad_y, x, target, weight, reduction):
    """Same contract as in ``reference``."""
    op = "binary_cross_entropy"
    shapes.check_binary(x, target, weight, reduction)
    return _backward(op, _binary_backward_x, 8, grad_y, x, reduction, _flat(target), _or_one(weight, x))


def binary_cross_entropy_backward_target(grad_y, x, target, weight, reduction):
    """Same contract as in ``reference``."""
    op = "binary_cross_entropy"
    shapes.check_binary(x, target, weight, reduction)
    return _backward(op, _binary_backward_target, COST_OF_LOG, grad_y, x, reduction, _or_one(weight, x))


def binary_cross_entropy_with_logits_forward(x, target, weight, pos_weight, reduction):
    """Same contract as in ``reference``."""
    shapes.check_logits(x, target, weight, pos_weight, reduction)
    arguments = _flat(target), _or_one(weight, x), _or_one(pos_weight, x)
    return _forward(_binary_logits, COST_OF_LOG, x, reduction, *arguments)


def binary_cross_entropy_with_logits_backward_x(grad_y, x, target, weight, pos_weight, reduction):
    """Same contract as in ``reference``."""
    op = "binary_cross_entropy_with_logits"
    shapes.check_logits(x, target, weight, pos_weight, reduction)
    arguments = _flat(target), _or_one(weight, x), _or_one(pos_weight, x)
    return _backward(op, _binary_logits_backward_x, COST_OF_LOG, grad_y, x, reduction, *arguments)


def binary_cross_entropy_with_logits_backward_target(grad_y, x, target, weight, pos_weight, reduction):
    """Same contract as in ``reference``."""
    op = "binary_cross_entropy_with_logits"
    shapes.check_logits(x, target, weight, pos_weight, reduction)
    arguments = _or_one(weight, x), _or_one(pos_weight, x)
    return _backward(op, _binary_logits_backward_target, COST_OF_LOG, grad_y, x, reduction, *arguments)


def _forward(loops, cost, x, reduction, *arguments):
    y = empty(x.shape, x.dtype)
    for_each(loops, x.size, cost * x.size, _flat(x), *arguments, y.reshape(-1))
    return y if reduction == "none" else shapes.reduce(total(y), x.size, reduction, x.dtype)


def _backward(op, loops, cost, grad_y, x, reduction, *arguments):
    shapes.check_gradient(op, grad_y, x, reduction, x.shape)
    with np.errstate(all="ignore"):
        scale = _flat(grad_y / x.dtype.type(x.size) if reduction == "mean" else grad_y)
    grad = empty(x.shape, x.dtype)
    for_each(loops, x.size, cost * x.size, _flat(x), *arguments, scale, grad.reshape(-1))
    return grad


def _flat(array):
    return readable(array).reshape(-1)


def _or_one(weight, x):
    return np.ones(1, x.dtype) if weight is None else _flat(weight)


@kernel
def _at(array, i):
    return array[0] if array.size == 1 else array[i]


@kernel
def _part(array, lo, hi):
    return array if array.size == 1 else array[lo:hi]


@kernel
def _squared(lo, hi, x, target, y):
    x, target, y = x[lo:hi], target[lo:hi], y[lo:hi]
    for i in range(x.size):
        z = x[i] - target[i]
        y[i] = z * z


@kernel
def _squared_slope(lo, hi, x, target, scale, grad_x):
    x, target, grad_x = x[lo:hi], target[lo:hi], grad_x[lo:hi]
    scale = _part(scale, lo, hi)
    for i in range(x.size):
        z = x[i] - target[i]
        grad_x[i] = _at(scale, i) * (z + z)


@kernel
def _absolute(lo, hi, x, target, y):
    x, target, y = x[lo:hi], target[lo:hi], y[lo:hi]
    for i in range(x.size):
        y[i] = abs(x[i] - target[i])


@kernel
def _absolute_slope(lo, hi, x, target, scale, grad_x):
    x, target, grad_x = x[lo:hi], target[lo:hi], grad_x[lo:hi]
    scale = _part(scale, lo, hi)
    for i in range(x.size):
        grad_x[i] = _at(scale, i) * ((x[i] > target[i]) - (x[i] < target[i]))


@kernel
def _bent(lo, hi, x, target, bend, curve, slope, y):
    """Smooth L1 and Huber's loss: curve z^2 up to the bend, a line of the given slope from there."""
    x, target, y = x[lo:hi], target[lo:hi], y[lo:hi]
    for i in range(x.size):
        z = abs(x[i] - target[i])
        y[i] = curve * z * z if z < bend else slope * (z - bend / 2)


@kernel
def _bent_slope(lo, hi, x, target, bend, slope, scale, grad_x):
    x, target, grad_x = x[lo:hi], target[lo:hi], grad_x[lo:hi]
    scale = _part(scale, lo, hi)
    for i in range(x.size):
        z = x[i] - target[i]
        g = _at(scale, i) * slope
        grad_x[i] = -g if z <= -bend else (g if z >= bend else g * (z / bend))


@kernel
def _binary(lo, hi, x, target, weight, y):
    x, target, y = x[lo:hi], target[lo:hi], y[lo:hi]
    weight = _part(weight, lo, hi)
    one, least = x.dtype.type(1), x.dtype.type(-100)
    for i in range(x.size):
        log_p, log_rest = max(math.log(x[i]), least), max(math.log1p(-x[i]), least)
        y[i] = -_at(weight, i) * (target[i] * log_p + (one - target[i]) * log_rest)


@kernel
def _binary_backward_x(lo, hi, x, target, weight, scale, grad_x):
    x, target, grad_x = x[lo:hi], target[lo:hi], grad_x[lo:hi]
    weight, scale = _part(weight, lo, hi), _part(scale, lo, hi)
    one, least = x.dtype.type(1), x.dtype.type(1e-12)
    for i in range(x.size):
        slope = (x[i] - target[i]) / max(x[i] * (one - x[i]), least)
        grad_x[i] = _at(scale, i) * _at(weight, i) * slope


@kernel
def _binary_backward_target(lo, hi, x, weight, scale, grad_target):
    x, grad_target = x[lo:hi], grad_target[lo:hi]
    weight, scale = _part(weight, lo, hi), _part(scale, lo, hi)
    for i in range(x.size):
        grad_target[i] = _at(scale, i) * _at(weight, i) * (math.log1p(-x[i]) - math.log(x[i]))


@kernel
def _log_sigmoid(x, zero):
    return min(x, zero) - math.log1p(math.exp(-abs(x)))


@kernel
def _binary_logits(lo, hi, x, target, weight, pos_weight, y):
    x, target, y = x[lo:hi], target[lo:hi], y[lo:hi]
    weight, pos_weight = _part(weight, lo, hi), _part(pos_weight, lo, hi)
    zero, one = x.dtype.type(0), x.dtype.type(1)
    for i in range(x.size):
        steepness = one + (_at(pos_weight, i) - one) * target[i]
        y[i] = _at(weight, i) * ((one - target[i]) * x[i] - steepness * _log_sigmoid(x[i], zero))


@kernel
def _binary_logits_backward_x(lo, hi, x, target, weight, pos_weight, scale, grad_x):
    x, target, grad_x = x[lo:hi], target[lo:hi], grad_x[lo:hi]
    weight, pos_weight, scale = _part(weight, lo, hi), _part(pos_weight, lo, hi), _part(scale, lo, hi)
    one = x.dtype.type(1)
    for i in range(x.size):
        positive = _at(pos_weight, i) * target[i]
        slope = (positive + one - target[i]) / (one + math.exp(-x[i])) - positive
        grad_x[i] = _at(scale, i) * _at(weight, i) * slope


@kernel
def _binary_logits_backward_target(lo, hi, x, weight, pos_weight, scale, grad_target):
    x, grad_target = x[lo:hi], grad_target[lo:hi]
    weight, pos_weight, scale = _part(weight, lo, hi), _part(pos_weight, lo, hi), _part(scale, lo, hi)
    zero = x.dtype.type(0)
    for i in range(x.size):
        slope = _log_sigmoid(-x[i], zero) - _at(pos_weight, i) * _log_sigmoid(x[i], zero)
        grad_target[i] = _at(scale, i) * _at(weight, i) * slope
