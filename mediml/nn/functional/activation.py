"""Activations of single elements under torch's names; those along an axis stand in ``softmax.py``.

A function with `inplace` writes its result into `input` and returns `input`. Formulas: `kernels.activation.reference`.
"""

from typing import Any

import numpy as np

from mediml.autograd import is_grad_enabled, record
from mediml.device import backend
from mediml.dtypes import dtype_name
from mediml.ops.broadcasting import as_float
from mediml.random import uniform_array
from mediml.tensor import Tensor, from_array

__all__ = [
    "celu", "celu_", "elu", "elu_", "gelu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "hardtanh_",
    "leaky_relu", "leaky_relu_", "logsigmoid", "mish", "prelu", "relu", "relu6", "relu_", "rrelu", "rrelu_", "selu",
    "selu_", "sigmoid", "silu", "softplus", "softshrink", "softsign", "tanh", "tanhshrink", "threshold", "threshold_",
]  # fmt: skip

#: alpha and scale of selu, with which activations keep mean 0 and variance 1 (G. Klambauer et al., arXiv:1706.02515).
SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(0, x); NaN stays NaN. The gradient at 0 is 0. Integers are allowed, bool is not."""
    if _is_integer(input):
        return _result(input, np.maximum(input._array, input.dtype.type(0)), inplace)
    return _pointwise("relu", input, inplace=inplace, reads_output=True)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(0, x), 6). Integers are allowed, bool is not."""
    return _hardtanh("relu6", input, 0.0, 6.0, inplace)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where x > 0, else negative_slope * x."""
    return _pointwise("leaky_relu", input, (negative_slope,), inplace)


def rrelu(
    input: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """x where x > 0, else a * x; a is drawn from [lower, upper) for each element, or their middle outside training.

    Raises
    ------
    ValueError
        If `lower` is above `upper`, or one of them is not finite.
    """
    if not (np.isfinite(lower) and np.isfinite(upper) and lower <= upper):
        raise ValueError(f"rrelu: expected finite bounds with lower <= upper, got lower {lower} and upper {upper}")
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    _require_float("rrelu", input)
    drawn = (lower + (upper - lower) * uniform_array(input.shape, np.float64, input.device)).astype(input.dtype)
    slopes = np.where(input._array <= 0, drawn, input.dtype.type(1))
    result = (input.clone() if inplace else input) * from_array(slopes, input.device)
    return input._overwrite(result) if inplace else result


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where x > 0, else weight[c] * x with the learned slope of channel c (axis 1), or the only slope.

    Parameters
    ----------
    input : Tensor of shape (N, C, …), or any with a single slope
    weight : Tensor of shape (C,), (1,) or (), dtype of `input`
    """
    kernels = backend("activation", input=input, weight=weight)
    _require_float("prelu", input)
    if weight.ndim > 1:
        raise ValueError(f"prelu: weight expects 0 or 1 dimensions, got shape {tuple(weight.shape)}")
    slopes = weight.reshape(weight.numel())
    x, w = input._array, slopes._array

    def backward(grad_y: Any) -> tuple[Any, Any]:
        grad_x = kernels.prelu_backward_x(grad_y, x, w) if input.requires_grad else None
        return grad_x, kernels.prelu_backward_weight(grad_y, x, w) if slopes.requires_grad else None

    inputs = (input, slopes)
    return record("prelu", kernels.prelu_forward(x, w), inputs, backward, saved=inputs)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else alpha * (e^x - 1)."""
    return _elu("elu", input, alpha, 1.0, 1.0, inplace)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """scale * x where x > 0, else scale * alpha * (e^x - 1), with the constants SELU_ALPHA and SELU_SCALE."""
    return _elu("selu", input, SELU_ALPHA, SELU_SCALE, 1.0, inplace)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else alpha * (e^(x / alpha) - 1). Raises ValueError for alpha 0."""
    if alpha == 0:
        raise ValueError("celu: alpha expects a number other than 0, by which x is divided, got 0")
    return _elu("celu", input, alpha, 1.0, 1.0 / alpha, inplace)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x times the probability that a standard normal number is below x; `approximate` "tanh" is a cheaper formula."""
    return _pointwise("gelu", input, (approximate,))


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x * sigmoid(x), called swish, too."""
    return _pointwise("silu", input, inplace=inplace)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * tanh(softplus(x))."""
    return _pointwise("mish", input, inplace=inplace)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """ln(1 + e^(beta * x)) / beta, and x itself where beta * x > threshold."""
    return _pointwise("softplus", input, (beta, threshold))


def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + e^-x). Integers count as the default floating dtype."""
    return _pointwise("sigmoid", _as_float(input), reads_output=True)


def logsigmoid(input: Tensor) -> Tensor:
    """ln(1 / (1 + e^-x)), exact for large negative x, too."""
    return _pointwise("logsigmoid", input)


def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent. Integers count as the default floating dtype."""
    return _pointwise("tanh", _as_float(input), reads_output=True)


def tanhshrink(input: Tensor) -> Tensor:
    """x - tanh(x). Integers count as the default floating dtype; bool is refused."""
    return _pointwise("tanhshrink", _as_float(input, allow_bool=False))


def softsign(input: Tensor) -> Tensor:
    """x / (1 + |x|). Integers count as the default floating dtype; bool is refused."""
    return _pointwise("softsign", _as_float(input, allow_bool=False))


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """x between min_val and max_val, and these beyond. Integers are allowed, bool is not."""
    return _hardtanh("hardtanh", input, min_val, max_val, inplace)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x + 3, 0), 6) / 6."""
    return _pointwise("hardsigmoid", input, inplace=inplace)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * hardsigmoid(x)."""
    return _pointwise("hardswish", input, inplace=inplace)


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x where |x| > lambd, else 0."""
    return _pointwise("hardshrink", input, (lambd,))


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x moved towards 0 by lambd, and 0 where |x| <= lambd. Raises ValueError for a negative lambd."""
    if not lambd >= 0:
        raise ValueError(f"softshrink: lambd expects a number of at least 0, got {lambd}")
    return _pointwise("softshrink", input, (lambd,))


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where x > threshold, else value. Integers are allowed, bool is not."""
    return _threshold(input, threshold, value, inplace)


def relu_(input: Tensor) -> Tensor:
    """`relu`, in place."""
    return relu(input, inplace=True)


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """`leaky_relu`, in place."""
    return leaky_relu(input, negative_slope, inplace=True)


def rrelu_(input: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False) -> Tensor:
    """`rrelu`, in place."""
    return rrelu(input, lower, upper, training, inplace=True)


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """`elu`, in place."""
    return elu(input, alpha, inplace=True)


def selu_(input: Tensor) -> Tensor:
    """`selu`, in place."""
    return selu(input, inplace=True)


def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """`celu`, in place."""
    return celu(input, alpha, inplace=True)


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """`hardtanh`, in place."""
    return hardtanh(input, min_val, max_val, inplace=True)


def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """`threshold`, in place."""
    return _threshold(input, threshold, value, inplace=True)


def _pointwise(
    name: str,
    input: Tensor,
    parameters: tuple[Any, ...] = (),
    inplace: bool = False,
    reads_output: bool = False,
    gradient_parameters: tuple[Any, ...] | None = None,
    shown: str | None = None,
) -> Tensor:
    """Apply ``<name>_forward`` of the back end, record ``<name>_backward_x``; it reads the output or the input."""
    kernels = backend("activation", input=input)
    _require_float(shown or name, input)
    forward, backward_x = getattr(kernels, f"{name}_forward"), getattr(kernels, f"{name}_backward_x")
    copies = inplace and not reads_output and is_grad_enabled() and input.requires_grad
    source = input.clone() if copies else input  # the gradient reads the values that are about to be overwritten
    y = forward(source._array, *parameters)
    read = y if reads_output else source._array
    options = parameters if gradient_parameters is None else gradient_parameters

    def backward(grad_y: Any) -> tuple[Any]:
        return (backward_x(grad_y, read, *options),)

    saved = () if reads_output else (source,)
    result = record(shown or name, y, (source,), backward, saved, saves_output=reads_output)
    return input._overwrite(result) if inplace else result


def _elu(name: str, input: Tensor, alpha: float, scale: float, input_scale: float, inplace: bool) -> Tensor:
    return _pointwise("elu", input, (alpha, scale, input_scale), inplace, shown=name)


def _threshold(input: Tensor, threshold: float, value: float, inplace: bool) -> Tensor:
    if _is_integer(input):
        return _result(input, np.where(input._array > threshold, input._array, input.dtype.type(value)), inplace)
    return _pointwise("threshold", input, (threshold, value), inplace, gradient_parameters=(threshold,))


def _hardtanh(name: str, input: Tensor, min_val: float, max_val: float, inplace: bool) -> Tensor:
    if min_val > max_val:
        raise ValueError(f"{name}: expected min_val <= max_val, got min_val {min_val} and max_val {max_val}")
    if _is_integer(input):
        return _result(input, np.clip(input._array, int(min_val), int(max_val)), inplace)
    return _pointwise("hardtanh", input, (min_val, max_val), inplace, shown=name)


def _is_integer(input: Tensor) -> bool:
    backend("activation", input=input)
    return input.dtype.kind in "iu"


def _result(input: Tensor, array: Any, inplace: bool) -> Tensor:
    result = from_array(array, input.device)
    return input._overwrite(result) if inplace else result


def _as_float(input: Tensor, allow_bool: bool = True) -> Tensor:
    backend("activation", input=input)
    return as_float(input) if allow_bool or input.dtype.kind != "b" else input


def _require_float(name: str, input: Tensor) -> None:
    if not input.is_floating_point():
        raise TypeError(f"{name}: input expects float32 or float64, got {dtype_name(input.dtype)}; use input.float()")
