"""The gated recurrent unit on the GPU. Optimizations: see ``cuda``."""

from numba import cuda

from kernels.elementary import formula
from kernels.gpu import math
from kernels.gpu.copying import copy_into
from kernels.gpu.launch import device_function, kernel, per_element
from kernels.gpu.matmul import matmul
from kernels.gpu.memory import empty, readable
from kernels.rnn import shapes
from kernels.rnn.cuda_steps import (
    MOST_HIDDEN,
    before,
    column_sums,
    device_bias,
    device_lengths,
    fits_one_block,
    input_gradients,
    length_of,
    order_of_steps,
    per_sequence,
    projected_input,
    sigmoid,
    weight_gradient,
)  # fmt: skip

__all__ = ["gru_backward_all", "gru_forward"]

_MOST_GATES = 3 * MOST_HIDDEN


def gru_forward(x, h_0, weight_ih, weight_hh, bias_ih, bias_hh, lengths, reverse):
    """Same contract as in ``reference``."""
    T, N, _, F_hid, _, G = shapes.layer("gru", x, h_0, None, weight_ih, weight_hh, None, bias_ih, bias_hh, lengths)
    y, gates, h = (empty(shape, x.dtype) for shape in ((T, N, F_hid), (T, N, 4 * F_hid), (N, F_hid)))
    projected_input(x, weight_ih, bias_ih, gates.reshape(T * N, 4 * F_hid)[:, :G])
    bias, lengths = device_bias(bias_hh), device_lengths("gru", lengths, T, N)
    carry = _sequences if fits_one_block(F_hid) else _steps
    carry(y, readable(h_0), h, gates, readable(weight_hh).T, bias, lengths, bool(reverse))
    return y, h, gates


def gru_backward_all(grad_y, grad_h_n, x, h_0, weight_ih, weight_hh, lengths, reverse, y, gates):
    """Same contract as in ``reference``."""
    sizes = shapes.layer("gru", x, h_0, None, weight_ih, weight_hh, None, None, None, lengths)
    outputs = {"grad_y": (grad_y, "T N F_hid"), "grad_h_n": (grad_h_n, "N F_hid")}
    shapes.check_backward("gru", sizes, x, **outputs, y=(y, "T N F_hid"), gates=(gates, "T N S"))
    T, N, _, F_hid, _, G = sizes
    masked, lengths, reverse = lengths is not None, device_lengths("gru", lengths, T, N), bool(reverse)
    h_before = before(readable(y), readable(h_0), lengths, reverse)
    # The two differ in the third gate only; with one array for each, every product is a plain one.
    grad_a_ih, grad_a_hh = empty((T, N, G), x.dtype), empty((T, N, G), x.dtype)
    grad_h = empty((N, F_hid), x.dtype)
    given = readable(grad_y), readable(grad_h_n), h_before, readable(gates), readable(weight_hh)
    carry = _sequences_back if fits_one_block(F_hid) else _steps_back
    carry(*given, grad_h, grad_a_ih, grad_a_hh, lengths, reverse)
    grad_x, grad_weight_ih, grad_bias_ih = input_gradients(grad_a_ih, x, weight_ih, lengths, masked)
    return grad_x, grad_h, grad_weight_ih, weight_gradient(grad_a_hh, h_before), grad_bias_ih, column_sums(grad_a_hh)


@formula
def _cell(r, z, new, m, h):
    """Gates and candidate from their weighted sums, and the new state."""
    r, z = sigmoid(r), sigmoid(z)
    new = math.tanh(new + r * m)
    return r, z, new, (type(h)(1) - z) * new + z * h


@formula
def _cell_gradient(r, z, new, m, h_before, grad_h):
    """Gradients of the weighted sums of r, z, the candidate, and of the state's share in it."""
    one = type(r)(1)
    grad_new = grad_h * (one - z) * (one - new * new)
    return grad_new * m * r * (one - r), grad_h * (h_before - new) * z * (one - z), grad_new, grad_new * r


# -- step by step: a product and a kernel for each step -------------------------------------------------------------


def _steps(y, h_0, h, gates, weight_t, bias, lengths, reverse):
    copy_into(h, h_0)
    share = empty((h.shape[0], weight_t.shape[1]), h.dtype)
    for t in order_of_steps(y.shape[0], reverse):
        matmul(h, weight_t, share, bias=bias)
        _step[per_element(h.size)](t, y, h, gates, share, lengths)


@kernel
def _step(t, y, h, gates, share, lengths):
    i, F_hid = cuda.grid(1), h.shape[1]
    if i < h.size:
        n, j = i // F_hid, i % F_hid
        j_z, j_new, j_m = j + F_hid, j + 2 * F_hid, j + 3 * F_hid
        if t < length_of(lengths, n, gates):
            m = share[n, j_new]
            r, z, new, state = _cell(
                gates[t, n, j] + share[n, j], gates[t, n, j_z] + share[n, j_z], gates[t, n, j_new], m, h[n, j]
            )
            gates[t, n, j], gates[t, n, j_z], gates[t, n, j_new], gates[t, n, j_m] = r, z, new, m
            y[t, n, j], h[n, j] = state, state
        else:
            gates[t, n, j], gates[t, n, j_z], gates[t, n, j_new], gates[t, n, j_m] = 0, 0, 0, 0
            y[t, n, j] = 0


def _steps_back(grad_y, grad_h_n, h_before, gates, weight_hh, grad_h, grad_a_ih, grad_a_hh, lengths, reverse):
    copy_into(grad_h, grad_h_n)
    given = grad_y, h_before, gates, grad_h, grad_a_ih, grad_a_hh, lengths
    for t in order_of_steps(grad_y.shape[0], not reverse):
        _step_back[per_element(grad_h.size)](t, *given)
        matmul(grad_a_hh[t], weight_hh, grad_h, accumulate=True)


@kernel
def _step_back(t, grad_y, h_before, gates, grad_h, grad_a_ih, grad_a_hh, lengths):
    """What z lets pass of the state's gradient stays here; the product that follows adds the rest."""
    i, F_hid = cuda.grid(1), grad_h.shape[1]
    if i < grad_h.size:
        n, j = i // F_hid, i % F_hid
        if t < length_of(lengths, n, gates):
            grad = grad_h[n, j] + grad_y[t, n, j]
            grad_h[n, j] = grad * gates[t, n, F_hid + j]
            _write_gradients(t, n, j, gates, h_before, grad, grad_a_ih, grad_a_hh)
        else:
            for gate in range(3):
                grad_a_ih[t, n, gate * F_hid + j] = 0
                grad_a_hh[t, n, gate * F_hid + j] = 0


@device_function
def _write_gradients(t, n, j, gates, h_before, grad, grad_a_ih, grad_a_hh):
    F_hid = h_before.shape[2]
    j_z, j_new, j_m = j + F_hid, j + 2 * F_hid, j + 3 * F_hid
    grad_r, grad_z, grad_new, grad_m = _cell_gradient(
        gates[t, n, j], gates[t, n, j_z], gates[t, n, j_new], gates[t, n, j_m], h_before[t, n, j], grad
    )
    grad_a_ih[t, n, j], grad_a_ih[t, n, j_z], grad_a_ih[t, n, j_new] = grad_r, grad_z, grad_new
    grad_a_hh[t, n, j], grad_a_hh[t, n, j_z], grad_a_hh[t, n, j_new] = grad_r, grad_z, grad_m


# -- a block for each sequence, one launch for all steps ------------------------------------------------------------


def _sequences(y, h_0, h, gates, weight_t, bias, lengths, reverse):
    N, F_hid = h_0.shape
    _carry[per_sequence(N, 3 * F_hid)](y, h_0, h, gates, readable(weight_t), bias, lengths, reverse)


@kernel
def _carry(y, h_0, h_n, gates, weight, bias, lengths, reverse):
    n, first, threads = cuda.blockIdx.x, cuda.threadIdx.x, cuda.blockDim.x
    T, _, F_hid = y.shape
    length = length_of(lengths, n, y)
    h = cuda.shared.array(MOST_HIDDEN, y.dtype)
    a = cuda.shared.array(_MOST_GATES, y.dtype)
    for j in range(first, F_hid, threads):
        h[j] = h_0[n, j]
    for step in range(T):
        t = T - 1 - step if reverse else step
        if t < length:  # the same for all threads of the block, so all reach the barriers
            cuda.syncthreads()
            for j in range(first, 3 * F_hid, threads):
                acc = gates[t, n, j] if j < 2 * F_hid else y.dtype.type(0)  # the candidate's waits for r
                if bias is not None:
                    acc += bias[j]
                for k in range(F_hid):
                    acc += weight[k, j] * h[k]
                a[j] = acc
            cuda.syncthreads()
            for j in range(first, F_hid, threads):
                j_z, j_new, j_m = j + F_hid, j + 2 * F_hid, j + 3 * F_hid
                m = a[j_new]
                r, z, new, h[j] = _cell(a[j], a[j_z], gates[t, n, j_new], m, h[j])
                gates[t, n, j], gates[t, n, j_z], gates[t, n, j_new], gates[t, n, j_m] = r, z, new, m
                y[t, n, j] = h[j]
        else:
            for j in range(first, 4 * F_hid, threads):
                gates[t, n, j] = 0
            for j in range(first, F_hid, threads):
                y[t, n, j] = 0
    for j in range(first, F_hid, threads):
        h_n[n, j] = h[j]


def _sequences_back(grad_y, grad_h_n, h_before, gates, weight_hh, grad_h, grad_a_ih, grad_a_hh, lengths, reverse):
    grid = per_sequence(*grad_a_ih.shape[1:])
    _carry_back[grid](
        grad_y, grad_h_n, h_before, gates, weight_hh, grad_h, grad_a_ih, grad_a_hh, lengths, reverse
    )  # fmt: skip


@kernel
def _carry_back(grad_y, grad_h_n, h_before, gates, weight, grad_h_0, grad_a_ih, grad_a_hh, lengths, reverse):
    """One thread owns a number of the state; the product with the weights is shared out by gates."""
    n, first, threads = cuda.blockIdx.x, cuda.threadIdx.x, cuda.blockDim.x
    T, _, F_hid = h_before.shape
    length = length_of(lengths, n, h_before)
    grad = cuda.shared.array(_MOST_GATES, gates.dtype)  # of the state's weighted sums at this step
    shares = cuda.shared.array(_MOST_GATES, gates.dtype)  # of each gate in the gradient of the state
    for j in range(first, F_hid, threads):
        grad_h_0[n, j] = grad_h_n[n, j]
    for step in range(T):
        t = step if reverse else T - 1 - step
        if t < length:
            for j in range(first, F_hid, threads):
                total = grad_h_0[n, j] + grad_y[t, n, j]
                _write_gradients(t, n, j, gates, h_before, total, grad_a_ih, grad_a_hh)
                for gate in range(3):
                    grad[gate * F_hid + j] = grad_a_hh[t, n, gate * F_hid + j]
                grad_h_0[n, j] = total * gates[t, n, F_hid + j]
            cuda.syncthreads()
            for share in range(first, 3 * F_hid, threads):
                rows, k = share // F_hid * F_hid, share % F_hid
                acc = gates.dtype.type(0)
                for row in range(rows, rows + F_hid):
                    acc += grad[row] * weight[row, k]
                shares[share] = acc
            cuda.syncthreads()
            for j in range(first, F_hid, threads):
                grad_h_0[n, j] += shares[j] + shares[F_hid + j] + shares[2 * F_hid + j]
        else:
            for j in range(first, 3 * F_hid, threads):
                grad_a_ih[t, n, j], grad_a_hh[t, n, j] = 0, 0
