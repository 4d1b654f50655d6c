"""Local response norm, fast. Same contracts as in ``reference_rows``.

Optimizations
-------------
* A thread owns whole planes (n, c); the squares of a window are added plane by plane, 16 float32 at a time.
* Backward computes the scale and what each number does to its window once, then adds over windows.
* The usual exponent, 0.75, is two square roots, which are vector instructions, instead of a call of pow.
"""

import math

import numpy as np

from kernels.elementary import formula
from kernels.jit import kernel
from kernels.memory import empty, readable
from kernels.norm import shapes
from kernels.parallel import for_each

__all__ = ["local_response_norm_backward_x", "local_response_norm_forward"]

#: Elementary operations per element beside those for each place in the window.
OPERATIONS = 16


def local_response_norm_forward(x, size, alpha, beta, k):
    """Same contract as in ``reference``."""
    shapes.local_response_norm("local_response_norm", {"x": x}, size)
    N, C, _ = x.shape
    y, cost = empty(x.shape, x.dtype), x.size * (OPERATIONS + min(size, C))
    for_each(_forward, N * C, cost, readable(x), size, *_numbers(x.dtype, alpha / size, beta, k), y)
    return y


def local_response_norm_backward_x(grad_y, x, size, alpha, beta, k):
    """Same contract as in ``reference``."""
    shapes.local_response_norm("local_response_norm", {"x": x, "grad_y": grad_y}, size)
    N, C, _ = x.shape
    grad_x, pull, cost = empty(x.shape, x.dtype), empty(x.shape, x.dtype), x.size * (OPERATIONS + min(size, C))
    numbers = _numbers(x.dtype, alpha / size, beta, k)
    for_each(_backward, N * C, cost, readable(grad_y), readable(x), size, *numbers, pull, grad_x)
    factor = _numbers(x.dtype, 2 * alpha * beta / size)
    for_each(_pull_back, N * C, cost, readable(x), pull, size, *factor, grad_x)
    return grad_x


def _numbers(dtype, *values):
    with np.errstate(over="ignore"):
        return [dtype.type(value) for value in values]


@formula
def _power(s, beta):
    """s^beta."""
    return math.sqrt(s) * math.sqrt(math.sqrt(s)) if beta == 0.75 else s**beta


@formula
def _window_scale(planes, c, size, share, k, scale):
    """scale = k + share * the squares of the window of plane c."""
    scale[:] = 0
    for i in range(max(c - size // 2, 0), min(c + (size - 1) // 2 + 1, planes.shape[0])):
        plane = planes[i]
        for l in range(plane.size):  # noqa: E741 - the formula's letter
            scale[l] += plane[l] * plane[l]
    for l in range(scale.size):  # noqa: E741
        scale[l] = k + share * scale[l]


@kernel
def _forward(lo, hi, x, size, share, beta, k, y):
    C = x.shape[1]
    for p in range(lo, hi):
        n, c = p // C, p % C
        plane, result = x[n, c], y[n, c]
        _window_scale(x[n], c, size, share, k, result)
        for l in range(plane.size):  # noqa: E741
            result[l] = plane[l] / _power(result[l], beta)


@kernel
def _backward(lo, hi, grad_y, x, size, share, beta, k, pull, grad_x):
    C = x.shape[1]
    for p in range(lo, hi):
        n, c = p // C, p % C
        grad, plane, pulled, result = grad_y[n, c], x[n, c], pull[n, c], grad_x[n, c]
        _window_scale(x[n], c, size, share, k, pulled)
        for l in range(plane.size):  # noqa: E741
            result[l] = grad[l] / _power(pulled[l], beta)
            pulled[l] = result[l] * plane[l] / pulled[l]


@kernel
def _pull_back(lo, hi, x, pull, size, factor, grad_x):
    C = x.shape[1]
    for p in range(lo, hi):
        n, c = p // C, p % C
        plane, result = x[n, c], grad_x[n, c]
        for i in range(max(c - (size - 1) // 2, 0), min(c + size // 2 + 1, C)):
            pulled = pull[n, i]
            for l in range(plane.size):  # noqa: E741
                result[l] -= factor * plane[l] * pulled[l]
