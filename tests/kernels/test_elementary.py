"""The vector functions: error in units of the last place over the whole range, corners, and vector instructions."""

import math
import re

import numpy as np
import pytest

from kernels import elementary
from kernels.jit import kernel

#: Largest error in ulp, as the module states it.
BOUNDS = {"exp": 1.5, "expm1": 2.0, "tanh": 3.0, "sigmoid": 2.5, "log1p_unit": 2.5, "erf": 2.5}

INF, NAN = np.inf, np.nan


def exact_sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


EXACT = {
    "exp": np.exp,
    "expm1": np.expm1,
    "tanh": np.tanh,
    "sigmoid": exact_sigmoid,
    "log1p_unit": np.log1p,
    "erf": np.vectorize(math.erf, otypes=[np.longdouble]),
}


@kernel
def _exp(x, y):
    for i in range(x.size):
        y[i] = elementary.exp(x[i])


@kernel
def _expm1(x, y):
    for i in range(x.size):
        y[i] = elementary.expm1(x[i])


@kernel
def _tanh(x, y):
    for i in range(x.size):
        y[i] = elementary.tanh(x[i])


@kernel
def _sigmoid(x, y):
    for i in range(x.size):
        y[i] = elementary.sigmoid(x[i])


@kernel
def _log1p_unit(x, y):
    for i in range(x.size):
        y[i] = elementary.log1p_unit(x[i])


@kernel
def _erf(x, y):
    for i in range(x.size):
        y[i] = elementary.erf(x[i])


LOOPS = {"exp": _exp, "expm1": _expm1, "tanh": _tanh, "sigmoid": _sigmoid, "log1p_unit": _log1p_unit, "erf": _erf}

FUNCTIONS = pytest.mark.parametrize("name", EXACT)
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def computed(name, x):
    y = np.full_like(x, NAN)
    LOOPS[name](x, y)
    return y


def arguments(name, dtype):
    """Every size of number that the dtype has, denormal ones too, and more of them where something happens."""
    generator = np.random.default_rng(0)
    if dtype == np.float32:
        spread = np.arange(0, 2**32, 40_009, dtype=np.uint32).view(np.float32)
    else:
        spread = generator.integers(0, 2**64, 20_000, dtype=np.uint64).view(np.float64)
    near = [generator.uniform(-1, 1, 20_000) * size for size in (1e-3, 1, 10, 110 if dtype == np.float32 else 750)]
    x = np.concatenate([spread[np.isfinite(spread)], *near]).astype(dtype)
    return np.abs(x[np.abs(x) <= 1]) if name == "log1p_unit" else x


@FUNCTIONS
@DTYPES
def test_error_in_units_of_the_last_place(name, dtype):
    if np.finfo(np.longdouble).eps > 1e-18 and dtype == np.float64:
        pytest.skip("needs a long double of more than 64 bits to judge float64 by")
    x = arguments(name, dtype)
    with np.errstate(all="ignore"):
        exact = EXACT[name](x.astype(np.longdouble))
        rounded = exact.astype(dtype)
    y = computed(name, x)
    assert y.dtype == dtype
    finite = np.isfinite(rounded)
    np.testing.assert_array_equal(y[~finite], rounded[~finite])  # what overflows, and nothing else
    ulp = np.abs(y[finite] - exact[finite]) / np.spacing(np.abs(rounded[finite])).astype(np.longdouble)
    assert ulp.max() <= BOUNDS[name]


@DTYPES
@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("exp", [NAN, INF, -INF, 0.0], [NAN, INF, 0, 1]),
        ("expm1", [NAN, INF, -INF, 0.0], [NAN, INF, -1, 0]),
        ("tanh", [NAN, INF, -INF, 0.0, 1e4], [NAN, 1, -1, 0, 1]),
        ("sigmoid", [NAN, INF, -INF, 0.0, 1e4, -1e4], [NAN, 1, 0, 0.5, 1, 0]),
        ("log1p_unit", [NAN, 0.0], [NAN, 0]),
        ("erf", [NAN, INF, -INF, 0.0, 100], [NAN, 1, -1, 0, 1]),
    ],
)
def test_corners(name, x, expected, dtype):
    np.testing.assert_array_equal(computed(name, np.array(x, dtype)), np.array(expected, dtype))


@pytest.mark.parametrize("name", ["tanh", "erf"])
@DTYPES
def test_odd_functions_keep_the_sign(name, dtype):
    x = np.abs(arguments(name, dtype))
    np.testing.assert_array_equal(computed(name, -x), -computed(name, x))
    assert np.signbit(computed(name, np.array([-0.0], dtype)))[0]


@FUNCTIONS
def test_runs_without_numba(name):
    x = np.linspace(0.05, 0.95, 7, dtype=np.float32)
    plain = [getattr(elementary, name)(number) for number in x]
    np.testing.assert_allclose(plain, computed(name, x), rtol=3e-7)


@FUNCTIONS
def test_loops_become_vector_instructions(name):
    fresh = kernel(LOOPS[name].py_func)
    fresh._cache.disable()  # code that comes from the cache cannot be looked at
    x = np.full(64, 0.5, np.float32)
    fresh(x, x.copy())
    (code,) = fresh.inspect_llvm().values()
    assert re.search(r"<(4|8|16) x float>", code)
    assert "fpext" not in code, "float64 arithmetic in a float32 loop"
