"""Kernels of the losses over classes, part of ``kernels/loss/cuda.py``.

x is (N, C, D), positions are counted as n * D + d. `weight` with no element stands for ones, `weight_sum` with no
element for no division; a gradient `grad_y` of one element is that of a reduced loss.
"""

import numpy as np
from numba import cuda

from kernels.gpu import math
from kernels.gpu.axis import BLOCK, place, tree_max, tree_sum
from kernels.gpu.launch import device_function, kernel


@device_function
def _log_sum_exp(x, n, d, first, C, step, scratch):
    """The largest score of a position, and log sum_c exp(x[n, c, d] - largest); every thread of the block must call.

    The largest score itself adds exactly 1. Counted apart, it leaves a small rest all its digits, and log1p keeps them.
    """
    largest = x.dtype.type(-np.inf)
    for c in range(first, C, step):
        largest = x[n, c, d] if x[n, c, d] > largest else largest
    largest = tree_max(scratch, largest)
    zero, one = x.dtype.type(0), x.dtype.type(1)
    ones = rest = zero
    for c in range(first, C, step):
        z = x[n, c, d] - largest
        if z == zero:
            ones += one
        else:  # NaN where the largest is infinite
            rest += math.exp(z)
    ones = tree_sum(scratch, ones)
    rest = tree_sum(scratch, rest)
    return largest, math.log1p((ones - one) + rest)


@device_function
def _weight(weight, c):
    return weight[c] if weight.size > 0 else weight.dtype.type(1)


@device_function
def _wanted(target, weight, smoothing, n, c, d):
    real = target.dtype.type
    return _weight(weight, c) * ((real(1) - smoothing) * target[n, c, d] + smoothing / real(target.shape[1]))


@device_function
def _softmax(x, n, c, d, log_sum_exp):
    # the difference in float64, the exponential in the dtype of x
    return math.exp(x.dtype.type(x[n, c, d] - log_sum_exp))


@device_function
def _scale(grad_y, position, divisor):
    return grad_y[min(position, grad_y.size - 1)] / divisor


@device_function
def _weight_sum(weight_sum, grad_y):
    return grad_y.dtype.type(weight_sum[0]) if weight_sum.size > 0 else grad_y.dtype.type(1)


@device_function
def _counts(t, C, ignore_index, code, note):
    """Whether a position has a class. A class that does not exist is noted and counts as none."""
    if t == ignore_index:
        return False
    if 0 <= t < C:
        return True
    note[0], note[1] = code, t
    return False


@kernel
def cross_entropy(x, target, weight, ignore_index, smoothing, y, log_sum_exp, weights, code, note):
    scratch = cuda.shared.array(BLOCK, x.dtype)
    n, d, first, step, inside = place(x)
    C = x.shape[1] if inside else 0
    largest, log = _log_sum_exp(x, n, d, first, C, step, scratch)
    real = x.dtype.type
    even = real(0)
    if smoothing > real(0):
        for c in range(first, C, step):
            even += _weight(weight, c) * ((largest - x[n, c, d]) + log)
        even = tree_sum(scratch, even) * (smoothing / real(x.shape[1]))
    if inside and first == 0:
        position = n * x.shape[2] + d
        log_sum_exp[position] = log_sum_exp.dtype.type(largest) + log_sum_exp.dtype.type(log)
        t = target[position]
        if _counts(t, C, ignore_index, code, note):
            own = (real(1) - smoothing) * _weight(weight, t) * ((largest - x[n, t, d]) + log)
            y[position], weights[position] = own + even, _weight(weight, t)
        else:
            y[position], weights[position] = real(0), real(0)


@kernel
def cross_entropy_backward(
    grad_y, x, target, weight, total_weight, ignore_index, smoothing, log_sum_exp, weight_sum, grad_x, code, note
):
    n, d, first, step, inside = place(x)
    if inside:
        real, C = x.dtype.type, x.shape[1]
        position = n * x.shape[2] + d
        t, scale = target[position], _scale(grad_y, position, _weight_sum(weight_sum, grad_y))
        own = even = real(0)  # what is wanted: for the target's class, and times its weight for every class
        if _counts(t, C, ignore_index, code, note):
            own, even = (real(1) - smoothing) * _weight(weight, t), smoothing / real(C)
        else:
            scale = real(0)  # even where the mean's scale is infinite
        wanted_sum = own
        if even > real(0):
            wanted_sum += even * (total_weight[0] if total_weight.size > 0 else real(C))
        for c in range(first, C, step):
            wanted = (own if c == t else real(0)) + even * _weight(weight, c)
            grad_x[n, c, d] = scale * (_softmax(x, n, c, d, log_sum_exp[position]) * wanted_sum - wanted)


@kernel
def soft_cross_entropy(x, target, weight, smoothing, y, log_sum_exp):
    scratch = cuda.shared.array(BLOCK, x.dtype)
    n, d, first, step, inside = place(x)
    C = x.shape[1] if inside else 0
    largest, log = _log_sum_exp(x, n, d, first, C, step, scratch)
    acc = x.dtype.type(0)
    for c in range(first, C, step):
        acc += _wanted(target, weight, smoothing, n, c, d) * ((largest - x[n, c, d]) + log)
    acc = tree_sum(scratch, acc)
    if inside and first == 0:
        position = n * x.shape[2] + d
        log_sum_exp[position] = log_sum_exp.dtype.type(largest) + log_sum_exp.dtype.type(log)
        y[position] = acc


@kernel
def soft_cross_entropy_backward_x(grad_y, x, target, weight, smoothing, log_sum_exp, divisor, grad_x):
    scratch = cuda.shared.array(BLOCK, x.dtype)
    n, d, first, step, inside = place(x)
    C = x.shape[1] if inside else 0
    acc = x.dtype.type(0)
    for c in range(first, C, step):
        acc += _wanted(target, weight, smoothing, n, c, d)
    wanted_sum = tree_sum(scratch, acc)
    if inside:
        position = n * x.shape[2] + d
        scale = _scale(grad_y, position, divisor)
        for c in range(first, C, step):
            share = _softmax(x, n, c, d, log_sum_exp[position]) * wanted_sum
            grad_x[n, c, d] = scale * (share - _wanted(target, weight, smoothing, n, c, d))


@kernel
def soft_cross_entropy_backward_target(grad_y, x, weight, smoothing, log_sum_exp, divisor, grad_target):
    n, d, first, step, inside = place(x)
    if inside:
        position = n * x.shape[2] + d
        scale = _scale(grad_y, position, divisor) * (x.dtype.type(1) - smoothing)
        for c in range(first, x.shape[1], step):
            surprise = x.dtype.type(log_sum_exp[position] - x[n, c, d])
            grad_target[n, c, d] = scale * _weight(weight, c) * surprise


@kernel
def nll(x, target, weight, ignore_index, y, weights, code, note):
    position = cuda.grid(1)
    if position < target.size:
        t, D = target[position], x.shape[2]
        if _counts(t, x.shape[1], ignore_index, code, note):
            y[position] = -_weight(weight, t) * x[position // D, t, position % D]
            weights[position] = _weight(weight, t)
        else:
            y[position], weights[position] = x.dtype.type(0), x.dtype.type(0)


@kernel
def nll_backward(grad_y, target, weight, ignore_index, weight_sum, grad_x, code, note):
    n, d, first, step, inside = place(grad_x)
    if inside:
        position = n * grad_x.shape[2] + d
        t, zero = target[position], grad_x.dtype.type(0)
        slope = zero
        if _counts(t, grad_x.shape[1], ignore_index, code, note):
            slope = -_scale(grad_y, position, _weight_sum(weight_sum, grad_y)) * _weight(weight, t)
        for c in range(first, grad_x.shape[1], step):
            grad_x[n, c, d] = slope if c == t else zero
