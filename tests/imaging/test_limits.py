import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image as Pillow
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless

from mediml.imaging import DicomError, read_image
from mediml.imaging.decoding.codestream import read_codestream
from mediml.imaging.limits import BoundedReader, check_pixel_count, inflate, read_bytes


def encoded(shape, format):
    stream = io.BytesIO()
    Pillow.fromarray(np.zeros(shape, np.uint8)).save(stream, format)
    return stream.getvalue()


@pytest.mark.parametrize("format", ["JPEG", "JPEG2000"])
def test_a_stream_says_its_size(format):
    stream = read_codestream(encoded((37, 61), format))
    assert (stream.rows, stream.columns) == (37, 61)


@pytest.mark.parametrize(
    "stream", [b"", b"\xff\xd8", b"\xff\xd8\xff\xe0\x00\x02", b"\xff\x4f\xff\x51\x00", b"hello" * 9]
)
def test_what_says_nothing(stream):
    assert read_codestream(stream) is None


def test_a_stream_larger_than_its_header_is_refused_before_decoding(write, build_dataset):
    stream = bytearray(encoded((4, 4), "JPEG2000"))
    place = stream.index(b"\xff\x4f\xff\x51") + 8
    stream[place : place + 8] = struct.pack(">II", 100_000, 100_000)
    dataset = build_dataset(np.zeros((4, 4), np.uint8))
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    dataset.add_new(0x7FE00010, "OB", encapsulate([bytes(stream)]))
    dataset["PixelData"].is_undefined_length = True
    with pytest.raises(DicomError, match="100000 × 100000 pixels, Rows"):
        read_image(write(dataset=dataset))


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((0, 4, 1), "0 rows and 4 columns"),
        ((5, -1, 1), "both must be at least 1"),
        ((6325, 6325, 1), "at most 40000000 are read"),
        ((6000, 6000, 3), "6000 × 6000 × 3 values; at most 80000000"),
    ],
)
def test_pictures_that_are_too_large_or_nothing(size, message):
    rows, columns, samples = size
    with pytest.raises(DicomError, match=message):
        check_pixel_count(rows, columns, DicomError, samples)
    check_pixel_count(6324, 6324, DicomError)
    check_pixel_count(5163, 5163, DicomError, 3)


def test_inflating_stops_at_the_limit(monkeypatch):
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    data = packer.compress(bytes(1000)) + packer.flush()
    assert inflate(data, DicomError) == bytes(1000)
    with pytest.raises(DicomError, match="cut short"):
        inflate(data[:-3], DicomError)
    with pytest.raises(DicomError, match="damaged"):
        inflate(b"\xff" * 20, DicomError)
    monkeypatch.setattr("mediml.imaging.limits.MAX_INFLATED_BYTES", 999)
    with pytest.raises(DicomError, match="inflates to more than 999 bytes"):
        inflate(data, DicomError)


def test_a_reader_counts(monkeypatch):
    monkeypatch.setattr("mediml.imaging.limits.MAX_READS", 3)
    reader = BoundedReader(b"abcdef", DicomError)
    assert [reader.read(1), reader.read(2), reader.read()] == [b"a", b"bc", b"def"]
    with pytest.raises(DicomError, match="more elements than are read"):
        reader.read(1)


def test_a_file_of_the_largest_size_and_one_byte_more(tmp_path, monkeypatch):
    monkeypatch.setattr("mediml.imaging.limits.MAX_FILE_BYTES", 10)
    (tmp_path / "file").write_bytes(bytes(10))
    assert read_bytes(tmp_path / "file", DicomError) == bytes(10)
    (tmp_path / "file").write_bytes(bytes(11))
    with pytest.raises(DicomError, match="has 11 bytes; at most 10 are read"):
        read_bytes(tmp_path / "file", DicomError)
