"""Lookup tables as files hold them: entries of 8 or 16 bits, in bytes or in words.

References
----------
DICOM PS3.3: C.11.1.1.1 (modality and VOI LUT), C.7.6.3.1.5 (palettes); PS3.5, annex D: order of bytes.
"""

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from mediml.imaging.image import DicomError, LookupView
from mediml.imaging.standard.header import Header, tag_name

__all__ = ["binary_table", "bytes_of_words", "lookup_table", "table_bytes"]


def lookup_table(item: Dataset, sequence: str, signed: bool) -> LookupView:
    """A LUT item: descriptor (entries, first value, bits) and data of as many entries (PS3.3, C.11.1.1.1)."""
    header = Header(item)
    descriptor, data = header.numbers("LUTDescriptor"), header.find("LUTData")
    if len(descriptor) != 3 or data is None:
        raise DicomError(f"{tag_name(sequence)}: {tag_name('LUTDescriptor')} or {tag_name('LUTData')} is missing")
    entries, first, bits = int(descriptor[0]) or 65536, int(descriptor[1]), int(descriptor[2])
    if signed and first >= 32768:
        first -= 65536  # the parser took it for unsigned
    if entries < 0:
        entries += 65536  # and this for signed
    if not 8 <= bits <= 16 or entries < 1:
        raise DicomError(f"{tag_name('LUTDescriptor')} expects 8 to 16 bits and at least one entry")
    if isinstance(data, bytes):
        return LookupView(first, binary_table(data, entries, bits, header.is_little_endian, "LUTData"), bits)
    numbers = np.asarray(header.numbers("LUTData"))
    if entries > 1 and numbers.size == 1:
        raise DicomError(f"{tag_name('LUTData')} expects {entries} entries, got one")
    numbers = np.where(numbers < 0, numbers + 65536, numbers)
    return LookupView(first, _checked(numbers, entries, bits, "LUTData"), bits)


def binary_table(data: bytes, entries: int, bits: int, little_endian: bool, keyword: str) -> NDArray[np.uint16]:
    """`entries` entries of `bits` bits: one word each, or one byte where there are not bytes enough for that."""
    if len(data) >= 2 * entries:
        return _checked(np.frombuffer(data[: 2 * entries], "<u2" if little_endian else ">u2"), entries, bits, keyword)
    if bits > 8:
        raise DicomError(f"{tag_name(keyword)} expects {entries} entries of {bits} bits, got {len(data)} bytes")
    return _checked(bytes_of_words(data, little_endian), entries, bits, keyword)


def bytes_of_words(data: bytes, little_endian: bool) -> NDArray[np.uint8]:
    """The bytes in the order that they were put into words; big-endian files have each two swapped."""
    if little_endian:
        return np.frombuffer(data, np.uint8)
    return np.frombuffer(data[: len(data) // 2 * 2], np.uint8).reshape(-1, 2)[:, ::-1].ravel()


def table_bytes(table: NDArray[np.uint16], bits: int) -> bytes:
    """A table as a little-endian file holds it: a byte for each entry of 8 bits, else a word; of even length."""
    content = table.astype(np.uint8 if bits == 8 else "<u2").tobytes()
    return content + b"\0" * (len(content) % 2)


def _checked(table: NDArray[np.generic], entries: int, bits: int, keyword: str) -> NDArray[np.uint16]:
    if table.size < entries or int(table[:entries].max()) >= 2**bits:
        raise DicomError(f"{tag_name(keyword)} expects {entries} entries of {bits} bits")
    return table[:entries].astype(np.uint16)
