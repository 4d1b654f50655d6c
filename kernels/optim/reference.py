"""Updates of parameters as formula and plain loops: what a learner reads, what every test trusts.

Both functions change `param` and the state in place and return nothing; the gradient is left alone.
"""

import math

import numpy as np

from kernels.jit import kernel
from kernels.optim import shapes

__all__ = ["adam_update", "sgd_update"]


def sgd_update(param, grad, momentum_buffer, is_first, lr, momentum, dampening, weight_decay, nesterov, maximize):
    """One step of stochastic gradient descent, with momentum as a ball that keeps rolling.

        g = grad[i] + weight_decay * param[i]                      grad counts as -grad where `maximize`
        b = g                                                      in the first step
        b = momentum * b + (1 - dampening) * g                     in every later one; b = momentum_buffer[i]
        direction = g                       without momentum
                  = g + momentum * b        nesterov
                  = b                       otherwise
        param[i] = param[i] - lr * direction

    Parameters
    ----------
    param : ndarray of any shape, float32 or float64, writable
        Changed in place.
    grad : ndarray, shape and dtype of `param`
    momentum_buffer : ndarray, shape and dtype of `param`, or None where `momentum` is 0
        Changed in place. Its content is not read where `is_first`.
    is_first : bool
    lr, momentum, dampening, weight_decay : float
    nesterov, maximize : bool

    Raises
    ------
    TypeError, ValueError
        If an array does not fit `param`, is read-only though it is to be changed, or the buffer is missing.

    Notes
    -----
    Computes in float64 whatever the dtype.

    References
    ----------
    I. Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML 2013, in the form of
    torch.optim.SGD, where the learning rate stands outside the velocity. See Also: `mediml.optim.SGD`.
    """
    shapes.check_update("sgd_update", param, grad, momentum_buffer=momentum_buffer)
    if momentum != 0 and momentum_buffer is None:
        raise ValueError("sgd_update: momentum_buffer expects an array where momentum is not 0, got None")
    values, g = shapes.flat(param), shapes.flat(grad)
    buffer = np.empty(0, param.dtype) if momentum == 0 else shapes.flat(momentum_buffer)
    numbers = (float(lr), float(momentum), float(dampening), float(weight_decay))
    _sgd(values, g, buffer, bool(is_first), *numbers, bool(nesterov), bool(maximize))
    shapes.write_back(param, values)
    if momentum != 0:
        shapes.write_back(momentum_buffer, buffer)


def adam_update(
    param, grad, exp_avg, exp_avg_sq, max_exp_avg_sq, step, lr, beta1, beta2, eps, weight_decay, decoupled, maximize
):
    """One step of Adam: the mean of the gradients, divided by how large they usually are.

        g = grad[i] + weight_decay * param[i]                      grad counts as -grad where `maximize`
        m = beta1 * m + (1 - beta1) * g                            m = exp_avg[i]
        v = beta2 * v + (1 - beta2) * g^2                          v = exp_avg_sq[i]
        u = max(u, v)                                              AMSGrad; u = max_exp_avg_sq[i], otherwise u = v
        m_hat = m / (1 - beta1^step)                               without these two, the first steps
        u_hat = u / (1 - beta2^step)                               would be drawn towards 0
        param[i] = param[i] - lr * m_hat / (sqrt(u_hat) + eps)

    Where `decoupled` (AdamW), the weight decay does not enter g; param[i] is multiplied by 1 - lr * weight_decay first.

    Parameters
    ----------
    param : ndarray of any shape, float32 or float64, writable
        Changed in place.
    grad : ndarray, shape and dtype of `param`
    exp_avg, exp_avg_sq : ndarray, shape and dtype of `param`
        Zeros before the first step. Changed in place.
    max_exp_avg_sq : ndarray, shape and dtype of `param`, or None
        Given for the AMSGrad variant. Changed in place.
    step : int
        Number of this step, from 1.
    lr, beta1, beta2, eps, weight_decay : float
    decoupled, maximize : bool

    Raises
    ------
    TypeError, ValueError
        If an array does not fit `param`, is read-only though it is to be changed, or `step` is below 1.

    Notes
    -----
    Computes in float64 whatever the dtype.

    References
    ----------
    D. Kingma, J. Ba, "Adam: A Method for Stochastic Optimization", arXiv:1412.6980, algorithm 1.
    S. Reddi et al., "On the Convergence of Adam and Beyond", arXiv:1904.09237 (AMSGrad).
    I. Loshchilov, F. Hutter, "Decoupled Weight Decay Regularization", arXiv:1711.05101 (AdamW).
    See Also: `mediml.optim.Adam`. Taught in lesson 09, training a CNN in five steps.
    """
    state = {"exp_avg": exp_avg, "exp_avg_sq": exp_avg_sq, "max_exp_avg_sq": max_exp_avg_sq}
    shapes.check_update("adam_update", param, grad, **state)
    if step < 1:
        raise ValueError(f"adam_update: step expects the number of this step, at least 1, got {step}")
    values, g, m, v = (shapes.flat(array) for array in (param, grad, exp_avg, exp_avg_sq))
    u = v if max_exp_avg_sq is None else shapes.flat(max_exp_avg_sq)
    numbers = (float(lr), float(beta1), float(beta2), float(eps), float(weight_decay))
    _adam(values, g, m, v, u, float(step), *numbers, bool(decoupled), bool(maximize))
    for array, changed in ((param, values), (exp_avg, m), (exp_avg_sq, v)):
        shapes.write_back(array, changed)
    if max_exp_avg_sq is not None:
        shapes.write_back(max_exp_avg_sq, u)


@kernel
def _sgd(param, grad, buffer, is_first, lr, momentum, dampening, weight_decay, nesterov, maximize):
    for i in range(param.size):
        g = np.float64(-grad[i] if maximize else grad[i])
        if weight_decay != 0.0:
            g += weight_decay * param[i]
        direction = g
        if momentum != 0.0:
            b = g if is_first else momentum * buffer[i] + (1.0 - dampening) * g
            buffer[i] = b
            direction = g + momentum * b if nesterov else b
        param[i] -= lr * direction


@kernel
def _adam(param, grad, m, v, u, step, lr, beta1, beta2, eps, weight_decay, decoupled, maximize):
    for i in range(param.size):
        g = np.float64(-grad[i] if maximize else grad[i])
        p = np.float64(param[i])
        if weight_decay != 0.0 and decoupled:
            p *= 1.0 - lr * weight_decay
        elif weight_decay != 0.0:
            g += weight_decay * p
        m[i] = beta1 * m[i] + (1.0 - beta1) * g
        v[i] = beta2 * v[i] + (1.0 - beta2) * g * g
        # u is v itself without AMSGrad; a NaN in either stays
        u[i] = u[i] if u[i] > v[i] or math.isnan(u[i]) else v[i]
        m_hat = m[i] / (1.0 - beta1**step)
        u_hat = u[i] / (1.0 - beta2**step)
        param[i] = p - lr * m_hat / (math.sqrt(u_hat) + eps)
