"""Convolution kernels: by hand, the fast twin against the formula, gradients, NaN and inf, threads, refusals."""

import inspect
import itertools

import numpy as np
import pytest

from kernels import parallel
from kernels.conv import cpu, reference, shapes

BACKENDS = pytest.mark.parametrize("kernels", [reference, cpu], ids=["reference", "cpu"])
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
INF, NAN = np.inf, np.nan
PLAIN = ((1, 1), (0, 0), (1, 1), 1)

#: x, weight, stride, padding, dilation, groups. Awkward on purpose: rows and lanes of the fast tiles are crossed,
#: strides do not divide, kernels are as large as the picture or one pixel, padding exceeds the kernel, batches are
#: empty.
GEOMETRIES = [
    ((2, 3, 8, 9), (4, 3, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((1, 1, 5, 7), (1, 1, 5, 7), (1, 1), (0, 0), (1, 1), 1),
    ((2, 5, 6, 35), (9, 5, 3, 4), (1, 1), (1, 2), (1, 1), 1),
    ((1, 17, 7, 7), (17, 17, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    ((2, 3, 9, 8), (20, 3, 1, 1), (2, 3), (1, 1), (1, 1), 1),
    ((2, 3, 11, 10), (5, 3, 4, 4), (2, 2), (1, 1), (1, 1), 1),
    ((1, 2, 12, 13), (3, 2, 3, 2), (1, 2), (2, 3), (3, 2), 1),
    ((1, 2, 9, 9), (2, 2, 2, 2), (5, 4), (0, 0), (1, 1), 1),
    ((2, 6, 6, 5), (9, 2, 3, 3), (1, 1), (1, 1), (1, 1), 3),
    ((1, 19, 6, 6), (19, 1, 3, 3), (2, 1), (1, 1), (1, 1), 19),
    ((1, 1, 3, 3), (2, 1, 2, 2), (2, 3), (4, 5), (1, 1), 1),
    ((1, 2, 70, 3), (3, 2, 5, 2), (1, 1), (0, 1), (1, 1), 1),
    ((0, 2, 6, 6), (3, 2, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((2, 0, 4, 4), (3, 0, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((2, 3, 40), (5, 3, 7), (1,), (3,), (1,), 1),
    ((1, 4, 200), (6, 2, 3), (3,), (1,), (2,), 2),
    ((2, 2, 5, 6, 7), (3, 2, 3, 2, 3), (1, 1, 1), (1, 0, 1), (1, 1, 1), 1),
    ((1, 4, 7, 6, 5), (4, 2, 2, 3, 2), (2, 1, 2), (1, 1, 0), (1, 2, 1), 2),
]
EVERYWHERE = pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)


def draw(shape, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def call(kernels, rank, part, *arguments):
    return getattr(kernels, f"conv{rank}d_{part}")(*arguments)


def tolerance(dtype, products):
    """Rounding of a sum of so many products of numbers near 1, with room."""
    return 4 * np.finfo(dtype).eps * max(products, 1) ** 0.5 * 4


# -- by hand ---------------------------------------------------------------------------------------------


def test_the_formula_of_every_introduction():
    x = np.array([[1.0, 2, 0], [0, 1, 3], [4, 0, 1]])
    y = reference.cross_correlation(x, np.array([[1.0, 2], [3, 4]]), 0.5)
    assert y.tolist() == [[1 + 4 + 0 + 4 + 0.5, 2 + 0 + 3 + 12 + 0.5], [0 + 2 + 12 + 0 + 0.5, 1 + 6 + 0 + 4 + 0.5]]


@BACKENDS
def test_the_general_formula_begins_where_the_introduction_ends(kernels):
    x, w = draw((6, 7)), draw((3, 2), seed=1)
    y = kernels.conv2d_forward(x[None, None], w[None, None], np.array([0.25]), *PLAIN)
    np.testing.assert_allclose(y[0, 0], reference.cross_correlation(x, w, 0.25), rtol=1e-12)


@BACKENDS
def test_stride_padding_dilation_by_hand(kernels):
    x, weight = np.array([[[1.0, 2, 3, 4]]]), np.array([[[10.0, 1]]])
    # places -1, 1 and 1, 3 of x; place -1 counts as 0
    y = kernels.conv1d_forward(x, weight, np.array([100.0]), (2,), (1,), (2,), 1)
    assert y.tolist() == [[[102, 124]]]
    grad_y = np.array([[[1.0, 2]]])
    assert kernels.conv1d_backward_x(grad_y, weight, x.shape, (2,), (1,), (2,), 1).tolist() == [[[0, 21, 0, 2]]]
    assert kernels.conv1d_backward_weight(grad_y, x, weight.shape, (2,), (1,), (2,), 1).tolist() == [[[4, 10]]]
    assert kernels.conv1d_backward_bias(grad_y).tolist() == [3]


@BACKENDS
def test_each_group_sees_its_own_channels(kernels):
    x = np.array([1.0, 10, 100, 1000]).reshape(1, 4, 1, 1)
    weight = np.array([[1.0, 2], [3, 4]]).reshape(2, 2, 1, 1)
    y = kernels.conv2d_forward(x, weight, None, (1, 1), (0, 0), (1, 1), 2)
    assert y.reshape(-1).tolist() == [21, 4300]


# -- the fast twin against the formula -------------------------------------------------------------------


@EVERYWHERE
@DTYPES
def test_cpu_equals_reference(geometry, dtype):
    x_shape, weight_shape, *steps = geometry
    rank = len(x_shape) - 2
    x, weight, bias = (draw(shape, dtype, i) for i, shape in enumerate((x_shape, weight_shape, weight_shape[:1])))
    expected = call(reference, rank, "forward", x, weight, bias, *steps)
    grad_y = draw(expected.shape, dtype, 3)
    arguments = {
        "forward": (x, weight, bias, *steps),
        "backward_x": (grad_y, weight, x_shape, *steps),
        "backward_weight": (grad_y, x, weight_shape, *steps),
        "backward_bias": (grad_y,),
    }
    for part, given in arguments.items():
        want, got = call(reference, rank, part, *given), call(cpu, rank, part, *given)
        assert got.shape == want.shape and got.dtype == dtype, part
        atol = tolerance(dtype, max(weight.size, grad_y.size))
        np.testing.assert_allclose(got, want, rtol=tolerance(dtype, 1), atol=atol, err_msg=part)


def test_long_sums_stay_accurate():
    """Sums of 4,608 products, made of parts, against float64."""
    x, weight = np.abs(draw((1, 512, 4, 4), np.float32)), np.abs(draw((3, 512, 3, 3), np.float32, 1))
    steps = ((1, 1), (1, 1), (1, 1), 1)
    got, want = cpu.conv2d_forward(x, weight, None, *steps), reference.conv2d_forward(x, weight, None, *steps)
    np.testing.assert_allclose(got, want, rtol=2e-6)


@BACKENDS
@DTYPES
def test_no_bias_counts_as_zeros(kernels, dtype):
    x, weight = draw((2, 2, 5, 5), dtype), draw((3, 2, 3, 3), dtype)
    without, zeros = (kernels.conv2d_forward(x, weight, bias, *PLAIN) for bias in (None, np.zeros(3, dtype)))
    assert (without == zeros).all()


# -- gradients by a random direction ---------------------------------------------------------------------


@BACKENDS
@EVERYWHERE
def test_gradients_are_those_of_the_forward_pass(kernels, geometry):
    """The operator is linear in x, in the weights and in the bias: <grad_y, f(v)> = <gradient, v> exactly."""
    x_shape, weight_shape, *steps = geometry
    rank = len(x_shape) - 2
    x, weight, bias = (draw(shape, seed=i) for i, shape in enumerate((x_shape, weight_shape, weight_shape[:1])))
    grad_y = draw(call(kernels, rank, "forward", x, weight, None, *steps).shape, seed=3)
    v, u = draw(x_shape, seed=4), draw(weight_shape, seed=5)
    no_weight = np.zeros(weight_shape)
    pairs = [
        (call(kernels, rank, "forward", v, weight, None, *steps),
         call(kernels, rank, "backward_x", grad_y, weight, x_shape, *steps), v),
        (call(kernels, rank, "forward", x, u, None, *steps),
         call(kernels, rank, "backward_weight", grad_y, x, weight_shape, *steps), u),
        (call(kernels, rank, "forward", x, no_weight, bias, *steps),
         call(kernels, rank, "backward_bias", grad_y), bias),
    ]  # fmt: skip
    for output, gradient, direction in pairs:
        assert (grad_y * output).sum() == pytest.approx((gradient * direction).sum(), rel=1e-9, abs=1e-9)


# -- NaN and inf -----------------------------------------------------------------------------------------


@BACKENDS
@pytest.mark.parametrize("special", [INF, NAN])
def test_a_special_value_reaches_its_windows_only(kernels, special):
    x, weight = np.ones((2, 1, 6, 20)), np.ones((2, 1, 3, 3))
    x[0, 0, 0, 0] = special
    y = kernels.conv2d_forward(x, weight, None, (1, 1), (1, 1), (1, 1), 1)
    assert (np.isfinite(y) == ~np.isin(np.arange(240).reshape(2, 1, 6, 20), [0, 1, 20, 21])).all()
    grad_weight = kernels.conv2d_backward_weight(np.ones_like(y), x, weight.shape, (1, 1), (1, 1), (1, 1), 1)
    assert np.isfinite(grad_weight[0, 0]).tolist() == [[False, False, True], [False, False, True], [True, True, True]]


@BACKENDS
def test_infinite_weights(kernels):
    """Over the padding 0 * inf is NaN, as in torch; the gradient for x adds nothing where there is no output."""
    weight = np.full((1, 1, 3, 3), INF)
    steps = ((1, 1), (1, 1), (1, 1), 1)
    y = kernels.conv2d_forward(np.ones((1, 1, 3, 3)), weight, None, *steps)
    assert np.isnan(y).sum() == 8 and y[0, 0, 1, 1] == INF
    grad_x = kernels.conv2d_backward_x(np.ones((1, 1, 3, 3)), weight, (1, 1, 3, 3), *steps)
    assert (grad_x == INF).all()


def test_exact_gradient_with_groups_and_strides():
    weight = draw((6, 2, 2, 3))
    weight[0, 0, 0, 0] = INF
    steps = ((2, 1), (1, 1), (1, 2), 3)
    grad_y = draw(reference.conv2d_forward(draw((2, 6, 7, 8)), weight, None, *steps).shape)
    want, got = (k.conv2d_backward_x(grad_y, weight, (2, 6, 7, 8), *steps) for k in (reference, cpu))
    np.testing.assert_allclose(got, want, rtol=1e-12)


# -- threads and arrays ----------------------------------------------------------------------------------


@pytest.mark.parametrize("x_shape", [(1, 16, 96, 64), (24, 16, 14, 14)])
def test_same_bits_for_any_number_of_threads(x_shape, monkeypatch):
    monkeypatch.setattr(parallel, "SERIAL_BELOW", 0)
    x, weight, bias = draw(x_shape, np.float32), draw((24, 16, 3, 3), np.float32, 1), draw(24, np.float32, 2)
    steps = ((1, 1), (1, 1), (1, 1), 1)
    results = []
    for threads in (1, 2, 4):
        parallel.set_thread_count(threads)
        try:
            y = cpu.conv2d_forward(x, weight, bias, *steps)
            gradients = (
                cpu.conv2d_backward_x(y, weight, x_shape, *steps),
                cpu.conv2d_backward_weight(y, x, weight.shape, *steps),
                cpu.conv2d_backward_bias(y),
            )
        finally:
            parallel.set_thread_count(None)
        results.append([array.tobytes() for array in (y, *gradients)])
    assert results[0] == results[1] == results[2]


@BACKENDS
def test_any_layout_is_read_and_nothing_is_written(kernels):
    x, weight, bias = draw((2, 3, 8, 6)), draw((4, 3, 3, 3), seed=1), draw((4,), seed=2)
    steps = ((2, 1), (1, 1), (1, 1), 1)
    expected = kernels.conv2d_forward(x, weight, bias, *steps)
    strided = np.repeat(x, 2, axis=3)[..., ::2]
    locked, reversed_bias = weight.copy(), bias[::-1].copy()[::-1]
    locked.flags.writeable = False
    before = [array.copy() for array in (strided, locked, reversed_bias)]
    assert (kernels.conv2d_forward(strided, locked, reversed_bias, *steps) == expected).all()
    gradients = kernels.conv2d_backward_x(np.asfortranarray(expected), locked, x.shape, *steps)
    np.testing.assert_array_equal(gradients, kernels.conv2d_backward_x(expected, weight, x.shape, *steps))
    assert all((a == b).all() for a, b in zip((strided, locked, reversed_bias), before))


# -- refusals --------------------------------------------------------------------------------------------

X, WEIGHT = np.zeros((2, 4, 5, 6)), np.zeros((6, 4, 3, 3))


@BACKENDS
@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"x": [1]}, TypeError, "x expects a numpy.ndarray"),
        ({"x": X.astype(int)}, TypeError, "x expects float32 or float64, got int64"),
        ({"x": X.astype(">f8")}, TypeError, "x expects float32 or float64, got >f8"),
        ({"weight": WEIGHT.astype("f4")}, TypeError, "weight expects float64, the dtype of x"),
        ({"bias": np.zeros(6, "f4")}, TypeError, "bias expects float64"),
        ({"x": X[0]}, ValueError, "x expects 4 axes"),
        ({"weight": WEIGHT[0]}, ValueError, "weight expects 4 axes"),
        ({"x": X[:, :, :0]}, ValueError, "no empty axis"),
        ({"weight": WEIGHT[:0]}, ValueError, "an output channel"),
        ({"weight": WEIGHT[..., :0]}, ValueError, "a tap on every axis"),
        ({"x": X[:, :1]}, ValueError, r"weight expects 4 input channels, x has 1 \(x: \(2, 1, 5, 6\)"),
        ({"groups": 4}, ValueError, "divisor of the 6 output channels"),
        ({"groups": 2}, ValueError, "weight expects 8 input channels in 2 groups, x has 4"),
        ({"groups": 0}, ValueError, "divisor"),
        ({"groups": 1.0}, TypeError, "groups expects an int"),
        ({"bias": np.zeros(4)}, ValueError, r"bias expects the shape \(6,\)"),
        ({"stride": (1, 0)}, ValueError, "stride expects 2 numbers of at least 1"),
        ({"stride": 1}, TypeError, "stride expects a tuple"),
        ({"stride": (1,)}, ValueError, "stride expects 2"),
        ({"padding": (0, -1)}, ValueError, "padding expects 2 numbers of at least 0"),
        ({"dilation": (True, 1)}, TypeError, "dilation expects a tuple of 2 int"),
        ({"dilation": (1, 3)}, ValueError, r"no larger than the padded input \(5, 6\), got \(3, 7\)"),
    ],
)
def test_refusals(kernels, changes, error, text):
    given = {"x": X, "weight": WEIGHT, "bias": None, **dict(zip(("stride", "padding", "dilation", "groups"), PLAIN))}
    with pytest.raises(error, match=text):
        kernels.conv2d_forward(**{**given, **changes})


@BACKENDS
def test_gradients_of_the_wrong_shape_are_refused(kernels):
    grad_y = np.zeros((2, 6, 3, 3))
    with pytest.raises(ValueError, match=r"grad_y expects the shape of the output \(2, 6, 3, 4\), got \(2, 6, 3, 3\)"):
        kernels.conv2d_backward_x(grad_y, WEIGHT, X.shape, *PLAIN)
    with pytest.raises(ValueError, match="grad_y expects the shape of the output"):
        kernels.conv2d_backward_weight(grad_y, X, WEIGHT.shape, *PLAIN)
    with pytest.raises(ValueError, match="grad_y expects 4 axes"):
        kernels.conv2d_backward_bias(grad_y[0])
    with pytest.raises(TypeError, match="x expects float64, the dtype of grad_y"):
        kernels.conv2d_backward_weight(np.zeros((2, 6, 3, 4)), X.astype("f4"), WEIGHT.shape, *PLAIN)


def test_twins_have_the_same_functions():
    assert reference.__all__ == cpu.__all__
    for name in cpu.__all__:
        assert inspect.signature(getattr(reference, name)) == inspect.signature(getattr(cpu, name)), name


# -- padding ---------------------------------------------------------------------------------------------


@BACKENDS
@pytest.mark.parametrize(
    ("mode", "pads", "expected"),
    [
        ("constant", (2, 1), [9, 9, 1, 2, 3, 9]),
        ("reflect", (2, 1), [3, 2, 1, 2, 3, 2]),
        ("replicate", (2, 1), [1, 1, 1, 2, 3, 3]),
        ("circular", (2, 1), [2, 3, 1, 2, 3, 1]),
        ("constant", (-1, 2), [2, 3, 9, 9]),
        ("replicate", (-3, 2), [3, 3]),
        ("reflect", (-1, 1), [2, 3, 2]),
        ("circular", (-1, 2), [2, 3, 2, 3]),
        ("constant", (-2, -1), []),
    ],
)
def test_padding_by_hand(kernels, mode, pads, expected):
    x = np.array([1.0, 2, 3])
    assert kernels.pad_forward(x, (pads,), mode, 9.0).tolist() == expected


@BACKENDS
@pytest.mark.parametrize("mode", shapes.PAD_MODES)
@DTYPES
def test_padding_gradient(kernels, mode, dtype):
    pads = ((0, 0), (1, 2), (-1, 2), (2, 0))
    x = draw((2, 3, 4, 5), dtype)
    y = kernels.pad_forward(x, pads, mode, 0.0)
    assert y.dtype == dtype and (y == reference.pad_forward(x, pads, mode, 0.0)).all()
    grad_y = draw(y.shape, dtype, 1)
    grad_x = kernels.pad_backward_x(grad_y, x.shape, pads, mode)
    assert grad_x.dtype == dtype and grad_x.shape == x.shape
    assert (grad_x * x).sum() == pytest.approx((grad_y * y).sum(), rel=1e-4 if dtype == np.float32 else 1e-11)


@BACKENDS
def test_padding_nothing_gives_a_copy(kernels):
    x = draw((2, 3))
    y = kernels.pad_forward(x, ((0, 0), (0, 0)), "reflect", 0.0)
    assert (y == x).all() and not np.shares_memory(x, y)
    grad_x = kernels.pad_backward_x(y, x.shape, ((0, 0), (0, 0)), "reflect")
    assert not np.shares_memory(grad_x, y)


@BACKENDS
@pytest.mark.parametrize(
    ("pads", "mode", "error", "text"),
    [
        (((1, 1), (0, 0)), "mirror", ValueError, "mode expects one of constant, reflect"),
        ((1, 1), "constant", TypeError, "two int for each axis"),
        (((1, 1),), "constant", ValueError, "one pair for each of 2 axes, got 1"),
        (((-2, -2), (0, 0)), "constant", ValueError, "axis 0 has 3 elements, fewer than"),
        (((3, 0), (0, 0)), "reflect", ValueError, "expects at most 2"),
        (((0, 4), (0, 0)), "circular", ValueError, "expects at most 3"),
        (((-2, 2), (0, 0)), "circular", ValueError, "expects at most 1"),
    ],
)
def test_padding_refusals(kernels, pads, mode, error, text):
    with pytest.raises(error, match=text):
        kernels.pad_forward(np.zeros((3, 4)), pads, mode, 0.0)


@BACKENDS
def test_padding_of_an_empty_axis(kernels):
    x = np.zeros((2, 0))
    assert kernels.pad_forward(x, ((0, 0), (1, 1)), "constant", 7.0).tolist() == [[7, 7], [7, 7]]
    for mode in ("replicate", "reflect", "circular"):
        with pytest.raises(ValueError, match="padding"):
            kernels.pad_forward(x, ((0, 0), (1, 0)), mode, 0.0)


def test_every_place_of_a_padded_axis_lies_inside():
    for mode, size, before, after in itertools.product(shapes.PAD_MODES, (1, 2, 5), (-2, 0, 1, 4), (-1, 0, 3)):
        try:
            shapes.pad("pad", np.zeros(size), ((before, after),), mode)
        except ValueError:
            continue
        source = shapes.pad_source(size, before, after, mode)
        assert len(source) == size + before + after
        assert ((source >= (-1 if mode == "constant" else 0)) & (source < size)).all(), (mode, size, before, after)
