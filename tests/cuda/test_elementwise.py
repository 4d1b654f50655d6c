"""The kernels that several families share: a formula for every element (``elementwise.py``), and sums (``sums.py``)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from cuda_harness import DTYPES, TOLERANCE, Draw

from kernels import memory
from kernels.elementary import formula
from kernels.gpu import axis, elementwise, sums
from kernels.gpu.launch import LAUNCHES
from kernels.gpu.memory import empty
from kernels.gpu.transfer import to_device


@formula
def scaled(x, factor):
    return x * factor


@formula
def itself(a):
    return a


@formula
def product(a, b):
    return a * b


@formula
def bilinear(a, b, c, d):
    return a * b + c * d


@formula
def horner(a, b, c, d, e):
    return (((a * b + c) * b) + d) * b + e


SIZES = [(0,), (), (1,), (5,), (16,), (33,), (3, 5, 7)]

#: (outer, L, inner) that reach every branch: short, one part, several parts, few and many columns, nothing to add.
AXES = [
    (1, 1, 1), (1, 0, 3), (0, 5, 2), (2, 5, 0), (3, 4, 5), (1, 70, 1), (5, 9, 1), (2, 37, 3), (1, 21, 7), (2, 6, 4),
    (1, 150, 1),
]  # fmt: skip


@dataclass(frozen=True)
class Work:
    """What test_ptx.py compiles: a call of a shared function."""

    name: str

    def on_device(self, dtype: str) -> Any:
        draw = Draw(1, dtype)
        one = to_device(draw(2, 40, 3))
        if self.name == "elements":
            elementwise.over_elements(scaled, one, parameters=(0.5,))
            elementwise.over_elements(product, one, one)
            elementwise.over_elements(bilinear, one, one, one, one)
            elementwise.over_elements(horner, one, one, one, one, one)
            return
        for dtype in (None, "float64"):
            sums.sum_all(one, dtype)
            sums.sum_of(bilinear, one, one, one, one, dtype=dtype, result=one.dtype)
            sums.sum_axis(one, dtype)
            sums.sum_channels(one, dtype, formula=product, also=one)


CALLS = [Work("elements"), Work("sums")]


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_formula_is_applied_to_every_element(dtype, shape):
    draw = Draw(len(shape), dtype)
    a, b, c, d, e = (draw(*shape) for _ in range(5))
    on_device = [to_device(array) for array in (a, b, c, d, e)]
    for count, function in ((2, product), (4, bilinear), (5, horner)):
        expected = function(*(array.astype(np.float64) for array in (a, b, c, d, e)[:count]))
        y = elementwise.over_elements(function, *on_device[:count]).get()
        assert (y.shape, y.dtype) == (shape, a.dtype)
        np.testing.assert_allclose(y, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    y = elementwise.over_elements(scaled, on_device[0], parameters=(0.1,)).get()
    np.testing.assert_array_equal(y, a * a.dtype.type(0.1))


def test_an_array_of_one_element_stands_beside_all():
    draw = Draw(2, "float64")
    a, c = draw(40), draw(40)
    one, two = draw(1), np.asarray(draw(1)[0])
    y = elementwise.over_elements(bilinear, *map(to_device, (a, one, c, two))).get()
    np.testing.assert_allclose(y, a * one + c * two)


def test_strided_arrays_a_given_result_and_another_dtype():
    a, b = Draw(3, "float64")(4, 6), Draw(4, "float64")(6, 4)
    y = empty((6, 4), "float32")
    assert elementwise.over_elements(product, to_device(a).T, to_device(b), y=y) is y
    np.testing.assert_allclose(y.get(), a.T * b, rtol=1e-6)
    assert elementwise.over_elements(product, to_device(b), to_device(b), dtype="float32").dtype == np.float32


def test_a_kernel_bears_the_name_of_its_formula():
    loop = elementwise._loop_over(product, 2)
    assert "test_elementwise.product" in repr(loop)
    assert loop is elementwise._loop_over(product, 2)


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_sum_and_the_mean_of_everything(dtype, shape):
    x = Draw(5, dtype)(*shape)
    y = sums.sum_all(to_device(x)).get()
    assert (y.shape, y.dtype) == ((), x.dtype)
    np.testing.assert_allclose(y, x.astype(np.float64).sum(), atol=TOLERANCE[dtype] * max(1, np.abs(x).sum()))
    mean = sums.sum_of(itself, to_device(x), dtype="float64", divisor=x.size).get()
    assert sums.sum_of(product, *[to_device(x)] * 2, dtype="float64", result="float32").dtype == np.float32
    np.testing.assert_allclose(mean, x.astype(np.float64).mean() if x.size else np.nan, atol=1e-12)


def test_the_sum_of_a_formula_with_parameters():
    draw = Draw(6, "float64")
    a, b, c, d = draw(5, 9), draw(5, 9), draw(1), draw(5, 9)
    y = sums.sum_of(bilinear, *map(to_device, (a, b, c, d)), divisor=45).get()
    np.testing.assert_allclose(y, (a * b + c * d).mean())
    np.testing.assert_allclose(sums.sum_of(scaled, to_device(a), parameters=(0.25,)).get(), 0.25 * a.sum())


@pytest.mark.parametrize("shape", AXES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_sum_over_an_axis(dtype, shape):
    x, z = Draw(7, dtype)(*shape), Draw(8, dtype)(*shape)
    tolerance = TOLERANCE[dtype] * max(1, np.abs(x).sum())
    y = sums.sum_axis(to_device(x)).get()
    assert (y.shape, y.dtype) == ((shape[0], shape[2]), x.dtype)
    np.testing.assert_allclose(y, x.sum(axis=1), atol=tolerance)
    y = sums.sum_axis(to_device(x), "float64", 3, product, to_device(z)).get()
    np.testing.assert_allclose(y, (x * z).sum(axis=1, dtype=np.float64) / 3, atol=1e-12)
    y = sums.sum_channels(to_device(x), divisor=2).get()
    assert y.shape == (shape[1],)
    np.testing.assert_allclose(y, x.sum(axis=(0, 2)) / 2, atol=tolerance)


def test_a_long_axis_is_cut_into_parts():
    before = LAUNCHES.value
    memory.fill_new_arrays_with_nan(False)  # until the test is over
    sums.sum_axis(to_device(np.ones((1, 150, 1))))
    assert LAUNCHES.value - before > 1


def test_real_sizes_give_grids_that_a_gpu_takes(monkeypatch):
    """Parts cover the axis, blocks and threads are within the limits, a thread adds no more than it should."""
    for name, value in (("BLOCK", 256), ("WARP", 32), ("SHORT", 32), ("MANY", 65536)):
        monkeypatch.setattr(axis, name, value)
    for name, value in (("SHORT", 32), ("_BUSY", 1024), ("_LEAST", 4), ("_MOST", 256)):
        monkeypatch.setattr(sums, name, value)
    for outer, L, inner in [(1, 2**27, 1), (64 * 256, 512 * 512, 1), (1, 128, 4096), (1, 10**6, 3), (10**6, 10, 1)]:
        blocks, (width, height) = axis.tile(outer, L, inner)
        part = sums._part(outer, L, inner)
        assert blocks * width >= outer * inner
        assert width * height <= 256
        assert -(-L // part) <= 65535
        assert part <= 256 * height
        assert blocks * -(-L // part) >= 64
    assert axis.tile(10, 10**6, 1)[1] == (1, 256)
    assert axis.tile(10, 10, 1)[1] == (256, 1)


def test_nan_and_infinity_come_through():
    x = np.ones((2, 40, 3))
    x[0, 33, 1], x[1, 2, 2] = np.nan, np.inf
    y = sums.sum_axis(to_device(x)).get()
    np.testing.assert_array_equal(y, x.sum(axis=1))


def test_single_precision_stays_near_the_true_sum():
    """0.1 is no number of the computer, so every addition rounds; one after the other those errors add up."""
    x = np.full(3000, 0.1, np.float32)
    true = x.sum(dtype=np.float64)
    error, in_a_row = (abs(float(y) - true) for y in (sums.sum_all(to_device(x)).get(), np.cumsum(x)[-1]))
    assert error < in_a_row / 10


def test_blocks_as_large_as_on_a_gpu(monkeypatch):
    """256 threads once, in the simulator, too."""
    for module in (sums, axis):
        monkeypatch.setattr(module, "BLOCK", 256)
    monkeypatch.setattr(axis, "WARP", 32)
    for cached in (sums._loop_over, sums._axis_loop_over):
        cached.cache_clear()
    x = Draw(9, "float64")(1, 41, 35)
    np.testing.assert_allclose(sums.sum_axis(to_device(x)).get(), x.sum(axis=1), atol=1e-12)
    np.testing.assert_allclose(sums.sum_all(to_device(x)).get(), x.sum(), atol=1e-12)
