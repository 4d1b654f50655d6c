"""Matrix products and linear layers under torch's names: arguments normalised, kernels called, gradients recorded."""

import math
from typing import Any

import numpy as np

from mediml.autograd import record
from mediml.device import backend, given
from mediml.ops.broadcasting import sum_to_shape
from mediml.tensor import Tensor

__all__ = ["bilinear", "linear", "matmul"]


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Every output a weighted sum of all inputs: y = input @ weight.T + bias.

    Parameters
    ----------
    input : Tensor of shape (*, F_in), float32 or float64
        Any number of axes, none included, before the features.
    weight : Tensor of shape (F_out, F_in) or (F_in,)
    bias : Tensor of shape (F_out,) or (), or any that broadcasts to the output, optional

    Returns
    -------
    Tensor of shape (*, F_out), or (*) for a `weight` of one axis, dtype of `input`

    Raises
    ------
    TypeError, ValueError
        As `kernels.linear.shapes.linear`; and for an `input` without axes.

    Notes
    -----
    Formula: ``kernels.linear.reference.linear_forward``.
    """
    kernels = backend("linear", input=input, weight=weight, **given(bias=bias))
    if input.ndim == 0 or weight.ndim not in (1, 2):
        raise ValueError(
            f"linear: expected an input of at least one axis and a weight of one or two, "
            f"got {tuple(input.shape)} and {tuple(weight.shape)}"
        )
    if weight.ndim == 1 or (bias is not None and bias.shape != weight.shape[:1]):
        product = matmul(input, weight) if weight.ndim == 1 else linear(input, weight)
        return product if bias is None else _add_bias(product, bias)
    rows = _rows(input._array)
    y = kernels.linear_forward(rows, weight._array, None if bias is None else bias._array)

    def backward(grad_y: Any) -> tuple[Any, ...]:
        grads = _rows(grad_y)
        return (
            kernels.linear_backward_x(grads, weight._array).reshape(input.shape) if input.requires_grad else None,
            kernels.linear_backward_weight(grads, rows) if weight.requires_grad else None,
            kernels.linear_backward_bias(grads) if bias is not None and bias.requires_grad else None,
        )

    y = y.reshape(*input.shape[:-1], weight.shape[0])
    return record("linear", y, (input, weight, bias), backward, saved=(input, weight))


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """A weighted sum of all products of an element of one input and an element of the other.

        y[..., f_out] = bias[f_out] + sum_{i, j} input1[..., i] * weight[f_out, i, j] * input2[..., j]

    Parameters
    ----------
    input1 : Tensor of shape (*, F_1), float32 or float64
    input2 : Tensor of shape (*, F_2)
        All axes but the last as those of `input1`.
    weight : Tensor of shape (F_out, F_1, F_2)
    bias : Tensor of shape (F_out,), optional

    Returns
    -------
    Tensor of shape (*, F_out), dtype of `input1`

    Raises
    ------
    TypeError, ValueError
        If dtypes differ, or shapes do not fit.
    """
    backend("linear", input1=input1, input2=input2, weight=weight, **given(bias=bias))  # checks types and devices
    if weight.ndim != 3 or input1.ndim == 0 or input1.shape[:-1] != input2.shape[:-1]:
        raise ValueError(
            f"bilinear: expected inputs that differ in their last axis only, and a weight of three axes, "
            f"got {tuple(input1.shape)}, {tuple(input2.shape)} and {tuple(weight.shape)}"
        )
    F_out, F_1, F_2 = weight.shape  # noqa: N806 - the symbols of the formula
    if (input1.shape[-1], input2.shape[-1]) != (F_1, F_2):
        raise ValueError(
            f"bilinear: weight {tuple(weight.shape)} expects {F_1} and {F_2} features, "
            f"got {input1.shape[-1]} and {input2.shape[-1]}"
        )
    if bias is not None and bias.shape != (F_out,):
        raise ValueError(f"bilinear: bias expects the shape {(F_out,)}, got {tuple(bias.shape)}")
    N = math.prod(input1.shape[:-1])  # noqa: N806
    weighted = matmul(input1.reshape(N, F_1), weight.permute(1, 0, 2).reshape(F_1, F_out * F_2))
    y = matmul(weighted.reshape(N, F_out, F_2), input2.reshape(N, F_2, 1)).reshape(*input1.shape[:-1], F_out)
    return y if bias is None else y + bias


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """Matrix product of vectors, matrices or stacks of matrices.

    Parameters
    ----------
    input : Tensor of shape (K,) or (*, M, K)
    other : Tensor of shape (K,) or (*, K, N)
        The axes before the last two broadcast. A vector counts as a row on the left, as a column on the right; its axis
        of size 1 is not in the result.

    Returns
    -------
    Tensor of shape (*, M, N), dtype of `input`

    Raises
    ------
    TypeError, ValueError
        As `kernels.linear.shapes.matmul`; and for a tensor without axes, or stacks that do not broadcast.

    Notes
    -----
    Formula: ``kernels.linear.reference.matmul_forward``. Integers are multiplied by NumPy and have no gradient.
    """
    kernels = backend("linear", input=input, other=other)
    _check_operands(input, other)
    if not input.is_floating_point():
        return record("matmul", input._array @ other._array, (input, other), lambda grad_y: (None, None))
    a = input._array[None] if input.ndim == 1 else input._array
    b = other._array[:, None] if other.ndim == 1 else other._array
    stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    left, right = _stacks(a, b, stack)
    y_shape = (*stack, a.shape[-2], b.shape[-1])
    y = kernels.matmul_forward(left, right)

    def backward(grad_y: Any) -> tuple[Any, ...]:
        grads = grad_y.reshape(y.shape)
        grad_a = grad_b = None
        if input.requires_grad:
            grad_a = kernels.matmul_backward_a(grads, right).reshape(*stack, *a.shape[-2:])
            grad_a = sum_to_shape(grad_a, a.shape).reshape(input.shape)
        if other.requires_grad:
            whole = kernels.matmul_backward_b(grads, left)
            grad_b = whole if b.ndim == 2 and len(whole) == 1 else whole.reshape(*stack, *b.shape[-2:])
            grad_b = sum_to_shape(grad_b, b.shape).reshape(other.shape)
        return grad_a, grad_b

    dropped = tuple(axis for axis, vector in ((-2, input.ndim == 1), (-1, other.ndim == 1)) if vector)
    output = y.reshape(y_shape).squeeze(dropped) if dropped else y.reshape(y_shape)
    return record("matmul", output, (input, other), backward, saved=(input, other))


def _stacks(a: Any, b: Any, stack: tuple[int, ...]) -> tuple[Any, Any]:
    """Both operands with three axes. Where all matrices meet one and the same, they are stacked to one tall matrix."""
    if b.ndim == 2:
        return a.reshape(1, math.prod(a.shape[:-1]), a.shape[-1]), b[None]
    count = math.prod(stack)
    a, b = (np.broadcast_to(m, (*stack, *m.shape[-2:])).reshape(count, *m.shape[-2:]) for m in (a, b))
    return a, b


def _check_operands(input: Tensor, other: Tensor) -> None:
    if input.ndim == 0 or other.ndim == 0:
        raise ValueError(
            f"matmul: expected tensors of at least one axis, got shapes {tuple(input.shape)} and {tuple(other.shape)}"
        )
    if input.dtype != other.dtype:
        raise TypeError(f"matmul: expected one dtype, got {input.dtype} and {other.dtype}; convert one with .to()")
    shapes = f"{tuple(input.shape)} and {tuple(other.shape)}"
    if input.shape[-1] != other.shape[-1 if other.ndim == 1 else -2]:
        raise ValueError(f"matmul: expected as many columns on the left as rows on the right, got shapes {shapes}")
    try:
        np.broadcast_shapes(input.shape[:-2], other.shape[:-2])
    except ValueError:
        raise ValueError(f"matmul: stacks of matrices cannot be broadcast together, got shapes {shapes}") from None


def _add_bias(product: Tensor, bias: Tensor) -> Tensor:
    try:
        fits = np.broadcast_shapes(product.shape, bias.shape) == tuple(product.shape)
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"linear: bias expects a shape that broadcasts to the output {tuple(product.shape)}, "
            f"got {tuple(bias.shape)}"
        )
    if bias.dtype != product.dtype:
        raise TypeError(f"linear: bias expects {product.dtype}, got {bias.dtype}")
    return product + bias


def _rows(array: Any) -> Any:
    """All axes before the features as one."""
    return array.reshape(math.prod(array.shape[:-1]), array.shape[-1])
