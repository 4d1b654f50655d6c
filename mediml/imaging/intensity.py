"""What is done to grey values on the way from the detector to the screen: windows and lookup tables."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["WINDOW_FUNCTIONS", "lookup", "window"]

WINDOW_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


def window(values: ArrayLike, center: float, width: float, function: str = "LINEAR") -> NDArray[Any]:
    """Map the values around `center` to [0, 1]: 0 is black, 1 is white.

        LINEAR          y = (x - (center - 1/2)) / (width - 1) + 1/2, clipped to [0, 1]
        LINEAR_EXACT    y = (x - center) / width + 1/2, clipped to [0, 1]
        SIGMOID         y = 1 / (1 + exp(-4 (x - center) / width))

    Parameters
    ----------
    values : array_like
        Physical values, such as HU; `center` and `width` are in the same unit.
    center, width : float
        Width at least 1 for LINEAR, above 0 for the other two. LINEAR of width 1 is a threshold:
        0 where x <= center - 1/2, else 1.
    function : {"LINEAR", "LINEAR_EXACT", "SIGMOID"}

    Returns
    -------
    ndarray of the shape of `values`, float32 (float64 where `values` is)
        From 0 to 1, without unit. NaN stays; what is infinite becomes 0 or 1.

    Raises
    ------
    ValueError
        If `function` is unknown or `width` is out of range.

    References
    ----------
    DICOM PS3.3, C.11.2.1.2 and C.11.2.1.3. LINEAR's half and one come from integer values: a window of width w holds
    w of them. Taught in lesson 02, DICOM and geometry.
    """
    if function not in WINDOW_FUNCTIONS:
        raise ValueError(f"window: function expects one of {', '.join(WINDOW_FUNCTIONS)}, got {function!r}")
    least = 1.0 if function == "LINEAR" else 0.0
    if not (np.isfinite(center) and np.isfinite(width)) or width < least or width == 0:
        bound = "at least 1" if function == "LINEAR" else "above 0"
        raise ValueError(f"window: {function} expects a finite center and a width {bound}, got {center} and {width}")
    x = np.asarray(values)
    x = x.astype(np.float64 if x.dtype == np.float64 else np.float32, copy=False)
    if function == "SIGMOID":
        with np.errstate(over="ignore"):  # exp(inf) = inf gives the right 0
            return np.asarray(1 / (1 + np.exp(-4 * (x - center) / width)), x.dtype)
    if function == "LINEAR":
        center, width = center - 0.5, width - 1
    if width == 0:
        return np.where(np.isnan(x), x, x > center).astype(x.dtype, copy=False)
    return np.clip((x - center) / width + 0.5, 0, 1).astype(x.dtype, copy=False)


def lookup(values: ArrayLike, first: int, table: ArrayLike) -> NDArray[Any]:
    """Replace each value x by ``table[x - first]``; what lies before or after the table takes its first or last entry.

    Parameters
    ----------
    values : array_like
        Whole numbers; others are rounded, and NaN takes the first entry.
    first : int
        The value that the first entry of `table` belongs to.
    table : array_like of shape (entries,)

    Returns
    -------
    ndarray of the shape of `values`, dtype of `table`

    Raises
    ------
    ValueError
        If `table` has not one axis or no entry.

    References
    ----------
    DICOM PS3.3, C.11.1.1 (modality LUT) and C.11.2.1.1 (VOI LUT).
    """
    entries = np.asarray(table)
    if entries.ndim != 1 or entries.size == 0:
        raise ValueError(f"lookup: table expects shape (entries,) with at least one entry, got {entries.shape}")
    x, last = np.asarray(values), entries.size - 1
    if x.dtype.kind == "f":  # before they become integers, in which the infinite have no place
        index = np.nan_to_num(np.clip(np.rint(x.astype(np.float64)) - first, 0, last), nan=0).astype(np.int64)
    else:  # int64: the subtraction would wrap around in the uint16 of most files
        index = np.clip(x.astype(np.int64) - first, 0, last)
    return np.asarray(entries[index])
