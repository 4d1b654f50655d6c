"""Fluid and air between lung and wall: the surface is moved until the volume is what was asked for."""

from collections.abc import Callable

import numpy as np

from mediml.imaging.phantoms.anatomy import Frame
from mediml.imaging.phantoms.rays import Stretches
from mediml.imaging.phantoms.shapes import Floats, Region, clip_below_plane

__all__ = ["effusion", "pneumothorax", "solve"]

#: Of a meniscus: thickness at its level, and the height over which it falls to 1 / e, in mm.
_MENISCUS_MM, _CLIMB_MM = 18.0, 14.0


def effusion(frame: Frame, side: int, upright: bool) -> Callable[[float], list[Region]]:
    """Where the fluid is, by a level that rises with the volume: z when upright, minus y when lying."""
    lungs = frame.lungs() & _half(side)
    if not upright:
        return lambda level: [lungs & clip_below_plane((0, -1, 0), level)]

    def filled(level: float) -> list[Region]:
        def thickness(z: Floats) -> Floats:
            thin = _MENISCUS_MM * np.exp(np.minimum((level - z) / _CLIMB_MM, 20))
            return np.where(thin < 0.4, 0.0, thin)

        return _along_the_wall(frame, lungs, thickness)

    return filled


def pneumothorax(frame: Frame, side: int, upright: bool, edge_mm: float = 0.0) -> Callable[[float], list[Region]]:
    """Where the air is, by its greatest depth in mm; `edge_mm` more gives the lung's edge with it."""
    lungs = frame.lungs() & _half(side)
    if not upright:
        front = float(frame.front(-60.0))
        return lambda depth: [lungs & clip_below_plane((0, 1, 0), front + depth + edge_mm)]
    low, high = -100 * frame.scale[2], 138 * frame.scale[2]

    def filled(depth: float) -> list[Region]:
        def thickness(z: Floats) -> Floats:
            share = np.clip((z - low) / (high - low), 0, 1)
            return np.where(share > 0, depth * share**1.2 + edge_mm, 0.0)

        return _along_the_wall(frame, lungs, thickness, frame.tops(depth + edge_mm))

    return filled


def _half(side: int) -> Region:
    return clip_below_plane((-side, 0, 0), 0)


def _along_the_wall(
    frame: Frame, lungs: Region, thickness: Callable[[Floats], Floats], tops: Region | None = None
) -> list[Region]:
    """What lies within `thickness(z)` of the wall, or above `tops`: behind, and in front.

    Rays on which that leaves nothing inside are in it as a whole.
    """

    def inner(x: Floats, z: Floats) -> tuple[Floats, Floats]:
        x, z = np.broadcast_arrays(x, z)
        enter, leave = frame.shrunk_cavity(x, z, np.broadcast_to(thickness(z), x.shape))
        if tops is None:
            return enter, leave
        low, high = tops.interval(x, z)
        return np.maximum(enter, low), np.minimum(leave, high)

    def behind(x: Floats, z: Floats) -> tuple[Floats, Floats]:
        enter, leave = inner(x, z)
        return np.where(leave > enter, leave, -np.inf), np.full(enter.shape, np.inf)

    def before(x: Floats, z: Floats) -> tuple[Floats, Floats]:
        enter, leave = inner(x, z)
        return np.full(enter.shape, -np.inf), np.where(leave > enter, enter, -np.inf)

    return [lungs & Region(behind), lungs & Region(before)]


def solve(
    filled: Callable[[float], list[Region]],
    air: tuple[Stretches, Floats, Floats, float],
    volume_mm3: float,
    low: float,
    high: float,
) -> float:
    """The parameter for which `filled` holds `volume_mm3` of the lung: by halving the bracket.

    `air` is the lung without it: its stretches, x and z of the rays, and the area of a ray in mm².
    """

    def volume(parameter: float) -> float:
        return _overlap(filled(parameter), *air)

    most = volume(high)
    if most < volume_mm3:
        raise ValueError(
            f"make_thorax: the finding expects at most {most / 1000:.0f} ml on its side of this chest, "
            f"got {volume_mm3 / 1000:.0f} ml; ask for less"
        )
    for _ in range(34):
        middle = (low + high) / 2
        low, high = (middle, high) if volume(middle) < volume_mm3 else (low, middle)
    return (low + high) / 2


def _overlap(regions: list[Region], lung: Stretches, x: Floats, z: Floats, area_mm2: float) -> float:
    covered = np.zeros(len(lung.ray))
    for region in regions:  # without overlap
        enter, leave = np.broadcast_arrays(*region.interval(x, z))
        low, high = np.maximum(lung.enter, enter[lung.ray]), np.minimum(lung.leave, leave[lung.ray])
        covered += np.maximum(high - low, 0)
    return float(covered.sum() * area_mm2)
