"""The products of a recurrent layer: those of all steps at once, and that of one step for eight sequences.

Both are tiles of `kernels.gemm`: eight rows by one vector of columns, whose matrix is packed into panels, the columns
of a vector side by side.
"""

import numpy as np

from kernels.gemm import ROWS, add_tile
from kernels.jit import kernel
from kernels.memory import empty, readable
from kernels.parallel import for_each
from kernels.simd import LANES, copy_transposed, lanes, load, splat, store, store_part

__all__ = ["Panels", "column_sums", "multiply", "plain", "product", "split"]

#: Rows that share one packed panel, and inner indices packed at once: 16 KiB of sums and 64 KiB of panel.
_BLOCK_ROWS = 256
_BLOCK_INNER = 1024


def plain(step):
    """Places of an axis that stand `step` apart: (step, from where on further away, how much further)."""
    return step, 2**62, 0


def split(step, at, jump):
    """Places of an axis that stand `step` apart, but those from index `at` on `jump` further away."""
    return step, at, jump


def product(a, a_rows, a_inner, b, b_inner, b_column, bias, y, sizes):
    """y[m, n] = bias[n] + sum_k a[place(a_rows, m) + place(a_inner, k)] * b[k * b_inner + n * b_column].

    `a` and `b` are flat. `y` (M, N or more columns) is C-contiguous; `sizes` is (M, K, N). `bias` may be None.
    """
    M, K, N = sizes
    bias = np.zeros(N, y.dtype) if bias is None else bias
    width = LANES[y.dtype]
    panels, row_blocks = -(-N // width), -(-M // _BLOCK_ROWS)
    inner, block = min(K, _BLOCK_INNER), -(-min(M, _BLOCK_ROWS) // ROWS) * ROWS
    layout = (*a_rows, *a_inner, b_inner, b_column, y.shape[1])

    def run(lo, hi):
        scratch = empty(inner * width, y.dtype), empty(block * width, y.dtype)
        tables = empty(block, np.int64), empty(inner, np.int64), empty(inner, np.int64)
        _product(lo, hi, a, b, bias, y.reshape(-1), *scratch, *tables, sizes, row_blocks, layout)

    for_each(run, panels * row_blocks, M * N * K / 8)
    return y


@kernel
def _product(lo, hi, a, b, bias, y, panel, sums, rows, a_steps, panel_steps, sizes, row_blocks, layout):
    M, K, N = sizes
    row_step, row_split, row_jump, inner_step, inner_split, inner_jump, b_inner, b_column, y_row = layout
    width = lanes(y)
    for k in range(len(panel_steps)):
        panel_steps[k] = k * width
    for item in range(lo, hi):
        first_column, first_row = item // row_blocks * width, item % row_blocks * _BLOCK_ROWS
        columns, count = min(width, N - first_column), min(_BLOCK_ROWS, M - first_row)
        _begin(sums, bias, first_column, columns)
        _places(rows, first_row, count, row_step, row_split, row_jump)
        for first in range(0, K, _BLOCK_INNER):
            inner = min(_BLOCK_INNER, K - first)
            _places(a_steps, first, inner, inner_step, inner_split, inner_jump)
            _pack(b, first * b_inner + first_column * b_column, b_inner, b_column, inner, columns, panel, 0)
            for r in range(0, count, ROWS):
                add_tile(a, rows, r, a_steps, panel, 0, panel_steps, 0, inner, sums, r * width)
        for r in range(count):
            store_part(y, (first_row + r) * y_row + first_column, load(sums, r * width), 0, columns)


@kernel
def _places(places, first, count, step, split, jump):
    """Where the rows or steps from index `first` on stand; beyond `count` the last one again."""
    for i in range(len(places)):
        index = first + min(i, count - 1)
        places[i] = index * step + (jump if index >= split else 0)


@kernel
def _begin(sums, bias, first_column, columns):
    """Every sum begins with the bias."""
    width = lanes(sums)
    for lane in range(width):
        sums[lane] = bias[first_column + lane] if lane < columns else 0
    for at in range(width, len(sums), width):
        store(sums, at, load(sums, 0))


@kernel
def _pack(b, start, inner_step, column_step, inner, columns, panel, at):
    """Lay the columns of a panel side by side, zeros where there are none."""
    width = lanes(panel)
    for lane in range(columns, width):
        for k in range(inner):
            panel[at + k * width + lane] = 0
    if column_step == 1:
        for k in range(inner):
            for lane in range(columns):
                panel[at + k * width + lane] = b[start + k * inner_step + lane]
        return
    squares = inner // width * width if inner_step == 1 and columns == width else 0
    for k in range(0, squares, width):
        copy_transposed(b, start + k, column_step, panel, at + k * width)
    for lane in range(columns):
        for k in range(squares, inner):
            panel[at + k * width + lane] = b[start + k * inner_step + lane * column_step]


class Panels:
    """A matrix packed whole, for `multiply` at every step.

    Parameters
    ----------
    matrix : ndarray of shape (R, K)
    transposed : bool
        False: sums over K, with R columns, ``sum_k v[k] * matrix[column, k]``, as forward needs them. True: sums over
        R, with K columns, as backward does.
    """

    def __init__(self, matrix, transposed):
        matrix = readable(matrix)
        R, K = matrix.shape
        self.inner, columns = (R, K) if transposed else (K, R)
        self.width = LANES[matrix.dtype]
        self.count = -(-columns // self.width)
        self.packed = empty(self.count * self.inner * self.width, matrix.dtype)
        steps = (K, 1) if transposed else (1, K)
        _pack_all(matrix.reshape(-1), *steps, self.inner, columns, self.packed)

    def arguments(self):
        """What the threads share: the packed matrix, and where its rows and the numbers of a contiguous v stand."""
        k_steps = np.arange(self.inner, dtype=np.int64)
        return self.packed, k_steps * self.width, k_steps

    def scratch(self):
        """What each thread has for itself: places of eight rows, a tile, and their sums, each `count` vectors long."""
        dtype = self.packed.dtype
        sizes = ROWS * self.width, ROWS * self.count * self.width
        return empty(ROWS, np.int64), *(empty(size, dtype) for size in sizes)


@kernel
def _pack_all(b, inner_step, column_step, inner, columns, packed):
    width = lanes(packed)
    for first in range(0, columns, width):
        count = min(width, columns - first)
        _pack(b, first * column_step, inner_step, column_step, inner, count, packed, first * inner)


@kernel
def multiply(a, rows, a_steps, packed, panel_steps, tile, sums):
    """sums[r, column] = sum_k a[rows[r] + a_steps[k]] * matrix[k, column], for the eight `rows` and a packed matrix."""
    width, inner = lanes(tile), len(panel_steps)
    row = len(sums) // ROWS
    zeros = splat(tile.dtype.type(0))
    for column in range(0, row, width):
        for at in range(0, ROWS * width, width):
            store(tile, at, zeros)
        add_tile(a, rows, 0, a_steps, packed, column * inner, panel_steps, 0, inner, tile, 0)
        for r in range(ROWS):
            store(sums, r * row + column, load(tile, r * width))


def column_sums(matrix):
    """sum_m matrix[m, n], each in float64."""
    sums = empty(matrix.shape[1], matrix.dtype)
    for_each(_sum_columns, sums.size, matrix.size, matrix, empty(sums.size, np.float64), sums)
    return sums


@kernel
def _sum_columns(lo, hi, matrix, acc, sums):
    acc = acc[lo:hi]
    acc[:] = 0
    for m in range(matrix.shape[0]):
        row = matrix[m, lo:hi]
        for n in range(len(acc)):
            acc[n] += row[n]
    sums[lo:hi] = acc
