"""Fast pooling. Same contracts as ``kernels/pooling/reference.py``.

Optimizations
-------------
* One loop for every rank: a row or a picture is a volume of depth 1, so there is little to compile.
* One loop for fixed and adaptive windows: where each window begins and ends along each axis is computed beforehand
  (``shapes.windows``), which also takes every test for the border out of the loop.
* Threads share the planes (n, c); each plane, and so each element of an output or a gradient, belongs to one thread.
  So scattering a gradient needs no lock, and the bits do not depend on the number of threads.
* The window of nearly every network, 2 by 2 with stride 2 and no padding, has a loop of its own without inner loops,
  which the compiler turns into vector instructions: four loads and three comparisons for each output.
"""

import math

import numpy as np

from kernels.jit import REASSOCIATE, kernel
from kernels.memory import empty, readable, zeros
from kernels.parallel import for_each
from kernels.pooling import shapes

__all__ = [
    "adaptive_avg_pool1d_backward_x", "adaptive_avg_pool1d_forward", "adaptive_avg_pool2d_backward_x",
    "adaptive_avg_pool2d_forward", "adaptive_avg_pool3d_backward_x", "adaptive_avg_pool3d_forward",
    "adaptive_max_pool1d_forward", "adaptive_max_pool2d_forward", "adaptive_max_pool3d_forward",
    "avg_pool1d_backward_x", "avg_pool1d_forward", "avg_pool2d_backward_x", "avg_pool2d_forward",
    "avg_pool3d_backward_x", "avg_pool3d_forward", "max_pool1d_backward_x", "max_pool1d_forward",
    "max_pool2d_backward_x", "max_pool2d_forward", "max_pool3d_backward_x", "max_pool3d_forward",
    "max_unpool1d_backward_x", "max_unpool1d_forward", "max_unpool2d_backward_x", "max_unpool2d_forward",
    "max_unpool3d_backward_x", "max_unpool3d_forward",
]  # fmt: skip


def max_pool1d_forward(x, kernel_size, stride, padding, dilation, ceil_mode):
    """Same contract as in ``reference``."""
    return _max_forward("max_pool1d", 1, x, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool1d_backward_x(grad_y, indices, x_shape):
    """Same contract as in ``reference``."""
    return _max_backward("max_pool1d", 1, grad_y, indices, x_shape)


def avg_pool1d_forward(x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    """Same contract as in ``reference``."""
    geometry = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    return _avg_forward("avg_pool1d", 1, x, *geometry)


def avg_pool1d_backward_x(
    grad_y, x_shape, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
):
    """Same contract as in ``reference``."""
    geometry = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    return _avg_backward("avg_pool1d", 1, grad_y, x_shape, *geometry)


def adaptive_max_pool1d_forward(x, output_size):
    """Same contract as in ``reference``."""
    return _adaptive_max_forward("adaptive_max_pool1d", 1, x, output_size)


def adaptive_avg_pool1d_forward(x, output_size):
    """Same contract as in ``reference``."""
    return _adaptive_avg_forward("adaptive_avg_pool1d", 1, x, output_size)


def adaptive_avg_pool1d_backward_x(grad_y, x_shape):
    """Same contract as in ``reference``."""
    return _adaptive_avg_backward("adaptive_avg_pool1d", 1, grad_y, x_shape)


def max_unpool1d_forward(x, indices, output_size):
    """Same contract as in ``reference``."""
    return _unpool_forward("max_unpool1d", 1, x, indices, output_size)


def max_unpool1d_backward_x(grad_y, indices):
    """Same contract as in ``reference``."""
    return _unpool_backward("max_unpool1d", 1, grad_y, indices)


def max_pool2d_forward(x, kernel_size, stride, padding, dilation, ceil_mode):
    """Same contract as in ``reference``."""
    return _max_forward("max_pool2d", 2, x, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d_backward_x(grad_y, indices, x_shape):
    """Same contract as in ``reference``."""
    return _max_backward("max_pool2d", 2, grad_y, indices, x_shape)


def avg_pool2d_forward(x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    """Same contract as in ``reference``."""
    geometry = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    return _avg_forward("avg_pool2d", 2, x, *geometry)


def avg_pool2d_backward_x(
    grad_y, x_shape, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
):
    """Same contract as in ``reference``."""
    geometry = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    return _avg_backward("avg_pool2d", 2, grad_y, x_shape, *geometry)


def adaptive_max_pool2d_forward(x, output_size):
    """Same contract as in ``reference``."""
    return _adaptive_max_forward("adaptive_max_pool2d", 2, x, output_size)


def adaptive_avg_pool2d_forward(x, output_size):
    """Same contract as in ``reference``."""
    return _adaptive_avg_forward("adaptive_avg_pool2d", 2, x, output_size)


def adaptive_avg_pool2d_backward_x(grad_y, x_shape):
    """Same contract as in ``reference``."""
    return _adaptive_avg_backward("adaptive_avg_pool2d", 2, grad_y, x_shape)


def max_unpool2d_forward(x, indices, output_size):
    """Same contract as in ``reference``."""
    return _unpool_forward("max_unpool2d", 2, x, indices, output_size)


def max_unpool2d_backward_x(grad_y, indices):
    """Same contract as in ``reference``."""
    return _unpool_backward("max_unpool2d", 2, grad_y, indices)


def max_pool3d_forward(x, kernel_size, stride, padding, dilation, ceil_mode):
    """Same contract as in ``reference``."""
    return _max_forward("max_pool3d", 3, x, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool3d_backward_x(grad_y, indices, x_shape):
    """Same contract as in ``reference``."""
    return _max_backward("max_pool3d", 3, grad_y, indices, x_shape)


def avg_pool3d_forward(x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    """Same contract as in ``reference``."""
    geometry = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    return _avg_forward("avg_pool3d", 3, x, *geometry)


def avg_pool3d_backward_x(
    grad_y, x_shape, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
):
    """Same contract as in ``reference``."""
    geometry = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    return _avg_backward("avg_pool3d", 3, grad_y, x_shape, *geometry)


def adaptive_max_pool3d_forward(x, output_size):
    """Same contract as in ``reference``."""
    return _adaptive_max_forward("adaptive_max_pool3d", 3, x, output_size)


def adaptive_avg_pool3d_forward(x, output_size):
    """Same contract as in ``reference``."""
    return _adaptive_avg_forward("adaptive_avg_pool3d", 3, x, output_size)


def adaptive_avg_pool3d_backward_x(grad_y, x_shape):
    """Same contract as in ``reference``."""
    return _adaptive_avg_backward("adaptive_avg_pool3d", 3, grad_y, x_shape)


def max_unpool3d_forward(x, indices, output_size):
    """Same contract as in ``reference``."""
    return _unpool_forward("max_unpool3d", 3, x, indices, output_size)


def max_unpool3d_backward_x(grad_y, indices):
    """Same contract as in ``reference``."""
    return _unpool_backward("max_unpool3d", 3, grad_y, indices)


def _max_forward(op, rank, x, kernel_size, stride, padding, dilation, ceil_mode):
    shape = shapes.max_pool(op, x, rank, kernel_size, stride, padding, dilation, ceil_mode)
    y, indices = empty(shape, x.dtype), empty(shape, np.int64)
    volumes = shapes.volumes(readable(x)), shapes.volumes(y), shapes.volumes(indices)
    if (kernel_size, stride, padding, dilation) == ((2, 2), (2, 2), (0, 0), (1, 1)) and not ceil_mode:
        for_each(_max_2x2, len(volumes[0]), x.size, *volumes)
    else:
        axes = zip(x.shape[2:], shape[2:], kernel_size, stride, padding, dilation)
        bounds = _in_three_axes([shapes.windows(*axis) for axis in axes])
        steps = (1,) * (3 - rank) + dilation
        for_each(_max_windows, len(volumes[0]), y.size * math.prod(kernel_size), *volumes, *bounds, *steps)
    return y, indices


def _max_backward(op, rank, grad_y, indices, x_shape):
    shapes.check_max_backward(op, grad_y, indices, x_shape, rank)
    grad_x = zeros(x_shape, grad_y.dtype)
    planes = (shapes.planes(readable(array)) for array in (grad_y, indices))
    for_each(_add_at, math.prod(x_shape[:2]), grad_y.size, *planes, shapes.planes(grad_x))
    return grad_x


def _avg_forward(op, rank, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    shape = shapes.avg_pool(op, x, x.shape, rank, kernel_size, stride, padding, ceil_mode, divisor_override)
    axes = [*zip(x.shape[2:], shape[2:], kernel_size, stride, padding)]
    return _mean(x, shape, *_mean_windows_of(axes, count_include_pad, divisor_override))


def _avg_backward(
    op, rank, grad_y, x_shape, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
):
    shape = shapes.avg_pool(op, grad_y, x_shape, rank, kernel_size, stride, padding, ceil_mode, divisor_override)
    shapes.check_gradient(op, grad_y, shape)
    axes = [*zip(x_shape[2:], shape[2:], kernel_size, stride, padding)]
    return _share(grad_y, x_shape, *_mean_windows_of(axes, count_include_pad, divisor_override))


def _adaptive_max_forward(op, rank, x, output_size):
    shape = shapes.adaptive_pool(op, x, x.shape, rank, output_size, False)
    y, indices = empty(shape, x.dtype), empty(shape, np.int64)
    volumes = shapes.volumes(readable(x)), shapes.volumes(y), shapes.volumes(indices)
    bounds = _in_three_axes([shapes.adaptive_windows(*axis) for axis in zip(x.shape[2:], output_size)])
    for_each(_max_windows, len(volumes[0]), max(x.size, y.size), *volumes, *bounds, 1, 1, 1)
    return y, indices


def _adaptive_avg_forward(op, rank, x, output_size):
    shape = shapes.adaptive_pool(op, x, x.shape, rank, output_size, True)
    bounds = [shapes.adaptive_windows(*axis) for axis in zip(x.shape[2:], output_size)]
    return _mean(x, shape, bounds, [stop - first for first, stop in bounds])


def _adaptive_avg_backward(op, rank, grad_y, x_shape):
    shape = shapes.adaptive_pool(op, grad_y, x_shape, rank, grad_y.shape[2:], True)
    shapes.check_gradient(op, grad_y, shape)
    bounds = [shapes.adaptive_windows(*axis) for axis in zip(x_shape[2:], shape[2:])]
    return _share(grad_y, x_shape, bounds, [stop - first for first, stop in bounds])


def _unpool_forward(op, rank, x, indices, output_size):
    y = zeros(shapes.max_unpool(op, x, indices, rank, output_size), x.dtype)
    planes = (shapes.planes(readable(array)) for array in (x, indices))
    for_each(_put_at, math.prod(x.shape[:2]), x.size, *planes, shapes.planes(y))
    return y


def _unpool_backward(op, rank, grad_y, indices):
    shapes.check_unpool_backward(op, grad_y, indices, rank)
    grad_x = empty(indices.shape, grad_y.dtype)
    planes = (shapes.planes(readable(array)) for array in (grad_y, indices))
    for_each(_take_at, math.prod(indices.shape[:2]), indices.size, *planes, shapes.planes(grad_x))
    return grad_x


def _mean_windows_of(axes, count_include_pad, divisor_override):
    """Bounds of the windows along each axis, and the factors of the divisor: it is a product over the axes."""
    bounds = [shapes.windows(*axis, 1) for axis in axes]
    if divisor_override is not None:
        divisors = [np.full(axis[1], divisor_override if i == 0 else 1) for i, axis in enumerate(axes)]
    elif count_include_pad:
        divisors = [shapes.window_lengths(*axis) for axis in axes]
    else:
        divisors = [stop - first for first, stop in bounds]
    return bounds, divisors


def _mean(x, shape, bounds, divisors):
    y = empty(shape, x.dtype)
    cost = max(x.size, y.size)
    planes = math.prod(shape[:2])
    for_each(
        _mean_windows, planes, cost, shapes.volumes(readable(x)), shapes.volumes(y), *_in_three_axes(bounds, divisors)
    )
    return y


def _share(grad_y, x_shape, bounds, divisors):
    """The gradient of `_mean`."""
    grad_x = zeros(x_shape, grad_y.dtype)
    volumes = shapes.volumes(readable(grad_y)), shapes.volumes(grad_x)
    for_each(
        _share_windows, len(volumes[0]), max(grad_x.size, grad_y.size), *volumes, *_in_three_axes(bounds, divisors)
    )
    return grad_x


def _in_three_axes(bounds, divisors=()):
    """First, stop (and divisor) of the windows along depth, height, width; one window for an axis that is not there."""
    absent = 3 - len(bounds)
    bounds = [(np.zeros(1, np.int64), np.ones(1, np.int64))] * absent + bounds
    factors = [np.ones(1)] * absent + [divisor.astype(np.float64) for divisor in divisors] if divisors else []
    return [array for axis in bounds for array in axis] + factors


@kernel
def _max_windows(lo, hi, x, y, indices, d_first, d_stop, h_first, h_stop, w_first, w_stop, dil_d, dil_h, dil_w):
    _, _, H_in, W_in = x.shape
    _, D_out, H_out, W_out = y.shape
    for plane in range(lo, hi):
        for d_out in range(D_out):
            for h_out in range(H_out):
                for w_out in range(W_out):
                    place = (d_first[d_out] * H_in + h_first[h_out]) * W_in + w_first[w_out]
                    largest = x[plane, d_first[d_out], h_first[h_out], w_first[w_out]]
                    for d_in in range(d_first[d_out], d_stop[d_out], dil_d):
                        for h_in in range(h_first[h_out], h_stop[h_out], dil_h):
                            for w_in in range(w_first[w_out], w_stop[w_out], dil_w):
                                value = x[plane, d_in, h_in, w_in]
                                if value > largest or value != value:  # the second: NaN
                                    largest = value
                                    place = (d_in * H_in + h_in) * W_in + w_in
                    y[plane, d_out, h_out, w_out] = largest
                    indices[plane, d_out, h_out, w_out] = place


@kernel
def _max_2x2(lo, hi, x, y, indices):
    W_in = x.shape[3]
    _, _, H_out, W_out = y.shape
    for plane in range(lo, hi):
        for h_out in range(H_out):
            upper, lower = x[plane, 0, 2 * h_out], x[plane, 0, 2 * h_out + 1]
            values, places = y[plane, 0, h_out], indices[plane, 0, h_out]
            for w_out in range(W_out):
                place = 2 * h_out * W_in + 2 * w_out
                a, b = upper[2 * w_out], upper[2 * w_out + 1]
                c, d = lower[2 * w_out], lower[2 * w_out + 1]
                ab, at_ab = (b, 1) if b > a or b != b else (a, 0)
                abc, at_abc = (c, W_in) if c > ab or c != c else (ab, at_ab)
                largest, at = (d, W_in + 1) if d > abc or d != d else (abc, at_abc)
                values[w_out] = largest
                places[w_out] = place + at


@kernel
def _add_at(lo, hi, grad_y, indices, grad_x):
    for plane in range(lo, hi):
        for out in range(grad_y.shape[1]):
            grad_x[plane, indices[plane, out]] += grad_y[plane, out]


@kernel
def _put_at(lo, hi, x, indices, y):
    for plane in range(lo, hi):
        for i in range(x.shape[1]):
            y[plane, indices[plane, i]] = x[plane, i]


@kernel
def _take_at(lo, hi, grad_y, indices, grad_x):
    for plane in range(lo, hi):
        for i in range(grad_x.shape[1]):
            grad_x[plane, i] = grad_y[plane, indices[plane, i]]


@kernel(fastmath=REASSOCIATE)
def _mean_windows(lo, hi, x, y, d_first, d_stop, h_first, h_stop, w_first, w_stop, d_div, h_div, w_div):
    _, D_out, H_out, W_out = y.shape
    for plane in range(lo, hi):
        for d_out in range(D_out):
            for h_out in range(H_out):
                for w_out in range(W_out):
                    acc = 0.0  # float64: a global mean adds up the whole picture
                    for d_in in range(d_first[d_out], d_stop[d_out]):
                        for h_in in range(h_first[h_out], h_stop[h_out]):
                            for w_in in range(w_first[w_out], w_stop[w_out]):
                                acc += x[plane, d_in, h_in, w_in]
                    y[plane, d_out, h_out, w_out] = acc / (d_div[d_out] * h_div[h_out] * w_div[w_out])


@kernel
def _share_windows(lo, hi, grad_y, grad_x, d_first, d_stop, h_first, h_stop, w_first, w_stop, d_div, h_div, w_div):
    _, D_out, H_out, W_out = grad_y.shape
    for plane in range(lo, hi):
        for d_out in range(D_out):
            for h_out in range(H_out):
                for w_out in range(W_out):
                    share = grad_y[plane, d_out, h_out, w_out] / (d_div[d_out] * h_div[h_out] * w_div[w_out])
                    for d_in in range(d_first[d_out], d_stop[d_out]):
                        for h_in in range(h_first[h_out], h_stop[h_out]):
                            for w_in in range(w_first[w_out], w_stop[w_out]):
                                grad_x[plane, d_in, h_in, w_in] += share
