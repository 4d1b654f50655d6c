"""Right is right: what is drawn where, and what the letters say, from directions by hand."""

from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest

from mediml.viewer.panes import Letters, affine, image_pane, letters, three_panes


@pytest.mark.parametrize(
    ("direction", "expected"),
    [
        ((1, 0, 0), "L"),
        ((-1, 0, 0), "R"),
        ((0, 1, 0), "P"),
        ((0, -1, 0), "A"),
        ((0, 0, 1), "H"),
        ((0, 0, -2), "F"),
        ((0.8, 0.6, 0), "LP"),
        ((-0.6, 0, -0.8), "FR"),
        ((0.96, 0.28, 0), "L"),  # 16 degrees: not worth a letter
        ((1, 1, -1), "LPF"),
    ],
)
def test_letters_of_a_direction(direction, expected):
    assert letters(direction) == expected


#: How radiologists hang the three planes: left, right, top, bottom.
EXPECTED = {
    "axial": Letters("R", "L", "A", "P"),
    "coronal": Letters("R", "L", "H", "F"),
    "sagittal": Letters("A", "P", "H", "F"),
}


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("signs", list(product((1, -1), repeat=3)))
def test_a_body_is_hung_alike_whichever_way_its_array_runs(build_volume, order, signs):
    """Values are the patient's x + 10 y + 100 z of the voxel; on screen they must grow as the letters say."""
    directions = tuple(tuple(float(sign * (k == axis)) for k in range(3)) for axis, sign in zip(order, signs))
    volume = build_volume(directions=directions, spacing_mm=(1.0, 1.0, 1.0), origin_mm=(0.0, 0.0, 0.0))
    grid = np.stack(np.meshgrid(*map(np.arange, volume.shape), indexing="ij"), axis=-1)
    volume = replace(volume, values=volume.position_mm(grid) @ (1.0, 10.0, 100.0))
    growth = {"axial": (1, 10), "coronal": (1, -100), "sagittal": (10, -100)}  # to the right, and down
    panes = three_panes(volume)
    assert [pane.name for pane in panes] == list(EXPECTED)
    for pane in panes:
        assert pane.letters == EXPECTED[pane.name] and not pane.oblique
        picture = pane.picture(volume.values, 1)
        assert np.unique(np.diff(picture, axis=1)).tolist() == [growth[pane.name][0]]
        assert np.unique(np.diff(picture, axis=0)).tolist() == [growth[pane.name][1]]
    assert sorted(pane.through for pane in panes) == [0, 1, 2]


def test_an_oblique_scan_says_so(build_volume):
    turn = np.radians(30)
    row, plane = (0.0, np.cos(turn), np.sin(turn)), (0.0, -np.sin(turn), np.cos(turn))
    panes = three_panes(build_volume(directions=(plane, row, (1.0, 0.0, 0.0))))
    assert all(pane.oblique for pane in panes)
    assert panes[0].letters == Letters("R", "L", "AF", "PH") and panes[2].letters == Letters("AF", "PH", "HA", "FP")


def test_an_image_takes_its_orientation_before_the_letters_of_its_header(image):
    assert image_pane(image).letters == Letters("R", "L", "H", "F")
    turned = replace(image, orientation=(-1.0, 0.0, 0.0, 0.0, 0.0, -1.0))
    assert image_pane(turned).letters == Letters("L", "R", "H", "F")


@pytest.mark.parametrize("text", ["", "L", "L/", "/F", "X/Y", "L/F/H"])
def test_without_a_known_orientation_there_are_no_letters(image, text):
    assert image_pane(replace(image, facts={"patient_orientation": text})).letters is None


@pytest.mark.parametrize("numbers", [(0.0,) * 6, (1.0, 0.0, 0.0, 1.0, 0.0, 0.0), (2.0, 0.0, 0.0, 0.0, 2.0, 0.0)])
def test_directions_that_are_none_give_no_letters(image, numbers):
    assert image_pane(replace(image, facts={}, orientation=numbers)).letters is None


def test_the_place_of_a_pixel(image):
    """Row direction (1, 0, 0), column direction (0, 0, -1), 0.4 mm between rows and 0.2 mm between columns."""
    placed = replace(
        image, orientation=(1.0, 0.0, 0.0, 0.0, 0.0, -1.0), origin_mm=(5.0, 6.0, 7.0), spacing_at="patient"
    )
    matrix = np.array(affine(placed))
    assert (matrix @ (0, 2, 3, 1)).tolist() == pytest.approx([5 + 3 * 0.2, 6, 7 - 2 * 0.4])


def test_a_detectors_pixels_have_no_place_in_the_patient(image):
    placed = {"orientation": (1.0, 0.0, 0.0, 0.0, 0.0, -1.0), "origin_mm": (5.0, 6.0, 7.0)}
    assert affine(replace(image, **placed)) is None
    assert affine(replace(image, spacing_at="patient", orientation=placed["orientation"])) is None
