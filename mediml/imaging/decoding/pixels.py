"""How a DICOM file holds its pixels, checked against the standard before anything is allocated or decoded.

References
----------
DICOM PS3.3: C.7.6.3 (image pixel), C.7.6.24 and C.7.6.25 (floating-point image pixel); PS3.5: 8 (encoding of pixels).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.uid import UID, AllTransferSyntaxes, ExplicitVRBigEndian, UncompressedTransferSyntaxes

from mediml.imaging.image import DicomError, Step
from mediml.imaging.limits import check_pixel_count
from mediml.imaging.standard.header import Header, refusing, tag_name
from mediml.imaging.standard.terms import COLOUR, GREY

__all__ = [
    "PixelDescription",
    "as_dataset",
    "describe",
    "encoded_frame",
    "extract_bits",
    "frame_count",
    "native_values",
]

#: Terms of the standard, most of them retired, whose pixels are not read.
_NOT_READ = ("ARGB", "CMYK", "HSV", "XYB", "YBR_PARTIAL_420", "YBR_PARTIAL_422")

#: Bits Allocated of each element that can hold pixels.
_ALLOCATED = {"PixelData": (1, 8, 16, 32), "FloatPixelData": (32,), "DoubleFloatPixelData": (64,)}


@dataclass(frozen=True)
class PixelDescription:
    """The attributes that decide how pixels are decoded; all of one file, whatever the frame.

    Attributes
    ----------
    keyword : str
        The element: ``"PixelData"``, ``"FloatPixelData"`` or ``"DoubleFloatPixelData"``.
    encoding : str
        UID of the transfer syntax.
    words : bool
        Whether 8-bit pixels are in words of 16 bits (VR OW), whose bytes change places in big-endian files.
    """

    keyword: str
    encoding: str
    photometric: str
    rows: int
    columns: int
    samples: int
    planar: int
    allocated: int
    bits: int
    high_bit: int
    signed: bool
    frames: int
    words: bool = False

    @property
    def syntax(self) -> UID:
        return UID(self.encoding)

    @property
    def is_native(self) -> bool:
        return self.syntax in UncompressedTransferSyntaxes

    @property
    def is_float(self) -> bool:
        return self.keyword != "PixelData"

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the decoded frame: (rows, columns), or (rows, columns, 3)."""
        return (self.rows, self.columns) if self.samples == 1 else (self.rows, self.columns, self.samples)

    @property
    def frame_bits(self) -> int:
        """Of one frame that is not compressed. YBR_FULL_422 has one pair of colours for two pixels."""
        samples = 2 if self.photometric == "YBR_FULL_422" else self.samples
        return self.rows * self.columns * samples * self.allocated


def describe(dataset: Dataset, header: Header) -> PixelDescription:
    """The description of a data set's pixels; a `DicomError` that names the attribute where it cannot be right."""
    keyword = _element(dataset)
    with refusing(f"{tag_name(keyword)} is damaged; export the file again"):
        words = dataset[keyword].VR == "OW"
    encoding = UID(str(getattr(dataset, "file_meta", {}).get("TransferSyntaxUID", "")))
    if encoding not in AllTransferSyntaxes:
        raise DicomError(f"{tag_name('TransferSyntaxUID')} is missing or unknown: it says how the pixels are encoded")
    photometric = _photometric(header)
    samples = header.integer("SamplesPerPixel", default=1 if photometric in GREY else None)
    expected = 1 if photometric in (*GREY, "PALETTE COLOR") else 3
    if samples != expected:
        raise DicomError(f"{tag_name('SamplesPerPixel')} expects {expected} for {photometric}, got {samples}")
    rows, columns = header.integer("Rows"), header.integer("Columns")
    check_pixel_count(rows, columns, DicomError, samples)
    allocated, bits, high_bit = _bits(header, keyword)
    representation = header.integer("PixelRepresentation", default=None if keyword == "PixelData" else 0)
    if representation not in (0, 1):
        raise DicomError(f"{tag_name('PixelRepresentation')} expects 0 (unsigned) or 1 (signed)")
    if photometric not in GREY and (representation or keyword != "PixelData"):
        raise DicomError(f"{tag_name('PixelRepresentation')} expects 0 (unsigned) for {photometric}")
    native = encoding in UncompressedTransferSyntaxes
    planar = header.integer("PlanarConfiguration", default=None if native else 0) if samples > 1 else 0
    if planar not in (0, 1):
        raise DicomError(f"{tag_name('PlanarConfiguration')} expects 0 (by pixel) or 1 (by plane)")
    if native and photometric == "YBR_FULL_422" and columns % 2:
        raise DicomError(f"{tag_name('Columns')} expects an even number for YBR_FULL_422, got {columns}")
    return PixelDescription(
        keyword,
        str(encoding),
        photometric,
        rows,
        columns,
        samples,
        planar,
        allocated,
        bits,
        high_bit,
        representation == 1,
        frame_count(header),
        words,
    )


def frame_count(header: Header) -> int:
    """Number of Frames, 1 where it is absent."""
    frames = header.integer("NumberOfFrames", default=1)
    if frames < 1:
        raise DicomError(f"{tag_name('NumberOfFrames')} expects at least 1, got {frames}")
    return frames


def _element(dataset: Dataset) -> str:
    present = [keyword for keyword in _ALLOCATED if keyword in dataset]
    if not present:
        raise DicomError(f"{tag_name('PixelData')} is missing: the file holds no picture; give one that does")
    if len(present) > 1:
        raise DicomError(f"{tag_name(present[0])} and {tag_name(present[1])} are both there; expected one of them")
    return present[0]


def _photometric(header: Header) -> str:
    photometric = str(header.find("PhotometricInterpretation") or "").strip().upper()
    if photometric in _NOT_READ:
        raise DicomError(
            f"{tag_name('PhotometricInterpretation')}: {photometric} is not read; have the file converted to RGB"
        )
    if photometric not in GREY + COLOUR:
        raise DicomError(f"{tag_name('PhotometricInterpretation')} is missing or is none of {', '.join(GREY + COLOUR)}")
    return photometric


def _bits(header: Header, keyword: str) -> tuple[int, int, int]:
    allocated = header.integer("BitsAllocated")
    known = _ALLOCATED[keyword]
    bits = header.integer("BitsStored") if keyword == "PixelData" else allocated
    if allocated not in known or not 1 <= bits <= allocated:
        expected = " or ".join([", ".join(map(str, known[:-1])), str(known[-1])] if known[:-1] else [str(known[-1])])
        raise DicomError(
            f"{tag_name('BitsAllocated')} expects {expected} and {tag_name('BitsStored')} at most that, "
            f"got {allocated} and {bits}"
        )
    high_bit = header.integer("HighBit", default=bits - 1) if keyword == "PixelData" else bits - 1
    if not bits - 1 <= high_bit < allocated:
        raise DicomError(
            f"{tag_name('HighBit')} expects {tag_name('BitsStored')} - 1 = {bits - 1}, "
            f"or more up to {allocated - 1} in old files, got {high_bit}"
        )
    return allocated, bits, high_bit


def encoded_frame(dataset: Dataset, described: PixelDescription, frame: int, doubts: list[Step]) -> bytes | memoryview:
    """The bytes of one frame: as they are in a native file, one compressed stream in others."""
    with refusing(f"{tag_name(described.keyword)} is damaged; export the file again"):
        data = dataset[described.keyword].value
    if not isinstance(data, bytes) or not data:
        raise DicomError(f"{tag_name(described.keyword)} is empty; export the file again")
    if described.is_native:
        return _native_frame(data, described, frame, doubts)
    with refusing(f"{tag_name('PixelData')}: its frames cannot be told apart; export the file again"):
        offsets = None
        if "ExtendedOffsetTable" in dataset and "ExtendedOffsetTableLengths" in dataset:
            offsets = (dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths)
        return get_frame(data, frame, number_of_frames=described.frames, extended_offsets=offsets)


def _native_frame(data: bytes, described: PixelDescription, frame: int, doubts: list[Step]) -> bytes | memoryview:
    expected = -(-described.frames * described.frame_bits // 8)
    if len(data) < expected:
        raise DicomError(
            f"{tag_name(described.keyword)} is damaged, cut short or not of the size that Rows and Columns say: "
            f"expected {expected} bytes, got {len(data)}; export the file again"
        )
    if described.photometric == "YBR_FULL_422" and len(data) >= expected // 2 * 3:
        raise DicomError(
            f"{tag_name('PhotometricInterpretation')} says YBR_FULL_422, and {tag_name('PixelData')} has the size of "
            f"YBR_FULL or RGB; export the file again"
        )
    if len(data) > expected + expected % 2:
        doubts.append(Step("excess_bytes", {"count": len(data) - expected}))
    first, last = frame * described.frame_bits // 8, -(-(frame + 1) * described.frame_bits // 8)
    if described.words and described.allocated == 8 and described.encoding == ExplicitVRBigEndian:
        pairs = np.frombuffer(data[first & ~1 : (last + 1) & ~1].ljust(2, b"\0"), ">u2")
        return pairs.astype("<u2").tobytes()[first & 1 :][: last - first]
    return memoryview(data)[first:last]


def native_values(data: bytes | memoryview, described: PixelDescription, frame: int) -> NDArray[Any]:
    """Stored values of a frame that is not compressed: shape (rows, columns) or (rows, columns, 3)."""
    size = described.rows * described.columns * described.samples
    if described.allocated == 1:  # packed from the lowest bit on, across the borders of frames (PS3.5, 8.2)
        offset = frame * size % 8
        bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
        return bits[offset : offset + size].reshape(described.shape)
    order = ">" if described.encoding == ExplicitVRBigEndian else "<"
    kind = "f" if described.is_float else "u"
    values = np.frombuffer(data, f"{order}{kind}{described.allocated // 8}")
    values = values.astype(values.dtype.newbyteorder("="))
    if described.is_float:
        return values.reshape(described.shape)
    values = extract_bits(values, described)
    if described.photometric == "YBR_FULL_422":
        return _spread_colours(values).reshape(described.shape)
    if described.samples > 1 and described.planar == 1:
        planes = values.reshape(described.samples, described.rows, described.columns)
        return np.ascontiguousarray(planes.transpose(1, 2, 0))
    return values.reshape(described.shape)


def extract_bits(values: NDArray[Any], described: PixelDescription) -> NDArray[Any]:
    """The stored bits of each cell, without what old files keep beside them, and with their sign (PS3.5, 8.1.1).

    `values` are unsigned and of Bits Allocated; they are changed in place.
    """
    width = values.dtype.itemsize * 8
    above, below = width - 1 - described.high_bit, width - described.bits
    if described.signed:
        values = values.view(f"i{values.dtype.itemsize}")
    if below:
        np.left_shift(values, values.dtype.type(above), out=values)
        np.right_shift(values, values.dtype.type(below), out=values)
    return values


def _spread_colours(values: NDArray[Any]) -> NDArray[Any]:
    """Y1 Y2 B R, four values for two neighbours, to Y1 B R Y2 B R (PS3.3, C.7.6.3.1.2)."""
    pairs = values.reshape(-1, 4)
    return np.ascontiguousarray(pairs[:, [0, 2, 3, 1, 2, 3]])


def as_dataset(data: bytes, described: PixelDescription) -> Dataset:
    """One compressed frame as a data set of its own, which is what pydicom's decoders take."""
    dataset = Dataset()
    dataset.Rows, dataset.Columns = described.rows, described.columns
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = described.samples, described.photometric
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = described.allocated, described.bits, described.high_bit
    dataset.PixelRepresentation, dataset.PlanarConfiguration = int(described.signed), described.planar
    dataset.add_new(0x7FE00010, "OB", encapsulate([data], has_bot=False))
    dataset["PixelData"].is_undefined_length = True
    return dataset
