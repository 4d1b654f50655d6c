"""Transposed convolution kernels: by hand, as a matrix, the fast twin, gradients, NaN and inf, threads, refusals."""

import itertools

import numpy as np
import pytest

from kernels import parallel
from kernels.conv_transpose import cpu, reference, shapes

BACKENDS = pytest.mark.parametrize("kernels", [reference, cpu], ids=["reference", "cpu"])
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
INF, NAN = np.inf, np.nan
PLAIN = ((1, 1), (0, 0), (0, 0), (1, 1), 1)
DOUBLING = ((2, 2), (1, 1), (0, 0), (1, 1), 1)

#: x, weight, stride, padding, output_padding, dilation, groups. Awkward on purpose: rows and lanes of the fast tiles
#: are crossed, strides exceed the kernel, stamps do not overlap, overlap, lie in the padding; batches are empty.
GEOMETRIES = [
    ((2, 3, 4, 5), (3, 4, 3, 3), *PLAIN),
    ((2, 9, 4, 4), (9, 5, 4, 4), *DOUBLING),
    ((1, 17, 1, 1), (17, 20, 4, 4), *PLAIN),
    ((2, 5, 6, 35), (5, 2, 3, 4), (1, 1), (1, 2), (0, 0), (1, 1), 1),
    ((1, 2, 7, 7), (2, 17, 1, 1), *PLAIN),
    ((1, 2, 5, 4), (2, 3, 1, 1), (1, 1), (0, 0), (1, 2), (2, 3), 1),
    ((2, 3, 3, 4), (3, 2, 1, 1), (2, 3), (1, 1), (1, 2), (1, 1), 1),
    ((1, 2, 5, 6), (2, 3, 3, 2), (1, 2), (2, 3), (2, 1), (3, 2), 1),
    ((1, 2, 3, 2), (2, 2, 2, 2), (5, 4), (0, 1), (4, 3), (1, 1), 1),
    ((2, 6, 4, 3), (6, 3, 3, 3), (2, 1), (1, 1), (1, 0), (1, 1), 3),
    ((1, 19, 4, 4), (19, 1, 3, 3), (2, 1), (1, 1), (0, 0), (1, 1), 19),
    ((1, 1, 6, 9), (1, 2, 2, 2), (2, 3), (4, 5), (0, 0), (1, 1), 1),
    ((1, 2, 70, 3), (2, 3, 5, 2), (1, 1), (0, 1), (0, 0), (1, 1), 1),
    ((0, 2, 6, 6), (2, 3, 3, 3), (1, 1), (1, 1), (0, 0), (1, 1), 1),
    ((2, 3, 40), (3, 5, 7), (1,), (3,), (0,), (1,), 1),
    ((1, 4, 90), (4, 3, 3), (3,), (1,), (2,), (2,), 2),
    ((2, 2, 3, 4, 5), (2, 3, 3, 2, 3), (1, 1, 1), (1, 0, 1), (0, 0, 0), (1, 1, 1), 1),
    ((1, 4, 4, 3, 3), (4, 2, 2, 3, 2), (2, 1, 2), (1, 1, 0), (1, 1, 1), (3, 2, 1), 2),
]
EVERYWHERE = pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)


def draw(shape, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def call(kernels, rank, part, *arguments):
    return getattr(kernels, f"conv_transpose{rank}d_{part}")(*arguments)


def drawn(geometry, dtype=np.float64):
    """rank, x, weight, bias, and the geometry proper."""
    x_shape, weight_shape, *steps = geometry
    bias_shape = (weight_shape[1] * steps[-1],)
    return len(x_shape) - 2, *(draw(s, dtype, i) for i, s in enumerate((x_shape, weight_shape, bias_shape))), steps


def tolerance(dtype, products):
    """Rounding of a sum of so many products of numbers near 1, with room."""
    return 4 * np.finfo(dtype).eps * max(products, 1) ** 0.5 * 4


# -- by hand ---------------------------------------------------------------------------------------------


@BACKENDS
def test_stamps_by_hand(kernels):
    """The row of the docstring: kernel (a, b, c), pixels 1 and 10, stride 2."""
    x, weight = np.array([[[1.0, 10]]]), np.array([[[2.0, 3, 5]]])
    y = kernels.conv_transpose1d_forward(x, weight, np.array([100.0]), (2,), (0,), (0,), (1,), 1)
    assert y.tolist() == [[[102, 103, 125, 130, 150]]]
    y = kernels.conv_transpose1d_forward(x, weight, None, (2,), (1,), (1,), (1,), 1)  # less one place, and one more
    assert y.tolist() == [[[3, 25, 30, 50]]]
    y = kernels.conv_transpose1d_forward(x, weight, None, (1,), (0,), (0,), (2,), 1)
    assert y.tolist() == [[[2, 20, 3, 30, 5, 50]]]


@BACKENDS
def test_gradients_by_hand(kernels):
    x, weight, grad_y = np.array([[[1.0, 10]]]), np.array([[[2.0, 3, 5]]]), np.array([[[1.0, 2, 3, 4]]])
    geometry = ((2,), (1,), (1,), (1,), 1)  # tap k of pixel i stands at place 2 i - 1 + k; place -1 is dropped
    assert kernels.conv_transpose1d_backward_x(grad_y, weight, x.shape, *geometry).tolist() == [
        [[3 * 1 + 5 * 2, 2 * 2 + 3 * 3 + 5 * 4]]
    ]
    assert kernels.conv_transpose1d_backward_weight(grad_y, x, weight.shape, *geometry).tolist() == [
        [[10 * 2, 1 * 1 + 10 * 3, 1 * 2 + 10 * 4]]
    ]
    assert kernels.conv_transpose1d_backward_bias(grad_y).tolist() == [10]


@BACKENDS
def test_each_group_stamps_onto_its_own_channels(kernels):
    x = np.array([1.0, 10, 100, 1000]).reshape(1, 4, 1, 1)
    weight = np.array([[1.0, 2], [3, 4], [5, 6], [7, 8]]).reshape(4, 2, 1, 1)
    y = kernels.conv_transpose2d_forward(x, weight, None, *PLAIN[:-1], 2)
    assert y.reshape(-1).tolist() == [31, 42, 7500, 8600]


def test_sizes_by_hand():
    assert shapes.transposed_size(4, 4, 2, 1, 0, 1) == 8  # a DCGAN doubles
    assert shapes.transposed_size(4, 3, 2, 1, 1, 1) == 8
    assert shapes.transposed_size(1, 4, 1, 0, 0, 1) == 4
    assert shapes.transposed_size(3, 3, 1, 0, 0, 2) == 7


@BACKENDS
def test_uneven_stamps_make_a_checkerboard(kernels):
    """Kernel 3 with stride 2: 1, 2 or 4 stamps on a pixel; kernel 4 with stride 2: 4 everywhere inside."""
    ones = np.ones((1, 1, 5, 5))
    uneven = kernels.conv_transpose2d_forward(ones, np.ones((1, 1, 3, 3)), None, (2, 2), (0, 0), (0, 0), (1, 1), 1)
    assert uneven[0, 0, 2:4, 2:4].tolist() == [[4, 2], [2, 1]]
    even = kernels.conv_transpose2d_forward(ones, np.ones((1, 1, 4, 4)), None, *DOUBLING)
    assert (even[0, 0, 1:-1, 1:-1] == 4).all()


# -- the transpose of a convolution ----------------------------------------------------------------------


def convolution_matrix(y_shape, weight, x_shape, stride, padding, dilation, groups):
    """W of the convolution from y to x, written down tap by tap: x = W y."""
    matrix = np.zeros((*x_shape, *y_shape))
    per_group = weight.shape[0] // groups
    for (c_in, c), (h, w) in itertools.product(np.ndindex(weight.shape[:2]), np.ndindex(x_shape[1:])):
        for k, l in np.ndindex(weight.shape[2:]):  # noqa: E741 - the letters of the formula
            i, j = h * stride[0] - padding[0] + k * dilation[0], w * stride[1] - padding[1] + l * dilation[1]
            if 0 <= i < y_shape[1] and 0 <= j < y_shape[2]:
                matrix[c_in, h, w, c_in // per_group * weight.shape[1] + c, i, j] = weight[c_in, c, k, l]
    return matrix.reshape(np.prod(x_shape), np.prod(y_shape))


@BACKENDS
@pytest.mark.parametrize("geometry", [g for g in GEOMETRIES if len(g[0]) == 4 and 0 < np.prod(g[0]) < 200], ids=str)
def test_it_is_the_transpose_of_the_convolutions_matrix(kernels, geometry):
    _, x, weight, _, (stride, padding, output_padding, dilation, groups) = drawn(geometry)
    y = kernels.conv_transpose2d_forward(x, weight, None, stride, padding, output_padding, dilation, groups)
    matrix = convolution_matrix(y.shape[1:], weight, x.shape[1:], stride, padding, dilation, groups)
    np.testing.assert_allclose(y.reshape(len(x), -1), x.reshape(len(x), -1) @ matrix, rtol=1e-12, atol=1e-12)


# -- the fast twin against the formula -------------------------------------------------------------------


@EVERYWHERE
@DTYPES
def test_cpu_equals_reference(geometry, dtype):
    rank, x, weight, bias, steps = drawn(geometry, dtype)
    expected = call(reference, rank, "forward", x, weight, bias, *steps)
    grad_y = draw(expected.shape, dtype, 3)
    arguments = {
        "forward": (x, weight, bias, *steps),
        "backward_x": (grad_y, weight, x.shape, *steps),
        "backward_weight": (grad_y, x, weight.shape, *steps),
        "backward_bias": (grad_y,),
    }
    for part, given in arguments.items():
        want, got = call(reference, rank, part, *given), call(cpu, rank, part, *given)
        assert got.shape == want.shape and got.dtype == dtype, part
        atol = tolerance(dtype, max(weight.size, grad_y.size))
        np.testing.assert_allclose(got, want, rtol=tolerance(dtype, 1), atol=atol, err_msg=part)


@BACKENDS
@DTYPES
def test_no_bias_counts_as_zeros(kernels, dtype):
    x, weight = draw((2, 2, 3, 3), dtype), draw((2, 3, 4, 4), dtype)
    without, zeros = (kernels.conv_transpose2d_forward(x, weight, b, *DOUBLING) for b in (None, np.zeros(3, dtype)))
    assert (without == zeros).all()


@BACKENDS
def test_a_step_that_meets_nothing_may_be_as_long_as_it_likes(kernels):
    """One pixel has no neighbour, one tap no dilation."""
    x, weight = draw((1, 2, 1, 3)), draw((2, 3, 2, 1))
    plain = kernels.conv_transpose2d_forward(x, weight, None, (1, 1), (0, 0), (0, 0), (1, 1), 1)
    far = kernels.conv_transpose2d_forward(x, weight, None, (2**31 - 1, 1), (0, 0), (0, 0), (1, 2**31 - 1), 1)
    np.testing.assert_array_equal(far, plain)


# -- gradients by a random direction ---------------------------------------------------------------------


@BACKENDS
@EVERYWHERE
def test_gradients_are_those_of_the_forward_pass(kernels, geometry):
    """The operator is linear in x, in the weights and in the bias: <grad_y, f(v)> = <gradient, v> exactly."""
    rank, x, weight, bias, steps = drawn(geometry)
    grad_y = draw(call(kernels, rank, "forward", x, weight, None, *steps).shape, seed=3)
    v, u = draw(x.shape, seed=4), draw(weight.shape, seed=5)
    no_weight = np.zeros(weight.shape)
    pairs = [
        (call(kernels, rank, "forward", v, weight, None, *steps),
         call(kernels, rank, "backward_x", grad_y, weight, x.shape, *steps), v),
        (call(kernels, rank, "forward", x, u, None, *steps),
         call(kernels, rank, "backward_weight", grad_y, x, weight.shape, *steps), u),
        (call(kernels, rank, "forward", x, no_weight, bias, *steps),
         call(kernels, rank, "backward_bias", grad_y), bias),
    ]  # fmt: skip
    for output, gradient, direction in pairs:
        assert (grad_y * output).sum() == pytest.approx((gradient * direction).sum(), rel=1e-9, abs=1e-9)


# -- NaN and inf -----------------------------------------------------------------------------------------


@BACKENDS
@pytest.mark.parametrize("special", [INF, NAN])
def test_a_special_value_reaches_its_stamp_only(kernels, special):
    x, weight = np.ones((2, 1, 3, 10)), np.ones((1, 2, 3, 3))
    x[0, 0, 0, 0] = special
    y = kernels.conv_transpose2d_forward(x, weight, None, (2, 2), (1, 1), (1, 1), (1, 1), 1)
    assert y.shape == (2, 2, 6, 20)
    where = np.zeros(y.shape, bool)
    where[0, :, :2, :2] = True
    assert (np.isfinite(y) == ~where).all()


@BACKENDS
def test_infinite_weights(kernels):
    """What is stamped over the edge is dropped; its gradient for x, 0 * inf, is NaN, as in torch."""
    weight, x = np.full((1, 1, 3, 3), INF), np.ones((1, 1, 3, 3))
    steps = ((1, 1), (1, 1), (0, 0), (1, 1), 1)
    y = kernels.conv_transpose2d_forward(x, weight, np.array([2.0]), *steps)
    assert (y == INF).all()
    grad_x = kernels.conv_transpose2d_backward_x(np.ones((1, 1, 3, 3)), weight, x.shape, *steps)
    assert np.isnan(grad_x).sum() == 8 and grad_x[0, 0, 1, 1] == INF


@DTYPES
def test_infinite_weights_with_groups_strides_and_bias(dtype):
    geometry = ((2, 6, 5, 4), (6, 2, 2, 3), (2, 1), (1, 1), (1, 1), (1, 2), 3)
    _, x, weight, bias, steps = drawn(geometry, dtype)
    weight[0, 0, 0, 0] = INF
    want, got = (k.conv_transpose2d_forward(x, weight, bias, *steps) for k in (reference, cpu))
    assert np.isinf(want).any() and np.isfinite(want).any()
    np.testing.assert_allclose(got, want, rtol=tolerance(dtype, 36), atol=tolerance(dtype, 36))


# -- threads and arrays ----------------------------------------------------------------------------------


@pytest.mark.parametrize("x_shape", [(1, 16, 40, 30), (24, 16, 5, 5)])
def test_same_bits_for_any_number_of_threads(x_shape, monkeypatch):
    monkeypatch.setattr(parallel, "SERIAL_BELOW", 0)
    x, weight, bias = draw(x_shape, np.float32), draw((16, 24, 4, 4), np.float32, 1), draw(24, np.float32, 2)
    results = []
    for threads in (1, 2, 4):
        parallel.set_thread_count(threads)
        try:
            y = cpu.conv_transpose2d_forward(x, weight, bias, *DOUBLING)
            gradients = (
                cpu.conv_transpose2d_backward_x(y, weight, x_shape, *DOUBLING),
                cpu.conv_transpose2d_backward_weight(y, x, weight.shape, *DOUBLING),
                cpu.conv_transpose2d_backward_bias(y),
            )
        finally:
            parallel.set_thread_count(None)
        results.append([array.tobytes() for array in (y, *gradients)])
    assert results[0] == results[1] == results[2]


@BACKENDS
def test_any_layout_is_read_and_nothing_is_written(kernels):
    x, weight, bias = draw((2, 3, 4, 6)), draw((3, 4, 3, 3), seed=1), draw((4,), seed=2)
    steps = ((2, 1), (1, 1), (1, 0), (1, 1), 1)
    expected = kernels.conv_transpose2d_forward(x, weight, bias, *steps)
    strided = np.repeat(x, 2, axis=3)[..., ::2]
    locked, reversed_bias = weight.copy(), bias[::-1].copy()[::-1]
    locked.flags.writeable = False
    before = [array.copy() for array in (strided, locked, reversed_bias)]
    assert (kernels.conv_transpose2d_forward(strided, locked, reversed_bias, *steps) == expected).all()
    gradients = kernels.conv_transpose2d_backward_x(np.asfortranarray(expected), locked, x.shape, *steps)
    np.testing.assert_array_equal(gradients, kernels.conv_transpose2d_backward_x(expected, weight, x.shape, *steps))
    assert all((a == b).all() for a, b in zip((strided, locked, reversed_bias), before))


# -- refusals --------------------------------------------------------------------------------------------

X, WEIGHT = np.zeros((2, 4, 5, 6)), np.zeros((4, 6, 3, 3))


@BACKENDS
@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"x": [1]}, TypeError, "x expects a numpy.ndarray"),
        ({"x": X.astype(int)}, TypeError, "x expects float32 or float64, got int64"),
        ({"weight": WEIGHT.astype("f4")}, TypeError, "weight expects float64, the dtype of x"),
        ({"bias": np.zeros(6, "f4")}, TypeError, "bias expects float64"),
        ({"x": X[0]}, ValueError, "x expects 4 axes"),
        ({"weight": WEIGHT[0]}, ValueError, r"weight expects 4 axes \(C_in, C_out/groups, H, W\)"),
        ({"x": X[:, :, :0]}, ValueError, "no empty axis"),
        ({"weight": WEIGHT[:, :0]}, ValueError, "weight expects channels and a tap"),
        ({"weight": WEIGHT[..., :0]}, ValueError, "a tap on every axis"),
        ({"x": X[:, :1]}, ValueError, r"weight expects 4 input channels, x has 1 \(x: \(2, 1, 5, 6\)"),
        ({"groups": 3}, ValueError, "divisor of the 4 input channels"),
        ({"groups": 0}, ValueError, "divisor"),
        ({"groups": 1.0}, TypeError, "groups expects an int"),
        ({"bias": np.zeros(4)}, ValueError, r"bias expects the shape \(6,\)"),
        ({"bias": np.zeros(6), "groups": 2}, ValueError, r"bias expects the shape \(12,\)"),
        ({"stride": (1, 0)}, ValueError, "stride expects 2 numbers of at least 1"),
        ({"stride": 1}, TypeError, "stride expects a tuple"),
        ({"padding": (0, -1)}, ValueError, "padding expects 2 numbers of at least 0"),
        ({"output_padding": (0, -1)}, ValueError, "output_padding expects 2 numbers of at least 0"),
        ({"output_padding": (0, 1)}, ValueError, r"output_padding expects less than .* got \(0, 1\) with stride"),
        ({"output_padding": (2, 0), "stride": (2, 3)}, ValueError, "output_padding expects less than stride"),
        ({"output_padding": (3, 0), "dilation": (3, 1)}, ValueError, "output_padding expects less than stride"),
        ({"dilation": (True, 1)}, TypeError, "dilation expects a tuple of 2 int"),
        ({"padding": (0, 4)}, ValueError, r"got \(7, 0\) .* use less padding"),
        ({"padding": (9, 0)}, ValueError, r"got \(-11, 8\) .* use less padding"),
        ({"stride": (2**31 - 1, 1)}, ValueError, "use a smaller stride"),
    ],
)
def test_refusals(kernels, changes, error, text):
    names = ("stride", "padding", "output_padding", "dilation", "groups")
    given = {"x": X, "weight": WEIGHT, "bias": None, **dict(zip(names, PLAIN))}
    with pytest.raises(error, match=text):
        kernels.conv_transpose2d_forward(**{**given, **changes})


@BACKENDS
def test_gradients_of_the_wrong_shape_are_refused(kernels):
    grad_y = np.zeros((2, 6, 7, 7))
    with pytest.raises(ValueError, match=r"grad_y expects the shape of the output \(2, 6, 7, 8\), got \(2, 6, 7, 7\)"):
        kernels.conv_transpose2d_backward_x(grad_y, WEIGHT, X.shape, *PLAIN)
    with pytest.raises(ValueError, match="grad_y expects the shape of the output"):
        kernels.conv_transpose2d_backward_weight(grad_y, X, WEIGHT.shape, *PLAIN)
    with pytest.raises(ValueError, match="grad_y expects 4 axes"):
        kernels.conv_transpose2d_backward_bias(grad_y[0])
    with pytest.raises(TypeError, match="x expects float64, the dtype of grad_y"):
        kernels.conv_transpose2d_backward_weight(np.zeros((2, 6, 7, 8)), X.astype("f4"), WEIGHT.shape, *PLAIN)
