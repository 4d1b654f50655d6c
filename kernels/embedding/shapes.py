"""What embeddings accept: every refusal, once for all back ends. An index beyond the table must not get past here."""

import numpy as np

from kernels.memory import FLOATS, Array, readable

__all__ = ["RowError", "flat_index", "forward", "grad_weight", "no_row", "renorm"]


class RowError(IndexError, ValueError):
    """An index without a row: an IndexError, as torch raises, and a ValueError, as every refusal here is."""


def forward(index, weight):
    """Shape of the rows that `index` names.

    Raises
    ------
    TypeError
        If `index` is not int32 or int64, or `weight` not float32 or float64.
    ValueError
        If `weight` has not two axes.
    RowError
        If an index is negative, or not below the number of rows. One that lies on the device is not looked at here.
    """
    _check_floats("embedding", "weight", weight, "(V, E)")
    _check_index("embedding", index, weight.shape[0])
    return (*index.shape, weight.shape[1])


def grad_weight(grad_y, index, rows, padding_idx):
    """Shape of the gradient for a table of `rows` rows. Raises as `forward`."""
    op = "embedding_backward_weight"
    if isinstance(rows, bool) or not isinstance(rows, (int, np.integer)) or rows < 0:
        raise ValueError(f"{op}: rows expects the number of rows of weight, got {rows!r}")
    if isinstance(padding_idx, bool) or not isinstance(padding_idx, (int, np.integer)) or not -1 <= padding_idx < rows:
        raise ValueError(f"{op}: padding_idx expects a row from 0 to {rows - 1}, or -1 for none, got {padding_idx!r}")
    _check_index(op, index, rows)
    _check_floats(op, "grad_y", grad_y)
    if grad_y.ndim != index.ndim + 1 or grad_y.shape[:-1] != index.shape:
        raise ValueError(f"{op}: grad_y expects the shape of index {index.shape} and one axis more, got {grad_y.shape}")
    return (int(rows), grad_y.shape[-1])


def renorm(weight, index):
    """Refuse what `embedding_renorm_update` cannot take. Raises as `forward`."""
    op = "embedding_renorm_update"
    _check_floats(op, "weight", weight, "(V, E)")
    _check_index(op, index, weight.shape[0])
    if not weight.flags.writeable:
        raise ValueError(f"{op}: weight is changed in place and expects a writable array, got a read-only one")


def flat_index(index):
    """The indices on one axis, int64 as the loops take them."""
    return readable(index.astype(np.int64, copy=False)).reshape(-1)


def _check_floats(op, name, array, axes=None):
    if not isinstance(array, Array):
        raise TypeError(f"{op}: {name} expects a numpy.ndarray, got {type(array).__name__}")
    if array.dtype not in FLOATS:
        raise TypeError(f"{op}: {name} expects float32 or float64, got {array.dtype}; convert it with astype")
    if axes is not None and array.ndim != 2:
        raise ValueError(f"{op}: {name} expects 2 axes {axes}, got {array.ndim} in shape {array.shape}")


def _check_index(op, index, rows):
    if not isinstance(index, Array):
        raise TypeError(f"{op}: index expects a numpy.ndarray, got {type(index).__name__}")
    if index.dtype not in (np.dtype(np.int32), np.dtype(np.int64)):
        raise TypeError(f"{op}: index expects int32 or int64, got {index.dtype}; convert it with astype")
    if not index.size or not isinstance(index, np.ndarray):  # on the device: looking would be waiting, kernels look
        return
    for wrong in (int(index.min()), int(index.max())):
        if not 0 <= wrong < rows:
            raise RowError(no_row(op, rows).format(value=wrong))


def no_row(op, rows):
    """What an index without a row is told; ``{value}`` stands for the index."""
    return f"{op}: index expects numbers from 0 to {rows - 1}, one of {rows} rows, got {{value}}"
