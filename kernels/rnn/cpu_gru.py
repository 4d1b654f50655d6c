"""The fast gated recurrent unit. Optimizations: see ``cpu``."""

import numpy as np

from kernels import elementary
from kernels.gemm import ROWS, fill_rows
from kernels.jit import kernel
from kernels.memory import empty, readable
from kernels.rnn import shapes
from kernels.rnn.cpu_product import Panels, multiply, split
from kernels.rnn.cpu_steps import before, bias_sum, input_gradients, projected_input, run_blocks, weight_gradient

__all__ = ["gru_backward_all", "gru_forward"]


def gru_forward(x, h_0, weight_ih, weight_hh, bias_ih, bias_hh, lengths, reverse):
    """Same contract as in ``reference``."""
    T, N, _, F_hid, _, G = shapes.layer("gru", x, h_0, None, weight_ih, weight_hh, None, bias_ih, bias_hh, lengths)
    y, gates, h = empty((T, N, F_hid), x.dtype), empty((T, N, 4 * F_hid), x.dtype), h_0.copy(order="C")
    bias_m = np.zeros(F_hid, x.dtype) if bias_hh is None else bias_hh[2 * F_hid :].copy()
    projected_input(x, weight_ih, _bias_outside(bias_ih, bias_hh, F_hid), gates.reshape(T * N, 4 * F_hid))
    panels, lengths = Panels(weight_hh, transposed=False), readable(shapes.lengths_of(lengths, T, N))
    arguments = (y, h, gates, bias_m, lengths, bool(reverse), *panels.arguments())
    run_blocks(_gru_steps, N, T * N * G * F_hid / 8, panels.scratch, *arguments)
    return y, h, gates


def gru_backward_all(grad_y, grad_h_n, x, h_0, weight_ih, weight_hh, lengths, reverse, y, gates):
    """Same contract as in ``reference``."""
    sizes = shapes.layer("gru", x, h_0, None, weight_ih, weight_hh, None, None, None, lengths)
    outputs = {"grad_y": (grad_y, "T N F_hid"), "grad_h_n": (grad_h_n, "N F_hid")}
    shapes.check_backward("gru", sizes, x, **outputs, y=(y, "T N F_hid"), gates=(gates, "T N S"))
    T, N, _, F_hid, _, G = sizes
    lengths = readable(shapes.lengths_of(lengths, T, N))
    h_before = before(readable(y), h_0, lengths, reverse)
    grad_a, grad_h = empty((T, N, 4 * F_hid), x.dtype), grad_h_n.copy(order="C")
    panels = Panels(weight_hh, transposed=True)
    # The third gate's share of the state stands in the fourth quarter.
    packed, panel_steps, k_steps = panels.arguments()
    k_steps = k_steps + np.where(k_steps >= 2 * F_hid, F_hid, 0)
    arguments = (readable(grad_y), h_before, readable(gates), grad_h, grad_a, lengths, bool(reverse))
    cost = T * N * G * F_hid / 8
    run_blocks(_gru_steps_back, N, cost, panels.scratch, *arguments, packed, panel_steps, k_steps)
    grad_x, grad_weight_ih, grad_bias = input_gradients(grad_a, G, x, weight_ih, lengths)
    grad_weight_hh = weight_gradient(grad_a, split(1, 2 * F_hid, F_hid), G, h_before)
    grad_bias_hh = np.concatenate((grad_bias[: 2 * F_hid], grad_bias[3 * F_hid :]))
    return grad_x, grad_h, grad_weight_ih, grad_weight_hh, grad_bias[:G].copy(), grad_bias_hh


def _bias_outside(bias_ih, bias_hh, F_hid):
    """The biases that are simply added: all but the last third of `bias_hh`, which r scales."""
    if bias_hh is None:
        return bias_ih
    outside = bias_hh.copy()
    outside[2 * F_hid :] = 0
    return bias_sum(bias_ih, outside)


@kernel
def _gru_steps(lo, hi, y, h, gates, bias_m, lengths, reverse, packed, panel_steps, k_steps, rows, tile, sums):
    T, N, F_hid = y.shape
    width = len(sums) // ROWS
    for first in range(lo * ROWS, min(hi * ROWS, N), ROWS):
        count = min(ROWS, N - first)
        fill_rows(rows, first * F_hid, F_hid, count)
        for step in range(T):
            t = T - 1 - step if reverse else step
            multiply(h.reshape(-1), rows, k_steps, packed, panel_steps, tile, sums)
            for n in range(first, first + count):
                if t < lengths[n]:
                    share = sums[(n - first) * width : (n - first) * width + 3 * F_hid]
                    _gru(gates[t, n], share, bias_m, h[n], y[t, n])
                else:
                    y[t, n], gates[t, n] = 0, 0


@kernel
def _quarters(gates):
    F_hid = len(gates) // 4
    return gates[:F_hid], gates[F_hid : 2 * F_hid], gates[2 * F_hid : 3 * F_hid], gates[3 * F_hid :]


@kernel
def _gru(gates, share, bias_m, h, y):
    """One step of one sequence: short loops, so that the compiler can tell that no array overlaps another."""
    one, F_hid = y.dtype.type(1), len(y)
    r, z, new, m = _quarters(gates)
    m_share = share[2 * F_hid :]
    for j in range(2 * F_hid):
        gates[j] = elementary.sigmoid(gates[j] + share[j])
    for f_hid in range(F_hid):
        m[f_hid] = m_share[f_hid] + bias_m[f_hid]
    for f_hid in range(F_hid):
        new[f_hid] = elementary.tanh(new[f_hid] + r[f_hid] * m[f_hid])
    for f_hid in range(F_hid):
        h[f_hid] = (one - z[f_hid]) * new[f_hid] + z[f_hid] * h[f_hid]
        y[f_hid] = h[f_hid]


@kernel
def _gru_steps_back(
    lo, hi, grad_y, h_before, gates, grad_h, grad_a, lengths, reverse, packed, panel_steps, k_steps, rows, tile, sums
):  # fmt: skip
    T, N, F_hid = grad_y.shape
    width = len(sums) // ROWS
    for first in range(lo * ROWS, min(hi * ROWS, N), ROWS):
        count = min(ROWS, N - first)
        for step in range(T):
            t = step if reverse else T - 1 - step
            for n in range(first, first + count):
                if t < lengths[n]:
                    _gru_back(grad_y[t, n], gates[t, n], h_before[t, n], grad_h[n], grad_a[t, n])
                else:
                    grad_a[t, n] = 0
            fill_rows(rows, (t * N + first) * 4 * F_hid, 4 * F_hid, count)
            multiply(grad_a.reshape(-1), rows, k_steps, packed, panel_steps, tile, sums)
            for n in range(first, first + count):
                if t < lengths[n]:
                    share = sums[(n - first) * width : (n - first) * width + F_hid]
                    for f_hid in range(F_hid):
                        grad_h[n, f_hid] += share[f_hid]


@kernel
def _gru_back(grad_y, gates, h_before, grad_h, grad_a):
    one = gates.dtype.type(1)
    r, z, new, m = _quarters(gates)
    grad_r, grad_z, grad_new, grad_m = _quarters(grad_a)
    for f_hid in range(len(grad_h)):
        grad_h[f_hid] += grad_y[f_hid]
    for f_hid in range(len(grad_h)):
        grad_new[f_hid] = grad_h[f_hid] * (one - z[f_hid]) * (one - new[f_hid] * new[f_hid])
    for f_hid in range(len(grad_h)):
        grad_r[f_hid] = grad_new[f_hid] * m[f_hid] * r[f_hid] * (one - r[f_hid])
    for f_hid in range(len(grad_h)):
        grad_m[f_hid] = grad_new[f_hid] * r[f_hid]
    for f_hid in range(len(grad_h)):
        grad_z[f_hid] = grad_h[f_hid] * (h_before[f_hid] - new[f_hid]) * z[f_hid] * (one - z[f_hid])
        grad_h[f_hid] *= z[f_hid]
