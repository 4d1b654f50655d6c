"""Long short-term memory as formula and plain loops. Taught in lesson 12, LSTM, GRU and language."""

import math

import numpy as np

from kernels.jit import kernel
from kernels.memory import empty, readable, zeros
from kernels.rnn import shapes
from kernels.rnn.reference_steps import affine, bias_or_zeros, previous_state, sigmoid, spread

__all__ = ["lstm_backward_all", "lstm_forward"]


def lstm_forward(x, h_0, c_0, weight_ih, weight_hh, weight_hr, bias_ih, bias_hh, lengths, reverse):
    """Long short-term memory: gates decide what the cell state takes in, what it keeps, and what is read from it.

        a[j] = bias_ih[j] + sum_{f_in} weight_ih[j, f_in] * x[t, n, f_in]
             + bias_hh[j] + sum_{f_out} weight_hh[j, f_out] * h[n, f_out]           0 <= j < 4 F_hid

        i = sigmoid(a[f_hid])                         input gate: how much is taken in
        f = sigmoid(a[F_hid + f_hid])                 forget gate: how much is kept
        g = tanh(a[2 F_hid + f_hid])                  candidate: what is taken in
        o = sigmoid(a[3 F_hid + f_hid])               output gate: how much is read

        c[n, f_hid] = f * c[n, f_hid] + i * g
        m[f_hid] = o * tanh(c[n, f_hid])
        y[t, n, f_out] = h[n, f_out] = m[f_out], or with a projection sum_{f_hid} weight_hr[f_out, f_hid] * m[f_hid]

    Parameters
    ----------
    x : ndarray of shape (T, N, F_in), float32 or float64
        N sequences of up to T steps, T at least 1.
    h_0 : ndarray of shape (N, F_out), dtype of `x`
    c_0 : ndarray of shape (N, F_hid)
        State and cell state before the first step.
    weight_ih : ndarray of shape (4 F_hid, F_in)
    weight_hh : ndarray of shape (4 F_hid, F_out)
        The gates stand in torch's order: i, f, g, o.
    weight_hr : ndarray of shape (F_out, F_hid), or None
        None: no projection, F_out = F_hid.
    bias_ih, bias_hh : ndarray of shape (4 F_hid,), or None
        Two that are added, as in torch. None counts as zeros.
    lengths : ndarray of shape (N,), int64, or None
    reverse : bool
        As in `kernels.rnn.reference.rnn_tanh_forward`.

    Returns
    -------
    y : ndarray of shape (T, N, F_out)
        The states after each step, 0 beyond a sequence's length.
    h_n : ndarray of shape (N, F_out)
    c_n : ndarray of shape (N, F_hid)
        State and cell state after the last step.
    gates : ndarray of shape (T, N, 4 F_hid)
        i, f, g, o of each step, 0 beyond a sequence's length: for the gradient, as is `cells`.
    cells : ndarray of shape (T, N, F_hid)
        The cell states after each step.

    Raises
    ------
    TypeError, ValueError
        What `kernels.rnn.shapes.layer` refuses.

    Notes
    -----
    Sums in float64 whatever the dtype.

    See Also
    --------
    mediml.nn.LSTM : the layer.

    References
    ----------
    S. Hochreiter, J. Schmidhuber, "Long short-term memory", Neural Computation 9 (1997); F. A. Gers, J. Schmidhuber,
    F. Cummins, "Learning to forget", Neural Computation 12 (2000), for the forget gate; H. Sak, A. Senior, F. Beaufays,
    Interspeech 2014, for the projection.
    """
    arguments = (x, h_0, c_0, weight_ih, weight_hh, weight_hr, bias_ih, bias_hh, lengths)
    T, N, _, F_hid, F_out, G = shapes.layer("lstm", *arguments)
    y, gates, cells = (empty((T, N, size), x.dtype) for size in (F_out, G, F_hid))
    h, c = h_0.copy(order="C"), c_0.copy(order="C")
    biases = bias_or_zeros(bias_ih, G, x), bias_or_zeros(bias_hh, G, x)
    weights = readable(weight_ih), readable(weight_hh), *_projection(weight_hr, x)
    lengths = readable(shapes.lengths_of(lengths, T, N))
    _lstm(readable(x), *weights, *biases, lengths, bool(reverse), empty(F_hid, np.float64), y, h, c, gates, cells)
    return y, h, c, gates, cells


def lstm_backward_all(
    grad_y, grad_h_n, grad_c_n, x, h_0, c_0, weight_ih, weight_hh, weight_hr, lengths, reverse, y, gates, cells
):
    """Gradients for all arguments of `lstm_forward`, by one sweep back through time.

    With grad_h[n] = grad_h_n[n] and grad_c[n] = grad_c_n[n] to begin with, for each step that forward took, from the
    last to the first; c is the cell state after the step, c_before and h_before are the states before it:

        grad_h[n, f_out] += grad_y[t, n, f_out]
        grad_m[f_hid] = grad_h[n, f_hid], or with a projection sum_{f_out} grad_h[n, f_out] * weight_hr[f_out, f_hid]
        grad_weight_hr[f_out, f_hid] += grad_h[n, f_out] * o * tanh(c)

        grad_c[n, f_hid] += grad_m[f_hid] * o * (1 - tanh(c)^2)             the cell state was read
        grad_a[f_hid]           = grad_c[n, f_hid] * g * i * (1 - i)        because sigmoid' = sigmoid (1 - sigmoid)
        grad_a[F_hid + f_hid]   = grad_c[n, f_hid] * c_before * f * (1 - f)
        grad_a[2 F_hid + f_hid] = grad_c[n, f_hid] * i * (1 - g^2)          because tanh' = 1 - tanh^2
        grad_a[3 F_hid + f_hid] = grad_m[f_hid] * tanh(c) * o * (1 - o)
        grad_c[n, f_hid] *= f                                               what the step before receives

        grad_bias_ih[j] += grad_a[j]                                        and so grad_bias_hh
        grad_weight_ih[j, f_in] += grad_a[j] * x[t, n, f_in]
        grad_weight_hh[j, f_out] += grad_a[j] * h_before[f_out]
        grad_x[t, n, f_in] = sum_j grad_a[j] * weight_ih[j, f_in]
        grad_h[n, f_out] = sum_j grad_a[j] * weight_hh[j, f_out]            what the step before receives

    The cell state hands its gradient on through one product with f only: that is why it remembers for so long.

    Parameters
    ----------
    grad_y, grad_h_n, grad_c_n : ndarray
        Gradients of something for the first three outputs, of their shapes.
    x, h_0, c_0, weight_ih, weight_hh, weight_hr, lengths, reverse
        As given to `lstm_forward`.
    y, gates, cells : ndarray
        As it returned them.

    Returns
    -------
    grad_x, grad_h_0, grad_c_0, grad_weight_ih, grad_weight_hh, grad_weight_hr, grad_bias_ih, grad_bias_hh : ndarray
        Of the arguments' shapes; grad_weight_hr is None where there is no projection.
    """
    sizes = shapes.layer("lstm", x, h_0, c_0, weight_ih, weight_hh, weight_hr, None, None, lengths)
    outputs = {"grad_y": (grad_y, "T N F_out"), "grad_h_n": (grad_h_n, "N F_out"), "grad_c_n": (grad_c_n, "N F_hid")}
    saved = {"y": (y, "T N F_out"), "gates": (gates, "T N S"), "cells": (cells, "T N F_hid")}
    shapes.check_backward("lstm", sizes, x, **outputs, **saved)
    T, N, _, F_hid, _, G = sizes
    projection, projected = _projection(weight_hr, x)
    given = [readable(a) for a in (grad_y, x, h_0, c_0, weight_ih, weight_hh, projection, y, gates, cells)]
    lengths = readable(shapes.lengths_of(lengths, T, N))
    states = grad_h_n.astype(np.float64, order="C"), grad_c_n.astype(np.float64, order="C")
    shapes_of_grads = (x.shape, weight_ih.shape, weight_hh.shape, projection.shape, G, G)
    grads = [zeros(shape, np.float64) for shape in shapes_of_grads]
    scratch = (empty(G, np.float64), empty(F_hid, np.float64), empty(F_hid, np.float64))
    _lstm_backward(*given, lengths, bool(reverse), projected, *scratch, *states, *grads)
    grads[1:1] = states
    rounded = [grad.astype(x.dtype) for grad in grads]
    rounded[5] = rounded[5] if projected else None
    return tuple(rounded)


def _projection(weight_hr, like):
    """The matrix, empty for None, and whether there is one."""
    return (np.empty((0, 0), like.dtype), False) if weight_hr is None else (readable(weight_hr), True)


@kernel
def _lstm(
    x, weight_ih, weight_hh, weight_hr, projected, bias_ih, bias_hh, lengths, reverse, m, y, h, c, gates, cells
):  # fmt: skip
    T, N, F_out = y.shape
    F_hid = c.shape[1]
    for step in range(T):
        t = T - 1 - step if reverse else step
        for n in range(N):
            if t >= lengths[n]:
                y[t, n], gates[t, n], cells[t, n] = 0, 0, 0
                continue
            for j in range(4 * F_hid):
                a = affine(weight_ih, bias_ih, x[t, n], j) + affine(weight_hh, bias_hh, h[n], j)
                gates[t, n, j] = math.tanh(a) if j // F_hid == 2 else sigmoid(a)
            for f_hid in range(F_hid):
                i, f, g, o = _gates_of(gates[t, n], f_hid, F_hid)
                c[n, f_hid] = f * c[n, f_hid] + i * g
                m[f_hid] = o * math.tanh(c[n, f_hid])
                cells[t, n, f_hid] = c[n, f_hid]
            for f_out in range(F_out):
                if projected:
                    acc = 0.0
                    for f_hid in range(F_hid):
                        acc += weight_hr[f_out, f_hid] * m[f_hid]
                    y[t, n, f_out] = acc
                else:
                    y[t, n, f_out] = m[f_out]
            h[n] = y[t, n]


@kernel
def _gates_of(gates, f_hid, F_hid):
    """i, f, g, o of one number of the state, in float64."""
    return (
        np.float64(gates[f_hid]),
        np.float64(gates[F_hid + f_hid]),
        np.float64(gates[2 * F_hid + f_hid]),
        np.float64(gates[3 * F_hid + f_hid]),
    )


@kernel
def _lstm_backward(
    grad_y, x, h_0, c_0, weight_ih, weight_hh, weight_hr, y, gates, cells, lengths, reverse, projected, grad_a, grad_m,
    m, grad_h, grad_c, grad_x, grad_weight_ih, grad_weight_hh, grad_weight_hr, grad_bias_ih, grad_bias_hh,
):  # fmt: skip
    T, N, F_out = y.shape
    F_hid = grad_c.shape[1]
    for step in range(T):
        t = step if reverse else T - 1 - step
        for n in range(N):
            if t >= lengths[n]:
                continue
            for f_out in range(F_out):
                grad_h[n, f_out] += grad_y[t, n, f_out]
            for f_hid in range(F_hid):
                m[f_hid] = gates[t, n, 3 * F_hid + f_hid] * math.tanh(cells[t, n, f_hid])
                grad_m[f_hid] = 0 if projected else grad_h[n, f_hid]
            if projected:
                _spread_projection(grad_h[n], weight_hr, m, grad_m, grad_weight_hr)
            c_before = previous_state(cells, c_0, t, n, lengths[n], reverse)
            for f_hid in range(F_hid):
                i, f, g, o = _gates_of(gates[t, n], f_hid, F_hid)
                tanh_c = math.tanh(cells[t, n, f_hid])
                grad_c[n, f_hid] += grad_m[f_hid] * o * (1 - tanh_c**2)
                grad_a[f_hid] = grad_c[n, f_hid] * g * i * (1 - i)
                grad_a[F_hid + f_hid] = grad_c[n, f_hid] * c_before[f_hid] * f * (1 - f)
                grad_a[2 * F_hid + f_hid] = grad_c[n, f_hid] * i * (1 - g**2)
                grad_a[3 * F_hid + f_hid] = grad_m[f_hid] * tanh_c * o * (1 - o)
                grad_c[n, f_hid] *= f
            grad_h[n] = 0
            h_before = previous_state(y, h_0, t, n, lengths[n], reverse)
            spread(grad_a, weight_ih, x[t, n], grad_x[t, n], grad_weight_ih, grad_bias_ih)
            spread(grad_a, weight_hh, h_before, grad_h[n], grad_weight_hh, grad_bias_hh)


@kernel
def _spread_projection(grad_h, weight_hr, m, grad_m, grad_weight_hr):
    for f_out in range(len(grad_h)):
        for f_hid in range(len(m)):
            grad_m[f_hid] += grad_h[f_out] * weight_hr[f_out, f_hid]
            grad_weight_hr[f_out, f_hid] += grad_h[f_out] * m[f_hid]
