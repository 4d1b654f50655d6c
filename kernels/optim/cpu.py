"""Fast updates of parameters. Same contracts as ``kernels/optim/reference.py``.

Optimizations
-------------
* One pass over memory per parameter: each element and its state are read once and written once, where a formula on
  whole arrays would pass over memory for every operation.
* Arithmetic in the dtype of the parameter; what depends on the step only (the bias corrections) is computed once.
  Square root and division have vector instructions, so the loops have, too: each begins by cutting out its part and
  counts from 0, so that the compiler sees that no index is negative.
* Threads share the elements; each element belongs to one thread.
"""

import numpy as np

from kernels.jit import kernel
from kernels.optim import shapes
from kernels.parallel import for_each

__all__ = ["adam_update", "sgd_update"]


def sgd_update(param, grad, momentum_buffer, is_first, lr, momentum, dampening, weight_decay, nesterov, maximize):
    """Same contract as in ``reference``."""
    shapes.check_update("sgd_update", param, grad, momentum_buffer=momentum_buffer)
    if momentum != 0 and momentum_buffer is None:
        raise ValueError("sgd_update: momentum_buffer expects an array where momentum is not 0, got None")
    number = param.dtype.type
    values, g = shapes.flat(param), shapes.flat(grad)
    sign, decay = number(-1 if maximize else 1), number(weight_decay)
    if momentum == 0:
        for_each(_sgd, values.size, 3 * values.size, values, g, sign, decay, number(lr))
    else:
        buffer = shapes.flat(momentum_buffer)
        numbers = (sign, decay, number(lr), number(momentum), number(1 - dampening), bool(is_first), bool(nesterov))
        for_each(_sgd_momentum, values.size, 5 * values.size, values, g, buffer, *numbers)
        shapes.write_back(momentum_buffer, buffer)
    shapes.write_back(param, values)


def adam_update(
    param, grad, exp_avg, exp_avg_sq, max_exp_avg_sq, step, lr, beta1, beta2, eps, weight_decay, decoupled, maximize
):
    """Same contract as in ``reference``."""
    state = {"exp_avg": exp_avg, "exp_avg_sq": exp_avg_sq, "max_exp_avg_sq": max_exp_avg_sq}
    shapes.check_update("adam_update", param, grad, **state)
    if step < 1:
        raise ValueError(f"adam_update: step expects the number of this step, at least 1, got {step}")
    number = param.dtype.type
    values, g, m, v = (shapes.flat(array) for array in (param, grad, exp_avg, exp_avg_sq))
    shrink, decay = (1 - lr * weight_decay, 0) if decoupled else (1, weight_decay)
    rates = (number(beta1), number(1 - beta1), number(beta2), number(1 - beta2))
    correction = number((1 - beta2**step) ** 0.5)
    size = number(lr / (1 - beta1**step))
    numbers = (number(-1 if maximize else 1), number(shrink), number(decay), *rates, correction, size, number(eps))
    if max_exp_avg_sq is None:
        for_each(_adam, values.size, 12 * values.size, values, g, m, v, *numbers)
    else:
        u = shapes.flat(max_exp_avg_sq)
        for_each(_amsgrad, values.size, 13 * values.size, values, g, m, v, u, *numbers)
        shapes.write_back(max_exp_avg_sq, u)
    for array, changed in ((param, values), (exp_avg, m), (exp_avg_sq, v)):
        shapes.write_back(array, changed)


@kernel
def _gradient(grad, param, sign, decay):
    # 0 * inf is NaN: without decay an infinite parameter must not spoil the gradient
    return sign * grad if decay == 0 else sign * grad + decay * param


@kernel
def _sgd(lo, hi, param, grad, sign, decay, lr):
    param, grad = param[lo:hi], grad[lo:hi]
    for i in range(param.size):
        param[i] -= lr * _gradient(grad[i], param[i], sign, decay)


@kernel
def _sgd_momentum(lo, hi, param, grad, buffer, sign, decay, lr, momentum, take, is_first, nesterov):
    param, grad, buffer = param[lo:hi], grad[lo:hi], buffer[lo:hi]
    for i in range(param.size):
        g = _gradient(grad[i], param[i], sign, decay)
        b = g if is_first else momentum * buffer[i] + take * g
        buffer[i] = b
        param[i] -= lr * (g + momentum * b if nesterov else b)


@kernel
def _moments(i, g, m, v, beta1, rest1, beta2, rest2):
    # a step from the nearer end, so that beta1 = 0 gives g itself
    m[i] = m[i] + rest1 * (g - m[i]) if beta1 > rest1 else g - beta1 * (g - m[i])
    v[i] = beta2 * v[i] + rest2 * g * g


@kernel
def _adam(lo, hi, param, grad, m, v, sign, shrink, decay, beta1, rest1, beta2, rest2, correction, size, eps):
    param, grad, m, v = param[lo:hi], grad[lo:hi], m[lo:hi], v[lo:hi]
    for i in range(param.size):
        g = _gradient(grad[i], param[i], sign, decay)
        _moments(i, g, m, v, beta1, rest1, beta2, rest2)
        param[i] = shrink * param[i] - size * m[i] / (np.sqrt(v[i]) / correction + eps)


@kernel
def _amsgrad(lo, hi, param, grad, m, v, u, sign, shrink, decay, beta1, rest1, beta2, rest2, correction, size, eps):
    param, grad, m, v, u = param[lo:hi], grad[lo:hi], m[lo:hi], v[lo:hi], u[lo:hi]
    for i in range(param.size):
        g = _gradient(grad[i], param[i], sign, decay)
        _moments(i, g, m, v, beta1, rest1, beta2, rest2)
        # a NaN in either stays
        u[i] = v[i] if not u[i] > v[i] and u[i] == u[i] else u[i]
        param[i] = shrink * param[i] - size * m[i] / (np.sqrt(u[i]) / correction + eps)
