"""DICOM's run-length encoding, decoded to the size that the header says and not a byte further.

References
----------
DICOM PS3.5, annex G: one segment for each byte of each sample, the most significant first, packed as PackBits does.
"""

import struct
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MAX_RUNS", "decode_rle"]

#: Of one frame: some seconds' work. Two bytes of a hostile file can be a run of one pixel.
MAX_RUNS = 12_000_000


def decode_rle(stream: bytes, rows: int, columns: int, samples: int, allocated: int) -> NDArray[Any]:
    """Cells of `allocated` bits, unsigned: shape (rows, columns) or (rows, columns, samples).

    Raises
    ------
    ValueError
        If the stream has not the segments that the sizes ask for, is cut short, or has more than `MAX_RUNS` runs.
    """
    width = allocated // 8
    count, *offsets = struct.unpack_from("<16L", stream)
    if width * 8 != allocated or count != samples * width:
        raise ValueError("the number of segments is not that of samples and bytes")
    bounds = [*offsets[:count], len(stream)]
    if bounds[0] < 64 or any(a > b for a, b in pairwise(bounds)):
        raise ValueError("the segments are out of order")
    size, runs = rows * columns, MAX_RUNS
    cells = np.empty((size, samples, width), np.uint8)
    for segment in range(count):
        sample, byte = divmod(segment, width)
        plane, runs = _unpack(stream[bounds[segment] : bounds[segment + 1]], size, runs)
        cells[:, sample, width - 1 - byte] = np.frombuffer(plane, np.uint8)
    values = cells.view(f"<u{width}").reshape(rows, columns, samples)
    return values[..., 0].copy() if samples == 1 else values


def _unpack(segment: bytes, size: int, runs: int) -> tuple[bytearray, int]:
    """`size` bytes of a segment, and how many runs are left."""
    plane, position = bytearray(), 0
    while len(plane) < size:
        runs -= 1
        if runs < 0 or position >= len(segment):
            raise ValueError("a segment is cut short or has too many runs")
        head = segment[position]
        if head < 128:
            plane += segment[position + 1 : position + head + 2]
            position += head + 2
        elif head > 128:
            plane += segment[position + 1 : position + 2] * (257 - head)
            position += 2
        else:  # 128 says nothing
            position += 1
    return plane[:size], runs
