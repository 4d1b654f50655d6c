"""Where the bits of a pixel lie: every expected value is by hand from PS3.5, 8.1 and 8.2."""

import numpy as np
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from mediml.imaging import DicomError, read_image

MULTI = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}


@pytest.fixture
def encoded(write, build_dataset):
    """``encoded(syntax, pixels, vr, **attributes)``: a file in another uncompressed transfer syntax."""

    def encoded(syntax, pixels, vr="OW", **attributes):
        dataset = build_dataset(pixels, **attributes)
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset["PixelData"].VR = vr
        return write(dataset=dataset)

    return encoded


def doubts(image):
    return [doubt.code for doubt in image.doubts]


@pytest.mark.parametrize(
    ("bits", "high", "signed", "cell", "value"),
    [
        (12, 11, 0, 0xF123, 0x123),  # an overlay of old files above the value
        (12, 11, 1, 0xF7FF, 2047),
        (12, 11, 1, 0x0800, -2048),
        (12, 15, 0, 0x123F, 0x123),  # the value above, something else below it
        (12, 15, 1, 0xFFFA, -1),
        (10, 12, 0, 0b1110_0000_0000_0111, 0),  # three bits on either side
        (10, 12, 1, 0b0001_0000_0000_0111, -512),
        (16, 15, 1, 0x8000, -32768),
        (1, 0, 0, 0xFFFE, 0),
    ],
)
def test_bits_of_a_cell(write, bits, high, signed, cell, value):
    path = write(np.array([[cell, 0]], np.uint16), BitsStored=bits, HighBit=high, PixelRepresentation=signed)
    image = read_image(path)
    assert image.stored.tolist() == [[value, 0]] and image.values.tolist() == [[value, 0]]


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32])
@pytest.mark.parametrize("syntax", [ExplicitVRBigEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_order_of_bytes_and_sign(encoded, syntax, dtype):
    limits = np.iinfo(dtype)
    pixels = np.array([[limits.min, limits.max, 3], [1, 2, 77]], dtype)
    data = pixels.astype(pixels.dtype.newbyteorder(">" if syntax == ExplicitVRBigEndian else "<")).tobytes()
    vr = "OB" if pixels.itemsize == 1 and syntax != ImplicitVRLittleEndian else "OW"
    image = read_image(encoded(syntax, pixels, vr, PixelData=data))
    assert image.stored.tolist() == pixels.tolist()
    assert image.values.dtype == (np.float64 if pixels.itemsize == 4 else np.float32)
    assert image.values.tolist() == pixels.tolist()


@pytest.mark.parametrize("frame", [0, 1, 2])
def test_bytes_in_big_endian_words_change_places(encoded, frame):
    # Three frames of 3 bytes, 012 345 678: as words of two bytes 10 32 54 76 and the last with its pad.
    data = bytes([1, 0, 3, 2, 5, 4, 7, 6, 99, 8])
    pixels = np.zeros((3, 1, 3), np.uint8)
    path = encoded(ExplicitVRBigEndian, pixels, NumberOfFrames=3, PixelData=data)
    assert read_image(path, frame).stored.tolist() == [[3 * frame, 3 * frame + 1, 3 * frame + 2]]


@pytest.mark.parametrize("frame", [0, 1, 2])
def test_one_bit_pixels_go_across_bytes_from_the_lowest_bit_on(write, frame):
    # Frames of 5 bits: 10110, 01101, 11110, from the lowest bit of the first byte on.
    path = write(
        np.zeros((1, 2), np.uint8), Rows=1, Columns=5, NumberOfFrames=3, BitsAllocated=1, BitsStored=1, HighBit=0,
        PixelData=bytes([0b10101101, 0b00111101]),
    )  # fmt: skip
    assert read_image(path, frame).stored.tolist() == [[[1, 0, 1, 1, 0], [1, 0, 1, 1, 0], [1, 1, 1, 1, 0]][frame]]


@pytest.fixture
def floating(write, build_dataset):
    """``floating(values, **attributes)``: a file of Float or Double Float Pixel Data."""

    def floating(values, **attributes):
        values = np.asarray(values)
        bits = values.itemsize * 8
        gone = dict.fromkeys(("PixelData", "BitsStored", "HighBit", "PixelRepresentation"))
        dataset = build_dataset(np.zeros(values.shape, np.uint16), BitsAllocated=bits, **gone)
        setattr(dataset, "FloatPixelData" if bits == 32 else "DoubleFloatPixelData", values.tobytes())
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)
        return write(dataset=dataset)

    return floating


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floating_point_pixels(floating, dtype):
    values = np.array([[0.1, -1e30], [np.pi, 4]], dtype)
    image = read_image(floating(values))
    assert image.stored.dtype == image.values.dtype == dtype and image.padding is None
    assert image.values.tolist() == values.tolist()
    assert str(image.account[0]).startswith(f"stored values decoded (floating point, {dtype().itemsize * 8} bits")


def test_floating_point_padding_and_what_is_no_number(floating):
    values = np.array([[np.nan, 1], [-7, 3], [np.inf, -6.5]], np.float32)
    image = read_image(floating(values, FloatPixelPaddingValue=-7.0, FloatPixelPaddingRangeLimit=-6.5))
    assert image.padding.tolist() == [[True, False], [True, False], [True, True]]
    assert image.display().tolist() == [[0, 0], [0, 1], [0, 0]]
    double = read_image(floating(np.array([[5, 1]], np.float64), DoubleFloatPixelPaddingValue=5.0))
    assert double.padding.tolist() == [[True, False]]


def test_floating_point_pixels_are_rescaled_too(floating):
    image = read_image(floating(np.array([[0.5, 1]], np.float32), RescaleSlope="4", RescaleIntercept="1"))
    assert image.values.tolist() == [[3, 5]] and image.values.dtype == np.float32


@pytest.mark.parametrize("frame", [0, 1])
@pytest.mark.parametrize("planar", [0, 1])
def test_colours_by_pixel_or_by_plane(write, planar, frame):
    # The pixel (r, c) of frame f has red 100 f + 10 r + c, green 60 more, blue 120 more.
    red = np.array([[0, 1, 2], [10, 11, 12]]) + 100 * np.arange(2)[:, None, None]
    colours = np.stack([red, red + 60, red + 120], -1).astype(np.uint8)
    data = (np.moveaxis(colours, -1, 1) if planar else colours).tobytes()
    path = write(colours, NumberOfFrames=2, PixelData=data, **MULTI | {"PlanarConfiguration": planar})
    image = read_image(path, frame)
    assert image.stored.tolist() == colours[frame].tolist() and image.values.tolist() == colours[frame].tolist()


def test_bytes_behind_the_pixels_are_a_doubt(write):
    image = read_image(write(PixelData=np.arange(9, dtype=np.uint16).tobytes()))
    assert image.stored.tolist() == [[0, 1], [2, 3]] and "excess_bytes" in doubts(image)
    assert "excess_bytes" not in doubts(read_image(write()))
    odd = read_image(write(np.arange(9, dtype=np.uint8).reshape(3, 3)))  # one byte of padding is in order
    assert "excess_bytes" not in doubts(odd)


COLOUR = np.zeros((1, 2, 2, 3), np.uint8)
REFUSED = {
    **{name: (COLOUR, {"PhotometricInterpretation": name}, rf"Photometric Interpretation \(0028,0004\): {name} is not")
       for name in ("ARGB", "CMYK", "HSV", "XYB", "YBR_PARTIAL_420", "YBR_PARTIAL_422")},
    "signed colour": (COLOUR, {"PixelRepresentation": 1}, r"Pixel Representation \(0028,0103\) expects 0 .* for RGB"),
    "no planes": (COLOUR, {"PlanarConfiguration": None}, r"Planar Configuration \(0028,0006\) is missing"),
    "third plane": (COLOUR, {"PlanarConfiguration": 2}, r"Planar Configuration \(0028,0006\) expects 0"),
    "pairs of an odd row": (np.zeros((1, 2, 3, 3), np.uint8), {"PhotometricInterpretation": "YBR_FULL_422"},
                            r"Columns \(0028,0011\) expects an even number"),
    "not subsampled": (COLOUR, {"PhotometricInterpretation": "YBR_FULL_422"}, r"Pixel Data .* has the size of\s+YBR"),
    "more colours than memory": (COLOUR, {"Rows": 6000, "Columns": 6000}, "6000 × 6000 × 3 values; at most 80000000"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_colours_are_refused_by_name(write, canary, case):
    pixels, attributes, message = REFUSED[case]
    with pytest.raises(DicomError, match=message) as caught:
        read_image(write(pixels, **{key: value for key, value in (MULTI | attributes).items() if value is not None}))
    assert canary not in str(caught.value)


@pytest.mark.parametrize("allocated", [12, 24, 64])
def test_cells_of_other_sizes_are_refused(write, allocated):
    with pytest.raises(DicomError, match=r"Bits Allocated \(0028,0100\) expects 1, 8, 16 or 32 .*, got"):
        read_image(write(BitsAllocated=allocated, BitsStored=12, HighBit=11))
