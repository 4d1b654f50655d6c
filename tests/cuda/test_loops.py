"""``for k in range(K)`` in a kernel is as cheap as in C, and means what it means in Python."""

import itertools
import re
import subprocess
import sys

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


# Numba's CPU target keeps its loops in a table of the same form: there the lowering runs, without a GPU.
_ON_THE_CPU = """
import itertools, sys
import numpy as np
from numba import njit
from numba.core.imputils import RefType, builtin_registry, iternext_impl
from numba.cpython.rangeobj import make_range_iterator
from kernels.gpu import loops

table = builtin_registry.functions
places = [place for place, (_, name, types) in enumerate(table) if name == "iternext" and "range" in str(types[0])]
assert len(places) == 3, places
for place in places:
    _, name, types = table[place]
    table[place] = loops._plain(types[0], make_range_iterator, iternext_impl(RefType.BORROWED)), name, types

@njit
def indices(start, stop, step, seen):
    count = 0
    for k in range(start, stop, step):
        seen[count] = k
        count += 1
    return count

@njit
def up_to(stop, seen):
    count = 0
    for k in range(stop):
        seen[count] = k
        count += 1
    return count

@njit
def inner(n, most):
    total = 0
    for k in range(n, -1, -1):
        if k % 3 == 1:
            continue
        if k > most:
            break
        total += k
    return total

@njit
def nested(n, m):
    total = 0
    for i in range(n):
        for j in range(i, m, 2):
            if j == 7:
                break
            total = 3 * total + i * j + inner(j, 5)
        else:
            total += 1
        i += 100
        for _ in range(2):
            total += i
    return total

seen = np.zeros(64, np.int64)
for dtype in (int, np.int32, np.int64):
    for start, stop, step in itertools.product(range(-4, 5), range(-4, 5), (-5, -2, -1, 1, 2, 5)):
        count = indices(dtype(start), dtype(stop), dtype(step), seen)
        assert list(seen[:count]) == list(range(start, stop, step)), (dtype, start, stop, step)
for dtype in (np.uint64, np.uint32, np.uint8, np.int8):
    for start, stop, step in itertools.product(range(5), range(5), (1, 2, 5)):
        count = indices(dtype(start), dtype(stop), dtype(step), seen)
        assert list(seen[:count]) == list(range(start, stop, step)), (dtype, start, stop, step)
        assert up_to(dtype(stop), seen) == stop
least, most = -(2**63), 2**63 - 1
for start, stop, step in ((most - 3, most - 1, 1), (least + 3, least + 1, -1), (2**31 - 3, 2**31 - 1, 1)):
    count = indices(start, stop, step, seen)
    assert list(seen[:count]) == list(range(start, stop, step))
for n, m in itertools.product(range(6), range(10)):
    assert nested(n, m) == nested.py_func(n, m), (n, m)
print("as in Python")
"""


@pytest.mark.anywhere
def test_the_lowering_itself_counts_as_python_does():
    run = subprocess.run([sys.executable, "-c", _ON_THE_CPU], capture_output=True, text=True, timeout=120)
    assert run.stdout.strip() == "as in Python", run.stderr
