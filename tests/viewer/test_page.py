"""The page's program, run in Chromium with real mouse and keys: it shows and says what Python computes."""

from dataclasses import replace

import numpy as np
import pytest

from mediml.imaging import Image, LookupView, WindowView, lookup, window
from mediml.viewer import write_viewer

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def show(browser, tmp_path):
    """Write a page, open it, and end with no error of a script, no violated policy and nothing fetched."""

    def show(picture, **options):
        path = tmp_path / "page.html"
        write_viewer(path, picture, **options)
        browser.size(1300, 900)
        browser.scheme("light")
        browser.open(path)
        return browser

    yield show
    assert browser.problems == []


def shades(page, pane=0):
    """Grey values of a pane's picture, before it is enlarged."""
    columns, rows = page.evaluate(f"viewer.panes[{pane}].size")
    pixels = page.evaluate(f"viewer.panes[{pane}].picture.pixels.length")
    flat = page.evaluate(f"Array.from(viewer.panes[{pane}].picture.pixels, (p) => p & 255)")
    assert pixels == rows * columns
    return np.array(flat).reshape(rows, columns)


def expected(grey):
    return np.rint(255 * np.asarray(grey, np.float64))


def place(page, across, down, pane=0):
    """Where a pixel of a pane is in the window."""
    page.evaluate("viewer.panes[0].canvas.scrollIntoView({block: 'center'})")
    return page.evaluate(
        f"(() => {{ const pane = viewer.panes[{pane}]; const box = pane.canvas.getBoundingClientRect();"
        f"const [x, y] = pane.toScreen([{across + 0.5}, {down + 0.5}]); return [box.x + x, box.y + y]; }})()"
    )


def probed(page):
    """What stands under "at the pointer"."""
    return dict(
        page.evaluate(
            "[...document.querySelectorAll('#probe dt')].map((d) => [d.textContent, d.nextSibling.textContent])"
        )
    )


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_windows_are_those_of_python(show, image, function):
    page = show(image)
    values = np.concatenate([np.arange(-40.0, 140.0), np.random.default_rng(0).normal(40, 60, 200)])
    for center, width in ((40.0, 80.0), (40.5, 1.0), (-600.0, 1500.0), (39.0, 2.0), (0.25, 33.5)):
        text = ",".join(map(repr, values.tolist()))
        ours = page.evaluate(f"[{text}].map((x) => windowed(x, {center}, {width}, '{function}'))")
        assert np.array_equal(np.array(ours) > 0.5, window(values, center, width, function) > 0.5)
        assert np.abs(np.array(ours) - window(values, center, width, function)).max() < 1e-12


def test_the_half_pixel_by_hand(show, image):
    page = show(image)
    # PS3.3, C.11.2.1.2: c = 10, w = 4: black to 8, white above 11; between, x = 9 is 1/3.
    linear = page.evaluate("[8, 9, 10, 11].map((x) => windowed(x, 10, 4, 'LINEAR'))")
    exact = page.evaluate("[8, 9, 10, 11, 12].map((x) => windowed(x, 10, 4, 'LINEAR_EXACT'))")
    assert linear == pytest.approx([0, 1 / 3, 2 / 3, 1]) and exact == [0, 0.25, 0.5, 0.75, 1]
    assert page.evaluate("[9, 9.5, 9.6].map((x) => windowed(x, 10, 1, 'LINEAR'))") == [0, 0, 1]


def test_rounding_and_lookup_are_numpys(show, image):
    page = show(image)
    values = [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.4, 7.0]
    assert page.evaluate(f"{values}.map(rint)") == np.rint(values).tolist()
    table = [0, 100, 255]
    ours = page.evaluate(f"{values}.map((x) => lookedUp(x, 1, {table}, 8))")
    assert ours == pytest.approx((lookup(values, 1, table) / 255).tolist())


def test_an_image_is_shown_as_python_shows_it(show, image):
    page = show(image)
    assert np.array_equal(shades(page), expected(image.display()))
    page.evaluate("document.getElementById('invert').click()")
    page.settle()
    turned = expected(1 - image.display())
    assert np.array_equal(shades(page), np.where(image.padding, 0, turned))
    assert page.evaluate("document.getElementById('invert').getAttribute('aria-pressed')") == "true"


@pytest.mark.parametrize("number", [0, 1])
def test_a_volume_is_shown_as_python_shows_it(show, volume, number):
    page = show(volume)
    page.evaluate(f"viewer.setView(viewer.views[{number}].view)")
    page.settle()
    shown = expected(volume.display(number))
    assert np.array_equal(shades(page, 0), shown[1])  # the middle of 4 planes
    assert np.array_equal(shades(page, 1), shown[::-1, 2])  # the head on top
    assert np.array_equal(shades(page, 2), shown[::-1, :, 2])


def test_a_lookup_table_and_the_full_range(show, image):
    table = np.linspace(0, 4095, 50).astype(np.uint16)
    changed = replace(image, views=(LookupView(20, table, 12), WindowView(50.0, 20.0)), padding=None)
    page = show(changed)
    assert np.array_equal(shades(page), expected(changed.display(0)))
    assert page.evaluate("document.getElementById('center').value") == ""
    page.evaluate("viewer.setView(viewer.views.at(-1).view)")
    page.settle()
    assert np.array_equal(shades(page), expected(replace(changed, views=()).display()))


@pytest.mark.parametrize("compress", [True, False])
def test_the_page_has_the_values(show, build_volume, compress):
    volume = build_volume((3, 17, 9))
    page = show(volume, compress=compress)
    ours = page.evaluate("viewer.voxels.planes.flatMap((plane) => Array.from(plane, (c) => viewer.voxels.values[c]))")
    assert np.array_equal(np.array(ours).reshape(volume.shape), volume.values)
    assert page.evaluate("[viewer.voxels.low, viewer.voxels.high]") == [volume.values.min(), volume.values.max()]
    assert page.evaluate("document.querySelectorAll('script[type=\"text/plain\"]').length") == 0


def test_floats_and_what_is_no_number(show):
    values = np.array([[0.1, np.nan, 3e-7], [np.inf, -2.5, 1.0]])
    page = show(Image(stored=values, values=values))
    for column, row, text in ((0, 0, "0.1"), (1, 0, "no number"), (2, 0, "3e−7"), (0, 1, "∞"), (1, 1, "−2.5")):
        page.mouse("Moved", *place(page, column, row))
        page.settle()
        assert probed(page)["Value"] == text
    grey = shades(page)
    assert grey[0, 1] == 0 and grey[1, 0] == 255 and grey[1, 1] == 0


def test_the_probe_says_what_is_there(show, volume):
    mask = np.zeros(volume.shape, np.uint8)
    mask[1, 3, 4] = 7
    page = show(volume, mask=mask)
    page.mouse("Moved", *place(page, 4, 3))
    page.settle()
    x, y, z = volume.position_mm((1, 3, 4))
    assert probed(page) == {
        "Plane (from 0)": "1",
        "Row (from 0)": "3",
        "Column (from 0)": "4",
        "Stored": str(volume.stored[1, 3, 4]),
        "Value": f"{volume.values[1, 3, 4]:g} HU".replace("-", "−"),
        "Label": "7",
        "LPS, mm": f"{x:.1f}, {y:.1f}, {z:.1f}".replace("-", "−"),
    }


CODES = ["FAR", "LPH", "PRF", "HPR"]


@pytest.mark.parametrize("codes", CODES)
def test_right_is_right_whichever_way_the_array_runs(show, volume, codes):
    """The pixel nearest to each letter lies on that side of the patient: position and letters come from two ways."""
    from mediml.imaging import reorient

    page = show(reorient(volume, codes))
    signs = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "H": (2, 1), "F": (2, -1)}
    middle = volume.position_mm([(n - 1) / 2 for n in volume.shape])
    for pane in range(3):
        columns, rows = page.evaluate(f"viewer.panes[{pane}].size")
        letters = page.evaluate(f"viewer.panes[{pane}].letters")
        edges = {"left": (0, 1), "right": (columns - 1, 1), "top": (1, 0), "bottom": (1, rows - 1)}
        for edge, (across, down) in edges.items():
            axis, sign = signs[letters[edge]]
            place_mm = page.evaluate(
                f"viewer.voxels.positionOf(viewer.panes[{pane}].voxelAt([{across + 0.5}, {down + 0.5}]))"
            )
            assert sign * (place_mm[axis] - middle[axis]) > 0, (codes, pane, edge)
    assert [page.evaluate(f"viewer.panes[{k}].letters.right") for k in range(3)] == ["L", "L", "P"]


def test_the_same_body_looks_the_same_whichever_way_the_array_runs(show, volume):
    from mediml.imaging import reorient

    first = None
    for codes in CODES:
        page = show(reorient(volume, codes))
        page.evaluate(
            f"viewer.goTo({reorient(volume, codes).index_at(volume.position_mm((1, 2, 3))).round().tolist()})"
        )
        page.settle()
        pictures = [shades(page, pane).tolist() for pane in range(3)]
        first = first or pictures
        assert pictures == first


def test_slices_by_wheel_keys_and_slider(show, volume):
    page = show(volume)
    x, y = place(page, 3, 2)
    for delta, index in ((120, 2), (120, 3), (-120, 2), (30, 2), (30, 3), (-30, 3), (-30, 2), (120, 3)):
        page.wheel(x, y, delta)
        assert page.evaluate("viewer.index[0]") == index, delta
    assert np.array_equal(shades(page), expected(volume.display()[3]))
    page.wheel(x, y, -120)
    page.evaluate("viewer.panes[0].canvas.focus()")
    for key, index in (("ArrowUp", 1), ("PageUp", 0), ("ArrowLeft", 0), ("End", 3), ("Home", 0), ("ArrowDown", 1)):
        page.key(key)
        assert page.evaluate("viewer.index[0]") == index, key
    page.evaluate("(() => { const s = viewer.panes[0].slider; s.value = 3; s.dispatchEvent(new Event('input')); })()")
    page.settle()
    assert np.array_equal(shades(page), expected(volume.display()[3]))
    assert page.evaluate("viewer.panes[0].number.textContent") == "4 / 4"
    assert page.evaluate("viewer.panes[0].canvas.getAttribute('aria-label')").startswith("Axial, 4 of 4. Left edge R")


def test_a_click_sets_the_cross_hair_in_all_planes(show, volume):
    page = show(volume)
    page.click(*place(page, 5, 0))
    assert page.evaluate("viewer.index") == [1, 0, 5]
    assert np.array_equal(shades(page, 1), expected(volume.display()[::-1, 0]))
    assert np.array_equal(shades(page, 2), expected(volume.display()[::-1, :, 5]))
    page.click(*place(page, 2, 0, pane=1))  # coronal: the top row is the last plane
    assert page.evaluate("viewer.index") == [3, 0, 2]
    page.key("ArrowDown", shift=True)
    page.key("ArrowRight", shift=True)
    assert page.evaluate("viewer.index") == [2, 0, 3] and probed(page)["Plane (from 0)"] == "2"


def test_the_window_by_mouse_and_by_number(show, volume):
    page = show(volume)
    x, y = place(page, 3, 2)
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
    assert np.array_equal(shades(page), expected(window(volume.values[1], 0, 300)))
    page.evaluate(
        "(() => { const f = document.getElementById('width'); f.value = 0.5; f.dispatchEvent(new Event('change')); })()"
    )
    assert page.evaluate("document.getElementById('width').value") == "300"  # LINEAR has no such window


def test_presets_are_for_hounsfield_units(show, volume, image):
    names = "[...document.querySelectorAll('#view option:not([hidden])')].map((option) => option.textContent)"
    assert show(volume).evaluate(names) == [
        "file's window 40/400",
        "file's window −600/1500",
        "lung −600/1500",
        "mediastinum 40/400",
        "bone 400/1800",
        "brain 40/80",
        "full range",
    ]
    assert show(image).evaluate(names) == ["file's window 50/101", "full range"]


def test_distances_are_in_millimetres_of_the_spacing(show, volume, image):
    page = show(volume)
    page.evaluate("viewer.setTool('measure')")
    page.drag([place(page, 0, 0), place(page, 2, 2), place(page, 3, 2)])
    # 3 columns of 1 mm and 2 rows of 2 mm: a triangle of 3, 4 and 5.
    assert page.evaluate("document.getElementById('measured').textContent") == "Distance: 5.0 mm"
    page.drag([place(page, 0, 0, 1), place(page, 0, 2, 1), place(page, 0, 3, 1)])
    assert page.evaluate("document.getElementById('measured').textContent") == "Distance: 15.0 mm"
    page = show(image)
    page.evaluate("viewer.setTool('measure')")
    page.drag([place(page, 0, 0), place(page, 1, 1), place(page, 0, 2)])
    assert page.evaluate("document.getElementById('measured').textContent") == "Distance: 0.8 mm (at the detector)"


def test_without_a_spacing_nothing_is_measured_and_pixels_have_their_shape(show, image):
    page = show(replace(image, spacing_mm=None, spacing_at=None))
    assert page.evaluate("viewer.tools.find((tool) => tool.dataset.tool === 'measure').disabled") is True
    (x0, y0), (x1, y1) = place(page, 0, 0), place(page, 1, 1)
    assert (y1 - y0) / (x1 - x0) == pytest.approx(2.0)


def test_zoom_and_fit(show, volume):
    page = show(volume)
    x, y = place(page, 4, 1)
    page.mouse("Wheel", x, y, deltaX=0, deltaY=-300, modifiers=2)
    page.settle()
    assert page.evaluate("viewer.panes[0].zoom") > 1.5
    assert place(page, 4, 1) == pytest.approx([x, y], abs=1)  # what is under the pointer stays there
    page.evaluate("viewer.setTool('pan')")
    page.drag([(x, y), (x + 10, y), (x + 30, y - 20)])
    assert place(page, 4, 1) == pytest.approx([x + 30, y - 20], abs=1)
    page.evaluate("document.getElementById('fit').click()")
    assert page.evaluate("viewer.panes[0].zoom") == 1 and place(page, 4, 1) == pytest.approx([x, y], abs=1)


def test_a_loop_plays_in_colour(show, loop):
    page = show(loop, frame_rate=50)
    rgb = "Array.from(viewer.panes[0].picture.pixels, (p) => [p & 255, (p >> 8) & 255, (p >> 16) & 255])"
    assert np.array_equal(page.evaluate(rgb), loop[0].stored.reshape(-1, 3))
    page.mouse("Moved", *place(page, 3, 1))
    page.settle()
    assert probed(page)["Value"] == "RGB " + ", ".join(map(str, loop[0].stored[1, 3]))
    page.evaluate("viewer.seen = new Set(); viewer.panes[0].play.click()")
    page.wait("viewer.seen.add(viewer.index[0]).size === 3")
    assert page.evaluate("viewer.panes[0].play.getAttribute('aria-label')") == "Pause"
    page.evaluate("viewer.panes[0].play.click()")
    assert page.evaluate("viewer.playing") is None


def test_labels_lie_where_the_mask_has_them(show, volume):
    mask = np.zeros(volume.shape, np.uint8)
    mask[1, 2, 1:3] = 1
    page = show(volume, mask=mask)
    overlay = np.array(page.evaluate("Array.from(viewer.panes[0].overlay.pixels)")).reshape(5, 6)
    orange = 0xFF000000 | 0x00 << 16 | 0x9F << 8 | 0xE6  # #E69F00, opaque
    assert np.array_equal(overlay, np.where(mask[1], orange, 0))
    assert page.evaluate("document.getElementById('labels').textContent") == "Label 12 voxels, 0.02 ml"


def test_the_histogram_counts_every_value_but_padding(show, image):
    page = show(image)
    bars = page.evaluate("Array.from(viewer.histogram.bars[0])")
    assert sum(bars) == 11 and [k for k, n in enumerate(bars) if n][-1] == 255 and bars[0] == 1
    label = page.evaluate("document.getElementById('histogram').getAttribute('aria-label')")
    assert label.startswith("Histogram of all values on a logarithmic scale, from 0 to 100")


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


def test_one_pixel_and_one_value(show):
    page = show(Image(stored=np.array([[7]], np.uint8), values=np.array([[7.0]], np.float32)))
    assert shades(page).tolist() == [[0]]
    page.mouse("Moved", *place(page, 0, 0))
    page.settle()
    assert probed(page)["Value"] == "7"


def test_a_damaged_page_says_so(browser, tmp_path, volume):
    path = tmp_path / "page.html"
    write_viewer(path, volume)
    text = path.read_text(encoding="utf-8")
    start = text.index('id="plane-2">') + len('id="plane-2">')
    path.write_text(text[:start] + text[start + 8 :], encoding="utf-8")
    browser.open(path, ready="!document.getElementById('message').hidden")
    assert "damaged or incomplete" in browser.evaluate("document.getElementById('message').textContent")
    browser.problems.clear()


def test_the_policy_stops_foreign_code(browser, tmp_path, volume):
    """The test of the tests: a planted script does not run, and the violation is noticed."""
    path = tmp_path / "page.html"
    write_viewer(path, volume)
    text = path.read_text(encoding="utf-8").replace("</main>", "<script>window.planted = 1</script></main>")
    path.write_text(text, encoding="utf-8")
    browser.open(path)
    assert browser.evaluate("typeof window.planted") == "undefined"
    assert any("Content Security Policy" in problem for problem in browser.problems)
    browser.problems.clear()
