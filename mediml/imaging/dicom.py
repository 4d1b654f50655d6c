"""DICOM files, read in the order of the standard: stored values, modality LUT, VOI LUT, presentation.

`read_image` is the way in. Whatever cannot be read rightly is refused with a `DicomError` that names the attribute.

References
----------
DICOM PS3.3: C.7.6.3 (image pixel), C.11.1 (modality LUT), C.11.2 (VOI LUT), C.11.6 (presentation LUT); PS3.4, N.2.
Taught in lesson 02, DICOM and geometry.
"""

import functools
import logging
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any, TypeVar, cast

import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

from mediml.imaging.decoding import worker
from mediml.imaging.decoding.codecs import Decoded, decode, needs_worker
from mediml.imaging.decoding.colour import to_rgb
from mediml.imaging.decoding.grey import is_inverted, modality_values, padding, views
from mediml.imaging.decoding.pixels import PixelDescription, describe, encoded_frame, frame_count
from mediml.imaging.image import DicomError, Image, LookupView, Step, WindowView
from mediml.imaging.limits import MAX_ITEMS, BoundedReader, inflate, read_bytes
from mediml.imaging.standard.header import Header, refusing, tag_name
from mediml.imaging.standard.terms import GREY, MODALITIES, facts, spacing, vector

__all__ = [
    "DicomError",
    "is_dicom",
    "only_our_errors",
    "parse",
    "read_content",
    "read_dataset_image",
    "read_image",
    "silent_pydicom",
]

#: Said of what no other message names: a fault of this package, which `tests/imaging/fuzz.py` looks for.
UNFORESEEN = "the file is damaged in a way that was not foreseen; export the file again"

Function = TypeVar("Function", bound=Callable[..., Any])

_PREAMBLE = 128
_LOGGERS = ("pydicom", "PIL", "openjpeg", "pylibjpeg")
_quiet = threading.RLock()


def only_our_errors(function: Function) -> Function:
    """Let a function raise nothing but errors of this package, with nothing of the file about them."""

    @functools.wraps(function)
    def guarded(*arguments: Any, **options: Any) -> Any:
        try:
            with silent_pydicom():
                return function(*arguments, **options)
        except DicomError as error:
            error.__context__ = None  # the error beneath quotes what the file says
            raise
        except MemoryError:
            reason = "there is not enough memory to read this file"
        except Exception:
            reason = UNFORESEEN
        raise DicomError(reason)  # out here it has no context

    return cast(Function, guarded)


def is_dicom(head: bytes) -> bool:
    """Whether the first 132 bytes of a file are those of a DICOM file (PS3.10, 7.1)."""
    return head[_PREAMBLE : _PREAMBLE + 4] == b"DICM"


def read_image(path: str | os.PathLike[str], frame: int | None = None, *, isolated: bool = False) -> Image:
    """Read one picture from a DICOM file.

    Parameters
    ----------
    path : path-like
    frame : int, optional
        Which frame of a multi-frame object, from 0. Such an object is refused without it.
    isolated : bool
        Parse and decode in a process of its own, with limits of time and memory: for files of unknown origin. What
        only an unsafe decoder reads (JPEG lossless) is decoded there in any case.

    Returns
    -------
    Image

    Raises
    ------
    DicomError
        If the file is no DICOM file, holds no pixels, asks for too many, lacks an attribute, contradicts itself or is
        compressed in a way for which no decoder is installed; if the process that decodes it died, or took more time or
        memory than it may. The message holds neither the file's name nor any of its values that could identify a
        person.

    See Also
    --------
    mediml.imaging.decoding.worker : the process, its limits, and what they are where the system has none.
    """
    read = worker.read_isolated if isolated else read_content
    return read(read_bytes(path, DicomError), frame)  # not kept here, where it would be held beside the data set


def read_content(content: bytes, frame: int | None = None) -> Image:
    """`read_image` of a file's content, in this process."""
    dataset = parse(content)
    del content  # it would be held beside the data set
    return read_dataset_image(dataset, frame)


@only_our_errors
def read_dataset_image(dataset: Dataset, frame: int | None = None) -> Image:
    """One picture of a data set that `parse` gave: what `read_image` does once the file is read.

    It may be called within `silent_pydicom` and without. Raises `DicomError` as `read_image` does.
    """
    frame = _choose_frame(dataset, frame)
    header = Header(dataset, frame)
    doubts: list[Step] = []
    described = describe(dataset, header)
    data = encoded_frame(dataset, described, frame, doubts)
    decoded = (
        worker.decode_isolated(data, described) if needs_worker(data, described) else decode(data, described, frame)
    )
    return _build(header, described, decoded, frame, doubts)


@only_our_errors
def parse(content: bytes) -> Dataset:
    """The data set of a DICOM file's content; a `DicomError` where it is none, or is damaged."""
    if not is_dicom(content):
        raise DicomError(
            "the file does not begin as a DICOM file does ('DICM' at byte 128); "
            "PNG and JPEG are read by mediml.imaging.read_picture"
        )
    _check_items(content)
    with refusing("the data set is damaged or cut short; export the file again"):
        meta = read_dataset(
            BoundedReader(content[_PREAMBLE + 4 :], DicomError),
            False,
            True,
            stop_when=lambda tag, _vr, _length: tag.group != 2,
        )
        if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
            return _parse_deflated(content, meta)
        dataset = pydicom.dcmread(BoundedReader(content, DicomError))
        len(dataset)
        dataset.buffer = None  # nothing is read later, and it holds the file
    return dataset


def _check_items(content: bytes) -> None:
    """Bound how many data sets the sequences become, by their items' tags in either order of bytes."""
    if content.count(b"\xfe\xff\x00\xe0") + content.count(b"\xff\xfe\xe0\x00") > MAX_ITEMS:
        raise DicomError(f"the sequences of the data set have more than {MAX_ITEMS} items, more than are read")


def _parse_deflated(content: bytes, meta: Dataset) -> Dataset:
    """Everything behind the file's meta information is one stream of raw DEFLATE (PS3.5, A.5)."""
    start = _PREAMBLE + 4 + 12 + int(meta.FileMetaInformationGroupLength)
    inflated = inflate(content[start:], DicomError)
    _check_items(inflated)
    dataset = read_dataset(BoundedReader(inflated, DicomError), False, True)
    whole = FileDataset(BytesIO(), dataset, content[:_PREAMBLE], FileMetaDataset(meta), False, True)
    whole.set_original_encoding(False, True, dataset.original_character_set)
    return whole


def _choose_frame(dataset: Dataset, frame: int | None) -> int:
    frames = frame_count(Header.of_file(dataset))
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


def _build(header: Header, described: PixelDescription, decoded: Decoded, frame: int, doubts: list[Step]) -> Image:
    account = _first_steps(described, frame)
    if header.find("RealWorldValueMappingSequence") is not None:
        doubts.append(Step("real_world_map"))
    common: dict[str, Any] = {
        "modality": header.code("Modality", MODALITIES) or "unknown",
        "facts": facts(header),
        "age_years": header.age_years(),
        "orientation": vector(header, "ImageOrientationPatient", 6),
        "origin_mm": vector(header, "ImagePositionPatient", 3),
        **spacing(header, doubts),
    }
    stored = decoded.stored
    if described.photometric in GREY:
        common |= _grey(header, described, stored, account, doubts)
    else:
        if described.photometric != "RGB":
            account.append(Step("colour", {"photometric": described.photometric}))
        common["values"] = to_rgb(header, stored, decoded.photometric, described.bits, doubts)
    return Image(stored=stored, account=tuple(account), doubts=tuple(doubts), **common)


def _first_steps(described: PixelDescription, frame: int) -> list[Step]:
    kind = "decoded_float" if described.is_float else "decoded_signed" if described.signed else "decoded"
    account = [Step(kind, {"bits": described.bits, "encoding": described.syntax.name})]
    if described.frames > 1:
        account.append(Step("frame", {"frame": frame + 1, "frames": described.frames}))
    return account


def _grey(
    header: Header, described: PixelDescription, stored: NDArray[Any], account: list[Step], doubts: list[Step]
) -> dict[str, Any]:
    values, units = modality_values(header, stored, account, doubts)
    alternatives = views(header)
    account.append(_how_shown(alternatives))
    filled_in = padding(header, stored, account)
    inverted = is_inverted(header, described.photometric, doubts)
    if inverted:
        account.append(Step("inverted"))
    return {"values": values, "units": units, "views": alternatives, "padding": filled_in, "inverted": inverted}


def _how_shown(alternatives: tuple[WindowView | LookupView, ...]) -> Step:
    if not alternatives:
        return Step("full_range")
    first, count = alternatives[0], len(alternatives)
    if isinstance(first, LookupView):
        return Step("view_table", {"entries": first.table.size, "count": count})
    return Step("view_window", {**vars(first), "count": count})


def _renew_lock() -> None:
    """In a forked child: the thread that held it was not copied."""
    global _quiet
    _quiet = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


@contextmanager
def silent_pydicom() -> Iterator[None]:
    """pydicom's warnings quote values of the file, which may name a person: neither shown nor logged."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    with _quiet, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        levels = [logger.level for logger in loggers]
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)  # their children inherit the level, but not `disabled`
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels):
                logger.setLevel(level)
