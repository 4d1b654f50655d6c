"""Matrix products as formula and plain loops: what a learner reads, what every test trusts."""

import numpy as np

from kernels.jit import kernel
from kernels.linear import shapes
from kernels.memory import empty, readable

__all__ = [
    "linear_backward_bias", "linear_backward_weight", "linear_backward_x", "linear_forward", "matmul_backward_a",
    "matmul_backward_b", "matmul_forward",
]  # fmt: skip


def matmul_forward(a, b):
    """Products of the matrices of two stacks.

        y[i, m, n] = sum_k a[i, m, k] * b[i, k, n]

    Parameters
    ----------
    a : ndarray of shape (B, M, K), float32 or float64
    b : ndarray of shape (B, K, N), dtype of `a`

    Returns
    -------
    ndarray of shape (B, M, N), dtype of `a`
        Zeros where K is 0.

    Raises
    ------
    TypeError, ValueError
        What `kernels.linear.shapes.matmul` refuses.

    Notes
    -----
    Accumulates in float64 whatever the dtype, so that it can judge the fast kernels.

    See Also
    --------
    mediml.matmul : for vectors, matrices, and stacks of any shape.
    """
    return _product(shapes.matmul(a, b), a, b)


def matmul_backward_a(grad_y, b):
    """Gradient for `a`: grad_a[i, m, k] = sum_n grad_y[i, m, n] * b[i, k, n]."""
    return _product(shapes.matmul_backward_a(grad_y, b), grad_y, b.swapaxes(1, 2))


def matmul_backward_b(grad_y, a):
    """Gradient for `b`: grad_b[i, k, n] = sum_m a[i, m, k] * grad_y[i, m, n]."""
    return _product(shapes.matmul_backward_b(grad_y, a), a.swapaxes(1, 2), grad_y)


def linear_forward(x, weight, bias):
    """A fully connected layer: every output sees every input.

        y[n, f_out] = bias[f_out] + sum_{f_in} weight[f_out, f_in] * x[n, f_in]

    Parameters
    ----------
    x : ndarray of shape (N, F_in), float32 or float64
    weight : ndarray of shape (F_out, F_in), dtype of `x`
    bias : ndarray of shape (F_out,), dtype of `x`, or None
        None counts as zeros.

    Returns
    -------
    ndarray of shape (N, F_out), dtype of `x`

    Raises
    ------
    TypeError, ValueError
        What `kernels.linear.shapes.linear` refuses.

    Notes
    -----
    Accumulates in float64 whatever the dtype.

    See Also
    --------
    mediml.nn.Linear : the layer.
    """
    y = empty(shapes.linear(x, weight, bias), x.dtype)
    bias = np.zeros(weight.shape[0], x.dtype) if bias is None else bias
    _linear(readable(x), readable(weight), readable(bias), y)
    return y


def linear_backward_x(grad_y, weight):
    """Gradient for `x`: grad_x[n, f_in] = sum_{f_out} grad_y[n, f_out] * weight[f_out, f_in]."""
    return _product((1, *shapes.linear_backward_x(grad_y, weight)), grad_y[None], weight[None])[0]


def linear_backward_weight(grad_y, x):
    """Gradient for `weight`: grad_weight[f_out, f_in] = sum_n grad_y[n, f_out] * x[n, f_in]."""
    return _product((1, *shapes.linear_backward_weight(grad_y, x)), grad_y.T[None], x[None])[0]


def linear_backward_bias(grad_y):
    """Gradient for `bias`: grad_bias[f_out] = sum_n grad_y[n, f_out]."""
    shapes.linear_backward_bias(grad_y)
    return grad_y.sum(axis=0, dtype=np.float64).astype(grad_y.dtype)


def _product(shape, a, b):
    y = empty(shape, a.dtype)
    _matmul(readable(a), readable(b), y)
    return y


@kernel
def _matmul(a, b, y):
    for i, m, n in np.ndindex(y.shape):
        acc = 0.0
        for k in range(a.shape[2]):
            acc += np.float64(a[i, m, k]) * b[i, k, n]
        y[i, m, n] = acc


@kernel
def _linear(x, weight, bias, y):
    for n, f_out in np.ndindex(y.shape):
        acc = np.float64(bias[f_out])
        for f_in in range(x.shape[1]):
            acc += np.float64(weight[f_out, f_in]) * x[n, f_in]
        y[n, f_out] = acc
