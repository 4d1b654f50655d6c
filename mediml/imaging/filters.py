"""Filters that smooth and sharpen: mean, Gaussian, median, unsharp mask.

The linear ones run on this project's own convolution, ``kernels/conv/cpu.py``; lesson 04 opens it. None of them scales
or clips values: what goes in as HU comes out as HU.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mediml.imaging.arrays import number, per_axis, whole_per_axis
from mediml.imaging.correlation import check_border, convolve_axes, floats, grid_steps

__all__ = ["gaussian_filter", "mean_filter", "median_filter", "unsharp_mask"]

#: More taps than this along one axis are a mistake in the unit rather than a wish.
LARGEST_RADIUS = 10_000


def mean_filter(
    image: ArrayLike, size: int | tuple[int, ...] = 3, mode: str = "reflect", cval: float = 0.0
) -> NDArray[Any]:
    """Replace each pixel by the mean of its window.

        y[i, j] = 1 / (K_h K_w)  sum_{k, l} x[i + k - K_h // 2, j + l - K_w // 2]

    It lowers white noise of standard deviation s to s / sqrt(K_h K_w), and blurs edges over K pixels.

    Parameters
    ----------
    image : array_like of shape (rows, columns) or (planes, rows, columns)
        Any unit; no value is scaled or clipped.
    size : int, or one for each axis
        Odd number of pixels.
    mode : {"reflect", "mirror", "nearest", "wrap", "constant"}
        What lies outside, in the names of scipy.ndimage; `cval` with ``"constant"``.
    cval : float

    Returns
    -------
    ndarray of the shape of `image`, float32 (float64 where `image` is), in its unit

    Raises
    ------
    ValueError
        For an even or too small `size`, an unknown `mode`, a colour image.

    Notes
    -----
    Separable: one pass of the kernel along each axis, ``kernels/conv/cpu.py``. Symmetric weights, so correlation and
    convolution agree. A constant image stays the same to the last bit. A NaN reaches every pixel whose window holds it.
    Equals scipy.ndimage.uniform_filter. Taught in lessons 03, Preprocessing, and 04, Convolution.
    """
    x = floats("mean_filter", image)
    check_border("mean_filter", mode)
    sizes = _odd_sizes("mean_filter", size, x.ndim)
    return convolve_axes(x, [np.full(k, 1 / k) for k in sizes], mode, cval, 1.0)


def gaussian_filter(
    image: ArrayLike,
    sigma: float | tuple[float, ...],
    spacing_mm: tuple[float, ...] | None = None,
    truncate: float = 4.0,
    mode: str = "reflect",
    cval: float = 0.0,
) -> NDArray[Any]:
    """Blur with a bell of standard deviation `sigma`.

        y[i] = sum_{|k| <= r} w[k] x[i + k]      along each axis in turn
        w[k] = exp(-k^2 / (2 s^2)) / sum of the same over all |k| <= r
        s = sigma / spacing,  r = truncate * s, rounded

    Parameters
    ----------
    image : array_like of shape (rows, columns) or (planes, rows, columns)
        Any unit; no value is scaled or clipped.
    sigma : float, or one for each axis
        In mm where `spacing_mm` is given, else in pixels. 0 leaves an axis alone.
    spacing_mm : tuple of float, optional
        Distance of neighbours along each axis: with it the blur is as wide in the body along every axis.
    truncate : float
        The bell ends after so many standard deviations.
    mode : {"reflect", "mirror", "nearest", "wrap", "constant"}
        What lies outside, in the names of scipy.ndimage; `cval` with ``"constant"``.
    cval : float

    Returns
    -------
    ndarray of the shape of `image`, float32 (float64 where `image` is), in its unit

    Raises
    ------
    ValueError
        For a negative `sigma` or `truncate`, a bell wider than 10,000 pixels, an unknown `mode`, a colour image.

    Notes
    -----
    Separable: one pass of the kernel along each axis, ``kernels/conv/cpu.py``. Symmetric weights, so correlation and
    convolution agree. A constant image stays the same to the last bit. A NaN reaches every pixel whose window holds it.
    Equals scipy.ndimage.gaussian_filter. Taught in lessons 03, Preprocessing, and 04, Convolution.
    """
    x = floats("gaussian_filter", image)
    check_border("gaussian_filter", mode)
    sigmas = per_axis("gaussian_filter", "sigma", sigma, x.ndim, positive=False)
    widths = [s / step for s, step in zip(sigmas, grid_steps("gaussian_filter", spacing_mm, x.ndim))]
    reach = number("gaussian_filter", "truncate", truncate, positive=False)
    if reach * max(widths) > LARGEST_RADIUS:
        raise ValueError(
            f"gaussian_filter: sigma expects a bell of at most {LARGEST_RADIUS} pixels to each side, got "
            f"{reach * max(widths):.0f}; sigma is in mm with spacing_mm, else in pixels"
        )
    return convolve_axes(x, [_bell(width, reach) for width in widths], mode, cval, 1.0)


def median_filter(
    image: ArrayLike, size: int | tuple[int, ...] = 3, mode: str = "reflect", cval: float = 0.0
) -> NDArray[Any]:
    """Replace each pixel by the median of its window.

        y[i, j] = the middle one of the sorted x[i + k, j + l], |k| <= K_h // 2, |l| <= K_w // 2

    Takes out single wrong pixels (salt and pepper, dead detector elements) and keeps straight edges sharp; thin lines
    and corners are lost, since they are the minority of their windows.

    Parameters
    ----------
    image : array_like of shape (rows, columns) or (planes, rows, columns)
        Any unit; no value is scaled or clipped.
    size : int, or one for each axis
        Odd number of pixels.
    mode : {"reflect", "mirror", "nearest", "wrap", "constant"}
        What lies outside, in the names of scipy.ndimage; `cval` with ``"constant"``.
    cval : float

    Returns
    -------
    ndarray of the shape of `image`, float32 (float64 where `image` is)
        Only values that occur in `image` (or `cval`), in its unit.

    Raises
    ------
    ValueError
        For an even or too small `size`, an unknown `mode`, a colour image.

    Notes
    -----
    Not a weighted sum, so no convolution: scipy.ndimage does the sorting. A NaN reaches every pixel whose window holds
    it, as with the linear filters. Taught in lesson 03, Preprocessing.

    References
    ----------
    J. W. Tukey, Exploratory Data Analysis, Addison-Wesley (1977).
    """
    from scipy import ndimage  # here, because it takes a while to load

    x = floats("median_filter", image)
    check_border("median_filter", mode)
    sizes = _odd_sizes("median_filter", size, x.ndim)
    unknown = np.isnan(x)
    if not unknown.any():
        return np.asarray(ndimage.median_filter(x, size=sizes, mode=mode, cval=cval))
    # NaN has no place in an order, so it is kept out of the sorting and spread afterwards.
    y = ndimage.median_filter(np.where(unknown, 0, x), size=sizes, mode=mode, cval=cval)
    y[ndimage.maximum_filter(unknown, size=sizes, mode=mode, cval=0)] = np.nan
    return np.asarray(y)


def unsharp_mask(
    image: ArrayLike,
    sigma: float | tuple[float, ...],
    amount: float = 1.0,
    spacing_mm: tuple[float, ...] | None = None,
    limits: tuple[float, float] | None = None,
    mode: str = "reflect",
) -> NDArray[Any]:
    """Sharpen: add what a blur takes away.

        y = x + amount (x - G x)          G: `gaussian_filter` of width `sigma`

    Details smaller than `sigma` grow by the factor 1 + amount, and so does noise. Beside an edge the result overshoots
    by up to amount / 2 of its height: a dark and a bright line that are not in the body.

    Parameters
    ----------
    image : array_like of shape (rows, columns) or (planes, rows, columns)
        Any unit.
    sigma : float, or one for each axis
        In mm where `spacing_mm` is given, else in pixels.
    amount : float
        At least 0; 0 leaves the image as it is.
    spacing_mm : tuple of float, optional
        Distance of neighbours along each axis.
    limits : (low, high), optional
        Clip the result to this range, in the unit of `image`. Nothing is clipped unless it is given.
    mode : {"reflect", "mirror", "nearest", "wrap"}
        What lies outside, in the names of scipy.ndimage.

    Returns
    -------
    ndarray of the shape of `image`, float32 (float64 where `image` is), in its unit
        Without `limits` it may exceed the range of `image`: sharpened HU are no Hounsfield units any more.

    Raises
    ------
    ValueError
        For a negative `amount`, `limits` that are not (low, high), and what `gaussian_filter` refuses.

    Notes
    -----
    Linear but for the clipping; the blur runs on ``kernels/conv/cpu.py``. A NaN reaches every pixel whose window holds
    it. skimage.filters.unsharp_mask is the same formula, but clips to [0, 1] or [-1, 1] by default. Taught in lesson
    03, Preprocessing.
    """
    x = floats("unsharp_mask", image)
    factor = number("unsharp_mask", "amount", amount, positive=False)
    check_border("unsharp_mask", mode, constant=False)
    y = x + x.dtype.type(factor) * (x - gaussian_filter(x, sigma, spacing_mm, mode=mode))
    if limits is None:
        return np.asarray(y)
    low, high = limits
    if not low < high:
        raise ValueError(f"unsharp_mask: limits expects (low, high) with low below high, got {limits}")
    return np.asarray(np.clip(y, low, high), x.dtype)


def _odd_sizes(function: str, size: Any, ndim: int) -> tuple[int, ...]:
    sizes = whole_per_axis(function, "size", size, ndim, 1)
    if any(k % 2 == 0 for k in sizes):
        raise ValueError(f"{function}: size expects odd numbers, so that a window has a middle, got {size}")
    return sizes


def _bell(width: float, truncate: float) -> NDArray[np.float64]:
    radius = int(truncate * width + 0.5)
    if radius == 0:
        return np.ones(1)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / width) ** 2)
    return np.asarray(weights / weights.sum())
