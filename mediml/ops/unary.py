"""Functions of one element, as a table: the function, and its derivative from input x and result y."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mediml.autograd import record
from mediml.ops.broadcasting import as_float
from mediml.tensor import Tensor

Array = NDArray[Any]


def _error_function(name: str) -> Callable[[Array], Any]:
    def function(x: Array) -> Any:
        from scipy import special  # here: its import takes as long as everything else together

        return getattr(special, name)(x)

    return function


class _Unary(NamedTuple):
    formula: str
    function: Callable[[Array], Any]
    derivative: Callable[[Array, Array], Any]


TABLE: dict[str, _Unary] = {
    "abs": _Unary("|x|", np.abs, lambda x, y: np.sign(x)),
    "exp": _Unary("e^x", np.exp, lambda x, y: y),
    "exp2": _Unary("2^x", np.exp2, lambda x, y: y * np.log(2.0).astype(x.dtype)),
    "expm1": _Unary("e^x - 1", np.expm1, lambda x, y: y + 1),
    "log": _Unary("ln x", np.log, lambda x, y: 1 / x),
    "log2": _Unary("log2 x", np.log2, lambda x, y: 1 / (x * np.log(2.0).astype(x.dtype))),
    "log10": _Unary("log10 x", np.log10, lambda x, y: 1 / (x * np.log(10.0).astype(x.dtype))),
    "log1p": _Unary("ln(1 + x)", np.log1p, lambda x, y: 1 / (1 + x)),
    "sqrt": _Unary("x^(1/2)", np.sqrt, lambda x, y: 0.5 / y),
    "rsqrt": _Unary("x^(-1/2)", lambda x: 1 / np.sqrt(x), lambda x, y: -0.5 * y * y * y),
    "square": _Unary("x^2", np.square, lambda x, y: 2 * x),
    "reciprocal": _Unary("1 / x", lambda x: 1 / x, lambda x, y: -y * y),
    "sin": _Unary("sin x, x in radians", np.sin, lambda x, y: np.cos(x)),
    "cos": _Unary("cos x, x in radians", np.cos, lambda x, y: -np.sin(x)),
    "tan": _Unary("tan x, x in radians", np.tan, lambda x, y: 1 + y * y),
    "asin": _Unary("arcsin x, in radians", np.arcsin, lambda x, y: 1 / np.sqrt(1 - x * x)),
    "acos": _Unary("arccos x, in radians", np.arccos, lambda x, y: -1 / np.sqrt(1 - x * x)),
    "atan": _Unary("arctan x, in radians", np.arctan, lambda x, y: 1 / (1 + x * x)),
    "sinh": _Unary("sinh x", np.sinh, lambda x, y: np.cosh(x)),
    "cosh": _Unary("cosh x", np.cosh, lambda x, y: np.sinh(x)),
    "asinh": _Unary("arsinh x", np.arcsinh, lambda x, y: 1 / np.sqrt(x * x + 1)),
    "acosh": _Unary("arcosh x", np.arccosh, lambda x, y: 1 / np.sqrt(x * x - 1)),
    "atanh": _Unary("artanh x", np.arctanh, lambda x, y: 1 / (1 - x * x)),
    "erf": _Unary("erf x", _error_function("erf"), lambda x, y: 2 / np.sqrt(np.pi).astype(x.dtype) * np.exp(-x * x)),
    "erfc": _Unary(
        "1 - erf x", _error_function("erfc"), lambda x, y: -2 / np.sqrt(np.pi).astype(x.dtype) * np.exp(-x * x)
    ),
    "sign": _Unary("-1, 0 or 1", np.sign, lambda x, y: np.zeros_like(x)),
    "floor": _Unary("the whole number not above x", np.floor, lambda x, y: np.zeros_like(x)),
    "ceil": _Unary("the whole number not below x", np.ceil, lambda x, y: np.zeros_like(x)),
    "trunc": _Unary("x without its fraction", np.trunc, lambda x, y: np.zeros_like(x)),
    "frac": _Unary("x - trunc(x)", lambda x: x - np.trunc(x), lambda x, y: np.ones_like(x)),
}

#: The derivative reads the result only; the others read the argument.
_READS_RESULT = frozenset({"exp", "exp2", "expm1", "sqrt", "rsqrt", "reciprocal", "tan"})

#: Defined for integers as well, and then give integers.
_KEEPS_INTEGERS = frozenset({"abs", "square", "sign", "floor", "ceil", "trunc"})

__all__ = [*TABLE, "absolute", "round"]  # noqa: PLE0604 - the table's names are strings


def _make(name: str) -> Callable[[Tensor], Tensor]:
    formula, function, derivative = TABLE[name]

    def unary(input: Tensor) -> Tensor:
        if not isinstance(input, Tensor):
            raise TypeError(f"{name}: expected a mediml.Tensor, got {type(input).__name__}")
        tensor = input if name in _KEEPS_INTEGERS else as_float(input)
        x = tensor._array
        with np.errstate(all="ignore"):
            y = np.asarray(function(x), x.dtype)

        def backward(grad_y: Array) -> tuple[Array]:
            with np.errstate(all="ignore"):
                return (grad_y * derivative(x, y),)

        reads_result = name in _READS_RESULT
        return record(name, y, (tensor,), backward, () if reads_result else (tensor,), saves_output=reads_result)

    unary.__name__ = unary.__qualname__ = name
    unary.__doc__ = f"{formula}, element by element; outside its domain nan or an infinity, as NumPy."
    return unary


globals().update({name: _make(name) for name in TABLE})
absolute = globals()["abs"]


def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """The nearest number with `decimals` decimals, halves to the even one; the gradient is 0."""
    y = np.asarray(np.round(input._array, decimals), input.dtype)
    return record("round", y, (input,), lambda grad_y: (np.zeros_like(grad_y),))
