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

from kernels.jit import kernel
from kernels.memory import empty, readable, zeros
from kernels.parallel import for_each
from kernels.pooling import shapes

__all__ = [
    "max_pool1d_backward_x",
    "max_pool1d_forward",
    "max_pool2d_backward_x",
    "max_pool2d_forward",
    "max_pool3d_backward_x",
    "max_pool3d_forward",
]


def max_pool1d_forward(x, kernel_size, stride, padding, dilation, ceil_mode):
    """Same contract as in ``reference``."""
    return _max_forward("max_pool1d", 1, x, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d_forward(x, kernel_size, stride, padding, dilation, ceil_mode):
    """Same contract as in ``reference``."""
    return _max_forward("max_pool2d", 2, x, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool3d_forward(x, kernel_size, stride, padding, dilation, ceil_mode):
    """Same contract as in ``reference``."""
    return _max_forward("max_pool3d", 3, x, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool1d_backward_x(grad_y, indices, x_shape):
    """Same contract as in ``reference``."""
    return _max_backward("max_pool1d", 1, grad_y, indices, x_shape)


def max_pool2d_backward_x(grad_y, indices, x_shape):
    """Same contract as in ``reference``."""
    return _max_backward("max_pool2d", 2, grad_y, indices, x_shape)


def max_pool3d_backward_x(grad_y, indices, x_shape):
    """Same contract as in ``reference``."""
    return _max_backward("max_pool3d", 3, grad_y, indices, x_shape)


def _max_forward(op, rank, x, kernel_size, stride, padding, dilation, ceil_mode):
    shape = shapes.max_pool(op, x, rank, kernel_size, stride, padding, dilation, ceil_mode)
    y, indices = empty(shape, x.dtype), empty(shape, np.int64)
    volumes = _volumes(readable(x)), _volumes(y), _volumes(indices)
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
    planes = (_planes(readable(array)) for array in (grad_y, indices))
    for_each(_add_at, math.prod(x_shape[:2]), grad_y.size, *planes, _planes(grad_x))
    return grad_x


def _volumes(array):
    """(N, C, …) as (planes, D, H, W), with size 1 for the axes that a row or a picture lacks."""
    sizes = array.shape[2:]
    return array.reshape(math.prod(array.shape[:2]), *(1,) * (3 - len(sizes)), *sizes)


def _planes(array):
    """(N, C, …) as (planes, places)."""
    return array.reshape(math.prod(array.shape[:2]), math.prod(array.shape[2:]))


def _in_three_axes(bounds):
    """First and stop of the windows along depth, height and width; one window for an axis that is not there."""
    absent = [(np.zeros(1, np.int64), np.ones(1, np.int64))] * (3 - len(bounds))
    return [array for axis in (*absent, *bounds) for array in axis]


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
