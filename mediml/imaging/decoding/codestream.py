"""What a compressed frame says of itself, read without decoding it: a decoder would allocate that, whatever the header.

References
----------
JPEG: ITU-T T.81, B.2 (markers). JPEG-LS: ITU-T T.87, C.2. JPEG 2000: ITU-T T.800, A.5.1 (SIZ) and A.6.1 (COD).
Adobe's APP14 marker: ITU-T T.872, 6.5.3.
"""

import struct
from dataclasses import dataclass

__all__ = ["Codestream", "read_codestream"]

# JPEG's start-of-frame markers (table B.1) and that of JPEG-LS.
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
_START_OF_SCAN = 0xDA
_MARKERS_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
_J2K_START = b"\xff\x4f\xff\x51"


@dataclass(frozen=True)
class Codestream:
    """The head of a JPEG, JPEG-LS or JPEG 2000 stream.

    Attributes
    ----------
    kind : str
        ``"SOF0"`` (baseline), ``"SOF1"`` (extended), ``"SOF3"`` (lossless) and so on; ``"LS"``; ``"2000"``.
    rows, columns, components, precision : int
    signed : bool
        JPEG 2000 only.
    tiles : int
        JPEG 2000 only.
    even : bool
        False where the components of JPEG 2000 differ in precision, sign or sampling.
    mixes_colours : bool or None
        JPEG 2000: whether the components were transformed together (RCT or ICT), which its decoders undo.
    colour : str
        JPEG: ``"RGB"`` or ``"YBR"`` where its markers say so, else ``""``.
    """

    kind: str
    rows: int
    columns: int
    components: int
    precision: int
    signed: bool = False
    tiles: int = 1
    even: bool = True
    mixes_colours: bool | None = None
    colour: str = ""

    @property
    def least_bytes(self) -> int:
        """What a picture of this size takes at least, where that can be told: libjpeg makes up what is missing.

        A Huffman code has a bit or more. Sequential JPEG has two of them for each block of 8 × 8, the constant and the
        end; lossless JPEG one for each sample.
        """
        if self.kind in ("SOF0", "SOF1"):
            return -(-self.rows // 8) * -(-self.columns // 8) // 4
        return self.rows * self.columns * self.components // 8 if self.kind == "SOF3" else 0


def read_codestream(stream: bytes) -> Codestream | None:
    """The head of a stream, or None where it is none or is cut short."""
    try:
        start = stream.find(_J2K_START, 0, 4096)  # behind the boxes of a JP2 file, if any
        if start >= 0:
            return _jpeg_2000(stream, start)
        return _jpeg(stream) if stream.startswith(b"\xff\xd8") else None
    except (struct.error, IndexError, ZeroDivisionError):
        return None


def _jpeg_2000(stream: bytes, start: int) -> Codestream:
    size = struct.unpack_from(">IIIIIIII", stream, start + 8)
    (width, height, left, top), (tile_width, tile_height, tile_left, tile_top) = size[:4], size[4:]
    (components,) = struct.unpack_from(">H", stream, start + 40)
    described = [struct.unpack_from(">BBB", stream, start + 42 + 3 * c) for c in range(components)]
    across, down = -(-(width - tile_left) // tile_width), -(-(height - tile_top) // tile_height)
    depth = described[0][0]
    return Codestream(
        "2000",
        height - top,
        width - left,
        components,
        (depth & 0x7F) + 1,
        signed=bool(depth & 0x80),
        tiles=across * down,
        even=all(each == (depth, 1, 1) for each in described),
        mixes_colours=_mixes_colours(stream, start + 2),
    )


def _mixes_colours(stream: bytes, position: int) -> bool | None:
    """Of the COD marker segment: its fifth byte behind the length."""
    while True:
        marker, length = struct.unpack_from(">HH", stream, position)
        if marker == 0xFF52:
            return stream[position + 8] == 1
        if marker in (0xFF90, 0xFFD9) or marker < 0xFF4F:  # first tile, end of stream, no marker
            return None
        position += 2 + length


def _jpeg(stream: bytes) -> Codestream | None:
    position, colour = 2, ""
    while stream[position] == 0xFF:
        marker = stream[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if marker in _MARKERS_WITHOUT_LENGTH:
            position += 2
            continue
        (length,) = struct.unpack_from(">H", stream, position + 2)
        body = stream[position + 4 : position + 2 + length]
        if marker in _START_OF_FRAME:
            precision, rows, columns, components = struct.unpack_from(">BHHB", body)
            kind = "LS" if marker == 0xF7 else f"SOF{marker - 0xC0}"
            ids = bytes(body[6::3][:components])
            return Codestream(kind, rows, columns, components, precision, colour=colour or _by_identifiers(ids))
        if marker == _START_OF_SCAN:
            return None
        colour = _by_application(marker, body) or colour
        position += 2 + length
    return None


def _by_application(marker: int, body: bytes) -> str:
    """What Adobe's marker or JFIF says of the colours; the former is read later and is the more exact."""
    if marker == 0xEE and body.startswith(b"Adobe") and len(body) >= 12:
        return "YBR" if body[11] == 1 else "RGB"
    return "YBR" if marker == 0xE0 and body.startswith(b"JFIF\0") else ""


def _by_identifiers(ids: bytes) -> str:
    return "RGB" if ids in (b"RGB", b"rgb") else ""
