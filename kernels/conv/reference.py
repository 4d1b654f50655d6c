"""Convolution as formula and plain loops: what a learner reads, what every test trusts.

It begins with `cross_correlation`, the formula of every introduction, for one picture and one kernel. `conv2d_forward`
adds what a network needs: a batch, channels, stride, padding, dilation, groups. One loop nest then serves the forward
pass and both gradients; only the innermost line changes:

    forward           y           += weight * x
    backward_x        grad_x      += weight * grad_y
    backward_weight   grad_weight += grad_y * x

The functions for 1-D say the same about a picture of height 1. Those for 3-D stand in ``reference_volume.py``, padding
by mirroring and the like in ``reference_pad.py``; both are to be had from here.
"""

import numpy as np

from kernels.conv import shapes
from kernels.conv.reference_pad import pad_backward_x, pad_forward
from kernels.conv.reference_volume import (
    conv3d_backward_bias,
    conv3d_backward_weight,
    conv3d_backward_x,
    conv3d_forward,
)
from kernels.jit import kernel
from kernels.memory import empty, readable, zeros

__all__ = [
    "conv1d_backward_bias", "conv1d_backward_weight", "conv1d_backward_x", "conv1d_forward",
    "conv2d_backward_bias", "conv2d_backward_weight", "conv2d_backward_x", "conv2d_forward",
    "conv3d_backward_bias", "conv3d_backward_weight", "conv3d_backward_x", "conv3d_forward",
    "pad_backward_x", "pad_forward",
]  # fmt: skip


def cross_correlation(x, w, b):
    """The formula of every introduction: one picture, one kernel, one number that is added.

        y_ij = sum_k sum_l x_(i+k)(j+l) w_kl + b

    Parameters
    ----------
    x : ndarray of shape (I, J), float32 or float64
    w : ndarray of shape (K, L), dtype of `x`, no larger than `x`
    b : float

    Returns
    -------
    ndarray of shape (I - K + 1, J - L + 1), dtype of `x`

    See Also
    --------
    conv2d_forward : the same for batches, channels, stride, padding, dilation and groups.
    """
    y_shape = shapes.forward("cross_correlation", 2, x[None, None], w[None, None], None, (1, 1), (0, 0), (1, 1), 1)
    y = empty(y_shape[2:], np.float64)
    _cross_correlation(readable(x), readable(w), float(b), y)
    return y.astype(x.dtype)


def conv2d_forward(x, weight, bias, stride, padding, dilation, groups):
    """2-D cross-correlation, the "convolution" of neural networks.

        y[n, c_out, h_out, w_out] = bias[c_out]
            + sum_{c, k_h, k_w} weight[c_out, c, k_h, k_w] * x[n, g * C_in/groups + c, h_in, w_in]

        g    = c_out // (C_out / groups)
        h_in = h_out * s_h - p_h + k_h * dil_h          x counts as 0 outside the picture; likewise w_in
        H_out = (H_in + 2 p_h - dil_h (K_h - 1) - 1) // s_h + 1                likewise W_out

    With stride 1, padding 0 and one channel this is `cross_correlation`.

    Parameters
    ----------
    x : ndarray of shape (N, C_in, H_in, W_in), float32 or float64
    weight : ndarray of shape (C_out, C_in / groups, K_h, K_w), dtype of `x`
    bias : ndarray of shape (C_out,), dtype of `x`, or None
        None counts as zeros.
    stride, padding, dilation : tuple of two int
        (s_h, s_w) >= 1, (p_h, p_w) >= 0, (dil_h, dil_w) >= 1.
    groups : int
        Divides C_in and C_out: each group of output channels sees its own group of input channels.

    Returns
    -------
    ndarray of shape (N, C_out, H_out, W_out), dtype of `x`

    Raises
    ------
    TypeError, ValueError
        What `kernels.conv.shapes.forward` refuses.

    Notes
    -----
    Accumulates in float64 whatever the dtype, so that it can judge the fast kernels. A weight of inf or NaN over the
    padding gives NaN, for 0 * inf is NaN (as in torch).

    See Also
    --------
    mediml.nn.Conv2d : the layer.

    References
    ----------
    V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285.
    Taught in lesson 04, convolution.
    """
    return _forward_of("conv2d", 2, x, weight, bias, stride, padding, dilation, groups)


def conv2d_backward_x(grad_y, weight, x_shape, stride, padding, dilation, groups):
    """Gradient for `x`: every output that read x[n, c_in, h_in, w_in] sends back weight * grad_y.

    Parameters as in `conv2d_forward`; `grad_y` has the shape of its result. Returns an array of `x_shape`.
    """
    return _backward_x_of("conv2d", 2, grad_y, weight, x_shape, stride, padding, dilation, groups)


def conv2d_backward_weight(grad_y, x, weight_shape, stride, padding, dilation, groups):
    """Gradient for `weight`: the correlation of the input with the gradient of the output.

    Parameters as in `conv2d_forward`; `grad_y` has the shape of its result. Returns an array of `weight_shape`.
    """
    return _backward_weight_of("conv2d", 2, grad_y, x, weight_shape, stride, padding, dilation, groups)


def conv2d_backward_bias(grad_y):
    """Gradient for `bias`: it was added everywhere, so grad_bias[c_out] = sum_{n, h_out, w_out} grad_y."""
    return _backward_bias_of("conv2d", 2, grad_y)


def conv1d_forward(x, weight, bias, stride, padding, dilation, groups):
    """`conv2d_forward` along one axis: x (N, C_in, W_in); weight (C_out, C_in / groups, K_w); tuples of one int."""
    return _forward_of("conv1d", 1, x, weight, bias, stride, padding, dilation, groups)


def conv1d_backward_x(grad_y, weight, x_shape, stride, padding, dilation, groups):
    """`conv2d_backward_x` along one axis."""
    return _backward_x_of("conv1d", 1, grad_y, weight, x_shape, stride, padding, dilation, groups)


def conv1d_backward_weight(grad_y, x, weight_shape, stride, padding, dilation, groups):
    """`conv2d_backward_weight` along one axis."""
    return _backward_weight_of("conv1d", 1, grad_y, x, weight_shape, stride, padding, dilation, groups)


def conv1d_backward_bias(grad_y):
    """`conv2d_backward_bias` along one axis."""
    return _backward_bias_of("conv1d", 1, grad_y)


def _forward_of(op, rank, x, weight, bias, stride, padding, dilation, groups):
    y_shape = shapes.forward(op, rank, x, weight, bias, stride, padding, dilation, groups)
    y = zeros(y_shape, np.float64)
    if bias is not None:
        y += bias.reshape(-1, *(1,) * rank)
    pictures = (_pictures(readable(array)) for array in (x, weight))
    _forward(*pictures, _pictures(y), *_two(stride, padding, dilation), weight.shape[0] // groups)
    return y.astype(x.dtype)


def _backward_x_of(op, rank, grad_y, weight, x_shape, stride, padding, dilation, groups):
    shapes.backward_x(op, rank, grad_y, weight, x_shape, stride, padding, dilation, groups)
    grad_x = zeros(x_shape, np.float64)
    pictures = (_pictures(readable(array)) for array in (grad_y, weight))
    _backward_x(*pictures, _pictures(grad_x), *_two(stride, padding, dilation), weight.shape[0] // groups)
    return grad_x.astype(grad_y.dtype)


def _backward_weight_of(op, rank, grad_y, x, weight_shape, stride, padding, dilation, groups):
    shapes.backward_weight(op, rank, grad_y, x, weight_shape, stride, padding, dilation, groups)
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
def _cross_correlation(x, w, b, y):
    for i, j in np.ndindex(y.shape):
        y[i, j] = b
        for k, l in np.ndindex(w.shape):  # noqa: E741 - the letters of the formula
            y[i, j] += x[i + k, j + l] * w[k, l]


@kernel
def _forward(x, weight, y, s_h, s_w, p_h, p_w, dil_h, dil_w, C_out_per_group):
    _, _, H_in, W_in = x.shape
    C_per_group = weight.shape[1]
    for n, c_out, h_out, w_out in np.ndindex(y.shape):
        c_first = c_out // C_out_per_group * C_per_group
        for c, k_h, k_w in np.ndindex(weight.shape[1:]):
            h_in = h_out * s_h - p_h + k_h * dil_h
            w_in = w_out * s_w - p_w + k_w * dil_w
            inside = 0 <= h_in < H_in and 0 <= w_in < W_in
            value = np.float64(x[n, c_first + c, h_in, w_in]) if inside else 0.0
            y[n, c_out, h_out, w_out] += weight[c_out, c, k_h, k_w] * value


@kernel
def _backward_x(grad_y, weight, grad_x, s_h, s_w, p_h, p_w, dil_h, dil_w, C_out_per_group):
    _, _, H_in, W_in = grad_x.shape
    C_per_group = weight.shape[1]
    for n, c_out, h_out, w_out in np.ndindex(grad_y.shape):
        c_first = c_out // C_out_per_group * C_per_group
        for c, k_h, k_w in np.ndindex(weight.shape[1:]):
            h_in = h_out * s_h - p_h + k_h * dil_h
            w_in = w_out * s_w - p_w + k_w * dil_w
            if 0 <= h_in < H_in and 0 <= w_in < W_in:
                value = np.float64(grad_y[n, c_out, h_out, w_out])
                grad_x[n, c_first + c, h_in, w_in] += weight[c_out, c, k_h, k_w] * value


@kernel
def _backward_weight(grad_y, x, grad_weight, s_h, s_w, p_h, p_w, dil_h, dil_w, C_out_per_group):
    _, _, H_in, W_in = x.shape
    C_per_group = grad_weight.shape[1]
    for n, c_out, h_out, w_out in np.ndindex(grad_y.shape):
        c_first = c_out // C_out_per_group * C_per_group
        for c, k_h, k_w in np.ndindex(grad_weight.shape[1:]):
            h_in = h_out * s_h - p_h + k_h * dil_h
            w_in = w_out * s_w - p_w + k_w * dil_w
            inside = 0 <= h_in < H_in and 0 <= w_in < W_in
            value = np.float64(x[n, c_first + c, h_in, w_in]) if inside else 0.0
            grad_weight[c_out, c, k_h, k_w] += grad_y[n, c_out, h_out, w_out] * value
