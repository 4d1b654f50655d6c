"""Endoscopy-like pictures: geometry of the view, surface and polyp, light, seeds."""

import math

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from mediml.imaging.phantoms import endoscopy_picture
from mediml.imaging.phantoms.endoscopy import _rays, _Scene


@pytest.fixture(scope="module")
def polyp():
    return endoscopy_picture(0, 2, finding="polyp", diameter_mm=11, size=160)


@pytest.fixture(scope="module")
def healthy():
    return endoscopy_picture(0, 2, size=160)


def places(picture, mask):
    rays, _ = _rays(160, 120.0)
    return rays[:, mask] * picture.depth_mm[mask]


def test_the_field_of_view():
    rays, view = _rays(101, 120.0)
    np.testing.assert_allclose(rays[:, 50, 50], (0, 0, 1), atol=1e-12)
    np.testing.assert_allclose((rays**2).sum(0), 1)
    right = rays[:, 50, 75]  # halfway to the edge, half the angle
    assert math.degrees(math.atan2(right[0], right[2])) == pytest.approx(60 * 50 / 101, abs=0.01)
    assert rays[1, 90, 50] > 0 > rays[1, 10, 50]  # rows go down
    assert view[50, 50] and not view[0, 0]


def test_the_depth_ends_on_the_surface(polyp):
    scene = _Scene((0, 2), "polyp", 11)
    seen = np.isfinite(polyp.depth_mm)
    assert seen.mean() > 0.7 and not seen[~polyp.masks["view"]].any()
    gap = np.abs(scene.distance(places(polyp, seen)))
    assert np.percentile(gap, 99) < 0.1
    assert 5 < np.median(polyp.depth_mm[seen]) < 60


def test_the_polyp_is_a_ball_of_its_size(polyp):
    assert polyp.diameter_mm == 11 and polyp.centre_mm[2] > 5
    on_it = places(polyp, polyp.masks["finding"])
    assert on_it.shape[1] > 60
    off = np.linalg.norm(on_it - np.array(polyp.centre_mm)[:, None], axis=0) - 5.5
    assert np.abs(off).max() < 2.0 and np.abs(np.median(off)) < 0.8
    direction = np.array(polyp.centre_mm) / np.linalg.norm(polyp.centre_mm)
    rays, _ = _rays(160, 120.0)
    row, column = np.unravel_index(np.argmax(np.tensordot(direction, rays, 1)), (160, 160))
    assert binary_dilation(polyp.masks["finding"], iterations=3)[row, column]


def test_the_rest_is_the_same_without_the_polyp(polyp, healthy):
    near = binary_dilation(polyp.masks["finding"], iterations=8)
    same = ~near & np.isfinite(healthy.depth_mm)
    assert np.percentile(np.abs(polyp.depth_mm[same] - healthy.depth_mm[same]), 99) < 0.2
    differs = np.abs(polyp.image.values - healthy.image.values).max(2)
    assert np.median(differs[same]) < 2 < 15 < np.median(differs[polyp.masks["finding"]])
    assert "finding" not in healthy.masks and healthy.diameter_mm is None


def test_the_light_falls_with_the_square_of_the_distance():
    scene = _Scene((0, 2), None, None)
    scene.distance = lambda place: 400.0 + 0 * place[0] - place[2]  # a white wall, square to the view
    scene._colour = lambda place: np.ones((place.shape[1], 3))
    scene.grain = lambda *place: 0 * place[0]
    ahead = np.array([[0.0, 0.0], [0.0, 0.0], [1.0, 1.0]])
    near, far = scene.light(ahead, np.array([30.0, 60.0]))
    np.testing.assert_allclose(near / far, 4)


def test_mucosa_is_red_and_the_lumen_dark(healthy):
    values, seen = healthy.image.values, healthy.masks["view"]
    red, green, blue = (np.median(values[seen][:, k]) for k in range(3))
    assert red > green + 15 > blue + 20
    depth = np.where(seen, healthy.depth_mm, np.nan)
    deep = depth > np.nanpercentile(depth, 92)
    assert values[deep].mean() < 0.5 * values[seen].mean()


def test_the_image_says_what_it_is(polyp):
    image = polyp.image
    assert image.modality == "ES" and image.stored.dtype == np.uint8 and not image.is_grey
    assert image.shape == (160, 160) and (image.stored[~polyp.masks["view"]] == 0).all()
    assert not (polyp.masks["finding"] & ~polyp.masks["view"]).any()


def test_seeds(healthy):
    np.testing.assert_array_equal(endoscopy_picture(0, 2, size=160).image.stored, healthy.image.stored)
    other = endoscopy_picture(0, 3, size=160).image.values
    assert np.abs(other - healthy.image.values).mean() > 5


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"index": -1}, "seed and index expect numbers from 0"),
        ({"finding": "ulcer"}, "finding expects None or one of polyp, got 'ulcer'"),
        ({"diameter_mm": 5}, "diameter_mm expects 3 to 20 with a polyp, got 5 with None"),
        ({"diameter_mm": 50, "finding": "polyp"}, "diameter_mm expects 3 to 20"),
        ({"size": 8}, "size >= 32"),
        ({"angle_deg": 200}, "angle_deg from 40 to 160"),
    ],
)
def test_a_picture_is_refused(changes, text):
    with pytest.raises(ValueError, match=text):
        endoscopy_picture(**changes)
