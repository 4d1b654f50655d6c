"""Losses with a margin under torch's names: what is right by more than the margin costs nothing.

Built from operations on tensors. `target` is 1 or -1 where a function says nothing else.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from mediml import arrays
from mediml.nn.functional.activation import logsigmoid
from mediml.nn.functional.distance import pairwise_distance
from mediml.nn.functional.reduction import reduced, reduction_name
from mediml.ops.elementwise import minimum, where
from mediml.tensor import Tensor, from_array

__all__ = [
    "cosine_embedding_loss", "hinge_embedding_loss", "margin_ranking_loss", "multi_margin_loss",
    "multilabel_margin_loss", "multilabel_soft_margin_loss", "soft_margin_loss", "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]  # fmt: skip


def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """log(1 + exp(-target * input)) of scores; infinite where torch's is."""
    reduction = reduction_name(reduction, size_average, reduce)
    if np.broadcast_shapes(input.shape, target.shape) != tuple(input.shape):
        raise ValueError(
            f"soft_margin_loss: target expects a shape that broadcasts to that of input {tuple(input.shape)}, "
            f"got {tuple(target.shape)}"
        )
    return reduced((-(target * input)).exp().log1p(), reduction)  # not -target: an unsigned one would wrap


def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Distances `input`: the distance itself where target is 1, max(0, margin - input) where it is -1."""
    reduction = reduction_name(reduction, size_average, reduce)
    alike, unlike = where(target != -1, input, 0.0), where(target != 1, (margin - input).clamp(min=0), 0.0)
    return reduced(alike + unlike, reduction)


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, margin - target * (input1 - input2)): target 1 wants input1 above input2."""
    reduction = reduction_name(reduction, size_average, reduce)
    _check_same_rank("margin_ranking_loss", input1=input1, input2=input2, target=target)
    return reduced((-target * (input1 - input2) + margin).clamp(min=0), reduction)


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 - cos(input1, input2) where target is 1, max(0, cos - margin) where it is -1.

    Inputs (N, D) with target (N,), or (D,) with target ().
    """
    reduction = reduction_name(reduction, size_average, reduce)
    if target.ndim > 1 or input1.ndim != target.ndim + 1 or input2.ndim != target.ndim + 1:
        raise ValueError(
            f"cosine_embedding_loss: expected inputs (N, D) with target (N,), or (D,) with (), got "
            f"{tuple(input1.shape)}, {tuple(input2.shape)} and {tuple(target.shape)}"
        )
    squares = ((input1 * input1).sum(-1) + 1e-12) * ((input2 * input2).sum(-1) + 1e-12)
    cosine = (input1 * input2).sum(-1) / squares.sqrt()
    alike, unlike = where(target == 1, 1 - cosine, 0.0), where(target == -1, (cosine - margin).clamp(min=0), 0.0)
    return reduced(alike + unlike, reduction)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, margin + |anchor - positive| - |anchor - negative|) with the p-norm of `pairwise_distance`.

    With `swap` the negative's distance to the positive counts instead where it is smaller (Balntas et al. 2016).
    """
    reduction = reduction_name(reduction, size_average, reduce)

    def distance(x1: Tensor, x2: Tensor) -> Tensor:
        return pairwise_distance(x1, x2, p, eps)

    return _triplet("triplet_margin_loss", anchor, positive, negative, distance, margin, swap, reduction)


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """`triplet_margin_loss` with a distance of one's own (default: `pairwise_distance`)."""
    distance = pairwise_distance if distance_function is None else distance_function
    name = "triplet_margin_with_distance_loss"
    return _triplet(name, anchor, positive, negative, distance, margin, swap, reduction_name(reduction))


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Scores (N, C) or (C,) of classes `target`: sum_{c != t} weight[t] max(0, margin - input[t] + input[c])^p / C.

    Parameters
    ----------
    target : Tensor of int64, (N,); () or (1,) for an input (C,)
    p : 1 or 2
    weight : Tensor of shape (C,), optional

    Raises
    ------
    TypeError, ValueError
        If shapes, classes or `p` do not fit.
    """
    reduction = reduction_name(reduction, size_average, reduce)
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss: p expects 1 or 2, got {p}")
    x, classes = (input.unsqueeze(0) if input.ndim == 1 else input), target.reshape(-1)
    if x.ndim != 2 or x.shape[1] == 0 or target.ndim > 1 or classes.shape[0] != x.shape[0]:
        raise ValueError(
            f"multi_margin_loss: expected input (N, C) and target (N,), got {tuple(input.shape)} and "
            f"{tuple(target.shape)}"
        )
    labels = _labels("multi_margin_loss", classes, 0, x.shape[1])
    if weight is not None and weight.shape != (x.shape[1],):
        raise ValueError(f"multi_margin_loss: weight expects the shape ({x.shape[1]},), got {tuple(weight.shape)}")
    own = from_array(labels[:, None] == arrays.arange(x.shape[1], labels), x.device)
    excess = _positive(margin - x.gather(1, classes.unsqueeze(1)) + x).masked_fill(own, 0)
    loss = (excess if p == 1 else excess * excess).sum(1) / x.shape[1]
    loss = loss if weight is None else loss * weight.detach()[classes]
    return reduced(loss.reshape(target.shape), reduction)


def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Scores (N, C) or (C,) with several right classes each: sum_{j, i} max(0, 1 - input[j] + input[i]) / C.

    j runs over the right classes, i over all others. `target`, int64 of the input's shape, lists the right classes of
    each row and ends them with -1.
    """
    reduction = reduction_name(reduction, size_average, reduce)
    if input.ndim not in (1, 2) or target.shape != input.shape or input.shape[-1] == 0:
        raise ValueError(
            f"multilabel_margin_loss: expected input and target of one shape (N, C) or (C,), got "
            f"{tuple(input.shape)} and {tuple(target.shape)}"
        )
    C = input.shape[-1]  # noqa: N806
    x = input.reshape(-1, C)
    labels = _labels("multilabel_margin_loss", target, -1, C).reshape(-1, C)
    listed = np.cumprod(labels >= 0, axis=1).astype(bool)
    labels = np.where(listed, labels, 0)
    right = ((labels[:, :, None] == arrays.arange(C, labels)) & listed[:, :, None]).any(axis=1)
    pairs = 1 - x.gather(1, from_array(labels, x.device)).unsqueeze(2) + x.unsqueeze(1)
    counted = from_array(listed[:, :, None] & ~right[:, None, :], x.device)
    loss = where(counted, _positive(pairs), 0.0).sum((1, 2)) / C
    return reduced(loss.reshape(input.shape[:-1]), reduction)


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Mean over the classes (the last axis) of the binary cross entropy of scores; `target` is 0 or 1."""
    reduction = reduction_name(reduction, size_average, reduce)
    loss = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    loss = loss if weight is None else loss * weight
    classes = input.ndim - 1  # counted in the input, also where a target with more axes broadcasts it
    return reduced(loss.sum(classes) / input.shape[classes], reduction)


def _triplet(
    op: str,
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    distance: Callable[[Tensor, Tensor], Tensor],
    margin: float,
    swap: bool,
    reduction: str,
) -> Tensor:
    if margin <= 0:
        raise ValueError(f"{op}: margin must be greater than 0, got {margin}")
    _check_same_rank(op, anchor=anchor, positive=positive, negative=negative)
    to_negative = distance(anchor, negative)
    if swap:
        to_negative = minimum(to_negative, distance(positive, negative))
    return reduced((margin + distance(anchor, positive) - to_negative).clamp(min=0), reduction)


def _positive(input: Tensor) -> Tensor:
    """max(0, input) whose gradient at 0 is 0."""
    return where(input > 0, input, 0.0)


def _check_same_rank(op: str, **tensors: Tensor) -> None:
    if len({tensor.ndim for tensor in tensors.values()}) > 1:
        shapes = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in tensors.items())
        raise ValueError(f"{op}: expected tensors with the same number of dimensions, got {shapes}")


def _labels(op: str, target: Tensor, least: int, count: int) -> Any:
    labels = target._array
    if labels.dtype != np.int64:
        raise TypeError(f"{op}: target expects int64, got {labels.dtype}; use .long()")
    if not target.is_cuda and labels.size and (labels.min() < least or labels.max() >= count):
        raise ValueError(
            f"{op}: target expects classes from {least} to {count - 1}, got {labels.min()} to {labels.max()}"
        )
    return labels
