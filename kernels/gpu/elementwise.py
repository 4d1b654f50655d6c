"""One kernel for all functions that treat every element alone: write the scalar formula, get the kernel.

    @formula
    def relu_backward(grad_y, y):
        return type(y)(0) if y <= 0 else grad_y

    grad_x = over_elements(relu_backward, grad_y, y)

The formulas are those that the CPU uses (``kernels/*/formulas.py``). A thread has an element, then the one that lies a
whole grid further on, until the end (a grid-stride loop): at each step the threads of a warp read neighbours, so that
one transaction serves all 32.
"""

from functools import cache

from numba import cuda

from kernels.gpu.launch import kernel, strided
from kernels.gpu.memory import empty, readable

__all__ = ["flat", "named", "over_elements", "rounded"]


def over_elements(formula, *arrays, parameters=(), dtype=None, y=None):
    """The array of ``formula(arrays[0][i], …, *parameters)``.

    Parameters
    ----------
    formula : function marked with `kernels.elementary.formula`
    *arrays : one to five DeviceArrays
        Of the shape of the first, or with a single element, which then stands beside every element of the others.
        Whether shapes and dtypes are what the formula expects is for the caller to check.
    parameters : tuple of numbers
        Floats are rounded to the dtype of the first array: in float64 they would make float64 of all float32 around.
    dtype : dtype, optional
        Of the result; by default that of the first array.
    y : DeviceArray, C-contiguous, optional
        Where to write; it may be one of the arrays.

    Returns
    -------
    DeviceArray of the shape of the first array
    """
    if y is None:
        y = empty(arrays[0].shape, arrays[0].dtype if dtype is None else dtype)
    parameters = rounded(parameters, arrays[0].dtype)
    _loop_over(formula, len(arrays))[strided(y.size)](*flat(arrays), y.reshape(-1), parameters)
    return y


def rounded(parameters, dtype):
    """Python's floats as numbers of `dtype`; whole numbers and bools as they are."""
    return tuple(dtype.type(p) if isinstance(p, float) else p for p in parameters)


def flat(arrays):
    """Each array as kernels take it, its elements in one axis."""
    return [readable(array).reshape(-1) for array in arrays]


@cache
def _loop_over(formula, count):
    """The loop around a formula. It bears the formula's name, so that errors and PTX listings say which one it is.

    The index stops at the end of an array with a single element: one instruction, where an ``if`` for each would split
    the kernel into many.
    """

    def of_one(a, y, parameters):
        for i in range(cuda.grid(1), y.size, cuda.gridsize(1)):
            y[i] = formula(a[i], *parameters)

    def of_two(a, b, y, parameters):
        for i in range(cuda.grid(1), y.size, cuda.gridsize(1)):
            y[i] = formula(a[i], b[min(i, b.size - 1)], *parameters)

    def of_three(a, b, c, y, parameters):
        for i in range(cuda.grid(1), y.size, cuda.gridsize(1)):
            y[i] = formula(a[i], b[min(i, b.size - 1)], c[min(i, c.size - 1)], *parameters)

    def of_four(a, b, c, d, y, parameters):
        for i in range(cuda.grid(1), y.size, cuda.gridsize(1)):
            b_i, c_i, d_i = min(i, b.size - 1), min(i, c.size - 1), min(i, d.size - 1)
            y[i] = formula(a[i], b[b_i], c[c_i], d[d_i], *parameters)

    def of_five(a, b, c, d, e, y, parameters):
        for i in range(cuda.grid(1), y.size, cuda.gridsize(1)):
            b_i, c_i, d_i, e_i = min(i, b.size - 1), min(i, c.size - 1), min(i, d.size - 1), min(i, e.size - 1)
            y[i] = formula(a[i], b[b_i], c[c_i], d[d_i], e[e_i], *parameters)

    return kernel(named((of_one, of_two, of_three, of_four, of_five)[count - 1], formula))


def named(loop, formula, prefix=""):
    """The loop under the name and the module of its formula."""
    loop.__name__ = prefix + formula.__name__.strip("_")
    loop.__qualname__, loop.__module__ = loop.__name__, formula.__module__
    return loop
