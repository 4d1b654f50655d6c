"""`mediml view` from a file to a page: what it takes, what it refuses, and that nothing identifying gets through."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from mediml.cli import main
from mediml.viewer.open import open_picture

CT = "1.2.840.10008.5.1.4.1.1.2"


def data_set(pixels, canary, **attributes):
    """A CT with the canary in every text of its header."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = CT
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    for keyword in (
        *("PatientName", "PatientID", "PatientComments", "OtherPatientNames", "PatientAddress", "InstitutionName"),
        *("InstitutionAddress", "ReferringPhysicianName", "PerformingPhysicianName", "OperatorsName", "StationName"),
        *("StudyDescription", "SeriesDescription", "ProtocolName", "ImageComments", "AccessionNumber", "StudyID"),
        *("Manufacturer", "ManufacturerModelName", "DeviceSerialNumber", "DerivationDescription", "ContrastBolusAgent"),
        *("SoftwareVersions", "RequestedProcedureDescription", "AdmittingDiagnosesDescription"),
        "WindowCenterWidthExplanation",
    ):
        setattr(dataset, keyword, canary)
    dataset.PatientBirthDate, dataset.StudyDate, dataset.StudyTime = "19310823", "20210507", "131719"
    dataset.RequestAttributesSequence = Sequence([Dataset()])
    dataset.RequestAttributesSequence[0].ScheduledProcedureStepDescription = canary
    block = dataset.private_block(0x000B, canary, create=True)
    block.add_new(1, "LO", canary)
    dataset.add_new(0x60004000, "LT", canary)  # comments of an overlay
    dataset.Modality, dataset.BodyPartExamined = "CT", canary.upper()
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = 1, -1024, "HU"
    dataset.WindowCenter, dataset.WindowWidth, dataset.KVP = 40, 400, 120
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 0
    dataset.PixelSpacing, dataset.ImageOrientationPatient = [2, 1], [1, 0, 0, 0, 1, 0]
    dataset.ImagePositionPatient, dataset.SliceThickness = [0, 0, 0], 3
    dataset.SeriesInstanceUID = dataset.StudyInstanceUID = "1.2.3.4.5"
    dataset.FrameOfReferenceUID = "1.2.3.4.6"
    dataset.PixelData = pixels.astype("<u2").tobytes()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 2000, (3, 4, 5)).astype(np.uint16)


@pytest.fixture
def single(tmp_path, pixels, canary):
    path = tmp_path / f"{canary}.dcm"
    data_set(pixels[0], canary).save_as(path, enforce_file_format=True)
    return path


@pytest.fixture
def series(tmp_path, pixels, canary):
    folder = tmp_path / canary
    folder.mkdir()
    for number, plane in enumerate(pixels):
        dataset = data_set(plane, canary, ImagePositionPatient=[0, 0, 3 * number], InstanceNumber=9 - number)
        dataset.save_as(folder / f"{canary}-{9 - number}", enforce_file_format=True)
    return folder


@pytest.fixture
def view(tmp_path, capsys):
    """Run the command; exit status, the page's text, what was printed, what was complained."""

    def view(*words, out="page.html"):
        path = tmp_path / "out" / out
        status = main(["view", *map(str, words), "--out", str(path)])
        captured = capsys.readouterr()
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        return status, text, captured.out, captured.err

    return view


def title(text):
    return re.search("<h1>(.*)</h1>", text)[1]


def identifying(text, canary):
    return [word for word in (canary, "19310823", "20210507", "131719", "1.2.3.4.5") if word.lower() in text.lower()]


def test_a_file(view, single, canary):
    status, text, told, complained = view(single)
    assert (status, complained) == (0, "") and title(text) == "CT 4 × 5"
    assert re.search(r"Viewer: .*page\.html \(0\.\d MB\)", told) and "Education, not for clinical use." in told
    assert "120 kV" in text and "OTHER" in text  # a body part that is not on the list
    assert not identifying(text, canary)
    assert canary not in told.replace("out", "")


def test_a_series(view, series, canary):
    status, text, _, _ = view(series, "--language", "zh")
    assert status == 0 and title(text) == "CT 3 × 4 × 5" and '<html lang="zh-CN">' in text
    assert not identifying(text, canary) and "3 mm" in text


def test_canaries_are_found(single, canary):
    """The search that found nothing finds it in the file itself."""
    assert len(identifying(single.read_bytes().decode("latin1"), canary)) == 5


def test_frames_without_places_are_a_loop(view, tmp_path, pixels, canary):
    path = tmp_path / f"{canary}.dcm"
    data_set(pixels, canary, NumberOfFrames=3, CineRate=12).save_as(path, enforce_file_format=True)
    opened = open_picture(path)
    assert [np.array_equal(frame.stored, plane) for frame, plane in zip(opened.picture, pixels)] == [True] * 3
    assert opened.frame_rate == 12 and opened.remark
    status, text, told, _ = view(path)
    assert status == 0 and '"kind":"frames"' in text and told.startswith("Shown as a loop of frames: ")
    assert not identifying(text + told.partition("Viewer:")[0], canary)


@pytest.mark.parametrize("name", ["p.png", "p.jpg"])
def test_a_picture(view, tmp_path, canary, name):
    path = tmp_path / f"{canary}-{name}"
    Pillow.fromarray(np.arange(200, dtype=np.uint8).reshape(10, 20)).save(path)
    status, text, _, _ = view(path)
    assert status == 0 and title(text) == "picture 10 × 20" and not identifying(text, canary)
    assert "does not say whether its pixels contain writing" in text


nibabel = pytest.mark.skipif(importlib.util.find_spec("nibabel") is None, reason="nibabel is not installed")


@nibabel
def test_a_nifti_file_with_a_mask(view, tmp_path, volume, build_volume, canary):
    from mediml.imaging import reorient, write_nifti

    path, mask = tmp_path / f"{canary}.nii.gz", tmp_path / "mask.nii"
    write_nifti(path, volume)
    labels = np.zeros(volume.shape, np.uint8)
    labels[1, 2, :4] = 3
    write_nifti(mask, reorient(build_volume(stored=labels, values=labels.astype(np.float32)), "FAR"))
    status, text, _, _ = view(path, "--hu", "--mask", mask)
    assert status == 0 and title(text) == "CT 4 × 5 × 6" and not identifying(text, canary)
    assert '"labels":[{"label":3,"colour":"#009E73","voxels":4,"ml":0.04}]' in text
    assert np.array_equal(open_picture(path).picture.values, volume.values)


@nibabel
def test_a_mask_that_does_not_fit(view, tmp_path, single, volume, build_volume):
    from mediml.imaging import write_nifti

    image, mask = tmp_path / "image.nii", tmp_path / "mask.nii"
    write_nifti(image, volume)
    write_nifti(mask, build_volume(shape=(4, 5, 7)))
    for words, text in (
        ((image, "--mask", mask), "resample it to the image first"),
        ((single, "--mask", mask), "the input is a single image or a loop"),
        ((image, "--mask", single), "--mask expects a NIfTI file"),
    ):
        status, page, _, complained = view(*words)
        assert status == 2 and not page and text in complained


def test_writing_in_the_pixels(view, tmp_path, pixels, canary):
    path = tmp_path / "scan.dcm"
    data_set(pixels[0], canary, BurnedInAnnotation="YES").save_as(path, enforce_file_format=True)
    status, text, _, complained = view(path)
    assert status == 2 and not text and "Burned In Annotation (0028,0301) is YES" in complained
    status, text, _, _ = view(path, "--allow-burned-in")
    assert status == 0 and "The file says that its pixels contain writing" in text


def test_the_default_is_a_real_film(view):
    status, text, _, _ = view("--uncompressed")
    assert status == 0 and title(text) == "CR 1955 × 1841" and '"compressed":false' in text


def test_refusals(view, tmp_path, single, series, canary):
    (tmp_path / f"{canary}.txt").write_text("no image")
    (series / "again").write_bytes((series / f"{canary}-9").read_bytes())
    for words, text in (
        ((tmp_path / f"{canary}.txt",), "the file is not DICOM, NIfTI, PNG or JPEG"),
        ((tmp_path / f"{canary}-absent",), "none that can be read at the given path"),
        ((series,), "Position"),  # two slices at one place
        ((single, "--every", "0"), "every expects a whole number"),
        ((single, "--max-mb", "0.01"), "allow it by --max-mb"),
    ):
        status, page, _, complained = view(*words)
        assert status == 2 and not page and text in complained and complained.count("\n") == 1
        assert not identifying(complained, canary)
    assert view(series, "--duplicates", "equal")[0] == 0
    status, page, _, complained = view(single, out="page.pdf")
    assert status == 2 and not page and "name that ends in .html" in complained


def test_nothing_is_left_beside_the_page(view, single, tmp_path):
    view(single)
    assert [path.name for path in Path(tmp_path / "out").iterdir()] == ["page.html"]


@pytest.mark.parametrize("kind", ["single", "series", "loop"])
def test_pixels_of_unknown_origin_are_not_decoded_in_this_process(kind, request, tmp_path, pixels, canary, monkeypatch):
    monkeypatch.setattr("mediml.imaging.dicom.decode", lambda *_: pytest.fail("decoded in this process"))
    if kind == "loop":
        path = tmp_path / "loop.dcm"
        data_set(pixels, canary, NumberOfFrames=3).save_as(path, enforce_file_format=True)
    else:
        path = request.getfixturevalue(kind)
    picture = open_picture(path).picture
    shown = np.stack([image.stored for image in picture]) if kind == "loop" else picture.stored
    np.testing.assert_array_equal(shown, pixels[0] if kind == "single" else pixels)


def test_a_choice_without_effect_is_a_mistake(single, series, tmp_path, capsys):
    picture = tmp_path / "picture.png"
    Pillow.fromarray(np.zeros((4, 4), np.uint8)).save(picture)
    page = tmp_path / "page.html"
    for source, option, text in (
        (single, "--hu", "--hu expects a NIfTI file"),
        (series, "--hu", "--hu expects a NIfTI file"),
        (picture, "--gaps=fill", "--gaps expects a DICOM series"),
        (single, "--tilt=resample", "--tilt expects a DICOM series"),
        (single, "--series=0", "--series expects a DICOM series"),
    ):
        assert main(["view", str(source), "--out", str(page), option]) == 2
        assert text in capsys.readouterr().err and not page.exists()
