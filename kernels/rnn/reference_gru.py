"""The gated recurrent unit as formula and plain loops. Taught in lesson 12, LSTM, GRU and language."""

import math

import numpy as np

from kernels.jit import kernel
from kernels.memory import empty, readable, zeros
from kernels.rnn import shapes
from kernels.rnn.reference_steps import affine, bias_or_zeros, previous_state, sigmoid, spread

__all__ = ["gru_backward_all", "gru_forward"]


def gru_forward(x, h_0, weight_ih, weight_hh, bias_ih, bias_hh, lengths, reverse):
    """Gated recurrent unit: the new state lies between the old one and a candidate.

        a_ih[j] = bias_ih[j] + sum_{f_in} weight_ih[j, f_in] * x[t, n, f_in]        0 <= j < 3 F_hid
        a_hh[j] = bias_hh[j] + sum_k weight_hh[j, k] * h[n, k]

        r = sigmoid(a_ih[f_hid] + a_hh[f_hid])                          reset gate: how much the candidate sees of h
        z = sigmoid(a_ih[F_hid + f_hid] + a_hh[F_hid + f_hid])          update gate: how much of h stays
        m = a_hh[2 F_hid + f_hid]                                       the old state's share, its bias included
        new = tanh(a_ih[2 F_hid + f_hid] + r * m)                       candidate

        y[t, n, f_hid] = h[n, f_hid] = (1 - z) * new + z * h[n, f_hid]

    Parameters
    ----------
    x : ndarray of shape (T, N, F_in), float32 or float64
        N sequences of up to T steps, T at least 1.
    h_0 : ndarray of shape (N, F_hid), dtype of `x`
        State before the first step.
    weight_ih : ndarray of shape (3 F_hid, F_in)
    weight_hh : ndarray of shape (3 F_hid, F_hid)
        The gates stand in torch's order: r, z, new.
    bias_ih, bias_hh : ndarray of shape (3 F_hid,), or None
        The last third of `bias_hh` stands inside r * (…), as in torch. None counts as zeros.
    lengths : ndarray of shape (N,), int64, or None
    reverse : bool
        As in `kernels.rnn.reference.rnn_tanh_forward`.

    Returns
    -------
    y : ndarray of shape (T, N, F_hid)
        The states after each step, 0 beyond a sequence's length.
    h_n : ndarray of shape (N, F_hid)
        The states after the last step.
    gates : ndarray of shape (T, N, 4 F_hid)
        r, z, new, m of each step, 0 beyond a sequence's length: for the gradient.

    Raises
    ------
    TypeError, ValueError
        What `kernels.rnn.shapes.layer` refuses.

    Notes
    -----
    Sums in float64 whatever the dtype. The paper multiplies r with h before the product with weight_hh; torch, cuDNN
    and this kernel after it, so that all products with h can be made at once.

    See Also
    --------
    mediml.nn.GRU : the layer.

    References
    ----------
    K. Cho et al., "Learning phrase representations using RNN encoder-decoder for statistical machine translation",
    EMNLP 2014.
    """
    T, N, _, F_hid, _, G = shapes.layer("gru", x, h_0, None, weight_ih, weight_hh, None, bias_ih, bias_hh, lengths)
    y, gates, h = empty((T, N, F_hid), x.dtype), empty((T, N, 4 * F_hid), x.dtype), h_0.copy(order="C")
    biases = bias_or_zeros(bias_ih, G, x), bias_or_zeros(bias_hh, G, x)
    weights = readable(weight_ih), readable(weight_hh)
    lengths = readable(shapes.lengths_of(lengths, T, N))
    _gru(readable(x), *weights, *biases, lengths, bool(reverse), y, h, gates)
    return y, h, gates


def gru_backward_all(grad_y, grad_h_n, x, h_0, weight_ih, weight_hh, lengths, reverse, y, gates):
    """Gradients for all arguments of `gru_forward`, by one sweep back through time.

    With grad_h[n] = grad_h_n[n] to begin with, for each step that forward took, from the last to the first; h_before
    is the state before it:

        grad_h[n, f_hid] += grad_y[t, n, f_hid]
        grad_new = grad_h[n, f_hid] * (1 - z) * (1 - new^2)                 at tanh's argument; tanh' = 1 - tanh^2
        grad_r = grad_new * m * r * (1 - r)                                 at sigmoid's argument, as is grad_z
        grad_z = grad_h[n, f_hid] * (h_before[f_hid] - new) * z * (1 - z)
        grad_m = grad_new * r

        grad_a_ih = (grad_r, grad_z, grad_new)                              0 <= j < 3 F_hid, in the order of the gates
        grad_a_hh = (grad_r, grad_z, grad_m)

        grad_bias_ih[j] += grad_a_ih[j]                                     grad_bias_hh[j] += grad_a_hh[j]
        grad_weight_ih[j, f_in] += grad_a_ih[j] * x[t, n, f_in]
        grad_weight_hh[j, k] += grad_a_hh[j] * h_before[k]
        grad_x[t, n, f_in] = sum_j grad_a_ih[j] * weight_ih[j, f_in]
        grad_h[n, k] = z[k] * grad_h[n, k] + sum_j grad_a_hh[j] * weight_hh[j, k]           for the step before

    Parameters
    ----------
    grad_y, grad_h_n : ndarray
        Gradients of something for the first two outputs, of their shapes.
    x, h_0, weight_ih, weight_hh, lengths, reverse
        As given to `gru_forward`.
    y, gates : ndarray
        As it returned them.

    Returns
    -------
    grad_x, grad_h_0, grad_weight_ih, grad_weight_hh, grad_bias_ih, grad_bias_hh : ndarray
        Of the arguments' shapes.
    """
    sizes = shapes.layer("gru", x, h_0, None, weight_ih, weight_hh, None, None, None, lengths)
    outputs = {"grad_y": (grad_y, "T N F_hid"), "grad_h_n": (grad_h_n, "N F_hid")}
    shapes.check_backward("gru", sizes, x, **outputs, y=(y, "T N F_hid"), gates=(gates, "T N S"))
    T, N, _, _, _, G = sizes
    given = [readable(array) for array in (grad_y, x, h_0, weight_ih, weight_hh, y, gates)]
    lengths = readable(shapes.lengths_of(lengths, T, N))
    grad_h = grad_h_n.astype(np.float64, order="C")
    grads = [zeros(shape, np.float64) for shape in (x.shape, weight_ih.shape, weight_hh.shape, G, G)]
    scratch = empty(G, np.float64), empty(G, np.float64)
    _gru_backward(*given, lengths, bool(reverse), *scratch, grad_h, *grads)
    grads.insert(1, grad_h)
    return tuple(grad.astype(x.dtype) for grad in grads)


@kernel
def _gru(x, weight_ih, weight_hh, bias_ih, bias_hh, lengths, reverse, y, h, gates):
    T, N, F_hid = y.shape
    for step in range(T):
        t = T - 1 - step if reverse else step
        for n in range(N):
            if t >= lengths[n]:
                y[t, n], gates[t, n] = 0, 0
                continue
            for f_hid in range(F_hid):
                r_at, z_at, new_at = f_hid, F_hid + f_hid, 2 * F_hid + f_hid
                r = sigmoid(affine(weight_ih, bias_ih, x[t, n], r_at) + affine(weight_hh, bias_hh, h[n], r_at))
                z = sigmoid(affine(weight_ih, bias_ih, x[t, n], z_at) + affine(weight_hh, bias_hh, h[n], z_at))
                m = affine(weight_hh, bias_hh, h[n], new_at)
                new = math.tanh(affine(weight_ih, bias_ih, x[t, n], new_at) + r * m)
                y[t, n, f_hid] = (1 - z) * new + z * h[n, f_hid]
                gates[t, n, r_at], gates[t, n, z_at] = r, z
                gates[t, n, new_at], gates[t, n, 3 * F_hid + f_hid] = new, m
            h[n] = y[t, n]


@kernel
def _gru_backward(
    grad_y, x, h_0, weight_ih, weight_hh, y, gates, lengths, reverse, grad_a_ih, grad_a_hh, grad_h, grad_x,
    grad_weight_ih, grad_weight_hh, grad_bias_ih, grad_bias_hh,
):  # fmt: skip
    T, N, F_hid = y.shape
    for step in range(T):
        t = step if reverse else T - 1 - step
        for n in range(N):
            if t >= lengths[n]:
                continue
            h_before = previous_state(y, h_0, t, n, lengths[n], reverse)
            for f_hid in range(F_hid):
                r_at, z_at, new_at = f_hid, F_hid + f_hid, 2 * F_hid + f_hid
                r, z = np.float64(gates[t, n, r_at]), np.float64(gates[t, n, z_at])
                new, m = np.float64(gates[t, n, new_at]), np.float64(gates[t, n, 3 * F_hid + f_hid])
                grad_h[n, f_hid] += grad_y[t, n, f_hid]
                grad_new = grad_h[n, f_hid] * (1 - z) * (1 - new**2)
                grad_a_ih[r_at] = grad_a_hh[r_at] = grad_new * m * r * (1 - r)
                grad_a_ih[z_at] = grad_a_hh[z_at] = grad_h[n, f_hid] * (h_before[f_hid] - new) * z * (1 - z)
                grad_a_ih[new_at] = grad_new
                grad_a_hh[new_at] = grad_new * r
                grad_h[n, f_hid] *= z
            spread(grad_a_ih, weight_ih, x[t, n], grad_x[t, n], grad_weight_ih, grad_bias_ih)
            spread(grad_a_hh, weight_hh, h_before, grad_h[n], grad_weight_hh, grad_bias_hh)
