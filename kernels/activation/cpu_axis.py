"""Activations that treat one axis apart, fast. Same contracts as in ``reference_axis``.

Optimizations
-------------
* softmax over the last axis goes row by row: the exponentials are computed once, kept in the result, and scaled.
* Over another axis the neighbours in memory belong to different sums: blocks of columns are done side by side, 4 to 16
  at a time, with the running maximum and the sum of each column in a scratch array.
* A thread owns whole rows or blocks of columns, so the bits do not depend on their number. prelu's weight gradient sums
  each row on its own, and the rows in order at the end.
"""

import math

from kernels import elementary
from kernels.activation import shapes
from kernels.jit import REASSOCIATE, kernel
from kernels.memory import empty, readable
from kernels.parallel import for_each

__all__ = [
    "glu_backward_x",
    "glu_forward",
    "log_softmax_backward_x",
    "log_softmax_forward",
    "prelu_backward_weight",
    "prelu_backward_x",
    "prelu_forward",
    "softmax_backward_x",
    "softmax_forward",
]

#: Columns that are done side by side: a few of their rows fit the first-level cache.
BLOCK = 512

#: Lanes of the running maximum of a row, which LLVM does not vectorise by itself (NaN forbids).
LANES = 16

#: Elementary operations per element, for the choice between one thread and several.
OPERATIONS = 8


def softmax_forward(x, axis):
    """Same contract as in ``reference``."""
    return _forward("softmax", x, axis, False)


def softmax_backward_x(grad_y, y, axis):
    """Same contract as in ``reference``."""
    return _backward("softmax_backward", grad_y, y, axis, False)


def log_softmax_forward(x, axis):
    """Same contract as in ``reference``."""
    return _forward("log_softmax", x, axis, True)


def log_softmax_backward_x(grad_y, y, axis):
    """Same contract as in ``reference``."""
    return _backward("log_softmax_backward", grad_y, y, axis, True)


def glu_forward(x, axis):
    """Same contract as in ``reference``."""
    shapes.check_floats("glu", {"x": x})
    y = empty(shapes.gated("glu", x.shape, axis), x.dtype)
    outer = shapes.along_axis("glu", x.shape, axis)[0]
    for_each(_glu, outer, x.size * OPERATIONS, _halves(x, outer), y.reshape(outer, y.size // max(outer, 1)))
    return y


def glu_backward_x(grad_y, x, axis):
    """Same contract as in ``reference``."""
    shapes.check_gated("glu_backward", grad_y, x, axis)
    outer = shapes.along_axis("glu_backward", x.shape, axis)[0]
    grad_x = empty(x.shape, x.dtype)
    flat_grad = readable(grad_y).reshape(outer, grad_y.size // max(outer, 1))
    for_each(_glu_backward, outer, x.size * OPERATIONS, flat_grad, _halves(x, outer), _halves(grad_x, outer))
    return grad_x


def prelu_forward(x, weight):
    """Same contract as in ``reference``."""
    shapes.check_slopes("prelu", x, weight)
    N, C, inner = shapes.per_channel(x.shape, weight.shape[0])
    y = empty((N * C, inner), x.dtype)
    for_each(_prelu, N * C, x.size * OPERATIONS, readable(x).reshape(y.shape), readable(weight), y)
    return y.reshape(x.shape)


def prelu_backward_x(grad_y, x, weight):
    """Same contract as in ``reference``."""
    shapes.check_slopes("prelu_backward", x, weight)
    shapes.check_alike("prelu_backward", {"x": x, "grad_y": grad_y})
    N, C, inner = shapes.per_channel(x.shape, weight.shape[0])
    grad_x = empty((N * C, inner), x.dtype)
    rows = (readable(array).reshape(grad_x.shape) for array in (grad_y, x))
    for_each(_prelu_backward_x, N * C, x.size * OPERATIONS, *rows, readable(weight), grad_x)
    return grad_x.reshape(x.shape)


def prelu_backward_weight(grad_y, x, weight):
    """Same contract as in ``reference``."""
    shapes.check_slopes("prelu_backward", x, weight)
    shapes.check_alike("prelu_backward", {"x": x, "grad_y": grad_y})
    N, C, inner = shapes.per_channel(x.shape, weight.shape[0])
    sums = empty((N * C,), "float64")
    rows = (readable(array).reshape(N * C, inner) for array in (grad_y, x))
    for_each(_prelu_row_sums, N * C, x.size * OPERATIONS, *rows, sums)
    return sums.reshape(N, C).sum(axis=0).astype(x.dtype)


def _forward(op, x, axis, logarithm):
    shapes.check_floats(op, {"x": x})
    outer, L, inner = shapes.along_axis(op, x.shape, axis)
    y = empty(x.shape, x.dtype)
    if inner == 1 and y.size:
        rows = _log_softmax_rows if logarithm else _softmax_rows
        for_each(rows, outer, x.size * OPERATIONS, *(readable(array).reshape(outer, L) for array in (x, y)))
    elif y.size:
        columns = _log_softmax_columns if logarithm else _softmax_columns
        _over_columns(columns, (outer, L, inner), (x, y))
    return y


def _backward(op, grad_y, y, axis, logarithm):
    shapes.check_alike(op, {"grad_y": grad_y, "y": y})
    outer, L, inner = shapes.along_axis(op, y.shape, axis)
    grad_x = empty(y.shape, y.dtype)
    if inner == 1 and y.size:
        rows = _log_softmax_rows_backward if logarithm else _softmax_rows_backward
        arrays = (readable(array).reshape(outer, L) for array in (grad_y, y, grad_x))
        for_each(rows, outer, y.size * OPERATIONS, *arrays)
    elif y.size:
        columns = _log_softmax_columns_backward if logarithm else _softmax_columns_backward
        _over_columns(columns, (outer, L, inner), (grad_y, y, grad_x))
    return grad_x


def _over_columns(kernel_of_blocks, sizes, arrays):
    outer, L, inner = sizes
    blocks = -(-inner // BLOCK)
    scratch = empty((2, outer, inner), arrays[0].dtype)
    arrays = (readable(array).reshape(sizes) for array in arrays)
    for_each(kernel_of_blocks, outer * blocks, outer * L * inner * OPERATIONS, *arrays, *scratch)


def _halves(x, outer):
    return readable(x).reshape(outer, 2, x.size // max(2 * outer, 1))


@elementary.formula
def _largest(row, lanes):
    """The largest number of a row that is not NaN (a NaN shows in the sum later). `lanes` is overwritten."""
    whole = row.size // LANES * LANES
    largest = row[0]
    if whole:
        for k in range(LANES):
            lanes[k] = row[k]
        for first in range(LANES, whole, LANES):
            part = row[first : first + LANES]
            for k in range(LANES):
                lanes[k] = part[k] if part[k] > lanes[k] else lanes[k]
        for k in range(LANES):
            largest = lanes[k] if lanes[k] > largest else largest
    for k in range(whole, row.size):
        largest = row[k] if row[k] > largest else largest
    return largest


@kernel(fastmath=REASSOCIATE)
def _softmax_rows(lo, hi, x, y):
    for o in range(lo, hi):
        row, result = x[o], y[o]
        largest = _largest(row, result)
        for k in range(row.size):
            result[k] = elementary.exp(row[k] - largest)
        # On its own: a loop that also writes is vectorised only if x and y lie far apart, and then adds differently.
        acc = type(largest)(0)
        for k in range(row.size):
            acc += result[k]
        for k in range(row.size):
            result[k] /= acc


@kernel(fastmath=REASSOCIATE)
def _log_softmax_rows(lo, hi, x, y):
    for o in range(lo, hi):
        row, result = x[o], y[o]
        largest = _largest(row, result)
        acc = type(largest)(0)
        for k in range(row.size):
            acc += elementary.exp(row[k] - largest)
        log = math.log(acc)
        for k in range(row.size):
            result[k] = (row[k] - largest) - log


@kernel(fastmath=REASSOCIATE)
def _softmax_rows_backward(lo, hi, grad_y, y, grad_x):
    for o in range(lo, hi):
        grad, row, result = grad_y[o], y[o], grad_x[o]
        acc = type(row[0])(0)
        for k in range(row.size):
            acc += grad[k] * row[k]
        for k in range(row.size):
            result[k] = row[k] * (grad[k] - acc)


@kernel(fastmath=REASSOCIATE)
def _log_softmax_rows_backward(lo, hi, grad_y, y, grad_x):
    for o in range(lo, hi):
        grad, row, result = grad_y[o], y[o], grad_x[o]
        acc = type(row[0])(0)
        for k in range(row.size):
            acc += grad[k]
        for k in range(row.size):
            result[k] = grad[k] - elementary.exp(row[k]) * acc


@elementary.formula
def _block(block, inner):
    """Where a block of columns lies: its outer index, its first column and the one after its last."""
    blocks = (inner + BLOCK - 1) // BLOCK
    first = block % blocks * BLOCK
    return block // blocks, first, min(first + BLOCK, inner)


@elementary.formula
def _column_largest(x, first, stop, largest):
    """For each column the largest number that is not NaN (a NaN shows in the sum later)."""
    row = x[0][first:stop]
    for i in range(row.size):
        largest[i] = row[i]
    for k in range(1, x.shape[0]):
        row = x[k][first:stop]
        for i in range(row.size):
            largest[i] = row[i] if row[i] > largest[i] else largest[i]


@kernel
def _softmax_columns(lo, hi, x, y, largest, acc):
    for block in range(lo, hi):
        o, first, stop = _block(block, x.shape[2])
        top, total = largest[o][first:stop], acc[o][first:stop]
        _column_largest(x[o], first, stop, top)
        total[:] = 0
        for k in range(x.shape[1]):
            row, result = x[o, k][first:stop], y[o, k][first:stop]
            for i in range(row.size):
                result[i] = elementary.exp(row[i] - top[i])
                total[i] += result[i]
        for k in range(x.shape[1]):
            result = y[o, k][first:stop]
            for i in range(result.size):
                result[i] /= total[i]


@kernel
def _log_softmax_columns(lo, hi, x, y, largest, acc):
    for block in range(lo, hi):
        o, first, stop = _block(block, x.shape[2])
        top, total = largest[o][first:stop], acc[o][first:stop]
        _column_largest(x[o], first, stop, top)
        total[:] = 0
        for k in range(x.shape[1]):
            row = x[o, k][first:stop]
            for i in range(row.size):
                total[i] += elementary.exp(row[i] - top[i])
        for i in range(total.size):
            total[i] = math.log(total[i])
        for k in range(x.shape[1]):
            row, result = x[o, k][first:stop], y[o, k][first:stop]
            for i in range(row.size):
                result[i] = (row[i] - top[i]) - total[i]


@kernel
def _softmax_columns_backward(lo, hi, grad_y, y, grad_x, _, acc):
    for block in range(lo, hi):
        o, first, stop = _block(block, y.shape[2])
        total = acc[o][first:stop]
        total[:] = 0
        for k in range(y.shape[1]):
            grad, row = grad_y[o, k][first:stop], y[o, k][first:stop]
            for i in range(row.size):
                total[i] += grad[i] * row[i]
        for k in range(y.shape[1]):
            grad, row, result = grad_y[o, k][first:stop], y[o, k][first:stop], grad_x[o, k][first:stop]
            for i in range(row.size):
                result[i] = row[i] * (grad[i] - total[i])


@kernel
def _log_softmax_columns_backward(lo, hi, grad_y, y, grad_x, _, acc):
    for block in range(lo, hi):
        o, first, stop = _block(block, y.shape[2])
        total = acc[o][first:stop]
        total[:] = 0
        for k in range(y.shape[1]):
            grad = grad_y[o, k][first:stop]
            for i in range(grad.size):
                total[i] += grad[i]
        for k in range(y.shape[1]):
            grad, row, result = grad_y[o, k][first:stop], y[o, k][first:stop], grad_x[o, k][first:stop]
            for i in range(row.size):
                result[i] = grad[i] - elementary.exp(row[i]) * total[i]


@kernel
def _glu(lo, hi, x, y):
    for o in range(lo, hi):
        value, gate, result = x[o, 0], x[o, 1], y[o]
        for i in range(result.size):
            result[i] = value[i] * elementary.sigmoid(gate[i])


@kernel
def _glu_backward(lo, hi, grad_y, x, grad_x):
    for o in range(lo, hi):
        grad, value, gate, grad_value, grad_gate = grad_y[o], x[o, 0], x[o, 1], grad_x[o, 0], grad_x[o, 1]
        for i in range(grad.size):
            s = elementary.sigmoid(gate[i])
            grad_value[i] = grad[i] * s
            grad_gate[i] = grad[i] * value[i] * (s * (type(s)(1) - s))


@kernel
def _prelu(lo, hi, x, weight, y):
    for row in range(lo, hi):
        slope, values, result = weight[row % weight.size], x[row], y[row]
        for i in range(values.size):
            result[i] = values[i] if values[i] > 0 else slope * values[i]


@kernel
def _prelu_backward_x(lo, hi, grad_y, x, weight, grad_x):
    for row in range(lo, hi):
        slope, values, grad, result = weight[row % weight.size], x[row], grad_y[row], grad_x[row]
        for i in range(values.size):
            result[i] = grad[i] if values[i] > 0 else slope * grad[i]


@kernel(fastmath=REASSOCIATE)
def _prelu_row_sums(lo, hi, grad_y, x, sums):
    for row in range(lo, hi):
        values, grad = x[row], grad_y[row]
        acc = 0.0  # float64: a row may be a whole picture
        for i in range(values.size):
            acc += 0.0 if values[i] > 0 else grad[i] * values[i]
        sums[row] = acc
