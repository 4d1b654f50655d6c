"""Labelled volumes: orientation and scaling by hand, padding undone, generated ones, real ones where present."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from mediml.data.medmnist import DataError
from mediml.data.volumes import generated_volumes, load_volumes, stack, unpad


@pytest.fixture
def write(tmp_path):
    """Three small volumes on disk; ``write(label=…)`` replaces the last mask."""
    nibabel = pytest.importorskip("nibabel")
    affine = np.diag([-1.0, 2.0, 3.0, 1.0])  # columns from right to left, to be turned

    def write(label=None, label_affine=affine):
        for folder in ("images", "labels"):
            (tmp_path / folder).mkdir(exist_ok=True)
        for number in (1, 3, 10):
            image = np.arange(24, dtype=np.float32).reshape(2, 3, 4) * 1000 * number
            mask = np.zeros((2, 3, 4), np.uint8) if label is None or number < 10 else label
            if label is None:
                mask[0, 1, 2] = 2
            where = label_affine if number == 10 else affine
            nibabel.save(nibabel.Nifti1Image(image, affine), tmp_path / "images" / f"v_{number:03d}.nii.gz")
            nibabel.save(nibabel.Nifti1Image(mask, where), tmp_path / "labels" / f"v_{number:03d}.nii.gz")
        return tmp_path

    return write


def test_orientation_scaling_and_split(write):
    data = load_volumes(write(), train=2, test=1)
    assert [v.name for v in data.train] == ["v_001", "v_003"] and [v.name for v in data.test] == ["v_010"]
    volume = data.train[0]
    assert volume.image.shape == (4, 3, 2) and volume.spacing_mm == (3, 2, 1)
    assert volume.image.mean() == pytest.approx(0, abs=1e-6) and volume.image.std() == pytest.approx(1, abs=1e-6)
    assert np.argwhere(volume.label).tolist() == [[2, 1, 1]] and volume.label[2, 1, 1] == 2  # the column is turned
    np.testing.assert_allclose(data.test[0].image, volume.image, atol=1e-6)  # ten times the intensity


def test_refusals_of_files(write, tmp_path):
    with pytest.raises(DataError, match="expected images/ and labels/"):
        load_volumes(tmp_path)
    folder = write()
    with pytest.raises(DataError, match="together at most 3 volumes, got 3 and 1"):
        load_volumes(folder, 3, 1)
    with pytest.raises(DataError, match="v_010: image and label expect one grid"):
        load_volumes(write(label_affine=np.eye(4)), 2, 1)
    with pytest.raises(DataError, match="v_010: expected labels from 0 to 2"):
        load_volumes(write(label=np.full((2, 3, 4), 7, np.uint8)), 2, 1)
    with pytest.raises(DataError, match="v_010: not a readable NIfTI file in labels/: 1 of 24 voxels are NaN"):
        load_volumes(write(label=np.where(np.arange(24).reshape(2, 3, 4) == 5, np.float32("nan"), np.float32(0))), 2, 1)
    (folder / "labels" / "v_010.nii.gz").write_bytes(b"nothing")
    with pytest.raises(DataError, match="v_010: not a readable NIfTI file"):
        load_volumes(folder, 2, 1)
    (folder / "labels" / "v_010.nii.gz").unlink()
    with pytest.raises(DataError, match="labels/ holds no file"):
        load_volumes(folder, 2, 1)


def test_without_nibabel_the_error_says_what_to_install(write, monkeypatch):
    folder = write()
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(ImportError, match="run: pip install nibabel"):
        load_volumes(folder, 2, 1)


def test_padding_is_undone():
    data = generated_volumes(3, 1, seed=1)
    images, labels = stack(data.train)
    assert images.shape[1:] == (1, 24, 40, 32) and images.dtype == np.float32 and labels.dtype == np.int64
    for whole, volume in zip(unpad(labels, data.train), data.train):
        np.testing.assert_array_equal(whole, volume.label)
    assert labels.sum() == sum(v.label.sum() for v in data.train)
    assert stack(data.train, shape=(32, 48, 32))[0].shape == (3, 1, 32, 48, 32)


def test_generated_volumes():
    small, large = generated_volumes(2, 1, seed=3), generated_volumes(4, 1, seed=3)
    for few, many in zip(small.train, large.train):
        np.testing.assert_array_equal(few.image, many.image)
        np.testing.assert_array_equal(few.label, many.label)
    assert (small.train[0].image.shape != small.test[0].image.shape) or (
        small.train[0].image != small.test[0].image
    ).any()
    for volume in generated_volumes(12, 1, seed=4).train:
        counts = np.bincount(volume.label.ravel(), minlength=3)
        assert len(counts) == 3 and 0.01 < counts[1:].sum() / volume.label.size < 0.3 and counts[1:].min() > 50
        inside = volume.image[volume.label > 0]
        assert inside.mean() > volume.image[volume.label == 0].mean() + 1
        rows = [np.argwhere(volume.label == k)[:, 1].mean() for k in (1, 2)]
        assert rows[0] > rows[1]  # the anterior part is in front
        bright = volume.image > np.median(inside)
        dice = 2 * (bright & (volume.label > 0)).sum() / (bright.sum() + (volume.label > 0).sum())
        assert dice < 0.9  # a threshold is not enough


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda v: generated_volumes(0), "train, test >= 1"),
        (lambda v: generated_volumes(size=(8, 40, 28)), "three sizes >= 16"),
        (lambda v: stack(v, shape=(8, 8, 8)), r"shape expects at least \(.*\), got \(8, 8, 8\); crop first"),
        (lambda v: stack(v, shape=(48, 48)), r"stack: shape expects three numbers, got \(48, 48\)"),
        (lambda v: unpad(np.zeros((1, 4, 4, 4)), v), r"unpad: shape expects at least \(.*\), got \(4, 4, 4\)"),
        (lambda v: stack([]), "at least one volume"),
        (lambda v: unpad(np.zeros((2, 4, 4, 4)), v), r"expect shape \(1, D, H, W\)"),
    ],
)
def test_refusals(call, text):
    with pytest.raises(ValueError, match=text):
        call(generated_volumes(1, 1).train)


def test_the_hippocampus_volumes():
    pytest.importorskip("nibabel")
    folder = Path(os.environ.get("MEDIML_DATA_DIR", "")) / "hippocampus"
    if "MEDIML_DATA_DIR" not in os.environ or not folder.is_dir():
        pytest.skip("MEDIML_DATA_DIR holds no folder hippocampus")
    data = load_volumes(folder)
    assert (len(data.train), len(data.test)) == (80, 20)
    assert max(v.name for v in data.train) < min(v.name for v in data.test)
    for volume in (*data.train, *data.test):
        assert set(np.unique(volume.label)) == {0, 1, 2} and volume.spacing_mm == (1, 1, 1)
        assert np.argwhere(volume.label == 1)[:, 1].mean() > np.argwhere(volume.label == 2)[:, 1].mean()
