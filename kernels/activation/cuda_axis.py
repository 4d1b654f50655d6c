"""Activations that treat one axis apart, on the GPU. Same contracts as in ``reference_axis``.

Optimizations
-------------
* A softmax is a largest number, a sum and a quotient along an axis that a tile of threads shares: see
  ``kernels/gpu/axis.py`` for who reads what, and for the trees that join what they found.
* x is read three times, from the second time on mostly from the caches; exponentials are computed twice, which costs
  less than writing and reading them.
* Sums run in the dtype of x, in a tree or over few numbers. The bits never depend on the GPU.
* glu and prelu have no sum in forward: one thread, one element; the gradient for prelu's slopes is a sum of
  ``kernels/gpu/sums.py``.
"""

from functools import cache

import numpy as np
from numba import cuda

from kernels.activation import formulas, shapes
from kernels.elementary import formula
from kernels.gpu import math
from kernels.gpu.axis import BLOCK, place, tile, tree_max, tree_sum
from kernels.gpu.elementwise import named, over_rows
from kernels.gpu.launch import kernel
from kernels.gpu.memory import empty, readable
from kernels.gpu.sums import sum_channels

__all__ = [
    "glu_backward_x",
    "glu_forward",
    "log_softmax_backward_x",
    "log_softmax_forward",
    "prelu_backward_weight",
    "prelu_backward_x",
    "prelu_forward",
    "softmax_backward_x",
    "softmax_forward",
]


def softmax_forward(x, axis):
    """Same contract as in ``reference``."""
    return _forward("softmax", _softmax_result, x, axis)


def softmax_backward_x(grad_y, y, axis):
    """Same contract as in ``reference``."""
    return _backward("softmax_backward", _softmax_term, _softmax_gradient, grad_y, y, axis)


def log_softmax_forward(x, axis):
    """Same contract as in ``reference``."""
    return _forward("log_softmax", _log_softmax_result, x, axis)


def log_softmax_backward_x(grad_y, y, axis):
    """Same contract as in ``reference``."""
    return _backward("log_softmax_backward", _log_softmax_term, _log_softmax_gradient, grad_y, y, axis)


def glu_forward(x, axis):
    """Same contract as in ``reference``."""
    shapes.check_floats("glu", {"x": x})
    y = empty(shapes.gated("glu", x.shape, axis), x.dtype)
    value, gate = _halves(x, axis)
    over_rows(formulas.glu, value, gate, y=y.reshape(value.shape))
    return y


def glu_backward_x(grad_y, x, axis):
    """Same contract as in ``reference``."""
    shapes.check_gated("glu_backward", grad_y, x, axis)
    grad_x = empty(x.shape, x.dtype)
    value, gate = _halves(x, axis)
    grad_value, grad_gate = _halves(grad_x, axis)
    grad = readable(grad_y).reshape(value.shape)
    over_rows(formulas.glu_backward_value, grad, gate, y=grad_value)
    over_rows(formulas.glu_backward_gate, grad, value, gate, y=grad_gate)
    return grad_x


def prelu_forward(x, weight):
    """Same contract as in ``reference``."""
    shapes.check_slopes("prelu", x, weight)
    y = empty(x.shape, x.dtype)
    over_rows(formulas.leaky_relu, _rows(x, weight), by_row=weight, y=_rows(y, weight))
    return y


def prelu_backward_x(grad_y, x, weight):
    """Same contract as in ``reference``."""
    shapes.check_slopes("prelu_backward", x, weight)
    shapes.check_alike("prelu_backward", {"x": x, "grad_y": grad_y})
    grad_x = empty(x.shape, x.dtype)
    rows = _rows(grad_y, weight), _rows(x, weight)
    over_rows(formulas.leaky_relu_backward, *rows, by_row=weight, y=_rows(grad_x, weight))
    return grad_x


def prelu_backward_weight(grad_y, x, weight):
    """Same contract as in ``reference``."""
    shapes.check_slopes("prelu_backward", x, weight)
    shapes.check_alike("prelu_backward", {"x": x, "grad_y": grad_y})
    sizes = shapes.per_channel(x.shape, weight.shape[0])
    values, grad = (readable(array).reshape(sizes) for array in (x, grad_y))
    return sum_channels(values, formula=formulas.prelu_backward_slope, also=grad)


def _halves(x, axis):
    """Two views, the values and the gates, as (outer, half)."""
    outer = shapes.along_axis("glu", x.shape, axis)[0]
    halves = readable(x).reshape(outer, 2, x.size // max(2 * outer, 1))
    return halves[:, 0], halves[:, 1]


def _rows(x, weight):
    """(N * C, inner): a slope for each row, in turn."""
    N, C, inner = shapes.per_channel(x.shape, weight.shape[0])
    return readable(x).reshape(N * C, inner)


def _forward(op, result, x, axis):
    shapes.check_floats(op, {"x": x})
    sizes = shapes.along_axis(op, x.shape, axis)
    y = empty(x.shape, x.dtype)
    _softmax(result)[tile(*sizes)](readable(x).reshape(sizes), y.reshape(sizes))
    return y


def _backward(op, term, result, grad_y, y, axis):
    shapes.check_alike(op, {"grad_y": grad_y, "y": y})
    sizes = shapes.along_axis(op, y.shape, axis)
    grad_x = empty(y.shape, y.dtype)
    arguments = (readable(array).reshape(sizes) for array in (grad_y, y, grad_x))
    _softmax_backward(term, result)[tile(*sizes)](*arguments)
    return grad_x


@formula
def _softmax_result(z, total):
    return math.exp(z) / total


@formula
def _log_softmax_result(z, total):
    return z - math.log(total)  # of the sum once for each thread: the compiler takes it out of the loop


@formula
def _softmax_term(grad_y, y):
    return grad_y * y


@formula
def _softmax_gradient(grad_y, y, total):
    return y * (grad_y - total)


@formula
def _log_softmax_term(grad_y, y):
    return grad_y


@formula
def _log_softmax_gradient(grad_y, y, total):
    return grad_y - math.exp(y) * total


@cache
def _softmax(result):
    """Kernel of softmax and log_softmax: result(z, sum of e^z), z = x less the largest x of the axis."""

    def over_axis(x, y):
        scratch = cuda.shared.array(BLOCK, y.dtype)
        o, i, first, step, inside = place(x)
        L = x.shape[1] if inside else 0
        largest = y.dtype.type(-np.inf)
        for l in range(first, L, step):  # noqa: E741 - the formula's letter
            largest = x[o, l, i] if x[o, l, i] > largest else largest
        largest = tree_max(scratch, largest)
        acc = y.dtype.type(0)
        for l in range(first, L, step):  # noqa: E741
            acc += math.exp(x[o, l, i] - largest)
        total = tree_sum(scratch, acc)
        for l in range(first, L, step):  # noqa: E741
            y[o, l, i] = result(x[o, l, i] - largest, total)

    return kernel(named(over_axis, result))


@cache
def _softmax_backward(term, result):
    """Kernel of their gradients: result(grad_y, y, sum of term(grad_y, y))."""

    def over_axis(grad_y, y, grad_x):
        scratch = cuda.shared.array(BLOCK, y.dtype)
        o, i, first, step, inside = place(y)
        L = y.shape[1] if inside else 0
        acc = y.dtype.type(0)
        for l in range(first, L, step):  # noqa: E741
            acc += term(grad_y[o, l, i], y[o, l, i])
        total = tree_sum(scratch, acc)
        for l in range(first, L, step):  # noqa: E741
            grad_x[o, l, i] = result(grad_y[o, l, i], y[o, l, i], total)

    return kernel(named(over_axis, result))
