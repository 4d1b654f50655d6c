"""Formulas of comparisons and straight lines: the same in every back end, in the dtype of their argument.

``…_backward`` is the gradient that an element passes on: grad_y times the derivative at the input x, or told from the
result y. Where a formula has a corner, the comparison shows to which side it belongs; NaN fails every comparison. Both
are torch's choice. (`type(x)` keeps float32 from becoming float64 beside a Python number.)
"""

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
