"""Units, windows, padding and doubts of grey images, by hand from PS3.3."""

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from mediml.imaging import DicomError, WindowView, read_image

STORED = np.array([[0, 100], [200, 400]], np.uint16)
RESCALE = {"RescaleSlope": "2", "RescaleIntercept": "-10"}
CT = {"Modality": "CT", **RESCALE}


def doubts(image):
    return [doubt.code for doubt in image.doubts if not doubt.code.startswith("spacing")]


@pytest.mark.parametrize(
    ("attributes", "unit", "doubt"),
    [
        (CT, "HU", []),
        (CT | {"RescaleType": "HU"}, "HU", []),
        (CT | {"RescaleType": "Z_EFF"}, "Z_EFF", []),
        (CT | {"RescaleType": "US"}, "arbitrary", []),
        (CT | {"ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"]}, "HU", []),
        (CT | {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "arbitrary", ["not_hounsfield"]),
        (CT | {"MultienergyCTAcquisition": "YES"}, "arbitrary", ["not_hounsfield"]),
        (CT | {"ImageType": ["DERIVED", "SECONDARY"]}, "HU", ["hounsfield_derived"]),
        ({"Modality": "CT"}, "arbitrary", ["rescale_missing"]),
        ({"Modality": "MR", **RESCALE}, "arbitrary", []),
        ({"Modality": "MR", **RESCALE, "RescaleType": "normalized"}, "arbitrary", []),
        ({"Modality": "PT", **RESCALE, "Units": "BQML"}, "BQML", []),
        ({"Modality": "PT", **RESCALE, "Units": "GML", "PatientWeight": "70"}, "GML", []),
        ({"Modality": "PT", **RESCALE, "Units": "QUIRIN"}, "arbitrary", []),
        ({"Modality": "PT", "Units": "BQML"}, "arbitrary", ["rescale_missing"]),
        ({"Modality": "DX"}, "arbitrary", []),
    ],
)
def test_units_are_what_the_file_says_and_no_more(write, attributes, unit, doubt):
    image = read_image(write(STORED, **attributes))
    assert image.units == unit and doubts(image) == doubt
    assert image.values.tolist() == (2.0 * STORED - 10 if "RescaleSlope" in attributes else STORED).tolist()


def test_uptake_is_not_computed_and_that_is_said(write):
    image = read_image(write(Modality="PT", Units="BQML", **RESCALE))
    assert "values in BQML; a standardised uptake value (SUV) is not computed" in map(str, image.account)


def test_a_dose_is_its_grid_scaling_times_the_stored_value(write):
    image = read_image(write(STORED.astype(np.uint32), Modality="RTDOSE", DoseGridScaling="0.5", DoseUnits="GY"))
    assert image.units == "GY" and image.values.tolist() == [[0, 50], [100, 200]]
    assert read_image(write(Modality="RTDOSE", DoseGridScaling="1", DoseUnits="RELATIVE")).units == "arbitrary"
    with pytest.raises(DicomError, match=r"Dose Grid Scaling \(3004,000E\) is 0"):
        read_image(write(Modality="RTDOSE", DoseGridScaling="0"))


@pytest.mark.parametrize(("kind", "unit"), [("HU", "HU"), ("OD", "OD"), ("US", "arbitrary"), ("Quirin", "arbitrary")])
def test_a_modality_table_has_its_own_unit(write, lut, kind, unit):
    item = lut([3, 100, 16], [7, 9, 11])
    item.ModalityLUTType = kind
    image = read_image(write(STORED, ModalityLUTSequence=[item], Modality="CT"))
    assert image.units == unit and image.values.tolist() == [[7, 7], [11, 11]]


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_tables_of_signed_pixels_in_other_encodings(write, build_dataset, lut, syntax):
    # Implicit files do not say that the first value, -2, is signed; the pixels do.
    item = lut([4, -2, 16], [10, 20, 30, 40], signed=True)
    dataset = build_dataset(np.array([[-2, 0], [1, 9]], np.int16), ModalityLUTSequence=[item])
    dataset.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = np.array([[-2, 0], [1, 9]], ">i2").tobytes()
        item.LUTData = np.array([10, 20, 30, 40], ">u2").tobytes()
    assert read_image(write(dataset=dataset)).values.tolist() == [[10, 30], [40, 40]]


def test_a_first_value_that_was_written_as_unsigned(write, lut):
    # 65,534 in VR US has the bits of -2, and the pixels are signed.
    stored = np.array([[-2, 0], [1, 9]], np.int16)
    item = lut([4, 65534, 16], [10, 20, 30, 40])
    assert read_image(write(stored, ModalityLUTSequence=[item])).values.tolist() == [[10, 30], [40, 40]]
    shown = read_image(write(stored, VOILUTSequence=[lut([4, 65534, 8], [0, 51, 102, 255])])).display()
    np.testing.assert_allclose(shown, [[0, 0.4], [1, 1]], atol=1e-6)


def test_a_table_of_bytes_and_one_of_65536_entries(write, lut):
    narrow = lut([4, 0, 8], [])
    narrow.LUTData = bytes([1, 2, 3, 255])
    assert read_image(write(STORED, ModalityLUTSequence=[narrow])).values.tolist() == [[1, 255], [255, 255]]
    full = lut([0, 0, 16], np.arange(65536)[::-1])
    assert read_image(write(STORED, ModalityLUTSequence=[full])).values[1, 1] == 65535 - 400


@pytest.mark.parametrize(
    ("descriptor", "data", "message"),
    [
        ([3, 0, 16], [1, 2], r"LUT Data \(0028,3006\) expects 3 entries of 16 bits"),
        ([2, 0, 8], [1, 256], r"LUT Data \(0028,3006\) expects 2 entries of 8 bits"),
        ([2, 0, 17], [1, 2], r"LUT Descriptor \(0028,3002\) expects 8 to 16 bits"),
        ([2, 0], [1, 2], r"LUT Descriptor \(0028,3002\) or LUT Data"),
    ],
)
def test_tables_that_cannot_be(write, lut, descriptor, data, message):
    with pytest.raises(DicomError, match=message):
        read_image(write(ModalityLUTSequence=[lut(descriptor, data)]))


@pytest.mark.parametrize(
    ("function", "width", "expected"),
    [
        ("LINEAR", "201", [0.5 - 99.5 / 200, 0.5 + 0.5 / 200, 1, 1]),  # (x - 99.5) / 200 + 1/2
        ("LINEAR", "1", [0, 1, 1, 1]),  # a threshold at 99.5
        ("LINEAR_EXACT", "400", [0.25, 0.5, 0.75, 1]),
        ("SIGMOID", "200", [1 / (1 + np.exp(2)), 0.5, 1 / (1 + np.exp(-2)), 1 / (1 + np.exp(-6))]),
    ],
)
def test_window_functions(write, function, width, expected):
    image = read_image(write(STORED, WindowCenter="100", WindowWidth=width, VOILUTFunction=function))
    np.testing.assert_allclose(image.display().ravel(), expected, atol=1e-6)


def test_windows_are_named_from_a_closed_list(write, canary):
    path = write(
        WindowCenter=["-600", "40", "9"], WindowWidth=["1600", "400", "9"],
        WindowCenterWidthExplanation=["LUNG", canary, "soft tissue"],
    )  # fmt: skip
    image = read_image(path)
    assert [view.explanation for view in image.views] == ["LUNG", "OTHER", "SOFT TISSUE"]
    assert canary not in repr(image)
    assert read_image(write(WindowCenter="1", WindowWidth="2")).views == (WindowView(1, 2),)


def test_presentation_shape_inverse_does_not_invert_twice(write):
    image = read_image(write(STORED, PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE"))
    np.testing.assert_allclose(image.display(), [[1, 0.75], [0.5, 0]])


@pytest.mark.parametrize(
    ("dtype", "value", "limit", "vr", "filled"),
    [
        (np.int16, -2000, None, "SS", [True, False, False]),
        (np.int16, 63536, None, "US", [True, False, False]),  # the same bits, in the other VR
        (np.int16, -2000, -5, "SS", [True, True, False]),
        (np.int16, -5, -2000, "SS", [True, True, False]),  # a range is one whichever end is the padding value
        (np.int16, 65531, 63536, "US", [True, True, False]),
        (np.uint16, -2000, None, "SS", [True, False, False]),
    ],
)
def test_padding_in_signed_and_unsigned_files(write, build_dataset, dtype, value, limit, vr, filled):
    stored = np.array([[-2000, -5, 40]], np.int16).astype(dtype)
    dataset = build_dataset(stored)
    dataset.add_new("PixelPaddingValue", vr, value)
    if limit is not None:
        dataset.add_new("PixelPaddingRangeLimit", vr, limit)
    assert read_image(write(dataset=dataset)).padding.tolist() == [filled]


def test_padding_is_meant_in_stored_values_and_not_in_rescaled_ones(write):
    image = read_image(write(STORED, PixelPaddingValue=100, **RESCALE))
    assert image.padding.tolist() == [[False, True], [False, False]]


def test_a_real_world_mapping_is_mentioned(write):
    item = Dataset()
    item.RealWorldValueSlope, item.RealWorldValueIntercept = 2.0, 1.0
    assert "real_world_map" in doubts(read_image(write(RealWorldValueMappingSequence=[item])))
    group = Dataset()
    group.RealWorldValueMappingSequence = [item]
    assert "real_world_map" in doubts(read_image(write(SharedFunctionalGroupsSequence=[group])))


@pytest.mark.parametrize(("relation", "fact"), [("LOG", "LOG"), ("LIN", "LIN"), ("QUIRIN", "OTHER"), (None, "")])
def test_the_relation_to_the_detector_is_a_fact(write, relation, fact):
    path = write(Modality="XA", **{"PixelIntensityRelationship": relation} if relation else {})
    assert read_image(path).facts["pixel_intensity"] == fact


@pytest.mark.parametrize(("slope", "intercept"), [("1E300", "0"), ("1E308", "1E308")])
def test_a_rescale_beyond_all_numbers(write, slope, intercept):
    with pytest.raises(DicomError, match=r"Rescale Slope \(0028,1053\) is .* beyond all numbers"):
        read_image(write(STORED, RescaleSlope=slope, RescaleIntercept=intercept))


def test_a_large_picture_is_rescaled_in_every_row(write):
    stored = np.arange(700 * 3, dtype=np.uint16).reshape(700, 3)
    np.testing.assert_array_equal(read_image(write(stored, **RESCALE)).values, stored * 2.0 - 10)


def test_a_frame_without_its_group_is_refused(write):
    path = write(np.zeros((3, 2, 2), np.uint16), NumberOfFrames=3, PerFrameFunctionalGroupsSequence=[Dataset()] * 2)
    assert read_image(path, 1).shape == (2, 2)
    with pytest.raises(
        DicomError, match=r"Per-Frame Functional Groups Sequence \(5200,9230\) has 2 items, and none for"
    ):
        read_image(path, 2)
