"""Noise removal that keeps edges: what all four ways have in common, and two of them against their formulas."""

import itertools

import numpy as np
import pytest

from mediml.imaging.denoising import bilateral_filter, non_local_means
from mediml.imaging.diffusion import anisotropic_diffusion
from mediml.imaging.variation import total_variation

SIGMA = 20.0

FILTERS = {
    "bilateral": lambda x, a=1.0: bilateral_filter(x, 3 * SIGMA * a, 1.5),
    "non_local": lambda x, a=1.0: non_local_means(x, SIGMA * a),
    "diffusion": lambda x, a=1.0: anisotropic_diffusion(x, 3 * SIGMA * a, steps=15),
    "diffusion 2": lambda x, a=1.0: anisotropic_diffusion(x, 2 * SIGMA * a, steps=15, option=2),
    "variation": lambda x, a=1.0: total_variation(x, SIGMA * a),
}


def scene(ndim=2, side=48, dtype=np.float64, seed=0):
    """A ball of 300 on -700, and the same with noise."""
    axes = np.meshgrid(*[np.arange(side) - (side - 1) / 2] * ndim, indexing="ij")
    radius = np.sqrt(sum(axis**2 for axis in axes))
    clean = np.where(radius < side / 4, 300.0, -700.0)
    return clean, (clean + np.random.default_rng(seed).normal(size=clean.shape) * SIGMA).astype(dtype), radius


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("name", FILTERS)
def test_noise_falls_and_the_edge_stays(name, ndim):
    clean, noisy, radius = scene(ndim, 48 if ndim == 2 else 24)
    y = FILTERS[name](noisy)
    edge = clean.shape[0] / 4
    flat = np.abs(radius - edge) > 3
    assert (y - clean)[flat].std() < SIGMA / 2
    rim = np.abs(radius - edge) < 1.5
    assert np.abs(y - clean)[rim].max() < 0.15 * 1000  # a blur of the same strength loses half of the step
    assert y.mean() == pytest.approx(noisy.mean(), abs=2)


@pytest.mark.parametrize("name", FILTERS)
def test_no_hidden_scale(name):
    """Another unit and another zero give the same picture in that unit."""
    _, noisy, _ = scene(side=24)
    y = FILTERS[name](noisy)
    for factor, offset in ((1 / 4096, 0.5), (7.0, 1000.0), (1e6, 0.0)):
        np.testing.assert_allclose(FILTERS[name](noisy * factor + offset, factor), y * factor + offset, rtol=1e-7)
    single = FILTERS[name](noisy.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, y, atol=0.5)


@pytest.mark.parametrize("name", FILTERS)
def test_whole_numbers_layouts_and_constants(name):
    _, noisy, _ = scene(side=20)
    whole = np.rint(noisy[:, :15]).astype(np.int16)
    expected = FILTERS[name](whole.astype(np.float32))
    frozen = np.asfortranarray(whole)
    frozen.flags.writeable = False
    y = FILTERS[name](frozen)
    assert y.dtype == np.float32 and y.flags.writeable
    np.testing.assert_allclose(y, expected, atol=1e-3)
    np.testing.assert_array_equal(frozen, whole)
    for shape in ((1, 1), (1, 9), (9, 1), (7, 6), (1, 6, 7)):
        x = np.full(shape, -1000.1, np.float32)
        np.testing.assert_allclose(FILTERS[name](x), x, rtol=1e-7)


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_one_value_that_is_not_finite_is_refused(name, bad):
    x = np.zeros((8, 8))
    x[2, 3] = bad
    with pytest.raises(ValueError, match=r"image expects finite values, got 1 that are NaN or infinite; fill them"):
        FILTERS[name](x)


@pytest.mark.parametrize("shape", [(9, 8), (5, 6, 4)])
def test_the_bilateral_filter_is_its_formula(shape):
    x = np.random.default_rng(2).normal(size=shape) * 10
    spacing, sigma = (2.0, 0.8, 1.0)[-len(shape) :], 1.3
    radii = [int(3 * sigma / h + 0.5) for h in spacing]
    padded = np.pad(x, [(r, r) for r in radii], "symmetric")
    expected = np.empty(shape)
    for place in np.ndindex(shape):
        above = below = 0.0
        for k in itertools.product(*(range(-r, r + 1) for r in radii)):
            q = padded[tuple(p + j + r for p, j, r in zip(place, k, radii))]
            w = np.exp(-sum((j * h) ** 2 for j, h in zip(k, spacing)) / (2 * sigma**2))
            w *= np.exp(-((x[place] - q) ** 2) / (2 * 7.0**2))
            above, below = above + w * q, below + w
        expected[place] = above / below
    np.testing.assert_allclose(bilateral_filter(x, 7.0, sigma, spacing), expected, rtol=1e-12)


def test_the_bilateral_filter_between_a_blur_and_nothing():
    from scipy.ndimage import gaussian_filter

    _, noisy, _ = scene(side=24)
    np.testing.assert_allclose(bilateral_filter(noisy, 1e9, 2), gaussian_filter(noisy, 2, truncate=3), rtol=1e-9)
    np.testing.assert_allclose(bilateral_filter(noisy, 1e-6, 2), noisy)
    np.testing.assert_array_equal(bilateral_filter(noisy, 10, 0), noisy)


@pytest.mark.parametrize("shape", [(11, 9), (5, 7, 6)])
def test_non_local_means_is_its_formula(shape):
    x = np.random.default_rng(3).normal(size=shape) * 5 - 700
    x[:, : shape[1] // 2] += 12
    sigma, patch, distance, strength = 4.0, 3, 2, 1.1
    padded = np.pad(x, distance + 1, "symmetric")

    def around(place):
        return padded[tuple(slice(c + distance, c + distance + patch) for c in place)]

    for place in [(0, 0, 0), (4, 3, 3), tuple(n - 1 for n in shape)]:
        place = place[: len(shape)]
        above = below = 0.0
        for k in itertools.product(range(-distance, distance + 1), repeat=len(shape)):
            q = tuple(p + j for p, j in zip(place, k))
            d2 = np.mean((around(place) - around(q)) ** 2)
            w = np.exp(-max(d2 - 2 * sigma**2, 0) / (strength * sigma) ** 2)
            above, below = above + w * padded[tuple(c + distance + 1 for c in q)], below + w
        assert non_local_means(x, sigma, patch, distance, strength)[place] == pytest.approx(above / below, rel=1e-12)


def test_non_local_means_finds_the_same_line_elsewhere():
    """A thin line is kept where a blur of the same noise would take most of it."""
    clean = np.zeros((64, 64))
    clean[:, 32] = 100
    noisy = clean + np.random.default_rng(6).normal(size=clean.shape) * SIGMA
    y = non_local_means(noisy, SIGMA, distance=10)
    assert y[5:-5, 32].mean() > 85 and (y - clean)[5:-5].std() < SIGMA / 2


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: bilateral_filter(x, 0, 1), "bilateral_filter: sigma_value expects a finite number above 0, got 0"),
        (lambda x: bilateral_filter(x, 1, -1), "bilateral_filter: sigma_space expects"),
        (lambda x: bilateral_filter(x, 1, 1, mode="constant"), "bilateral_filter: mode expects one of reflect"),
        (lambda x: bilateral_filter(x, 1, 1, mode="edge"), "bilateral_filter: mode expects one of reflect"),
        (lambda x: bilateral_filter(x, 1, 1, (1.0,)), "bilateral_filter: spacing_mm expects"),
        (lambda x: non_local_means(x, 0), "non_local_means: sigma expects"),
        (lambda x: non_local_means(x, 1, strength=np.nan), "non_local_means: strength expects"),
        (lambda x: non_local_means(x, 1, patch=4), "non_local_means: patch expects an odd whole number, got 4"),
        (lambda x: non_local_means(x, 1, patch=np.inf), "non_local_means: patch expects a whole number of at least 1"),
        (lambda x: non_local_means(x, 1, distance=0), "non_local_means: distance expects a whole number of at least 1"),
        (lambda x: non_local_means(x, 1, mode="constant"), "non_local_means: mode expects one of reflect"),
    ],
)
def test_refusals(call, text):
    with pytest.raises(ValueError, match=text):
        call(np.zeros((6, 6)))
