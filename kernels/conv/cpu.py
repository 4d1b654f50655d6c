"""Fast convolution. Same contracts as ``kernels/conv/reference.py``.

Optimizations
-------------
* Eight rows by one vector of sums stay in registers (``kernels/gemm.py``). A row is an output channel, the lanes are
  neighbouring pixels, so the results lie in memory as they are needed and nothing is transposed.
* A padded copy of one picture's band takes every test for the border out of the loops, and the stride as well; it stays
  in the cache (``cpu_plan.py`` says how). No matrix of patches ("im2col") is written: taps are distances in the copy.
* Forward and backward_x are one loop: only the tables of offsets differ. Where there are few output channels (depthwise
  convolution, the gradient for a grey picture), two rows by four vectors take the place of eight rows by one.
* Weights are packed so that the eight that meet one vector lie side by side.
* backward_weight keeps eight taps by one vector of output channels in registers while it walks over the pixels.
* One loop for every rank: a row or a picture is a volume of depth 1; a pointwise convolution is a row.
* Threads share pictures, groups and bands. Every output element belongs to one of them; the gradient of the weights is
  added up from parts whose number follows from the shape. So the bits do not depend on the number of threads.
"""

import math

import numpy as np

from kernels.conv import shapes
from kernels.conv.cpu_loops import add_up, convolve, correlate, pack, scatter_exactly, sum_planes
from kernels.conv.cpu_pad import pad_backward_x, pad_forward
from kernels.conv.cpu_plan import plan_backward_weight, plan_backward_x, plan_forward
from kernels.gemm import ROWS, WIDE_VECTORS
from kernels.memory import empty, readable, zeros
from kernels.parallel import for_each
from kernels.simd import LANES

__all__ = [
    "conv1d_backward_bias", "conv1d_backward_weight", "conv1d_backward_x", "conv1d_forward",
    "conv2d_backward_bias", "conv2d_backward_weight", "conv2d_backward_x", "conv2d_forward",
    "conv3d_backward_bias", "conv3d_backward_weight", "conv3d_backward_x", "conv3d_forward",
    "pad_backward_x", "pad_forward",
]  # fmt: skip


def conv1d_forward(x, weight, bias, stride, padding, dilation, groups):
    """Same contract as in ``reference``."""
    return _forward("conv1d", 1, x, weight, bias, stride, padding, dilation, groups)


def conv1d_backward_x(grad_y, weight, x_shape, stride, padding, dilation, groups):
    """Same contract as in ``reference``."""
    return _backward_x("conv1d", 1, grad_y, weight, x_shape, stride, padding, dilation, groups)


def conv1d_backward_weight(grad_y, x, weight_shape, stride, padding, dilation, groups):
    """Same contract as in ``reference``."""
    return _backward_weight("conv1d", 1, grad_y, x, weight_shape, stride, padding, dilation, groups)


def conv1d_backward_bias(grad_y):
    """Same contract as in ``reference``."""
    return _backward_bias("conv1d", 1, grad_y)


def conv2d_forward(x, weight, bias, stride, padding, dilation, groups):
    """Same contract as in ``reference``."""
    return _forward("conv2d", 2, x, weight, bias, stride, padding, dilation, groups)


def conv2d_backward_x(grad_y, weight, x_shape, stride, padding, dilation, groups):
    """Same contract as in ``reference``."""
    return _backward_x("conv2d", 2, grad_y, weight, x_shape, stride, padding, dilation, groups)


def conv2d_backward_weight(grad_y, x, weight_shape, stride, padding, dilation, groups):
    """Same contract as in ``reference``."""
    return _backward_weight("conv2d", 2, grad_y, x, weight_shape, stride, padding, dilation, groups)


def conv2d_backward_bias(grad_y):
    """Same contract as in ``reference``."""
    return _backward_bias("conv2d", 2, grad_y)


def conv3d_forward(x, weight, bias, stride, padding, dilation, groups):
    """Same contract as in ``reference``."""
    return _forward("conv3d", 3, x, weight, bias, stride, padding, dilation, groups)


def conv3d_backward_x(grad_y, weight, x_shape, stride, padding, dilation, groups):
    """Same contract as in ``reference``."""
    return _backward_x("conv3d", 3, grad_y, weight, x_shape, stride, padding, dilation, groups)


def conv3d_backward_weight(grad_y, x, weight_shape, stride, padding, dilation, groups):
    """Same contract as in ``reference``."""
    return _backward_weight("conv3d", 3, grad_y, x, weight_shape, stride, padding, dilation, groups)


def conv3d_backward_bias(grad_y):
    """Same contract as in ``reference``."""
    return _backward_bias("conv3d", 3, grad_y)


def _forward(op, rank, x, weight, bias, stride, padding, dilation, groups):
    y = empty(shapes.forward(op, rank, x, weight, bias, stride, padding, dilation, groups), x.dtype)
    bias = zeros(weight.shape[0], x.dtype) if bias is None else readable(bias)
    geometry = _three_axes(x.shape[2:], stride, padding, dilation)
    x_shape, w_shape, y_shape = _volumes(geometry, x.shape, weight.shape, y.shape)
    plan = plan_forward(x_shape, w_shape, y_shape, *geometry, groups)
    channels = (groups, w_shape[1], w_shape[0] // groups)
    row_step = w_shape[1] * math.prod(w_shape[2:])
    _run(plan, x, weight, bias, y, x_shape, y_shape, channels, row_step)
    return y


def _backward_x(op, rank, grad_y, weight, x_shape, stride, padding, dilation, groups):
    shapes.backward_x(op, rank, grad_y, weight, x_shape, stride, padding, dilation, groups)
    geometry = _three_axes(x_shape[2:], stride, padding, dilation)
    y_shape, w_shape, volume = _volumes(geometry, grad_y.shape, weight.shape, tuple(x_shape))
    if not np.isfinite(weight).all():  # the copy's padding times inf would be NaN, where the formula adds nothing
        return _backward_x_exactly(grad_y, weight, x_shape, y_shape, w_shape, volume, geometry)
    grad_x = empty(x_shape, grad_y.dtype)
    plan = plan_backward_x(y_shape, w_shape, volume, *geometry, groups)
    channels = (groups, w_shape[0] // groups, w_shape[1])
    no_bias = zeros(volume[1], grad_y.dtype)
    _run(plan, grad_y, weight, no_bias, grad_x, y_shape, volume, channels, math.prod(w_shape[2:]))
    return grad_x


def _run(plan, source, weight, bias, target, source_shape, target_shape, channels, row_step):
    """Launch the loop that forward and backward_x share."""
    groups, rows = channels[0], channels[2]
    packed_rows = groups * -(-rows // ROWS) * ROWS
    packed = empty(packed_rows * len(plan.a_steps), weight.dtype)
    weights = readable(weight).reshape(-1), plan.a_steps, packed
    for_each(pack, packed_rows, packed.size, *weights, (rows, weight.size // groups, row_step))
    arrays = readable(source).reshape(-1), packed, bias, target.reshape(-1)
    tables = np.arange(len(plan.b_steps)) * ROWS, plan.b_steps, plan.phases_in, plan.phases_out
    sizes = (*channels, plan.pitch)
    layout = source_shape[2:], target_shape[2:], plan.band, plan.bands, plan.extent, *plan.steps
    width = LANES[target.dtype]
    slack = WIDE_VECTORS * width + plan.extent[2]  # the last vectors reach over the end

    def work(lo, hi):
        copy = empty(plan.copy_elements + slack, target.dtype)
        copy[plan.copy_elements :] = 0
        scratch = copy, empty(ROWS * width, target.dtype), empty(-(-channels[2] // ROWS) * ROWS, np.int64)
        convolve(lo, hi, *arrays, *scratch, *tables, sizes, *layout)

    for_each(work, source_shape[0] * channels[0] * math.prod(plan.bands), _cost(source, weight, target, channels))


def _backward_x_exactly(grad_y, weight, x_shape, y_shape, w_shape, volume, geometry):
    grad_x = zeros(x_shape, grad_y.dtype)
    arrays = (
        readable(array).reshape(shape) for array, shape in ((grad_y, y_shape), (weight, w_shape), (grad_x, volume))
    )
    for_each(scatter_exactly, volume[0], grad_y.size * weight[0].size, *arrays, *geometry)
    return grad_x


def _backward_weight(op, rank, grad_y, x, weight_shape, stride, padding, dilation, groups):
    shapes.backward_weight(op, rank, grad_y, x, weight_shape, stride, padding, dilation, groups)
    geometry = _three_axes(x.shape[2:], stride, padding, dilation)
    x_shape, w_shape, y_shape = _volumes(geometry, x.shape, tuple(weight_shape), grad_y.shape)
    if x.size == 0:
        return zeros(weight_shape, x.dtype)
    width = LANES[x.dtype]
    plan = plan_backward_weight(x_shape, w_shape, y_shape, *geometry, groups, width)
    per_group = w_shape[0] // groups
    panels = -(-per_group // width)
    partial = empty(plan.parts * groups * panels * len(plan.rows) * width, x.dtype)
    arrays = readable(x).reshape(-1), readable(grad_y).reshape(-1), partial
    sizes = (x_shape[0], groups, w_shape[1], per_group, plan.parts, plan.chunks, plan.pictures)
    layout = x_shape[2:], y_shape[2:], plan.band, plan.bands, plan.extent, geometry[0], geometry[1]
    positions = plan.pictures * math.prod(plan.band)
    tables = plan.rows, np.arange(positions) * width, np.zeros((1, 3), np.int64)

    def work(lo, hi):
        copy = empty(plan.pictures * plan.copy_elements, x.dtype)
        scratch = copy, empty(positions * width, x.dtype), empty(positions, np.int64)
        correlate(lo, hi, *arrays, *scratch, *tables, sizes, *layout)

    for_each(work, plan.parts * groups * plan.chunks, grad_y.size * math.prod(w_shape[1:]) / ROWS)
    grad_weight = empty(weight_shape, x.dtype)
    by_part = partial.reshape(plan.parts, groups, panels, len(plan.rows), width)
    for_each(add_up, w_shape[0], partial.size, by_part, grad_weight.reshape(w_shape[0], -1))
    return grad_weight


def _backward_bias(op, rank, grad_y):
    shapes.backward_bias(op, rank, grad_y)
    grad_bias = empty(grad_y.shape[1], grad_y.dtype)
    for_each(sum_planes, grad_bias.size, grad_y.size / 4, _planes(readable(grad_y)), grad_bias)
    return grad_bias


def _planes(array):
    return array.reshape(*array.shape[:2], math.prod(array.shape[2:]))


def _three_axes(sizes, stride, padding, dilation):
    """The geometry along depth, height and width; where there is no such axis, that of a single tap.

    A step that leaves the padded picture reaches no second place, however long it is: no table grows with it.
    """
    absent = 3 - len(stride)
    padded = tuple(size + 2 * p for size, p in zip(sizes, padding))
    stride, dilation = tuple(map(min, stride, padded)), tuple(map(min, dilation, padded))
    return (1,) * absent + stride, (0,) * absent + padding, (1,) * absent + dilation


def _volumes(geometry, *arrays):
    """Shapes with three spatial axes; a pointwise convolution is one along a single row."""
    shaped = [(*shape[:2], *(1,) * (5 - len(shape)), *shape[2:]) for shape in arrays]
    if all(size == 1 for size in shaped[1][2:]) and geometry[0] == (1, 1, 1) and geometry[1] == (0, 0, 0):
        return [(*shape[:2], 1, 1, math.prod(shape[2:])) for shape in shaped]
    return shaped


def _cost(source, weight, target, channels):
    """Vector multiply-adds: each weight meets each position once."""
    positions = min(source.size // max(source.shape[1], 1), target.size // max(target.shape[1], 1))
    return positions * weight.size / ROWS
