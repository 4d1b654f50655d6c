"""Transposed convolution as formula and plain loops: what a learner reads, what every test trusts.

A convolution gathers: each output pixel looks at a window of the input. Its transpose scatters: each input pixel stamps
the kernel, times its own value, onto the output, `stride` places from the stamp of its neighbour; where stamps overlap
they add up. One row, kernel (a, b, c), stride 2:

    x           1           10
    y     a     b    c+10a   10b   10c

As a matrix, a convolution is y = W x, and the transposed convolution is y = W^T x with the same W (it is no inverse,
though "deconvolution" has been its name). One loop nest serves the forward pass and both gradients; only the innermost
line changes:

    forward           y           += weight * x
    backward_x        grad_x      += weight * grad_y
    backward_weight   grad_weight += x * grad_y

Where the kernel's size is no multiple of the stride, as above, some output pixels lie under more stamps than others,
and a network that has not learnt to level this paints a checkerboard: so generators have kernel 4 with stride 2, or
enlarge the picture first and convolve then (`mediml.nn.functional.interpolate`).

The functions for 1-D say the same about a picture of height 1. Those for 3-D stand in ``reference_volume.py``.
"""

import numpy as np

from kernels.conv_transpose import shapes
from kernels.conv_transpose.reference_volume import (
    conv_transpose3d_backward_bias,
    conv_transpose3d_backward_weight,
    conv_transpose3d_backward_x,
    conv_transpose3d_forward,
)
from kernels.jit import kernel
from kernels.memory import readable, zeros

__all__ = [
    "conv_transpose1d_backward_bias", "conv_transpose1d_backward_weight", "conv_transpose1d_backward_x",
    "conv_transpose1d_forward", "conv_transpose2d_backward_bias", "conv_transpose2d_backward_weight",
    "conv_transpose2d_backward_x", "conv_transpose2d_forward", "conv_transpose3d_backward_bias",
    "conv_transpose3d_backward_weight", "conv_transpose3d_backward_x", "conv_transpose3d_forward",
]  # fmt: skip


def conv_transpose2d_forward(x, weight, bias, stride, padding, output_padding, dilation, groups):
    """2-D transposed convolution: every input pixel stamps the kernel onto the output.

        y[n, g * C_out/groups + c, h_out, w_out] = bias[g * C_out/groups + c]
            + sum of weight[c_in, c, k_h, k_w] * x[n, c_in, h_in, w_in]
              over all c_in of group g and all h_in, w_in, k_h, k_w with

        h_out = h_in * s_h - p_h + k_h * dil_h          what falls outside the output is dropped; likewise w_out
        g     = c_in // (C_in / groups)
        H_out = (H_in - 1) s_h - 2 p_h + dil_h (K_h - 1) + op_h + 1            likewise W_out

    Parameters
    ----------
    x : ndarray of shape (N, C_in, H_in, W_in), float32 or float64
    weight : ndarray of shape (C_in, C_out / groups, K_h, K_w), dtype of `x`
        Input channels first: it is the weight of the convolution from y to x.
    bias : ndarray of shape (C_out,), dtype of `x`, or None
        None counts as zeros.
    stride, padding, output_padding, dilation : tuple of two int
        (s_h, s_w) >= 1; (p_h, p_w) >= 0, rows and columns taken away on either side; (op_h, op_w) >= 0, more of them
        kept at the end, less than stride or dilation; (dil_h, dil_w) >= 1.
    groups : int
        Divides C_in and C_out: each group of input channels stamps onto its own group of output channels.

    Returns
    -------
    ndarray of shape (N, C_out, H_out, W_out), dtype of `x`

    Raises
    ------
    TypeError, ValueError
        What `kernels.conv_transpose.shapes.forward` refuses.

    Notes
    -----
    Accumulates in float64 whatever the dtype, so that it can judge the fast kernels.

    See Also
    --------
    mediml.nn.ConvTranspose2d : the layer.

    References
    ----------
    V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285, 2016.
    M. D. Zeiler, D. Krishnan, G. W. Taylor, R. Fergus, "Deconvolutional networks", CVPR 2010.
    A. Odena, V. Dumoulin, C. Olah, "Deconvolution and checkerboard artifacts", Distill, 2016.
    Taught in lesson 13, generative adversarial networks.
    """
    return _forward_of("conv_transpose2d", 2, x, weight, bias, stride, padding, output_padding, dilation, groups)


def conv_transpose2d_backward_x(grad_y, weight, x_shape, stride, padding, output_padding, dilation, groups):
    """Gradient for `x`: every place that x[n, c_in, h_in, w_in] was stamped on sends back weight * grad_y.

    This is a convolution of `grad_y`. Its gradient counts as 0 outside the output, so that a weight of inf or NaN which
    was stamped over the edge gives NaN (0 * inf; as in torch).

    Parameters as in `conv_transpose2d_forward`; `grad_y` has the shape of its result. Returns an array of `x_shape`.
    """
    geometry = (stride, padding, output_padding, dilation, groups)
    return _backward_x_of("conv_transpose2d", 2, grad_y, weight, x_shape, *geometry)


def conv_transpose2d_backward_weight(grad_y, x, weight_shape, stride, padding, output_padding, dilation, groups):
    """Gradient for `weight`: what each tap was multiplied with, times the gradient of where it was stamped.

    Parameters as in `conv_transpose2d_forward`; `grad_y` has the shape of its result. Returns an array of
    `weight_shape`.
    """
    geometry = (stride, padding, output_padding, dilation, groups)
    return _backward_weight_of("conv_transpose2d", 2, grad_y, x, weight_shape, *geometry)


def conv_transpose2d_backward_bias(grad_y):
    """Gradient for `bias`: it was added everywhere, so grad_bias[c_out] = sum_{n, h_out, w_out} grad_y."""
    return _backward_bias_of("conv_transpose2d", 2, grad_y)


def conv_transpose1d_forward(x, weight, bias, stride, padding, output_padding, dilation, groups):
    """`conv_transpose2d_forward` along one axis: x (N, C_in, W_in); weight (C_in, C_out / groups, K_w)."""
    return _forward_of("conv_transpose1d", 1, x, weight, bias, stride, padding, output_padding, dilation, groups)


def conv_transpose1d_backward_x(grad_y, weight, x_shape, stride, padding, output_padding, dilation, groups):
    """`conv_transpose2d_backward_x` along one axis."""
    geometry = (stride, padding, output_padding, dilation, groups)
    return _backward_x_of("conv_transpose1d", 1, grad_y, weight, x_shape, *geometry)


def conv_transpose1d_backward_weight(grad_y, x, weight_shape, stride, padding, output_padding, dilation, groups):
    """`conv_transpose2d_backward_weight` along one axis."""
    geometry = (stride, padding, output_padding, dilation, groups)
    return _backward_weight_of("conv_transpose1d", 1, grad_y, x, weight_shape, *geometry)


def conv_transpose1d_backward_bias(grad_y):
    """`conv_transpose2d_backward_bias` along one axis."""
    return _backward_bias_of("conv_transpose1d", 1, grad_y)


def _forward_of(op, rank, x, weight, bias, stride, padding, output_padding, dilation, groups):
    y_shape = shapes.forward(op, rank, x, weight, bias, stride, padding, output_padding, dilation, groups)
    y = zeros(y_shape, np.float64)
    if bias is not None:
        y += bias.reshape(-1, *(1,) * rank)
    pictures = (_pictures(readable(array)) for array in (x, weight))
    _forward(*pictures, _pictures(y), *_two(stride, padding, dilation), weight.shape[0] // groups)
    return y.astype(x.dtype)


def _backward_x_of(op, rank, grad_y, weight, x_shape, stride, padding, output_padding, dilation, groups):
    shapes.backward_x(op, rank, grad_y, weight, x_shape, stride, padding, output_padding, dilation, groups)
    grad_x = zeros(x_shape, np.float64)
    pictures = (_pictures(readable(array)) for array in (grad_y, weight))
    _backward_x(*pictures, _pictures(grad_x), *_two(stride, padding, dilation), weight.shape[0] // groups)
    return grad_x.astype(grad_y.dtype)


def _backward_weight_of(op, rank, grad_y, x, weight_shape, stride, padding, output_padding, dilation, groups):
    shapes.backward_weight(op, rank, grad_y, x, weight_shape, stride, padding, output_padding, dilation, groups)
    grad_weight = zeros(weight_shape, np.float64)
    pictures = (_pictures(readable(array)) for array in (grad_y, x))
    _backward_weight(*pictures, _pictures(grad_weight), *_two(stride, padding, dilation), weight_shape[0] // groups)
    return grad_weight.astype(grad_y.dtype)


def _backward_bias_of(op, rank, grad_y):
    shapes.backward_bias(op, rank, grad_y)
    everything_else = (0, *range(2, rank + 2))
    return grad_y.sum(axis=everything_else, dtype=np.float64).astype(grad_y.dtype)


def _pictures(array):
    """(N, C, W) as pictures of height 1, (N, C, 1, W)."""
    return array[:, :, None] if array.ndim == 3 else array


def _two(stride, padding, dilation):
    """s_h, s_w, p_h, p_w, dil_h, dil_w; the height of a row has stride 1, padding 0, dilation 1."""
    return (*(1, *stride)[-2:], *(0, *padding)[-2:], *(1, *dilation)[-2:])


@kernel
def _forward(x, weight, y, s_h, s_w, p_h, p_w, dil_h, dil_w, C_in_per_group):
    _, _, H_out, W_out = y.shape
    C_per_group = weight.shape[1]
    for n, c_in, h_in, w_in in np.ndindex(x.shape):
        c_first = c_in // C_in_per_group * C_per_group
        value = np.float64(x[n, c_in, h_in, w_in])
        for c, k_h, k_w in np.ndindex(weight.shape[1:]):
            h_out = h_in * s_h - p_h + k_h * dil_h
            w_out = w_in * s_w - p_w + k_w * dil_w
            if 0 <= h_out < H_out and 0 <= w_out < W_out:
                y[n, c_first + c, h_out, w_out] += weight[c_in, c, k_h, k_w] * value


@kernel
def _backward_x(grad_y, weight, grad_x, s_h, s_w, p_h, p_w, dil_h, dil_w, C_in_per_group):
    _, _, H_out, W_out = grad_y.shape
    C_per_group = weight.shape[1]
    for n, c_in, h_in, w_in in np.ndindex(grad_x.shape):
        c_first = c_in // C_in_per_group * C_per_group
        for c, k_h, k_w in np.ndindex(weight.shape[1:]):
            h_out = h_in * s_h - p_h + k_h * dil_h
            w_out = w_in * s_w - p_w + k_w * dil_w
            inside = 0 <= h_out < H_out and 0 <= w_out < W_out
            gradient = np.float64(grad_y[n, c_first + c, h_out, w_out]) if inside else 0.0
            grad_x[n, c_in, h_in, w_in] += weight[c_in, c, k_h, k_w] * gradient


@kernel
def _backward_weight(grad_y, x, grad_weight, s_h, s_w, p_h, p_w, dil_h, dil_w, C_in_per_group):
    _, _, H_out, W_out = grad_y.shape
    C_per_group = grad_weight.shape[1]
    for n, c_in, h_in, w_in in np.ndindex(x.shape):
        c_first = c_in // C_in_per_group * C_per_group
        for c, k_h, k_w in np.ndindex(grad_weight.shape[1:]):
            h_out = h_in * s_h - p_h + k_h * dil_h
            w_out = w_in * s_w - p_w + k_w * dil_w
            inside = 0 <= h_out < H_out and 0 <= w_out < W_out
            gradient = np.float64(grad_y[n, c_first + c, h_out, w_out]) if inside else 0.0
            grad_weight[c_in, c, k_h, k_w] += x[n, c_in, h_in, w_in] * gradient
