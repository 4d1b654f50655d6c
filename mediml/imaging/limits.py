"""What an image file may ask for, checked before anything of that size is allocated.

A header of a few bytes can ask for a picture of terabytes, and a compressed stream can hold more than its header says.
"""

import os
import stat
import zlib
from io import BytesIO
from pathlib import Path

from mediml.imaging.image import ImageError

__all__ = [
    "MAX_FILE_BYTES",
    "MAX_INFLATED_BYTES",
    "MAX_ITEMS",
    "MAX_PIXELS",
    "MAX_READS",
    "MAX_SAMPLES",
    "BoundedReader",
    "check_pixel_count",
    "inflate",
    "read_bytes",
]

#: The largest radiographs in use have 24 million pixels.
MAX_PIXELS = 40_000_000

#: Values of a picture: three for each pixel of a colour image.
MAX_SAMPLES = 80_000_000

#: Above this a file is a long multi-frame object, which is not read whole: while it is parsed it is held twice.
MAX_FILE_BYTES = 256 * 2**20

#: The same for what a deflated data set becomes.
MAX_INFLATED_BYTES = 256 * 2**20

#: Items of sequences, in a whole file. Each becomes a data set of a kilobyte or more.
MAX_ITEMS = 100_000

#: Reads of the parser: one to three for each element. An ordinary file needs some hundreds.
MAX_READS = 500_000


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


def check_pixel_count(rows: int, columns: int, error: type[ImageError], samples: int = 1) -> None:
    """Refuse pictures without pixels, with more than `MAX_PIXELS`, or with more than `MAX_SAMPLES` values."""
    if rows < 1 or columns < 1:
        raise error(f"the image has {rows} rows and {columns} columns; both must be at least 1")
    if rows * columns > MAX_PIXELS:
        raise error(f"the image asks for {rows} × {columns} pixels; at most {MAX_PIXELS} are read")
    if rows * columns * samples > MAX_SAMPLES:
        raise error(f"the image asks for {rows} × {columns} × {samples} values; at most {MAX_SAMPLES} are read")


def inflate(data: bytes, error: type[ImageError]) -> bytes:
    """Raw DEFLATE data, inflated; refused where that gives more than `MAX_INFLATED_BYTES`."""
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        content = stream.decompress(data, MAX_INFLATED_BYTES + 1)
    except zlib.error:
        raise error("the deflated data set is damaged; export the file again") from None
    if len(content) > MAX_INFLATED_BYTES:
        raise error(f"the data set inflates to more than {MAX_INFLATED_BYTES} bytes, more than is read")
    if not stream.eof:
        raise error("the deflated data set is cut short; export the file again")
    return content


class BoundedReader(BytesIO):
    """A file in memory that can be read `MAX_READS` times.

    A parser reads once or more for each element, so that this bounds its time and its memory: an empty element takes
    8 bytes of a file and several hundred in memory.
    """

    def __init__(self, content: bytes, error: type[ImageError]):
        super().__init__(content)
        self._error, self._left = error, MAX_READS

    def read(self, size: int | None = -1, /) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise self._error("the data set has more elements than are read; export the file without them")
        return super().read(size)
