"""Transposed convolution on the GPU. Same contracts as ``kernels/conv_transpose/reference.py``.

Optimizations
-------------
* It is the convolution read backwards, and runs on its kernels (``kernels/gpu/convolution.py``): forward is ``spread``,
  the gradient for x ``gather``, the gradient for the weights ``relate`` with x as the coarse array, grad_y as the fine.
* The reference scatters: each pixel of x stamps the kernel onto y. Threads that did so would add to one place at once.
  Here a thread owns places of y and asks which pixels of x have stamped them.
* No zeros are put between the pixels of x. The places of y with the same remainder by the stride are reached by the
  same taps, and form a sum of their own (``kernels/gpu/convolution_rules.py``).
* Tiles in shared memory, sums of a thread in registers, parts of the long sums: as in ``kernels/conv/cuda.py``.
* Every sum begins with its channel's bias, so no second pass adds it.
"""

from kernels.conv_transpose import shapes
from kernels.gpu.convolution import gather, relate, spread, sum_channels
from kernels.gpu.memory import empty

__all__ = [
    "conv_transpose1d_backward_bias", "conv_transpose1d_backward_weight", "conv_transpose1d_backward_x",
    "conv_transpose1d_forward", "conv_transpose2d_backward_bias", "conv_transpose2d_backward_weight",
    "conv_transpose2d_backward_x", "conv_transpose2d_forward", "conv_transpose3d_backward_bias",
    "conv_transpose3d_backward_weight", "conv_transpose3d_backward_x", "conv_transpose3d_forward",
]  # fmt: skip


def conv_transpose1d_forward(x, weight, bias, stride, padding, output_padding, dilation, groups):
    """Same contract as in ``reference``."""
    return _forward("conv_transpose1d", 1, x, weight, bias, stride, padding, output_padding, dilation, groups)


def conv_transpose1d_backward_x(grad_y, weight, x_shape, stride, padding, output_padding, dilation, groups):
    """Same contract as in ``reference``."""
    return _backward_x(
        "conv_transpose1d", 1, grad_y, weight, x_shape, stride, padding, output_padding, dilation, groups
    )


def conv_transpose1d_backward_weight(grad_y, x, weight_shape, stride, padding, output_padding, dilation, groups):
    """Same contract as in ``reference``."""
    geometry = (stride, padding, output_padding, dilation, groups)
    return _backward_weight("conv_transpose1d", 1, grad_y, x, weight_shape, *geometry)


def conv_transpose1d_backward_bias(grad_y):
    """Same contract as in ``reference``."""
    return _backward_bias("conv_transpose1d", 1, grad_y)


def conv_transpose2d_forward(x, weight, bias, stride, padding, output_padding, dilation, groups):
    """Same contract as in ``reference``."""
    return _forward("conv_transpose2d", 2, x, weight, bias, stride, padding, output_padding, dilation, groups)


def conv_transpose2d_backward_x(grad_y, weight, x_shape, stride, padding, output_padding, dilation, groups):
    """Same contract as in ``reference``."""
    return _backward_x(
        "conv_transpose2d", 2, grad_y, weight, x_shape, stride, padding, output_padding, dilation, groups
    )


def conv_transpose2d_backward_weight(grad_y, x, weight_shape, stride, padding, output_padding, dilation, groups):
    """Same contract as in ``reference``."""
    geometry = (stride, padding, output_padding, dilation, groups)
    return _backward_weight("conv_transpose2d", 2, grad_y, x, weight_shape, *geometry)


def conv_transpose2d_backward_bias(grad_y):
    """Same contract as in ``reference``."""
    return _backward_bias("conv_transpose2d", 2, grad_y)


def conv_transpose3d_forward(x, weight, bias, stride, padding, output_padding, dilation, groups):
    """Same contract as in ``reference``."""
    return _forward("conv_transpose3d", 3, x, weight, bias, stride, padding, output_padding, dilation, groups)


def conv_transpose3d_backward_x(grad_y, weight, x_shape, stride, padding, output_padding, dilation, groups):
    """Same contract as in ``reference``."""
    return _backward_x(
        "conv_transpose3d", 3, grad_y, weight, x_shape, stride, padding, output_padding, dilation, groups
    )


def conv_transpose3d_backward_weight(grad_y, x, weight_shape, stride, padding, output_padding, dilation, groups):
    """Same contract as in ``reference``."""
    geometry = (stride, padding, output_padding, dilation, groups)
    return _backward_weight("conv_transpose3d", 3, grad_y, x, weight_shape, *geometry)


def conv_transpose3d_backward_bias(grad_y):
    """Same contract as in ``reference``."""
    return _backward_bias("conv_transpose3d", 3, grad_y)


def _forward(op, rank, x, weight, bias, stride, padding, output_padding, dilation, groups):
    y_shape = shapes.forward(op, rank, x, weight, bias, stride, padding, output_padding, dilation, groups)
    y = empty(y_shape, x.dtype)
    spread(x, weight, bias, y, stride, padding, dilation, groups)
    return y


def _backward_x(op, rank, grad_y, weight, x_shape, stride, padding, output_padding, dilation, groups):
    shapes.backward_x(op, rank, grad_y, weight, x_shape, stride, padding, output_padding, dilation, groups)
    grad_x = empty(x_shape, grad_y.dtype)
    gather(grad_y, weight, None, grad_x, stride, padding, dilation, groups)
    return grad_x


def _backward_weight(op, rank, grad_y, x, weight_shape, stride, padding, output_padding, dilation, groups):
    shapes.backward_weight(op, rank, grad_y, x, weight_shape, stride, padding, output_padding, dilation, groups)
    grad_weight = empty(weight_shape, x.dtype)
    relate(x, grad_y, grad_weight, stride, padding, dilation, groups)
    return grad_weight


def _backward_bias(op, rank, grad_y):
    shapes.backward_bias(op, rank, grad_y)
    grad_bias = empty(grad_y.shape[1], grad_y.dtype)
    sum_channels(grad_y, grad_bias)
    return grad_bias
