"""Gradients that are too large, made smaller in place before an optimizer's step: as torch.nn.utils does."""

import math
import warnings
from collections.abc import Iterable
from types import GeneratorType
from typing import Any

import numpy as np

import mediml
from mediml import arrays
from mediml.device import common_device
from mediml.dtypes import promote_types
from mediml.tensor import Tensor, from_array

__all__ = ["clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]

#: One tensor, or several.
Tensors = Tensor | Iterable[Tensor]


def clip_grad_norm_(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients by one factor, so that their common norm is at most `max_norm`.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensor
        Those without a gradient are passed over.
    max_norm : float
    norm_type : float
        p of the norm over all elements of all gradients; inf for the largest magnitude.
    error_if_nonfinite : bool
        Refuse a norm that is NaN or infinite; otherwise it makes the gradients NaN or 0, as in torch.
    foreach : bool, optional
        How torch computes; no difference here.

    Returns
    -------
    Tensor of shape ()
        The norm before.

    Raises
    ------
    ValueError
        With `error_if_nonfinite`, if the norm is not finite; or if the largest of no elements is asked for.

    References
    ----------
    R. Pascanu, T. Mikolov, Y. Bengio, "On the difficulty of training recurrent neural networks", ICML 2013,
    section 3.2.
    """
    is_generator = isinstance(parameters, GeneratorType)
    tensors = _listed("clip_grad_norm_", parameters)
    if is_generator and not tensors:
        warnings.warn("clip_grad_norm_: parameters is an empty generator; nothing is clipped", stacklevel=2)
    gradients = [tensor.grad for tensor in tensors if tensor.grad is not None]
    total_norm = get_total_norm(gradients, norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(tensors, max_norm, total_norm, foreach)
    return total_norm


def get_total_norm(
    tensors: Tensors, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> Tensor:
    """The norm of tensors as if they were one vector; parameters and errors as in `clip_grad_norm_`.

    Computed in float64; the result is of the dtype of the tensors, 0 in float32 if there are none.
    """
    listed, p = _listed("get_total_norm", tensors), float(norm_type)
    if not listed:
        return mediml.tensor(0.0)
    dtype = listed[0].dtype
    for tensor in listed:
        if not tensor.is_floating_point():
            raise TypeError(f"get_total_norm: tensors expects floating dtypes, got {tensor.dtype}")
        dtype = promote_types(dtype, tensor.dtype)
    device = common_device("get_total_norm", *listed)
    with np.errstate(all="ignore"):
        if device.type == "cuda":
            total = _norm_on_device([tensor._array for tensor in listed], p).astype(dtype)
        else:
            parts = np.array([_norm(tensor._array.astype(np.float64).ravel(), p) for tensor in listed])
            total = np.asarray(_norm(parts, p)).astype(dtype)
    if error_if_nonfinite and not np.isfinite(value := float(total)):
        raise ValueError(
            f"get_total_norm: the norm of order {p} of the gradients is {value}, and nothing can be scaled "
            f"by it; error_if_nonfinite=False goes on nevertheless"
        )
    return from_array(total, device)


def clip_grads_with_norm_(
    parameters: Tensors, max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scale all gradients by ``max_norm / (total_norm + 1e-6)``, where that is below 1 (or NaN)."""
    limit = float(max_norm)
    if not isinstance(total_norm, Tensor) or total_norm.numel() != 1:
        raise TypeError(f"clip_grads_with_norm_: total_norm expects a Tensor of one element, got {total_norm!r:.60}")
    with np.errstate(all="ignore"):
        number = total_norm.dtype.type
        factor = np.minimum(number(limit) / (total_norm._array + number(1e-6)), number(1))  # no look at its value
        for tensor in _listed("clip_grads_with_norm_", parameters):
            if tensor.grad is not None:
                tensor.grad._array *= factor.astype(tensor.grad.dtype, copy=False)
                tensor.grad._bump_version()


def clip_grad_value_(parameters: Tensors, clip_value: float, foreach: bool | None = None) -> None:
    """Bring every element of every gradient into [-clip_value, clip_value]; NaN stays."""
    limit = float(clip_value)
    for tensor in _listed("clip_grad_value_", parameters):
        if tensor.grad is not None:
            array = tensor.grad._array
            np.minimum(np.maximum(array, array.dtype.type(-limit)), array.dtype.type(limit), out=array)
            tensor.grad._bump_version()


def _listed(op: str, tensors: Tensors) -> list[Tensor]:
    listed = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    for tensor in listed:
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{op}: expected a mediml.Tensor or an iterable of them, got {type(tensor).__name__}")
    return listed


def _norm(values: np.ndarray, p: float) -> float:
    """The p-norm of a vector of float64."""
    sizes = np.abs(values)
    if math.isinf(p):
        if not sizes.size:
            raise ValueError(f"get_total_norm: a norm of order {p} expects tensors with elements, got one without")
        return float(sizes.max() if p > 0 else sizes.min())
    if p == 0:
        return float(np.count_nonzero(sizes))
    return float((sizes**p).sum() ** (1 / p))


def _norm_on_device(listed: list[Any], p: float) -> Any:
    """The p-norm of all elements of arrays on the GPU: what each adds to it, then these together; nothing is copied."""
    if math.isinf(p) and not all(array.size for array in listed):
        raise ValueError(f"get_total_norm: a norm of order {p} expects tensors with elements, got one without")
    parts = arrays.empty(len(listed), np.float64, listed[0])
    join = np.sum if not math.isinf(p) else np.max if p > 0 else np.min
    for i, array in enumerate(listed):
        if p == 2:
            terms = np.square(array, dtype=np.float64)
        else:
            sizes = np.abs(array.astype(np.float64))
            terms = sizes if math.isinf(p) else (sizes != 0).astype(np.float64) if p == 0 else sizes**p
        join(terms, out=parts[i])
    total = (parts != 0).sum(dtype=np.float64) if p == 0 else join(parts)
    return total if math.isinf(p) or p == 0 else np.sqrt(total) if p == 2 else total ** (1 / p)
