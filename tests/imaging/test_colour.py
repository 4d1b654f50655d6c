"""Colours by hand from PS3.3, C.7.6.3.1.2, C.7.6.3.1.5 and C.7.9.2."""

import numpy as np
import pytest
from pydicom.uid import ExplicitVRBigEndian

from mediml.imaging import DicomError, read_image
from mediml.imaging.decoding.colour import expand_segments

INDICES = np.array([[0, 1], [2, 9]], np.uint8)
COLOURS = ("Red", "Green", "Blue")


def palette(descriptor, tables, prefix=""):
    return {"PhotometricInterpretation": "PALETTE COLOR"} | {
        f"{colour}PaletteColorLookupTableDescriptor": descriptor for colour in COLOURS
    } | {f"{prefix}{colour}PaletteColorLookupTableData": table for colour, table in zip(COLOURS, tables)}  # fmt: skip


def words(*values, order="<"):
    return np.array(values, f"{order}u2").tobytes()


def rgb(pixels, **attributes):
    return {"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3, "PlanarConfiguration": 0} | attributes


@pytest.mark.parametrize(
    ("ybr", "expected"),
    [
        ((0, 128, 128), (0, 0, 0)),
        ((255, 128, 128), (255, 255, 255)),
        ((100, 128, 178), (100 + 1.402 * 50, 100 - 0.299 * 1.402 / 0.587 * 50, 100)),
        ((100, 178, 128), (100, 100 - 0.114 * 1.772 / 0.587 * 50, 100 + 1.772 * 50)),
        ((255, 255, 255), (255, 255 - 127 * (0.299 * 1.402 + 0.114 * 1.772) / 0.587, 255)),  # red and blue are clipped
    ],
)
def test_ybr_by_the_formula(write, ybr, expected):
    pixels = np.full((1, 300, 2, 3), ybr, np.uint8)
    image = read_image(write(pixels, **rgb(pixels, PhotometricInterpretation="YBR_FULL")))
    np.testing.assert_allclose(image.values, np.broadcast_to(expected, (300, 2, 3)), atol=1e-3)
    assert image.stored[0, 0].tolist() == list(ybr)
    assert "colour converted from YBR_FULL to RGB" in map(str, image.account)


def test_two_pixels_share_the_colours_of_422(write):
    data = bytes([10, 20, 128, 138, 30, 40, 118, 128])  # Y1 Y2 Cb Cr, twice
    path = write(
        np.zeros((1, 1, 4, 3), np.uint8), **rgb(None, PhotometricInterpretation="YBR_FULL_422", PixelData=data)
    )
    image = read_image(path)
    assert image.stored.tolist() == [[[10, 128, 138], [20, 128, 138], [30, 118, 128], [40, 118, 128]]]
    np.testing.assert_allclose(image.values[0, :, 0], [10 + 14.02, 20 + 14.02, 30, 40], atol=1e-3)


def test_rgb_of_other_depths(write):
    wide = np.array([[[[0, 32768, 65535]]]], np.uint16)
    np.testing.assert_allclose(read_image(write(wide, **rgb(wide))).values, [[[0, 127.50195, 255]]], atol=1e-4)
    deep = np.array([[[[0, 1000, 1023]]]], np.uint16)
    image = read_image(write(deep, **rgb(deep, BitsStored=10, HighBit=9)))
    np.testing.assert_allclose(image.values, [[[0, 1000 * 255 / 1023, 255]]], atol=1e-4)
    assert "colour" not in [step.code for step in image.account]  # nothing was converted
    with pytest.raises(DicomError, match=r"Bits Stored \(0028,0101\) expects 8 for YBR_FULL, got 16"):
        read_image(write(wide, **rgb(wide, PhotometricInterpretation="YBR_FULL")))


def test_a_profile_is_a_doubt(write):
    pixels = np.zeros((1, 2, 2, 3), np.uint8)
    assert "icc_profile" in [d.code for d in read_image(write(pixels, **rgb(pixels, ICCProfile=b"1234"))).doubts]


def test_a_palette_of_16_bits(write):
    tables = [words(0, 257, 65535), words(65535, 0, 0), words(0, 0, 32896)]
    image = read_image(write(INDICES, **palette([3, 0, 16], tables)))
    np.testing.assert_allclose(image.values, [[[0, 255, 0], [1, 0, 0]], [[255, 0, 128], [255, 0, 128]]], atol=1e-3)


def test_a_palette_begins_where_it_says(write):
    image = read_image(write(INDICES, **palette([2, 2, 8], [bytes([5, 7])] * 3)))
    assert image.values[..., 0].tolist() == [[5, 5], [5, 7]]
    signed = np.array([[-3, -2, 1]], np.int8)
    with pytest.raises(DicomError, match="expects 0"):  # the standard has no signed palette images
        read_image(write(signed, **palette([2, 0, 8], [bytes(2)] * 3)))


@pytest.mark.parametrize("bits", [8, 16])
def test_entries_of_8_bits_in_words(write, bits):
    image = read_image(write(INDICES, **palette([3, 0, bits], [words(0, 100, 255)] * 3)))
    assert image.values[..., 2].tolist() == [[0, 100], [255, 255]]
    assert ("palette_eight_bits" in [doubt.code for doubt in image.doubts]) == (bits == 16)


def test_a_dark_picture_does_not_change_the_palette(write):
    dark = np.zeros((2, 2), np.uint8)  # its only colour is 200 of 65,535
    image = read_image(write(dark, **palette([2, 0, 16], [words(200, 65535)] * 3)))
    np.testing.assert_allclose(image.values, 200 * 255 / 65535, atol=1e-4)


def test_a_big_endian_palette(write, build_dataset):
    dataset = build_dataset(INDICES, **palette([3, 0, 16], [words(0, 257, 65535, order=">")] * 3))
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    dataset["PixelData"].VR = "OB"
    assert read_image(write(dataset=dataset)).values[..., 0].tolist() == [[0, 1], [255, 255]]


def test_a_palette_of_pixels_of_16_bits(write):
    wide = np.array([[300, 301]], np.uint16)
    image = read_image(write(wide, **palette([2, 300, 16], [words(0, 65535)] * 3)))
    assert image.values[..., 1].tolist() == [[0, 255]]


SEGMENTS = [0, 2, 10, 20, 1, 4, 40, 2, 2, 0, 0, 0, 1, 7]  # 10 20 · 25 30 35 40 · both again · 7
EXPANDED = [10, 20, 25, 30, 35, 40, 10, 20, 25, 30, 35, 40, 7]


def test_segments_of_all_three_kinds():
    assert expand_segments(np.array(SEGMENTS, "<u2"), 13, 2).tolist() == EXPANDED
    # Of 8 bits: the offset has four bytes.
    narrow = [0, 2, 10, 20, 1, 4, 40, 2, 2, 0, 0, 0, 0, 0, 1, 7]
    assert expand_segments(np.array(narrow, np.uint8), 13, 1).tolist() == EXPANDED
    # An offset is in bytes: 8 bytes are the linear segment, which goes on from 40 to 40.
    assert expand_segments(np.array([0, 2, 10, 20, 1, 4, 40, 2, 1, 8, 0], "<u2"), 10, 2).tolist()[6:] == [40] * 4


def test_a_segmented_palette_in_a_file(write):
    segments = words(0, 1, 0, 1, 3, 65535)
    image = read_image(write(INDICES, **palette([4, 0, 16], [segments] * 3, "Segmented")))
    np.testing.assert_allclose(image.values[..., 0], [[0, 85], [170, 255]], atol=1e-2)


@pytest.mark.parametrize(
    "segments",
    [
        [1, 4, 40],  # linear, from nothing
        [0, 5, 1, 2],  # cut short
        [0, 9, *range(9)],  # too many
        [0, 0],  # empty
        [3, 1, 1],  # unknown
        [0, 1, 5, 2, 1, 6, 0],  # points to itself
        [0, 1, 5, 2, 65535, 0, 0],  # over and over
        [0, 1, 5],  # too few
    ],
)
def test_segments_that_cannot_be(write, segments):
    path = write(INDICES, **palette([8, 0, 16], [words(*segments)] * 3, "Segmented"))
    with pytest.raises(DicomError, match=r"Segmented Red Palette .* \(0028,1221\) is damaged"):
        read_image(path)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        (palette([3, 0, 16], [words(1, 2)] * 3), r"Red Palette .* Data \(0028,1201\) expects 3 entries of 16 bits"),
        (palette([3, 0, 12], [words(1, 2, 3)] * 3), r"Descriptor \(0028,1101\) expects three numbers, the last of"),
        (palette([3, 0, 16], [words(1, 2, 3)] * 2), r"Blue Palette .* Data \(0028,1203\) is missing"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, r"Red Palette .* Descriptor \(0028,1101\) expects three"),
    ],
)  # fmt: skip
def test_palettes_that_cannot_be(write, attributes, message):
    with pytest.raises(DicomError, match=message):
        read_image(write(INDICES, **attributes))
