"""Colour DICOM pixels: YBR and palettes to RGB.

References
----------
DICOM PS3.3: C.7.6.3.1.2 (photometric interpretation), C.7.6.3.1.5 and C.7.6.3.1.6 (palettes), C.7.9.2 (segments).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediml.imaging.decoding.tables import binary_table, bytes_of_words
from mediml.imaging.image import DicomError, Step
from mediml.imaging.intensity import lookup
from mediml.imaging.standard.header import Header, refusing, tag_name

__all__ = ["expand_segments", "palette", "to_rgb"]

#: Rows that are converted together, so that the memory of a large picture's intermediate values is bounded.
_ROWS = 256


def to_rgb(header: Header, stored: NDArray[Any], photometric: str, bits: int, doubts: list[Step]) -> NDArray[Any]:
    """Red, green and blue of 0 to 255, float32, not rounded.

    Parameters
    ----------
    photometric : {"RGB", "YBR_FULL", "PALETTE COLOR"}
    bits : int
        Bits Stored: 2^bits - 1 is the most of a colour.
    """
    if header.find("ICCProfile") is not None:
        doubts.append(Step("icc_profile"))
    if photometric == "PALETTE COLOR":
        return _through_palette(header, stored, doubts)
    if photometric == "YBR_FULL" and bits != 8:
        raise DicomError(f"{tag_name('BitsStored')} expects 8 for YBR_FULL, got {bits}")
    colour = stored.astype(np.float32)
    if photometric == "YBR_FULL":
        for first in range(0, len(colour), _ROWS):
            _from_ybr(colour[first : first + _ROWS])
    elif bits != 8:
        colour *= np.float32(255 / (2**bits - 1))
    return colour


def _from_ybr(part: NDArray[np.float32]) -> None:
    """In place: R = Y + 1.402 (Cr - 128), B = Y + 1.772 (Cb - 128), Y = 0.299 R + 0.587 G + 0.114 B."""
    luminance, blue, red = (part[..., channel].copy() for channel in range(3))
    blue -= 128
    red -= 128
    part[..., 0] = luminance + np.float32(1.402) * red
    part[..., 1] = luminance - np.float32(0.114 * 1.772 / 0.587) * blue - np.float32(0.299 * 1.402 / 0.587) * red
    part[..., 2] = luminance + np.float32(1.772) * blue
    np.clip(part, 0, 255, out=part)


def _through_palette(header: Header, stored: NDArray[Any], doubts: list[Step]) -> NDArray[Any]:
    first, bits, tables = palette(header)
    if bits == 16 and max(int(table.max()) for table in tables) < 256:  # all but black: entries of 8 bits in words
        doubts.append(Step("palette_eight_bits"))
        bits = 8
    colour = np.empty((*stored.shape, 3), np.float32)
    for channel, table in enumerate(tables):
        shades = (table * (255 / (2**bits - 1))).astype(np.float32)
        for row in range(0, len(stored), _ROWS):
            colour[row : row + _ROWS, :, channel] = lookup(stored[row : row + _ROWS], first, shades)
    return colour


def palette(header: Header) -> tuple[int, int, list[NDArray[np.uint16]]]:
    """First value that is mapped, bits of an entry, and the tables of red, green and blue."""
    descriptors, tables = [], []
    for colour in ("Red", "Green", "Blue"):
        keyword = f"{colour}PaletteColorLookupTableDescriptor"
        descriptor = tuple(int(number) for number in header.numbers(keyword))
        if len(descriptor) != 3 or descriptor[2] not in (8, 16) or descriptor[0] < 0:
            raise DicomError(f"{tag_name(keyword)} expects three numbers, the last of them 8 or 16")
        descriptors.append(descriptor)
        tables.append(_entries(header, colour, descriptor[0] or 65536, descriptor[2]))
    if len(set(descriptors)) > 1:
        raise DicomError(f"{tag_name('RedPaletteColorLookupTableDescriptor')} expects the same of all three colours")
    return descriptors[0][1], descriptors[0][2], tables


def _entries(header: Header, colour: str, count: int, bits: int) -> NDArray[np.uint16]:
    plain, segmented = f"{colour}PaletteColorLookupTableData", f"Segmented{colour}PaletteColorLookupTableData"
    data = header.find(plain)
    keyword = plain if data is not None else segmented
    data = header.find(segmented) if data is None else data
    if not isinstance(data, bytes):
        raise DicomError(f"{tag_name(plain)} is missing; the colours cannot be told without it")
    if keyword == plain:
        return binary_table(data, count, bits, header.is_little_endian, keyword)
    if bits == 8:
        words = bytes_of_words(data, header.is_little_endian)
    else:
        words = np.frombuffer(data[: len(data) // 2 * 2], "<u2" if header.is_little_endian else ">u2")
    with refusing(f"{tag_name(keyword)} is damaged or cut short; export the file again"):
        table = expand_segments(words, count, bits // 8)
        if len(table) != count:
            raise ValueError("the segments give too few entries")
    return table


def expand_segments(segments: NDArray[Any], count: int, width: int) -> NDArray[np.uint16]:
    """A segmented table of at most `count` entries, of `width` bytes each (PS3.3, C.7.9.2).

    Three kinds of segments follow each other: 0, length n, n values; 1, length n, value: n steps from the last value
    to this one; 2, number n of segments, offset in bytes, four of them: those n segments once more.
    """
    words: list[int] = segments.tolist()
    table: list[int] = []
    position = 0
    while position + 1 < len(words) and len(table) < count:
        if words[position] != 2:
            position = _segment(words, position, table, count)
            continue
        low = words[position + 2 : position + 2 + 4 // width]
        offset = sum(word << (8 * width * place) for place, word in enumerate(low)) // width
        for _ in range(words[position + 1]):
            if len(low) < 4 // width or offset >= position:
                raise ValueError("an indirect segment points nowhere")
            offset = _segment(words, offset, table, count)
        position += 2 + 4 // width
    return np.array(table, np.uint16)


def _segment(words: list[int], position: int, table: list[int], count: int) -> int:
    """Append what a discrete or a linear segment stands for; the place behind it."""
    kind, length = words[position : position + 2]
    if length == 0 or len(table) + length > count:
        raise ValueError("a segment is empty or goes beyond the table")
    if kind == 0:
        table.extend(words[position + 2 : position + 2 + length])
        return position + 2 + length
    if kind != 1 or not table:
        raise ValueError("a segment is of an unknown kind, or has nothing to begin from")
    steps = np.linspace(table[-1], words[position + 2], length + 1)[1:]
    table.extend(np.rint(steps).astype(int).tolist())
    return position + 3
