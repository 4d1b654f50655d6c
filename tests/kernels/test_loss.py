"""Loss kernels: by hand, each back end against the formula, gradients by differences, NaN and nothing, refusals."""

import inspect
import itertools
import math

import numpy as np
import pytest

from kernels import parallel
from kernels.loss import cpu, cpu_sums, reference, shapes

BACKENDS = pytest.mark.parametrize("kernels", [reference, cpu], ids=["reference", "cpu"])
REDUCTIONS = pytest.mark.parametrize("reduction", shapes.REDUCTIONS)
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
INF, NAN = np.inf, np.nan
ERRORS = {"mse_loss": (), "l1_loss": (), "smooth_l1_loss": (0.7,), "huber_loss": (1.3,)}


def drawn(seed=0, shape=(4, 3, 2), dtype=np.float64):
    """Scores, class indices, class probabilities and weights."""
    generator = np.random.default_rng(seed)
    x = generator.normal(0, 2, shape).astype(dtype)
    target = generator.integers(0, shape[1], (shape[0], *shape[2:]))
    probabilities = generator.dirichlet(np.ones(shape[1]), (shape[0], *shape[2:]))
    weight = generator.uniform(0.2, 2, shape[1]).astype(dtype)
    return x, target, np.moveaxis(probabilities, -1, 1).astype(dtype), weight


def slope(function, x, cotangent, step=1e-6):
    """Gradient of sum(cotangent * function(x)) by central differences."""
    gradient = np.empty(x.shape)
    for place in np.ndindex(x.shape):
        ends = []
        for sign in (1, -1):
            moved = x.copy()
            moved[place] += sign * step
            ends.append((cotangent * function(moved)).sum())
        gradient[place] = (ends[0] - ends[1]) / (2 * step)
    return gradient


def cotangent_for(y, seed=9):
    return np.asarray(np.random.default_rng(seed).normal(size=y.shape)).astype(y.dtype)


# -- by hand ---------------------------------------------------------------------------------------------


@BACKENDS
def test_cross_entropy_by_hand(kernels):
    x, target = np.log(np.array([[1.0, 2, 5], [3, 3, 2]])), np.array([2, 0])
    y, log_sum_exp, weight_sum = kernels.cross_entropy_forward(x, target, None, -100, 0.0, "none")
    np.testing.assert_allclose(y, [math.log(8 / 5), math.log(8 / 3)], 1e-14)
    np.testing.assert_allclose(log_sum_exp, [math.log(8)] * 2, 1e-14)
    assert weight_sum == 2
    grad = kernels.cross_entropy_backward_x(
        np.array([1.0, 2]), x, target, None, -100, 0.0, "none", log_sum_exp, weight_sum
    )
    np.testing.assert_allclose(grad, [[1 / 8, 2 / 8, -3 / 8], [-10 / 8, 6 / 8, 4 / 8]], 1e-14)


@BACKENDS
def test_weighted_mean_with_an_ignored_position_by_hand(kernels):
    x, target = np.log(np.array([[1.0, 3], [1, 1], [4, 1]])), np.array([1, 7, 0])
    y, _, weight_sum = kernels.cross_entropy_forward(x, target, np.array([2.0, 3]), 7, 0.0, "mean")
    assert weight_sum == 5
    np.testing.assert_allclose(y, (3 * math.log(4 / 3) + 2 * math.log(5 / 4)) / 5, 1e-14)


@BACKENDS
def test_smoothing_is_a_mixture_of_the_class_and_all_classes(kernels):
    x, target = np.log(np.array([[1.0, 2, 5]])), np.array([2])
    y, *_ = kernels.cross_entropy_forward(x, target, None, -100, 0.3, "sum")
    even = sum(math.log(8 / value) for value in (1, 2, 5)) / 3
    np.testing.assert_allclose(y, 0.7 * math.log(8 / 5) + 0.3 * even, 1e-14)


@BACKENDS
def test_elementwise_losses_by_hand(kernels):
    x, t = np.array([1.0, 3.0, -1.0, 2.0]), np.array([1.0, 1.0, 1.0, 1.5])
    assert kernels.mse_loss_forward(x, t, "none").tolist() == [0, 4, 4, 0.25]
    assert kernels.l1_loss_forward(x, t, "mean") == 4.5 / 4
    assert kernels.smooth_l1_loss_forward(x, t, 2.0, "none").tolist() == [0, 1, 1, 0.0625]
    assert kernels.huber_loss_forward(x, t, 0.5, "none").tolist() == [0, 0.875, 0.875, 0.125]
    p = np.array([0.25, 0.5])
    y = kernels.binary_cross_entropy_forward(p, np.array([1.0, 0.25]), np.array([2.0, 1]), "none")
    np.testing.assert_allclose(y, [2 * math.log(4), math.log(2)], 1e-14)
    y = kernels.binary_cross_entropy_with_logits_forward(np.log(p / (1 - p)), np.array([1.0, 0]), None, None, "none")
    np.testing.assert_allclose(y, [math.log(4), math.log(2)], 1e-14)


# -- twins -----------------------------------------------------------------------------------------------


def test_both_modules_have_the_same_functions():
    assert reference.__all__ == cpu.__all__
    for name in reference.__all__:
        assert inspect.signature(getattr(reference, name)) == inspect.signature(getattr(cpu, name)), name


@DTYPES
@REDUCTIONS
@pytest.mark.parametrize("shape", [(4, 3, 2), (5, 2), (1, 1), (3, 4, 2, 3), (0, 3), (2, 3, 0)])
def test_cpu_losses_over_classes_equal_the_formula(shape, reduction, dtype):
    x, target, probabilities, weight = drawn(1, shape, dtype)
    tolerance = {"rtol": 2e-6, "atol": 1e-6} if dtype == np.float32 else {"rtol": 1e-12, "atol": 1e-14}
    for w, smoothing, ignore in itertools.product((None, weight), (0.0, 0.2), (-100, 0)):
        results = []
        for kernels in (reference, cpu):
            y, *saved = kernels.cross_entropy_forward(x, target, w, ignore, smoothing, reduction)
            options = (ignore, smoothing, reduction)
            grad = kernels.cross_entropy_backward_x(cotangent_for(y), x, target, w, *options, *saved)
            z, log_sum_exp = kernels.soft_cross_entropy_forward(x, probabilities, w, smoothing, reduction)
            soft = (w, smoothing, reduction, log_sum_exp)
            results.append([
                y, grad, z,
                kernels.soft_cross_entropy_backward_x(cotangent_for(z), x, probabilities, *soft),
                kernels.soft_cross_entropy_backward_target(cotangent_for(z), x, *soft),
            ])  # fmt: skip
        for expected, got in zip(*results):
            assert got.dtype == dtype and got.shape == expected.shape
            np.testing.assert_allclose(got, expected, **tolerance)


@DTYPES
@REDUCTIONS
@pytest.mark.parametrize("shape", [(), (7,), (3, 4), (0, 2)])
def test_cpu_elementwise_losses_equal_the_formula(shape, reduction, dtype):
    generator = np.random.default_rng(3)
    x, t, p = (np.asarray(generator.normal(0, 2, shape)).astype(dtype) for _ in range(3))
    u, v, w = (np.asarray(generator.uniform(0.05, 0.95, shape)).astype(dtype) for _ in range(3))
    results = []
    for kernels in (reference, cpu):
        found = []
        for op, parameters in ERRORS.items():
            y = getattr(kernels, f"{op}_forward")(x, t, *parameters, reduction)
            found += [y, getattr(kernels, f"{op}_backward_x")(cotangent_for(y), x, t, *parameters, reduction)]
        for weight, positive in itertools.product((None, w), (None, np.asarray(abs(p)))):
            y = kernels.binary_cross_entropy_forward(u, v, weight, reduction)
            g = cotangent_for(y)
            logits = (x, v, weight, positive, reduction)
            found += [
                y,
                kernels.binary_cross_entropy_backward_x(g, u, v, weight, reduction),
                kernels.binary_cross_entropy_backward_target(g, u, v, weight, reduction),
                kernels.binary_cross_entropy_with_logits_forward(*logits),
                kernels.binary_cross_entropy_with_logits_backward_x(g, *logits),
                kernels.binary_cross_entropy_with_logits_backward_target(g, *logits),
            ]
        results.append(found)
    tolerance = {"rtol": 4e-6, "atol": 1e-6} if dtype == np.float32 else {"rtol": 1e-12, "atol": 1e-14}
    for expected, got in zip(*results):
        assert got.dtype == dtype and got.shape == expected.shape
        np.testing.assert_allclose(got, expected, **tolerance)


# -- gradients -------------------------------------------------------------------------------------------


@BACKENDS
@REDUCTIONS
@pytest.mark.parametrize("smoothing", [0.0, 0.4])
def test_gradients_over_classes_are_slopes(kernels, reduction, smoothing):
    x, target, probabilities, weight = drawn(5)
    y, *saved = kernels.cross_entropy_forward(x, target, weight, 1, smoothing, reduction)
    g, options = cotangent_for(y), (1, smoothing, reduction)
    grad = kernels.cross_entropy_backward_x(g, x, target, weight, *options, *saved)
    by_differences = slope(lambda moved: kernels.cross_entropy_forward(moved, target, weight, *options)[0], x, g)
    np.testing.assert_allclose(grad, by_differences, rtol=1e-5, atol=1e-7)

    y, log_sum_exp = kernels.soft_cross_entropy_forward(x, probabilities, weight, smoothing, reduction)
    options = (weight, smoothing, reduction)
    grad = kernels.soft_cross_entropy_backward_x(g, x, probabilities, *options, log_sum_exp)
    by_differences = slope(lambda moved: kernels.soft_cross_entropy_forward(moved, probabilities, *options)[0], x, g)
    np.testing.assert_allclose(grad, by_differences, rtol=1e-5, atol=1e-7)
    grad = kernels.soft_cross_entropy_backward_target(g, x, *options, log_sum_exp)
    by_differences = slope(lambda moved: kernels.soft_cross_entropy_forward(x, moved, *options)[0], probabilities, g)
    np.testing.assert_allclose(grad, by_differences, rtol=1e-5, atol=1e-7)

    y, weight_sum = kernels.nll_loss_forward(x, target, weight, 1, reduction)
    grad = kernels.nll_loss_backward_x(g, x, target, weight, 1, reduction, weight_sum)
    by_differences = slope(lambda moved: kernels.nll_loss_forward(moved, target, weight, 1, reduction)[0], x, g)
    np.testing.assert_allclose(grad, by_differences, rtol=1e-5, atol=1e-7)


@BACKENDS
@REDUCTIONS
def test_gradients_of_elementwise_losses_are_slopes(kernels, reduction):
    generator = np.random.default_rng(6)
    x, t, p = generator.normal(0, 2, (3, 3, 4))
    u, v, w = generator.uniform(0.1, 0.9, (3, 3, 4))
    for op, parameters in ERRORS.items():
        forward, backward = getattr(kernels, f"{op}_forward"), getattr(kernels, f"{op}_backward_x")
        g = cotangent_for(forward(x, t, *parameters, reduction))
        by_differences = slope(lambda moved: forward(moved, t, *parameters, reduction), x, g)  # noqa: B023
        np.testing.assert_allclose(backward(g, x, t, *parameters, reduction), by_differences, rtol=1e-5, atol=1e-7)
    for op, first, weights in (
        ("binary_cross_entropy", u, (w,)),
        ("binary_cross_entropy_with_logits", x, (w, abs(p))),
    ):
        forward = getattr(kernels, f"{op}_forward")
        for name, moved_x in (("x", True), ("target", False)):

            def at(moved):
                pair = (moved, v) if moved_x else (first, moved)  # noqa: B023
                return forward(*pair, *weights, reduction)  # noqa: B023

            g = cotangent_for(at(first if moved_x else v))
            grad = getattr(kernels, f"{op}_backward_{name}")(g, first, v, *weights, reduction)
            np.testing.assert_allclose(grad, slope(at, first if moved_x else v, g), rtol=1e-5, atol=1e-7)


# -- what is not a number, and what is nothing -------------------------------------------------------------


@BACKENDS
@DTYPES
def test_large_scores_neither_overflow_nor_lose_digits(kernels, dtype):
    x = np.array([[1e4, 1e4 + 1, 1e4 - 2], [-1e30, 0, 1e30]], dtype)
    y, *saved = kernels.cross_entropy_forward(x, np.array([0, 2]), None, -100, 0.0, "none")
    np.testing.assert_allclose(y, [math.log1p(math.exp(1) + math.exp(-2)), 0], rtol=1e-6)
    grad = kernels.cross_entropy_backward_x(np.ones(2, dtype), x, np.array([0, 2]), None, -100, 0.0, "none", *saved)
    softmax = np.exp([0, 1, -2]) / np.exp([0, 1, -2]).sum()
    np.testing.assert_allclose(grad[0], softmax - [1, 0, 0], rtol=1e-6)


@BACKENDS
def test_infinite_and_nan_scores_spoil_their_position_only(kernels):
    x = np.array([[0, -INF], [NAN, 1], [INF, 1], [0, 0]])
    y, *saved = kernels.cross_entropy_forward(x, np.array([1, 1, 0, 0]), None, -100, 0.0, "none")
    np.testing.assert_array_equal(y[:3], [INF, NAN, NAN])
    assert y[3] == pytest.approx(math.log(2))
    grad = kernels.cross_entropy_backward_x(np.ones(4), x, np.array([1, 1, 0, 0]), None, -100, 0.0, "none", *saved)
    assert np.isnan(grad[1:3]).all() and np.isfinite(grad[[0, 3]]).all()


@BACKENDS
def test_mean_of_nothing_is_nan_and_its_gradient_zero(kernels):
    x, target = np.ones((2, 3)), np.array([5, 5])
    y, *saved = kernels.cross_entropy_forward(x, target, None, 5, 0.1, "mean")
    assert np.isnan(y)
    assert not kernels.cross_entropy_backward_x(np.ones(()), x, target, None, 5, 0.1, "mean", *saved).any()
    assert kernels.cross_entropy_forward(x, target, None, 5, 0.1, "sum")[0] == 0
    nothing = np.ones((0, 3))
    assert np.isnan(kernels.cross_entropy_forward(nothing, np.ones(0, np.int64), None, 5, 0.0, "mean")[0])
    assert np.isnan(kernels.mse_loss_forward(nothing, nothing, "mean"))
    assert kernels.mse_loss_forward(nothing, nothing, "sum") == 0


@BACKENDS
def test_error_losses_keep_nan(kernels):
    x, t = np.array([NAN, INF, 1]), np.array([0, INF, NAN])
    for op, parameters in ERRORS.items():
        assert np.isnan(getattr(kernels, f"{op}_forward")(x, t, *parameters, "none")).all(), op
    # the sign of NaN counts as 0, as in PyTorch
    assert kernels.l1_loss_backward_x(np.ones(3), x, t, "none").tolist() == [0, 0, 0]
    assert np.isnan(kernels.mse_loss_backward_x(np.ones(3), x, t, "none")).all()


@BACKENDS
@DTYPES
def test_binary_cross_entropy_of_certainties_is_cut_off(kernels, dtype):
    x, t = np.array([0, 1, 0, 1], dtype), np.array([1, 0, 0, 1], dtype)
    assert kernels.binary_cross_entropy_forward(x, t, None, "none").tolist() == [100, 100, 0, 0]
    grad = kernels.binary_cross_entropy_backward_x(np.ones(4, dtype), x, t, None, "none")
    np.testing.assert_allclose(grad, [-1e12, 1e12, 0, 0], rtol=1e-6)
    grad = kernels.binary_cross_entropy_backward_target(np.ones(4, dtype), x, t, None, "none")
    assert grad.tolist() == [INF, -INF, INF, -INF]
    y = kernels.binary_cross_entropy_with_logits_forward(np.array([-500, 500], dtype), t[:2], None, None, "none")
    assert y.tolist() == [500, 500]


# -- sums, threads, memory ---------------------------------------------------------------------------------


def test_a_million_float32_values_are_added_without_loss():
    x = np.random.default_rng(0).uniform(0, 1, 1_000_003).astype(np.float32)
    exact = math.fsum(x.astype(np.float64))
    assert abs(cpu.l1_loss_forward(x, np.zeros_like(x), "sum") - exact) / exact < 1e-7


def test_sum_over_blocks_counts_each_element_once():
    for size in (0, 1, cpu_sums.BLOCK - 1, cpu_sums.BLOCK, cpu_sums.BLOCK + 1, 3 * cpu_sums.BLOCK + 5):
        assert cpu_sums.total(np.arange(size, dtype=np.float32)) == size * (size - 1) // 2


def test_small_values_are_not_lost_beside_a_large_one():
    values = np.ones(cpu_sums.BLOCK, np.float32)
    values[0] = 2**24  # in float32 adding 1 to it changes nothing
    assert cpu_sums.total(values) == 2**24 + cpu_sums.BLOCK - 1


def test_same_bits_for_any_number_of_threads(monkeypatch):
    monkeypatch.setattr(parallel, "SERIAL_BELOW", 0)
    x, target, probabilities, weight = drawn(7, (37, 5, 613), np.float32)
    results = []
    for threads in (1, 2, 4):
        monkeypatch.setattr(parallel, "_thread_count", threads)
        y, *saved = cpu.cross_entropy_forward(x, target, weight, 2, 0.1, "mean")
        grad = cpu.cross_entropy_backward_x(np.ones((), np.float32), x, target, weight, 2, 0.1, "mean", *saved)
        one = np.ones((), np.float32)
        elementwise = (
            cpu.mse_loss_forward(x, probabilities, "mean"),
            cpu.mse_loss_backward_x(one, x, probabilities, "mean"),
            cpu.binary_cross_entropy_with_logits_forward(x, probabilities, None, None, "none"),
            cpu.binary_cross_entropy_with_logits_backward_x(one, x, probabilities, None, abs(x), "sum"),
        )
        results.append(b"".join(part.tobytes() for part in (y, grad, *elementwise)))
    assert results[0] == results[1] == results[2]


@BACKENDS
def test_any_memory_layout_is_read_and_none_is_changed(kernels):
    x, target, probabilities, weight = drawn(8)
    awkward = []
    for array in (x, target, probabilities, weight):
        other = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype.newbyteorder("="))[..., ::2]
        other[...] = array
        other.flags.writeable = False
        awkward.append(other)
    before = [array.copy() for array in awkward]
    for reduction in shapes.REDUCTIONS:
        plain = kernels.cross_entropy_forward(x, target, weight, 1, 0.1, reduction)
        strided = kernels.cross_entropy_forward(awkward[0], awkward[1], awkward[3], 1, 0.1, reduction)
        np.testing.assert_array_equal(plain[0], strided[0])
        gradients = [
            kernels.cross_entropy_backward_x(np.ones_like(plain[0]), *arrays, 1, 0.1, reduction, *plain[1:])
            for arrays in ((x, target, weight), (awkward[0], awkward[1], awkward[3]))
        ]
        np.testing.assert_array_equal(*gradients)
        np.testing.assert_array_equal(
            kernels.mse_loss_forward(x, probabilities, reduction),
            kernels.mse_loss_forward(awkward[0], awkward[2], reduction),
        )
    for array, kept in zip(awkward, before):
        np.testing.assert_array_equal(array, kept)


# -- refusals ----------------------------------------------------------------------------------------------

X, T = np.ones((2, 3)), np.array([0, 1])
REFUSED = [
    (ValueError, r"Target 3 is out of bounds.*0 to 2",
     lambda k: k.nll_loss_forward(X, np.array([0, 3]), None, 9, "sum")),
    (IndexError, r"Target -1 is out of bounds", lambda k: k.nll_loss_forward(X, np.array([0, -1]), None, 9, "sum")),
    (TypeError, "target expects int64", lambda k: k.nll_loss_forward(X, T.astype(np.int32), None, 9, "sum")),
    (ValueError, r"target expects the shape \(2,\)", lambda k: k.nll_loss_forward(X, T[:1], None, 9, "sum")),
    (ValueError, "weight expects one number for each of 3", lambda k: k.nll_loss_forward(X, T, np.ones(2), 9, "sum")),
    (TypeError, "weight expects float64", lambda k: k.nll_loss_forward(X, T, np.ones(3, np.float32), 9, "sum")),
    (TypeError, "ignore_index expects an int", lambda k: k.nll_loss_forward(X, T, None, 1.0, "sum")),
    (ValueError, "reduction expects", lambda k: k.nll_loss_forward(X, T, None, 9, "average")),
    (ValueError, "at least one class", lambda k: k.nll_loss_forward(X[:, :0], T, None, 9, "sum")),
    (ValueError, "label_smoothing must be", lambda k: k.cross_entropy_forward(X, T, None, 9, 1.5, "sum")),
    (ValueError, "label_smoothing must be", lambda k: k.cross_entropy_forward(X, T, None, 9, NAN, "sum")),
    (ValueError, "target expects the shape of x", lambda k: k.soft_cross_entropy_forward(X, X[:1], None, 0.0, "sum")),
    (ValueError, r"grad_y expects the shape \(\)", lambda k: k.nll_loss_backward_x(X, X, T, None, 9, "sum", 2.0)),
    (ValueError, r"log_sum_exp expects the shape \(2,\)",
     lambda k: k.cross_entropy_backward_x(np.ones(2), X, T, None, 9, 0.0, "none", np.ones(3), 2.0)),
    (TypeError, "log_sum_exp expects the float64",
     lambda k: k.soft_cross_entropy_backward_target(np.ones(2), X, None, 0.0, "none", T)),
    (TypeError, "x expects float32 or float64, got int64", lambda k: k.mse_loss_forward(T, T, "sum")),
    (TypeError, "x expects a numpy.ndarray, got list", lambda k: k.mse_loss_forward([1.0], X, "sum")),
    (TypeError, "target expects float64", lambda k: k.mse_loss_forward(X, X.astype(np.float32), "sum")),
    (ValueError, "target expects the shape of x", lambda k: k.l1_loss_forward(X, X[0], "sum")),
    (ValueError, "grad_y expects the shape", lambda k: k.l1_loss_backward_x(X[0], X, X, "none")),
    (ValueError, "beta expects a number above 0", lambda k: k.smooth_l1_loss_forward(X, X, 0, "sum")),
    (ValueError, "delta expects a number above 0", lambda k: k.huber_loss_backward_x(X, X, X, NAN, "none")),
    (ValueError, "elements of input should be between 0 and 1",
     lambda k: k.binary_cross_entropy_forward(X * 1.5, X, None, "sum")),
    (ValueError, "elements of target should be between 0 and 1",
     lambda k: k.binary_cross_entropy_forward(X, X * NAN, None, "sum")),
    (ValueError, "pos_weight expects the shape of x",
     lambda k: k.binary_cross_entropy_with_logits_forward(X, X, None, X[0], "sum")),
]  # fmt: skip


@BACKENDS
@pytest.mark.parametrize(("error", "text", "call"), REFUSED, ids=[case[1] for case in REFUSED])
def test_refused(kernels, error, text, call):
    with pytest.raises(error, match=text):
        call(kernels)
