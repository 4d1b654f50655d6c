"""A volume's place in the patient, by numbers that are known beforehand."""

import numpy as np
import pytest

from mediml.imaging import Volume, WindowView


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
