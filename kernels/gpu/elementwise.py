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

from kernels import elementary
from kernels.gpu.launch import THREADS, blocks_for, kernel, strided
from kernels.gpu.memory import empty, readable
from kernels.gpu.target import SIMULATED

__all__ = ["flat", "named", "of_mean", "over_elements", "over_rows", "rounded", "weighted"]

#: Blocks below each other in the grid of `over_rows`; a grid may have 65535.
_MOST_BLOCKS_OF_ROWS = 2 if SIMULATED else 8192


def over_elements(formula, *arrays, parameters=(), dtype=None, y=None):
    """The array of ``formula(arrays[0][i], …, *parameters)``.

    Parameters
    ----------
    formula : function marked with `kernels.elementary.formula`
    *arrays : one to five DeviceArrays
        Of the shape of the first, or with a single element, which then stands beside every element of the others.
        Whether shapes and dtypes are what the formula expects is for the caller to check.
    parameters : tuple of numbers
        Rounded to the dtype of the first array: one float64 would make float64 of all float32 beside it.
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


def over_rows(formula, *matrices, y, by_row=None, parameters=()):
    """Write ``formula(matrices[0][r, i], …, by_row[r % by_row.size], *parameters)`` into ``y[r, i]``.

    Parameters
    ----------
    formula, parameters
        As in `over_elements`.
    *matrices, y : DeviceArrays of shape (rows, inner), any strides
        One or two with `by_row`, two or three without.
    by_row : DeviceArray of one axis, optional
        A number for each row; the rows repeat where it is shorter.

    Notes
    -----
    x of a thread is its column, y its first row; the next one lies a whole grid below. So a row's number is known
    without a division, which costs more than reading an element does.
    """
    rows, inner = y.shape
    width = min(1 << max(inner - 1, 0).bit_length(), THREADS)
    height = THREADS // width
    grid = (blocks_for(inner, width), min(blocks_for(rows, height), _MOST_BLOCKS_OF_ROWS)), (width, height)
    vectors = () if by_row is None else (readable(by_row),)
    loop = _loop_over_rows(formula, len(matrices), len(vectors))
    loop[grid](*matrices, *vectors, y, rounded(parameters, matrices[0].dtype))


def rounded(parameters, dtype):
    """Numbers as kernels take them beside arrays of `dtype`."""
    return tuple(dtype.type(parameter) for parameter in parameters)


def flat(arrays):
    """Each array as kernels take it, its elements in one axis."""
    return [readable(array).reshape(-1) for array in arrays]


@cache
def weighted(function):
    """The formula times its second argument: of (x, weight, …). A slope so becomes a gradient that is passed on."""

    def weighted(x, weight, *arguments):
        return weight * function(x, *arguments)

    return _composed(weighted, function)


@cache
def of_mean(slope):
    """The gradient that a mean passes on: of (x, grad_y, …, how many elements there are)."""

    def of_mean(x, grad_y, *arguments):
        return grad_y / arguments[-1] * slope(x, *arguments[:-1])

    return _composed(of_mean, slope)


def _composed(function, inner):
    function.__name__ += "_" + inner.__name__
    function.__module__ = inner.__module__
    return elementary.formula(function)


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


@cache
def _loop_over_rows(formula, matrices, vectors):
    """The loop of `over_rows` around a formula."""

    def of_one_by_row(a, v, y, parameters):
        i, first = cuda.grid(2)
        if i < y.shape[1]:
            for r in range(first, y.shape[0], cuda.gridDim.y * cuda.blockDim.y):
                y[r, i] = formula(a[r, i], v[r % v.size], *parameters)

    def of_two_by_row(a, b, v, y, parameters):
        i, first = cuda.grid(2)
        if i < y.shape[1]:
            for r in range(first, y.shape[0], cuda.gridDim.y * cuda.blockDim.y):
                y[r, i] = formula(a[r, i], b[r, i], v[r % v.size], *parameters)

    def of_two(a, b, y, parameters):
        i, first = cuda.grid(2)
        if i < y.shape[1]:
            for r in range(first, y.shape[0], cuda.gridDim.y * cuda.blockDim.y):
                y[r, i] = formula(a[r, i], b[r, i], *parameters)

    def of_three(a, b, c, y, parameters):
        i, first = cuda.grid(2)
        if i < y.shape[1]:
            for r in range(first, y.shape[0], cuda.gridDim.y * cuda.blockDim.y):
                y[r, i] = formula(a[r, i], b[r, i], c[r, i], *parameters)

    loops = {(1, 1): of_one_by_row, (2, 1): of_two_by_row, (2, 0): of_two, (3, 0): of_three}
    return kernel(named(loops[matrices, vectors], formula))


def named(loop, formula, prefix=""):
    """The loop under the name and the module of its formula."""
    loop.__name__ = prefix + formula.__name__.strip("_")
    loop.__qualname__, loop.__module__ = loop.__name__, formula.__module__
    return loop
