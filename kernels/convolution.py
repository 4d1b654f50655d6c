"""The sums of a convolution, launched: what the fast kernels of a convolution and of its transpose have in common.

One geometry ties each place of a coarse array to a window of places of a fine one:

    fine[place * stride - padding + k * dilation]        is tap k of        coarse[place]

and three sums go along these ties. Each family uses all three, with the roles exchanged:

    sum                                                      convolution        transposed convolution
    gather   coarse  = bias + sum of weight * fine           forward            backward_x
    spread   fine    = bias + sum of weight * coarse         backward_x         forward
    relate   weights = sum of coarse * fine                  backward_weight    backward_weight

`fine` is (N, C_fine, ...), `coarse` (N, C_coarse, ...), the weights (C_coarse, C_fine / groups, ...); the spatial axes
are one to three, and tuples of the geometry have an int for each. Nothing is checked: the caller has done so. The
target array is written completely. ``convolution_plan.py`` says how it is done, ``convolution_loops.py`` does it.
"""

import math

import numpy as np

from kernels.convolution_loops import add_up, convolve, correlate, pack, scatter_exactly, sum_planes
from kernels.convolution_plan import plan_gather, plan_relate, plan_spread
from kernels.gemm import ROWS, WIDE_VECTORS
from kernels.memory import empty, readable, zeros
from kernels.parallel import for_each
from kernels.simd import LANES

__all__ = ["gather", "relate", "spread", "sum_channels"]


def gather(fine, weight, bias, coarse, stride, padding, dilation, groups):
    """Write into `coarse` what each place collects from its window. `bias` is (C_coarse,), or None for zeros.

    Over the padding a product counts as weight * 0, which is NaN where the weight is infinite.
    """
    bias = zeros(weight.shape[0], fine.dtype) if bias is None else readable(bias)
    geometry = _three_axes(fine.shape[2:], stride, padding, dilation)
    fine_shape, w_shape, coarse_shape = _volumes(geometry, fine.shape, weight.shape, coarse.shape)
    plan = plan_gather(fine_shape, w_shape, coarse_shape, *geometry, groups)
    channels = (groups, w_shape[1], w_shape[0] // groups)
    row_step = w_shape[1] * math.prod(w_shape[2:])
    _run(plan, fine, weight, bias, coarse, fine_shape, coarse_shape, channels, row_step)


def spread(coarse, weight, bias, fine, stride, padding, dilation, groups):
    """Write into `fine` what each place of `coarse` gives to its window. `bias` is (C_fine,), or None for zeros.

    What falls into the padding is dropped, also where the weight is infinite.
    """
    bias = zeros(fine.shape[1], coarse.dtype) if bias is None else readable(bias)
    geometry = _three_axes(fine.shape[2:], stride, padding, dilation)
    coarse_shape, w_shape, fine_shape = _volumes(geometry, coarse.shape, weight.shape, fine.shape)
    if not np.isfinite(weight).all():  # the copy's padding times inf would be NaN, where the formula adds nothing
        _spread_exactly(coarse, weight, bias, fine, (coarse_shape, w_shape, fine_shape), geometry)
        return
    plan = plan_spread(coarse_shape, w_shape, fine_shape, *geometry, groups)
    channels = (groups, w_shape[0] // groups, w_shape[1])
    _run(plan, coarse, weight, bias, fine, coarse_shape, fine_shape, channels, math.prod(w_shape[2:]))


def relate(coarse, fine, grad_weight, stride, padding, dilation, groups):
    """Write into `grad_weight` for each tap the sum of the products of the places that it ties together."""
    if fine.size == 0 or coarse.size == 0:
        grad_weight[...] = 0
        return
    geometry = _three_axes(fine.shape[2:], stride, padding, dilation)
    fine_shape, w_shape, coarse_shape = _volumes(geometry, fine.shape, grad_weight.shape, coarse.shape)
    width = LANES[fine.dtype]
    plan = plan_relate(fine_shape, w_shape, coarse_shape, *geometry, groups, width)
    per_group = w_shape[0] // groups
    panels = -(-per_group // width)
    partial = empty(plan.parts * groups * panels * len(plan.rows) * width, fine.dtype)
    arrays = readable(fine).reshape(-1), readable(coarse).reshape(-1), partial
    sizes = (fine_shape[0], groups, w_shape[1], per_group, plan.parts, plan.chunks, plan.pictures)
    layout = fine_shape[2:], coarse_shape[2:], plan.band, plan.bands, plan.extent, geometry[0], geometry[1]
    positions = plan.pictures * math.prod(plan.band)
    tables = plan.rows, np.arange(positions) * width, np.zeros((1, 3), np.int64)

    def work(lo, hi):
        copy = empty(plan.pictures * plan.copy_elements, fine.dtype)
        scratch = copy, empty(positions * width, fine.dtype), empty(positions, np.int64)
        correlate(lo, hi, *arrays, *scratch, *tables, sizes, *layout)

    for_each(work, plan.parts * groups * plan.chunks, coarse.size * math.prod(w_shape[1:]) / ROWS)
    by_part = partial.reshape(plan.parts, groups, panels, len(plan.rows), width)
    for_each(add_up, w_shape[0], partial.size, by_part, grad_weight.reshape(w_shape[0], -1))


def sum_channels(grad_y, grad_bias):
    """Write into `grad_bias` the sum of each channel: the gradient of what was added everywhere."""
    planes = readable(grad_y).reshape(*grad_y.shape[:2], math.prod(grad_y.shape[2:]))
    for_each(sum_planes, grad_bias.size, grad_y.size / 4, planes, grad_bias)


def _run(plan, source, weight, bias, target, source_shape, target_shape, channels, row_step):
    """Launch the loop that `gather` and `spread` share."""
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


def _spread_exactly(coarse, weight, bias, fine, volumes, geometry):
    fine[...] = bias.reshape(-1, *(1,) * (fine.ndim - 2))
    arrays = (readable(array).reshape(shape) for array, shape in zip((coarse, weight, fine), volumes))
    for_each(scatter_exactly, volumes[2][0], coarse.size * weight[0].size, *arrays, *geometry)


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
    shaped = [(*shape[:2], *(1,) * (5 - len(shape)), *shape[2:]) for shape in map(tuple, arrays)]
    one_tap = all(size == 1 for size in shaped[1][2:]) and shaped[0][2:] == shaped[2][2:]
    if one_tap and geometry[0] == (1, 1, 1) and geometry[1] == (0, 0, 0):
        return [(*shape[:2], 1, 1, math.prod(shape[2:])) for shape in shaped]
    return shaped


def _cost(source, weight, target, channels):
    """Vector multiply-adds: each weight meets each position once."""
    positions = min(source.size // max(source.shape[1], 1), target.size // max(target.shape[1], 1))
    return positions * weight.size / ROWS
