"""Activations that treat one axis apart, as formulas: softmax, log_softmax, glu along it; prelu with a slope for each.

An array counts as (outer, L, inner) with L the size of the axis. All compute in float64 whatever the dtype.
"""

import math

import numpy as np

from kernels.activation import shapes
from kernels.jit import kernel
from kernels.memory import empty, readable, zeros

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
    """Any L numbers to L positive ones that sum to 1: the probabilities of L classes.

        y[o, l, i] = e^(x[o, l, i] - largest) / sum_k e^(x[o, k, i] - largest),     largest = max_k x[o, k, i]

    The largest is taken off so that nothing overflows; it cancels out of the quotient.

    Parameters
    ----------
    x : ndarray of any shape, float32 or float64
    axis : int
        Of size L; negative ones count from the end.

    Returns
    -------
    ndarray of the shape and dtype of `x`

    Raises
    ------
    TypeError, ValueError
        What `kernels.activation.shapes.check_floats` and `along_axis` refuse.

    Notes
    -----
    NaN or +inf anywhere along the axis, or -inf everywhere, makes all L results NaN, as in torch.

    References
    ----------
    J. Bridle, "Probabilistic interpretation of feedforward classification network outputs", Neurocomputing, 1990.
    """
    return _along_axis("softmax", _softmax, axis, x=x)


def softmax_backward_x(grad_y, y, axis):
    """y[o, l, i] * (grad_y[o, l, i] - sum_k grad_y[o, k, i] * y[o, k, i])."""
    return _along_axis("softmax_backward", _softmax_backward, axis, grad_y=grad_y, y=y)


def log_softmax_forward(x, axis):
    """The logarithm of softmax, exact where softmax itself would round to 0. Arguments and NaN as `softmax_forward`.

    y[o, l, i] = (x[o, l, i] - largest) - ln sum_k e^(x[o, k, i] - largest)
    """
    return _along_axis("log_softmax", _log_softmax, axis, x=x)


def log_softmax_backward_x(grad_y, y, axis):
    """grad_y[o, l, i] - e^y[o, l, i] * sum_k grad_y[o, k, i]."""
    return _along_axis("log_softmax_backward", _log_softmax_backward, axis, grad_y=grad_y, y=y)


def glu_forward(x, axis):
    """The gated linear unit: the first half of the axis, each element times the sigmoid of its partner in the second.

    y[o, l, i] = x[o, l, i] / (1 + e^-x[o, l + L/2, i]),     0 <= l < L/2

    Raises ValueError for an axis of odd size. Y. Dauphin et al., arXiv:1612.08083.
    """
    shapes.check_floats("glu", {"x": x})
    y = empty(shapes.gated("glu", x.shape, axis), np.float64)
    outer = shapes.along_axis("glu", x.shape, axis)[0]
    _glu(_halves(x.astype(np.float64), outer), y.reshape(outer, y.size // max(outer, 1)))
    return _rounded(y, x.dtype)


def glu_backward_x(grad_y, x, axis):
    """grad_y * s for the first half, grad_y * x[first half] * s * (1 - s) for the second; s = sigmoid(second half)."""
    shapes.check_gated("glu_backward", grad_y, x, axis)
    outer = shapes.along_axis("glu_backward", x.shape, axis)[0]
    grad_x = empty(x.shape, np.float64)
    flat_grad = readable(grad_y.astype(np.float64)).reshape(outer, grad_y.size // max(outer, 1))
    _glu_backward(flat_grad, _halves(x.astype(np.float64), outer), _halves(grad_x, outer))
    return _rounded(grad_x, x.dtype)


def prelu_forward(x, weight):
    """y[n, c, …] = x[n, c, …] where that is > 0, else weight[c] * x[n, c, …].

    Parameters
    ----------
    x : ndarray of shape (N, C, …), or any other with a single slope; float32 or float64
    weight : ndarray of shape (C,) or (1,), dtype of `x`
        A learned slope for each channel, or one for all.

    Returns
    -------
    ndarray of the shape and dtype of `x`

    References
    ----------
    K. He et al., "Delving deep into rectifiers", arXiv:1502.01852.
    """
    shapes.check_slopes("prelu", x, weight)
    y = empty(shapes.per_channel(x.shape, weight.shape[0]), np.float64)
    _prelu(readable(x.astype(np.float64)).reshape(y.shape), weight.astype(np.float64), y)
    return _rounded(y.reshape(x.shape), x.dtype)


def prelu_backward_x(grad_y, x, weight):
    """grad_y where x > 0, else weight[c] * grad_y."""
    shapes.check_slopes("prelu_backward", x, weight)
    shapes.check_alike("prelu_backward", {"x": x, "grad_y": grad_y})
    grad_x = empty(shapes.per_channel(x.shape, weight.shape[0]), np.float64)
    values = [readable(array.astype(np.float64)).reshape(grad_x.shape) for array in (grad_y, x)]
    _prelu_backward_x(*values, weight.astype(np.float64), grad_x)
    return _rounded(grad_x.reshape(x.shape), x.dtype)


def prelu_backward_weight(grad_y, x, weight):
    """The sum of grad_y * x over all elements of channel c with x <= 0 (or NaN)."""
    shapes.check_slopes("prelu_backward", x, weight)
    shapes.check_alike("prelu_backward", {"x": x, "grad_y": grad_y})
    sizes = shapes.per_channel(x.shape, weight.shape[0])
    grad_weight = zeros(weight.shape, np.float64)
    _prelu_backward_weight(*(readable(a.astype(np.float64)).reshape(sizes) for a in (grad_y, x)), grad_weight)
    return _rounded(grad_weight, x.dtype)


def _along_axis(op, loops, axis, **arrays):
    shapes.check_alike(op, arrays)
    first = next(iter(arrays.values()))
    y = empty(shapes.along_axis(op, first.shape, axis), np.float64)
    loops(*(readable(array.astype(np.float64)).reshape(y.shape) for array in arrays.values()), y)
    return _rounded(y.reshape(first.shape), first.dtype)


def _halves(x, outer):
    return readable(x).reshape(outer, 2, x.size // max(2 * outer, 1))


def _rounded(y, dtype):
    with np.errstate(over="ignore"):  # beyond the range of float32 is inf
        return y.astype(dtype)


@kernel
def _softmax(x, y):
    outer, L, inner = x.shape
    for o, i in np.ndindex((outer, inner)):
        largest = -math.inf
        for l in range(L):  # noqa: E741 - the formula's letter
            largest = max(largest, x[o, l, i])
        acc = 0.0
        for l in range(L):  # noqa: E741
            acc += math.exp(x[o, l, i] - largest)
        for l in range(L):  # noqa: E741
            y[o, l, i] = math.exp(x[o, l, i] - largest) / acc


@kernel
def _softmax_backward(grad_y, y, grad_x):
    outer, L, inner = y.shape
    for o, i in np.ndindex((outer, inner)):
        acc = 0.0
        for l in range(L):  # noqa: E741
            acc += grad_y[o, l, i] * y[o, l, i]
        for l in range(L):  # noqa: E741
            grad_x[o, l, i] = y[o, l, i] * (grad_y[o, l, i] - acc)


@kernel
def _log_softmax(x, y):
    outer, L, inner = x.shape
    for o, i in np.ndindex((outer, inner)):
        largest = -math.inf
        for l in range(L):  # noqa: E741
            largest = max(largest, x[o, l, i])
        acc = 0.0
        for l in range(L):  # noqa: E741
            acc += math.exp(x[o, l, i] - largest)
        for l in range(L):  # noqa: E741
            y[o, l, i] = (x[o, l, i] - largest) - math.log(acc)


@kernel
def _log_softmax_backward(grad_y, y, grad_x):
    outer, L, inner = y.shape
    for o, i in np.ndindex((outer, inner)):
        acc = 0.0
        for l in range(L):  # noqa: E741
            acc += grad_y[o, l, i]
        for l in range(L):  # noqa: E741
            grad_x[o, l, i] = grad_y[o, l, i] - math.exp(y[o, l, i]) * acc


@kernel
def _glu(x, y):
    for o, i in np.ndindex(y.shape):
        y[o, i] = x[o, 0, i] / (1 + math.exp(-x[o, 1, i]))


@kernel
def _glu_backward(grad_y, x, grad_x):
    for o, i in np.ndindex(grad_y.shape):
        s = 1 / (1 + math.exp(-x[o, 1, i]))
        grad_x[o, 0, i] = grad_y[o, i] * s
        grad_x[o, 1, i] = grad_y[o, i] * x[o, 0, i] * s * (1 - s)


@kernel
def _prelu(x, weight, y):
    for n, c, i in np.ndindex(x.shape):
        y[n, c, i] = x[n, c, i] if x[n, c, i] > 0 else weight[c] * x[n, c, i]


@kernel
def _prelu_backward_x(grad_y, x, weight, grad_x):
    for n, c, i in np.ndindex(x.shape):
        grad_x[n, c, i] = grad_y[n, c, i] if x[n, c, i] > 0 else weight[c] * grad_y[n, c, i]


@kernel
def _prelu_backward_weight(grad_y, x, grad_weight):
    for n, c, i in np.ndindex(x.shape):
        grad_weight[c] += 0.0 if x[n, c, i] > 0 else grad_y[n, c, i] * x[n, c, i]
