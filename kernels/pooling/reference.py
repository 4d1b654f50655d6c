"""Pooling as formula and plain loops: what a learner reads, what every test trusts.

Three rules that the formulas leave open, all of them torch's:

* ties: of several equal maxima the first in row-major order of the window counts, and it alone receives the gradient;
* NaN: a window that holds NaN has the maximum NaN, and the last NaN of the window counts. So a NaN is never lost;
* a window of -inf only: its first element inside the picture counts. Padding is never the maximum.
"""

import numpy as np

from kernels.jit import kernel
from kernels.memory import empty, readable, zeros
from kernels.pooling import shapes

__all__ = [
    "max_pool1d_backward_x",
    "max_pool1d_forward",
    "max_pool2d_backward_x",
    "max_pool2d_forward",
    "max_pool3d_backward_x",
    "max_pool3d_forward",
]


def max_pool2d_forward(x, kernel_size, stride, padding, dilation, ceil_mode):
    """The largest value of each window, and where it stands.

        y[n, c, h_out, w_out] = max_{k_h, k_w} x[n, c, h_in, w_in]

        h_in = h_out * s_h - p_h + k_h * dil_h          taps outside the picture do not count; likewise w_in
        H_out = (H_in + 2 p_h - dil_h (K_h - 1) - 1) / s_h + 1, rounded down                likewise W_out

    Parameters
    ----------
    x : ndarray of shape (N, C, H_in, W_in), float32 or float64
    kernel_size, stride, padding, dilation : tuple of two int
        (K_h, K_w), (s_h, s_w) >= 1; 0 <= (p_h, p_w) <= half of kernel_size; (dil_h, dil_w) >= 1.
    ceil_mode : bool
        Round H_out and W_out up, unless the last window would begin in the padding.

    Returns
    -------
    y : ndarray of shape (N, C, H_out, W_out), dtype of `x`
    indices : ndarray of shape (N, C, H_out, W_out), int64
        h_in * W_in + w_in of the maximum.

    Raises
    ------
    TypeError, ValueError
        What `kernels.pooling.shapes.max_pool` refuses.

    See Also
    --------
    mediml.nn.MaxPool2d : the layer.

    References
    ----------
    Y. LeCun et al., "Gradient-based learning applied to document recognition", Proc. IEEE 86 (1998), for subsampling;
    M. Riesenhuber, T. Poggio, Nature Neuroscience 2 (1999), for the maximum. Taught in lesson 05, pooling.
    """
    return _max_forward("max_pool2d", 2, x, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d_backward_x(grad_y, indices, x_shape):
    """Gradient for `x`: each output sends its gradient to the one element that was its maximum.

        grad_x[n, c, indices[n, c, h_out, w_out]] += grad_y[n, c, h_out, w_out]         the rest is 0

    `indices` as returned by `max_pool2d_forward` or `adaptive_max_pool2d_forward`, `x_shape` (N, C, H_in, W_in).
    Windows that overlap may share their maximum; then it receives the sum.
    """
    return _max_backward("max_pool2d", 2, grad_y, indices, x_shape)


def max_pool1d_forward(x, kernel_size, stride, padding, dilation, ceil_mode):
    """`max_pool2d_forward` along one axis: x (N, C, W_in); y, indices (N, C, W_out); tuples of one int."""
    return _max_forward("max_pool1d", 1, x, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool1d_backward_x(grad_y, indices, x_shape):
    """`max_pool2d_backward_x` along one axis."""
    return _max_backward("max_pool1d", 1, grad_y, indices, x_shape)


def max_pool3d_forward(x, kernel_size, stride, padding, dilation, ceil_mode):
    """`max_pool2d_forward` with depth: x (N, C, D_in, H_in, W_in); index (d_in * H_in + h_in) * W_in + w_in."""
    return _max_forward("max_pool3d", 3, x, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool3d_backward_x(grad_y, indices, x_shape):
    """`max_pool2d_backward_x` with depth."""
    return _max_backward("max_pool3d", 3, grad_y, indices, x_shape)


def _max_forward(op, rank, x, kernel_size, stride, padding, dilation, ceil_mode):
    shape = shapes.max_pool(op, x, rank, kernel_size, stride, padding, dilation, ceil_mode)
    y, indices = empty(shape, x.dtype), empty(shape, np.int64)
    if rank == 3:
        _max_pool3d(readable(x), y, indices, kernel_size, stride, padding, dilation)
    elif rank == 2:
        _max_pool2d(readable(x), y, indices, *kernel_size, *stride, *padding, *dilation)
    else:  # one row
        rows = readable(x)[:, :, None], y[:, :, None], indices[:, :, None]
        _max_pool2d(*rows, 1, *kernel_size, 1, *stride, 0, *padding, 1, *dilation)
    return y, indices


def _max_backward(op, rank, grad_y, indices, x_shape):
    shapes.check_max_backward(op, grad_y, indices, x_shape, rank)
    grad_x = zeros(x_shape, np.float64)
    _add_at(*(_flat(readable(array)) for array in (grad_y, indices)), _flat(grad_x))
    return grad_x.astype(grad_y.dtype)


def _flat(array):
    """The axes of a plane as one: (N, C, places)."""
    return array.reshape(*array.shape[:2], int(np.prod(array.shape[2:])))


@kernel
def _max_pool2d(x, y, indices, K_h, K_w, s_h, s_w, p_h, p_w, dil_h, dil_w):
    _, _, H_in, W_in = x.shape
    for n, c, h_out, w_out in np.ndindex(y.shape):
        largest, place = -np.inf, -1
        for k_h, k_w in np.ndindex((K_h, K_w)):
            h_in = h_out * s_h - p_h + k_h * dil_h
            w_in = w_out * s_w - p_w + k_w * dil_w
            if 0 <= h_in < H_in and 0 <= w_in < W_in:
                value = x[n, c, h_in, w_in]
                if value > largest or np.isnan(value) or place < 0:
                    largest, place = value, h_in * W_in + w_in
        y[n, c, h_out, w_out] = largest
        indices[n, c, h_out, w_out] = place


@kernel
def _max_pool3d(x, y, indices, K, s, p, dil):
    _, _, D_in, H_in, W_in = x.shape
    for n, c, d_out, h_out, w_out in np.ndindex(y.shape):
        largest, place = -np.inf, -1
        for k_d, k_h, k_w in np.ndindex(K):
            d_in = d_out * s[0] - p[0] + k_d * dil[0]
            h_in = h_out * s[1] - p[1] + k_h * dil[1]
            w_in = w_out * s[2] - p[2] + k_w * dil[2]
            if 0 <= d_in < D_in and 0 <= h_in < H_in and 0 <= w_in < W_in:
                value = x[n, c, d_in, h_in, w_in]
                if value > largest or np.isnan(value) or place < 0:
                    largest, place = value, (d_in * H_in + h_in) * W_in + w_in
        y[n, c, d_out, h_out, w_out] = largest
        indices[n, c, d_out, h_out, w_out] = place


@kernel
def _add_at(grad_y, indices, grad_x):
    for n, c, out in np.ndindex(grad_y.shape):
        grad_x[n, c, indices[n, c, out]] += grad_y[n, c, out]
