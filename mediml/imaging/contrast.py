"""Contrast: histogram equalisation over the whole image and over its parts, and the gamma curve.

They change how grey values are shown. What they return is for the eye, or for a network that was trained on it; it is
no longer a physical measure. Taught in lesson 03, Preprocessing.
"""

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mediml.imaging.arrays import as_floats, as_range, measured, number, whole, whole_per_axis

__all__ = ["clahe", "equalise_histogram", "gamma"]


def gamma(image: ArrayLike, exponent: float, value_range: tuple[float, float] = (0.0, 1.0)) -> NDArray[Any]:
    """Lift or lower the middle of the grey scale; its ends stay.

        y = low + (high - low) * ((x - low) / (high - low)) ^ exponent        low, high = value_range

    Parameters
    ----------
    image : array_like of any shape
        Values within `value_range`; NaN stays.
    exponent : float
        Above 0. Below 1 the dark parts gain contrast and become brighter, above 1 the bright parts do and become
        darker; 1 changes nothing, and `exponent` undoes 1 / `exponent`.
    value_range : tuple of two float
        Black and white in the unit of the image.

    Returns
    -------
    ndarray of the shape of `image`, float32 (float64 where `image` is)
        Values within `value_range`, rising in x.

    Raises
    ------
    ValueError
        If the exponent is not above 0, or a value lies outside of `value_range`.

    References
    ----------
    Taught in lesson 03, Preprocessing.
    """
    exponent = number("gamma", "exponent", exponent)
    x = as_floats("gamma", image)
    low, high = as_range("gamma", value_range, x)
    y = low + (high - low) * np.power((x - low) / (high - low), exponent)
    return np.asarray(np.clip(y, low, high), x.dtype)  # rounding may step over the end by one bit


def equalise_histogram(image: ArrayLike, bins: int = 256, mask: ArrayLike | None = None) -> NDArray[Any]:
    """Replace each value by its rank: the share of the image that is at most as bright.

        y = F(x),   F(centre of bin b) = (number of values in the bins 0 to b) / (number of values)

    and linearly between the centres; the bins are of equal width from the least to the largest value. Each grey level
    is then used by about as many pixels as any other, so that large uniform parts, air too, get most of the contrast.

    Parameters
    ----------
    image : array_like of any shape
        Values in any unit. NaN stays and does not count.
    bins : int
        At least 2.
    mask : array_like of the same shape, optional
        Which values count. All of the image is mapped; values beyond those under the mask take the lowest or highest F.

    Returns
    -------
    ndarray of the shape of `image`, float32 (float64 where `image` is)
        Within (0, 1], without unit; never falling in x.

    Raises
    ------
    ValueError
        If nothing finite counts or all that counts is one value.

    References
    ----------
    R. C. Gonzalez, R. E. Woods, "Digital Image Processing", section on histogram equalisation. The same as
    ``skimage.exposure.equalize_hist`` on floating-point images.
    Taught in lesson 03, Preprocessing.
    """
    bins = whole("equalise_histogram", "bins", bins, 2)
    x = as_floats("equalise_histogram", image)
    values = measured("equalise_histogram", x, mask)
    if values.min() == values.max():
        raise ValueError(f"equalise_histogram: image expects values that differ, got {values[0]:g} only")
    counts, edges = np.histogram(values, bins)
    y = np.interp(x, (edges[:-1] + edges[1:]) / 2, np.cumsum(counts) / values.size)
    return np.where(np.isnan(x), np.nan, y).astype(x.dtype)


def clahe(
    image: ArrayLike,
    tile: int | tuple[int, ...],
    clip_limit: float = 2.0,
    value_range: tuple[float, float] = (0.0, 1.0),
    bins: int = 256,
) -> NDArray[Any]:
    """Contrast-limited adaptive histogram equalisation: each part of the image gets a grey scale of its own.

    The image is laid out with tiles from its first corner on, mirrored where the last tile reaches beyond it.

        h_t[b]  = share of the pixels of tile t whose value lies in bin b, times bins        (mean over b: 1)
        c_t[b]  = min(h_t[b] + a_t, clip_limit), with a_t such that the mean over b is 1 again
        F_t(x)  = integral of c_t from low to x, over high - low        (piecewise linear, from 0 to 1)
        y       = low + (high - low) * sum_t w_t F_t(x)        low, high = value_range

    w_t are the weights of linear interpolation between the centres of the nearest tiles, along each axis; before the
    first and after the last centre one tile alone counts. c_t is the slope of the curve: contrast, noise with it, grows
    at most by `clip_limit`. 1 changes nothing; infinity is adaptive equalisation without a limit.

    Parameters
    ----------
    image : array_like of shape (rows, columns) or (planes, rows, columns)
        Values within `value_range`. NaN stays and does not count.
    tile : int or tuple of int, one for each axis
        Size of a tile in pixels, at least 2. An eighth of the image is usual. Smaller tiles show finer
        contrast, and more noise.
    clip_limit : float
        At least 1.
    value_range : tuple of two float
        Black and white in the unit of the image.
    bins : int
        Steps of the histograms, at least 2.

    Returns
    -------
    ndarray of the shape of `image`, float32 (float64 where `image` is)
        Values within `value_range`.

    Raises
    ------
    ValueError
        If the shape, `tile`, `clip_limit` or `bins` is not as described, or a value lies outside of `value_range`.

    Notes
    -----
    Written out here and not taken from ``skimage.exposure.equalize_adapthist``, which stretches each image from its own
    minimum and maximum to 0 and 1, before and after, rounds to as many levels as there are bins, and states its limit
    as a share of the tile's pixels, rounded to whole ones. Over the same range, with ``clip_limit`` there
    = clip_limit / bins and tiles of thousands of pixels, the two agree but for that rounding and for half a pixel in
    the tiles' centres.

    References
    ----------
    S. M. Pizer et al., "Adaptive histogram equalization and its variations", Computer Vision, Graphics, and Image
    Processing 39 (1987), 355-368. K. Zuiderveld, "Contrast limited adaptive histogram equalization", in Graphics Gems
    IV (1994), 474-485.
    Taught in lesson 03, Preprocessing.
    """
    x = as_floats("clahe", image)
    if x.ndim not in (2, 3):
        raise ValueError(f"clahe: image expects 2 or 3 axes, got shape {x.shape}")
    tiles = whole_per_axis("clahe", "tile", tile, x.ndim, 2)
    bins = whole("clahe", "bins", bins, 2)
    if not clip_limit >= 1:
        raise ValueError(f"clahe: clip_limit expects a number of at least 1, got {clip_limit}")
    low, high = as_range("clahe", value_range, x)
    place = (x - x.dtype.type(low)) * (bins / (high - low))  # in bins
    known = ~np.isnan(place)
    place = np.clip(np.where(known, place, 0), 0, bins)
    level = np.minimum(place.astype(np.intp), bins - 1)
    curves = _tile_curves(level, known, tiles, bins, clip_limit)
    y = low + (high - low) * _blend(curves, level, place - level, tiles)
    return np.where(known, np.clip(y, low, high), np.nan).astype(x.dtype)


def _tile_curves(
    level: NDArray[np.intp], known: NDArray[np.bool_], tiles: tuple[int, ...], bins: int, clip_limit: float
) -> NDArray[np.float64]:
    """F of each tile at the edges of the bins: shape (tiles along each axis …, bins + 1)."""
    counts = tuple(-(-size // tile) for size, tile in zip(level.shape, tiles))
    beyond = [(0, count * tile - size) for count, tile, size in zip(counts, tiles, level.shape)]
    level = np.pad(np.where(known, level, bins), beyond, mode="reflect")  # a bin of its own for NaN
    own = np.zeros(level.shape, np.intp)
    for axis, (count, tile) in enumerate(zip(counts, tiles)):
        steps = np.repeat(np.arange(count), tile).reshape([-1 if a == axis else 1 for a in range(level.ndim)])
        own = own * count + steps
    number = int(np.prod(counts))
    histograms = np.bincount((own * (bins + 1) + level).ravel(), minlength=number * (bins + 1)).astype(np.float64)
    histograms = histograms.reshape(number, bins + 1)[:, :bins]
    total = histograms.sum(axis=1, keepdims=True)
    heights = np.where(total > 0, histograms * bins / np.maximum(total, 1), 1.0)  # nothing known: the identity
    curves = np.zeros((number, bins + 1))
    np.cumsum(_limited(heights, clip_limit) / bins, axis=1, out=curves[:, 1:])
    return (curves / curves[:, -1:]).reshape(*counts, bins + 1)


def _limited(heights: NDArray[np.float64], clip_limit: float) -> NDArray[np.float64]:
    """``min(h + a, clip_limit)`` of mean 1 in each row. The mean rises with a: found by halving."""
    low, high = np.zeros((len(heights), 1)), np.ones((len(heights), 1))
    for _ in range(40):
        middle = (low + high) / 2
        above = np.minimum(heights + middle, clip_limit).mean(axis=1, keepdims=True) > 1
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return np.minimum(heights + high, clip_limit)


def _blend(
    curves: NDArray[np.float64], level: NDArray[np.intp], rest: NDArray[Any], tiles: tuple[int, ...]
) -> NDArray[np.float64]:
    """Each pixel through the curves of the nearest tiles, weighted by how near their centres are."""
    sides = []
    for axis, (size, tile) in enumerate(zip(level.shape, tiles)):
        along = [-1 if a == axis else 1 for a in range(level.ndim)]
        at = np.clip((np.arange(size) - (tile - 1) / 2) / tile, 0, curves.shape[axis] - 1)
        first = np.minimum(at.astype(np.intp), max(curves.shape[axis] - 2, 0))
        second = np.minimum(first + 1, curves.shape[axis] - 1)
        share = at - first
        sides.append(
            ((first.reshape(along), (1 - share).reshape(along)), (second.reshape(along), share.reshape(along)))
        )
    y = np.zeros(level.shape)
    for corner in product(*sides):
        index = tuple(where for where, _ in corner)
        below = curves[(*index, level)]
        value = below + rest * (curves[(*index, level + 1)] - below)
        for _, weight in corner:
            value *= weight
        y += value
    return y
