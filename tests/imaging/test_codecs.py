"""Compressed frames: streams made here with known content, and what contradicts its header."""

import importlib.util
import io
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image as Pillow
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEG2000,
    MPEG2MPML,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from mediml.imaging import DicomError, read_image
from mediml.imaging.decoding.codestream import read_codestream
from mediml.imaging.decoding.rle import decode_rle

GREY = np.arange(64 * 48, dtype=np.uint16).reshape(64, 48) % 251
TEST_FILES = Path(pydicom.__file__).parent / "data" / "test_files"
needs_openjpeg = pytest.mark.skipif(not importlib.util.find_spec("openjpeg"), reason="needs mediml[codecs]")
needs_jpeg_ls = pytest.mark.skipif(not importlib.util.find_spec("jpeg_ls"), reason="needs mediml[codecs]")
needs_gdcm = pytest.mark.skipif(not importlib.util.find_spec("gdcm"), reason="needs mediml[gdcm]")


@pytest.fixture
def compressed(write, build_dataset):
    """``compressed(syntax, streams, shape, dtype, **attributes)``: a file of these frames."""

    def compressed(syntax, streams, shape, dtype=np.uint8, bot=True, **attributes):
        dataset = build_dataset(np.zeros(shape, dtype))
        if len(shape) == 3:
            dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = shape
            dataset.PhotometricInterpretation = "RGB"
        streams = streams if isinstance(streams, list) else [streams]
        if len(streams) > 1:
            dataset.NumberOfFrames = len(streams)
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.add_new(0x7FE00010, "OB", encapsulate(streams, has_bot=bot))
        dataset["PixelData"].is_undefined_length = True
        return write(dataset=dataset)

    return compressed


def picture(pixels, format, **options):
    stream = io.BytesIO()
    Pillow.fromarray(pixels).save(stream, format, **options)
    return stream.getvalue()


def openjpeg(pixels, bits, **options):
    from openjpeg.utils import encode_array

    return bytes(encode_array(pixels, bits_stored=bits, **options))


def segments(*planes):
    """A run-length frame of these planes, each as literal runs of one byte."""
    coded = [b"".join(bytes([0, value]) for value in plane) for plane in planes]
    starts, place = [], 64
    for plane in coded:
        starts.append(place)
        place += len(plane)
    return struct.pack("<16L", len(planes), *starts, *[0] * (15 - len(planes))) + b"".join(coded)


def test_packbits_example():
    # Apple's example of PackBits: what a TIFF reader makes of it, too.
    packed = bytes.fromhex("FE AA 02 80 00 2A FD AA 03 80 00 2A 22 F7 AA")
    expected = bytes.fromhex("AA AA AA 80 00 2A AA AA AA AA 80 00 2A 22 AA AA AA AA AA AA AA AA AA AA")
    stream = struct.pack("<16L", 1, 64, *[0] * 14) + packed
    assert decode_rle(stream, 2, 12, 1, 8).tobytes() == expected
    with pytest.raises(ValueError, match="cut short"):
        decode_rle(stream, 2, 13, 1, 8)


def test_run_lengths_of_16_bits_begin_with_the_high_byte(compressed):
    stream = segments([1, 0, 0xFF], [2, 3, 0xFE])
    assert read_image(compressed(RLELossless, stream, (1, 3), np.uint16)).stored.tolist() == [[258, 3, 65534]]
    signed = read_image(compressed(RLELossless, stream, (1, 3), np.int16))
    assert signed.stored.tolist() == [[258, 3, -2]]
    shifted = compressed(RLELossless, stream, (1, 3), np.uint16, BitsStored=12, HighBit=15)
    assert read_image(shifted).stored.tolist() == [[0x010, 0, 0xFFF]]


def test_run_lengths_of_colours_and_32_bits(compressed):
    stream = segments([1, 2], [3, 4], [5, 6])
    assert read_image(compressed(RLELossless, stream, (1, 2, 3))).stored.tolist() == [[[1, 3, 5], [2, 4, 6]]]
    stream = segments([0], [1], [2], [3])
    assert read_image(compressed(RLELossless, stream, (1, 1), np.uint32)).stored.tolist() == [[0x00010203]]


@pytest.mark.parametrize(
    "stream",
    [
        bytes(2),
        segments([1]),  # one where two are due
        struct.pack("<16L", 2, 64, 60, *[0] * 13) + bytes(20),  # out of order
        struct.pack("<16L", 2, 64, 999, *[0] * 13) + bytes(20),  # behind the end
        struct.pack("<16L", 99, 64, 70, *[0] * 13) + bytes(20),
    ],
)
def test_run_lengths_that_cannot_be(compressed, stream):
    with pytest.raises(DicomError, match=r"Pixel Data \(7FE0,0010\) .*(damaged|told apart|empty)"):
        read_image(compressed(RLELossless, stream, (1, 3), np.uint16))


@pytest.mark.parametrize("bot", [True, False])
def test_each_frame_is_its_own(compressed, bot):
    frames = [picture(np.full((16, 16), value, np.uint8), "JPEG", quality=100) for value in (10, 90, 200)]
    path = compressed(JPEGBaseline8Bit, frames, (16, 16), bot=bot)
    assert [int(read_image(path, frame).values.mean()) for frame in range(3)] == [10, 90, 200]


RED = np.full((16, 16, 3), (200, 30, 40), np.uint8)
# Of (200, 30, 40): Y = 0.299 R + 0.587 G + 0.114 B, Cb = (B - Y) / 1.772 + 128, Cr = (R - Y) / 1.402 + 128.
YBR = (81.97, 104.3, 212.2)


def with_marker(stream, marker, body):
    """The stream with an application segment first, in the place of JFIF's."""
    (length,) = struct.unpack_from(">H", stream, 4)
    return stream[:2] + struct.pack(">HH", marker, len(body) + 2) + body + stream[4 + length :]


def adobe(transform):
    return b"Adobe\0\x64\0\0\0\0" + bytes([transform])


@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL", "YBR_FULL_422"])
@pytest.mark.parametrize(
    ("stream", "coded"),
    [
        (picture(RED, "JPEG", quality=100, subsampling=0), "YBR"),  # JFIF: always YBR
        (with_marker(picture(RED, "JPEG", quality=100), 0xFFEE, adobe(1)), "YBR"),
        (picture(RED, "JPEG", quality=100, keep_rgb=True), "RGB"),  # Adobe's marker, transform 0
    ],
    ids=["JFIF", "Adobe 1", "Adobe 0"],
)
def test_markers_of_the_stream_decide_about_its_colours(compressed, stream, coded, photometric):
    image = read_image(compressed(JPEGBaseline8Bit, stream, RED.shape, PhotometricInterpretation=photometric))
    np.testing.assert_allclose(image.values, RED, atol=3)
    np.testing.assert_allclose(image.stored[0, 0], YBR if coded == "YBR" else RED[0, 0], atol=2)


@pytest.mark.parametrize(("photometric", "expected"), [("YBR_FULL_422", RED[0, 0]), ("RGB", YBR)])
def test_without_markers_the_header_decides(compressed, photometric, expected):
    stream = with_marker(picture(RED, "JPEG", quality=100), 0xFFE5, b"none")
    image = read_image(compressed(JPEGBaseline8Bit, stream, RED.shape, PhotometricInterpretation=photometric))
    np.testing.assert_allclose(image.values[0, 0], expected, atol=3)


def test_jpeg_2000_of_either_colours(compressed):
    def read(mct, photometric, syntax=JPEG2000Lossless):
        stream = picture(RED, "JPEG2000", no_jp2=True, mct=mct)
        return read_image(compressed(syntax, stream, RED.shape, PhotometricInterpretation=photometric))

    for mct, photometric in ((1, "YBR_RCT"), (1, "RGB"), (0, "RGB"), (1, "YBR_ICT")):
        image = read(mct, photometric)
        assert (image.stored == RED).all() and (image.values == RED).all()
    as_ybr = read(0, "YBR_FULL")
    assert (as_ybr.stored == RED).all() and as_ybr.values[0, 0, 0] == pytest.approx(max(0, 200 + 1.402 * (40 - 128)))
    for mct, photometric in ((0, "YBR_RCT"), (1, "YBR_FULL")):
        with pytest.raises(
            DicomError, match=rf"Photometric Interpretation \(0028,0004\) says {photometric}, and the JPEG"
        ):
            read(mct, photometric, JPEG2000)


@needs_openjpeg
@pytest.mark.parametrize("bits", [8, 12, 13, 16])
@pytest.mark.parametrize("header_signed", [False, True])
@pytest.mark.parametrize("stream_signed", [False, True])
def test_a_stream_of_the_other_sign_has_the_same_bits(compressed, bits, header_signed, stream_signed):
    half = 1 << (bits - 1)
    signed = np.tile([[-half, -1, 0], [1, 5, half - 1]], (32, 16))
    wide = "16" if bits > 8 else "8"
    pixels = (signed if stream_signed else signed % (2 * half)).astype(("int" if stream_signed else "uint") + wide)
    path = compressed(
        JPEG2000Lossless, openjpeg(pixels, bits), signed.shape, f"uint{wide}", BitsStored=bits, HighBit=bits - 1,
        PixelRepresentation=int(header_signed),
    )  # fmt: skip
    assert read_image(path).stored.tolist() == (signed if header_signed else signed % (2 * half)).tolist()


@needs_jpeg_ls
@pytest.mark.parametrize("dtype", [np.uint16, np.int16])
def test_jpeg_ls_does_not_know_signs(write, build_dataset, dtype):
    pixels = (GREY.astype(np.int32) - (100 if dtype == np.int16 else 0)).astype(dtype)
    dataset = build_dataset(pixels, BitsStored=12, HighBit=11)
    dataset.compress(JPEGLSLossless)
    assert (read_image(write(dataset=dataset)).stored == pixels).all()


def test_values_beyond_bits_stored_are_refused(compressed):
    stream = picture(np.full((8, 8), 200, np.uint8), "JPEG2000", no_jp2=True)
    assert read_image(compressed(JPEG2000Lossless, stream, (8, 8))).stored.max() == 200
    with pytest.raises(DicomError, match=r"values that Bits Stored \(0028,0101\) = 7 cannot"):
        read_image(compressed(JPEG2000Lossless, stream, (8, 8), BitsStored=7, HighBit=6))
    with pytest.raises(DicomError, match=r"High Bit \(0028,0102\) expects .* = 6 in a compressed file, got 7"):
        read_image(compressed(JPEG2000Lossless, stream, (8, 8), BitsStored=7, HighBit=7))


@needs_openjpeg
def test_values_below_bits_stored_are_refused_too(compressed):
    stream = openjpeg(np.full((64, 48), -100, np.int8), 8)
    signed = {"PixelRepresentation": 1}
    assert read_image(compressed(JPEG2000Lossless, stream, (64, 48), **signed)).stored.max() == -100
    with pytest.raises(DicomError, match=r"values that Bits Stored \(0028,0101\) = 7 cannot"):
        read_image(compressed(JPEG2000Lossless, stream, (64, 48), BitsStored=7, HighBit=6, **signed))


def test_what_the_transfer_syntax_does_not_promise_is_refused(compressed):
    jpeg = picture(np.zeros((16, 16), np.uint8), "JPEG")
    progressive = picture(np.zeros((16, 16), np.uint8), "JPEG", progressive=True)
    for syntax, stream in ((JPEG2000Lossless, jpeg), (JPEGBaseline8Bit, progressive), (JPEGLosslessSV1, jpeg),
                           (JPEGLSLossless, jpeg), (JPEGBaseline8Bit, b"\xff\xd8 nothing ")):  # fmt: skip
        with pytest.raises(DicomError, match=r"holds no stream of JPEG.* Transfer Syntax UID \(0002,0010\) promises"):
            read_image(compressed(syntax, stream, (16, 16)))
    with pytest.raises(DicomError, match=r"no decoder is known for MPEG2 .*Transfer Syntax UID"):
        read_image(compressed(MPEG2MPML, jpeg, (16, 16)))


def test_other_components_than_samples_are_refused(compressed):
    for stream, shape in ((picture(RED, "JPEG"), (16, 16)), (picture(RED[..., 0], "JPEG"), RED.shape)):
        with pytest.raises(DicomError, match=r"components in 1 tiles; expected . \(Samples per Pixel \(0028,0002\)\)"):
            read_image(compressed(JPEGBaseline8Bit, stream, shape))


def test_a_jpeg_too_short_for_its_size_is_refused(compressed):
    """libjpeg makes up what is missing, and would give a picture of grey."""
    stream = bytearray(picture(np.zeros((16, 16), np.uint8), "JPEG"))
    place = stream.index(b"\xff\xc0") + 5
    stream[place : place + 4] = struct.pack(">HH", 4000, 5000)
    with pytest.raises(DicomError, match=r"cut short: .* bytes for 4000 × 5000 pixels"):
        read_image(compressed(JPEGBaseline8Bit, bytes(stream), (4000, 5000)))
    black = picture(np.zeros((4000, 500), np.uint8), "JPEG", optimize=True)  # the shortest that there is
    assert read_image(compressed(JPEGBaseline8Bit, black, (4000, 500))).values.max() == 0


@pytest.mark.parametrize(
    ("syntax", "stream", "extra"),
    [
        (JPEGLSLossless, b"\xff\xd8\xff\xf7\0\x0b\x08\0\x10\0\x10\x01\x01\x11\0", "codecs"),
        (HTJ2KLossless, picture(np.zeros((16, 16), np.uint8), "JPEG2000", no_jp2=True), "codecs"),
    ],
)
def test_an_absent_decoder_is_named_by_its_extra(compressed, monkeypatch, syntax, stream, extra):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DicomError, match=rf"no decoder is installed for .*install mediml\[{extra}\]"):
        read_image(compressed(syntax, stream, (16, 16)))


LOSSLESS = TEST_FILES / "SC_rgb_jpeg_gdcm.dcm"


@needs_gdcm
@pytest.mark.parametrize("file", [LOSSLESS, TEST_FILES / "JPGExtended.dcm"])
def test_gdcm_is_never_called_here(file):
    # pydicom imports it; no picture of it can be made in this process.
    code = f"import gdcm; gdcm.Image = None; from mediml.imaging import read_image; read_image({str(file)!r})"
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0


@needs_gdcm
def test_gdcm_may_end_its_process_and_not_ours(tmp_path):
    """A stream on which it aborts: a Huffman table that promises more codes than there can be."""
    content = bytearray(LOSSLESS.read_bytes())
    place = content.index(b"\xff\xc4") + 5
    content[place : place + 16] = b"\xff" * 16
    (tmp_path / "a.dcm").write_bytes(content)
    for isolated in (False, True):
        with pytest.raises(DicomError, match=r"the process that decodes ended|damaged"):
            read_image(tmp_path / "a.dcm", isolated=isolated)
    assert read_image(LOSSLESS).shape == (100, 100)


def test_gdcm_is_refused_in_this_process():
    from mediml.imaging.decoding.codecs import decode
    from mediml.imaging.decoding.pixels import describe, encoded_frame
    from mediml.imaging.dicom import parse
    from mediml.imaging.standard.header import Header

    dataset = parse(LOSSLESS.read_bytes())
    described = describe(dataset, Header(dataset))
    with pytest.raises(DicomError, match="damaged or cannot be decoded"):
        decode(encoded_frame(dataset, described, 0, []), described, 0)


def test_what_a_stream_says_of_itself():
    jpeg = read_codestream(picture(np.zeros((37, 61, 3), np.uint8), "JPEG"))
    assert (jpeg.kind, jpeg.rows, jpeg.columns, jpeg.components, jpeg.precision) == ("SOF0", 37, 61, 3, 8)
    assert jpeg.colour == "YBR" and jpeg.least_bytes == 5 * 8 // 4
    j2k = read_codestream(picture(np.zeros((37, 61, 3), np.uint8), "JPEG2000", mct=1, tile_size=(32, 32)))
    assert (j2k.kind, j2k.rows, j2k.columns, j2k.components, j2k.precision) == ("2000", 37, 61, 3, 8)
    assert j2k.tiles == 4 and j2k.mixes_colours is True and j2k.even and not j2k.signed
    assert read_codestream(picture(RED, "JPEG2000", mct=0)).mixes_colours is False
    assert read_codestream((TEST_FILES / "JPGExtended.dcm").read_bytes()) is None


def test_12_bits_are_for_the_other_process():
    from mediml.imaging.decoding.codecs import needs_worker
    from mediml.imaging.decoding.pixels import describe, encoded_frame
    from mediml.imaging.dicom import parse
    from mediml.imaging.standard.header import Header

    for name, expected in (("JPGExtended.dcm", True), ("SC_rgb_jpeg_gdcm.dcm", True), ("SC_rgb_jpeg_dcmtk.dcm", False)):
        dataset = parse((TEST_FILES / name).read_bytes())
        described = describe(dataset, Header(dataset))
        assert needs_worker(encoded_frame(dataset, described, 0, []), described) is expected
    assert described.syntax != JPEGExtended12Bit
