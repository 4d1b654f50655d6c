"""Cases of the phantoms: what is written down as true is what the pictures and masks show."""

import datetime
import json
from functools import partial
from types import SimpleNamespace

import numpy as np
import pydicom
import pytest

from mediml.data import phantom_cases
from mediml.data.make import write_case
from mediml.imaging import Image, Volume, read_image, read_series


def test_ultrasound(tmp_path):
    empty, cyst, lump = (phantom_cases.ultrasound(number, 4) for number in (0, 1, 3))
    assert empty.truth["finding"] is None and set(empty.masks) == {"sector"}
    assert cyst.truth["finding"] == "cyst" and cyst.truth["without_echo"] and cyst.truth["contrast_db"] is None
    assert lump.truth["organ"] == "superficial" and lump.truth["contrast_db"] < 0 and not lump.truth["without_echo"]
    image = cyst.images["image"]
    step = image.spacing_mm[0]
    assert cyst.masks["finding"].sum() * step**2 == pytest.approx(cyst.truth["area_mm2"], rel=0.02)
    centre = np.argwhere(cyst.masks["finding"]).mean(0) * step
    np.testing.assert_allclose(centre, cyst.truth["centre_mm"], atol=0.5)
    assert not (image.stored[~cyst.masks["sector"]]).any()
    inside, around = image.values[cyst.masks["finding"]].mean(), image.values[cyst.masks["sector"]].mean()
    assert inside < 0.3 * around
    write_case(tmp_path / "case", cyst)
    np.testing.assert_array_equal(read_image(tmp_path / "case" / "image.dcm").stored, image.stored)


def test_barium(tmp_path):
    made = phantom_cases.barium(1, 0)
    assert made.truth["finding"] == "polyp" and phantom_cases.barium(0, 0).truth["finding"] is None
    for frame, (row, column) in enumerate(made.truth["centre_pixels"], 1):
        mask = made.masks[f"finding_{frame}"]
        assert np.hypot(*(np.argwhere(mask) - (row, column)).T).min() < 12 and mask.any()
        assert made.masks[f"colon_{frame}"].sum() > mask.sum()
    write_case(tmp_path / "case", made)
    assert sorted(path.name for path in (tmp_path / "case" / "frames").iterdir()) == [f"000{k}.dcm" for k in (1, 2, 3)]


def test_findings_take_turns():
    assert [phantom_cases._turn(("a", "b"), number) for number in range(6)] == [None, "a", None, "b", None, "a"]


@pytest.mark.slow
def test_brain(tmp_path):
    """The truth of a tumour, and what the MR module says of each sequence."""
    made = phantom_cases.brain(1, 0)
    assert made.truth["finding"] == "tumour" and set(made.images) == {"T1", "T1_contrast", "T2", "FLAIR"}
    voxel = np.prod(made.images["T1"].spacing_mm)
    assert made.masks["lesion"].sum() * voxel == pytest.approx(made.truth["lesion_volume_mm3"], rel=0.15)
    write_case(tmp_path / "case", made)
    header = pydicom.dcmread(tmp_path / "case" / "FLAIR" / "0001.dcm", stop_before_pixels=True)
    assert (header.RepetitionTime, header.EchoTime, header.InversionTime) == (9000, 120, 2500)
    assert header.ScanningSequence == "IR" and header.SeriesDescription == "FLAIR, generated"
    other = pydicom.dcmread(tmp_path / "case" / "T2" / "0001.dcm", stop_before_pixels=True)
    assert (other.StudyInstanceUID, other.SeriesNumber) == (header.StudyInstanceUID, 3)
    assert other.SeriesInstanceUID != header.SeriesInstanceUID


@pytest.mark.slow
def test_chest(monkeypatch):
    """A small picture: the drawing of a chest is what takes the time."""
    from mediml.imaging.phantoms import chest_radiograph

    monkeypatch.setattr(phantom_cases, "chest_radiograph", partial(chest_radiograph, size=96))
    film = phantom_cases.chest_xray(1, 0)
    (nodule,) = film.truth["findings"]
    assert nodule["kind"] == "nodule" and set(film.masks) == {"nodule"}
    step = film.images["image"].spacing_mm[0]
    shadow = film.masks["nodule"].sum() * step**2
    assert shadow >= 0.7 * np.pi / 4 * nodule["diameter_mm"] ** 2
    left = np.argwhere(film.masks["nodule"])[:, 1].mean() > 48  # the patient's left is at the right
    assert left == (nodule["side"] == "left")


def test_patients(tmp_path, monkeypatch):
    """How a patient's visits are laid out; the pictures themselves are stood in for."""
    from mediml.imaging.phantoms import Patient, longitudinal_patients

    patient = longitudinal_patients(2, 3)[1]
    picture = Image(np.ones((8, 8), np.uint16), np.ones((8, 8), np.float32), modality="CR")

    def scan(self, visit, method):
        assert method == "direct" and self == patient
        labels = np.zeros((4, 8, 8), np.uint8)
        labels[: visit + 1, 2, 2] = 40
        stored = labels.astype(np.int16)
        axes = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
        volume = Volume(stored, stored.astype(np.float32), (2.0, 1.0, 1.0), axes, (0.0, 0.0, 0.0), "HU", "CT")
        return SimpleNamespace(volume=volume, labels=labels, findings=(SimpleNamespace(label=40),))

    def film(self, visit):
        return SimpleNamespace(image=picture, mask=lambda label: np.full((8, 8), label == 40))

    monkeypatch.setattr(Patient, "ct", scan)
    monkeypatch.setattr(Patient, "radiograph", film)
    made = phantom_cases.patients(1, 3)
    write_case(tmp_path / "case", made)
    count = len(patient.visits)
    assert [int(made.masks[f"visit_{k}_ct_nodule"].sum()) for k in range(1, count + 1)] == list(range(1, count + 1))
    last = pydicom.dcmread(tmp_path / "case" / f"visit_{count}_ct" / "0001.dcm")
    first = pydicom.dcmread(tmp_path / "case" / "visit_1_xray.dcm")
    days = datetime.datetime.strptime(last.StudyDate, "%Y%m%d") - datetime.datetime(2000, 1, 1)
    assert first.StudyDate == "20000101" and days.days == round(patient.visits[-1].months * 30.44)
    assert first.PatientID == last.PatientID == "patients-3-0001" and first.PatientSex == patient.sex
    assert first.StudyInstanceUID != last.StudyInstanceUID
    told = json.loads((tmp_path / "case" / "truth.json").read_text())
    assert told["months"] == patient.months and told["event"] == patient.event
    assert [visit["volume_mm3"] for visit in told["visits"]] == [visit.volume_mm3 for visit in patient.visits]
    assert read_series(tmp_path / "case" / "visit_2_ct").shape == (4, 8, 8)
