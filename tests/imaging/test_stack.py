"""Grids fitted to positions that are known by hand, without files."""

import numpy as np
import pytest

from mediml.imaging import SeriesError
from mediml.imaging.stacking.stack import fit_grid, rounding_mm, same_place, unit_directions

AXIAL = (1, 0, 0, 0, 1, 0)


def along_z(*depths):
    return [(0.0, 0.0, depth) for depth in depths]


def grid(*depths, spacing=(1.0, 1.0)):
    return fit_grid(AXIAL, along_z(*depths), spacing)


def test_planes_and_step():
    found = grid(30, 10, 20)
    assert found.planes.tolist() == [2, 0, 1] and found.step_mm == 10 and found.first == 1
    assert found.count == 3 and found.missing == 0 and found.tilt_degrees == 0


@pytest.mark.parametrize(
    ("depths", "planes"),
    [((0, 1, 3), [0, 1, 3]), ((0, 2, 3), [0, 2, 3]), ((0, 1, 2, 9), [0, 1, 2, 9]), ((0, 2, 4, 6, 7, 8, 9), None)],
)
def test_gaps(depths, planes):
    found = grid(*depths)
    assert found.step_mm == 1
    if planes is not None:
        assert found.planes.tolist() == planes
    assert found.missing == max(depths) + 1 - len(depths)


@pytest.mark.parametrize("depths", [(0, 1, 1.5, 2.5), (0, 1, 2, 3.2), (0, 1, 2.1, 3), (0, 0.02, 5, 10)])
def test_no_regular_step(depths):
    with pytest.raises(SeriesError, match="no regular step"):
        grid(*depths)


def test_how_far_a_slice_may_be_off():
    assert grid(0, 10.5, 20).step_mm == 10  # 5 % of the step
    with pytest.raises(SeriesError, match=r"9\.48 to 10\.52 mm apart"):
        grid(0, 10.52, 20)


def test_shifts_within_the_plane():
    found = fit_grid(AXIAL, [(0, 0, 0), (0.3, 0, 2), (0.6, -0.8, 4)], (1.0, 1.0))
    np.testing.assert_allclose(found.shifts_mm, [(0, 0), (0, 0.3), (-0.8, 0.6)])  # along rows, along columns
    assert found.tilt_degrees == pytest.approx(np.degrees(np.arctan2(1, 4)))
    assert not found.is_straight((1, 1)) and found.is_straight((3.2, 2.4)) and not found.is_straight((3.2, 2.3))


def test_equal_places():
    assert same_place(AXIAL, along_z(5, 0, 5.009, 0.02), (1, 1)).tolist() == [2, 0, 2, 1]
    assert same_place(AXIAL, along_z(0, 0.005), (0.01, 0.02)).tolist() == [0, 1]  # a microscope's pixels
    assert rounding_mm((0.7, 0.7)) == 0.01 and rounding_mm((0.01, 0.02)) == pytest.approx(0.0002)


def test_directions_are_made_orthonormal():
    row, column, normal = unit_directions((0.9999, 0.0141, 0, -0.0136, 0.9999, 0.0005))
    matrix = np.stack([row, column, normal])
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-15)
    np.testing.assert_allclose(row, (0.9999, 0.0141, 0), atol=1e-3)
    assert np.linalg.det(matrix) == pytest.approx(1)
    for wrong in ((1.002, 0, 0, 0, 1, 0), (1, 0, 0, 0, 0.998, 0), (1, 0, 0, 0.002, 1, 0)):
        with pytest.raises(SeriesError, match="two unit vectors at right angles"):
            unit_directions(wrong)
