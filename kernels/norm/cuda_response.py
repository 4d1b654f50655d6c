"""Local response norm on the GPU. Same contracts as in ``reference_rows``.

Optimizations
-------------
* A thread owns an element of the result. The threads of a warp lie along l, so they read neighbours in each channel of
  the window; windows overlap, and what neighbours along c read again comes from the cache.
* Backward computes the scale of each element once, and what the element does to its window; a second kernel adds that
  over windows.
"""

from numba import cuda

from kernels.elementary import formula
from kernels.gpu import math
from kernels.gpu.launch import kernel, per_element
from kernels.gpu.memory import empty, readable
from kernels.norm import shapes

__all__ = ["local_response_norm_backward_x", "local_response_norm_forward"]


def local_response_norm_forward(x, size, alpha, beta, k):
    """Same contract as in ``reference``."""
    shapes.local_response_norm("local_response_norm", {"x": x}, size)
    y, number = empty(x.shape, x.dtype), x.dtype.type
    _forward[per_element(y.size)](readable(x), int(size), number(alpha / size), number(beta), number(k), y)
    return y


def local_response_norm_backward_x(grad_y, x, size, alpha, beta, k):
    """Same contract as in ``reference``."""
    shapes.local_response_norm("local_response_norm", {"x": x, "grad_y": grad_y}, size)
    grad_y, x, number = readable(grad_y), readable(x), x.dtype.type
    grad_x, pull = empty(x.shape, x.dtype), empty(x.shape, x.dtype)
    numbers = number(alpha / size), number(beta), number(k)
    _backward[per_element(x.size)](grad_y, x, int(size), *numbers, pull, grad_x)
    _pull_back[per_element(x.size)](x, pull, int(size), number(2 * alpha * beta / size), grad_x)
    return grad_x


@formula
def _window_scale(x, n, c, l, size, share, k):  # noqa: E741 - the formula's letter
    """k + share * the squares of the window of channel c."""
    acc = share - share
    for i in range(max(c - size // 2, 0), min(c + (size - 1) // 2 + 1, x.shape[1])):
        acc += x[n, i, l] * x[n, i, l]
    return k + share * acc


@kernel
def _forward(x, size, share, beta, k, y):
    i, (_, C, L) = cuda.grid(1), y.shape
    if i < y.size:
        n, c, l = i // (C * L), i // L % C, i % L  # noqa: E741
        y[n, c, l] = x[n, c, l] / math.pow(_window_scale(x, n, c, l, size, share, k), beta)


@kernel
def _backward(grad_y, x, size, share, beta, k, pull, grad_x):
    """The direct part of the gradient, and what each element adds to the sums of its neighbours."""
    i, (_, C, L) = cuda.grid(1), x.shape
    if i < x.size:
        n, c, l = i // (C * L), i // L % C, i % L  # noqa: E741
        scale = _window_scale(x, n, c, l, size, share, k)
        direct = grad_y[n, c, l] / math.pow(scale, beta)
        grad_x[n, c, l] = direct
        pull[n, c, l] = direct * x[n, c, l] / scale


@kernel
def _pull_back(x, pull, size, factor, grad_x):
    i, (_, C, L) = cuda.grid(1), x.shape
    if i < x.size:
        n, c, l = i // (C * L), i // L % C, i % L  # noqa: E741
        acc = x.dtype.type(0)
        for other in range(max(c - (size - 1) // 2, 0), min(c + size // 2 + 1, C)):
            acc += pull[n, other, l]
        grad_x[n, c, l] -= factor * x[n, c, l] * acc
