"""A volume's place in the patient, by numbers that are known beforehand."""

import numpy as np
import pytest

from mediml.imaging import Volume, WindowView
from mediml.imaging.volume import axis_assignment, check_voxel_count, place_of


def volume(**changes):
    values = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)
    described = {
        "stored": values.astype(np.int16),
        "values": values,
        "spacing_mm": (5.0, 2.0, 0.5),
        "directions": ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)),
        "origin_mm": (-10.0, -20.0, 30.0),
    }
    return Volume(**(described | changes))


def test_the_affine_places_each_voxel():
    np.testing.assert_allclose(volume().affine @ (1, 2, 3, 1), (-10 + 3 * 0.5, -20 + 2 * 2, 30 + 5, 1))
    tilted = volume(directions=((0, -1, 0), (0, 0, -1), (1, 0, 0)))
    np.testing.assert_allclose(tilted.affine @ (1, 2, 3, 1), (-8.5, -25, 26, 1))


def test_the_axes_have_names():
    assert volume().axis_codes == ("H", "P", "L")
    assert volume(directions=((0, -1, 0), (0.1, 0, -0.9), (-1, 0, 0))).axis_codes == ("A", "F", "R")


def test_a_plane_is_an_image_in_its_place():
    plane = volume().plane(-1)
    assert plane.values[0, 0] == 12 and plane.spacing_mm == (2.0, 0.5) and plane.aspect == 4
    assert plane.origin_mm == (-10, -20, 35) and plane.orientation == (1, 0, 0, 0, 1, 0)
    with pytest.raises(ValueError, match="index expects 0 to 1, got 2"):
        volume().plane(2)


def test_size_and_display():
    assert volume().size_mm == (10, 6, 2)
    shown = volume(padding=np.arange(24).reshape(2, 3, 4) == 23, inverted=True).display()
    assert shown[0, 0, 0] == 1 and shown[1, 2, 2] == 0 and shown[1, 2, 3] == 0
    assert volume().display(WindowView(10, 10, "LINEAR_EXACT"))[0, 2, 2] == 0.5


def test_places_and_indices_are_inverse():
    tilted = volume(directions=((-0.36, 0.48, 0.8), (-0.48, 0.64, -0.6), (0.8, 0.6, 0.0)))
    # (-10, -20, 30) + 5 · (-.36, .48, .8) + 2 · 2 · (-.48, .64, -.6) + 3 · .5 · (.8, .6, 0)
    np.testing.assert_allclose(tilted.position_mm((1, 2, 3)), (-12.52, -14.14, 31.6))
    np.testing.assert_allclose(tilted.index_at((-12.52, -14.14, 31.6)), (1, 2, 3))
    np.testing.assert_allclose(tilted.index_at(tilted.position_mm(np.ones((2, 5, 3)))), np.ones((2, 5, 3)))
    np.testing.assert_allclose(volume().index_at((-10.25, -20, 30)), (0, 0, -0.5))


def test_axes_have_three_names_however_they_are_turned():
    half = np.sqrt(0.5)
    diagonal = ((0.0, 0.0, 1.0), (half, half, 0.0), (half, -half, 0.0))
    assert sorted(axis_assignment(diagonal)) == [0, 1, 2]
    # The third is nearest to z and goes first; both others are nearest to x, the second more so.
    assert axis_assignment(((0.7, 0.6, 0.3), (0.8, -0.5, 0.3), (0.1, 0.1, 0.99))) == (1, 0, 2)


def test_the_place_of_an_affine():
    spacing, directions, origin = place_of(volume().affine)
    assert (spacing, directions, origin) == (volume().spacing_mm, volume().directions, volume().origin_mm)


@pytest.mark.parametrize(
    ("affine", "reason"),
    [
        (np.eye(3), r"a matrix \(4, 4\)"),
        (np.diag([1, 1, 1, 2]), "last row 0, 0, 0, 1"),
        (np.diag([1, np.nan, 1, 1]), "finite numbers"),
        (np.diag([1, 0, 1, 1]), "three axes of some length"),
        (np.eye(4) + 0.01 * np.eye(4, k=1) * ([1], [0], [0], [0]), "at right angles, got a cosine of 0.01"),
    ],
)
def test_affines_that_are_no_place(affine, reason):
    with pytest.raises(ValueError, match=reason):
        place_of(affine)


def test_number_of_voxels():
    check_voxel_count((1024, 512, 512))
    with pytest.raises(ValueError, match="asks for 1025 × 512 × 512 voxels; at most 268435456"):
        check_voxel_count((1025, 512, 512))
    with pytest.raises(ValueError, match="at least one voxel"):
        check_voxel_count((4, 0, 4))
