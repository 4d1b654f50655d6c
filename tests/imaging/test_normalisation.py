"""One scale for grey values: by hand, by scikit-image where it has the same, and on images whose truth is known."""

import numpy as np
import pytest

from mediml.imaging import (
    HistogramLandmarks,
    histogram_landmarks,
    match_histogram,
    percentile_scale,
    standardise,
    z_score,
)

LANDMARKS = HistogramLandmarks((0, 50, 100), (0, 40, 100))
FUNCTIONS = [
    z_score,
    percentile_scale,
    lambda x, mask=None: match_histogram(x, np.arange(100), mask),
    lambda x, mask=None: standardise(x, LANDMARKS, mask),
]
each_function = pytest.mark.parametrize("function", FUNCTIONS, ids=["z_score", "percentile", "match", "standardise"])


def noise(shape=(40, 50), seed=0, dtype=np.float32):
    return np.random.default_rng(seed).normal(100, 15, shape).astype(dtype)


@each_function
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_dtype_and_input(function, dtype):
    x = np.asarray(noise(), dtype)[::2, ::-3]
    x.flags.writeable = False
    before = x.copy()
    y = function(x)
    assert y.shape == x.shape and y.dtype == (np.float64 if dtype == np.float64 else np.float32)
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(y, function(np.ascontiguousarray(x)))
    assert not np.shares_memory(x, y)


@each_function
def test_order_of_grey_values_stays(function):
    x = np.sort(noise().ravel())
    assert (np.diff(function(x)) >= 0).all()


@each_function
def test_nan_stays_and_changes_nothing_else(function):
    x = noise()
    with_nan = np.concatenate([x, np.full((1, 50), np.nan, np.float32)])
    y = function(with_nan)
    assert np.isnan(y[-1]).all()
    np.testing.assert_array_equal(y[:-1], function(x))
    with_inf = function(np.concatenate([x, np.full((1, 50), np.inf, np.float32)]))
    np.testing.assert_array_equal(with_inf[:-1], y[:-1])


@each_function
def test_a_mask_decides_what_is_measured_and_all_is_mapped(function):
    body, x = np.zeros((40, 50), bool), noise()
    body[10:30] = True
    x[~body] = 0.01 * x[~body]
    y = function(x, mask=body)
    np.testing.assert_allclose(y[body], function(x[body]), rtol=1e-6, atol=1e-6)
    assert (y[~body] <= y[body].min()).all() and np.isfinite(y).all()


@each_function
def test_refusals(function):
    if function is not FUNCTIONS[2]:
        with pytest.raises(ValueError, match=r"expects values that differ, got 0\.1"):
            function(np.full((7, 9), np.float32(0.1)))
    with pytest.raises(ValueError, match="at least one finite value, got none"):
        function(np.array([np.nan, np.inf]))
    with pytest.raises(ValueError, match="mask expects the image's shape"):
        function(noise(), mask=np.ones((50, 40)))
    with pytest.raises(ValueError, match="at least one finite value under the mask"):
        function(noise(), mask=np.zeros((40, 50)))
    with pytest.raises(ValueError, match="at least 1 pixel"):
        function(np.zeros((0, 4)))


def test_z_score_by_hand():
    # mean 3, squares 4 1 0 1 4: variance 2
    np.testing.assert_allclose(z_score([1, 2, 3, 4, 5]), (np.arange(5) - 2) / np.sqrt(2), rtol=1e-6)
    np.testing.assert_allclose(z_score([[1, 3, 90]], [[1, 1, 0]]), [[-1, 1, 88]], rtol=1e-6)


def test_z_score_has_mean_0_and_std_1_again_and_again():
    y = z_score(noise((30, 40, 50)) + 1e4)  # a large mean: float32 sums would lose the small differences
    assert abs(y.mean(dtype=float)) < 1e-5 and abs(y.std(dtype=float) - 1) < 1e-5
    np.testing.assert_allclose(z_score(y), y, atol=1e-5)


def test_z_score_takes_gain_and_offset_away():
    np.testing.assert_allclose(z_score(3 * noise(dtype=float) - 20), z_score(noise(dtype=float)), rtol=1e-9, atol=1e-9)


def test_percentiles_by_hand():
    x = np.arange(101.0)  # the percentile p is p
    np.testing.assert_allclose(percentile_scale(x, 10, 60), np.clip((x - 10) / 50, 0, 1), atol=1e-12)
    np.testing.assert_allclose(percentile_scale(x, 10, 60, clip=False), (x - 10) / 50, atol=1e-12)
    np.testing.assert_allclose(percentile_scale(x, 0, 100), x / 100, atol=1e-12)


def test_percentiles_pass_over_a_marker_of_lead():
    x = noise((100, 100))
    marked = x.copy()
    marked[0, :5] = 60000
    inside = slice(1, None)
    np.testing.assert_allclose(percentile_scale(marked)[inside], percentile_scale(x)[inside], atol=0.02)
    assert percentile_scale(marked).max() == 1
    assert percentile_scale(marked, 0, 100)[inside].max() < 0.01  # what the marker does to the whole range


@pytest.mark.parametrize(("low", "high"), [(-1, 99), (50, 50), (99, 1), (0, 101), (np.nan, 99)])
def test_percentiles_out_of_order(low, high):
    with pytest.raises(ValueError, match="percentile_scale: low and high expect"):
        percentile_scale(noise(), low, high)


def test_percentiles_that_are_one_value():
    x = np.zeros(1000)
    x[:3] = 1
    with pytest.raises(ValueError, match="got 0 at both percentiles"):
        percentile_scale(x)


def test_matching_by_hand():
    # Shares of the image: 1/4, 1/2, 1 at 0, 1, 2; of the template: 1/2 at 10, 1 at 30.
    # 1/4 lies below the template's first: 10; 1/2: 10; 1: 30.
    np.testing.assert_array_equal(match_histogram([0, 1, 2, 2], [10, 10, 30, 30]), [10, 10, 30, 30])
    # 3/4 lies half-way between 1/2 and 1: 20
    np.testing.assert_array_equal(match_histogram([0, 1, 2, 3], [10, 10, 30, 30]), [10, 10, 20, 30])


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_matching_equals_scikit_image(dtype):
    exposure = pytest.importorskip("skimage.exposure")
    x, template = noise().astype(dtype), (noise((33, 21), 5) ** 1.2).clip(0, 255).astype(dtype)
    expected = exposure.match_histograms(x, template)
    np.testing.assert_allclose(match_histogram(x, template), expected, rtol=2e-7)


def test_matching_gives_the_templates_distribution_and_then_stays():
    x, template = noise((100, 100), dtype=float), np.random.default_rng(1).gamma(2, 30, (100, 100))
    y = match_histogram(x, template)
    np.testing.assert_allclose(np.sort(y.ravel()), np.sort(template.ravel()), rtol=1e-6)
    np.testing.assert_allclose(match_histogram(y, template), y, rtol=1e-6)
    np.testing.assert_allclose(match_histogram(x, x), x, rtol=1e-6)


def test_matching_under_masks_of_either():
    x, template = np.array([0.0, 5, 6, 7]), np.array([[900, 10], [20, 30]])
    y = match_histogram(x, template, mask=[0, 1, 1, 1], template_mask=[[0, 1], [1, 1]])
    np.testing.assert_allclose(y, [10, 10, 20, 30])
    with pytest.raises(ValueError, match=r"match_histogram \(template\): image expects at least one finite value"):
        match_histogram(x, [np.nan])


def test_landmarks_by_hand():
    # Percentiles 0, 50, 100 of the first: 0 5 10 -> 0 50 100; of the second: 100 120 200 -> 0 20 100. Mean: 0 35 100.
    learnt = histogram_landmarks([[0, 5, 10], [100, 120, 200]], percentiles=(0, 50, 100))
    assert learnt.percentiles == (0, 50, 100)
    np.testing.assert_allclose(learnt.values, (0, 35, 100))
    np.testing.assert_allclose(standardise([100.0, 120, 200], learnt), [0, 35, 100])
    np.testing.assert_allclose(
        standardise([0.0, 2, 10, 20], learnt, mask=[1, 1, 1, 0]), [0, 35, 100, 100 + 65 / 8 * 10]
    )
    np.testing.assert_allclose(standardise([-4.0, 0, 2, 10], learnt, mask=[0, 1, 1, 1]), [-70, 0, 35, 100])


def test_landmarks_are_means_over_all_images():
    # 0 50 100, 0 20 100 and 0 80 100 again: the mean of 50, 20, 80 and 80 is 57.5
    images = [[0, 5, 10], [100, 120, 200], [0, 8, 10], [-10, -2, 0]]
    np.testing.assert_allclose(histogram_landmarks(images, percentiles=(0, 50, 100)).values, (0, 57.5, 100))
    learnt = histogram_landmarks(images, percentiles=(0, 50, 100), scale=(-1, 1))
    np.testing.assert_allclose(learnt.values, (-1, 0.15, 1))
    masked = histogram_landmarks([[0, 5, 10, 900]], [[1, 1, 1, 0]], (0, 50, 100))
    np.testing.assert_allclose(masked.values, (0, 50, 100))


def test_landmarks_bring_scanners_together():
    """One tissue mixture seen by four scanners with other gains, offsets and gammas: white matter gets one value."""
    random = np.random.default_rng(3)
    tissue = np.repeat([20.0, 60.0, 100.0], (3000, 5000, 4000))
    images = []
    for gain, offset, exponent in ((1, 0, 1), (7, 30, 1), (0.3, 5, 0.8), (2, -10, 1.2)):
        images.append(gain * (tissue + random.normal(0, 3, tissue.size)).clip(1) ** exponent + offset)
    learnt = histogram_landmarks(images)
    before = np.array([image[-4000:].mean() for image in images])
    after = np.array([standardise(image, learnt)[-4000:].mean() for image in images])
    assert np.ptp(before) / before.mean() > 1 and np.ptp(after) / after.mean() < 0.02
    once = standardise(images[1], learnt)
    np.testing.assert_allclose(standardise(once, learnt), once, atol=1e-3)


def test_landmarks_of_few_grey_levels():
    x = np.repeat([0, 1, 2], 100)
    learnt = histogram_landmarks([x])
    y = standardise(x, learnt)
    assert np.isfinite(y).all() and (np.diff(y) >= 0).all() and y[0] < y[150] < y[-1]


def test_landmarks_refuse():
    with pytest.raises(ValueError, match="at least one image and a mask for each, got 0 and none"):
        histogram_landmarks([])
    with pytest.raises(ValueError, match="got 1 and 2"):
        histogram_landmarks([noise()], [noise(), noise()])
    with pytest.raises(ValueError, match="histogram_landmarks: image expects values that differ"):
        histogram_landmarks([noise(), np.ones((4, 4))])
    with pytest.raises(ValueError, match="percentiles expect to rise"):
        histogram_landmarks([noise()], percentiles=(10, 10, 99))
    with pytest.raises(ValueError, match="values expect finite numbers that rise"):
        histogram_landmarks([noise()], scale=(1, 0))
    with pytest.raises(ValueError, match="as many percentiles as values"):
        HistogramLandmarks((1, 99), (0, 1, 2))
    for wrong in ((0, 101), (-1, 50), (50, 1)):
        with pytest.raises(ValueError, match="percentiles expect to rise"):
            HistogramLandmarks(wrong, (0, 1))
