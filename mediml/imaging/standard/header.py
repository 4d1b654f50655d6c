"""Attributes of a DICOM data set, read so that a wrong one is an error that names its tag and never its value."""

import math
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from pydicom.charset import default_encoding
from pydicom.datadict import dictionary_description, dictionary_has_tag, dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_sequence

from mediml.imaging.image import DicomError
from mediml.imaging.limits import BoundedReader

__all__ = ["MAX_VALUE_BYTES", "Header", "age_string", "refusing", "tag_name"]

#: Of a value that is not binary: room for a table of 65,536 entries in 16 bits.
MAX_VALUE_BYTES = 2**18

_BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN", "OB or OW", "US or OW"})

_CODE = re.compile(r"[A-Z0-9_ ]{1,16}")
_AGE = re.compile(r"(\d{3})([DWMY])")
_YEARS_PER = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}
_DATE = re.compile(r"(\d{4})(\d{2})(\d{2})")


def tag_name(keyword: str) -> str:
    """The attribute as a reader finds it in the standard: ``"Rows (0028,0010)"``."""
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise ValueError(f"tag_name: {keyword!r} is not a keyword of the DICOM dictionary")
    return f"{dictionary_description(tag)} {_readable(tag)}"


def age_string(years: float) -> str:
    """Patient's Age as the standard writes it (PS3.5, 6.2, AS): in whole years, below two years in whole months."""
    return f"{int(years + 1e-6):03d}Y" if years >= 2 else f"{int(years * 12 + 1e-6):03d}M"  # 7 / 12 · 12 may be below 7


@contextmanager
def refusing(reason: str) -> Iterator[None]:
    """Turn whatever a parser or a decoder raises on a damaged file, with its values in the text, into a `DicomError`.

    A lack of memory stays what it is: `mediml.imaging.dicom` names it.
    """
    try:
        yield
    except (DicomError, MemoryError):
        raise
    except Exception:
        raise DicomError(reason) from None


class Header:
    """Attributes as they hold for one frame.

    Enhanced multi-frame objects keep them in functional groups: those of the frame, then those that all frames share,
    then the data set itself (PS3.3, C.7.6.16).
    """

    def __init__(self, dataset: Dataset, frame: int | None = 0):
        self._scopes: list[Dataset] = []
        if frame is not None:
            self._add_groups(dataset, frame)
        self._scopes.append(dataset)
        #: Of the bytes of binary values.
        self.is_little_endian = dataset.original_encoding[1] is not False

    @classmethod
    def of_file(cls, dataset: Dataset) -> "Header":
        """Without any frame's groups: what decides how many frames there are."""
        return cls(dataset, None)

    def _add_groups(self, dataset: Dataset, frame: int) -> None:
        for keyword, index in (("PerFrameFunctionalGroupsSequence", frame), ("SharedFunctionalGroupsSequence", 0)):
            groups = self._read(dataset, keyword)
            if groups is None:
                continue
            if len(groups) <= index:
                raise DicomError(f"{tag_name(keyword)} has {len(groups)} items, and none for frame {index}")
            self._scopes.extend([*self._macros(groups[index]), groups[index]])

    @staticmethod
    def _read(dataset: Dataset, keyword: str) -> Any:
        """The value, or None where it is absent or empty."""
        with refusing(f"{tag_name(keyword)} is damaged; export the file again"):
            _prepare(dataset, keyword)
            value = dataset.get(keyword)
        return None if value is None or (hasattr(value, "__len__") and len(value) == 0) else value

    @staticmethod
    def _macros(group: Dataset) -> list[Dataset]:
        """Those of a functional group: the first item of each of its sequences."""
        with refusing("a functional group of the frame is damaged; export the file again"):
            for tag in list(group.keys()):
                _prepare(group, tag)
            return [element.value[0] for element in group if element.VR == "SQ" and element.value]

    def find(self, keyword: str) -> Any:
        """The value of an attribute, or None."""
        for scope in self._scopes:
            value = self._read(scope, keyword)
            if value is not None:
                return value
        return None

    def numbers(self, keyword: str) -> tuple[float, ...]:
        """All values of a numeric attribute; empty where it is absent."""
        value = self.find(keyword)
        if value is None:
            return ()
        several = isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue"
        try:
            numbers = tuple(float(each) for each in (value if several else [value]))
        except (TypeError, ValueError):
            raise DicomError(f"{tag_name(keyword)} is not a number; export the file again") from None
        if not all(map(math.isfinite, numbers)):
            raise DicomError(f"{tag_name(keyword)} is not a finite number; export the file again")
        return numbers

    def number(self, keyword: str) -> float | None:
        """The first value of a numeric attribute, or None."""
        values = self.numbers(keyword)
        return values[0] if values else None

    def integer(self, keyword: str, default: int | None = None) -> int:
        """A whole number; absent without a `default`, it is an error."""
        value = self.number(keyword)
        if value is None:
            if default is None:
                raise DicomError(f"{tag_name(keyword)} is missing, and the pixels cannot be read without it")
            return default
        if value != int(value):
            raise DicomError(f"{tag_name(keyword)} expects a whole number")
        return int(value)

    def code(self, keyword: str, known: frozenset[str] | None = None) -> str:
        """A code string in capitals, ``""`` where absent. With `known`, any other code gives ``"OTHER"``."""
        codes = self.codes(keyword, known)
        return codes[0] if codes else ""

    def codes(self, keyword: str, known: frozenset[str] | None = None) -> tuple[str, ...]:
        """All values of a code string, as `code` gives the first."""
        value = self.find(keyword)
        if value is None:
            return ()
        values = [value] if isinstance(value, (str, bytes)) else value
        if not isinstance(values, Iterable):
            raise DicomError(f"{tag_name(keyword)} is no text; export the file again")
        texts = [str(each).strip().upper() for each in values]
        return tuple(text if _CODE.fullmatch(text) and (known is None or text in known) else "OTHER" for text in texts)

    def age_years(self) -> float | None:
        """Age when the image was made, at most 90: from Patient's Age, else from the dates."""
        match = _AGE.fullmatch(str(self.find("PatientAge") or "").strip())
        if match:
            return min(90.0, int(match[1]) * _YEARS_PER[match[2]])
        birth = _DATE.fullmatch(str(self.find("PatientBirthDate") or "").strip())
        for keyword in ("AcquisitionDate", "ContentDate", "SeriesDate", "StudyDate"):
            made = _DATE.fullmatch(str(self.find(keyword) or "").strip())
            if birth and made:
                years = int(made[1]) - int(birth[1]) + (int(made[2]) - int(birth[2])) / 12
                return min(90.0, years) if years >= 0 else None
        return None


def _prepare(dataset: Dataset, key: Any) -> None:
    """Bound what the parser, which converts a value when it is first asked for, would make of it."""
    raw = dataset.get_item(key) if key in dataset else None
    if not isinstance(raw, RawDataElement) or not isinstance(raw.value, bytes):
        return
    vr, implicit = raw.VR, raw.is_implicit_VR
    if vr in (None, "UN") and dictionary_has_tag(raw.tag):
        vr, implicit = dictionary_VR(raw.tag), True  # PS3.5, 6.2.2: what is of VR UN is encoded as implicit VR
    if vr == "SQ":
        reader = BoundedReader(raw.value, DicomError)
        encoding = dataset.original_character_set or default_encoding
        items = read_sequence(reader, implicit, raw.is_little_endian, len(raw.value), encoding, raw.value_tell)
        dataset[raw.tag] = DataElement(raw.tag, "SQ", items, raw.value_tell)
    elif vr not in _BINARY and len(raw.value) > MAX_VALUE_BYTES:
        raise DicomError(f"the value of {_readable(raw.tag)} has {len(raw.value)} bytes; export the file again")


def _readable(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
