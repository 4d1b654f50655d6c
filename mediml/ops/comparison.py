"""Comparisons and logic: bool tensors, without gradient."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mediml.device import CPU
from mediml.ops.broadcasting import operands
from mediml.tensor import Tensor, from_array

_BINARY = {
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
    "logical_and": np.logical_and, "logical_or": np.logical_or, "logical_xor": np.logical_xor,
    "bitwise_and": np.bitwise_and, "bitwise_or": np.bitwise_or, "bitwise_xor": np.bitwise_xor,
}  # fmt: skip
_UNARY = {
    "isnan": np.isnan, "isinf": np.isinf, "isfinite": np.isfinite,
    "logical_not": np.logical_not, "bitwise_not": np.bitwise_not,
}  # fmt: skip

__all__ = [*_BINARY, *_UNARY, "allclose", "equal", "isclose"]  # noqa: PLE0604 - the tables' names are strings


def _make(name: str, function: Callable[..., Any], arity: int) -> Callable[..., Tensor]:
    def comparison(input: Any, other: Any) -> Tensor:
        a, b = operands(name, input, other)
        return from_array(function(a._array, b._array), a.device)

    def test(input: Tensor) -> Tensor:
        return from_array(function(input._array), input.device)

    made: Callable[..., Tensor] = comparison if arity == 2 else test
    made.__name__ = made.__qualname__ = name
    made.__doc__ = f"``numpy.{function.__name__}``, element by element, with broadcasting and torch's promotion."
    return made


globals().update({name: _make(name, function, 2) for name, function in _BINARY.items()})
globals().update({name: _make(name, function, 1) for name, function in _UNARY.items()})


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
