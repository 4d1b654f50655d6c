"""Activations, fast. Same contract as in ``reference``.

Optimizations
-------------
* Every formula is free of branches and calls, in the dtype of its input: LLVM makes 4 to 16 elements at a time of the
  loop in ``elementwise.py``. Exponentials are those of ``kernels/elementary.py``; Python numbers are wrapped in
  ``type(x)``, because one float64 among float32 would halve the width.
* One pass over the data, one array written: nothing is kept between forward and backward but x or y.
* The elements are shared out to the threads in ranges; each is computed alone, so the bits never depend on them.
"""

import math
from functools import partial

from kernels import elementary
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
from kernels.elementary import formula

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


@formula
def _elu(x, alpha, scale, input_scale):
    return scale * x if x > 0 else scale * alpha * elementary.expm1(input_scale * x)


@formula
def _elu_backward(grad_y, x, alpha, scale, input_scale):
    return grad_y * scale * (type(x)(1) if x > 0 else alpha * input_scale * elementary.exp(input_scale * x))


def elu_forward(x, alpha, scale, input_scale):
    """Same contract as in ``reference``."""
    return over_elements(_elu, x, parameters=(alpha, scale, input_scale))


def elu_backward_x(grad_y, x, alpha, scale, input_scale):
    """Same contract as in ``reference``."""
    return over_elements(_elu_backward, grad_y, x, parameters=(alpha, scale, input_scale))


@formula
def _sigmoid(x):
    return elementary.sigmoid(x)


def sigmoid_forward(x):
    """Same contract as in ``reference``."""
    return over_elements(_sigmoid, x)


def sigmoid_backward_x(grad_y, y):
    """Same contract as in ``reference``."""
    return _lines(formulas.sigmoid_backward, grad_y, y)


@formula
def _logsigmoid(x):
    return (x if x < 0 else type(x)(0)) - elementary.log1p_unit(elementary.exp(-abs(x)))


@formula
def _logsigmoid_backward(grad_y, x):
    return grad_y * elementary.sigmoid(-x)


def logsigmoid_forward(x):
    """Same contract as in ``reference``."""
    return over_elements(_logsigmoid, x)


def logsigmoid_backward_x(grad_y, x):
    """Same contract as in ``reference``."""
    return over_elements(_logsigmoid_backward, grad_y, x)


@formula
def _softplus(x, beta, threshold):
    z = beta * x
    soft = (z if z > 0 else type(x)(0)) + elementary.log1p_unit(elementary.exp(-abs(z)))
    return x if z > threshold else soft / beta


@formula
def _softplus_backward(grad_y, x, beta, threshold):
    return grad_y if beta * x > threshold else grad_y * elementary.sigmoid(beta * x)


def softplus_forward(x, beta, threshold):
    """Same contract as in ``reference``."""
    return over_elements(_softplus, x, parameters=(beta, threshold))


def softplus_backward_x(grad_y, x, beta, threshold):
    """Same contract as in ``reference``."""
    return over_elements(_softplus_backward, grad_y, x, parameters=(beta, threshold))


@formula
def _tanh(x):
    return elementary.tanh(x)


def tanh_forward(x):
    """Same contract as in ``reference``."""
    return over_elements(_tanh, x)


def tanh_backward_x(grad_y, y):
    """Same contract as in ``reference``."""
    return _lines(formulas.tanh_backward, grad_y, y)


@formula
def _tanhshrink(x):
    return x - elementary.tanh(x)


@formula
def _tanhshrink_backward(grad_y, x):
    t = elementary.tanh(x)
    return grad_y * (t * t)


def tanhshrink_forward(x):
    """Same contract as in ``reference``."""
    return over_elements(_tanhshrink, x)


def tanhshrink_backward_x(grad_y, x):
    """Same contract as in ``reference``."""
    return over_elements(_tanhshrink_backward, grad_y, x)


@formula
def _silu(x):
    return x * elementary.sigmoid(x)


@formula
def _silu_backward(grad_y, x):
    s = elementary.sigmoid(x)
    return grad_y * (s * (type(x)(1) + x * (type(x)(1) - s)))


def silu_forward(x):
    """Same contract as in ``reference``."""
    return over_elements(_silu, x)


def silu_backward_x(grad_y, x):
    """Same contract as in ``reference``."""
    return over_elements(_silu_backward, grad_y, x)


@formula
def _tanh_of_softplus(x):
    """t = tanh(ln(1 + e^x)) and 1 - t, as fractions of z = e^-|x|: one exponential, no logarithm, no overflow."""
    real = type(x)
    z = elementary.exp(-abs(x))
    # with e = e^x: t = (e^2 + 2 e) / (e^2 + 2 e + 2); above 0 divided by e^2
    t, rest = (real(1) + real(2) * z, real(2) * z * z) if x > 0 else (z * (z + real(2)), real(2))
    return t / (t + rest), rest / (t + rest)


@formula
def _mish(x):
    return x * _tanh_of_softplus(x)[0]


@formula
def _mish_backward(grad_y, x):
    t, rest = _tanh_of_softplus(x)
    return grad_y * (t + x * (rest * (type(x)(1) + t)) * elementary.sigmoid(x))


def mish_forward(x):
    """Same contract as in ``reference``."""
    return over_elements(_mish, x)


def mish_backward_x(grad_y, x):
    """Same contract as in ``reference``."""
    return over_elements(_mish_backward, grad_y, x)


@formula
def _gelu(x):
    real = type(x)
    return real(0.5) * x * (real(1) + elementary.erf(x * real(math.sqrt(0.5))))


@formula
def _gelu_backward(grad_y, x):
    real = type(x)
    below = real(0.5) * (real(1) + elementary.erf(x * real(math.sqrt(0.5))))
    return grad_y * (below + x * (elementary.exp(real(-0.5) * x * x) * real(1 / math.sqrt(2 * math.pi))))


@formula
def _gelu_tanh(x):
    real = type(x)
    # (1 + tanh u) / 2 = sigmoid(2 u), which keeps its last places where tanh nears -1
    return x * elementary.sigmoid(real(math.sqrt(8 / math.pi)) * (x + real(0.044715) * (x * x * x)))


@formula
def _gelu_tanh_backward(grad_y, x):
    real = type(x)
    root = real(math.sqrt(8 / math.pi))
    s = elementary.sigmoid(root * (x + real(0.044715) * (x * x * x)))
    slope = s * (real(1) - s) * (root * (real(1) + real(3 * 0.044715) * (x * x)))
    return grad_y * (s + x * slope)


def gelu_forward(x, approximate):
    """Same contract as in ``reference``."""
    tanh = shapes.is_tanh("gelu", approximate)
    return over_elements(_gelu_tanh if tanh else _gelu, x)


def gelu_backward_x(grad_y, x, approximate):
    """Same contract as in ``reference``."""
    tanh = shapes.is_tanh("gelu_backward", approximate)
    return over_elements(_gelu_tanh_backward if tanh else _gelu_backward, grad_y, x)
