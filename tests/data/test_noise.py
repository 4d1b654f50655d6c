"""The low-dose model: its mean and spread follow from the physics, and the clean image stays as it was."""

import numpy as np
import pytest

from mediml.data.noise import best_gaussian, gaussian, low_dose, low_dose_data
from mediml.data.synthetic import chest_xrays


@pytest.mark.parametrize("value", [0.2, 0.5, 0.8])
def test_mean_and_spread_follow_from_beer_and_lambert(value):
    photons, attenuation = 1e5, 4.0
    noisy = low_dose(np.full((1, 200, 200), value), photons, seed=1)
    spread = np.exp(attenuation * value / 2) / (photons**0.5 * attenuation)
    assert noisy.dtype == np.float32
    assert float(noisy.std()) == pytest.approx(spread, rel=0.03)
    assert float(noisy.mean()) == pytest.approx(value, abs=4 * spread / 200 + spread**2 * attenuation)


def test_half_the_photons_twice_the_variance():
    image = np.full((1, 300, 300), 0.5)
    few, many = (low_dose(image, photons, seed=2).var() for photons in (5e3, 1e4))
    assert few / many == pytest.approx(2, rel=0.05)


def test_noise_is_strongest_where_few_photons_come_through():
    noisy = low_dose(np.repeat([[0.1, 0.5, 0.9]], 5000, 0)[None], 2000)
    spreads = noisy[0].std(0)
    assert spreads[0] < spreads[1] < spreads[2]


def test_a_pixel_without_a_photon_is_white():
    noisy = low_dose(np.ones((1, 50, 50)), 1.0, seed=3)  # 0.02 photons are expected
    assert (noisy == np.float32(-np.log(0.5) / 4)).mean() > 0.9
    assert noisy.min() == 0  # one photon of one: nothing was in its way
    assert low_dose(np.ones((1, 50, 50)), 1e4).max() == 1


def test_the_noise_of_an_image_is_its_own():
    images = chest_xrays(6, 32, seed=1).images / 255
    few, many = low_dose(images[:3], 300, seed=5), low_dose(images, 300, seed=5)
    np.testing.assert_array_equal(few, many[:3])
    same = low_dose(np.repeat(images[:1], 2, 0), 300, seed=5)
    assert (same[0] != same[1]).mean() > 0.9 and (few != low_dose(images[:3], 300, seed=6)).mean() > 0.9


def test_pairs_of_other_patients():
    data = low_dose_data(8, 4, 5, size=28, photons=400, seed=2)
    xrays = chest_xrays(17, 28, seed=2)
    assert [len(split) for split in (data.train, data.val, data.test)] == [8, 4, 5] and data.photons == 400
    np.testing.assert_array_equal(data.test.clean[:, 0], xrays.images[12:] / np.float32(255))
    np.testing.assert_array_equal(data.val.opacity, xrays.opacity[8:12])
    np.testing.assert_array_equal(data.train.labels, xrays.labels[:8])
    for split in (data.train, data.val, data.test):
        assert split.noisy.shape == split.clean.shape and split.noisy.dtype == split.clean.dtype == np.float32
        assert split.noisy.min() >= 0 and split.noisy.max() <= 1
        assert 0.02 < (split.noisy - split.clean).std() < 0.2


def test_the_first_pairs_stay_when_a_set_grows():
    small, large = low_dose_data(5, 1, 1, seed=4), low_dose_data(9, 1, 1, seed=4)
    np.testing.assert_array_equal(small.train.noisy, large.train.noisy[:5])


def test_the_classical_filter_helps_and_is_chosen_by_error():
    data = low_dose_data(60, 1, 40, photons=300)
    sigma = best_gaussian(data.train)
    error = [float(np.mean((gaussian(data.test.noisy, s) - data.test.clean) ** 2)) for s in (0, sigma, 2.5)]
    assert 0.4 < sigma < 1.5 and error[1] < 0.6 * error[0] and error[1] < error[2]
    np.testing.assert_array_equal(gaussian(data.test.noisy, 0), data.test.noisy)
    flat = np.full((2, 1, 9, 9), 0.5, np.float32)
    flat[1] = 0.25
    np.testing.assert_allclose(gaussian(flat, 1.3), flat, rtol=1e-6)  # images and channels do not mix


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: low_dose(np.zeros((1, 4, 4)), 0), "photons > 0"),
        (lambda: low_dose(np.zeros((1, 4, 4)), float("nan")), "photons > 0"),
        (lambda: low_dose(np.zeros((1, 4, 4)), 10, attenuation=-1), "attenuation > 0"),
        (lambda: low_dose(np.zeros((1, 4, 4)), 10, seed=-1), "seed >= 0"),
        (lambda: low_dose(np.full((1, 4, 4), 128), 10), "divide 8-bit images by 255"),
        (lambda: low_dose(np.full((1, 4, 4), np.nan), 10), "values from 0 to 1"),
        (lambda: low_dose(np.zeros(4), 10), r"shape \(N, …\)"),
        (lambda: low_dose_data(0), "at least 1 pair"),
        (lambda: gaussian(np.zeros((1, 4, 4), np.float32), -1), "sigma expects"),
    ],
)
def test_refusals(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_training_without_opacities_leaves_the_test_split_as_it_is():
    usual, taught = low_dose_data(12, 6, 10, seed=5), low_dose_data(12, 6, 10, seed=5, train_prevalence=0.0)
    for split in ("train", "val"):
        without, both = getattr(taught, split), getattr(usual, split)
        assert not without.labels.any() and not without.opacity.any() and both.labels.any()
        same = both.labels == 0
        np.testing.assert_array_equal(without.clean[same], both.clean[same])
        assert (without.clean[~same] <= both.clean[~same]).all() and (without.clean[~same] != both.clean[~same]).any()
    for name in ("clean", "noisy", "labels", "opacity"):
        np.testing.assert_array_equal(getattr(taught.test, name), getattr(usual.test, name))
    assert taught.name.endswith("0 of the training images with an opacity") and "opacity" not in usual.name
