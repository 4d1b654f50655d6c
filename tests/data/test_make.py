"""Generated sets as files: complete cases only, gone on with after an interruption, and the same whatever the count."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from mediml import cli
from mediml.data import make as making
from mediml.data import medmnist
from mediml.data.catalog import CatalogError
from mediml.data.make import RECIPES, Case, Recipe, make, write_case
from mediml.data.synthetic import chest_xray_data
from mediml.imaging import Image, Volume, read_image, read_series

AXES = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
CALLS: list[int] = []


def picture(number, seed):
    stored = np.full((8, 6), 100 * seed + number, np.uint16)
    stored[0, 0] = 0
    return Image(stored, stored.astype(np.float32), modality="CR", spacing_mm=(0.2, 0.2), spacing_at="detector")


def volume(number, seed):
    stored = np.arange(4 * 6 * 5, dtype=np.int16).reshape(4, 6, 5) + np.int16(number)
    return Volume(stored, stored.astype(np.float32), (3.0, 0.5, 0.5), AXES, (1.0, 2.0, 3.0), "HU", "CT")


def case(number, seed):
    CALLS.append(number)
    flat = np.zeros((8, 6), bool)
    flat[2:4, 1:3] = True
    truth = {"seed": seed, "area": flat.sum(), "centre": np.array([2.5, 1.5]), "side": "left"}
    return Case({"image": picture(number, seed)}, {"finding": flat}, truth)


@pytest.fixture
def recipe(monkeypatch):
    CALLS.clear()
    monkeypatch.setitem(RECIPES, "sample", Recipe("a sample", "CR", 3, case="module:case"))
    monkeypatch.setattr(making, "_function", lambda place: case)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_cases_are_written_with_their_truth(recipe, tmp_path):
    seen = []
    assert make("sample", tmp_path / "out", seed=2, progress=lambda *counts: seen.append(counts)) == tmp_path / "out"
    assert names(tmp_path / "out") == ["case_0000", "case_0001", "case_0002", "set.json"]
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]
    folder = tmp_path / "out" / "case_0001"
    assert names(folder) == ["finding.png", "image.dcm", "truth.json"]
    assert json.loads((folder / "truth.json").read_text()) == {
        "seed": 2, "area": 4, "centre": [2.5, 1.5], "side": "left",
    }  # fmt: skip
    np.testing.assert_array_equal(read_image(folder / "image.dcm").stored, picture(1, 2).stored)
    from PIL import Image as Picture

    mask = np.asarray(Picture.open(folder / "finding.png"))
    assert mask.shape == (8, 6) and set(np.unique(mask)) == {0, 255} and (mask == 255).sum() == 4


def test_finished_cases_are_kept_and_a_longer_set_begins_alike(recipe, tmp_path):
    make("sample", tmp_path, count=2)
    before = (tmp_path / "case_0001" / "image.dcm").read_bytes()
    make("sample", tmp_path, count=4)
    assert CALLS == [0, 1, 2, 3] and (tmp_path / "case_0001" / "image.dcm").read_bytes() == before


def test_an_interruption_leaves_complete_cases_only(recipe, tmp_path, monkeypatch):
    real = making.write_image

    def interrupted(path, *arguments):
        if CALLS[-1] == 1:
            raise KeyboardInterrupt
        return real(path, *arguments)

    monkeypatch.setattr(making, "write_image", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make("sample", tmp_path)
    assert names(tmp_path) == ["case_0000", "set.json"]
    monkeypatch.setattr(making, "write_image", real)
    (tmp_path / ".case_0001.part").mkdir()  # of a run that was killed
    (tmp_path / ".case_0001.part" / "image.dcm").write_bytes(b"half")
    make("sample", tmp_path)
    assert names(tmp_path) == ["case_0000", "case_0001", "case_0002", "set.json"]


def test_another_set_is_not_mixed_in(recipe, tmp_path):
    make("sample", tmp_path / "a", count=1)
    with pytest.raises(CatalogError, match=r"holds another set .*'seed': 0.*'seed': 1.* was asked for"):
        make("sample", tmp_path / "a", count=1, seed=1)
    (tmp_path / "a" / "set.json").write_text("{")
    with pytest.raises(CatalogError, match="holds another set"):
        make("sample", tmp_path / "a", count=1)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine.txt").write_text("mine")
    with pytest.raises(CatalogError, match="holds something that this command did not write"):
        make("sample", tmp_path / "b")
    assert names(tmp_path / "b") == ["mine.txt"]


def test_refusals(recipe, tmp_path):
    with pytest.raises(CatalogError, match=r"no generated set 'nothing'; expected one of chest-xray, "):
        make("nothing", tmp_path)
    for count, seed in ((0, 0), (1, -1)):
        with pytest.raises(
            CatalogError, match=f"make: sample expects count >= 1 and seed >= 0, got {count} and {seed}"
        ):
            make("sample", tmp_path / "out", count, seed)
    assert names(tmp_path) == []


@pytest.mark.parametrize(("name", "least"), [("chest-xray", 3), ("volumes", 2)])
def test_too_few_for_their_splits_leave_the_folder_free(tmp_path, capsys, name, least):
    """A request that cannot be met must not claim the folder: the next one, which can, goes there."""
    if name == "volumes":
        pytest.importorskip("nibabel", reason="volumes are NIfTI")
    words = ["data", "make", name, "--out", str(tmp_path / "out"), "--count"]
    assert cli.main([*words, str(least - 1)]) == 2
    assert f"make: {name} expects count >= {least} and seed >= 0, got {least - 1} and 0" in capsys.readouterr().err
    assert names(tmp_path) == []
    assert cli.main([*words, str(least)]) == 0


def test_where_no_folder_can_be(recipe, tmp_path):
    (tmp_path / "file").write_text("mine")
    for place in ("file", "file/below"):
        with pytest.raises(
            CatalogError, match=f"make: .*{place} cannot be a folder, a file is in its way; name another"
        ):
            make("sample", tmp_path / place)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_run_that_was_killed_while_it_claimed_the_folder_can_be_repeated(recipe, tmp_path):
    (tmp_path / ".set.json.k1ll3d.part").write_text("{")
    make("sample", tmp_path, count=1)
    assert {"case_0000", "set.json"} <= set(names(tmp_path))


def test_a_volume_becomes_a_series_and_its_mask_lies_on_it(tmp_path):
    nibabel = pytest.importorskip("nibabel", reason="masks of volumes are NIfTI")
    scan = volume(0, 0)
    mask = np.zeros(scan.shape, np.uint8)
    mask[3, 1, 2] = 7
    write_case(tmp_path / "case", Case({"scan": scan}, {"lesion": mask}))
    assert names(tmp_path / "case") == ["lesion.nii.gz", "scan", "truth.json"]
    again = read_series(tmp_path / "case" / "scan")
    np.testing.assert_array_equal(again.values, scan.values)
    file = nibabel.load(tmp_path / "case" / "lesion.nii.gz")
    (place,) = np.argwhere(np.asarray(file.dataobj) == 7)
    # voxel (3, 1, 2) lies at origin + 3 · 3 mm up, 1 · 0.5 mm back, 2 · 0.5 mm left; NIfTI counts right and front
    np.testing.assert_allclose((file.affine @ [*place, 1])[:3], [-(1 + 1.0), -(2 + 0.5), 3 + 9.0], atol=1e-5)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"masks": {"m": np.zeros((8, 6))}}, "mask 'm' expects whole numbers from 0 to 255"),
        ({"masks": {"m": np.full((8, 6), 256)}}, "whole numbers from 0 to 255"),
        ({"masks": {"m": np.full((8, 6), -1)}}, "whole numbers from 0 to 255"),
        ({"masks": {"m": np.zeros(5, bool)}}, "in two or three dimensions, got bool of shape"),
        ({"masks": {"m": np.zeros((2, 8, 6), bool)}}, "has no volume of its shape to lie on"),
        ({"images": {"s": volume(0, 0)}, "masks": {"m": np.zeros((2, 8, 6), bool)}}, "has no volume of its shape"),
        ({"truth": {"x": float("nan")}}, "JSON"),
        ({"truth": {"x": object()}}, "truth holds object, which JSON cannot say"),
    ],
)
def test_a_case_that_cannot_be_written_leaves_nothing(tmp_path, change, text):
    with pytest.raises((ValueError, TypeError), match=text):
        write_case(tmp_path / "case", replace(case(0, 0), **change))
    assert names(tmp_path) == []


def test_chest_xrays(tmp_path, capsys):
    assert cli.main(["data", "make", "chest-xray", "--out", str(tmp_path), "--count", "70", "--seed", "5"]) == 0
    assert capsys.readouterr().out == f"written: {tmp_path}\n"
    assert names(tmp_path) == ["chest-xray.npz", "set.json"]
    data = medmnist.load(tmp_path / "chest-xray.npz")
    assert data.content_sha256() == chest_xray_data(40, 10, 20, seed=5).content_sha256()
    changed = (tmp_path / "chest-xray.npz").stat().st_mtime_ns
    make("chest-xray", tmp_path, 70, 5)
    assert (tmp_path / "chest-xray.npz").stat().st_mtime_ns == changed
    assert cli.main(["data", "make", "chest-xray", "--out", str(tmp_path), "--count", "140", "--seed", "5"]) == 2
    assert "holds another set" in capsys.readouterr().err


def test_volumes_are_what_the_generator_gives(tmp_path):
    pytest.importorskip("nibabel", reason="volumes are NIfTI")
    from mediml.data.volumes import generated_volumes, load_volumes

    make("volumes", tmp_path, 5, 3)
    read, generated = load_volumes(tmp_path, 4, 1), generated_volumes(4, 1, seed=3)
    for one, other in zip((*read.train, *read.test), (*generated.train, *generated.test)):
        np.testing.assert_allclose(one.image, other.image, atol=2e-6)
        np.testing.assert_array_equal(one.label, other.label)
        np.testing.assert_allclose(one.spacing_mm, other.spacing_mm)


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_every_recipe_can_be_found(name):
    recipe = RECIPES[name]
    assert bool(recipe.case) != bool(recipe.whole) and recipe.count > 0 and recipe.title and recipe.modality
    assert callable(making._function(recipe.case or recipe.whole))


@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if recipe.nifti])
def test_without_nibabel_nothing_is_begun(name, monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "nibabel", None)
    assert cli.main(["data", "make", name, "--out", str(tmp_path / "set")]) == 2
    assert "NIfTI files need nibabel; run: pip install nibabel" in capsys.readouterr().err
    assert not (tmp_path / "set").exists()
