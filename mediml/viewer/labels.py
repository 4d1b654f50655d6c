"""Masks over a picture: checked, brought onto its grid, in colours that colour-blind readers tell apart."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mediml.imaging import Volume
from mediml.plots.style import CYCLE
from mediml.viewer.scene import Scene

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


def on_grid(mask: Volume, volume: Volume) -> NDArray[Any]:
    """The values of a mask read from a file, with the axes of `volume`.

    A file may hold the same voxels with axes swapped or reversed. That is undone exactly; nothing is resampled.

    Raises
    ------
    ValueError
        If the voxels are not those of `volume`.
    """
    ours, theirs = np.asarray(volume.directions), np.asarray(mask.directions)
    overlap = ours @ theirs.T
    order = np.argmax(np.abs(overlap), axis=1)
    if sorted(order) != [0, 1, 2]:
        raise ValueError("--mask expects the voxels of the image, got a grid that is turned by about 45 degrees")
    signs = np.sign(overlap[(0, 1, 2), order]).astype(int)
    values = np.transpose(mask.values, order)[tuple(slice(None, None, int(sign)) for sign in signs)]
    if values.shape != volume.shape:
        raise ValueError(
            f"--mask expects {' × '.join(map(str, volume.shape))} voxels as the image has, "
            f"got {' × '.join(map(str, values.shape))}; resample it to the image first"
        )
    corners = np.array([[p, r, c, 1] for p in (0, 1) for r in (0, 1) for c in (0, 1)], np.float64)
    corners[:, :3] *= np.asarray(volume.shape) - 1
    indices = np.ones((8, 4))
    for axis, (source, sign) in enumerate(zip(order, signs)):
        reversed_index = mask.shape[source] - 1 - corners[:, axis]
        indices[:, source] = corners[:, axis] if sign > 0 else reversed_index
    distance = np.abs(indices @ mask.affine.T - corners @ volume.affine.T)[:, :3].max()
    if distance > max(_TOLERANCE_MM, 0.02 * min(volume.spacing_mm)):
        raise ValueError(
            f"--mask expects voxels at the places of the image's, got a corner {distance:.3g} mm away; "
            f"resample it to the image first"
        )
    return values
