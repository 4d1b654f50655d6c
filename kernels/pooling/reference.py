"""Pooling as formula and plain loops: what a learner reads, what every test trusts.

Three rules that the formulas leave open, all of them torch's:

* ties: of several equal maxima the first in row-major order of the window counts, and it alone receives the gradient;
* NaN: a window that holds NaN has the maximum NaN, and the last NaN of the window counts. So a NaN is never lost;
* a window of -inf only: its first element inside the picture counts. Padding is never the maximum.

The functions for 1-D and 3-D say the same along one axis more or less: a row is a picture of height 1, and a volume has
the loop over depth, too. Adaptive pooling and max-unpooling stand in ``reference_adaptive.py`` and
``reference_unpool.py``, and are to be had from here.
"""

import numpy as np

from kernels.jit import kernel
from kernels.memory import empty, readable, zeros
from kernels.pooling import shapes
from kernels.pooling.reference_adaptive import (
    adaptive_avg_pool1d_backward_x,
    adaptive_avg_pool1d_forward,
    adaptive_avg_pool2d_backward_x,
    adaptive_avg_pool2d_forward,
    adaptive_avg_pool3d_backward_x,
    adaptive_avg_pool3d_forward,
    adaptive_max_pool1d_forward,
    adaptive_max_pool2d_forward,
    adaptive_max_pool3d_forward,
)
from kernels.pooling.reference_unpool import (
    max_unpool1d_backward_x,
    max_unpool1d_forward,
    max_unpool2d_backward_x,
    max_unpool2d_forward,
    max_unpool3d_backward_x,
    max_unpool3d_forward,
)

__all__ = [
    "adaptive_avg_pool1d_backward_x", "adaptive_avg_pool1d_forward", "adaptive_avg_pool2d_backward_x",
    "adaptive_avg_pool2d_forward", "adaptive_avg_pool3d_backward_x", "adaptive_avg_pool3d_forward",
    "adaptive_max_pool1d_forward", "adaptive_max_pool2d_forward", "adaptive_max_pool3d_forward",
    "avg_pool1d_backward_x", "avg_pool1d_forward", "avg_pool2d_backward_x", "avg_pool2d_forward",
    "avg_pool3d_backward_x", "avg_pool3d_forward", "max_pool1d_backward_x", "max_pool1d_forward",
    "max_pool2d_backward_x", "max_pool2d_forward", "max_pool3d_backward_x", "max_pool3d_forward",
    "max_unpool1d_backward_x", "max_unpool1d_forward", "max_unpool2d_backward_x", "max_unpool2d_forward",
    "max_unpool3d_backward_x", "max_unpool3d_forward",
]  # fmt: skip


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


def avg_pool2d_forward(x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    """The mean of each window.

        y[n, c, h_out, w_out] = sum_{k_h, k_w} x[n, c, h_in, w_in] / divisor

        h_in = h_out * s_h - p_h + k_h          x counts as 0 outside the picture; likewise w_in
        H_out and W_out as for `max_pool2d_forward`
        divisor = divisor_override, where it is given;
                  else, with count_include_pad, how many k_h, k_w lie in the picture or its padding;
                  else how many lie in the picture

    Parameters
    ----------
    x : ndarray of shape (N, C, H_in, W_in), float32 or float64
    kernel_size, stride, padding : tuple of two int
        As for `max_pool2d_forward`.
    ceil_mode, count_include_pad : bool
    divisor_override : int or None
        Not 0.

    Returns
    -------
    ndarray of shape (N, C, H_out, W_out), dtype of `x`

    Raises
    ------
    TypeError, ValueError
        What `kernels.pooling.shapes.avg_pool` refuses.

    Notes
    -----
    Accumulates in float64 whatever the dtype. With `ceil_mode` the last window may reach beyond the padding; what lies
    there is never counted.

    See Also
    --------
    mediml.nn.AvgPool2d : the layer.
    """
    geometry = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    return _avg_forward("avg_pool2d", 2, x, *geometry)


def avg_pool2d_backward_x(
    grad_y, x_shape, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
):
    """Gradient for `x`: each output gives an equal share to every element of its window.

    grad_x[n, c, h_in, w_in] += grad_y[n, c, h_out, w_out] / divisor         letters as in `avg_pool2d_forward`
    """
    geometry = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    return _avg_backward("avg_pool2d", 2, grad_y, x_shape, *geometry)


def avg_pool1d_forward(x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    """`avg_pool2d_forward` along one axis: (N, C, W)."""
    geometry = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    return _avg_forward("avg_pool1d", 1, x, *geometry)


def avg_pool1d_backward_x(
    grad_y, x_shape, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
):
    """`avg_pool2d_backward_x` along one axis: (N, C, W)."""
    geometry = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    return _avg_backward("avg_pool1d", 1, grad_y, x_shape, *geometry)


def avg_pool3d_forward(x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    """`avg_pool2d_forward` with depth: (N, C, D, H, W)."""
    geometry = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    return _avg_forward("avg_pool3d", 3, x, *geometry)


def avg_pool3d_backward_x(
    grad_y, x_shape, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
):
    """`avg_pool2d_backward_x` with depth: (N, C, D, H, W)."""
    geometry = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    return _avg_backward("avg_pool3d", 3, grad_y, x_shape, *geometry)


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
    _add_at(*(shapes.planes(array) for array in (readable(grad_y), readable(indices), grad_x)))
    return grad_x.astype(grad_y.dtype)


def _avg_forward(op, rank, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    geometry = kernel_size, stride, padding
    y = empty(shapes.avg_pool(op, x, x.shape, rank, *geometry, ceil_mode, divisor_override), x.dtype)
    divisor = bool(count_include_pad), divisor_override or 0
    if rank == 3:
        _avg_pool3d(readable(x), y, *geometry, *divisor)
    elif rank == 2:
        _avg_pool2d(readable(x), y, *kernel_size, *stride, *padding, *divisor)
    else:
        _avg_pool2d(readable(x)[:, :, None], y[:, :, None], 1, *kernel_size, 1, *stride, 0, *padding, *divisor)
    return y


def _avg_backward(
    op, rank, grad_y, x_shape, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
):
    geometry = kernel_size, stride, padding
    y_shape = shapes.avg_pool(op, grad_y, x_shape, rank, *geometry, ceil_mode, divisor_override)
    shapes.check_gradient(op, grad_y, y_shape)
    grad_y, grad_x = readable(grad_y), zeros(x_shape, np.float64)
    divisor = bool(count_include_pad), divisor_override or 0
    if rank == 3:
        _avg_pool3d_backward(grad_y, grad_x, *geometry, *divisor)
    elif rank == 2:
        _avg_pool2d_backward(grad_y, grad_x, *kernel_size, *stride, *padding, *divisor)
    else:
        rows = grad_y[:, :, None], grad_x[:, :, None]
        _avg_pool2d_backward(*rows, 1, *kernel_size, 1, *stride, 0, *padding, *divisor)
    return grad_x.astype(grad_y.dtype)


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
    for plane, i in np.ndindex(grad_y.shape):
        grad_x[plane, indices[plane, i]] += grad_y[plane, i]


@kernel
def _window(out, K, s, p, size_in):
    """First element and last plus one inside the picture, and the length with the padding."""
    begin = out * s - p
    end = min(begin + K, size_in + p)
    return max(begin, 0), min(end, size_in), end - begin


@kernel
def _divisor(inside, padded, count_include_pad, divisor_override):
    if divisor_override != 0:
        return divisor_override
    return padded if count_include_pad else inside


@kernel
def _avg_pool2d(x, y, K_h, K_w, s_h, s_w, p_h, p_w, count_include_pad, divisor_override):
    _, _, H_in, W_in = x.shape
    for n, c, h_out, w_out in np.ndindex(y.shape):
        h_first, h_stop, h_padded = _window(h_out, K_h, s_h, p_h, H_in)
        w_first, w_stop, w_padded = _window(w_out, K_w, s_w, p_w, W_in)
        inside = (h_stop - h_first) * (w_stop - w_first)
        acc = 0.0
        for h_in in range(h_first, h_stop):
            for w_in in range(w_first, w_stop):
                acc += x[n, c, h_in, w_in]
        y[n, c, h_out, w_out] = acc / _divisor(inside, h_padded * w_padded, count_include_pad, divisor_override)


@kernel
def _avg_pool2d_backward(grad_y, grad_x, K_h, K_w, s_h, s_w, p_h, p_w, count_include_pad, divisor_override):
    _, _, H_in, W_in = grad_x.shape
    for n, c, h_out, w_out in np.ndindex(grad_y.shape):
        h_first, h_stop, h_padded = _window(h_out, K_h, s_h, p_h, H_in)
        w_first, w_stop, w_padded = _window(w_out, K_w, s_w, p_w, W_in)
        inside = (h_stop - h_first) * (w_stop - w_first)
        divisor = _divisor(inside, h_padded * w_padded, count_include_pad, divisor_override)
        for h_in in range(h_first, h_stop):
            for w_in in range(w_first, w_stop):
                grad_x[n, c, h_in, w_in] += grad_y[n, c, h_out, w_out] / divisor


@kernel
def _avg_pool3d(x, y, K, s, p, count_include_pad, divisor_override):
    _, _, D_in, H_in, W_in = x.shape
    for n, c, d_out, h_out, w_out in np.ndindex(y.shape):
        d_first, d_stop, d_padded = _window(d_out, K[0], s[0], p[0], D_in)
        h_first, h_stop, h_padded = _window(h_out, K[1], s[1], p[1], H_in)
        w_first, w_stop, w_padded = _window(w_out, K[2], s[2], p[2], W_in)
        inside = (d_stop - d_first) * (h_stop - h_first) * (w_stop - w_first)
        divisor = _divisor(inside, d_padded * h_padded * w_padded, count_include_pad, divisor_override)
        acc = 0.0
        for d_in in range(d_first, d_stop):
            for h_in in range(h_first, h_stop):
                for w_in in range(w_first, w_stop):
                    acc += x[n, c, d_in, h_in, w_in]
        y[n, c, d_out, h_out, w_out] = acc / divisor


@kernel
def _avg_pool3d_backward(grad_y, grad_x, K, s, p, count_include_pad, divisor_override):
    _, _, D_in, H_in, W_in = grad_x.shape
    for n, c, d_out, h_out, w_out in np.ndindex(grad_y.shape):
        d_first, d_stop, d_padded = _window(d_out, K[0], s[0], p[0], D_in)
        h_first, h_stop, h_padded = _window(h_out, K[1], s[1], p[1], H_in)
        w_first, w_stop, w_padded = _window(w_out, K[2], s[2], p[2], W_in)
        inside = (d_stop - d_first) * (h_stop - h_first) * (w_stop - w_first)
        divisor = _divisor(inside, d_padded * h_padded * w_padded, count_include_pad, divisor_override)
        for d_in in range(d_first, d_stop):
            for h_in in range(h_first, h_stop):
                for w_in in range(w_first, w_stop):
                    grad_x[n, c, d_in, h_in, w_in] += grad_y[n, c, d_out, h_out, w_out] / divisor
