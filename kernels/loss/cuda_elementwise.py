"""Elementwise losses on the GPU, part of ``kernels/loss/cuda.py``. Same contracts as ``reference_elementwise.py``.

Optimizations
-------------
* One formula for a loss and one for its slope; a thread owns an element (``kernels/gpu/elementwise.py``).
* A reduced loss is added up while it is computed (``kernels/gpu/sums.py``): x and target are read once, no single loss
  is written. The elements are of the dtype of `x`, the sum is float64: one addition for each element, which even a GPU
  with few float64 units does in the shadow of the reading.
* The gradient of a reduced loss is one number on the device. Every thread reads it there; the host never waits for it.
* What is missing (a weight) costs nothing: there is a kernel without it.

A probability outside 0 … 1 is not refused, for nobody on the host looks at it: its logarithm is NaN.
"""

import numpy as np

from kernels.elementary import formula
from kernels.gpu import math
from kernels.gpu.elementwise import of_mean, over_elements, weighted
from kernels.gpu.sums import sum_of
from kernels.loss import shapes

__all__ = [
    "binary_cross_entropy_backward_target", "binary_cross_entropy_backward_x", "binary_cross_entropy_forward",
    "binary_cross_entropy_with_logits_backward_target", "binary_cross_entropy_with_logits_backward_x",
    "binary_cross_entropy_with_logits_forward", "huber_loss_backward_x", "huber_loss_forward", "l1_loss_backward_x",
    "l1_loss_forward", "mse_loss_backward_x", "mse_loss_forward", "smooth_l1_loss_backward_x",
    "smooth_l1_loss_forward",
]  # fmt: skip


def mse_loss_forward(x, target, reduction):
    """Same contract as in ``reference``."""
    shapes.check_errors("mse_loss", x, target, reduction)
    return _forward(squared, x, target, reduction=reduction)


def mse_loss_backward_x(grad_y, x, target, reduction):
    """Same contract as in ``reference``."""
    shapes.check_errors("mse_loss", x, target, reduction)
    return _backward("mse_loss", squared_slope, grad_y, x, target, reduction=reduction)


def l1_loss_forward(x, target, reduction):
    """Same contract as in ``reference``."""
    shapes.check_errors("l1_loss", x, target, reduction)
    return _forward(absolute, x, target, reduction=reduction)


def l1_loss_backward_x(grad_y, x, target, reduction):
    """Same contract as in ``reference``."""
    shapes.check_errors("l1_loss", x, target, reduction)
    return _backward("l1_loss", absolute_slope, grad_y, x, target, reduction=reduction)


def smooth_l1_loss_forward(x, target, beta, reduction):
    """Same contract as in ``reference``."""
    shapes.check_positive("smooth_l1_loss", "beta", beta)
    shapes.check_errors("smooth_l1_loss", x, target, reduction)
    return _forward(bent, x, target, reduction=reduction, parameters=(beta, 0.5 / beta, 1))


def smooth_l1_loss_backward_x(grad_y, x, target, beta, reduction):
    """Same contract as in ``reference``."""
    shapes.check_positive("smooth_l1_loss", "beta", beta)
    shapes.check_errors("smooth_l1_loss", x, target, reduction)
    return _backward("smooth_l1_loss", bent_slope, grad_y, x, target, reduction=reduction, parameters=(beta, 1))


def huber_loss_forward(x, target, delta, reduction):
    """Same contract as in ``reference``."""
    shapes.check_positive("huber_loss", "delta", delta)
    shapes.check_errors("huber_loss", x, target, reduction)
    return _forward(bent, x, target, reduction=reduction, parameters=(delta, 0.5, delta))


def huber_loss_backward_x(grad_y, x, target, delta, reduction):
    """Same contract as in ``reference``."""
    shapes.check_positive("huber_loss", "delta", delta)
    shapes.check_errors("huber_loss", x, target, reduction)
    return _backward("huber_loss", bent_slope, grad_y, x, target, reduction=reduction, parameters=(delta, delta))


def binary_cross_entropy_forward(x, target, weight, reduction):
    """Same contract as in ``reference``."""
    shapes.check_binary(x, target, weight, reduction)
    return _forward(binary, x, target, weight=weight, reduction=reduction)


def binary_cross_entropy_backward_x(grad_y, x, target, weight, reduction):
    """Same contract as in ``reference``."""
    shapes.check_binary(x, target, weight, reduction)
    return _backward("binary_cross_entropy", binary_slope, grad_y, x, target, weight=weight, reduction=reduction)


def binary_cross_entropy_backward_target(grad_y, x, target, weight, reduction):
    """Same contract as in ``reference``."""
    shapes.check_binary(x, target, weight, reduction)
    return _backward("binary_cross_entropy", binary_target_slope, grad_y, x, weight=weight, reduction=reduction)


def binary_cross_entropy_with_logits_forward(x, target, weight, pos_weight, reduction):
    """Same contract as in ``reference``."""
    shapes.check_logits(x, target, weight, pos_weight, reduction)
    return _forward(logits, x, target, *_given(pos_weight), weight=weight, reduction=reduction)


def binary_cross_entropy_with_logits_backward_x(grad_y, x, target, weight, pos_weight, reduction):
    """Same contract as in ``reference``."""
    op = "binary_cross_entropy_with_logits"
    shapes.check_logits(x, target, weight, pos_weight, reduction)
    return _backward(op, logits_slope, grad_y, x, target, *_given(pos_weight), weight=weight, reduction=reduction)


def binary_cross_entropy_with_logits_backward_target(grad_y, x, target, weight, pos_weight, reduction):
    """Same contract as in ``reference``."""
    op = "binary_cross_entropy_with_logits"
    shapes.check_logits(x, target, weight, pos_weight, reduction)
    return _backward(op, logits_target_slope, grad_y, x, *_given(pos_weight), weight=weight, reduction=reduction)


def _given(array):
    return () if array is None else (array,)


def _forward(loss, x, *arrays, reduction, weight=None, parameters=()):
    if weight is not None:
        loss, arrays = weighted(loss), (weight, *arrays)
    if reduction == "none":
        return over_elements(loss, x, *arrays, parameters=parameters)
    divisor = x.size if reduction == "mean" else 1
    return sum_of(loss, x, *arrays, parameters=parameters, dtype=np.float64, divisor=divisor, result=x.dtype)


def _backward(op, slope, grad_y, x, *arrays, reduction, weight=None, parameters=()):
    shapes.check_gradient(op, grad_y, x, reduction, x.shape)
    if weight is not None:
        slope, arrays = weighted(slope), (weight, *arrays)
    if reduction == "mean":
        return over_elements(of_mean(slope), x, grad_y, *arrays, parameters=(*parameters, x.size))
    return over_elements(weighted(slope), x, grad_y, *arrays, parameters=parameters)


@formula
def squared(x, target):
    z = x - target
    return z * z


@formula
def squared_slope(x, target):
    z = x - target
    return z + z


@formula
def absolute(x, target):
    return abs(x - target)


@formula
def absolute_slope(x, target):
    real = type(x)
    return real(1) if x > target else real(-1) if x < target else real(0)


@formula
def bent(x, target, bend, curve, slope):
    """Smooth L1 and Huber's loss: curve z^2 up to the bend, a line of the given slope from there."""
    z = abs(x - target)
    return curve * z * z if z < bend else slope * (z - type(x)(0.5) * bend)


@formula
def bent_slope(x, target, bend, slope):
    z = x - target
    return -slope if z <= -bend else slope if z >= bend else slope * (z / bend)


@formula
def _at_least(x, least):
    return least if x < least else x  # NaN stays NaN


@formula
def binary(x, target):
    real = type(x)
    log_p, log_rest = _at_least(math.log(x), real(-100)), _at_least(math.log1p(-x), real(-100))
    return -(target * log_p + (real(1) - target) * log_rest)


@formula
def binary_slope(x, target):
    real = type(x)
    return (x - target) / _at_least(x * (real(1) - x), real(1e-12))


@formula
def binary_target_slope(x):
    return math.log1p(-x) - math.log(x)


@formula
def _log_sigmoid(x):
    return (x if x < 0 else type(x)(0)) - math.log1p(math.exp(-abs(x)))


@formula
def logits(x, target, pos_weight=1):
    one, positive = type(x)(1), type(x)(pos_weight)
    return (one - target) * x - (one + (positive - one) * target) * _log_sigmoid(x)


@formula
def logits_slope(x, target, pos_weight=1):
    one, positive = type(x)(1), type(x)(pos_weight) * target
    return (positive + one - target) / (one + math.exp(-x)) - positive


@formula
def logits_target_slope(x, pos_weight=1):
    return _log_sigmoid(-x) - type(x)(pos_weight) * _log_sigmoid(x)
