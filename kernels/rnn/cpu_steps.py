"""What the fast recurrent layers share besides products: the arrays they work in, and the gradients after the sweep."""

import numpy as np

from kernels.gemm import ROWS
from kernels.memory import empty, readable, zeros
from kernels.parallel import for_each
from kernels.rnn.cpu_product import column_sums, plain, product

__all__ = ["before", "bias_sum", "input_gradients", "masked", "projected_input", "run_blocks", "weight_gradient"]


def bias_sum(bias_ih, bias_hh):
    """The sum of two biases, each of which may be None."""
    if bias_ih is None or bias_hh is None:
        return bias_hh if bias_ih is None else bias_ih
    return bias_ih + bias_hh


def projected_input(x, weight_ih, bias, target):
    """target[t * N + n, j] = bias[j] + sum_{f_in} weight_ih[j, f_in] * x[t, n, f_in], for all steps at once."""
    G, F_in = weight_ih.shape
    rows = len(target)
    places = plain(F_in), plain(1), readable(weight_ih).reshape(-1), 1, F_in
    return product(readable(x).reshape(-1), *places, None if bias is None else readable(bias), target, (rows, F_in, G))


def run_blocks(steps, N, cost, scratch, *arguments):
    """Run ``steps(lo, hi, *arguments, *scratch())`` on blocks of eight sequences, with scratch for each thread."""

    def run(lo, hi):
        steps(lo, hi, *arguments, *scratch())

    for_each(run, -(-N // ROWS), cost)


def before(states, first, lengths, reverse):
    """The state of each sequence before each step that it takes; 0 elsewhere."""
    T, N, _ = states.shape
    array = empty(states.shape, states.dtype)
    if reverse:
        array[:-1], array[-1] = states[1:], first
        if N and lengths.min() < T:
            n = np.flatnonzero(lengths)
            array[lengths[n] - 1, n] = first[n]
    else:
        array[0], array[1:] = first, states[:-1]
    return masked(array, lengths)


def masked(array, lengths):
    """The array with 0 beyond each sequence's length; itself where all last to the end."""
    T, N = array.shape[:2]
    if N == 0 or lengths.min() == T:
        return array
    inside = np.arange(T)[:, None] < lengths
    return np.where(inside[:, :, None], array, array.dtype.type(0))


def input_gradients(grad_a, columns, x, weight_ih, lengths):
    """grad_x, grad_weight_ih and grad_bias_ih from the gradients of the weighted sums (T, N, at least `columns`)."""
    T, N, F_in = x.shape
    G, stride = columns, grad_a.shape[2]
    grad_x = empty((T * N, F_in), x.dtype)
    flat, weight_ih = grad_a.reshape(-1), readable(weight_ih).reshape(-1)
    product(flat, plain(stride), plain(1), weight_ih, F_in, 1, None, grad_x, (T * N, G, F_in))
    grad_weight = weight_gradient(grad_a, plain(1), G, masked(readable(x), lengths))
    grad_bias = column_sums(grad_a.reshape(T * N, stride))
    return masked(grad_x.reshape(x.shape), lengths), grad_weight, grad_bias


def weight_gradient(grad_a, places, G, v):
    """grad_weight[j, k] = sum_{t, n} grad_a[t, n, place of j] * v[t, n, k]."""
    T, N, K = v.shape
    grad_weight = zeros((G, K), v.dtype) if T * N == 0 else empty((G, K), v.dtype)
    flat, stride = grad_a.reshape(-1), grad_a.shape[2]
    return product(flat, places, plain(stride), v.reshape(-1), K, 1, None, grad_weight, (G, T * N, K))
