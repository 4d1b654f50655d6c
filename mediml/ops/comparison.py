"""Comparisons and logic: bool tensors, without gradient."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mediml.device import CPU
from mediml.ops.broadcasting import operands
from mediml.tensor import Tensor, from_array

__all__ = [
    "allclose", "bitwise_and", "bitwise_not", "bitwise_or", "bitwise_xor", "eq", "equal", "ge", "gt", "isclose",
    "isfinite", "isinf", "isnan", "le", "logical_and", "logical_not", "logical_or", "logical_xor", "lt", "ne",
]  # fmt: skip


def _named(function: Callable[..., Tensor], name: str, numpy_name: str) -> Callable[..., Tensor]:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"``numpy.{numpy_name}``, element by element, with broadcasting and torch's promotion."
    return function


def _binary(name: str, numpy_function: Callable[..., Any]) -> Callable[..., Tensor]:
    def comparison(input: Any, other: Any) -> Tensor:
        a, b = operands(name, input, other)
        return from_array(numpy_function(a._array, b._array), a.device)

    return _named(comparison, name, numpy_function.__name__)


def _unary(name: str, numpy_function: Callable[..., Any]) -> Callable[..., Tensor]:
    def test(input: Tensor) -> Tensor:
        return from_array(numpy_function(input._array), input.device)

    return _named(test, name, numpy_function.__name__)


eq, ne = _binary("eq", np.equal), _binary("ne", np.not_equal)
lt, le = _binary("lt", np.less), _binary("le", np.less_equal)
gt, ge = _binary("gt", np.greater), _binary("ge", np.greater_equal)
logical_and, logical_or = _binary("logical_and", np.logical_and), _binary("logical_or", np.logical_or)
logical_xor, logical_not = _binary("logical_xor", np.logical_xor), _unary("logical_not", np.logical_not)
bitwise_and, bitwise_or = _binary("bitwise_and", np.bitwise_and), _binary("bitwise_or", np.bitwise_or)
bitwise_xor, bitwise_not = _binary("bitwise_xor", np.bitwise_xor), _unary("bitwise_not", np.bitwise_not)
isnan, isinf, isfinite = _unary("isnan", np.isnan), _unary("isinf", np.isinf), _unary("isfinite", np.isfinite)


def isclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """|input - other| <= atol + rtol * |other|, element by element."""
    a, b = operands("isclose", input, other)
    return from_array(np.isclose(a._array, b._array, rtol, atol, equal_nan), a.device)


def allclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether `isclose` holds for all elements."""
    return bool(isclose(input, other, rtol, atol, equal_nan)._array.all())


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape and the same elements."""
    device = input.device if isinstance(input, Tensor) else CPU
    if not isinstance(other, Tensor) or not isinstance(input, Tensor) or other.device != device:
        raise TypeError("equal: expected two tensors on one device")
    return input.shape == other.shape and bool(np.array_equal(input._array, other._array))
