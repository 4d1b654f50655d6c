"""Recurrent layers on the GPU. Same contract as ``reference``. Here: the Elman network.

Optimizations
-------------
* The input's share of the weighted sums does not depend on the state: it is one big matrix product for all steps and
  sequences, as are the gradients of input and weights after the sweep.
* Only the state's share must wait for the step before. There are two ways for it:

  `_steps` (any size; the formula, step by step). For each step one product for the states of all sequences, and one
  kernel for their gates, a thread for each number of a state. A launch takes some microseconds, and a short sequence of
  small states has hardly as much work: the GPU waits for the host.

  `_sequences` (states of up to `MOST_HIDDEN` numbers). Sequences know nothing of each other, so one block carries one
  of them through all steps, in a single launch. Its state stays in shared memory:

        block n    thread:   0     1     2     3    …              barrier: the state is complete
                   step t    a[0]  a[1]  a[2]  a[3]     each thread: the product of a column of weights and the state
                                                                    barrier: all sums are there
                             h[0]  h[1]  …              each thread: gates and the new state of one number
                   step t + 1 …

  The weights are read by every block at every step, from the caches that are near to it, where so many of them fit.
  They lie transposed, so that neighbouring threads read neighbouring numbers.

* Nothing is added by two threads: one owns each number of the state, each gradient of a sum is written once, and the
  gradients of weights and biases are sums over all steps in a fixed order. So the bits repeat.
* ``lengths`` stay on the device. A sequence that has ended does nothing but write zeros.
"""

from numba import cuda

from kernels.elementary import formula
from kernels.gpu import math
from kernels.gpu.copying import copy_into
from kernels.gpu.launch import kernel, per_element
from kernels.gpu.matmul import matmul
from kernels.gpu.memory import empty, readable
from kernels.rnn import shapes
from kernels.rnn.cuda_gru import gru_backward_all, gru_forward
from kernels.rnn.cuda_lstm import lstm_backward_all, lstm_forward
from kernels.rnn.cuda_steps import (
    MOST_HIDDEN,
    before,
    device_bias,
    device_lengths,
    fits_one_block,
    input_gradients,
    length_of,
    order_of_steps,
    per_sequence,
    projected_input,
    weight_gradient,
)  # fmt: skip

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
    y, h = empty((T, N, F_hid), x.dtype), empty((N, F_hid), x.dtype)
    projected_input(x, weight_ih, bias_ih, y.reshape(T * N, F_hid))
    bias, lengths = device_bias(bias_hh), device_lengths(op, lengths, T, N)
    carry = _sequences if fits_one_block(F_hid) else _steps
    carry(y, readable(h_0), h, readable(weight_hh).T, bias, lengths, bool(reverse), op == "rnn_relu")
    return y, h


def _backward(op, grad_y, grad_h_n, x, h_0, weight_ih, weight_hh, lengths, reverse, y):
    sizes = shapes.layer(op, x, h_0, None, weight_ih, weight_hh, None, None, None, lengths)
    outputs = {"grad_y": (grad_y, "T N F_hid"), "grad_h_n": (grad_h_n, "N F_hid"), "y": (y, "T N F_hid")}
    shapes.check_backward(op, sizes, x, **outputs)
    T, N, _, F_hid, _, _ = sizes
    masked, lengths, y, reverse = lengths is not None, device_lengths(op, lengths, T, N), readable(y), bool(reverse)
    grad_a, grad_h = empty((T, N, F_hid), x.dtype), empty((N, F_hid), x.dtype)
    carry = _sequences_back if fits_one_block(F_hid) else _steps_back
    given = readable(grad_y), readable(grad_h_n), y, readable(weight_hh)
    carry(*given, grad_h, grad_a, lengths, reverse, op == "rnn_relu")
    grad_x, grad_weight_ih, grad_bias = input_gradients(grad_a, x, weight_ih, lengths, masked)
    grad_weight_hh = weight_gradient(grad_a, before(y, readable(h_0), lengths, reverse))
    return grad_x, grad_h, grad_weight_ih, grad_weight_hh, grad_bias, grad_bias.copy()


@formula
def _activation(a, is_relu):
    """The new state; NaN stays NaN."""
    if is_relu:
        return type(a)(0) if a <= type(a)(0) else a
    return math.tanh(a)


@formula
def _gradient(grad, y, is_relu):
    """Gradient of the weighted sum from that of the state."""
    if is_relu:
        return type(y)(0) if y <= type(y)(0) else grad
    return grad * (type(y)(1) - y * y)


# -- step by step: a product and a kernel for each step -------------------------------------------------------------


def _steps(y, h_0, h, weight_t, bias, lengths, reverse, is_relu):
    copy_into(h, h_0)
    for t in order_of_steps(y.shape[0], reverse):
        matmul(h, weight_t, y[t], bias=bias, accumulate=True)
        _step[per_element(h.size)](t, y, h, lengths, is_relu)


@kernel
def _step(t, y, h, lengths, is_relu):
    i, F_hid = cuda.grid(1), h.shape[1]
    if i < h.size:
        n, f_hid = i // F_hid, i % F_hid
        if t < length_of(lengths, n, y):
            state = _activation(y[t, n, f_hid], is_relu)
            y[t, n, f_hid] = state
            h[n, f_hid] = state
        else:
            y[t, n, f_hid] = 0


def _steps_back(grad_y, grad_h_n, y, weight_hh, grad_h, grad_a, lengths, reverse, is_relu):
    copy_into(grad_h, grad_h_n)
    for t in order_of_steps(y.shape[0], not reverse):
        _step_back[per_element(grad_h.size)](t, grad_y, y, grad_h, grad_a, lengths, is_relu)
        matmul(grad_a[t], weight_hh, grad_h, accumulate=True)


@kernel
def _step_back(t, grad_y, y, grad_h, grad_a, lengths, is_relu):
    """The state's gradient is used up here: the product that follows adds what the step before receives."""
    i, F_hid = cuda.grid(1), grad_h.shape[1]
    if i < grad_h.size:
        n, f_hid = i // F_hid, i % F_hid
        if t < length_of(lengths, n, y):
            grad_a[t, n, f_hid] = _gradient(grad_h[n, f_hid] + grad_y[t, n, f_hid], y[t, n, f_hid], is_relu)
            grad_h[n, f_hid] = 0
        else:
            grad_a[t, n, f_hid] = 0


# -- a block for each sequence, one launch for all steps ------------------------------------------------------------


def _sequences(y, h_0, h_n, weight_t, bias, lengths, reverse, is_relu):
    N, F_hid = h_0.shape
    _carry[per_sequence(N, F_hid)](y, h_0, h_n, readable(weight_t), bias, lengths, reverse, is_relu)


@kernel
def _carry(y, h_0, h_n, weight, bias, lengths, reverse, is_relu):
    n, first, threads = cuda.blockIdx.x, cuda.threadIdx.x, cuda.blockDim.x
    T, _, F_hid = y.shape
    length = length_of(lengths, n, y)
    h = cuda.shared.array(MOST_HIDDEN, y.dtype)
    for f_hid in range(first, F_hid, threads):
        h[f_hid] = h_0[n, f_hid]
    for step in range(T):
        t = T - 1 - step if reverse else step
        if t < length:  # the same for all threads of the block, so all reach the barriers
            cuda.syncthreads()
            for f_hid in range(first, F_hid, threads):
                acc = y[t, n, f_hid]
                if bias is not None:
                    acc += bias[f_hid]
                for k in range(F_hid):
                    acc += weight[k, f_hid] * h[k]
                y[t, n, f_hid] = _activation(acc, is_relu)
            cuda.syncthreads()
            for f_hid in range(first, F_hid, threads):
                h[f_hid] = y[t, n, f_hid]
        else:
            for f_hid in range(first, F_hid, threads):
                y[t, n, f_hid] = 0
    for f_hid in range(first, F_hid, threads):
        h_n[n, f_hid] = h[f_hid]


def _sequences_back(grad_y, grad_h_n, y, weight_hh, grad_h, grad_a, lengths, reverse, is_relu):
    grid = per_sequence(*grad_h.shape)
    _carry_back[grid](grad_y, grad_h_n, y, weight_hh, grad_h, grad_a, lengths, reverse, is_relu)


@kernel
def _carry_back(grad_y, grad_h_n, y, weight, grad_h_0, grad_a, lengths, reverse, is_relu):
    n, first, threads = cuda.blockIdx.x, cuda.threadIdx.x, cuda.blockDim.x
    T, _, F_hid = y.shape
    length = length_of(lengths, n, y)
    grad = cuda.shared.array(MOST_HIDDEN, y.dtype)  # of the weighted sums of this step
    for f_hid in range(first, F_hid, threads):
        grad_h_0[n, f_hid] = grad_h_n[n, f_hid]
    for step in range(T):
        t = step if reverse else T - 1 - step
        if t < length:
            for f_hid in range(first, F_hid, threads):
                grad[f_hid] = _gradient(grad_h_0[n, f_hid] + grad_y[t, n, f_hid], y[t, n, f_hid], is_relu)
                grad_a[t, n, f_hid] = grad[f_hid]
            cuda.syncthreads()
            for k in range(first, F_hid, threads):
                acc = y.dtype.type(0)
                for f_hid in range(F_hid):
                    acc += grad[f_hid] * weight[f_hid, k]
                grad_h_0[n, k] = acc
            cuda.syncthreads()
        else:
            for f_hid in range(first, F_hid, threads):
                grad_a[t, n, f_hid] = 0
