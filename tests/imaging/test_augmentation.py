"""Random changes: repeatable, within their ranges, image and mask together, and what is said is what was done."""

import numpy as np
import pytest
from scipy import ndimage

from mediml.imaging import PairedAugmentation, flip, gamma, move

AXIAL = ("H", "P", "L")
STILL = PairedAugmentation(0, 0, 0, gain=0)
ALL = PairedAugmentation(
    0.3, 0.2, 6.0, elastic_mm=2.0, smoothness_mm=10.0, flip_axes=(0, 2), swap=((1, 2),), gamma=0.5,
    value_range=(0.0, 1.0), gain=0.2, offset=0.1, noise=0.05,
)  # fmt: skip


def generator(seed=0):
    return np.random.default_rng(seed)


def pair(shape=(8, 24, 20)):
    image = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal(shape), 2)
    image = ((image - image.min()) / np.ptp(image)).astype(np.float32)
    return image, np.digitize(image, (0.5, 0.6, 0.7)).astype(np.int16)


def test_nothing_asked_for_changes_nothing():
    image, mask = pair()
    result = STILL(image, mask, generator())
    np.testing.assert_allclose(result.image, image, atol=1e-6)
    np.testing.assert_array_equal(result.mask, mask)
    assert result.done == {
        "flipped": (), "rotation_rad": (0, 0, 0), "scale": 1, "shift_mm": (0, 0, 0), "elastic_mm": 0, "gamma": 1,
        "gain": 1, "offset": 0, "noise": 0,
    }  # fmt: skip
    assert result.displacement_mm is None and not np.shares_memory(result.image, image)


def test_the_same_seed_gives_the_same_and_another_gives_another():
    first, second, third = (ALL(*pair(), generator(seed), 2.0, AXIAL) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.mask, second.mask)
    assert first.done == second.done and first.done != third.done
    assert not np.array_equal(first.mask, third.mask)


def test_what_is_said_is_what_was_done():
    """The account is enough to do it again by hand."""
    amplitudes = []
    for seed in range(8):
        image, mask = pair()
        result = ALL(image, mask, generator(seed), (3.0, 1.0, 1.0), AXIAL)
        done = result.done
        for axis in done["flipped"]:
            image, mask = flip(image, mask, axis, axis_codes=AXIAL, swap=((1, 2),))
        moves = {name: done[name] for name in ("rotation_rad", "scale", "shift_mm")}
        image, mask = move(image, mask, spacing_mm=(3.0, 1.0, 1.0), displacement_mm=result.displacement_mm, **moves)
        np.testing.assert_array_equal(result.mask, mask)
        exposed = gamma(image, done["gamma"]) * done["gain"] + done["offset"]
        left = result.image - exposed
        assert left.std() == pytest.approx(done["noise"], rel=0.05) and abs(left.mean()) < 0.1 * done["noise"]
        amplitudes.append(np.square(result.displacement_mm).mean() / done["elastic_mm"] ** 2)
    assert np.mean(amplitudes) == pytest.approx(1, abs=0.3)  # few waves fit into the image: single ones scatter


def test_values_lie_within_their_ranges_and_use_them():
    drawn = [ALL(*pair((4, 6, 6)), generator(seed), 1.0, AXIAL).done for seed in range(300)]
    limits = {
        "scale": (0.8, 1.2), "elastic_mm": (0, 2), "gamma": (np.exp(-0.5), np.exp(0.5)), "gain": (0.8, 1.2),
        "offset": (-0.1, 0.1), "noise": (0, 0.05), "rotation_rad": (-0.3, 0.3), "shift_mm": (-6, 6),
    }  # fmt: skip
    for name, (low, high) in limits.items():
        values = np.array([done[name] for done in drawn])
        assert low <= values.min() < low + 0.1 * (high - low) and high - 0.1 * (high - low) < values.max() <= high
    flips = np.array([[axis in done["flipped"] for axis in range(3)] for done in drawn]).mean(0)
    assert flips[1] == 0 and (np.abs(flips[[0, 2]] - 0.5) < 0.1).all()


def test_one_range_can_be_changed_without_changing_the_rest():
    few = PairedAugmentation(rotation_rad=0.3, scale=0.2, shift_mm=6.0, gain=0.2, noise=0.05)
    one, all_of_them = few(*pair(), generator(5)), ALL(*pair(), generator(5), 1.0, AXIAL)
    for name in ("rotation_rad", "scale", "shift_mm", "gain", "noise"):
        assert one.done[name] == all_of_them.done[name]
    source, other = generator(5), generator(5)
    few(*pair(), source)
    ALL(*pair(), other, 1.0, AXIAL)
    assert source.random() == other.random()


def test_labels_stay_labels_and_go_with_the_image():
    image, mask = pair((12, 40, 40))
    moving = PairedAugmentation(0.3, 0.2, 6.0, elastic_mm=1.5, smoothness_mm=10, gain=0)
    for seed in range(4):
        result = moving(image, mask, generator(seed), (2.0, 1.0, 1.0))
        assert set(np.unique(result.mask)) <= {0, 1, 2, 3} and result.mask.dtype == mask.dtype
        assert ((result.image > 0.5) == (result.mask > 0)).mean() > 0.95
        assert ((image > 0.5) == (result.mask > 0)).mean() < 0.85


def test_exposure_changes_the_image_only():
    image, mask = pair()
    exposing = PairedAugmentation(0, 0, 0, gamma=0.5, value_range=(0, 1), gain=0.3, offset=0.2, noise=0.02)
    result = exposing(image, mask, generator(1))
    np.testing.assert_array_equal(result.mask, mask)
    assert not np.allclose(result.image, image) and result.image.dtype == np.float32


def test_noise_has_its_standard_deviation():
    result = PairedAugmentation(0, 0, 0, gain=0, noise=20.0)(np.zeros((200, 200)), None, generator(3))
    assert result.image.std() == pytest.approx(result.done["noise"], rel=0.02) and result.mask is None
    assert result.image.dtype == np.float64


def test_noise_knows_nothing_of_the_displacement():
    bending = PairedAugmentation(0, 0, 0, elastic_mm=2.0, smoothness_mm=8.0, gain=0, noise=20.0)
    result = bending(np.zeros((200, 200), np.float32), None, generator(3))
    smoothed = ndimage.gaussian_filter(result.image, 8, mode="wrap")
    assert abs(np.corrcoef(smoothed.ravel(), result.displacement_mm[0].ravel())[0, 1]) < 0.5


def test_a_mirror_from_left_to_right_is_refused_whatever_is_drawn():
    mirroring = PairedAugmentation(0, 0, 0, flip_axes=(2,))
    for seed in range(6):
        with pytest.raises(ValueError, match="axis 2 leads from left to right"):
            mirroring(*pair(), generator(seed), axis_codes=AXIAL)
        with pytest.raises(ValueError, match="may lead from left to right"):
            mirroring(*pair(), generator(seed))
    upright = PairedAugmentation(0, 0, 0, flip_axes=(1,), gain=0)
    results = [upright(*pair(), generator(seed), axis_codes=AXIAL) for seed in range(8)]
    assert {result.done["flipped"] for result in results} == {(), (1,)}
    symmetric = PairedAugmentation(0, 0, 0, flip_axes=(-1, 2), laterality_matters=False, gain=0)
    for seed in range(8):
        result = symmetric(*pair(), generator(seed))
        expected = pair()[1][:, :, ::-1] if result.done["flipped"] else pair()[1]
        np.testing.assert_array_equal(result.mask, expected)
        assert result.done["flipped"] in ((), (2,))


def test_one_image_of_two_dimensions():
    image, mask = pair((30, 20))
    image.flags.writeable = mask.flags.writeable = False
    before = image.copy()
    result = PairedAugmentation()(image[:, ::-1], mask[:, ::-1], generator(), (0.5, 1.0))
    assert result.image.shape == (30, 20) and isinstance(result.done["rotation_rad"], float)
    np.testing.assert_array_equal(image, before)
    assert PairedAugmentation(fill=-1000.0, shift_mm=50)(image, None, generator(1)).image.min() < -800


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rotation_rad": -1}, "rotation_rad expects a finite number of at least 0, got -1"),
        ({"shift_mm": np.nan}, "shift_mm expects a finite number"),
        ({"noise": np.inf}, "noise expects a finite number"),
        ({"scale": 1}, "scale expects less than 1"),
        ({"elastic_mm": 6}, "elastic_mm expects at most a quarter of smoothness_mm"),
        ({"gamma": 0.2}, "gamma expects value_range"),
        ({"value_range": (1, 0)}, "value_range expects two finite numbers"),
        ({"swap": ((1, 2), (2, 3))}, "swap expects pairs"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ValueError, match="PairedAugmentation: " + message):
        PairedAugmentation(**options)


def test_call_refuses():
    with pytest.raises(ValueError, match="image expects 2 or 3 axes"):
        STILL(np.zeros(3), None, generator())
    with pytest.raises(ValueError, match="mask expects whole numbers"):
        STILL(np.zeros((3, 3)), np.zeros((3, 3)), generator())
    with pytest.raises(ValueError, match="gamma: image expects values from 0 to 1"):
        PairedAugmentation(gamma=0.2, value_range=(0, 1))(np.full((3, 3), 40), None, generator())
    with pytest.raises(ValueError, match=r"flip_axes expects axes from 0 to 1, got \(2,\)"):
        PairedAugmentation(flip_axes=(2,), laterality_matters=False)(np.zeros((3, 3)), None, generator())
