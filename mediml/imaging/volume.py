"""A stack of parallel slices as one array with its place in the patient.

Taught in lesson 02, DICOM and geometry.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mediml.imaging.image import Image, LookupView, Step, WindowView, shown

__all__ = ["AXIS_ENDS", "MAX_VOXELS", "Volume", "axis_assignment", "check_voxel_count", "place_of", "vector3"]

Vector = tuple[float, float, float]

#: 1024 slices of 512 × 512; values, stored numbers and padding then take 1.8 GB.
MAX_VOXELS = 2**28

#: Negative and positive end of the patient's axes x, y, z (PS3.3, C.7.6.2.1.1): +x left, +y posterior, +z head.
AXIS_ENDS = (("R", "L"), ("A", "P"), ("F", "H"))


@dataclass(frozen=True, eq=False)
class Volume:
    """Grey voxels on a grid of equal steps, in the coordinates of the patient.

    Attributes
    ----------
    stored : ndarray of shape (planes, rows, columns)
        The file's numbers.
    values : ndarray of the same shape, float32 (float64 for files of more than 16 bits)
        Physical values in `units`.
    spacing_mm : tuple of three float
        Distance between the centres of neighbouring planes, rows and columns, in the order of the axes.
    directions : tuple of three vectors
        Where the plane, the row and the column index lead: unit vectors in DICOM's patient coordinates (LPS: +x to the
        patient's left, +y to the back, +z to the head).
    origin_mm : vector
        Centre of the voxel (0, 0, 0), in the same coordinates.
    units, modality, views, inverted, padding, facts, age_years, account, doubts
        As of `Image`; `padding` has the shape of `values`.
    """

    stored: NDArray[Any]
    values: NDArray[Any]
    spacing_mm: Vector
    directions: tuple[Vector, Vector, Vector]
    origin_mm: Vector
    units: str = "arbitrary"
    modality: str = "unknown"
    views: tuple[WindowView | LookupView, ...] = ()
    inverted: bool = False
    padding: NDArray[np.bool_] | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    age_years: float | None = None
    account: tuple[Step, ...] = ()
    doubts: tuple[Step, ...] = ()

    @property
    def shape(self) -> tuple[int, int, int]:
        """Planes, rows and columns."""
        planes, rows, columns = self.values.shape
        return (planes, rows, columns)

    @property
    def size_mm(self) -> Vector:
        """Extent along the three axes, from edge to edge."""
        planes, rows, columns = (n * step for n, step in zip(self.shape, self.spacing_mm))
        return (planes, rows, columns)

    @property
    def affine(self) -> NDArray[np.float64]:
        """Matrix of shape (4, 4): ``affine @ (plane, row, column, 1)`` is the place of a voxel's centre, LPS, in mm.

        position = origin + plane · spacing[0] · directions[0] + row · spacing[1] · directions[1] + …
        """
        matrix = np.eye(4)
        matrix[:3, :3] = np.asarray(self.directions, np.float64).T * np.asarray(self.spacing_mm)
        matrix[:3, 3] = self.origin_mm
        return matrix

    @property
    def axis_codes(self) -> tuple[str, str, str]:
        """Where each axis mainly leads: ``("H", "P", "L")`` for axial slices from the feet to the head.

        R and L are the patient's right and left, A and P front and back, F and H feet and head.
        """
        plane, row, column = (
            AXIS_ENDS[axis][int(direction[axis] > 0)]
            for direction, axis in zip(self.directions, axis_assignment(self.directions))
        )
        return (plane, row, column)

    def position_mm(self, index: ArrayLike) -> NDArray[np.float64]:
        """Where voxels lie: `index` of shape (..., 3), plane, row and column, to places of that shape, LPS, in mm."""
        matrix = self.affine
        return np.asarray(np.asarray(index, np.float64) @ matrix[:3, :3].T + matrix[:3, 3])

    def index_at(self, position_mm: ArrayLike) -> NDArray[np.float64]:
        """The inverse of `position_mm`: plane, row and column of places, with fractions, also outside of the volume."""
        matrix = self.affine
        return np.asarray(np.linalg.solve(matrix[:3, :3], (np.asarray(position_mm) - matrix[:3, 3])[..., None])[..., 0])

    def plane(self, index: int) -> Image:
        """One slice as an image; negative indices count from the end."""
        if not -len(self.values) <= index < len(self.values):
            raise ValueError(f"plane: index expects 0 to {len(self.values) - 1}, got {index}")
        index %= len(self.values)
        place = self.affine @ (index, 0, 0, 1)
        return Image(
            stored=self.stored[index],
            values=self.values[index],
            units=self.units,
            modality=self.modality,
            spacing_mm=self.spacing_mm[1:],
            spacing_at="patient",
            aspect=self.spacing_mm[1] / self.spacing_mm[2],
            views=self.views,
            inverted=self.inverted,
            padding=None if self.padding is None else self.padding[index],
            orientation=(*self.directions[2], *self.directions[1]),  # DICOM names the row's direction first
            origin_mm=tuple(float(x) for x in place[:3]),
            facts=self.facts,
            age_years=self.age_years,
            account=self.account,
            doubts=self.doubts,
        )

    def display(self, view: int | WindowView | LookupView = 0) -> NDArray[Any]:
        """All slices as they are meant to be seen, 0 black and 1 white: see `Image.display`."""
        return shown(self, view)


def axis_assignment(directions: tuple[Vector, Vector, Vector]) -> tuple[int, int, int]:
    """For each axis the patient's axis it is named after, 0 to 2, none of them twice.

    The axis that runs most nearly along one of the patient's is named first, and the others choose from what is left,
    so that a volume turned by 45 degrees still has three different names.
    """
    along = np.asarray(directions, np.float64) ** 2
    chosen = [0, 0, 0]
    for axis in np.argsort(-along.max(axis=1), kind="stable"):
        chosen[axis] = int(np.argmax(along[axis]))
        along[:, chosen[axis]] = -1
    return (chosen[0], chosen[1], chosen[2])


def place_of(
    affine: ArrayLike, error: type[ValueError] = ValueError
) -> tuple[Vector, tuple[Vector, Vector, Vector], Vector]:
    """Spacing, directions and origin of an affine of shape (4, 4); the inverse of `Volume.affine`.

    Raises
    ------
    error
        If a column is zero, a number is not finite, or the axes are not at right angles (by more than 0.001 in the
        cosine, which is what directions rounded to three decimals can be off by).
    """
    matrix = np.asarray(affine, np.float64)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or (matrix[3] != (0, 0, 0, 1)).any():
        raise error("affine expects a matrix (4, 4) of finite numbers with the last row 0, 0, 0, 1")
    steps = np.linalg.norm(matrix[:3, :3], axis=0)
    if (steps <= 0).any():
        raise error(f"affine expects three axes of some length, got steps of {vector3(steps)} mm")
    directions = matrix[:3, :3].T / steps[:, None]
    skew = np.abs(directions @ directions.T - np.eye(3)).max()
    if skew > 1e-3:
        raise error(
            f"affine expects axes at right angles, got a cosine of {skew:.3g} between two (a shear); resample the "
            f"volume onto a rectangular grid first"
        )
    first, second, third = (vector3(direction) for direction in directions)
    return vector3(steps), (first, second, third), vector3(matrix[:3, 3])


def check_voxel_count(shape: Sequence[int], error: type[ValueError] = ValueError) -> None:
    """Refuse volumes without voxels, or with more than `MAX_VOXELS`, before anything of that size is made."""
    if min(shape) < 1:
        raise error(f"the volume has shape {tuple(shape)}; each axis must hold at least one voxel")
    if math.prod(shape) > MAX_VOXELS:
        raise error(f"the volume asks for {' × '.join(map(str, shape))} voxels; at most {MAX_VOXELS} are read")


def vector3(numbers: Iterable[float]) -> Vector:
    """Three numbers as a tuple of float."""
    x, y, z = (float(number) for number in numbers)
    return (x, y, z)
