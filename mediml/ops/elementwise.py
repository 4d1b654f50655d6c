"""Element by element: arithmetic, powers, minima, choices; torch's names and torch's gradients."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediml import arrays
from mediml.autograd import record
from mediml.device import common_device
from mediml.ops.broadcasting import as_float, operands, sum_to_shape
from mediml.tensor import Tensor

__all__ = [
    "add", "atan2", "clamp", "clip", "div", "divide", "floor_divide", "fmod", "lerp", "maximum", "minimum", "mul",
    "multiply", "nan_to_num", "neg", "negative", "pow", "remainder", "rsub", "sub", "subtract", "true_divide", "where",
]  # fmt: skip

Array = NDArray[Any]


def add(input: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """input + alpha * other."""
    if alpha != 1:
        other = mul(other, alpha)
    a, b = operands("add", input, other)

    def backward(grad_y: Array) -> tuple[Array | None, Array | None]:
        return (
            sum_to_shape(grad_y, a.shape) if a.requires_grad else None,
            sum_to_shape(grad_y, b.shape) if b.requires_grad else None,
        )

    return record("add", a._array + b._array, (a, b), backward)


def sub(input: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """input - alpha * other."""
    if alpha != 1:
        other = mul(other, alpha)
    a, b = operands("sub", input, other)
    if a.dtype.kind == "b":
        raise TypeError("sub: not defined for bool tensors; use ^ or logical_xor")

    def backward(grad_y: Array) -> tuple[Array | None, Array | None]:
        return (
            sum_to_shape(grad_y, a.shape) if a.requires_grad else None,
            sum_to_shape(-grad_y, b.shape) if b.requires_grad else None,
        )

    return record("sub", a._array - b._array, (a, b), backward)


def rsub(input: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """other - alpha * input."""
    return sub(other, input, alpha=alpha)


def mul(input: Any, other: Any) -> Tensor:
    """input * other."""
    a, b = operands("mul", input, other)
    x, y = a._array, b._array

    def backward(grad_y: Array) -> tuple[Array | None, Array | None]:
        return (
            sum_to_shape(grad_y * y, x.shape) if a.requires_grad else None,
            sum_to_shape(grad_y * x, y.shape) if b.requires_grad else None,
        )

    # each factor's value is needed only for the other's gradient
    saved = (a if b.requires_grad else None, b if a.requires_grad else None)
    return record("mul", x * y, (a, b), backward, saved)


def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """input / other; with `rounding_mode` ``"floor"`` or ``"trunc"`` rounded, and then with the gradient 0."""
    if rounding_mode is not None:
        return _rounded_quotient(input, other, rounding_mode)
    a, b = operands("div", input, other, to_float=True)
    x, y = a._array, b._array

    def backward(grad_y: Array) -> tuple[Array | None, Array | None]:
        with np.errstate(all="ignore"):
            return (
                sum_to_shape(grad_y / y, x.shape) if a.requires_grad else None,
                sum_to_shape(-grad_y * (x / y) / y, y.shape) if b.requires_grad else None,
            )

    with np.errstate(all="ignore"):
        quotient = x / y
    return record("div", quotient, (a, b), backward, (a if b.requires_grad else None, b))


def _rounded_quotient(input: Any, other: Any, rounding_mode: str) -> Tensor:
    if rounding_mode not in ("floor", "trunc"):
        raise ValueError(f"div: rounding_mode expects None, 'floor' or 'trunc', got {rounding_mode!r}")
    a, b = operands("div", input, other)
    with np.errstate(all="ignore"):
        if rounding_mode == "floor":
            y = np.floor_divide(a._array, b._array)
        else:
            y = np.trunc(a._array / b._array).astype(a.dtype)
    # a step function: its gradient is 0 wherever it has one
    return record(
        "div",
        y,
        (a, b),
        lambda grad_y: (arrays.zeros(a.shape, a.dtype, grad_y), arrays.zeros(b.shape, b.dtype, grad_y)),
    )


def floor_divide(input: Any, other: Any) -> Tensor:
    """Largest whole number not above input / other; no gradient."""
    a, b = operands("floor_divide", input, other)
    _check_divisor("floor_divide", b)
    with np.errstate(all="ignore"):
        return record("floor_divide", np.floor_divide(a._array, b._array), (a, b), lambda grad_y: (None, None))


def _check_divisor(name: str, divisor: Tensor) -> None:
    """Refuse integers with a zero among them; on a GPU none is looked for, as that would copy to the host."""
    array = divisor._array
    if divisor.dtype.kind != "f" and not arrays.on_device(array) and not array.all():
        raise ZeroDivisionError(f"{name}: an integer tensor was divided by zero")


def _modulus(name: str, function: Any, quotient: Any, input: Any, other: Any) -> Tensor:
    a, b = operands(name, input, other)
    _check_divisor(name, b)
    x, y = a._array, b._array

    def backward(grad_y: Array) -> tuple[Array, Array | None]:
        return (
            sum_to_shape(grad_y, x.shape),
            sum_to_shape(-grad_y * quotient(x / y), y.shape) if b.requires_grad else None,
        )

    with np.errstate(all="ignore"):
        return record(name, function(x, y), (a, b), backward, (a, b))


def remainder(input: Any, other: Any) -> Tensor:
    """input - other * floor(input / other): the sign of `other`, as Python's ``%``."""
    return _modulus("remainder", np.remainder, np.floor, input, other)


def fmod(input: Any, other: Any) -> Tensor:
    """input - other * trunc(input / other): the sign of `input`, as C's fmod."""
    return _modulus("fmod", np.fmod, np.trunc, input, other)


def neg(input: Tensor) -> Tensor:
    """-input."""
    if input.dtype.kind == "b":
        raise TypeError("neg: not defined for bool tensors; use ~ or logical_not")
    return record("neg", -input._array, (input,), lambda grad_y: (-grad_y,))


def pow(input: Any, exponent: Any) -> Tensor:
    """input ** exponent, with gradients for both."""
    if not isinstance(exponent, Tensor) and isinstance(input, Tensor):
        return _pow_number(input, exponent)
    a, b = operands("pow", input, exponent)
    x, e = arrays.contiguous(a._array), arrays.contiguous(b._array)  # see _pow_number
    with np.errstate(all="ignore"):
        y = arrays.asarray(x**e)

    def backward(grad_y: Array) -> tuple[Array | None, Array | None]:
        with np.errstate(all="ignore"):
            grad_x = np.where(e == 0, 0, grad_y * e * x ** (e - 1)) if a.requires_grad else None
            grad_e = np.where((x == 0) & (e >= 0), 0, grad_y * y * np.log(x)) if b.requires_grad else None
        return (
            None if grad_x is None else sum_to_shape(grad_x, x.shape),
            None if grad_e is None else sum_to_shape(grad_e, e.shape),
        )

    return record("pow", y, (a, b), backward, (a, b), saves_output=b.requires_grad)


def _pow_number(x: Tensor, exponent: Any) -> Tensor:
    (x, _) = operands("pow", x, exponent)
    if x.dtype.kind != "f" and exponent < 0:
        raise ValueError("pow: an integer tensor cannot be raised to a negative power; use .float() first")
    array = arrays.contiguous(x._array)  # NumPy rounds powers differently in strided arrays
    with np.errstate(all="ignore"):
        y = array * array if exponent == 2 else np.power(array, np.asarray(exponent, array.dtype))

    def backward(grad_y: Array) -> tuple[Array]:
        if exponent == 0:
            return (np.zeros_like(array),)
        with np.errstate(all="ignore"):
            slope = array if exponent == 2 else np.power(array, np.asarray(exponent - 1, array.dtype))
            return (grad_y * (slope * np.asarray(exponent, array.dtype)),)

    return record("pow", y, (x,), backward, (x,))


def _extremum(name: str, function: Any, input: Any, other: Any) -> Tensor:
    a, b = operands(name, input, other)
    x, y = a._array, b._array
    result = function(x, y)

    def backward(grad_y: Array) -> tuple[Array, Array]:
        share = np.where(x == y, np.asarray(0.5, grad_y.dtype), np.asarray(1, grad_y.dtype))  # a tie is shared
        chosen = grad_y * share
        from_x = (x == result) | np.isnan(x)
        from_y = (y == result) | np.isnan(y)
        return sum_to_shape(np.where(from_x, chosen, 0), x.shape), sum_to_shape(np.where(from_y, chosen, 0), y.shape)

    return record(name, result, (a, b), backward, (a, b))


def maximum(input: Any, other: Any) -> Tensor:
    """The larger of two elements; NaN where one is NaN. The gradient of a tie is shared."""
    return _extremum("maximum", np.maximum, input, other)


def minimum(input: Any, other: Any) -> Tensor:
    """The smaller of two elements; NaN where one is NaN. The gradient of a tie is shared."""
    return _extremum("minimum", np.minimum, input, other)


def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Each element moved into [min, max]; numbers or tensors."""
    if min is None and max is None:
        raise ValueError("clamp: expected min, max or both, got neither")
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        low = input if min is None else maximum(input, min)
        return low if max is None else minimum(low, max)
    bounds = [bound for bound in (min, max) if bound is not None]
    (input, *_) = operands("clamp", input, *bounds)
    x = input._array
    y = x
    if min is not None:
        y = np.maximum(y, np.asarray(min, x.dtype))
    if max is not None:
        y = np.minimum(y, np.asarray(max, x.dtype))

    def backward(grad_y: Array) -> tuple[Array]:
        inside = x <= max if min is None else x >= min if max is None else (x >= min) & (x <= max)
        return (np.where(inside, grad_y, 0),)

    return record("clamp", y, (input,), backward, (input,))


def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """`input` where the condition holds, else `other`; with the condition alone, the indices where it holds."""
    array = condition._array if isinstance(condition, Tensor) else arrays.asarray(condition)
    if input is None and other is None:
        return record("where", tuple(np.nonzero(array)), (condition,), lambda *grads: (None,))
    if input is None or other is None:
        raise TypeError("where: expected both input and other, or neither")
    a, b = operands("where", input, other)
    common_device("where", *(t for t in (condition, input, other) if isinstance(t, Tensor) and t.ndim))

    def backward(grad_y: Array) -> tuple[Array, Array]:
        return sum_to_shape(np.where(array, grad_y, 0), a.shape), sum_to_shape(np.where(array, 0, grad_y), b.shape)

    return record("where", np.where(array, a._array, b._array), (a, b), backward)


def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """input + weight * (end - input)."""
    return add(input, mul(sub(end, input), weight))


def atan2(input: Any, other: Any) -> Tensor:
    """Angle of the point (other, input) in radians, in (-pi, pi]."""
    a, b = operands("atan2", input, other, to_float=True)
    y, x = a._array, b._array

    def backward(grad_y: Array) -> tuple[Array, Array]:
        with np.errstate(all="ignore"):
            scaled = grad_y / (x * x + y * y)
        return sum_to_shape(scaled * x, y.shape), sum_to_shape(-scaled * y, x.shape)

    return record("atan2", np.arctan2(y, x), (a, b), backward, (a, b))


def nan_to_num(input: Tensor, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Tensor:
    """NaN and the infinities replaced by numbers: by `nan`, and by the largest values of the dtype."""
    input = as_float(input)
    x = input._array
    return record(
        "nan_to_num",
        np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf),
        (input,),
        lambda grad_y: (np.where(np.isfinite(x), grad_y, 0),),
        (input,),
    )


true_divide = divide = div
multiply, subtract, negative, clip = mul, sub, neg, clamp
