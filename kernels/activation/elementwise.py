"""One loop for all functions that treat every element alone: write the scalar formula, get the kernel.

@formula
def relu_backward(grad_y, y):
    return 0 if y <= 0 else grad_y

grad_x = over_elements(relu_backward, grad_y, y)
"""

from functools import cache

import numpy as np

from kernels.activation import shapes
from kernels.jit import kernel
from kernels.memory import empty, readable
from kernels.parallel import for_each

__all__ = ["in_double", "over_elements"]


def over_elements(formula, *arrays, parameters=(), operations=4):
    """The array of ``formula(arrays[0][i], …, *parameters)``.

    Parameters
    ----------
    formula : function marked with `kernels.elementary.formula`
        Its name and those of its first parameters stand in error texts.
    *arrays : one or two ndarrays of one shape and dtype, float32 or float64
    parameters : tuple of float
        Rounded to the dtype of the arrays, so that a comparison with a threshold is one of equals.
    operations : int
        Cost of one element in elementary operations, for the choice between one thread and several.

    Returns
    -------
    ndarray of that shape and dtype
    """
    shapes.check_arguments(formula, arrays)
    dtype = arrays[0].dtype
    y = empty(arrays[0].shape, dtype)
    flat = [readable(array).reshape(-1) for array in (*arrays, y)]
    parameters = tuple(dtype.type(parameter) for parameter in parameters)
    for_each(_loop_over(formula, len(arrays)), y.size, y.size * operations, *flat, parameters)
    return y


def in_double(formula, *arrays, parameters=()):
    """`over_elements`, computed in float64 and rounded to the dtype at the end."""
    shapes.check_arguments(formula, arrays)
    dtype = arrays[0].dtype
    y = over_elements(
        formula,
        *(array.astype(np.float64) for array in arrays),
        parameters=tuple(dtype.type(parameter) for parameter in parameters),
    )
    with np.errstate(over="ignore"):  # beyond the range of float32 is inf
        return y.astype(dtype)


@cache
def _loop_over(formula, count):
    """The loop around a formula, compiled. Its name is the formula's, so that each has a cache file of its own."""

    def of_one(lo, hi, a, y, parameters):
        a, y = a[lo:hi], y[lo:hi]
        for i in range(y.size):
            y[i] = formula(a[i], *parameters)

    def of_two(lo, hi, a, b, y, parameters):
        a, b, y = a[lo:hi], b[lo:hi], y[lo:hi]
        for i in range(y.size):
            y[i] = formula(a[i], b[i], *parameters)

    loop = of_one if count == 1 else of_two
    loop.__qualname__ = f"{formula.__module__.rpartition('.')[2]}.{formula.__name__}"
    return kernel(loop)
