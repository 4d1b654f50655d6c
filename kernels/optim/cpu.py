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

from kernels.jit import kernel
from kernels.optim import shapes
from kernels.optim.formulas import (
    adam_factors,
    blended,
    gradient,
    largest,
    moved,
    moved_by_adam,
    second_moment,
    sgd_factors,
)
from kernels.parallel import for_each

__all__ = ["adam_update", "sgd_update"]


def sgd_update(param, grad, momentum_buffer, is_first, lr, momentum, dampening, weight_decay, nesterov, maximize):
    """Same contract as in ``reference``."""
    shapes.check_update("sgd_update", param, grad, momentum_buffer=momentum_buffer)
    if momentum != 0 and momentum_buffer is None:
        raise ValueError("sgd_update: momentum_buffer expects an array where momentum is not 0, got None")
    number = param.dtype.type
    values, g = shapes.flat(param), shapes.flat(grad)
    numbers = sgd_factors(number, lr, momentum, dampening, weight_decay, maximize)
    if momentum == 0:
        for_each(_sgd, values.size, 3 * values.size, values, g, *numbers[:3])
    else:
        buffer = shapes.flat(momentum_buffer)
        choices = bool(is_first), bool(nesterov)
        for_each(_sgd_momentum, values.size, 5 * values.size, values, g, buffer, *numbers, *choices)
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
    numbers = adam_factors(number, step, lr, beta1, beta2, eps, weight_decay, decoupled, maximize)
    if max_exp_avg_sq is None:
        for_each(_adam, values.size, 12 * values.size, values, g, m, v, *numbers)
    else:
        u = shapes.flat(max_exp_avg_sq)
        for_each(_amsgrad, values.size, 13 * values.size, values, g, m, v, u, *numbers)
        shapes.write_back(max_exp_avg_sq, u)
    for array, changed in ((param, values), (exp_avg, m), (exp_avg_sq, v)):
        shapes.write_back(array, changed)


@kernel
def _sgd(lo, hi, param, grad, sign, decay, lr):
    param, grad = param[lo:hi], grad[lo:hi]
    for i in range(param.size):
        param[i] -= lr * gradient(grad[i], param[i], sign, decay)


@kernel
def _sgd_momentum(lo, hi, param, grad, buffer, sign, decay, lr, momentum, take, is_first, nesterov):
    param, grad, buffer = param[lo:hi], grad[lo:hi], buffer[lo:hi]
    for i in range(param.size):
        g = gradient(grad[i], param[i], sign, decay)
        b = g if is_first else momentum * buffer[i] + take * g
        buffer[i] = b
        param[i] = moved(param[i], g, b, lr, momentum, nesterov)


@kernel
def _adam(lo, hi, param, grad, m, v, sign, shrink, decay, beta1, rest1, beta2, rest2, correction, size, eps):
    param, grad, m, v = param[lo:hi], grad[lo:hi], m[lo:hi], v[lo:hi]
    for i in range(param.size):
        g = gradient(grad[i], param[i], sign, decay)
        m[i], v[i] = blended(m[i], g, beta1, rest1), second_moment(v[i], g, beta2, rest2)
        param[i] = moved_by_adam(param[i], m[i], v[i], shrink, size, correction, eps)


@kernel
def _amsgrad(lo, hi, param, grad, m, v, u, sign, shrink, decay, beta1, rest1, beta2, rest2, correction, size, eps):
    param, grad, m, v, u = param[lo:hi], grad[lo:hi], m[lo:hi], v[lo:hi], u[lo:hi]
    for i in range(param.size):
        g = gradient(grad[i], param[i], sign, decay)
        m[i], v[i] = blended(m[i], g, beta1, rest1), second_moment(v[i], g, beta2, rest2)
        u[i] = largest(u[i], v[i])
        param[i] = moved_by_adam(param[i], m[i], u[i], shrink, size, correction, eps)
