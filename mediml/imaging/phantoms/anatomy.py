"""What differs between two chests, and the walls that everything else is fitted into.

Numbers are millimetres of an adult of middle size; an `Anatomy` stretches them. Origin: between the lungs, a little
below the carina; the lungs reach from z = -160 to z = 137.
"""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from mediml.imaging.phantoms.shapes import Floats, Region, clip_below_plane

__all__ = ["Anatomy", "Frame", "draw_anatomy"]

#: Inner wall of the rib cage and outer line of the body at heights z: half width, half depth, centre in y.
_CAVITY = np.array([
    (-260, 132, 86, 0), (-150, 138, 92, 0), (-100, 140, 93, 0), (-40, 139, 91, 2), (20, 132, 85, 6), (60, 126, 75, 12),
    (90, 119, 64, 18), (115, 106, 52, 24), (137, 84, 38, 30), (200, 66, 30, 32),
], float)  # fmt: skip
_BODY = np.array([
    (-300, 166, 112, 2), (-100, 167, 116, 4), (-40, 166, 116, 6), (20, 167, 114, 9), (60, 180, 110, 14),
    (90, 205, 102, 20), (118, 222, 92, 26), (136, 205, 80, 30), (152, 150, 72, 34), (168, 96, 67, 36),
    (190, 70, 64, 36), (260, 62, 62, 34),
], float)  # fmt: skip
_CAVITY_POWER, _BODY_POWER = 2.5, 2.6


@dataclass(frozen=True)
class Anatomy:
    """One chest.

    Attributes
    ----------
    sex : {"F", "M"}
    age_years : float
    width, depth, height : float
        Of the thorax, over the middle one.
    heart : float
        Size of the heart over the middle one; about 1.3 is a cardiomegaly.
    fat_mm : float
        Thickness of the fat under the skin.
    dome_right_mm, dome_left_mm : float
        Height z of the two halves of the diaphragm. The right one is higher.
    slope : float
        How far ribs fall on their way to the front, over the middle.
    shape : int
        Seed of what is drawn at random inside: vessels.
    """

    sex: str
    age_years: float
    width: float
    depth: float
    height: float
    heart: float
    fat_mm: float
    dome_right_mm: float
    dome_left_mm: float
    slope: float
    shape: int

    @property
    def scale(self) -> Floats:
        """Stretch along x, y and z."""
        return np.array([self.width, self.depth, self.height])


def draw_anatomy(
    random: np.random.Generator, sex: str | None = None, age_years: float | None = None, heart: float | None = None
) -> Anatomy:
    """A chest at random; what is given is kept, and what is drawn for the rest does not depend on it."""
    u = random.random(12)
    z = np.clip(random.standard_normal(6), -2, 2)
    chosen_sex = sex or ("F" if u[0] < 0.5 else "M")
    size = 0.94 if chosen_sex == "F" else 1.0
    right = -88 + 5 * z[3]
    return Anatomy(
        sex=chosen_sex,
        age_years=float(np.round(35 + 50 * u[1])) if age_years is None else float(age_years),
        width=size * (1 + 0.035 * z[0]),
        depth=size * (1 + 0.04 * z[1]),
        height=(0.97 if chosen_sex == "F" else 1.0) * (1 + 0.025 * z[2]),
        heart=1 + 0.05 * z[4] if heart is None else float(heart),
        fat_mm=5 + 9 * u[2] + (3 if chosen_sex == "F" else 0),
        dome_right_mm=right,
        dome_left_mm=right - 8 - 8 * u[3],
        slope=1 + 0.1 * z[5],
        shape=int(u[4] * 2**31),
    )


class _Profile:
    """Half width, half depth and centre of a rounded section at each height."""

    def __init__(self, table: Floats, scale: Floats, power: float) -> None:
        self._heights = table[:, 0] * scale[2]
        self._curve = PchipInterpolator(self._heights, table[:, 1:] * scale[[0, 1, 1]])
        self._power = power

    def at(self, z: Floats) -> tuple[Floats, Floats, Floats]:
        values = self._curve(np.clip(z, self._heights[0], self._heights[-1]))
        return values[..., 0], values[..., 1], values[..., 2]

    def region(self, offset: float = 0.0) -> Region:
        """All of the inside, grown by `offset` mm on all sides."""

        def interval(x: Floats, z: Floats) -> tuple[Floats, Floats]:
            wide, deep, middle = self.at(z)
            rest = np.maximum(1 - np.abs(x / (wide + offset)) ** self._power, 0)
            half = (deep + offset) * rest ** (1 / self._power)
            return middle - half, middle + half

        return Region(interval)


class Frame:
    """The walls of a chest: skin, rib cage, diaphragm, tops of the lungs, fissures."""

    def __init__(self, anatomy: Anatomy) -> None:
        self.anatomy = anatomy
        self.scale = anatomy.scale
        self._cavity = _Profile(_CAVITY, self.scale, _CAVITY_POWER)
        self._body = _Profile(_BODY, self.scale, _BODY_POWER)

    def place(self, *points: tuple[float, float, float]) -> Floats:
        """Points of the middle chest, in this one: shape (N, 3)."""
        return np.asarray(points, np.float64) * self.scale

    def body(self, inset: float = 0.0) -> Region:
        return self._body.region(-inset)

    def cavity(self, offset: float = 0.0) -> Region:
        return self._cavity.region(offset)

    def shrunk_cavity(self, x: Floats, z: Floats, inset: Floats) -> tuple[Floats, Floats]:
        """Entry and exit of the cavity made smaller by `inset`, which may differ from ray to ray."""
        wide, deep, middle = self._cavity.at(z)
        wide, deep = wide - inset, deep - inset
        there = (wide > 0) & (deep > 0)
        rest = np.maximum(1 - np.abs(x / np.where(there, wide, 1.0)) ** _CAVITY_POWER, 0)
        half = np.where(there, deep * rest ** (1 / _CAVITY_POWER), 0.0)
        return middle - half, middle + half

    def wall(self, angle: Floats, z: Floats, offset: float, narrowing: float = 1.0) -> tuple[Floats, Floats]:
        """x and y on the wall of the cavity: `angle` 0 behind, pi / 2 at the left side, pi in front."""
        wide, deep, middle = self._cavity.at(z)
        power = 2 / _CAVITY_POWER
        sine, cosine = np.sin(angle), np.cos(angle)
        x = (wide * narrowing + offset) * np.sign(sine) * np.abs(sine) ** power
        y = middle + (deep * (0.5 + 0.5 * narrowing) + offset) * np.sign(cosine) * np.abs(cosine) ** power
        return x, y

    def width_at(self, z: float) -> float:
        """Half the inner width."""
        return float(self._cavity.at(np.asarray(z, float))[0])

    def front(self, z: Floats | float) -> Floats:
        """y of the front wall in the middle."""
        _, deep, middle = self._cavity.at(np.asarray(z, float))
        return np.asarray(middle - deep)

    def spine_y(self, z: Floats | float) -> Floats:
        """y of the axis of the vertebral bodies."""
        _, deep, middle = self._cavity.at(np.minimum(z, 137 * self.scale[2]))
        return np.asarray(middle + deep - 33)

    def dome(self, side: int, inset: float = 0.0) -> Region:
        """Below one half of the diaphragm: `side` is -1 for the right and 1 for the left."""
        top = (self.anatomy.dome_right_mm if side < 0 else self.anatomy.dome_left_mm) * self.scale[2] - inset
        middle = side * 62 * self.scale[0]

        def interval(x: Floats, z: Floats) -> tuple[Floats, Floats]:
            across = (x - middle) * side
            drop = np.where(across > 0, 0.0075, 0.0022) * across**2
            room = np.maximum(top - drop - z, 0)
            return -5 - np.sqrt(room / 0.0035), -5 + np.sqrt(room / 0.0075)

        return Region(interval) & self.cavity()

    def lungs(self) -> Region:
        """The cavity from the lungs' tops to their lower edges; the diaphragm and the mediastinum lie in it, too."""
        floor = clip_below_plane((0, -0.32, -1), 140 * self.scale[2])
        return self.cavity() & self.tops() & floor

    def tops(self, lowered: float = 0.0) -> Region:
        """All below the rounded tops of the lungs, or below those lowered by some mm."""
        top, x_top, y_top = 138 * self.scale[2] - lowered, 46 * self.scale[0], 26 * self.scale[1]

        def interval(x: Floats, z: Floats) -> tuple[Floats, Floats]:
            room = np.maximum(top - 0.016 * (np.abs(x) - x_top) ** 2 - z, 0)
            half = np.sqrt(room / 0.016)
            return y_top - half, y_top + half

        return Region(interval)

    def fissures(self) -> dict[str, tuple[Floats, float]]:
        """Planes ``normal · p = offset`` between the lobes; the upper lobes have the larger values."""
        height = self.scale[2]
        return {
            "oblique": (np.array([0.0, -0.94, 1.0]), -12 * height),
            "horizontal": (np.array([0.03, 0.05, 1.0]), 4 * height),
        }

    def lobe(self, name: str) -> Region:
        """Half-spaces of one lobe, to be met with `lungs`: RUL, RML, RLL, LUL or LLL."""
        (oblique, at), (level, height) = self.fissures().values()
        side = clip_below_plane((1, 0, 0), 0) if name[0] == "R" else clip_below_plane((-1, 0, 0), 0)
        if name.endswith("LL"):
            return side & clip_below_plane(oblique, at)
        above = side & clip_below_plane(-oblique, -at)
        if name == "RUL":
            return above & clip_below_plane(-level, -height)
        return above & clip_below_plane(level, height) if name == "RML" else above
