"""What the functions on pixels ask of their arguments, said once: numbers, masks, ranges, one value for each axis."""

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["as_floats", "as_mask", "as_range", "measured", "number", "per_axis", "whole", "whole_per_axis"]


def as_floats(function: str, image: ArrayLike, least: int = 1) -> NDArray[Any]:
    """The image as float64 where it is float64, else as float32; perhaps the caller's own array, not to be written to.

    Integers up to 2^24 are exact in float32.
    """
    x = np.asarray(image)
    if x.dtype.kind not in "buif":
        raise ValueError(f"{function}: image expects real numbers, got dtype {x.dtype}")
    if x.size < least:
        raise ValueError(f"{function}: image expects at least {least} pixel, got shape {x.shape}")
    return x.astype(np.float64 if x.dtype == np.float64 else np.float32, copy=False)


def as_mask(function: str, mask: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """A mask of booleans, or of numbers of which all but 0 are inside."""
    inside = np.asarray(mask)
    if inside.shape != shape:
        raise ValueError(f"{function}: mask expects the image's shape {shape}, got {inside.shape}")
    return inside != 0


def measured(function: str, x: NDArray[Any], mask: ArrayLike | None) -> NDArray[Any]:
    """The finite values, of those under the mask, in one row of float64."""
    inside = np.isfinite(x)
    if mask is not None:
        inside &= as_mask(function, mask, x.shape)
    values = x[inside].astype(np.float64, copy=False)
    if values.size == 0:
        where = "" if mask is None else " under the mask"
        raise ValueError(f"{function}: image expects at least one finite value{where}, got none")
    return values


def as_range(function: str, value_range: tuple[float, float], x: NDArray[Any] | None = None) -> tuple[float, float]:
    """Two finite numbers, the lower one first; with `x`, its values have to lie between them."""
    low, high = (float(bound) for bound in value_range)
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise ValueError(f"{function}: value_range expects two finite numbers, the lower first, got {value_range}")
    if x is not None and not np.isnan(x).all():
        least, most = float(np.nanmin(x)), float(np.nanmax(x))
        if least < low or most > high:
            raise ValueError(
                f"{function}: image expects values from {low:g} to {high:g}, got {least:g} to {most:g}; "
                f"give their value_range, or bring them into one with window or percentile_scale"
            )
    return low, high


def number(function: str, name: str, value: Any, positive: bool = True) -> float:
    """One finite number: above 0, or of at least 0."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = np.nan
    if not np.isfinite(found) or found < 0 or (positive and found == 0):
        bound = "above 0" if positive else "of at least 0"
        raise ValueError(f"{function}: {name} expects a finite number {bound}, got {value!r}")
    return found


def whole(function: str, name: str, value: Any, least: int) -> int:
    """One whole number of at least `least`."""
    try:
        found = operator.index(value)
    except TypeError:
        found = least - 1
    if found < least:
        raise ValueError(f"{function}: {name} expects a whole number of at least {least}, got {value!r}")
    return found


def per_axis(function: str, name: str, values: Any, axes: int, positive: bool = True) -> tuple[float, ...]:
    """One finite number for each axis; a single one counts for all."""
    numbers = np.broadcast_to(np.asarray(values, np.float64), (axes,)) if np.ndim(values) == 0 else np.asarray(values)
    try:
        numbers = numbers.astype(np.float64)
    except (TypeError, ValueError):
        numbers = np.empty(0)
    bad = numbers <= 0 if positive else numbers < 0
    if numbers.shape != (axes,) or not np.isfinite(numbers).all() or bad.any():
        kind = "positive" if positive else "non-negative"
        raise ValueError(f"{function}: {name} expects {axes} {kind} numbers, one for each axis, got {values!r}")
    return tuple(float(number) for number in numbers)


def whole_per_axis(function: str, name: str, values: Any, axes: int, least: int) -> tuple[int, ...]:
    """One whole number of at least `least` for each axis; a single one counts for all."""
    several: Sequence[Any] = values if np.ndim(values) else [values] * axes
    try:
        numbers = tuple(operator.index(each) for each in several)
    except TypeError:
        numbers = ()
    if len(numbers) != axes or min(numbers, default=0) < least:
        raise ValueError(
            f"{function}: {name} expects {axes} whole numbers of at least {least}, one for each axis, got {values!r}"
        )
    return numbers
