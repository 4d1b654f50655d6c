"""``np.where``, and the triangles of matrices: an element of one array or of another, by a condition."""

from functools import cache

import numpy as np
from numba import cuda

from kernels.gpu.array import DeviceArray
from kernels.gpu.geometry import at, broadcast, joined, kernel_shape, offset_of, span, steps
from kernels.gpu.launch import kernel, strided
from kernels.gpu.memory import empty
from kernels.gpu.ufuncs import operand

__all__ = ["tril", "triu", "where"]


@cache
def _where_kernel(condition_char, char):
    number = np.float32 if char == "e" else np.dtype(char).type
    no = np.dtype(condition_char).type(0)

    @kernel
    def choose(c, c_first, c_steps, a, a_first, a_steps, b, b_first, b_steps, shape, y):
        for i in range(cuda.grid(1), y.size, cuda.gridsize(1)):
            if at(c, c_first + offset_of(i, shape, c_steps)) != no:
                y[i] = number(at(a, a_first + offset_of(i, shape, a_steps)))
            else:
                y[i] = number(at(b, b_first + offset_of(i, shape, b_steps)))

    return choose


def where(condition, x=None, y=None):
    """`x` where the condition holds, else `y`; with the condition alone, where it holds."""
    if x is None and y is None:
        from kernels.gpu.selecting import nonzero  # here: it is built on this module

        return nonzero(condition)
    values = [operand(value, "where") for value in (condition, x, y)]
    dtype = np.result_type(*(value.dtype if isinstance(value, DeviceArray) else value for value in values[1:]))
    shape = np.broadcast_shapes(*(value.shape for value in values if isinstance(value, DeviceArray)))
    result = empty(shape, dtype)
    if result.size:
        number = np.float32 if dtype.char == "e" else dtype.type
        if not isinstance(values[0], DeviceArray):
            values[0] = np.bool_(values[0])
        values[1:] = [value if isinstance(value, DeviceArray) else number(value) for value in values[1:]]
        views = [broadcast(value, shape) if isinstance(value, DeviceArray) else value for value in values]
        strides = [steps(view) if isinstance(view, DeviceArray) else (0,) * len(shape) for view in views]
        joint, *strides, _ = joined(shape, *strides, steps(result))
        arguments = []
        for view, step in zip(views, strides):
            arguments += (*(span(view) if isinstance(view, DeviceArray) else (view, 0)), step)
        choose = _where_kernel(values[0].dtype.char, dtype.char)
        choose[strided(result.size)](*arguments, kernel_shape(joint), result.reshape(-1))
    return result


@kernel
def _triangle(x, first, shape, x_steps, rows, columns, diagonal, lower, y):
    """A thread writes the element it owns, or 0 beyond the diagonal."""
    for i in range(cuda.grid(1), y.size, cuda.gridsize(1)):
        distance = i % columns - i // columns % rows
        inside = distance <= diagonal if lower else distance >= diagonal
        y[i] = x[first + offset_of(i, shape, x_steps)] if inside else y.dtype.type(0)


def _triangular(m, k, lower):
    shape = m.shape if m.ndim > 1 else (m.shape[0], m.shape[0])
    m, y = broadcast(m, shape), empty(shape, m.dtype)
    if y.size:
        joint, x_steps, _ = joined(shape, steps(m), steps(y))
        _triangle[strided(y.size)](
            *span(m), kernel_shape(joint), x_steps, shape[-2], shape[-1], int(k), lower, y.reshape(-1)
        )
    return y


def tril(m, k=0):
    """The lower triangle of the last two axes, zeros elsewhere."""
    return _triangular(m, k, True)


def triu(m, k=0):
    """The upper triangle of the last two axes, zeros elsewhere."""
    return _triangular(m, k, False)
