"""What the pixels of a file are by the formulas of the standard and by other decoders than `mediml.imaging` uses.

Native files: NumPy and arithmetic. RLE: pydicom. JPEG 2000: GDCM and Pillow, where we take OpenJPEG. JPEG-LS and JPEG
of 8 bits: GDCM. JPEG lossless and of 12 bits: `jpeg_reference`.
"""

import contextlib

import numpy as np
from jpeg_reference import decode
from pydicom.encaps import get_frame
from pydicom.pixels import apply_color_lut, get_decoder
from pydicom.uid import (
    ExplicitVRBigEndian,
    JPEG2000TransferSyntaxes,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    RLELossless,
)


def stored(dataset, frame):
    """Stored values, and by how much a lossy decoder may differ."""
    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_encapsulated:
        return native(dataset, frame), 0
    if syntax in (JPEGLossless, JPEGLosslessSV1, JPEGExtended12Bit):
        stream = get_frame(dataset.PixelData, frame, number_of_frames=frames(dataset))
        values = decode(stream).astype(int)
        return signed(values, dataset), int(syntax == JPEGExtended12Bit)
    plugin = "pydicom" if syntax == RLELossless else "gdcm"
    values, _ = get_decoder(syntax).as_array(dataset, index=frame, raw=True, decoding_plugin=plugin)
    if syntax in JPEG2000TransferSyntaxes:
        with contextlib.suppress(RuntimeError):  # what Pillow does not read
            other, _ = get_decoder(syntax).as_array(dataset, index=frame, raw=True, decoding_plugin="pillow")
            assert np.abs(values.astype(int) - other).max() <= 1
    return values, 2 if syntax == JPEGBaseline8Bit else int(syntax in JPEG2000TransferSyntaxes)


def frames(dataset):
    return int(dataset.get("NumberOfFrames") or 1)


def native(dataset, frame):
    """PS3.5, 8.1 and 8.2."""
    samples, bits = dataset.SamplesPerPixel, dataset.BitsAllocated
    shape = (dataset.Rows, dataset.Columns, samples)
    subsampled = dataset.PhotometricInterpretation == "YBR_FULL_422"
    count = shape[0] * shape[1] * (2 if subsampled else samples)
    if bits == 1:
        packed = np.frombuffer(dataset.PixelData, np.uint8)
        places = np.arange(frame * count, (frame + 1) * count)
        return ((packed[places // 8] >> (places % 8)) & 1).reshape(shape[:2])
    big = dataset.file_meta.TransferSyntaxUID == ExplicitVRBigEndian
    if bits == 8 and big and dataset["PixelData"].VR == "OW":
        everything = np.frombuffer(dataset.PixelData, ">u2").astype("<u2").view(np.uint8)
    else:
        everything = np.frombuffer(dataset.PixelData, f"{'>' if big else '<'}u{bits // 8}")
    values = everything[frame * count : (frame + 1) * count].astype(np.int64)
    values = signed(values, dataset)
    if subsampled:
        y1, y2, blue, red = values.reshape(-1, 4).T
        return np.stack([y1, blue, red, y2, blue, red], 1).reshape(shape)
    if samples == 1:
        return values.reshape(shape[:2])
    if dataset.PlanarConfiguration:
        return np.moveaxis(values.reshape(samples, *shape[:2]), 0, -1)
    return values.reshape(shape)


def signed(values, dataset):
    """The low Bits Stored of each, with their sign."""
    values = values & ((1 << dataset.BitsStored) - 1)
    if dataset.PixelRepresentation:
        values = np.where(values >> (dataset.BitsStored - 1), values - (1 << dataset.BitsStored), values)
    return values


def find(dataset, keyword, frame):
    """An attribute, in the functional groups of the frame first."""
    groups = [
        *(dataset.get("PerFrameFunctionalGroupsSequence") or [])[frame : frame + 1],
        *(dataset.get("SharedFunctionalGroupsSequence") or [])[:1],
    ]
    for group in groups:
        for element in group:
            if element.VR == "SQ" and element.value and keyword in element.value[0]:
                return element.value[0][keyword].value
    return dataset.get(keyword)


def table_of(item):
    """First value and entries of a lookup table."""
    count, first, bits = item.LUTDescriptor
    data = item.LUTData
    entries = np.frombuffer(data, "<u2") if isinstance(data, bytes) else np.array(data)
    return int(first), entries[: count or 65536].astype(int), bits


def through(values, first, entries):
    return entries[np.clip(values - first, 0, len(entries) - 1)]


def physical(dataset, values, frame):
    """PS3.3, C.11.1; of doses C.8.8.3."""
    table = dataset.get("ModalityLUTSequence")
    if table:
        return through(values, *table_of(table[0])[:2])
    slope, intercept = find(dataset, "RescaleSlope", frame), find(dataset, "RescaleIntercept", frame)
    if slope is not None:
        return values * float(slope) + float(intercept)
    return values * float(dataset.get("DoseGridScaling") or 1)


def displayed(dataset, values, raw, frame):
    """PS3.3, C.11.2 and C.11.6: the first view, or the full range; padding is black."""
    padding = dataset.get("PixelPaddingValue")
    filled = np.zeros(values.shape, bool)
    if padding is not None:
        limit = dataset.get("PixelPaddingRangeLimit", padding)
        filled = (raw >= min(padding, limit)) & (raw <= max(padding, limit))
    center, width = find(dataset, "WindowCenter", frame), find(dataset, "WindowWidth", frame)
    if dataset.get("VOILUTSequence"):
        first, entries, bits = table_of(dataset.VOILUTSequence[0])
        shown = through(np.rint(values).astype(int), first, entries) / (2**bits - 1)
    elif center is not None:
        c, w = (float(each if isinstance(each, (int, float)) else np.ravel(each)[0]) for each in (center, width))
        shown = np.where(values <= c - 0.5 - (w - 1) / 2, 0, (values - (c - 0.5)) / (w - 1) + 0.5)
    else:
        low, high = values[~filled].min(), values[~filled].max()
        shown = (values - low) / (high - low) if high > low else np.zeros(values.shape)
    shown = np.clip(shown, 0, 1)
    return np.where(filled, 0, 1 - shown if dataset.PhotometricInterpretation == "MONOCHROME1" else shown)


def rgb(dataset, values, photometric):
    """PS3.3, C.7.6.3.1.2 and C.7.6.3.1.5, from 0 to 255."""
    if "SegmentedRedPaletteColorLookupTableData" in dataset:
        return apply_color_lut(values, dataset) * (255 / 65535)
    if photometric == "PALETTE COLOR":
        count, first, _ = dataset.RedPaletteColorLookupTableDescriptor
        little = dataset.file_meta.TransferSyntaxUID != ExplicitVRBigEndian
        tables = []
        for colour in ("Red", "Green", "Blue"):
            data = dataset[f"{colour}PaletteColorLookupTableData"].value
            wide = len(data) >= 2 * (count or 65536)
            tables.append(np.frombuffer(data, ("<u2" if little else ">u2") if wide else "u1"))
        most = 255 if max(table.max() for table in tables) < 256 else 65535
        return np.stack([through(values, first, table.astype(float)) for table in tables], -1) * 255.0 / most
    if photometric.startswith("YBR_FULL"):
        y, blue, red = np.moveaxis(values.astype(float), -1, 0) - np.array([0, 128, 128])[:, None, None]
        colours = [y + 1.402 * red, y - (0.114 * 1.772 * blue + 0.299 * 1.402 * red) / 0.587, y + 1.772 * blue]
        return np.clip(np.stack(colours, -1), 0, 255)
    return values * (255 / (2**dataset.BitsStored - 1))
