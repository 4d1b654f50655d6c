"""Technical attributes of a DICOM header that a page may show: numbers within what is possible, codes of closed lists.

Default deny: what is not listed here is not read. A number outside its range is left out, because a date or a
patient's number fits into any numeric attribute.

References
----------
DICOM PS3.3, the modules of CT, MR, US and X-ray images; PS3.15, annex E, for what identifies.
"""

from typing import NamedTuple

from pydicom.dataset import Dataset
from pydicom.uid import UID, UID_dictionary

from mediml.imaging.dicom import silent_pydicom
from mediml.imaging.image import DicomError
from mediml.imaging.standard.header import Header
from mediml.imaging.standard.terms import (
    COLOUR,
    GREY,
    IMAGE_TYPES,
    MR_ACQUISITION_TYPES,
    PATIENT_POSITIONS,
    SCANNING_SEQUENCES,
    SEQUENCE_VARIANTS,
)

__all__ = ["CODES", "NUMBERS", "Fact", "frame_rate", "technical_facts"]


class Fact(NamedTuple):
    """A line of the table: the attribute's keyword, and its value as text with its unit."""

    keyword: str
    text: str


#: Keyword: unit, smallest and largest number that is shown.
NUMBERS: dict[str, tuple[str, float, float]] = {
    "BitsStored": ("bit", 1, 64),
    "KVP": ("kV", 1, 500),
    "XRayTubeCurrent": ("mA", 0, 5000),
    "ExposureTime": ("ms", 0, 100_000),
    "Exposure": ("mAs", 0, 5000),
    "DistanceSourceToDetector": ("mm", 1, 10_000),
    "DistanceSourceToPatient": ("mm", 1, 10_000),
    "SliceThickness": ("mm", 0, 500),
    "SpacingBetweenSlices": ("mm", -500, 500),
    "ReconstructionDiameter": ("mm", 1, 2000),
    "GantryDetectorTilt": ("°", -90, 90),
    "SpiralPitchFactor": ("", 0, 10),
    "MagneticFieldStrength": ("T", 0, 25),
    "RepetitionTime": ("ms", 0, 100_000),
    "EchoTime": ("ms", 0, 10_000),
    "InversionTime": ("ms", 0, 100_000),
    "FlipAngle": ("°", 0, 360),
    "EchoTrainLength": ("", 0, 1024),
    "NumberOfAverages": ("", 0, 1000),
    "PixelBandwidth": ("Hz", 0, 100_000),
    "FrameTime": ("ms", 0, 10_000),
    "MechanicalIndex": ("", 0, 10),
}


#: Keyword: the codes that are shown; an attribute of several codes shows those of the list.
CODES: dict[str, frozenset[str]] = {
    "ImageType": IMAGE_TYPES - {"OTHER"},
    "PhotometricInterpretation": frozenset(GREY + COLOUR),
    "PatientPosition": PATIENT_POSITIONS,
    "ScanningSequence": SCANNING_SEQUENCES,
    "SequenceVariant": SEQUENCE_VARIANTS,
    "MRAcquisitionType": MR_ACQUISITION_TYPES,
}

_UIDS = {"SOPClassUID": "SOP Class", "TransferSyntaxUID": "Transfer Syntax"}


def technical_facts(dataset: Dataset) -> tuple[Fact, ...]:
    """The listed attributes that a data set holds, in the lists' order; a damaged one is left out.

    In a multi-frame object the first frame speaks for all.
    """
    with silent_pydicom():
        header = Header(dataset)
        facts = [*_names(dataset), *_codes(header), *_numbers(header)]
    return tuple(facts)


def frame_rate(dataset: Dataset) -> float | None:
    """Frames per second as the file recommends (0008,2144), (0018,0040), or one by Frame Time (0018,1063)."""
    with silent_pydicom():
        header = Header(dataset)
        for keyword in ("RecommendedDisplayFrameRate", "CineRate", "FrameTime"):
            number = _number(header, keyword)
            if number is not None and number > 0:
                rate = 1000 / number if keyword == "FrameTime" else number
                return min(max(rate, 1.0), 60.0)
    return None


def _names(dataset: Dataset) -> list[Fact]:
    """SOP class and transfer syntax by their names in the dictionary; a private UID may name its owner."""
    found = []
    for keyword, kind in _UIDS.items():
        scope = dataset if keyword == "SOPClassUID" else getattr(dataset, "file_meta", {})
        try:
            uid = UID(str(scope.get(keyword, "")))
        except Exception:  # a damaged element may raise anything
            continue
        if uid in UID_dictionary and uid.type == kind:
            found.append(Fact(keyword, uid.name))
    return found


def _codes(header: Header) -> list[Fact]:
    found = []
    for keyword, known in CODES.items():
        try:
            shown = [code for code in header.codes(keyword) if code in known]
        except DicomError:
            continue
        if shown:
            found.append(Fact(keyword, " \\ ".join(shown)))
    return found


def _numbers(header: Header) -> list[Fact]:
    found = []
    for keyword, (unit, low, high) in NUMBERS.items():
        number = _number(header, keyword)
        if number is not None and low <= number <= high:
            found.append(Fact(keyword, f"{number:.5g} {unit}".strip()))
    return found


def _number(header: Header, keyword: str) -> float | None:
    try:
        return header.number(keyword)
    except DicomError:
        return None
