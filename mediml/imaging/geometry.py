"""Cropping and resampling, with what they do to the size of a pixel."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["center_square", "resize_area"]


def center_square(image: ArrayLike, aspect: float = 1.0) -> NDArray[Any]:
    """The largest centred square, as it is in the body and not in pixels.

    Parameters
    ----------
    image : array_like of shape (rows, columns)
    aspect : float
        Height of a pixel over its width. With 2.0 the square has twice as many columns as rows.

    Returns
    -------
    ndarray of shape (side_rows, side_columns), a view of `image`
    """
    array = np.asarray(image)
    if array.ndim != 2:
        raise ValueError(f"center_square: expected shape (rows, columns), got {array.shape}")
    if not (np.isfinite(aspect) and aspect > 0):
        raise ValueError(f"center_square: aspect expects a positive number, got {aspect}")
    rows, columns = array.shape
    side = min(rows * aspect, float(columns))  # in widths of a pixel
    side_rows, side_columns = max(1, round(side / aspect)), max(1, round(side))
    top, left = (rows - side_rows) // 2, (columns - side_columns) // 2
    return array[top : top + side_rows, left : left + side_columns]


def resize_area(image: ArrayLike, shape: tuple[int, int]) -> NDArray[Any]:
    """Resample by area: each new pixel is the mean of the old ones below it, weighted by the overlap.

        y[i, j] = sum_{r, c} R[i, r] C[j, c] x[r, c]
        R[i, r] = length of [i, i + 1) * rows / I that lies in [r, r + 1), over rows / I        likewise C

    Keeps the mean, and cannot alias or overshoot, unlike interpolation between single pixels.

    Parameters
    ----------
    image : array_like of shape (rows, columns)
    shape : tuple of two int
        New rows I and columns J; larger than the old ones gives blocks.

    Returns
    -------
    ndarray of shape `shape`, float32 (float64 where `image` is)
    """
    array = np.asarray(image)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"resize_area: expected shape (rows, columns) of at least one pixel, got {array.shape}")
    if len(shape) != 2 or min(shape) < 1:
        raise ValueError(f"resize_area: shape expects two positive whole numbers, got {shape}")
    dtype = np.float64 if array.dtype == np.float64 else np.float32
    by_rows = _overlap(array.shape[0], shape[0]) @ array.astype(np.float64)
    return np.asarray(by_rows @ _overlap(array.shape[1], shape[1]).T, dtype)


def _overlap(old: int, new: int) -> NDArray[np.float64]:
    """Row i: what share of new pixel i each old pixel makes up."""
    edges = np.arange(new + 1) * (old / new)
    low, high = edges[:-1, None], edges[1:, None]
    pixel = np.arange(old)
    share = np.minimum(high, pixel + 1) - np.maximum(low, pixel)
    return np.asarray(np.maximum(share, 0) * (new / old))
