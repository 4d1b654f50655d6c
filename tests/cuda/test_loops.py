"""``for k in range(K)`` in a kernel is as cheap as in C, and means what it means in Python."""

import itertools
import re

import numpy as np
import pytest
from numba import cuda

from kernels.gpu import loops, ptx
from kernels.gpu.launch import kernel
from kernels.gpu.memory import empty
from kernels.gpu.transfer import to_device


@kernel
def _matrix_vector(a, x, y):
    j = cuda.grid(1)
    if j < y.size:
        acc = y.dtype.type(0)
        for k in range(a.shape[0]):
            acc += a[k, j] * x[k]
        y[j] = acc


@pytest.mark.anywhere
@pytest.mark.skipif(ptx.problem() is not None, reason=str(ptx.problem()))
def test_the_inner_loop_of_a_product_is_short():
    with ptx.compiling(targets=((8, 0),), keep=True) as compiled:
        _matrix_vector[1, 1](*(empty(shape, np.float32) for shape in ((3, 4), 3, 4)))
    text = next(text for (name, *_), text in compiled.ptx.items() if name.endswith("_matrix_vector"))
    instructions = [line.strip() for line in text.splitlines() if re.match(r"\s+[a-z@]", line)]
    products = [place for place, line in enumerate(instructions) if line.startswith("fma")]
    apart = min(later - earlier for earlier, later in itertools.pairwise(products))  # the loop is unrolled
    assert apart <= 6, text


@pytest.mark.anywhere
@pytest.mark.skipif(ptx.problem() is not None, reason=str(ptx.problem()))
def test_numba_cuda_has_the_table_that_is_changed():
    assert loops.lower_ranges_plainly()


@kernel
def _indices(start, stop, step, y, count):
    for k in range(start, stop, step):
        y[count[0]] = k
        count[0] += 1


@pytest.mark.parametrize(
    ("start", "stop", "step"),
    [(0, 5, 1), (0, 0, 1), (3, 1, 1), (2, 9, 3), (5, -1, -1), (-4, 3, 2), (7, 0, -3), (1, 1, -1), (0, 3, -1)],
)
def test_the_indices_are_those_of_python(start, stop, step):
    y, count = to_device(np.zeros(16, np.int64)), to_device(np.zeros(1, np.int64))
    _indices[1, 1](start, stop, step, y, count)
    assert list(y.get()[: count.get()[0]]) == list(range(start, stop, step))
