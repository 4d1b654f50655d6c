"""Max-unpooling as formula and plain loops: a part of ``reference.py``."""

import numpy as np

from kernels.jit import kernel
from kernels.memory import empty, readable, zeros
from kernels.pooling import shapes

__all__ = [
    "max_unpool1d_backward_x",
    "max_unpool1d_forward",
    "max_unpool2d_backward_x",
    "max_unpool2d_forward",
    "max_unpool3d_backward_x",
    "max_unpool3d_forward",
]


def max_unpool2d_forward(x, indices, output_size):
    """Puts each value back to the place where it was the maximum; the rest is 0.

        y[n, c, indices[n, c, h_in, w_in]] = x[n, c, h_in, w_in]         place h_out * W_out + w_out

    Parameters
    ----------
    x : ndarray of shape (N, C, H_in, W_in), float32 or float64
    indices : ndarray of shape (N, C, H_in, W_in), int64
        As returned by `max_pool2d_forward`. Where a place occurs twice, the last value in row-major order stays.
    output_size : tuple of two int
        (H_out, W_out)

    Returns
    -------
    ndarray of shape (N, C, H_out, W_out), dtype of `x`

    Raises
    ------
    TypeError, ValueError
        What `kernels.pooling.shapes.max_unpool` refuses: an index outside a plane, among others.

    References
    ----------
    M. Zeiler, R. Fergus, "Visualizing and understanding convolutional networks", arXiv:1311.2901, section 2.1.
    """
    return _unpool_forward("max_unpool2d", 2, x, indices, output_size)


def max_unpool2d_backward_x(grad_y, indices):
    """Gradient for `x`: each value receives that of its place.

    grad_x[n, c, h_in, w_in] = grad_y[n, c, indices[n, c, h_in, w_in]]
    """
    return _unpool_backward("max_unpool2d", 2, grad_y, indices)


def max_unpool1d_forward(x, indices, output_size):
    """`max_unpool2d_forward` along one axis: (N, C, W)."""
    return _unpool_forward("max_unpool1d", 1, x, indices, output_size)


def max_unpool1d_backward_x(grad_y, indices):
    """`max_unpool2d_backward_x` along one axis: (N, C, W)."""
    return _unpool_backward("max_unpool1d", 1, grad_y, indices)


def max_unpool3d_forward(x, indices, output_size):
    """`max_unpool2d_forward` with depth: (N, C, D, H, W)."""
    return _unpool_forward("max_unpool3d", 3, x, indices, output_size)


def max_unpool3d_backward_x(grad_y, indices):
    """`max_unpool2d_backward_x` with depth: (N, C, D, H, W)."""
    return _unpool_backward("max_unpool3d", 3, grad_y, indices)


def _unpool_forward(op, rank, x, indices, output_size):
    y = zeros(shapes.max_unpool(op, x, indices, rank, output_size), x.dtype)
    _put_at(*(shapes.planes(array) for array in (readable(x), readable(indices), y)))
    return y


def _unpool_backward(op, rank, grad_y, indices):
    shapes.check_unpool_backward(op, grad_y, indices, rank)
    grad_x = empty(indices.shape, grad_y.dtype)
    _take_at(*(shapes.planes(array) for array in (readable(grad_y), readable(indices), grad_x)))
    return grad_x


@kernel
def _put_at(x, indices, y):
    for plane, i in np.ndindex(x.shape):
        y[plane, indices[plane, i]] = x[plane, i]


@kernel
def _take_at(grad_y, indices, grad_x):
    for plane, i in np.ndindex(grad_x.shape):
        grad_x[plane, i] = grad_y[plane, indices[plane, i]]
