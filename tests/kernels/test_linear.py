"""Matrix products: by hand, the fast twin against the formula, gradients, NaN and inf, threads, refusals."""

import inspect

import numpy as np
import pytest

from kernels import parallel
from kernels.linear import cpu, reference

BACKENDS = pytest.mark.parametrize("kernels", [reference, cpu], ids=["reference", "cpu"])
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])

#: B, M, K, N: rows and lanes of a tile are crossed, blocks of 256 rows and of 1,024 inner indices too; empty axes.
SIZES = [
    (1, 1, 1, 1), (2, 3, 5, 7), (3, 8, 16, 16), (1, 9, 17, 15), (2, 17, 4, 33), (1, 300, 3, 5), (1, 5, 3, 300),
    (1, 257, 1030, 3), (1, 3, 2100, 20), (0, 2, 3, 4), (2, 0, 3, 4), (2, 3, 0, 4), (2, 3, 4, 0),
]  # fmt: skip
EVERYWHERE = pytest.mark.parametrize("sizes", SIZES, ids=str)


def draw(shape, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def every_call(sizes, dtype):
    """Name and arguments of each kernel for matrices of these sizes."""
    B, M, K, N = sizes
    a, b, grad_y = draw((B, M, K), dtype), draw((B, K, N), dtype, 1), draw((B, M, N), dtype, 2)
    x, weight, bias, grad = draw((M, K), dtype, 3), draw((N, K), dtype, 4), draw((N,), dtype, 5), draw((M, N), dtype, 6)
    return {
        "matmul_forward": (a, b),
        "matmul_backward_a": (grad_y, b),
        "matmul_backward_b": (grad_y, a),
        "linear_forward": (x, weight, bias),
        "linear_backward_x": (grad, weight),
        "linear_backward_weight": (grad, x),
        "linear_backward_bias": (grad,),
    }


@BACKENDS
def test_by_hand(kernels):
    a, b = np.array([[[1.0, 2], [3, 4]]]), np.array([[[5.0], [6]]])
    assert kernels.matmul_forward(a, b).tolist() == [[[17], [39]]]
    grad_y = np.array([[[1.0], [10]]])
    assert kernels.matmul_backward_a(grad_y, b).tolist() == [[[5, 6], [50, 60]]]
    assert kernels.matmul_backward_b(grad_y, a).tolist() == [[[31], [42]]]
    x, weight, bias = a[0], np.array([[1.0, 0], [2, 1], [0, -1]]), np.array([100.0, 200, 300])
    assert kernels.linear_forward(x, weight, bias).tolist() == [[101, 204, 298], [103, 210, 296]]
    assert kernels.linear_forward(x, weight, None).tolist() == [[1, 4, -2], [3, 10, -4]]
    grad = np.array([[1.0, 2, 3], [4, 5, 6]])
    assert kernels.linear_backward_x(grad, weight).tolist() == [[5, -1], [14, -1]]
    assert kernels.linear_backward_weight(grad, x).tolist() == [[13, 18], [17, 24], [21, 30]]
    assert kernels.linear_backward_bias(grad).tolist() == [5, 7, 9]


@EVERYWHERE
@DTYPES
def test_cpu_equals_reference(sizes, dtype):
    for name, arguments in every_call(sizes, dtype).items():
        want, got = getattr(reference, name)(*arguments), getattr(cpu, name)(*arguments)
        assert got.shape == want.shape and got.dtype == dtype, name
        np.testing.assert_allclose(
            got, want, rtol=1e-5 if dtype == np.float32 else 1e-12, atol=np.finfo(dtype).eps * 300
        )


@EVERYWHERE
def test_reference_equals_numpy(sizes):
    calls = every_call(sizes, np.float64)
    a, b = calls["matmul_forward"]
    np.testing.assert_allclose(reference.matmul_forward(a, b), a @ b, rtol=1e-10, atol=1e-10)
    x, weight, bias = calls["linear_forward"]
    np.testing.assert_allclose(reference.linear_forward(x, weight, bias), x @ weight.T + bias, rtol=1e-10, atol=1e-10)


@BACKENDS
def test_gradients_are_those_of_the_forward_pass(kernels):
    """The products are linear in each argument: <grad_y, f(v)> = <gradient, v> exactly."""
    calls = every_call((2, 9, 5, 18), np.float64)
    (a, b), (grad_y, _) = calls["matmul_forward"], calls["matmul_backward_a"]
    output = (grad_y * kernels.matmul_forward(a, b)).sum()
    assert output == pytest.approx((kernels.matmul_backward_a(grad_y, b) * a).sum(), rel=1e-10)
    assert output == pytest.approx((kernels.matmul_backward_b(grad_y, a) * b).sum(), rel=1e-10)
    (x, weight, bias), (grad, _) = calls["linear_forward"], calls["linear_backward_x"]
    output = (grad * kernels.linear_forward(x, weight, None)).sum()
    assert output == pytest.approx((kernels.linear_backward_x(grad, weight) * x).sum(), rel=1e-10)
    assert output == pytest.approx((kernels.linear_backward_weight(grad, x) * weight).sum(), rel=1e-10)
    added = (grad * kernels.linear_forward(x, 0 * weight, bias)).sum()
    assert added == pytest.approx((kernels.linear_backward_bias(grad) * bias).sum(), rel=1e-10)


@BACKENDS
@DTYPES
@pytest.mark.parametrize("special", [np.nan, np.inf])
def test_a_special_value_reaches_its_row_only(kernels, dtype, special):
    x, weight = np.ones((20, 5), dtype), np.ones((18, 5), dtype)
    x[3, 2] = special
    y = kernels.linear_forward(x, weight, None)
    assert (np.isfinite(y).all(axis=1) == (np.arange(20) != 3)).all()
    assert np.array_equal(y[3], np.full(18, special, dtype), equal_nan=True)


@pytest.mark.parametrize("sizes", [(3, 70, 40, 50), (1, 600, 30, 40)])
def test_same_bits_for_any_number_of_threads(sizes, monkeypatch):
    monkeypatch.setattr(parallel, "SERIAL_BELOW", 0)
    results = []
    for threads in (1, 2, 4):
        parallel.set_thread_count(threads)
        try:
            calls = every_call(sizes, np.float32).items()
            results.append([getattr(cpu, name)(*arguments).tobytes() for name, arguments in calls])
        finally:
            parallel.set_thread_count(None)
    assert results[0] == results[1] == results[2]


@BACKENDS
def test_any_layout_is_read_and_nothing_is_written(kernels):
    a, b = draw((2, 6, 9)), draw((2, 9, 20), seed=1)
    expected = kernels.matmul_forward(a, b)
    layouts = [
        (np.asfortranarray(a), b.swapaxes(1, 2).copy().swapaxes(1, 2)),
        (np.repeat(a, 2, axis=2)[..., ::2], b[:, ::-1][:, ::-1]),
        (a[::-1].copy()[::-1], b.copy()),
    ]
    for left, right in layouts:
        right.flags.writeable = False
        before = left.copy(), right.copy()
        np.testing.assert_allclose(kernels.matmul_forward(left, right), expected, rtol=1e-12)
        assert (left == before[0]).all() and (right == before[1]).all()


A, B = np.zeros((2, 3, 4)), np.zeros((2, 4, 5))


@BACKENDS
@pytest.mark.parametrize(
    ("name", "arguments", "error", "text"),
    [
        ("matmul_forward", (A, [1]), TypeError, "b expects a numpy.ndarray"),
        ("matmul_forward", (A.astype(int), B), TypeError, "a expects float32 or float64, got int64"),
        ("matmul_forward", (A.astype(">f8"), B), TypeError, "a expects float32 or float64, got >f8"),
        ("matmul_forward", (A, B.astype("f4")), TypeError, "b expects float64, the dtype of a"),
        ("matmul_forward", (A[0], B), ValueError, r"a expects 3 axes \(B, M, K\)"),
        ("matmul_forward", (A, B[:1]), ValueError, "b expects 2 matrices, as a has, got 1"),
        ("matmul_forward", (A, B[:, :3]), ValueError, r"b expects 4 rows, as a has, got 3 \(a: \(2, 3, 4\)"),
        ("matmul_backward_a", (A, B), ValueError, "grad_y expects 5 columns, as b has, got 4"),
        ("matmul_backward_b", (B, A), ValueError, "grad_y expects 3 rows, as a has, got 4"),
        ("linear_forward", (A[0], B[0], None), ValueError, "weight expects 4 input features, as x has, got 5"),
        ("linear_forward", (A[0], A[0], np.zeros(4)), ValueError, "bias expects 3 features, as weight has, got 4"),
        ("linear_forward", (A[0], A[0], np.zeros(3, "f4")), TypeError, "bias expects float64"),
        ("linear_backward_x", (A[0], A[0]), ValueError, "grad_y expects 3 features, as weight has, got 4"),
        ("linear_backward_weight", (A[0], B[0]), ValueError, "grad_y expects 4 rows, as x has, got 3"),
        ("linear_backward_bias", (A,), ValueError, "grad_y expects 2 axes"),
    ],
)
def test_refusals(kernels, name, arguments, error, text):
    with pytest.raises(error, match=text):
        getattr(kernels, name)(*arguments)


def test_twins_have_the_same_functions():
    assert reference.__all__ == cpu.__all__
    for name in cpu.__all__:
        assert inspect.signature(getattr(reference, name)) == inspect.signature(getattr(cpu, name)), name
