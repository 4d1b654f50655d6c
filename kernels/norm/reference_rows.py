"""Layer norm, RMS norm and local response norm as formulas and plain loops: a part of ``reference.py``."""

import math

import numpy as np

from kernels.jit import kernel
from kernels.memory import empty, readable, zeros
from kernels.norm import shapes

__all__ = [
    "layer_norm_backward_all",
    "layer_norm_forward",
    "local_response_norm_backward_x",
    "local_response_norm_forward",
    "rms_norm_backward_all",
    "rms_norm_forward",
]


def layer_norm_forward(x, weight, bias, eps):
    """Each row less its mean, divided by its standard deviation; a scale and a shift for each feature.

        mean[r] = sum_f x[r, f] / F
        var[r]  = sum_f (x[r, f] - mean[r])^2 / F
        x_hat[r, f] = (x[r, f] - mean[r]) / sqrt(var[r] + eps)
        y[r, f]     = weight[f] * x_hat[r, f] + bias[f]

    Parameters
    ----------
    x : ndarray of shape (R, F), float32 or float64
    weight, bias : ndarray of shape (F,), dtype of `x`, or None
        1 and 0 where None.
    eps : float

    Returns
    -------
    y : ndarray of shape (R, F), dtype of `x`
    mean, var : ndarray of shape (R,), float64

    Raises
    ------
    TypeError, ValueError
        What `kernels.norm.shapes.row_norm` refuses.

    References
    ----------
    J. Ba, J. Kiros, G. Hinton, "Layer normalization", arXiv:1607.06450, equations 3 and 4.
    """
    R, F = shapes.row_norm("layer_norm", {"x": x}, {"weight": weight, "bias": bias}, {})
    y, mean, var = empty(x.shape, np.float64), empty(R, np.float64), empty(R, np.float64)
    _layer_norm(double(x), given_or(weight, 1, F), given_or(bias, 0, F), float(eps), mean, var, y)
    return rounded(y, x.dtype), mean, var


def layer_norm_backward_all(grad_y, x, weight, mean, var, eps):
    """Gradients for `x`, `weight` and `bias`.

        grad_bias[f]   = sum_r grad_y[r, f]
        grad_weight[f] = sum_r grad_y[r, f] * x_hat[r, f]
        a[r] = sum_f weight[f] * grad_y[r, f] / F
        b[r] = sum_f weight[f] * grad_y[r, f] * x_hat[r, f] / F
        grad_x[r, f] = (weight[f] * grad_y[r, f] - a[r] - x_hat[r, f] * b[r]) / sqrt(var[r] + eps)

    Returns
    -------
    grad_x : ndarray of shape (R, F), dtype of `x`
    grad_weight, grad_bias : ndarray of shape (F,), dtype of `x`
    """
    arrays, statistics = {"x": x, "grad_y": grad_y}, {"mean": mean, "var": var}
    _, F = shapes.row_norm("layer_norm", arrays, {"weight": weight}, statistics)
    gradients = empty(x.shape, np.float64), zeros(F, np.float64), zeros(F, np.float64)
    _layer_norm_backward(double(grad_y), double(x), given_or(weight, 1, F), mean, var, float(eps), *gradients)
    return tuple(rounded(gradient, x.dtype) for gradient in gradients)


def rms_norm_forward(x, weight, eps):
    """Each row divided by the root of the mean of its squares; a scale for each feature.

        square[r] = sum_f x[r, f]^2 / F
        y[r, f]   = weight[f] * x[r, f] / sqrt(square[r] + eps)

    Parameters
    ----------
    x : ndarray of shape (R, F), float32 or float64
    weight : ndarray of shape (F,), dtype of `x`, or None
    eps : float

    Returns
    -------
    y : ndarray of shape (R, F), dtype of `x`
    square : ndarray of shape (R,), float64

    Raises
    ------
    TypeError, ValueError
        What `kernels.norm.shapes.row_norm` refuses.

    References
    ----------
    B. Zhang, R. Sennrich, "Root mean square layer normalization", arXiv:1910.07467, equation 4.
    """
    R, F = shapes.row_norm("rms_norm", {"x": x}, {"weight": weight}, {})
    y, square = empty(x.shape, np.float64), empty(R, np.float64)
    _rms_norm(double(x), given_or(weight, 1, F), float(eps), square, y)
    return rounded(y, x.dtype), square


def rms_norm_backward_all(grad_y, x, weight, square, eps):
    """Gradients for `x` and `weight`. As those of layer norm, but nothing moves a mean.

        x_hat[r, f] = x[r, f] / sqrt(square[r] + eps)
        grad_weight[f] = sum_r grad_y[r, f] * x_hat[r, f]
        b[r] = sum_f weight[f] * grad_y[r, f] * x_hat[r, f] / F
        grad_x[r, f] = (weight[f] * grad_y[r, f] - x_hat[r, f] * b[r]) / sqrt(square[r] + eps)

    Returns
    -------
    grad_x : ndarray of shape (R, F), dtype of `x`
    grad_weight : ndarray of shape (F,), dtype of `x`
    """
    arrays = {"x": x, "grad_y": grad_y}
    _, F = shapes.row_norm("rms_norm", arrays, {"weight": weight}, {"square": square})
    gradients = empty(x.shape, np.float64), zeros(F, np.float64)
    _rms_norm_backward(double(grad_y), double(x), given_or(weight, 1, F), square, float(eps), *gradients)
    return tuple(rounded(gradient, x.dtype) for gradient in gradients)


def local_response_norm_forward(x, size, alpha, beta, k):
    """Each number divided by a power of the squares in the channels beside it, at the same place.

        s[n, c, l] = k + alpha / size * sum_i x[n, i, l]^2,     c - size // 2 <= i <= c + (size - 1) // 2,  0 <= i < C
        y[n, c, l] = x[n, c, l] / s[n, c, l]^beta

    Parameters
    ----------
    x : ndarray of shape (N, C, L), float32 or float64
    size : int
        Channels in a window. Those beyond the ends count as 0, and the sum is always divided by `size`.
    alpha, beta, k : float

    Returns
    -------
    ndarray of shape (N, C, L), dtype of `x`

    Raises
    ------
    TypeError, ValueError
        What `kernels.norm.shapes.local_response_norm` refuses.

    References
    ----------
    A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet classification with deep convolutional neural networks", NIPS
    2012, section 3.3. There alpha is not divided by size; torch divides.
    """
    shapes.local_response_norm("local_response_norm", {"x": x}, size)
    y = empty(x.shape, np.float64)
    _local_response_norm(double(x), size, float(alpha), float(beta), float(k), y)
    return rounded(y, x.dtype)


def local_response_norm_backward_x(grad_y, x, size, alpha, beta, k):
    """Gradient for `x`: the direct part, and what x does to the windows of its neighbours i that contain c.

    grad_x[n, c, l] = grad_y[n, c, l] / s[n, c, l]^beta
                      - 2 alpha beta / size * x[n, c, l]
                        * sum_i grad_y[n, i, l] * x[n, i, l] / s[n, i, l]^(beta + 1)

    with c - (size - 1) // 2 <= i <= c + size // 2.
    """
    shapes.local_response_norm("local_response_norm", {"x": x, "grad_y": grad_y}, size)
    grad_x = empty(x.shape, np.float64)
    _local_response_norm_backward(double(grad_y), double(x), size, float(alpha), float(beta), float(k), grad_x)
    return rounded(grad_x, x.dtype)


def double(array):
    """A float64 copy."""
    return readable(array.astype(np.float64))


def given_or(parameter, value, size):
    """A float64 copy of a parameter; if it is None, `value` throughout."""
    return np.full(size, value, np.float64) if parameter is None else double(parameter)


def rounded(y, dtype):
    """The result in the dtype of the arguments."""
    with np.errstate(over="ignore"):  # beyond the range of float32 is inf
        return y.astype(dtype)


@kernel
def _layer_norm(x, weight, bias, eps, mean, var, y):
    R, F = x.shape
    for r in range(R):
        acc = 0.0
        for f in range(F):
            acc += x[r, f]
        mean[r] = acc / F
        acc = 0.0
        for f in range(F):
            acc += (x[r, f] - mean[r]) ** 2
        var[r] = acc / F
        for f in range(F):
            x_hat = (x[r, f] - mean[r]) / math.sqrt(var[r] + eps)
            y[r, f] = weight[f] * x_hat + bias[f]


@kernel
def _layer_norm_backward(grad_y, x, weight, mean, var, eps, grad_x, grad_weight, grad_bias):
    R, F = x.shape
    for r in range(R):
        sd = math.sqrt(var[r] + eps)
        a = b = 0.0
        for f in range(F):
            x_hat = (x[r, f] - mean[r]) / sd
            grad_weight[f] += grad_y[r, f] * x_hat
            grad_bias[f] += grad_y[r, f]
            a += weight[f] * grad_y[r, f] / F
            b += weight[f] * grad_y[r, f] * x_hat / F
        for f in range(F):
            x_hat = (x[r, f] - mean[r]) / sd
            grad_x[r, f] = (weight[f] * grad_y[r, f] - a - x_hat * b) / sd


@kernel
def _rms_norm(x, weight, eps, square, y):
    R, F = x.shape
    for r in range(R):
        acc = 0.0
        for f in range(F):
            acc += x[r, f] ** 2
        square[r] = acc / F
        for f in range(F):
            y[r, f] = weight[f] * x[r, f] / math.sqrt(square[r] + eps)


@kernel
def _rms_norm_backward(grad_y, x, weight, square, eps, grad_x, grad_weight):
    R, F = x.shape
    for r in range(R):
        rms = math.sqrt(square[r] + eps)
        b = 0.0
        for f in range(F):
            grad_weight[f] += grad_y[r, f] * x[r, f] / rms
            b += weight[f] * grad_y[r, f] * x[r, f] / rms / F
        for f in range(F):
            grad_x[r, f] = (weight[f] * grad_y[r, f] - x[r, f] / rms * b) / rms


@kernel
def _window_scale(x, n, c, l, size, alpha, k):  # noqa: E741 - the formula's letter
    acc = 0.0
    for i in range(max(c - size // 2, 0), min(c + (size - 1) // 2 + 1, x.shape[1])):
        acc += x[n, i, l] ** 2
    return k + alpha / size * acc


@kernel
def _local_response_norm(x, size, alpha, beta, k, y):
    for n, c, l in np.ndindex(x.shape):  # noqa: E741
        y[n, c, l] = x[n, c, l] / _window_scale(x, n, c, l, size, alpha, k) ** beta


@kernel
def _local_response_norm_backward(grad_y, x, size, alpha, beta, k, grad_x):
    C = x.shape[1]
    for n, c, l in np.ndindex(x.shape):  # noqa: E741
        acc = 0.0
        for i in range(max(c - (size - 1) // 2, 0), min(c + size // 2 + 1, C)):
            acc += grad_y[n, i, l] * x[n, i, l] / _window_scale(x, n, i, l, size, alpha, k) ** (beta + 1)
        direct = grad_y[n, c, l] / _window_scale(x, n, c, l, size, alpha, k) ** beta
        grad_x[n, c, l] = direct - 2 * alpha * beta / size * x[n, c, l] * acc
