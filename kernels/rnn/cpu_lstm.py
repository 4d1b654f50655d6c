"""Fast long short-term memory. Optimizations: see ``cpu``; the projection is a second product of each step."""

from kernels import elementary
from kernels.gemm import ROWS, fill_rows
from kernels.jit import kernel
from kernels.memory import empty, readable
from kernels.rnn import shapes
from kernels.rnn.cpu_product import Panels, multiply, plain
from kernels.rnn.cpu_steps import before, bias_sum, input_gradients, projected_input, run_blocks, weight_gradient

__all__ = ["lstm_backward_all", "lstm_forward"]


def lstm_forward(x, h_0, c_0, weight_ih, weight_hh, weight_hr, bias_ih, bias_hh, lengths, reverse):
    """Same contract as in ``reference``."""
    arguments = (x, h_0, c_0, weight_ih, weight_hh, weight_hr, bias_ih, bias_hh, lengths)
    T, N, _, F_hid, F_out, G = shapes.layer("lstm", *arguments)
    y, gates, cells = (empty((T, N, size), x.dtype) for size in (F_out, G, F_hid))
    h, c = h_0.copy(order="C"), c_0.copy(order="C")
    projected_input(x, weight_ih, bias_sum(bias_ih, bias_hh), gates.reshape(T * N, G))
    panels, projection = Panels(weight_hh, transposed=False), _projection(weight_hr, x, transposed=False)
    projected, lengths = weight_hr is not None, readable(shapes.lengths_of(lengths, T, N))
    outputs = (y, h, c, gates, cells, lengths, bool(reverse), projected)

    def scratch():
        return *panels.scratch(), *projection.scratch(), empty((ROWS, F_hid), x.dtype)

    cost = T * N * (G + F_hid * projected) * F_out / 8
    run_blocks(_lstm_steps, N, cost, scratch, *outputs, *panels.arguments(), *projection.arguments())
    return y, h, c, gates, cells


def lstm_backward_all(
    grad_y, grad_h_n, grad_c_n, x, h_0, c_0, weight_ih, weight_hh, weight_hr, lengths, reverse, y, gates, cells
):
    """Same contract as in ``reference``."""
    sizes = shapes.layer("lstm", x, h_0, c_0, weight_ih, weight_hh, weight_hr, None, None, lengths)
    outputs = {"grad_y": (grad_y, "T N F_out"), "grad_h_n": (grad_h_n, "N F_out"), "grad_c_n": (grad_c_n, "N F_hid")}
    saved = {"y": (y, "T N F_out"), "gates": (gates, "T N S"), "cells": (cells, "T N F_hid")}
    shapes.check_backward("lstm", sizes, x, **outputs, **saved)
    T, N, _, F_hid, F_out, G = sizes
    lengths, projected = readable(shapes.lengths_of(lengths, T, N)), weight_hr is not None
    grad_a, grad_h, grad_c = empty((T, N, G), x.dtype), grad_h_n.copy(order="C"), grad_c_n.copy(order="C")
    # Only a projection's gradient needs what was read from the cells, and the whole gradient of the state.
    read, grad_read = (empty((T, N, size) if projected else (0, 0, 0), x.dtype) for size in (F_hid, F_out))
    panels, projection = Panels(weight_hh, transposed=True), _projection(weight_hr, x, transposed=True)
    given = (readable(grad_y), readable(gates), readable(cells), readable(c_0))
    arguments = (*given, grad_h, grad_c, grad_a, read, grad_read, lengths, bool(reverse), projected)

    def scratch():
        return *panels.scratch(), *projection.scratch(), empty((ROWS, F_hid), x.dtype)

    cost = T * N * (G + F_hid * projected) * F_out / 8
    run_blocks(_lstm_steps_back, N, cost, scratch, *arguments, *panels.arguments(), *projection.arguments())
    grad_x, grad_weight_ih, grad_bias = input_gradients(grad_a, G, x, weight_ih, lengths)
    grad_weight_hh = weight_gradient(grad_a, plain(1), G, before(readable(y), h_0, lengths, reverse))
    grad_weight_hr = weight_gradient(grad_read, plain(1), F_out, read) if projected else None
    return grad_x, grad_h, grad_c, grad_weight_ih, grad_weight_hh, grad_weight_hr, grad_bias, grad_bias.copy()


def _projection(weight_hr, like, transposed):
    return Panels(empty((0, 0), like.dtype) if weight_hr is None else weight_hr, transposed)


@kernel
def _lstm_steps(
    lo, hi, y, h, c, gates, cells, lengths, reverse, projected, packed, panel_steps, k_steps, packed_hr, panel_steps_hr,
    k_steps_hr, rows, tile, sums, rows_hr, tile_hr, sums_hr, m,
):  # fmt: skip
    T, N, F_out = y.shape
    F_hid, G = c.shape[1], gates.shape[2]
    width, width_hr = len(sums) // ROWS, len(sums_hr) // ROWS
    fill_rows(rows_hr, 0, F_hid, ROWS)
    for first in range(lo * ROWS, min(hi * ROWS, N), ROWS):
        count = min(ROWS, N - first)
        fill_rows(rows, first * F_out, F_out, count)
        for step in range(T):
            t = T - 1 - step if reverse else step
            multiply(h.reshape(-1), rows, k_steps, packed, panel_steps, tile, sums)
            for n in range(first, first + count):
                if t < lengths[n]:
                    share = sums[(n - first) * width : (n - first) * width + G]
                    _lstm(gates[t, n], share, c[n], cells[t, n], m[n - first] if projected else y[t, n])
                else:
                    y[t, n], gates[t, n], cells[t, n] = 0, 0, 0
            if projected:
                multiply(m.reshape(-1), rows_hr, k_steps_hr, packed_hr, panel_steps_hr, tile_hr, sums_hr)
            for n in range(first, first + count):
                if t < lengths[n]:
                    if projected:
                        y[t, n] = sums_hr[(n - first) * width_hr : (n - first) * width_hr + F_out]
                    h[n] = y[t, n]


@kernel
def _lstm(gates, share, c, cells, m):
    """One step of one sequence: short loops, so that the compiler can tell that no array overlaps another."""
    F_hid = len(c)
    i, f, g, o = _gates_of(gates)
    g_share, o_share = share[2 * F_hid : 3 * F_hid], share[3 * F_hid :]
    for j in range(2 * F_hid):
        gates[j] = elementary.sigmoid(gates[j] + share[j])
    for f_hid in range(F_hid):
        g[f_hid] = elementary.tanh(g[f_hid] + g_share[f_hid])
    for f_hid in range(F_hid):
        o[f_hid] = elementary.sigmoid(o[f_hid] + o_share[f_hid])
    for f_hid in range(F_hid):
        c[f_hid] = f[f_hid] * c[f_hid] + i[f_hid] * g[f_hid]
    for f_hid in range(F_hid):
        cells[f_hid] = c[f_hid]
        m[f_hid] = o[f_hid] * elementary.tanh(c[f_hid])


@kernel
def _gates_of(gates):
    F_hid = len(gates) // 4
    return gates[:F_hid], gates[F_hid : 2 * F_hid], gates[2 * F_hid : 3 * F_hid], gates[3 * F_hid :]


@kernel
def _lstm_steps_back(
    lo, hi, grad_y, gates, cells, c_0, grad_h, grad_c, grad_a, read, grad_read, lengths, reverse, projected, packed,
    panel_steps, k_steps, packed_hr, panel_steps_hr, k_steps_hr, rows, tile, sums, rows_hr, tile_hr, sums_hr, grad_m,
):  # fmt: skip
    T, N, F_out = grad_y.shape
    F_hid, G = grad_c.shape[1], gates.shape[2]
    width, width_hr = len(sums) // ROWS, len(sums_hr) // ROWS
    for first in range(lo * ROWS, min(hi * ROWS, N), ROWS):
        count = min(ROWS, N - first)
        fill_rows(rows_hr, first * F_out, F_out, count)
        for step in range(T):
            t = step if reverse else T - 1 - step
            for n in range(first, first + count):
                if t < lengths[n]:
                    _add(grad_y[t, n], grad_h[n])
            if projected:
                multiply(grad_h.reshape(-1), rows_hr, k_steps_hr, packed_hr, panel_steps_hr, tile_hr, sums_hr)
            for n in range(first, first + count):
                if t >= lengths[n]:
                    grad_a[t, n] = 0
                    if projected:
                        read[t, n], grad_read[t, n] = 0, 0
                    continue
                from_projection = sums_hr[(n - first) * width_hr : (n - first) * width_hr + F_hid]
                grad_m[n - first] = from_projection if projected else grad_h[n]
                if projected:
                    grad_read[t, n] = grad_h[n]
                    _read(gates[t, n], cells[t, n], read[t, n])
                before_t = t + 1 if reverse else t - 1
                has_before = before_t < lengths[n] if reverse else before_t >= 0
                c_before = cells[before_t, n] if has_before else c_0[n]
                _lstm_back(gates[t, n], cells[t, n], c_before, grad_m[n - first], grad_c[n], grad_a[t, n])
            fill_rows(rows, (t * N + first) * G, G, count)
            multiply(grad_a.reshape(-1), rows, k_steps, packed, panel_steps, tile, sums)
            for n in range(first, first + count):
                if t < lengths[n]:
                    grad_h[n] = sums[(n - first) * width : (n - first) * width + F_out]


@kernel
def _add(v, to):
    for k in range(len(v)):
        to[k] += v[k]


@kernel
def _read(gates, cells, read):
    o = gates[3 * len(cells) :]
    for f_hid in range(len(cells)):
        read[f_hid] = o[f_hid] * elementary.tanh(cells[f_hid])


@kernel
def _lstm_back(gates, cells, c_before, grad_m, grad_c, grad_a):
    one = gates.dtype.type(1)
    i, f, g, o = _gates_of(gates)
    grad_i, grad_f, grad_g, grad_o = _gates_of(grad_a)
    for f_hid in range(len(cells)):
        tanh_c = elementary.tanh(cells[f_hid])
        grad_o[f_hid] = grad_m[f_hid] * tanh_c * o[f_hid] * (one - o[f_hid])
        grad_c[f_hid] += grad_m[f_hid] * o[f_hid] * (one - tanh_c * tanh_c)
    for f_hid in range(len(cells)):
        grad_i[f_hid] = grad_c[f_hid] * g[f_hid] * i[f_hid] * (one - i[f_hid])
    for f_hid in range(len(cells)):
        grad_g[f_hid] = grad_c[f_hid] * i[f_hid] * (one - g[f_hid] * g[f_hid])
    for f_hid in range(len(cells)):
        grad_f[f_hid] = grad_c[f_hid] * c_before[f_hid] * f[f_hid] * (one - f[f_hid])
        grad_c[f_hid] *= f[f_hid]
