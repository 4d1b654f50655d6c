"""Functions of one element, each on a line: the function, and its derivative from input x and result y."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediml import arrays
from mediml.autograd import record
from mediml.ops.broadcasting import as_float
from mediml.tensor import Tensor

__all__ = [
    "abs", "absolute", "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "cos", "cosh", "erf", "erfc",
    "exp", "exp2", "expm1", "floor", "frac", "log", "log1p", "log2", "log10", "reciprocal", "round", "rsqrt",
    "sign", "sin", "sinh", "sqrt", "square", "tan", "trunc",
]  # fmt: skip

Array = NDArray[Any]


def _error_function(name: str) -> Callable[[Array], Any]:
    def function(x: Array) -> Any:
        from scipy import special  # here: its import takes as long as everything else together

        return getattr(special, name)(x)

    return function


def _unary(
    name: str,
    formula: str,
    function: Callable[[Array], Any],
    derivative: Callable[[Array, Array], Any],
    reads_result: bool = False,
    keeps_integers: bool = False,
) -> Callable[[Tensor], Tensor]:
    """A function of one element.

    `derivative` gets the argument x and the result y, and reads y alone if `reads_result`, else x alone.
    `keeps_integers`: integers in, integers out; otherwise they become the default float first.
    """

    def unary(input: Tensor) -> Tensor:
        if not isinstance(input, Tensor):
            raise TypeError(f"{name}: expected a mediml.Tensor, got {type(input).__name__}")
        tensor = input if keeps_integers else as_float(input)
        x = arrays.contiguous(tensor._array)  # NumPy rounds some functions differently in strided arrays
        with np.errstate(all="ignore"):
            y = arrays.asarray(function(x), x.dtype)

        def backward(grad_y: Array) -> tuple[Array]:
            with np.errstate(all="ignore"):
                return (grad_y * derivative(x, y),)

        return record(name, y, (tensor,), backward, () if reads_result else (tensor,), saves_output=reads_result)

    unary.__name__ = unary.__qualname__ = name
    unary.__doc__ = f"{formula}, element by element; outside its domain nan or an infinity, as NumPy."
    return unary


abs = _unary("abs", "|x|", np.abs, lambda x, y: np.sign(x), keeps_integers=True)
exp = _unary("exp", "e^x", np.exp, lambda x, y: y, reads_result=True)
exp2 = _unary("exp2", "2^x", np.exp2, lambda x, y: y * np.log(2.0).astype(x.dtype), reads_result=True)
expm1 = _unary("expm1", "e^x - 1", np.expm1, lambda x, y: y + 1, reads_result=True)
log = _unary("log", "ln x", np.log, lambda x, y: 1 / x)
log2 = _unary("log2", "log2 x", np.log2, lambda x, y: 1 / (x * np.log(2.0).astype(x.dtype)))
log10 = _unary("log10", "log10 x", np.log10, lambda x, y: 1 / (x * np.log(10.0).astype(x.dtype)))
log1p = _unary("log1p", "ln(1 + x)", np.log1p, lambda x, y: 1 / (1 + x))
sqrt = _unary("sqrt", "x^(1/2)", np.sqrt, lambda x, y: 0.5 / y, reads_result=True)
rsqrt = _unary("rsqrt", "x^(-1/2)", lambda x: 1 / np.sqrt(x), lambda x, y: -0.5 * y * y * y, reads_result=True)
square = _unary("square", "x^2", np.square, lambda x, y: 2 * x, keeps_integers=True)
reciprocal = _unary("reciprocal", "1 / x", lambda x: 1 / x, lambda x, y: -y * y, reads_result=True)
sin = _unary("sin", "sin x, x in radians", np.sin, lambda x, y: np.cos(x))
cos = _unary("cos", "cos x, x in radians", np.cos, lambda x, y: -np.sin(x))
tan = _unary("tan", "tan x, x in radians", np.tan, lambda x, y: 1 + y * y, reads_result=True)
asin = _unary("asin", "arcsin x, in radians", np.arcsin, lambda x, y: 1 / np.sqrt(1 - x * x))
acos = _unary("acos", "arccos x, in radians", np.arccos, lambda x, y: -1 / np.sqrt(1 - x * x))
atan = _unary("atan", "arctan x, in radians", np.arctan, lambda x, y: 1 / (1 + x * x))
sinh = _unary("sinh", "sinh x", np.sinh, lambda x, y: np.cosh(x))
cosh = _unary("cosh", "cosh x", np.cosh, lambda x, y: np.sinh(x))
asinh = _unary("asinh", "arsinh x", np.arcsinh, lambda x, y: 1 / np.sqrt(x * x + 1))
acosh = _unary("acosh", "arcosh x", np.arccosh, lambda x, y: 1 / np.sqrt(x * x - 1))
atanh = _unary("atanh", "artanh x", np.arctanh, lambda x, y: 1 / (1 - x * x))
erf = _unary("erf", "erf x", _error_function("erf"), lambda x, y: 2 / np.sqrt(np.pi).astype(x.dtype) * np.exp(-x * x))
erfc = _unary(
    "erfc", "1 - erf x", _error_function("erfc"), lambda x, y: -2 / np.sqrt(np.pi).astype(x.dtype) * np.exp(-x * x)
)
sign = _unary("sign", "-1, 0 or 1", np.sign, lambda x, y: np.zeros_like(x), keeps_integers=True)
floor = _unary("floor", "the whole number not above x", np.floor, lambda x, y: np.zeros_like(x), keeps_integers=True)
ceil = _unary("ceil", "the whole number not below x", np.ceil, lambda x, y: np.zeros_like(x), keeps_integers=True)
trunc = _unary("trunc", "x without its fraction", np.trunc, lambda x, y: np.zeros_like(x), keeps_integers=True)
frac = _unary("frac", "x - trunc(x)", lambda x: x - np.trunc(x), lambda x, y: np.ones_like(x))
absolute = abs


def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """The nearest number with `decimals` decimals, halves to the even one; the gradient is 0."""
    y = arrays.asarray(np.round(input._array, decimals), input.dtype)
    return record("round", y, (input,), lambda grad_y: (np.zeros_like(grad_y),))
