"""The head as a function of place: which tissue lies at (x, y, z).

Coordinates in mm near those of Talairach's atlas, but in DICOM's directions: the origin is the anterior commissure,
+x left, +y to the back, +z to the head. Every structure is a signed distance (mm, positive inside) or close to one, so
that the same head can be sampled on any grid. Proportions follow the atlas in round numbers; no scan was used.

References
----------
J. Talairach, P. Tournoux: Co-planar Stereotaxic Atlas of the Human Brain, 1988.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediml.imaging.phantoms.smooth import SmoothField, band_noise

__all__ = ["TISSUE_NAMES", "Head", "Person", "code", "ventricle_depth"]

#: Numbers at places, float32.
Field = NDArray[Any]

#: The place in this tuple is the label.
TISSUE_NAMES = (
    "air", "skin", "fat", "muscle", "bone", "marrow", "csf", "grey", "white", "deep_grey", "eye",
    "tumour", "necrosis", "oedema", "stroke", "white_matter_lesion",
)  # fmt: skip

#: Lateral ventricle: (ax, y, z, radius) of the ends of tapered tubes, ax = |x|; the last two are the temporal horn.
_VENTRICLE = (
    ((12.0, -31.0, 4.0, 3.0), (6.5, -6.0, 10.0, 4.2)),
    ((6.5, -6.0, 10.0, 4.2), (9.0, 12.0, 18.0, 4.4)),
    ((9.0, 12.0, 18.0, 4.4), (15.0, 29.0, 18.0, 5.2)),
    ((15.0, 29.0, 18.0, 5.2), (25.0, 41.0, 8.0, 6.0)),
    ((25.0, 41.0, 8.0, 5.5), (22.0, 66.0, 3.0, 2.0)),
    ((26.0, 40.0, 6.0, 4.5), (34.0, 22.0, -10.0, 2.6)),
    ((34.0, 22.0, -10.0, 2.6), (29.0, 4.0, -19.0, 2.0)),
)
#: Deep grey matter: centre, half axes, turn about z in degrees.
_NUCLEI = (
    ((12.0, 15.0, 7.0), (8.0, 15.0, 9.5), 28.0),  # thalamus
    ((13.5, -13.0, 7.0), (5.0, 11.0, 9.5), 12.0),  # head of the caudate
    ((25.5, -1.0, 3.0), (4.6, 16.0, 10.0), 14.0),  # putamen
    ((18.5, 0.5, 1.0), (3.6, 9.0, 6.0), 22.0),  # pallidum
)


def code(name: str) -> int:
    """The label of a tissue."""
    return TISSUE_NAMES.index(name)


@dataclass(frozen=True)
class Person:
    """What differs between heads: scale of the three axes, widening of ventricles and sulci (mm), skull and scalp."""

    scale: tuple[float, float, float]
    ventricles: float
    sulci: float
    skull: float
    scalp: float

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> "Person":
        u = rng.random(7)
        scale = (0.96 + 0.08 * u[0], 0.95 + 0.09 * u[1], 0.97 + 0.06 * u[2])
        return cls(scale, 0.4 + 2.0 * u[3] ** 2, 0.05 + 0.4 * u[4], 5.5 + 2.0 * u[5], 4.0 + 3.0 * u[6])


class Head:
    """One seeded head. `symmetric` mirrors the left half."""

    def __init__(self, rng: np.random.Generator, symmetric: bool = False) -> None:
        self.person = Person.drawn(rng)
        self.symmetric = symmetric
        shape, step = (96, 112, 96), 2.0
        self._folds = [_fold(rng, shape, step, wavelength) for wavelength in (5.0, 4.2)]
        self._slow = [SmoothField(band_noise(rng, (24, 28, 24), 1.6, np.inf), 8.0) for _ in range(4)]
        self._fine = SmoothField(band_noise(rng, (72, 72, 72), 1.0, 4.0), 1.5)

    def noise(self, number: int, x: Field, y: Field, z: Field) -> Field:
        """One of four slow fields (a length of about 25 mm), of standard deviation 1."""
        return self._slow[number](self._side(x), y, z)

    def _side(self, x: Field) -> Field:
        return np.abs(x) if self.symmetric else x

    def standard(self, x: Field, y: Field, z: Field) -> tuple[Field, Field, Field]:
        """Places of the person in the coordinates of the atlas: scaled, then bent a little."""
        x, y, z = (np.float32(1 / s) * axis for s, axis in zip(self.person.scale, (x, y, z)))
        bend = [np.float32(1.0) * self.noise(i, x, y, z) for i in range(3)]
        if self.symmetric:
            bend[0] = bend[0] * np.sign(x)
        # The midline stays nearly flat.
        bend[0] = bend[0] * np.minimum(np.abs(x) / np.float32(25) + np.float32(0.25 * (not self.symmetric)), 1)
        return x + bend[0], y + bend[1], z + bend[2]

    def outside(self, x: Field, y: Field, z: Field) -> Field:
        """How far (mm) outside of the smooth hull of the brain a place is, along the ray from its middle."""
        f, r = _hull(x, y, z)
        return np.asarray(r * (1 - 1 / np.maximum(f, np.float32(1e-3))), np.float32)

    def label(self, x: Field, y: Field, z: Field, push: Any = None) -> NDArray[np.uint8]:
        """Tissue at places in mm; `push` moves places of the brain's inside, as a growing mass does."""
        result = np.zeros(x.shape, np.uint8)
        near = np.flatnonzero((x / 110) ** 2 + ((y - 16) / 130) ** 2 + (np.maximum(z, 0) / 120) ** 2 < 1)
        if near.size:
            result[near] = self._head(*self.standard(x[near], y[near], z[near]), push)
        return result

    def _head(self, x: Field, y: Field, z: Field, push: Any) -> NDArray[np.uint8]:
        f, r = _hull(x, y, z)
        out = r * (1 - 1 / np.maximum(f, np.float32(1e-3)))
        outer = (out >= 2.5) | (z < _floor(np.abs(x), y))
        result = np.zeros(x.shape, np.uint8)
        if outer.any():
            result[outer] = self._shell(x[outer], y[outer], z[outer], out[outer])
        inner = np.flatnonzero(~outer)
        if inner.size:
            px, py, pz = x[inner], y[inner], z[inner]
            if push is not None:
                px, py, pz = push(px, py, pz)
            result[inner] = self._cranium(px, py, pz, f[inner], out[inner])
        return result

    def _shell(self, x: Field, y: Field, z: Field, out: Field) -> NDArray[np.uint8]:
        """Skull, marrow, muscle, scalp, air; below the skull's base the face and the neck."""
        person, ax = self.person, np.abs(x)
        wobble = self.noise(3, x, y, z)
        skull = person.skull + wobble * np.float32(0.8)
        temple = np.clip(1 - ((y + 12) / 34) ** 2 - ((z + 8) / 36) ** 2, 0, 1)  # thin bone under the temporal muscle
        skull = skull * (1 - np.float32(0.45) * temple)
        muscle = 7 * temple * (ax > 30)
        scalp = person.scalp * (1 - np.float32(0.3) * temple)
        depth = out - np.float32(2.5)
        result = np.zeros(x.shape, np.uint8)
        edges: list[Field] = [
            0 * depth,
            skull,
            skull + muscle,
            skull + muscle + scalp,
            skull + muscle + scalp + np.float32(1.8),
        ]
        for low, high, name in zip(edges[:-1], edges[1:], ("bone", "muscle", "fat", "skin")):
            result[(depth >= low) & (depth < high)] = code(name)
        middle = (depth > np.float32(1.6)) & (depth < skull - np.float32(1.6))
        result[middle & (self._fine(self._side(x), y, z) > -1.1)] = code("marrow")
        below = (depth < skull) & (z < _floor(ax, y))
        if below.any():
            result[below] = self._face(x[below], y[below], z[below])
        return result

    def _face(self, x: Field, y: Field, z: Field) -> NDArray[np.uint8]:
        ax = np.abs(x)
        fine = self._fine(self._side(x), y, z)
        gap = _floor(ax, y) - z
        result = np.full(x.shape, code("muscle"), np.uint8)
        result[np.float32(0.35) * fine + self.noise(2, x, y, z) > 0.7] = code("fat")
        orbit = np.sqrt(
            (ax - 31) ** 2 + (np.maximum(0, -y - 50) * 0.9 + np.maximum(0, y + 50) * 0.55) ** 2 + (z + 30) ** 2
        )
        result[gap < 4 + fine] = code("bone")
        result[(orbit < 21) & (gap > 1.5)] = code("fat")
        globe = np.sqrt((ax - 31) ** 2 + (y + 56) ** 2 + (z + 30) ** 2)
        result[(orbit < 19) & (np.abs(orbit - 15) < 1.6) & (y > -48)] = code("muscle")
        result[globe < 13] = code("skin")
        result[globe < 11.6] = code("eye")
        nerve = np.sqrt((ax - 31 + (y + 45) * np.float32(0.45)) ** 2 + (z + 30) ** 2)
        result[(nerve < 2.2) & (y > -45) & (y < -18)] = code("white")
        nose = _ellipsoid(ax, y, z, (0, -50, -45), (14, 25, 21), 0.0) > fine
        result[nose] = code("air")
        result[nose & (np.abs(ax - 7 - 1.5 * np.sin(z / 6)) < 1.6) | nose & (ax < 1.2)] = code("muscle")
        mastoid = (ax > 40) & (y > 18) & (y < 52) & (z < -28)
        result[mastoid] = np.where(fine[mastoid] > 0.1, code("bone"), code("air"))
        return result

    def _cranium(self, x: Field, y: Field, z: Field, f: Field, out: Field) -> NDArray[np.uint8]:
        """Everything inside the skull."""
        ax, person = np.abs(x), self.person
        result = np.full(x.shape, code("csf"), np.uint8)
        pial = self._pial(x, y, z, f, out)
        thick = np.float32(2.7) + np.float32(0.3) * self.noise(2, x, y, z)
        result[pial > 0] = code("grey")
        result[pial > thick] = code("white")
        core = _core(y, z)
        callosum = (core > -0.5) & (core < 6.5 - ax / 6) & (z > 0) & (ax < 9 + np.abs(y - 7) / 5)
        result[callosum] = code("white")
        for centre, axes, turn in _NUCLEI:
            result[_ellipsoid(ax, y, z, centre, axes, turn) > 0] = code("deep_grey")
        self._hindbrain(result, x, y, z, out)
        ventricle = ventricle_depth(ax, y, z) + np.float32(person.ventricles)
        caudate = _ellipsoid(ax, y, z, *_NUCLEI[1][:2], _NUCLEI[1][2])
        septum = (ax < 0.9) & (y < 22)
        result[(ventricle > 0) & (caudate < 0) & ~septum] = code("csf")
        third = _ellipsoid(ax, y, z, (0, 11, 0), (2.0 + person.ventricles * 0.6, 13, 12), 0.0)
        result[third > 0] = code("csf")
        return result

    def _pial(self, x: Field, y: Field, z: Field, f: Field, out: Field) -> Field:
        """Distance below the surface of the cerebral cortex, all folds included; negative in the CSF around it."""
        ax, sx = np.abs(x), self._side(x)
        depth = _smooth_min(-out, (z - _base(ax, y)) * np.float32(0.85), 6)
        reach = _smooth_min(-out, (z - _base(ax, y)) * np.float32(0.85) + 9, 6)
        shrink = np.maximum(f, np.float32(0.4)) ** np.float32(0.55)
        slow = self.noise(1, y, sx, z)
        bend = [np.float32(3.2) * self.noise(i, 2 * z, 2 * y, 2 * sx) for i in range(3)]
        place = [axis / shrink + shift for axis, shift in zip((sx, y, z), bend)]
        result = depth
        middle = np.maximum(_ellipsoid(ax, y, z, (0, 9, 1), (40, 46, 29), 0.0) + 2 * slow, 0)
        for fold, deepest, width in zip(self._folds, (22 + 5 * slow, 8 + 3 * slow), (0.15, -0.1)):
            sheet = np.abs(fold(*place)) * shrink
            sheet = np.sqrt(sheet**2 + np.maximum(reach - deepest, 0) ** 2 + middle**2)
            open_ = np.float32(width + self.person.sulci) + np.float32(0.06) * np.maximum(7 - depth, 0)
            result = _smooth_min(result, sheet - open_, 1.6)
        wobble = 0 if self.symmetric else np.float32(1.1) * self._folds[1](0 * x, y, z) / 4
        midline = np.sqrt((x - wobble) ** 2 + np.maximum(_core(y, z), 0) ** 2) - np.float32(0.7)
        result = _smooth_min(result, midline, 1.5)
        return np.minimum(
            result, _sylvian(ax + bend[0] / 3, y + bend[1], z + bend[2]) - np.float32(0.5 + 0.8 * self.person.sulci)
        )

    def _hindbrain(self, result: NDArray[np.uint8], x: Field, y: Field, z: Field, out: Field) -> None:
        """Cerebellum with its folia, brain stem and fourth ventricle."""
        ax = np.abs(x)
        lobe = _ellipsoid(ax, y, z, (24, 60, -35), (42, 38, 30), 0.0)
        worm = _ellipsoid(ax, y, z, (0, 56, -33), (14, 26, 25), 0.0)
        body = np.minimum(np.maximum(lobe, worm), (-9 - np.float32(0.2) * ax - z) * np.float32(0.9))
        body = np.minimum(np.minimum(body, -1 - out), np.minimum(z - _floor(ax, y) - 2, y - 12 - ax / 2))
        if (body > 0).any():
            wave = self._fine(self._side(x) / 3, y / 2, z) * 0.8
            phase = (z + np.float32(0.35) * (y - 60)) / np.float32(4.6) + wave * np.float32(0.35)
            folia = np.abs(phase - np.round(phase)) * np.float32(4.6)
            cleft = body - 9 * (folia < 0.75) * (body < 9)
            tree = body - np.float32(3.5) + np.float32(2.6) * np.cos(phase * np.float32(np.pi))
            result[body > 0] = code("grey")
            result[(body > 0) & (cleft < -2)] = code("csf")
            result[(tree > 6) | (body > 12)] = code("white")
        stem = np.maximum(
            _tube(ax, y, z, (0, 18, -6, 14), (0, 22, -32, 13.5)), _tube(ax, y, z, (0, 24, -38, 10), (0, 34, -90, 7.5))
        )
        legs = _ellipsoid(ax, y, z, (12, 11, -9), (8, 9, 13), -35.0)
        result[((stem > 0) | (legs > 0)) & (z < -4)] = code("white")
        fourth = _ellipsoid(ax, y, z, (0, 38, -32), (7, 4.5, 11), 0.0)
        result[fourth > 0] = code("csf")


def _fold(rng: np.random.Generator, shape: tuple[int, ...], step: float, scale_mm: float) -> SmoothField:
    """A field whose value is about the distance (mm) to its own zero surfaces: the sheets along which cortex folds."""
    noise = band_noise(rng, shape, scale_mm / step, 1.6 * scale_mm / step)
    slope = np.sqrt(sum(np.gradient(noise, step, axis=axis) ** 2 for axis in range(3)))
    return SmoothField(noise / (slope + 0.25 * slope.mean()), step)


def _hull(x: Field, y: Field, z: Field) -> tuple[Field, Field]:
    """Scale of the surface through a place against the hull of the brain (1 on it), and distance to the middle."""
    y, z = y - 16, z - 3
    half_x = 67 + 4 * np.tanh(y / np.float32(45))
    u = np.abs(x) / half_x
    v = np.abs(y) / np.float32(85)
    w = np.where(z > 0, z / np.float32(71), z * np.float32(-0.5 / 71))
    power = np.float32(2.3)
    f = (u**power + v**power + w**power) ** (1 / power)
    return f, np.sqrt(x**2 + y**2 + z**2)


def _sigmoid(t: Field) -> Field:
    return np.float32(0.5) * (1 + np.tanh(t))


def _base(ax: Field, y: Field) -> Field:
    """Height of the under side of the cerebrum: frontal, temporal and, above the cerebellum, occipital."""
    back, front = _sigmoid((y - 20 - ax / 3) / 7), _sigmoid((-29 + (ax - 34) ** 2 / 60 - y) / 4)
    middle = -14 - 24 * _sigmoid((ax - 21 + (y + 3) ** 2 / 60) / 4)
    return (1 - back - front) * middle + front * (-21 + ax / 10) + back * (-7 - np.float32(0.2) * ax)


def _floor(ax: Field, y: Field) -> Field:
    """Height of the inner side of the base of the skull."""
    back, front = _sigmoid((y - 4 - ax / 3) / 5), _sigmoid((-31 + (ax - 34) ** 2 / 60 - y) / 3)
    middle = -22 - 18 * _sigmoid((ax - 20) / 4)
    return (1 - back - front) * middle + front * (-22 + ax / 10) + back * np.float32(-62)


def _core(y: Field, z: Field) -> Field:
    """Depth (mm) in the middle of the brain, where no fissure parts the halves: under the arch of the callosum."""
    f = np.sqrt(((y - 7) / np.float32(38)) ** 2 + ((z - 3) / np.float32(27)) ** 2)
    return np.asarray((1 - f) * np.float32(30), np.float32)


def _sylvian(ax: Field, y: Field, z: Field) -> Field:
    """Distance to the cleft over the insula and to its opening at the side of the brain."""
    wall = np.abs(ax - 39.5 + (y + 4) ** 2 / np.float32(110) + (z - 2) ** 2 / np.float32(160))
    over = np.maximum(np.abs(y + 2) - 21, 0) + np.maximum(np.abs(z - 2) - 15, 0)
    slit = np.abs(z - 1 - np.float32(0.33) * y) * np.float32(0.95)
    end = np.maximum(np.abs(y - 4) - 30, 0) + np.maximum(36 - ax, 0)
    return np.minimum(np.sqrt(wall**2 + over**2), np.sqrt(slit**2 + end**2))


def _ellipsoid(ax: Field, y: Field, z: Field, centre: Any, axes: Any, turn: float) -> Field:
    """About the distance (mm) inside an ellipsoid that is turned about z."""
    u, v, w = ax - np.float32(centre[0]), y - np.float32(centre[1]), z - np.float32(centre[2])
    c, s = np.float32(np.cos(np.radians(turn))), np.float32(np.sin(np.radians(turn)))
    u, v = c * u - s * v, s * u + c * v
    f = np.sqrt((u / np.float32(axes[0])) ** 2 + (v / np.float32(axes[1])) ** 2 + (w / np.float32(axes[2])) ** 2)
    return np.asarray((1 - f) * np.float32(min(axes)), np.float32)


def _tube(ax: Field, y: Field, z: Field, a: Any, b: Any) -> Field:
    """Distance (mm) inside a tapered tube with round ends; `a` and `b` are (ax, y, z, radius)."""
    line = np.subtract(b, a)
    u, v, w = ax - np.float32(a[0]), y - np.float32(a[1]), z - np.float32(a[2])
    t = (u * np.float32(line[0]) + v * np.float32(line[1]) + w * np.float32(line[2])) / np.float32(
        (line[:3] ** 2).sum()
    )
    t = np.clip(t, 0, 1)
    far = np.sqrt(
        (u - t * np.float32(line[0])) ** 2 + (v - t * np.float32(line[1])) ** 2 + (w - t * np.float32(line[2])) ** 2
    )
    return np.asarray(np.float32(a[3]) + t * np.float32(line[3]) - far, np.float32)


def ventricle_depth(ax: Field, y: Field, z: Field) -> Field:
    """Distance (mm) inside the lateral ventricles of the atlas; `ax` is |x|."""
    result = _tube(ax, y, z, *_VENTRICLE[0])
    for a, b in _VENTRICLE[1:]:
        result = np.maximum(result, _tube(ax, y, z, a, b))
    return result


def _smooth_min(a: Field, b: Field, width: float) -> Field:
    """The smaller of two distances, rounded over `width` mm where they meet."""
    h = np.maximum(np.float32(width) - np.abs(a - b), 0) / np.float32(width)
    return np.minimum(a, b) - h * h * np.float32(width / 4)
