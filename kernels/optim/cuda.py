"""Updates of parameters on the GPU. Same contracts as ``kernels/optim/reference.py``.

Optimizations
-------------
* One launch for a parameter, with the whole update in it: each element and its state are read once and written once.
  An update is bound by memory, so that is what counts; AdamW on whole arrays would pass over memory twenty times.
* A thread owns elements that lie a whole grid apart, so the threads of a warp read neighbours at each step.
* Arithmetic in the dtype of the parameter; what depends on the step only is computed on the host, once.
"""

from numba import cuda

from kernels.gpu.copying import copy_into
from kernels.gpu.launch import kernel, strided
from kernels.gpu.memory import readable
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

__all__ = ["adam_update", "sgd_update"]


def sgd_update(param, grad, momentum_buffer, is_first, lr, momentum, dampening, weight_decay, nesterov, maximize):
    """Same contract as in ``reference``."""
    shapes.check_update("sgd_update", param, grad, momentum_buffer=momentum_buffer)
    if momentum != 0 and momentum_buffer is None:
        raise ValueError("sgd_update: momentum_buffer expects an array where momentum is not 0, got None")
    numbers = sgd_factors(param.dtype.type, lr, momentum, dampening, weight_decay, maximize)
    if momentum == 0:
        _in_place(_sgd, (param,), grad, numbers[:3])
    else:
        _in_place(_sgd_momentum, (param, momentum_buffer), grad, (*numbers, bool(is_first), bool(nesterov)))


def adam_update(
    param, grad, exp_avg, exp_avg_sq, max_exp_avg_sq, step, lr, beta1, beta2, eps, weight_decay, decoupled, maximize
):
    """Same contract as in ``reference``."""
    state = {"exp_avg": exp_avg, "exp_avg_sq": exp_avg_sq, "max_exp_avg_sq": max_exp_avg_sq}
    shapes.check_update("adam_update", param, grad, **state)
    if step < 1:
        raise ValueError(f"adam_update: step expects the number of this step, at least 1, got {step}")
    numbers = adam_factors(param.dtype.type, step, lr, beta1, beta2, eps, weight_decay, decoupled, maximize)
    if max_exp_avg_sq is None:
        _in_place(_adam, (param, exp_avg, exp_avg_sq), grad, numbers)
    else:
        _in_place(_amsgrad, (param, exp_avg, exp_avg_sq, max_exp_avg_sq), grad, numbers)


def _in_place(update, arrays, grad, numbers):
    """Launch; an array that is not C-contiguous is updated as a copy and written back."""
    copies = [readable(array) for array in arrays]
    update[strided(grad.size)](*(copy.reshape(-1) for copy in copies), readable(grad).reshape(-1), *numbers)
    for array, copy in zip(arrays, copies):
        if copy is not array:
            copy_into(array, copy)


@kernel
def _sgd(param, grad, sign, decay, lr):
    for i in range(cuda.grid(1), param.size, cuda.gridsize(1)):
        param[i] -= lr * gradient(grad[i], param[i], sign, decay)


@kernel
def _sgd_momentum(param, buffer, grad, sign, decay, lr, momentum, take, is_first, nesterov):
    for i in range(cuda.grid(1), param.size, cuda.gridsize(1)):
        g = gradient(grad[i], param[i], sign, decay)
        b = g if is_first else momentum * buffer[i] + take * g
        buffer[i] = b
        param[i] = moved(param[i], g, b, lr, momentum, nesterov)


@kernel
def _adam(param, m, v, grad, sign, shrink, decay, beta1, rest1, beta2, rest2, correction, size, eps):
    for i in range(cuda.grid(1), param.size, cuda.gridsize(1)):
        g = gradient(grad[i], param[i], sign, decay)
        m_i, v_i = blended(m[i], g, beta1, rest1), second_moment(v[i], g, beta2, rest2)
        m[i], v[i] = m_i, v_i
        param[i] = moved_by_adam(param[i], m_i, v_i, shrink, size, correction, eps)


@kernel
def _amsgrad(param, m, v, u, grad, sign, shrink, decay, beta1, rest1, beta2, rest2, correction, size, eps):
    for i in range(cuda.grid(1), param.size, cuda.gridsize(1)):
        g = gradient(grad[i], param[i], sign, decay)
        m_i, v_i = blended(m[i], g, beta1, rest1), second_moment(v[i], g, beta2, rest2)
        u_i = largest(u[i], v_i)
        m[i], v[i], u[i] = m_i, v_i, u_i
        param[i] = moved_by_adam(param[i], m_i, u_i, shrink, size, correction, eps)
