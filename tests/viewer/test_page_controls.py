"""What mouse, keys and fields do to the page, in Chromium."""

from dataclasses import replace

import numpy as np
import pytest

from mediml.imaging import window

pytestmark = pytest.mark.timeout(120)


def expected(grey):
    return np.rint(255 * np.asarray(grey, np.float64))


def test_slices_by_wheel_keys_and_slider(show, volume):
    page = show(volume)
    x, y = page.place(3, 2)
    for delta, index in ((120, 2), (30, 2), (-30, 2), (-30, 1), (-30, 1), (120, 2), (120, 3), (-120, 2), (120, 3)):
        page.wheel(x, y, delta)
        assert page.evaluate("viewer.index[0]") == index, delta
    assert np.array_equal(page.shades(), expected(volume.display()[3]))
    page.wheel(x, y, -120)
    page.evaluate("viewer.panes[0].canvas.focus()")
    for key, index in (("ArrowUp", 1), ("PageUp", 0), ("ArrowLeft", 0), ("End", 3), ("Home", 0), ("ArrowDown", 1)):
        page.key(key)
        assert page.evaluate("viewer.index[0]") == index, key
    page.evaluate("(() => { const s = viewer.panes[0].slider; s.value = 3; s.dispatchEvent(new Event('input')); })()")
    page.settle()
    assert np.array_equal(page.shades(), expected(volume.display()[3]))
    assert page.evaluate("viewer.panes[0].number.textContent") == "4 / 4"
    assert page.evaluate("viewer.panes[0].canvas.getAttribute('aria-label')").startswith("Axial, 4 of 4. Left edge R")


def test_a_click_sets_the_cross_hair_in_all_planes(show, volume):
    page = show(volume)
    page.click(*page.place(5, 0))
    assert page.evaluate("viewer.index") == [1, 0, 5]
    assert np.array_equal(page.shades(1), expected(volume.display()[::-1, 0]))
    assert np.array_equal(page.shades(2), expected(volume.display()[::-1, :, 5]))
    page.click(*page.place(2, 0, pane=1))  # coronal: the top row is the last plane
    assert page.evaluate("viewer.index") == [3, 0, 2]
    page.key("ArrowDown", shift=True)
    page.key("ArrowRight", shift=True)
    assert page.evaluate("viewer.index") == [2, 0, 3] and page.probed()["Plane (from 0)"] == "2"


def test_the_window_by_mouse_and_by_number(show, volume):
    page = show(volume)
    x, y = page.place(3, 2)
    page.drag([(x, y), (x + 40, y), (x + 80, y + 60)])
    center, width, function = page.evaluate("[viewer.view.center, viewer.view.width, viewer.view.function]")
    assert center > 40 and width > 400 and function == "LINEAR"
    assert page.evaluate("document.getElementById('view').value") == "own"
    assert float(page.evaluate("document.getElementById('width').value")) == width
    assert page.evaluate("viewer.index") == [1, 2, 2]  # a drag is no click
    page.evaluate(
        "for (const [id, value] of [['center', 0], ['width', 300]]) {"
        " const field = document.getElementById(id); field.value = value; field.dispatchEvent(new Event('change')); }"
    )
    page.settle()
    assert np.array_equal(page.shades(), expected(window(volume.values[1], 0, 300)))
    page.evaluate(
        "(() => { const f = document.getElementById('width'); f.value = 0.5; f.dispatchEvent(new Event('change')); })()"
    )
    assert page.evaluate("document.getElementById('width').value") == "300"  # LINEAR has no such window


def test_presets_are_for_hounsfield_units(show, volume, image):
    names = "[...document.querySelectorAll('#view option:not([hidden])')].map((option) => option.textContent)"
    assert show(volume).evaluate(names) == [
        "file's window 40/400",
        "file's window −600/1500",
        "full range",
        "lung −600/1500",
        "mediastinum 40/400",
        "bone 400/1800",
        "brain 40/80",
    ]
    assert show(image).evaluate(names) == ["file's window 50/101", "full range"]


def test_distances_are_in_millimetres_of_the_spacing(show, volume, image):
    page = show(volume)
    page.evaluate("viewer.setTool('measure')")
    page.drag([page.place(0, 0), page.place(2, 2), page.place(3, 2)])
    # 3 columns of 1 mm and 2 rows of 2 mm: a triangle of 3, 4 and 5.
    assert page.evaluate("document.getElementById('measured').textContent") == "Distance: 5.0 mm"
    page.drag([page.place(0, 0, 1), page.place(0, 2, 1), page.place(0, 3, 1)])
    assert page.evaluate("document.getElementById('measured').textContent") == "Distance: 15.0 mm"
    page = show(image)
    page.evaluate("viewer.setTool('measure')")
    page.drag([page.place(0, 0), page.place(1, 1), page.place(0, 2)])
    assert page.evaluate("document.getElementById('measured').textContent") == "Distance: 0.8 mm (at the detector)"


def test_without_a_spacing_nothing_is_measured_and_pixels_have_their_shape(show, image):
    page = show(replace(image, spacing_mm=None, spacing_at=None))
    assert page.evaluate("viewer.tools.find((tool) => tool.dataset.tool === 'measure').disabled") is True
    (x0, y0), (x1, y1) = page.place(0, 0), page.place(1, 1)
    assert (y1 - y0) / (x1 - x0) == pytest.approx(2.0)


def test_zoom_and_fit(show, volume):
    page = show(volume)
    x, y = page.place(4, 1)
    page.mouse("Wheel", x, y, deltaX=0, deltaY=-300, modifiers=2)
    page.settle()
    assert page.evaluate("viewer.panes[0].zoom") > 1.5
    assert page.place(4, 1) == pytest.approx([x, y], abs=1)  # what is under the pointer stays there
    page.evaluate("viewer.setTool('pan')")
    page.drag([(x, y), (x + 10, y), (x + 30, y - 20)])
    assert page.place(4, 1) == pytest.approx([x + 30, y - 20], abs=1)
    page.evaluate("document.getElementById('fit').click()")
    assert page.evaluate("viewer.panes[0].zoom") == 1 and page.place(4, 1) == pytest.approx([x, y], abs=1)


def test_a_loop_plays_in_colour(show, loop):
    page = show(loop, frame_rate=50)
    rgb = "Array.from(viewer.panes[0].picture.pixels, (p) => [p & 255, (p >> 8) & 255, (p >> 16) & 255])"
    assert np.array_equal(page.evaluate(rgb), loop[0].stored.reshape(-1, 3))
    page.mouse("Moved", *page.place(3, 1))
    page.settle()
    assert page.probed()["Value"] == "RGB " + ", ".join(map(str, loop[0].stored[1, 3]))
    page.evaluate("viewer.seen = new Set(); viewer.panes[0].play.click()")
    page.wait("viewer.seen.add(viewer.index[0]).size === 3")
    page.wait("viewer.index[0] === 2")
    page.wait("viewer.index[0] === 0")  # round again
    assert page.evaluate("viewer.panes[0].play.getAttribute('aria-label')") == "Pause"
    page.evaluate("viewer.panes[0].play.click()")
    assert page.evaluate("viewer.playing") is None


def test_the_other_language_and_the_other_theme(show, volume):
    page = show(volume)
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    page.evaluate("document.getElementById('theme').click()")
    assert page.evaluate(background) != light
    page.evaluate(
        "(() => { const s = document.getElementById('language'); s.value = 'zh';"
        " s.dispatchEvent(new Event('change')); })()"
    )
    text = page.evaluate("document.body.innerText")
    assert (
        "仅供教学，不得用于临床" in text
        and "窗宽窗位" in text
        and page.evaluate("document.documentElement.lang") == "zh-CN"
    )
    for english in ("Window", "Slice", "Invert", "Axial", "Modality", "Shown"):
        assert english not in text


def test_everything_that_can_be_used_has_a_name_and_can_be_reached(show, volume):
    page = show(volume, mask=np.ones(volume.shape, np.uint8))
    nameless = page.evaluate(
        "[...document.querySelectorAll('button, input, select, canvas')].filter((each) => each.offsetParent !== null &&"
        " !(each.getAttribute('aria-label') || each.textContent.trim() || each.labels?.[0]?.textContent.trim()))"
        ".map((each) => each.outerHTML)"
    )
    assert nameless == []
    small = page.evaluate(
        "[...document.querySelectorAll('button, select')].filter((each) => each.offsetParent !== null &&"
        " Math.min(each.offsetWidth, each.offsetHeight) < 24).map((each) => each.outerHTML)"
    )
    assert small == []


@pytest.mark.parametrize("width", [360, 1300])
def test_the_page_fits_the_screen(show, volume, width):
    page = show(volume)
    page.size(width, 800, phone=width < 700, ratio=2)
    page.settle()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate("viewer.enlarge(viewer.panes[2])")
    page.settle()
    assert page.evaluate("viewer.panes.map((pane) => pane.element.offsetParent !== null)") == [False, False, True]
