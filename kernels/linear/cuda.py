"""Matrix products on the GPU. Same contracts as ``kernels/linear/reference.py``.

Optimizations
-------------
* Every function is one product of ``kernels/gpu/matmul.py``, where a block of threads owns a tile of the result and
  reads its operands through shared memory; the bias is added before the result is written.
* Transposed operands are read in place: which element a thread loads is chosen so that neighbours read neighbours.
* The gradient of the weights sums over all rows of the batch and often has few elements. Its sum is cut into parts,
  which fill the GPU, and the parts are added in a fixed order. So is the gradient of the bias, a tree of sums.
"""

from kernels.gpu.matmul import matmul
from kernels.gpu.memory import empty
from kernels.gpu.sums import sum_axis
from kernels.linear import shapes

__all__ = [
    "linear_backward_bias", "linear_backward_weight", "linear_backward_x", "linear_forward", "matmul_backward_a",
    "matmul_backward_b", "matmul_forward",
]  # fmt: skip


def matmul_forward(a, b):
    """Same contract as in ``reference``."""
    return matmul(a, b, empty(shapes.matmul(a, b), a.dtype))


def matmul_backward_a(grad_y, b):
    """Same contract as in ``reference``."""
    return matmul(grad_y, b.swapaxes(1, 2), empty(shapes.matmul_backward_a(grad_y, b), b.dtype))


def matmul_backward_b(grad_y, a):
    """Same contract as in ``reference``."""
    return matmul(a.swapaxes(1, 2), grad_y, empty(shapes.matmul_backward_b(grad_y, a), a.dtype))


def linear_forward(x, weight, bias):
    """Same contract as in ``reference``."""
    return matmul(x, weight.T, empty(shapes.linear(x, weight, bias), x.dtype), bias=bias)


def linear_backward_x(grad_y, weight):
    """Same contract as in ``reference``."""
    return matmul(grad_y, weight, empty(shapes.linear_backward_x(grad_y, weight), weight.dtype))


def linear_backward_weight(grad_y, x):
    """Same contract as in ``reference``."""
    return matmul(grad_y.T, x, empty(shapes.linear_backward_weight(grad_y, x), x.dtype))


def linear_backward_bias(grad_y):
    """Same contract as in ``reference``."""
    shapes.linear_backward_bias(grad_y)
    return sum_axis(grad_y[None])[0]
