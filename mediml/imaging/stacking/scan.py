"""Headers of DICOM files: which frames they hold, where each lies, and what tells one stack of slices from another.

Nothing is decoded here, and no pixel is read. What is kept of a header are numbers and terms from closed lists.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import UID

from mediml.imaging.dicom import is_dicom, parse, silent_pydicom
from mediml.imaging.image import DicomError
from mediml.imaging.limits import read_bytes
from mediml.imaging.standard.header import Header, tag_name
from mediml.imaging.standard.terms import IMAGE_TYPES, MODALITIES, vector

__all__ = ["Found", "SeriesError", "Slice", "scan", "told"]

#: A folder of more files is hardly one patient's.
MAX_FILES = 50_000

#: What may explain that several slices lie at one position, in the order in which it is tried.
_TELLING = (
    "TemporalPositionIdentifier",
    "TemporalPositionIndex",
    "EchoNumbers",
    "InversionTime",
    "InversionTimes",
    "TriggerTime",
    "NominalCardiacTriggerDelayTime",
    "AcquisitionNumber",
    "DiffusionGradientOrientation",
)
_SEGMENTATION, _DOSE = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.481.2"


class SeriesError(DicomError):
    """The images do not make one regular volume. The message names the attribute, the reason and what to pass."""


@dataclass(frozen=True)
class Slice:
    """One frame of one file, as its header describes it.

    Attributes
    ----------
    path : Path
    frame : int or None
        None where the file holds one picture.
    series, instance : str
        UIDs, to group and to order by; they are told to nobody.
    number : int
        Series Number, or -1.
    modality : str
    size : (rows, columns)
    spacing_mm : (between rows, between columns)
    orientation : six numbers
        Direction of the row, then of the column.
    position : three numbers
        Each of these three is empty where the header has no such numbers.
    always : tuple of (keyword, value)
        What one volume has in common: two values are two stacks.
    sometimes : tuple of (keyword, value)
        What tells stacks apart where positions repeat: times, echoes, acquisitions.
    said_spacing : float or None
        Spacing Between Slices, to compare with.
    problem : str
        Why this frame has no place in a volume; empty where it has one.
    order : int
        Instance Number.
    """

    path: Path
    frame: int | None
    series: str
    instance: str
    number: int
    modality: str
    size: tuple[int, int]
    spacing_mm: tuple[float, ...]
    orientation: tuple[float, ...]
    position: tuple[float, ...]
    always: tuple[tuple[str, Any], ...]
    sometimes: tuple[tuple[str, Any], ...]
    said_spacing: float | None
    problem: str
    order: int


@dataclass(frozen=True)
class Found:
    """The slices of all files, and how many files were left aside because they hold no DICOM image."""

    slices: tuple[Slice, ...]
    aside: int


def scan(source: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> Found:
    """Read the headers of a file, of several, or of all files below a folder.

    Raises
    ------
    SeriesError
        If there is no such file or folder, no DICOM image among the files, or a damaged one.
    """
    slices: list[Slice] = []
    aside = 0
    paths, asked_for = _files(source)
    for path in paths:
        found = _slices_of(path, asked_for)
        slices.extend(found)
        aside += not found
    if not slices:
        raise SeriesError(
            f"none of the {len(paths)} files is a DICOM image ('DICM' at byte 128, with Rows and Columns); "
            f"give the folder of a series, or its files"
        )
    return Found(tuple(slices), aside)


def _files(source: Any) -> tuple[list[Path], bool]:
    """Paths in an order that does not depend on the file system, and whether each was named by the caller."""
    if not isinstance(source, (str, os.PathLike)):
        paths = [Path(each) for each in source]
    elif Path(source).is_dir():
        paths = []
        for folder, _, names in os.walk(Path(source)):
            paths.extend(Path(folder, name) for name in names)
            if len(paths) > MAX_FILES:
                raise SeriesError(f"the folder holds more than {MAX_FILES} files; give the folder of one patient")
        return sorted(paths), False
    else:
        paths = [Path(source)]
    if not paths:
        raise SeriesError("expected a folder or files, got an empty list")
    return sorted(paths), True


def _slices_of(path: Path, asked_for: bool) -> list[Slice]:
    """The frames of one file; empty where it holds no DICOM image."""
    with silent_pydicom():
        dataset = _header_of(path, asked_for)
        if dataset is None:
            return []
        try:
            header = Header(dataset)
            if header.find("Rows") is None or header.find("Columns") is None:
                if "Image Storage" in UID(str(dataset.file_meta.get("MediaStorageSOPClassUID", ""))).name:
                    raise SeriesError(
                        f"a file says that it is an image and has no {tag_name('Rows')}: it is damaged or cut short; "
                        f"export the series again"
                    )
                return []  # a DICOMDIR, a report, a plan
            frames = header.integer("NumberOfFrames", default=1)
            if frames == 1 and "PerFrameFunctionalGroupsSequence" not in dataset:
                return [_describe(path, None, header, header, "")]
            return _frames_of(path, dataset, frames)
        except DicomError:
            raise
        except Exception:  # as in dicom.parse
            raise SeriesError("the header of a file is damaged; export the series again") from None


def _header_of(path: Path, asked_for: bool) -> Dataset | None:
    """The data set of a file; None where it is no DICOM file."""
    try:
        if not path.is_file():
            if asked_for:
                raise SeriesError("there is no such file or folder; check the path")
            return None
        with path.open("rb") as stream:
            if not is_dicom(stream.read(132)):
                return None
    except OSError as problem:
        raise SeriesError(f"a file cannot be read ({type(problem).__name__}); check its permissions") from None
    return parse(read_bytes(path, SeriesError))


def _frames_of(path: Path, dataset: Dataset, frames: int) -> list[Slice]:
    whole = Header(dataset)
    kind, groups = str(whole.find("SOPClassUID")), dataset.get("PerFrameFunctionalGroupsSequence")
    if kind == _SEGMENTATION:
        problem = "segmentations (Modality SEG) are not read: their frames belong to several segments"
        return [_describe(path, 0, whole, whole, problem)]
    if groups:
        if len(groups) != frames:
            raise SeriesError(
                f"{tag_name('PerFrameFunctionalGroupsSequence')} has {len(groups)} items and "
                f"{tag_name('NumberOfFrames')} is {frames}; export the file again"
            )
        return [_describe(path, k, Header(dataset, k), whole, "") for k in range(frames)]
    if kind == _DOSE:
        positions = _dose_positions(whole, frames)
        return [_describe(path, k, whole, whole, "", positions[k]) for k in range(frames)]
    problem = (
        f"{tag_name('NumberOfFrames')} is {frames} and the frames have no places in the patient "
        f"({tag_name('PerFrameFunctionalGroupsSequence')} is missing): they are no volume; "
        f"take them one by one with mediml.imaging.read_frames"
    )
    return [_describe(path, 0, whole, whole, problem)]


def _dose_positions(header: Header, frames: int) -> NDArray[np.float64]:
    """Where the planes of a dose lie (PS3.3, C.8.8.3.2)."""
    offsets = np.asarray(header.numbers("GridFrameOffsetVector"))
    place, turn = vector(header, "ImagePositionPatient", 3), vector(header, "ImageOrientationPatient", 6)
    name = tag_name("GridFrameOffsetVector")
    if len(offsets) != frames or place is None or turn is None:
        raise SeriesError(
            f"{name} expects one offset for each of {frames} frames, and {tag_name('ImagePositionPatient')} and "
            f"{tag_name('ImageOrientationPatient')} to go with it"
        )
    if offsets[0] != 0:
        if offsets[0] != place[2] or turn != (1, 0, 0, 0, 1, 0):
            raise SeriesError(f"{name} expects 0 first, or in axial planes the z of {tag_name('ImagePositionPatient')}")
        offsets = offsets - offsets[0]
    return np.asarray(place) + offsets[:, None] * np.cross(turn[:3], turn[3:])


def _describe(
    path: Path, frame: int | None, header: Header, whole: Header, problem: str, position: Sequence[float] | None = None
) -> Slice:
    modality = whole.code("Modality", MODALITIES) or "unknown"
    kind = str(whole.find("SOPClassUID"))
    place = vector(header, "ImagePositionPatient", 3) or () if position is None else tuple(map(float, position))
    photometric = whole.code("PhotometricInterpretation")
    if not problem and whole.integer("SamplesPerPixel", default=1) != 1:
        problem = (
            f"{tag_name('SamplesPerPixel')} expects 1: colour images are no volume; "
            f"read them one by one with mediml.imaging.read_image or read_frames"
        )
    return Slice(
        path=path,
        frame=frame,
        series=str(whole.find("SeriesInstanceUID") or ""),
        instance=str(whole.find("SOPInstanceUID") or ""),
        number=whole.integer("SeriesNumber", default=-1),
        modality=modality,
        size=(whole.integer("Rows"), whole.integer("Columns")),
        spacing_mm=vector(header, "PixelSpacing", 2) or (),
        orientation=vector(header, "ImageOrientationPatient", 6) or (),
        position=place,
        always=(
            ("Modality", modality),
            ("SOPClassUID", kind),
            ("Rows", whole.integer("Rows")),
            ("Columns", whole.integer("Columns")),
            ("PhotometricInterpretation", photometric),
            ("BitsAllocated", whole.integer("BitsAllocated", default=0)),
            ("PixelRepresentation", whole.integer("PixelRepresentation", default=0)),
            ("RescaleType", header.code("RescaleType")),
            ("Units", whole.code("Units")),
            ("DoseUnits", whole.code("DoseUnits")),
            ("FrameOfReferenceUID", str(whole.find("FrameOfReferenceUID") or "")),
            ("ImageType", _image_type(header)),
            *((keyword, header.numbers(keyword)) for keyword in ("EchoTime", "EffectiveEchoTime", "DiffusionBValue")),
        ),
        sometimes=(
            *((keyword, header.numbers(keyword)) for keyword in _TELLING),
            ("AcquisitionTime", str(header.find("AcquisitionTime") or "")),
        ),
        said_spacing=header.number("SpacingBetweenSlices"),
        problem=problem,
        order=whole.integer("InstanceNumber", default=-1),
    )


def _image_type(header: Header) -> tuple[str, ...]:
    """Image Type, or a frame's Frame Type."""
    value = header.find("FrameType") or header.find("ImageType") or ()
    parts = [value] if isinstance(value, str) else list(value)
    return tuple(str(part).strip().upper() for part in parts)


def told(keyword: str, value: Any) -> str:
    """A value of `Slice.always` or `Slice.sometimes` in words that cannot name anybody; empty where it says nothing."""
    if keyword == "ImageType":
        return "/".join(term if term in IMAGE_TYPES else "OTHER" for term in value)
    if keyword.endswith(("UID", "Time")) and isinstance(value, str):
        return ""
    numbers = value if isinstance(value, tuple) else (value,)
    if all(isinstance(number, (int, float)) for number in numbers):
        return "/".join(f"{number:g}" for number in numbers)
    return value if keyword == "Modality" else ""
