"""Grey DICOM pixels: from stored to physical values, the views that the file offers, its padding and its polarity.

References
----------
DICOM PS3.3: C.11.1 (modality LUT), C.11.2 (VOI LUT), C.7.5.1.1.2 (padding), C.7.6.3.1.2 (photometric interpretation).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from mediml.imaging.header import Header, tag_name
from mediml.imaging.image import DicomError, LookupView, Step, WindowView
from mediml.imaging.intensity import WINDOW_FUNCTIONS, lookup
from mediml.imaging.terms import RESCALE_TYPES

__all__ = ["is_inverted", "modality_values", "padding", "views"]


def modality_values(header: Header, stored: NDArray[Any], account: list[Step]) -> tuple[NDArray[Any], str]:
    """Stored values to physical ones, and their unit (PS3.3, C.11.1)."""
    dtype = np.float64 if stored.dtype.itemsize > 2 else np.float32
    table = header.find("ModalityLUTSequence")
    if table is not None:
        view = lookup_table(table[0], "ModalityLUTSequence", signed=header.integer("PixelRepresentation") == 1)
        account.append(Step("modality_lut", {"entries": view.table.size}))
        return lookup(stored, view.first, view.table).astype(dtype), _unit(Header(table[0]).code("ModalityLUTType"))
    slope, intercept = header.number("RescaleSlope"), header.number("RescaleIntercept")
    if slope is None and intercept is None:
        account.append(Step("no_rescale"))
        return stored.astype(dtype), "arbitrary"
    if slope is None or intercept is None:
        absent = "RescaleSlope" if slope is None else "RescaleIntercept"
        raise DicomError(f"{tag_name(absent)} is missing, while its partner is there: the values have no known scale")
    if slope == 0:
        raise DicomError(f"{tag_name('RescaleSlope')} is 0, which would make all pixels alike")
    account.append(Step("rescaled", {"slope": slope, "intercept": intercept}))
    unit = _unit(header.code("RescaleType"))
    if header.find("RescaleType") is None and header.code("Modality") == "CT":
        unit = "HU"  # C.8.2.1.1.2: a CT image's values are HU unless Rescale Type says otherwise
    return (stored * np.float64(slope) + intercept).astype(dtype), unit


def _unit(rescale_type: str) -> str:
    return rescale_type if rescale_type in RESCALE_TYPES - {"US"} else "arbitrary"  # US: unspecified


def lookup_table(item: Dataset, sequence: str, signed: bool) -> LookupView:
    """A LUT item: descriptor (entries, first value, bits) and data of as many entries (PS3.3, C.11.1.1.1)."""
    header = Header(item)
    descriptor, data = header.numbers("LUTDescriptor"), header.find("LUTData")
    if len(descriptor) != 3 or data is None:
        raise DicomError(f"{tag_name(sequence)}: {tag_name('LUTDescriptor')} or {tag_name('LUTData')} is missing")
    entries, first, bits = int(descriptor[0]) or 65536, int(descriptor[1]), int(descriptor[2])
    if signed and first >= 32768:
        first -= 65536  # the parser took it for unsigned
    if not 8 <= bits <= 16 or entries < 1:
        raise DicomError(f"{tag_name('LUTDescriptor')} expects 8 to 16 bits and at least one entry")
    if isinstance(data, bytes):
        wide = len(data) >= 2 * entries
        order = "<" if item.is_little_endian is not False else ">"
        table = np.frombuffer(data[: len(data) // 2 * 2] if wide else data, f"{order}u2" if wide else "u1")
    else:
        table = np.asarray(header.numbers("LUTData"))
    if table.size < entries or table.min() < 0 or table.max() >= 2**bits:
        raise DicomError(f"{tag_name('LUTData')} expects {entries} entries of {bits} bits")
    return LookupView(first, table[:entries].astype(np.uint16), bits)


def views(header: Header) -> tuple[WindowView | LookupView, ...]:
    """The alternatives that the file offers for display; tables, made for this image, before windows."""
    sequence = header.find("VOILUTSequence") or ()
    views: list[WindowView | LookupView] = []
    signed = header.integer("PixelRepresentation") == 1 or (header.number("RescaleIntercept") or 0) < 0
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
    for center, width in zip(centers, widths):
        if width < (1 if function == "LINEAR" else 0) or width == 0:
            raise DicomError(f"{tag_name('WindowWidth')} is {width:g}, too small for {function} (PS3.3, C.11.2.1.2)")
        views.append(WindowView(center, width, function))
    return tuple(views)


def padding(header: Header, stored: NDArray[Any], account: list[Step]) -> NDArray[np.bool_] | None:
    """Pixels that the device filled in (PS3.3, C.7.5.1.1.2); the value is in the terms of the stored ones."""
    value = header.number("PixelPaddingValue")
    if value is None:
        return None
    limit = header.number("PixelPaddingRangeLimit")
    low, high = sorted((value, value if limit is None else limit))
    if header.integer("PixelRepresentation") == 1 and high >= 32768 and stored.dtype.itemsize == 2:
        low, high = low - 65536, high - 65536
    mask = (stored >= low) & (stored <= high)
    count = int(mask.sum())
    if count == 0:
        return None
    account.append(Step("padding", {"count": count}))
    return mask


def is_inverted(header: Header, photometric: str, doubts: list[Step]) -> bool:
    """Whether low values are white. Presentation LUT Shape says the same thing again; it is not a second inversion."""
    inverted = photometric == "MONOCHROME1"
    shape = header.code("PresentationLUTShape")
    if shape in ("IDENTITY", "INVERSE") and (shape == "INVERSE") != inverted:
        doubts.append(Step("polarity_contradiction"))
    return inverted
