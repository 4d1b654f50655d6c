"""Noise of known strength, and magnitude images made as a scanner makes them."""

import numpy as np
import pytest
from scipy import stats

from mediml.imaging.noise import CLIPPED_MEDIAN, NORMAL_MEDIAN, correct_rician_bias, estimate_noise, rician_mean


def scene(shape=(160, 170)):
    """Discs, a ramp and a fine grid, with values such as HU."""
    rows, columns = np.indices(shape)
    x = np.where((rows - 70) ** 2 + (columns - 80) ** 2 < 50**2, 40.0, -1000.0)
    x[(rows - 60) ** 2 + (columns - 70) ** 2 < 15**2] = 300
    x[120:150] += columns[120:150] * 2.0
    x[10:30, 10:40:4] += 500
    return x


@pytest.mark.parametrize("sigma", [0.5, 5.0, 40.0])
@pytest.mark.parametrize("kind", ["picture", "volume", "float32", "flat"])
def test_noise_of_known_strength(kind, sigma):
    x = np.zeros((160, 170)) if kind == "flat" else scene()
    if kind == "volume":
        x = np.stack([x[:90, :80], x[::-1][:90, :80], x[40:130, 60:140]])  # slices that share nothing
    noisy = x + np.random.default_rng(0).normal(size=x.shape) * sigma
    noisy = noisy.astype(np.float32) if kind == "float32" else noisy
    assert estimate_noise(noisy) == pytest.approx(sigma, rel=0.05)


def test_the_median_of_what_is_left_of_a_normal_distribution():
    assert stats.halfnorm.ppf(0.5) == pytest.approx(NORMAL_MEDIAN)
    assert stats.halfnorm.ppf(0.5 * stats.halfnorm.cdf(3)) == pytest.approx(CLIPPED_MEDIAN, abs=1e-6)


def test_noise_by_hand():
    x = np.zeros((3, 3))
    x[1, 1] = 6 * 0.6744897501960817
    assert estimate_noise(x) == pytest.approx(
        4, rel=0.005
    )  # 4 x / (6 * 0.6745); 0.6724 without what lies beyond 3 sigma


def test_padding_does_not_count():
    x = np.full((128, 128), -2000.0)
    x[20:100, 20:100] = np.random.default_rng(1).normal(size=(80, 80)) * 10
    assert estimate_noise(x) == pytest.approx(10, rel=0.08)  # windows across the border hold less noise
    assert estimate_noise(np.full((5, 5), 7)) == 0.0


def test_the_mask_says_where():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(100, 200))
    x[:, 100:] *= 30
    right = np.zeros(x.shape, bool)
    right[:, 100:] = True
    assert estimate_noise(x, right) == pytest.approx(30, rel=0.05)
    assert estimate_noise(x, ~right) == pytest.approx(1, rel=0.05)
    x[:, :100] = np.nan  # outside the mask anything may stand
    assert estimate_noise(x, right) == pytest.approx(30, rel=0.05)
    with pytest.raises(ValueError, match="finite values"):
        estimate_noise(x)


def test_smoothed_noise_is_underestimated_as_the_text_says():
    x = np.random.default_rng(3).normal(size=(200, 200))
    smooth = (x[1:, 1:] + x[:-1, 1:] + x[1:, :-1] + x[:-1, :-1]) / 4
    assert smooth.std() == pytest.approx(0.5, rel=0.03)
    assert estimate_noise(smooth) < 0.35


@pytest.mark.parametrize("signal", [0.0, 0.3, 1.0, 2.5, 10.0, 60.0])
def test_the_mean_of_magnitudes(signal):
    sigma = 2.0
    expected = stats.rice(signal, scale=sigma).mean() if signal < 30 else sigma * (signal + 1 / (2 * signal))
    assert rician_mean(signal * sigma, sigma) == pytest.approx(expected, rel=1e-6)
    rng = np.random.default_rng(4)
    scans = np.hypot(signal * sigma + sigma * rng.normal(size=200_000), sigma * rng.normal(size=200_000))
    assert rician_mean(signal * sigma, sigma) == pytest.approx(scans.mean(), rel=0.005)
    assert correct_rician_bias(expected, sigma) == pytest.approx(signal * sigma, abs=2e-4)


def test_without_signal_the_mean_is_that_of_rayleigh():
    assert rician_mean(0, 3.0) == pytest.approx(3 * np.sqrt(np.pi / 2))
    np.testing.assert_array_equal(correct_rician_bias([0, 2, 3 * 1.2533, -5], 3.0), 0)


def test_averaged_scans_come_back_to_the_truth():
    rng = np.random.default_rng(5)
    truth = np.repeat([0.0, 5.0, 10.0, 20.0, 100.0], 200).reshape(5, 200)
    scans = np.hypot(truth + 10 * rng.normal(size=(400, 5, 200)), 10 * rng.normal(size=(400, 5, 200)))
    mean = scans.mean(axis=(0, 2))
    assert mean[1] > 12.5  # two and a half times the signal
    corrected = correct_rician_bias(mean, 10.0)
    assert corrected[0] < 2.5
    np.testing.assert_allclose(corrected[1:], truth[1:, 0], rtol=0.05)


def test_dtypes_and_nan():
    x = np.array([[1, 50, 3000]], np.int16)
    assert correct_rician_bias(x, 2.0).dtype == rician_mean(x, 2.0).dtype == np.float32
    assert correct_rician_bias(x.astype(float), 2.0).dtype == np.float64
    back = correct_rician_bias(rician_mean(np.linspace(0, 100, 500), 1.0), 1.0)
    np.testing.assert_allclose(back, np.linspace(0, 100, 500), atol=1e-4)
    assert np.isnan(correct_rician_bias([np.nan, 5.0], 1.0)).tolist() == [True, False]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: estimate_noise(np.zeros((2, 9))), "estimate_noise: image expects at least 3 rows and 3 columns"),
        (lambda: estimate_noise(np.zeros((4, 4)), np.zeros((4, 5))), "mask expects the image's shape"),
        (lambda: estimate_noise(np.zeros((4, 4)), np.eye(4)), "mask expects at least one 3 × 3 window inside"),
        (lambda: rician_mean(-1, 1.0), "rician_mean: signal expects values of at least 0"),
        (lambda: rician_mean(1, 0.0), "rician_mean: sigma expects"),
        (lambda: correct_rician_bias(1, np.nan), "correct_rician_bias: sigma expects"),
    ],
)
def test_refusals(call, text):
    with pytest.raises(ValueError, match=text):
        call()
