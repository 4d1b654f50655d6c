"""Vectors of lanes: each operation against NumPy, for both dtypes, and their bounds checks."""

import os
import subprocess
import sys

import numpy as np
import pytest

from kernels import simd
from kernels.jit import kernel

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@kernel
def _width(array, out):
    out[0] = simd.lanes(array)


@kernel
def _multiply_add(a, i, b, j, y):
    simd.store(y, 0, simd.add(simd.fma(simd.load(a, i), simd.load_splat(b, j), simd.load(y, 0)), simd.splat(a[0])))


@kernel
def _store_part(a, y, offset, first, stop):
    simd.store_part(y, offset, simd.load(a, 0), first, stop)


@kernel
def _transpose(source, start, step, target, at):
    simd.copy_transposed(source, start, step, target, at)


@kernel
def _element(a, i, y):
    y[0] = simd.element(a, i)


def numbers(count, dtype):
    return np.random.default_rng(count).standard_normal(count).astype(dtype)


@DTYPES
def test_a_vector_has_64_bytes(dtype):
    out = np.zeros(1, np.int64)
    _width(np.zeros(1, dtype), out)
    assert out[0] == simd.LANES[np.dtype(dtype)] == 64 // np.dtype(dtype).itemsize


@DTYPES
def test_load_splat_multiply_add_store(dtype):
    width = simd.LANES[np.dtype(dtype)]
    a, b, y = numbers(40, dtype), numbers(5, dtype), numbers(width + 1, dtype)
    expected = a[3 : 3 + width].astype(np.float64) * b[4] + y[:width] + a[0]
    untouched = y[-1]
    _multiply_add(a, 3, b, 4, y)
    np.testing.assert_allclose(y[:width], expected, rtol=4 * np.finfo(dtype).eps, atol=4 * np.finfo(dtype).eps)
    assert y[-1] == untouched


@DTYPES
def test_multiply_add_rounds_once(dtype):
    width = simd.LANES[np.dtype(dtype)]
    eps = np.finfo(dtype).eps
    a, y = np.full(width, 1 + eps, dtype), np.full(width, -1 - 2 * eps, dtype)
    a[0] = 0  # what _multiply_add adds at the end, so that only the product counts
    _multiply_add(a, 0, np.array([1 + eps], dtype), 0, y)
    assert (y[1:] == eps**2).all()  # rounded twice it would be 0


@DTYPES
@pytest.mark.parametrize(("first", "stop"), [(0, 1), (2, 5), (7, 8), (0, 8), (3, 3)])
def test_store_part_leaves_the_rest(dtype, first, stop):
    a, y = numbers(16, dtype), np.full(8, np.nan, dtype)
    _store_part(a, y, 0, first, stop)
    assert (y[first:stop] == a[first:stop]).all()
    assert np.isnan(y[:first]).all() and np.isnan(y[stop:]).all()


@DTYPES
def test_store_part_may_begin_before_the_array(dtype):
    a, y = numbers(16, dtype), np.full(3, np.nan, dtype)
    _store_part(a, y, -4, 4, 7)
    assert (y == a[4:7]).all()


@DTYPES
def test_copy_transposed(dtype):
    width = simd.LANES[np.dtype(dtype)]
    step = width + 3
    source, target = numbers(step * width + 5, dtype), np.full(width * width + 4, np.nan, dtype)
    _transpose(source, 5, step, target, 2)
    expected = [[source[5 + j * step + i] for j in range(width)] for i in range(width)]
    assert (target[2:-2].reshape(width, width) == expected).all()
    assert np.isnan(target[[0, 1, -2, -1]]).all()


@DTYPES
def test_element(dtype):
    a, y = numbers(7, dtype), np.zeros(1, dtype)
    _element(a, 6, y)
    assert y[0] == a[6]


BOUNDS = """
import numpy as np
from kernels import simd
from kernels.jit import kernel

@kernel
def load(a, i, y): simd.store(y, 0, simd.load(a, i))
@kernel
def store(a, i, y): simd.store(a, i, simd.load(y, 0))
@kernel
def load_splat(a, i, y): simd.store(y, 0, simd.load_splat(a, i))
@kernel
def element(a, i, y): y[0] = simd.element(a, i)
@kernel
def store_part(a, i, y): simd.store_part(a, i, simd.load(y, 0), 1, 3)
@kernel
def transposed_from(a, i, y): simd.copy_transposed(a, i, 0, y, 0)
@kernel
def transposed_to(a, i, y): simd.copy_transposed(y, 0, 0, a, i)

def refuses(read, i):
    try:
        read(np.zeros(20, np.float32), i, np.zeros(256, np.float32))
    except IndexError:
        return True
    return False

last_inside = {load: 4, store: 4, load_splat: 19, element: 19, store_part: 17, transposed_from: 4}
for read, i in last_inside.items():
    print(read.__name__, refuses(read, i), refuses(read, i + 1))
print("transposed_to", False, refuses(transposed_to, 0))
"""


def test_bounds_are_checked_where_numba_checks(tmp_path):
    """In a process of its own, because Numba reads the setting once."""
    environment = {
        **os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.getcwd(),
    }  # fmt: skip
    script = tmp_path / "bounds.py"
    script.write_text(BOUNDS)
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 7, done.stderr
    assert all(line.endswith(" False True") for line in lines), lines
