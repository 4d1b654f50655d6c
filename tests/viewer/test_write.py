"""The page as a file: what is in it, what is not, and where it may be written."""

import base64
import hashlib
import json
import os
import re
import zlib
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from mediml.imaging import Image, LookupView, WindowView
from mediml.viewer import Fact, ViewerError, write_viewer


class Page(HTMLParser):
    """Elements, and the text of scripts and styles."""

    def __init__(self, path):
        super().__init__()
        self.text, self.elements, self.inside, self.current = path.read_text(encoding="utf-8"), [], {}, None
        self.feed(self.text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag in ("script", "style", "title", "h1"):
            self.current = dict(attributes).get("id", tag if tag != "script" else "program")
            self.inside[self.current] = ""

    def handle_endtag(self, tag):
        self.current = None

    def handle_data(self, data):
        if self.current:
            self.inside[self.current] += data

    @property
    def scene(self):
        return json.loads(self.inside["scene"])


@pytest.fixture
def write(tmp_path):
    def write(picture, **options):
        path = tmp_path / "page.html"
        size = write_viewer(path, picture, **options)
        assert size == path.stat().st_size
        return Page(path)

    return write


def decoded(page):
    """Values of all pixels, from the page's text alone and by the formulas of its documentation."""
    scene = page.scene
    mapping, width = scene["mapping"], scene["bytes"]
    planes, rows, columns = scene["shape"]
    rows = rows if mapping else 3 * rows
    codes = []
    for plane in range(planes):
        content = base64.b64decode(page.inside[f"plane-{plane}"])
        content = zlib.decompress(content) if scene["compressed"] else content
        parts = np.frombuffer(content, np.uint8).reshape(width, rows, columns).astype(np.int64)
        codes.append(np.cumsum(parts[0] + (256 * parts[1] if width == 2 else 0), axis=1) % 256**width)
    codes = np.stack(codes)
    if mapping is None:
        return np.moveaxis(codes.reshape(planes, 3, -1, columns), 1, 3)
    if "slope" in mapping:
        values = (codes + mapping["firstStored"]) * mapping["slope"] + mapping["intercept"]
        return values.astype(np.float32) if mapping["single"] else values
    table = base64.b64decode(mapping["table"])
    return np.frombuffer(zlib.decompress(table) if scene["compressed"] else table, "<f8")[codes]


def test_the_document(write, volume):
    page = write(volume, language="zh")
    names = [name for name, _ in page.elements]
    assert page.text.startswith("<!DOCTYPE html>") and names.count("html") == names.count("main") == 1
    assert dict(page.elements)["html"] == {"lang": "zh-CN"} or ("html", {"lang": "zh-CN"}) in page.elements
    assert page.inside["title"] == page.inside["h1"] == "CT 4 × 5 × 6"
    assert page.text.count(">仅供教学，不得用于临床</div>") == 2
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_nothing_is_fetched(write, volume, loop):
    for picture in (volume, loop):
        page = write(picture)
        assert not re.search(r"(https?|ftp|wss?)://|//\w+\.\w", page.text.replace("sha256-", ""))
        for name, attributes in page.elements:
            assert not {"src", "srcset", "action", "formaction", "style", "background"} & attributes.keys(), name
            assert not any(key.startswith("on") for key in attributes)
            assert attributes.get("href", "data:,") == "data:,"
            assert name not in ("iframe", "object", "embed", "base", "form", "a")
        assert "@import" not in page.inside["style"] and "url(" not in page.inside["style"]
        assert not re.search(
            r"\b(fetch|XMLHttpRequest|WebSocket|eval|innerHTML|import)\b\s*\(?", page.inside["program"]
        )


def test_the_policy_allows_this_style_and_this_program_only(write, volume):
    page = write(volume)
    policy = next(a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    for rule, text in (("style-src", page.inside["style"]), ("script-src", page.inside["program"])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules.pop(rule) == f"'sha256-{digest}'"
    assert rules == {"default-src": "'none'", "img-src": "data:", "base-uri": "'none'", "form-action": "'none'"}
    types = [a.get("type", "program") for name, a in page.elements if name == "script"]
    assert types == ["application/json", *["text/plain"] * 4, "program"]
    policy_at = page.text.index("Content-Security-Policy")
    assert policy_at < page.text.index("<style") < page.text.index("<script")


@pytest.mark.parametrize("compress", [True, False])
def test_values_come_back_exactly(write, volume, image, compress):
    assert np.array_equal(decoded(write(volume, compress=compress)), volume.values)
    assert np.array_equal(decoded(write(image, compress=compress))[0], image.values)


def test_floats_come_back_exactly(write):
    values = np.random.default_rng(0).normal(size=(200, 200)).astype(np.float32)
    values[0, 0] = np.nan
    page = write(Image(stored=values, values=values))
    assert np.array_equal(decoded(page)[0].astype(np.float32), values, equal_nan=True)
    assert page.scene["mapping"]["error"] == 0


def test_too_many_floats_come_back_within_the_error_that_the_page_names(write):
    values = np.random.default_rng(0).normal(size=(300, 300))
    page = write(Image(stored=values, values=values, units="HU"))
    error = np.abs(decoded(page)[0] - values).max()
    assert 0 < error == pytest.approx(page.scene["mapping"]["error"])
    for language, text in (("en", "differ from the file's by at most"), ("zh", "最多相差")):
        assert any(text in note and f"{error:.2g} HU" in note for note in page.scene["texts"][language]["doubts"])


def test_colours_come_back_exactly(write, loop):
    page = write(loop, frame_rate=25)
    assert np.array_equal(decoded(page), np.stack([frame.values for frame in loop]))
    assert page.scene["kind"] == "frames" and page.scene["frameRate"] == 25 and page.scene["mapping"] is None


def test_colours_of_16_bits_are_rounded_and_it_says_so(write, loop):
    page = write(replace(loop[0], values=loop[0].values + np.float32(0.4)))
    assert np.array_equal(decoded(page)[0], np.minimum(loop[0].stored, 255))
    assert "Colours are kept in 8 bits a channel." in page.scene["texts"]["en"]["doubts"]


def test_every_other_plane(write, volume):
    page = write(volume, every=2)
    assert np.array_equal(decoded(page), volume.values[::2])
    scene = page.scene
    assert scene["spacing"] == [10.0, 2.0, 1.0]
    assert np.array(scene["affines"][0]) @ (1, 0, 0, 1) == pytest.approx(volume.position_mm((2, 0, 0)))
    assert "Of 4 slices or frames, one in 2 is in this page." in scene["texts"]["en"]["doubts"]


def test_what_the_page_is_told(write, image):
    scene = write(image, header=(Fact("KVP", "120 kV"),)).scene
    assert scene["inverted"] is True and scene["spacing"] == [None, 0.4, 0.2] and scene["spacingAt"] == "detector"
    assert scene["mapping"]["padding"] == [[4000, 4001]]
    assert scene["panes"][0]["letters"] == {"left": "R", "right": "L", "top": "H", "bottom": "F"}
    table = dict(scene["texts"]["en"]["table"])
    assert table["Spacing, mm (in that order)"] == "0.4 × 0.2, at the detector"
    assert table["Extent, mm"] == "1.2 × 0.8" and table["Lowest value is white"] == "yes"
    assert table["Smallest and largest value"] == "0, 100"  # without padding
    assert table["KVP (0018,0060)"] == "120 kV" and table["Body part"] == "CHEST"
    assert dict(scene["texts"]["zh"]["table"])["管电压 KVP (0018,0060)"] == "120 kV"
    assert "pixel spacing is that of the detector: bodies are smaller than it says" in scene["texts"]["en"]["doubts"]


def test_frames_have_places_and_windows_of_their_own(write, image):
    def frame(number):
        return replace(
            image,
            orientation=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
            origin_mm=(0.0, 0.0, 3.0 * number),
            spacing_at="patient",
            views=(WindowView(50.0 + number, 100.0),),
        )

    scene = write([frame(0), frame(1)]).scene
    assert [matrix[2][3] for matrix in scene["affines"]] == [0.0, 3.0]
    assert [view["center"] for view in scene["views"]] == [50.0, 51.0]
    assert any("windows of their own" in note for note in scene["texts"]["en"]["doubts"])


def test_a_lookup_table_travels_with_the_page(write, image):
    table = np.array([0, 1000, 4095], np.uint16)
    (view,) = write(replace(image, views=(LookupView(5, table, 12),)), compress=False).scene["views"]
    assert (view["kind"], view["first"], view["bits"]) == ("table", 5, 12)
    assert np.array_equal(np.frombuffer(base64.b64decode(view["table"]), "<u2"), table)


def test_no_letters_where_a_nifti_file_does_not_say(write, volume):
    from mediml.imaging.image import Step

    scene = write(replace(volume, doubts=(Step("nifti_unplaced"),))).scene
    assert [pane["letters"] for pane in scene["panes"]] == [None] * 3 and scene["affines"] == [None]


def test_text_cannot_become_markup(write, image):
    """No text of a file gets in; if one did, it could end neither the data block nor a line of the table."""
    page = write(replace(image, facts={"body_part": "</script><img src=x>"}))
    assert page.text.count("</script>") == len([1 for name, _ in page.elements if name == "script"])
    assert "<img" not in page.text
    assert dict(page.scene["texts"]["en"]["table"])["Body part"] == "</script><img src=x>"


def test_age_is_not_told(write, image):
    page = write(replace(image, age_years=77.125))
    assert "77.1" not in page.text


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"language": "fr"}, "language expects one of en, zh, got 'fr'"),
        ({"every": 0}, "every expects a whole number of at least 1, got 0"),
        ({"every": 1.5}, "every expects a whole number"),
        ({"max_mb": 0}, "max_mb expects a positive number"),
        ({"max_mb": float("nan")}, "max_mb expects a positive number"),
        ({"frame_rate": 0}, "frame_rate expects a number above 0"),
        ({"mask": np.zeros((2, 2))}, "mask expects the shape of the image"),
    ],
)
def test_bad_arguments(write, volume, options, text):
    with pytest.raises(ValueError, match=text):
        write(volume, **options)


@pytest.mark.parametrize("picture", [np.zeros((3, 3)), "file.dcm", [1], None, [np.zeros((2, 2))]])
def test_what_is_no_picture(write, picture):
    with pytest.raises(TypeError, match="expected an Image, a Volume, or a sequence of Image, got"):
        write(picture)


def test_nothing_to_show(write, build_volume):
    for picture in ([], Image(stored=np.zeros((0, 3)), values=np.zeros((0, 3)))):
        with pytest.raises(ValueError, match="at least one pixel"):
            write(picture)


def test_frames_of_two_sizes(write, image, loop):
    with pytest.raises(ValueError, match="frames of one size, unit, polarity and spacing, got 2 kinds"):
        write([image, loop[0]])


def test_a_page_that_would_be_too_large(tmp_path, build_volume):
    noise = build_volume((40, 64, 64))  # 12 bits of noise a voxel, about 0.33 MB as text
    path = tmp_path / "page.html"
    with pytest.raises(
        ViewerError, match=r"about 0.3\d MB of pixels, and has room for 0.1\d*; take fewer planes"
    ) as caught:
        write_viewer(path, noise, max_mb=0.2)
    assert not list(tmp_path.iterdir())
    every, megabytes = map(int, re.search(r"--every (\d+), or allow it by --max-mb (\d+)", str(caught.value)).groups())
    assert write_viewer(path, noise, max_mb=0.2, every=every) < 0.2e6
    assert write_viewer(path, noise, max_mb=megabytes) > 0.3e6
    with pytest.raises(ViewerError, match="has room for 0; allow it by --max-mb"):
        write_viewer(path, noise, max_mb=0.01)


def test_an_earlier_page_is_replaced_and_nothing_else(tmp_path, image, volume):
    path = tmp_path / "new" / "page.html"
    write_viewer(path, image)
    before = path.read_bytes()
    write_viewer(path, volume)
    assert path.read_bytes() != before
    other = tmp_path / "diary.html"
    other.write_text("<html>mine</html>")
    link = tmp_path / "link.html"
    link.symlink_to(path)
    (tmp_path / "folder.html").mkdir()
    for place, text in (
        (other, "something else; choose another"),
        (link, "got a folder or a link"),
        (tmp_path / "folder.html", "got a folder or a link"),
        (tmp_path / "page.txt", r"name that ends in .html, got 'page.txt'"),
        (other / "below.html", "cannot be written"),
    ):
        with pytest.raises(ViewerError, match=text):
            write_viewer(place, image)
    assert other.read_text() == "<html>mine</html>"


def test_a_failure_leaves_the_earlier_page(tmp_path, image, volume, monkeypatch):
    path = tmp_path / "page.html"
    write_viewer(path, image)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(ViewerError, match="No space left on device"):
        write_viewer(path, volume)
    assert path.read_bytes() == before and [each.name for each in tmp_path.iterdir()] == ["page.html"]


def test_the_same_picture_is_the_same_page(write, volume):
    assert write(volume).text == write(volume).text
