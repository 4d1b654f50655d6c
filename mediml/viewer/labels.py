"""Masks over a picture: checked, brought onto its grid, in colours that colour-blind readers tell apart."""

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mediml.imaging import Volume, reorient
from mediml.plots.style import CYCLE
from mediml.viewer.scene import Picture, Scene

__all__ = ["COLOURS", "label_sizes", "labels_of", "on_grid"]

#: Okabe and Ito's without black, which is the picture's; those brightest on grey first. Label 8 begins again.
COLOURS = tuple(CYCLE[k] for k in (4, 5, 2, 3, 7, 1, 0))

_MOST = 255
_TOLERANCE_MM = 0.01


def labels_of(mask: ArrayLike, scene: Scene) -> NDArray[np.uint8]:
    """A mask as labels 0 to 255 of the shape of the scene.

    Parameters
    ----------
    mask : array_like of shape (planes, rows, columns), or (rows, columns) for a single plane
        Whole numbers or bool; 0 is no label.

    Raises
    ------
    ValueError
        If it has another shape, or holds anything but whole numbers from 0 to 255.
    """
    array = np.asarray(mask)
    full = (scene.count, *scene.shape[1:])
    if array.ndim == 2:
        array = array[None]
    if array.shape != full:
        wanted = full if scene.count > 1 else full[1:]
        raise ValueError(f"write_viewer: mask expects the shape of the image {wanted}, got {np.shape(mask)}")
    if array.dtype.kind not in "biuf":
        raise ValueError(f"write_viewer: mask expects whole numbers, got dtype {array.dtype}")
    if array.dtype.kind == "f" and not np.array_equal(array, np.rint(array)):
        raise ValueError("write_viewer: mask expects whole numbers, got fractions; threshold it first")
    if array.min() < 0 or array.max() > _MOST:
        raise ValueError(f"write_viewer: mask expects labels from 0 to {_MOST}, got {array.min()} to {array.max()}")
    return np.ascontiguousarray(array[:: scene.every]).astype(np.uint8)


def label_sizes(labels: NDArray[np.uint8], scene: Scene) -> list[dict[str, Any]]:
    """Number, colour, pixels and, for a volume, millilitres of each label."""
    voxel_mm3 = None
    if scene.kind == "volume" and scene.spacing_mm is not None:
        voxel_mm3 = float(np.prod([step for step in scene.spacing_mm if step is not None]))
    counts = np.bincount(labels.reshape(-1), minlength=_MOST + 1)
    return [
        {
            "label": int(label),
            "colour": COLOURS[(int(label) - 1) % len(COLOURS)],
            "voxels": int(counts[label]),
            "ml": None if voxel_mm3 is None else counts[label] * voxel_mm3 / 1000,
        }
        for label in np.flatnonzero(counts)
        if label > 0
    ]


def on_grid(mask: Volume, picture: Picture) -> NDArray[Any]:
    """The values of a mask read from a file, with the axes of `picture`.

    A file may hold the same voxels with axes swapped or reversed. That is undone exactly; nothing is resampled.

    Raises
    ------
    ValueError
        If `picture` is no volume, or the voxels are not its own.
    """
    if not isinstance(picture, Volume):
        raise ValueError("--mask expects a series or a volume to lie over; the input is a single image or a loop")
    turned = reorient(mask, "".join(picture.axis_codes))
    if turned.shape != picture.shape:
        raise ValueError(
            f"--mask expects {' × '.join(map(str, picture.shape))} voxels as the image has, "
            f"got {' × '.join(map(str, turned.shape))}; resample it to the image first"
        )
    corners = np.array(list(product(*((0, n - 1) for n in picture.shape))))
    distance = float(np.abs(turned.position_mm(corners) - picture.position_mm(corners)).max())
    if distance > max(_TOLERANCE_MM, 0.02 * min(picture.spacing_mm)):
        raise ValueError(
            f"--mask expects voxels at the places of the image's, got a corner {distance:.3g} mm away; "
            f"resample it to the image first"
        )
    return turned.values
