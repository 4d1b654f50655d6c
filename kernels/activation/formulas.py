"""Formulas of one element, in the dtype of their argument: each stands once, for all back ends that compute in it.

``…_backward`` is the gradient that an element passes on: grad_y times the derivative at the input x, or told from the
result y. Where a formula has a corner, the comparison shows to which side it belongs; NaN fails every comparison. Both
are torch's choice. (`type(x)` keeps float32 from becoming float64 beside a Python number.)

First come comparisons and straight lines, the same in every back end. Then what has an exponential, for CPU and CUDA:
free of branches and calls, with the functions of ``kernels/elementary.py``; ``reference.py`` says the same plainly.
"""

import math

from kernels import elementary
from kernels.elementary import formula


@formula
def relu(x):
    return type(x)(0) if x < 0 else x


@formula
def relu_backward(grad_y, y):
    return type(y)(0) if y <= 0 else grad_y


@formula
def leaky_relu(x, negative_slope):
    return x if x > 0 else negative_slope * x


@formula
def leaky_relu_backward(grad_y, x, negative_slope):
    return grad_y if x > 0 else negative_slope * grad_y


@formula
def hardtanh(x, min_val, max_val):
    return max_val if x > max_val else min_val if x < min_val else x


@formula
def hardtanh_backward(grad_y, x, min_val, max_val):
    return grad_y if min_val < x < max_val else type(x)(0)


@formula
def hardsigmoid(x):
    real = type(x)
    return (real(0) if x < -3 else real(6) if x > 3 else x + real(3)) / real(6)


@formula
def hardsigmoid_backward(grad_y, x):
    return grad_y / type(x)(6) if -3 < x < 3 else type(x)(0)


@formula
def hardswish(x):
    return x * hardsigmoid(x)


@formula
def hardswish_backward(grad_y, x):
    real = type(x)
    return real(0) if x <= -3 else grad_y if x >= 3 else grad_y * (x / real(3) + real(0.5))


@formula
def threshold_at(x, threshold, value):
    return value if x <= threshold else x


@formula
def threshold_backward(grad_y, x, threshold):
    return type(x)(0) if x <= threshold else grad_y


@formula
def hardshrink(x, lambd):
    return type(x)(0) if -lambd <= x <= lambd else x


@formula
def softshrink(x, lambd):
    return x - lambd if x > lambd else x + lambd if x < -lambd else type(x)(0) * x


@formula
def shrink_backward(grad_y, x, lambd):
    return grad_y if x > lambd or x < -lambd else type(x)(0)


@formula
def softsign(x):
    return x / (type(x)(1) + abs(x))


@formula
def softsign_backward(grad_y, x):
    slope = type(x)(1) / (type(x)(1) + abs(x))
    return grad_y * (slope * slope + (x - x))  # x - x: NaN at infinity, where the formula itself is inf / inf


@formula
def sigmoid_backward(grad_y, y):
    return grad_y * (y * (type(y)(1) - y))


@formula
def tanh_backward(grad_y, y):
    return grad_y * (type(y)(1) - y * y)


@formula
def elu(x, alpha, scale, input_scale):
    return scale * x if x > 0 else scale * alpha * elementary.expm1(input_scale * x)


@formula
def elu_backward(grad_y, x, alpha, scale, input_scale):
    return grad_y * scale * (type(x)(1) if x > 0 else alpha * input_scale * elementary.exp(input_scale * x))


@formula
def sigmoid(x):
    return elementary.sigmoid(x)


@formula
def logsigmoid(x):
    return (x if x < 0 else type(x)(0)) - elementary.log1p_unit(elementary.exp(-abs(x)))


@formula
def logsigmoid_backward(grad_y, x):
    return grad_y * elementary.sigmoid(-x)


@formula
def softplus(x, beta, threshold):
    z = beta * x
    soft = (z if z > 0 else type(x)(0)) + elementary.log1p_unit(elementary.exp(-abs(z)))
    return x if z > threshold else soft / beta


@formula
def softplus_backward(grad_y, x, beta, threshold):
    return grad_y if beta * x > threshold else grad_y * elementary.sigmoid(beta * x)


@formula
def tanh(x):
    return elementary.tanh(x)


@formula
def tanhshrink(x):
    return x - elementary.tanh(x)


@formula
def tanhshrink_backward(grad_y, x):
    t = elementary.tanh(x)
    return grad_y * (t * t)


@formula
def silu(x):
    return x * elementary.sigmoid(x)


@formula
def silu_backward(grad_y, x):
    s = elementary.sigmoid(x)
    return grad_y * (s * (type(x)(1) + x * (type(x)(1) - s)))


@formula
def tanh_of_softplus(x):
    """t = tanh(ln(1 + e^x)) and 1 - t, as fractions of z = e^-|x|: one exponential, no logarithm, no overflow."""
    real = type(x)
    z = elementary.exp(-abs(x))
    # with e = e^x: t = (e^2 + 2 e) / (e^2 + 2 e + 2); above 0 divided by e^2
    t, rest = (real(1) + real(2) * z, real(2) * z * z) if x > 0 else (z * (z + real(2)), real(2))
    return t / (t + rest), rest / (t + rest)


@formula
def mish(x):
    return x * tanh_of_softplus(x)[0]


@formula
def mish_backward(grad_y, x):
    t, rest = tanh_of_softplus(x)
    return grad_y * (t + x * (rest * (type(x)(1) + t)) * elementary.sigmoid(x))


@formula
def gelu(x):
    real = type(x)
    return real(0.5) * x * (real(1) + elementary.erf(x * real(math.sqrt(0.5))))


@formula
def gelu_backward(grad_y, x):
    real = type(x)
    below = real(0.5) * (real(1) + elementary.erf(x * real(math.sqrt(0.5))))
    return grad_y * (below + x * (elementary.exp(real(-0.5) * x * x) * real(1 / math.sqrt(2 * math.pi))))


@formula
def gelu_tanh(x):
    real = type(x)
    # (1 + tanh u) / 2 = sigmoid(2 u), which keeps its last places where tanh nears -1
    return x * elementary.sigmoid(real(math.sqrt(8 / math.pi)) * (x + real(0.044715) * (x * x * x)))


@formula
def gelu_tanh_backward(grad_y, x):
    real = type(x)
    root = real(math.sqrt(8 / math.pi))
    s = elementary.sigmoid(root * (x + real(0.044715) * (x * x * x)))
    slope = s * (real(1) - s) * (root * (real(1) + real(3 * 0.044715) * (x * x)))
    return grad_y * (s + x * slope)


@formula
def glu(value, gate):
    return value * elementary.sigmoid(gate)


@formula
def glu_backward_value(grad_y, gate):
    return grad_y * elementary.sigmoid(gate)


@formula
def glu_backward_gate(grad_y, value, gate):
    s = elementary.sigmoid(gate)
    return grad_y * value * (s * (type(s)(1) - s))


@formula
def prelu_backward_slope(x, grad_y):
    """What an element adds to the gradient of its slope."""
    return type(x)(0) if x > 0 else grad_y * x
