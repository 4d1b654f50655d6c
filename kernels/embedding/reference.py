"""Embedding as formula and plain loops: what a learner reads, what every test trusts.

The table `weight` has V rows of E numbers. The axes of `index`, any, are counted as one here: i of size N.
"""

import numpy as np

from kernels.embedding import shapes
from kernels.jit import kernel
from kernels.memory import empty, readable

__all__ = ["embedding_backward_weight", "embedding_forward", "embedding_renorm_update"]


def embedding_forward(index, weight):
    """Look up rows: y[i, e] = weight[index[i], e].

    Parameters
    ----------
    index : ndarray of any shape, int32 or int64
        Rows, from 0 to V - 1.
    weight : ndarray of shape (V, E), float32 or float64

    Returns
    -------
    ndarray of shape (*index.shape, E), dtype of `weight`

    Raises
    ------
    RowError
        (An IndexError and a ValueError.) If an index names no row.
    TypeError, ValueError
        If a dtype or the number of axes does not fit.

    See Also
    --------
    mediml.nn.Embedding : the layer.

    References
    ----------
    Y. Bengio et al., "A Neural Probabilistic Language Model", JMLR 3 (2003): the table C of section 2.
    """
    y = empty(shapes.forward(index, weight), weight.dtype)
    _gather(shapes.flat_index(index), readable(weight), y.reshape(index.size, weight.shape[1]))
    return y


def embedding_backward_weight(grad_y, index, rows, padding_idx, scale_grad_by_freq):
    """Gradient for the table: each row collects what its places receive.

        grad_weight[v, e] = scale[v] * sum_{i : index[i] = v} grad_y[i, e]
        grad_weight[v, e] = 0     where v = padding_idx
        scale[v] = 1, or 1 / (number of i with index[i] = v) with `scale_grad_by_freq`

    Parameters
    ----------
    grad_y : ndarray of shape (*index.shape, E), float32 or float64
    index : ndarray of any shape, int32 or int64
    rows : int
        V.
    padding_idx : int
        A row that is not learnt; -1 for none.
    scale_grad_by_freq : bool

    Returns
    -------
    ndarray of shape (V, E), dtype of `grad_y`

    Raises
    ------
    TypeError, ValueError
        As `embedding_forward`.

    Notes
    -----
    The sum runs over the places in their order and in float64, so its bits do not depend on the number of threads.
    """
    grad = empty(shapes.grad_weight(grad_y, index, rows, padding_idx), np.float64)
    places = readable(grad_y).reshape(index.size, grad.shape[1])
    _collect(places, shapes.flat_index(index), int(padding_idx), bool(scale_grad_by_freq), grad)
    with np.errstate(over="ignore"):  # beyond the range of float32 is inf
        return grad.astype(grad_y.dtype)


def embedding_renorm_update(weight, index, max_norm, norm_type):
    """Shorten, in place, the rows that `index` names and whose norm is above `max_norm`.

        norm[v] = (sum_e |weight[v, e]|^p)^(1/p)     p = norm_type
        weight[v, e] = weight[v, e] * max_norm / (norm[v] + 1e-7)     where v is in index and norm[v] > max_norm

    For p = inf the norm is the largest |weight[v, e]|, for -inf the smallest, for 0 the number of those that are not 0.

    Parameters
    ----------
    weight : ndarray of shape (V, E), float32 or float64
        Changed in place.
    index : ndarray of any shape, int32 or int64
    max_norm, norm_type : float

    Raises
    ------
    TypeError, ValueError
        As `embedding_forward`, and for a `weight` that is read-only.

    Notes
    -----
    A row that is named twice is shortened once. The norm is computed in float64. 1e-7 is torch's.
    """
    shapes.renorm(weight, index)
    table, rows = readable(weight), np.unique(index).astype(np.int64)
    _renorm(table, rows, float(max_norm), float(norm_type))
    if table is not weight:
        weight[...] = table


@kernel
def _gather(index, weight, y):
    for i in range(index.size):
        for e in range(weight.shape[1]):
            y[i, e] = weight[index[i], e]


@kernel
def _collect(grad_y, index, padding_idx, scale_grad_by_freq, grad_weight):
    V, E = grad_weight.shape
    for v in range(V):
        for e in range(E):
            grad_weight[v, e] = 0.0
        if v == padding_idx:
            continue
        count = 0
        for i in range(index.size):
            if index[i] == v:
                count += 1
                for e in range(E):
                    grad_weight[v, e] += grad_y[i, e]
        if scale_grad_by_freq and count > 0:
            for e in range(E):
                grad_weight[v, e] /= count


@kernel
def _norm(row, p):
    """The norm of one row; NaN in it makes it NaN (but is one more number for p = 0)."""
    acc = abs(np.float64(row[0])) if np.isinf(p) and row.size > 0 else 0.0
    for e in range(row.size):
        size = abs(np.float64(row[e]))
        if p == 0.0:
            acc += 1.0 if size != 0.0 else 0.0
        elif np.isfinite(p):
            acc += size**p
        elif np.isnan(size) or np.isnan(acc):
            acc = np.nan
        else:
            acc = max(acc, size) if p > 0.0 else min(acc, size)
    return acc ** (1.0 / p) if np.isfinite(p) and p != 0.0 else acc


@kernel
def _renorm(weight, rows, max_norm, p):
    for v in rows:
        norm = _norm(weight[v], p)
        if norm > max_norm:
            scale = max_norm / (norm + 1e-7)
            for e in range(weight.shape[1]):
                weight[v, e] *= scale
