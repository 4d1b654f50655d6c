"""Embeddings under torch's names: arguments normalised, kernels called, gradients recorded."""

from typing import Any

from mediml import arrays
from mediml.autograd import record
from mediml.device import backend
from mediml.tensor import Tensor

__all__ = ["embedding"]


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Rows of a table by their index.

    Parameters
    ----------
    input : Tensor of any shape, int32 or int64
        Rows, from 0 to V - 1.
    weight : Tensor of shape (V, E), float32 or float64
    padding_idx : int, optional
        A row that receives no gradient; -1 is the last one.
    max_norm : float, optional
        Rows of `weight` that `input` names and whose norm is larger are shortened to it first, in place.
    norm_type : float
        p of that norm: 2, 1, inf …
    scale_grad_by_freq : bool
        Divide the gradient of a row by how often `input` names it.
    sparse : bool
        Must be False: gradients are not sparse.

    Returns
    -------
    Tensor of shape (*input.shape, E), dtype of `weight`

    Raises
    ------
    IndexError
        (Also a ValueError.) If an index names no row.
    TypeError, ValueError
        If dtypes, shapes or options do not fit.

    Notes
    -----
    Formula and gradient: ``kernels.embedding.reference.embedding_forward``.
    """
    kernels = backend("embedding", input=input, weight=weight)
    if sparse:
        raise ValueError("embedding: sparse=True: gradients are not sparse here; leave sparse out, its result is equal")
    index, table = input._array, weight._array
    row = _row("embedding", padding_idx, weight)
    if max_norm is not None:
        kernels.embedding_renorm_update(table, index, float(max_norm), float(norm_type))
        weight._bump_version()
    y = kernels.embedding_forward(index, table)
    rows = table.shape[0]

    def backward(grad_y: Any) -> tuple[None, Any]:
        return None, kernels.embedding_backward_weight(
            arrays.asarray(grad_y), index, rows, row, bool(scale_grad_by_freq)
        )

    return record("embedding", y, (input, weight), backward, (input,))


def _row(op: str, padding_idx: int | None, weight: Tensor) -> int:
    """The row that is not learnt, counted from the front; -1 for none."""
    if padding_idx is None or weight.ndim == 0:
        return -1
    rows, row = weight.shape[0], int(padding_idx)
    if row != 0 and not -rows <= row < rows:
        raise ValueError(f"{op}: padding_idx expects a row of weight, from {-rows} to {rows - 1}, got {row}")
    return row % rows if rows else -1
