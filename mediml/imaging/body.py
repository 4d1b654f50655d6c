"""The body, told from the air around it. Taught in lesson 03, Preprocessing."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from mediml.imaging.arrays import as_floats, measured, number, per_axis, whole

__all__ = ["body_mask", "otsu_threshold"]


def otsu_threshold(image: ArrayLike, bins: int = 256, mask: ArrayLike | None = None) -> float:
    """The value that best parts an image into a dark and a bright class.

        t = centre of bin b with the largest   w0 * w1 * (m0 - m1)^2
        w0, m0: share and mean of the bins 0 to b; w1, m1: of those above

    Values above the threshold are bright.

    Parameters
    ----------
    image : array_like of any shape
        Values that are not finite do not count.
    bins : int
        Of equal width from the least to the largest value, at least 2.
    mask : array_like of the same shape, optional
        Which values count.

    Returns
    -------
    float
        In the unit of the image.

    Raises
    ------
    ValueError
        If all values that count are alike.

    References
    ----------
    N. Otsu, "A threshold selection method from gray-level histograms", IEEE Trans. Syst. Man Cybern. 9 (1979), 62-66.
    The same as ``skimage.filters.threshold_otsu`` on floating-point images.
    Taught in lesson 03, Preprocessing.
    """
    bins = whole("otsu_threshold", "bins", bins, 2)
    values = measured("otsu_threshold", as_floats("otsu_threshold", image), mask)
    if values.min() == values.max():
        raise ValueError(f"otsu_threshold: image expects values that differ, got {values[0]:g} only")
    counts, edges = np.histogram(values, bins)
    centres = (edges[:-1] + edges[1:]) / 2
    below, above = np.cumsum(counts)[:-1], np.cumsum(counts[::-1])[::-1][1:]
    sums = np.cumsum(counts * centres)
    between = below.astype(float) * above * (sums[:-1] / below - (sums[-1] - sums[:-1]) / above) ** 2
    return float(centres[np.argmax(between)])


def body_mask(
    image: ArrayLike,
    threshold: float | None = None,
    *,
    opening_mm: float = 0.0,
    spacing_mm: Sequence[float] | float = 1.0,
    fill_holes: bool = True,
) -> NDArray[np.bool_]:
    """The largest bright thing in an image, with what it encloses.

    1. ``image > threshold``
    2. opened by a ball of radius `opening_mm`: parts and bridges thinner than twice that fall away
    3. holes filled, in each plane of a volume by itself: the lungs are open to the air through the windpipe, but not
       within one axial slice
    4. the largest connected component, neighbours sharing a side. After the holes: a ring of scalp counts as the head,
       though the brain in it has more voxels

    ============================  ===================================================================================
    CT                            ``body_mask(volume.values, -500, opening_mm=4, spacing_mm=volume.spacing_mm)``:
                                  half-way between air and water; the opening parts the body from the table
    radiograph                    ``body_mask(image.display())``: shown, so that the direct exposure is black
    MR                            ``body_mask(volume.values)``; where a coil leaves part of the body dark, correct the
                                  bias field first or give a lower threshold
    ============================  ===================================================================================

    Parameters
    ----------
    image : array_like of shape (rows, columns) or (planes, rows, columns)
        The body brighter than what is around it. Values that are not finite lie outside.
    threshold : float, optional
        In the unit of the image; by default Otsu's, see `otsu_threshold`.
    opening_mm : float
        Radius, 0 for none. About half of the thickness of what has to fall away, and less than half of the thinnest
        wall of the body. What lies beyond the edge of the image counts as body.
    spacing_mm : float or sequence of float
        In the order of the axes; without it `opening_mm` counts pixels.
    fill_holes : bool
        Whether the lungs and other enclosed air belong to the body. Without it they are taken out again at the end.

    Returns
    -------
    ndarray of bool, of the shape of `image`

    Raises
    ------
    ValueError
        If the shape is not as described, or nothing is left above the threshold.

    References
    ----------
    Taught in lesson 03, Preprocessing.
    """
    x = as_floats("body_mask", image)
    if x.ndim not in (2, 3):
        raise ValueError(f"body_mask: image expects 2 or 3 axes, got shape {x.shape}")
    steps = per_axis("body_mask", "spacing_mm", spacing_mm, x.ndim)
    opening_mm = number("body_mask", "opening_mm", opening_mm, positive=False)
    limit = otsu_threshold(x) if threshold is None else float(threshold)
    body = np.isfinite(x) & (x > limit)
    if opening_mm > 0:
        body = _opened(body, opening_mm, steps)
    planes = body if body.ndim == 3 else body[None]
    filled = np.stack([ndimage.binary_fill_holes(plane) for plane in planes]).reshape(body.shape)
    parts, count = ndimage.label(filled)
    if count == 0:
        raise ValueError(
            f"body_mask: image expects a body above {limit:g} that is thicker than twice opening_mm = {opening_mm:g}, "
            f"got none; check the unit of the image, its spacing and its polarity"
        )
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    largest = parts == np.argmax(sizes)
    return np.asarray(largest if fill_holes else largest & body, np.bool_)


def _opened(body: NDArray[np.bool_], radius: float, steps: tuple[float, ...]) -> NDArray[np.bool_]:
    """Erosion, then dilation by a ball, through distances between centres of voxels: exact for any spacing."""
    return _within(~_within(~body, radius, steps), radius, steps)


def _within(mask: NDArray[np.bool_], radius: float, steps: tuple[float, ...]) -> NDArray[np.bool_]:
    """Where the mask is at most `radius` away.

    The squared distance, along one axis after the other: d2(i) = min_k d2(i + k) + (k * step)^2. Only |k| * step up to
    the radius matter, which makes it several times as fast as a full distance transform.
    """
    squared = np.where(mask, np.float32(0), np.float32(np.inf))
    for axis, step in enumerate(steps):
        before = np.moveaxis(squared, axis, 0)
        after = before.copy()
        for k in range(1, min(int(radius / step * (1 + 1e-6)), len(before) - 1) + 1):
            further = np.float32((k * step) ** 2)
            np.minimum(after[k:], before[:-k] + further, out=after[k:])
            np.minimum(after[:-k], before[k:] + further, out=after[:-k])
        squared = np.moveaxis(after, 0, axis)
    return np.asarray(squared <= np.float32((radius * (1 + 1e-6)) ** 2))
