"""Findings put into a chest: a place is drawn, shapes are added, and the truth is written down."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mediml.imaging.phantoms.anatomy import Frame
from mediml.imaging.phantoms.findings import (
    DENSITIES,
    LOBES,
    SIDES,
    Effusion,
    Finding,
    Nodule,
    Opacity,
    Pneumothorax,
    Request,
)
from mediml.imaging.phantoms.materials import TISSUES, Tissue
from mediml.imaging.phantoms.pleura import effusion, pneumothorax, solve
from mediml.imaging.phantoms.rays import Layer, Stretches, resolve
from mediml.imaging.phantoms.shapes import Confined, Ellipsoids, Floats, Shape, Tubes, ellipsoid, tube

__all__ = ["FIRST_LABEL", "Builder"]

#: Label of the first finding in masks.
FIRST_LABEL = 40

_RIM_HU = -450.0
_FLUID = Tissue(12.0)
_AIR = Tissue(-1000.0)
_PLEURA = Tissue(-350.0)
_TRIES = 400
#: Of an opacity.
_LUMPS = 22


@dataclass(frozen=True, eq=False)
class Builder:
    """Adds findings to `layers`, and fluid and air to `obstacles`.

    `bare` is the chest without the branches in its lungs, which is quicker to search.
    """

    frame: Frame
    bare: dict[str, list[Layer]]
    layers: dict[str, list[Layer]]
    obstacles: list[Shape]
    cloud: dict[str, Floats]
    lung_labels: tuple[int, ...]

    def add(self, request: Request, label: int, random: np.random.Generator) -> Finding:
        """Put one finding in; its truth."""
        if isinstance(request, Nodule):
            return self._nodule(request, label, random)
        if isinstance(request, Opacity):
            return self._opacity(request, label, random)
        if isinstance(request, (Effusion, Pneumothorax)):
            return self._pleural(request, label, random)
        raise ValueError(
            f"make_thorax: findings expect Nodule, Opacity, Effusion or Pneumothorax, got {type(request).__name__}"
        )

    def _nodule(self, request: Nodule, label: int, random: np.random.Generator) -> Finding:
        radius = request.diameter_mm / 2
        drawn = random.random(2)
        if request.position_mm is None:
            side = request.side or SIDES[int(drawn[0] * 2)]
            centre = self._free_place(side, radius + request.margin_mm, random)
        else:
            centre = np.asarray(request.position_mm, np.float64)
            side = "right" if centre[0] < 0 else "left"
            if request.side not in (None, side) or not self._fits(centre[None], radius)[0]:
                raise ValueError(
                    f"make_thorax: position_mm of the nodule expects a place where all {request.diameter_mm:g} mm of "
                    f"it lie in the lung{'' if request.side is None else ' of its side'}, got {request.position_mm}; "
                    f"leave it out to have one drawn"
                )
        ball = ellipsoid(centre, (radius, radius, radius))
        shapes: list[Shape] = [ball, *_spicules(centre, radius, request.spicules, random)]
        tissue = Tissue(DENSITIES[request.density], "bone" if request.density == "calcified" else "soft")
        self._insert(Layer(label, tissue, tuple(shapes), self.lung_labels[0]), "airway")
        volume = (
            float(ball.volumes_mm3[0])
            if not request.spicules
            else self._measure(label, "supine", 0.25, centre, 2 * radius)[0]
        )
        place = (float(centre[0]), float(centre[1]), float(centre[2]))
        return Finding("nodule", label, side, self._lobe(centre), place, volume, request.diameter_mm, tissue.hu)

    def _opacity(self, request: Opacity, label: int, random: np.random.Generator) -> Finding:
        name = request.lobe or LOBES[int(random.random() * len(LOBES))]
        lobe = self.frame.lobe(name)
        points = self.cloud[name[0]]
        points = points[lobe.contains(points)]
        tries = points[(random.random(12) * len(points)).astype(int)]
        near = ((points[None] - tries[:, None]) ** 2).sum(axis=2) < request.size_mm**2
        middle = tries[int(near.sum(axis=1).argmax())]  # where the lobe has most room
        spread = 0.42 * request.size_mm * random.standard_normal((_LUMPS, 3))
        centres = middle + spread * (np.linalg.norm(spread, axis=1, keepdims=True) < 1.1 * request.size_mm)
        radii = request.size_mm * (0.2 + 0.25 * random.random((_LUMPS, 1))) * (0.85 + 0.3 * random.random((_LUMPS, 3)))
        lumps = ellipsoid(centres, radii)
        rim = Ellipsoids(lumps.centres, lumps.matrices / 1.3)
        host = self.lung_labels[0]
        self._insert(Layer(label, Tissue(_RIM_HU), (Confined(rim, lobe),), host), "vessel")
        self._insert(Layer(label, Tissue(request.hu), (Confined(lumps, lobe),), host), "airway wall", before=True)
        volume, place = self._measure(label, "supine", 1.0)
        side = "right" if name[0] == "R" else "left"
        return Finding("opacity", label, side, name, place, volume, None, request.hu)

    def _pleural(self, request: Effusion | Pneumothorax, label: int, random: np.random.Generator) -> Finding:
        side = request.side or SIDES[int(random.random() * 2)]
        sign = -1 if side == "right" else 1
        wanted = request.volume_ml * 1000
        host = self.lung_labels[0]
        fluid = isinstance(request, Effusion)
        for pose, upright in (("upright", True), ("supine", False)):
            air = self._air[pose]
            if fluid:
                filled = effusion(self.frame, sign, upright)
                low, high = (-175.0, 130.0) if upright else (-110.0, 90.0)
            else:
                filled = pneumothorax(self.frame, sign, upright)
                low, high = (0.0, 70.0) if upright else (0.0, 120.0)
            parameter = solve(filled, air, wanted, low, high)
            layers = []
            if not fluid:
                edge = pneumothorax(self.frame, sign, upright, 1.0)(parameter)
                layers.append(Layer(host, _PLEURA, tuple(edge), host))
            layers.append(Layer(label, _FLUID if fluid else _AIR, tuple(filled(parameter)), host))
            for layer in layers:
                self._insert(layer, "airway", poses=(pose,))
            self.obstacles.extend(filled(parameter))
        volume, place = self._measure(label, "upright", 1.5)
        kind, tissue = ("effusion", _FLUID) if fluid else ("pneumothorax", _AIR)
        return Finding(kind, label, side, "", place, volume, None, tissue.hu)

    def _insert(
        self, layer: Layer, after: str, before: bool = False, poses: Sequence[str] = ("upright", "supine")
    ) -> None:
        """Into the order of priorities, above the tissue `after` and what was put there earlier."""
        names = list(TISSUES)
        for pose in poses:
            order = self.layers[pose]
            limit = names.index(after) - (1 if before else 0)
            at = max(k for k, each in enumerate(order) if each.label == limit) + 1
            while at < len(order) and (order[at].label >= FIRST_LABEL or order[at].tissue is _PLEURA):
                at += 1
            order.insert(at, layer)

    def _measure(
        self, label: int, pose: str, step: float, centre: Floats | None = None, reach: float = 0.0
    ) -> tuple[float, tuple[float, float, float]]:
        """Volume in mm³ and centre of gravity of a label, from chords on a grid of rays of `step` mm."""
        low, high = (-150.0, 150.0), (-185.0, 150.0)
        if centre is not None:
            low, high = (centre[0] - reach, centre[0] + reach), (centre[2] - reach, centre[2] + reach)
        xs, zs = np.arange(*low, step), np.arange(*high, step)
        first = next(k for k, layer in enumerate(self.layers[pose]) if layer.label == label)
        # Nothing below it matters, but for the lung that it is confined to.
        hosts = [layer for layer in self.layers[pose][:first] if layer.label == self.lung_labels[0]]
        layers = [*hosts[:1], *self.layers[pose][first:]]
        found = resolve(layers, xs, zs)
        here = np.array([layer.label for layer in layers])[found.layer] == label
        length = (found.leave - found.enter)[here]
        total = float(length.sum())
        if total == 0:
            return 0.0, (0.0, 0.0, 0.0)
        ray, y = found.ray[here], (found.enter + found.leave)[here] / 2
        place = [float((length * v).sum() / total) for v in (xs[ray % len(xs)], y, zs[ray // len(xs)])]
        return total * step**2, (place[0], place[1], place[2])

    def _free_place(self, side: str, clearance: float, random: np.random.Generator) -> Floats:
        points = self.cloud[side[0].upper()]
        points = points[random.permutation(len(points))[:_TRIES]]
        for lo in range(0, len(points), 10):
            fits = self._fits(points[lo : lo + 10], clearance)
            if fits.any():
                return np.asarray(points[lo + int(np.argmax(fits))])
        raise ValueError(
            f"make_thorax: no place for a nodule was found in the {side} lung with {clearance:g} mm of lung around "
            f"its centre; ask for a smaller one"
        )

    def _fits(self, centres: Floats, radius: float) -> Any:
        """Whether balls lie in lung: tried in their middle and on their surfaces."""
        around = np.concatenate([np.zeros((1, 3)), _directions(60)]) * radius
        points = (centres[:, None, :] + around).reshape(-1, 3)
        good = self.frame.lungs().contains(points)
        for shape in self.obstacles:
            good[good] = ~shape.contains(points[good])
        same_side = np.sign(points[:, 0]).reshape(len(centres), -1)
        return good.reshape(len(centres), -1).all(axis=1) & (np.abs(same_side.sum(axis=1)) == same_side.shape[1])

    def _lobe(self, centre: Floats) -> str:
        first = "R" if centre[0] < 0 else "L"
        return next(name for name in LOBES if name[0] == first and self.frame.lobe(name).contains(centre))

    @cached_property
    def _air(self) -> dict[str, tuple[Stretches, Floats, Floats, float]]:
        """For both poses the stretches of lung, x and z of the rays, and their area."""
        step = 1.5
        xs, zs = np.arange(-150, 150, step), np.arange(-185, 150, step)
        x, z = (axis.ravel() for axis in np.meshgrid(xs, zs))
        result = {}
        for pose, layers in self.bare.items():
            found = resolve(layers, xs, zs)
            here = np.isin(np.array([layer.label for layer in layers])[found.layer], self.lung_labels)
            lung = Stretches(found.rays, found.ray[here], found.enter[here], found.leave[here], found.layer[here])
            result[pose] = (lung, x, z, step**2)
        return result


def _directions(count: int) -> Floats:
    """Unit vectors spread evenly: a spiral by the golden angle."""
    z = 1 - (2 * np.arange(count) + 1) / count
    turn = np.pi * (3 - np.sqrt(5)) * np.arange(count)
    flat = np.sqrt(1 - z * z)
    return np.stack([flat * np.cos(turn), flat * np.sin(turn), z], axis=1)


def _spicules(centre: Floats, radius: float, count: int, random: np.random.Generator) -> list[Tubes]:
    strands = []
    for direction in random.normal(size=(count, 3)):
        direction = direction / np.linalg.norm(direction)
        reach = radius * (1.25 + 0.55 * random.random())
        middle = centre + direction * radius * 0.9
        strands.append(tube([middle, centre + direction * (radius + reach) / 2], 0.08 * radius + 0.3))
        strands.append(
            tube([centre + direction * (radius + reach) / 2, centre + direction * reach], 0.04 * radius + 0.2)
        )
    return strands
