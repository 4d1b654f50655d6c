"""From overlapping shapes to what lies along each ray: who is on top, how long, and on which voxels.

All entries and exits are sorted along the rays once. Between two neighbouring ones the tissue is that of the highest
layer that has been entered and not left. Line integrals and the values of voxels follow without sampling along y.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediml.imaging.phantoms.materials import Tissue
from mediml.imaging.phantoms.shapes import Floats, Shape

__all__ = ["Layer", "Stretches", "resolve"]

#: Rays are handled in groups of this many rows at a time, to bound the memory.
_ROWS = 64


@dataclass(frozen=True, eq=False)
class Layer:
    """Shapes of one tissue. Later layers of a list hide earlier ones.

    Attributes
    ----------
    label : int
        What its voxels are called in a mask; several layers may share one.
    tissue : Tissue
    shapes : tuple of Shape
        Their union.
    within : int or None
        Label of the layer that it is confined to: outside of it, it is not there.
    """

    label: int
    tissue: Tissue
    shapes: tuple[Shape, ...]
    within: int | None = None


@dataclass(frozen=True, eq=False)
class Stretches:
    """Pieces of rays without overlap: ray index, entry, exit (mm), and the position of the layer on top."""

    rays: int
    ray: NDArray[np.int64]
    enter: Floats
    leave: Floats
    layer: NDArray[np.int16]

    def integral(self, value_of_layer: Floats) -> Floats:
        """For each ray the sum of length times value: with attenuations in 1/mm, the exponent of Beer and Lambert."""
        length = self.leave - self.enter
        return np.asarray(np.bincount(self.ray, length * value_of_layer[self.layer], self.rays), np.float64)

    def cells(self, value_of_layer: Floats, start: float, step: float, count: int) -> Floats:
        """Mean value in each of `count` cells of `step` mm along y from `start`: shape (rays, count). Exact."""
        width = count + 2
        total = np.zeros(self.rays * width)
        for place, sign in ((self.enter, 1.0), (self.leave, -1.0)):
            at = np.clip((place - start) / step, 0, count)
            cell = at.astype(np.int64)
            jump = sign * value_of_layer[self.layer]
            covered = jump * (cell + 1 - at)
            total += np.bincount(self.ray * width + cell, covered, total.size)
            total += np.bincount(self.ray * width + cell + 1, jump - covered, total.size)
        return np.asarray(np.cumsum(total.reshape(self.rays, width), axis=1)[:, :count])

    def labels(self, label_of_layer: NDArray[Any], start: float, step: float, count: int) -> NDArray[np.uint8]:
        """Label at the centre of each cell: shape (rays, count)."""
        width = count + 1
        total = np.zeros(self.rays * width)
        for place, sign in ((self.enter, 1.0), (self.leave, -1.0)):
            cell = np.clip(np.ceil((place - start) / step - 0.5), 0, count).astype(np.int64)
            total += np.bincount(self.ray * width + cell, sign * label_of_layer[self.layer], total.size)
        return np.rint(np.cumsum(total.reshape(self.rays, width), axis=1)[:, :count]).astype(np.uint8)


def resolve(layers: Sequence[Layer], xs: Floats, zs: Floats) -> Stretches:
    """What lies along y on each ray of the grid: `layers` from the lowest priority to the highest, both axes rising."""
    parts = [_resolve(layers, xs, zs[lo : lo + _ROWS], lo * len(xs)) for lo in range(0, len(zs), _ROWS)]
    ray, enter, leave, layer = (np.concatenate(columns) for columns in zip(*parts))
    return Stretches(len(xs) * len(zs), ray, enter, leave, layer)


def _resolve(layers: Sequence[Layer], xs: Floats, zs: Floats, first: int) -> tuple[NDArray[Any], ...]:
    rays, places, kinds, signs = [], [], [], []
    for index, layer in enumerate(layers):
        for shape in layer.shapes:
            ray, enter, leave = shape.strike(xs, zs)
            rays += [ray, ray]
            places += [enter, leave]
            kinds.append(np.full(2 * len(ray), index, np.int16))
            signs.append(np.repeat(np.array([1, -1], np.int8), len(ray)))
    if not rays:
        nothing = np.zeros(0)
        return nothing.astype(np.int64), nothing, nothing, nothing.astype(np.int16)
    ray, place = np.concatenate(rays), np.concatenate(places)
    order = np.argsort(ray * 4096.0 + np.clip(place, -2000, 2000), kind="stable")
    ray, place = ray[order], place[order]
    kind, sign = np.concatenate(kinds)[order], np.concatenate(signs)[order]
    top = _topmost(layers, kind, sign)
    here = (top[:-1] >= 0) & (ray[1:] == ray[:-1]) & (place[1:] > place[:-1])
    return ray[:-1][here] + first, place[:-1][here], place[1:][here], top[:-1][here]


def _topmost(layers: Sequence[Layer], kind: NDArray[np.int16], sign: NDArray[np.int8]) -> NDArray[np.int16]:
    """After each event, the position of the highest open layer, -1 where none is."""
    top = np.full(len(kind), -1, np.int16)
    host: dict[int, NDArray[np.bool_]] = {}
    wanted = {layer.within for layer in layers}
    for index, layer in enumerate(layers):
        open_here = np.cumsum(np.where(kind == index, sign, 0), dtype=np.int32) > 0
        if layer.label in wanted:
            host.setdefault(layer.label, open_here.copy())
        if layer.within is not None:
            open_here &= host[layer.within]
        top[open_here] = index
    return top
