"""Convolution of volumes (CT, MR) as formula and plain loops: ``reference.py`` with one more axis, depth."""

import numpy as np

from kernels.conv import shapes
from kernels.jit import kernel
from kernels.memory import readable, zeros

__all__ = ["conv3d_backward_bias", "conv3d_backward_weight", "conv3d_backward_x", "conv3d_forward"]


def conv3d_forward(x, weight, bias, stride, padding, dilation, groups):
    """3-D cross-correlation.

        y[n, c_out, d_out, h_out, w_out] = bias[c_out]
            + sum_{c, k_d, k_h, k_w} weight[c_out, c, k_d, k_h, k_w] * x[n, g * C_in/groups + c, d_in, h_in, w_in]

        g    = c_out // (C_out / groups)
        d_in = d_out * s_d - p_d + k_d * dil_d          x counts as 0 outside the volume; likewise h_in, w_in
        D_out = (D_in + 2 p_d - dil_d (K_d - 1) - 1) // s_d + 1                likewise H_out, W_out

    Parameters
    ----------
    x : ndarray of shape (N, C_in, D_in, H_in, W_in), float32 or float64
    weight : ndarray of shape (C_out, C_in / groups, K_d, K_h, K_w), dtype of `x`
    bias : ndarray of shape (C_out,), dtype of `x`, or None
        None counts as zeros.
    stride, padding, dilation : tuple of three int
        (s_d, s_h, s_w) >= 1, (p_d, p_h, p_w) >= 0, (dil_d, dil_h, dil_w) >= 1.
    groups : int
        Divides C_in and C_out: each group of output channels sees its own group of input channels.

    Returns
    -------
    ndarray of shape (N, C_out, D_out, H_out, W_out), dtype of `x`

    Raises
    ------
    TypeError, ValueError
        What `kernels.conv.shapes.forward` refuses.

    Notes
    -----
    Accumulator and padding as in `kernels.conv.reference.conv2d_forward`.

    See Also
    --------
    mediml.nn.Conv3d : the layer.
    """
    y = zeros(shapes.forward("conv3d", 3, x, weight, bias, stride, padding, dilation, groups), np.float64)
    if bias is not None:
        y += bias[:, None, None, None]
    _forward(readable(x), readable(weight), y, *stride, *padding, *dilation, weight.shape[0] // groups)
    return y.astype(x.dtype)


def conv3d_backward_x(grad_y, weight, x_shape, stride, padding, dilation, groups):
    """Gradient for `x`: every output that read x[n, c_in, d_in, h_in, w_in] sends back weight * grad_y."""
    shapes.backward_x("conv3d", 3, grad_y, weight, x_shape, stride, padding, dilation, groups)
    grad_x = zeros(x_shape, np.float64)
    C_out_per_group = weight.shape[0] // groups
    _backward_x(readable(grad_y), readable(weight), grad_x, *stride, *padding, *dilation, C_out_per_group)
    return grad_x.astype(grad_y.dtype)


def conv3d_backward_weight(grad_y, x, weight_shape, stride, padding, dilation, groups):
    """Gradient for `weight`: the correlation of the input with the gradient of the output."""
    shapes.backward_weight("conv3d", 3, grad_y, x, weight_shape, stride, padding, dilation, groups)
    grad_weight = zeros(weight_shape, np.float64)
    C_out_per_group = weight_shape[0] // groups
    _backward_weight(readable(grad_y), readable(x), grad_weight, *stride, *padding, *dilation, C_out_per_group)
    return grad_weight.astype(grad_y.dtype)


def conv3d_backward_bias(grad_y):
    """Gradient for `bias`: it was added everywhere, so grad_bias[c_out] = sum of grad_y over all other axes."""
    shapes.backward_bias("conv3d", 3, grad_y)
    return grad_y.sum(axis=(0, 2, 3, 4), dtype=np.float64).astype(grad_y.dtype)


@kernel
def _forward(x, weight, y, s_d, s_h, s_w, p_d, p_h, p_w, dil_d, dil_h, dil_w, C_out_per_group):
    _, _, D_in, H_in, W_in = x.shape
    C_per_group = weight.shape[1]
    for n, c_out, d_out, h_out, w_out in np.ndindex(y.shape):
        c_first = c_out // C_out_per_group * C_per_group
        for c, k_d, k_h, k_w in np.ndindex(weight.shape[1:]):
            d_in = d_out * s_d - p_d + k_d * dil_d
            h_in = h_out * s_h - p_h + k_h * dil_h
            w_in = w_out * s_w - p_w + k_w * dil_w
            inside = 0 <= d_in < D_in and 0 <= h_in < H_in and 0 <= w_in < W_in
            value = np.float64(x[n, c_first + c, d_in, h_in, w_in]) if inside else 0.0
            y[n, c_out, d_out, h_out, w_out] += weight[c_out, c, k_d, k_h, k_w] * value


@kernel
def _backward_x(grad_y, weight, grad_x, s_d, s_h, s_w, p_d, p_h, p_w, dil_d, dil_h, dil_w, C_out_per_group):
    _, _, D_in, H_in, W_in = grad_x.shape
    C_per_group = weight.shape[1]
    for n, c_out, d_out, h_out, w_out in np.ndindex(grad_y.shape):
        c_first = c_out // C_out_per_group * C_per_group
        for c, k_d, k_h, k_w in np.ndindex(weight.shape[1:]):
            d_in = d_out * s_d - p_d + k_d * dil_d
            h_in = h_out * s_h - p_h + k_h * dil_h
            w_in = w_out * s_w - p_w + k_w * dil_w
            if 0 <= d_in < D_in and 0 <= h_in < H_in and 0 <= w_in < W_in:
                value = np.float64(grad_y[n, c_out, d_out, h_out, w_out])
                grad_x[n, c_first + c, d_in, h_in, w_in] += weight[c_out, c, k_d, k_h, k_w] * value


@kernel
def _backward_weight(grad_y, x, grad_weight, s_d, s_h, s_w, p_d, p_h, p_w, dil_d, dil_h, dil_w, C_out_per_group):
    _, _, D_in, H_in, W_in = x.shape
    C_per_group = grad_weight.shape[1]
    for n, c_out, d_out, h_out, w_out in np.ndindex(grad_y.shape):
        c_first = c_out // C_out_per_group * C_per_group
        for c, k_d, k_h, k_w in np.ndindex(grad_weight.shape[1:]):
            d_in = d_out * s_d - p_d + k_d * dil_d
            h_in = h_out * s_h - p_h + k_h * dil_h
            w_in = w_out * s_w - p_w + k_w * dil_w
            inside = 0 <= d_in < D_in and 0 <= h_in < H_in and 0 <= w_in < W_in
            value = np.float64(x[n, c_first + c, d_in, h_in, w_in]) if inside else 0.0
            grad_weight[c_out, c, k_d, k_h, k_w] += grad_y[n, c_out, d_out, h_out, w_out] * value
