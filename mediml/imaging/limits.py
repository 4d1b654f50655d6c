"""What an image file may ask for, checked before anything of that size is allocated.

A header of a few bytes can ask for a picture of terabytes, and a compressed stream can hold more than its header says.
"""

import os
import stat
import struct
import zlib
from pathlib import Path

from mediml.imaging.image import ImageError

__all__ = [
    "MAX_FILE_BYTES",
    "MAX_INFLATED_BYTES",
    "MAX_PIXELS",
    "check_inflated_size",
    "check_pixel_count",
    "codestream_size",
    "read_bytes",
]

#: The largest radiographs in use have 24 million pixels.
MAX_PIXELS = 40_000_000

#: Above this a file is a long multi-frame object, which is not read whole.
MAX_FILE_BYTES = 512 * 2**20

#: The same for what a deflated data set becomes.
MAX_INFLATED_BYTES = 256 * 2**20

# JPEG's start-of-frame markers (ITU-T T.81, table B.1) and that of JPEG-LS (T.87).
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
_MARKERS_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})


def read_bytes(path: str | os.PathLike[str], error: type[ImageError]) -> bytes:
    """The content of a regular file of at most `MAX_FILE_BYTES`.

    Raises
    ------
    error
        If it is not there, is no regular file, cannot be read, is empty or too large.
    """
    path = Path(path)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise error("expected a file, got a folder or a device; give the path of one image file")
        if status.st_size == 0:
            raise error("the file is empty")
        if status.st_size > MAX_FILE_BYTES:
            raise error(f"the file has {status.st_size} bytes; at most {MAX_FILE_BYTES} are read")
        return path.read_bytes()
    except FileNotFoundError:
        raise error("there is no such file; check the path") from None
    except (OSError, ValueError) as problem:
        if isinstance(problem, ImageError):
            raise
        raise error(f"the file cannot be read ({type(problem).__name__}); check its permissions") from None


def check_pixel_count(rows: int, columns: int, error: type[ImageError]) -> None:
    """Refuse pictures without pixels, or with more than `MAX_PIXELS`."""
    if rows < 1 or columns < 1:
        raise error(f"the image has {rows} rows and {columns} columns; both must be at least 1")
    if rows * columns > MAX_PIXELS:
        raise error(f"the image asks for {rows} × {columns} pixels; at most {MAX_PIXELS} are read")


def check_inflated_size(data: bytes, error: type[ImageError]) -> None:
    """Refuse raw DEFLATE data that would give more than `MAX_INFLATED_BYTES`, holding 16 MiB of them at a time."""
    stream, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
    try:
        while data and size <= MAX_INFLATED_BYTES:
            size += len(stream.decompress(data, 2**24))
            data = stream.unconsumed_tail
    except zlib.error:
        raise error("the deflated data set is damaged; export the file again") from None
    if size > MAX_INFLATED_BYTES:
        raise error(f"the data set inflates to more than {MAX_INFLATED_BYTES} bytes, more than is read")


def codestream_size(stream: bytes) -> tuple[int, int] | None:
    """Rows and columns that a JPEG, JPEG-LS or JPEG 2000 stream says itself; None where it says nothing.

    References
    ----------
    JPEG 2000: ITU-T T.800, A.5.1 (SIZ: Xsiz, Ysiz, XOsiz, YOsiz). JPEG: ITU-T T.81, B.2.2.
    """
    start = stream.find(b"\xff\x4f\xff\x51", 0, 4096)  # behind the boxes of a JP2 file, if any
    if start >= 0:
        sizes = stream[start + 8 : start + 24]
        if len(sizes) < 16:
            return None
        x_size, y_size, x_offset, y_offset = struct.unpack(">IIII", sizes)
        return (y_size - y_offset, x_size - x_offset)
    if not stream.startswith(b"\xff\xd8"):
        return None
    return _jpeg_size(stream)


def _jpeg_size(stream: bytes) -> tuple[int, int] | None:
    position = 2
    while position + 9 <= len(stream) and stream[position] == 0xFF:
        marker = stream[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if marker in _START_OF_FRAME:
            rows, columns = struct.unpack(">HH", stream[position + 5 : position + 9])
            return (rows, columns)
        if marker in _MARKERS_WITHOUT_LENGTH:
            position += 2
            continue
        (length,) = struct.unpack(">H", stream[position + 2 : position + 4])
        position += 2 + length
    return None
