"""Interpolation kernels: tables and pictures by hand, the fast twin, gradients, NaN, threads, refusals."""

import numpy as np
import pytest

from kernels import parallel
from kernels.upsampling import cpu, reference, shapes

BACKENDS = pytest.mark.parametrize("kernels", [reference, cpu], ids=["reference", "cpu"])
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])

#: x, sizes, mode, align_corners, scales, antialias.
GEOMETRIES = [
    ((2, 3, 5), (12,), "nearest", False, (2.5,), False),
    ((1, 2, 7), (3,), "nearest-exact", False, (None,), False),
    ((2, 1, 5), (9,), "linear", True, (None,), False),
    ((2, 3, 5, 7), (10, 14), "linear", False, (2.0, 2.0), False),
    ((1, 2, 6, 5), (3, 9), "linear", False, (None, None), False),
    ((1, 2, 4, 5), (4, 1), "linear", True, (None, None), False),
    ((1, 1, 1, 3), (5, 3), "cubic", False, (None, None), False),
    ((2, 2, 5, 6), (8, 4), "cubic", True, (None, None), False),
    ((1, 2, 9, 7), (4, 11), "linear", False, (None, None), True),
    ((1, 2, 11, 6), (3, 6), "cubic", False, (0.3, None), True),
    ((1, 2, 8, 9), (5, 2), "lanczos", False, (None, None), True),
    ((1, 2, 3, 4, 5), (6, 3, 4), "linear", False, (None, None, None), False),
    ((2, 2, 4, 2, 3), (2, 5, 7), "nearest", False, (None, None, None), False),
    ((0, 2, 3, 4), (5, 2), "linear", False, (None, None), False),
]
EVERYWHERE = pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)


def draw(shape, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def along(kernels, row, size, mode, align_corners=False, scale=None, antialias=False):
    """One row interpolated; for antialiasing as a picture of height 1."""
    x = np.array(row, float).reshape(1, 1, 1, -1)
    return kernels.interpolate_forward(x, (1, size), mode, align_corners, (None, scale), antialias).reshape(-1)


@BACKENDS
@pytest.mark.parametrize(
    ("mode", "align_corners", "size", "expected"),
    [
        ("nearest", False, 5, [10, 10, 20, 20, 40]),  # floor(3 i / 5)
        ("nearest", False, 2, [10, 20]),
        ("nearest-exact", False, 2, [10, 40]),  # floor(3 (i + 1/2) / 2)
        ("linear", False, 6, [10, 12.5, 17.5, 25, 35, 40]),
        ("linear", True, 5, [10, 15, 20, 30, 40]),
        ("linear", True, 1, [10]),
        ("linear", False, 1, [20]),
    ],
)
def test_rows_by_hand(kernels, mode, align_corners, size, expected):
    np.testing.assert_allclose(along(kernels, [10, 20, 40], size, mode, align_corners), expected, rtol=1e-7)


@BACKENDS
def test_cubic_by_hand(kernels):
    """Half way between two pixels Keys' weights are A/8, 1/2 - A/8: -3/32 and 19/32, and the edge is repeated."""
    y = along(kernels, [0, 32, 64, 32, 0], 9, "cubic", align_corners=True)
    np.testing.assert_allclose(y[[0, 2, 4]], [0, 32, 64], atol=1e-12)
    np.testing.assert_allclose(y[[1, 3]], [19 * 1 - 3 * 2, 19 * 1 + 19 * 2 - 3 * 1])


@BACKENDS
def test_a_given_scale_moves_the_places(kernels):
    """3 pixels, 1.7 times as many are 5: places are (i + 1/2) / 1.7 - 1/2, or with the ratio of sizes 0.6 (i + 1/2)."""
    row = np.array([10.0, 20, 40])
    place = (np.arange(5) + 0.5) / 1.7 - 0.5
    np.testing.assert_allclose(along(kernels, row, 5, "linear", scale=1.7), np.interp(place, range(3), row))
    np.testing.assert_allclose(
        along(kernels, row, 5, "linear"), np.interp((np.arange(5) + 0.5) * 0.6 - 0.5, range(3), row)
    )


@BACKENDS
def test_antialiasing_by_hand(kernels):
    """Half the size: a triangle over four pixels, 1/8 3/8 3/8 1/8, cut off at the edge and made to sum to 1."""
    y = along(kernels, [7.0, 14, 0, 8, 0, 0], 3, "linear", antialias=True)
    np.testing.assert_allclose(y, [(3 * 7 + 3 * 14) / 7, (14 + 3 * 8) / 8, 8 / 7])


@pytest.mark.parametrize("mode", ["linear", "cubic", "lanczos"])
def test_a_flat_picture_stays_flat(mode):
    for size_in, size_out, antialias in ((7, 3, True), (3, 8, True), (5, 11, mode == "lanczos")):
        begin, _, weight = shapes.axis_table(size_in, size_out, mode, False, None, antialias, np.dtype(float))
        np.testing.assert_allclose(np.add.reduceat(weight, begin[:-1]), 1, rtol=1e-12)


@EVERYWHERE
@DTYPES
def test_cpu_equals_reference(geometry, dtype):
    x_shape, sizes, *options = geometry
    x = draw(x_shape, dtype)
    want, got = (k.interpolate_forward(x, sizes, *options) for k in (reference, cpu))
    grad_y = draw(want.shape, dtype, 1)
    want_x, got_x = (k.interpolate_backward_x(grad_y, x_shape, *options) for k in (reference, cpu))
    rtol = 100 * np.finfo(dtype).eps
    for a, b in ((got, want), (got_x, want_x)):
        assert a.shape == b.shape and a.dtype == b.dtype == dtype
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)


@BACKENDS
@EVERYWHERE
def test_the_gradient_is_that_of_the_forward_pass(kernels, geometry):
    """The operator is linear: <grad_y, f(v)> = <gradient, v> exactly."""
    x_shape, sizes, *options = geometry
    v = draw(x_shape, seed=2)
    y = kernels.interpolate_forward(v, sizes, *options)
    grad_y = draw(y.shape, seed=1)
    grad_x = kernels.interpolate_backward_x(grad_y, x_shape, *options)
    assert (grad_y * y).sum() == pytest.approx((grad_x * v).sum(), rel=1e-9, abs=1e-12)


@BACKENDS
def test_nan_reaches_its_neighbours_only(kernels):
    x = np.ones((1, 1, 6))
    x[0, 0, 2] = np.nan
    y = kernels.interpolate_forward(x, (12,), "linear", False, (None,), False)[0, 0]
    assert np.isnan(y).nonzero()[0].tolist() == [3, 4, 5, 6]
    assert np.isnan(kernels.interpolate_forward(x, (12,), "nearest", False, (None,), False)).sum() == 2


def test_same_bits_for_any_number_of_threads(monkeypatch):
    monkeypatch.setattr(parallel, "SERIAL_BELOW", 0)
    x, results = draw((3, 5, 17, 19), np.float32), []
    for threads in (1, 2, 4):
        parallel.set_thread_count(threads)
        try:
            y = cpu.interpolate_forward(x, (34, 9), "cubic", False, (None, None), False)
            grad_x = cpu.interpolate_backward_x(y, x.shape, "cubic", False, (None, None), False)
        finally:
            parallel.set_thread_count(None)
        results.append((y.tobytes(), grad_x.tobytes()))
    assert results[0] == results[1] == results[2]


@BACKENDS
def test_any_layout_is_read_and_nothing_is_written(kernels):
    x = draw((2, 2, 4, 5))
    options = ((7, 3), "linear", False, (None, None), False)
    expected = kernels.interpolate_forward(x, *options)
    locked = np.asfortranarray(x)
    locked.flags.writeable = False
    assert (kernels.interpolate_forward(locked, *options) == expected).all()


@BACKENDS
@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"x": [1]}, TypeError, "x expects a numpy.ndarray"),
        ({"x": np.zeros((1, 1, 3, 3), int)}, TypeError, "x expects float32 or float64"),
        ({"x": np.zeros((3, 3))}, ValueError, "x expects 3 to 5 axes"),
        ({"x": np.zeros((1, 1, 0, 3))}, ValueError, "no empty axis but the batch"),
        ({"sizes": 4}, TypeError, "sizes expects a tuple of 2 int"),
        ({"sizes": (4,)}, ValueError, "sizes expects 2 numbers"),
        ({"sizes": (4, 0)}, ValueError, "sizes expects 2 numbers from 1"),
        ({"scales": (1, None)}, TypeError, "scales expects a tuple of 2 float or None"),
        ({"scales": (-1.0, None)}, ValueError, "scales expects 2 positive"),
        ({"mode": "bilinear"}, ValueError, "mode expects one of nearest"),
        ({"mode": "nearest", "align_corners": True}, ValueError, "align_corners goes with linear and cubic"),
        ({"mode": "nearest", "antialias": True}, ValueError, "antialias goes with"),
        ({"mode": "lanczos"}, ValueError, "expects antialias=True"),
    ],
)
def test_refusals(kernels, changes, error, text):
    given = {"x": np.zeros((1, 1, 3, 3)), "sizes": (4, 4), "mode": "linear", "align_corners": False}
    with pytest.raises(error, match=text):
        kernels.interpolate_forward(**{**given, "scales": (None, None), "antialias": False, **changes})
    with pytest.raises(ValueError, match=r"grad_y expects the shape of the output \(2, 1, 4, 4\)"):
        kernels.interpolate_backward_x(np.zeros((1, 1, 4, 4)), (2, 1, 3, 3), "linear", False, (None, None), False)
