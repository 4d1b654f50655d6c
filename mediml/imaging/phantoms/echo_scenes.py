"""What lies under an ultrasound probe: regions of the plane with their echo strength and attenuation.

Places are (x, z): x to the right of the picture and z down from the skin, mm. A region is a function that says how far
(mm) inside of it a place is; later regions are painted over earlier ones.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediml.imaging.phantoms.smooth import SmoothField, band_noise

__all__ = ["FINDINGS", "ORGANS", "Region", "Scene", "draw_scene"]

Field = NDArray[Any]
Inside = Callable[[Field, Field], Field]

ORGANS = ("liver", "kidney", "superficial", "uniform")
#: Findings, and the echo strength in dB against the tissue around that each has where none is asked for.
FINDINGS = {"cyst": -np.inf, "hypoechoic": -8.0, "hyperechoic": 8.0, "stone": 14.0}
#: Attenuation of soft tissue, dB / (cm MHz); of fluid, stone and bone.
SOFT, FLUID, STONE = 0.5, 0.0, 14.0


@dataclass(frozen=True)
class Region:
    """One region: `echo_db` against the parenchyma, attenuation, and the strength of the echo from its outline.

    `texture` multiplies the echo strength by 10**(texture(x, z) / 20).
    """

    name: str
    inside: Inside
    echo_db: float
    attenuation: float = SOFT
    wall: float = 0.0
    texture: Inside | None = None


@dataclass(frozen=True)
class Scene:
    """Regions in the order of painting; `around` names the tissue that the finding lies in."""

    regions: tuple[Region, ...]
    around: str
    finding_radius_mm: tuple[float, float] | None = None
    finding_centre_mm: tuple[float, float] | None = None
    finding_area_mm2: float | None = None
    names: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Ellipse:
    """Distance inside an ellipse, turned clockwise in the picture; `rough` lets a slow field move its outline."""

    x0: float
    z0: float
    a: float
    b: float
    turn_deg: float
    rough: float
    slow: SmoothField

    @property
    def reach(self) -> tuple[float, float, float]:
        """Centre and radius of a disc that holds it."""
        return self.x0, self.z0, max(self.a, self.b) * (1 + 5 * self.rough) + 1

    def __call__(self, x: Field, z: Field) -> Field:
        c, s = math.cos(math.radians(self.turn_deg)), math.sin(math.radians(self.turn_deg))
        u, v = c * (x - self.x0) + s * (z - self.z0), c * (z - self.z0) - s * (x - self.x0)
        f = np.sqrt((u / self.a) ** 2 + (v / self.b) ** 2)
        wave = self.rough * self.slow(x * 1.5, z * 1.5) if self.rough else 0
        return np.asarray((1 - f + wave) * min(self.a, self.b))


@dataclass(frozen=True)
class Tube:
    """Distance inside a vessel along straight pieces, of radius `first` to `last`."""

    points: tuple[tuple[float, float], ...]
    first: float
    last: float

    @property
    def reach(self) -> tuple[float, float, float]:
        """Centre and radius of a disc that holds it."""
        low, high = np.min(self.points, axis=0), np.max(self.points, axis=0)
        x0, z0 = (low + high) / 2
        return float(x0), float(z0), float(np.hypot(*(high - low)) / 2 + max(self.first, self.last) + 1)

    def __call__(self, x: Field, z: Field) -> Field:
        best = np.full(np.shape(x), -np.inf, np.float32)
        for k, ((x0, z0), (x1, z1)) in enumerate(zip(self.points[:-1], self.points[1:])):
            dx, dz = x1 - x0, z1 - z0
            t = np.clip(((x - x0) * dx + (z - z0) * dz) / (dx * dx + dz * dz), 0, 1)
            radius = self.first + (self.last - self.first) * (k + t) / (len(self.points) - 1)
            best = np.maximum(best, radius - np.hypot(x - x0 - t * dx, z - z0 - t * dz))
        return best

    def grown(self, by: float) -> "Tube":
        """The same tube, thicker by `by` all around."""
        return Tube(self.points, self.first + by, self.last + by)


class _Draw:
    """The random parts of one scene."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.slow = SmoothField(band_noise(rng, (64, 64), 2.0, np.inf), 6.0)
        self.fine = SmoothField(band_noise(rng, (160, 160), 1.2, 5.0), 1.5)

    def between(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def patchy(self, decibels: float) -> Inside:
        return lambda x, z: decibels * self.slow(x, z)

    def streaks(self, decibels: float, stretch: float = 9.0, fineness: float = 1.1) -> Inside:
        """Fibres along x: bright lines in fat and muscle."""
        bent = fineness * 1.5
        return lambda x, z: decibels * np.maximum(self.fine(x / stretch, z * fineness + bent * self.slow(x, z)), -0.8)

    def ellipse(self, x0: float, z0: float, a: float, b: float, turn_deg: float = 0.0, rough: float = 0.0) -> "Ellipse":
        return Ellipse(x0, z0, a, b, turn_deg, rough, self.slow)

    def vessel(self, start: tuple[float, float], angle: float, length: float, radius: float) -> "Tube":
        points, (x, z) = [start], start
        for _ in range(5):
            angle += self.between(-0.28, 0.28)
            x, z = x + length / 5 * np.cos(angle), z + length / 5 * np.sin(angle)
            points.append((float(x), float(z)))
        return Tube(tuple(points), radius, 0.35 * radius)


def draw_scene(
    organ: str,
    finding: str | None,
    rng: np.random.Generator,
    depth_mm: float,
    width_mm: float,
    contrast_db: float | None,
    radius_mm: float | None,
) -> Scene:
    """Draw the regions of one scene; `depth_mm` and `width_mm` are what the picture shows."""
    draw = _Draw(rng)
    regions, around, place, radius = {
        "liver": _liver,
        "kidney": _kidney,
        "superficial": _superficial,
        "uniform": _uniform,
    }[organ](draw, depth_mm, width_mm, finding)
    if finding is None:
        return Scene(tuple(regions), around)
    x0, z0 = place
    a = radius if radius_mm is None else radius_mm
    exact = organ == "uniform" or radius_mm is not None
    b = a if exact else a * draw.between(0.75, 1.0)
    rough = 0.0 if exact or finding in ("cyst", "stone") else 0.07
    base = next(region.echo_db for region in regions if region.name == around)
    level = FINDINGS[finding] if contrast_db is None else contrast_db
    shape = draw.ellipse(x0, z0, a, b, draw.between(-25, 25), rough)
    attenuation = {"cyst": FLUID, "stone": STONE}.get(finding, SOFT)
    wall = {"cyst": 5.0, "stone": 16.0}.get(finding, 0.0)
    texture = draw.patchy(1.5) if rough else None
    regions.append(Region("finding", shape, base + level, attenuation, wall, texture))
    area = None if rough else float(np.pi * a * b)
    return Scene(tuple(regions), around, (a, b), (x0, z0), area)


Parts = tuple[list[Region], str, tuple[float, float], float]


def _wall(draw: _Draw, thick: float) -> list[Region]:
    """Skin, fat and muscle down to about `thick` mm."""
    muscle = 0.55 * thick

    def below(level: float, wave: float) -> Inside:
        return lambda x, z: level + wave * draw.slow(x, 3 * z + level) - z

    return [
        Region("muscle", below(thick, 0.9), -3.0, 0.6, 9.0, draw.streaks(5.0)),
        Region("fat", below(muscle, 0.8), -6.0, 0.5, 8.0, draw.streaks(6.0, 6.0)),
        Region("skin", below(2.2, 0.1), 6.0, 0.6, 5.0),
    ]


def _everywhere(x: Field, z: Field) -> Field:
    return np.full(np.shape(x), 1e3)


def _liver(draw: _Draw, depth: float, width: float, finding: str | None) -> Parts:
    top = draw.between(16, 22)
    lift, middle = draw.between(0.80, 0.86) * depth, draw.between(-0.1, 0.1) * width

    def dome(x: Field, z: Field) -> Field:
        return np.asarray(z - lift + (x - middle) ** 2 / (1.9 * depth) + 1.2 * draw.slow(x, 0 * z))

    regions = [
        Region("liver", _everywhere, 0.0, SOFT, 0.0, draw.patchy(0.7)),
        Region("lung", lambda x, z: dome(x, z) - 1.6, -9.0, 1.5, 0.0, draw.patchy(2.5)),
        Region("diaphragm", lambda x, z: 1.3 - np.abs(dome(x, z)), 16.0, 0.8, 10.0),
    ]
    hilum = (draw.between(0.05, 0.18) * width, draw.between(0.5, 0.58) * depth)
    for k in range(4):  # portal branches, with bright walls
        angle = np.pi * (0.95 + 0.35 * k) + draw.between(-0.2, 0.2)
        shape = draw.vessel(hilum, angle, draw.between(0.25, 0.4) * depth, draw.between(3.0, 4.2))
        regions.append(Region("portal_wall", shape.grown(1.1), 8.0, SOFT))
        regions.append(Region("vessel", shape, -26.0, 0.15, 3.0))
    cava = (draw.between(-0.2, -0.1) * width, 0.74 * depth)
    for k in range(4):  # hepatic veins run to the vena cava, without walls
        angle = np.pi * (1.1 + 0.26 * k) + draw.between(-0.12, 0.12)
        shape = draw.vessel(cava, angle, draw.between(0.3, 0.5) * depth, draw.between(2.4, 3.6))
        regions.append(Region("vessel", shape, -26.0, 0.15, 1.5))
    for _ in range(26):  # small vessels cut across
        x, z = draw.between(-0.6, 0.6) * width, draw.between(0.15, 0.8) * depth
        a = draw.between(0.8, 1.8)
        regions.append(
            Region("vessel", draw.ellipse(x, z, a * draw.between(1, 3), a, draw.between(-60, 60)), -22.0, 0.2, 2.0)
        )
    place, radius = (draw.between(-0.2, 0.05) * width, draw.between(0.3, 0.44) * depth), draw.between(9, 15)
    around = "liver"
    if finding == "stone":  # in a gall bladder
        x0, z0 = draw.between(-0.1, 0.05) * width, draw.between(0.36, 0.44) * depth
        a, b, turn = draw.between(26, 34), draw.between(10, 14), draw.between(8, 30)
        regions.append(Region("gall_bladder_wall", draw.ellipse(x0, z0, a + 1.5, b + 1.5, turn), 4.0, SOFT, 6.0))
        regions.append(Region("gall_bladder", draw.ellipse(x0, z0, a, b, turn), -np.inf, FLUID, 5.0))
        radius = draw.between(4, 7)
        t = np.radians(turn)
        along = 0.25 * a
        place = (
            x0 + along * np.cos(t) - (b - radius) * 0.9 * np.sin(t),
            z0 + along * np.sin(t) + (b - radius) * 0.9 * np.cos(t),
        )
    else:
        regions = [r for r in regions if r.name not in ("portal_wall", "vessel")] + [
            r for r in regions if r.name in ("portal_wall", "vessel")
        ]
    capsule = Region("capsule", lambda x, z: top + 0.9 + 0.9 * draw.slow(x, 3 * z + top) - z, 8.0, SOFT, 6.0)
    return [*regions, capsule, *_wall(draw, top)], around, place, radius


def _kidney(draw: _Draw, depth: float, width: float, finding: str | None) -> Parts:
    top = draw.between(14, 19)
    x0, z0, turn = draw.between(-5, 5), draw.between(0.46, 0.52) * depth, draw.between(4, 16)
    a, b = draw.between(50, 57), draw.between(22, 26)
    outer = draw.ellipse(x0, z0, a, b, turn, 0.03)
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))

    def at(u: float, v: float) -> tuple[float, float]:
        return (x0 + c * u - s * v, z0 + s * u + c * v)

    regions = [
        Region("liver", _everywhere, 0.0, SOFT, 0.0, draw.patchy(0.8)),
        Region(
            "muscle", lambda x, z: z - z0 - 1.45 * b - 0.1 * x - 2 * draw.slow(x, z), -4.0, 0.7, 8.0, draw.streaks(5.0)
        ),
        Region("perirenal_fat", lambda x, z: outer(x, z) + 3.2 + 1.2 * draw.slow(x, z), 7.0, 0.6, 8.0),
        Region("cortex", outer, -3.5, SOFT, 8.0, draw.patchy(0.7)),
    ]
    for k in range(9):  # pyramids around the sinus
        angle = 2 * np.pi * (k + draw.between(-0.15, 0.15)) / 9
        x, z = at(0.70 * a * np.cos(angle), 0.62 * b * np.sin(angle))
        toward = np.degrees(np.arctan2(0.62 * b * np.sin(angle), 0.70 * a * np.cos(angle))) + turn
        regions.append(Region("pyramid", draw.ellipse(x, z, 6.0, 4.4, toward, 0.08), -10.0, 0.4))
    sinus = draw.ellipse(*at(draw.between(-3, 3), 0.0), 0.52 * a, 0.36 * b, turn, 0.16)
    regions.append(Region("sinus", sinus, 8.0, 0.6, 0.0, draw.streaks(5.0, 2.0)))
    if finding == "stone":
        place, radius, around = at(draw.between(-14, 14), draw.between(-2, 3)), draw.between(3.0, 5.5), "sinus"
    else:
        place, around = at(draw.between(0.55, 0.8) * a * (-1) ** int(draw.between(0, 2)), -0.45 * b), "cortex"
        radius = draw.between(8, 13)
    return [*regions, *_wall(draw, top)], around, place, radius


def _superficial(draw: _Draw, depth: float, width: float, finding: str | None) -> Parts:
    fat, gland = draw.between(0.16, 0.24) * depth, draw.between(0.60, 0.70) * depth
    muscle = gland + 0.18 * depth

    def below(level: float, wave: float) -> Inside:
        return lambda x, z: z - level - wave * draw.slow(2 * x, level + 0 * z)

    def glandular(x: Field, z: Field) -> Field:
        return np.asarray(draw.patchy(2.0)(2 * x, 2 * z) + draw.streaks(3.5, 1.6, 1.6)(x, z))

    regions = [
        Region("fat", _everywhere, -11.0, 0.5, 0.0, draw.streaks(6.0, 3.0, 1.8)),
        Region("gland", below(fat, 1.6), -1.0, 0.6, 4.0, glandular),
        Region("deep_fat", below(gland, 1.0), -11.0, 0.5, 5.0, draw.streaks(6.0, 4.0, 2.0)),
        Region("muscle", below(gland + 0.07 * depth, 0.7), -10.0, 0.7, 9.0, draw.streaks(7.0, 9.0, 2.4)),
        Region("rib_fascia", below(muscle, 0.5), -16.0, 1.2, 12.0, draw.streaks(5.0, 9.0, 1.6)),
        Region("skin", lambda x, z: 1.8 + 0 * x - z, 5.0, 0.6, 6.0),
    ]
    place = (draw.between(-0.15, 0.15) * width, fat + draw.between(0.4, 0.55) * (gland - fat))
    return regions, "gland", place, min(draw.between(4.5, 7.5), 0.42 * (gland - fat))


def _uniform(draw: _Draw, depth: float, width: float, finding: str | None) -> Parts:
    return [Region("tissue", _everywhere, 0.0)], "tissue", (0.0, 0.5 * depth), 0.12 * depth
