"""The sliders, moved by the test; and what happens where there are none."""

import base64
import builtins
import importlib
import importlib.util
import re
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image as Pillow

from mediml import viewer
from mediml.imaging import LookupView, WindowView
from mediml.viewer import controls, notebook

widgets = pytest.mark.skipif(importlib.util.find_spec("ipywidgets") is None, reason="ipywidgets is not installed")


def pixels(markup):
    png = base64.b64decode(re.search('base64,([^"]+)', markup)[1])
    return np.asarray(Pillow.open(BytesIO(png)))


def parts(box):
    """Panes, screen, slider of planes, and those of the window."""
    children = list(box.children)
    return children if len(children) == 5 else [None, *children]


@widgets
def test_a_volume(volume):
    pane, screen, plane, center, width = parts(controls(volume))
    assert (plane.value, plane.max, center.value, width.value) == (1, 3, 40, 400)
    assert np.array_equal(pixels(screen.value), np.rint(255 * volume.display()[1]))
    assert re.findall(r"700\">(\w)<", screen.value) == ["A", "R", "L", "P"]
    assert 'alt="CT, axial 横断面 1, window 40/400 LINEAR"' in screen.value
    plane.value, width.value = 3, 800
    assert np.array_equal(pixels(screen.value), np.rint(255 * WindowView(40, width.value).apply(volume.values[3])))
    pane.value = 1
    assert plane.max == 4
    assert np.array_equal(
        pixels(screen.value), np.rint(255 * WindowView(40, width.value).apply(volume.values[::-1, 2]))
    )
    assert re.search(r'width="126" height="420"', screen.value)  # 6 × 20 mm


@widgets
def test_padding_is_black_in_every_plane(volume):
    padding = volume.values > 0  # white in the first window, but for padding
    volume = replace(volume, padding=padding)
    pane, screen, *_ = parts(controls(volume))
    pane.value = 2
    assert np.array_equal(pixels(screen.value), np.rint(255 * volume.display()[::-1, :, 2]))


@widgets
def test_an_image_and_a_loop(image, loop):
    _, screen, plane, *_ = parts(controls(image))
    assert np.array_equal(pixels(screen.value), np.rint(255 * image.display())) and plane.layout.display == "none"
    screen, plane = controls(loop).children
    plane.value = 2
    assert np.array_equal(pixels(screen.value), loop[2].stored)


@widgets
def test_a_lookup_table_has_no_sliders(image):
    view = LookupView(0, np.arange(101, dtype=np.uint16), 7)
    screen, _plane = controls(image, view).children
    assert np.array_equal(
        pixels(screen.value), np.where(image.padding, 0, np.rint(255 * (1 - view.apply(image.values))))
    )


@widgets
def test_show_displays_the_sliders(monkeypatch, volume):
    shown = []
    monkeypatch.setattr(importlib.import_module("IPython.display"), "display", shown.append)
    viewer.show(volume, window="lung")
    assert parts(shown[0])[3].value == -600


def test_without_ipywidgets_the_static_twin_is_drawn(monkeypatch, volume):
    def absent(name, *_):
        raise ImportError(name)

    monkeypatch.setattr(notebook.importlib, "import_module", absent)
    with pytest.raises(ImportError, match="run: pip install ipywidgets"):
        controls(volume)
    drawn = []
    monkeypatch.setattr(notebook, "show_static", lambda picture, window: drawn.append((picture, window)))
    viewer.show(volume, window=1)
    assert drawn == [(volume, 1)]


def test_what_is_no_picture():
    with pytest.raises(TypeError, match="show: expected an Image"):
        controls(builtins.object())
