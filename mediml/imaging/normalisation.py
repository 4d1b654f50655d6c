"""Grey values of different images brought to one scale.

CT has a scale, Hounsfield units, and needs a window only. The values of MR, of ultrasound and of most radiographs mean
something within their own image only: before two of them are compared, or shown to a network, they get a common scale.

All functions leave values that are not finite out of the statistics, and leave NaN as it is.
Taught in lesson 03, Preprocessing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mediml.imaging.arrays import as_floats, measured

__all__ = ["HistogramLandmarks", "histogram_landmarks", "match_histogram", "percentile_scale", "standardise", "z_score"]

DECILES = (1.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 99.0)


def z_score(image: ArrayLike, mask: ArrayLike | None = None) -> NDArray[Any]:
    """Mean 0 and standard deviation 1.

        y = (x - mean) / std        std = sqrt(mean of (x - mean)^2)

    Parameters
    ----------
    image : array_like of any shape
        Values in any unit.
    mask : array_like of the same shape, optional
        Where mean and std are measured: the body without the air around it. The whole image is scaled by them.

    Returns
    -------
    ndarray of the shape of `image`, float32 (float64 where `image` is)
        Without unit. The statistics are computed in float64.

    Raises
    ------
    ValueError
        If nothing finite is measured, or all measured values are alike: they have no standard deviation to divide by.

    References
    ----------
    Taught in lesson 03, Preprocessing.
    """
    x = as_floats("z_score", image)
    values = measured("z_score", x, mask)
    mean, std = values.mean(), values.std()
    # The mean of equal numbers may miss them by rounding, which would make noise out of a blank image.
    if values.min() == values.max():
        raise ValueError(f"z_score: image expects values that differ, got {values[0]:g} only; leave out blank images")
    return np.asarray((x - mean) / std, x.dtype)


def percentile_scale(
    image: ArrayLike, low: float = 1, high: float = 99, mask: ArrayLike | None = None, clip: bool = True
) -> NDArray[Any]:
    """From the percentile `low` to the percentile `high` becomes 0 to 1.

        y = (x - p_low) / (p_high - p_low), clipped to [0, 1] where `clip`

    A few very bright pixels, a marker of lead or metal, decide over the maximum but not over the 99th percentile.

    Parameters
    ----------
    image : array_like of any shape
        Values in any unit.
    low, high : float
        Percentiles, 0 <= low < high <= 100, interpolated linearly between values. 0 is the minimum, 100 the maximum.
    mask : array_like of the same shape, optional
        Where the percentiles are measured. The whole image is scaled by them.
    clip : bool
        Without it, values beyond the percentiles lie below 0 and above 1.

    Returns
    -------
    ndarray of the shape of `image`, float32 (float64 where `image` is)
        Without unit.

    Raises
    ------
    ValueError
        If the percentiles are out of order, nothing finite is measured, or both percentiles are the same value.

    References
    ----------
    Taught in lesson 03, Preprocessing.
    """
    if not 0 <= low < high <= 100:
        raise ValueError(f"percentile_scale: low and high expect 0 <= low < high <= 100, got {low} and {high}")
    x = as_floats("percentile_scale", image)
    bottom, top = np.percentile(measured("percentile_scale", x, mask), (low, high))
    if bottom == top:
        raise ValueError(
            f"percentile_scale: image expects values that differ, got {bottom:g} at both percentiles; "
            f"move low and high apart, or leave out blank images"
        )
    y = (x - bottom) / (top - bottom)
    return np.asarray(np.clip(y, 0, 1) if clip else y, x.dtype)


def match_histogram(
    image: ArrayLike, template: ArrayLike, mask: ArrayLike | None = None, template_mask: ArrayLike | None = None
) -> NDArray[Any]:
    """Give an image the histogram of a template, by their exact cumulative distributions.

        F(x) = share of values of the image at most x         G likewise of the template
        y = G^-1(F(x)), interpolated linearly between the values that the template has

    The order of grey values stays: what was brighter is not darker afterwards. How much of the body is bright is
    forced to be as in the template, which is wrong where the two truly differ, as with a large lesion.

    Parameters
    ----------
    image, template : array_like of any shapes
        Values in any units.
    mask, template_mask : array_like of the shapes of `image` and `template`, optional
        Where the distributions are measured. The whole image is mapped; values beyond those under the mask take the
        lowest or highest value.

    Returns
    -------
    ndarray of the shape of `image`, float32 (float64 where `image` is)
        Values within those of the template, in its unit.

    Raises
    ------
    ValueError
        If the image or the template has no finite value to be measured.

    References
    ----------
    R. C. Gonzalez, R. E. Woods, "Digital Image Processing", section on histogram matching. Without masks the same as
    ``skimage.exposure.match_histograms``.
    Taught in lesson 03, Preprocessing.
    """
    x = as_floats("match_histogram", image)
    wanted = measured("match_histogram (template)", as_floats("match_histogram", template), template_mask)
    own, own_counts = np.unique(measured("match_histogram", x, mask), return_counts=True)
    new, new_counts = np.unique(wanted, return_counts=True)
    own_shares, new_shares = np.cumsum(own_counts) / own_counts.sum(), np.cumsum(new_counts) / new_counts.sum()
    targets = np.interp(own_shares, new_shares, new)
    return _keep_nan(np.interp(x, own, targets), x)


@dataclass(frozen=True)
class HistogramLandmarks:
    """The standard scale that `histogram_landmarks` has learnt.

    Attributes
    ----------
    percentiles : tuple of float
        Rising, from 0 to 100.
    values : tuple of float
        Where each percentile of an image goes, never falling.
    """

    percentiles: tuple[float, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        percentiles, values = np.asarray(self.percentiles, float), np.asarray(self.values, float)
        if percentiles.shape != values.shape or percentiles.ndim != 1 or percentiles.size < 2:
            raise ValueError(
                f"HistogramLandmarks: expected as many percentiles as values, at least two, "
                f"got {percentiles.size} and {values.size}"
            )
        if not (percentiles[0] >= 0 and percentiles[-1] <= 100 and (np.diff(percentiles) > 0).all()):
            raise ValueError(f"HistogramLandmarks: percentiles expect to rise from 0 to 100, got {self.percentiles}")
        if not (np.isfinite(values).all() and (np.diff(values) >= 0).all() and values[0] < values[-1]):
            raise ValueError(f"HistogramLandmarks: values expect finite numbers that rise, got {self.values}")


def histogram_landmarks(
    images: Sequence[ArrayLike],
    masks: Sequence[ArrayLike] | None = None,
    percentiles: Sequence[float] = DECILES,
    scale: tuple[float, float] = (0.0, 100.0),
) -> HistogramLandmarks:
    """Learn a standard scale of MR intensities from several images.

        p[n, k]   = k-th percentile of image n
        q[n, k]   = scale[0] + (p[n, k] - p[n, first]) / (p[n, last] - p[n, first]) * (scale[1] - scale[0])
        values[k] = mean of q[n, k] over n

    Parameters
    ----------
    images : sequence of array_like
        One protocol and one part of the body. Only training images: the scale is learnt from data.
    masks : sequence of array_like, optional
        Where each image is measured. Give the body (`body_mask`): otherwise the air, half of an MR image, decides.
    percentiles : sequence of float
        Landmarks, rising within 0 to 100; by default 1, the deciles, and 99.
    scale : tuple of two float
        Where the first and the last percentile go.

    Returns
    -------
    HistogramLandmarks
        For `standardise`.

    Raises
    ------
    ValueError
        If there is no image, or one has the same value at its first and last percentile.

    References
    ----------
    L. G. Nyúl, J. K. Udupa, "On standardizing the MR image intensity scale", Magn. Reson. Med. 42 (1999), 1072-1081.
    L. G. Nyúl, J. K. Udupa, X. Zhang, "New variants of a method of MRI scale standardization", IEEE Trans. Med. Imaging
    19 (2000), 143-150: the deciles as landmarks.
    Taught in lesson 03, Preprocessing.
    """
    low, high = (float(bound) for bound in scale)
    chosen = HistogramLandmarks(tuple(percentiles), tuple(np.linspace(low, high, len(percentiles)))).percentiles
    if len(images) == 0 or (masks is not None and len(masks) != len(images)):
        count = "none" if masks is None else len(masks)
        raise ValueError(
            f"histogram_landmarks: expected at least one image and a mask for each, got {len(images)} and {count}"
        )
    scaled = []
    for n, image in enumerate(images):
        own = _own_landmarks("histogram_landmarks", image, None if masks is None else masks[n], chosen)
        scaled.append(low + (own - own[0]) / (own[-1] - own[0]) * (high - low))
    return HistogramLandmarks(chosen, tuple(float(value) for value in np.mean(scaled, axis=0)))


def standardise(image: ArrayLike, landmarks: HistogramLandmarks, mask: ArrayLike | None = None) -> NDArray[Any]:
    """Bring an image to a learnt standard scale: its percentiles go to the landmarks, linearly between them.

        y = values[k] + (x - p[k]) / (p[k + 1] - p[k]) * (values[k + 1] - values[k])        for p[k] <= x < p[k + 1]

    Below the first and above the last landmark the nearest piece goes on, so that nothing is cut off.

    Parameters
    ----------
    image : array_like of any shape
    landmarks : HistogramLandmarks
        From `histogram_landmarks`.
    mask : array_like of the same shape, optional
        Where the image's own percentiles are measured: what the landmarks were learnt under. All of it is mapped.

    Returns
    -------
    ndarray of the shape of `image`, float32 (float64 where `image` is)
        In the arbitrary unit of the landmarks; never falling in x. Standardised again, an image changes by less than
        the gap between two of its neighbouring values.

    Raises
    ------
    ValueError
        If the image has the same value at its first and last percentile, or nothing finite to measure.

    References
    ----------
    As of `histogram_landmarks`.
    Taught in lesson 03, Preprocessing.
    """
    x = as_floats("standardise", image)
    own = _own_landmarks("standardise", x, mask, landmarks.percentiles)
    # Values with few steps give equal percentiles: they become one landmark, in the middle of its targets.
    own, group = np.unique(own, return_inverse=True)
    values = np.bincount(group, landmarks.values) / np.bincount(group)
    slopes = np.diff(values) / np.diff(own)
    piece = np.clip(np.searchsorted(own, x, side="right") - 1, 0, len(slopes) - 1)
    return np.asarray(values[piece] + (x - own[piece]) * slopes[piece], x.dtype)


def _own_landmarks(
    function: str, image: ArrayLike, mask: ArrayLike | None, percentiles: Sequence[float]
) -> NDArray[np.float64]:
    own = np.percentile(measured(function, as_floats(function, image), mask), percentiles)
    if own[0] == own[-1]:
        raise ValueError(
            f"{function}: image expects values that differ, got {own[0]:g} from the first to the last percentile; "
            f"leave out blank images, or give a mask of the body"
        )
    return np.asarray(own, np.float64)


def _keep_nan(y: NDArray[Any], x: NDArray[Any]) -> NDArray[Any]:
    """`numpy.interp` gives NaN for NaN only by its implementation."""
    return np.where(np.isnan(x), np.nan, y).astype(x.dtype)
