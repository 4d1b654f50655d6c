"""Fast convolution. Same contracts as ``kernels/conv/reference.py``.

Optimizations
-------------
* Eight rows by one vector of sums stay in registers (``kernels/gemm.py``). A row is an output channel, the lanes are
  neighbouring pixels, so the results lie in memory as they are needed and nothing is transposed.
* A padded copy of one picture's band takes every test for the border out of the loops, and the stride as well; it stays
  in the cache (``kernels/convolution_plan.py`` says how). No matrix of patches ("im2col") is written: taps are
  distances in the copy.
* Forward and backward_x are one loop: only the tables of offsets differ. Where there are few output channels (depthwise
  convolution, the gradient for a grey picture), two rows by four vectors take the place of eight rows by one.
* Weights are packed so that the eight that meet one vector lie side by side.
* backward_weight keeps eight taps by one vector of output channels in registers while it walks over the pixels.
* One loop for every rank: a row or a picture is a volume of depth 1; a pointwise convolution is a row.
* Threads share pictures, groups and bands. Every output element belongs to one of them; the gradient of the weights is
  added up from parts whose number follows from the shape. So the bits do not depend on the number of threads.

The transposed convolution is the same sums with the roles exchanged: they stand in ``kernels/convolution.py``.
"""

from kernels.conv import shapes
from kernels.conv.cpu_pad import pad_backward_x, pad_forward
from kernels.convolution import gather, relate, spread, sum_channels
from kernels.memory import empty

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
