"""Uneven brightness of MR images: a smooth factor, found and taken out.

A coil receives more from tissue near by. What is measured is v = u f + noise, where the field f changes slowly; in
logarithms the factor is a sum, and every tissue's peak of the histogram is smeared over the range of log f.
"""

from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mediml.imaging.arrays import as_mask, number, whole
from mediml.imaging.body import otsu_threshold
from mediml.imaging.correlation import finite
from mediml.imaging.filters import gaussian_filter
from mediml.imaging.splines import SplineFit, block_means

__all__ = ["BiasCorrection", "correct_bias_field", "homomorphic_filter"]

#: More pixels than this say nothing more about a smooth field: larger images are worked on in blocks.
ENOUGH_PIXELS = 100_000

BINS = 200

#: Wiener's constant: how far noise of the histogram is let through.
HISTOGRAM_NOISE = 0.01


class BiasCorrection(NamedTuple):
    """What comes of a correction: ``corrected, field = correct_bias_field(image)``.

    Attributes
    ----------
    corrected : ndarray
        ``image / field``, in the unit of the image.
    field : ndarray of the same shape
        Dimensionless, above 0, with geometric mean 1 in the mask.
    """

    corrected: NDArray[Any]
    field: NDArray[Any]


def correct_bias_field(
    image: ArrayLike,
    mask: ArrayLike | None = None,
    spans: tuple[int, ...] = (1,),
    width: float = 0.15,
    most_steps: int = 50,
    tolerance: float = 1e-3,
) -> BiasCorrection:
    """Estimate the smooth factor that makes each tissue's brightness uneven, and divide by it (after N4).

        b = 0;  repeat, with v = log image in the mask:
            u = v - b
            H = histogram of u;  U = H deconvolved by a Gaussian of full width `width` at half height (Wiener)
            E[U | u] = the mean of the sharp value, given the blurred one u
            b <- b + S (u - E[U | u])                S: least squares fit of cubic B-splines
        until exp of the change of b varies by less than `tolerance` (its standard deviation over its mean)
        corrected = image / exp(b)

    Parameters
    ----------
    image : array_like of shape (rows, columns) or (planes, rows, columns)
        Any unit; values at or below 0 have no logarithm and are not counted.
    mask : array_like of bool, of the shape of `image`, optional
        Where there is tissue. By default what lies above half of `otsu_threshold`, which parts bright from dark
        tissue as often as tissue from air.
    spans : tuple of int
        The splines' pieces along each axis, coarse to fine: one round of steps for each. One piece is a cubic along
        each axis, enough for a head coil; ``(1, 2, 4)`` follows the field of a surface coil, and may follow anatomy:
        white matter lies within and grey at the rim, so in a mask of the brain on T1 the order of the tissues is taken
        for bias. On the head phantom with ± 20 % the default leaves about 0.03 of log field there, where the finer
        rounds leave as much as there was, 0.09.
    width : float
        In logarithms: 0.15 takes values as blurred by about ± 7 %.
    most_steps : int
        Per round, at least 1.
    tolerance : float

    Returns
    -------
    BiasCorrection
        `corrected` and `field`, float32 (float64 where `image` is). The field's geometric mean in the mask is 1, for
        its scale cannot be known; outside the mask it is the splines' continuation, kept to the range inside.

    Raises
    ------
    ValueError
        For NaN or infinite values, a mask of another shape or of fewer than 16 positive pixels, `spans` below 1, a
        colour image.

    Notes
    -----
    Larger images are averaged in blocks to at most 100,000 pixels first; the field is evaluated on the full grid. It
    differs from N4 in the fit: one least squares problem per round in place of Lee's local averages.

    It is for images of a few tissues, each of nearly one brightness. Where an organ is brighter on one side by nature
    (a radiograph, a lesion that fills the field of view) that is taken for bias and removed. An image whose numbers
    mean something, such as HU or a T1 map, must not be corrected. Taught in lesson 03, Preprocessing.

    References
    ----------
    J. G. Sled, A. P. Zijdenbos, A. C. Evans, "A nonparametric method for automatic correction of intensity
    nonuniformity in MRI data", IEEE Transactions on Medical Imaging 17 (1998): the sharpening. N. J. Tustison et al.,
    "N4ITK: improved N3 bias correction", IEEE Transactions on Medical Imaging 29 (2010): the steps and their default
    values.
    """
    x, inside = _tissue("correct_bias_field", image, mask)
    number("correct_bias_field", "width", width)
    number("correct_bias_field", "tolerance", tolerance)
    most_steps = whole("correct_bias_field", "most_steps", most_steps, 1)
    if not len(spans) or any(not isinstance(s, Integral) or s < 1 for s in spans):
        raise ValueError(f"correct_bias_field: spans expects whole numbers of at least 1, got {spans}")
    block = _blocks(x.shape)
    means, known = block_means(x, inside, block)
    logs = np.log(means, out=np.zeros_like(means), where=known)
    coarse, fine = np.zeros_like(logs), np.zeros(x.shape)
    for pieces in spans:
        fit = SplineFit(known, int(pieces))
        total = np.zeros(fit.shape)
        for _ in range(most_steps):
            sharp = np.zeros_like(logs)
            sharp[known] = _sharpened((logs - coarse)[known], width)
            step = fit.coefficients(logs - coarse - sharp)
            change = fit.evaluate(step)
            total += step
            coarse = coarse + change
            ratio = np.exp(change[known])
            if ratio.std() < tolerance * ratio.mean():
                break
        fine += fit.on_grid(total, x.shape, block)
    return _divided(x, fine, inside)


def homomorphic_filter(
    image: ArrayLike, sigma: float, mask: ArrayLike | None = None, spacing_mm: tuple[float, ...] | None = None
) -> BiasCorrection:
    """Take out what changes slowly in the logarithm: quick, and blind to tissue.

        log field = G (m log x) / G m - its mean in the mask            G: `gaussian_filter`, m: 1 in the mask, else 0
        corrected = image / field

    Parameters
    ----------
    image : array_like of shape (rows, columns) or (planes, rows, columns)
        Any unit; values at or below 0 have no logarithm and are not counted.
    sigma : float
        Width of the blur, in mm where `spacing_mm` is given, else in pixels: larger than the organs, or their contrast
        is taken for bias and goes with it.
    mask : array_like of bool, of the shape of `image`, optional
        Where there is tissue. By default what lies above half of `otsu_threshold`, which parts bright from dark
        tissue as often as tissue from air.
    spacing_mm : tuple of float, optional
        Distance of neighbours along each axis.

    Returns
    -------
    BiasCorrection
        As of `correct_bias_field`. Farther than 4 `sigma` from the mask the field is 1.

    Raises
    ------
    ValueError
        For NaN or infinite values, a mask of another shape or of fewer than 16 positive pixels, a `sigma` that is not
        positive, a colour image.

    Notes
    -----
    The blur is normalised by that of the mask, so that the dark outside does not pull the field down at the rim. It
    runs on ``kernels/conv/cpu.py``. Taught in lesson 03, Preprocessing.

    References
    ----------
    A. V. Oppenheim, R. W. Schafer, T. G. Stockham, "Nonlinear filtering of multiplied and convolved signals",
    Proceedings of the IEEE 56 (1968). H. Knutsson, C.-F. Westin, "Normalized and differential convolution", CVPR
    (1993): the blur in a mask.
    """
    x, inside = _tissue("homomorphic_filter", image, mask)
    number("homomorphic_filter", "sigma", sigma)
    logs = np.log(x, out=np.zeros(x.shape), where=inside)
    logs[inside] -= logs[inside].mean()
    near = gaussian_filter(inside.astype(np.float64), sigma, spacing_mm, mode="constant")
    blurred = gaussian_filter(logs, sigma, spacing_mm, mode="constant")
    return _divided(x, np.divide(blurred, near, out=np.zeros_like(logs), where=near > 1e-9), inside)


def _tissue(function: str, image: ArrayLike, mask: ArrayLike | None) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """The checked image, and the pixels that count."""
    x = finite(function, image)
    if mask is not None:
        inside = as_mask(function, mask, x.shape) & (x > 0)
    else:
        varies = x.min() < x.max()
        inside = x > max(otsu_threshold(x) / 2 if varies else 0, 0)
    if inside.sum() < 16:
        raise ValueError(f"{function}: mask expects at least 16 pixels above 0, got {inside.sum()}")
    return x, inside


def _divided(x: NDArray[Any], log_field: NDArray[Any], inside: NDArray[np.bool_]) -> BiasCorrection:
    within = log_field[inside]
    kept = np.clip(log_field, within.min(), within.max()) - within.mean()
    field = np.exp(kept).astype(x.dtype)
    return BiasCorrection(np.asarray(x / field), field)


def _blocks(shape: tuple[int, ...]) -> list[int]:
    """Sides of the blocks: longer along the axes of most pixels, until there are few enough."""
    block = [1] * len(shape)
    while np.prod([-(-size // side) for size, side in zip(shape, block)]) > ENOUGH_PIXELS:
        block[int(np.argmax([size / side for size, side in zip(shape, block)]))] += 1
    return block


def _sharpened(u: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """E[U | u]: for each value the mean of the sharp values that a Gaussian blurs into it."""
    low, high = float(u.min()), float(u.max())
    if high - low < 1e-6:
        return u
    step = (high - low) / (BINS - 1)
    place = (u - low) / step
    left = np.minimum(place.astype(int), BINS - 2)
    right = place - left  # each value counts in two bins, so that the histogram changes smoothly with it
    counts = np.bincount(left, 1 - right, BINS) + np.bincount(left + 1, right, BINS)
    around = 2 * BINS  # room for the tails, for the transform is circular
    values = low + step * (np.arange(around) - around // 4)
    histogram = np.zeros(around)
    histogram[around // 4 : around // 4 + BINS] = counts
    distance = np.minimum(np.arange(around), around - np.arange(around)) * step
    blur = np.exp(-4 * np.log(2) * (distance / width) ** 2)
    blur = np.fft.rfft(blur / blur.sum()).real  # symmetric: no imaginary part
    sharp = np.maximum(np.fft.irfft(np.fft.rfft(histogram) * blur / (blur**2 + HISTOGRAM_NOISE), around), 0)
    above = np.fft.irfft(np.fft.rfft(sharp * values) * blur, around)
    below = np.fft.irfft(np.fft.rfft(sharp) * blur, around)
    enough = below > 1e-8 * below.max()
    mean = np.where(enough, above / np.where(enough, below, 1), values)
    return np.interp(u, values, mean)
