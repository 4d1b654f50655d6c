"""The large bowel as a curved tube: its course, haustra, and what may grow in its wall.

Places in mm, LPS, about the middle of the abdomen: +x to the patient's left, +y to the back, +z to the head. The
surface is P(s, t) = c(s) + r(s, t) (cos t · n(s) + sin t · b(s)) with s along the course from the rectum to the caecum
and t around it; n and b are carried along the course without twist.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline, PchipInterpolator

from mediml.imaging.phantoms.smooth import SmoothField, band_noise

__all__ = ["FINDINGS", "BowelFinding", "Colon"]

#: Course and radius: x, y, z, radius, depth of the haustra.
_COURSE = (
    (0, 58, -168, 9, 0.0), (2, 62, -150, 21, 0.0), (3, 58, -122, 25, 0.02), (-2, 44, -98, 20, 0.08),
    (-26, 20, -88, 16, 0.14), (-46, -8, -70, 16, 0.16), (-34, -32, -44, 17, 0.16), (4, -40, -34, 17, 0.16),
    (38, -22, -48, 16, 0.16), (66, 8, -72, 16, 0.16), (92, 30, -52, 17, 0.18), (104, 42, -5, 18, 0.22),
    (109, 48, 48, 19, 0.24), (114, 42, 96, 21, 0.26), (104, 16, 130, 22, 0.28), (76, -20, 116, 23, 0.30),
    (44, -44, 76, 24, 0.32), (0, -54, 50, 24, 0.32), (-44, -48, 52, 25, 0.32), (-78, -24, 78, 25, 0.30),
    (-102, 12, 100, 26, 0.28), (-114, 40, 74, 27, 0.28), (-112, 46, 30, 28, 0.28), (-108, 40, -14, 30, 0.26),
    (-102, 28, -52, 31, 0.22), (-94, 18, -84, 27, 0.08), (-90, 14, -96, 16, 0.0),
)  # fmt: skip

FINDINGS = ("polyp", "ulcer", "stenosis")
#: Between which shares of the course a finding may lie: not in the rectum, not in the caecum's end.
_PLACES = {"polyp": (0.40, 0.92), "ulcer": (0.40, 0.92), "stenosis": (0.36, 0.72)}

_TRIES = 100


@dataclass(frozen=True)
class BowelFinding:
    """What grows in the wall.

    Attributes
    ----------
    name : str
        ``"polyp"`` (a round body on the wall), ``"ulcer"`` (a crater filled with barium) or ``"stenosis"`` (the
        narrowing ring of a cancer, with shoulders: the apple core).
    s_mm, t : float
        Place along the course, and angle around it.
    radius_mm : float
        Of the polyp or the crater, or half the length of the stenosis.
    height_mm : float
        How far the polyp stands into the lumen, how deep the crater is, or the radius of the narrowed lumen.
    """

    name: str
    s_mm: float
    t: float
    radius_mm: float
    height_mm: float


class Colon:
    """A seeded colon and points of its surface on a grid of `along` times `around`."""

    def __init__(
        self, key: tuple[int, int], finding: str | None, size_mm: float | None, along: int, around: int
    ) -> None:
        rng = np.random.default_rng([*key, 0])
        table = np.array(_COURSE, np.float64)
        table[1:-1, :3] += rng.normal(0, (5.0, 3.0, 5.0), (len(table) - 2, 3))
        table[:, 3] *= rng.uniform(0.88, 1.08)
        knots = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(table[:, :3], axis=0), axis=1))])
        coarse = np.linspace(0, knots[-1], 1200)
        centre = CubicSpline(knots, table[:, :3])(coarse)
        arc = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(centre, axis=0), axis=1))])
        self.length_mm = float(arc[-1])
        widths = PchipInterpolator(knots / knots[-1], table[:, 3:])(coarse / coarse[-1]).T
        self.finding = None
        if finding is not None:  # from numbers of its own: the healthy colon is the same without it
            self.finding = self._drawn(finding, np.random.default_rng([*key, 3]), size_mm, arc, centre, widths[0])
        self.s, self.t = self._places(along), (np.arange(around) + 0.5) / around * 2 * np.pi
        self.centre = np.stack([np.interp(self.s, arc, axis) for axis in centre.T], 1)
        self.tangent, self.normal, self.binormal = _frames(centre, arc, self.s)
        self.width, haustra = (np.interp(self.s, arc, column) for column in widths)
        self.plain_radius, self.layer_scale = self._radius(rng, self.width, haustra)
        self.bump = self._bump(self.plain_radius)
        self.radius = self.plain_radius + self.bump

    def _drawn(
        self,
        name: str,
        rng: np.random.Generator,
        size: float | None,
        arc: NDArray[Any],
        centre: NDArray[Any],
        width: NDArray[Any],
    ) -> BowelFinding:
        """Where the course is not bent too much: the wall's area is within 30 % of that of a straight tube."""
        tangent, normal, binormal = _frames(centre, arc, arc)
        bend = np.gradient(tangent, arc, axis=0)
        low, high = _PLACES[name]
        for _ in range(_TRIES):
            s, t = rng.uniform(low, high) * self.length_mm, rng.uniform(0, 2 * np.pi)
            i = int(np.searchsorted(arc, s))
            here = float(width[i])
            out = np.cos(t) * normal[i] + np.sin(t) * binormal[i]
            turned = np.linalg.norm(bend[i]) if name == "stenosis" else abs(bend[i] @ out)
            if here * turned < (0.5 if name == "stenosis" else 0.3):
                break
        if name == "polyp":
            radius = rng.uniform(5, 9) if size is None else size / 2
            return BowelFinding(name, s, t, radius, min(1.25 * radius, 0.9 * here))
        if name == "ulcer":
            radius = rng.uniform(4, 8) if size is None else size / 2
            return BowelFinding(name, s, t, radius, 0.8 * radius)
        half = rng.uniform(17, 28) if size is None else size / 2
        return BowelFinding(name, s, t, half, rng.uniform(0.2, 0.3) * here)

    def _places(self, along: int) -> NDArray[np.float64]:
        """Places along the course, closer together where the finding makes the wall steep."""
        fine = np.linspace(0, self.length_mm, 20_001)
        density = np.ones_like(fine)
        if self.finding is not None:
            off = np.abs(fine - self.finding.s_mm) - self.finding.radius_mm
            density += 5 * np.exp(-((np.maximum(off, 0) / 3) ** 2)) * ((off > -4) | (self.finding.radius_mm < 16))
        total = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2)])
        return np.interp((np.arange(along) + 0.5) / along * total[-1], total, fine)

    def _radius(
        self, rng: np.random.Generator, width: NDArray[Any], haustra: NDArray[Any]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Radius at (s, t) of the healthy wall or the stenosis, and a factor for the thickness of the coating."""
        s, t = self.s[:, None], self.t[None, :]
        folds = np.zeros((len(self.s), len(self.t)))
        first = rng.uniform(0, 2 * np.pi)
        for sector in range(3):  # between three bands of muscle; folds of neighbouring sectors do not meet
            pitch = rng.uniform(24, 30)
            places = np.arange(rng.uniform(0, pitch), self.length_mm, pitch)
            places += rng.normal(0, 0.12 * pitch, len(places))
            deep = rng.uniform(0.6, 1.25, len(places))
            nearest = np.abs(s - places[None, :])
            ridge = (deep * np.exp(-((nearest / 3.6) ** 1.4))).max(1)
            off = np.angle(np.exp(1j * (t - first - 2 * np.pi * sector / 3)))
            folds += ridge[:, None] * np.clip(np.cos(0.83 * off), 0, 1) ** 1.2 * (np.abs(off) < 1.9)
        folds = np.minimum(folds, 1.2)
        rough = SmoothField(band_noise(rng, (128, 64), 1.6, np.inf), 1.0)
        wave = rough(s / 6 + 0 * t, t * 64 / (2 * np.pi) + 0 * s)
        grain = SmoothField(band_noise(rng, (512, 96), 1.0, np.inf), 1.0)(s / 1.2 + 0 * t, t * 96 / (2 * np.pi) + 0 * s)
        shape = 1 + 0.3 * haustra[:, None] - 1.35 * haustra[:, None] * folds + 0.02 * wave
        ends = np.sqrt(np.clip(np.minimum(self.s, self.length_mm - self.s) / 12, 0, 1))[:, None]
        radius = width[:, None] * shape * ends
        found = self.finding
        if found is not None and found.name == "stenosis":
            off = np.abs(self.s - found.s_mm) / found.radius_mm
            core = 0.5 * (1 - np.tanh((off - 1) * found.radius_mm / 1.8))[:, None]  # steep shoulders
            narrow = found.height_mm * (1 + 0.18 * wave + 0.10 * grain)
            shoulder = 1 + 0.12 * np.exp(-(((off - 1.15) / 0.15) ** 2))[:, None]
            radius = radius * shoulder * (1 - core) + narrow * core
        return radius, np.exp(0.28 * grain + 0.2 * wave)

    def _bump(self, radius: NDArray[Any]) -> NDArray[np.float64]:
        """What a polyp (inwards) or a crater (outwards) adds to the radius."""
        found = self.finding
        if found is None or found.name == "stenosis":
            return np.zeros_like(radius)
        distance = self.distance()
        inside = np.clip(1 - (distance / found.radius_mm) ** 2, 0, 1)
        if found.name == "polyp":
            return -found.height_mm * np.sqrt(inside)
        return found.height_mm * inside**0.4

    def distance(self) -> NDArray[np.float64]:
        """Distance (mm) of every point of the grid from the finding, along the smooth wall."""
        found = self.finding
        if found is None:
            raise ValueError("Colon: distance expects a colon with a finding")
        here = float(np.interp(found.s_mm, self.s, self.width))
        around = np.angle(np.exp(1j * (self.t - found.t)))[None, :] * here
        return np.asarray(np.hypot(self.s[:, None] - found.s_mm, around))

    def surface(self, radius: NDArray[Any]) -> NDArray[np.float32]:
        """Points of the surface of this radius, shape (along, around, 3)."""
        direction = (
            np.cos(self.t)[None, :, None] * self.normal[:, None, :]
            + np.sin(self.t)[None, :, None] * self.binormal[:, None, :]
        )
        return np.asarray(self.centre[:, None, :] + radius[:, :, None] * direction, np.float32)

    def place(self) -> tuple[float, float, float]:
        """Centre of the finding on the wall, or of the stenosis."""
        found = self.finding
        if found is None:
            raise ValueError("Colon: place expects a colon with a finding")
        i = int(np.argmin(np.abs(self.s - found.s_mm)))
        j = int(np.argmin(np.abs(np.angle(np.exp(1j * (self.t - found.t))))))
        point = self.centre[i]
        if found.name != "stenosis":
            out = np.cos(self.t[j]) * self.normal[i] + np.sin(self.t[j]) * self.binormal[i]
            point = point + self.plain_radius[i, j] * out
        return (float(point[0]), float(point[1]), float(point[2]))


def _frames(centre: NDArray[Any], arc: NDArray[Any], s: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Tangent and two normals at the places `s`, carried along without twist."""
    tangents = np.gradient(centre, axis=0)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    normals = np.empty_like(tangents)
    normal = np.array([1.0, 0.0, 0.0])
    for k, tangent in enumerate(tangents):
        normal = normal - (normal @ tangent) * tangent
        normal /= np.linalg.norm(normal)
        normals[k] = normal
    tangent, normal = (np.stack([np.interp(s, arc, axis) for axis in v.T], 1) for v in (tangents, normals))
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    normal -= (normal * tangent).sum(1, keepdims=True) * tangent
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    return tangent, normal, np.cross(tangent, normal)
