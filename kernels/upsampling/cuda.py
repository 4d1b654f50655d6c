"""Interpolation on the GPU. Same contracts as ``kernels/upsampling/reference.py``, but for sums in the dtype of `x`.

Optimizations
-------------
* One thread owns one new pixel and gathers its neighbours: which, and with which weights, stands in a table for each
  axis (``shapes.axis_table``). The gradient is the same kernel with the transposed tables, so it gathers as well, and
  repeats bit for bit.
* Few neighbours (linear 2 x 2 x 2, cubic 4 x 4) are summed at once: the picture is read once, through the cache, and
  written once. Many (antialiasing that shrinks, a gradient of much enlargement) are summed axis after axis, as on the
  CPU: 20 + 20 products for a pixel instead of 20 x 20 outweigh the array between.

        at once    x ──────────────────────► y         axis after axis    x ── rows ──► between ── columns ──► y

* Threads along x are neighbours along the last axis, and so are most of the pixels that they read.
* Tables are made on the host, copied to the device when a geometry is first met, and kept there.
"""

import math
from functools import lru_cache
from typing import NamedTuple

from numba import cuda

from kernels.gpu.array import DeviceArray
from kernels.gpu.launch import kernel, per_element
from kernels.gpu.memory import empty, readable
from kernels.gpu.target import memory_is_host
from kernels.gpu.transfer import to_device
from kernels.upsampling import shapes

__all__ = ["interpolate_backward_x", "interpolate_forward"]

#: Neighbours of a pixel, on average, up to which they are summed at once.
_FEW = 16


def interpolate_forward(x, sizes, mode, align_corners, scales, antialias):
    """Same contract as in ``reference``."""
    shapes.forward("interpolate", x, sizes, mode, align_corners, scales, antialias)
    options = mode, bool(align_corners), bool(antialias), x.dtype, False
    return _applied(readable(x), sizes, _tables(x.shape[2:], sizes, scales, options))


def interpolate_backward_x(grad_y, x_shape, mode, align_corners, scales, antialias):
    """Same contract as in ``reference``."""
    shapes.backward_x("interpolate", grad_y, x_shape, mode, align_corners, scales, antialias)
    options = mode, bool(align_corners), bool(antialias), grad_y.dtype, True
    sizes = tuple(x_shape[2:])
    return _applied(readable(grad_y), sizes, _tables(sizes, grad_y.shape[2:], scales, options))


class _Table(NamedTuple):
    """One axis on the device: pixel i is the sum of weight[t] * x[source[t]] over begin[i] <= t < begin[i + 1]."""

    begin: DeviceArray
    source: DeviceArray
    weight: DeviceArray
    taps: float  # of a pixel, on average


def _tables(sizes_in, sizes_out, scales, options):
    """The tables of all axes; `options` are mode, align_corners, antialias, dtype, whether for the gradient."""
    axes = zip(sizes_in, sizes_out, scales)
    return [_table(int(size_in), int(size_out), scale, *options, memory_is_host()) for size_in, size_out, scale in axes]


@lru_cache(maxsize=512)
def _table(size_in, size_out, scale, mode, align_corners, antialias, dtype, gradient, _where):
    """The table of an axis; `_where` keeps those of kernels that are compiled only from those that run."""
    table = shapes.axis_table(size_in, size_out, mode, align_corners, scale, antialias, dtype)
    begin, source, weight = shapes.transposed(table, size_in) if gradient else table
    taps = len(source) / (len(begin) - 1)
    return _Table(to_device(begin), to_device(source), to_device(weight.astype(dtype)), taps)


def _applied(x, sizes, tables):
    if math.prod(table.taps for table in tables) <= _FEW:
        return _at_once(x, sizes, tables)
    return _axis_after_axis(x, sizes, tables)


def _at_once(x, sizes, tables):
    y = empty((*x.shape[:2], *sizes), x.dtype)
    one_pixel = _table(1, 1, None, "nearest", False, False, x.dtype, False, memory_is_host())
    arrays = [array for table in [one_pixel] * (3 - len(sizes)) + tables for array in table[:3]]
    _sum_over_all_axes[per_element(y.size)](_volumes(x), *arrays, _volumes(y))
    return y


def _volumes(array):
    """Batch and channels as one axis, and three axes of space."""
    space = array.shape[2:]
    return array.reshape(array.shape[0] * array.shape[1], *(1,) * (3 - len(space)), *space)


def _axis_after_axis(x, sizes, tables):
    """The axis that shrinks most first, the one that grows most last, so that the arrays between are small."""
    for axis in sorted(range(len(sizes)), key=lambda axis: (sizes[axis] / x.shape[2 + axis], -axis)):
        before, behind = x.shape[: 2 + axis], x.shape[3 + axis :]
        y = empty((*before, sizes[axis], *behind), x.dtype)
        rows = math.prod(before), math.prod(behind)
        x = x.reshape(rows[0], x.shape[2 + axis], rows[1])
        _sum_over_one_axis[per_element(y.size)](x, *tables[axis][:3], y.reshape(rows[0], sizes[axis], rows[1]))
        x = y
    return x


@kernel
def _sum_over_all_axes(x, begin_d, source_d, weight_d, begin_h, source_h, weight_h, begin_w, source_w, weight_w, y):
    i = cuda.grid(1)
    if i < y.size:
        _, D, H, W = y.shape
        plane, d, h, w = i // (D * H * W), i // (H * W) % D, i // W % H, i % W
        acc = y.dtype.type(0)
        for t_d in range(begin_d[d], begin_d[d + 1]):
            for t_h in range(begin_h[h], begin_h[h + 1]):
                weight_of_row = weight_d[t_d] * weight_h[t_h]
                for t_w in range(begin_w[w], begin_w[w + 1]):
                    weight = weight_of_row * weight_w[t_w]
                    acc += weight * x[plane, source_d[t_d], source_h[t_h], source_w[t_w]]
        y[plane, d, h, w] = acc


@kernel
def _sum_over_one_axis(x, begin, source, weight, y):
    """x (before, size_in, behind), y (before, size_out, behind)."""
    i = cuda.grid(1)
    if i < y.size:
        _, size, behind = y.shape
        row, new, k = i // (size * behind), i // behind % size, i % behind
        acc = y.dtype.type(0)
        for t in range(begin[new], begin[new + 1]):
            acc += weight[t] * x[row, source[t], k]
        y[row, new, k] = acc
