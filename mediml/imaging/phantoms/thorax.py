"""A chest in three dimensions, drawn from a seed as solid shapes, with findings whose place and volume are known.

Axes are DICOM's patient coordinates in mm: +x to the patient's left, +y to the back, +z to the head. The heart, the
stomach's gas and the spleen lie on the left, the liver on the right.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mediml.imaging.phantoms.anatomy import Anatomy, Frame, draw_anatomy
from mediml.imaging.phantoms.findings import Effusion, Finding, Pneumothorax, Request
from mediml.imaging.phantoms.implants import FIRST_LABEL, Builder
from mediml.imaging.phantoms.materials import CT_KEV, TISSUES, tissue_attenuation
from mediml.imaging.phantoms.organs import (
    abdomen,
    back_muscles,
    great_vessels,
    heart,
    mediastinum,
    partition,
    trachea,
    trees,
)
from mediml.imaging.phantoms.rays import Layer, Stretches, resolve
from mediml.imaging.phantoms.shapes import Floats, Region, Shape, Tubes, clip_below_plane, ellipsoid, merged, tube
from mediml.imaging.phantoms.skeleton import skeleton

__all__ = ["LABELS", "Thorax", "make_thorax"]

#: Name of each tissue's value in a mask of labels; findings follow from `FIRST_LABEL`.
LABELS = {name: index for index, name in enumerate(TISSUES)}

_WITHIN = {
    "fissure": "lung", "vessel": "lung", "airway wall": "lung", "airway": "lung",
    "abdominal fat": "diaphragm", "liver": "diaphragm", "spleen": "diaphragm", "stomach": "diaphragm",
    "stomach gas": "diaphragm",
}  # fmt: skip
_LUNG = tuple(LABELS[name] for name in ("lung", "fissure", "vessel", "airway wall", "airway"))


@dataclass(frozen=True, eq=False)
class Thorax:
    """A chest as layers of shapes, from the lowest priority to the highest.

    Attributes
    ----------
    anatomy : Anatomy
    findings : tuple of Finding
        The truth, in the order in which it was asked for.
    upright, supine : tuple of Layer
        Upright for a radiograph, with the arms; lying on the back, arms raised, for CT. Fluid and gas move.
    """

    anatomy: Anatomy
    findings: tuple[Finding, ...]
    upright: tuple[Layer, ...] = field(repr=False)
    supine: tuple[Layer, ...] = field(repr=False)

    def layers(self, pose: str = "supine") -> tuple[Layer, ...]:
        """The layers of ``"upright"`` or ``"supine"``."""
        if pose not in ("upright", "supine"):
            raise ValueError(f"Thorax.layers: pose expects 'upright' or 'supine', got {pose!r}")
        return self.upright if pose == "upright" else self.supine

    def resolve(self, xs: Floats, zs: Floats, pose: str = "supine") -> Stretches:
        """What lies on each ray along y; both axes of the grid rise."""
        return resolve(self.layers(pose), xs, zs)

    def attenuations(self, kev: float = CT_KEV, pose: str = "supine") -> Floats:
        """Linear attenuation of each layer in 1/mm."""
        return np.array([tissue_attenuation(layer.tissue, kev) for layer in self.layers(pose)])

    def layer_labels(self, pose: str = "supine") -> NDArray[np.int64]:
        """Label of each layer."""
        return np.array([layer.label for layer in self.layers(pose)])

    @cached_property
    def label_names(self) -> dict[int, str]:
        """What each value of a mask of labels means."""
        names = {index: name for name, index in LABELS.items()}
        return names | {finding.label: finding.kind for finding in self.findings}


def make_thorax(
    seed: int = 0,
    index: int = 0,
    findings: Sequence[Request] = (),
    *,
    sex: str | None = None,
    age_years: float | None = None,
    heart_scale: float | None = None,
) -> Thorax:
    """A chest from a seed.

    Parameters
    ----------
    seed, index : int
        Not negative: case `index` of `seed`. It does not depend on how many others are made.
    findings : sequence of Nodule, Opacity, Effusion, Pneumothorax
    sex : {"F", "M"}, optional
    age_years : float, optional
        18 to 90; from 50 the aorta widens.
    heart_scale : float, optional
        0.8 to 1.6 times the middle size; 1.3 and more is a cardiomegaly.

    Returns
    -------
    Thorax

    Raises
    ------
    ValueError
        If an argument is out of range, a nodule would not lie in lung as a whole, or the fluid or air asked for does
        not fit.

    Notes
    -----
    Shapes are analytic: planes, ellipsoids, tubes with elliptic sections, superellipses with smooth profiles. Vessels
    branch to where points drawn in the lung have to be served (as in Tawhai's models of the airways).

    References
    ----------
    Tawhai et al., Generation of an anatomically based three-dimensional model of the conducting airways, Annals of
    Biomedical Engineering 28 (2000). Taught in lesson 01, medical images.
    """
    if seed < 0 or index < 0:
        raise ValueError(f"make_thorax: seed and index expect 0 or more, got {seed} and {index}")
    if sex not in (None, "F", "M"):
        raise ValueError(f"make_thorax: sex expects 'F', 'M' or None, got {sex!r}")
    if age_years is not None and not 18 <= age_years <= 90:
        raise ValueError(f"make_thorax: age_years expects 18 to 90, got {age_years}")
    if heart_scale is not None and not 0.8 <= heart_scale <= 1.6:
        raise ValueError(f"make_thorax: heart_scale expects 0.8 to 1.6, got {heart_scale}")
    anatomy = draw_anatomy(np.random.default_rng([seed, index, 0]), sex, age_years, heart_scale)
    frame = Frame(anatomy)
    bare = {pose: _layers(frame, pose == "upright") for pose in ("upright", "supine")}
    obstacles = _obstacles(frame, bare["supine"])
    cloud = _cloud(frame, obstacles)
    filled = trees(frame, cloud)
    layers = {pose: [_with_trees(layer, filled) for layer in bare[pose]] for pose in bare}
    bare = {pose: [replace(each, shapes=merged(each.shapes)) for each in bare[pose]] for pose in bare}
    builder = Builder(frame, bare, layers, obstacles, cloud, _LUNG)
    # Fluid and air first: nodules keep clear of them, wherever they stand in the list.
    order = sorted(range(len(findings)), key=lambda k: not isinstance(findings[k], (Effusion, Pneumothorax)))
    truths = {k: builder.add(findings[k], FIRST_LABEL + k, np.random.default_rng([seed, index, 1, k])) for k in order}
    truth = tuple(truths[k] for k in range(len(findings)))
    upright, supine = (
        tuple(replace(each, shapes=merged(each.shapes)) for each in layers[pose]) for pose in ("upright", "supine")
    )
    return Thorax(anatomy, truth, upright, supine)


def _layers(frame: Frame, upright: bool) -> list[Layer]:
    """All tissues without what branches in the lungs, in the order of `TISSUES`."""
    fat = frame.anatomy.fat_mm
    shapes: dict[str, list[Shape]] = {name: [] for name in TISSUES}
    shapes["skin"] = [frame.body()]
    shapes["fat"] = [frame.body(1.8)]
    shapes["muscle"] = [frame.body(1.8 + fat)]
    if upright:
        _arms(frame, shapes)
    if frame.anatomy.sex == "F":
        _breasts(frame, shapes, upright)
    shapes["lung"] = [frame.lungs()]
    shapes["fissure"] = _fissures(frame)
    shapes |= abdomen(frame, upright)
    shapes["mediastinum"] = mediastinum(frame)
    shapes["heart"] = heart(frame)
    shapes["great vessels"] = great_vessels(frame)
    shapes["trachea wall"], shapes["trachea"] = trachea(frame)
    shapes |= skeleton(frame, arms=upright)
    layers = [_layer(name, shapes[name]) for name in TISSUES if name != "air"]
    at = [layer.label for layer in layers].index(LABELS["mediastinum"])
    layers.insert(at, Layer(LABELS["muscle"], TISSUES["muscle"], tuple(back_muscles(frame))))
    at = [layer.label for layer in layers].index(LABELS["diaphragm"])  # which hides it below the lungs
    layers.insert(at, Layer(LABELS["mediastinum"], TISSUES["mediastinum"], tuple(partition(frame))))
    return layers


def _layer(name: str, shapes: Sequence[Shape]) -> Layer:
    host = _WITHIN.get(name)
    return Layer(LABELS[name], TISSUES[name], tuple(shapes), None if host is None else LABELS[host])


def _with_trees(layer: Layer, filled: dict[str, list[Shape]]) -> Layer:
    for name, shapes in filled.items():
        if layer.label == LABELS[name]:
            return _layer(name, shapes)
    return layer


def _arms(frame: Frame, shapes: dict[str, list[Shape]]) -> None:
    for side in (-1, 1):
        line = frame.place((side * 186, 28, 104), (side * 300, 32, 16))
        for name, radius in (("skin", 51.0), ("fat", 49.5), ("muscle", 43.0)):
            shapes[name].append(tube(line, radius))


def _breasts(frame: Frame, shapes: dict[str, list[Shape]], upright: bool) -> None:
    for side in (-1, 1):
        x, y, z = frame.place((side * 78, -96, -48 if upright else -30))[0]
        out, high = (34, 54) if upright else (24, 60)
        shapes["skin"].append(ellipsoid((x, y, z), (62, out, high)))
        shapes["fat"].append(ellipsoid((x, y, z), (60.5, out - 1.5, high - 1.5)))
        shapes["breast"].append(ellipsoid((x, y - 2, z - 2), (44, out - 7, high - 16)))


def _fissures(frame: Frame) -> list[Shape]:
    """Sheets of 0.8 mm between the lobes."""

    def sheet(normal: Floats, offset: float) -> Region:
        half = 0.4 * float(np.linalg.norm(normal))
        return clip_below_plane(normal, offset + half) & clip_below_plane(-normal, half - offset)

    (oblique, at), (level, height) = frame.fissures().values()
    right = clip_below_plane((1, 0, 0), 0)
    return [sheet(oblique, at), sheet(level, height) & right & clip_below_plane(-oblique, -at)]


def _obstacles(frame: Frame, layers: Sequence[Layer]) -> list[Shape]:
    """What takes room from the lungs; of the bones, what comes near them."""
    names = ("diaphragm", "mediastinum", "heart", "great vessels", "trachea wall", "bone", "cartilage")
    shapes = [s for layer in layers if layer.label in {LABELS[name] for name in names} for s in layer.shapes]
    shapes += back_muscles(frame)
    lungs = frame.lungs()
    return [s for s in shapes if not isinstance(s, Tubes) or lungs.contains(np.concatenate([s.starts, s.ends])).any()]


def _cloud(frame: Frame, obstacles: Sequence[Shape]) -> dict[str, Floats]:
    """Points spread evenly over the aerated lung of each side."""
    random = np.random.default_rng([frame.anatomy.shape, 1])
    low, high = frame.place((-142, -95, -165), (142, 95, 140))
    points = low + (high - low) * random.random((9000, 3))
    points = points[frame.lungs().contains(points)]
    for shape in obstacles:
        points = points[~shape.contains(points)]
    return {"R": points[points[:, 0] < 0], "L": points[points[:, 0] > 0]}
