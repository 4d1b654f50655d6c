"""Activations, fast. Same contract as in ``reference``.

Optimizations
-------------
* Every formula of ``formulas.py`` is free of branches and calls, in the dtype of its input: LLVM makes 4 to 16 elements
  at a time of the loop in ``elementwise.py``. Exponentials are those of ``kernels/elementary.py``; Python numbers are
  wrapped in ``type(x)``, because one float64 among float32 would halve the width.
* One pass over the data, one array written: nothing is kept between forward and backward but x or y.
* The elements are shared out to the threads in ranges; each is computed alone, so the bits never depend on them.
"""

from functools import partial

from kernels.activation import formulas, shapes
from kernels.activation.cpu_axis import (
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
from kernels.activation.elementwise import over_elements

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

#: For formulas without an exponential, which cost little more than reading and writing.
_lines = partial(over_elements, operations=1)


def relu_forward(x):
    """Same contract as in ``reference``."""
    return _lines(formulas.relu, x)


def relu_backward_x(grad_y, y):
    """Same contract as in ``reference``."""
    return _lines(formulas.relu_backward, grad_y, y)


def leaky_relu_forward(x, negative_slope):
    """Same contract as in ``reference``."""
    return _lines(formulas.leaky_relu, x, parameters=(negative_slope,))


def leaky_relu_backward_x(grad_y, x, negative_slope):
    """Same contract as in ``reference``."""
    return _lines(formulas.leaky_relu_backward, grad_y, x, parameters=(negative_slope,))


def hardtanh_forward(x, min_val, max_val):
    """Same contract as in ``reference``."""
    return _lines(formulas.hardtanh, x, parameters=(min_val, max_val))


def hardtanh_backward_x(grad_y, x, min_val, max_val):
    """Same contract as in ``reference``."""
    return _lines(formulas.hardtanh_backward, grad_y, x, parameters=(min_val, max_val))


def hardsigmoid_forward(x):
    """Same contract as in ``reference``."""
    return _lines(formulas.hardsigmoid, x)


def hardsigmoid_backward_x(grad_y, x):
    """Same contract as in ``reference``."""
    return _lines(formulas.hardsigmoid_backward, grad_y, x)


def hardswish_forward(x):
    """Same contract as in ``reference``."""
    return _lines(formulas.hardswish, x)


def hardswish_backward_x(grad_y, x):
    """Same contract as in ``reference``."""
    return _lines(formulas.hardswish_backward, grad_y, x)


def threshold_forward(x, threshold, value):
    """Same contract as in ``reference``."""
    return _lines(formulas.threshold_at, x, parameters=(threshold, value))


def threshold_backward_x(grad_y, x, threshold):
    """Same contract as in ``reference``."""
    return _lines(formulas.threshold_backward, grad_y, x, parameters=(threshold,))


def hardshrink_forward(x, lambd):
    """Same contract as in ``reference``."""
    return _lines(formulas.hardshrink, x, parameters=(lambd,))


def hardshrink_backward_x(grad_y, x, lambd):
    """Same contract as in ``reference``."""
    return _lines(formulas.shrink_backward, grad_y, x, parameters=(lambd,))


def softshrink_forward(x, lambd):
    """Same contract as in ``reference``."""
    return _lines(formulas.softshrink, x, parameters=(lambd,))


def softshrink_backward_x(grad_y, x, lambd):
    """Same contract as in ``reference``."""
    return _lines(formulas.shrink_backward, grad_y, x, parameters=(lambd,))


def softsign_forward(x):
    """Same contract as in ``reference``."""
    return _lines(formulas.softsign, x)


def softsign_backward_x(grad_y, x):
    """Same contract as in ``reference``."""
    return _lines(formulas.softsign_backward, grad_y, x)


def elu_forward(x, alpha, scale, input_scale):
    """Same contract as in ``reference``."""
    return over_elements(formulas.elu, x, parameters=(alpha, scale, input_scale))


def elu_backward_x(grad_y, x, alpha, scale, input_scale):
    """Same contract as in ``reference``."""
    return over_elements(formulas.elu_backward, grad_y, x, parameters=(alpha, scale, input_scale))


def sigmoid_forward(x):
    """Same contract as in ``reference``."""
    return over_elements(formulas.sigmoid, x)


def sigmoid_backward_x(grad_y, y):
    """Same contract as in ``reference``."""
    return _lines(formulas.sigmoid_backward, grad_y, y)


def logsigmoid_forward(x):
    """Same contract as in ``reference``."""
    return over_elements(formulas.logsigmoid, x)


def logsigmoid_backward_x(grad_y, x):
    """Same contract as in ``reference``."""
    return over_elements(formulas.logsigmoid_backward, grad_y, x)


def softplus_forward(x, beta, threshold):
    """Same contract as in ``reference``."""
    return over_elements(formulas.softplus, x, parameters=(beta, threshold))


def softplus_backward_x(grad_y, x, beta, threshold):
    """Same contract as in ``reference``."""
    return over_elements(formulas.softplus_backward, grad_y, x, parameters=(beta, threshold))


def tanh_forward(x):
    """Same contract as in ``reference``."""
    return over_elements(formulas.tanh, x)


def tanh_backward_x(grad_y, y):
    """Same contract as in ``reference``."""
    return _lines(formulas.tanh_backward, grad_y, y)


def tanhshrink_forward(x):
    """Same contract as in ``reference``."""
    return over_elements(formulas.tanhshrink, x)


def tanhshrink_backward_x(grad_y, x):
    """Same contract as in ``reference``."""
    return over_elements(formulas.tanhshrink_backward, grad_y, x)


def silu_forward(x):
    """Same contract as in ``reference``."""
    return over_elements(formulas.silu, x)


def silu_backward_x(grad_y, x):
    """Same contract as in ``reference``."""
    return over_elements(formulas.silu_backward, grad_y, x)


def mish_forward(x):
    """Same contract as in ``reference``."""
    return over_elements(formulas.mish, x)


def mish_backward_x(grad_y, x):
    """Same contract as in ``reference``."""
    return over_elements(formulas.mish_backward, grad_y, x)


def gelu_forward(x, approximate):
    """Same contract as in ``reference``."""
    tanh = shapes.is_tanh("gelu", approximate)
    return over_elements(formulas.gelu_tanh if tanh else formulas.gelu, x)


def gelu_backward_x(grad_y, x, approximate):
    """Same contract as in ``reference``."""
    tanh = shapes.is_tanh("gelu_backward", approximate)
    return over_elements(formulas.gelu_tanh_backward if tanh else formulas.gelu_backward, grad_y, x)
