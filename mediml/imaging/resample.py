"""Images on a new grid: of another shape, or of another spacing, in the same place of the patient.

A pixel is a small square and its value belongs to the centre. All functions here keep the middle of the image where it
is; with old and new index i, sizes n and m, and steps of s and t millimetres:

    resample    (i_old - (n - 1) / 2) * s = (i_new - (m - 1) / 2) * t
    resize      the same with t = s * n / m, so that the outer edges of the two grids coincide

This is PyTorch's ``align_corners=False`` and OpenCV's and scikit-image's convention. The trap is
``scipy.ndimage.zoom`` without ``grid_mode=True``, which lays the *centres* of the outermost pixels on one another: its
pixels have the spacing s * (n - 1) / (m - 1), so that lesions change their size and move by up to half a pixel.

Before an axis gets coarser it is smoothed by a Gaussian, as in ``skimage.transform.resize``:

    sigma = (t / s - 1) / 2 old pixels, cut off at 4 sigma        none where t <= s

Without it, detail finer than the new pixels comes back as a false pattern. Beyond its edge an image goes on with the
value at its edge. Taught in lesson 03, Preprocessing.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from mediml.imaging.arrays import as_floats, per_axis, whole_per_axis
from mediml.imaging.image import Image, Step, times
from mediml.imaging.volume import Volume

__all__ = ["resample", "resample_image", "resample_mask", "resample_volume", "resize", "resize_mask"]

ORDERS = (0, 1, 3)


def resize(image: ArrayLike, shape: Sequence[int], order: int = 1, anti_alias: bool = True) -> NDArray[Any]:
    """Interpolate an image to a new shape; the outer edges of the two grids coincide.

        i_old = (i_new + 1/2) * n / m - 1/2

    Parameters
    ----------
    image : array_like of shape (rows, columns) or (planes, rows, columns), in colour with a last axis of 3
        Values in any unit. For masks take `resize_mask`.
    shape : sequence of two or three int
        New sizes of the axes but for the colours.
    order : {0, 1, 3}
        Of the spline: nearest pixel, linear, cubic. A cubic one may overshoot beyond the values of the image.
    anti_alias : bool
        Smooth each axis that gets coarser, see above.

    Returns
    -------
    ndarray, float32 (float64 where `image` is)
        In the unit of `image`; with orders 0 and 1 within its least and largest value, and the same bits where the grid
        is the same. A NaN takes the new pixels that it has a part in, and with order 3 is refused.

    Raises
    ------
    ValueError
        If `shape` or `order` is not as described, or a cubic spline meets values that are not finite.

    Notes
    -----
    The same as ``skimage.transform.resize(image, shape, order, mode="edge", clip=False, preserve_range=True)``.

    References
    ----------
    Taught in lesson 03, Preprocessing.
    """
    x, axes = _described("resize", image, len(shape))
    sizes = whole_per_axis("resize", "shape", shape, axes, 1)
    factors = [old / new for old, new in zip(x.shape, sizes)]
    return _interpolate("resize", x, sizes, factors, order, anti_alias)


def resample(
    values: ArrayLike,
    spacing_mm: Sequence[float],
    new_spacing_mm: float | Sequence[float],
    order: int = 1,
    anti_alias: bool = True,
) -> NDArray[Any]:
    """Interpolate an image to a new spacing; its middle stays where it is.

        m = round(n * spacing / new_spacing), at least 1

    The spacing is exactly what was asked for. Where the extent is no whole number of new pixels, the new grid reaches
    up to half a new pixel less or more far, half of that on each side.

    Parameters
    ----------
    values : array_like of shape (rows, columns) or (planes, rows, columns), in colour with a last axis of 3
        In any unit. For masks take `resample_mask`.
    spacing_mm, new_spacing_mm : sequence of float
        In the order of the axes; one number as the new spacing counts for all of them.
    order, anti_alias
        As of `resize`.

    Returns
    -------
    ndarray, float32 (float64 where `values` is)
        As of `resize`.

    Raises
    ------
    ValueError
        As of `resize`, or if a spacing is not positive.

    See Also
    --------
    resample_image, resample_volume : keep the origin right, too.

    References
    ----------
    Taught in lesson 03, Preprocessing.
    """
    x, axes = _described("resample", values, len(spacing_mm))
    sizes, factors = _new_grid("resample", x.shape[:axes], spacing_mm, new_spacing_mm)
    return _interpolate("resample", x, sizes, factors, order, anti_alias)


def resize_mask(mask: ArrayLike, shape: Sequence[int], order: int = 1) -> NDArray[Any]:
    """Bring a mask to a new shape, on the grid of `resize`. See `resample_mask`."""
    labels = _labels("resize_mask", mask, len(shape))
    sizes = whole_per_axis("resize_mask", "shape", shape, labels.ndim, 1)
    factors = [old / new for old, new in zip(labels.shape, sizes)]
    return _interpolate_labels("resize_mask", labels, sizes, factors, order)


def resample_mask(
    mask: ArrayLike, spacing_mm: Sequence[float], new_spacing_mm: float | Sequence[float], order: int = 1
) -> NDArray[Any]:
    """Bring a mask to a new spacing, on the grid of `resample`. Labels are names: they are never interpolated.

        order 1     y = the label l with the largest share, resample(mask == l); the lower label where two are equal
        order 0     y = the label of the nearest old voxel

    Between 1 and 3 lies another organ, not their border: interpolating label numbers would draw one. The shares are
    smoothed as images are where the grid gets coarser, so that a mask goes on fitting to its image. Order 0 moves the
    mask by up to half an old voxel, order 1 does not; a structure thinner than about a new voxel is lost with either.

    Parameters
    ----------
    mask : array_like of int or bool, of shape (rows, columns) or (planes, rows, columns)
    spacing_mm, new_spacing_mm : sequence of float
        As of `resample`.
    order : {0, 1}

    Returns
    -------
    ndarray of the dtype of `mask`
        No label that `mask` does not hold.

    Raises
    ------
    ValueError
        If the mask is neither whole numbers nor booleans, or another argument is not as described.

    References
    ----------
    Taught in lesson 03, Preprocessing.
    """
    labels = _labels("resample_mask", mask, len(spacing_mm))
    sizes, factors = _new_grid("resample_mask", labels.shape, spacing_mm, new_spacing_mm)
    return _interpolate_labels("resample_mask", labels, sizes, factors, order)


def resample_image(image: Image, spacing_mm: float | Sequence[float], order: int = 1, anti_alias: bool = True) -> Image:
    """`resample` for an `Image` of known spacing: origin and aspect follow. See `resample_volume`."""
    if image.spacing_mm is None:
        raise ValueError("resample_image: image expects a known spacing_mm, got None; resize needs none")
    sizes, factors = _new_grid("resample_image", image.shape, image.spacing_mm, spacing_mm)
    steps = [step * factor for step, factor in zip(image.spacing_mm, factors)]
    origin = image.origin_mm
    if origin is not None and image.orientation is not None:
        down, across = image.orientation[3:], image.orientation[:3]
        first = _first(image.shape, sizes, factors)
        moved = [f * s * np.asarray(d) for f, s, d in zip(first, image.spacing_mm, (down, across))]
        origin = tuple(float(x) for x in np.asarray(origin) + moved[0] + moved[1])
    else:
        origin = None  # the first pixel was moved, and it is not known in which direction
    pixels = _placed("resample_image", image, sizes, factors, order, anti_alias)
    spacing = (steps[0], steps[1])
    account = _told(image.account, image.spacing_mm, spacing)
    return replace(
        image, **pixels, spacing_mm=spacing, aspect=spacing[0] / spacing[1], origin_mm=origin, account=account
    )


def resample_volume(
    volume: Volume, spacing_mm: float | Sequence[float], order: int = 1, anti_alias: bool = True
) -> Volume:
    """`resample` for a `Volume`: what lay at a place of the patient lies there afterwards.

        origin = affine @ (first, 1),   first = (n - 1) / 2 - (m - 1) / 2 * new_spacing / spacing along each axis

    Parameters
    ----------
    volume : Volume
    spacing_mm : float or sequence of three float
        New steps of planes, rows and columns; one number for cubes.
    order, anti_alias
        As of `resize`.

    Returns
    -------
    Volume
        `stored` holds the same numbers as `values`: the file's numbers lay on another grid. Padding is not measured
        and does not leak into the tissue beside it: it is replaced by the nearest measured value, and put back
        after the interpolation, from the nearest voxel, where it makes up at least half of a new one.

    Raises
    ------
    ValueError
        As of `resample`.

    References
    ----------
    Taught in lesson 03, Preprocessing.
    """
    sizes, factors = _new_grid("resample_volume", volume.shape, volume.spacing_mm, spacing_mm)
    plane, row, column = (step * factor for step, factor in zip(volume.spacing_mm, factors))
    x, y, z, _ = volume.affine @ (*_first(volume.shape, sizes, factors), 1)
    pixels = _placed("resample_volume", volume, sizes, factors, order, anti_alias)
    spacing, origin = (plane, row, column), (float(x), float(y), float(z))
    return replace(
        volume,
        **pixels,
        spacing_mm=spacing,
        origin_mm=origin,
        account=_told(volume.account, volume.spacing_mm, spacing),
    )


def _told(account: tuple[Step, ...], before: Sequence[float], after: Sequence[float]) -> tuple[Step, ...]:
    return (*account, Step("resampled", {"before": times(before), "after": times(after)}))


def _described(function: str, image: ArrayLike, axes: int) -> tuple[NDArray[Any], int]:
    """The image in floats, and how many of its axes lie in space."""
    x = as_floats(function, image)
    colour = x.ndim == axes + 1 and x.shape[-1] == 3
    if axes not in (2, 3) or not (x.ndim == axes or colour):
        raise ValueError(
            f"{function}: image expects 2 or 3 axes, in colour one more of size 3, and as many numbers for its new "
            f"grid; got shape {x.shape} and {axes} numbers"
        )
    return x, axes


def _labels(function: str, mask: ArrayLike, axes: int) -> NDArray[Any]:
    labels = np.asarray(mask)
    if labels.dtype.kind not in "bui":
        raise ValueError(f"{function}: mask expects whole numbers or booleans, got dtype {labels.dtype}")
    if labels.ndim not in (2, 3) or labels.ndim != axes or labels.size == 0:
        raise ValueError(f"{function}: mask expects {axes} axes and at least one voxel, got shape {labels.shape}")
    return labels


def _new_grid(
    function: str, shape: Sequence[int], spacing: Sequence[float], new_spacing: float | Sequence[float]
) -> tuple[tuple[int, ...], list[float]]:
    """New sizes, and new over old steps."""
    old = per_axis(function, "spacing_mm", spacing, len(shape))
    new = per_axis(function, "new spacing", new_spacing, len(shape))
    # A half is rounded up, and not by the noise of 0.7 / 0.35 sometimes down.
    sizes = tuple(max(1, int(np.floor(n * s / t + 0.5 + 1e-9))) for n, s, t in zip(shape, old, new))
    return sizes, [t / s for s, t in zip(old, new)]


def _first(shape: Sequence[int], sizes: Sequence[int], factors: Sequence[float]) -> list[float]:
    """The first new pixel, counted in old ones."""
    return [(old - 1) / 2 - (new - 1) / 2 * factor for old, new, factor in zip(shape, sizes, factors)]


def _nearest(shape: Sequence[int], sizes: Sequence[int], factors: Sequence[float]) -> tuple[NDArray[np.intp], ...]:
    """An index of the nearest old pixels. Half-way between two it is the later one, whatever the rounding."""
    places = [
        start + np.arange(new) * factor for start, new, factor in zip(_first(shape, sizes, factors), sizes, factors)
    ]
    return np.ix_(*(np.clip(np.floor(at + 0.5 + 1e-9).astype(np.intp), 0, old - 1) for at, old in zip(places, shape)))


def _interpolate(
    function: str, x: NDArray[Any], sizes: tuple[int, ...], factors: Sequence[float], order: int, anti_alias: bool
) -> NDArray[Any]:
    if order not in ORDERS:
        raise ValueError(f"{function}: order expects one of 0, 1 and 3, got {order}")
    if order > 1 and not np.isfinite(x).all():
        raise ValueError(f"{function}: image expects finite values for a cubic spline, which would spread NaN; use 1")
    if x.shape[: len(sizes)] == sizes and all(factor == 1 for factor in factors):
        return x.copy()  # to the last bit, and no weight of 0 brings a neighbour's NaN along
    first = _first(x.shape, sizes, factors)
    if x.ndim > len(sizes):  # the colours stay as they are
        layers = [_interpolate(function, x[..., c], sizes, factors, order, anti_alias) for c in range(x.shape[-1])]
        return np.stack(layers, axis=-1)
    if anti_alias:
        sigma = [max(0.0, (factor - 1) / 2) for factor in factors]
        x = ndimage.gaussian_filter(x, sigma, mode="nearest") if any(sigma) else x
    if order == 0:
        return x[_nearest(x.shape, sizes, factors)]
    result: NDArray[Any] = np.empty(sizes, x.dtype)
    ndimage.affine_transform(x, np.asarray(factors), first, sizes, result, order, mode="nearest")
    return result


def _interpolate_labels(
    function: str, labels: NDArray[Any], sizes: tuple[int, ...], factors: Sequence[float], order: int
) -> NDArray[Any]:
    if order not in (0, 1):
        raise ValueError(f"{function}: order expects 0 or 1 for labels, got {order}")
    if order == 0:
        return labels[_nearest(labels.shape, sizes, factors)]
    present = np.unique(labels)
    chosen, largest = np.full(sizes, present[0], labels.dtype), np.full(sizes, -1.0, np.float32)
    for label in present:
        share = _interpolate(function, (labels == label).astype(np.float32), sizes, factors, 1, anti_alias=True)
        more = share > largest + 1e-5  # equal shares differ by rounding
        chosen[more], largest[more] = label, share[more]
    return chosen


def _placed(
    function: str, image: Image | Volume, sizes: tuple[int, ...], factors: Sequence[float], order: int, anti_alias: bool
) -> dict[str, Any]:
    """Values and padding on the new grid."""
    values, padding = image.values, image.padding
    if padding is None or padding.all():
        result = _interpolate(function, values, sizes, factors, order, anti_alias)
        return {"stored": result, "values": result, "padding": None if padding is None else np.ones(sizes, np.bool_)}
    nearest = ndimage.distance_transform_edt(padding, return_distances=False, return_indices=True)
    result = _interpolate(function, values[tuple(nearest)], sizes, factors, order, anti_alias)
    share = _interpolate(function, padding.astype(np.float32), sizes, factors, 1, anti_alias)
    filled_in = share >= 0.5
    # The padding's own value, from the nearest voxel that is padding.
    nearest = ndimage.distance_transform_edt(~padding, return_distances=False, return_indices=True)
    result[filled_in] = _interpolate(function, values[tuple(nearest)], sizes, factors, 0, False)[filled_in]
    return {"stored": result, "values": result, "padding": filled_in}
