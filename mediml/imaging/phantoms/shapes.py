"""Solid shapes and where rays along the y axis (front to back) enter and leave them, in closed form.

Every shape answers `strike(xs, zs)`: for the rays through the grid of these coordinates, in mm, the index of each ray
that meets it (``index_z * len(xs) + index_x``) and the y where it enters and leaves. No shape is ever sampled along y,
so lengths and volumes carry no error of a grid in that direction.

Axes are those of DICOM's patient coordinates: +x to the patient's left, +y to the back, +z to the head.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Confined",
    "Ellipsoids",
    "Hits",
    "Region",
    "Shape",
    "Tubes",
    "box",
    "clip_below_plane",
    "ellipsoid",
    "merged",
    "tube",
]

Floats = NDArray[np.floating[Any]]
#: Ray index, entry and exit of each hit.
Hits = tuple[NDArray[np.int64], Floats, Floats]


class Shape(Protocol):
    """Anything that rays can strike."""

    def strike(self, xs: Floats, zs: Floats) -> Hits: ...

    def contains(self, points: ArrayLike) -> NDArray[np.bool_]: ...


@dataclass(frozen=True)
class Region:
    """A shape by a function: ``interval(x, z)`` gives entry and exit; where exit <= entry there is nothing."""

    interval: Callable[[Floats, Floats], tuple[Floats, Floats]]

    def strike(self, xs: Floats, zs: Floats) -> Hits:
        enter, leave = np.broadcast_arrays(*self.interval(xs[None, :], zs[:, None]))
        ray = np.flatnonzero((leave > enter).ravel())
        shape = (len(zs), len(xs))
        return (
            ray,
            np.broadcast_to(enter, shape).reshape(-1)[ray],
            np.broadcast_to(leave, shape).reshape(-1)[ray],
        )

    def __and__(self, other: "Region") -> "Region":
        """What lies in both."""

        def both(x: Floats, z: Floats) -> tuple[Floats, Floats]:
            (a, b), (c, d) = self.interval(x, z), other.interval(x, z)
            return np.maximum(a, c), np.minimum(b, d)

        return Region(both)

    def contains(self, points: ArrayLike) -> NDArray[np.bool_]:
        """Which of the points (…, 3) in (x, y, z) lie inside."""
        p = np.asarray(points, np.float64)
        enter, leave = self.interval(p[..., 0], p[..., 2])
        return np.asarray((enter < p[..., 1]) & (p[..., 1] < leave))


@dataclass(frozen=True)
class Confined:
    """What of a shape lies in a region."""

    shape: Shape
    region: Region

    def strike(self, xs: Floats, zs: Floats) -> Hits:
        ray, enter, leave = self.shape.strike(xs, zs)
        low, high = self.region.interval(xs[ray % len(xs)], zs[ray // len(xs)])
        enter, leave = np.maximum(enter, low), np.minimum(leave, high)
        keep = leave > enter
        return ray[keep], enter[keep], leave[keep]

    def contains(self, points: ArrayLike) -> NDArray[np.bool_]:
        return np.asarray(self.shape.contains(points) & self.region.contains(points), np.bool_)


def clip_below_plane(normal: ArrayLike, offset: float) -> Region:
    """The half of space where ``normal · p <= offset``."""
    nx, ny, nz = np.asarray(normal, np.float64)

    def interval(x: Floats, z: Floats) -> tuple[Floats, Floats]:
        rest = offset - nx * x - nz * z
        if ny == 0:
            inside = rest >= 0
            return np.where(inside, -np.inf, np.inf), np.where(inside, np.inf, -np.inf)
        border = rest / ny
        infinite = np.full_like(border, np.inf)
        return (-infinite, border) if ny > 0 else (border, infinite)

    return Region(interval)


def box(low: Sequence[float], high: Sequence[float]) -> Region:
    """A block from corner to corner, in mm: (x, y, z)."""

    def interval(x: Floats, z: Floats) -> tuple[Floats, Floats]:
        inside = (x >= low[0]) & (x < high[0]) & (z >= low[2]) & (z < high[2])
        return np.where(inside, low[1], np.inf), np.where(inside, high[1], -np.inf)

    return Region(interval)


@dataclass(frozen=True)
class Ellipsoids:
    """All points p with ``|matrix (p - centre)| <= 1``: centres (N, 3), matrices (N, 3, 3)."""

    centres: Floats
    matrices: Floats

    @property
    def volumes_mm3(self) -> Floats:
        """4/3 pi / |det matrix| of each."""
        return np.asarray(4 / 3 * np.pi / np.abs(np.linalg.det(self.matrices)))

    def contains(self, points: ArrayLike) -> NDArray[np.bool_]:
        return _among(points, *self._bounds(), self._holds)

    def _holds(self, points: Floats) -> NDArray[np.bool_]:
        away = points[:, None, :] - self.centres
        return np.asarray((np.einsum("nij,pnj->pni", self.matrices, away) ** 2).sum(-1) <= 1)

    def _bounds(self) -> tuple[Floats, Floats]:
        reach = np.linalg.norm(np.linalg.inv(self.matrices), axis=2)
        return self.centres - reach, self.centres + reach

    def strike(self, xs: Floats, zs: Floats) -> Hits:
        which, x, z, ray = _near(*self._bounds(), xs, zs)
        m, c = self.matrices[which], self.centres[which]
        q = m[:, :, 0] * (x - c[:, 0])[:, None] + m[:, :, 2] * (z - c[:, 2])[:, None]
        enter, leave = _quadratic(q, m[:, :, 1])
        keep = leave > enter
        return ray[keep], (c[:, 1] + enter)[keep], (c[:, 1] + leave)[keep]


def ellipsoid(
    centre: ArrayLike, radii: ArrayLike, axis: ArrayLike = (1.0, 0.0, 0.0), up: ArrayLike = (0.0, 0.0, 1.0)
) -> Ellipsoids:
    """One ellipsoid, or several: `centre` and `radii` of shape (3,) or (N, 3); the first radius lies along `axis`."""
    centres = np.atleast_2d(np.asarray(centre, np.float64))
    sizes = np.broadcast_to(np.atleast_2d(np.asarray(radii, np.float64)), centres.shape)
    first = np.asarray(axis, np.float64) / np.linalg.norm(axis)
    third = np.asarray(up, np.float64) - first * np.dot(first, up)
    third /= np.linalg.norm(third)
    frame = np.stack([first, np.cross(third, first), third])
    return Ellipsoids(centres, frame[None] / sizes[:, :, None])


@dataclass(frozen=True)
class Tubes:
    """Straight pieces with elliptic sections, cut at both ends by planes.

    Attributes
    ----------
    starts, ends : ndarray of shape (N, 3)
    sections : ndarray of shape (N, 2, 3)
        The two axes of the section, each divided by its radius: inside where |section (p - start)| <= 1.
    caps : ndarray of shape (N, 2, 3)
        Normals of the planes at the start and at the end, both along the piece.
    radii : ndarray of shape (N,)
        The larger radius.
    """

    starts: Floats
    ends: Floats
    sections: Floats
    caps: Floats
    radii: Floats

    def contains(self, points: ArrayLike) -> NDArray[np.bool_]:
        return _among(points, *self._bounds(), self._holds)

    def _holds(self, points: Floats) -> NDArray[np.bool_]:
        p = points[:, None, :]
        near = (np.einsum("nij,pnj->pni", self.sections, p - self.starts) ** 2).sum(-1) <= 1
        after = np.einsum("nj,pnj->pn", self.caps[:, 0], p - self.starts) >= 0
        before = np.einsum("nj,pnj->pn", self.caps[:, 1], p - self.ends) <= 0
        return np.asarray(near & after & before)

    def _bounds(self) -> tuple[Floats, Floats]:
        reach = 1.3 * self.radii[:, None]  # planes that cut askew reach further than the section
        return np.minimum(self.starts, self.ends) - reach, np.maximum(self.starts, self.ends) + reach

    def strike(self, xs: Floats, zs: Floats) -> Hits:
        which, x, z, ray = _near(*self._bounds(), xs, zs)
        m, a = self.sections[which], self.starts[which]
        dx, dz = x - a[:, 0], z - a[:, 2]
        q = m[:, :, 0] * dx[:, None] + m[:, :, 2] * dz[:, None]
        enter, leave = _quadratic(q, m[:, :, 1])
        first, last = self.caps[which, 0], self.caps[which, 1]
        length = np.einsum("nk,nk->n", last, (self.ends - self.starts)[which])
        _cut(enter, leave, first[:, 1], first[:, 0] * dx + first[:, 2] * dz, 0.0)
        _cut(enter, leave, -last[:, 1], -(last[:, 0] * dx + last[:, 2] * dz), -length)
        keep = leave > enter
        return ray[keep], (a[:, 1] + enter)[keep], (a[:, 1] + leave)[keep]


def tube(points: ArrayLike, radius: ArrayLike, thin: ArrayLike | None = None, thickness: ArrayLike = 0.0) -> Tubes:
    """A bent tube through `points` (N, 3), its pieces joined without gaps.

    Parameters
    ----------
    points : array_like of shape (N, 3)
    radius : float or array_like of shape (N - 1,)
        Of the section, or of its long axis.
    thin : array_like of shape (3,) or (N - 1, 3), optional
        Where the short axis of the section points; made perpendicular to the piece.
    thickness : float or array_like of shape (N - 1,)
        Radius along `thin`.
    """
    line = np.asarray(points, np.float64)
    along = np.diff(line, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    count = len(along)
    wide = np.broadcast_to(np.asarray(radius, np.float64), (count,))
    narrow = wide if thin is None else np.broadcast_to(np.asarray(thickness, np.float64), (count,))
    guess = np.eye(3)[np.argmin(np.abs(along), axis=1)] if thin is None else np.broadcast_to(thin, (count, 3))
    short = guess - along * np.einsum("nk,nk->n", guess, along)[:, None]
    short /= np.linalg.norm(short, axis=1, keepdims=True)
    sections = np.stack([np.cross(along, short) / wide[:, None], short / narrow[:, None]], axis=1)
    joints = np.concatenate([along[:1], along[:-1] + along[1:], along[-1:]])
    joints /= np.linalg.norm(joints, axis=1, keepdims=True)
    caps = np.stack([joints[:-1], joints[1:]], axis=1)
    return Tubes(line[:-1], line[1:], sections, caps, np.maximum(wide, narrow))


def merged(shapes: Sequence[Shape]) -> tuple[Shape, ...]:
    """The same union in fewer, larger shapes: all tubes as one, all ellipsoids as one."""
    tubes = [shape for shape in shapes if isinstance(shape, Tubes)]
    balls = [shape for shape in shapes if isinstance(shape, Ellipsoids)]
    rest: list[Shape] = [shape for shape in shapes if not isinstance(shape, (Tubes, Ellipsoids))]
    if tubes:
        parts = zip(*((each.starts, each.ends, each.sections, each.caps, each.radii) for each in tubes))
        rest.append(Tubes(*map(np.concatenate, parts)))
    if balls:
        rest.append(Ellipsoids(*map(np.concatenate, zip(*((each.centres, each.matrices) for each in balls)))))
    return tuple(rest)


def _among(
    points: ArrayLike, low: Floats, high: Floats, holds: Callable[[Floats], NDArray[np.bool_]]
) -> NDArray[np.bool_]:
    """Which points (…, 3) any piece holds; those out of the bounds of all pieces are not tried."""
    p = np.asarray(points, np.float64)
    flat = p.reshape(-1, 3)
    result = ((flat >= low.min(axis=0)) & (flat <= high.max(axis=0))).all(axis=1)
    if result.any():
        result[result] = holds(flat[result]).any(axis=1)
    return np.asarray(result.reshape(p.shape[:-1]), np.bool_)


def _near(low: Floats, high: Floats, xs: Floats, zs: Floats) -> tuple[Any, Floats, Floats, NDArray[np.int64]]:
    """All pairs of a shape and a ray of the grid within its bounds: which shape, x, z and index of the ray."""
    x0, x1 = np.searchsorted(xs, low[:, 0]), np.searchsorted(xs, high[:, 0], "right")
    z0, z1 = np.searchsorted(zs, low[:, 2]), np.searchsorted(zs, high[:, 2], "right")
    wide, tall = x1 - x0, z1 - z0
    counts = wide * tall
    which = np.repeat(np.arange(len(low)), counts)
    place = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
    column, row = x0[which] + place % wide[which], z0[which] + place // wide[which]
    return which, xs[column], zs[row], (row * len(xs) + column).astype(np.int64)


def _quadratic(q: Floats, m: Floats) -> tuple[Floats, Floats]:
    """Where |q + m t|² <= 1; entry above exit where nowhere."""
    a = np.maximum(np.einsum("nk,nk->n", m, m), 1e-12)  # along the axis of a tube the ray stays inside
    b = np.einsum("nk,nk->n", q, m)
    inside = b * b - a * (np.einsum("nk,nk->n", q, q) - 1)
    root = np.sqrt(np.maximum(inside, 0))
    hit = inside > 0
    return np.where(hit, (-b - root) / a, np.inf), np.where(hit, (-b + root) / a, -np.inf)


def _cut(enter: Floats, leave: Floats, slope: Floats, rest: Floats, least: float | Floats) -> None:
    """Keep, in place, what satisfies ``slope t + rest >= least``."""
    flat = np.abs(slope) < 1e-9
    border = (least - rest) / np.where(flat, 1.0, slope)
    np.maximum(enter, border, out=enter, where=~flat & (slope > 0))
    np.minimum(leave, border, out=leave, where=~flat & (slope < 0))
    leave[flat & (rest < least)] = -np.inf
