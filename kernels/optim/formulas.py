"""The formulas of the updates, one number at a time, in the dtype of the parameter.

What depends on the step only comes computed: ``sign`` is -1 where a sum is to grow, ``rest1`` is 1 - beta1, ``rest2``
is 1 - beta2; ``size`` and ``correction`` hold the corrections of Adam's first steps.
"""

import math

from kernels.elementary import formula

__all__ = [
    "adam_factors", "blended", "gradient", "largest", "moved", "moved_by_adam", "second_moment", "sgd_factors",
]  # fmt: skip


def sgd_factors(number, lr, momentum, dampening, weight_decay, maximize):
    """What the formulas take besides the arrays, each as a `number` of the parameter's dtype."""
    return tuple(map(number, (-1 if maximize else 1, weight_decay, lr, momentum, 1 - dampening)))


def adam_factors(number, step, lr, beta1, beta2, eps, weight_decay, decoupled, maximize):
    """sign, shrink, decay, beta1, rest1, beta2, rest2, correction, size and eps, in the order of the loops."""
    shrink, decay = (1 - lr * weight_decay, 0) if decoupled else (1, weight_decay)
    correction, size = (1 - beta2**step) ** 0.5, lr / (1 - beta1**step)
    rates = beta1, 1 - beta1, beta2, 1 - beta2
    return tuple(map(number, (-1 if maximize else 1, shrink, decay, *rates, correction, size, eps)))


@formula
def gradient(grad, param, sign, decay):
    """The gradient, with weight decay."""
    # 0 * inf is NaN: without decay an infinite parameter must not spoil the gradient
    return sign * grad if decay == 0 else sign * grad + decay * param


@formula
def moved(param, g, b, lr, momentum, nesterov):
    """The parameter after a step along the velocity `b`."""
    return param - lr * (g + momentum * b if nesterov else b)


@formula
def blended(m, g, beta1, rest1):
    """Mean of the gradients: beta1 * m + rest1 * g."""
    # a step from the nearer end, so that beta1 = 0 gives g itself
    return m + rest1 * (g - m) if beta1 > rest1 else g - beta1 * (g - m)


@formula
def second_moment(v, g, beta2, rest2):
    """Mean of the squares."""
    return beta2 * v + rest2 * g * g


@formula
def largest(u, v):
    """The larger one; a NaN in either stays."""
    return v if not u > v and u == u else u


@formula
def moved_by_adam(param, m, u, shrink, size, correction, eps):
    """The parameter after a step of Adam, in which sqrt(u) / correction is how large the gradients usually are."""
    return shrink * param - size * m / (math.sqrt(u) / correction + eps)
