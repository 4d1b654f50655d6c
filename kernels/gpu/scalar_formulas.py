"""What NumPy's ufuncs compute for one element, as kernels compute it: by the ufunc's name and its operands' kind.

``b`` stands for bool, ``i`` for integers with a sign, ``u`` for those without, ``f`` for floats. Arithmetic on whole
numbers may be of 64 bits inside: what does not fit is cut off when the result is stored, as NumPy's is.
"""

import math as python_math

from kernels.elementary import formula
from kernels.gpu import math

__all__ = ["FORMULAS", "formula_of"]


@formula
def _same(x):
    return x


@formula
def _negative(x):
    return -x


@formula
def _absolute(x):
    return abs(x)


@formula
def _sign_float(x):
    return x if x != x else type(x)(x > 0) - type(x)(x < 0)


@formula
def _sign_integer(x):
    return (1 if x > 0 else 0) - (1 if x < 0 else 0)


@formula
def _square(x):
    return x * x


@formula
def _reciprocal(x):
    return type(x)(1) / x


@formula
def _exp2(x):
    return math.pow(type(x)(2), x)


@formula
def _rint(x):
    """The nearest whole number, halves to the even one."""
    below = math.floor(x)
    rest = x - below
    half = type(x)(0.5)
    odd = below - math.floor(below * half) / half != type(x)(0)
    up = rest > half or (rest == half and odd)
    return python_math.copysign(below + type(x)(1) if up else below, x)


@formula
def _add(x, y):
    return x + y


@formula
def _subtract(x, y):
    return x - y


@formula
def _multiply(x, y):
    return x * y


@formula
def _divide(x, y):
    return x / y


@formula
def _floor_divide_integer(x, y):
    zero = type(x)(0)
    if y == zero:
        return zero
    return type(x)(x // y)


@formula
def _remainder_integer(x, y):
    zero = type(x)(0)
    if y == zero:
        return zero
    return type(x)(x - type(x)(x // y) * y)


@formula
def _fmod_integer(x, y):
    zero = type(x)(0)
    if y == zero:
        return zero
    rest = type(x)(x - type(x)(x // y) * y)
    return type(x)(rest - y) if rest != zero and (x < zero) != (y < zero) else rest


@formula
def _floor_divide_float(x, y):
    """As Python's and NumPy's: the quotient of what is left when the remainder is taken off."""
    zero, one, half = type(x)(0), type(x)(1), type(x)(0.5)
    if y == zero:
        return x / y
    rest = math.fmod(x, y)
    quotient = (x - rest) / y
    if rest != zero and (y < zero) != (rest < zero):
        quotient -= one
    if quotient == zero:
        return python_math.copysign(zero, x / y)
    whole = math.floor(quotient)
    return whole + one if quotient - whole > half else whole


@formula
def _remainder_float(x, y):
    """With the sign of `y`."""
    zero = type(x)(0)
    rest = math.fmod(x, y)
    if rest == zero:
        return python_math.copysign(zero, y)
    return rest + y if (y < zero) != (rest < zero) else rest


@formula
def _fmod_float(x, y):
    return math.fmod(x, y)


@formula
def _power_float(x, y):
    return math.pow(x, y)


@formula
def _power_integer(x, y):
    """By squaring. A negative exponent leaves 1 / x^|y| cut off: 0, but for x = 1 and x = -1."""
    one, zero = type(x)(1), type(x)(0)
    if y < zero:
        return x if x == -one and y % type(x)(2) != zero else (one if x == one or x == -one else zero)
    result, factor, left = one, x, y
    while left > zero:
        if left % type(x)(2) != zero:
            result = type(x)(result * factor)
        factor = type(x)(factor * factor)
        left = type(x)(left // type(x)(2))
    return result


@formula
def _power_unsigned(x, y):
    one, zero, two = type(x)(1), type(x)(0), type(x)(2)
    result, factor, left = one, x, y
    while left > zero:
        if left % two != zero:
            result = type(x)(result * factor)
        factor = type(x)(factor * factor)
        left = type(x)(left // two)
    return result


@formula
def _maximum(x, y):
    return x if x >= y or x != x else y


@formula
def _minimum(x, y):
    return x if x <= y or x != x else y


@formula
def _fmax(x, y):
    return x if x >= y or y != y else y


@formula
def _fmin(x, y):
    return x if x <= y or y != y else y


_equal, _not_equal = formula(lambda x, y: x == y), formula(lambda x, y: x != y)
_less, _less_equal = formula(lambda x, y: x < y), formula(lambda x, y: x <= y)
_greater, _greater_equal = formula(lambda x, y: x > y), formula(lambda x, y: x >= y)


@formula
def _logical_and(x, y):
    return x != type(x)(0) and y != type(y)(0)


@formula
def _logical_or(x, y):
    return x != type(x)(0) or y != type(y)(0)


@formula
def _logical_xor(x, y):
    return (x != type(x)(0)) != (y != type(y)(0))


@formula
def _logical_not(x):
    return x == type(x)(0)


@formula
def _bitwise_and(x, y):
    return x & y


@formula
def _bitwise_or(x, y):
    return x | y


@formula
def _bitwise_xor(x, y):
    return x ^ y


@formula
def _invert(x):
    return ~x


@formula
def _never(x):
    return False


@formula
def _always(x):
    return True


def _float_only(function):
    return {"f": function}


#: By the ufunc's name, then by the kind of the loop's operands.
FORMULAS = {
    "copy": dict.fromkeys("biuf", _same),
    "positive": dict.fromkeys("iuf", _same), "negative": dict.fromkeys("iuf", _negative),
    "absolute": {"b": _same, "u": _same, "i": _absolute, "f": _absolute},
    "sign": {"i": _sign_integer, "u": _sign_integer, "f": _sign_float},
    "square": dict.fromkeys("iuf", _square), "exp2": _float_only(_exp2),
    "reciprocal": _float_only(_reciprocal),
    "rint": _float_only(_rint), "conjugate": dict.fromkeys("iuf", _same),
    "add": {"b": _logical_or, **dict.fromkeys("iuf", _add)}, "subtract": dict.fromkeys("iuf", _subtract),
    "multiply": {"b": _logical_and, **dict.fromkeys("iuf", _multiply)}, "divide": _float_only(_divide),
    "floor_divide": {"f": _floor_divide_float, **dict.fromkeys("iu", _floor_divide_integer)},
    "remainder": {"f": _remainder_float, **dict.fromkeys("iu", _remainder_integer)},
    "fmod": {"f": _fmod_float, "i": _fmod_integer, "u": _remainder_integer},
    "power": {"f": _power_float, "i": _power_integer, "u": _power_unsigned},
    "maximum": {"b": _logical_or, **dict.fromkeys("iuf", _maximum)}, "fmax": _float_only(_fmax),
    "minimum": {"b": _logical_and, **dict.fromkeys("iuf", _minimum)}, "fmin": _float_only(_fmin),
    "equal": dict.fromkeys("biuf", _equal), "not_equal": dict.fromkeys("biuf", _not_equal),
    "less": dict.fromkeys("biuf", _less), "less_equal": dict.fromkeys("biuf", _less_equal),
    "greater": dict.fromkeys("biuf", _greater), "greater_equal": dict.fromkeys("biuf", _greater_equal),
    "logical_and": dict.fromkeys("biuf", _logical_and), "logical_or": dict.fromkeys("biuf", _logical_or),
    "logical_xor": dict.fromkeys("biuf", _logical_xor), "logical_not": dict.fromkeys("biuf", _logical_not),
    "bitwise_and": {"b": _logical_and, **dict.fromkeys("iu", _bitwise_and)},
    "bitwise_or": {"b": _logical_or, **dict.fromkeys("iu", _bitwise_or)},
    "bitwise_xor": {"b": _logical_xor, **dict.fromkeys("iu", _bitwise_xor)},
    "invert": {"b": _logical_not, **dict.fromkeys("iu", _invert)},
    "isnan": {"f": math.isnan, **dict.fromkeys("biu", _never)},
    "isinf": {"f": math.isinf, **dict.fromkeys("biu", _never)},
    "isfinite": {"f": math.isfinite, **dict.fromkeys("biu", _always)},
    **{name: {"f": getattr(math, name), **dict.fromkeys("biu", _same)} for name in ("ceil", "floor", "trunc")},
    **{name: _float_only(getattr(math, name))
       for name in ("cos", "cosh", "erf", "erfc", "exp", "expm1", "log", "log1p", "log2", "log10", "sin", "sinh",
                    "sqrt", "tan", "tanh")},
    **{f"arc{name[1:]}": _float_only(getattr(math, name)) for name in ("acos", "acosh", "asin", "asinh", "atan",
                                                                     "atan2", "atanh")},
}  # fmt: skip


def formula_of(name, kind):
    """The formula of a ufunc for operands of a kind; None where there is none."""
    return FORMULAS.get(name, {}).get(kind)
