"""Grey DICOM pixels: from stored to physical values, the views that the file offers, its padding and its polarity.

References
----------
DICOM PS3.3: C.11.1 (modality LUT), C.11.2 (VOI LUT), C.7.5.1.1.2 (padding), C.7.6.3.1.2 (photometric interpretation).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediml.imaging.decoding.tables import lookup_table
from mediml.imaging.image import DicomError, LookupView, Step, WindowView
from mediml.imaging.intensity import WINDOW_FUNCTIONS, lookup
from mediml.imaging.standard.header import Header, tag_name
from mediml.imaging.standard.terms import MODALITIES, PET_UNITS, RESCALE_TYPES, WINDOW_EXPLANATIONS

__all__ = ["is_inverted", "modality_values", "padding", "views"]

#: Rows that are rescaled together, so that the memory of a large picture's intermediate values is bounded.
_ROWS = 256

#: Physical values and their unit.
Modality = tuple[NDArray[Any], str]


def modality_values(header: Header, stored: NDArray[Any], account: list[Step], doubts: list[Step]) -> Modality:
    """Stored values to physical ones, and their unit (PS3.3, C.11.1)."""
    dtype = np.float64 if stored.dtype.itemsize > 2 and stored.dtype != np.float32 else np.float32
    table = header.find("ModalityLUTSequence")
    if table is not None:
        view = lookup_table(table[0], "ModalityLUTSequence", signed=header.integer("PixelRepresentation") == 1)
        account.append(Step("modality_lut", {"entries": view.table.size}))
        return lookup(stored, view.first, view.table).astype(dtype), _unit(Header(table[0]).code("ModalityLUTType"))
    slope, intercept = header.number("RescaleSlope"), header.number("RescaleIntercept")
    if slope is None and intercept is None:
        return _without_rescale(header, stored, account, doubts, dtype)
    if slope is None or intercept is None:
        absent = "RescaleSlope" if slope is None else "RescaleIntercept"
        raise DicomError(f"{tag_name(absent)} is missing, while its partner is there: the values have no known scale")
    if slope == 0:
        raise DicomError(f"{tag_name('RescaleSlope')} is 0, which would make all pixels alike")
    account.append(Step("rescaled", {"slope": slope, "intercept": intercept}))
    return _linear(stored, slope, intercept, dtype), _rescaled_unit(header, account, doubts)


def _linear(stored: NDArray[Any], slope: float, intercept: float, dtype: type[np.floating[Any]]) -> NDArray[Any]:
    """slope · stored + intercept, in float64; refused where that is beyond the numbers of `dtype`."""
    values = np.empty(stored.shape, dtype)
    finite = True
    with np.errstate(over="ignore", invalid="ignore"):
        for first in range(0, len(stored), _ROWS):
            part = stored[first : first + _ROWS]
            values[first : first + _ROWS] = part.astype(np.float64) * slope + intercept
            finite &= bool((np.isfinite(values[first : first + _ROWS]) | ~np.isfinite(part)).all())
    if not finite:
        raise DicomError(f"{tag_name('RescaleSlope')} is {slope:g}, which gives values beyond all numbers")
    return values


def _without_rescale(
    header: Header, stored: NDArray[Any], account: list[Step], doubts: list[Step], dtype: type[np.floating[Any]]
) -> Modality:
    modality, scaling = header.code("Modality", MODALITIES), header.number("DoseGridScaling")
    if modality == "RTDOSE" and scaling is not None:  # PS3.3, C.8.8.3
        if scaling <= 0:
            raise DicomError(f"{tag_name('DoseGridScaling')} is {scaling:g}; expected a positive number")
        account.append(Step("rescaled", {"slope": scaling, "intercept": 0.0}))
        return _linear(stored, scaling, 0.0, dtype), "GY" if header.code("DoseUnits") == "GY" else "arbitrary"
    account.append(Step("no_rescale"))
    if modality in ("CT", "PT"):
        doubts.append(Step("rescale_missing", {"modality": modality}))
    return stored.astype(dtype), "arbitrary"


def _rescaled_unit(header: Header, account: list[Step], doubts: list[Step]) -> str:
    modality = header.code("Modality", MODALITIES)
    if header.find("RescaleType") is not None:
        return _unit(header.code("RescaleType"))
    if modality == "PT":  # C.8.9.1: Units are those of the rescaled values
        unit = header.code("Units", PET_UNITS)
        account.append(Step("suv_left_alone", {"units": unit or "unknown"}))
        return unit if unit in PET_UNITS else "arbitrary"
    if modality != "CT":
        return "arbitrary"
    kinds = header.codes("ImageType")
    if "LOCALIZER" in kinds or header.code("MultienergyCTAcquisition") == "YES":
        doubts.append(Step("not_hounsfield"))
        return "arbitrary"
    if kinds[:1] == ("DERIVED",):
        doubts.append(Step("hounsfield_derived"))
    return "HU"  # C.8.2.1: a CT image's values are HU unless Rescale Type says otherwise


def _unit(rescale_type: str) -> str:
    return rescale_type if rescale_type in RESCALE_TYPES - {"US"} else "arbitrary"  # US: unspecified


def views(header: Header) -> tuple[WindowView | LookupView, ...]:
    """The alternatives that the file offers for display; tables, made for this image, before windows."""
    sequence = header.find("VOILUTSequence") or ()
    views: list[WindowView | LookupView] = []
    signed = header.integer("PixelRepresentation", default=0) == 1 or (header.number("RescaleIntercept") or 0) < 0
    views.extend(lookup_table(item, "VOILUTSequence", signed) for item in sequence)
    centers, widths = header.numbers("WindowCenter"), header.numbers("WindowWidth")
    if len(centers) != len(widths):
        raise DicomError(
            f"{tag_name('WindowCenter')} has {len(centers)} values and {tag_name('WindowWidth')} {len(widths)}; "
            f"each window needs both"
        )
    function = header.code("VOILUTFunction") or "LINEAR"
    if function not in WINDOW_FUNCTIONS:
        raise DicomError(f"{tag_name('VOILUTFunction')} expects one of {', '.join(WINDOW_FUNCTIONS)}")
    explanations = header.codes("WindowCenterWidthExplanation", WINDOW_EXPLANATIONS)
    for index, (center, width) in enumerate(zip(centers, widths)):
        if width < (1 if function == "LINEAR" else 0) or width == 0:
            raise DicomError(f"{tag_name('WindowWidth')} is {width:g}, too small for {function} (PS3.3, C.11.2.1.2)")
        views.append(WindowView(center, width, function, explanations[index] if index < len(explanations) else ""))
    return tuple(views)


def padding(header: Header, stored: NDArray[Any], account: list[Step]) -> NDArray[np.bool_] | None:
    """Pixels that the device filled in (PS3.3, C.7.5.1.1.2); the value is in the terms of the stored ones.

    Of floating-point pixels also those that hold no number.
    """
    kind = {"float32": "Float", "float64": "DoubleFloat"}.get(stored.dtype.name, "")
    value = header.number(f"{kind}PixelPaddingValue")
    mask = np.zeros(stored.shape, np.bool_) if not kind else ~np.isfinite(stored)
    if value is not None:
        limit = header.number(f"{kind}PixelPaddingRangeLimit")
        low, high = _range(value, value if limit is None else limit, stored.dtype)
        mask |= (stored >= low) & (stored <= high)
    count = int(mask.sum())
    if count == 0:
        return None
    account.append(Step("padding", {"count": count}))
    return mask


def _range(value: float, limit: float, dtype: np.dtype[Any]) -> tuple[float, float]:
    """Ordered, each as signed as the pixels are: its VR may be the other one, with the same bits."""
    if dtype.kind != "f":
        value, limit = (
            bound - 65536 if dtype.kind == "i" and bound >= 32768 else bound + 65536 * (dtype.kind == "u" and bound < 0)
            for bound in (value, limit)
        )
    return min(value, limit), max(value, limit)


def is_inverted(header: Header, photometric: str, doubts: list[Step]) -> bool:
    """Whether low values are white. Presentation LUT Shape says the same thing again; it is not a second inversion."""
    inverted = photometric == "MONOCHROME1"
    shape = header.code("PresentationLUTShape")
    if shape in ("IDENTITY", "INVERSE") and (shape == "INVERSE") != inverted:
        doubts.append(Step("polarity_contradiction"))
    return inverted
