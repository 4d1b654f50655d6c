"""A sheared stack, as a tilted CT gantry gives it, onto a rectangular grid.

Taught in lesson 02, DICOM and geometry.
"""

from dataclasses import replace

import numpy as np
from scipy.ndimage import map_coordinates

from mediml.imaging.image import Step
from mediml.imaging.stacking.scan import SeriesError
from mediml.imaging.stacking.stack import Grid
from mediml.imaging.volume import Volume, check_voxel_count, vector3

__all__ = ["straighten"]


def straighten(volume: Volume, grid: Grid) -> Volume:
    """Shift each plane within itself to where its voxels lie in a rectangular grid.

    Parameters
    ----------
    volume : Volume
        Planes as they were read, each on the array's first pixel.
    grid : Grid
        With the `shifts_mm` of the slices.

    Returns
    -------
    Volume
        With rows and columns enough to hold all planes. A plane shifted by s pixels gives, at row y,
        values[y - s], interpolated linearly between its neighbours; `stored` takes the nearest number. What no
        plane covers, and what touches padding, is padding and holds the lowest measured value.

    Notes
    -----
    The planes themselves stay where they are: a shear parallel to the slices needs no interpolation between slices.
    Linear interpolation lowers noise, at most where the shift is half a pixel (to 1/2 of the variance for one axis).
    """
    planes, rows, columns = volume.shape
    pixels = np.zeros((planes, 2))
    pixels[grid.planes] = grid.shifts_mm / np.asarray(volume.spacing_mm[1:])
    low, high = np.floor(pixels.min(axis=0)).astype(int), np.ceil(pixels.max(axis=0)).astype(int)
    shape = (planes, rows + int(high[0] - low[0]), columns + int(high[1] - low[1]))
    check_voxel_count(shape, SeriesError)
    measured = np.ones(volume.shape, bool) if volume.padding is None else ~volume.padding
    lowest = np.unravel_index(int(np.argmin(np.where(measured, volume.values, np.inf))), volume.shape)
    values = np.full(shape, volume.values[lowest], volume.values.dtype)
    stored = np.full(shape, volume.stored[lowest], volume.stored.dtype)
    padding = np.ones(shape, bool)
    for plane in range(planes):
        at = [np.arange(size) + start - shift for size, start, shift in zip(shape[1:], low, pixels[plane])]
        at = [np.where(np.abs(axis - np.rint(axis)) < 1e-6, np.rint(axis), axis) for axis in at]  # no rounding at edges
        where = np.meshgrid(*at, indexing="ij")
        inside = map_coordinates(measured[plane].astype(np.float64), where, order=1, cval=0.0) > 1 - 1e-9
        moved = map_coordinates(volume.values[plane].astype(np.float64), where, order=1, mode="nearest")
        nearest = np.ix_(*(np.clip(np.rint(axis).astype(int), 0, n - 1) for axis, n in zip(at, (rows, columns))))
        values[plane][inside] = moved[inside]
        stored[plane][inside] = volume.stored[plane][nearest][inside]
        padding[plane] = ~inside
    return replace(
        volume,
        stored=stored,
        values=values,
        padding=padding if padding.any() else None,
        origin_mm=vector3(volume.position_mm((0, int(low[0]), int(low[1])))),
        account=(*volume.account, Step("untilted", {"angle": grid.tilt_degrees})),
    )
