"""Normalisation kernels: by hand, each back end against the formula, far means, gradients, refusals."""

import itertools

import numpy as np
import pytest

from kernels import parallel
from kernels.norm import cpu, reference

BACKENDS = pytest.mark.parametrize("kernels", [reference, cpu], ids=["reference", "cpu"])
INF, NAN = np.inf, np.nan
EPS = 1e-5

#: (N, C, L): planes shorter and longer than a row, sizes round the lanes of a vector, ones.
SHAPES = [(5, 3, 1), (2, 6, 4), (3, 4, 15), (3, 4, 16), (2, 6, 33), (1, 4, 50), (4, 1, 3), (300, 2, 1), (2, 260, 1)]


def numbers(shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


# -- by hand ---------------------------------------------------------------------------------------------


@BACKENDS
def test_batch_norm_by_hand(kernels):
    x = np.array([[[1.0, 3], [10, 10]], [[5, 7], [10, 14]]])  # channel 0: 1 3 5 7, channel 1: 10 10 10 14
    mean, var = kernels.batch_norm_statistics(x)
    assert mean.tolist() == [4, 11] and var.tolist() == [5, 3]
    y = kernels.batch_norm_forward(x, np.array([2.0, 1]), np.array([0.0, 100]), mean, var, 1.0)
    root = 6**0.5
    np.testing.assert_allclose(y[:, 0], [[-6 / root, -2 / root], [2 / root, 6 / root]], rtol=1e-15)
    np.testing.assert_allclose(y[:, 1], [[99.5, 99.5], [99.5, 101.5]], rtol=1e-15)


@BACKENDS
def test_batch_norm_gradient_by_hand(kernels):
    x, mean, var = np.array([[[-1.0, 1]], [[-1, 1]]]), np.zeros(1), np.ones(1)  # x_hat is x
    grad_y = np.array([[[4.0, 0]], [[0, 0]]])
    grad_x, grad_weight, grad_bias = kernels.batch_norm_backward_all(grad_y, x, np.array([3.0]), mean, var, 0.0, True)
    assert (grad_weight.tolist(), grad_bias.tolist()) == ([-4], [4])
    assert grad_x[:, 0].tolist() == [[3 * (4 - 1 - 1), 0], [3 * (0 - 1 - 1), 0]]
    constant = kernels.batch_norm_backward_all(grad_y, x, np.array([3.0]), mean, var, 0.0, False)[0]
    assert constant[:, 0].tolist() == [[12, 0], [0, 0]]


@BACKENDS
def test_group_norm_by_hand(kernels):
    x = np.array([[[1.0], [3], [20], [10]]])  # groups 1 3 and 20 10
    y, mean, var = kernels.group_norm_forward(x, 2, np.array([1.0, 1, 2, 2]), np.array([0.0, 0, 0, 7]), 0.0)
    assert mean.tolist() == [[2, 15]] and var.tolist() == [[1, 25]]
    assert y.ravel().tolist() == [-1, 1, 2, 5]


@BACKENDS
def test_layer_norm_by_hand(kernels):
    x = np.array([[1.0, 3, 5], [-4, -4, 8]])
    y, mean, var = kernels.layer_norm_forward(x, np.array([1.0, 2, 3]), np.array([0.0, 1, 0]), 0.0)
    assert mean.tolist() == [3, 0] and np.allclose(var, [8 / 3, 32])
    root = 1.5**0.5
    np.testing.assert_allclose(y, [[-root, 1, 3 * root], [-(0.5**0.5), 1 - 2**0.5, 3 * 2**0.5]], rtol=1e-15)


@BACKENDS
def test_rms_norm_by_hand(kernels):
    y, square = kernels.rms_norm_forward(np.array([[3.0, 4, 0, 0]]), np.array([1.0, 2, 5, 5]), 0.0)
    assert square.tolist() == [6.25]
    np.testing.assert_allclose(y, [[1.2, 3.2, 0, 0]], rtol=1e-15)
    grad_x, grad_weight = kernels.rms_norm_backward_all(
        np.array([[1.0, 0, 0, 0]]), np.array([[3.0, 4, 0, 0]]), np.ones(4), square, 0.0
    )
    np.testing.assert_allclose(grad_weight, [1.2, 0, 0, 0], rtol=1e-15)
    np.testing.assert_allclose(grad_x, [[(1 - 0.36) / 2.5, -0.48 / 2.5, 0, 0]], rtol=1e-14)


@BACKENDS
def test_local_response_norm_by_hand(kernels):
    x = np.array([[[1.0], [2], [3]]])
    y = kernels.local_response_norm_forward(x, 2, 2.0, 1.0, 1.0)  # windows: 0 and 1; 1 and 2, the one before first
    np.testing.assert_allclose(y.ravel(), [1 / 2, 2 / 6, 3 / 14], rtol=1e-15)
    grad_x = kernels.local_response_norm_backward_x(np.array([[[0.0], [1], [0]]]), x, 2, 2.0, 1.0, 1.0)
    np.testing.assert_allclose(grad_x.ravel(), [-2 * 2 / 36, 1 / 6 - 2 * 2 * 2 / 36, 0], rtol=1e-15)


# -- back ends against the formula -----------------------------------------------------------------------


def equal(name, *arguments, tolerance=None):
    """The results of both back ends, compared."""
    expected, result = (getattr(kernels, name)(*arguments) for kernels in (reference, cpu))
    if tolerance is None:
        tolerance = 2e-6 if arguments[0].dtype == np.float32 else 1e-12
    both = [r if isinstance(r, tuple) else (r,) for r in (result, expected)]
    for a, b in zip(*both, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape, name
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=name)
    return expected


def parameters(size, dtype, seed=7):
    return [(numbers(size, seed, dtype), numbers(size, seed + 1, dtype)), (None, None)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_batch_norm_equals_reference(shape, dtype):
    x, grad_y = numbers(shape, 1, dtype) * 2 + 3, numbers(shape, 2, dtype)
    own = equal("batch_norm_statistics", x)
    running = numbers(shape[1], 3), numbers(shape[1], 4) ** 2
    for (weight, bias), (mean, var) in itertools.product(parameters(shape[1], dtype), (own, running)):
        equal("batch_norm_forward", x, weight, bias, mean, var, EPS)
        for training in (True, False):
            equal("batch_norm_backward_all", grad_y, x, weight, mean, var, 0.1, training, tolerance=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_group_norm_equals_reference(shape, dtype):
    x, grad_y = numbers(shape, 1, dtype) * 2 + 3, numbers(shape, 2, dtype)
    for groups in {1, 2, shape[1]} if shape[1] % 2 == 0 else {1, shape[1]}:
        for weight, bias in parameters(shape[1], dtype):
            _, mean, var = equal("group_norm_forward", x, groups, weight, bias, 0.1, tolerance=2e-5)
            equal("group_norm_backward_all", grad_y, x, groups, weight, mean, var, 0.1, tolerance=1e-5)


@pytest.mark.parametrize("shape", [(4, 3), (2, 16), (3, 37), (1, 50), (300, 5), (5, 1)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_row_norms_equal_reference(shape, dtype):
    x, grad_y = numbers(shape, 1, dtype) * 2 + 3, numbers(shape, 2, dtype)
    for weight, bias in parameters(shape[1], dtype):
        _, mean, var = equal("layer_norm_forward", x, weight, bias, EPS)
        equal("layer_norm_backward_all", grad_y, x, weight, mean, var, 0.1, tolerance=1e-5)
        _, square = equal("rms_norm_forward", x, weight, EPS)
        equal("rms_norm_backward_all", grad_y, x, weight, square, EPS, tolerance=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(2, 5, 3), (1, 7, 20), (3, 1, 4)])
def test_local_response_norm_equals_reference(shape, dtype):
    x, grad_y = numbers(shape, 1, dtype), numbers(shape, 2, dtype)
    for size, beta in itertools.product((1, 2, 3, 6, 40), (0.75, 1.3, -0.5, 0.0)):
        equal("local_response_norm_forward", x, size, 0.8, beta, 1.1)
        equal("local_response_norm_backward_x", grad_y, x, size, 0.8, beta, 1.1)


# -- numbers far from 0, NaN, infinity, nothing ----------------------------------------------------------


@BACKENDS
@pytest.mark.parametrize("shape", [(8, 3, 50), (400, 3, 1)])
def test_a_mean_far_from_zero_costs_nothing(kernels, shape):
    """Float32 at 10000 +- 1: as close to float64 as values near 0 would be."""
    x, grad_y = (1e4 + numbers(shape)).astype(np.float32), numbers(shape, 1, np.float32)
    exact = x.astype(np.float64)
    axes = (0, 2)
    mean, var = kernels.batch_norm_statistics(x)
    np.testing.assert_allclose(mean, exact.mean(axes), rtol=1e-15)
    np.testing.assert_allclose(var, exact.var(axes), rtol=1e-12)
    x_hat = (exact - exact.mean(axes, keepdims=True)) / np.sqrt(exact.var(axes, keepdims=True) + EPS)
    np.testing.assert_allclose(kernels.batch_norm_forward(x, None, None, mean, var, EPS), x_hat, rtol=0, atol=5e-7)
    _, grad_weight, _ = kernels.batch_norm_backward_all(grad_y, x, None, mean, var, EPS, True)
    np.testing.assert_allclose(grad_weight, (grad_y * x_hat).sum(axes), rtol=1e-6)
    y, row_mean, row_var = kernels.group_norm_forward(x.reshape(-1, 3, 50), 3, None, None, EPS)
    rows = exact.reshape(-1, 3, 50)
    x_hat = (rows - rows.mean(2, keepdims=True)) / np.sqrt(rows.var(2, keepdims=True) + EPS)
    np.testing.assert_allclose(y, x_hat, rtol=0, atol=5e-7)
    grads = rows * 0 + grad_y.reshape(rows.shape)
    inner = grads - grads.mean(2, keepdims=True) - x_hat * (grads * x_hat).mean(2, keepdims=True)
    grad_x, _, _ = kernels.group_norm_backward_all(
        grad_y.reshape(rows.shape), x.reshape(rows.shape), 3, None, row_mean, row_var, EPS
    )
    np.testing.assert_allclose(grad_x, inner / np.sqrt(rows.var(2, keepdims=True) + EPS), rtol=0, atol=2e-6)


@BACKENDS
def test_variance_of_unlike_planes(kernels):
    """What the planes of a channel have as means counts in its variance, also where they are far apart."""
    x = numbers((4, 2, 20)) * 1e-3 + np.array([0.0, 1e6, -1e6, 5])[:, None, None]
    _, var = kernels.batch_norm_statistics(x)
    np.testing.assert_allclose(var, x.var((0, 2)), rtol=1e-12)


@BACKENDS
@pytest.mark.parametrize("value", [NAN, INF, -INF])
@pytest.mark.parametrize("L", [3, 20])
def test_nan_and_infinity_stay_in_their_set(kernels, value, L):
    x = numbers((3, 4, L))
    x[1, 2, 1] = value
    y = kernels.batch_norm_forward(x, None, None, *kernels.batch_norm_statistics(x), EPS)
    assert np.isnan(y[:, 2]).all() and np.isfinite(np.delete(y, 2, axis=1)).all()
    y = kernels.group_norm_forward(x, 2, None, None, EPS)[0]
    assert np.isnan(y[1, 2:]).all() and np.isnan(y).sum() == 2 * L
    y = kernels.layer_norm_forward(x.reshape(3, -1), None, None, EPS)[0]
    assert np.isnan(y[1]).all() and np.isfinite(y[[0, 2]]).all()
    running = kernels.batch_norm_forward(x, None, None, np.zeros(4), np.ones(4), 0.0)
    np.testing.assert_array_equal(running, x)  # statistics that do not come from x: everything for itself
    far = kernels.batch_norm_forward(x[:, :1], None, None, np.array([INF]), np.ones(1), EPS)
    assert (far == -INF).all()


@BACKENDS
def test_constant_numbers(kernels):
    x = np.full((2, 3, 20), 7.3, np.float32)
    np.testing.assert_allclose(kernels.group_norm_forward(x, 1, None, None, EPS)[0], 0, atol=1e-4)
    assert np.isnan(kernels.group_norm_forward(x * 0 + 2, 1, None, None, 0.0)[0]).all()  # 0 / 0
    ones = np.ones((4, 1), np.float32)
    _, mean, var = kernels.layer_norm_forward(ones * 3, None, None, EPS)
    assert (kernels.layer_norm_backward_all(ones, ones * 3, None, mean, var, EPS)[0] == 0).all()  # a set of one number


@BACKENDS
@pytest.mark.parametrize("shape", [(0, 4, 3), (2, 4, 0), (2, 0, 3), (0, 0, 0)])
def test_nothing_in_nothing_out(kernels, shape):
    N, C, _ = shape
    x = np.zeros(shape)
    mean, var = kernels.batch_norm_statistics(x)
    assert mean.shape == var.shape == (C,) and np.isnan(mean).all() and np.isnan(var).all()
    assert kernels.batch_norm_forward(x, None, None, mean, var, EPS).shape == shape
    y, mean, var = kernels.group_norm_forward(x, 2, None, None, EPS)
    assert y.shape == shape and mean.shape == (N, 2)
    gradients = [
        *kernels.group_norm_backward_all(x, x, 2, None, mean, var, EPS),
        *kernels.batch_norm_backward_all(x, x, None, np.zeros(C), np.ones(C), EPS, True),
    ]
    assert [g.shape for g in gradients] == [shape, (C,), (C,)] * 2 and not any(g.any() for g in gradients)
    assert kernels.local_response_norm_backward_x(x, x, 3, 1.0, 0.75, 1.0).shape == shape
    rows = x.reshape(N, C) if shape[2] == 0 and N * C == 0 else np.zeros((N, 0))
    y, square = kernels.rms_norm_forward(rows, None, EPS)
    assert y.shape == rows.shape
    assert kernels.rms_norm_backward_all(rows, rows, None, square, EPS)[1].shape == rows.shape[1:]


@BACKENDS
def test_any_layout_gives_the_same_and_stays_as_it_was(kernels):
    x = numbers((3, 4, 18), 0, np.float32)
    expected = four(kernels, x)
    locked = x.copy()
    locked.flags.writeable = False
    for same in (np.asfortranarray(x), np.repeat(x, 2, axis=2)[..., ::2], locked):
        before = same.copy()
        for a, b in zip(four(kernels, same), expected, strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(same, before)


def four(kernels, x):
    statistics = kernels.batch_norm_statistics(x)
    return [
        kernels.batch_norm_forward(x, None, None, *statistics, EPS),
        kernels.group_norm_forward(x, 2, None, None, EPS)[0],
        kernels.batch_norm_backward_all(x, x, None, *statistics, EPS, True)[0],
        kernels.local_response_norm_forward(x, 3, 1.0, 0.75, 1.0),
    ]


def everything(shape):
    x, grad_y = numbers(shape, 1, np.float32), numbers(shape, 2, np.float32)
    weight, mean, var = numbers(shape[1], 3, np.float32), *cpu.batch_norm_statistics(x)
    results = [mean, var, cpu.batch_norm_forward(x, weight, weight, mean, var, EPS)]
    results += cpu.batch_norm_backward_all(grad_y, x, weight, mean, var, EPS, True)
    y, mean, var = cpu.group_norm_forward(x, 2, weight, weight, EPS)
    results += [y, mean, var, *cpu.group_norm_backward_all(grad_y, x, 2, weight, mean, var, EPS)]
    y, square = cpu.rms_norm_forward(x[:, :, 0].copy(), weight, EPS)
    results += [y, square, *cpu.rms_norm_backward_all(grad_y[:, :, 0].copy(), x[:, :, 0].copy(), weight, square, EPS)]
    return [*results, cpu.local_response_norm_backward_x(grad_y, x, 3, 1.0, 0.75, 1.0)]


@pytest.mark.parametrize("shape", [(5, 6, 40), (600, 4, 1), (3, 600, 2)])
def test_same_bits_for_any_number_of_threads(monkeypatch, shape):
    monkeypatch.setattr(parallel, "SERIAL_BELOW", 0)
    results = []
    for threads in (1, 2, 4):
        monkeypatch.setattr(parallel, "_thread_count", threads)
        results.append(everything(shape))
    for other in results[1:]:
        assert all(a.tobytes() == b.tobytes() for a, b in zip(results[0], other, strict=True))


# -- gradients -------------------------------------------------------------------------------------------


RUNNING = np.full(6, 0.3), np.full(6, 1.7)


def batch(kernels, x, weight, bias):
    return kernels.batch_norm_forward(x, weight, bias, *kernels.batch_norm_statistics(x), EPS)


def evaluated(kernels, x, weight, bias):
    return kernels.batch_norm_forward(x, weight, bias, *RUNNING, EPS)


def rows(x):
    return x[:, :, 0].copy()


def group(groups):
    return (
        lambda k, x, w, b: k.group_norm_forward(x, groups, w, b, EPS)[0],
        lambda k, g, x, w: k.group_norm_backward_all(
            g, x, groups, w, *k.group_norm_forward(x, groups, w, None, EPS)[1:], EPS
        ),
    )


#: By name the forward function of x, weight and bias, and the backward function of the cotangent, x and weight.
GRADIENTS = {
    "batch_norm": (batch, lambda k, g, x, w: k.batch_norm_backward_all(g, x, w, *k.batch_norm_statistics(x), EPS, 1)),
    "evaluated": (evaluated, lambda k, g, x, w: k.batch_norm_backward_all(g, x, w, *RUNNING, EPS, False)),
    **{f"group_norm {groups}": group(groups) for groups in (1, 2, 6)},
    "layer_norm": (
        lambda k, x, w, b: k.layer_norm_forward(rows(x), w, b, EPS)[0],
        lambda k, g, x, w: k.layer_norm_backward_all(
            g, rows(x), w, *k.layer_norm_forward(rows(x), w, None, EPS)[1:], EPS
        ),
    ),
    "rms_norm": (
        lambda k, x, w, b: k.rms_norm_forward(rows(x), w, EPS)[0],
        lambda k, g, x, w: k.rms_norm_backward_all(g, rows(x), w, k.rms_norm_forward(rows(x), w, EPS)[1], EPS),
    ),
    "local_response_norm": (
        lambda k, x, w, b: k.local_response_norm_forward(x, 4, 0.9, 0.75, 1.2),
        lambda k, g, x, w: (k.local_response_norm_backward_x(g, x, 4, 0.9, 0.75, 1.2),),
    ),
}  # fmt: skip


@BACKENDS
@pytest.mark.parametrize("op", GRADIENTS)
@pytest.mark.parametrize("L", [5, 19])
def test_gradients_by_a_random_projection(kernels, op, L):
    """<cotangent, f(z + h v) - f(z - h v)> / 2h equals <gradient, v>, for each argument z."""
    forward, backward = GRADIENTS[op]
    arguments = [numbers((4, 6, L), 1), numbers(6, 2), numbers(6, 3)]
    cotangent = numbers(forward(kernels, *arguments).shape, 4)
    gradients = backward(kernels, cotangent, *arguments[:2])
    for position, gradient in enumerate(gradients):
        v, h = numbers(arguments[position].shape, 5 + position), 1e-5
        moved = [[a + sign * h * v if i == position else a for i, a in enumerate(arguments)] for sign in (1, -1)]
        numeric = (cotangent * (forward(kernels, *moved[0]) - forward(kernels, *moved[1]))).sum() / (2 * h)
        there = v[:, :, 0] if gradient.ndim == 2 else v
        np.testing.assert_allclose((gradient * there).sum(), numeric, rtol=1e-6, err_msg=f"{op}, argument {position}")


@BACKENDS
@pytest.mark.parametrize("L", [3, 40])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gradients_neither_move_the_mean_nor_the_scale_of_their_set(kernels, L, dtype):
    """Adding to all numbers of a set changes nothing, so the gradient sums to 0; scaling them hardly anything."""
    x, grad_y, weight = (numbers(shape, s, dtype) for s, shape in enumerate([(5, 4, L), (5, 4, L), (4,)]))
    statistics = kernels.batch_norm_statistics(x)
    grad_x = kernels.batch_norm_backward_all(grad_y, x, weight, *statistics, 0.0, True)[0].astype(np.float64)
    small = 20 * x.size * np.finfo(dtype).eps
    np.testing.assert_allclose(grad_x.sum((0, 2)), 0, atol=small)
    np.testing.assert_allclose((grad_x * x).sum((0, 2)), 0, atol=small)
    _, mean, var = kernels.group_norm_forward(x, 2, weight, None, 0.0)
    grad_x = kernels.group_norm_backward_all(grad_y, x, 2, weight, mean, var, 0.0)[0].astype(np.float64)
    np.testing.assert_allclose(grad_x.reshape(5, 2, -1).sum(2), 0, atol=small)
    np.testing.assert_allclose((grad_x * x).reshape(5, 2, -1).sum(2), 0, atol=small)
    x, grad_y = x.reshape(20, L), grad_y.reshape(20, L)
    square = kernels.rms_norm_forward(x, None, 0.0)[1]
    grad_x = kernels.rms_norm_backward_all(grad_y, x, None, square, 0.0)[0].astype(np.float64)
    np.testing.assert_allclose((grad_x * x).sum(1), 0, atol=small)


# -- refusals --------------------------------------------------------------------------------------------

X, ONES = np.zeros((2, 4, 3)), np.ones(4)


@BACKENDS
@pytest.mark.parametrize(
    ("name", "arguments", "error", "message"),
    [
        ("batch_norm_statistics", (X[0],), ValueError, r"x expects 3 axes \(N, C, L\), got shape \(4, 3\)"),
        ("batch_norm_statistics", (X.astype(int),), TypeError, "x expects float32 or float64, got int64"),
        ("batch_norm_statistics", ([1.0],), TypeError, "expects a numpy.ndarray, got list"),
        ("batch_norm_forward", (X, ONES[:3], None, ONES, ONES, EPS), ValueError, r"weight expects the shape \(4,\)"),
        ("batch_norm_forward", (X, None, ONES.astype("f"), ONES, ONES, EPS), TypeError, "bias expects .* float64"),
        ("batch_norm_forward", (X, None, None, ONES[:3], ONES, EPS), ValueError, r"mean expects the shape \(4,\)"),
        ("batch_norm_forward", (X, None, None, ONES, ONES.astype("f"), EPS), TypeError, "var expects a float64 array"),
        ("batch_norm_backward_all", (X[:1], X, None, ONES, ONES, EPS, True), ValueError, "grad_y expects the shape"),
        ("batch_norm_backward_all", (X.astype("f"), X, None, ONES, ONES, EPS, True), TypeError, "grad_y expects"),
        ("group_norm_forward", (X, 3, None, None, EPS), ValueError, "groups expects a number that divides the 4"),
        ("group_norm_forward", (X, 0, None, None, EPS), ValueError, "groups expects a number of at least 1, got 0"),
        ("group_norm_forward", (X, 2.0, None, None, EPS), TypeError, "groups expects an int, got 2.0"),
        ("group_norm_backward_all", (X, X, 2, None, ONES, ONES, EPS), ValueError, r"mean expects the shape \(2, 2\)"),
        ("layer_norm_forward", (X, None, None, EPS), ValueError, r"x expects 2 axes \(R, F\)"),
        ("layer_norm_forward", (X[0], None, ONES, EPS), ValueError, r"bias expects the shape \(3,\)"),
        ("rms_norm_backward_all", (X[0], X[0], None, ONES[:3], EPS), ValueError, r"square expects the shape \(4,\)"),
        ("local_response_norm_forward", (X, 0, 1.0, 1.0, 1.0), ValueError, "size expects a number of at least 1"),
        ("local_response_norm_backward_x", (X[:1], X, 1, 1.0, 1.0, 1.0), ValueError, "grad_y expects the shape of x"),
    ],
)  # fmt: skip
def test_refusals(kernels, name, arguments, error, message):
    with pytest.raises(error, match=message):
        getattr(kernels, name)(*arguments)
