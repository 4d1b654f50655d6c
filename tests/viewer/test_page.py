"""The page's program, run in Chromium with real mouse and keys: it shows and says what Python computes."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from mediml.imaging import Image, LookupView, WindowView, lookup, reorient, window
from mediml.imaging.image import Step
from mediml.viewer import write_viewer

pytestmark = pytest.mark.timeout(120)


def expected(grey):
    return np.rint(255 * np.asarray(grey, np.float64))


def test_windows_are_those_of_python(show, image):
    page = show(image)
    values = np.concatenate([np.arange(-40.0, 140.0), np.random.default_rng(0).normal(40, 60, 200)])
    text = ",".join(map(repr, values.tolist()))
    windows = ((40.0, 80.0), (40.5, 1.0), (-600.0, 1500.0), (39.0, 2.0), (0.25, 33.5))
    for function, (center, width) in product(("LINEAR", "LINEAR_EXACT", "SIGMOID"), windows):
        ours = np.array(page.evaluate(f"[{text}].map((x) => windowed(x, {center}, {width}, '{function}'))"))
        assert np.abs(ours - window(values, center, width, function)).max() < 1e-12, (function, center, width)


def test_the_half_pixel_by_hand_and_rounding(show, image):
    page = show(image)
    # PS3.3, C.11.2.1.2: c = 10, w = 4: black to 8, white above 11; between, x = 9 is 1/3.
    linear = page.evaluate("[8, 9, 10, 11].map((x) => windowed(x, 10, 4, 'LINEAR'))")
    exact = page.evaluate("[8, 9, 10, 11, 12].map((x) => windowed(x, 10, 4, 'LINEAR_EXACT'))")
    assert linear == pytest.approx([0, 1 / 3, 2 / 3, 1]) and exact == [0, 0.25, 0.5, 0.75, 1]
    assert page.evaluate("[9, 9.5, 9.6].map((x) => windowed(x, 10, 1, 'LINEAR'))") == [0, 0, 1]
    # Rounding and lookup are NumPy's.
    values = [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.4, 7.0]
    assert page.evaluate(f"{values}.map(rint)") == np.rint(values).tolist()
    table = [0, 100, 255]
    ours = page.evaluate(f"{values}.map((x) => lookedUp(x, 1, {table}, 8))")
    assert ours == pytest.approx((lookup(values, 1, table) / 255).tolist())


def test_an_image_is_shown_as_python_shows_it(show, image):
    page = show(image)
    assert np.array_equal(page.shades(), expected(image.display()))
    page.evaluate("document.getElementById('invert').click()")
    page.settle()
    turned = expected(1 - image.display())
    assert np.array_equal(page.shades(), np.where(image.padding, 0, turned))
    assert page.evaluate("document.getElementById('invert').getAttribute('aria-pressed')") == "true"


@pytest.mark.parametrize("number", [0, 1])
def test_a_volume_is_shown_as_python_shows_it(show, volume, number):
    page = show(volume)
    page.evaluate(f"viewer.setView(viewer.views[{number}].view)")
    page.settle()
    shown = expected(volume.display(number))
    assert np.array_equal(page.shades(0), shown[1])  # the middle of 4 planes
    assert np.array_equal(page.shades(1), shown[::-1, 2])  # the head on top
    assert np.array_equal(page.shades(2), shown[::-1, :, 2])


def test_a_lookup_table_and_the_full_range(show, image):
    table = np.linspace(0, 4095, 50).astype(np.uint16)
    changed = replace(image, views=(LookupView(20, table, 12), WindowView(50.0, 20.0)), padding=None)
    page = show(changed)
    assert np.array_equal(page.shades(), expected(changed.display(0)))
    assert page.evaluate("document.getElementById('center').value") == ""
    page.evaluate("viewer.setView(viewer.views.find((each) => each.key === 'full_range').view)")
    page.settle()
    assert np.array_equal(page.shades(), expected(replace(changed, views=()).display()))


@pytest.mark.parametrize("compress", [True, False])
def test_the_page_has_the_values(show, build_volume, compress):
    stored = np.random.default_rng(5).integers(0, 9000, (3, 17, 9)).astype(np.uint16)
    values = (stored * np.float64(0.1) - 7).astype(np.float32)  # float32's 0.1 is not JavaScript's
    volume = build_volume(stored=stored, values=values, account=(Step("rescaled", {"slope": 0.1, "intercept": -7.0}),))
    page = show(volume, compress=compress)
    ours = page.evaluate("viewer.voxels.planes.flatMap((plane) => Array.from(plane, (c) => viewer.voxels.values[c]))")
    assert np.array_equal(np.array(ours).reshape(volume.shape), volume.values)
    assert page.evaluate("[viewer.voxels.low, viewer.voxels.high]") == [volume.values.min(), volume.values.max()]
    assert page.evaluate("document.querySelectorAll('script[type=\"text/plain\"]').length") == 0


def test_floats_and_what_is_no_number(show):
    values = np.array([[0.1, np.nan, 3e-7], [np.inf, -2.5, 1.0]])
    page = show(Image(stored=values, values=values))
    for column, row, text in ((0, 0, "0.1"), (1, 0, "no number"), (2, 0, "3e−7"), (0, 1, "∞"), (1, 1, "−2.5")):
        page.mouse("Moved", *page.place(column, row))
        page.settle()
        assert page.probed()["Value"] == text
    grey = page.shades()
    assert grey[0, 1] == 0 and grey[1, 0] == 255 and grey[1, 1] == 0


def test_the_probe_says_what_is_there(show, volume):
    mask = np.zeros(volume.shape, np.uint8)
    mask[1, 3, 4] = 7
    page = show(volume, mask=mask)
    page.mouse("Moved", *page.place(4, 3))
    page.settle()
    x, y, z = volume.position_mm((1, 3, 4))
    assert page.probed() == {
        "Plane (from 0)": "1",
        "Row (from 0)": "3",
        "Column (from 0)": "4",
        "Stored": str(volume.stored[1, 3, 4]),
        "Value": f"{volume.values[1, 3, 4]:g} HU".replace("-", "−"),
        "Label": "7",
        "LPS, mm": f"{x:.1f}, {y:.1f}, {z:.1f}".replace("-", "−"),
    }


def test_planes_keep_their_numbers_when_some_are_left_out(show, volume):
    page = show(volume, every=3)
    page.evaluate("viewer.goTo([1, 2, 0])")
    assert page.probed()["Plane (from 0)"] == "3" and page.probed()["Stored"] == str(volume.stored[3, 2, 0])


CODES = ["FAR", "LPH", "PRF", "HPR"]


def test_right_is_right_whichever_way_the_array_runs(show, volume):
    """The pixel nearest to a letter lies on that side of the patient, by another way than the letter came; and the
    same body looks the same."""
    signs = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "H": (2, 1), "F": (2, -1)}
    middle = volume.position_mm([(n - 1) / 2 for n in volume.shape])
    first = None
    for codes in CODES:
        turned = reorient(volume, codes)
        page = show(turned)
        page.evaluate(f"viewer.goTo({turned.index_at(volume.position_mm((1, 2, 3))).round().tolist()})")
        page.settle()
        pictures = [page.shades(pane).tolist() for pane in range(3)]
        first = first or pictures
        assert pictures == first, codes
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


def test_without_a_view_of_the_file_the_full_range_comes_first(show, image):
    page = show(replace(image, views=(), units="HU"))
    assert page.evaluate("document.getElementById('view').selectedOptions[0].textContent") == "full range"


def test_labels_lie_where_the_mask_has_them(show, volume):
    mask = np.zeros(volume.shape, np.uint8)
    mask[1, 2, 1:3] = 1
    page = show(volume, mask=mask)
    overlay = np.array(page.evaluate("Array.from(viewer.panes[0].overlay.pixels)")).reshape(5, 6)
    orange = 0xFF000000 | 0x00 << 16 | 0x9F << 8 | 0xE6  # #E69F00, opaque
    assert np.array_equal(overlay, np.where(mask[1], orange, 0))
    assert page.evaluate("document.getElementById('labels').textContent") == "Label 12 voxels, 0.02 ml"
    page.evaluate("document.querySelector('#labels input').click()")
    page.settle()
    assert page.evaluate("viewer.panes[0].overlay.pixels.every((pixel) => pixel === 0)")


def test_the_histogram_counts_every_value_but_padding(show, image):
    page = show(image)
    bars = page.evaluate("Array.from(viewer.histogram.bars[0])")
    assert sum(bars) == 11 and [k for k, n in enumerate(bars) if n][-1] == 255 and bars[0] == 1
    label = page.evaluate("document.getElementById('histogram').getAttribute('aria-label')")
    assert label.startswith("Histogram of all values on a logarithmic scale, from 0 to 100")


def test_one_pixel_and_one_value(show):
    page = show(Image(stored=np.array([[7]], np.uint8), values=np.array([[7.0]], np.float32)))
    assert page.shades().tolist() == [[0]]
    page.mouse("Moved", *page.place(0, 0))
    page.settle()
    assert page.probed()["Value"] == "7"


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
