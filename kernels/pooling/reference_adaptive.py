"""Adaptive pooling as formula and plain loops: a part of ``reference.py``, which has the rules for ties and NaN.

The size of the output is given, the windows follow from it. Size 1 is global pooling: one number for each channel.
One loop serves every rank: a row or a picture is a volume of depth 1.
"""

import numpy as np

from kernels.jit import kernel
from kernels.memory import empty, readable, zeros
from kernels.pooling import shapes

__all__ = [
    "adaptive_avg_pool1d_backward_x",
    "adaptive_avg_pool1d_forward",
    "adaptive_avg_pool2d_backward_x",
    "adaptive_avg_pool2d_forward",
    "adaptive_avg_pool3d_backward_x",
    "adaptive_avg_pool3d_forward",
    "adaptive_max_pool1d_forward",
    "adaptive_max_pool2d_forward",
    "adaptive_max_pool3d_forward",
]


def adaptive_max_pool2d_forward(x, output_size):
    """The largest value of each window, and where it stands; the windows cover the picture evenly.

        y[n, c, h_out, w_out] = max_{h_in, w_in} x[n, c, h_in, w_in]

        floor(h_out * H_in / H_out) <= h_in < ceil((h_out + 1) * H_in / H_out)          likewise w_in

    Neighbouring windows share an element where H_out does not divide H_in.

    Parameters
    ----------
    x : ndarray of shape (N, C, H_in, W_in), float32 or float64
    output_size : tuple of two int
        (H_out, W_out) >= 0, also larger than the picture. (1, 1): global pooling.

    Returns
    -------
    y : ndarray of shape (N, C, H_out, W_out), dtype of `x`
    indices : ndarray of shape (N, C, H_out, W_out), int64
        h_in * W_in + w_in of the maximum. The gradient is `max_pool2d_backward_x` with them.

    Raises
    ------
    TypeError, ValueError
        What `kernels.pooling.shapes.adaptive_pool` refuses.

    See Also
    --------
    mediml.nn.AdaptiveMaxPool2d : the layer.
    """
    return _max_forward("adaptive_max_pool2d", 2, x, output_size)


def adaptive_avg_pool2d_forward(x, output_size):
    """The mean of each window.

        y[n, c, h_out, w_out] = sum_{h_in, w_in} x[n, c, h_in, w_in] / number of them

    Windows, arguments and errors as for `adaptive_max_pool2d_forward`; C may be 0. With output size (1, 1) this is
    global average pooling.

    Returns
    -------
    ndarray of shape (N, C, H_out, W_out), dtype of `x`

    Notes
    -----
    Accumulates in float64 whatever the dtype.

    References
    ----------
    M. Lin, Q. Chen, S. Yan, "Network in network", arXiv:1312.4400, section 3.2, for global average pooling.
    """
    return _avg_forward("adaptive_avg_pool2d", 2, x, output_size)


def adaptive_avg_pool2d_backward_x(grad_y, x_shape):
    """Gradient for `x`: each output gives an equal share to every element of its window.

    grad_x[n, c, h_in, w_in] += grad_y[n, c, h_out, w_out] / number of elements in the window
    """
    return _avg_backward("adaptive_avg_pool2d", 2, grad_y, x_shape)


def adaptive_max_pool1d_forward(x, output_size):
    """`adaptive_max_pool2d_forward` along one axis: (N, C, W)."""
    return _max_forward("adaptive_max_pool1d", 1, x, output_size)


def adaptive_avg_pool1d_forward(x, output_size):
    """`adaptive_avg_pool2d_forward` along one axis: (N, C, W)."""
    return _avg_forward("adaptive_avg_pool1d", 1, x, output_size)


def adaptive_avg_pool1d_backward_x(grad_y, x_shape):
    """`adaptive_avg_pool2d_backward_x` along one axis: (N, C, W)."""
    return _avg_backward("adaptive_avg_pool1d", 1, grad_y, x_shape)


def adaptive_max_pool3d_forward(x, output_size):
    """`adaptive_max_pool2d_forward` with depth: (N, C, D, H, W)."""
    return _max_forward("adaptive_max_pool3d", 3, x, output_size)


def adaptive_avg_pool3d_forward(x, output_size):
    """`adaptive_avg_pool2d_forward` with depth: (N, C, D, H, W)."""
    return _avg_forward("adaptive_avg_pool3d", 3, x, output_size)


def adaptive_avg_pool3d_backward_x(grad_y, x_shape):
    """`adaptive_avg_pool2d_backward_x` with depth: (N, C, D, H, W)."""
    return _avg_backward("adaptive_avg_pool3d", 3, grad_y, x_shape)


def _max_forward(op, rank, x, output_size):
    shape = shapes.adaptive_pool(op, x, x.shape, rank, output_size, False)
    y, indices = empty(shape, x.dtype), empty(shape, np.int64)
    _adaptive_max(*(shapes.volumes(array) for array in (readable(x), y, indices)))
    return y, indices


def _avg_forward(op, rank, x, output_size):
    y = empty(shapes.adaptive_pool(op, x, x.shape, rank, output_size, True), x.dtype)
    _adaptive_avg(shapes.volumes(readable(x)), shapes.volumes(y))
    return y


def _avg_backward(op, rank, grad_y, x_shape):
    shape = shapes.adaptive_pool(op, grad_y, x_shape, rank, grad_y.shape[2:], True)
    shapes.check_gradient(op, grad_y, shape)
    grad_x = zeros(x_shape, np.float64)
    _adaptive_avg_backward(shapes.volumes(readable(grad_y)), shapes.volumes(grad_x))
    return grad_x.astype(grad_y.dtype)


@kernel
def _window(out, size_out, size_in):
    """First element of the window, and last plus one: the quotients rounded down, and up."""
    return out * size_in // size_out, ((out + 1) * size_in + size_out - 1) // size_out


@kernel
def _adaptive_max(x, y, indices):
    _, D_in, H_in, W_in = x.shape
    _, D_out, H_out, W_out = y.shape
    for plane, d_out, h_out, w_out in np.ndindex(y.shape):
        d_first, d_stop = _window(d_out, D_out, D_in)
        h_first, h_stop = _window(h_out, H_out, H_in)
        w_first, w_stop = _window(w_out, W_out, W_in)
        largest, place = -np.inf, (d_first * H_in + h_first) * W_in + w_first
        for d_in in range(d_first, d_stop):
            for h_in in range(h_first, h_stop):
                for w_in in range(w_first, w_stop):
                    value = x[plane, d_in, h_in, w_in]
                    if value > largest or np.isnan(value):
                        largest, place = value, (d_in * H_in + h_in) * W_in + w_in
        y[plane, d_out, h_out, w_out] = largest
        indices[plane, d_out, h_out, w_out] = place


@kernel
def _adaptive_avg(x, y):
    _, D_in, H_in, W_in = x.shape
    _, D_out, H_out, W_out = y.shape
    for plane, d_out, h_out, w_out in np.ndindex(y.shape):
        d_first, d_stop = _window(d_out, D_out, D_in)
        h_first, h_stop = _window(h_out, H_out, H_in)
        w_first, w_stop = _window(w_out, W_out, W_in)
        acc = 0.0
        for d_in in range(d_first, d_stop):
            for h_in in range(h_first, h_stop):
                for w_in in range(w_first, w_stop):
                    acc += x[plane, d_in, h_in, w_in]
        y[plane, d_out, h_out, w_out] = acc / ((d_stop - d_first) * (h_stop - h_first) * (w_stop - w_first))


@kernel
def _adaptive_avg_backward(grad_y, grad_x):
    _, D_in, H_in, W_in = grad_x.shape
    _, D_out, H_out, W_out = grad_y.shape
    for plane, d_out, h_out, w_out in np.ndindex(grad_y.shape):
        d_first, d_stop = _window(d_out, D_out, D_in)
        h_first, h_stop = _window(h_out, H_out, H_in)
        w_first, w_stop = _window(w_out, W_out, W_in)
        count = (d_stop - d_first) * (h_stop - h_first) * (w_stop - w_first)
        for d_in in range(d_first, d_stop):
            for h_in in range(h_first, h_stop):
                for w_in in range(w_first, w_stop):
                    grad_x[plane, d_in, h_in, w_in] += grad_y[plane, d_out, h_out, w_out] / count
