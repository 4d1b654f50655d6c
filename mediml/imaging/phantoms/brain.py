"""Heads for brain MR: which share of each voxel every tissue fills, and where the finding is.

Taught in lesson 01, medical images.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediml.imaging.phantoms.head import TISSUE_NAMES, Head
from mediml.imaging.phantoms.head_findings import FINDINGS, Finding, Infarct, Tumour, draw_finding

__all__ = ["BrainAnatomy", "brain_anatomy"]

Vector = tuple[float, float, float]

#: Directions (LPS) of the plane, row and column index, as pictures of each kind are hung.
_PLANES: Mapping[str, tuple[Vector, Vector, Vector]] = {
    "axial": ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)),
    "coronal": ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0), (1.0, 0.0, 0.0)),
    "sagittal": ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0), (0.0, 1.0, 0.0)),
}
#: Middle of the pictures, mm, where none is asked for: the brain from the cerebellum to the crown; one plane shows
#: the basal ganglia and the ventricles, or lies beside the midline.
_CENTRES: Mapping[str, Vector] = {"axial": (0.0, 16.0, 14.0), "coronal": (0.0, 16.0, 2.0), "sagittal": (0.0, 16.0, 2.0)}
_SLICE_CENTRES: Mapping[str, Vector] = {
    "axial": (0.0, 16.0, 8.0),
    "coronal": (0.0, 8.0, 2.0),
    "sagittal": (3.0, 16.0, 2.0),
}
#: Tissues that are brain, healthy or not.
_BRAIN = ("grey", "white", "deep_grey", "tumour", "necrosis", "oedema", "stroke", "white_matter_lesion")
_MAX_POINTS = 2**29


@dataclass(frozen=True, eq=False)
class BrainAnatomy:
    """A head on a grid of voxels.

    Attributes
    ----------
    fractions : mapping of str to ndarray of float32, shape (planes, rows, columns)
        For every tissue that occurs the share of each voxel it fills, from 0 to 1; they add up to 1.
    masks : mapping of str to ndarray of bool
        ``"brain"``, ``"left"`` and ``"right"`` (the patient's halves of the brain), and of the finding ``"lesion"``
        (all of the tumour with its dead core, the infarct, or the white-matter lesions), ``"necrosis"``, ``"oedema"``
        and ``"mca_territory"``. A voxel belongs where the share is at least one half; where
        lesion and oedema have one half each, it is lesion.
    volumes_mm3 : mapping of str to float
        Volume of every tissue within the grid: sum of the shares times the volume of a voxel.
    lesion_volume_mm3 : float or None
        Volume of the tumour by its surface, dead core included, wherever the grid ends; None without a tumour.
    lesion_centre_mm : vector or None
        Centre of gravity of the tumour, LPS.
    finding, side : str or None
        What was asked for; ``"left"`` or ``"right"`` of the patient, None for both or without a finding.
    spacing_mm, directions, origin_mm
        As of `mediml.imaging.Volume`.
    seed, index : int
        Of the random numbers.
    """

    fractions: Mapping[str, NDArray[np.float32]]
    masks: Mapping[str, NDArray[np.bool_]]
    volumes_mm3: Mapping[str, float]
    lesion_volume_mm3: float | None
    lesion_centre_mm: Vector | None
    finding: str | None
    side: str | None
    spacing_mm: Vector
    directions: tuple[Vector, Vector, Vector]
    origin_mm: Vector
    seed: int
    index: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Planes, rows and columns."""
        planes, rows, columns = next(iter(self.fractions.values())).shape
        return (planes, rows, columns)


def brain_anatomy(
    seed: int = 0,
    index: int = 0,
    *,
    shape: tuple[int, int, int] = (32, 192, 160),
    spacing_mm: Vector = (4.0, 1.25, 1.25),
    plane: str = "axial",
    center_mm: Vector | None = None,
    finding: str | None = None,
    side: str | None = None,
    volume_ml: float | None = None,
    symmetric: bool = False,
    oversampling: int = 2,
) -> BrainAnatomy:
    """A seeded head: scalp, skull, folded cortex, white matter, ventricles, basal ganglia, cerebellum, stem, eyes.

    Parameters
    ----------
    seed, index : int
        Head `index` of a seed is the same however many others are made, on whatever grid it is sampled.
    shape : tuple of three int
        Planes, rows, columns. ``(1, 256, 256)`` with ``spacing_mm=(5, 0.9, 0.9)`` is a single slice.
    spacing_mm : tuple of three float
        In the order of the axes; planes are as thick as they are apart.
    plane : str
        ``"axial"`` (from the feet to the head), ``"coronal"`` (front to back) or ``"sagittal"`` (right to left). The
        patient's right is on the left of axial and coronal pictures.
    center_mm : vector, optional
        Middle of the grid in LPS; the origin is the anterior commissure.
    finding : str, optional
        ``"tumour"``, ``"stroke"`` (fresh, of the middle cerebral artery) or ``"white_matter_lesions"``.
    side : str, optional
        ``"left"`` or ``"right"`` of the patient for a tumour or a stroke; drawn where it is None.
    volume_ml : float, optional
        Volume of the tumour, dead core included, from 0.1 to about 30 ml; drawn from 4 to 24 where it is None.
    symmetric : bool
        True mirrors the healthy head about the plane x = 0 exactly.
    oversampling : int
        Points per voxel and axis at which the tissue is asked for; 2 gives shares in steps of 1/8.

    Returns
    -------
    BrainAnatomy

    Raises
    ------
    ValueError
        If an argument is out of its range, or no place is found for a tumour of this volume.

    Notes
    -----
    Cortex folds along the zero surfaces of band-limited noise that runs towards the middle of the brain; grey matter
    lies within about 2.7 mm of the CSF. The tumour displaces the brain around it as an incompressible medium would.
    Nothing here is a patient; no clinical claim can follow from it.

    Taught in lesson 01, medical images.
    """
    _check(seed, index, shape, spacing_mm, plane, finding, side, volume_ml, oversampling)
    head = Head(np.random.default_rng([seed, index, 0]), symmetric)
    found = None
    if finding is not None:
        wanted = None if volume_ml is None else volume_ml * 1000
        found = draw_finding(finding, np.random.default_rng([seed, index, 1]), head, side, wanted)
    directions = _PLANES[plane]
    middle = center_mm or (_CENTRES if shape[0] > 1 else _SLICE_CENTRES)[plane]
    corner = [-(n - 1) / 2 * step for n, step in zip(shape, spacing_mm)]
    x, y, z = (float(m + sum(corner[k] * directions[k][i] for k in range(3))) for i, m in enumerate(middle))
    origin = (x, y, z)
    counts = _sample(head, found, shape, spacing_mm, directions, origin, oversampling)
    points = oversampling**3
    fractions = {name: n.astype(np.float32) / np.float32(points) for name, n in counts.items()}
    voxel = math.prod(spacing_mm)
    volumes = {name: float(n.sum(dtype=np.int64)) / points * voxel for name, n in counts.items()}
    tumour = found if isinstance(found, Tumour) else None
    return BrainAnatomy(
        fractions=fractions,
        masks=_masks(fractions, head, found, shape, spacing_mm, directions, origin),
        volumes_mm3=volumes,
        lesion_volume_mm3=None if tumour is None else tumour.lump.volume_mm3,
        lesion_centre_mm=None if tumour is None else tumour.centre_mm,
        finding=finding,
        side={1: "left", -1: "right"}.get(found.sign) if found else None,
        spacing_mm=spacing_mm,
        directions=directions,
        origin_mm=origin,
        seed=seed,
        index=index,
    )


def _check(
    seed: int, index: int, shape: Any, spacing_mm: Any, plane: str, finding: Any, side: Any, volume_ml: Any, points: int
) -> None:
    if seed < 0 or index < 0:
        raise ValueError(f"brain_anatomy: seed and index expect numbers from 0, got {seed} and {index}")
    if len(shape) != 3 or min(shape) < 1:
        raise ValueError(f"brain_anatomy: shape expects planes, rows and columns of at least 1, got {shape}")
    if len(spacing_mm) != 3 or not all(0 < s < math.inf for s in spacing_mm):
        raise ValueError(f"brain_anatomy: spacing_mm expects three positive numbers, got {spacing_mm}")
    if plane not in _PLANES:
        raise ValueError(f"brain_anatomy: plane expects one of {', '.join(_PLANES)}, got {plane!r}")
    if finding is not None and finding not in FINDINGS:
        raise ValueError(f"brain_anatomy: finding expects None or one of {', '.join(FINDINGS)}, got {finding!r}")
    if side not in (None, "left", "right") or (side and finding not in ("tumour", "stroke")):
        raise ValueError(
            f"brain_anatomy: side expects 'left' or 'right' with a tumour or a stroke, got {side!r} with {finding!r}"
        )
    if volume_ml is not None and (finding != "tumour" or not 0.1 <= volume_ml < math.inf):
        raise ValueError(
            f"brain_anatomy: volume_ml expects at least 0.1, with a tumour, got {volume_ml} with {finding!r}"
        )
    if points < 1 or math.prod(shape) * points**3 > _MAX_POINTS:
        raise ValueError(
            f"brain_anatomy: oversampling expects at least 1 and at most {_MAX_POINTS} points in all, got {points} for "
            f"{shape}; ask for fewer voxels"
        )


def _sample(
    head: Head,
    finding: Finding | None,
    shape: tuple[int, int, int],
    spacing: Vector,
    directions: Any,
    origin: Vector,
    points: int,
) -> dict[str, NDArray[np.uint16]]:
    """How many of the points of each voxel lie in each tissue."""
    planes, rows, columns = shape
    counts: dict[str, NDArray[np.uint16]] = {}
    for plane in range(planes * points):
        place = _places(shape, spacing, directions, origin, points, plane)
        label = head.label(*place, push=finding.push if finding else None)
        if finding is not None:
            finding.relabel(label, place, head)
        label = label.reshape(rows, points, columns, points)
        for tissue in np.flatnonzero(np.bincount(label.ravel())):
            count = counts.setdefault(TISSUE_NAMES[tissue], np.zeros(shape, np.uint16))
            count[plane // points] += (label == tissue).sum((1, 3), dtype=np.uint16)
    return {name: counts[name] for name in TISSUE_NAMES if name in counts}


def _places(
    shape: tuple[int, int, int], spacing: Vector, directions: Any, origin: Vector, points: int, plane: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """x, y and z of all points of one plane of the fine grid, flat."""
    along = [(np.arange(n * points) + 0.5) / points - 0.5 for n in shape]
    steps = (along[0][plane], along[1][:, None], along[2][None, :])
    x, y, z = (
        np.asarray(origin[i] + sum(steps[k] * (spacing[k] * directions[k][i]) for k in range(3)), np.float32).ravel()
        for i in range(3)
    )
    return x, y, z


def _masks(
    fractions: Mapping[str, NDArray[np.float32]],
    head: Head,
    finding: Finding | None,
    shape: tuple[int, int, int],
    spacing: Vector,
    directions: Any,
    origin: Vector,
) -> dict[str, NDArray[np.bool_]]:
    def share(*names: str) -> NDArray[np.float32]:
        empty = np.zeros(shape, np.float32)
        return np.asarray(sum((fractions[name] for name in names if name in fractions), empty), np.float32)

    brain = share(*_BRAIN) >= 0.5
    places = [_places(shape, spacing, directions, origin, 1, plane) for plane in range(shape[0])]
    x = np.stack([place[0].reshape(shape[1:]) for place in places])
    masks = {"brain": brain, "left": brain & (x > 0), "right": brain & (x < 0)}
    if finding is None:
        return masks
    masks["lesion"] = share("tumour", "necrosis", "stroke", "white_matter_lesion") >= 0.5
    if isinstance(finding, Tumour):
        masks |= {"necrosis": share("necrosis") >= 0.5, "oedema": (share("oedema") >= 0.5) & ~masks["lesion"]}
    if isinstance(finding, Infarct):
        deep = [Infarct.depth(*head.standard(*place), Infarct.TERRITORY).reshape(shape[1:]) for place in places]
        masks["mca_territory"] = brain & (np.stack(deep) > 0) & (x * finding.sign > 0)
    return masks
