"""Fast padding. Same contracts as ``kernels/conv/reference_pad.py``.

Optimizations
-------------
* Axis after axis, and axes without padding cost nothing. The loop over what stands behind the axis is innermost, so
  rows are copied as a whole.
* Threads share the axes before the padded one; each element of a result or a gradient belongs to one thread.
"""

import math

from kernels.conv import shapes
from kernels.jit import kernel
from kernels.memory import empty, readable, zeros
from kernels.parallel import for_each

__all__ = ["pad_backward_x", "pad_forward"]


def pad_forward(x, pads, mode, value):
    """Same contract as in ``reference``."""
    shapes.pad("pad", x, pads, mode)
    y = readable(x)
    for axis, (before, after) in enumerate(pads):
        if before or after:
            padded = empty((*y.shape[:axis], y.shape[axis] + before + after, *y.shape[axis + 1 :]), x.dtype)
            source = shapes.pad_source(y.shape[axis], before, after, mode)
            blocks = _three(y, axis), _three(padded, axis)
            for_each(_pad, len(blocks[1]), padded.size, blocks[0], source, x.dtype.type(value), blocks[1])
            y = padded
    return y if any(map(any, pads)) else y.copy()


def pad_backward_x(grad_y, x_shape, pads, mode):
    """Same contract as in ``reference``, but for sums in the dtype of `grad_y`."""
    shapes.pad_backward("pad", grad_y, x_shape, pads, mode)
    grad = readable(grad_y)
    for axis, (before, after) in enumerate(pads):
        if before or after:
            grad_x = zeros((*grad.shape[:axis], x_shape[axis], *grad.shape[axis + 1 :]), grad_y.dtype)
            source = shapes.pad_source(x_shape[axis], before, after, mode)
            for_each(_add, math.prod(grad.shape[:axis]), grad.size, _three(grad, axis), source, _three(grad_x, axis))
            grad = grad_x
    return grad if any(map(any, pads)) else grad.copy()


def _three(array, axis):
    """The axis between all axes before it and all axes after it."""
    sizes = array.shape
    return array.reshape(math.prod(sizes[:axis]), sizes[axis], math.prod(sizes[axis + 1 :]))


@kernel
def _pad(lo, hi, x, source, value, y):
    for before in range(lo, hi):
        for i in range(y.shape[1]):
            place = source[i]
            for after in range(y.shape[2]):
                y[before, i, after] = x[before, place, after] if place >= 0 else value


@kernel
def _add(lo, hi, grad_y, source, grad_x):
    for before in range(lo, hi):
        for i in range(grad_y.shape[1]):
            place = source[i]
            if place >= 0:
                for after in range(grad_y.shape[2]):
                    grad_x[before, place, after] += grad_y[before, i, after]
