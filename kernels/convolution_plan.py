"""How a convolution becomes tiles of sums: pure Python, computed once for each geometry and remembered.

The fast kernels never multiply with indices in their innermost loop. They walk over a copy of the picture that has its
padding around it, and in this copy a tap of the kernel is a constant distance:

    stride 1     coarse[h, w] = sum_k weight[k] * copy[place(h, w) + distance(k)]

so sixteen neighbouring outputs need sixteen neighbouring numbers of the copy for each tap, which are one vector. For a
stride s the copy is dealt out into s interleaved pictures ("phases"): among the places with the same remainder by s,
the stride is 1 again. The way back (``spread`` in ``convolution.py``) is the same with the roles exchanged: the picture
copied is the coarse one, without phases, and the picture written, the fine one, has the phases; each phase is reached
by the taps of its own remainder only.

The copy is made for one picture, one group and one band of the output at a time, so that it stays in the cache.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np

from kernels.gemm import ROWS

__all__ = ["Axis", "Plan", "WeightPlan", "plan_gather", "plan_relate", "plan_spread"]

#: Elements of a copy that fit into the second-level cache beside the weights.
_COPY_ELEMENTS = 1 << 16

#: Bands that a large convolution is cut into at least, for the threads, and multiply-adds that make a band worth while.
_MIN_ITEMS = 8
_MIN_ITEM_COST = 1 << 19

#: Of ``relate``: positions of a band, parts that the batch is cut into, elements of all their sums together.
_PANEL_POSITIONS = 400
_MAX_PARTS = 16
_PART_ELEMENTS = 1 << 20


@dataclass(frozen=True)
class Axis:
    """One axis of a convolution without stride among phases.

    Position j of the copy's phase with remainder q shows place step_in * j + q - lead_in of the source.
    Position j of the output's phase with remainder q stands for place step_out * j + q - lead_out of the target.
    """

    size_in: int
    size_out: int
    step_in: int
    step_out: int
    lead_in: int
    lead_out: int
    phases_in: tuple[int, ...]
    first: int  # of the positions j that are computed
    count: int
    taps: tuple[tuple[tuple[int, int, int], ...], ...]  # for each output phase: (k, number of input phase, shift)
    reach: int  # largest shift


@dataclass(frozen=True)
class Plan:
    """What the kernel needs beside the arrays. Tuples are (depth, height, width)."""

    band: tuple[int, int, int]  # positions in a band
    bands: tuple[int, int, int]  # how many bands
    extent: tuple[int, int, int]  # sizes of one phase of the copy
    pitch: int  # elements of a row of the copy; less than the extent where rows share their padding
    copy_elements: int
    phases_in: np.ndarray  # (phases of the copy, 3): remainders
    steps: tuple[tuple[int, int, int], ...]  # step_in, step_out, lead_in, lead_out, first, count of the axes
    phases_out: np.ndarray  # (phases of the output, 5): remainders, first and last tap plus one
    a_steps: np.ndarray
    b_steps: np.ndarray


@dataclass(frozen=True)
class WeightPlan:
    """What the kernel of ``relate`` needs beside the arrays. Tuples are (depth, height, width)."""

    band: tuple[int, int, int]
    bands: tuple[int, int, int]
    extent: tuple[int, int, int]
    copy_elements: int
    rows: np.ndarray  # where each channel and tap begins in the copy, filled up to whole tiles
    pictures: int  # pictures whose bands are worked on together
    parts: int  # sums over parts of the batch, added up at the end
    chunks: int  # shares of the output channels


def _gather_axis(size_in, size_out, size_kernel, stride, padding, dilation):
    remainders = tuple(sorted({k * dilation % stride for k in range(size_kernel)}))
    taps = tuple((k, remainders.index(k * dilation % stride), k * dilation // stride) for k in range(size_kernel))
    reach = (size_kernel - 1) * dilation // stride
    return Axis(size_in, size_out, stride, 1, padding, 0, remainders, 0, size_out, (taps,), reach)


def _spread_axis(size_fine, size_coarse, size_kernel, stride, padding, dilation):
    """To fine place h = stride * j + q - padding, tap k ties the coarse place (h + padding - k * dilation) / stride."""
    reach = (size_kernel - 1) * dilation // stride
    taps = tuple(
        tuple((k, 0, reach - k * dilation // stride) for k in range(size_kernel) if k * dilation % stride == q)
        for q in range(stride)
    )
    first, last = padding // stride, (size_fine - 1 + padding) // stride
    return Axis(size_coarse, size_fine, 1, stride, reach, padding, (0,), first, last - first + 1, taps, reach)


@lru_cache(maxsize=512)
def plan_gather(fine_shape, weight_shape, coarse_shape, stride, padding, dilation, groups):
    """The plan of ``gather``; all shapes with three spatial axes."""
    axes = [
        _gather_axis(*a) for a in zip(fine_shape[2:], coarse_shape[2:], weight_shape[2:], stride, padding, dilation)
    ]
    taps = math.prod(weight_shape[2:])
    cost = math.prod(coarse_shape) * weight_shape[1] * taps
    return _plan(axes, fine_shape[0] * groups, weight_shape[1], taps, weight_shape[2:], cost)


@lru_cache(maxsize=512)
def plan_spread(coarse_shape, weight_shape, fine_shape, stride, padding, dilation, groups):
    """The plan of ``spread``; all shapes with three spatial axes."""
    axes = [
        _spread_axis(*a) for a in zip(fine_shape[2:], coarse_shape[2:], weight_shape[2:], stride, padding, dilation)
    ]
    taps = math.prod(weight_shape[2:])
    cost = math.prod(coarse_shape) * weight_shape[1] * taps
    channels = weight_shape[0] // groups
    return _plan(axes, fine_shape[0] * groups, channels, weight_shape[1] * taps, weight_shape[2:], cost)


@lru_cache(maxsize=512)
def plan_relate(fine_shape, weight_shape, coarse_shape, stride, padding, dilation, groups, width):
    """The plan of ``relate``; all shapes with three spatial axes, `width` lanes in a vector."""
    reach = tuple((k - 1) * dil for k, dil in zip(weight_shape[2:], dilation))

    def extent(band):
        return tuple((size - 1) * s + r + 1 for size, s, r in zip(band, stride, reach))

    band = _thin_bands(coarse_shape[2:], lambda band: weight_shape[1] * math.prod(extent(band)))
    size = extent(band)
    counts = tuple(-(-count // length) for count, length in zip(coarse_shape[2:], band))
    channels = np.arange(weight_shape[1], dtype=np.int64)[:, None, None, None] * math.prod(size)
    k_d, k_h, k_w = (np.arange(k, dtype=np.int64) * dil for k, dil in zip(weight_shape[2:], dilation))
    taps = (k_d[:, None, None] * size[1] + k_h[:, None]) * size[2] + k_w
    rows = (channels + taps).reshape(-1)
    rows = np.concatenate([rows, np.repeat(rows[-1:], -len(rows) % ROWS)])
    copy_elements = weight_shape[1] * math.prod(size)
    pictures = 1
    if math.prod(counts) == 1:
        pictures = max(
            1, min(fine_shape[0], _PANEL_POSITIONS // math.prod(band), _COPY_ELEMENTS // max(copy_elements, 1))
        )
    panels = -(-(weight_shape[0] // groups) // width)
    pieces = -(-fine_shape[0] // pictures) * math.prod(counts)
    parts = min(pieces, max(1, min(_MAX_PARTS, _PART_ELEMENTS // max(groups * panels * len(rows) * width, 1))))
    chunks = min(panels, -(-_MIN_ITEMS // (parts * groups)))
    return WeightPlan(band, counts, size, copy_elements, rows, pictures, parts, chunks)


def _thin_bands(counts, elements):
    """Bands of so few positions that a panel of gradients for them stays in the first-level cache."""
    band = list(counts)
    while math.prod(band) > _PANEL_POSITIONS or elements(band) > _COPY_ELEMENTS:
        axis = next((i for i in range(3) if band[i] > 1), None)
        if axis is None:
            break
        band[axis] = -(-band[axis] // 2)
    return tuple(band)


def _bands(counts, reaches, outer, cost, elements):
    """Sizes of the bands that the output is cut into, a function of the shapes only.

    Cut in halves, depth first, then height (or the width of a row), until a band's copy fits and there are enough of
    them; but not so thin that the overlap of the copies outweighs them.
    """
    band = list(counts)
    while True:
        items = outer * math.prod(-(-count // size) for count, size in zip(counts, band))
        enough = items >= _MIN_ITEMS or cost < _MIN_ITEM_COST * 2 * items
        if enough and elements(band) <= _COPY_ELEMENTS:
            break
        axis = next((i for i in (0, 1) if band[i] > max(reaches[i], 1)), None)
        if axis is None and counts[0] == counts[1] == 1 and band[2] > max(2 * reaches[2], 64):
            axis = 2
        if axis is None:
            break
        band[axis] = -(-band[axis] // 2)
    return tuple(band)


def _plan(axes, outer, channels, channel_step, kernel_size, cost):
    phases = math.prod(len(axis.phases_in) for axis in axes)

    def elements(band):
        return channels * phases * math.prod(size + axis.reach for size, axis in zip(band, axes))

    band = _bands([a.count for a in axes], [a.reach for a in axes], outer, cost, elements)
    extent = tuple(size + axis.reach for size, axis in zip(band, axes))
    pitch = _pitch(axes[2], band[2], phases)
    plane = extent[0] * extent[1] * pitch
    names = ("step_in", "step_out", "lead_in", "lead_out", "first", "count")
    tables = _tables(axes, channels, phases, plane, extent[1], pitch, channel_step, kernel_size)
    return Plan(
        band=band,
        bands=tuple(-(-axis.count // size) for axis, size in zip(axes, band)),
        extent=extent,
        pitch=pitch,
        copy_elements=channels * phases * plane,
        phases_in=np.array([*product(*(axis.phases_in for axis in axes))], np.int64),
        steps=tuple(tuple(getattr(axis, name) for axis in axes) for name in names),
        phases_out=tables[0],
        a_steps=tables[1],
        b_steps=tables[2],
    )


def _pitch(axis, width, phases):
    """Elements from row to row of the copy: the zeros after a row may also be those before the next one."""
    whole = width + axis.reach
    if phases > 1 or axis.step_in > 1 or width < axis.count:
        return whole
    before = axis.lead_in - axis.first  # zeros before a row
    if before <= 0:
        return whole
    return max(width, min(whole, max(axis.size_in + before, whole - before)))


def _tables(axes, channels, phases, plane, height, pitch, channel_step, kernel_size):
    """For each output phase the offsets of its taps in the weights and in the copy, channel by channel."""
    channel = np.arange(channels, dtype=np.int64)[:, None]
    phases_out, a_steps, b_steps, done = [], [], [], 0
    for remainders in product(*(range(len(axis.taps)) for axis in axes)):
        a_taps, b_taps = [], []
        for taps in product(*(axis.taps[q] for axis, q in zip(axes, remainders))):
            (k_d, p_d, d), (k_h, p_h, h), (k_w, p_w, w) = taps
            phase = (p_d * len(axes[1].phases_in) + p_h) * len(axes[2].phases_in) + p_w
            a_taps.append((k_d * kernel_size[1] + k_h) * kernel_size[2] + k_w)
            b_taps.append(phase * plane + (d * height + h) * pitch + w)
        a_steps.append((channel * channel_step + np.array(a_taps, np.int64)).reshape(-1))
        b_steps.append((channel * phases * plane + np.array(b_taps, np.int64)).reshape(-1))
        phases_out.append((*remainders, done, done + len(a_steps[-1])))
        done += len(a_steps[-1])
    return np.array(phases_out, np.int64), np.concatenate(a_steps), np.concatenate(b_steps)
