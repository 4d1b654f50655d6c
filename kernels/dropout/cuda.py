"""Dropout on the GPU. Same contract as in ``reference``.

Optimizations
-------------
* One formula for all four functions: an element is multiplied and shifted by one of two pairs of numbers. Both are
  computed and one is picked, so no thread of a warp waits for another.
* A thread owns an element (``kernels/gpu/elementwise.py``). A mask of whole channels is read once for each row, not
  spread out in memory.

Masks come from ``kernels/gpu/random.py`` without a detour over the host.
"""

from kernels.dropout import shapes
from kernels.elementary import formula
from kernels.gpu.elementwise import over_elements, over_rows
from kernels.gpu.memory import empty, readable

__all__ = ["alpha_dropout_backward_x", "alpha_dropout_forward", "dropout_backward_x", "dropout_forward"]


def dropout_forward(x, mask, p):
    """Same contract as in ``reference``."""
    shapes.check("dropout", "x", x, mask, p)
    return _affine(x, mask, shapes.factors(p), 0.0, 0.0)


def dropout_backward_x(grad_y, mask, p):
    """Same contract as in ``reference``."""
    shapes.check("dropout_backward", "grad_y", grad_y, mask, p)
    return _affine(grad_y, mask, shapes.factors(p), 0.0, 0.0)


def alpha_dropout_forward(x, mask, p):
    """Same contract as in ``reference``."""
    shapes.check("alpha_dropout", "x", x, mask, p)
    return _affine(x, mask, *shapes.alpha_factors(p))


def alpha_dropout_backward_x(grad_y, mask, p):
    """Same contract as in ``reference``."""
    shapes.check("alpha_dropout_backward", "grad_y", grad_y, mask, p)
    return _affine(grad_y, mask, shapes.alpha_factors(p)[0], 0.0, 0.0)


def _affine(x, mask, *numbers):
    if mask.ndim == x.ndim:
        return over_elements(scaled_or_dropped, x, mask, parameters=numbers)
    y, rows = empty(x.shape, x.dtype), (mask.size, x.size // max(mask.size, 1))
    mask = readable(mask).reshape(-1)
    over_rows(scaled_or_dropped, readable(x).reshape(rows), by_row=mask, y=y.reshape(rows), parameters=numbers)
    return y


@formula
def scaled_or_dropped(x, stays, factor, dropped, kept):
    return x * (factor if stays else type(x)(0)) + (kept if stays else dropped)
