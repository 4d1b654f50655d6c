"""The formulas of adversarial objectives, one score at a time, in the dtype of the score.

`LOSSES` and `SLOPES` list them by objective: on a real's score, on a fake's, and for the generator. A comparison shows
to which side a corner belongs; NaN fails every comparison and so is passed on.
"""

from kernels.elementary import exp, formula, log1p_unit
from kernels.elementary import sigmoid as sigmoid_of

__all__ = ["LOSSES", "SLOPES"]


@formula
def softplus(x):
    """log(1 + e^x), which is -log(1 - D) of a score x."""
    return (x if x > 0 else type(x)(0)) + log1p_unit(exp(-abs(x)))


@formula
def softplus_of_minus(x):
    """log(1 + e^-x), which is -log D of a score x."""
    return softplus(-x)


@formula
def minus_softplus(x):
    return -softplus(x)


@formula
def sigmoid(x):
    return sigmoid_of(x)


@formula
def minus_sigmoid(x):
    return -sigmoid_of(x)


@formula
def minus_sigmoid_of_minus(x):
    return -sigmoid_of(-x)


@formula
def half_square(x):
    return type(x)(0.5) * x * x


@formula
def half_square_from_one(x):
    return half_square(x - type(x)(1))


@formula
def distance_from_one(x):
    return x - type(x)(1)


@formula
def hinge_of_real(x):
    return type(x)(0) if x >= 1 else type(x)(1) - x


@formula
def hinge_of_real_slope(x):
    return type(x)(0) if x >= 1 else type(x)(-1)


@formula
def hinge_of_fake(x):
    return type(x)(0) if x <= -1 else type(x)(1) + x


@formula
def hinge_of_fake_slope(x):
    return type(x)(0) if x <= -1 else type(x)(1)


@formula
def itself(x):
    return x


@formula
def negative(x):
    return -x


@formula
def one(x):
    return type(x)(1)


@formula
def minus_one(x):
    return type(x)(-1)


LOSSES = {
    "minimax": (softplus_of_minus, softplus, minus_softplus),
    "non-saturating": (softplus_of_minus, softplus, softplus_of_minus),
    "least-squares": (half_square_from_one, half_square, half_square_from_one),
    "hinge": (hinge_of_real, hinge_of_fake, negative),
    "wasserstein": (negative, itself, negative),
}

SLOPES = {
    "minimax": (minus_sigmoid_of_minus, sigmoid, minus_sigmoid),
    "non-saturating": (minus_sigmoid_of_minus, sigmoid, minus_sigmoid_of_minus),
    "least-squares": (distance_from_one, itself, distance_from_one),
    "hinge": (hinge_of_real_slope, hinge_of_fake_slope, minus_one),
    "wasserstein": (minus_one, one, minus_one),
}
