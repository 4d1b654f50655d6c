"""Pooling on the GPU. Same contracts as ``kernels/pooling/reference.py``.

Optimizations
-------------
* One thread owns one window, or in a gradient one element, of which it gathers what all windows over it send. No two
  threads write to one place, so nothing is added atomically, and every result repeats bit for bit.
* One kernel for every rank, and for fixed and adaptive windows: a row is a volume of depth and height 1, and where
  windows lie is five numbers for each axis (``cuda_windows.py``).
* Threads along x are neighbours along the last axis: they read and write neighbouring addresses.
* A large window that no neighbour shares, as in global pooling, is given to a whole block: its threads read
  neighbouring elements, and a tree in shared memory brings their results together.
* The gradient of max pooling, and unpooling, look at the few windows over an element and not at all of them, though
  they are told indices only (``cuda_places.py``).
* Nothing is copied to the device: window bounds are computed where they are needed.

Notes
-----
Sums have the dtype of `x`. Indices cannot be looked at before the launch: one that points outside its plane counts for
nothing (unpooling's gradient has NaN there), and the next copy to the host raises IndexError.
"""

import math

import numpy as np

from kernels.gpu.memory import empty, readable, zeros
from kernels.gpu.target import SIMULATED
from kernels.pooling import cuda_max, cuda_mean, cuda_places, shapes
from kernels.pooling.cuda_windows import adaptive_axes, fixed_axes

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


#: Windows of so many elements are worth a block each.
_LARGE = 12 if SIMULATED else 128

#: So many threads keep a GPU busy; fewer windows are shared out among more threads each.
_BUSY = 4 if SIMULATED else 2**16


def _by_teams(x, y, taps):
    """Whether a block for each window is better than a thread: windows that overlap are read through the cache."""
    return taps >= _LARGE and (y.size <= _BUSY or y.size * taps <= 4 * x.size)


def _taps(sizes_in, kernel_size):
    return math.prod(min(int(K), size) for K, size in zip(kernel_size, sizes_in))


def _adaptive_taps(sizes_in, sizes_out):
    return math.prod(-(-size_in // max(size_out, 1)) for size_in, size_out in zip(sizes_in, sizes_out))


def _max_forward(op, rank, x, kernel_size, stride, padding, dilation, ceil_mode):
    shape = shapes.max_pool(op, x, rank, kernel_size, stride, padding, dilation, ceil_mode)
    axes = fixed_axes(kernel_size, stride, padding, dilation)
    return _largest(x, shape, axes, _taps(x.shape[2:], kernel_size))


def _adaptive_max_forward(op, rank, x, output_size):
    shape = shapes.adaptive_pool(op, x, x.shape, rank, output_size, False)
    return _largest(x, shape, adaptive_axes(x.shape[2:], output_size), _adaptive_taps(x.shape[2:], output_size))


def _largest(x, shape, axes, taps):
    y, indices = empty(shape, x.dtype), empty(shape, np.int64)
    launch = cuda_max.largest_by_teams if _by_teams(x, y, taps) else cuda_max.largest
    launch(shapes.volumes(readable(x)), shapes.volumes(y), shapes.volumes(indices), axes)
    return y, indices


def _max_backward(op, rank, grad_y, indices, x_shape):
    shapes.check_max_backward(op, grad_y, indices, x_shape, rank)
    grad_x = empty(x_shape, grad_y.dtype)
    _collect(cuda_places.sums_at, op, grad_y, indices, grad_x)
    return grad_x


def _unpool_forward(op, rank, x, indices, output_size):
    y = empty(shapes.max_unpool(op, x, indices, rank, output_size), x.dtype)
    _collect(cuda_places.last_at, op, x, indices, y)
    return y


def _collect(launch, op, values, indices, y):
    number = cuda_places.code(op, y.shape[2:])
    values, indices, y = (shapes.volumes(array) for array in (readable(values), readable(indices), y))
    launch(values, indices, y, cuda_places.measured(indices, y.shape[1:], number))


def _unpool_backward(op, rank, grad_y, indices):
    shapes.check_unpool_backward(op, grad_y, indices, rank)
    grad_x = empty(indices.shape, grad_y.dtype)
    planes = (shapes.planes(array) for array in (readable(grad_y), readable(indices), grad_x))
    cuda_places.taken_at(*planes, cuda_places.code(op, grad_y.shape[2:]))
    return grad_x


def _avg_forward(op, rank, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    shape = shapes.avg_pool(op, x, x.shape, rank, kernel_size, stride, padding, ceil_mode, divisor_override)
    divisor = int(divisor_override or 0), int(bool(count_include_pad))
    return _means(x, shape, fixed_axes(kernel_size, stride, padding), divisor, _taps(x.shape[2:], kernel_size))


def _adaptive_avg_forward(op, rank, x, output_size):
    shape = shapes.adaptive_pool(op, x, x.shape, rank, output_size, True)
    taps = _adaptive_taps(x.shape[2:], output_size)
    return _means(x, shape, adaptive_axes(x.shape[2:], output_size), (0, 0), taps)


def _means(x, shape, axes, divisor, taps):
    y = empty(shape, x.dtype)
    launch = cuda_mean.means_by_teams if _by_teams(x, y, taps) else cuda_mean.means
    launch(shapes.volumes(readable(x)), shapes.volumes(y), axes, divisor)
    return y


def _avg_backward(
    op, rank, grad_y, x_shape, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
):
    shape = shapes.avg_pool(op, grad_y, x_shape, rank, kernel_size, stride, padding, ceil_mode, divisor_override)
    shapes.check_gradient(op, grad_y, shape)
    divisor = int(divisor_override or 0), int(bool(count_include_pad))
    return _shares(grad_y, x_shape, fixed_axes(kernel_size, stride, padding), divisor)


def _adaptive_avg_backward(op, rank, grad_y, x_shape):
    shape = shapes.adaptive_pool(op, grad_y, x_shape, rank, grad_y.shape[2:], True)
    shapes.check_gradient(op, grad_y, shape)
    return _shares(grad_y, x_shape, adaptive_axes(x_shape[2:], shape[2:]), (0, 0))


def _shares(grad_y, x_shape, axes, divisor):
    if grad_y.size == 0:  # no window, nothing to share
        return zeros(x_shape, readable(grad_y).dtype)
    grad_x = empty(x_shape, grad_y.dtype)
    cuda_mean.shares(shapes.volumes(readable(grad_y)), shapes.volumes(grad_x), axes, divisor)
    return grad_x
