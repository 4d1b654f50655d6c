"""Losses for classes under torch's names: arguments normalised, kernels called, gradients recorded.

Errors of numbers stand in ``error_loss.py``, losses with margins and of distributions in ``margin_loss.py`` and
``distribution_loss.py``.
"""

from typing import Any

import numpy as np

from mediml import arrays
from mediml.autograd import record
from mediml.device import backend, given
from mediml.dtypes import promote_types
from mediml.nn.functional.reduction import reduction_name
from mediml.ops.broadcasting import operands
from mediml.tensor import Tensor

__all__ = ["binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "nll_loss"]


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross entropy of scores with class indices, or with class probabilities where `target` has the input's shape.

    Parameters
    ----------
    input : Tensor of shape (C,), (N, C) or (N, C, d_1, d_2, …), float32 or float64
        Scores (logits): do not apply softmax before.
    target : Tensor of shape (), (N,) or (N, d_1, d_2, …), int64 (or uint8); or of the shape of `input`, floating
        Classes from 0 to C - 1, or `ignore_index`; or a probability for each class.
    weight : Tensor of shape (C,), optional
        Weight of each class.
    size_average, reduce : bool, optional
        Deprecated; they overrule `reduction` as in torch.
    ignore_index : int
        Positions with this target count for nothing. Only with class indices.
    reduction : str
        ``"none"``, ``"mean"`` (over the weights of the targets, or over the positions for probabilities) or ``"sum"``.
    label_smoothing : float
        In [0, 1]: the share of the target that is spread evenly over all classes.

    Returns
    -------
    Tensor, dtype of `input`
        One number, or for ``"none"`` the shape of the class indices. The mean of nothing is NaN.

    Raises
    ------
    IndexError
        (Also a ValueError.) If a target is no class.
    TypeError, ValueError
        If dtypes, shapes or options do not fit.

    Notes
    -----
    Formula and gradient: ``kernels.loss.reference.cross_entropy_forward``.
    """
    kernels = backend("loss", input=input, target=target, **given(weight=weight))
    reduction = reduction_name(reduction, size_average, reduce)
    if target.shape == input.shape and input.ndim:
        return _soft_cross_entropy(kernels, input, target, weight, ignore_index, reduction, label_smoothing)
    x, t, shape = _batched("cross_entropy", input, target)
    w = None if weight is None else weight._array
    options = (ignore_index, label_smoothing, reduction)
    y, *saved = kernels.cross_entropy_forward(x, t, w, *options)

    def backward(grad_y: Any) -> tuple[Any, None, None]:
        grad = arrays.asarray(grad_y).reshape(y.shape)
        return kernels.cross_entropy_backward_x(grad, x, t, w, *options, *saved).reshape(input.shape), None, None

    output = y.reshape(shape) if reduction == "none" else y
    return record("cross_entropy", output, (input, target, weight), backward, (input, target, weight))


def _soft_cross_entropy(
    kernels: Any,
    input: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    label_smoothing: float,
) -> Tensor:
    if not target.is_floating_point():
        raise TypeError(
            f"cross_entropy: a target of the input's shape {tuple(input.shape)} holds class probabilities and is "
            f"expected to be floating, got {target.dtype}; for class indices leave the class axis out"
        )
    if ignore_index >= 0:
        raise ValueError(f"cross_entropy: ignore_index ({ignore_index}) is for class indices, got probabilities")
    dtype = promote_types(input.dtype, target.dtype)
    dtype = dtype if weight is None else promote_types(dtype, weight.dtype)
    input, target = input.to(dtype), target.to(dtype)
    shape = (1, *input.shape) if input.ndim == 1 else tuple(input.shape)
    x, p = input._array.reshape(shape), target._array.reshape(shape)
    w = None if weight is None else weight._array.astype(dtype, copy=False)
    y, log_sum_exp = kernels.soft_cross_entropy_forward(x, p, w, label_smoothing, reduction)

    def backward(grad_y: Any) -> tuple[Any, Any, None]:
        grad, options = arrays.asarray(grad_y).reshape(y.shape), (w, label_smoothing, reduction, log_sum_exp)
        grad_x = grad_p = None
        if input.requires_grad:
            grad_x = kernels.soft_cross_entropy_backward_x(grad, x, p, *options).reshape(input.shape)
        if target.requires_grad:
            grad_p = kernels.soft_cross_entropy_backward_target(grad, x, *options).reshape(input.shape)
        return grad_x, grad_p, None

    output = y.reshape(()) if input.ndim == 1 else y
    return record("cross_entropy", output, (input, target, weight), backward, (input, target, weight))


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Negative log-likelihood of class indices: `cross_entropy` for an input that already is a log-softmax.

    Parameters and errors as `cross_entropy`, without probabilities as targets and without smoothing.
    """
    kernels = backend("loss", input=input, target=target, **given(weight=weight))
    reduction = reduction_name(reduction, size_average, reduce)
    x, t, shape = _batched("nll_loss", input, target)
    w = None if weight is None else weight._array
    y, weight_sum = kernels.nll_loss_forward(x, t, w, ignore_index, reduction)

    def backward(grad_y: Any) -> tuple[Any, None, None]:
        grad = arrays.asarray(grad_y).reshape(y.shape)
        grad_x = kernels.nll_loss_backward_x(grad, x, t, w, ignore_index, reduction, weight_sum)
        return grad_x.reshape(input.shape), None, None

    output = y.reshape(shape) if reduction == "none" else y
    return record("nll_loss", output, (input, target, weight), backward, (input, target, weight))


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Cross entropy of probabilities `input` with probabilities `target`.

    Parameters
    ----------
    input, target : Tensor of one shape and dtype, float32 or float64
        In [0, 1]. For scores use `binary_cross_entropy_with_logits`, which is exact where this one saturates.
    weight : Tensor, optional
        Weight of each element; broadcast to the shape of `input`.
    size_average, reduce : bool, optional
        Deprecated; they overrule `reduction` as in torch.
    reduction : str
        ``"none"``, ``"mean"`` (over the elements) or ``"sum"``.

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes differ, or a value lies outside [0, 1].

    Notes
    -----
    Each logarithm counts as at least -100. Formula: ``kernels.loss.reference.binary_cross_entropy_forward``.
    """
    kernels = backend("loss", input=input, target=target, **given(weight=weight))
    reduction = reduction_name(reduction, size_average, reduce)
    _check_same_shape("binary_cross_entropy", input, target)
    x, t, w = input._array, target._array, _spread("binary_cross_entropy", "weight", weight, input)
    y = kernels.binary_cross_entropy_forward(x, t, w, reduction)

    def backward(grad_y: Any) -> tuple[Any, Any, None]:
        options = (arrays.asarray(grad_y), x, t, w, reduction)
        grad_x = kernels.binary_cross_entropy_backward_x(*options) if input.requires_grad else None
        grad_t = kernels.binary_cross_entropy_backward_target(*options) if target.requires_grad else None
        return grad_x, grad_t, None

    return record("binary_cross_entropy", y, (input, target, weight), backward, (input, target, weight))


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Cross entropy of scores `input` with probabilities `target`: `binary_cross_entropy` of the sigmoid, stable.

    Parameters
    ----------
    input, target : Tensor of one shape, float32 or float64
    weight : Tensor, optional
        Weight of each element; broadcast to the shape of `input`.
    size_average, reduce : bool, optional
        Deprecated; they overrule `reduction` as in torch.
    reduction : str
        ``"none"``, ``"mean"`` (over the elements) or ``"sum"``.
    pos_weight : Tensor, optional
        Weight of the positive part; broadcast to the shape of `input`. Above 1 it favours recall.

    Raises
    ------
    TypeError, ValueError
        If an argument is not floating, or shapes do not fit.

    Notes
    -----
    Formula: ``kernels.loss.reference.binary_cross_entropy_with_logits_forward``.
    """
    op = "binary_cross_entropy_with_logits"
    kernels = backend("loss", input=input, target=target, **given(weight=weight, pos_weight=pos_weight))
    reduction = reduction_name(reduction, size_average, reduce)
    _check_same_shape(op, input, target)
    if not target.is_floating_point():
        raise TypeError(f"{op}: target expects a floating dtype, got {target.dtype}; use .float()")
    input, target = operands(op, input, target)
    x, t = input._array, target._array
    w, p = _spread(op, "weight", weight, input), _spread(op, "pos_weight", pos_weight, input)
    y = kernels.binary_cross_entropy_with_logits_forward(x, t, w, p, reduction)

    def backward(grad_y: Any) -> tuple[Any, Any, None, None]:
        options = (arrays.asarray(grad_y), x, t, w, p, reduction)
        grad_x = kernels.binary_cross_entropy_with_logits_backward_x(*options) if input.requires_grad else None
        grad_t = kernels.binary_cross_entropy_with_logits_backward_target(*options) if target.requires_grad else None
        return grad_x, grad_t, None, None

    inputs = (input, target, weight, pos_weight)
    return record(op, y, inputs, backward, inputs)


def _check_same_shape(op: str, input: Tensor, target: Tensor) -> None:
    if target.shape != input.shape:
        raise ValueError(
            f"{op}: target expects the shape of input {tuple(input.shape)}, got {tuple(target.shape)}; "
            f"an output of shape (N, 1) and labels of shape (N,) meet with labels.unsqueeze(1)"
        )


def _spread(op: str, name: str, weight: Tensor | None, input: Tensor) -> Any:
    """A weight repeated to the input's shape, in its dtype."""
    if weight is None:
        return None
    try:
        return np.broadcast_to(weight._array.astype(input.dtype, copy=False), input.shape)
    except ValueError:
        raise ValueError(
            f"{op}: {name} expects a shape that broadcasts to that of input {tuple(input.shape)}, "
            f"got {tuple(weight.shape)}"
        ) from None


def _batched(op: str, input: Tensor, target: Tensor) -> tuple[Any, Any, tuple[int, ...]]:
    """Scores with a batch axis, class indices as int64, and the shape of the unreduced loss."""
    if target.dtype not in (np.int64, np.uint8):
        raise TypeError(f"{op}: expected target dtype to be int64 or uint8, got {target.dtype}; use .long()")
    x, t = input._array, target._array.astype(np.int64, copy=False)
    if input.ndim != 1:
        return x, t, tuple(t.shape)
    single = t.shape == () or (op == "nll_loss" and t.shape == (1,))
    if not single:
        raise ValueError(f"{op}: an input of shape ({x.size},) expects a target of shape (), got {t.shape}")
    return x.reshape(1, -1), t.reshape(1), ()
