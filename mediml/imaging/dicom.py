"""DICOM files, read in the order of the standard: stored values, modality LUT, VOI LUT, presentation.

`read_image` is the way in. Whatever cannot be read rightly is refused with a `DicomError` that names the attribute.

References
----------
DICOM PS3.3: C.7.6.3 (image pixel), C.11.1 (modality LUT), C.11.2 (VOI LUT), C.11.6 (presentation LUT); PS3.4, N.2.
Taught in lesson 02, DICOM and geometry.
"""

import logging
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.filereader import read_dataset
from pydicom.pixels import apply_color_lut, pixel_array
from pydicom.uid import UID, AllTransferSyntaxes, DeflatedExplicitVRLittleEndian

from mediml.imaging.grey import is_inverted, modality_values, padding, views
from mediml.imaging.header import Header, tag_name
from mediml.imaging.image import DicomError, Image, LookupView, Step, WindowView
from mediml.imaging.limits import check_inflated_size, check_pixel_count, codestream_size, read_bytes
from mediml.imaging.terms import MODALITIES, facts, spacing, vector

__all__ = ["DicomError", "is_dicom", "parse", "read_dataset_image", "read_image", "silent_pydicom"]

GREY = ("MONOCHROME1", "MONOCHROME2")
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "PALETTE COLOR")

_PREAMBLE = 128
_quiet = threading.RLock()


def is_dicom(head: bytes) -> bool:
    """Whether the first 132 bytes of a file are those of a DICOM file (PS3.10, 7.1)."""
    return head[_PREAMBLE : _PREAMBLE + 4] == b"DICM"


def read_image(path: str | os.PathLike[str], frame: int | None = None) -> Image:
    """Read one picture from a DICOM file.

    Parameters
    ----------
    path : path-like
    frame : int, optional
        Which frame of a multi-frame object, from 0. Such an object is refused without it.

    Returns
    -------
    Image

    Raises
    ------
    DicomError
        If the file is no DICOM file, holds no pixels, asks for too many, lacks an attribute, contradicts itself or is
        compressed in a way for which no decoder is installed. The message holds neither the file's name nor any of
        its values that could identify a person.
    """
    content = read_bytes(path, DicomError)
    with silent_pydicom():
        return read_dataset_image(parse(content), frame)


def read_dataset_image(dataset: Dataset, frame: int | None = None) -> Image:
    """One picture of a data set that `parse` gave: what `read_image` does once the file is read.

    It may be called within `silent_pydicom` and without. Raises `DicomError` as `read_image` does.
    """
    with silent_pydicom():
        frame = _choose_frame(dataset, frame)
        header = Header(dataset, frame)
        photometric, encoding = _check_pixel_description(dataset, header)
        stored = _decode(dataset, header, frame, encoding)
        return _build(dataset, header, stored, photometric, frame)


def parse(content: bytes) -> Dataset:
    """The data set of a DICOM file's content; a `DicomError` where it is none, or is damaged."""
    if not is_dicom(content):
        raise DicomError(
            "the file does not begin as a DICOM file does ('DICM' at byte 128); "
            "PNG and JPEG are read by mediml.imaging.read_picture"
        )
    try:
        _check_deflation(content)
        dataset = pydicom.dcmread(BytesIO(content))
        len(dataset)
    except DicomError:
        raise
    except Exception:  # a damaged file may make the parser raise anything, with its values in the text
        raise DicomError("the data set is damaged or cut short; export the file again") from None
    return dataset


def _check_deflation(content: bytes) -> None:
    """Measure a deflated data set before the parser inflates it as a whole."""
    meta = read_dataset(
        BytesIO(content[_PREAMBLE + 4 :]), False, True, stop_when=lambda tag, _vr, _length: tag.group != 2
    )
    if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        start = _PREAMBLE + 4 + 12 + int(meta.FileMetaInformationGroupLength)
        check_inflated_size(content[start:], DicomError)


def _choose_frame(dataset: Dataset, frame: int | None) -> int:
    header = Header(dataset)
    frames = header.integer("NumberOfFrames", default=1)
    if frames < 1:
        raise DicomError(f"{tag_name('NumberOfFrames')} expects at least 1, got {frames}")
    if frame is None:
        if frames > 1:
            raise DicomError(
                f"{tag_name('NumberOfFrames')} is {frames}, and one picture was asked for; "
                f"choose one with read_image(path, frame=0), 0 to {frames - 1}"
            )
        return 0
    if isinstance(frame, bool) or not isinstance(frame, int) or not 0 <= frame < frames:
        raise DicomError(f"frame expects 0 to {frames - 1} ({tag_name('NumberOfFrames')}), got {frame!r}")
    return frame


def _check_pixel_description(dataset: Dataset, header: Header) -> tuple[str, UID]:
    """Refuse what cannot be decoded rightly, before anything is allocated. Photometric interpretation, encoding."""
    if "PixelData" not in dataset:
        for keyword in ("FloatPixelData", "DoubleFloatPixelData"):
            if keyword in dataset:
                raise DicomError(f"{tag_name(keyword)}: pixels in floating point are not read")
        raise DicomError(f"{tag_name('PixelData')} is missing: the file holds no picture; give one that does")
    check_pixel_count(header.integer("Rows"), header.integer("Columns"), DicomError)
    encoding = UID(str(getattr(dataset, "file_meta", {}).get("TransferSyntaxUID", "")))
    if encoding not in AllTransferSyntaxes:
        raise DicomError(f"{tag_name('TransferSyntaxUID')} is missing or unknown: it says how the pixels are encoded")
    photometric = str(header.find("PhotometricInterpretation") or "").strip().upper()
    if photometric not in GREY + COLOUR:
        raise DicomError(f"{tag_name('PhotometricInterpretation')} is missing or is none of {', '.join(GREY + COLOUR)}")
    samples = header.integer("SamplesPerPixel", default=1 if photometric in GREY else None)
    expected = 1 if photometric in (*GREY, "PALETTE COLOR") else 3
    if samples != expected:
        raise DicomError(f"{tag_name('SamplesPerPixel')} expects {expected} for {photometric}, got {samples}")
    allocated, bits = header.integer("BitsAllocated"), header.integer("BitsStored")
    if allocated not in (1, 8, 16, 32) or not 1 <= bits <= allocated:
        raise DicomError(
            f"{tag_name('BitsAllocated')} expects 1, 8, 16 or 32 and {tag_name('BitsStored')} at most that, "
            f"got {allocated} and {bits}"
        )
    high_bit = header.integer("HighBit", default=bits - 1)
    if high_bit != bits - 1:
        raise DicomError(f"{tag_name('HighBit')} expects {tag_name('BitsStored')} - 1 = {bits - 1}, got {high_bit}")
    if header.integer("PixelRepresentation") not in (0, 1):
        raise DicomError(f"{tag_name('PixelRepresentation')} expects 0 (unsigned) or 1 (signed)")
    return photometric, encoding


def _decode(dataset: Dataset, header: Header, frame: int, encoding: UID) -> NDArray[Any]:
    shape = (header.integer("Rows"), header.integer("Columns"))
    if encoding.is_compressed and encoding != DeflatedExplicitVRLittleEndian:
        _check_codestreams(dataset, header, shape)
    try:
        stored = np.asarray(pixel_array(dataset, index=frame))
    except (NotImplementedError, RuntimeError) as problem:
        if "missing" in str(problem):
            raise DicomError(
                f"no decoder is installed for {encoding.name} ({tag_name('TransferSyntaxUID')}); "
                f"install mediml[codecs] for JPEG 2000 and JPEG-LS, or have the file exported uncompressed"
            ) from None
        raise DicomError(
            f"{tag_name('PixelData')} cannot be decoded as {encoding.name}; export the file again"
        ) from None
    except Exception:  # as in parse
        raise DicomError(
            f"{tag_name('PixelData')} is damaged, cut short or not of the size that Rows and Columns say; "
            f"export the file again"
        ) from None
    if stored.shape[:2] != shape:
        raise DicomError(f"{tag_name('PixelData')} expects {shape} pixels, got {stored.shape[:2]}")
    return stored


def _check_codestreams(dataset: Dataset, header: Header, shape: tuple[int, int]) -> None:
    """A compressed frame says its own size; a decoder would allocate that, whatever the header says."""
    frames = header.integer("NumberOfFrames", default=1)
    try:
        streams = list(generate_frames(dataset.PixelData, number_of_frames=frames))
    except Exception:  # as in parse
        raise DicomError(f"{tag_name('PixelData')}: its frames cannot be told apart; export the file again") from None
    for stream in streams:
        size = codestream_size(stream)
        if size is not None and size != shape:
            raise DicomError(
                f"{tag_name('PixelData')} holds a picture of {size[0]} × {size[1]} pixels, "
                f"{tag_name('Rows')} and {tag_name('Columns')} say {shape[0]} × {shape[1]}"
            )


def _build(dataset: Dataset, header: Header, stored: NDArray[Any], photometric: str, frame: int) -> Image:
    bits, signed = header.integer("BitsStored"), header.integer("PixelRepresentation") == 1
    encoding = dataset.file_meta.TransferSyntaxUID.name
    account = [Step("decoded_signed" if signed else "decoded", {"bits": bits, "encoding": encoding})]
    frames = header.integer("NumberOfFrames", default=1)
    if frames > 1:
        account.append(Step("frame", {"frame": frame + 1, "frames": frames}))
    doubts: list[Step] = []
    common: dict[str, Any] = {
        "modality": header.code("Modality", MODALITIES) or "unknown",
        "facts": facts(header),
        "age_years": header.age_years(),
        "orientation": vector(header, "ImageOrientationPatient", 6),
        "origin_mm": vector(header, "ImagePositionPatient", 3),
        **spacing(header, doubts),
    }
    if photometric not in GREY:
        account.append(Step("colour", {"photometric": photometric}))
        colour = _to_colour(dataset, stored, photometric)
        return Image(stored=stored, values=colour, account=tuple(account), doubts=tuple(doubts), **common)
    values, units = modality_values(header, stored, account)
    alternatives = views(header)
    account.append(_how_shown(alternatives))
    filled_in = padding(header, stored, account)
    inverted = is_inverted(header, photometric, doubts)
    if inverted:
        account.append(Step("inverted"))
    return Image(
        stored=stored,
        values=values,
        units=units,
        views=alternatives,
        inverted=inverted,
        padding=filled_in,
        account=tuple(account),
        doubts=tuple(doubts),
        **common,
    )


def _how_shown(alternatives: tuple[WindowView | LookupView, ...]) -> Step:
    if not alternatives:
        return Step("full_range")
    first, count = alternatives[0], len(alternatives)
    if isinstance(first, LookupView):
        return Step("view_table", {"entries": first.table.size, "count": count})
    return Step("view_window", {**vars(first), "count": count})


def _to_colour(dataset: Dataset, stored: NDArray[Any], photometric: str) -> NDArray[Any]:
    """RGB of 0 to 255; pydicom has already turned YBR into RGB."""
    try:
        colour = apply_color_lut(stored, dataset) if photometric == "PALETTE COLOR" else stored
    except Exception:  # as in parse
        raise DicomError(f"{tag_name('RedPaletteColorLookupTableDescriptor')}: the palette is damaged") from None
    bits = int(dataset.BitsStored)
    if photometric == "PALETTE COLOR":  # many 16-bit palettes hold 8-bit entries
        bits = 8 if colour.max() < 256 else 16
    return np.asarray(colour[..., :3] * np.float64(255 / (2**bits - 1)), np.float32)


@contextmanager
def silent_pydicom() -> Iterator[None]:
    """pydicom's warnings quote values of the file, which may name a person: neither shown nor logged."""
    logger = logging.getLogger("pydicom")
    with _quiet, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        level = logger.level
        logger.setLevel(logging.CRITICAL + 1)  # its decoders' loggers inherit the level, but not `disabled`
        try:
            yield
        finally:
            logger.setLevel(level)
