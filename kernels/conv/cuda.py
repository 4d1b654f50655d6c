"""Convolution on the GPU. Same contracts as ``kernels/conv/reference.py``.

Optimizations
-------------
* Each sum is a product of matrices, computed tile by tile in shared memory: a block of threads owns a tile of outputs,
  a thread 32 or 64 of them in registers. The matrix of patches ("im2col") is never written.
* The next part of a tile comes from memory while the present one is added up.
* Where a tile would be mostly empty (a few channels, depthwise convolution), a thread owns one output and follows the
  formula.
* The gradient for x is gathered: each pixel asks which outputs have read it. No element is added to by two threads, so
  results repeat bit for bit. With a stride, pixels with the same remainder form a sum of their own, without idle taps.
* The gradient of the weights has few results, each a sum over all pixels of the batch. Blocks share the pixels and
  leave partial sums, which are added up in their order. How many there are follows from the shape.
* One loop for every rank: a row or a picture is a volume of depth 1. No launch but the sums themselves: neither weights
  nor pixels are rearranged first.

Where to read on: ``cuda_steps.py`` has the 2-D forward pass in two steps from the formula to tiles,
``kernels/gpu/convolution.py`` the sums that run here. The transposed convolution is the same sums with the roles
exchanged.
"""

from kernels.conv import shapes
from kernels.conv.cuda_pad import pad_backward_x, pad_forward
from kernels.gpu.convolution import gather, relate, spread, sum_channels
from kernels.gpu.memory import empty

__all__ = [
    "conv1d_backward_bias", "conv1d_backward_weight", "conv1d_backward_x", "conv1d_forward",
    "conv2d_backward_bias", "conv2d_backward_weight", "conv2d_backward_x", "conv2d_forward",
    "conv3d_backward_bias", "conv3d_backward_weight", "conv3d_backward_x", "conv3d_forward",
    "pad_backward_x", "pad_forward",
]  # fmt: skip


def conv1d_forward(x, weight, bias, stride, padding, dilation, groups):
    """Same contract as in ``reference``."""
    return _forward("conv1d", 1, x, weight, bias, stride, padding, dilation, groups)


def conv1d_backward_x(grad_y, weight, x_shape, stride, padding, dilation, groups):
    """Same contract as in ``reference``."""
    return _backward_x("conv1d", 1, grad_y, weight, x_shape, stride, padding, dilation, groups)


def conv1d_backward_weight(grad_y, x, weight_shape, stride, padding, dilation, groups):
    """Same contract as in ``reference``."""
    return _backward_weight("conv1d", 1, grad_y, x, weight_shape, stride, padding, dilation, groups)


def conv1d_backward_bias(grad_y):
    """Same contract as in ``reference``."""
    return _backward_bias("conv1d", 1, grad_y)


def conv2d_forward(x, weight, bias, stride, padding, dilation, groups):
    """Same contract as in ``reference``."""
    return _forward("conv2d", 2, x, weight, bias, stride, padding, dilation, groups)


def conv2d_backward_x(grad_y, weight, x_shape, stride, padding, dilation, groups):
    """Same contract as in ``reference``."""
    return _backward_x("conv2d", 2, grad_y, weight, x_shape, stride, padding, dilation, groups)


def conv2d_backward_weight(grad_y, x, weight_shape, stride, padding, dilation, groups):
    """Same contract as in ``reference``."""
    return _backward_weight("conv2d", 2, grad_y, x, weight_shape, stride, padding, dilation, groups)


def conv2d_backward_bias(grad_y):
    """Same contract as in ``reference``."""
    return _backward_bias("conv2d", 2, grad_y)


def conv3d_forward(x, weight, bias, stride, padding, dilation, groups):
    """Same contract as in ``reference``."""
    return _forward("conv3d", 3, x, weight, bias, stride, padding, dilation, groups)


def conv3d_backward_x(grad_y, weight, x_shape, stride, padding, dilation, groups):
    """Same contract as in ``reference``."""
    return _backward_x("conv3d", 3, grad_y, weight, x_shape, stride, padding, dilation, groups)


def conv3d_backward_weight(grad_y, x, weight_shape, stride, padding, dilation, groups):
    """Same contract as in ``reference``."""
    return _backward_weight("conv3d", 3, grad_y, x, weight_shape, stride, padding, dilation, groups)


def conv3d_backward_bias(grad_y):
    """Same contract as in ``reference``."""
    return _backward_bias("conv3d", 3, grad_y)


def _forward(op, rank, x, weight, bias, stride, padding, dilation, groups):
    y = empty(shapes.forward(op, rank, x, weight, bias, stride, padding, dilation, groups), x.dtype)
    gather(x, weight, bias, y, stride, padding, dilation, groups)
    return y


def _backward_x(op, rank, grad_y, weight, x_shape, stride, padding, dilation, groups):
    shapes.backward_x(op, rank, grad_y, weight, x_shape, stride, padding, dilation, groups)
    grad_x = empty(x_shape, grad_y.dtype)
    spread(grad_y, weight, None, grad_x, stride, padding, dilation, groups)
    return grad_x


def _backward_weight(op, rank, grad_y, x, weight_shape, stride, padding, dilation, groups):
    shapes.backward_weight(op, rank, grad_y, x, weight_shape, stride, padding, dilation, groups)
    grad_weight = empty(weight_shape, x.dtype)
    relate(grad_y, x, grad_weight, stride, padding, dilation, groups)
    return grad_weight


def _backward_bias(op, rank, grad_y):
    shapes.backward_bias(op, rank, grad_y)
    grad_bias = empty(grad_y.shape[1], grad_y.dtype)
    sum_channels(grad_y, grad_bias)
    return grad_bias
