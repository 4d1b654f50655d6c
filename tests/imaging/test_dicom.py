"""DICOM reading against values worked out by hand from PS3.3."""

import io
import re

import numpy as np
import pytest
from PIL import Image as Pillow
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless

from mediml.imaging import DicomError, WindowView, read_image
from mediml.imaging.dicom import is_dicom
from mediml.imaging.standard.header import tag_name

STORED = np.array([[0, 100], [200, 400]], np.uint16)


def codes(image):
    return [step.code for step in image.account]


def lut(descriptor, data, signed=False):
    item = Dataset()
    item.add_new(0x00283002, "SS" if signed else "US", descriptor)
    item.add_new(0x00283006, "OW", np.asarray(data, "<u2").tobytes())
    return item


def test_plain_values(write):
    image = read_image(write(STORED))
    assert image.values.dtype == np.float32 and image.units == "arbitrary" and image.modality == "CR"
    np.testing.assert_array_equal(image.values, STORED)
    np.testing.assert_array_equal(image.display(), np.array([[0, 0.25], [0.5, 1]], np.float32))
    assert codes(image) == ["decoded", "no_rescale", "full_range"]


def test_rescale_gives_hounsfield_units_for_ct(write):
    stored = np.array([[-1024, 0], [40, 3071]], np.int16)
    image = read_image(write(stored, Modality="CT", RescaleSlope="1", RescaleIntercept="-24"))
    np.testing.assert_array_equal(image.values, [[-1048, -24], [16, 3047]])
    assert image.units == "HU"


def test_unit_of_a_rescale_is_not_guessed(write):
    assert read_image(write(Modality="CR", RescaleSlope="2", RescaleIntercept="0")).units == "arbitrary"
    assert (
        read_image(write(Modality="CT", RescaleSlope="2", RescaleIntercept="0", RescaleType="US")).units == "arbitrary"
    )
    assert read_image(write(RescaleSlope="2", RescaleIntercept="0", RescaleType="Quirin")).units == "arbitrary"


def test_unsigned_values_do_not_wrap_below_zero(write):
    image = read_image(write(STORED, RescaleSlope="1", RescaleIntercept="-1024"))
    assert image.values.min() == -1024


def test_order_is_rescale_then_window_then_inversion(write):
    # values 2 x - 100: -100, 100, 300, 700. Window 100/201 LINEAR: (x - 99.5) / 200 + 1/2.
    path = write(STORED, RescaleSlope="2", RescaleIntercept="-100", WindowCenter="100", WindowWidth="201",
                 PhotometricInterpretation="MONOCHROME1")  # fmt: skip
    image = read_image(path)
    shown = np.clip((np.array([[-100, 100], [300, 700]]) - 99.5) / 200 + 0.5, 0, 1)
    np.testing.assert_allclose(image.display(), 1 - shown, atol=1e-6)
    assert codes(image) == ["decoded", "rescaled", "view_window", "inverted"]


def test_monochrome1_changes_what_is_shown_and_not_the_values(write):
    image = read_image(write(STORED, PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE"))
    np.testing.assert_array_equal(image.values, STORED)
    assert image.inverted and image.display()[0, 0] == 1 and image.display()[1, 1] == 0  # once, not twice
    assert not [doubt for doubt in image.doubts if doubt.code == "polarity_contradiction"]


@pytest.mark.parametrize(("photometric", "shape"), [("MONOCHROME1", "IDENTITY"), ("MONOCHROME2", "INVERSE")])
def test_contradicting_polarity_is_a_doubt(write, photometric, shape):
    image = read_image(write(PhotometricInterpretation=photometric, PresentationLUTShape=shape))
    assert "polarity_contradiction" in [doubt.code for doubt in image.doubts]


def test_several_windows_are_alternatives(write):
    image = read_image(write(WindowCenter=["100", "200"], WindowWidth=["50", "401"], VOILUTFunction="LINEAR_EXACT"))
    assert image.views == (WindowView(100, 50, "LINEAR_EXACT"), WindowView(200, 401, "LINEAR_EXACT"))
    np.testing.assert_allclose(image.display(1)[1, 0], 0.5)
    np.testing.assert_allclose(image.display(WindowView(0, 800, "LINEAR_EXACT"))[1, 1], 1)
    with pytest.raises(ValueError, match="0 to 1, got 2"):
        image.display(2)


@pytest.mark.parametrize("representation", [0, 1])
def test_unused_bits_are_dropped_and_the_sign_extended(write, representation):
    # 12 bits stored in 16; the upper four hold an overlay of old files and do not belong to the value.
    stored = np.array([[0xF001, 0x0FFF]], np.uint16)
    path = write(stored, BitsStored=12, HighBit=11, PixelRepresentation=representation)
    np.testing.assert_array_equal(read_image(path).values, [[1, 4095 if representation == 0 else -1]])


def test_padding_is_black_and_out_of_the_range(write):
    stored = np.array([[-2000, 0, 10], [20, -2000, 40]], np.int16)
    dataset_path = write(stored, PixelPaddingValue=-2000, PhotometricInterpretation="MONOCHROME1")
    image = read_image(dataset_path)
    np.testing.assert_array_equal(image.padding, stored == -2000)
    np.testing.assert_allclose(image.display(), [[0, 1, 0.75], [0.5, 0, 0]])


def test_padding_range(write):
    image = read_image(write(STORED, PixelPaddingValue=300, PixelPaddingRangeLimit=500))
    np.testing.assert_array_equal(image.padding, [[False, False], [False, True]])


def test_modality_table_replaces_values(write):
    table = lut([3, 100, 16], [7, 9, 11])
    image = read_image(write(STORED, ModalityLUTSequence=[table]))
    np.testing.assert_array_equal(image.values, [[7, 7], [11, 11]])


def test_voi_table_is_scaled_by_its_bits(write):
    image = read_image(
        write(STORED, VOILUTSequence=[lut([401, 0, 12], np.arange(401))], WindowCenter="1", WindowWidth="1")
    )
    np.testing.assert_allclose(image.display(0), STORED / 4095, atol=1e-6)
    assert len(image.views) == 2  # the window is an alternative to it


def test_voi_table_may_begin_below_zero(write):
    stored = np.array([[-2, 0]], np.int16)
    table = lut([4, -2, 8], [0, 51, 102, 255], signed=True)
    np.testing.assert_allclose(read_image(write(stored, VOILUTSequence=[table])).display(), [[0, 0.4]], atol=1e-6)


def test_spacing_is_between_rows_then_columns(write):
    image = read_image(write(np.zeros((3, 4), np.uint16), PixelSpacing=["0.5", "0.25"]))
    assert image.spacing_mm == (0.5, 0.25) and image.spacing_at == "patient"
    assert image.aspect == 2 and image.size_mm == (1.5, 1.0)


def test_detector_spacing_says_so(write):
    image = read_image(write(ImagerPixelSpacing=["0.2", "0.2"]))
    assert image.spacing_at == "detector" and image.doubts[0].code == "spacing_detector"


def test_spacing_of_zero_is_no_spacing(write):
    image = read_image(write(PixelSpacing=["0", "0"]))
    assert image.spacing_mm is None and image.doubts[0].code == "spacing_unusable"


def test_aspect_ratio_without_spacing(write):
    assert read_image(write(PixelAspectRatio=["3", "2"])).aspect == 1.5


def test_multi_frame_needs_a_choice(write):
    frames = np.arange(12, dtype=np.uint16).reshape(3, 2, 2)
    path = write(frames, NumberOfFrames=3)
    with pytest.raises(DicomError, match=r"Number of Frames \(0028,0008\) is 3.*0 to 2"):
        read_image(path)
    np.testing.assert_array_equal(read_image(path, frame=2).values, frames[2])
    for wrong in (3, -1, True, "0"):
        with pytest.raises(DicomError, match="frame expects 0 to 2"):
            read_image(path, frame=wrong)


def test_functional_groups_hold_for_their_frame(write):
    def group(slope):
        transformation = Dataset()
        transformation.RescaleSlope, transformation.RescaleIntercept, transformation.RescaleType = slope, "0", "HU"
        item = Dataset()
        item.PixelValueTransformationSequence = [transformation]
        return item

    shared, measures = Dataset(), Dataset()
    measures.PixelSpacing = ["2", "3"]
    shared.PixelMeasuresSequence = [measures]
    path = write(np.ones((2, 2, 2), np.uint16), NumberOfFrames=2, SharedFunctionalGroupsSequence=[shared],
                 PerFrameFunctionalGroupsSequence=[group("10"), group("20")],
                 RescaleSlope="3", RescaleIntercept="0")  # fmt: skip
    image = read_image(path, frame=1)
    assert image.values[0, 0] == 20 and image.units == "HU" and image.spacing_mm == (2, 3)


def test_colour_is_rgb_of_255(write):
    pixels = np.zeros((1, 2, 2, 3), np.uint8)
    pixels[0, 0, 1] = (255, 128, 0)
    image = read_image(write(pixels, PhotometricInterpretation="RGB", SamplesPerPixel=3, PlanarConfiguration=0))
    assert not image.is_grey and image.shape == (2, 2)
    np.testing.assert_allclose(image.display()[0, 1], np.array([255, 128, 0]) / 255, atol=1e-6)


def test_ybr_becomes_rgb(write):
    pixels = np.full((1, 2, 2, 3), (76, 85, 255), np.uint8)  # pure red in YBR_FULL (PS3.3, C.7.6.3.1.2)
    image = read_image(write(pixels, PhotometricInterpretation="YBR_FULL", SamplesPerPixel=3, PlanarConfiguration=0))
    np.testing.assert_allclose(image.values[0, 0], [254, 0, 0], atol=2)


def test_age_from_either_source_and_never_above_90(write):
    assert read_image(write(PatientAge="018M")).age_years == 1.5
    assert read_image(write(PatientAge="101Y")).age_years == 90
    assert read_image(write(PatientBirthDate="20200301", StudyDate="20240901")).age_years == 4.5
    assert read_image(write(PatientBirthDate="20250301", StudyDate="20240901")).age_years is None
    assert read_image(write()).age_years is None


def test_facts_come_from_closed_lists(write, canary):
    image = read_image(write(BodyPartExamined="CHEST", ViewPosition=canary.upper(), PatientOrientation=["L", "F"]))
    assert image.facts["body_part"] == "CHEST" and image.facts["view_position"] == "OTHER"
    assert image.facts["patient_orientation"] == "L/F"


REFUSED = {
    "no pixels": ({"PixelData": None}, r"Pixel Data \(7FE0,0010\) is missing"),
    "no rows": ({"Rows": None}, r"Rows \(0028,0010\) is missing"),
    "no bits": ({"BitsAllocated": None}, r"Bits Allocated \(0028,0100\) is missing"),
    "no sign": ({"PixelRepresentation": None}, r"Pixel Representation \(0028,0103\) is missing"),
    "no photometric": ({"PhotometricInterpretation": None}, r"Photometric Interpretation \(0028,0004\) is missing"),
    "odd photometric": ({"PhotometricInterpretation": "GREY"}, r"Photometric Interpretation .* none of"),
    "samples": ({"SamplesPerPixel": 3}, r"Samples per Pixel \(0028,0002\) expects 1"),
    "bits stored": ({"BitsStored": 17}, r"Bits Stored \(0028,0101\) at most that, got 16 and 17"),
    "high bit": ({"BitsStored": 12, "HighBit": 10}, r"High Bit \(0028,0102\) expects .* = 11, .*got 10"),
    "cut short": ({"PixelData": b"\0\0"}, r"Pixel Data \(7FE0,0010\) is damaged, cut short"),
    "huge": ({"Rows": 60000, "Columns": 60000}, "60000 × 60000 pixels; at most"),
    "empty": ({"Rows": 0}, "must be at least 1"),
    "half a rescale": ({"RescaleSlope": "2"}, r"Rescale Intercept \(0028,1052\) is missing"),
    "slope of zero": ({"RescaleSlope": "0", "RescaleIntercept": "1"}, r"Rescale Slope \(0028,1053\) is 0"),
    "half a window": ({"WindowCenter": "2"}, r"Window Center \(0028,1050\) has 1 values .* 0"),
    "window of zero": ({"WindowCenter": "2", "WindowWidth": "0"}, r"Window Width \(0028,1051\) is 0"),
    "window function": ({"WindowCenter": "2", "WindowWidth": "9", "VOILUTFunction": "LOG"}, r"VOI LUT Function"),
    "two kinds of pixels": ({"FloatPixelData": b"\0" * 16}, r"Pixel Data .* and Float Pixel Data \(7FE0,0008\)"),
    "no frames": ({"NumberOfFrames": 0}, r"Number of Frames \(0028,0008\) expects at least 1"),
    "table": ({"ModalityLUTSequence": [Dataset()]}, r"Modality LUT Sequence \(0028,3000\)"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_name_the_tag_and_nobody(write, canary, case):
    attributes, message = REFUSED[case]
    with pytest.raises(DicomError, match=message) as caught:
        read_image(write(**attributes))
    assert canary not in str(caught.value) and caught.value.__cause__ is None


def test_what_is_no_dicom_file(tmp_path):
    text = tmp_path / "text.dcm"
    text.write_text("hello")
    with pytest.raises(DicomError, match="does not begin as a DICOM file"):
        read_image(text)
    with pytest.raises(DicomError, match="no such file"):
        read_image(tmp_path / "absent")
    with pytest.raises(DicomError, match="folder"):
        read_image(tmp_path)
    (tmp_path / "empty").touch()
    with pytest.raises(DicomError, match="empty"):
        read_image(tmp_path / "empty")
    assert not is_dicom(b"DICM")


def test_every_truncation_is_refused(write, tmp_path):
    content = write(np.arange(64, dtype=np.uint16).reshape(8, 8), WindowCenter="5", WindowWidth="9").read_bytes()
    for length in range(1, len(content), 7):
        (tmp_path / "cut").write_bytes(content[:length])
        with pytest.raises(DicomError):
            read_image(tmp_path / "cut")


def test_deflated_bomb_is_refused_before_it_is_inflated(write, build_dataset, monkeypatch):
    monkeypatch.setattr("mediml.imaging.limits.MAX_INFLATED_BYTES", 100_000)
    dataset = build_dataset(np.zeros((400, 400), np.uint16))
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    path = write(dataset=dataset)
    assert path.stat().st_size < 10_000
    with pytest.raises(DicomError, match="inflates to more than 100000"):
        read_image(path)


def test_deflated_file_is_read(write, build_dataset):
    dataset = build_dataset(STORED)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    np.testing.assert_array_equal(read_image(write(dataset=dataset)).values, STORED)


@pytest.mark.filterwarnings("ignore:Invalid value")
def test_nothing_of_a_person_is_kept(write, canary):
    image = read_image(write(BodyPartExamined=canary, StudyDate=canary, PatientBirthDate=canary))
    assert canary.upper() not in (repr(image.account) + repr(image.facts)).upper()


def test_the_parser_neither_logs_nor_warns(write, build_dataset, caplog, recwarn, capfd):
    """pydicom reports what it meets, sometimes with the value; here its decoder meets a damaged stream."""
    stream = io.BytesIO()
    Pillow.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).save(stream, "JPEG2000")
    damaged = stream.getvalue()[:-150] + bytes(150)
    dataset = build_dataset(np.zeros((16, 16), np.uint8))
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    dataset.add_new(0x7FE00010, "OB", encapsulate([damaged.replace(b"\xff\x52", b"\0\0")]))
    dataset["PixelData"].is_undefined_length = True
    path = write(dataset=dataset)
    caplog.clear()
    recwarn.clear()
    with caplog.at_level(0), pytest.raises(DicomError, match="Pixel Data"):
        read_image(path)
    assert not caplog.records and not recwarn.list and not "".join(capfd.readouterr())


@pytest.mark.parametrize("keyword", ["LossyImageCompression", "PatientOrientation", "Modality", "PresentationLUTShape"])
def test_a_number_in_the_place_of_a_code(keyword, write, build_dataset):
    dataset = build_dataset()
    dataset[keyword] = DataElement(tag_for_keyword(keyword), "US", 1)
    with pytest.raises(DicomError, match=rf"{re.escape(tag_name(keyword))} is no text; export the file again"):
        read_image(write(dataset=dataset))


@pytest.mark.parametrize(
    ("attributes", "side"),
    [
        ({"Laterality": "R"}, "R"),
        ({"ImageLaterality": "L"}, "L"),
        ({"ImageLaterality": "B", "Laterality": ""}, "B"),
        ({"ImageLaterality": "U", "Laterality": "R"}, "R"),
        ({"ImageLaterality": "U"}, ""),
        ({"Laterality": "LEFT"}, ""),
        ({}, ""),
    ],
)
def test_the_side_is_that_of_the_image_else_of_the_series(write, attributes, side):
    assert read_image(write(**attributes)).facts["laterality"] == side
