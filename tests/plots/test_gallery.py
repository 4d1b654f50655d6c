"""The gallery: what it draws is what the operations do, between the same limits, with no word of one language."""

import re
from io import BytesIO

import numpy as np
import pytest
from PIL import Image as Picture

from mediml import imaging
from mediml.plots import display, gallery
from mediml.plots.gallery_exhibits import exhibit, packaged_exhibits, phantom_exhibits
from mediml.plots.gallery_operations import GROUPS, number

LOCAL = [*GROUPS["noise"], "unsharp_mask"]


def picture(modality, units="arbitrary", spacing=(0.5, 0.5), inverted=False, offset=0.0):
    """A disc of 400 with a bright core on nothing, with noise of 20."""
    rows, columns = np.indices((96, 110)) - 48
    radius = np.hypot(rows, columns)
    clean = np.where(radius < 40, 400.0, 0.0) + np.where(radius < 12, 200.0, 0.0)
    if inverted:
        clean = 700 - clean
    values = (clean + np.random.default_rng(7).normal(0, 20, clean.shape) + offset).astype(np.float32)
    return imaging.Image(
        stored=values, values=values, modality=modality, units=units, spacing_mm=spacing, inverted=inverted
    )


@pytest.fixture(scope="module")
def exhibits():
    return {
        "CR": exhibit(picture("CR", spacing=None, inverted=True), (30, 30, 40)),
        "CT": exhibit(picture("CT", "HU", offset=-300.0), (0, 70, 40), limits=(-300, 300), window=(-100, 300)),
        "MR": exhibit(picture("MR"), (56, 20, 40), noise=25.0, added_noise=15.0),
    }


@pytest.fixture(scope="module")
def figures(exhibits):
    return {group: gallery.gallery_figure(group, exhibits) for group in GROUPS}


def pairs(exhibits):
    for group, operations in GROUPS.items():
        for name, operate in operations.items():
            for title, shown in exhibits.items():
                yield group, name, title, shown, operate(shown)


def test_every_operation_on_every_modality(exhibits):
    kept = {title: shown.values.copy() for title, shown in exhibits.items()}
    empty = set()
    for group, name, title, _, pair in pairs(exhibits):
        if pair is None:
            empty.add((name, title))
            continue
        assert np.isfinite(pair.before).all() and np.isfinite(pair.after).all(), (name, title)
        assert (
            np.ptp(pair.after) > 0 and pair.limits[0] < pair.limits[1] and pair.after_limits[0] < pair.after_limits[1]
        )
        if group in ("noise", "geometry", "field") or name in ("unsharp_mask", "match_histogram"):
            assert pair.limits == pair.after_limits, (name, title)
    for title, shown in exhibits.items():
        np.testing.assert_array_equal(shown.values, kept[title])
    # HU mean something and are not evened out; a radiograph without spacing has no new one; N4 is for MR.
    assert empty == {
        ("correct_bias_field", "CR"),
        ("correct_bias_field", "CT"),
        ("homomorphic_filter", "CT"),
        ("resample", "CR"),
    }


def test_all_public_operations_are_shown():
    shown = {name for operations in GROUPS.values() for name in operations}
    assert all(hasattr(imaging, name) for name in shown)
    assert {"window", "z_score", "percentile_scale", "match_histogram", "equalise_histogram", "clahe", "gamma"} <= shown
    assert {"mean_filter", "gaussian_filter", "median_filter", "bilateral_filter", "non_local_means"} <= shown
    assert {"anisotropic_diffusion", "total_variation", "unsharp_mask", "laplacian", "sobel"} <= shown
    assert {"body_mask", "crop", "pad_to", "resize", "resample", "correct_bias_field", "homomorphic_filter"} <= shown


def test_noise_removal_removes_noise_and_says_what(exhibits):
    for _, name, title, shown, pair in pairs(exhibits):
        if name in LOCAL:
            np.testing.assert_array_equal(pair.before, shown.values[shown.square])
            np.testing.assert_allclose(pair.inset, pair.after - pair.before)
            assert pair.limits == shown.window and pair.note
        if name in GROUPS["noise"]:
            assert imaging.estimate_noise(pair.after) < 0.6 * imaging.estimate_noise(pair.before), (name, title)


def test_a_detail_at_the_border_is_filtered_as_in_the_whole_image(exhibits):
    for shown in exhibits.values():
        pair = GROUPS["noise"]["gaussian_filter"](shown)
        np.testing.assert_allclose(pair.after, imaging.gaussian_filter(shown.values, 1.0)[shown.square], atol=1e-3)


def test_strengths_follow_the_noise(exhibits):
    assert exhibits["MR"].noise == 25.0
    assert exhibits["CT"].noise == pytest.approx(20, rel=0.1)
    assert imaging.estimate_noise(exhibits["MR"].values) == pytest.approx(25, rel=0.1)  # 20 and 15 together
    assert "60 HU" in GROUPS["noise"]["bilateral_filter"](
        exhibit(picture("CT", "HU"), (0, 0, 40), noise=20.0)
    ).note.replace("σ = ", "")


def test_what_is_shown_is_white_where_it_should_be(exhibits):
    for title, shown in exhibits.items():
        assert shown.shown[48, 48] > 0.8 > 0.3 > shown.shown[4, 4], title
        assert shown.mask[48, 48] and not shown.mask[2, 2]
    after = GROUPS["contrast"]["gamma"](exhibits["CR"]).after
    np.testing.assert_allclose(1 - after, exhibits["CR"].shown ** 0.6, atol=1e-5)


@pytest.mark.parametrize("group", GROUPS)
def test_a_figure_has_a_place_for_every_pair(exhibits, figures, group):
    figure = figures[group]
    assert len(figure.axes) == len(exhibits) * (1 + 2 * len(GROUPS[group]))
    words = {text.get_text() for text in figure.texts}
    assert set(GROUPS[group]) | set(exhibits) <= words
    # Names of functions and of modalities, numbers, symbols, units; and "dt", "px", "mm", "HU".
    others = " ".join(words - set(GROUPS[group]) - set(exhibits))
    assert set(re.findall(r"[A-Za-z]{2,}", others)) <= {"dt", "px", "mm", "HU"}


def test_colour_limits_on_the_page_are_those_of_the_pair(exhibits, figures):
    panels = figures["noise"].axes[len(exhibits) :]
    shown = list(exhibits.values())
    for place, (before, after) in enumerate(zip(panels[::2], panels[1::2])):
        window = shown[place % len(shown)].window
        assert before.images[0].get_clim() == after.images[0].get_clim() == pytest.approx(window)
        assert len(after.child_axes) == 1 and not before.child_axes
        low, high = after.child_axes[0].images[0].get_clim()
        assert -low == high == pytest.approx(0.2 * (window[1] - window[0]))
    assert panels[0].images[0].cmap.name == "gray_r" and panels[2].images[0].cmap.name == "gray"


def test_labels_replace_names(exhibits):
    labels = {"gamma": "Gammakorrektur", "MR": "Magnetresonanz"}
    few = {title: exhibits[title] for title in ("CT", "MR")}
    words = {text.get_text() for text in gallery.gallery_figure("contrast", few, labels).texts}
    assert {"Gammakorrektur", "Magnetresonanz", "clahe", "CT"} <= words and not {"gamma", "MR"} & words


def test_the_gallery_is_shown_and_written(exhibits, figures, tmp_path, monkeypatch):
    pictures = []
    monkeypatch.setattr(gallery, "gallery_figure", lambda group, exhibits, labels: figures[group])
    monkeypatch.setattr(display, "_publish", pictures.append)
    alt = ("A test.", "测试。")
    few = {"CT": exhibits["CT"]}
    gallery.show_gallery("field", few, alt)
    assert pictures[0].alt == alt and Picture.open(BytesIO(pictures[0].png)).width > 100
    files = gallery.write_gallery(tmp_path / "new", few)
    assert [file.name for file in files] == [f"gallery.{group}.jpg" for group in GROUPS]
    assert all(Picture.open(file).format == "JPEG" and file.stat().st_size < 2**20 for file in files)


def test_the_real_pictures():
    real = packaged_exhibits()
    assert {title: shown.modality for title, shown in real.items()} == {"CR": "CR", "CT": "CT", "MR": "MR"}
    assert real["CR"].inverted and real["CT"].units == "HU"
    assert real["MR"].spacing_mm == pytest.approx((0.390626,) * 2)
    for shown in real.values():
        assert 0.4 < shown.mask.mean() < 0.99
        assert shown.mask[shown.square].mean() > 0.5
        assert 0.01 < shown.noise / (shown.window[1] - shown.window[0]) < 0.1  # to be seen, and not all that is seen


def test_the_phantoms():
    made = phantom_exhibits()
    assert list(made) == ["CR", "CT", "MR", "US", "RF"]
    for title, shown in made.items():
        assert shown.modality in (title, "DX") and shown.spacing_mm is not None
        low, high = shown.window
        seen = shown.values[shown.square]
        assert shown.mask[shown.square].mean() > 0.5 and 0.01 < shown.noise / (high - low) < 0.2, title
        assert np.mean((seen > low) & (seen < high)) > 0.4, title  # neither black nor white


def test_numbers_are_short():
    assert [number(x) for x in (-1000.0, 12.4, 3.14159, 0.0)] == ["-1000", "12", "3.1", "0"]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda e: gallery.gallery_figure("colour", e), "gallery_figure: group expects one of noise, edges"),
        (lambda e: gallery.gallery_figure("noise", {}), "gallery_figure: exhibits expects at least one picture"),
        (lambda e: exhibit(picture("MR"), (60, 0, 40)), r"exhibit: detail expects a square inside \(96, 110\)"),
        (lambda e: exhibit(picture("MR"), (-1, 0, 40)), "exhibit: detail expects a square inside"),
        (lambda e: exhibit(picture("MR"), (0, 0, 0)), "exhibit: detail expects a square inside"),
        (
            lambda e: exhibit(imaging.Image(stored=np.zeros((9, 9, 3)), values=np.zeros((9, 9, 3))), (0, 0, 4)),
            "exhibit: image expects grey values",
        ),
    ],
)
def test_refusals(exhibits, call, text):
    with pytest.raises(ValueError, match=text):
        call(exhibits)
