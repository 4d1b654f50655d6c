"""Spine and pelvis for projections at right angles to the body's long axis: ellipses whose size and place vary with z.

At every height a bone is an ellipse, so the length of each ray in it has a closed form, whichever way the patient is
turned about z. Places in mm, LPS, about the middle of the abdomen.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Bone", "ellipse_chord", "spine_and_pelvis"]


@dataclass(frozen=True)
class Bone:
    """Rows of (z, x, y, half axis a, half axis b, turn of a towards +y in degrees), from the feet to the head.

    `cortex_mm` of dense bone lie around a light core; `strength` multiplies both.
    """

    rows: tuple[tuple[float, ...], ...]
    cortex_mm: float = 2.0
    strength: float = 1.0

    def length(self, across: NDArray[Any], z: NDArray[Any], angle_deg: float) -> NDArray[np.float32]:
        """Length of the rays at (z, across), weighted by the density of the bone: shape (z, across).

        Rays run along the depth after the patient is turned by `angle_deg` about z.
        """
        table = np.array(self.rows)
        result = np.zeros((len(z), len(across)), np.float32)
        inside = np.flatnonzero((z >= table[0, 0]) & (z <= table[-1, 0]))
        if inside.size == 0:
            return result
        x, y, a, b, turn = (np.interp(z[inside], table[:, 0], column)[:, None] for column in table[:, 1:].T)
        angle = math.radians(angle_deg)
        u = across[None, :] - (math.cos(angle) * x - math.sin(angle) * y)
        turn = np.radians(turn) + angle
        outer = ellipse_chord(u, a, b, turn)
        core = ellipse_chord(u, np.maximum(a - self.cortex_mm, 1e-3), np.maximum(b - self.cortex_mm, 1e-3), turn)
        result[inside] = self.strength * (1.5 * outer - 0.8 * core)
        return result


def ellipse_chord(u: NDArray[Any], a: Any, b: Any, turn: Any) -> NDArray[Any]:
    """Chord of an ellipse at the distance u from its middle, seen across: 2 a b / w sqrt(1 - (u / w)**2).

    w with w**2 = a**2 cos**2 turn + b**2 sin**2 turn is half its shadow's width; `turn` in radians is the angle
    between the axis a and the direction of u.
    """
    w = np.sqrt((a * np.cos(turn)) ** 2 + (b * np.sin(turn)) ** 2)
    return np.asarray(2 * a * b / w * np.sqrt(np.maximum(1 - (u / w) ** 2, 0)))


def _vertebra(z: float, wide: float) -> list[Bone]:
    """Body with its waist, pedicles, transverse and spinous processes."""
    heights = (-14, -13, -7, 0, 7, 13, 14)
    waist = (0.94, 1.0, 0.93, 0.9, 0.93, 1.0, 0.94)
    bones = [Bone(tuple((z + h, 0.0, 52.0, wide * w, 17 * w, 0.0) for h, w in zip(heights, waist)), 1.6, 0.75)]
    bones += [
        Bone(tuple((z + s * h, 0.0, 52.0, wide * 0.98, 16.5, 0.0) for h in order), 0.5, 0.6)
        for s, order in ((1, (11.8, 13.8)), (-1, (13.8, 11.8)))
    ]
    bones.append(Bone(_egg(z - 11, 9, 0, 88, 3.2, 13), 1.5, 1.2))
    for side in (-1, 1):
        bones.append(Bone(_egg(z + 3, 6.5, side * 13.5, 67, 3.6, 7), 2.0, 1.3))
        bones.append(Bone(_egg(z + 1, 4.5, side * 29, 70, 17, 4), 1.5, 1.0))
        bones.append(Bone(_egg(z - 14, 13, side * 15, 78, 5.5, 5.5), 1.5, 0.8))
    return bones


def _egg(z: float, half: float, x: float, y: float, a: float, b: float) -> tuple[tuple[float, ...], ...]:
    """An ellipsoid as rows."""
    at = np.sin(np.linspace(-1, 1, 17) * np.pi / 2)
    return tuple(
        (z + half * h, x, y, max(a * math.sqrt(1 - h * h), 1e-2), max(b * math.sqrt(1 - h * h), 1e-2), 0.0) for h in at
    )


def _mirrored(rows: Sequence[tuple[float, ...]], cortex_mm: float, strength: float) -> list[Bone]:
    left = tuple(rows)
    right = tuple((z, -x, y, a, b, -turn) for z, x, y, a, b, turn in rows)
    return [Bone(left, cortex_mm, strength), Bone(right, cortex_mm, strength)]


def spine_and_pelvis() -> list[Bone]:
    """The bones that a picture of the abdomen shows."""
    bones = [bone for k in range(6) for bone in _vertebra(128 - 37 * k, 22 + k)]
    sacrum = (
        (-165, 0, 84, 6, 4, 0),
        (-150, 0, 86, 16, 8, 0),
        (-120, 0, 82, 32, 12, 0),
        (-90, 0, 72, 48, 17, 0),
        (-70, 0, 62, 54, 19, 0),
        (-62, 0, 58, 30, 16, 0),
    )
    bones.append(Bone(sacrum, 2.0, 0.8))
    ilium = (
        (-176, 94, 12, 2, 2, -60), (-168, 94, 14, 17, 13, -60), (-152, 92, 18, 24, 17, -60),
        (-135, 88, 24, 26, 13, -55), (-118, 80, 34, 38, 9, -50), (-95, 80, 42, 50, 6, -46),
        (-70, 88, 42, 57, 4.5, -44), (-52, 97, 36, 50, 4.5, -42), (-42, 102, 32, 36, 5.5, -40),
        (-36, 104, 30, 14, 4, -40),
    )  # fmt: skip
    bones += _mirrored(ilium, 1.8, 1.3)
    bones += _mirrored(_egg(-170, 26, 94, 14, 32, 26), 2.5, 0.5)
    bones += _mirrored(_egg(-176, 23, 98, 10, 23, 23), 2.0, 0.8)
    bones += _mirrored(((-190, 20, -24, 16, 6, 0), (-178, 46, -14, 30, 6, 15), (-170, 66, -4, 16, 6, 20)), 2.0, 0.9)
    rib = [(96 + 5.5 * k, 150 - 13.5 * k, 10 + 6.5 * k, 9, 3.2, -60 + 4 * k) for k in range(9)]
    bones += _mirrored(rib, 1.4, 0.8)
    bones += _mirrored([(z + 26, x + 4, y - 8, a, b, t) for z, x, y, a, b, t in rib], 1.4, 0.8)
    return bones
