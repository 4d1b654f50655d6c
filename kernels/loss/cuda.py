"""Losses over classes on the GPU. Same contracts as ``kernels/loss/reference.py``.

Optimizations
-------------
* Cross entropy is fused: a tile of threads (``kernels/gpu/axis.py``) shares a position (n, d), finds its largest score,
  the sum of exponentials and the loss; no array of log-probabilities is written. Over pixels (D large) a thread has a
  position of its own, and neighbours read neighbours; over many classes a block shares one.
* The backward pass needs only log_sum_exp. A thread gathers: it owns elements of grad_x, and asks whether each is the
  target's. None is written by two threads, none is set to 0 beforehand.
* The arithmetic is of the dtype of `x`. log_sum_exp is float64, the sum of two numbers of that dtype, so that score
  minus log_sum_exp loses nothing; so are the sums over positions.
* The sums of losses and of weights are one launch, their quotient another: nothing waits for the host.

A class that does not exist counts as ignored, and the next copy to the host raises IndexError
(``kernels/gpu/faults.py``).
"""

import math

import numpy as np

from kernels.elementary import formula
from kernels.gpu import faults
from kernels.gpu.axis import tile
from kernels.gpu.elementwise import over_elements
from kernels.gpu.launch import per_element
from kernels.gpu.memory import empty, readable
from kernels.gpu.sums import sum_all, sum_axis
from kernels.loss import cuda_loops as loops
from kernels.loss import shapes
from kernels.loss.cuda_elementwise import (
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
    """Same contract as in ``reference``; weight_sum is a DeviceArray of float64 and shape ()."""
    shapes.check_index_targets("cross_entropy", x, target, weight, ignore_index, reduction, label_smoothing)
    classes, log_sum_exp = _classes(x), empty(target.shape, np.float64)
    y, weights, both = _one_for_each(target, x, reduction)
    loops.cross_entropy[tile(*classes.shape)](
        classes, _flat(target), _weights(weight, x), int(ignore_index), x.dtype.type(label_smoothing), _flat(y),
        _flat(log_sum_exp), weights, *_report("cross_entropy", x, ignore_index),
    )  # fmt: skip
    y, weight_sum = _reduced(y, weights, both, reduction, x.dtype)
    return y, log_sum_exp, weight_sum


def cross_entropy_backward_x(
    grad_y, x, target, weight, ignore_index, label_smoothing, reduction, log_sum_exp, weight_sum
):
    """Same contract as in ``reference``; weight_sum is the DeviceArray of the forward pass."""
    shapes.check_index_targets("cross_entropy", x, target, weight, ignore_index, reduction, label_smoothing)
    shapes.check_saved("cross_entropy", log_sum_exp, x)
    shapes.check_gradient("cross_entropy", grad_y, x, reduction, log_sum_exp.shape)
    grad_x, classes, nothing = empty(x.shape, x.dtype), _classes(x), _nothing_of(x)
    total = nothing if weight is None or not label_smoothing else sum_all(weight)
    loops.cross_entropy_backward[tile(*classes.shape)](
        _flat(grad_y), classes, _flat(target), _weights(weight, x), _flat(total), int(ignore_index),
        x.dtype.type(label_smoothing), _flat(log_sum_exp), _divisor(weight_sum, x, reduction), _classes(grad_x),
        *_report("cross_entropy", x, ignore_index),
    )  # fmt: skip
    return grad_x


def soft_cross_entropy_forward(x, target, weight, label_smoothing, reduction):
    """Same contract as in ``reference``."""
    shapes.check_soft_targets("cross_entropy", x, target, weight, label_smoothing, reduction)
    positions, classes = shapes.positions(x.shape), _classes(x)
    y, log_sum_exp = empty(positions, x.dtype if reduction == "none" else np.float64), empty(positions, np.float64)
    arguments = classes, _classes(target), _weights(weight, x), x.dtype.type(label_smoothing)
    loops.soft_cross_entropy[tile(*classes.shape)](*arguments, _flat(y), _flat(log_sum_exp))
    if reduction != "none":
        divisor = y.size if reduction == "mean" else 1
        y = sum_axis(y.reshape(1, -1, 1), divisor=divisor, result=x.dtype).reshape(())
    return y, log_sum_exp


def soft_cross_entropy_backward_x(grad_y, x, target, weight, label_smoothing, reduction, log_sum_exp):
    """Same contract as in ``reference``."""
    shapes.check_soft_targets("cross_entropy", x, target, weight, label_smoothing, reduction)
    shapes.check_saved("cross_entropy", log_sum_exp, x)
    shapes.check_gradient("cross_entropy", grad_y, x, reduction, log_sum_exp.shape)
    grad_x, classes = empty(x.shape, x.dtype), _classes(x)
    divisor = log_sum_exp.size if reduction == "mean" else 1
    arguments = _flat(grad_y), classes, _classes(target), _weights(weight, x), x.dtype.type(label_smoothing)
    loops.soft_cross_entropy_backward_x[tile(*classes.shape)](
        *arguments, _flat(log_sum_exp), x.dtype.type(divisor), _classes(grad_x)
    )
    return grad_x


def soft_cross_entropy_backward_target(grad_y, x, weight, label_smoothing, reduction, log_sum_exp):
    """Same contract as in ``reference``."""
    shapes.check_classes("cross_entropy", x, weight)
    shapes.check_smoothing("cross_entropy", label_smoothing)
    shapes.check_saved("cross_entropy", log_sum_exp, x)
    shapes.check_gradient("cross_entropy", grad_y, x, reduction, log_sum_exp.shape)
    grad_target, classes = empty(x.shape, x.dtype), _classes(x)
    divisor = log_sum_exp.size if reduction == "mean" else 1
    arguments = _flat(grad_y), classes, _weights(weight, x), x.dtype.type(label_smoothing)
    loops.soft_cross_entropy_backward_target[tile(*classes.shape)](
        *arguments, _flat(log_sum_exp), x.dtype.type(divisor), _classes(grad_target)
    )
    return grad_target


def nll_loss_forward(x, target, weight, ignore_index, reduction):
    """Same contract as in ``reference``; weight_sum is a DeviceArray of float64 and shape ()."""
    shapes.check_index_targets("nll_loss", x, target, weight, ignore_index, reduction, 0.0)
    y, weights, both = _one_for_each(target, x, reduction)
    arguments = _classes(x), _flat(target), _weights(weight, x), int(ignore_index), _flat(y), weights
    loops.nll[per_element(target.size)](*arguments, *_report("nll_loss", x, ignore_index))
    return _reduced(y, weights, both, reduction, x.dtype)


def nll_loss_backward_x(grad_y, x, target, weight, ignore_index, reduction, weight_sum):
    """Same contract as in ``reference``; weight_sum is the DeviceArray of the forward pass."""
    shapes.check_index_targets("nll_loss", x, target, weight, ignore_index, reduction, 0.0)
    shapes.check_gradient("nll_loss", grad_y, x, reduction, target.shape)
    grad_x = empty(x.shape, x.dtype)
    classes = _classes(grad_x)
    loops.nll_backward[tile(*classes.shape)](
        _flat(grad_y), _flat(target), _weights(weight, x), int(ignore_index), _divisor(weight_sum, x, reduction),
        classes, *_report("nll_loss", x, ignore_index),
    )  # fmt: skip
    return grad_x


def _classes(array):
    return readable(array).reshape(*array.shape[:2], math.prod(array.shape[2:]))


def _flat(array):
    return readable(array).reshape(-1)


def _nothing_of(x):
    """An array of no element, which tells a kernel that an argument is missing; no memory, no launch."""
    return _flat(x)[:0]


def _weights(weight, x):
    return _nothing_of(x) if weight is None else readable(weight)


def _divisor(weight_sum, x, reduction):
    return _flat(weight_sum) if reduction == "mean" else _nothing_of(x)


def _report(op, x, ignore_index):
    return faults.code(shapes.out_of_bounds(op, x, ignore_index)), faults.note()


def _one_for_each(target, x, reduction):
    """New arrays for losses and weights; where both will be summed up they are the rows of a third, in float64."""
    if reduction == "none":
        return empty(target.shape, x.dtype), empty(target.size, np.float64), None
    both = empty((2, target.size), np.float64)
    return both[0], both[1], both


def _reduced(y, weights, both, reduction, dtype):
    """The loss, and the sum of the weights."""
    if reduction == "none":
        return y, sum_all(weights)
    sums = sum_axis(both.reshape(2, -1, 1))
    if reduction == "sum":
        return sums[0].astype(dtype).reshape(()), sums[1].reshape(())
    return over_elements(_quotient, sums[0], sums[1], dtype=dtype).reshape(()), sums[1].reshape(())


@formula
def _quotient(loss, weight_sum):
    return loss / weight_sum
