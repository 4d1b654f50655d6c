"""Activations on the GPU. Same contract as in ``reference``.

Optimizations
-------------
* The formulas are those of the CPU, ``formulas.py``; the one kernel around each is that of ``kernels/gpu/elementwise``:
  a thread owns one element of the result, then the next one a whole grid further on. Neighbouring threads read
  neighbours, so each byte of x is fetched once and together with 31 others.
* What such a kernel costs is reading and writing; the exponentials hide behind it.
* Nothing is kept between forward and backward but x or y.
"""

from kernels.activation import formulas, shapes
from kernels.activation.cuda_axis import (
    glu_backward_x,
    glu_forward,
    log_softmax_backward_x,
    log_softmax_forward,
    prelu_backward_weight,
    prelu_backward_x,
    prelu_forward,
    softmax_backward_x,
    softmax_forward,
)
from kernels.gpu.elementwise import over_elements

__all__ = [
    "elu_backward_x", "elu_forward", "gelu_backward_x", "gelu_forward", "glu_backward_x", "glu_forward",
    "hardshrink_backward_x", "hardshrink_forward", "hardsigmoid_backward_x", "hardsigmoid_forward",
    "hardswish_backward_x", "hardswish_forward", "hardtanh_backward_x", "hardtanh_forward", "leaky_relu_backward_x",
    "leaky_relu_forward", "log_softmax_backward_x", "log_softmax_forward", "logsigmoid_backward_x",
    "logsigmoid_forward", "mish_backward_x", "mish_forward", "prelu_backward_weight", "prelu_backward_x",
    "prelu_forward", "relu_backward_x", "relu_forward", "sigmoid_backward_x", "sigmoid_forward", "silu_backward_x",
    "silu_forward", "softmax_backward_x", "softmax_forward", "softplus_backward_x", "softplus_forward",
    "softshrink_backward_x", "softshrink_forward", "softsign_backward_x", "softsign_forward", "tanh_backward_x",
    "tanh_forward", "tanhshrink_backward_x", "tanhshrink_forward", "threshold_backward_x", "threshold_forward",
]  # fmt: skip


def relu_forward(x):
    """Same contract as in ``reference``."""
    return _apply(formulas.relu, x)


def relu_backward_x(grad_y, y):
    """Same contract as in ``reference``."""
    return _apply(formulas.relu_backward, grad_y, y)


def leaky_relu_forward(x, negative_slope):
    """Same contract as in ``reference``."""
    return _apply(formulas.leaky_relu, x, parameters=(negative_slope,))


def leaky_relu_backward_x(grad_y, x, negative_slope):
    """Same contract as in ``reference``."""
    return _apply(formulas.leaky_relu_backward, grad_y, x, parameters=(negative_slope,))


def hardtanh_forward(x, min_val, max_val):
    """Same contract as in ``reference``."""
    return _apply(formulas.hardtanh, x, parameters=(min_val, max_val))


def hardtanh_backward_x(grad_y, x, min_val, max_val):
    """Same contract as in ``reference``."""
    return _apply(formulas.hardtanh_backward, grad_y, x, parameters=(min_val, max_val))


def hardsigmoid_forward(x):
    """Same contract as in ``reference``."""
    return _apply(formulas.hardsigmoid, x)


def hardsigmoid_backward_x(grad_y, x):
    """Same contract as in ``reference``."""
    return _apply(formulas.hardsigmoid_backward, grad_y, x)


def hardswish_forward(x):
    """Same contract as in ``reference``."""
    return _apply(formulas.hardswish, x)


def hardswish_backward_x(grad_y, x):
    """Same contract as in ``reference``."""
    return _apply(formulas.hardswish_backward, grad_y, x)


def threshold_forward(x, threshold, value):
    """Same contract as in ``reference``."""
    return _apply(formulas.threshold_at, x, parameters=(threshold, value))


def threshold_backward_x(grad_y, x, threshold):
    """Same contract as in ``reference``."""
    return _apply(formulas.threshold_backward, grad_y, x, parameters=(threshold,))


def hardshrink_forward(x, lambd):
    """Same contract as in ``reference``."""
    return _apply(formulas.hardshrink, x, parameters=(lambd,))


def hardshrink_backward_x(grad_y, x, lambd):
    """Same contract as in ``reference``."""
    return _apply(formulas.shrink_backward, grad_y, x, parameters=(lambd,))


def softshrink_forward(x, lambd):
    """Same contract as in ``reference``."""
    return _apply(formulas.softshrink, x, parameters=(lambd,))


def softshrink_backward_x(grad_y, x, lambd):
    """Same contract as in ``reference``."""
    return _apply(formulas.shrink_backward, grad_y, x, parameters=(lambd,))


def softsign_forward(x):
    """Same contract as in ``reference``."""
    return _apply(formulas.softsign, x)


def softsign_backward_x(grad_y, x):
    """Same contract as in ``reference``."""
    return _apply(formulas.softsign_backward, grad_y, x)


def elu_forward(x, alpha, scale, input_scale):
    """Same contract as in ``reference``."""
    return _apply(formulas.elu, x, parameters=(alpha, scale, input_scale))


def elu_backward_x(grad_y, x, alpha, scale, input_scale):
    """Same contract as in ``reference``."""
    return _apply(formulas.elu_backward, grad_y, x, parameters=(alpha, scale, input_scale))


def sigmoid_forward(x):
    """Same contract as in ``reference``."""
    return _apply(formulas.sigmoid, x)


def sigmoid_backward_x(grad_y, y):
    """Same contract as in ``reference``."""
    return _apply(formulas.sigmoid_backward, grad_y, y)


def logsigmoid_forward(x):
    """Same contract as in ``reference``."""
    return _apply(formulas.logsigmoid, x)


def logsigmoid_backward_x(grad_y, x):
    """Same contract as in ``reference``."""
    return _apply(formulas.logsigmoid_backward, grad_y, x)


def softplus_forward(x, beta, threshold):
    """Same contract as in ``reference``."""
    return _apply(formulas.softplus, x, parameters=(beta, threshold))


def softplus_backward_x(grad_y, x, beta, threshold):
    """Same contract as in ``reference``."""
    return _apply(formulas.softplus_backward, grad_y, x, parameters=(beta, threshold))


def tanh_forward(x):
    """Same contract as in ``reference``."""
    return _apply(formulas.tanh, x)


def tanh_backward_x(grad_y, y):
    """Same contract as in ``reference``."""
    return _apply(formulas.tanh_backward, grad_y, y)


def tanhshrink_forward(x):
    """Same contract as in ``reference``."""
    return _apply(formulas.tanhshrink, x)


def tanhshrink_backward_x(grad_y, x):
    """Same contract as in ``reference``."""
    return _apply(formulas.tanhshrink_backward, grad_y, x)


def silu_forward(x):
    """Same contract as in ``reference``."""
    return _apply(formulas.silu, x)


def silu_backward_x(grad_y, x):
    """Same contract as in ``reference``."""
    return _apply(formulas.silu_backward, grad_y, x)


def mish_forward(x):
    """Same contract as in ``reference``."""
    return _apply(formulas.mish, x)


def mish_backward_x(grad_y, x):
    """Same contract as in ``reference``."""
    return _apply(formulas.mish_backward, grad_y, x)


def gelu_forward(x, approximate):
    """Same contract as in ``reference``."""
    tanh = shapes.is_tanh("gelu", approximate)
    return _apply(formulas.gelu_tanh if tanh else formulas.gelu, x)


def gelu_backward_x(grad_y, x, approximate):
    """Same contract as in ``reference``."""
    tanh = shapes.is_tanh("gelu_backward", approximate)
    return _apply(formulas.gelu_tanh_backward if tanh else formulas.gelu_backward, grad_y, x)


def _apply(formula, *arrays, parameters=()):
    shapes.check_arguments(formula, arrays)
    return over_elements(formula, *arrays, parameters=parameters)
