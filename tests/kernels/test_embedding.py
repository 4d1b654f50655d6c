"""Embeddings: by hand, the fast twin against the formula, gradients, repeated indices, threads, norms, refusals."""

import inspect

import numpy as np
import pytest

from kernels import parallel
from kernels.embedding import cpu, reference, shapes

BACKENDS = pytest.mark.parametrize("kernels", [reference, cpu], ids=["reference", "cpu"])
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])

#: Rows, columns, shape of the indices: columns around the eight that are summed at a time; empty axes.
SIZES = [
    (1, 1, (1,)), (5, 3, (4,)), (7, 7, (2, 9)), (7, 8, (2, 9)), (9, 19, (3, 4, 2)), (3, 2, (0,)), (4, 0, (3,)),
    (2, 17, ()), (50, 33, (200,)), (0, 3, (0,)),
]  # fmt: skip
EVERYWHERE = pytest.mark.parametrize("sizes", SIZES, ids=str)
ORDERS = [2.0, 1.0, 0.0, 0.5, 3.0, -1.0, np.inf, -np.inf]


def draw(shape, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def indices(sizes, dtype=np.int64):
    rows, _, shape = sizes
    return np.random.default_rng(1).integers(0, max(rows, 1), shape, dtype=dtype)


def scattered(grad_y, index, rows, padding_idx, scale_grad_by_freq):
    """The gradient the other way round, as NumPy's addition in place."""
    places = index.reshape(-1)
    grad = np.zeros((rows, grad_y.shape[-1]))
    np.add.at(grad, places, grad_y.reshape(index.size, -1) if grad_y.size else np.zeros((index.size, grad.shape[1])))
    if scale_grad_by_freq:
        grad /= np.maximum(np.bincount(places, minlength=rows), 1)[:, None]
    if padding_idx >= 0:
        grad[padding_idx] = 0
    return grad


@BACKENDS
def test_by_hand(kernels):
    weight, index = np.array([[1.0, 2], [3, 4], [5, 6]]), np.array([[2, 0], [2, 2]])
    assert kernels.embedding_forward(index, weight).tolist() == [[[5, 6], [1, 2]], [[5, 6], [5, 6]]]
    grad_y = np.array([[[1.0, 10], [2, 20]], [[4, 40], [7, 70]]])
    gradient = kernels.embedding_backward_weight
    assert gradient(grad_y, index, 3, -1, False).tolist() == [[2, 20], [0, 0], [12, 120]]
    assert gradient(grad_y, index, 3, -1, True).tolist() == [[2, 20], [0, 0], [4, 40]]
    assert gradient(grad_y, index, 3, 2, False).tolist() == [[2, 20], [0, 0], [0, 0]]
    table = np.array([[3.0, 4], [6, 8], [0.3, 0.4]])
    kernels.embedding_renorm_update(table, np.array([0, 2, 0]), 1.0, 2.0)
    np.testing.assert_allclose(table, [[0.6, 0.8], [6, 8], [0.3, 0.4]], rtol=1e-7)


@EVERYWHERE
@DTYPES
@pytest.mark.parametrize("integer", [np.int32, np.int64])
def test_cpu_equals_reference_equals_numpy(sizes, dtype, integer):
    rows, columns, shape = sizes
    index, weight, grad_y = indices(sizes, integer), draw((rows, columns), dtype), draw((*shape, columns), dtype, 2)
    for kernels in (reference, cpu):
        y = kernels.embedding_forward(index, weight)
        assert y.dtype == dtype and np.array_equal(y, weight[index])
        for padding_idx in {-1, 0, rows - 1} if rows else {-1}:
            for scaled in (False, True):
                arguments = (grad_y, index, rows, padding_idx, scaled)
                got, want = kernels.embedding_backward_weight(*arguments), scattered(*arguments)
                assert got.dtype == dtype and got.shape == weight.shape
                tolerance = 1e-6 if dtype == np.float32 else 1e-13
                np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


@BACKENDS
def test_the_gradient_is_that_of_the_forward_pass(kernels):
    """Looking up is linear in the table: <grad_y, f(weight)> = <gradient, weight>, and so along any direction."""
    sizes = (6, 11, (5, 4))
    index, weight, grad_y = indices(sizes), draw((6, 11)), draw((5, 4, 11), seed=3)
    gradient = kernels.embedding_backward_weight(grad_y, index, 6, -1, False)
    assert (gradient * weight).sum() == pytest.approx((grad_y * kernels.embedding_forward(index, weight)).sum(), 1e-12)
    step = draw((6, 11), seed=4) * 1e-3
    ahead, behind = (kernels.embedding_forward(index, weight + s * step) for s in (1, -1))
    assert (gradient * step).sum() == pytest.approx((grad_y * (ahead - behind)).sum() / 2, 1e-9)


@BACKENDS
def test_a_row_that_takes_everything_loses_nothing(kernels):
    """100,000 float32 gradients of 0.1 in one row: added up in float32 they would be off by a few in 10,000."""
    grad_y, index = np.full((100_000, 9), 0.1, np.float32), np.full(100_000, 1)
    gradient = kernels.embedding_backward_weight(grad_y, index, 3, -1, False)
    np.testing.assert_allclose(gradient[1], np.float64(np.float32(0.1)) * 100_000, rtol=1e-7)
    assert (gradient[[0, 2]] == 0).all()


@BACKENDS
@pytest.mark.parametrize("special", [np.nan, np.inf])
def test_a_special_value_reaches_its_row_only(kernels, special):
    grad_y, index = np.ones((6, 10)), np.array([0, 1, 1, 2, 3, 3])
    grad_y[2, 9] = special
    gradient = kernels.embedding_backward_weight(grad_y, index, 4, -1, False)
    assert np.isfinite(np.delete(gradient.ravel(), 19)).all()
    assert np.array_equal(gradient[1, 9], special, equal_nan=True)


@DTYPES
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("value", [None, 0.0, np.nan, np.inf])
def test_norms_equal_numpys(order, value, dtype):
    table = draw((6, 5), dtype)
    if value is not None:
        table[1:4, 2] = value
    index = np.array([[0, 1, 3], [3, 1, 5]])
    with np.errstate(all="ignore"):
        norms = np.array([np.linalg.norm(row.astype(np.float64), order) for row in table])
        scale = np.where((norms > 0.7) & np.isin(np.arange(6), index), 0.7 / (norms + 1e-7), 1.0)[:, None]
        want = np.where(scale == 1, table, table * scale)
        for kernels in (reference, cpu):
            got = table.copy()
            kernels.embedding_renorm_update(got, index, 0.7, order)
            np.testing.assert_allclose(got, want, rtol=1e-6 if dtype == np.float32 else 1e-12)
            assert (got[[2, 4]].tobytes()) == table[[2, 4]].tobytes()


@BACKENDS
def test_a_table_in_any_layout_is_shortened_in_place(kernels):
    expected = draw((4, 6))
    kernels.embedding_renorm_update(expected, np.arange(4), 0.5, 2.0)
    assert np.linalg.norm(expected, axis=1) == pytest.approx(0.5, rel=1e-6)
    for table in (np.asfortranarray(draw((4, 6))), np.repeat(draw((4, 6)), 2, axis=1)[:, ::2]):
        kernels.embedding_renorm_update(table, np.arange(4), 0.5, 2.0)
        np.testing.assert_array_equal(table, expected)


def test_same_bits_for_any_number_of_threads(monkeypatch):
    monkeypatch.setattr(parallel, "SERIAL_BELOW", 0)
    index, grad_y = indices((40, 21, (3000,))), draw((3000, 21), np.float32)
    results = []
    for threads in (1, 2, 4):
        parallel.set_thread_count(threads)
        try:
            table = draw((40, 21), np.float32, 5)
            cpu.embedding_renorm_update(table, index, 1.0, 3.0)
            gradient = cpu.embedding_backward_weight(grad_y, index, 40, 3, True)
            results.append([a.tobytes() for a in (table, gradient, cpu.embedding_forward(index, table))])
        finally:
            parallel.set_thread_count(None)
    assert results[0] == results[1] == results[2]


@BACKENDS
def test_any_layout_is_read_and_nothing_is_written(kernels):
    index, weight, grad_y = indices((7, 9, (4, 6))), draw((7, 9)), draw((4, 6, 9), seed=1)
    expected = kernels.embedding_forward(index, weight), kernels.embedding_backward_weight(grad_y, index, 7, 1, True)
    for lay in (np.asfortranarray, lambda a: np.repeat(a, 2, axis=-1)[..., ::2], lambda a: a[::-1].copy()[::-1]):
        laid = [lay(array) for array in (index, weight, grad_y)]
        for array in laid:
            array.flags.writeable = False
        np.testing.assert_array_equal(kernels.embedding_forward(*laid[:2]), expected[0])
        np.testing.assert_array_equal(kernels.embedding_backward_weight(laid[2], laid[0], 7, 1, True), expected[1])
        for array, original in zip(laid, (index, weight, grad_y)):
            np.testing.assert_array_equal(array, original)


INDEX, W, G = np.array([0, 2]), np.zeros((3, 4)), np.zeros((2, 4))
FROZEN = np.zeros((3, 4))
FROZEN.flags.writeable = False


@BACKENDS
@pytest.mark.parametrize(
    ("name", "arguments", "error", "text"),
    [
        ("forward", ([0], W), TypeError, "index expects a numpy.ndarray, got list"),
        ("forward", (INDEX.astype(np.int16), W), TypeError, "index expects int32 or int64, got int16"),
        ("forward", (INDEX.astype(float), W), TypeError, "index expects int32 or int64, got float64"),
        ("forward", (INDEX.astype(bool), W), TypeError, "index expects int32 or int64, got bool"),
        ("forward", (INDEX, [1.0]), TypeError, "weight expects a numpy.ndarray"),
        ("forward", (INDEX, W.astype(int)), TypeError, "weight expects float32 or float64, got int64"),
        ("forward", (INDEX, W[0]), ValueError, r"weight expects 2 axes \(V, E\), got 1"),
        ("forward", (INDEX, W[None]), ValueError, r"weight expects 2 axes \(V, E\), got 3"),
        ("forward", (np.array([0, 3]), W), shapes.RowError, "index expects numbers from 0 to 2, one of 3 rows, got 3"),
        ("forward", (np.array([0, -1]), W), shapes.RowError, "got -1"),
        ("forward", (np.array([2**40]), W), shapes.RowError, f"got {2**40}"),
        ("forward", (np.array([-(2**31)], np.int32), W), shapes.RowError, f"got {-(2**31)}"),
        ("forward", (INDEX, W[:0]), shapes.RowError, "one of 0 rows"),
        ("backward_weight", (G, np.array([0, 3]), 3, -1, False), shapes.RowError, "got 3"),
        ("backward_weight", (G, INDEX, 3, 3, False), ValueError, "padding_idx expects a row from 0 to 2, or -1"),
        ("backward_weight", (G, INDEX, 3, -2, False), ValueError, "padding_idx expects a row"),
        ("backward_weight", (G, INDEX, -1, -1, False), ValueError, "rows expects the number of rows"),
        (
            "backward_weight",
            (G[:1], INDEX, 3, -1, False),
            ValueError,
            r"grad_y expects the shape of index \(2,\) and one",
        ),
        ("backward_weight", (G[0], INDEX, 3, -1, False), ValueError, "grad_y expects the shape of index"),
        ("backward_weight", (G.astype("f2"), INDEX, 3, -1, False), TypeError, "grad_y expects float32 or float64"),
        ("renorm_update", (W, np.array([3]), 1.0, 2.0), shapes.RowError, "got 3"),
        ("renorm_update", (FROZEN, INDEX, 1.0, 2.0), ValueError, "weight is changed in place .* got a read-only one"),
    ],
)
def test_refusals(kernels, name, arguments, error, text):
    with pytest.raises(error, match=rf"embedding.*: .*{text}"):
        getattr(kernels, f"embedding_{name}")(*arguments)


def test_an_index_without_a_row_is_both_errors():
    assert issubclass(shapes.RowError, IndexError) and issubclass(shapes.RowError, ValueError)


def test_twins_have_the_same_functions():
    assert reference.__all__ == cpu.__all__
    for name in cpu.__all__:
        assert inspect.signature(getattr(reference, name)) == inspect.signature(getattr(cpu, name)), name
