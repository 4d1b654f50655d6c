"""What is written as DICOM is read back to the same numbers, and a validator of the standard finds no error in it."""

import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pydicom
import pytest

from mediml.imaging import Image, LookupView, Provenance, Volume, WindowView, read_image, write_image, write_series
from mediml.imaging.standard.modules import STORAGE

DTYPES = {"CT": np.int16, "MR": np.uint16, "CR": np.uint16, "DX": np.uint16, "US": np.uint8, "RF": np.uint16}


def image(modality="CT", dtype=None, shape=(5, 7), **changes):
    dtype = np.dtype(dtype or DTYPES.get(modality, np.uint8))
    if modality == "ES":
        shape = (*shape, 3)
    count = int(np.prod(shape))
    stored = np.linspace(-1000 if dtype.kind == "i" else 0, 255 if dtype.itemsize == 1 else 3000, count)
    stored = stored.astype(dtype).reshape(shape)
    projection = modality in ("CR", "DX", "RF")
    described = {
        "stored": stored,
        "values": stored.astype(np.float32),
        "units": "HU" if modality == "CT" else "arbitrary",
        "modality": modality,
        "spacing_mm": (1.5, 0.7),
        "spacing_at": "detector" if projection else "patient",
        "orientation": None if projection else (0.0, 1.0, 0.0, 0.0, 0.0, -1.0),
        "origin_mm": None if projection else (1.0, -2.0, 3.25),
        "facts": {"body_part": "CHEST", "view_position": "PA", "patient_orientation": "L/F"},
        "views": () if modality == "ES" else (WindowView(40.0, 400.0), WindowView(-600.0, 1500.0)),
    }
    return Image(**(described | changes))


@pytest.mark.parametrize("modality", sorted(STORAGE))
def test_what_is_written_is_read_again(modality, tmp_path):
    given = image(modality)
    read = read_image(write_image(tmp_path / "a.dcm", given))
    assert read.stored.dtype == given.stored.dtype
    np.testing.assert_array_equal(read.stored, given.stored)
    np.testing.assert_array_equal(read.values, given.values)
    assert read.modality == modality and read.units == given.units
    assert read.spacing_mm == pytest.approx(given.spacing_mm) and read.spacing_at == given.spacing_at
    assert [(v.center, v.width) for v in read.views] == [(v.center, v.width) for v in given.views]
    if modality in ("CT", "MR"):
        assert read.orientation == given.orientation and read.origin_mm == given.origin_mm
    if modality in ("CR", "DX"):
        assert read.facts["view_position"] == "PA" and read.facts["patient_orientation"] == "L/F"
    assert not read.doubts or [step.code for step in read.doubts] == ["spacing_detector"]


def test_an_attribute_that_is_none_is_refused(tmp_path):
    """pydicom takes a misspelt keyword and writes nothing."""
    with pytest.raises(ValueError, match="acquisition expects keywords of the DICOM dictionary, got 'RepetitonTime'"):
        write_image(tmp_path / "a.dcm", image("MR"), Provenance(acquisition=(("RepetitonTime", 500.0),)))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("years", "written"), [(0.5, "006M"), (7 / 12, "007M"), (1.99, "023M"), (2.0, "002Y"), (61.7, "061Y")]
)
def test_infants_have_their_age_in_months(years, written, tmp_path):
    path = write_image(tmp_path / "a.dcm", image(age_years=years))
    assert pydicom.dcmread(path).PatientAge == written


@pytest.mark.parametrize("modality", sorted(STORAGE))
def test_a_validator_finds_no_error(modality, tmp_path):
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy (Debian: dicom3tools) is not installed")
    for number, facts in enumerate(({"patient_orientation": "L/F"}, image().facts)):
        path = write_image(tmp_path / f"{number}.dcm", image(modality, inverted=modality == "CR", facts=facts))
        said = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True).stderr
        assert "Error" not in said, said


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, -1024.0), (0.1, 0.0), (1 / 3, 7.5), (-2.0, 5.0), (1e-4, 3.0)])
def test_the_rescale_is_found(slope, intercept, tmp_path):
    stored = np.arange(0, 3500, 100, np.uint16).reshape(5, 7)
    values = (stored * slope + intercept).astype(np.float32)
    read = read_image(write_image(tmp_path / "a.dcm", image(stored=stored, values=values)))
    np.testing.assert_allclose(read.values, values, atol=4e-6 * np.abs(values).max())


def test_polarity_padding_and_tables(tmp_path):
    stored = np.array([[-2000, 5], [7, 9]], np.int16)
    table = LookupView(5, np.array([0, 100, 200, 255], np.uint16), 8)
    given = image(
        stored=stored, values=stored.astype(np.float32), padding=stored == -2000, inverted=True, views=(table,)
    )
    read = read_image(write_image(tmp_path / "a.dcm", given))
    assert read.inverted and read.padding.tolist() == [[True, False], [False, False]]
    np.testing.assert_allclose(read.display(), [[0, 1], [1 - 200 / 255, 0]], atol=1e-6)


def test_a_volume_becomes_a_series(tmp_path):
    stored = np.arange(3 * 4 * 5, dtype=np.int16).reshape(3, 4, 5)
    directions = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
    volume = Volume(stored, stored * 1.0 - 1024, (2.5, 0.5, 0.75), directions, (1.0, 2.0, 3.0), "HU", "CT")
    about = Provenance(patient_id="P7", study="visit 2", age_years=61.4, sex="F", acquisition=(("KVP", 120.0),))
    files = write_series(tmp_path / "new" / "series", volume, about)
    assert [f.name for f in files] == ["0001.dcm", "0002.dcm", "0003.dcm"]
    headers = [pydicom.dcmread(f) for f in files]
    assert [float(h.ImagePositionPatient[2]) for h in headers] == [3, 5.5, 8]
    assert {(h.SeriesInstanceUID, h.FrameOfReferenceUID, h.RescaleIntercept) for h in headers} == {
        (headers[0].SeriesInstanceUID, headers[0].FrameOfReferenceUID, -1024)
    }
    assert len({h.SOPInstanceUID for h in headers}) == 3 and headers[0].SliceThickness == 2.5
    assert (headers[0].PatientID, headers[0].PatientAge, headers[0].KVP) == ("P7", "061Y", 120)
    np.testing.assert_array_equal(read_image(files[1]).values, volume.values[1])
    with pytest.raises(ValueError, match="holds something"):
        write_series(tmp_path / "new" / "series", volume)


def test_a_slice_may_have_a_scale_of_its_own(tmp_path):
    stored = np.arange(2 * 4, dtype=np.uint16).reshape(2, 2, 2)
    values = (stored * np.array([2.0, 3.0]).reshape(2, 1, 1)).astype(np.float32)
    volume = Volume(stored, values, (1, 1, 1), ((0, 0, 1), (0, 1, 0), (1, 0, 0)), (0, 0, 0), modality="MR")
    for file, expected in zip(write_series(tmp_path / "s", volume), values):
        np.testing.assert_array_equal(read_image(file).values, expected)


def test_identifiers_follow_from_words():
    one, two = Provenance(patient_id="A"), Provenance(patient_id="B")
    assert one.uid(1) == Provenance(patient_id="A").uid(1)
    assert len({one.uid(), one.uid(1), two.uid(), replace(one, study="2").uid()}) == 4
    assert one.uid().is_valid


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"stored": np.ones((2, 2), np.float32), "values": np.ones((2, 2))}, "whole numbers of 8 or 16 bits"),
        ({"stored": np.ones((2, 2), np.int32), "values": np.ones((2, 2))}, "whole numbers of 8 or 16 bits"),
        ({"values": np.zeros((5, 6), np.float32)}, "the shape of values"),
        ({"values": np.arange(35.0).reshape(5, 7) ** 2}, "one slope"),
        ({"values": np.zeros((5, 7), np.float32)}, "one slope, not 0"),
        ({"values": np.full((5, 7), np.nan)}, "finite numbers"),
        ({"modality": "picture"}, "modality expects one of CR, CT"),
        ({"padding": np.eye(5, 7, dtype=bool)}, "padding expects one stored value"),
        (
            {"stored": np.ones((5, 7), np.int16), "values": np.ones((5, 7)), "padding": np.eye(5, 7) > 0},
            "no other pixel",
        ),
        ({"views": (WindowView(1, 2), WindowView(1, 2, "SIGMOID"))}, "windows of one function"),
    ],
)
def test_what_cannot_be_said_is_refused(change, text, tmp_path):
    with pytest.raises(ValueError, match=text):
        write_image(tmp_path / "a.dcm", image(**change))
    with pytest.raises(ValueError, match=text):
        write_series(tmp_path / "s", [image(**change)])
    assert not list(tmp_path.iterdir())


def test_other_refusals(tmp_path):
    with pytest.raises(ValueError, match="DX expects values equal to the stored"):
        write_image(tmp_path / "a.dcm", image("DX", values=image("DX").values * 2))
    with pytest.raises(ValueError, match="a patient orientation"):
        write_image(tmp_path / "a.dcm", image("DX", facts={}))
    with pytest.raises(ValueError, match="folder of the file does not exist"):
        write_image(tmp_path / "none" / "a.dcm", image())
    with pytest.raises(ValueError, match="all of one modality"):
        write_series(tmp_path / "s", [image("CT"), image("MR")])
    with pytest.raises(ValueError, match="at least one image"):
        write_series(tmp_path / "s", [])
    (tmp_path / "file").write_bytes(b"kept")
    with pytest.raises(ValueError, match="holds something"):
        write_series(tmp_path / "file", [image()])
    assert (tmp_path / "file").read_bytes() == b"kept"


def test_a_failed_write_leaves_what_was_there(tmp_path, monkeypatch):
    path = write_image(tmp_path / "a.dcm", image())
    before = path.read_bytes()
    monkeypatch.setattr(pydicom.dataset.Dataset, "save_as", lambda *a, **k: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_image(path, image("MR"))
    with pytest.raises(OSError, match="disk full"):
        write_series(tmp_path / "s", [image()])
    assert [p.name for p in tmp_path.iterdir()] == ["a.dcm"] and path.read_bytes() == before
