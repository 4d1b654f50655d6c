"""How near an image comes to its reference: PSNR and SSIM.

Both compare pixels. Neither says whether a finding is still there, or whether one was invented: an opacity of a few
pixels moves them by less than they vary between images.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import correlate1d

from mediml.evaluation.intervals import Estimate, cluster_bootstrap

__all__ = ["mean_quality", "psnr", "ssim"]

#: The window of Wang et al.: 11 pixels, a Gaussian of 1.5 pixels; and their two constants.
_RADIUS = 5
_SIGMA = 1.5
_K1, _K2 = 0.01, 0.03


def psnr(images: ArrayLike, references: ArrayLike, data_range: float = 1.0) -> NDArray[np.float64]:
    """Peak signal-to-noise ratio in decibels: 10 log10(data_range² / mean squared error).

    Parameters
    ----------
    images, references : array_like of shape (…, H, W), the same
    data_range : float
        Largest possible value less the smallest: 1 for images from 0 to 1, 255 for 8 bits. Never that of the data.

    Returns
    -------
    ndarray of float64, shape (…)
        One number per image; infinity where the two are equal.
    """
    first, second = _pair("psnr", images, references, data_range)
    error = ((first - second) ** 2).mean((-2, -1))
    with np.errstate(divide="ignore"):
        return np.asarray(10 * np.log10(data_range**2 / error))


def ssim(images: ArrayLike, references: ArrayLike, data_range: float = 1.0) -> NDArray[np.float64]:
    """Structural similarity, the mean over all windows of

    ``(2 m_x m_y + C1) (2 s_xy + C2) / ((m_x² + m_y² + C1) (s_x² + s_y² + C2))``

    with means `m`, variances `s²` and the covariance `s_xy` in a Gaussian window of 11 × 11 pixels with a standard
    deviation of 1.5, ``C1 = (0.01 data_range)²`` and ``C2 = (0.03 data_range)²``.

    Parameters
    ----------
    images, references : array_like of shape (…, H, W), the same; H and W at least 11
    data_range : float
        As in `psnr`.

    Returns
    -------
    ndarray of float64, shape (…)
        One number per image: 1 where the two are equal, 0 and below where they have nothing in common.

    Notes
    -----
    Only windows that lie inside the image count. Variances are those of the weighted window, without Bessel's
    correction, as in the paper. scikit-image's ``structural_similarity`` gives the same with ``gaussian_weights=True,
    sigma=1.5, use_sample_covariance=False``.

    References
    ----------
    Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image quality assessment: from error visibility to structural
    similarity", IEEE Transactions on Image Processing 13, 2004. Taught in lesson 14, GAN at work.
    """
    x, y = _pair("ssim", images, references, data_range)
    if min(x.shape[-2:]) < 2 * _RADIUS + 1:
        raise ValueError(
            f"ssim: images expect at least {2 * _RADIUS + 1} × {2 * _RADIUS + 1} pixels, got {x.shape[-2:]}"
        )
    c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    mean_x, mean_y = _window_mean(x), _window_mean(y)
    # about each image's mean, so that a large offset does not cancel
    dx, dy = (z - z.mean((-2, -1), keepdims=True) for z in (x, y))
    local_x, local_y = _window_mean(dx), _window_mean(dy)
    var_x, var_y = (_window_mean(d * d) - local**2 for d, local in ((dx, local_x), (dy, local_y)))
    covariance = _window_mean(dx * dy) - local_x * local_y
    above = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    below = (mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)
    return np.asarray((above / below).mean((-2, -1)))


def mean_quality(
    values: ArrayLike, clusters: ArrayLike | None = None, resamples: int = 2000, level: float = 0.95, seed: int = 0
) -> Estimate:
    """Mean over images with its bootstrap interval.

    Parameters
    ----------
    values : array_like of shape (N,)
        PSNR, SSIM, or their difference between two methods on the same images, which is what to compare methods by.
    clusters : array_like of shape (N,), optional
        Patient of each image; by default each image is of its own.

    Raises
    ------
    ValueError
        If a value is not finite: an infinite PSNR means that two images are equal, and has no place in a mean.
    """
    figures = np.asarray(values, np.float64)
    if figures.ndim != 1 or not len(figures) or not np.isfinite(figures).all():
        raise ValueError(
            f"mean_quality: values expect finite numbers of shape (N >= 1,), got shape {figures.shape} and "
            f"{int((~np.isfinite(figures)).sum())} that are not finite; count equal images by themselves"
        )
    groups = np.arange(len(figures)) if clusters is None else clusters
    return cluster_bootstrap(_mean, groups, figures, resamples=resamples, level=level, seed=seed)


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean())


def _window_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gaussian mean of each window inside the image."""
    taps = np.exp(-0.5 * (np.arange(-_RADIUS, _RADIUS + 1) / _SIGMA) ** 2)
    taps /= taps.sum()
    for axis in (-2, -1):
        values = correlate1d(values, taps, axis=axis, mode="nearest")
    return values[..., _RADIUS:-_RADIUS, _RADIUS:-_RADIUS]


def _pair(
    name: str, images: ArrayLike, references: ArrayLike, data_range: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    first, second = np.asarray(images, np.float64), np.asarray(references, np.float64)
    if first.shape != second.shape or first.ndim < 2 or not all(first.shape[-2:]):
        raise ValueError(
            f"{name}: expected images and references of one shape (…, H, W), got {first.shape} and {second.shape}"
        )
    if not data_range > 0:
        raise ValueError(f"{name}: data_range expects a positive number, got {data_range}")
    return first, second
