"""Which way round an image is shown, and which letters stand at its edges.

A pane may turn an axis of the array so that the patient's right is at the left of the screen; the letters are then
read from the turned direction itself, so that they cannot disagree with the picture.

Taught in lesson 02, DICOM and geometry.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediml.imaging import Image, Volume
from mediml.imaging.volume import AXIS_ENDS, axis_assignment

__all__ = ["Letters", "Pane", "affine", "image_pane", "letters", "three_panes"]

_OPPOSITE = {end: other for pair in AXIS_ENDS for end, other in (pair, pair[::-1])}

#: A direction gets a second letter where it leans over by more than about 17 degrees.
_LEANING = 0.3

#: Cosine of 2.5 degrees: scans that are tilted less count as straight.
_STRAIGHT = 0.999

#: Name, patient axis across the screen, patient axis down the screen; a sign turns the axis. As radiologists see them.
_VIEWS = (("axial", (0, 1), (1, 1)), ("coronal", (0, 1), (2, -1)), ("sagittal", (1, 1), (2, -1)))


@dataclass(frozen=True)
class Letters:
    """What lies beyond the four edges: R and L the patient's right and left, A and P front and back, F and H feet and
    head; two letters where the direction is oblique."""

    left: str
    right: str
    top: str
    bottom: str


@dataclass(frozen=True)
class Pane:
    """One way to look at an array of axes (plane, row, column).

    Attributes
    ----------
    name : str
        ``"axial"``, ``"coronal"``, ``"sagittal"`` or ``"image"``.
    through : int
        The axis that the slider moves along.
    across, down : tuple of int
        Axis that leads to the right, or down, and 1, or -1 where it is turned.
    letters : Letters or None
        None where the place in the patient is unknown.
    oblique : bool
        True where the slice is not parallel to the body's plane of that name.
    """

    name: str
    through: int
    across: tuple[int, int]
    down: tuple[int, int]
    letters: Letters | None
    oblique: bool = False

    def picture(self, array: NDArray[Any], index: int) -> NDArray[Any]:
        """The slice `index` of `array`, turned as it is shown."""
        plane = np.take(array, index, axis=self.through)
        if self.across[0] < self.down[0]:
            plane = np.swapaxes(plane, 0, 1)
        return plane[:: self.down[1], :: self.across[1]]


def letters(direction: Sequence[float]) -> str:
    """The end of the body that a direction leads to: ``"L"``, or ``"LP"`` where it leans backwards."""
    vector = np.asarray(direction, np.float64) / np.linalg.norm(direction)
    order = np.argsort(-np.abs(vector), kind="stable")
    chosen = [axis for place, axis in enumerate(order) if place == 0 or abs(vector[axis]) > _LEANING]
    return "".join(AXIS_ENDS[axis][int(vector[axis] > 0)] for axis in chosen)


def _opposite(text: str) -> str:
    return "".join(_OPPOSITE[letter] for letter in text)


def _at_edges(across: str, down: str) -> Letters:
    return Letters(left=_opposite(across), right=across, top=_opposite(down), bottom=down)


def three_panes(volume: Volume) -> tuple[Pane, ...]:
    """Axial, coronal and sagittal: the patient's right at the left of the screen, the front at the top or at the left,
    the head at the top, whichever way the array runs."""
    directions = np.asarray(volume.directions, np.float64)
    axis_of = np.argsort(axis_assignment(volume.directions)).tolist()  # the array's axis for each of the patient's
    oblique = bool(np.abs(directions[axis_of, (0, 1, 2)]).min() < _STRAIGHT)
    panes = []
    for name, *both in _VIEWS:
        placed = []
        for patient_axis, wanted in both:
            axis = axis_of[patient_axis]
            placed.append((axis, wanted if directions[axis, patient_axis] > 0 else -wanted))
        across, down = placed
        edges = _at_edges(*(letters(sign * directions[axis]) for axis, sign in (across, down)))
        panes.append(Pane(name, 3 - across[0] - down[0], across, down, edges, oblique))
    return tuple(panes)


def image_pane(image: Image) -> Pane:
    """An image as its file has it, with letters from Image Orientation (Patient), else from Patient Orientation."""
    matrix = _directions(image)
    if matrix is not None:
        return Pane("image", 0, (2, 1), (1, 1), _at_edges(letters(matrix[0]), letters(matrix[1])))
    across, _, down = image.facts.get("patient_orientation", "").partition("/")
    known = across and down and set(across + down) <= set(_OPPOSITE)
    return Pane("image", 0, (2, 1), (1, 1), _at_edges(across, down) if known else None)


def affine(image: Image | Volume) -> list[list[float]] | None:
    """Rows x, y, z of the matrix that takes (plane, row, column, 1) to patient coordinates in mm (LPS), or None.

    An image needs its orientation, its position, and a spacing that is that of the patient and not of a detector.
    """
    if isinstance(image, Volume):
        return [[float(number) for number in row] for row in image.affine[:3]]
    matrix = _directions(image)
    if matrix is None or image.origin_mm is None or image.spacing_mm is None or image.spacing_at != "patient":
        return None
    columns = (
        np.zeros(3),
        matrix[1] * image.spacing_mm[0],
        matrix[0] * image.spacing_mm[1],
        np.asarray(image.origin_mm),
    )
    return [[float(number) for number in row] for row in np.stack(columns, axis=1)]


def _directions(image: Image) -> NDArray[np.float64] | None:
    """Unit vectors along a row and down a column; None where they are absent or not perpendicular unit vectors."""
    if image.orientation is None or len(image.orientation) != 6:
        return None
    matrix = np.asarray(image.orientation, np.float64).reshape(2, 3)
    if not np.allclose(matrix @ matrix.T, np.eye(2), atol=0.01):
        return None
    return matrix
