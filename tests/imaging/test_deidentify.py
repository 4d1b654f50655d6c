"""Identifiers planted everywhere a DICOM file can hold one: none survives, and the pixels are the same."""

import datetime
import os
import re
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.datadict import DicomDictionary, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    SecondaryCaptureImageStorage,
    generate_uid,
)

from mediml.cli import main
from mediml.imaging import read_image
from mediml.imaging.deidentify import deidentify, deidentify_files
from mediml.imaging.standard.allowed import CODES, DATES, NUMBERS, SEQUENCES, TABLES, UIDS
from mediml.imaging.standard.pseudonyms import DeidentificationError, Pseudonyms

CANARY = "Zebrafisch"
KEY = bytes(range(32))
PIXELS = {"PhotometricInterpretation", "Modality", "SOPClassUID"}
TEXTS = {"PN", "LO", "SH", "LT", "ST", "UT", "UC", "CS", "AE", "UR"}


def ct(build_dataset, pixels=None, **attributes):
    described = {
        "Modality": "CT",
        "SOPClassUID": CTImageStorage,
        "StudyInstanceUID": generate_uid(),
        "SeriesInstanceUID": generate_uid(),
        "StudyDate": "20210614",
    }
    pixels = np.arange(-6, 6, dtype=np.int16).reshape(3, 4) if pixels is None else pixels
    return build_dataset(pixels, **(described | attributes))


def run(tmp_path, path, **more):
    outcome = deidentify_files(path, tmp_path.parent / f"{tmp_path.name}-out", Pseudonyms(KEY), **more)
    assert not outcome.refused, outcome.refused
    return outcome.written


def plant(dataset, depth=1, said=()):
    """A canary in every attribute of the dictionary that takes text, and in those sequences that are rebuilt."""
    for tag, (vr, *_, keyword) in DicomDictionary.items():
        if tag >> 16 in (0x0000, 0x0002, 0x7FE0) or not keyword or keyword in dataset or keyword in said:
            continue
        if vr in TEXTS:
            dataset.add_new(tag, vr, CANARY.upper() if vr in ("CS", "AE") else CANARY)
        elif vr == "UI":
            dataset.add_new(tag, vr, "1.2.3.666")
        elif vr == "OB or OW" or vr in ("OB", "OW", "UN"):
            dataset.add_new(tag, "OW", (CANARY * 2).encode())
        elif vr == "DA":
            dataset.add_new(tag, vr, "19770704")
    dataset.add_new(0x00091001, "UN", CANARY.encode())
    dataset.add_new(0x00090010, "LO", CANARY)
    if depth:
        for keyword in (*SEQUENCES, "OtherPatientIDsSequence", "ReferencedStudySequence"):
            item = Dataset()
            plant(item, depth - 1, {element.keyword for element in dataset if element.keyword in PIXELS})
            setattr(dataset, keyword, [item])
    return dataset


def harmless(dataset):
    """Planted attributes that change how pixels are read go; the others stay planted."""
    for keyword in (
        "ModalityLUTSequence",
        "VOILUTSequence",
        "PresentationLUTShape",
        "VOILUTFunction",
        "ConversionType",
    ):
        if keyword in dataset:
            delattr(dataset, keyword)
    for keyword in TABLES | {"NumberOfFrames"}:
        if keyword in dataset:
            delattr(dataset, keyword)
    for element in list(dataset):
        if element.VR == "SQ":
            for item in element.value:
                harmless(item)
    return dataset


def everything(folder):
    """All bytes of all files of a folder, and their names."""
    files = sorted(p for p in folder.rglob("*"))
    return b"\n".join(str(p.relative_to(folder)).encode() + (p.read_bytes() if p.is_file() else b"") for p in files)


@pytest.mark.filterwarnings("ignore")
def test_planted_identifiers(write, build_dataset, tmp_path):
    dataset = harmless(plant(ct(build_dataset)))
    dataset.PatientBirthDate, dataset.PatientAge = "19311224", "094Y"
    dataset.file_meta.SourceApplicationEntityTitle = CANARY
    dataset.file_meta.PrivateInformationCreatorUID = "1.2.3.666"
    dataset.file_meta.PrivateInformation = CANARY.encode()
    dataset.preamble = CANARY.encode().ljust(128, b"\0")
    path = write(dataset=dataset)
    assert path.read_bytes().count(CANARY.encode()) > 800 and CANARY in path.name
    written = run(tmp_path, path)
    said = everything(written[0].parents[2])
    for canary in (CANARY.encode(), CANARY.upper().encode(), CANARY.encode("utf-16-le"), b"1.2.3.666", b"19770704"):
        assert canary not in said, canary
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "StudyDate", "PatientBirthDate"):
        assert str(dataset[keyword].value).encode() not in said, keyword
    new = pydicom.dcmread(written[0])
    assert new.PatientAge == "090Y" and new.PatientIdentityRemoved == "YES"
    assert new.PatientID == new.PatientName and new.PatientID.startswith("P")
    kept = {e.keyword for e in new.iterall() if e.VR != "SQ"}
    others = {
        "SOPClassUID", "PatientName", "PatientID", "PatientBirthDate", "PatientAge", "StudyTime", "AccessionNumber",
        "ReferringPhysicianName", "StudyID", "Manufacturer", "PositionReferenceIndicator", "PixelData",
        "PatientIdentityRemoved", "DeidentificationMethod", "LongitudinalTemporalInformationModified",
    }  # fmt: skip
    assert kept <= NUMBERS | CODES.keys() | UIDS | DATES | others
    np.testing.assert_array_equal(read_image(written[0]).stored, read_image(path).stored)


def test_nothing_hides_beside_the_pixels(write, build_dataset, tmp_path):
    """After them, in their unused bits, in an overlay, in a comment of a JPEG."""
    hidden = np.frombuffer(CANARY.encode() + b"xx", np.uint8).astype(np.uint16) << 8
    pixels = hidden.reshape(3, 4) | np.arange(12, dtype=np.uint16).reshape(3, 4)
    dataset = ct(build_dataset, pixels, BitsStored=8, HighBit=7)
    dataset.PixelData += CANARY.encode()
    dataset.add_new(0x60003000, "OW", CANARY.encode())
    dataset.add_new(0x60000022, "LO", CANARY)
    dataset.add_new(0x50003000, "OW", CANARY.encode())
    dataset.DataSetTrailingPadding = CANARY.encode()
    (native,) = run(tmp_path, write(dataset=dataset))
    np.testing.assert_array_equal(pydicom.dcmread(native).pixel_array, np.arange(12).reshape(3, 4))
    said = native.read_bytes()
    assert CANARY.encode() not in said
    assert CANARY.encode() not in said.replace(b"\0", b"") and not any(w in said for w in (b"Z\x00e", b"\0Z\x01e"))


def test_a_comment_in_a_jpeg_goes(write, build_dataset, tmp_path):
    from io import BytesIO

    from PIL import Image as Pillow

    stream = BytesIO()
    Pillow.fromarray(np.full((8, 8), 90, np.uint8)).save(stream, "JPEG", comment=CANARY.encode())
    dataset = ct(build_dataset, np.full((8, 8), 0, np.uint8))  # it does not say itself that it is lossy
    dataset.PixelData = encapsulate([stream.getvalue()])
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    path = write(dataset=dataset)
    assert CANARY.encode() in path.read_bytes()
    (new,) = run(tmp_path, path)
    assert CANARY.encode() not in new.read_bytes()
    assert abs(int(read_image(new).stored[0, 0]) - 90) <= 2 and read_image(new).facts["lossy"] == "YES"


def test_ybr_becomes_rgb(write, build_dataset, tmp_path):
    """Pure red in YBR_FULL is about (76, 85, 255) (PS3.3, C.7.6.3.1.2)."""
    pixels = np.tile(np.array([76, 85, 255], np.uint8), (3, 4, 1))
    described = {"SamplesPerPixel": 3, "PlanarConfiguration": 0, "PhotometricInterpretation": "YBR_FULL"}
    (new,) = run(tmp_path, write(dataset=ct(build_dataset, pixels[None], NumberOfFrames=1, **described)))
    assert pydicom.dcmread(new).PhotometricInterpretation == "RGB"
    np.testing.assert_allclose(pydicom.dcmread(new).pixel_array, np.tile([255, 0, 0], (3, 4, 1)), atol=1)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_tables_keep_their_entries_and_nothing_else(syntax, write, build_dataset, lut, tmp_path):
    """Behind the last entry is room for words; files of the other order of bytes hold other bytes."""
    pixels = np.arange(12, dtype=np.uint16).reshape(3, 4)
    big = syntax == ExplicitVRBigEndian
    entries = np.arange(12, dtype=np.uint16) * 300 + 5
    item = lut([12, 0, 16], entries)
    item.LUTData = entries.astype(">u2" if big else "<u2").tobytes() + CANARY.encode()
    item.ModalityLUTType = "US"
    dataset = ct(build_dataset, pixels.astype(">u2") if big else pixels, ModalityLUTSequence=[item])
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.RedPaletteColorLookupTableData = CANARY.encode()  # no palette belongs to a grey picture
    path = tmp_path / "file.dcm"
    pydicom.dcmwrite(path, dataset, little_endian=not big, implicit_vr=False, enforce_file_format=True)
    np.testing.assert_array_equal(read_image(path).values.ravel(), entries)
    (new,) = run(tmp_path, path)
    np.testing.assert_array_equal(read_image(new).values.ravel(), entries)
    said = new.read_bytes()
    assert CANARY.encode() not in said and CANARY.encode()[::-1] not in said


def test_palettes_keep_their_colours_and_nothing_else(write, build_dataset, tmp_path):
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    dataset = ct(build_dataset, pixels, PhotometricInterpretation="PALETTE COLOR")
    for step, colour in enumerate(("Red", "Green", "Blue"), 1):
        setattr(dataset, f"{colour}PaletteColorLookupTableDescriptor", [12, 0, 16])
        table = (np.arange(12, dtype="<u2") * step * 1000).tobytes()
        setattr(dataset, f"{colour}PaletteColorLookupTableData", table + CANARY.encode())
        setattr(dataset, f"Segmented{colour}PaletteColorLookupTableData", CANARY.encode())
    path = write(dataset=dataset)
    (new,) = run(tmp_path, path)
    expected = np.arange(12).reshape(3, 4, 1) * [1, 2, 3] * 1000 * 255 / 65535
    np.testing.assert_allclose(read_image(new).values, expected, rtol=1e-6)
    assert CANARY.encode() not in new.read_bytes()


@pytest.mark.parametrize(
    ("attributes", "units"),
    [
        ({"RescaleSlope": "1", "RescaleIntercept": "0", "MultienergyCTAcquisition": "YES"}, "arbitrary"),
        ({"RescaleSlope": "1", "RescaleIntercept": "0"}, "HU"),
        ({"RescaleSlope": "1", "RescaleIntercept": "0", "Modality": "PT", "Units": "UMOLML"}, "UMOLML"),
    ],
)
def test_units_stay(attributes, units, write, build_dataset, tmp_path):
    path = write(dataset=ct(build_dataset, **attributes))
    (new,) = run(tmp_path, path)
    assert read_image(path).units == read_image(new).units == units


@pytest.mark.parametrize(
    ("keyword", "vr", "value"), [("FrameLaterality", "US", 1), ("PixelMeasuresSequence", "LO", CANARY)]
)
def test_an_attribute_of_a_wrong_kind_refuses_one_file(keyword, vr, value, write, build_dataset, tmp_path):
    dataset = ct(build_dataset)
    dataset[keyword] = DataElement(tag_for_keyword(keyword), vr, value)
    write(dataset=dataset), write(dataset=ct(build_dataset))
    outcome = deidentify_files(tmp_path, tmp_path.parent / f"{tmp_path.name}-out", Pseudonyms(KEY))
    assert len(outcome.written) == 1 and [number for number, _ in outcome.refused] == [1]
    assert CANARY not in outcome.refused[0][1]


def test_files_of_a_patient_stay_together(write, build_dataset, tmp_path):
    study, series = generate_uid(), generate_uid()
    shared = {"StudyInstanceUID": study, "SeriesInstanceUID": series, "PatientID": "A1"}
    for number, day in enumerate(("20210614", "20210630")):
        write(dataset=ct(build_dataset, StudyDate=day, InstanceNumber=number + 1, **shared))
    write(dataset=ct(build_dataset, StudyDate="20210614", PatientID="B2"))
    new = [pydicom.dcmread(f) for f in sorted(run(tmp_path, tmp_path))]
    patients = sorted({d.PatientID for d in new}, key=[d.PatientID for d in new].count)
    assert len(patients) == 2
    same = sorted((d for d in new if d.PatientID == patients[1]), key=lambda d: d.InstanceNumber)
    assert len(same) == 2 and same[0].SeriesInstanceUID == same[1].SeriesInstanceUID != series
    assert same[0].SOPInstanceUID != same[1].SOPInstanceUID
    days = [datetime.datetime.strptime(d.StudyDate, "%Y%m%d").date() for d in same]
    assert (days[1] - days[0]).days == 16 and days[0] < datetime.date(2021, 6, 14)
    (other,) = (d for d in new if d.PatientID == patients[0])
    assert other.StudyDate != same[0].StudyDate


def test_the_key_decides(write, build_dataset):
    dataset = ct(build_dataset)
    one, again, other = Pseudonyms(KEY), Pseudonyms(KEY), Pseudonyms()
    assert one.patient(dataset) == again.patient(dataset) != other.patient(dataset)
    assert one.uid("1.2.3") == again.uid("1.2.3") != other.uid("1.2.3") and one.uid("1.2.3").is_valid
    assert one.uid(CTImageStorage) == CTImageStorage
    assert KEY.hex() not in repr(one) and str(KEY) not in repr(one)
    with pytest.raises(ValueError, match="at least 16 random bytes, got 3"):
        Pseudonyms(b"abc")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"BurnedInAnnotation": "YES"}, r"Burned In Annotation \(0028,0301\) is YES"),
        ({"Modality": "US"}, r"Modality \(0008,0060\) is US: such pictures often carry a name"),
        ({"Modality": "SC"}, "is OTHER|is SC"),
        ({"Modality": None}, "is missing"),
        ({"ConversionType": "WSD"}, r"Conversion Type .* often carry a name"),
        ({"SOPClassUID": SecondaryCaptureImageStorage}, "Secondary Capture Image Storage: such pictures often carry"),
        ({"SOPClassUID": ExplicitVRLittleEndian}, r"SOP Class UID \(0008,0016\) is missing or none"),
        ({"SOPClassUID": "1.2.3"}, r"SOP Class UID \(0008,0016\) is missing or none"),
        ({"SeriesInstanceUID": ""}, r"Series Instance UID .* is missing"),
        ({"PixelData": None}, "holds no picture"),
        ({"PatientID": "", "PatientName": "", "StudyInstanceUID": ""}, "neither a patient nor a study"),
    ],
)
def test_refusals(change, text, write, build_dataset, tmp_path):
    path = write(dataset=ct(build_dataset, **change))
    out = tmp_path.parent / f"{tmp_path.name}-out"
    outcome = deidentify_files(path, out, Pseudonyms(KEY))
    assert not outcome.written and not out.exists()
    assert len(outcome.refused) == 1 and re.search(text, outcome.refused[0][1])
    assert CANARY not in outcome.refused[0][1]


def test_rectangles_are_overwritten(write, build_dataset, tmp_path):
    frames = np.arange(24, dtype=np.uint8).reshape(2, 3, 4) + 1
    path = write(dataset=ct(build_dataset, frames, Modality="US", NumberOfFrames=2, BurnedInAnnotation="YES"))
    (new,) = run(tmp_path, path, blank=[(0, 1, 0, 4), (2, 3, 3, 4)])
    expected = frames.copy()
    expected[:, 0], expected[:, 2, 3] = 1, 1
    np.testing.assert_array_equal(pydicom.dcmread(new).pixel_array, expected)
    assert pydicom.dcmread(new).BurnedInAnnotation == "NO"
    outcome = deidentify_files(path, tmp_path.parent / "other", Pseudonyms(KEY), blank=[(0, 9, 0, 1)])
    assert "inside 3 × 4" in outcome.refused[0][1]


WORDS = {"PN", "LO", "SH", "LT", "ST", "UT", "UC", "DA", "UI", "AE", "DT"}


def test_a_data_set_and_its_pixels_are_not_changed(build_dataset):
    dataset = ct(build_dataset, ImageType=["DERIVED", CANARY.upper(), "AXIAL", CANARY.upper()], PatientAge="007M")
    before, pixels = dataset.to_json(), np.arange(12, dtype=np.int16).reshape(1, 3, 4)
    new = deidentify(dataset, pixels, Pseudonyms(KEY), blank=[(1, 2, 1, 2)])
    assert dataset.to_json() == before and pixels[0, 1, 1] == 5
    assert list(new.ImageType) == ["DERIVED", "OTHER", "AXIAL"] and new.PatientAge == "007M"
    with pytest.raises(DeidentificationError, match="whole numbers, got float32"):
        deidentify(dataset, pixels.astype(np.float32), Pseudonyms(KEY))


SAMPLES = Path(pydicom.__file__).parent / "data" / "test_files"


@pytest.mark.filterwarnings("ignore")
def test_real_files_keep_their_pixels_and_lose_their_words(tmp_path):
    """pydicom's own samples: no text, date or identifier of four letters or more of a file is found in its result."""
    read = 0
    terms = set().union(*CODES.values()) | {"YES", "MODIFIED", "mediml"}
    for number, file in enumerate(sorted(SAMPLES.glob("*.dcm"))):
        outcome = deidentify_files(file, tmp_path / str(number), Pseudonyms(KEY), blank=[(0, 1, 0, 1)])
        for target in outcome.written:
            read += 1
            said = target.read_bytes()
            head = said[: -len(pydicom.dcmread(target).PixelData)]
            for element in pydicom.dcmread(file).iterall():
                values = element.value if isinstance(element.value, pydicom.multival.MultiValue) else [element.value]
                for value in map(str, values if element.VR in WORDS else ()):
                    if len(value) >= 4 and value not in terms and not value.startswith("1.2.840.10008."):
                        assert value.encode() not in head, (file.name, element.keyword)
            frame = 0 if pydicom.dcmread(file).get("NumberOfFrames") else None
            before, after = read_image(file, frame), read_image(target, frame)
            assert before.units == after.units and before.inverted == after.inverted, file.name
            rounding = 0.0 if "YBR" not in pydicom.dcmread(file).PhotometricInterpretation else 0.5
            np.testing.assert_allclose(before.values[1:], after.values[1:], rtol=0, atol=rounding, err_msg=file.name)
    assert read >= 50


def test_the_command(write, build_dataset, tmp_path, capsys):
    (tmp_path / "key folder").mkdir()
    source, out, key = tmp_path / "source", tmp_path / "out", tmp_path / "key folder" / "key"
    source.mkdir()
    for number in range(2):
        write(dataset=ct(build_dataset, InstanceNumber=number)).rename(source / f"{CANARY}{number}.dcm")
    (source / f"{CANARY}.txt").write_text(CANARY)
    arguments = ["deidentify", str(source), "--out", str(out), "--key", str(key)]
    assert main(arguments) == 0
    said = capsys.readouterr()
    assert "2 written, 0 there already, 0 refused, 1 no DICOM files left aside" in said.out
    assert CANARY not in said.out + said.err and key.stat().st_mode & 0o777 == 0o600
    write(dataset=ct(build_dataset, BurnedInAnnotation="YES")).rename(source / "a.dcm")
    assert main(arguments) == 1
    said = capsys.readouterr().out
    assert "0 written, 2 there already, 1 refused, 1 no" in said and "file 4 in the order" in said
    assert main(arguments[:-2]) == 2  # another secret would mix with the first
    assert "--out: the folder holds something" in capsys.readouterr().err
    assert main([*arguments[:-1], str(out / "key")]) == 2
    assert "must not lie beside the results" in capsys.readouterr().err
    assert main(["deidentify", str(source), "--out", str(source / "new")]) == 2
    assert "lies inside the source" in capsys.readouterr().err
    assert main(["deidentify", str(tmp_path / CANARY), "--out", str(tmp_path / "new")]) == 2
    said = capsys.readouterr()
    assert "expected a file, or a folder that holds some; found none" in said.err and CANARY not in said.err


@pytest.mark.parametrize("secret", [b"", b"short"])
def test_a_secret_that_is_none_is_not_replaced_by_a_random_one(secret, write, build_dataset, tmp_path, capsys):
    """Else the next run, with what looks like the same key, gives other pseudonyms."""
    key = tmp_path / "key"
    key.write_bytes(secret)
    path = write(dataset=ct(build_dataset))
    assert main(["deidentify", str(path), "--out", str(tmp_path / "out"), "--key", str(key)]) == 2
    assert f"at least 16 random bytes, got {len(secret)}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists() and key.read_bytes() == secret


def test_an_interrupted_run_leaves_no_half_file(write, build_dataset, tmp_path, monkeypatch):
    path = write(dataset=ct(build_dataset))
    out = tmp_path.parent / f"{tmp_path.name}-out"

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        deidentify_files(path, out, Pseudonyms(KEY))
    assert list(out.glob("*/*")) and not [f for f in out.rglob("*") if f.is_file()]
