"""What goes between this process and the one that decodes: one framed message each way, of JSON and raw bytes.

    8 bytes: length of the head · 8 bytes: length of the body · head: JSON · body: arrays one after the other

Neither side unpickles anything, and the receiver checks sizes before it allocates: the decoding process may be in the
hands of the file that it decodes.
"""

import json
import struct
from math import prod
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mediml.imaging.image import Image, LookupView, Step, WindowView
from mediml.imaging.limits import MAX_FILE_BYTES, MAX_SAMPLES

__all__ = ["Body", "EndOfStreamError", "image_from_message", "image_to_message", "receive", "send"]

_HEAD_BYTES = 2**20
#: A file, or an image: stored and physical values of 4 and 8 bytes, and its padding.
_BODY_BYTES = max(MAX_FILE_BYTES, 13 * MAX_SAMPLES)
_DTYPES = frozenset({"bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"})
_LENGTHS = struct.Struct(">QQ")
_PLAIN = (
    "units",
    "modality",
    "spacing_mm",
    "spacing_at",
    "aspect",
    "inverted",
    "orientation",
    "origin_mm",
    "age_years",
)


class EndOfStreamError(Exception):
    """The other side has gone, or does not keep to the protocol."""


def send(stream: BinaryIO, head: dict[str, Any], body: list[Any]) -> None:
    """Write one message. `body` holds bytes or arrays, which are written as they lie in memory."""
    parts = [_flat(part) for part in body]
    text = json.dumps(head).encode()
    stream.write(_LENGTHS.pack(len(text), sum(len(part) for part in parts)))
    stream.write(text)
    for part in parts:
        stream.write(part)
    stream.flush()


def _flat(part: Any) -> Any:
    """The bytes of an array, in the order of its axes."""
    return np.ascontiguousarray(part).reshape(-1).view(np.uint8).data if isinstance(part, np.ndarray) else part


class Body:
    """What follows the head of a message, read as it is asked for."""

    def __init__(self, stream: BinaryIO, length: int):
        self._stream, self.left = stream, length

    def content(self) -> bytes:
        """All of it."""
        length, self.left = self.left, 0
        content = self._stream.read(length)
        if len(content) < length:
            raise EndOfStreamError
        return content

    def array(self, described: Any) -> Any:
        """The next array, or None where `described` is."""
        if described is None:
            return None
        dtype, shape = described["dtype"], tuple(described["shape"])
        if dtype not in _DTYPES or not all(isinstance(n, int) and n >= 0 for n in shape):
            raise EndOfStreamError
        length = prod(shape) * np.dtype(dtype).itemsize
        if length > self.left:
            raise EndOfStreamError
        array = np.empty(shape, dtype)
        if length and self._stream.readinto(_flat(array)) < length:  # type: ignore[attr-defined]
            raise EndOfStreamError
        self.left -= length
        return array


def receive(stream: BinaryIO) -> tuple[dict[str, Any], Body]:
    """Read the head of one message."""
    lengths = stream.read(_LENGTHS.size)
    if len(lengths) < _LENGTHS.size:
        raise EndOfStreamError
    head_length, body_length = _LENGTHS.unpack(lengths)
    if head_length > _HEAD_BYTES or body_length > _BODY_BYTES:
        raise EndOfStreamError
    try:
        head = json.loads(stream.read(head_length))
    except ValueError:
        raise EndOfStreamError from None
    if not isinstance(head, dict):
        raise EndOfStreamError
    return head, Body(stream, body_length)


def image_to_message(image: Image) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    """An image as head and body."""
    arrays: list[NDArray[Any]] = []

    def packed(array: NDArray[Any] | None) -> Any:
        if array is None:
            return None
        arrays.append(array.astype(array.dtype.newbyteorder("="), copy=False))
        return {"dtype": array.dtype.name, "shape": array.shape}

    head = {name: getattr(image, name) for name in _PLAIN}
    head |= {name: packed(getattr(image, name)) for name in ("stored", "values", "padding")}
    head["views"] = [
        {"first": view.first, "bits": view.bits, "table": packed(view.table)}
        if isinstance(view, LookupView)
        else vars(view)
        for view in image.views
    ]
    head["facts"] = dict(image.facts)
    for name in ("account", "doubts"):
        head[name] = [[step.code, dict(step.values)] for step in getattr(image, name)]
    return head, arrays


def image_from_message(head: dict[str, Any], body: Body) -> Image:
    """The image of `image_to_message`."""
    fields = {name: head[name] for name in _PLAIN}
    fields |= {name: _tuple(fields[name]) for name in ("spacing_mm", "orientation", "origin_mm")}
    fields |= {name: body.array(head[name]) for name in ("stored", "values", "padding")}
    fields["views"] = tuple(
        LookupView(view["first"], body.array(view["table"]), view["bits"]) if "table" in view else WindowView(**view)
        for view in head["views"]
    )
    for name in ("account", "doubts"):
        fields[name] = tuple(Step(code, values) for code, values in head[name])
    return Image(facts=head["facts"], **fields)


def _tuple(values: list[float] | None) -> tuple[float, ...] | None:
    return None if values is None else tuple(values)
