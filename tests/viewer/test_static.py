"""The static twin: what is drawn, which way round, and what it says of itself."""

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image as Pillow

from mediml.imaging import CT_WINDOWS, LookupView, WindowView, reorient
from mediml.plots import display
from mediml.viewer import show_static, static


@pytest.fixture
def drawn(monkeypatch):
    """Figures and descriptions that were shown."""
    shown = []
    monkeypatch.setattr(static, "show", lambda figure, alt: shown.append((figure, alt)))
    return shown


def greys(axes):
    """The grey of each pixel as drawn, 0 to 1."""
    (image,) = axes.images
    return image.cmap(image.norm(image.get_array()))[..., 0]


def tiles(figure):
    return [axes for axes in figure.axes if axes.images]


def words(axes):
    return [text.get_text() for text in axes.texts]


def test_three_planes(drawn, volume):
    show_static(volume)
    ((figure, alt),) = drawn
    axial, coronal, sagittal = tiles(figure)
    shown = volume.display()
    assert np.abs(greys(axial) - shown[1]).max() < 0.005  # 256 levels
    assert np.abs(greys(coronal) - shown[::-1, 2]).max() < 0.005
    assert np.abs(greys(sagittal) - shown[::-1, :, 2]).max() < 0.005
    assert [words(axes)[:4] for axes in (axial, coronal, sagittal)] == [list("RLAP"), list("RLHF"), list("APHF")]
    # 6 columns of 1 mm, of which a bar takes at most 40 %; 5 rows of 2 mm in the sagittal plane.
    assert [words(axes)[4] for axes in (axial, coronal, sagittal)] == ["2 mm", "2 mm", "2 mm"]
    assert axial.images[0].get_extent() == [0, 6, 10, 0] and sagittal.images[0].get_extent() == [0, 10, 20, 0]
    assert figure.axes[-1].get_ylabel() == "HU"
    assert alt[0] == "CT, 4 × 5 × 6: axial 1, coronal 2, sagittal 2; shown by window 40/400 LINEAR."
    assert alt[1].startswith("CT, 4 × 5 × 6：横断面 1、冠状面 2、矢状面 2；显示方式：")


@pytest.mark.parametrize("codes", ["FAR", "LPH"])
def test_turned_arrays_are_hung_the_same(drawn, volume, codes):
    show_static(volume)
    turned = reorient(volume, codes)
    show_static(turned, at=tuple(turned.index_at(volume.position_mm((1, 2, 2))).round().astype(int)))
    for one, other in zip(*(tiles(figure) for figure, _ in drawn)):
        assert np.array_equal(greys(one), greys(other)) and words(one) == words(other)


def test_a_contact_sheet(drawn, volume):
    show_static(volume, planes=[3, 0], window="lung", alt=("Two.", "两幅。"))
    ((figure, alt),) = drawn
    assert alt == ("Two.", "两幅。") and [axes.get_title() for axes in tiles(figure)] == ["3", "0"]
    for axes, index in zip(tiles(figure), (3, 0)):
        assert np.abs(greys(axes) - CT_WINDOWS["lung"].apply(volume.values[index])).max() < 0.005


@pytest.mark.parametrize(
    "window",
    [(40, 80), (40, 1), WindowView(0, 900, "SIGMOID"), WindowView(0, 900, "LINEAR_EXACT"), 1],
)
def test_windows(drawn, volume, window):
    show_static(volume, planes=[2], window=window)
    view = volume.views[window] if isinstance(window, int) else window
    view = WindowView(*view) if isinstance(view, tuple) else view
    tolerance = 0.03 if view.function == "SIGMOID" else 0.005  # its tails are cut at 2 %
    assert np.abs(greys(tiles(drawn[0][0])[0]) - view.apply(volume.values[2])).max() < tolerance


def test_an_image_with_its_polarity_and_padding(drawn, image):
    show_static(image)
    (axes,) = tiles(drawn[0][0])
    assert np.abs(greys(axes) - image.display()).max() < 0.005
    assert greys(axes)[2, 3] == 0 and axes.images[0].get_extent() == pytest.approx([0, 0.8, 1.2, 0])
    assert words(axes)[:4] == ["R", "L", "H", "F"]


def test_a_lookup_table_and_no_view(drawn, image):
    table = LookupView(0, np.arange(101, dtype=np.uint16) ** 2, 14)
    for picture in (replace(image, views=(table,)), replace(image, views=())):
        show_static(picture)
        (axes,) = tiles(drawn[-1][0])
        assert np.abs(greys(axes) - picture.display()).max() < 0.02


def test_a_loop_in_colour(drawn, loop):
    show_static(loop)
    figure, alt = drawn[0]
    assert [axes.get_title() for axes in tiles(figure)] == ["0", "1", "2"] and "image 2" in alt[0]
    assert np.abs(tiles(figure)[1].images[0].get_array() - loop[1].stored / 255).max() < 1e-6
    assert all(not words(axes) for axes in tiles(figure))  # neither letters nor a scale are known


def test_the_figure_is_a_picture_with_its_text(monkeypatch, volume):
    pictures = []
    monkeypatch.setattr(display, "_publish", pictures.append)
    show_static(volume)
    show_static(volume)
    assert pictures[0].png == pictures[1].png
    assert Pillow.open(BytesIO(pictures[0].png)).width > 500


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"planes": [4]}, r"planes expects whole numbers, 0 to 3, got \[4\]"),
        ({"planes": []}, "planes expects whole numbers, at least one"),
        ({"at": (0, 0, 6)}, "at expects whole numbers, 0 to 3, 0 to 4, 0 to 5"),
        ({"window": "chest"}, "window expects one of abdomen, bone"),
        ({"window": 2}, "window expects 0 to 1 of the file's views, got 2"),
        ({"window": (40, 0)}, "width at least 1"),
    ],
)
def test_refusals(drawn, volume, options, text):
    with pytest.raises(ValueError, match=text):
        show_static(volume, **options)
    assert not drawn


def test_a_window_in_hu_needs_hu(drawn, image):
    with pytest.raises(ValueError, match="'lung' is one of values in HU, and these are in arbitrary units"):
        show_static(image, window="lung")
    with pytest.raises(TypeError, match="show_static: expected an Image, a Volume"):
        show_static(np.zeros((3, 3)))
