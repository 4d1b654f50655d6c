"""How far apart vectors are, and vectors of unit length, under torch's names; built from operations on tensors."""

from typing import Any

import numpy as np

from mediml import arrays
from mediml.autograd import record
from mediml.dtypes import result_type
from mediml.ops.broadcasting import operands
from mediml.tensor import Tensor, from_array

__all__ = ["cosine_similarity", "normalize", "one_hot", "pairwise_distance", "pdist"]


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """Cosine of the angle between the vectors along `dim` of two tensors that broadcast to one shape.

        sum(x1 * x2) / (max(|x1|, eps) * max(|x2|, eps))

    Raises
    ------
    TypeError, ValueError
        If both are integers, or the shapes do not fit.
    """
    _check_floating("cosine_similarity", x1, x2)
    x1, x2 = operands("cosine_similarity", x1, x2)
    shape = np.broadcast_shapes(x1.shape, x2.shape)
    x1, x2 = x1.expand(shape), x2.expand(shape)
    units = (x / at_least(x.norm(2, dim, keepdim=True), eps) for x in (x1, x2))
    return (next(units) * next(units)).sum(dim)


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """p-norm of x1 - x2 + eps along the last axis, of shapes (N, D) or (D,) that broadcast.

    `eps` keeps the gradient of equal vectors finite.
    """
    return (x1 - x2 + eps).norm(p, -1, keepdim)


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """p-norm of the difference of every pair of rows i < j of `input` (N, D): shape (N (N - 1) / 2,)."""
    if input.ndim != 2:
        raise ValueError(f"pdist: input expects the shape (N, D), got {tuple(input.shape)}")
    if p < 0:
        raise ValueError(f"pdist: p expects a number of at least 0, got {p}")
    first, second = np.triu_indices(input.shape[0], 1)
    return (input[from_array(first)] - input[from_array(second)]).norm(p, 1)


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Tensor | None = None) -> Tensor:
    """Vectors along `dim` divided by their p-norm, or by `eps` where that is larger.

    `out`, a tensor that no gradient needs, takes the result.
    """
    _check_floating("normalize", input)
    result = input / input.norm(p, dim, keepdim=True).clamp(min=eps)
    return result if out is None else out._overwrite(result)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Class indices (…) as int64 vectors (…, num_classes) that are 1 at the class and 0 elsewhere.

    Parameters
    ----------
    tensor : Tensor of int64
    num_classes : int
        -1: one more than the largest index.

    Raises
    ------
    TypeError
        If `tensor` is not int64.
    ValueError
        If an index is negative or not below `num_classes` (on the CPU), or `num_classes` cannot be told from an empty
        tensor.
    """
    if tensor.dtype != np.int64:
        raise TypeError(f"one_hot: expected an index tensor of dtype int64, got {tensor.dtype}; use .long()")
    indices = tensor._array
    if not indices.size and num_classes <= 0:
        raise ValueError("one_hot: cannot tell the number of classes from an empty tensor; pass num_classes")
    looks = not tensor.is_cuda  # a look at a GPU's numbers would copy them
    if looks and indices.size and indices.min() < 0:
        raise ValueError(f"one_hot: class values must be non-negative, got {indices.min()}")
    if num_classes == -1:
        num_classes = int(indices.max()) + 1
    if looks and indices.size and indices.max() >= num_classes:
        raise ValueError(f"one_hot: class values must be smaller than num_classes {num_classes}, got {indices.max()}")
    return from_array((indices[..., None] == arrays.arange(num_classes, indices)).astype(np.int64), tensor.device)


def at_least(input: Tensor, least: float) -> Tensor:
    """max(input, least) whose gradient is 1 everywhere, as where torch clamps a divisor behind the tape's back."""
    return record("at_least", np.maximum(input._array, input.dtype.type(least)), (input,), lambda grad_y: (grad_y,))


def _check_floating(op: str, *tensors: Any) -> None:
    dtype = result_type(*tensors)
    if dtype.kind != "f":
        raise TypeError(f"{op}: expected a floating dtype, got {dtype}; use .float()")
