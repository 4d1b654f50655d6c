"""Recurrent layers as formula and plain loops: what a learner reads, what every test trusts. Here: the Elman network.

All of them step through time like this. A sequence that has ended keeps its state, and its outputs are 0; in reverse
a sequence begins at its own end:

    for t = 0, 1 … T - 1, or in reverse T - 1 … 1, 0:
        if t < lengths[n]:
            y[t, n] = h[n] = cell(x[t, n], h[n])

Back-propagation through time takes the same steps in the opposite order and hands the gradient of the state from one
to the next. Since it yields all gradients in one sweep, there is one function for them all, ``<op>_backward_all``.
"""

import math

import numpy as np

from kernels.jit import kernel
from kernels.memory import empty, readable, zeros
from kernels.rnn import shapes
from kernels.rnn.reference_gru import gru_backward_all, gru_forward
from kernels.rnn.reference_lstm import lstm_backward_all, lstm_forward
from kernels.rnn.reference_steps import affine, bias_or_zeros, previous_state, spread

__all__ = [
    "gru_backward_all", "gru_forward", "lstm_backward_all", "lstm_forward", "rnn_relu_backward_all",
    "rnn_relu_forward", "rnn_tanh_backward_all", "rnn_tanh_forward",
]  # fmt: skip


def rnn_tanh_forward(x, h_0, weight_ih, weight_hh, bias_ih, bias_hh, lengths, reverse):
    """The Elman network: the new state is tanh of a weighted sum of the input and of the old state.

        a[f_hid] = bias_ih[f_hid] + sum_{f_in} weight_ih[f_hid, f_in] * x[t, n, f_in]
                 + bias_hh[f_hid] + sum_k weight_hh[f_hid, k] * h[n, k]
        y[t, n, f_hid] = h[n, f_hid] = tanh(a[f_hid])

    Parameters
    ----------
    x : ndarray of shape (T, N, F_in), float32 or float64
        N sequences of up to T steps, T at least 1.
    h_0 : ndarray of shape (N, F_hid), dtype of `x`
        State before the first step.
    weight_ih : ndarray of shape (F_hid, F_in)
    weight_hh : ndarray of shape (F_hid, F_hid)
    bias_ih, bias_hh : ndarray of shape (F_hid,), or None
        Two that are added, as in torch. None counts as zeros.
    lengths : ndarray of shape (N,), int64, or None
        Steps of each sequence, from 0 to T; what `x` holds beyond them does not count. None: T for each.
    reverse : bool
        Read each sequence from its end.

    Returns
    -------
    y : ndarray of shape (T, N, F_hid)
        The states after each step, 0 beyond a sequence's length.
    h_n : ndarray of shape (N, F_hid)
        The states after the last step.

    Raises
    ------
    TypeError, ValueError
        What `kernels.rnn.shapes.layer` refuses.

    Notes
    -----
    Sums in float64 whatever the dtype.

    See Also
    --------
    mediml.nn.RNN : the layer.

    References
    ----------
    J. L. Elman, "Finding structure in time", Cognitive Science 14 (1990). Taught in lesson 11, RNN.
    """
    return _forward("rnn_tanh", x, h_0, weight_ih, weight_hh, bias_ih, bias_hh, lengths, reverse)


def rnn_tanh_backward_all(grad_y, grad_h_n, x, h_0, weight_ih, weight_hh, lengths, reverse, y):
    """Gradients for all arguments of `rnn_tanh_forward`, by one sweep back through time.

    With grad_h[n] = grad_h_n[n] to begin with, for each step that forward took, from the last to the first:

        grad_h[n, f_hid] += grad_y[t, n, f_hid]
        grad_a[f_hid] = grad_h[n, f_hid] * (1 - y[t, n, f_hid]^2)           because tanh' = 1 - tanh^2
        grad_bias_ih[f_hid] += grad_a[f_hid]                                and so grad_bias_hh
        grad_weight_ih[f_hid, f_in] += grad_a[f_hid] * x[t, n, f_in]
        grad_weight_hh[f_hid, k] += grad_a[f_hid] * h_before[k]             the state before the step
        grad_x[t, n, f_in] = sum_{f_hid} grad_a[f_hid] * weight_ih[f_hid, f_in]
        grad_h[n, k] = sum_{f_hid} grad_a[f_hid] * weight_hh[f_hid, k]      what the step before receives

    Parameters
    ----------
    grad_y, grad_h_n : ndarray
        Gradients of something for the two outputs, of their shapes.
    x, h_0, weight_ih, weight_hh, lengths, reverse
        As given to `rnn_tanh_forward`.
    y : ndarray of shape (T, N, F_hid)
        As it returned it.

    Returns
    -------
    grad_x, grad_h_0, grad_weight_ih, grad_weight_hh, grad_bias_ih, grad_bias_hh : ndarray
        Of the arguments' shapes; grad_x is 0 beyond a sequence's length.

    References
    ----------
    P. J. Werbos, "Backpropagation through time: what it does and how to do it", Proc. IEEE 78 (1990).
    """
    return _backward("rnn_tanh", grad_y, grad_h_n, x, h_0, weight_ih, weight_hh, lengths, reverse, y)


def rnn_relu_forward(x, h_0, weight_ih, weight_hh, bias_ih, bias_hh, lengths, reverse):
    """`rnn_tanh_forward` with max(0, a) for tanh(a); NaN stays NaN."""
    return _forward("rnn_relu", x, h_0, weight_ih, weight_hh, bias_ih, bias_hh, lengths, reverse)


def rnn_relu_backward_all(grad_y, grad_h_n, x, h_0, weight_ih, weight_hh, lengths, reverse, y):
    """`rnn_tanh_backward_all` with grad_a[f_hid] = grad_h[n, f_hid], or 0 where y[t, n, f_hid] is 0."""
    return _backward("rnn_relu", grad_y, grad_h_n, x, h_0, weight_ih, weight_hh, lengths, reverse, y)


def _forward(op, x, h_0, weight_ih, weight_hh, bias_ih, bias_hh, lengths, reverse):
    T, N, _, F_hid, _, G = shapes.layer(op, x, h_0, None, weight_ih, weight_hh, None, bias_ih, bias_hh, lengths)
    y, h = empty((T, N, F_hid), x.dtype), h_0.copy(order="C")
    biases = bias_or_zeros(bias_ih, G, x), bias_or_zeros(bias_hh, G, x)
    weights = readable(weight_ih), readable(weight_hh)
    lengths = readable(shapes.lengths_of(lengths, T, N))
    _elman(readable(x), *weights, *biases, lengths, bool(reverse), op == "rnn_relu", y, h)
    return y, h


def _backward(op, grad_y, grad_h_n, x, h_0, weight_ih, weight_hh, lengths, reverse, y):
    sizes = shapes.layer(op, x, h_0, None, weight_ih, weight_hh, None, None, None, lengths)
    outputs = {"grad_y": (grad_y, "T N F_hid"), "grad_h_n": (grad_h_n, "N F_hid"), "y": (y, "T N F_hid")}
    shapes.check_backward(op, sizes, x, **outputs)
    T, N, _, F_hid, _, _ = sizes
    given = [readable(array) for array in (grad_y, x, h_0, weight_ih, weight_hh, y)]
    lengths = readable(shapes.lengths_of(lengths, T, N))
    grad_h = grad_h_n.astype(np.float64, order="C")
    grads = [zeros(shape, np.float64) for shape in (x.shape, weight_ih.shape, weight_hh.shape, F_hid, F_hid)]
    _elman_backward(*given, lengths, bool(reverse), op == "rnn_relu", empty(F_hid, np.float64), grad_h, *grads)
    grads.insert(1, grad_h)
    return tuple(grad.astype(x.dtype) for grad in grads)


@kernel
def _elman(x, weight_ih, weight_hh, bias_ih, bias_hh, lengths, reverse, is_relu, y, h):
    T, N, F_hid = y.shape
    for step in range(T):
        t = T - 1 - step if reverse else step
        for n in range(N):
            if t >= lengths[n]:
                y[t, n] = 0
                continue
            for f_hid in range(F_hid):
                a = affine(weight_ih, bias_ih, x[t, n], f_hid) + affine(weight_hh, bias_hh, h[n], f_hid)
                if is_relu:
                    y[t, n, f_hid] = 0 if a <= 0 else a
                else:
                    y[t, n, f_hid] = math.tanh(a)
            h[n] = y[t, n]


@kernel
def _elman_backward(
    grad_y, x, h_0, weight_ih, weight_hh, y, lengths, reverse, is_relu, grad_a, grad_h, grad_x, grad_weight_ih,
    grad_weight_hh, grad_bias_ih, grad_bias_hh,
):  # fmt: skip
    T, N, F_hid = y.shape
    for step in range(T):
        t = step if reverse else T - 1 - step
        for n in range(N):
            if t >= lengths[n]:
                continue
            for f_hid in range(F_hid):
                grad_h[n, f_hid] += grad_y[t, n, f_hid]
                if is_relu:
                    grad_a[f_hid] = 0 if y[t, n, f_hid] <= 0 else grad_h[n, f_hid]
                else:
                    grad_a[f_hid] = grad_h[n, f_hid] * (1 - np.float64(y[t, n, f_hid]) ** 2)
                grad_h[n, f_hid] = 0
            h_before = previous_state(y, h_0, t, n, lengths[n], reverse)
            spread(grad_a, weight_ih, x[t, n], grad_x[t, n], grad_weight_ih, grad_bias_ih)
            spread(grad_a, weight_hh, h_before, grad_h[n], grad_weight_hh, grad_bias_hh)
