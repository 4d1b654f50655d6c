import numpy as np
import pytest

from mediml.imaging import reorient
from mediml.viewer.labels import COLOURS, label_sizes, labels_of, on_grid
from mediml.viewer.scene import build_scene


def test_sizes_by_hand(volume):
    mask = np.zeros(volume.shape, np.int16)
    mask[0, 0, :3], mask[3, 4, 5] = 1, 9
    sizes = label_sizes(labels_of(mask, build_scene(volume)), build_scene(volume))
    # 3 voxels of 5 × 2 × 1 mm are 30 mm³ = 0.03 ml; label 9 has the colour of label 2.
    assert [(s["label"], s["voxels"], s["ml"]) for s in sizes] == [(1, 3, pytest.approx(0.03)), (9, 1, 0.01)]
    assert [s["colour"] for s in sizes] == [COLOURS[0], COLOURS[1]]


def test_a_plane_is_enough_for_an_image(image):
    scene = build_scene(image)
    assert labels_of(np.eye(3, 4), scene).shape == (1, 3, 4)
    assert label_sizes(labels_of(np.eye(3, 4, dtype=bool), scene), scene) == [
        {"label": 1, "colour": COLOURS[0], "voxels": 3, "ml": None}
    ]


def test_every_nth_plane_of_the_mask_goes_with_that_of_the_volume(volume):
    mask = np.arange(4).reshape(4, 1, 1) * np.ones(volume.shape, int)
    assert labels_of(mask, build_scene(volume, every=3))[:, 0, 0].tolist() == [0, 3]


@pytest.mark.parametrize(
    ("mask", "text"),
    [
        (np.zeros((4, 5, 7), int), r"mask expects the shape of the image \(4, 5, 6\), got \(4, 5, 7\)"),
        (np.full((4, 5, 6), 0.5), "whole numbers, got fractions"),
        (np.full((4, 5, 6), 256), "labels from 0 to 255, got 256 to 256"),
        (np.full((4, 5, 6), -1), "labels from 0 to 255"),
        (np.full((4, 5, 6), "a"), "whole numbers, got dtype"),
    ],
)
def test_what_is_no_mask(volume, mask, text):
    with pytest.raises(ValueError, match=text):
        labels_of(mask, build_scene(volume))


@pytest.mark.parametrize("codes", ["HPL", "FAR", "LPH", "PRF"])
def test_a_mask_with_other_axes_is_brought_onto_the_grid(volume, codes):
    assert np.array_equal(on_grid(reorient(volume, codes), volume), volume.values)


def test_a_mask_of_another_place_is_refused(volume, build_volume, image):
    with pytest.raises(ValueError, match="a corner 1 mm away"):
        on_grid(build_volume(origin_mm=(-11.0, -20.0, -30.0)), volume)
    with pytest.raises(ValueError, match="4 × 5 × 6 voxels as the image has, got 4 × 6 × 5"):
        on_grid(build_volume(shape=(4, 6, 5)), volume)
    with pytest.raises(ValueError, match="single image or a loop"):
        on_grid(volume, image)
