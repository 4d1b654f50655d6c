"""Fast matrix products. Same contracts as ``kernels/linear/reference.py``.

Optimizations
-------------
* Eight rows by one vector of sums stay in registers (``kernels/gemm.py``), so that the processor does little but
  multiply and add.
* The columns that a vector holds are first copied side by side ("packed"), so that the innermost loop reads memory in
  order. Transposed operands are read in place while they are packed: nothing is ever transposed as a whole.
* Either operand may be the one that is packed: a b and (b^T a^T)^T are the same numbers. The smaller one is.
* The inner index is cut into blocks, so that what is packed fits into the second-level cache.
* Threads share the column panels and blocks of rows; each element of the product belongs to one of them, and its sum is
  always formed in the same order. So the bits do not depend on the number of threads.
"""

import numpy as np

from kernels.gemm import ROWS, add_tile, fill_rows
from kernels.jit import REASSOCIATE, kernel
from kernels.linear import shapes
from kernels.memory import empty, readable
from kernels.parallel import for_each
from kernels.simd import LANES, copy_transposed, lanes, load, store_part

__all__ = [
    "linear_backward_bias", "linear_backward_weight", "linear_backward_x", "linear_forward", "matmul_backward_a",
    "matmul_backward_b", "matmul_forward",
]  # fmt: skip

#: Rows that share one packed panel, and inner indices packed at once: 16 KiB of sums and 64 KiB of panel.
_BLOCK_ROWS = 256
_BLOCK_INNER = 1024


def matmul_forward(a, b):
    """Same contract as in ``reference``."""
    return _product(shapes.matmul(a, b), a, b, None)


def matmul_backward_a(grad_y, b):
    """Same contract as in ``reference``."""
    return _product(shapes.matmul_backward_a(grad_y, b), grad_y, b.swapaxes(1, 2), None)


def matmul_backward_b(grad_y, a):
    """Same contract as in ``reference``."""
    return _product(shapes.matmul_backward_b(grad_y, a), a.swapaxes(1, 2), grad_y, None)


def linear_forward(x, weight, bias):
    """Same contract as in ``reference``."""
    return _product((1, *shapes.linear(x, weight, bias)), x[None], weight.T[None], bias)[0]


def linear_backward_x(grad_y, weight):
    """Same contract as in ``reference``."""
    return _product((1, *shapes.linear_backward_x(grad_y, weight)), grad_y[None], weight[None], None)[0]


def linear_backward_weight(grad_y, x):
    """Same contract as in ``reference``."""
    return _product((1, *shapes.linear_backward_weight(grad_y, x)), grad_y.T[None], x[None], None)[0]


def linear_backward_bias(grad_y):
    """Same contract as in ``reference``."""
    grad_bias = empty(shapes.linear_backward_bias(grad_y), grad_y.dtype)
    for_each(_sum_rows, grad_bias.size, grad_y.size, readable(grad_y), grad_bias)
    return grad_bias


def _product(shape, a, b, bias):
    """y[i] = a[i] b[i] + bias, where `a` and `b` may be transposed views, and bias counts for every row."""
    y = empty(shape, a.dtype)
    a, b = _in_place(a), _in_place(b)
    bias_step = 0 if bias is None else 1
    bias = np.zeros(1, y.dtype) if bias is None else readable(bias)
    steps = (0, bias_step)
    # The rows that are broadcast are re-read for every panel, the packed columns once: pack the smaller operand, unless
    # the other one lies in memory as a panel does.
    packs_rows_of_memory = b.strides[2] == b.itemsize
    if a.shape[1] < b.shape[2] and not packs_rows_of_memory:
        a, b, y_view, steps = b.swapaxes(1, 2), a.swapaxes(1, 2), y.swapaxes(1, 2), (bias_step, 0)
    else:
        y_view = y
    B, M, K = a.shape
    N = b.shape[2]
    width = LANES[y.dtype]
    panels, row_blocks = -(-N // width), -(-M // _BLOCK_ROWS)
    block = -(-min(M, _BLOCK_ROWS) // ROWS) * ROWS
    inner = np.arange(min(K, _BLOCK_INNER), dtype=np.int64)
    tables = inner * _step(a, 2), inner * width
    sizes = (M, K, N, panels, row_blocks)
    strides = tuple(_step(array, axis) for array in (a, b, y_view) for axis in range(3))
    arrays = _flat(a), _flat(b), bias, y.reshape(-1)

    def multiply(lo, hi):
        scratch = empty(len(inner) * width, y.dtype), empty(block * width, y.dtype), empty(block, np.int64)
        _multiply(lo, hi, *arrays, *scratch, *tables, sizes, strides, steps)

    for_each(multiply, B * panels * row_blocks, B * M * N * K / 8)
    return y


def _in_place(array):
    """A float array whose last two axes may be swapped, but which otherwise lies in memory as kernels need it."""
    swapped = array.swapaxes(1, 2)
    return readable(swapped).swapaxes(1, 2) if swapped.flags.c_contiguous else readable(array)


def _flat(array):
    return (array if array.flags.c_contiguous else array.swapaxes(1, 2)).reshape(-1)


def _step(array, axis):
    """Elements from one place to the next along an axis."""
    return array.strides[axis] // array.itemsize


@kernel
def _multiply(lo, hi, a, b, bias, y, panel, sums, rows, a_steps, panel_steps, sizes, strides, bias_steps):
    M, K, N, panels, row_blocks = sizes
    a_stack, a_row, a_inner, b_stack, b_inner, b_column, y_stack, y_row, y_column = strides
    width = lanes(y)
    for item in range(lo, hi):
        i, place = item // (panels * row_blocks), item % (panels * row_blocks)
        first_column, first_row = place // row_blocks * width, place % row_blocks * _BLOCK_ROWS
        columns, count = min(width, N - first_column), min(_BLOCK_ROWS, M - first_row)
        _begin(sums, count, width, columns, bias, first_row * bias_steps[0] + first_column * bias_steps[1], bias_steps)
        for first in range(0, K, _BLOCK_INNER):
            inner = min(_BLOCK_INNER, K - first)
            _pack(b, i * b_stack + first * b_inner + first_column * b_column, b_inner, b_column, inner, columns, panel)
            fill_rows(rows, i * a_stack + first_row * a_row + first * a_inner, a_row, count)
            for r in range(0, count, ROWS):
                add_tile(a, rows, r, a_steps, panel, 0, panel_steps, 0, inner, sums, r * width)
        y_start = i * y_stack + first_row * y_row + first_column * y_column
        _store(sums, count, columns, y, y_start, y_row, y_column)


@kernel
def _begin(sums, count, width, columns, bias, start, bias_steps):
    """Every sum begins with the bias."""
    for r in range(count):
        for lane in range(width):
            sums[r * width + lane] = bias[start + r * bias_steps[0] + lane * bias_steps[1]] if lane < columns else 0
    for i in range(count * width, len(sums)):
        sums[i] = 0


@kernel
def _pack(b, start, inner_step, column_step, inner, columns, panel):
    """Lay the columns of a panel side by side, zeros where there are none."""
    width = lanes(panel)
    for lane in range(columns, width):
        for k in range(inner):
            panel[k * width + lane] = 0
    if column_step == 1:
        for k in range(inner):
            for lane in range(columns):
                panel[k * width + lane] = b[start + k * inner_step + lane]
    else:
        squares = inner // width * width if inner_step == 1 and columns == width else 0
        for k in range(0, squares, width):
            copy_transposed(b, start + k, column_step, panel, k * width)
        for lane in range(columns):
            for k in range(squares, inner):
                panel[k * width + lane] = b[start + k * inner_step + lane * column_step]


@kernel
def _store(sums, count, columns, y, start, row_step, column_step):
    width = lanes(y)
    if column_step == 1:
        for r in range(count):
            store_part(y, start + r * row_step, load(sums, r * width), 0, columns)
    else:
        for lane in range(columns):
            for r in range(count):
                y[start + r * row_step + lane * column_step] = sums[r * width + lane]


@kernel(fastmath=REASSOCIATE)
def _sum_rows(lo, hi, grad_y, grad_bias):
    for f_out in range(lo, hi):
        acc = 0.0
        for n in range(grad_y.shape[0]):
            acc += grad_y[n, f_out]
        grad_bias[f_out] = acc
