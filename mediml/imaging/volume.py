"""A stack of parallel slices as one array with its place in the patient.

Taught in lesson 02, DICOM and geometry.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediml.imaging.image import Image, LookupView, Step, WindowView, shown

__all__ = ["Volume"]

Vector = tuple[float, float, float]

#: Where an axis leads, in DICOM's patient coordinates (PS3.3, C.7.6.2.1.1): +x left, +y posterior, +z head.
_LETTERS = (("R", "L"), ("A", "P"), ("F", "H"))


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
        plane, row, column = (_letter(direction) for direction in self.directions)
        return (plane, row, column)

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


def _letter(direction: Vector) -> str:
    axis = int(np.argmax(np.abs(direction)))
    return _LETTERS[axis][int(direction[axis] > 0)]
