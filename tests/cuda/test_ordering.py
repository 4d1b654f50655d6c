"""Sorting device arrays, against NumPy's stable sort on the host."""

import numpy as np
import pytest
from test_ufuncs import draw, same

from kernels.gpu import ordering
from kernels.gpu.memory import empty
from kernels.gpu.transfer import to_device

DTYPES = ("float32", "float64", "int64", "int32", "uint8", "bool")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("K", [0, 1, 2, 4, 5, 8, 9, 13, 37])
def test_lines_of_any_length(K, dtype):
    a = draw(np.random.default_rng(K), dtype, (3, K))
    x = to_device(a)
    same(np.sort(x, axis=-1), np.sort(a, axis=-1, kind="stable"))
    same(np.argsort(x, axis=-1, kind="stable"), np.argsort(a, axis=-1, kind="stable"))
    same(np.argsort(x, axis=0), np.argsort(a, axis=0, kind="stable"))


@pytest.mark.parametrize("seed", range(5))
def test_any_axis_and_strides(seed):
    generator = np.random.default_rng(seed)
    a = draw(generator, "float32", tuple(generator.integers(1, 7, 3)))
    x = to_device(a)
    for axis in (0, 1, 2, -1, None):
        same(np.sort(x, axis=axis), np.sort(a, axis=axis))
        same(x.T[::-1].argsort(axis), a.T[::-1].argsort(axis, kind="stable"))
    same(np.flip(np.argsort(np.flip(x, 1), axis=1), 1), np.flip(np.argsort(np.flip(a, 1), axis=1, kind="stable"), 1))


@pytest.mark.parametrize("dtype", DTYPES)
def test_unique(dtype):
    for shape in [(0,), (1,), (12,), (4, 5)]:
        a = draw(np.random.default_rng(5), dtype, shape)
        x = to_device(a)
        same(np.unique(x), np.unique(a))
        parts = np.unique(x, return_inverse=True, return_counts=True)
        for ours, wanted in zip(parts, np.unique(a, return_inverse=True, return_counts=True), strict=True):
            same(ours, wanted)
    with pytest.raises(TypeError, match="return_index"):
        np.unique(to_device(np.zeros(3)), return_index=True)


def test_tiles_of_their_real_size(monkeypatch):
    monkeypatch.setattr(ordering, "_TILE", 256)
    a = np.random.default_rng(0).integers(0, 9, 300)
    same(np.argsort(to_device(a)), np.argsort(a, kind="stable"))


def run_all(dtype):
    """Every operation once, for the compiler."""
    x = empty((3, 600), dtype)
    np.sort(x), np.argsort(x, axis=0), np.unique(x, return_inverse=True, return_counts=True)
