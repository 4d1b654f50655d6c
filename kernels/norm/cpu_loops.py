"""The loops of fast normalisation, over matrices. What the other numbers belong to is in the name of the loop:

* rows: a mean and factors for each row; columns: for each column;
* weighted: a mean and factors for each row, but a weight for each column.

Where a result has the dtype of x, `centre` holds the mean in two parts, high and low. These loops must not be
reordered, or the parts would be added first. Sums are float64, and take the mean as it is. They stand in loops that
write no array: one that writes is vectorised only where its arrays lie far apart, and would then add in another order.
"""

import numpy as np

from kernels.jit import REASSOCIATE, kernel
from kernels.memory import empty, zeros
from kernels.parallel import for_each

__all__ = [
    "column_statistics",
    "column_sums",
    "mix_columns",
    "mix_rows",
    "mix_weighted",
    "row_squares",
    "row_statistics",
    "row_sums",
    "scale_columns",
    "scale_rows",
    "scale_weighted",
    "weight_sums",
    "weighted_sums",
]

#: Columns that are summed side by side: their sums fit the first-level cache.
COLUMNS = 256

#: Rows whose part of a gradient for weights is summed by one thread.
ROWS = 128

#: Elementary operations per element, for the choice between one thread and several.
OPERATIONS = 4


def row_statistics(x):
    """Mean of each row, and the sum of the squared distances from it."""
    mean, squares = empty(len(x), np.float64), empty(len(x), np.float64)
    for_each(_row_statistics, len(x), x.size * OPERATIONS, x, mean, squares)
    return mean, squares


def row_squares(x):
    """Sum of the squares of each row."""
    squares = empty(len(x), np.float64)
    for_each(_row_squares, len(x), x.size * OPERATIONS, x, squares)
    return squares


def column_statistics(x):
    """Mean of each column, and the sum of the squared distances from it."""
    mean, squares = zeros(x.shape[1], np.float64), zeros(x.shape[1], np.float64)
    for_each(_column_statistics, _blocks(x.shape[1], COLUMNS), x.size * OPERATIONS, x, mean, squares)
    return mean, squares


def scale_rows(x, centre, line):
    """(x - mean) * scale + shift; `line` holds scale and shift of each row."""
    y = empty(x.shape, x.dtype)
    for_each(_scale_rows, len(x), x.size * OPERATIONS, x, centre, line, y)
    return y


def scale_columns(x, centre, line):
    """(x - mean) * scale + shift; `line` holds scale and shift of each column."""
    y = empty(x.shape, x.dtype)
    for_each(_scale_columns, len(x), x.size * OPERATIONS, x, centre, line, y)
    return y


def scale_weighted(x, centre, scale, weights, shifts):
    """(x - mean) * scale * weight + shift; row r has the weights and shifts of row r % len(weights)."""
    y = empty(x.shape, x.dtype)
    for_each(_scale_weighted, len(x), x.size * OPERATIONS, x, centre, scale, weights, shifts, y)
    return y


def row_sums(grad_y, x, mean):
    """Sums of grad_y and of grad_y * (x - mean) over each row."""
    sums = empty((2, len(x)), np.float64)
    for_each(_row_sums, len(x), x.size * OPERATIONS, grad_y, x, mean, sums)
    return sums


def column_sums(grad_y, x, mean):
    """Sums of grad_y and of grad_y * (x - mean) over each column."""
    sums = zeros((2, x.shape[1]), np.float64)
    for_each(_column_sums, _blocks(x.shape[1], COLUMNS), x.size * OPERATIONS, grad_y, x, mean, sums)
    return sums


def weighted_sums(grad_y, x, mean, weights):
    """Sums of weight * grad_y and of weight * grad_y * (x - mean) over each row."""
    sums = empty((2, len(x)), np.float64)
    for_each(_weighted_sums, len(x), x.size * OPERATIONS, grad_y, x, mean, weights, sums)
    return sums


def weight_sums(grad_y, x, mean, scale, groups):
    """Sums of grad_y * (x - mean) * scale, and of grad_y, over the rows of each group: the gradients of weights."""
    R, K = x.shape
    blocks = _blocks(R // groups, ROWS)
    parts = zeros((blocks, groups, 2, K), np.float64)
    for_each(_weight_sums, blocks * groups, x.size * OPERATIONS, grad_y, x, mean, scale, parts)
    total = parts.sum(axis=0)
    return total[:, 0], total[:, 1]


def mix_rows(grad_y, x, centre, factors):
    """a * (weight * grad_y - b * (x - mean) - c); `factors` holds a, b, c and weight of each row."""
    grad_x = empty(x.shape, x.dtype)
    for_each(_mix_rows, len(x), x.size * OPERATIONS, grad_y, x, centre, factors, grad_x)
    return grad_x


def mix_columns(grad_y, x, centre, factors):
    """a * (grad_y - b * (x - mean) - c); `factors` holds a, b, c of each column."""
    grad_x = empty(x.shape, x.dtype)
    for_each(_mix_columns, len(x), x.size * OPERATIONS, grad_y, x, centre, factors, grad_x)
    return grad_x


def mix_weighted(grad_y, x, centre, weights, factors):
    """a * (weight * grad_y - b * (x - mean) - c); `factors` holds a, b, c of each row, `weights` are of columns."""
    grad_x = empty(x.shape, x.dtype)
    for_each(_mix_weighted, len(x), x.size * OPERATIONS, grad_y, x, centre, weights, factors, grad_x)
    return grad_x


def _blocks(count, size):
    return -(-count // size)


@kernel(fastmath=REASSOCIATE)
def _row_statistics(lo, hi, x, mean, squares):
    for r in range(lo, hi):
        row = x[r]
        acc = 0.0
        for k in range(row.size):
            acc += row[k]
        centre = acc / row.size
        acc = 0.0
        for k in range(row.size):
            acc += (row[k] - centre) * (row[k] - centre)
        mean[r], squares[r] = centre, acc


@kernel(fastmath=REASSOCIATE)
def _row_squares(lo, hi, x, squares):
    for r in range(lo, hi):
        row = x[r]
        acc = 0.0
        for k in range(row.size):
            acc += np.float64(row[k]) * np.float64(row[k])
        squares[r] = acc


@kernel
def _column_statistics(lo, hi, x, mean, squares):
    for block in range(lo, hi):
        first, stop = block * COLUMNS, min((block + 1) * COLUMNS, x.shape[1])
        centre, acc = mean[first:stop], squares[first:stop]
        for n in range(x.shape[0]):
            row = x[n][first:stop]
            for k in range(row.size):
                centre[k] += row[k]
        for k in range(centre.size):
            centre[k] /= x.shape[0]
        for n in range(x.shape[0]):
            row = x[n][first:stop]
            for k in range(row.size):
                acc[k] += (row[k] - centre[k]) * (row[k] - centre[k])


@kernel
def _scale_rows(lo, hi, x, centre, line, y):
    for r in range(lo, hi):
        row, result = x[r], y[r]
        high, low, scale, shift = centre[0, r], centre[1, r], line[0, r], line[1, r]
        for k in range(row.size):
            result[k] = ((row[k] - high) - low) * scale + shift


@kernel
def _scale_columns(lo, hi, x, centre, line, y):
    high, low, scale, shift = centre[0], centre[1], line[0], line[1]
    for r in range(lo, hi):
        row, result = x[r], y[r]
        for k in range(row.size):
            result[k] = ((row[k] - high[k]) - low[k]) * scale[k] + shift[k]


@kernel
def _scale_weighted(lo, hi, x, centre, scale, weights, shifts, y):
    for r in range(lo, hi):
        row, result = x[r], y[r]
        weight, shift = weights[r % weights.shape[0]], shifts[r % weights.shape[0]]
        high, low, factor = centre[0, r], centre[1, r], scale[r]
        for k in range(row.size):
            result[k] = ((row[k] - high) - low) * factor * weight[k] + shift[k]


@kernel(fastmath=REASSOCIATE)
def _row_sums(lo, hi, grad_y, x, mean, sums):
    for r in range(lo, hi):
        grad, row, centre = grad_y[r], x[r], mean[r]
        plain = moved = 0.0
        for k in range(row.size):
            plain += grad[k]
            moved += grad[k] * (row[k] - centre)
        sums[0, r], sums[1, r] = plain, moved


@kernel
def _column_sums(lo, hi, grad_y, x, mean, sums):
    for block in range(lo, hi):
        first, stop = block * COLUMNS, min((block + 1) * COLUMNS, x.shape[1])
        centre = mean[first:stop]
        plain, moved = sums[0][first:stop], sums[1][first:stop]
        for n in range(x.shape[0]):
            grad, row = grad_y[n][first:stop], x[n][first:stop]
            for k in range(row.size):
                plain[k] += grad[k]
                moved[k] += grad[k] * (row[k] - centre[k])


@kernel(fastmath=REASSOCIATE)
def _weighted_sums(lo, hi, grad_y, x, mean, weights, sums):
    for r in range(lo, hi):
        grad, row, weight, centre = grad_y[r], x[r], weights[r % weights.shape[0]], mean[r]
        plain = moved = 0.0
        for k in range(row.size):
            weighted = np.float64(grad[k]) * np.float64(weight[k])
            plain += weighted
            moved += weighted * (row[k] - centre)
        sums[0, r], sums[1, r] = plain, moved


@kernel
def _weight_sums(lo, hi, grad_y, x, mean, scale, parts):
    groups = parts.shape[1]
    for i in range(lo, hi):
        block, group = i // groups, i % groups
        moved, plain = parts[block, group, 0], parts[block, group, 1]
        for r in range(group + block * ROWS * groups, min((block + 1) * ROWS * groups, x.shape[0]), groups):
            grad, row, centre, factor = grad_y[r], x[r], mean[r], scale[r]
            for k in range(row.size):
                moved[k] += grad[k] * ((row[k] - centre) * factor)
                plain[k] += grad[k]


@kernel
def _mix_rows(lo, hi, grad_y, x, centre, factors, grad_x):
    for r in range(lo, hi):
        grad, row, result, high, low = grad_y[r], x[r], grad_x[r], centre[0, r], centre[1, r]
        a, b, c, weight = factors[0, r], factors[1, r], factors[2, r], factors[3, r]
        for k in range(row.size):
            result[k] = a * ((weight * grad[k] - c) - b * ((row[k] - high) - low))


@kernel
def _mix_columns(lo, hi, grad_y, x, centre, factors, grad_x):
    high, low, a, b, c = centre[0], centre[1], factors[0], factors[1], factors[2]
    for r in range(lo, hi):
        grad, row, result = grad_y[r], x[r], grad_x[r]
        for k in range(row.size):
            result[k] = a[k] * ((grad[k] - c[k]) - b[k] * ((row[k] - high[k]) - low[k]))


@kernel
def _mix_weighted(lo, hi, grad_y, x, centre, weights, factors, grad_x):
    for r in range(lo, hi):
        grad, row, result, weight = grad_y[r], x[r], grad_x[r], weights[r % weights.shape[0]]
        high, low, a, b, c = centre[0, r], centre[1, r], factors[0, r], factors[1, r], factors[2, r]
        for k in range(row.size):
            result[k] = a * ((weight[k] * grad[k] - c) - b * ((row[k] - high) - low))
