"""Fast recurrent layers: the formulas of ``reference``.

Optimizations
-------------
* The input's share of the weighted sums does not depend on the state: it is one big product for all steps and
  sequences, as are the gradients of input and weights after the sweep.
* Only the state's share is computed step by step: eight sequences by one vector of gates at a time, by
  `kernels.gemm.add_tile` with weights packed once.
* Threads share the batch: each takes blocks of eight sequences through all steps and waits for none.
* The gates of a sequence are short loops over contiguous numbers with `kernels.elementary`'s tanh and sigmoid, which
  become vector instructions.
* Every sum runs in an order of its own, whatever the threads: so the bits do not depend on their number.
"""

from kernels import elementary
from kernels.gemm import ROWS, fill_rows
from kernels.jit import kernel
from kernels.memory import empty, readable
from kernels.rnn import shapes
from kernels.rnn.cpu_gru import gru_backward_all, gru_forward
from kernels.rnn.cpu_lstm import lstm_backward_all, lstm_forward
from kernels.rnn.cpu_product import Panels, multiply, plain
from kernels.rnn.cpu_steps import before, bias_sum, input_gradients, projected_input, run_blocks, weight_gradient

__all__ = [
    "gru_backward_all", "gru_forward", "lstm_backward_all", "lstm_forward", "rnn_relu_backward_all",
    "rnn_relu_forward", "rnn_tanh_backward_all", "rnn_tanh_forward",
]  # fmt: skip


def rnn_tanh_forward(x, h_0, weight_ih, weight_hh, bias_ih, bias_hh, lengths, reverse):
    """Same contract as in ``reference``."""
    return _forward("rnn_tanh", x, h_0, weight_ih, weight_hh, bias_ih, bias_hh, lengths, reverse)


def rnn_tanh_backward_all(grad_y, grad_h_n, x, h_0, weight_ih, weight_hh, lengths, reverse, y):
    """Same contract as in ``reference``."""
    return _backward("rnn_tanh", grad_y, grad_h_n, x, h_0, weight_ih, weight_hh, lengths, reverse, y)


def rnn_relu_forward(x, h_0, weight_ih, weight_hh, bias_ih, bias_hh, lengths, reverse):
    """Same contract as in ``reference``."""
    return _forward("rnn_relu", x, h_0, weight_ih, weight_hh, bias_ih, bias_hh, lengths, reverse)


def rnn_relu_backward_all(grad_y, grad_h_n, x, h_0, weight_ih, weight_hh, lengths, reverse, y):
    """Same contract as in ``reference``."""
    return _backward("rnn_relu", grad_y, grad_h_n, x, h_0, weight_ih, weight_hh, lengths, reverse, y)


def _forward(op, x, h_0, weight_ih, weight_hh, bias_ih, bias_hh, lengths, reverse):
    T, N, _, F_hid, _, _ = shapes.layer(op, x, h_0, None, weight_ih, weight_hh, None, bias_ih, bias_hh, lengths)
    y, h = empty((T, N, F_hid), x.dtype), h_0.copy(order="C")
    projected_input(x, weight_ih, bias_sum(bias_ih, bias_hh), y.reshape(T * N, F_hid))
    panels = Panels(weight_hh, transposed=False)
    arguments = (y, h, shapes.lengths_of(lengths, T, N), bool(reverse), op == "rnn_relu", *panels.arguments())
    run_blocks(_elman_steps, N, T * N * F_hid * F_hid / 8, panels.scratch, *arguments)
    return y, h


def _backward(op, grad_y, grad_h_n, x, h_0, weight_ih, weight_hh, lengths, reverse, y):
    sizes = shapes.layer(op, x, h_0, None, weight_ih, weight_hh, None, None, None, lengths)
    outputs = {"grad_y": (grad_y, "T N F_hid"), "grad_h_n": (grad_h_n, "N F_hid"), "y": (y, "T N F_hid")}
    shapes.check_backward(op, sizes, x, **outputs)
    T, N, _, F_hid, _, _ = sizes
    lengths, y = readable(shapes.lengths_of(lengths, T, N)), readable(y)
    grad_a, grad_h = empty((T, N, F_hid), x.dtype), grad_h_n.copy(order="C")
    panels = Panels(weight_hh, transposed=True)
    arguments = (readable(grad_y), y, grad_h, grad_a, lengths, bool(reverse), op == "rnn_relu", *panels.arguments())
    run_blocks(_elman_steps_back, N, T * N * F_hid * F_hid / 8, panels.scratch, *arguments)
    grad_x, grad_weight_ih, grad_bias = input_gradients(grad_a, F_hid, x, weight_ih, lengths)
    grad_weight_hh = weight_gradient(grad_a, plain(1), F_hid, before(y, h_0, lengths, reverse))
    return grad_x, grad_h, grad_weight_ih, grad_weight_hh, grad_bias, grad_bias.copy()


@kernel
def _elman_steps(lo, hi, y, h, lengths, reverse, is_relu, packed, panel_steps, k_steps, rows, tile, sums):
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
                    share = sums[(n - first) * width : (n - first) * width + F_hid]
                    _elman(y[t, n], share, h[n], is_relu)
                else:
                    y[t, n] = 0


@kernel
def _elman(y, share, h, is_relu):
    zero = y.dtype.type(0)
    if is_relu:
        for f_hid in range(len(y)):
            a = y[f_hid] + share[f_hid]
            y[f_hid] = h[f_hid] = zero if a <= zero else a
    else:
        for f_hid in range(len(y)):
            y[f_hid] = h[f_hid] = elementary.tanh(y[f_hid] + share[f_hid])


@kernel
def _elman_steps_back(
    lo, hi, grad_y, y, grad_h, grad_a, lengths, reverse, is_relu, packed, panel_steps, k_steps, rows, tile, sums
):  # fmt: skip
    T, N, F_hid = y.shape
    width = len(sums) // ROWS
    for first in range(lo * ROWS, min(hi * ROWS, N), ROWS):
        count = min(ROWS, N - first)
        for step in range(T):
            t = step if reverse else T - 1 - step
            for n in range(first, first + count):
                if t < lengths[n]:
                    _elman_back(grad_y[t, n], y[t, n], grad_h[n], grad_a[t, n], is_relu)
                else:
                    grad_a[t, n] = 0
            fill_rows(rows, (t * N + first) * F_hid, F_hid, count)
            multiply(grad_a.reshape(-1), rows, k_steps, packed, panel_steps, tile, sums)
            for n in range(first, first + count):
                if t < lengths[n]:
                    grad_h[n] = sums[(n - first) * width : (n - first) * width + F_hid]


@kernel
def _elman_back(grad_y, y, grad_h, grad_a, is_relu):
    zero, one = y.dtype.type(0), y.dtype.type(1)
    if is_relu:
        for f_hid in range(len(y)):
            grad_a[f_hid] = zero if y[f_hid] <= zero else grad_h[f_hid] + grad_y[f_hid]
    else:
        for f_hid in range(len(y)):
            grad_a[f_hid] = (grad_h[f_hid] + grad_y[f_hid]) * (one - y[f_hid] * y[f_hid])
