"""Long short-term memory on the GPU. Optimizations: see ``cuda``; with a projection it goes step by step."""

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
    device_bias,
    device_lengths,
    fits_one_block,
    input_gradients,
    length_of,
    order_of_steps,
    per_sequence,
    projected_input,
    sigmoid,
    state_before,
    weight_gradient,
)  # fmt: skip

__all__ = ["lstm_backward_all", "lstm_forward"]

_MOST_GATES = 4 * MOST_HIDDEN


def lstm_forward(x, h_0, c_0, weight_ih, weight_hh, weight_hr, bias_ih, bias_hh, lengths, reverse):
    """Same contract as in ``reference``."""
    arguments = (x, h_0, c_0, weight_ih, weight_hh, weight_hr, bias_ih, bias_hh, lengths)
    T, N, _, F_hid, F_out, G = shapes.layer("lstm", *arguments)
    y, gates, cells = (empty((T, N, size), x.dtype) for size in (F_out, G, F_hid))
    h, c = empty((N, F_out), x.dtype), empty((N, F_hid), x.dtype)
    projected_input(x, weight_ih, bias_ih, gates.reshape(T * N, G))
    bias, lengths = device_bias(bias_hh), device_lengths("lstm", lengths, T, N)
    given = readable(h_0), readable(c_0), readable(weight_hh).T, bias, lengths, bool(reverse)
    if weight_hr is None and fits_one_block(F_hid):
        _sequences(y, h, c, gates, cells, *given)
    else:
        _steps(y, h, c, gates, cells, *given, None if weight_hr is None else readable(weight_hr).T)
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
    masked, lengths, reverse = lengths is not None, device_lengths("lstm", lengths, T, N), bool(reverse)
    grad_a, grad_h, grad_c = empty((T, N, G), x.dtype), empty((N, F_out), x.dtype), empty((N, F_hid), x.dtype)
    given = readable(grad_y), readable(grad_h_n), readable(grad_c_n), readable(gates), readable(cells), readable(c_0)
    arguments = (*given, readable(weight_hh), grad_h, grad_c, grad_a, lengths, reverse)
    grad_weight_hr = None
    if weight_hr is not None:
        grad_weight_hr = _projected_steps_back(*arguments, readable(weight_hr))
    elif fits_one_block(F_hid):
        _carry_back[per_sequence(N, G)](*arguments)
    else:
        _steps_back(*arguments)
    grad_x, grad_weight_ih, grad_bias = input_gradients(grad_a, x, weight_ih, lengths, masked)
    grad_weight_hh = weight_gradient(grad_a, before(readable(y), readable(h_0), lengths, reverse))
    return grad_x, grad_h, grad_c, grad_weight_ih, grad_weight_hh, grad_weight_hr, grad_bias, grad_bias.copy()


@formula
def _cell(i, f, g, o, c):
    """Gates from their weighted sums, the new cell state, and what is read from it."""
    i, f, g, o = sigmoid(i), sigmoid(f), math.tanh(g), sigmoid(o)
    c = f * c + i * g
    return i, f, g, o, c, o * math.tanh(c)


@formula
def _cell_gradient(i, f, g, o, c, c_before, grad_m, grad_c):
    """Gradients of the four weighted sums, and of the cell state before the step."""
    one = type(c)(1)
    tanh_c = math.tanh(c)
    grad_c = grad_c + grad_m * o * (one - tanh_c * tanh_c)
    return (
        grad_c * g * i * (one - i),
        grad_c * c_before * f * (one - f),
        grad_c * i * (one - g * g),
        grad_m * tanh_c * o * (one - o),
        grad_c * f,
    )


# -- step by step: products and kernels for each step ---------------------------------------------------------------


def _steps(y, h, c, gates, cells, h_0, c_0, weight_t, bias, lengths, reverse, weight_hr_t):
    copy_into(h, h_0)
    copy_into(c, c_0)
    projected = weight_hr_t is not None
    read = empty(c.shape, c.dtype) if projected else None
    for t in order_of_steps(y.shape[0], reverse):
        matmul(h, weight_t, gates[t], bias=bias, accumulate=True)
        m = read if projected else y[t]
        _step[per_element(c.size)](t, gates, c, cells, m, h, lengths, projected)
        if projected:
            matmul(read, weight_hr_t, y[t])
            _keep[per_element(h.size)](t, y, h, lengths)


@kernel
def _step(t, gates, c, cells, m, h, lengths, projected):
    index, F_hid = cuda.grid(1), c.shape[1]
    if index < c.size:
        n, j = index // F_hid, index % F_hid
        j_f, j_g, j_o = j + F_hid, j + 2 * F_hid, j + 3 * F_hid
        if t < length_of(lengths, n, gates):
            i, f, g, o, state, read = _cell(
                gates[t, n, j], gates[t, n, j_f], gates[t, n, j_g], gates[t, n, j_o], c[n, j]
            )
            gates[t, n, j], gates[t, n, j_f], gates[t, n, j_g], gates[t, n, j_o] = i, f, g, o
            c[n, j], cells[t, n, j], m[n, j] = state, state, read
            if not projected:
                h[n, j] = read
        else:
            gates[t, n, j], gates[t, n, j_f], gates[t, n, j_g], gates[t, n, j_o] = 0, 0, 0, 0
            cells[t, n, j], m[n, j] = 0, 0


@kernel
def _keep(t, y, h, lengths):
    """The projected state of the sequences that took the step."""
    i, F_out = cuda.grid(1), h.shape[1]
    if i < h.size:
        n, f_out = i // F_out, i % F_out
        if t < length_of(lengths, n, y):
            h[n, f_out] = y[t, n, f_out]
        else:
            y[t, n, f_out] = 0


def _steps_back(
    grad_y, grad_h_n, grad_c_n, gates, cells, c_0, weight_hh, grad_h, grad_c, grad_a, lengths, reverse
):  # fmt: skip
    copy_into(grad_h, grad_h_n)
    copy_into(grad_c, grad_c_n)
    given = grad_y, gates, cells, c_0, grad_h, grad_c, grad_a, lengths, reverse
    for t in order_of_steps(grad_y.shape[0], not reverse):
        _step_back[per_element(grad_c.size)](t, *given)
        matmul(grad_a[t], weight_hh, grad_h, accumulate=True)


@kernel
def _step_back(t, grad_y, gates, cells, c_0, grad_h, grad_c, grad_a, lengths, reverse):
    """The state's gradient is used up here: the product that follows adds what the step before receives."""
    index, F_hid = cuda.grid(1), grad_c.shape[1]
    if index < grad_c.size:
        n, j = index // F_hid, index % F_hid
        if t < length_of(lengths, n, gates):
            grad_m = grad_h[n, j] + grad_y[t, n, j]
            grad_h[n, j] = 0
            c_before = state_before(cells, c_0, t, n, j, length_of(lengths, n, cells), reverse)
            _write_gradients(t, n, j, gates, cells, c_before, grad_m, grad_c, grad_a)
        else:
            for gate in range(4):
                grad_a[t, n, gate * F_hid + j] = 0


@device_function
def _write_gradients(t, n, j, gates, cells, c_before, grad_m, grad_c, grad_a):
    F_hid = grad_c.shape[1]
    j_f, j_g, j_o = j + F_hid, j + 2 * F_hid, j + 3 * F_hid
    grads = _cell_gradient(
        gates[t, n, j], gates[t, n, j_f], gates[t, n, j_g], gates[t, n, j_o], cells[t, n, j], c_before, grad_m,
        grad_c[n, j],
    )  # fmt: skip
    grad_a[t, n, j], grad_a[t, n, j_f], grad_a[t, n, j_g], grad_a[t, n, j_o], grad_c[n, j] = grads


def _projected_steps_back(
    grad_y, grad_h_n, grad_c_n, gates, cells, c_0, weight_hh, grad_h, grad_c, grad_a, lengths, reverse, weight_hr
):  # fmt: skip
    copy_into(grad_h, grad_h_n)
    copy_into(grad_c, grad_c_n)
    # The projection's gradient needs what was read from the cells, and the whole gradient of the state, of all steps.
    read, grad_read = empty(cells.shape, cells.dtype), empty(grad_y.shape, cells.dtype)
    grad_m = empty(grad_c.shape, cells.dtype)
    given = gates, cells, c_0, grad_m, grad_c, grad_a, read, lengths, reverse
    for t in order_of_steps(grad_y.shape[0], not reverse):
        _receive[per_element(grad_h.size)](t, grad_y, grad_h, grad_read, lengths)
        matmul(grad_read[t], weight_hr, grad_m)
        _projected_step_back[per_element(grad_c.size)](t, *given)
        matmul(grad_a[t], weight_hh, grad_h, accumulate=True)
    return weight_gradient(grad_read, read)


@kernel
def _receive(t, grad_y, grad_h, grad_read, lengths):
    i, F_out = cuda.grid(1), grad_h.shape[1]
    if i < grad_h.size:
        n, f_out = i // F_out, i % F_out
        if t < length_of(lengths, n, grad_y):
            grad_read[t, n, f_out] = grad_h[n, f_out] + grad_y[t, n, f_out]
            grad_h[n, f_out] = 0
        else:
            grad_read[t, n, f_out] = 0


@kernel
def _projected_step_back(t, gates, cells, c_0, grad_m, grad_c, grad_a, read, lengths, reverse):
    index, F_hid = cuda.grid(1), grad_c.shape[1]
    if index < grad_c.size:
        n, j = index // F_hid, index % F_hid
        if t < length_of(lengths, n, gates):
            c_before = state_before(cells, c_0, t, n, j, length_of(lengths, n, cells), reverse)
            read[t, n, j] = gates[t, n, 3 * F_hid + j] * math.tanh(cells[t, n, j])
            _write_gradients(t, n, j, gates, cells, c_before, grad_m[n, j], grad_c, grad_a)
        else:
            read[t, n, j] = 0
            for gate in range(4):
                grad_a[t, n, gate * F_hid + j] = 0


# -- a block for each sequence, one launch for all steps ------------------------------------------------------------


def _sequences(y, h, c, gates, cells, h_0, c_0, weight_t, bias, lengths, reverse):
    grid = per_sequence(*gates.shape[1:])
    _carry[grid](y, h, c, gates, cells, h_0, c_0, readable(weight_t), bias, lengths, reverse)


@kernel
def _carry(y, h_n, c_n, gates, cells, h_0, c_0, weight, bias, lengths, reverse):
    n, first, threads = cuda.blockIdx.x, cuda.threadIdx.x, cuda.blockDim.x
    T, _, F_hid = y.shape
    length = length_of(lengths, n, y)
    h = cuda.shared.array(MOST_HIDDEN, y.dtype)
    c = cuda.shared.array(MOST_HIDDEN, y.dtype)
    a = cuda.shared.array(_MOST_GATES, y.dtype)
    for j in range(first, F_hid, threads):
        h[j], c[j] = h_0[n, j], c_0[n, j]
    for step in range(T):
        t = T - 1 - step if reverse else step
        if t < length:  # the same for all threads of the block, so all reach the barriers
            cuda.syncthreads()
            for j in range(first, 4 * F_hid, threads):
                acc = gates[t, n, j]
                if bias is not None:
                    acc += bias[j]
                for k in range(F_hid):
                    acc += weight[k, j] * h[k]
                a[j] = acc
            cuda.syncthreads()
            for j in range(first, F_hid, threads):
                j_f, j_g, j_o = j + F_hid, j + 2 * F_hid, j + 3 * F_hid
                i, f, g, o, c[j], h[j] = _cell(a[j], a[j_f], a[j_g], a[j_o], c[j])
                gates[t, n, j], gates[t, n, j_f], gates[t, n, j_g], gates[t, n, j_o] = i, f, g, o
                cells[t, n, j], y[t, n, j] = c[j], h[j]
        else:
            for j in range(first, 4 * F_hid, threads):
                gates[t, n, j] = 0
            for j in range(first, F_hid, threads):
                cells[t, n, j], y[t, n, j] = 0, 0
    for j in range(first, F_hid, threads):
        h_n[n, j], c_n[n, j] = h[j], c[j]


@kernel
def _carry_back(
    grad_y, grad_h_n, grad_c_n, gates, cells, c_0, weight, grad_h_0, grad_c_0, grad_a, lengths, reverse
):  # fmt: skip
    """One thread owns a number of the state; the product with the weights is shared out by gates."""
    n, first, threads = cuda.blockIdx.x, cuda.threadIdx.x, cuda.blockDim.x
    T, _, F_hid = cells.shape
    length = length_of(lengths, n, cells)
    grad = cuda.shared.array(_MOST_GATES, cells.dtype)  # of the weighted sums of this step
    shares = cuda.shared.array(_MOST_GATES, cells.dtype)  # of each gate in the gradient of the state
    for j in range(first, F_hid, threads):
        grad_h_0[n, j], grad_c_0[n, j] = grad_h_n[n, j], grad_c_n[n, j]
    for step in range(T):
        t = step if reverse else T - 1 - step
        if t < length:
            for j in range(first, F_hid, threads):
                c_before = state_before(cells, c_0, t, n, j, length, reverse)
                grad_m = grad_h_0[n, j] + grad_y[t, n, j]
                _write_gradients(t, n, j, gates, cells, c_before, grad_m, grad_c_0, grad_a)
                for gate in range(4):
                    grad[gate * F_hid + j] = grad_a[t, n, gate * F_hid + j]
            cuda.syncthreads()
            for share in range(first, 4 * F_hid, threads):
                rows, k = share // F_hid * F_hid, share % F_hid
                acc = cells.dtype.type(0)
                for row in range(rows, rows + F_hid):
                    acc += grad[row] * weight[row, k]
                shares[share] = acc
            cuda.syncthreads()
            for j in range(first, F_hid, threads):
                i_and_f, g_and_o = shares[j] + shares[F_hid + j], shares[2 * F_hid + j] + shares[3 * F_hid + j]
                grad_h_0[n, j] = i_and_f + g_and_o
        else:
            for j in range(first, 4 * F_hid, threads):
                grad_a[t, n, j] = 0
