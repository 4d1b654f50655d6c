"""Dropout kernels: by hand, corners of p, each back end against the formula, gradients, threads, refusals."""

import inspect
import math

import numpy as np
import pytest

from kernels import parallel
from kernels.dropout import cpu, reference

BACKENDS = pytest.mark.parametrize("kernels", [reference, cpu], ids=["reference", "cpu"])
INF, NAN = np.inf, np.nan


def draw(shape, axes, dtype=np.float64):
    generator = np.random.default_rng(0)
    return generator.standard_normal(shape).astype(dtype), generator.random(shape[:axes]) < 0.6


@BACKENDS
def test_by_hand(kernels):
    x = np.array([[1.0, -2, 3], [4, 5, 6]])
    mask = np.array([[True, False, True], [False, True, False]])
    np.testing.assert_allclose(kernels.dropout_forward(x, mask, 0.75), [[4, 0, 12], [0, 20, 0]])
    np.testing.assert_allclose(kernels.dropout_backward_x(x, mask, 0.75), [[4, 0, 12], [0, 20, 0]])
    rows = np.array([False, True])
    np.testing.assert_allclose(kernels.dropout_forward(x, rows, 0.5), [[0, 0, 0], [8, 10, 12]])


@BACKENDS
def test_alpha_by_hand(kernels):
    """With p = 1/2 and floor f: factor a = (1/2 (1 + f^2 / 2))^(-1/2); kept a x - a f / 2, dropped a f / 2."""
    f = -1.7580993408473766
    a = 1 / math.sqrt(0.5 * (1 + f * f / 2))
    x, mask = np.array([2.0, 3.0]), np.array([True, False])
    np.testing.assert_allclose(kernels.alpha_dropout_forward(x, mask, 0.5), [2 * a - a * f / 2, a * f / 2])
    np.testing.assert_allclose(kernels.alpha_dropout_backward_x(x, mask, 0.5), [2 * a, 0])


@BACKENDS
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_mean_and_variance_are_kept(kernels, p):
    generator = np.random.default_rng(0)
    x = generator.standard_normal(400_000)
    mask = generator.random(x.shape) >= p
    assert abs(kernels.dropout_forward(x + 1, mask, p).mean() - 1) < 0.03
    y = kernels.alpha_dropout_forward(x, mask, p)
    assert abs(y.mean()) < 0.02 and abs(y.var() - 1) < 0.03


@BACKENDS
@pytest.mark.parametrize("op", ["dropout_forward", "alpha_dropout_forward"])
def test_certain_p(kernels, op):
    x = np.array([1.5, -2, NAN, INF, -INF])
    everything = np.ones(5, bool)
    np.testing.assert_array_equal(getattr(kernels, op)(x, everything, 0.0), x)
    np.testing.assert_array_equal(getattr(kernels, op)(x, everything, 1.0), [0, 0, NAN, NAN, NAN])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("shape", "axes"), [((4, 5, 70), 3), ((4, 5, 70), 2), ((3, 7), 1), ((0, 3), 2), ((5,), 0)])
def test_cpu_equals_reference(shape, axes, dtype):
    assert cpu.__all__ == reference.__all__
    x, mask = draw(shape, axes, dtype)
    mask = np.asarray(mask)
    for name in cpu.__all__:
        assert inspect.signature(getattr(cpu, name)) == inspect.signature(getattr(reference, name))
        ours, exact = (getattr(kernels, name)(x, mask, 0.3) for kernels in (cpu, reference))
        assert ours.dtype == exact.dtype == dtype and ours.shape == x.shape
        eps = np.finfo(dtype).eps
        np.testing.assert_allclose(ours, exact, rtol=2 * eps, atol=2 * eps)  # x * factor + shift may cancel


@BACKENDS
@pytest.mark.parametrize("op", ["dropout", "alpha_dropout"])
def test_gradient_is_the_slope(kernels, op):
    x, mask = draw((3, 4, 5), 2)
    grad_y = np.random.default_rng(1).standard_normal(x.shape)
    apply = getattr(kernels, f"{op}_forward")
    slope = (apply(x + 1, mask, 0.3) - apply(x, mask, 0.3)) * grad_y  # the function is a straight line
    np.testing.assert_allclose(getattr(kernels, f"{op}_backward_x")(grad_y, mask, 0.3), slope, atol=1e-14)


@BACKENDS
def test_any_layout_and_nothing_is_changed(kernels):
    x, mask = draw((6, 8), 2)
    expected, kept = kernels.dropout_forward(x, mask, 0.4), x.copy()
    x.flags.writeable = mask.flags.writeable = False
    np.testing.assert_array_equal(kernels.dropout_forward(x[::2, ::-1], mask[::2, ::-1], 0.4), expected[::2, ::-1])
    np.testing.assert_array_equal(x, kept)


@pytest.mark.parametrize("axes", [1, 2])
def test_same_bits_for_any_number_of_threads(monkeypatch, axes):
    monkeypatch.setattr(parallel, "SERIAL_BELOW", 0)
    x, mask = draw((50, 33), axes, np.float32)
    results = []
    for threads in (1, 2, 3):
        parallel.set_thread_count(threads)
        try:
            results.append(cpu.alpha_dropout_forward(x, mask, 0.3))
        finally:
            parallel.set_thread_count(None)
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


@BACKENDS
@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((np.zeros(3, int), np.ones(3, bool), 0.5), TypeError, "x expects an ndarray of float32 or float64, got int64"),
        ((np.zeros(3), np.ones(3), 0.5), TypeError, "mask expects an ndarray of bool, got float64"),
        ((np.zeros((3, 2)), np.ones(2, bool), 0.5), ValueError, r"mask expects the first axes of x \(3, 2\)"),
        ((np.zeros(3), np.ones(3, bool), 1.5), ValueError, "p expects a probability from 0 to 1, got 1.5"),
        ((np.zeros(3), np.ones(3, bool), NAN), ValueError, "p expects a probability"),
    ],
)
def test_refusals(kernels, arguments, error, text):
    with pytest.raises(error, match=text):
        kernels.dropout_forward(*arguments)
