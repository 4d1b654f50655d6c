"""Sums, extrema, their places, and running sums of device arrays, against NumPy on the host."""

import numpy as np
import pytest
from test_ufuncs import draw, same

from kernels.gpu import positions, reductions
from kernels.gpu.memory import empty
from kernels.gpu.transfer import to_device

DTYPES = ("float32", "float64", "int64", "int32", "uint8", "bool")
SHAPES = [(), (1,), (7,), (3, 5), (5, 1, 4), (2, 3, 4, 3), (40,), (30, 5), (3, 40), (0, 3), (3, 0), (3, 20, 2)]

#: Function, and units in the last place of the largest result that a sum in another order may differ by.
REDUCTIONS = {
    "sum": 64, "prod": 64, "max": 0, "min": 0, "any": 0, "all": 0, "count_nonzero": 0, "mean": 64, "std": 64, "var": 64,
}  # fmt: skip


def axes_of(ndim, generator):
    """Some ways to name axes."""
    some = sorted(generator.permutation(ndim)[: int(generator.integers(0, ndim + 1))].tolist())
    return [None, tuple(some), *range(-1 if ndim else 0, ndim)]


def close(ours, wanted, ulp):
    wanted = np.asarray(wanted)
    assert (ours.shape, ours.dtype) == (wanted.shape, wanted.dtype)
    if wanted.dtype.kind != "f":
        np.testing.assert_array_equal(ours.get(), wanted)
        return
    finite = np.isfinite(wanted)
    np.testing.assert_array_equal(np.where(finite, 0, ours.get()), np.where(finite, 0, wanted))
    scale = max(1.0, float(np.abs(wanted[finite]).max(initial=0)))
    tolerance = ulp * scale * np.finfo(wanted.dtype).eps
    np.testing.assert_allclose(ours.get()[finite], wanted[finite], rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", REDUCTIONS)
def test_a_reduction_gives_what_numpy_gives(name, dtype):
    function, generator = getattr(np, name), np.random.default_rng(1)
    composed = name in ("mean", "std", "var")
    if composed and dtype not in ("float32", "int64"):
        return  # made of sums
    for position, shape in enumerate(SHAPES[1:8:2] if composed else SHAPES):
        a = draw(generator, dtype, shape, corners=name in ("max", "min", "any", "all", "sum") and position % 2)
        a = np.clip(a, 0, 2).astype(dtype) if name == "prod" else a
        x = to_device(a)
        for axis in axes_of(a.ndim, generator):
            for keepdims in (False, True):
                with np.errstate(all="ignore"):
                    try:
                        wanted = function(a, axis=axis, keepdims=keepdims)
                    except ValueError:
                        with pytest.raises(ValueError, match="no identity"):
                            function(x, axis=axis, keepdims=keepdims)
                        continue
                close(function(x, axis=axis, keepdims=keepdims), wanted, REDUCTIONS[name])


@pytest.mark.parametrize("seed", range(6))
def test_strided_arrays_are_reduced(seed):
    generator = np.random.default_rng(seed)
    a = generator.standard_normal(tuple(generator.integers(1, 6, 5)))
    axes = generator.permutation(5)
    view = (slice(None, None, -1), slice(None), slice(1, None), slice(None, None, 2))
    b, y = a.transpose(axes)[view], to_device(a).transpose(axes)[view]
    if not b.size:
        b, y = a, to_device(a)
    for axis in [None, *range(5), (0, 2), (1, 3, 4), (0, 1, 2, 3)]:
        close(y.sum(axis), b.sum(axis), 64)
        close(y.max(axis), b.max(axis), 0)
        if axis is None or isinstance(axis, int):
            same(y.argmax(axis), b.argmax(axis))
            close(y.cumsum(axis), b.cumsum(axis), 64)


@pytest.mark.parametrize("dtype", DTYPES)
def test_places_of_extrema(dtype):
    generator = np.random.default_rng(2)
    for shape in [(1,), (9,), (100,), (3, 40), (40, 3), (20, 2, 3)]:
        a = draw(generator, dtype, shape)
        x = to_device(a)
        for axis in (None, *range(a.ndim), -1):
            for keepdims in (False, True):
                same(np.argmax(x, axis, keepdims=keepdims), np.argmax(a, axis, keepdims=keepdims))
                same(np.argmin(x, axis, keepdims=keepdims), np.argmin(a, axis, keepdims=keepdims))
    with pytest.raises(ValueError, match="empty sequence"):
        to_device(np.zeros((0, 3))).argmax(0)
    same(to_device(np.zeros((0, 3))).argmax(1), np.zeros((0, 3)).argmax(1))


@pytest.mark.parametrize("dtype", DTYPES)
def test_running_sums_and_products(dtype):
    generator = np.random.default_rng(3)
    for shape in [(1,), (60,), (3, 21), (21, 3), (2, 3, 4), (0, 2)]:
        a = draw(generator, dtype, shape, corners=False)
        x = to_device(a)
        for axis in (None, *range(a.ndim)):
            close(np.cumsum(x, axis), np.cumsum(a, axis), 64)
            close(np.cumprod(np.clip(x, 0, 1), axis), np.cumprod(np.clip(a, 0, 1), axis), 64)


def test_out_and_dtype():
    a = np.arange(12, dtype=np.float32).reshape(3, 4)
    x = to_device(a)
    out = empty((3, 4), np.float64)
    np.cumprod(x[:, :-1], axis=-1, out=out[:, 1:])
    np.testing.assert_array_equal(out.get()[:, 1:], np.cumprod(a[:, :-1], axis=-1))
    total = empty((), np.float64)
    assert np.sum(x, out=total) is total
    same(total, np.float64(66))
    same(x.sum(0, dtype=np.float64), a.sum(0, dtype=np.float64))
    same(np.add.reduce(x, axis=1), a.sum(1))
    np.cumsum(x, axis=0, out=x)
    same(x, np.cumsum(a, axis=0))
    for refused in (lambda: x.sum(initial=1), lambda: np.max(x, where=x > 0), lambda: np.bitwise_or.reduce(x > 0)):
        with pytest.raises(TypeError, match="not supported"):
            refused()
    with pytest.raises(np.exceptions.AxisError):
        x.sum(2)


@pytest.mark.parametrize("K", [1, 3, 8, 9, 31, 33, 64, 65, 300, 1000])
def test_long_lines_are_shared_among_blocks_and_repeat(K):
    generator = np.random.default_rng(K)
    a = generator.standard_normal((2, K)).astype(np.float32)
    for x, axis in ((to_device(a), 1), (to_device(np.ascontiguousarray(a.T)), 0)):
        first = x.sum(axis)
        close(first, a.sum(1, dtype=np.float64).astype(np.float32), 64)
        np.testing.assert_array_equal(x.sum(axis).get(), first.get())
        same(x.argmin(axis), a.argmin(1))
        close(x.cumsum(axis), (a if axis else a.T).cumsum(axis, dtype=np.float64).astype(np.float32), 256)


def test_blocks_of_their_real_size(monkeypatch):
    for module in (reductions, positions):
        monkeypatch.setattr(module, "THREADS", 256)
    for cached in (reductions._kernels, positions._arg_kernels, positions._running_kernels):
        cached.cache_clear()
    a = np.random.default_rng(0).standard_normal(700)
    x = to_device(a)
    close(x.sum(), a.sum(), 64)
    same(x.argmax(), a.argmax())
    close(x.cumsum(), a.cumsum(), 64)
    for cached in (reductions._kernels, positions._arg_kernels, positions._running_kernels):
        cached.cache_clear()


def test_float32_sums_keep_their_digits():
    """No thread adds 20000 numbers in a row."""
    a = np.full((20000,), 0.1, np.float32)
    exact = 20000 * float(a[0])
    assert abs(float(to_device(a).sum()) - exact) < abs(float(np.add.accumulate(a)[-1]) - exact) / 4


def run_all(dtype):
    """Every operation once, for the compiler."""
    x, y = empty((4, 100), dtype), empty((4000, 70), dtype)
    for function in (np.sum, np.prod, np.max, np.min, np.any, np.all, np.count_nonzero, np.argmax, np.argmin, np.mean):
        for array, axis in ((x, None), (y, 0), (x, 1), (y.T, 1), (x[:, :3], 1)):
            function(array, axis=axis)
    for function in (np.cumsum, np.cumprod):
        function(x, axis=0), function(x, axis=1)
