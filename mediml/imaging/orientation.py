"""Turning a volume's axes to a wanted order, without moving a single voxel in the patient.

Taught in lesson 02, DICOM and geometry.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediml.imaging.image import Step
from mediml.imaging.volume import AXIS_ENDS, Volume, vector3

__all__ = ["reorient"]

_AXIS_OF = {letter: axis for axis, ends in enumerate(AXIS_ENDS) for letter in ends}


def reorient(volume: Volume, codes: str = "HPL") -> Volume:
    """The same volume with its axes in another order and sense: exact, nothing is resampled.

    Parameters
    ----------
    volume : Volume
    codes : str
        Where the plane, the row and the column index are to lead: three letters, one of each of the pairs R/L (the
        patient's right, left), A/P (front, back) and F/H (feet, head). Of an oblique volume each axis takes the letter
        that it is nearest to (`Volume.axis_codes`).

    Returns
    -------
    Volume
        With axes permuted and flipped. `directions`, `spacing_mm` and `origin_mm` follow, so that
        ``affine @ (plane, row, column, 1)`` still gives each voxel its place.

    Raises
    ------
    ValueError
        If `codes` are no such letters.

    Notes
    -----
    A picture is drawn with the row index downwards and the column index to the right. Letters say what the picture
    shows at its lower and right edge:

    =======  ==========  ======================================================================
    codes    slices      the reader's view
    =======  ==========  ======================================================================
    ``HPL``  axial       radiological: seen from the feet, the patient's left is on the right
    ``HPR``  axial       neurological: seen from above, the patient's left is on the left
    ``PFL``  coronal     radiological: the reader faces the patient
    ``LFP``  sagittal    the face looks to the left, the head is on top
    =======  ==========  ======================================================================

    The same array drawn by the other convention shows the heart on the wrong side, and nothing in the picture tells.

    References
    ----------
    DICOM PS3.3, C.7.6.2.1.1 (the patient's axes). Taught in lesson 02.
    """
    wanted = [_AXIS_OF.get(letter) for letter in codes] if isinstance(codes, str) else []
    if sorted(axis for axis in wanted if axis is not None) != [0, 1, 2] or len(wanted) != 3:
        raise ValueError(
            f"reorient: codes expects three letters, one of each of R/L, A/P and F/H, such as 'HPL', got {codes!r}"
        )
    present = volume.axis_codes
    order = tuple([_AXIS_OF[code] for code in present].index(axis) for axis in wanted if axis is not None)
    flipped = tuple(present[source] != letter for source, letter in zip(order, codes))
    if order == (0, 1, 2) and not any(flipped):
        return volume
    corner = [volume.shape[source] - 1 if flip else 0 for source, flip in sorted(zip(order, flipped))]
    plane, row, column = (_turned(volume.directions[source], flip) for source, flip in zip(order, flipped))
    return replace(
        volume,
        stored=_moved(volume.stored, order, flipped),
        values=_moved(volume.values, order, flipped),
        padding=None if volume.padding is None else _moved(volume.padding, order, flipped),
        spacing_mm=vector3(volume.spacing_mm[source] for source in order),
        directions=(plane, row, column),
        origin_mm=vector3(volume.position_mm(corner)),
        account=(*volume.account, Step("reoriented", {"before": "".join(present), "after": codes})),
    )


def _moved(array: NDArray[Any], order: tuple[int, ...], flipped: tuple[bool, ...]) -> NDArray[Any]:
    turned = array.transpose(order)[tuple(slice(None, None, -1 if flip else 1) for flip in flipped)]
    return np.array(turned, order="C")


def _turned(direction: tuple[float, float, float], flip: bool) -> tuple[float, float, float]:
    x, y, z = direction
    return (0.0 - x, 0.0 - y, 0.0 - z) if flip else (x, y, z)  # 0.0 - 0.0 is no minus zero
