"""What a row, a column and a step k of the sum are in each of the three sums: see ``convolution_tiled.py``.

For each sum three functions, which the threads call:

    plan(z, sizes)             for block z of the grid's third axis: rows, columns, first and last + 1 of the k, where
                               a and y begin and how far apart their rows are, where the bias begins, and a tuple
                               with what the other two need, their `rest`
    column(j, rest, sizes)     of column j: its beginning in b, its place (d, h, w) there, its place in y
    entry(k, rest, sizes)      of step k: its offset in a; what it adds to the beginning and to the place in b

A place is (d, h, w) and its number is (d * H + h) * W + w; both are sums of what the column and what the step gives,
so all the divisions are done once for a column and once for a step, not for each pair.

`sizes` is (shape of a, shape of b, shape of y, stride, padding, dilation, (groups, parts)); volumes throughout.
"""

from collections.abc import Callable
from typing import NamedTuple

from kernels.elementary import formula

__all__ = ["GATHER", "RELATE", "SPREAD", "Rules"]


class Rules(NamedTuple):
    """The three functions of a sum; the size of `rest`; whether a product over the padding is left out, or counts as
    weight * 0.
    """

    plan: Callable
    entry: Callable
    column: Callable
    rest: int
    drops_padding: bool


@formula
def _split(i, D, H, W):
    """Number i of the elements of an array (..., D, H, W) as indices."""
    return i // (D * H * W), i // (H * W) % D, i // W % H, i % W


# -- gather: y[n, c_out, place] = sum of weight[c_out, c, k] * x[n, c, place * stride - padding + k * dilation] --------


@formula
def _gather_plan(group, sizes):
    (C_out, C, K_d, K_h, K_w), _, (N, _, D_out, H_out, W_out), _, _, _, (groups, _) = sizes
    rows, places, steps = C_out // groups, D_out * H_out * W_out, C * K_d * K_h * K_w
    begin = group * rows
    return rows, N * places, 0, steps, begin * steps, steps, begin * places, places, begin, (group,)


@formula
def _gather_column(j, rest, sizes):
    (_, C, _, _, _), (_, C_in, D, H, W), (_, C_out, D_out, H_out, W_out), (s_d, s_h, s_w), (p_d, p_h, p_w), _, _ = sizes
    n, d_out, h_out, w_out = _split(j, D_out, H_out, W_out)
    d, h, w = d_out * s_d - p_d, h_out * s_h - p_h, w_out * s_w - p_w
    in_x = (n * C_in + rest[0] * C) * D * H * W + (d * H + h) * W + w
    return in_x, d, h, w, n * C_out * D_out * H_out * W_out + (d_out * H_out + h_out) * W_out + w_out


@formula
def _gather_entry(k, rest, sizes):
    (_, _, K_d, K_h, K_w), (_, _, D, H, W), _, _, _, (dil_d, dil_h, dil_w), _ = sizes
    c, k_d, k_h, k_w = _split(k, K_d, K_h, K_w)
    d, h, w = k_d * dil_d, k_h * dil_h, k_w * dil_w
    return k, (c * D + d) * H * W + h * W + w, d, h, w


GATHER = Rules(_gather_plan, _gather_entry, _gather_column, 1, False)


# -- spread: y[n, c_out, place * stride - padding + k * dilation] += weight[c, c_out, k] * x[n, c, place] --------------
#
# The places of y with the same remainder q of (place + padding) by the stride ("phase") are reached by the same taps:
# those with k * dilation % stride == q. So each phase is a sum without a stride and without a wasted tap:
#
#     stride 2, 3 taps     y  0 1 2 3 4 5        q = 0: taps 0 and 2        q = 1: tap 1
#
# Place number j of a phase is j * stride + q - padding in y, and tap k ties it to j + (q - k * dilation) / stride in x.


@formula
def _phase(q, size, K, stride, padding, dilation):
    """Of phase q of an axis: q; the first j and how many; the first tap, the distance to the next, how many."""
    first = (padding - q + stride - 1) // stride
    count = max((size - 1 + padding - q) // stride - first + 1, 0)
    tap, step, taps = 0, 1, 0
    for k in range(K):
        if k * dilation % stride == q:
            step = k - tap if taps == 1 else step
            tap = k if taps == 0 else tap
            taps += 1
    return q, first, count, tap, step, taps


@formula
def _axis(rest, axis):
    """What `_phase` has found for an axis."""
    at = 1 + 6 * axis
    return rest[at], rest[at + 1], rest[at + 2], rest[at + 3], rest[at + 4], rest[at + 5]


@formula
def _spread_plan(z, sizes):
    (C, rows, K_d, K_h, K_w), _, (N, _, D_out, H_out, W_out), (s_d, s_h, s_w), p, dil, (groups, _) = sizes
    group, q_d, q_h, q_w = _split(z, s_d, s_h, s_w)
    depth = _phase(q_d, D_out, K_d, s_d, p[0], dil[0])
    height = _phase(q_h, H_out, K_h, s_h, p[1], dil[1])
    width = _phase(q_w, W_out, K_w, s_w, p[2], dil[2])
    columns, steps = N * depth[2] * height[2] * width[2], C // groups * depth[5] * height[5] * width[5]
    taps, places = K_d * K_h * K_w, D_out * H_out * W_out
    a_start, rest = group * (C // groups) * rows * taps, (group, *depth, *height, *width)
    return rows, columns, 0, steps, a_start, taps, group * rows * places, places, group * rows, rest


@formula
def _spread_column(j, rest, sizes):
    (C, _, _, _, _), (_, C_in, D, H, W), (_, C_out, D_out, H_out, W_out), s, p, _, (groups, _) = sizes
    q_d, d_first, d_count, _, _, _ = _axis(rest, 0)
    q_h, h_first, h_count, _, _, _ = _axis(rest, 1)
    q_w, w_first, w_count, _, _, _ = _axis(rest, 2)
    n, d, h, w = _split(j, d_count, h_count, w_count)
    d, h, w = d + d_first, h + h_first, w + w_first
    in_x = (n * C_in + rest[0] * (C // groups)) * D * H * W + (d * H + h) * W + w
    d_out, h_out, w_out = d * s[0] + q_d - p[0], h * s[1] + q_h - p[1], w * s[2] + q_w - p[2]
    return in_x, d, h, w, n * C_out * D_out * H_out * W_out + (d_out * H_out + h_out) * W_out + w_out


@formula
def _spread_entry(k, rest, sizes):
    (_, rows, K_d, K_h, K_w), (_, _, D, H, W), _, s, _, dil, _ = sizes
    q_d, _, _, d_tap, d_step, d_taps = _axis(rest, 0)
    q_h, _, _, h_tap, h_step, h_taps = _axis(rest, 1)
    q_w, _, _, w_tap, w_step, w_taps = _axis(rest, 2)
    c, k_d, k_h, k_w = _split(k, d_taps, h_taps, w_taps)
    k_d, k_h, k_w = d_tap + k_d * d_step, h_tap + k_h * h_step, w_tap + k_w * w_step
    d, h, w = (q_d - k_d * dil[0]) // s[0], (q_h - k_h * dil[1]) // s[1], (q_w - k_w * dil[2]) // s[2]
    in_weight = c * rows * K_d * K_h * K_w + (k_d * K_h + k_h) * K_w + k_w
    return in_weight, c * D * H * W + (d * H + h) * W + w, d, h, w


SPREAD = Rules(_spread_plan, _spread_entry, _spread_column, 19, True)


# -- relate: partial[part, c_coarse, c, k] = sum of coarse[n, c_coarse, place]
#                                                 * fine[n, c, place * stride - padding + k * dilation] --------------


@formula
def _relate_plan(z, sizes):
    (N, C_coarse, D_a, H_a, W_a), _, (_, C, K_d, K_h, K_w), _, _, _, (groups, parts) = sizes
    group, part = z // parts, z % parts
    rows, columns, places = C_coarse // groups, C * K_d * K_h * K_w, D_a * H_a * W_a
    first, last = part * N * places // parts, (part + 1) * N * places // parts
    begin = group * rows
    return (
        rows,
        columns,
        first,
        last,
        begin * places,
        places,
        (part * C_coarse + begin) * columns,
        columns,
        0,
        (group, 0),
    )


@formula
def _relate_column(j, rest, sizes):
    _, (_, _, D, H, W), (_, C, K_d, K_h, K_w), _, (p_d, p_h, p_w), (dil_d, dil_h, dil_w), _ = sizes
    c, k_d, k_h, k_w = _split(j, K_d, K_h, K_w)
    d, h, w = k_d * dil_d - p_d, k_h * dil_h - p_h, k_w * dil_w - p_w
    return (rest[0] * C + c) * D * H * W + (d * H + h) * W + w, d, h, w, j


@formula
def _relate_entry(k, rest, sizes):
    (_, C_coarse, D_a, H_a, W_a), (_, C_fine, D, H, W), _, (s_d, s_h, s_w), _, _, _ = sizes
    n, d_a, h_a, w_a = _split(k, D_a, H_a, W_a)
    d, h, w = d_a * s_d, h_a * s_h, w_a * s_w
    in_coarse = n * C_coarse * D_a * H_a * W_a + (d_a * H_a + h_a) * W_a + w_a
    return in_coarse, (n * C_fine * D + d) * H * W + h * W + w, d, h, w


RELATE = Rules(_relate_plan, _relate_entry, _relate_column, 1, False)
