"""What may be wrong in a head: a tumour with oedema, a fresh infarct of an artery's territory, white-matter lesions.

Each finding answers `relabel`: given places in mm and the tissues there, the tissues with the finding. Its truth is
analytic: the volume of the tumour is that of a closed surface, not a count of voxels.
"""

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mediml.imaging.phantoms.head import Field, Head, code, ventricle_depth

__all__ = ["FINDINGS", "Finding", "Infarct", "Lump", "Tumour", "WhiteMatterLesions", "draw_finding"]

#: Names of the findings, as `brain_anatomy` takes them.
FINDINGS = ("tumour", "stroke", "white_matter_lesions")
#: Share of the tumour's radius that its dead core takes.
NECROSIS_SHARE = 0.55
_TRIES = 400


class Finding(Protocol):
    """One finding of a head; `sign` is +1 on the patient's left, -1 on the right, 0 on both."""

    @property
    def sign(self) -> int: ...

    def push(self, x: Field, y: Field, z: Field) -> tuple[Field, Field, Field]: ...

    def relabel(self, label: NDArray[np.uint8], place: tuple[Field, Field, Field], head: Head) -> None: ...


class Lump:
    """A closed surface around a point: radius(u) = radius_mm exp(a g(u)) for unit vectors u, g a sum of four cosines.

    volume = radius_mm**3 / 3 times the integral of exp(3 a g(u)) over the sphere, by Gauss-Legendre quadrature.
    """

    def __init__(self, rng: np.random.Generator, volume_mm3: float, roughness: float = 0.11) -> None:
        self._waves = 2.4 * rng.standard_normal((4, 3))
        self._phases = 2 * np.pi * rng.random(4)
        self._roughness = roughness
        self.volume_mm3 = volume_mm3
        shape, u, weight = self._sphere()
        self.radius_mm = float((volume_mm3 / (shape**3 * weight / 3).sum()) ** (1 / 3))
        self.reach_mm = self.radius_mm * float(np.exp(4 * roughness))  # never exceeded: |g| <= 4
        #: From where the radius is measured to the centre of gravity: the integral of r**4 / 4 u / volume.
        self.offset_mm = (self.radius_mm**4 * shape**4 / 4 * u * weight).sum((1, 2)) / volume_mm3

    def _sphere(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Radius over radius_mm, directions and weights of the quadrature."""
        height, weight = np.polynomial.legendre.leggauss(64)
        turn = 2 * np.pi * np.arange(128) / 128
        ring = np.sqrt(1 - height**2)[:, None]
        u = np.stack([ring * np.cos(turn), ring * np.sin(turn), height[:, None] + 0 * turn])
        return np.exp(self._wave(u)), u, weight[:, None] * np.full(128, 2 * np.pi / 128)

    def _wave(self, u: NDArray[Any]) -> Any:
        return self._roughness * sum(
            np.cos(np.tensordot(w.astype(u.dtype), u, 1) + u.dtype.type(p)) for w, p in zip(self._waves, self._phases)
        )

    def scaled_distance(self, x: Field, y: Field, z: Field) -> tuple[Field, Field]:
        """Distance from the centre over the surface's radius in that direction (below 1: inside), and that radius."""
        r = np.sqrt(x**2 + y**2 + z**2)
        u = np.stack([x, y, z]) / np.maximum(r, r.dtype.type(1e-6))
        radius = np.asarray(r.dtype.type(self.radius_mm) * np.exp(self._wave(u)))
        return r / radius, radius


@dataclass(frozen=True, eq=False)
class Tumour:
    """A mass with a dead core, that presses the brain aside, and the oedema around it in the white matter."""

    lump: Lump
    start_mm: tuple[float, float, float]
    centre_atlas: tuple[float, float, float]
    oedema_mm: float
    sign: int

    @property
    def centre_mm(self) -> tuple[float, float, float]:
        """Centre of gravity."""
        x, y, z = (float(start + offset) for start, offset in zip(self.start_mm, self.lump.offset_mm))
        return (x, y, z)

    def push(self, x: Field, y: Field, z: Field) -> tuple[Field, Field, Field]:
        """Where the tissue at a place lay before the mass grew: incompressible, r_before**3 = r**3 - 0.5 R**3."""
        u, v, w = (axis - np.float32(c) for axis, c in zip((x, y, z), self.centre_atlas))
        r = np.sqrt(u**2 + v**2 + w**2) + np.float32(1e-3)
        ratio = np.cbrt(np.maximum(1 - np.float32(0.5) * (np.float32(self.lump.radius_mm) / r) ** 3, 0))
        cx, cy, cz = (np.float32(c) for c in self.centre_atlas)
        return cx + u * ratio, cy + v * ratio, cz + w * ratio

    def relabel(self, label: NDArray[np.uint8], place: tuple[Field, Field, Field], head: Head) -> None:
        x, y, z = (axis - np.float32(c) for axis, c in zip(place, self.start_mm))
        near = np.flatnonzero(x**2 + y**2 + z**2 < (self.lump.reach_mm + 2 * self.oedema_mm) ** 2)
        if near.size == 0:
            return
        scaled, radius = self.lump.scaled_distance(x[near], y[near], z[near])
        found = label[near]
        edge = np.float32(self.oedema_mm) * (1 + np.float32(0.45) * head.noise(1, z[near], x[near], y[near]))
        found[(found == code("white")) & ((scaled - 1) * radius < edge)] = code("oedema")
        found[scaled < 1] = code("tumour")
        found[scaled < np.float32(NECROSIS_SHARE)] = code("necrosis")
        label[near] = found


@dataclass(frozen=True)
class Infarct:
    """A wedge of the territory of the middle cerebral artery of one side: all brain between two directions.

    Directions are degrees from the patient's side towards the back, seen from the middle of the brain; the territory
    spans `TERRITORY`, lies more than 13 mm from the midline and between two heights.
    """

    sign: int
    first: float
    last: float
    inner_mm: float
    low_mm: float
    high_mm: float

    #: First and last direction, smallest distance from the midline, lowest and highest z of the artery's territory.
    TERRITORY = (-52.0, 48.0, 13.0, -24.0, 48.0)

    def push(self, x: Field, y: Field, z: Field) -> tuple[Field, Field, Field]:
        return x, y, z

    def relabel(self, label: NDArray[np.uint8], place: tuple[Field, Field, Field], head: Head) -> None:
        on_side = np.flatnonzero((place[0] * self.sign > 0) & self._brain(label))
        x, y, z = head.standard(*(axis[on_side] for axis in place))
        rough = 3.0 * head.noise(0, 1.6 * y, 1.6 * z, 1.6 * x)
        wedge = self.depth(x, y, z, (self.first, self.last, self.inner_mm, self.low_mm, self.high_mm))
        whole = self.depth(x, y, z, self.TERRITORY)
        label[on_side[(wedge + rough > 0) & (whole > 0)]] = code("stroke")

    @staticmethod
    def _brain(label: NDArray[np.uint8]) -> NDArray[np.bool_]:
        return (label == code("grey")) | (label == code("white")) | (label == code("deep_grey"))

    @staticmethod
    def depth(x: Field, y: Field, z: Field, limits: tuple[float, float, float, float, float]) -> Field:
        """About the distance (mm) inside the region of these limits, on either side of the head."""
        first, last, inner, low, high = limits
        ax, back = np.abs(x), y - 8
        r = np.sqrt(ax**2 + back**2)
        angle = np.arctan2(back, ax)
        inside = np.minimum((angle - np.radians(np.float32(first))) * r, (np.radians(np.float32(last)) - angle) * r)
        return np.minimum(
            np.minimum(inside, ax - np.float32(inner)), np.minimum(z - np.float32(low), np.float32(high) - z)
        )


@dataclass(frozen=True, eq=False)
class WhiteMatterLesions:
    """Small bright ellipsoids in the white matter, most of them near the ventricles."""

    centres_mm: NDArray[np.float64]
    half_axes_mm: NDArray[np.float64]
    sign: int = field(default=0)

    def push(self, x: Field, y: Field, z: Field) -> tuple[Field, Field, Field]:
        return x, y, z

    def relabel(self, label: NDArray[np.uint8], place: tuple[Field, Field, Field], head: Head) -> None:
        for centre, axes in zip(self.centres_mm.astype(np.float32), self.half_axes_mm.astype(np.float32)):
            inside = sum(((axis - c) / a) ** 2 for axis, c, a in zip(place, centre, axes)) < 1
            label[inside & (label == code("white"))] = code("white_matter_lesion")


def draw_finding(
    name: str, rng: np.random.Generator, head: Head, side: str | None, volume_mm3: float | None
) -> Finding:
    """Draw one finding of a head; `side` and `volume_mm3` are drawn too where they are None."""
    drawn_side, drawn_size = rng.random(2)
    sign = {"left": 1, "right": -1}.get(side or "", 1 if drawn_side < 0.5 else -1)
    if name == "tumour":
        return _tumour(rng, head, sign, volume_mm3 or 4000.0 * 6.0**drawn_size)
    if name == "stroke":
        middle, half = rng.uniform(-18, 18), rng.uniform(18, 40)
        limits = Infarct.TERRITORY
        low = rng.uniform(-14, -2)
        return Infarct(
            sign,
            max(limits[0], middle - half),
            min(limits[1], middle + half),
            rng.uniform(15, 36),
            low,
            min(limits[4], low + rng.uniform(28, 50)),
        )
    return _white_matter_lesions(rng, head, 20 + int(26 * drawn_size))


def _tumour(rng: np.random.Generator, head: Head, sign: int, volume_mm3: float) -> Tumour:
    lump = Lump(rng, volume_mm3)
    for _ in range(_TRIES):
        x, y, z = sign * rng.uniform(16, 46), rng.uniform(-30, 66), rng.uniform(8, 46)
        place = tuple(np.array([c], np.float32) for c in (x, y, z))
        standard = head.standard(*place)
        depth = -float(head.outside(*standard)[0])
        if depth > lump.radius_mm * 1.25 + 4 and abs(x) > lump.radius_mm * 1.2 + 1:
            atlas = (float(standard[0][0]), float(standard[1][0]), float(standard[2][0]))
            return Tumour(lump, (x, y, z), atlas, rng.uniform(7, 14), sign)
    raise ValueError(
        "brain_anatomy: volume_ml expects a tumour that fits into one half of the brain, got "
        f"{volume_mm3 / 1000:g} ml; ask for at most 30 ml"
    )


def _white_matter_lesions(rng: np.random.Generator, head: Head, count: int) -> WhiteMatterLesions:
    """Two of three lie within 9 mm of a ventricle."""
    tries = rng.uniform((-42, -38, 2), (42, 66, 38), (6000, 3))
    far = rng.random(len(tries)) < 1 / 3
    place = tries.astype(np.float32).T
    x, y, z = head.standard(*place)
    gap = -ventricle_depth(np.abs(x), y, z)
    wanted = (head.label(*place) == code("white")) & np.where(far, gap > 12, gap < 9) & (gap > 1)
    chosen: list[NDArray[np.float64]] = []
    for candidate in np.concatenate([tries[wanted & ~far][: 2 * count], tries[wanted & far][:count]]):
        if all(np.linalg.norm(candidate - other) > 6 for other in chosen):
            chosen.append(candidate)
    centres = rng.permutation(np.array(chosen).reshape(-1, 3))[:count]
    axes = rng.uniform(1.5, 4.0, (count, 1)) * rng.uniform(0.75, 1.5, (count, 3))
    return WhiteMatterLesions(centres, axes[: len(centres)])
