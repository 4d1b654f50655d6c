"""Dropout as formula and plain loops: what a learner reads, what every test trusts.

Computed in float64 whatever the dtype. A dropped element is multiplied by 0, so that NaN and infinity stay NaN, as in
torch. `mask` has the first axes of `x`; x is read as (rows, inner) with one entry of `mask` for each row.
"""

import numpy as np

from kernels.dropout import shapes
from kernels.jit import kernel
from kernels.memory import empty, readable

__all__ = ["alpha_dropout_backward_x", "alpha_dropout_forward", "dropout_backward_x", "dropout_forward"]


def dropout_forward(x, mask, p):
    """y[row, i] = x[row, i] / (1 - p) where mask[row], else 0: the expected value stays x.

    Parameters
    ----------
    x : ndarray of any shape, float32 or float64
    mask : ndarray of bool, of the first axes of `x` (all, or (N, C) for whole channels)
        True with probability 1 - p.
    p : float
        Probability of dropping, 0 to 1; with 1 all is dropped, whatever the mask.

    Returns
    -------
    ndarray of the shape and dtype of `x`

    Raises
    ------
    TypeError, ValueError
        What `kernels.dropout.shapes.check` refuses.

    References
    ----------
    N. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15 (2014).
    """
    shapes.check("dropout", "x", x, mask, p)
    return _affine(x, mask, shapes.factors(p), 0.0, 0.0)


def dropout_backward_x(grad_y, mask, p):
    """grad_y[row, i] / (1 - p) where mask[row], else 0."""
    shapes.check("dropout_backward", "grad_y", grad_y, mask, p)
    return _affine(grad_y, mask, shapes.factors(p), 0.0, 0.0)


def alpha_dropout_forward(x, mask, p):
    """y[row, i] = factor * x[row, i] + kept where mask[row], else 0 * x[row, i] + dropped.

    The three numbers, see `kernels.dropout.shapes.alpha_factors`, keep mean 0 and variance 1; a dropped element takes
    the value to which selu tends for x to -inf, scaled and shifted likewise. Arguments as `dropout_forward`.

    References
    ----------
    G. Klambauer et al., "Self-normalizing neural networks", arXiv:1706.02515.
    """
    shapes.check("alpha_dropout", "x", x, mask, p)
    return _affine(x, mask, *shapes.alpha_factors(p))


def alpha_dropout_backward_x(grad_y, mask, p):
    """factor * grad_y[row, i] where mask[row], else 0."""
    shapes.check("alpha_dropout_backward", "grad_y", grad_y, mask, p)
    return _affine(grad_y, mask, shapes.alpha_factors(p)[0], 0.0, 0.0)


def _affine(x, mask, factor, dropped, kept):
    y = empty((mask.size, x.size // max(mask.size, 1)), np.float64)
    _affine_loops(readable(x.astype(np.float64)).reshape(y.shape), readable(mask).reshape(-1), factor, dropped, kept, y)
    with np.errstate(over="ignore"):  # beyond the range of float32 is inf
        return y.reshape(x.shape).astype(x.dtype)


@kernel
def _affine_loops(x, mask, factor, dropped, kept, y):
    for row, i in np.ndindex(x.shape):
        if mask[row]:
            y[row, i] = factor * x[row, i] + kept
        else:
            y[row, i] = 0 * x[row, i] + dropped
