"""Augmentation: exact where it can be checked by hand, repeatable, and never a change of its input."""

import time

import numpy as np
import pytest

from mediml.data.augmentation import Augmentation, _resample


def _images(count=6, channels=1, size=28):
    return np.random.default_rng(0).normal(size=(count, channels, size, size)).astype(np.float32)


def _one(images, angle=0.0, scale=1.0, shift=(0.0, 0.0)):
    count = len(images)
    return _resample(images, np.full(count, angle), np.full(count, scale), np.tile(np.array(shift)[:, None], count))


def test_nothing_changes_with_ranges_of_zero():
    images = _images(channels=3)
    still = Augmentation(0, 0, 0, 0, 0)(images, np.random.default_rng(1))
    np.testing.assert_array_equal(still, images)


def test_quarter_turn_and_whole_shifts():
    images = _images()
    np.testing.assert_allclose(_one(images, angle=np.pi / 2), np.rot90(images, -1, (2, 3)), atol=1e-4)
    moved = _one(images, shift=(2 / 28, -3 / 28))
    np.testing.assert_allclose(moved[:, :, 2:, :-3], images[:, :, :-2, 3:], atol=1e-4)
    np.testing.assert_allclose(moved[:, :, 0, :-3], images[:, :, 0, 3:], atol=1e-4)  # the edge is repeated


def test_bilinear_on_a_ramp():
    rows, columns = np.mgrid[:28, :28].astype(np.float32)
    ramp = (3 * rows - 2 * columns)[None, None]
    moved = _one(ramp, shift=(0.5 / 28, 0.25 / 28))[0, 0]
    np.testing.assert_allclose(moved[1:-1, 1:-1], (3 * (rows - 0.5) - 2 * (columns - 0.25))[1:-1, 1:-1], atol=1e-3)
    larger = _one(ramp, scale=1.25)[0, 0]
    centre = 13.5
    expected = 3 * (centre + (rows - centre) / 1.25) - 2 * (centre + (columns - centre) / 1.25)
    np.testing.assert_allclose(larger[3:-3, 3:-3], expected[3:-3, 3:-3], atol=1e-3)


def test_against_scipy():
    ndimage = pytest.importorskip("scipy.ndimage")
    image = _images(1)[:, :, :, :20]  # not square
    angle, scale = 0.3, 0.9
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / scale
    centre = np.array([(28 - 1) / 2, (20 - 1) / 2])
    expected = ndimage.affine_transform(image[0, 0], matrix, centre - matrix @ centre, order=1, mode="nearest")
    np.testing.assert_allclose(_one(image, angle, scale)[0, 0], expected, atol=1e-4)


def test_gain_and_offset():
    images = _images()
    changed = Augmentation(0, 0, 0, 0.2, 0.3)(images, np.random.default_rng(2))
    for before, after in zip(images, changed):
        gain, offset = np.polyfit(before.ravel(), after.ravel(), 1)
        assert 0.8 <= gain <= 1.2 and -0.3 <= offset <= 0.3
        np.testing.assert_allclose(gain * before + offset, after, atol=1e-4)


def test_repeatable_and_each_image_by_itself():
    images = np.repeat(_images(1), 8, axis=0)
    before = images.copy()
    first = Augmentation()(images, np.random.default_rng(3))
    np.testing.assert_array_equal(first, Augmentation()(images, np.random.default_rng(3)))
    np.testing.assert_array_equal(images, before)
    assert len({image.tobytes() for image in first}) == 8
    assert first.dtype == np.float32 and np.isfinite(first).all()


def test_fast_enough():
    images, generator = _images(64), np.random.default_rng(0)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        Augmentation()(images, generator)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.05  # about 2 ms; the margin is for a busy machine


@pytest.mark.parametrize(("options", "text"), [({"scale": 1}, "less than 1"), ({"gain": -1}, "gain expects"),
                                               ({"shift": np.nan}, "shift expects")])  # fmt: skip
def test_refusals(options, text):
    with pytest.raises(ValueError, match=text):
        Augmentation(**options)
    with pytest.raises(ValueError, match=r"shape \(N, C, H, W\)"):
        Augmentation()(_images()[0], np.random.default_rng(0))
