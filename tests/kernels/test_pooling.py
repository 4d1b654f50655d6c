"""Pooling kernels: by hand, the rules for ties and NaN, each back end against the formula, gradients, refusals."""

import inspect
import itertools

import numpy as np
import pytest

from kernels import parallel
from kernels.pooling import cpu, reference, shapes

BACKENDS = pytest.mark.parametrize("kernels", [reference, cpu], ids=["reference", "cpu"])
INF, NAN = np.inf, np.nan


def picture(rows, dtype=np.float64):
    return np.array(rows, dtype)[None, None]


def max_2d(kernels, x, kernel_size=(2, 2), stride=None, padding=(0, 0), dilation=(1, 1), ceil_mode=False):
    return kernels.max_pool2d_forward(x, kernel_size, stride or kernel_size, padding, dilation, ceil_mode)


def avg_2d(kernels, x, kernel_size, stride, padding=(0, 0), ceil_mode=False, include=True, divisor=None):
    return kernels.avg_pool2d_forward(x, kernel_size, stride, padding, ceil_mode, include, divisor)


def function(kernels, op, rank, part):
    return getattr(kernels, f"{op}_pool{rank}d_{part}")


# -- by hand ---------------------------------------------------------------------------------------------


@BACKENDS
def test_max_by_hand(kernels):
    y, indices = max_2d(kernels, picture([[1, 3, 2, 0], [5, 1, 0, 2], [0, 2, 7, 1], [4, 0, 1, 3]]))
    assert y[0, 0].tolist() == [[5, 2], [4, 7]]
    assert indices[0, 0].tolist() == [[4, 2], [12, 10]]


@BACKENDS
def test_max_with_padding_and_dilation_by_hand(kernels):
    x = picture([[-1, -2, -3, -4, -5]])
    y, indices = kernels.max_pool1d_forward(x[:, :, 0], (3,), (2,), (1,), (2,), False)  # taps -1 1 3 and 1 3 5
    assert y[0, 0].tolist() == [-2, -2] and indices[0, 0].tolist() == [1, 1]


@BACKENDS
def test_shared_maximum_receives_the_sum(kernels):
    x = picture([[0, 9, 0]])
    _, indices = max_2d(kernels, x, (1, 2), (1, 1))
    grad_x = kernels.max_pool2d_backward_x(picture([[2, 5]]), indices, x.shape)
    assert grad_x[0, 0].tolist() == [[0, 7, 0]]


@BACKENDS
@pytest.mark.parametrize(
    ("include", "divisor", "expected"),
    [(True, None, [[1 / 4, 5 / 4], [7 / 4, 23 / 4]]), (False, None, [[1, 5 / 2], [7 / 2, 23 / 4]]),
     (True, 2, [[1 / 2, 5 / 2], [7 / 2, 23 / 2]])],
)  # fmt: skip
def test_average_with_padding_by_hand(kernels, include, divisor, expected):
    x = picture([[1, 2, 3], [3, 4, 5], [4, 6, 8]])
    y = avg_2d(kernels, x, (2, 2), (2, 2), (1, 1), include=include, divisor=divisor)
    assert y[0, 0].tolist() == expected


@BACKENDS
def test_average_never_counts_beyond_the_padding(kernels):
    y = kernels.avg_pool1d_forward(np.array([[[1.0, 2, 3, 4]]]), (3,), (2,), (1,), True, True, None)
    assert y[0, 0].tolist() == [1, 3, 2]  # the last window: 4, one zero of padding, and one place that is nothing


@BACKENDS
def test_average_gradient_by_hand(kernels):
    grad_x = kernels.avg_pool1d_backward_x(np.array([[[4.0, 6]]]), (1, 1, 3), (2,), (1,), (0,), False, True, None)
    assert grad_x[0, 0].tolist() == [2, 5, 3]


@BACKENDS
def test_adaptive_windows_by_hand(kernels):
    x = np.array([[[1.0, 2, 3, 4, 5]]])
    assert kernels.adaptive_avg_pool1d_forward(x, (3,))[0, 0].tolist() == [1.5, 3, 4.5]  # 1 2, 2 3 4, 4 5
    assert kernels.adaptive_max_pool1d_forward(x, (3,))[1][0, 0].tolist() == [1, 3, 4]
    assert kernels.adaptive_avg_pool1d_backward_x(np.array([[[2.0, 3, 4]]]), x.shape)[0, 0].tolist() == [1, 2, 1, 3, 2]
    assert kernels.adaptive_avg_pool1d_forward(x, (1,))[0, 0].tolist() == [3]  # global pooling


@BACKENDS
def test_unpool_by_hand(kernels):
    indices = picture([[3, 0]], np.int64)
    y = kernels.max_unpool2d_forward(picture([[5, 7]]), indices, (2, 2))
    assert y[0, 0].tolist() == [[7, 0], [0, 5]]
    assert kernels.max_unpool2d_backward_x(picture([[1, 2], [3, 4]]), indices)[0, 0].tolist() == [[4, 1]]


@BACKENDS
def test_unpool_of_one_place_twice_keeps_the_last(kernels):
    y = kernels.max_unpool1d_forward(np.array([[[5.0, 7]]]), np.array([[[1, 1]]]), (3,))
    assert y[0, 0].tolist() == [0, 7, 0]


# -- the rules -------------------------------------------------------------------------------------------


def all_maxima(kernels, x):
    """One window over a 2 × 2 picture, by each way that leads to a maximum: values and places."""
    found = [
        max_2d(kernels, x),  # the loop for 2 × 2
        max_2d(kernels, x, ceil_mode=True),  # the loop for any window
        kernels.adaptive_max_pool2d_forward(x, (1, 1)),
        kernels.max_pool1d_forward(x.reshape(1, 1, 4), (4,), (4,), (0,), (1,), False),
        kernels.max_pool3d_forward(x[:, :, None], (1, 2, 2), (1, 1, 1), (0, 0, 0), (1, 1, 1), False),
    ]
    return [(y.item(), indices.item()) for y, indices in found]


@BACKENDS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("rows", "value", "place"),
    [
        ([[3, 3], [3, 3]], 3, 0),
        ([[1, 3], [3, 0]], 3, 1),
        ([[-0.0, 0.0], [0.0, 0.0]], -0.0, 0),
        ([[1, NAN], [5, 2]], NAN, 1),
        ([[NAN, 9], [NAN, INF]], NAN, 2),
        ([[NAN, NAN], [NAN, NAN]], NAN, 3),
        ([[-INF, -INF], [-INF, -INF]], -INF, 0),
        ([[-INF, 1], [INF, INF]], INF, 2),
    ],
)
def test_ties_nan_and_infinity(kernels, rows, value, place, dtype):
    for found_value, found_place in all_maxima(kernels, picture(rows, dtype)):
        assert found_place == place
        np.testing.assert_equal(found_value, value)


@BACKENDS
def test_padding_is_never_the_maximum(kernels):
    y, indices = max_2d(kernels, picture(np.full((4, 4), -INF)), padding=(1, 1))
    assert (y == -INF).all()
    assert indices[0, 0].tolist() == [[0, 1, 3], [4, 5, 7], [12, 13, 15]]


@BACKENDS
def test_average_passes_nan_and_infinity_on(kernels):
    x = np.array([[[1, NAN, 2, INF, -INF, INF, 3, 5]]])
    y = kernels.avg_pool1d_forward(x, (2,), (2,), (0,), False, True, None)
    np.testing.assert_equal(y[0, 0], [NAN, INF, NAN, 4])


# -- back ends against the formula -----------------------------------------------------------------------

SIZES = [(5, 7, 6), (4, 4, 8), (3, 9, 1)]
GEOMETRIES = list(itertools.product((1, 2, 3), (1, 2, 3), (0, 1), (1, 2), (False, True)))


def test_both_back_ends_have_the_same_functions():
    assert cpu.__all__ == reference.__all__ and len(cpu.__all__) == 27
    for name in cpu.__all__:
        assert inspect.signature(getattr(cpu, name)) == inspect.signature(getattr(reference, name)), name


def equal_or_refused_alike(name, *arguments):
    """The results of both back ends, compared; None where both refuse."""
    try:
        expected = getattr(reference, name)(*arguments)
    except ValueError as error:
        with pytest.raises(ValueError) as refused:
            getattr(cpu, name)(*arguments)
        assert str(refused.value) == str(error)
        return None
    result = getattr(cpu, name)(*arguments)
    tolerance = 1e-6 if arguments[0].dtype == np.float32 else 1e-13
    for a, b in zip(*(r if isinstance(r, tuple) else (r,) for r in (result, expected))):
        assert a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
    return expected


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_max_equals_reference(rank, dtype):
    generator = np.random.default_rng(rank)
    compared = 0
    for (k, s, p, dil, ceil_mode), size in itertools.product(GEOMETRIES, SIZES):
        x = generator.integers(-3, 3, (2, 3, *size[:rank])).astype(dtype)  # with ties
        x[generator.random(x.shape) < 0.05] = NAN
        geometry = [(value,) * rank for value in (k, s, p, dil)]
        pooled = equal_or_refused_alike(f"max_pool{rank}d_forward", x, *geometry, ceil_mode)
        if pooled is not None:
            compared += 1
            grad_y = generator.standard_normal(pooled[0].shape).astype(dtype)
            equal_or_refused_alike(f"max_pool{rank}d_backward_x", grad_y, pooled[1], x.shape)
    assert compared > 80


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_average_equals_reference(rank, dtype):
    generator = np.random.default_rng(rank)
    compared = 0
    for (k, s, p, _, ceil_mode), size in itertools.product(GEOMETRIES, SIZES):
        x = generator.standard_normal((2, 3, *size[:rank])).astype(dtype)
        geometry = [(value,) * rank for value in (k, s, p)]
        rest = (ceil_mode, bool(compared % 2), (None, 3)[compared % 3 == 0])
        y = equal_or_refused_alike(f"avg_pool{rank}d_forward", x, *geometry, *rest)
        if y is not None:
            compared += 1
            grad_y = generator.standard_normal(y.shape).astype(dtype)
            equal_or_refused_alike(f"avg_pool{rank}d_backward_x", grad_y, x.shape, *geometry, *rest)
    assert compared > 80


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_adaptive_and_unpool_equal_reference(rank, dtype):
    generator = np.random.default_rng(rank)
    for size, out in itertools.product(SIZES, (0, 1, 2, 3, 8)):
        x = generator.standard_normal((2, 3, *size[:rank])).astype(dtype)
        output_size = (out,) * (rank - 1) + (min(out, 2),)
        y = equal_or_refused_alike(f"adaptive_avg_pool{rank}d_forward", x, output_size)
        grad_y = generator.standard_normal(y.shape).astype(dtype)
        equal_or_refused_alike(f"adaptive_avg_pool{rank}d_backward_x", grad_y, x.shape)
        y, indices = equal_or_refused_alike(f"adaptive_max_pool{rank}d_forward", x, output_size)
        if out:
            equal_or_refused_alike(f"max_unpool{rank}d_forward", y, indices, size[:rank])
            equal_or_refused_alike(f"max_unpool{rank}d_backward_x", x, indices)


@BACKENDS
def test_any_layout_gives_the_same_and_stays_as_it_was(kernels):
    x = np.random.default_rng(0).standard_normal((2, 3, 6, 8)).astype(np.float32)
    expected = max_2d(kernels, x)[0], avg_2d(kernels, x, (3, 3), (1, 1))
    locked = x.copy()
    locked.flags.writeable = False
    for same in (np.asfortranarray(x), np.repeat(x, 2, axis=3)[..., ::2], locked):
        before = same.copy()
        np.testing.assert_array_equal(max_2d(kernels, same)[0], expected[0])
        np.testing.assert_array_equal(avg_2d(kernels, same, (3, 3), (1, 1)), expected[1])
        np.testing.assert_array_equal(same, before)


@BACKENDS
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_empty_batch(kernels, rank):
    x, ones, twos, zeros = np.zeros((0, 2, *(4,) * rank)), (1,) * rank, (2,) * rank, (0,) * rank
    y, indices = function(kernels, "max", rank, "forward")(x, twos, twos, zeros, ones, False)
    assert y.shape == indices.shape == (0, 2, *twos)
    assert function(kernels, "max", rank, "backward_x")(y, indices, x.shape).shape == x.shape
    geometry = (twos, twos, zeros, False, True, None)
    assert function(kernels, "avg", rank, "forward")(x, *geometry).shape == y.shape
    assert function(kernels, "avg", rank, "backward_x")(y, x.shape, *geometry).shape == x.shape
    assert function(kernels, "adaptive_avg", rank, "forward")(x, twos).shape == y.shape
    assert getattr(kernels, f"max_unpool{rank}d_forward")(y, indices, x.shape[2:]).shape == x.shape


def test_same_bits_for_any_number_of_threads(monkeypatch):
    monkeypatch.setattr(parallel, "SERIAL_BELOW", 0)
    generator = np.random.default_rng(0)
    x = generator.standard_normal((3, 5, 12, 14)).astype(np.float32)
    results = []
    for threads in (1, 2, 4):
        monkeypatch.setattr(parallel, "_thread_count", threads)
        y, indices = max_2d(cpu, x, (3, 3), (1, 1), (1, 1))
        mean = avg_2d(cpu, x, (3, 3), (2, 2), (1, 1))
        shared = cpu.avg_pool2d_backward_x(mean, x.shape, (3, 3), (2, 2), (1, 1), False, True, None)
        results.append((y, cpu.max_pool2d_backward_x(y, indices, x.shape), mean, shared, max_2d(cpu, x)[1]))
    for other in results[1:]:
        for a, b in zip(results[0], other):
            assert a.tobytes() == b.tobytes()


# -- gradients -------------------------------------------------------------------------------------------


@BACKENDS
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_gradients_by_a_random_projection(kernels, rank):
    """<cotangent, pool(x + h v) - pool(x - h v)> / 2h equals <gradient, v>: without ties pooling is linear nearby."""
    generator = np.random.default_rng(rank)
    x = generator.permutation(2 * 3 * 5**rank).reshape(2, 3, *(5,) * rank).astype(np.float64)
    v = generator.uniform(-1, 1, x.shape)
    threes, twos, ones = (3,) * rank, (2,) * rank, (1,) * rank
    geometry = (threes, twos, ones, True, False, None)
    forward = {
        "max": lambda x: function(kernels, "max", rank, "forward")(x, threes, twos, ones, ones, True)[0],
        "avg": lambda x: function(kernels, "avg", rank, "forward")(x, *geometry),
        "adaptive_avg": lambda x: function(kernels, "adaptive_avg", rank, "forward")(x, threes),
        "adaptive_max": lambda x: function(kernels, "adaptive_max", rank, "forward")(x, threes)[0],
    }
    scatter = function(kernels, "max", rank, "backward_x")
    places = function(kernels, "max", rank, "forward")(x, threes, twos, ones, ones, True)[1]
    evenly = function(kernels, "adaptive_max", rank, "forward")(x, threes)[1]
    backward = {
        "max": lambda g: scatter(g, places, x.shape),
        "avg": lambda g: function(kernels, "avg", rank, "backward_x")(g, x.shape, *geometry),
        "adaptive_avg": lambda g: function(kernels, "adaptive_avg", rank, "backward_x")(g, x.shape),
        "adaptive_max": lambda g: scatter(g, evenly, x.shape),
    }
    for op, pool in forward.items():
        cotangent = generator.standard_normal(pool(x).shape)
        numeric = (cotangent * (pool(x + 0.1 * v) - pool(x - 0.1 * v))).sum() / 0.2
        np.testing.assert_allclose((backward[op](cotangent) * v).sum(), numeric, rtol=1e-9, err_msg=op)


# -- against PyTorch -------------------------------------------------------------------------------------


@pytest.mark.torch
@BACKENDS
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_rules_and_gradients_are_torchs(kernels, rank):
    torch = pytest.importorskip("torch")
    generator = np.random.default_rng(rank)
    for k, s, p, dil, ceil_mode in GEOMETRIES:
        x = generator.integers(-3, 3, (2, 2, *(7, 6, 5)[:rank])).astype(np.float64)
        x[generator.random(x.shape) < 0.05] = NAN
        try:
            sizes = [(value,) * rank for value in (k, s, p, dil)]
            y, indices = function(kernels, "max", rank, "forward")(x, *sizes, ceil_mode)
        except ValueError:
            continue
        x_torch = torch.tensor(x, requires_grad=True)
        pool = getattr(torch.nn.functional, f"max_pool{rank}d")
        y_torch, indices_torch = pool(x_torch, k, s, p, dil, ceil_mode, return_indices=True)
        np.testing.assert_array_equal(y, y_torch.detach().numpy())
        np.testing.assert_array_equal(indices, indices_torch.numpy())
        cotangent = generator.standard_normal(y.shape)
        y_torch.backward(torch.tensor(cotangent))
        grad_x = function(kernels, "max", rank, "backward_x")(cotangent, indices, x.shape)
        np.testing.assert_allclose(grad_x, x_torch.grad.numpy(), rtol=1e-12, atol=1e-12)


# -- refusals --------------------------------------------------------------------------------------------

X = np.zeros((1, 1, 4, 4))
PLACES = np.zeros((1, 1, 2, 2), np.int64)
ONE, TWO, NONE = (1, 1), (2, 2), (0, 0)


@BACKENDS
@pytest.mark.parametrize(
    ("name", "arguments", "error", "message"),
    [
        ("max_pool2d_forward", (X.astype(int), TWO, TWO, NONE, ONE, False), TypeError, "x expects float32 or float64"),
        ("max_pool2d_forward", ([[1.0]], TWO, TWO, NONE, ONE, False), TypeError, "numpy.ndarray, got list"),
        ("max_pool2d_forward", (X[0], TWO, TWO, NONE, ONE, False), ValueError, "4 axes .N, C, H_in, W_in."),
        ("max_pool2d_forward", (X[:, :0], TWO, TWO, NONE, ONE, False), ValueError, "no empty axis but the batch"),
        ("max_pool2d_forward", (X, 2, TWO, NONE, ONE, False), TypeError, "kernel_size expects a tuple of 2 int"),
        ("max_pool2d_forward", (X, (2.0, 2), TWO, NONE, ONE, False), TypeError, "kernel_size expects a tuple of 2 int"),
        ("max_pool2d_forward", (X, (2,), TWO, NONE, ONE, False), ValueError, "kernel_size expects 2 numbers"),
        ("max_pool2d_forward", (X, NONE, TWO, NONE, ONE, False), ValueError, "kernel_size expects .* at least 1"),
        ("max_pool2d_forward", (X, TWO, NONE, NONE, ONE, False), ValueError, "stride expects .* at least 1"),
        ("max_pool2d_forward", (X, TWO, TWO, (-1, 0), ONE, False), ValueError, "padding expects .* at least 0"),
        ("max_pool2d_forward", (X, TWO, TWO, TWO, ONE, False), ValueError, "at most half of kernel_size"),
        ("max_pool2d_forward", (X, TWO, TWO, NONE, NONE, False), ValueError, "dilation expects .* at least 1"),
        ("max_pool2d_forward", (X, (5, 5), TWO, NONE, ONE, False), ValueError, "output of at least 1"),
        ("max_pool2d_forward", (X[..., :1], TWO, TWO, ONE, TWO, False), ValueError, "taps all lie in the padding"),
        ("max_pool2d_backward_x", (X, PLACES, X.shape), ValueError, "indices expects the shape"),
        ("max_pool2d_backward_x", (X[..., :2, :2], PLACES + 16, X.shape), ValueError, "from 0 to 15 .* got 16"),
        ("max_pool2d_backward_x", (X[..., :2, :2], PLACES - 1, X.shape), ValueError, "from 0 to 15 .* got -1"),
        ("max_pool2d_backward_x", (X[..., :2, :2], PLACES.astype(np.int32), X.shape), TypeError, "expects int64"),
        ("avg_pool2d_forward", (X, TWO, TWO, NONE, False, True, 0), ValueError, "int64 other than 0"),
        ("avg_pool2d_forward", (X, TWO, TWO, NONE, False, True, 2.5), TypeError, "expects an int or None"),
        ("avg_pool2d_forward", (X, TWO, TWO, TWO, False, True, None), ValueError, "at most half of kernel_size"),
        ("avg_pool2d_backward_x", (X, X.shape, TWO, TWO, NONE, False, True, None), ValueError, "shape of the output"),
        ("adaptive_max_pool2d_forward", (X, (-1, 2)), ValueError, "output_size expects .* at least 0"),
        ("adaptive_avg_pool2d_forward", (X[..., :0], TWO), ValueError, "no empty axis"),
        ("adaptive_avg_pool2d_backward_x", (X, (1, 2, 4, 4)), ValueError, "shape of the output"),
        ("max_unpool2d_forward", (X[..., :2, :2], PLACES + 9, (3, 3)), ValueError, "from 0 to 8 .* got 9"),
        ("max_unpool2d_forward", (X, PLACES, (4, 4)), ValueError, "indices expects the shape"),
        ("max_unpool2d_backward_x", (X, PLACES + 16), ValueError, "from 0 to 15 .* got 16"),
    ],
)  # fmt: skip
def test_refusals(kernels, name, arguments, error, message):
    with pytest.raises(error, match=message):
        getattr(kernels, name)(*arguments)


def test_a_last_window_in_the_padding_is_dropped():
    assert shapes.pooled_size(4, 2, 3, 1, 1, ceil_mode=True) == 2
    assert shapes.pooled_size(3, 2, 4, 1, 1, ceil_mode=True) == 1  # the second would begin at 3, in the padding
