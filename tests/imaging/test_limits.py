import io
import struct

import numpy as np
import pytest
from PIL import Image as Pillow
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless

from mediml.imaging import DicomError, read_image
from mediml.imaging.limits import codestream_size


def encoded(shape, format):
    stream = io.BytesIO()
    Pillow.fromarray(np.zeros(shape, np.uint8)).save(stream, format)
    return stream.getvalue()


@pytest.mark.parametrize("format", ["JPEG", "JPEG2000"])
def test_a_stream_says_its_size(format):
    assert codestream_size(encoded((37, 61), format)) == (37, 61)


@pytest.mark.parametrize(
    "stream", [b"", b"\xff\xd8", b"\xff\xd8\xff\xe0\x00\x02", b"\xff\x4f\xff\x51\x00", b"hello" * 9]
)
def test_what_says_nothing(stream):
    assert codestream_size(stream) is None


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
