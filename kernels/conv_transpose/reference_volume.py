"""Transposed convolution of volumes as formula and plain loops: ``reference.py`` with one more axis, depth."""

import numpy as np

from kernels.conv_transpose import shapes
from kernels.jit import kernel
from kernels.memory import readable, zeros

__all__ = [
    "conv_transpose3d_backward_bias",
    "conv_transpose3d_backward_weight",
    "conv_transpose3d_backward_x",
    "conv_transpose3d_forward",
]


def conv_transpose3d_forward(x, weight, bias, stride, padding, output_padding, dilation, groups):
    """3-D transposed convolution: every input voxel stamps the kernel onto the output.

        y[n, g * C_out/groups + c, d_out, h_out, w_out] = bias[g * C_out/groups + c]
            + sum of weight[c_in, c, k_d, k_h, k_w] * x[n, c_in, d_in, h_in, w_in]
              over all c_in of group g and all d_in, h_in, w_in, k_d, k_h, k_w with

        d_out = d_in * s_d - p_d + k_d * dil_d          what falls outside the output is dropped; likewise h_out, w_out
        g     = c_in // (C_in / groups)
        D_out = (D_in - 1) s_d - 2 p_d + dil_d (K_d - 1) + op_d + 1            likewise H_out, W_out

    Parameters
    ----------
    x : ndarray of shape (N, C_in, D_in, H_in, W_in), float32 or float64
    weight : ndarray of shape (C_in, C_out / groups, K_d, K_h, K_w), dtype of `x`
    bias : ndarray of shape (C_out,), dtype of `x`, or None
        None counts as zeros.
    stride, padding, output_padding, dilation : tuple of three int
        As in `kernels.conv_transpose.reference.conv_transpose2d_forward`.
    groups : int
        Divides C_in and C_out.

    Returns
    -------
    ndarray of shape (N, C_out, D_out, H_out, W_out), dtype of `x`

    Raises
    ------
    TypeError, ValueError
        What `kernels.conv_transpose.shapes.forward` refuses.

    See Also
    --------
    mediml.nn.ConvTranspose3d : the layer.
    """
    geometry = (stride, padding, output_padding, dilation, groups)
    y = zeros(shapes.forward("conv_transpose3d", 3, x, weight, bias, *geometry), np.float64)
    if bias is not None:
        y += bias[:, None, None, None]
    _forward(readable(x), readable(weight), y, *stride, *padding, *dilation, weight.shape[0] // groups)
    return y.astype(x.dtype)


def conv_transpose3d_backward_x(grad_y, weight, x_shape, stride, padding, output_padding, dilation, groups):
    """Gradient for `x`: every place that x[n, c_in, d_in, h_in, w_in] was stamped on sends back weight * grad_y."""
    geometry = (stride, padding, output_padding, dilation, groups)
    shapes.backward_x("conv_transpose3d", 3, grad_y, weight, x_shape, *geometry)
    grad_x = zeros(x_shape, np.float64)
    C_in_per_group = weight.shape[0] // groups
    _backward_x(readable(grad_y), readable(weight), grad_x, *stride, *padding, *dilation, C_in_per_group)
    return grad_x.astype(grad_y.dtype)


def conv_transpose3d_backward_weight(grad_y, x, weight_shape, stride, padding, output_padding, dilation, groups):
    """Gradient for `weight`: what each tap was multiplied with, times the gradient of where it was stamped."""
    geometry = (stride, padding, output_padding, dilation, groups)
    shapes.backward_weight("conv_transpose3d", 3, grad_y, x, weight_shape, *geometry)
    grad_weight = zeros(weight_shape, np.float64)
    C_in_per_group = weight_shape[0] // groups
    _backward_weight(readable(grad_y), readable(x), grad_weight, *stride, *padding, *dilation, C_in_per_group)
    return grad_weight.astype(grad_y.dtype)


def conv_transpose3d_backward_bias(grad_y):
    """Gradient for `bias`: it was added everywhere, so grad_bias[c_out] = sum of grad_y over all other axes."""
    shapes.backward_bias("conv_transpose3d", 3, grad_y)
    return grad_y.sum(axis=(0, 2, 3, 4), dtype=np.float64).astype(grad_y.dtype)


@kernel
def _forward(x, weight, y, s_d, s_h, s_w, p_d, p_h, p_w, dil_d, dil_h, dil_w, C_in_per_group):
    _, _, D_out, H_out, W_out = y.shape
    C_per_group = weight.shape[1]
    for n, c_in, d_in, h_in, w_in in np.ndindex(x.shape):
        c_first = c_in // C_in_per_group * C_per_group
        value = np.float64(x[n, c_in, d_in, h_in, w_in])
        for c, k_d, k_h, k_w in np.ndindex(weight.shape[1:]):
            d_out = d_in * s_d - p_d + k_d * dil_d
            h_out = h_in * s_h - p_h + k_h * dil_h
            w_out = w_in * s_w - p_w + k_w * dil_w
            if 0 <= d_out < D_out and 0 <= h_out < H_out and 0 <= w_out < W_out:
                y[n, c_first + c, d_out, h_out, w_out] += weight[c_in, c, k_d, k_h, k_w] * value


@kernel
def _backward_x(grad_y, weight, grad_x, s_d, s_h, s_w, p_d, p_h, p_w, dil_d, dil_h, dil_w, C_in_per_group):
    _, _, D_out, H_out, W_out = grad_y.shape
    C_per_group = weight.shape[1]
    for n, c_in, d_in, h_in, w_in in np.ndindex(grad_x.shape):
        c_first = c_in // C_in_per_group * C_per_group
        for c, k_d, k_h, k_w in np.ndindex(weight.shape[1:]):
            d_out = d_in * s_d - p_d + k_d * dil_d
            h_out = h_in * s_h - p_h + k_h * dil_h
            w_out = w_in * s_w - p_w + k_w * dil_w
            inside = 0 <= d_out < D_out and 0 <= h_out < H_out and 0 <= w_out < W_out
            gradient = np.float64(grad_y[n, c_first + c, d_out, h_out, w_out]) if inside else 0.0
            grad_x[n, c_in, d_in, h_in, w_in] += weight[c_in, c, k_d, k_h, k_w] * gradient


@kernel
def _backward_weight(grad_y, x, grad_weight, s_d, s_h, s_w, p_d, p_h, p_w, dil_d, dil_h, dil_w, C_in_per_group):
    _, _, D_out, H_out, W_out = grad_y.shape
    C_per_group = grad_weight.shape[1]
    for n, c_in, d_in, h_in, w_in in np.ndindex(x.shape):
        c_first = c_in // C_in_per_group * C_per_group
        for c, k_d, k_h, k_w in np.ndindex(grad_weight.shape[1:]):
            d_out = d_in * s_d - p_d + k_d * dil_d
            h_out = h_in * s_h - p_h + k_h * dil_h
            w_out = w_in * s_w - p_w + k_w * dil_w
            inside = 0 <= d_out < D_out and 0 <= h_out < H_out and 0 <= w_out < W_out
            gradient = np.float64(grad_y[n, c_first + c, d_out, h_out, w_out]) if inside else 0.0
            grad_weight[c_in, c, k_d, k_h, k_w] += x[n, c_in, d_in, h_in, w_in] * gradient
