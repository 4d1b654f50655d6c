"""Normalisation on the GPU. Same contracts as ``kernels/norm/reference.py``.

Optimizations
-------------
* One mechanism for all, as on the CPU: what batch norm does over a channel, the others do over rows. The sums, float64
  and each in a fixed order, stand in ``cuda_sums.py``; here is what is done with a number for each set, and with each
  element. A thread owns an element of y or of grad_x, and neighbours read neighbours.
* The elements are computed in the dtype of x, for float64 is slow on most GPUs. Where the mean is far from 0, it is
  taken off in two parts, mean = high + low: x - high is exact near the mean, and nothing is lost to rounding it.
* Backward reads x and grad_y twice: once for two sums, once for grad_x = a * (w * grad_y - c - b * (x - mean)), where
  a, b, c are the same for a set. Group and layer norm add up twice, over sets and over channels.
* Memory is what counts: forward reads x twice and writes y; what is computed in between fits the caches.
"""

import numpy as np
from numba import cuda

from kernels.elementary import formula
from kernels.gpu import math
from kernels.gpu.geometry import kernel_shape
from kernels.gpu.launch import kernel, per_element
from kernels.gpu.memory import empty, readable
from kernels.norm import cuda_sums, shapes
from kernels.norm.cuda_response import local_response_norm_backward_x, local_response_norm_forward

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
    """Same contract as in ``reference``."""
    shapes.batch_norm("batch_norm", {"x": x}, {}, {})
    return cuda_sums.statistics(readable(x))


def batch_norm_forward(x, weight, bias, mean, var, eps):
    """Same contract as in ``reference``."""
    shapes.batch_norm("batch_norm", {"x": x}, {"weight": weight, "bias": bias}, {"mean": mean, "var": var})
    return _scaled(readable(x), readable(mean), readable(var), eps, weight, bias, 0, 1)


def batch_norm_backward_all(grad_y, x, weight, mean, var, eps, training):
    """Same contract as in ``reference``."""
    arrays, statistics = {"x": x, "grad_y": grad_y}, {"mean": mean, "var": var}
    N, _, L = shapes.batch_norm("batch_norm", arrays, {"weight": weight}, statistics)
    grad_y, x, mean, inverse = readable(grad_y), readable(x), readable(mean), _inverse(var, eps)
    sums = cuda_sums.sums(grad_y, x, mean, inverse)
    grad_x = _mixed(grad_y, x, mean, inverse, sums if training else None, N * L, weight, None, 0, 1)
    return grad_x, *_parameters(sums, x.dtype)


def group_norm_forward(x, groups, weight, bias, eps):
    """Same contract as in ``reference``."""
    N, C, L = shapes.group_norm("group_norm", {"x": x}, groups, {"weight": weight, "bias": bias}, {})
    x = readable(x)
    mean, var = cuda_sums.statistics(_rows(x, N * groups, C // groups * L))
    y = _scaled(x, mean, var, eps, weight, bias, groups, C // groups)
    return y, mean.reshape(N, groups), var.reshape(N, groups)


def group_norm_backward_all(grad_y, x, groups, weight, mean, var, eps):
    """Same contract as in ``reference``."""
    arrays, statistics = {"x": x, "grad_y": grad_y}, {"mean": mean, "var": var}
    shapes.group_norm("group_norm", arrays, groups, {"weight": weight}, statistics)
    return _groups_backward(grad_y, x, groups, weight, readable(mean).reshape(-1), _inverse(var, eps))


def layer_norm_forward(x, weight, bias, eps):
    """Same contract as in ``reference``."""
    R, F = shapes.row_norm("layer_norm", {"x": x}, {"weight": weight, "bias": bias}, {})
    x = readable(x)
    mean, var = cuda_sums.statistics(_rows(x, R, F))
    return _scaled(x.reshape(R, F, 1), mean, var, eps, weight, bias, 1, max(F, 1)).reshape(R, F), mean, var


def layer_norm_backward_all(grad_y, x, weight, mean, var, eps):
    """Same contract as in ``reference``."""
    arrays, statistics = {"x": x, "grad_y": grad_y}, {"mean": mean, "var": var}
    R, F = shapes.row_norm("layer_norm", arrays, {"weight": weight}, statistics)
    planes = readable(grad_y).reshape(R, F, 1), readable(x).reshape(R, F, 1)
    grad_x, *gradients = _groups_backward(*planes, 1, weight, readable(mean), _inverse(var, eps))
    return grad_x.reshape(R, F), *gradients


def rms_norm_forward(x, weight, eps):
    """Same contract as in ``reference``."""
    R, F = shapes.row_norm("rms_norm", {"x": x}, {"weight": weight}, {})
    x = readable(x)
    _, square = cuda_sums.statistics(_rows(x, R, F), centred=False)
    return _scaled(x.reshape(R, F, 1), None, square, eps, weight, None, 1, max(F, 1)).reshape(R, F), square


def rms_norm_backward_all(grad_y, x, weight, square, eps):
    """Same contract as in ``reference``."""
    arrays = {"x": x, "grad_y": grad_y}
    R, F = shapes.row_norm("rms_norm", arrays, {"weight": weight}, {"square": square})
    planes = readable(grad_y).reshape(R, F, 1), readable(x).reshape(R, F, 1)
    grad_x, grad_weight, _ = _groups_backward(*planes, 1, weight, None, _inverse(square, eps))
    return grad_x.reshape(R, F), grad_weight


def _rows(x, sets, numbers):
    """Sets that lie in one piece, each as a channel."""
    return x.reshape(1, sets, numbers)


def _groups_backward(grad_y, x, groups, weight, mean, inverse):
    """Gradients for (N, C, L); `mean` is None where none was taken off."""
    N, C, L = x.shape
    grad_y, x, weight = readable(grad_y), readable(x), None if weight is None else readable(weight)
    sets, M, C_g = N * groups, C // groups * L, max(C // groups, 1)
    rows = _rows(grad_y, sets, M), _rows(x, sets, M)
    of_sets = cuda_sums.sums(*rows, mean, inverse, weight=weight, groups=groups, places=max(L, 1))
    of_channels = cuda_sums.sums(grad_y, x, mean, inverse, set_step=groups, channels=C_g)
    grad_x = _mixed(grad_y, x, mean, inverse, of_sets, M, None, weight, groups, C_g)
    return grad_x, *_parameters(of_channels, x.dtype)


def _parameters(sums, dtype):
    """Gradients of weight and bias."""
    return sums[1].astype(dtype), sums[0].astype(dtype)


def _inverse(var, eps):
    """1 / sqrt(var + eps), float64."""
    inverse = empty(var.size, np.float64)
    _invert[per_element(var.size)](readable(var).reshape(-1), np.float64(eps), inverse)
    return inverse


def _scaled(x, mean, var, eps, weight, bias, set_step, channels):
    """weight * (x - mean) / sqrt(var + eps) + bias; the set of (n, c) is n * set_step + c // channels."""
    y, factors = empty(x.shape, x.dtype), empty((3, var.size), x.dtype)
    _prepare_scaling[per_element(var.size)](mean, var, np.float64(eps), factors)
    parameters = (None if parameter is None else readable(parameter) for parameter in (weight, bias))
    places = _places(x.shape, set_step, channels)
    _scale[per_element(x.size)](x.reshape(-1), *places, factors, *parameters, y.reshape(-1))
    return y


def _mixed(grad_y, x, mean, inverse, sums, M, direct, weight, set_step, channels):
    """a * (weight * grad_y - c - b * (x - mean)); `direct` weighs a set; without `sums` mean and var are fixed."""
    grad_x, factors = empty(x.shape, x.dtype), empty((5, inverse.size), x.dtype)
    direct = None if direct is None else readable(direct)
    _prepare_mixing[per_element(inverse.size)](mean, inverse, sums, max(M, 1), direct, factors)
    arrays, moves = (grad_y.reshape(-1), x.reshape(-1)), sums is not None
    places = _places(x.shape, set_step, channels)
    _mix[per_element(x.size)](*arrays, *places, factors, moves, weight, grad_x.reshape(-1))
    return grad_x


def _places(shape, set_step, channels):
    """What `_channel_and_set` needs: of 32 bits where they suffice, for its divisions are most of a kernel's work."""
    shape = kernel_shape(shape)
    number = type(shape[0])
    return shape, number(set_step), number(channels)


@formula
def _channel_and_set(i, shape, set_step, channels):
    """c and s = n * set_step + c // channels of element i of (N, C, L)."""
    number = type(set_step)
    plane = number(number(i) // shape[2])
    c = number(plane % shape[1])
    return c, number(plane // shape[1]) * set_step + number(c // channels)


@kernel
def _invert(var, eps, inverse):
    s = cuda.grid(1)
    if s < var.size:
        inverse[s] = 1.0 / math.sqrt(var[s] + eps)


@kernel
def _prepare_scaling(mean, var, eps, factors):
    """For each set the mean in two parts, and what to multiply by."""
    s = cuda.grid(1)
    if s < var.size:
        high = low = factors.dtype.type(0)
        if mean is not None:
            high = factors.dtype.type(mean[s])
            low = factors.dtype.type(mean[s] - high) if math.isfinite(high) else low
        factors[0, s], factors[1, s] = high, low
        factors[2, s] = 1.0 / math.sqrt(var[s] + eps)


@kernel
def _scale(x, shape, set_step, channels, factors, weight, bias, y):
    i = cuda.grid(1)
    if i < y.size:
        c, s = _channel_and_set(i, shape, set_step, channels)
        value = ((x[i] - factors[0, s]) - factors[1, s]) * factors[2, s]
        if weight is not None:
            value *= weight[c]
        if bias is not None:
            value += bias[c]
        y[i] = value


@kernel
def _prepare_mixing(mean, inverse, sums, M, direct, factors):
    """For each set the mean in two parts, and a, b, c; in float64 until they are rounded."""
    s = cuda.grid(1)
    if s < inverse.size:
        high = low = factors.dtype.type(0)
        if mean is not None:
            high = factors.dtype.type(mean[s])
            low = factors.dtype.type(mean[s] - high) if math.isfinite(high) else low
        factors[0, s], factors[1, s] = high, low
        outside = inverse[s]
        if direct is not None:
            outside *= direct[s]
        factors[2, s] = outside
        if sums is not None:
            factors[3, s] = inverse[s] * sums[1, s] / M
            # where no mean was taken off, nothing moves it
            factors[4, s] = sums[0, s] / M if mean is not None else 0.0


@kernel
def _mix(grad_y, x, shape, set_step, channels, factors, moves, weight, grad_x):
    i = cuda.grid(1)
    if i < grad_x.size:
        c, s = _channel_and_set(i, shape, set_step, channels)
        inner = grad_y[i]
        if weight is not None:
            inner *= weight[c]
        if moves:
            inner = (inner - factors[4, s]) - factors[3, s] * ((x[i] - factors[0, s]) - factors[1, s])
        grad_x[i] = factors[2, s] * inner
