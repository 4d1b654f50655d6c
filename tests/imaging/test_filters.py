"""Mean, Gaussian, median and unsharp mask: by hand, against scipy, and against what physics says."""

import numpy as np
import pytest
from scipy import ndimage

from mediml.imaging.filters import gaussian_filter, mean_filter, median_filter, unsharp_mask

BORDERS = ("reflect", "mirror", "nearest", "wrap", "constant")

#: One pixel, one row, odd and even sides, and volumes; windows larger than an axis among them.
SHAPES = ((1, 1), (1, 9), (8, 1), (23, 18), (1, 6, 7), (7, 12, 10))

FILTERS = {
    "mean": lambda x, mode="reflect": mean_filter(x, 3, mode),
    "gaussian": lambda x, mode="reflect": gaussian_filter(x, 1.5, mode=mode),
    "median": lambda x, mode="reflect": median_filter(x, 3, mode),
    "unsharp": lambda x, mode="reflect": unsharp_mask(x, 1.5, 2.0, mode=mode),
}
#: Sums of float32 products: a few units in the last place of the largest value (about 1200 in `image`).
TOLERANCE = 6e-4


def image(shape, offset=-700.0, scale=150.0, dtype=np.float32):
    """Noise on a large offset, as HU have."""
    return (np.random.default_rng(0).normal(size=shape) * scale + offset).astype(dtype)


def ball(side, ndim, radius):
    """True within `radius` pixels of the centre."""
    axes = np.meshgrid(*[np.arange(side) - (side - 1) / 2] * ndim, indexing="ij")
    return sum(axis**2 for axis in axes) <= radius**2


def test_the_mean_by_hand():
    x = [[0, 0, 0], [0, 9, 0], [0, 0, 18]]
    np.testing.assert_array_equal(mean_filter(x, 3, "constant"), [[1, 1, 1], [1, 3, 3], [1, 3, 3]])
    # reflect repeats the border pixel: the corner's window holds 18 four times and 9 once
    assert mean_filter(x, 3)[2, 2] == (4 * 18 + 9) / 9
    np.testing.assert_array_equal(mean_filter(x, (1, 3), "nearest"), [[0, 0, 0], [3, 3, 3], [0, 6, 12]])


def test_the_median_by_hand():
    x = [[1, 2, 3], [4, 100, 6], [7, 8, 9]]
    assert median_filter(x, 3)[1, 1] == 6  # of 1 2 3 4 6 7 8 9 100
    np.testing.assert_array_equal(median_filter(x, (1, 3), "nearest")[1], [4, 6, 6])
    assert median_filter([[1.0, 2], [3, 4]], 3, "constant", 9)[0, 0] == 9  # five of nine lie outside


def test_the_unsharp_mask_by_hand():
    x = np.zeros((1, 21), np.float32)
    x[0, 10] = 1
    weights = np.exp(-0.5 * np.arange(-4, 5) ** 2)
    weights /= weights.sum()
    expected = x.copy() * 3
    expected[0, 6:15] -= 2 * weights
    np.testing.assert_allclose(unsharp_mask(x, (0, 1), 2.0), expected, atol=1e-6)
    # Half a step overshoots on either side by amount / 2 of its height, less the half pixel next to the edge.
    step = np.repeat([[0.0, 100.0]], 40, axis=1)
    sharp = unsharp_mask(step, (0, 6), 1.0)
    bell = np.exp(-0.5 * (np.arange(-24, 25) / 6) ** 2)
    half = 100 * (1 - bell[24] / bell.sum()) / 2  # what the blur moves across the edge
    np.testing.assert_allclose([sharp.min(), sharp.max()], [-half, 100 + half], rtol=1e-6)


def test_the_unsharp_mask_clips_only_when_asked():
    x = image((20, 20))
    free = unsharp_mask(x, 2, 3.0)
    assert free.min() < x.min() and free.max() > x.max()
    np.testing.assert_array_equal(unsharp_mask(x, 2, 3.0, limits=(-800, -600)), free.clip(-800, -600))
    np.testing.assert_array_equal(unsharp_mask(x, 2, 0.0), x)


@pytest.mark.parametrize("mode", BORDERS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_equals_scipy(shape, mode):
    x = image(shape)
    exact = x.astype(np.float64)
    for ours, theirs in (
        (mean_filter(x, 5, mode, -1000), ndimage.uniform_filter(exact, 5, mode=mode, cval=-1000)),
        (gaussian_filter(x, 2.3, mode=mode, cval=-1000), ndimage.gaussian_filter(exact, 2.3, mode=mode, cval=-1000)),
        (median_filter(x, 5, mode, -1000), ndimage.median_filter(exact, 5, mode=mode, cval=-1000)),
    ):
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, theirs, atol=TOLERANCE)


def test_equals_scipy_with_axes_of_their_own():
    x = image((9, 14, 11), dtype=np.float64)
    spacing, sigma = (5.0, 0.7, 0.5), (4.0, 1.1, 2.0)
    pixels = [s / step for s, step in zip(sigma, spacing)]
    expected = ndimage.gaussian_filter(x, pixels, truncate=3)
    np.testing.assert_allclose(gaussian_filter(x, sigma, spacing, 3), expected, rtol=1e-13)
    np.testing.assert_allclose(mean_filter(x, (1, 3, 7)), ndimage.uniform_filter(x, (1, 3, 7)), rtol=1e-13)
    np.testing.assert_array_equal(median_filter(x, (1, 3, 7)), ndimage.median_filter(x, (1, 3, 7)))


@pytest.mark.parametrize("ndim", [2, 3])
def test_an_impulse_gives_the_weights(ndim):
    x = np.zeros((17,) * ndim, np.float32)
    x[(8,) * ndim] = 1
    np.testing.assert_array_equal(mean_filter(x, 1), x)
    mean = mean_filter(x, 5)
    np.testing.assert_allclose(mean[(slice(6, 11),) * ndim], 1 / 5**ndim, rtol=1e-6)
    assert np.count_nonzero(mean) == 5**ndim
    blurred = gaussian_filter(x, 1.7)
    place = np.indices(x.shape) - 8
    bell = np.exp(-(place**2).sum(axis=0) / (2 * 1.7**2)) * (np.abs(place) <= 7).all(axis=0)
    np.testing.assert_allclose(blurred, bell / bell.sum(), atol=1e-8)


def test_the_blur_is_as_wide_in_the_body_along_every_axis():
    spacing = (2.0, 0.5, 1.0)
    x = np.zeros((31, 101, 61))
    x[15, 50, 30] = 1
    y = gaussian_filter(x, 4.0, spacing_mm=spacing)
    for axis, step in enumerate(spacing):
        profile = y.sum(axis=tuple(a for a in range(3) if a != axis))
        place = (np.arange(len(profile)) - len(profile) // 2) * step
        assert np.sqrt((profile * place**2).sum()) == pytest.approx(4.0, rel=2e-3)  # the tails beyond 4 sigma are cut


@pytest.mark.parametrize("mode", BORDERS[:4])
@pytest.mark.parametrize("name", FILTERS)
def test_a_constant_stays_constant_to_the_last_bit(name, mode):
    for value in (-1000.0, 0.1, 3e-20, 7e12):
        for shape in SHAPES:
            x = np.full(shape, value, np.float32)
            np.testing.assert_array_equal(FILTERS[name](x, mode), x)


def test_white_noise_falls_by_the_root_of_the_window():
    x = image((300, 300), offset=0, scale=20, dtype=np.float64)
    assert mean_filter(x, 5).std() == pytest.approx(20 / 5, rel=0.02)
    # The sum of the squared weights of a bell is 1 / (2 sqrt(pi) s) along each axis.
    assert gaussian_filter(x, 2).std() == pytest.approx(20 / (2 * np.sqrt(np.pi) * 2), rel=0.02)


def test_the_median_takes_salt_and_pepper_and_keeps_the_disc():
    clean = np.where(ball(64, 2, 20), 100.0, 0.0)
    noisy = clean.copy()
    spots = np.random.default_rng(1).random(clean.shape)
    noisy[spots < 0.05], noisy[spots > 0.95] = -1000, 1000
    for y, most in ((median_filter(noisy, 3), 4.0), (median_filter(noisy, 5), 4.0)):
        assert np.abs(y - clean).mean() < most
    assert np.abs(mean_filter(noisy, 3) - clean).mean() > 50
    edge = np.repeat([0.0, 100.0], 8)[None].repeat(16, axis=0)
    np.testing.assert_array_equal(median_filter(edge, 5), edge)


@pytest.mark.parametrize("name", FILTERS)
def test_dtypes_and_memory_layouts(name):
    x = image((12, 10))
    expected = FILTERS[name](x)
    for same in (np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2], x.astype(">f4"), x[::-1][::-1]):
        given = FILTERS[name](same)
        assert given.dtype == np.float32 and given.dtype.isnative
        np.testing.assert_array_equal(given, expected)
    frozen = x.copy()
    frozen.flags.writeable = False
    y = FILTERS[name](frozen)
    y[0, 0] = 5  # a new array
    np.testing.assert_array_equal(frozen, x)
    assert FILTERS[name](x.astype(np.float64)).dtype == np.float64
    for dtype in (np.uint8, np.int16, np.uint16, np.int32, np.float16, np.bool_):
        whole = np.arange(120).reshape(10, 12).astype(dtype)
        y = FILTERS[name](whole)
        assert y.dtype == np.float32
        np.testing.assert_array_equal(y, FILTERS[name](whole.astype(np.float32)))
    np.testing.assert_allclose(FILTERS[name](x.tolist()), expected, atol=TOLERANCE)  # a list is float64


@pytest.mark.parametrize(("name", "reach"), [("mean", 1), ("gaussian", 6), ("median", 1), ("unsharp", 6)])
def test_nan_reaches_its_windows_and_no_further(name, reach):
    x = image((20, 20))
    x[9, 8] = np.nan
    y = FILTERS[name](x)
    near = np.zeros((20, 20), bool)
    near[max(0, 9 - reach) : 10 + reach, max(0, 8 - reach) : 9 + reach] = True
    np.testing.assert_array_equal(np.isnan(y), near)
    x[0, 0] = np.nan  # where the filter looks for a value to start from
    x[9, 8] = 0
    assert np.isfinite(FILTERS[name](x)[10:, 10:]).all()
    assert np.isnan(FILTERS[name](np.full((4, 4), np.nan))).all()


def test_infinity_is_a_large_number():
    x = np.zeros((9, 9), np.float32)
    x[4, 4] = np.inf
    assert median_filter(x, 3)[4, 4] == 0
    y = mean_filter(x, 3)
    assert np.isposinf(y[3:6, 3:6]).all() and np.isfinite(y).sum() == 81 - 9


def test_sigma_0_and_size_1_leave_an_axis_alone():
    x = image((6, 7, 8), scale=1e-3)  # no digit is lost on the way
    np.testing.assert_array_equal(gaussian_filter(x, 0), x)
    np.testing.assert_array_equal(mean_filter(x, 1), x)
    np.testing.assert_allclose(gaussian_filter(x, (0, 2, 2))[3], gaussian_filter(x[3], 2), atol=TOLERANCE)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: mean_filter(np.zeros(5)), r"mean_filter: image expects shape \(rows, columns\) or .*got \(5,\)"),
        (lambda: mean_filter(np.zeros((0, 5))), "mean_filter: image expects .* at least one pixel"),
        (lambda: gaussian_filter(np.zeros((4, 5, 3)), 1), "gaussian_filter: image expects grey values.*each channel"),
        (lambda: mean_filter(np.zeros((2, 2, 2, 2))), "mean_filter: image expects shape"),
        (lambda: mean_filter(np.zeros((5, 5)), 4), "mean_filter: size expects odd numbers.*got 4"),
        (lambda: mean_filter(np.zeros((5, 5)), 0), "mean_filter: size expects 2 whole numbers of at least 1"),
        (lambda: median_filter(np.zeros((5, 5)), 3.5), "median_filter: size expects 2 whole numbers"),
        (lambda: median_filter(np.zeros((5, 5)), (3, 3, 3)), "median_filter: size expects 2 whole numbers"),
        (
            lambda: mean_filter(np.zeros((5, 5)), 3, "symmetric"),
            "mean_filter: mode expects one of reflect, .*'symmetric'",
        ),
        (lambda: gaussian_filter(np.zeros((5, 5)), -1), "gaussian_filter: sigma expects 2 non-negative numbers"),
        (lambda: gaussian_filter(np.zeros((5, 5)), np.nan), "gaussian_filter: sigma expects"),
        (
            lambda: gaussian_filter(np.zeros((5, 5)), 1, truncate=-1),
            "gaussian_filter: truncate expects a finite number of at least 0",
        ),
        (lambda: gaussian_filter(np.zeros((5, 5)), 3, (0.0001, 1)), "at most 10000 pixels.*in mm with spacing_mm"),
        (lambda: gaussian_filter(np.zeros((5, 5)), 1, (1.0,)), "spacing_mm expects 2 positive numbers"),
        (lambda: gaussian_filter(np.zeros((5, 5)), 1, (1.0, 0.0)), "spacing_mm expects 2 positive numbers"),
        (lambda: unsharp_mask(np.zeros((5, 5)), 1, -0.5), "unsharp_mask: amount expects a finite number of at least 0"),
        (lambda: unsharp_mask(np.zeros((5, 5)), 1, limits=(1, 1)), "unsharp_mask: limits expects"),
        (lambda: unsharp_mask(np.zeros((5, 5)), 1, mode="constant"), "unsharp_mask: mode expects.*'constant'"),
    ],
)
def test_refusals(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_other_kinds_of_values_are_refused():
    with pytest.raises(ValueError, match="mean_filter: image expects real numbers, got dtype complex128"):
        mean_filter(np.zeros((3, 3), complex))
