"""De-identification of DICOM files by a list of what may stay.

Everything is left out but the attributes of `mediml.imaging.standard.allowed`: whatever nobody thought of goes, private
attributes, overlays, comments and texts with it. Identifiers become a keyed hash, dates move by a number of days that
only the key tells, pixels are decoded and written anew, so that nothing can hide behind, between or beside them.

This is not a certified implementation of PS3.15, annex E. Text that is burned into the picture and faces that can be
rebuilt from a head scan are not found; kinds of pictures that usually carry text are refused unless a mask is given.

References
----------
DICOM PS3.15, annex E (confidentiality profiles); PS3.10, 7.1 (preamble and file meta information).
Taught in lesson 02, DICOM and geometry.
"""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSNearLossless,
    UID_dictionary,
)
from pydicom.valuerep import format_number_as_ds

from mediml.imaging.decoding.colour import palette
from mediml.imaging.decoding.tables import lookup_table, table_bytes
from mediml.imaging.dicom import is_dicom, parse, read_dataset_image, silent_pydicom
from mediml.imaging.image import DicomError, Image
from mediml.imaging.limits import MAX_FILE_BYTES, read_bytes
from mediml.imaging.standard.allowed import CODES, DATES, NUMBERS, SEQUENCES, TABLES, UIDS
from mediml.imaging.standard.header import Header, age_string, refusing, tag_name
from mediml.imaging.standard.pseudonyms import DeidentificationError, Pseudonyms
from mediml.utils.files import write_atomically

__all__ = ["DeidentificationError", "Outcome", "Pseudonyms", "deidentify", "deidentify_files"]

METHOD = ["mediml: attributes by a list of what may stay", "text in the pixels and faces not looked for"]

#: Kinds of pictures in which names are usually burned in: ultrasound, screen shots, photographs, endoscopy.
TEXT_IN_PIXELS = frozenset({"US", "IVUS", "OT", "SC", "XC", "ES", "GM", "DOC", "DMS", "OP", "BI"})

#: The same in the names of SOP classes, whatever Modality says: a dose report is a screen shot of a CT.
CAPTURED = ("Secondary Capture", "Ultrasound", "VL ", "Video ")

_LOSSY = (JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless)

_DATE = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})")

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Outcome:
    """What became of several files.

    Attributes
    ----------
    written : tuple of Path
        Under names that are made of pseudonyms: patient, series, picture.
    there : tuple of Path
        Were written by an earlier run with the same key.
    refused : tuple of (int, str)
        Number of the file among all, from 1, in the order of their paths, and why. Its name may name a person.
    aside : int
        Files of a folder that are no DICOM files, and were not taken along.
    """

    written: tuple[Path, ...]
    there: tuple[Path, ...]
    refused: tuple[tuple[int, str], ...]
    aside: int = 0


def deidentify_files(
    source: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    pseudonyms: Pseudonyms,
    blank: Sequence[Box] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Outcome:
    """De-identify a file, or all files below a folder.

    Parameters
    ----------
    source : path-like
        One DICOM file or a folder.
    folder : path-like
        Where the results go, as ``P…/…/….dcm``; not inside `source`. It is made if it is not there. What an earlier
        run with the same key has written is left as it is, so that an interrupted run can be continued.
    pseudonyms : Pseudonyms
    blank : sequence of (first row, end row, first column, end column)
        As of `deidentify`, for every file.
    progress : callable, optional
        Called with the number of files done and that of all.

    Returns
    -------
    Outcome
        A file that is refused does not stop the others.

    Raises
    ------
    ValueError
        If there is nothing at `source`, or `folder` lies inside it.
    """
    source, folder = Path(source), Path(folder)
    if folder.resolve().is_relative_to(source.resolve()):
        raise ValueError("deidentify_files: the folder of the results lies inside the source; name another one")
    files = sorted(f for f in source.rglob("*") if f.is_file()) if source.is_dir() else [source]
    if not files or not source.exists():
        raise ValueError("deidentify_files: expected a file, or a folder that holds some; found none")
    written: list[Path] = []
    there: list[Path] = []
    refused: list[tuple[int, str]] = []
    aside = 0
    for number, file in enumerate(files, 1):
        try:
            content = read_bytes(file, DicomError)
            if source.is_dir() and not is_dicom(content):
                aside += 1
            else:
                target, new = _deidentify_file(content, folder, pseudonyms, blank)
                (written if new else there).append(target)
        except DicomError as error:
            refused.append((number, str(error)))
        if progress:
            progress(number, len(files))
    return Outcome(tuple(written), tuple(there), tuple(refused), aside)


def _deidentify_file(content: bytes, folder: Path, pseudonyms: Pseudonyms, blank: Sequence[Box]) -> tuple[Path, bool]:
    with silent_pydicom():
        dataset = parse(content)
        new = deidentify(dataset, _stored(dataset), pseudonyms, blank)
        series = pseudonyms.digest("series", new.SeriesInstanceUID).hex()[:12]
        picture = pseudonyms.digest("picture", new.SOPInstanceUID).hex()[:16]
        target = folder / str(new.PatientID) / series / f"{picture}.dcm"
        if target.exists():
            return target, False
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, _encoded(new))
    return target, True


def _encoded(dataset: Dataset) -> bytes:
    stream = BytesIO()
    with refusing("an attribute has a value that cannot be written anew; export the file again"):
        dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def _stored(dataset: Dataset) -> NDArray[Any]:
    """What is written of all frames: shape (frames, rows, columns), or (frames, rows, columns, 3) of RGB."""
    header = Header(dataset)
    frames = header.integer("NumberOfFrames", default=1)
    size = frames * header.integer("Rows") * header.integer("Columns") * header.integer("SamplesPerPixel", default=1)
    if size * 2 > MAX_FILE_BYTES:
        raise DeidentificationError(f"the frames have {size} values; at most {MAX_FILE_BYTES // 2} are written anew")
    return np.stack([_written_anew(read_dataset_image(dataset, frame), header) for frame in range(frames)])


def _written_anew(image: Image, header: Header) -> NDArray[Any]:
    """The stored values; of colour the nearest RGB, as the stored ones may be YBR, which is of 8 bits only."""
    if image.stored.ndim == 2 or header.integer("BitsStored") != 8:
        return image.stored
    return np.rint(image.values).astype(image.stored.dtype)


def deidentify(dataset: Dataset, pixels: NDArray[Any], pseudonyms: Pseudonyms, blank: Sequence[Box] = ()) -> Dataset:
    """A new data set with what may stay of `dataset`.

    Parameters
    ----------
    dataset : Dataset
        As `mediml.imaging.dicom.parse` gives it; it is not changed.
    pixels : ndarray of integers, shape (frames, rows, columns) or (frames, rows, columns, 3)
        Its decoded stored values, of colour as RGB (YBR is converted, and rounded) or as a palette's indices.
    pseudonyms : Pseudonyms
        The same for all files that belong together.
    blank : sequence of (first row, end row, first column, end column)
        Rectangles of every frame that are overwritten with the smallest value, for text in the picture.

    Returns
    -------
    Dataset
        Uncompressed, explicit little endian, ready to be saved.

    Raises
    ------
    DeidentificationError
        If text is to be expected in the picture and `blank` is empty; if a rectangle is not inside the picture.
    DicomError
        If an attribute that is needed is damaged.
    """
    header = Header(dataset)
    if pixels.dtype.kind not in "iu":
        raise DeidentificationError(f"pixels expects whole numbers, got {pixels.dtype}")
    _check_text_in_pixels(header, _standard_uid(header), blank)
    days = pseudonyms.days(dataset)
    new = _allowed(dataset, pseudonyms, days)
    new.SOPClassUID = _standard_uid(header)
    if header.code("PhotometricInterpretation") == "PALETTE COLOR":
        _set_palette(new, header)
    for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        if keyword not in new:
            raise DeidentificationError(f"{tag_name(keyword)} is missing; the file cannot be told from others")
    new.PatientName = new.PatientID = pseudonyms.patient(dataset)
    new.PatientBirthDate = new.StudyTime = new.ReferringPhysicianName = new.AccessionNumber = new.StudyID = ""
    for keyword in ("PatientSex", "StudyDate", "Manufacturer"):
        new.setdefault(keyword, "")
    if "FrameOfReferenceUID" in new:
        new.PositionReferenceIndicator = ""
    if (years := header.age_years()) is not None:
        new.PatientAge = age_string(years)
    _set_pixels(new, dataset, pixels, blank)
    if getattr(dataset, "file_meta", {}).get("TransferSyntaxUID") in _LOSSY:
        new.LossyImageCompression = "01"  # for ever (PS3.3, C.7.6.1.1.5), and the new encoding does not tell
    new.PatientIdentityRemoved, new.DeidentificationMethod = "YES", METHOD
    new.LongitudinalTemporalInformationModified = "MODIFIED"
    new.file_meta = FileMetaDataset()
    new.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    new.file_meta.MediaStorageSOPClassUID = new.SOPClassUID
    new.file_meta.MediaStorageSOPInstanceUID = new.SOPInstanceUID
    return new


def _check_text_in_pixels(header: Header, sop_class: UID, blank: Sequence[Box]) -> None:
    if blank:
        return
    if header.code("BurnedInAnnotation") == "YES":
        raise DeidentificationError(
            f"{tag_name('BurnedInAnnotation')} is YES: name the rectangles to overwrite (blank)"
        )
    if header.find("ConversionType") is not None:
        raise DeidentificationError(
            f"{tag_name('ConversionType')} is there: the picture was captured from a screen or a sheet, which often "
            f"carry a name; look at it and name the rectangles to overwrite (blank)"
        )
    if any(word in sop_class.name for word in CAPTURED):
        raise DeidentificationError(
            f"{tag_name('SOPClassUID')} is {sop_class.name}: such pictures often carry a name; look at it and name "
            f"the rectangles to overwrite (blank)"
        )
    modality = header.code("Modality", CODES["Modality"])
    if modality in TEXT_IN_PIXELS or modality in ("", "OTHER"):
        raise DeidentificationError(
            f"{tag_name('Modality')} is {modality or 'missing'}: such pictures often carry a name; look at it and name "
            f"the rectangles to overwrite (blank)"
        )


def _standard_uid(header: Header) -> UID:
    uid = str(header.find("SOPClassUID") or "").strip()
    if uid not in UID_dictionary or UID(uid).type != "SOP Class":
        raise DeidentificationError(f"{tag_name('SOPClassUID')} is missing or none of the standard's")
    return UID(uid)


def _allowed(dataset: Dataset, pseudonyms: Pseudonyms, days: int) -> Dataset:
    new = Dataset()
    header = Header(dataset, None)
    for keyword in sorted(NUMBERS | CODES.keys() | UIDS | DATES | TABLES | SEQUENCES):
        value = header.find(keyword)
        if value is None:
            continue
        with refusing(f"{tag_name(keyword)} is damaged or of another kind than it should be; export the file again"):
            if keyword in SEQUENCES:
                setattr(new, keyword, [_allowed(item, pseudonyms, days) for item in value])
            elif keyword in NUMBERS:
                new.add(_numbers(dataset[keyword], header.numbers(keyword)))
            elif keyword in TABLES:
                view = lookup_table(dataset, keyword, signed=False)
                new.add_new(dataset[keyword].tag, "OW", table_bytes(view.table, view.bits))
            elif kept := _text(keyword, value, pseudonyms, days):
                setattr(new, keyword, kept)
    return new


def _numbers(element: DataElement, numbers: tuple[float, ...]) -> DataElement:
    """The same numbers, written anew, so that nothing but numbers stays."""
    if element.VR == "AT":
        return DataElement(element.tag, "AT", [int(n) for n in numbers])
    if element.VR == "DS":
        return DataElement(element.tag, "DS", [format_number_as_ds(float(n)) for n in numbers])
    if element.VR in ("FL", "FD"):
        return DataElement(element.tag, element.VR, list(numbers))
    return DataElement(element.tag, element.VR, [int(n) for n in numbers])


def _set_palette(new: Dataset, header: Header) -> None:
    """The entries that the descriptors name, of segments their plain form, so that nothing hides behind them."""
    first, bits, tables = palette(header)
    for colour, table in zip(("Red", "Green", "Blue"), tables):
        descriptor = tag_for_keyword(f"{colour}PaletteColorLookupTableDescriptor")
        entries = tag_for_keyword(f"{colour}PaletteColorLookupTableData")
        assert descriptor is not None and entries is not None
        new.add_new(descriptor, "US" if first >= 0 else "SS", [table.size % 65536, first, bits])
        new.add_new(entries, "OW", table_bytes(table, bits))


def _text(keyword: str, value: Any, pseudonyms: Pseudonyms, days: int) -> Any:
    texts = [str(v).strip() for v in ([value] if isinstance(value, str) else value)]
    if keyword in UIDS:
        return pseudonyms.uid(texts[0])
    if keyword in DATES:
        return _moved(texts[0], days)
    kept = [text if text in CODES[keyword] else "OTHER" for text in (t.upper() for t in texts)]
    if keyword in ("ImageType", "FrameType"):  # its first values have a place
        return [*kept[:2], *(k for k in kept[2:] if k != "OTHER")]
    return None if "OTHER" in kept else kept[0] if len(kept) == 1 else kept


def _moved(text: str, days: int) -> str:
    match = _DATE.fullmatch(text)
    try:
        return (date(*map(int, match.groups())) - timedelta(days)).strftime("%Y%m%d") if match else ""
    except (ValueError, OverflowError):  # no day of the calendar
        return ""


def _set_pixels(new: Dataset, old: Dataset, pixels: NDArray[Any], blank: Sequence[Box]) -> None:
    frames, rows, columns = pixels.shape[:3]
    for box in blank:
        if len(box) != 4 or not (0 <= box[0] < box[1] <= rows and 0 <= box[2] < box[3] <= columns):
            raise DeidentificationError(
                f"blank expects (first row, end row, first column, end column) inside {rows} × {columns}, got {box}"
            )
    if blank:
        pixels = pixels.copy()
        for top, bottom, left, right in blank:
            pixels[:, top:bottom, left:right] = pixels.min()
        new.BurnedInAnnotation = "NO"
    colour = pixels.ndim == 4
    new.SamplesPerPixel = 3 if colour else 1
    if colour:
        new.PlanarConfiguration, new.PhotometricInterpretation = 0, "RGB"
    elif "PlanarConfiguration" in new:
        del new.PlanarConfiguration
    bits = pixels.dtype.itemsize * 8
    new.BitsAllocated = bits
    stored = min(int(old.BitsStored), bits)
    new.BitsStored, new.HighBit, new.PixelRepresentation = stored, stored - 1, int(pixels.dtype.kind == "i")
    if frames > 1 or "NumberOfFrames" in new:
        new.NumberOfFrames = frames
    content = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")).tobytes()
    new.add_new(0x7FE00010, "OB" if bits == 8 else "OW", content + b"\0" * (len(content) % 2))
