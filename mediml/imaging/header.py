"""Attributes of a DICOM data set, read so that a wrong one is an error that names its tag and never its value."""

import math
import re
from typing import Any

from pydicom.datadict import dictionary_description, tag_for_keyword
from pydicom.dataset import Dataset

from mediml.imaging.image import DicomError

__all__ = ["Header", "tag_name"]

_CODE = re.compile(r"[A-Z0-9_ ]{1,16}")
_AGE = re.compile(r"(\d{3})([DWMY])")
_YEARS_PER = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}
_DATE = re.compile(r"(\d{4})(\d{2})(\d{2})")


def tag_name(keyword: str) -> str:
    """The attribute as a reader finds it in the standard: ``"Rows (0028,0010)"``."""
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise ValueError(f"tag_name: {keyword!r} is not a keyword of the DICOM dictionary")
    return f"{dictionary_description(tag)} ({tag >> 16:04X},{tag & 0xFFFF:04X})"


class Header:
    """Attributes as they hold for one frame.

    Enhanced multi-frame objects keep them in functional groups: those of the frame, then those that all frames share,
    then the data set itself (PS3.3, C.7.6.16). With `frame` None, only the data set itself counts.
    """

    def __init__(self, dataset: Dataset, frame: int | None = 0):
        self._scopes: list[Dataset] = []
        for keyword, index in (("PerFrameFunctionalGroupsSequence", frame), ("SharedFunctionalGroupsSequence", 0)):
            groups = self._read(dataset, keyword)
            if groups is not None and index is not None and frame is not None and len(groups) > index:
                self._scopes.extend(_items_of(groups[index]))
        self._scopes.append(dataset)

    @staticmethod
    def _read(dataset: Dataset, keyword: str) -> Any:
        """The value, or None where it is absent or empty."""
        try:
            value = dataset.get(keyword)
        except Exception:  # a damaged element may raise anything while it is converted
            raise DicomError(f"{tag_name(keyword)} is damaged; export the file again") from None
        return None if value is None or (hasattr(value, "__len__") and len(value) == 0) else value

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
        value = self.find(keyword)
        if value is None:
            return ""
        text = str(value if isinstance(value, str) else value[0]).strip().upper()
        if not _CODE.fullmatch(text) or (known is not None and text not in known):
            return "OTHER"
        return text

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


def _items_of(group: Dataset) -> list[Dataset]:
    """The macros of a functional group: the first item of each of its sequences."""
    try:
        return [element.value[0] for element in group if element.VR == "SQ" and element.value]
    except Exception:  # as in Header._read
        raise DicomError("a functional group of the frame is damaged; export the file again") from None
