"""What a step of every recurrent layer consists of besides its gates: the weighted sums, and their gradients."""

import math

import numpy as np

from kernels.jit import kernel
from kernels.memory import readable

__all__ = ["affine", "bias_or_zeros", "previous_state", "sigmoid", "spread"]


def bias_or_zeros(bias, size, like):
    """The bias as kernels take it; zeros for None."""
    return np.zeros(size, like.dtype) if bias is None else readable(bias)


@kernel
def sigmoid(a):
    """1 / (1 + e^-a), the gate that is open at 1 and closed at 0."""
    return 1.0 / (1.0 + math.exp(-a))


@kernel
def affine(weight, bias, v, j):
    """bias[j] + sum_k weight[j, k] * v[k]."""
    acc = np.float64(bias[j])
    for k in range(len(v)):
        acc += np.float64(weight[j, k]) * v[k]
    return acc


@kernel
def spread(grad_a, weight, v, grad_v, grad_weight, grad_bias):
    """Gradients of a = affine(weight, bias, v), added to what is there.

    grad_bias[j] += grad_a[j]
    grad_weight[j, k] += grad_a[j] * v[k]
    grad_v[k] += grad_a[j] * weight[j, k]
    """
    for j in range(len(grad_a)):
        grad_bias[j] += grad_a[j]
        for k in range(len(v)):
            grad_weight[j, k] += grad_a[j] * v[k]
            grad_v[k] += grad_a[j] * weight[j, k]


@kernel
def previous_state(states, first, t, n, length, reverse):
    """The state of a sequence before step `t`: that of the step taken before, or the one it began with."""
    if reverse:
        return states[t + 1, n] if t + 1 < length else first[n]
    return states[t - 1, n] if t > 0 else first[n]
