"""Padding as formula and plain loops: what stands around a picture when a kernel reaches over its edge."""

import math

import numpy as np

from kernels.conv import shapes
from kernels.jit import kernel
from kernels.memory import empty, readable, zeros

__all__ = ["pad_backward_x", "pad_forward"]


def pad_forward(x, pads, mode, value):
    """Put places before and after along each axis, or take them away.

        y[i, j, ...] = x[source(i), source(j), ...]          along an axis of size W and for place i = -before ... :

        constant     i,  and `value` where i is outside 0 <= i < W            0 | a b c | 0
        replicate    the nearest place: min(max(i, 0), W - 1)                 a | a b c | c
        circular     i modulo W (the W that is left, if one side is cropped)  c | a b c | a
        reflect      -i before 0, 2 (W - 1) - i after W - 1                   b | a b c | b

    Parameters
    ----------
    x : ndarray, float32 or float64, with any number of axes
    pads : tuple of (before, after), two int for each axis
        Negative numbers crop.
    mode : str
        ``"constant"``, ``"reflect"``, ``"replicate"`` or ``"circular"``.
    value : float
        The constant; without meaning for the other modes.

    Returns
    -------
    ndarray, dtype of `x`
        Each axis is longer by before + after.

    Raises
    ------
    TypeError, ValueError
        What `kernels.conv.shapes.pad` refuses.

    Notes
    -----
    The axes are padded one after another. The order does not matter, for each place is found axis by axis.
    """
    shapes.pad("pad", x, pads, mode)
    y = readable(x).copy()
    for axis, (before, after) in enumerate(pads):
        shape = (*y.shape[:axis], y.shape[axis] + before + after, *y.shape[axis + 1 :])
        padded = empty(shape, x.dtype)
        _pad(_three(y, axis), shapes.pad_source(y.shape[axis], before, after, mode), value, _three(padded, axis))
        y = padded
    return y


def pad_backward_x(grad_y, x_shape, pads, mode):
    """Gradient for `x`: each place of the padded array sends its gradient to the place that it shows.

    `x_shape` is the shape before the padding; the other parameters are as in `pad_forward`. Sums are float64.
    """
    shapes.pad_backward("pad", grad_y, x_shape, pads, mode)
    grad = readable(grad_y).astype(np.float64)
    for axis, (before, after) in enumerate(pads):
        grad_x = zeros((*grad.shape[:axis], x_shape[axis], *grad.shape[axis + 1 :]), np.float64)
        _add(_three(grad, axis), shapes.pad_source(x_shape[axis], before, after, mode), _three(grad_x, axis))
        grad = grad_x
    return grad.astype(grad_y.dtype)


def _three(array, axis):
    """The axis between all axes before it and all axes after it."""
    sizes = array.shape
    return array.reshape(math.prod(sizes[:axis]), sizes[axis], math.prod(sizes[axis + 1 :]))


@kernel
def _pad(x, source, value, y):
    for before, i, after in np.ndindex(y.shape):
        y[before, i, after] = x[before, source[i], after] if source[i] >= 0 else value


@kernel
def _add(grad_y, source, grad_x):
    for before, i, after in np.ndindex(grad_y.shape):
        if source[i] >= 0:
            grad_x[before, source[i], after] += grad_y[before, i, after]
