"""Activations as formulas: what a learner reads, what every test trusts.

Each function of one element is a scalar formula, and the gradient that it passes on (grad_y times the derivative, read
from the input x, or from the result y where that says enough). ``…_forward`` and ``…_backward_x`` apply them to every
element of an array. Formulas of lines and corners stand in ``formulas.py``, functions along an axis (softmax,
log_softmax, glu, prelu) in ``reference_axis.py``; all are to be had from here.

One contract for all: arrays of any shape, float32 or float64, of one shape and dtype, which the result has, too;
parameters are float, rounded to that dtype. TypeError and ValueError are raised for what
`kernels.activation.shapes.check_alike` refuses. Computed in float64 whatever the dtype. NaN gives NaN unless the text
says otherwise. Layers: ``mediml/nn/modules/activation.py``. Taught in lesson 05, pooling and activation.
"""

import math

from kernels.activation import formulas, shapes
from kernels.activation.elementwise import in_double
from kernels.activation.reference_axis import (
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


def relu_forward(x):
    """y = max(0, x), the rectified linear unit. V. Nair, G. Hinton, ICML 2010."""
    return in_double(formulas.relu, x)


def relu_backward_x(grad_y, y):
    """grad_y where y > 0 (or NaN), else 0: the corner counts as flat."""
    return in_double(formulas.relu_backward, grad_y, y)


def leaky_relu_forward(x, negative_slope):
    """y = x where x > 0, else negative_slope * x. A. Maas et al., ICML 2013."""
    return in_double(formulas.leaky_relu, x, parameters=(negative_slope,))


def leaky_relu_backward_x(grad_y, x, negative_slope):
    """grad_y where x > 0, else negative_slope * grad_y."""
    return in_double(formulas.leaky_relu_backward, grad_y, x, parameters=(negative_slope,))


def hardtanh_forward(x, min_val, max_val):
    """y = x between min_val and max_val, these beyond; relu6 is (0, 6)."""
    return in_double(formulas.hardtanh, x, parameters=(min_val, max_val))


def hardtanh_backward_x(grad_y, x, min_val, max_val):
    """grad_y where min_val < x < max_val, else (NaN, too) 0."""
    return in_double(formulas.hardtanh_backward, grad_y, x, parameters=(min_val, max_val))


def hardsigmoid_forward(x):
    """y = min(max(x + 3, 0), 6) / 6. A. Howard et al., "Searching for MobileNetV3", arXiv:1905.02244."""
    return in_double(formulas.hardsigmoid, x)


def hardsigmoid_backward_x(grad_y, x):
    """grad_y / 6 where -3 < x < 3, else (NaN, too) 0."""
    return in_double(formulas.hardsigmoid_backward, grad_y, x)


def hardswish_forward(x):
    """y = x * min(max(x + 3, 0), 6) / 6. A. Howard et al., "Searching for MobileNetV3", arXiv:1905.02244."""
    return in_double(formulas.hardswish, x)


def hardswish_backward_x(grad_y, x):
    """0 where x <= -3, grad_y where x >= 3, between grad_y * (x / 3 + 1 / 2)."""
    return in_double(formulas.hardswish_backward, grad_y, x)


def threshold_forward(x, threshold, value):
    """y = x where x > threshold (or NaN), else value."""
    return in_double(formulas.threshold_at, x, parameters=(threshold, value))


def threshold_backward_x(grad_y, x, threshold):
    """grad_y where x > threshold (or NaN), else 0."""
    return in_double(formulas.threshold_backward, grad_y, x, parameters=(threshold,))


def hardshrink_forward(x, lambd):
    """y = x where |x| > lambd (or NaN), else 0."""
    return in_double(formulas.hardshrink, x, parameters=(lambd,))


def hardshrink_backward_x(grad_y, x, lambd):
    """grad_y where |x| > lambd, else (NaN, too) 0."""
    return in_double(formulas.shrink_backward, grad_y, x, parameters=(lambd,))


def softshrink_forward(x, lambd):
    """y = x moved towards 0 by lambd, 0 where |x| <= lambd."""
    return in_double(formulas.softshrink, x, parameters=(lambd,))


def softshrink_backward_x(grad_y, x, lambd):
    """grad_y where |x| > lambd, else (NaN, too) 0."""
    return in_double(formulas.shrink_backward, grad_y, x, parameters=(lambd,))


def softsign_forward(x):
    """y = x / (1 + |x|)."""
    return in_double(formulas.softsign, x)


def softsign_backward_x(grad_y, x):
    """grad_y / (1 + |x|)^2."""
    return in_double(formulas.softsign_backward, grad_y, x)


@formula
def _elu(x, alpha, scale, input_scale):
    return scale * x if x > 0 else scale * alpha * math.expm1(input_scale * x)


@formula
def _elu_backward(grad_y, x, alpha, scale, input_scale):
    return grad_y * scale * (1.0 if x > 0 else alpha * input_scale * math.exp(input_scale * x))


def elu_forward(x, alpha, scale, input_scale):
    """y = scale * x where x > 0, else scale * alpha * (e^(input_scale * x) - 1).

    elu: (alpha, 1, 1), D.-A. Clevert et al., arXiv:1511.07289. selu: (1.6732632423543772, 1.0507009873554805, 1),
    G. Klambauer et al., arXiv:1706.02515. celu: (alpha, 1, 1 / alpha), J. Barron, arXiv:1704.07483.
    """
    return in_double(_elu, x, parameters=(alpha, scale, input_scale))


def elu_backward_x(grad_y, x, alpha, scale, input_scale):
    """grad_y * scale where x > 0, else grad_y * scale * alpha * input_scale * e^(input_scale * x)."""
    return in_double(_elu_backward, grad_y, x, parameters=(alpha, scale, input_scale))


@formula
def _sigmoid(x):
    return 1 / (1 + math.exp(-x))


def sigmoid_forward(x):
    """y = 1 / (1 + e^-x): any number to a probability."""
    return in_double(_sigmoid, x)


def sigmoid_backward_x(grad_y, y):
    """grad_y * y * (1 - y)."""
    return in_double(formulas.sigmoid_backward, grad_y, y)


@formula
def _logsigmoid(x):
    return min(x, 0.0) - math.log1p(math.exp(-abs(x)))


@formula
def _logsigmoid_backward(grad_y, x):
    return grad_y * _sigmoid(-x)


def logsigmoid_forward(x):
    """y = ln(1 / (1 + e^-x)) = min(x, 0) - ln(1 + e^-|x|), which does not overflow."""
    return in_double(_logsigmoid, x)


def logsigmoid_backward_x(grad_y, x):
    """grad_y / (1 + e^x)."""
    return in_double(_logsigmoid_backward, grad_y, x)


@formula
def _softplus(x, beta, threshold):
    z = beta * x
    return x if z > threshold else (max(z, 0.0) + math.log1p(math.exp(-abs(z)))) / beta


@formula
def _softplus_backward(grad_y, x, beta, threshold):
    return grad_y if beta * x > threshold else grad_y * _sigmoid(beta * x)


def softplus_forward(x, beta, threshold):
    """y = ln(1 + e^(beta * x)) / beta, and x where beta * x > threshold. C. Dugas et al., NIPS 2000."""
    return in_double(_softplus, x, parameters=(beta, threshold))


def softplus_backward_x(grad_y, x, beta, threshold):
    """grad_y / (1 + e^(-beta * x)), and grad_y where beta * x > threshold."""
    return in_double(_softplus_backward, grad_y, x, parameters=(beta, threshold))


@formula
def _tanh(x):
    return math.tanh(x)


def tanh_forward(x):
    """y = (e^x - e^-x) / (e^x + e^-x)."""
    return in_double(_tanh, x)


def tanh_backward_x(grad_y, y):
    """grad_y * (1 - y^2)."""
    return in_double(formulas.tanh_backward, grad_y, y)


@formula
def _tanhshrink(x):
    return x - math.tanh(x)


@formula
def _tanhshrink_backward(grad_y, x):
    return grad_y * math.tanh(x) ** 2


def tanhshrink_forward(x):
    """y = x - tanh(x)."""
    return in_double(_tanhshrink, x)


def tanhshrink_backward_x(grad_y, x):
    """grad_y * tanh(x)^2."""
    return in_double(_tanhshrink_backward, grad_y, x)


@formula
def _silu(x):
    return x * _sigmoid(x)


@formula
def _silu_backward(grad_y, x):
    return grad_y * _sigmoid(x) * (1 + x * _sigmoid(-x))


def silu_forward(x):
    """y = x / (1 + e^-x) = x * sigmoid(x). S. Elfwing et al., arXiv:1702.03118; called swish, too."""
    return in_double(_silu, x)


def silu_backward_x(grad_y, x):
    """grad_y * s * (1 + x * (1 - s)), s = 1 / (1 + e^-x)."""
    return in_double(_silu_backward, grad_y, x)


@formula
def _mish(x):
    return x * math.tanh(_softplus(x, 1.0, math.inf))


@formula
def _mish_backward(grad_y, x):
    t = math.tanh(_softplus(x, 1.0, math.inf))
    return grad_y * (t + x * (1 - t * t) * _sigmoid(x))


def mish_forward(x):
    """y = x * tanh(ln(1 + e^x)). D. Misra, arXiv:1908.08681."""
    return in_double(_mish, x)


def mish_backward_x(grad_y, x):
    """grad_y * (t + x * (1 - t^2) / (1 + e^-x)), t = tanh(ln(1 + e^x))."""
    return in_double(_mish_backward, grad_y, x)


@formula
def _gelu(x):
    return x / 2 * (1 + math.erf(x / math.sqrt(2)))


@formula
def _gelu_backward(grad_y, x):
    below = (1 + math.erf(x / math.sqrt(2))) / 2
    return grad_y * (below + x * math.exp(-x * x / 2) / math.sqrt(2 * math.pi))


@formula
def _gelu_tanh(x):
    return x / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


@formula
def _gelu_tanh_backward(grad_y, x):
    t = math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))
    return grad_y * (1 + t + x * (1 - t * t) * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x)) / 2


def gelu_forward(x, approximate):
    """y = x * P(a normal number < x): D. Hendrycks, K. Gimpel, arXiv:1606.08415.

    approximate "none": y = x / 2 * (1 + erf(x / sqrt 2)).
    approximate "tanh": y = x / 2 * (1 + tanh(u)), u = sqrt(2 / pi) * (x + 0.044715 * x^3).
    """
    tanh = shapes.is_tanh("gelu", approximate)
    return in_double(_gelu_tanh if tanh else _gelu, x)


def gelu_backward_x(grad_y, x, approximate):
    """grad_y times the derivative of y by the product rule.

    approximate "none": P + x * e^(-x^2 / 2) / sqrt(2 pi), P = (1 + erf(x / sqrt 2)) / 2.
    approximate "tanh": (1 + t + x * (1 - t^2) * u') / 2, t = tanh(u), u' = sqrt(2 / pi) * (1 + 3 * 0.044715 * x^2).
    """
    tanh = shapes.is_tanh("gelu_backward", approximate)
    return in_double(_gelu_tanh_backward if tanh else _gelu_backward, grad_y, x)
