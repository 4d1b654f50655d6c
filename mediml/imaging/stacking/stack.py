"""From the places of parallel slices to one regular grid: order, step, gaps, duplicates and shear. Numbers only.

The order and the step come from Image Position (Patient) and Image Orientation (Patient). Slice Thickness is how much
tissue a slice averages, Spacing Between Slices is often absent or wrong, and Instance Number follows the scanner's or
the archive's own order.

Taught in lesson 02, DICOM and geometry.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mediml.imaging.stacking.scan import SeriesError
from mediml.imaging.standard.header import tag_name

__all__ = ["ANGLE_TOLERANCE", "Grid", "fit_grid", "rounding_mm", "same_place", "unit_directions"]

#: Cosines written with three decimals are off by up to 0.0005 each, so their dot products by up to about 0.001.
ANGLE_TOLERANCE = 1e-3

#: Positions are commonly written with two decimals and then off by up to 0.005 mm each; two of them by 0.01 mm. Where
#: pixels are very small, it is this part of a pixel.
ROUNDING_MM, ROUNDING_PIXELS = 0.01, 0.02

#: How far a slice may lie from its place on the regular grid, as a part of the step.
STEP_TOLERANCE = 0.05

#: How far a slice may be shifted within its plane against a straight, right-angled stack, as a part of a pixel.
SHIFT_TOLERANCE = 0.25

POSITION, ORIENTATION = tag_name("ImagePositionPatient"), tag_name("ImageOrientationPatient")


@dataclass(frozen=True, eq=False)
class Grid:
    """Where slices lie on a regular grid.

    Attributes
    ----------
    row, column, normal : ndarray of shape (3,)
        Unit vectors: where the column index leads (DICOM's row direction), where the row index leads, and their cross
        product, along which planes are counted.
    step_mm : float
        Between neighbouring planes, along the normal.
    planes : ndarray of int
        Plane of each slice, from 0.
    shifts_mm : ndarray of shape (number of slices, 2)
        How far each slice is shifted within its plane, along the rows' index and the columns' index, against the
        first; about 0 in a straight stack.
    first : int
        The slice on plane 0.
    """

    row: NDArray[np.float64]
    column: NDArray[np.float64]
    normal: NDArray[np.float64]
    step_mm: float
    planes: NDArray[np.int64]
    shifts_mm: NDArray[np.float64]
    first: int

    @property
    def count(self) -> int:
        """Planes of the grid, with those that no slice fills."""
        return int(self.planes.max()) + 1

    @property
    def missing(self) -> int:
        """Planes that no slice fills."""
        return self.count - len(np.unique(self.planes))

    @property
    def tilt_degrees(self) -> float:
        """Angle between the normal of the slices and the line of their positions."""
        last = int(np.argmax(self.planes))
        depth = float(self.planes[last]) * self.step_mm
        return math.degrees(math.atan2(float(np.linalg.norm(self.shifts_mm[last])), depth))

    def is_straight(self, spacing_mm: Sequence[float]) -> bool:
        """Whether no slice is shifted by more than a quarter of a pixel against the first."""
        return bool((np.abs(self.shifts_mm) <= SHIFT_TOLERANCE * np.asarray(spacing_mm)).all())


def unit_directions(orientation: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Row direction, column direction and their cross product, made exactly orthonormal.

    Raises
    ------
    SeriesError
        If the six numbers are no two unit vectors at right angles, within `ANGLE_TOLERANCE`.
    """
    row, column = np.asarray(orientation, np.float64).reshape(2, 3)
    lengths = (float(np.linalg.norm(row)), float(np.linalg.norm(column)))
    cosine = float(row @ column)
    if max(abs(length - 1) for length in lengths) > ANGLE_TOLERANCE or abs(cosine) > ANGLE_TOLERANCE:
        raise SeriesError(
            f"{ORIENTATION} expects two unit vectors at right angles, got lengths {lengths[0]:.4g} and "
            f"{lengths[1]:.4g} and a cosine of {cosine:.4g}; export the series again"
        )
    row = row / lengths[0]
    column = column - (column @ row) * row
    column = column / np.linalg.norm(column)
    return row, column, np.cross(row, column)


def rounding_mm(spacing_mm: Sequence[float]) -> float:
    """How far apart two positions are that mean the same place."""
    return min(ROUNDING_MM, ROUNDING_PIXELS * min(spacing_mm))


def same_place(orientation: ArrayLike, positions: ArrayLike, spacing_mm: Sequence[float]) -> NDArray[np.int64]:
    """Number each slice by its place along the normal: equal numbers mean equal places, within `rounding_mm`."""
    depths = np.asarray(positions, np.float64) @ unit_directions(orientation)[2]
    order = np.argsort(depths, kind="stable")
    place = np.empty(len(depths), np.int64)
    place[order] = np.concatenate([[0], np.cumsum(np.diff(depths[order]) > rounding_mm(spacing_mm))])
    return place


def fit_grid(orientation: ArrayLike, positions: ArrayLike, spacing_mm: Sequence[float]) -> Grid:
    """The regular grid on which slices at different places lie.

    Parameters
    ----------
    orientation : six numbers
        That all slices share.
    positions : array_like of shape (number of slices, 3)
        Centre of the first pixel of each, in any order; at least two, no two at the same depth.
    spacing_mm : (between rows, between columns)

    Returns
    -------
    Grid

    Raises
    ------
    SeriesError
        If the slices are not a whole number of steps apart, within `STEP_TOLERANCE` of the step and `rounding_mm`.

    Notes
    -----
    depth = position · (row direction × column direction). The step is first the lower median of the differences of
    sorted depths, which one gap does not move, and then (last - first) / (planes - 1), in which roundings do not add
    up.
    """
    row, column, normal = unit_directions(orientation)
    places = np.asarray(positions, np.float64)
    depths = places @ normal
    order = np.argsort(depths, kind="stable")
    differences = np.diff(depths[order])
    step = float(np.sort(differences)[(len(differences) - 1) // 2])
    planes = np.empty(len(places), np.int64)
    planes[order] = np.concatenate([[0], np.cumsum(np.rint(differences / step).astype(np.int64))])
    first, last = int(order[0]), int(order[-1])
    if planes[last] > 0:
        step = float(depths[last] - depths[first]) / int(planes[last])
    errors = np.abs(depths - depths[first] - planes * step)
    if errors.max() > STEP_TOLERANCE * step + rounding_mm(spacing_mm) or len(np.unique(planes)) < len(planes):
        raise SeriesError(
            f"{POSITION}: the slices are {differences.min():.4g} to {differences.max():.4g} mm apart, which is no "
            f"regular step; give the files of one evenly spaced part"
        )
    offsets = places - places[first]
    return Grid(row, column, normal, step, planes, np.stack([offsets @ column, offsets @ row], axis=1), first)
