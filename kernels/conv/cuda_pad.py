"""Padding on the GPU. Same contracts as ``kernels/conv/reference_pad.py``.

Optimizations
-------------
* One launch for all axes: neighbouring axes without padding are joined, so that four are enough for a batch of volumes.
  Only a fifth would cost a second launch.
* Forward, a thread owns an element of the result and finds on each axis the place of `x` that it shows.
* Backward, a thread owns an element of `x` and asks on each axis which places show it: itself, and a mirror image, a
  repetition or, at an edge, all places beyond it. No two threads add to one element.
* Neighbouring threads have neighbouring places on the last axis.
"""

import math

from numba import cuda

from kernels.conv import shapes
from kernels.elementary import formula
from kernels.gpu.launch import kernel, per_element
from kernels.gpu.memory import empty, readable

__all__ = ["pad_backward_x", "pad_forward"]

#: The kernels' axes.
_AXES = 4

_CONSTANT, _REFLECT, _REPLICATE, _CIRCULAR = range(4)  # as in shapes.PAD_MODES


def pad_forward(x, pads, mode, value):
    """Same contract as in ``reference``."""
    shapes.pad("pad", x, pads, mode)
    y = readable(x)
    for x_sizes, before, y_sizes, y_shape in _steps(x.shape, pads):
        padded = empty(y_shape, x.dtype)
        arguments = y.reshape(x_sizes), padded.reshape(y_sizes), before, shapes.PAD_MODES.index(mode)
        _pad[per_element(padded.size)](*arguments, x.dtype.type(value))
        y = padded
    return y if any(map(any, pads)) else y.copy()


def pad_backward_x(grad_y, x_shape, pads, mode):
    """Same contract as in ``reference``, but for sums in the dtype of `grad_y`."""
    shapes.pad_backward("pad", grad_y, x_shape, pads, mode)
    grad = readable(grad_y)
    for x_sizes, before, y_sizes, _ in reversed(_steps(x_shape, pads)):
        grad_x = empty(x_sizes, grad_y.dtype)
        _collect[per_element(grad_x.size)](grad.reshape(y_sizes), grad_x, before, shapes.PAD_MODES.index(mode))
        grad = grad_x
    return grad.reshape(x_shape) if any(map(any, pads)) else grad.copy()


def _steps(x_shape, pads):
    """What the launches do: for each the sizes of four axes before and after, the places before, the whole shape after.

    The last axes are padded first.
    """
    steps, shape = [], tuple(x_shape)
    while any(map(any, pads)):
        end, joined = len(shape), []  # (size, before, after), the last axis first
        while end > 0 and len(joined) < _AXES - 1:
            joined.append((shape[end - 1], *pads[end - 1]))
            end -= 1
            while end > 0 and not any(pads[end - 1]) and not any(joined[-1][1:]):
                joined[-1] = (joined[-1][0] * shape[end - 1], 0, 0)
                end -= 1
        joined += [(1, 0, 0)] * (_AXES - 1 - len(joined)) + [(math.prod(shape[:end]), 0, 0)]
        sizes, before, after = zip(*reversed(joined))
        padded = tuple(sum(axis) for axis in zip(sizes, before, after))
        shape = (*shape[:end], *(size + sum(pair) for size, pair in zip(shape[end:], pads[end:])))
        steps.append((sizes, before, padded, shape))
        pads = (*pads[:end], *((0, 0),) * (len(pads) - end))  # done
    return steps


@kernel
def _pad(x, y, before, mode, value):
    """One thread, one element of y: the element of x that it shows, or the constant."""
    _, B, C, D = y.shape
    i = cuda.grid(1)
    if i < y.size:
        a, b, c, d = i // (B * C * D), i // (C * D) % B, i // D % C, i % D
        a_x = _source(a - before[0], x.shape[0], y.shape[0], before[0], mode)
        b_x = _source(b - before[1], x.shape[1], B, before[1], mode)
        c_x = _source(c - before[2], x.shape[2], C, before[2], mode)
        d_x = _source(d - before[3], x.shape[3], D, before[3], mode)
        y[a, b, c, d] = x[a_x, b_x, c_x, d_x] if min(a_x, b_x, c_x, d_x) >= 0 else value


@kernel
def _collect(grad_y, grad_x, before, mode):
    """One thread, one element of x: the gradients of all places that show it."""
    A, B, C, D = grad_x.shape
    A_y, B_y, C_y, D_y = grad_y.shape
    i = cuda.grid(1)
    if i < grad_x.size:
        a, b, c, d = i // (B * C * D), i // (C * D) % B, i // D % C, i % D
        acc = grad_x.dtype.type(0)
        for t_a in range(_views(a, A, A_y, before[0], mode)):
            a_y = _view(t_a, a, A, A_y, before[0], mode)
            for t_b in range(_views(b, B, B_y, before[1], mode)):
                b_y = _view(t_b, b, B, B_y, before[1], mode)
                for t_c in range(_views(c, C, C_y, before[2], mode)):
                    c_y = _view(t_c, c, C, C_y, before[2], mode)
                    for t_d in range(_views(d, D, D_y, before[3], mode)):
                        d_y = _view(t_d, d, D, D_y, before[3], mode)
                        if min(a_y, b_y, c_y, d_y) >= 0:
                            acc += grad_y[a_y, b_y, c_y, d_y]
        grad_x[a, b, c, d] = acc


@formula
def _source(place, size, padded, before, mode):
    """The place of an axis of `size` that a place around it shows, or -1 for the constant: ``shapes.pad_source``."""
    if mode == _CONSTANT:
        return place if 0 <= place < size else -1
    if mode == _REPLICATE:
        return min(max(place, 0), size - 1)
    if mode == _CIRCULAR:
        first, length = _uncropped(size, padded, before)
        return (place - first) % max(length, 1) + first
    mirrored = abs(place)
    return 2 * (size - 1) - mirrored if mirrored >= size else mirrored


@formula
def _views(place, size, padded, before, mode):
    """How many places may show this one."""
    if (padded == size and before == 0) or mode == _CONSTANT:
        return 1
    if mode == _REPLICATE:
        left = max(before, 0) if place == 0 else 0
        return 1 + left + (max(padded - size - before, 0) if place == size - 1 else 0)
    return 3


@formula
def _view(t, place, size, padded, before, mode):
    """Number `t` of the places, counted in the padded axis, that show this one; -1 where there is none."""
    shown = place
    if t > 0 and mode == _REPLICATE:  # beyond the left edge first, then beyond the right one
        left = max(before, 0) if place == 0 else 0
        shown = -t if t <= left else size - 1 + t - left
    elif t > 0 and mode == _REFLECT:
        shown = -place if t == 1 else 2 * (size - 1) - place
        if shown == place:  # a mirror shows its own place once
            return -1
    elif mode == _CIRCULAR:
        first, length = _uncropped(size, padded, before)
        if place < first or place >= first + length:
            return -1
        shown = place + (t if t < 2 else -1) * length
    at = shown + before
    return at if 0 <= at < padded else -1


@formula
def _uncropped(size, padded, before):
    """The first place that cropping leaves, and how many."""
    after = padded - size - before
    return max(-before, 0), size + min(before, 0) + min(after, 0)
