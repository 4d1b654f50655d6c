"""Contrast: by hand, by the formula in loops, by scikit-image where it has the same."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from mediml.imaging import clahe, equalise_histogram, gamma

FUNCTIONS = [
    lambda x, **range_: gamma(x, 0.5, **range_),
    lambda x, **range_: equalise_histogram(x),
    lambda x, **range_: clahe(x, 16, **range_),
]
each_function = pytest.mark.parametrize("function", FUNCTIONS, ids=["gamma", "equalise", "clahe"])


def image(shape=(64, 80), seed=0, dtype=np.float32):
    return np.random.default_rng(seed).beta(2, 5, shape).astype(dtype)


def smooth(shape=(256, 320), sigma=6):
    x = gaussian_filter(np.random.default_rng(0).standard_normal(shape), sigma)
    return ((x - x.min()) / np.ptp(x)).astype(np.float32)


@each_function
def test_dtype_and_input(function):
    for x in (image(), image(dtype=np.float64), (image() * 255).astype(np.uint8), (image() * 4000).astype(np.int16)):
        x = x[::2, ::-1]
        x.flags.writeable = False
        before = x.copy()
        y = function(x, value_range=(0, 4000))
        assert y.shape == x.shape and y.dtype == (np.float64 if x.dtype == np.float64 else np.float32)
        np.testing.assert_array_equal(x, before)
        np.testing.assert_array_equal(y, function(np.ascontiguousarray(x), value_range=(0, 4000)))


@each_function
def test_nan_stays_and_takes_no_part(function):
    x = image()
    x[:16, :16] = np.nan  # a whole tile
    y = function(x)
    np.testing.assert_array_equal(np.isnan(y), np.isnan(x))
    assert np.nanmin(y) >= 0 and np.nanmax(y) <= 1
    assert np.isnan(function(np.array([[np.nan, 0.5], [0.2, 0.3]]))).sum() == 1


@each_function
@pytest.mark.parametrize("shape", [(1, 5), (5, 1), (2, 3), (17, 33), (5, 20, 20)])
def test_small_and_odd_shapes(function, shape):
    y = function(image(shape))
    assert y.shape == shape and np.isfinite(y).all() and y.min() >= 0 and y.max() <= 1


@each_function
def test_unit_of_the_values_does_not_matter(function):
    x = image(dtype=np.float64)
    y, in_hu = function(x, value_range=(0, 1)), function(x * 4000 - 1000, value_range=(-1000, 3000))
    if function is not FUNCTIONS[1]:  # which has no unit
        in_hu = (in_hu + 1000) / 4000
    np.testing.assert_allclose(in_hu, y, atol=1e-9)


def test_gamma_by_hand():
    np.testing.assert_allclose(gamma([0, 0.25, 1], 0.5), [0, 0.5, 1])
    np.testing.assert_allclose(gamma([-1000, 0, 1000, 3000], 2, (-1000, 3000)), [-1000, -750, 0, 3000])


@pytest.mark.parametrize("exponent", [0.2, 1, 3.3])
def test_gamma_keeps_order_and_ends_and_is_undone_by_its_inverse(exponent):
    x = np.linspace(-3, 7, 1001)
    y = gamma(x, exponent, (-3, 7))
    assert (np.diff(y) > 0).all() and y[0] == -3 and y[-1] == 7
    np.testing.assert_allclose(gamma(y, 1 / exponent, (-3, 7)), x, atol=1e-4)


def test_gamma_equals_scikit_image():
    exposure = pytest.importorskip("skimage.exposure")
    np.testing.assert_allclose(gamma(image(), 1.7), exposure.adjust_gamma(image(), 1.7), rtol=1e-6)


@pytest.mark.parametrize("exponent", [0, -1, np.nan, np.inf])
def test_gamma_refuses_an_exponent(exponent):
    with pytest.raises(ValueError, match="gamma: exponent expects a finite number above 0"):
        gamma(image(), exponent)


def test_values_outside_of_the_range_are_refused_and_not_cut():
    for function in (FUNCTIONS[0], FUNCTIONS[2]):
        with pytest.raises(ValueError, match="expects values from 0 to 1, got -1000 to 0; give their value_range"):
            function(np.array([[-1000.0, 0]]))


def test_equalising_by_hand():
    # Two bins of centres 1 and 3: three of four values lie in the lower one. 2 is half-way between 3/4 and 1.
    np.testing.assert_allclose(equalise_histogram([0.0, 1, 1.5, 4], bins=2), [0.75, 0.75, 0.8125, 1])
    np.testing.assert_allclose(equalise_histogram([[0.0, 1, 4, 9]], 2, [[1, 1, 1, 0]]), [[2 / 3, 2 / 3, 1, 1]])


def test_equalising_equals_scikit_image():
    exposure = pytest.importorskip("skimage.exposure")
    x, mask = image(), image(seed=1) > 0.2
    for bins in (16, 256):
        np.testing.assert_allclose(equalise_histogram(x, bins), exposure.equalize_hist(x, bins), atol=2e-6)
        expected = exposure.equalize_hist(x, bins, mask=mask)
        np.testing.assert_allclose(equalise_histogram(x, bins, mask), expected, atol=2e-6)


def test_equalised_values_are_spread_evenly_and_in_order():
    y = equalise_histogram(image((300, 300)), 1000)
    shares = np.histogram(y, 10, (0, 1))[0] / y.size
    np.testing.assert_allclose(shares, 0.1, atol=0.005)
    assert y.min() > 0 and y.max() == 1
    assert (np.diff(equalise_histogram(np.sort(image().ravel()))) >= 0).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: equalise_histogram(np.full((4, 4), 7)), "values that differ, got 7 only"),
        (lambda: equalise_histogram(image(), 1), "bins expects a whole number of at least 2"),
        (lambda: equalise_histogram(image(), mask=np.zeros((64, 80))), "under the mask"),
        (lambda: clahe(image(), 1), "tile expects 2 whole numbers of at least 2"),
        (lambda: clahe(image(), (8, 8, 8)), "tile expects 2 whole numbers"),
        (lambda: clahe(image(), 8, 0.5), "clip_limit expects a number of at least 1, got 0.5"),
        (lambda: clahe(image(), 8, np.nan), "clip_limit expects"),
        (lambda: clahe(image(), 8, bins=1), "bins expects"),
        (lambda: clahe(np.zeros(8), 8), "2 or 3 axes"),
        (lambda: clahe(image(), 8, value_range=(1, 0)), "value_range expects"),
        (lambda: gamma(np.zeros((0, 2)), 2), "at least 1 pixel"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_clahe_of_a_tile_that_is_known_in_part_is_that_of_what_is_known():
    x = image((8, 16))
    x[:, 8:] = np.nan
    np.testing.assert_allclose(clahe(x, (8, 16), 3.0)[:, :8], clahe(x[:, :8], 8, 3.0), atol=1e-6)


def clahe_in_loops(x, tile, clip_limit, bins):
    """The docstring's formula for values within 0 and 1, pixel by pixel."""
    counts = [-(-size // t) for size, t in zip(x.shape, tile)]
    padded = np.pad(x, [(0, n * t - size) for n, t, size in zip(counts, tile, x.shape)], mode="reflect")
    edges = np.linspace(0, 1, bins + 1)
    curves = {}
    for index in np.ndindex(*counts):
        part = padded[tuple(slice(i * t, (i + 1) * t) for i, t in zip(index, tile))]
        height = np.histogram(part, edges)[0] / part.size * bins
        lifts = np.linspace(0, 1, 200001)
        lift = lifts[np.argmin([abs(np.minimum(height + a, clip_limit).mean() - 1) for a in lifts[::100]]) * 100]
        slope = np.minimum(height + lift, clip_limit)
        curves[index] = np.concatenate([[0], np.cumsum(slope) / slope.sum()])
    y = np.zeros(x.shape)
    for place in np.ndindex(*x.shape):
        corners = [((), 1.0)]
        for p, t, n in zip(place, tile, counts):
            at = min(max((p - (t - 1) / 2) / t, 0), n - 1)
            first = int(at)
            ways = [(first, 1 - (at - first))] + ([(first + 1, at - first)] if at > first else [])
            corners = [((*c, i), w * v) for c, w in corners for i, v in ways]
        y[place] = sum(w * np.interp(x[place], edges, curves[c]) for c, w in corners)
    return y


@pytest.mark.parametrize(
    ("shape", "tile", "clip_limit"),
    [((24, 32), (8, 8), 2.0), ((19, 30), (8, 7), 1.3), ((10, 9), (20, 4), 5.0), ((6, 8, 10), (4, 4, 5), 3.0)],
)
def test_clahe_is_its_formula(shape, tile, clip_limit):
    x = image(shape, dtype=np.float64)
    expected = clahe_in_loops(x, tile, clip_limit, 16)
    np.testing.assert_allclose(clahe(x, tile, clip_limit, bins=16), expected, atol=1e-3)  # a is searched in steps


def test_clahe_agrees_with_scikit_image_but_for_its_rounding():
    exposure = pytest.importorskip("skimage.exposure")
    x = smooth()
    for tile in (64, (128, 64)):
        for clip_limit in (1, 2, 4):
            # A little above the limit: it takes the whole number below for the count of a bin.
            expected = exposure.equalize_adapthist(x, tile, (clip_limit + 1e-6) / 256)
            y = clahe(x, tile, clip_limit)
            y = (y - y.min()) / np.ptp(y)  # it stretches its result
            assert np.corrcoef(y.ravel(), expected.ravel())[0, 1] > 0.9998
            assert np.abs(y - expected).mean() < 0.006 < 0.1 * np.abs(x - expected).mean() or clip_limit == 1


def test_clahe_of_limit_one_changes_nothing():
    np.testing.assert_allclose(clahe(image(), 16, 1.0), image(), atol=1e-6)
    hu = np.linspace(-1000, 2000, 600, dtype=np.float32).reshape(20, 30)
    np.testing.assert_allclose(clahe(hu, 7, 1.0, (-1024, 3071)), hu, atol=2e-3)


def test_clahe_of_one_tile_without_limit_is_equalisation():
    x = image((100, 100), dtype=np.float64)
    ranks = (np.argsort(np.argsort(x.ravel())) + 0.5).reshape(x.shape) / x.size
    np.testing.assert_allclose(clahe(x, 100, np.inf), ranks, atol=0.01)


@pytest.mark.parametrize("clip_limit", [1.5, 3, 10])
def test_clahe_lifts_contrast_by_at_most_its_limit(clip_limit):
    ramp = np.linspace(0.4, 0.6, 64 * 64).reshape(64, 64)  # a fifth of the range: unlimited, contrast grows fivefold
    y = clahe(ramp, 64, clip_limit)
    steps = np.diff(y.ravel()) / np.diff(ramp.ravel())
    assert (steps > 0).all() and steps.max() <= clip_limit * (1 + 1e-6)
    assert steps.mean() == pytest.approx(min(clip_limit, 5), rel=0.03)


def test_clahe_makes_faint_detail_in_dark_and_bright_parts_visible():
    """A faint disc in a dark half and one in a bright half; both gain, while global equalisation must choose."""
    x = np.full((128, 256), 0.2, np.float32)
    x[:, 128:] = 0.8
    rows, columns = np.ogrid[:128, :256]
    discs = [(rows - 64) ** 2 + (columns - c) ** 2 < 20**2 for c in (64, 192)]
    for disc in discs:
        x[disc] += 0.02
    x += np.random.default_rng(0).normal(0, 0.004, x.shape).astype(np.float32)
    y = clahe(x, 64, 4.0)
    for disc, half in zip(discs, (slice(0, 128), slice(128, 256))):
        around = np.zeros(x.shape, bool)
        around[:, half] = True
        around &= ~disc
        assert y[disc].mean() - y[around].mean() > 2.5 * (x[disc].mean() - x[around].mean())
