"""Noise removal by weights of likeness: bilateral filter and non-local means.

Each weighs a neighbour by how alike it is, so neither is a convolution. All widths of values are in the image's own
unit (HU, or whatever it holds); nothing is scaled to [0, 1] behind the caller's back. `mediml.imaging.estimate_noise`
measures the standard deviation to go by. `mediml/imaging/diffusion.py` and `variation.py` hold two other ways.
"""

import itertools
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mediml.imaging.arrays import number, per_axis, whole
from mediml.imaging.correlation import BORDERS, check_border, finite, grid_steps, unpadded

__all__ = ["bilateral_filter", "non_local_means"]


def bilateral_filter(
    image: ArrayLike,
    sigma_value: float,
    sigma_space: float | tuple[float, ...],
    spacing_mm: tuple[float, ...] | None = None,
    truncate: float = 3.0,
    mode: str = "reflect",
) -> NDArray[Any]:
    """A Gaussian blur that counts only neighbours of similar value.

        y[p] = sum_q w[p, q] x[q] / sum_q w[p, q]                      q: pixels of the box around p, p itself included
        w[p, q] = exp(-|p - q|^2 / (2 sigma_space^2)) exp(-(x[p] - x[q])^2 / (2 sigma_value^2))

    Parameters
    ----------
    image : array_like of shape (rows, columns) or (planes, rows, columns)
        Any unit.
    sigma_value : float
        In the unit of `image`, above 0. Edges much higher than it stay sharp; 2 to 3 times the noise is usual.
    sigma_space : float, or one for each axis
        In mm where `spacing_mm` is given, else in pixels. 0 takes no neighbour along an axis.
    spacing_mm : tuple of float, optional
        Distance of neighbours along each axis.
    truncate : float
        The box reaches ``truncate * sigma_space`` to each side, rounded to pixels.
    mode : {"reflect", "mirror", "nearest", "wrap"}
        What lies outside, in the names of scipy.ndimage.

    Returns
    -------
    ndarray of the shape of `image`, float32 (float64 where `image` is), in its unit
        Between the smallest and the largest value of `image`.

    Raises
    ------
    ValueError
        For a `sigma_value` that is not positive, a negative `sigma_space`, NaN or infinite values, a colour image.

    Notes
    -----
    The formula as it stands, one place of the box at a time; the time grows with the number of its pixels, (6 sigma +
    1)^2 or ^3. skimage.restoration.denoise_bilateral is something else: pictures only, values looked up in a table, and
    in version 0.26 the weights of an odd window have their middle beside the pixel. Taught in lesson 03, Preprocessing.

    References
    ----------
    C. Tomasi, R. Manduchi, "Bilateral filtering for gray and color images", ICCV (1998).
    """
    x = finite("bilateral_filter", image)
    check_border("bilateral_filter", mode, constant=False)
    width = number("bilateral_filter", "sigma_value", sigma_value)
    sigmas = per_axis("bilateral_filter", "sigma_space", sigma_space, x.ndim, positive=False)
    reach = number("bilateral_filter", "truncate", truncate, positive=False)
    pixels = [s / step for s, step in zip(sigmas, grid_steps("bilateral_filter", spacing_mm, x.ndim))]
    radii = [int(reach * s + 0.5) for s in pixels]
    around = np.pad(x, [(r, r) for r in radii], BORDERS[mode])  # type: ignore[call-overload]
    weights, moved = np.ones_like(x), np.zeros_like(x)  # the pixel itself: weight 1, difference 0
    for offset in itertools.product(*(range(-r, r + 1) for r in radii)):
        if any(offset):
            nearness = np.exp(-0.5 * sum((k / s) ** 2 for k, s in zip(offset, pixels) if k))
            there = tuple(slice(r + k, r + k + n) for r, k, n in zip(radii, offset, x.shape))
            difference = around[there] - x
            weight = nearness * np.exp(-0.5 * (difference / width) ** 2)
            weights += weight
            moved += weight * difference
    return np.asarray(x + moved / weights, x.dtype)


def non_local_means(
    image: ArrayLike, sigma: float, patch: int = 5, distance: int = 6, strength: float = 0.8, mode: str = "reflect"
) -> NDArray[Any]:
    """Average pixels whose surroundings look alike, wherever they are nearby.

        y[p] = sum_q w[p, q] x[q] / sum_q w[p, q]                      q: up to `distance` pixels from p along each axis
        w[p, q] = exp(-max(d2[p, q] - 2 sigma^2, 0) / (strength sigma)^2)
        d2[p, q] = mean over k of (x[p + k] - x[q + k])^2              k: the patch, around 0

    Two patches of the same thing differ by 2 sigma^2 on average; what they differ by beyond that is taken as structure.

    Parameters
    ----------
    image : array_like of shape (rows, columns) or (planes, rows, columns)
        Any unit. Voxels are taken as cubes.
    sigma : float
        Standard deviation of the noise, in the unit of `image`, above 0: see `estimate_noise`.
    patch : int
        Odd number of pixels across a patch.
    distance : int
        How far a similar patch is looked for, in pixels, at least 1.
    strength : float
        Above 0; more smooths more.
    mode : {"reflect", "mirror", "nearest", "wrap"}
        What lies outside, in the names of scipy.ndimage.

    Returns
    -------
    ndarray of the shape of `image`, float32 (float64 where `image` is), in its unit
        Between the smallest and the largest value of `image`.

    Raises
    ------
    ValueError
        For a `sigma` or `strength` that is not positive, an even `patch`, NaN or infinite values, a colour image.

    Notes
    -----
    One displacement q - p at a time: d2 is then a `mean_filter` of squares, which runs on ``kernels/conv/cpu.py``. The
    time grows with (2 `distance` + 1)^2 or ^3; in volumes take a smaller `distance`. The noise is taken as white and
    equally strong everywhere: in CT it is not white, in MR of several coils not equally strong.
    skimage.restoration.denoise_nl_means measures d2 over other patches in its fast mode. Taught in lesson 03,
    Preprocessing.

    References
    ----------
    A. Buades, B. Coll, J.-M. Morel, "A non-local algorithm for image denoising", CVPR (2005); "Non-local means
    denoising", Image Processing On Line 1 (2011): this form of the weights. J. Darbon et al., "Fast nonlocal filtering
    applied to electron cryomicroscopy", ISBI (2008): displacement by displacement.
    """
    x = finite("non_local_means", image)
    check_border("non_local_means", mode, constant=False)
    noise = number("non_local_means", "sigma", sigma)
    h = number("non_local_means", "strength", strength) * noise
    radius, reach = whole("non_local_means", "patch", patch, 1) // 2, whole("non_local_means", "distance", distance, 1)
    if patch % 2 == 0:
        raise ValueError(f"non_local_means: patch expects an odd whole number, got {patch}")
    around = np.pad(x, reach + radius, BORDERS[mode])  # type: ignore[call-overload]
    patches = [slice(reach, reach + n + 2 * radius) for n in x.shape]  # each pixel of the image and its patch
    weights, moved = np.ones_like(x), np.zeros_like(x)  # the pixel itself: weight 1, difference 0
    for offset in itertools.product(range(-reach, reach + 1), repeat=x.ndim):
        if any(offset):
            shifted = tuple(slice(part.start + k, part.stop + k) for part, k in zip(patches, offset))
            difference = around[shifted] - around[tuple(patches)]
            excess = np.maximum(_patch_means(difference**2, patch) - 2 * noise**2, 0)
            weight = np.exp(-excess / h**2)
            weights += weight
            moved += weight * difference[tuple(slice(radius, radius + n) for n in x.shape)]
    return np.asarray(x + moved / weights, x.dtype)


def _patch_means(x: NDArray[Any], size: int) -> NDArray[Any]:
    """Mean of each window of `size` pixels along every axis."""
    for axis in range(x.ndim if size > 1 else 0):
        x = unpadded(x, np.full([size if a == axis else 1 for a in range(x.ndim)], 1 / size))
    return x
