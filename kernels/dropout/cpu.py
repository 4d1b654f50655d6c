"""Dropout, fast. Same contract as in ``reference``.

Optimizations
-------------
* One kernel for all four functions: an element is multiplied and shifted by one of two pairs of numbers, chosen without
  a branch, so that LLVM does 4 to 16 elements at a time.
* Each element is computed alone, so the bits do not depend on the threads, which take ranges of rows.
"""

from kernels.dropout import shapes
from kernels.jit import kernel
from kernels.memory import empty, readable
from kernels.parallel import for_each

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
    y = empty(x.shape, x.dtype)
    if y.size:
        numbers = (x.dtype.type(number) for number in (*numbers, 0))
        loops, sizes = (_by_element, (-1,)) if mask.ndim == x.ndim else (_by_row, (mask.size, -1))
        arrays = readable(x).reshape(sizes), readable(mask).reshape(-1), y.reshape(sizes)
        for_each(loops, mask.size, 2 * x.size, *arrays, *numbers)
    return y


@kernel
def _by_element(lo, hi, x, mask, y, factor, dropped, kept, zero):
    x, mask, y = x[lo:hi], mask[lo:hi], y[lo:hi]
    for i in range(x.size):
        y[i] = x[i] * (factor if mask[i] else zero) + (kept if mask[i] else dropped)


@kernel
def _by_row(lo, hi, x, mask, y, factor, dropped, kept, zero):
    for row in range(lo, hi):
        by, plus = (factor, kept) if mask[row] else (zero, dropped)
        values, result = x[row], y[row]
        for i in range(values.size):
            result[i] = values[i] * by + plus
