"""Activation kernels: by hand, corners, NaN, each back end against the formula, gradients, refusals, threads."""

import inspect
import math

import numpy as np
import pytest

from kernels import parallel
from kernels.activation import cpu, cpu_axis, reference

BACKENDS = pytest.mark.parametrize("kernels", [reference, cpu], ids=["reference", "cpu"])
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
INF, NAN = np.inf, np.nan

#: Of cpu against reference: rtol and atol. gelu loses the tail of the normal distribution in float32.
TOLERANCES = {np.float32: (2e-6, 2e-6), np.float64: (1e-13, 1e-14)}

#: The functions of one element: parameters of the forward pass, and what the gradient reads.
ELEMENTWISE = {
    "relu": ((), "y"),
    "leaky_relu": ((0.1,), "x"),
    "hardtanh": ((-0.7, 1.5), "x"),
    "hardsigmoid": ((), "x"),
    "hardswish": ((), "x"),
    "threshold": ((0.3, -2.0), "x"),
    "hardshrink": ((0.4,), "x"),
    "softshrink": ((0.4,), "x"),
    "softsign": ((), "x"),
    "elu": ((1.3, 1.1, 0.7), "x"),
    "sigmoid": ((), "y"),
    "logsigmoid": ((), "x"),
    "softplus": ((2.0, 3.0), "x"),
    "tanh": ((), "y"),
    "tanhshrink": ((), "x"),
    "silu": ((), "x"),
    "mish": ((), "x"),
    "gelu": (("none",), "x"),
}
CASES = [*ELEMENTWISE, "gelu tanh"]


def forward(kernels, case, x):
    op, _, approximate = case.partition(" ")
    parameters = (approximate,) if approximate else ELEMENTWISE[op][0]
    return getattr(kernels, f"{op}_forward")(x, *parameters)


def backward(kernels, case, grad_y, x, y):
    op, _, approximate = case.partition(" ")
    parameters = (approximate,) if approximate else ELEMENTWISE[op][0]
    read = y if ELEMENTWISE[op][1] == "y" else x
    return getattr(kernels, f"{op}_backward_x")(grad_y, read, *(parameters[:1] if op == "threshold" else parameters))


def values(shape, dtype=np.float64, seed=0):
    return np.asarray(np.random.default_rng(seed).standard_normal(shape) * 3, dtype)


# -- by hand -----------------------------------------------------------------------------------------------------------


@BACKENDS
@pytest.mark.parametrize(
    ("case", "x", "expected"),
    [
        ("relu", [-2, 0, 3], [0, 0, 3]),
        ("leaky_relu", [-2, 0, 3], [-0.2, 0, 3]),
        ("hardtanh", [-2, -0.7, 0.2, 9], [-0.7, -0.7, 0.2, 1.5]),
        ("hardsigmoid", [-4, -3, 0, 1.5, 3, 4], [0, 0, 0.5, 0.75, 1, 1]),
        ("hardswish", [-4, -3, 0, 1, 3, 4], [0, 0, 0, 2 / 3, 3, 4]),
        ("threshold", [-1, 0.3, 0.31], [-2, -2, 0.31]),
        ("hardshrink", [-1, -0.4, 0.2, 0.5], [-1, 0, 0, 0.5]),
        ("softshrink", [-1, -0.4, 0.2, 0.5], [-0.6, 0, 0, 0.1]),
        ("softsign", [-1, 0, 3], [-0.5, 0, 0.75]),
        ("elu", [2, 0, -1 / 0.7], [2.2, 0, 1.1 * 1.3 * (math.exp(-1) - 1)]),
        ("sigmoid", [0, math.log(3), -math.log(3)], [0.5, 0.75, 0.25]),
        ("logsigmoid", [0, -1000], [-math.log(2), -1000]),
        ("softplus", [0, 1.6, 1.4], [math.log(2) / 2, 1.6, math.log(1 + math.exp(2.8)) / 2]),
        ("tanh", [0, math.log(2), -math.log(2)], [0, 0.6, -0.6]),
        ("tanhshrink", [0, math.log(2)], [0, math.log(2) - 0.6]),
        ("silu", [0, math.log(3)], [0, 0.75 * math.log(3)]),
        ("mish", [0, math.log(math.sqrt(3) - 1)], [0, 0.5 * math.log(math.sqrt(3) - 1)]),
        ("gelu", [0, 1, -1], [0, 0.841344746068543, -0.158655253931457]),
        ("gelu tanh", [0, 1, -1], [0, 0.841191990608276, -0.158808009391724]),
    ],
)
def test_by_hand(kernels, case, x, expected):
    np.testing.assert_allclose(forward(kernels, case, np.array(x, np.float64)), expected, rtol=1e-14, atol=1e-16)


@BACKENDS
@pytest.mark.parametrize(
    ("case", "x", "expected"),
    [
        ("relu", [-1, 0, 1], [0, 0, 1]),
        ("leaky_relu", [-1, 0, 1], [0.1, 0.1, 1]),
        ("hardtanh", [-0.7, 0, 1.5], [0, 1, 0]),
        ("hardsigmoid", [-3, 0, 3], [0, 1 / 6, 0]),
        ("hardswish", [-3, 0, 3], [0, 0.5, 1]),
        ("threshold", [0.3, 0.4], [0, 1]),
        ("hardshrink", [-0.4, 0, 0.5], [0, 0, 1]),
        ("softshrink", [-0.5, 0, 0.4], [1, 0, 0]),
        ("softplus", [0, 1.6], [0.5, 1]),
        ("softsign", [0, 1, -1], [1, 0.25, 0.25]),
    ],
)
def test_gradient_at_corners_by_hand(kernels, case, x, expected):
    x = np.array(x, np.float64)
    gradient = backward(kernels, case, np.full_like(x, 2.0), x, forward(kernels, case, x))
    np.testing.assert_allclose(gradient, 2 * np.array(expected), rtol=1e-15)


@BACKENDS
def test_softmax_by_hand(kernels):
    x = np.log([[1.0, 2, 5], [4, 4, 1e-300]])
    np.testing.assert_allclose(kernels.softmax_forward(x, 1), [[0.125, 0.25, 0.625], [0.5, 0.5, 0]], atol=1e-15)
    np.testing.assert_allclose(kernels.softmax_forward(x, 0)[:, 0], [0.2, 0.8])
    y = kernels.log_softmax_forward(np.array([[1e3, -1e3]]), 1)
    np.testing.assert_array_equal(y, [[0, -2000]])
    np.testing.assert_allclose(
        kernels.softmax_backward_x(np.array([[1.0, 0]]), np.array([[0.25, 0.75]]), 1), [[0.1875, -0.1875]]
    )


@BACKENDS
def test_glu_and_prelu_by_hand(kernels):
    x = np.array([[3.0, 5, 0, math.log(4)]])
    np.testing.assert_allclose(kernels.glu_forward(x, 1), [[1.5, 4]])
    np.testing.assert_allclose(kernels.glu_backward_x(np.array([[1.0, 1]]), x, -1), [[0.5, 0.8, 0.75, 0.8]])
    x, weight = np.array([[[-1.0, 2], [-3, 4]], [[5, -6], [0, -8]]]), np.array([0.5, 0.25])
    grad_y = np.arange(1.0, 9).reshape(2, 2, 2)
    np.testing.assert_array_equal(kernels.prelu_forward(x, weight), [[[-0.5, 2], [-0.75, 4]], [[5, -3], [0, -2]]])
    np.testing.assert_array_equal(kernels.prelu_backward_x(grad_y, x, weight)[0], [[0.5, 2], [0.75, 4]])
    np.testing.assert_array_equal(kernels.prelu_backward_weight(grad_y, x, weight), [-1 - 36, -9 - 64])
    np.testing.assert_array_equal(kernels.prelu_backward_weight(grad_y, x, weight[:1]), [-1 - 36 - 9 - 64])


# -- NaN and infinity --------------------------------------------------------------------------------------------------


@BACKENDS
@DTYPES
@pytest.mark.parametrize("case", CASES)
def test_nan_stays_nan(kernels, case, dtype):
    x = np.full(33, NAN, dtype)
    assert np.isnan(forward(kernels, case, x)).all()


@BACKENDS
@DTYPES
@pytest.mark.parametrize("row", [[NAN, 1, 2], [1, NAN, -INF], [-INF, -INF, -INF], [INF, 1, 2], [1, -NAN, 2]], ids=str)
@pytest.mark.parametrize("op", ["softmax", "log_softmax"])
def test_softmax_of_what_has_no_probabilities(kernels, op, row, dtype):
    for repeats in (1, 20):
        x = np.array(row * repeats, dtype)[None]
        assert np.isnan(getattr(kernels, f"{op}_forward")(x, 1)).all()
        assert np.isnan(getattr(kernels, f"{op}_forward")(x.T.repeat(40, 1), 0)).all()


@BACKENDS
@DTYPES
def test_softmax_of_extremes(kernels, dtype):
    x = np.array([[-INF, 0, 0], [1e3, -1e3, 1e3]], dtype)
    np.testing.assert_array_equal(kernels.softmax_forward(x, 1), [[0, 0.5, 0.5], [0.5, 0, 0.5]])
    assert kernels.log_softmax_forward(x, 1)[0, 0] == -INF


# -- each back end against the formula ---------------------------------------------------------------------------------


def test_same_names_and_signatures():
    assert cpu.__all__ == reference.__all__
    for name in cpu.__all__:
        assert inspect.signature(getattr(cpu, name)) == inspect.signature(getattr(reference, name)), name


@pytest.mark.parametrize("case", CASES)
@DTYPES
def test_cpu_equals_reference(case, dtype):
    rtol, atol = TOLERANCES[dtype]
    for shape in ((), (1,), (0, 3), (131,), (3, 5, 7)):
        x, grad_y = values(shape, dtype), values(shape, dtype, seed=1)
        y, expected = forward(cpu, case, x), forward(reference, case, x)
        assert y.dtype == expected.dtype == dtype and y.shape == shape
        np.testing.assert_allclose(y, expected, rtol, atol)
        gradients = [backward(kernels, case, grad_y, x, expected) for kernels in (cpu, reference)]
        assert gradients[0].dtype == gradients[1].dtype == dtype
        np.testing.assert_allclose(*gradients, rtol, atol * 5)  # grad_y is not 1


ALONG = [
    ((37,), 0),
    ((4, 10), 1),
    ((4, 70), 1),
    ((5, 3), 0),
    ((2, 6, 530), 1),
    ((3, 4, 1), -2),
    ((0, 4), 1),
    ((4, 0), 1),
]


@pytest.mark.parametrize(("shape", "axis"), ALONG, ids=str)
@pytest.mark.parametrize("op", ["softmax", "log_softmax"])
@DTYPES
def test_cpu_softmax_equals_reference(op, shape, axis, dtype):
    rtol, atol = TOLERANCES[dtype]
    x, grad_y = values(shape, dtype), values(shape, dtype, seed=1)
    ours, exact = (getattr(kernels, f"{op}_forward")(x, axis) for kernels in (cpu, reference))
    np.testing.assert_allclose(ours, exact, rtol, atol)
    gradients = [getattr(kernels, f"{op}_backward_x")(grad_y, exact, axis) for kernels in (cpu, reference)]
    np.testing.assert_allclose(*gradients, rtol * 10, atol * 10)


@DTYPES
@pytest.mark.parametrize("shape", [(3, 6, 4), (1, 2, 1), (0, 4), (5, 4)])
def test_cpu_glu_and_prelu_equal_reference(shape, dtype):
    rtol, atol = TOLERANCES[dtype]
    x, grad_y, weight = values(shape, dtype), values(shape, dtype, seed=1), values(shape[1], dtype, seed=2)
    for name, arguments in {
        "glu_forward": (x, 1),
        "glu_backward_x": (grad_y[:, : shape[1] // 2], x, 1),
        "prelu_forward": (x, weight),
        "prelu_backward_x": (grad_y, x, weight),
        "prelu_backward_weight": (grad_y, x, weight),
    }.items():
        ours, exact = (getattr(kernels, name)(*arguments) for kernels in (cpu, reference))
        assert ours.dtype == exact.dtype == dtype
        np.testing.assert_allclose(ours, exact, rtol, atol * 20, err_msg=name)


# -- gradients ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
@BACKENDS
def test_gradient_is_the_slope(kernels, case):
    """Against central differences, away from the corners."""
    x = values((200,))
    corners = np.array([-3, -0.7, -0.4, 0, 0.3, 0.4, 1.5, 3])
    x = x[np.abs(x[:, None] - corners).min(axis=1) > 1e-3]
    grad_y = values(x.shape, seed=1)
    step = 1e-5
    slope = (forward(kernels, case, x + step) - forward(kernels, case, x - step)) / (2 * step)
    np.testing.assert_allclose(
        backward(kernels, case, grad_y, x, forward(kernels, case, x)), grad_y * slope, 1e-6, 1e-8
    )


@pytest.mark.parametrize("op", ["softmax", "log_softmax", "glu"])
@BACKENDS
def test_gradient_along_an_axis_is_the_slope(kernels, op):
    x, direction = values((3, 4, 5)), values((3, 4, 5), seed=1)
    apply = getattr(kernels, f"{op}_forward")
    y = apply(x, 1)
    grad_y = values(y.shape, seed=2)
    gradient = getattr(kernels, f"{op}_backward_x")(grad_y, x if op == "glu" else y, 1)
    step = 1e-5
    slope = (grad_y * (apply(x + step * direction, 1) - apply(x - step * direction, 1))).sum() / (2 * step)
    np.testing.assert_allclose((gradient * direction).sum(), slope, rtol=1e-8)


# -- inputs, threads, refusals -----------------------------------------------------------------------------------------


@BACKENDS
@pytest.mark.parametrize("op", ["silu", "relu"])
def test_any_layout_and_nothing_is_changed(kernels, op):
    x = values((6, 8))
    expected = forward(kernels, op, x)
    kept = x.copy()
    x.flags.writeable = False
    np.testing.assert_array_equal(forward(kernels, op, x[::2, ::-1]), expected[::2, ::-1])
    np.testing.assert_array_equal(forward(kernels, op, x.T), expected.T)
    np.testing.assert_array_equal(x, kept)


def test_same_bits_for_any_number_of_threads(monkeypatch):
    monkeypatch.setattr(parallel, "SERIAL_BELOW", 0)
    x, grad_y, weight = values((7, 6, 600), np.float32), values((7, 6, 600), np.float32, 1), values(6, np.float32)
    results = []
    for threads in (1, 2, 3):
        parallel.set_thread_count(threads)
        try:
            results.append(
                [
                    cpu.mish_forward(x),
                    cpu.softmax_forward(x, 1),
                    cpu.softmax_forward(x, 2),
                    cpu.log_softmax_backward_x(grad_y, x, 1),
                    cpu.glu_backward_x(grad_y[:, :3], x, 1),
                    cpu.prelu_backward_weight(grad_y, x, weight),
                ]
            )
        finally:
            parallel.set_thread_count(None)
    for one, *others in zip(*results):
        for other in others:
            np.testing.assert_array_equal(one, other)


@BACKENDS
@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda k, x: k.relu_forward(x.astype(np.int64)), TypeError, "relu: x expects float32 or float64, got int64"),
        (lambda k, x: k.silu_forward(x.tolist()), TypeError, "silu: x expects a numpy.ndarray, got list"),
        (lambda k, x: k.relu_backward_x(x, x.astype(np.float32)), TypeError, "y expects the dtype of grad_y, float64"),
        (
            lambda k, x: k.tanh_backward_x(x, x[:1]),
            ValueError,
            r"y expects the shape of grad_y, \(2, 3\), got \(1, 3\)",
        ),
        (lambda k, x: k.softmax_forward(x, 2), ValueError, "axis expects -2 to 1"),
        (lambda k, x: k.softmax_forward(x, 1.0), TypeError, "axis expects an int"),
        (lambda k, x: k.log_softmax_backward_x(x[:1], x, 0), ValueError, "y expects the shape of grad_y"),
        (lambda k, x: k.glu_forward(x, 1), ValueError, "expects an even size"),
        (lambda k, x: k.glu_backward_x(x, x, 0), ValueError, r"grad_y expects the shape of the output, \(1, 3\)"),
        (lambda k, x: k.prelu_forward(x, x[0, :2]), ValueError, "weight expects 1 slope, or 3"),
        (lambda k, x: k.prelu_forward(x, x), ValueError, "weight expects 1 slope"),
        (lambda k, x: k.gelu_forward(x, "erf"), ValueError, 'approximate expects "none" or "tanh"'),
    ],
)
def test_refusals(kernels, call, error, text):
    with pytest.raises(error, match=text):
        call(kernels, values((2, 3)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 10), (4, 10), (1, 20), (2, 40), (1, 100)])
@pytest.mark.parametrize("rows", [cpu_axis._softmax_rows, cpu_axis._log_softmax_rows])
def test_softmax_has_the_same_bits_wherever_its_arrays_lie(rows, shape, dtype):
    values = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    results = []
    for gap in (0, 1, 7, 16, 24, 40, 64, 1000):
        memory = np.zeros(2 * values.size + gap, dtype)
        x, y = (memory[start : start + values.size].reshape(values.shape) for start in (0, values.size + gap))
        x[...] = values
        rows(0, len(x), x, y)
        results.append(y.tobytes())
    assert len(set(results)) == 1
