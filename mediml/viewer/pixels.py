"""Grey values as 16-bit codes with a rule that gives the values back, packed for a page.

Three ways, the first that fits: the file's own stored numbers; the distinct values by number, both without loss; and
steps of equal size, whose greatest error is measured and said.
"""

import base64
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CODES", "Encoded", "encode", "pack", "to_text"]

#: How many codes 16 bits have.
CODES = 2**16

#: Of the codes of equal steps, the last two say something else.
_NO_NUMBER, _PADDING = CODES - 2, CODES - 1

_SAMPLE = 200_000

#: Of a noisy CT, level 6 takes over twice the time and saves 1.5 % of the size.
_LEVEL = 4


@dataclass(frozen=True, eq=False)
class Encoded:
    """Codes and what they stand for.

    Attributes
    ----------
    codes : ndarray of uint16, shape (planes, rows, columns)
    table : ndarray of float32 or float64, shape (codes in use,)
        The value of each code; NaN for one that stands for no number.
    padding : ndarray of bool, shape of `table`
        Codes of pixels that the device filled in.
    first_stored : int or None
        ``stored = code + first_stored``, where the codes are the stored numbers.
    linear : tuple of two float or None
        (slope, intercept) where ``value = slope · stored + intercept``, rounded to the table's dtype.
    error : float
        Greatest distance between a value and what its code stands for; 0 without loss.
    """

    codes: NDArray[np.uint16]
    table: NDArray[Any]
    padding: NDArray[np.bool_]
    first_stored: int | None = None
    linear: tuple[float, float] | None = None
    error: float = 0.0


def encode(
    stored: NDArray[Any],
    values: NDArray[Any],
    padding: NDArray[np.bool_] | None = None,
    rescale: tuple[float, float] = (1.0, 0.0),
) -> Encoded:
    """Codes for an array of values.

    Parameters
    ----------
    stored, values : ndarray of shape (planes, rows, columns)
        As of `Image` and `Volume`; `values` is float32 or float64 and may hold NaN and infinity.
    padding : ndarray of bool, optional
    rescale : tuple of two float
        Slope and intercept that may lead from stored to values; it is tried, not trusted.
    """
    return _by_stored(stored, values, padding, rescale) or _by_distinct(values, padding) or _by_steps(values, padding)


def _by_stored(
    stored: NDArray[Any], values: NDArray[Any], padding: NDArray[np.bool_] | None, rescale: tuple[float, float]
) -> Encoded | None:
    """The stored numbers, if they fit 16 bits and each stands for one value, padded or not."""
    if stored.dtype.kind not in "iub" or stored.shape != values.shape:
        return None
    low, high = int(stored.min()), int(stored.max())
    if high - low >= CODES:
        return None
    codes = np.empty(stored.shape, np.uint16)
    table, filled = np.full(high - low + 1, np.nan, values.dtype), np.zeros(high - low + 1, bool)
    used = np.zeros(high - low + 1, bool)
    for index, plane in enumerate(stored):  # plane by plane: a series as int64 would need its size four times over
        code = plane.astype(np.int64) - low
        codes[index], table[code], used[code] = code, values[index], True
        if padding is not None:
            filled[code] = padding[index]
    for index, code in enumerate(codes):
        if not np.array_equal(table[code], values[index], equal_nan=True):
            return None
        if padding is not None and not np.array_equal(filled[code], padding[index]):
            return None
    numbers = np.arange(low, high + 1)
    for slope, intercept in (rescale, (1.0, 0.0)):
        rule = (numbers * np.float64(slope) + intercept).astype(values.dtype)
        if np.array_equal(rule[used], table[used]):
            return Encoded(codes, rule, filled, low, (float(slope), float(intercept)))
    return Encoded(codes, table, filled, low)


def _by_distinct(values: NDArray[Any], padding: NDArray[np.bool_] | None) -> Encoded | None:
    """The rank of each value among the distinct ones; padding has ranks of its own behind them."""
    sample = values.reshape(-1)[:: max(1, values.size // _SAMPLE)]
    if np.unique(sample).size > CODES:
        return None
    measured = np.unique(values if padding is None else values[~padding])
    behind = np.unique(values[padding]) if padding is not None else measured[:0]
    if measured.size + behind.size > CODES:
        return None
    codes = np.searchsorted(measured, values)
    if padding is not None:
        codes = np.where(padding, measured.size + np.searchsorted(behind, values), codes)
    table = np.concatenate([measured, behind])
    return Encoded(codes.astype(np.uint16), table, np.arange(table.size) >= measured.size)


def _by_steps(values: NDArray[Any], padding: NDArray[np.bool_] | None) -> Encoded:
    """Equal steps from the smallest to the largest finite value; one code for what is no number, one for padding."""
    usable = np.isfinite(values)
    if padding is not None:
        usable &= ~padding
    finite = values[usable].astype(np.float64)
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    step = (high - low) / (_NO_NUMBER - 1)
    table = np.full(CODES, np.nan)
    table[:_NO_NUMBER] = low + step * np.arange(_NO_NUMBER)
    codes = np.full(values.shape, _NO_NUMBER, np.uint16)
    if padding is not None:
        codes[padding] = _PADDING
    nearest = np.rint((finite - low) / step).astype(np.uint16) if step else np.zeros(finite.shape, np.uint16)
    codes[usable] = nearest
    error = float(np.abs(table[nearest] - finite).max()) if finite.size else 0.0
    return Encoded(codes, table, np.arange(CODES) == _PADDING, error=error)


def pack(plane: NDArray[Any], width: int, compress: bool = True) -> str:
    """A plane of whole numbers of `width` bytes as text: differences, bytes apart, deflated, base64.

        d[r, c] = (x[r, c] - x[r, c - 1]) mod 2^(8 width),  x[r, -1] = 0

    All low bytes of d stand before all high bytes. Neighbours are alike, so that the high bytes are nearly all equal.
    """
    codes = plane.astype(np.uint16)
    differences = np.diff(codes, axis=1, prepend=np.uint16(0))  # wraps around modulo 2^16
    shuffled = [(differences >> shift).astype(np.uint8).tobytes() for shift in (0, 8)[:width]]
    return to_text(b"".join(shuffled), compress)


def to_text(content: bytes, compress: bool = True) -> str:
    """Bytes as base64, deflated (zlib's format, RFC 1950) where asked."""
    return base64.b64encode(zlib.compress(content, _LEVEL) if compress else content).decode("ascii")
