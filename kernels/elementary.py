"""exp, expm1, tanh, sigmoid, log1p and erf of one number, without a branch, so that LLVM computes 4 to 16 at a time.

Numba calls the C library for ``math.exp``, one element after the other. Here every function is arithmetic only: the
argument is reduced to a short interval, a polynomial is evaluated there, and a power of two is put together from its
bits. In a kernel's loop the compiler turns that into vector instructions:

    for i in range(x.size):
        y[i] = elementary.tanh(x[i])

The dtype of the argument, float32 or float64, picks the constants and the number of terms; the result has that dtype.
Largest errors, in units of the last place (ulp) of the dtype:

    exp 1.5 · expm1 2 · sigmoid 2.5 · tanh 3 · log1p_unit 2.5 · erf 2.5 (float64: the C library's, one at a time)

NaN gives NaN; results below the smallest normal number come out as denormal ones. The functions run without Numba,
too, on NumPy scalars, so that each step can be looked at.

References
----------
W. J. Cody, W. Waite, "Software Manual for the Elementary Functions", Prentice-Hall 1980: the reduction in two parts.
The polynomials are Taylor series, cut where the next term is below the last place, but for the tail of erf.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import types
from numba.extending import overload, register_jitable

__all__ = ["erf", "exp", "expm1", "formula", "log1p_unit", "sigmoid", "tanh"]

#: Division as NumPy's, and a * b + c in one instruction where the processor has it: one rounding less.
_OPTIONS = {"error_model": "numpy", "fastmath": {"contract"}, "forceinline": True}


class _Constants(NamedTuple):
    """What depends on the dtype. Small numbers are here, too: Numba makes float64 of ``2 * float32``."""

    zero: np.floating
    half: np.floating
    one: np.floating
    two: np.floating
    whole: np.floating  # adding it pushes the fraction out and leaves the whole number in the lowest bits
    bias: np.floating  # of the exponent in the bits of a number
    log2_e: np.floating
    ln2: np.floating
    ln2_high: np.floating  # ln 2 in two parts; the first has so few bits that n * ln2_high is exact
    ln2_low: np.floating
    exp_least: np.floating  # beyond these e^x is 0, and inf
    exp_most: np.floating
    tanh_most: np.floating  # beyond this tanh x is 1
    fold: np.floating  # sqrt 2 - 1
    exp_terms: tuple  # of (e^r - 1 - r) / r^2, highest power first
    atanh_terms: tuple  # of (atanh s - s) / s^3 in s^2
    erf_terms: tuple  # of erf x / x in x^2
    erf_tail_terms: tuple  # of ln(1 - erf x) for 1 <= x <= 4, fitted at Chebyshev nodes


def _constants(real, mantissa, bias, ln2_high, ln2_low, exp_range, tanh_most, exp_degree, atanh_degree):
    numbers = (0, 0.5, 1, 2, 1.5 * 2**mantissa, bias, 1 / math.log(2), math.log(2), ln2_high, ln2_low, *exp_range)
    series = (
        [1 / math.factorial(k) for k in range(exp_degree, 1, -1)],
        [1 / (2 * k + 1) for k in range(atanh_degree, 0, -1)],
        [2 / math.sqrt(math.pi) * (-1) ** k / math.factorial(k) / (2 * k + 1) for k in range(11, -1, -1)],
        [1.6371514e-6, -4.6058043e-5, 5.9680563e-4, -4.7595963e-3, 2.6421136e-2, -1.1008008e-1, -6.3182605e-1,
         -1.1302334, 3.2013805e-4],
    )  # fmt: skip
    scalars = map(real, (*numbers, tanh_most, math.sqrt(2) - 1))
    return _Constants(*scalars, *(tuple(map(real, terms)) for terms in series))


_SINGLE = _constants(np.float32, 23, 127, 45426 / 65536, 1.4286068203e-6, (-104, 89), 10, 7, 6)
_DOUBLE = _constants(
    np.float64, 52, 1023, float.fromhex("0x1.62e42feep-1"), 1.9082149292705877e-10, (-746, 710), 20, 13, 12
)


def formula(function):
    """Mark a function of numbers as one that kernels may call; it is compiled into their loops."""
    return register_jitable(**_OPTIONS)(function)


def _by_dtype(single, double):
    """A function that is `single` for float32 and `double` for float64."""

    def function(x):
        return single(x) if isinstance(x, np.float32) else double(x)

    @overload(function, jit_options=_OPTIONS)
    def _(x):
        return {types.float32: single, types.float64: double}.get(x)

    return function


_of = _by_dtype(lambda x: _SINGLE, lambda x: _DOUBLE)

#: 2^x for a whole number x: its exponent bits, moved into place.
_power_of_two = _by_dtype(
    lambda x: np.int32(np.float32(x + _SINGLE.bias + _SINGLE.whole).view(np.int32) << np.int32(23)).view(np.float32),
    lambda x: np.int64(np.float64(x + _DOUBLE.bias + _DOUBLE.whole).view(np.int64) << np.int64(52)).view(np.float64),
)


@formula
def _polynomial(x, terms):
    acc = terms[0]
    for term in terms[1:]:
        acc = acc * x + term
    return acc


@formula
def _clamp(x, least, most):
    x = least if x < least else x
    return most if x > most else x


@formula
def _reduce(x):
    """The whole number n and r with x = n ln 2 + r, |r| <= ln 2 / 2."""
    c = _of(x)
    n = (x * c.log2_e + c.whole) - c.whole
    return n, (x - n * c.ln2_high) - n * c.ln2_low


@formula
def exp(x):
    """e^x = 2^n e^r. The power of two is applied in two halves, so that neither leaves the range before the result."""
    c = _of(x)
    n, r = _reduce(_clamp(x, c.exp_least, c.exp_most))
    n_half = (n * c.half + c.whole) - c.whole
    return (c.one + (r + r * r * _polynomial(r, c.exp_terms))) * _power_of_two(n_half) * _power_of_two(n - n_half)


@formula
def expm1(x):
    """e^x - 1 = 2^n (e^r - 1) + (2^n - 1), exact to the last places near 0, where n = 0."""
    c = _of(x)
    n, r = _reduce(_clamp(x, c.exp_least, c.exp_most))
    n_half = (n * c.half + c.whole) - c.whole
    n_rest = n - n_half
    # 2^n_rest (2^n_half (e^r - 1) + (2^n_half - 2^-n_rest)): no factor leaves the range before the result
    scale = _power_of_two(n_half)
    return ((r + r * r * _polynomial(r, c.exp_terms)) * scale + (scale - _power_of_two(-n_rest))) * _power_of_two(
        n_rest
    )


@formula
def tanh(x):
    """(e^2|x| - 1) / (e^2|x| + 1) with the sign of x."""
    c = _of(x)
    size = abs(x)
    n, r = _reduce(c.two * (c.tanh_most if size > c.tanh_most else size))
    scale = _power_of_two(n)
    e = (r + r * r * _polynomial(r, c.exp_terms)) * scale + (scale - c.one)
    return math.copysign(e / (e + c.two), x)


@formula
def sigmoid(x):
    """1 / (1 + e^-x), or e^x / (1 + e^x) where x < 0: nothing overflows, and small results keep their last places."""
    c = _of(x)
    z = exp(-abs(x))
    return (z if x < c.zero else c.one) / (c.one + z)


@formula
def log1p_unit(u):
    """ln(1 + u) for 0 <= u <= 1.

    Above sqrt 2 - 1 it is ln 2 + ln(1 + v), v = (u - 1) / 2; then ln(1 + v) = 2 atanh(s), s = v / (2 + v).
    """
    c = _of(u)
    folded = u > c.fold
    v = (u - c.one) * c.half if folded else u
    twice_s = c.two * v / (c.two + v)
    s = twice_s * c.half
    log = twice_s + twice_s * (s * s * _polynomial(s * s, c.atanh_terms))
    return c.ln2 + log if folded else log


@formula
def _erf_single(x):
    c = _of(x)
    size = abs(x)
    near = size * _polynomial(x * x, c.erf_terms)
    far = c.one - exp(_polynomial(_clamp(size, c.one, c.two + c.two), c.erf_tail_terms))
    return math.copysign(near if size < c.one else far, x)


#: 2 / sqrt(pi) times the integral of e^-t^2 from 0 to x: its series up to 1; above, 1 less the exponential of a fit.
erf = _by_dtype(_erf_single, lambda x: math.erf(x))
