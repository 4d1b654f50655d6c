"""Grids of generated images: where each lies, on which scale, and an animation that stays small."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from mediml import plots
from mediml.plots import display, samples

ALT = ("A test.", "测试。")


@pytest.fixture
def shown(monkeypatch):
    pictures = []
    monkeypatch.setattr(display, "_publish", pictures.append)
    return pictures


def test_the_grid_by_hand():
    images = np.array([[[-1.0, 1]], [[0, 3]], [[-9, 1]]])  # three images of 1 × 2 pixels
    grid = samples._grid("test", images, 2, (-1, 1))
    assert grid.shape == (3, 5, 3)
    np.testing.assert_array_equal(grid[..., 0], [[0, 1, 1, 0.5, 1], [1, 1, 1, 1, 1], [0, 1, 1, 1, 1]])
    colour = np.zeros((1, 3, 1, 1))
    colour[0, 1] = 1
    assert samples._grid("test", colour, 1, (0, 1)).ravel().tolist() == [0, 1, 0]


def test_a_grid_is_shown_with_its_description(shown):
    plots.show_samples(np.zeros((10, 1, 8, 8)), ALT)
    plots.show_samples(np.zeros((10, 3, 8, 12)), ALT, columns=5)
    for picture in shown:
        assert Image.open(BytesIO(picture.png)).width > picture.width and picture.alt == ALT


def test_an_animation_of_noise_stays_under_a_megabyte(shown):
    noise = np.random.default_rng(0).normal(size=(15, 32, 28, 28))
    plots.show_sample_frames(list(noise), [f"$e = {k}$" for k in range(15)], ALT)
    image = Image.open(BytesIO(shown[0].png))
    assert image.n_frames == 15 and image.info["loop"] == 2 and len(shown[0].png) < 2**20
    assert image.size == (2 * (8 * 29 - 1), 2 * (4 * 29 - 1) + 22)
    pixels = np.asarray(image.convert("RGB"))[22:, :, 0]
    np.testing.assert_array_equal(pixels[::2, ::2], pixels[1::2, 1::2])  # every pixel is a sharp square


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: plots.show_samples(np.zeros((4, 4)), ALT), "show_samples: images expect shape"),
        (lambda: plots.show_samples(np.zeros((4, 2, 4, 4)), ALT), "show_samples: images expect shape"),
        (lambda: plots.show_samples(np.zeros((0, 4, 4)), ALT), "show_samples: images expect shape"),
        (lambda: plots.show_samples(np.zeros((4, 4, 4)), ALT, limits=(1, 1)), "limits that rise"),
        (lambda: plots.show_samples(np.zeros((4, 4, 4)), ALT, columns=0), "columns >= 1"),
        (lambda: plots.show_sample_frames([np.zeros((4, 4, 4))], [], ALT), "a label for each grid, got 0 for 1"),
        (lambda: plots.show_sample_frames([np.zeros((4, 4, 4))], ["e"], ALT, zoom=0), "zoom expects"),
    ],
)
def test_refusals(shown, call, text):
    with pytest.raises(ValueError, match=text):
        call()
