"""The inside of the large bowel as an endoscope sees it: a folded tube in the light of its own lamp, in colour.

Taught in lesson 01, medical images.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from mediml.imaging.image import Image
from mediml.imaging.phantoms.smooth import SmoothField, band_noise

__all__ = ["Endoscopy", "endoscopy_picture"]

Field = NDArray[Any]

_FINDINGS = ("polyp",)
_STEPS = 90
_FARTHEST = 260.0
#: How much light of red, green and blue mucosa, vessels and a polyp send back; round values of this project.
_MUCOSA, _VESSEL, _POLYP = (0.90, 0.40, 0.26), (0.60, 0.12, 0.09), (0.82, 0.23, 0.16)


@dataclass(frozen=True, eq=False)
class Endoscopy:
    """One picture with all that is known about it.

    Attributes
    ----------
    image : Image
        Modality ``"ES"``, 8-bit RGB; outside of the round field of view it is black.
    masks : mapping of str to ndarray of bool, shape (rows, columns)
        ``"view"`` (the round field), and ``"finding"``: the pixels whose ray meets the polyp first.
    depth_mm : ndarray of float32, shape (rows, columns)
        Distance from the lens along each ray; inf where none meets the wall within 260 mm.
    finding : str or None
        What was asked for.
    diameter_mm : float or None
        Of the ball that the polyp is; its surface is uneven by about 0.3 mm.
    centre_mm : tuple of three float or None
        Centre of that ball: right, down and ahead of the lens.
    """

    image: Image
    masks: dict[str, NDArray[np.bool_]]
    depth_mm: NDArray[np.float32]
    finding: str | None
    diameter_mm: float | None
    centre_mm: tuple[float, float, float] | None


def endoscopy_picture(
    seed: int = 0,
    index: int = 0,
    *,
    finding: str | None = None,
    diameter_mm: float | None = None,
    size: int = 320,
    angle_deg: float = 120.0,
) -> Endoscopy:
    """A seeded picture of a colonoscopy: folds, vessels, shine, and a polyp if asked for.

    light = (albedo · (0.12 + 0.88 cos(incidence)) + shine) · (25 mm / distance)**2, then the gamma 1 / 2.2

    Parameters
    ----------
    seed, index : int
        Picture `index` of a seed is the same however many others are made, with or without its polyp.
    finding : str, optional
        ``"polyp"``.
    diameter_mm : float, optional
        Of the polyp, from 3 to 20; drawn where it is None.
    size : int
        Rows and columns, at least 32.
    angle_deg : float
        Field of view from edge to edge, 40 to 160; the distance from the middle of the picture is proportional to the
        angle.

    Returns
    -------
    Endoscopy

    Raises
    ------
    ValueError
        If an argument is out of its range.

    Notes
    -----
    The wall is a tube about a bent axis whose radius falls at the folds; rays walk by the distance to it (sphere
    tracing, shortened to 0.7 as the distance is not exact). The lamp sits at the lens, so that light falls with the
    square of the distance (from 6 mm on) and there are no shadows. The mucosa has its vessels under it and a film of
    water that shines.

    Taught in lesson 01, medical images.
    """
    if seed < 0 or index < 0:
        raise ValueError(f"endoscopy_picture: seed and index expect numbers from 0, got {seed} and {index}")
    if finding is not None and finding not in _FINDINGS:
        raise ValueError(f"endoscopy_picture: finding expects None or one of {', '.join(_FINDINGS)}, got {finding!r}")
    if diameter_mm is not None and (finding is None or not 3 <= diameter_mm <= 20):
        raise ValueError(
            f"endoscopy_picture: diameter_mm expects 3 to 20 with a polyp, got {diameter_mm} with {finding!r}"
        )
    if size < 32 or not 40 <= angle_deg <= 160:
        raise ValueError(
            f"endoscopy_picture: expected size >= 32 and angle_deg from 40 to 160, got {size} and {angle_deg}"
        )
    scene = _Scene((seed, index), finding, diameter_mm)
    rays, view = _rays(size, angle_deg)
    depth = scene.meet(rays[:, view])
    rgb = np.zeros((size, size, 3))
    rgb[view] = scene.light(rays[:, view], depth)
    noise = np.random.default_rng([seed, index, 2]).normal(0, 0.008, rgb.shape)
    grey = np.clip(gaussian_filter(rgb, (0.6, 0.6, 0)), 0, 1) ** (1 / 2.2) + noise
    stored = np.where(view[..., None], np.rint(255 * np.clip(grey, 0, 1)), 0).astype(np.uint8)
    far = np.full((size, size), np.inf, np.float32)
    far[view] = np.where(depth < _FARTHEST, depth, np.inf)
    masks = {"view": view}
    if finding is not None:
        masks["finding"] = np.zeros((size, size), np.bool_)
        masks["finding"][view] = scene.on_polyp(rays[:, view] * depth) & (depth < _FARTHEST)
    image = Image(
        stored=stored,
        values=stored.astype(np.float32),
        modality="ES",
        facts={"burned_in": "NO"},
    )
    ball = scene.ball
    if ball is None:
        return Endoscopy(image, masks, far, finding, None, None)
    return Endoscopy(image, masks, far, finding, 2 * ball[3], ball[:3])


def _rays(size: int, angle_deg: float) -> tuple[Field, NDArray[np.bool_]]:
    """Unit vectors (right, down, ahead) of all pixels, shape (3, size, size), and which lie in the round field."""
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    down, right = np.meshgrid(axis, axis, indexing="ij")
    off = np.hypot(right, down)
    tilt = off * math.radians(angle_deg) / 2
    across = np.where(off > 0, np.sin(tilt) / np.maximum(off, 1e-9), 0)
    return np.stack([right * across, down * across, np.cos(tilt)]), off < 0.98


class _Scene:
    """Tube, folds, polyp and colours around a lens at the origin that looks along +z."""

    def __init__(self, key: tuple[int, int], finding: str | None, diameter_mm: float | None) -> None:
        rng = np.random.default_rng([*key, 0])
        self.radius = rng.uniform(19, 24)
        self.shift = rng.uniform(-6, 6, 2)
        self.bend = rng.normal(0, 1, 2) * 0.0016
        self.turn = rng.uniform(0, 2 * np.pi)
        count = 9
        self.folds = 14 + np.cumsum(rng.uniform(17, 27, count))
        self.height = rng.uniform(3.5, 7.5, count)
        self.lean = rng.uniform(-0.12, 0.12, (count, 2))
        self.triangle = rng.uniform(0.2, 0.5, count)
        self.lumps = SmoothField(band_noise(rng, (48, 48, 48), 1.6, np.inf), 5.0)
        self.grain = SmoothField(band_noise(rng, (96, 96, 96), 0.9, 3.0), 0.9)
        self.trunks = SmoothField(band_noise(rng, (64, 64, 64), 1.8, 4.5), 2.4)
        self.twigs = SmoothField(band_noise(rng, (96, 96, 96), 1.5, 3.5), 1.3)
        self.ball: tuple[float, float, float, float] | None = None
        if finding is not None:
            self.ball = self._polyp(np.random.default_rng([*key, 1]), diameter_mm)

    def _polyp(self, rng: np.random.Generator, diameter_mm: float | None) -> tuple[float, float, float, float]:
        radius = (rng.uniform(6, 13) if diameter_mm is None else diameter_mm) / 2
        ahead, angle = self.folds[0] + rng.uniform(-11, 4), rng.uniform(0, 2 * np.pi)
        middle = self._axis(np.array(ahead))
        steps = np.linspace(0, 1.3 * self.radius, 400)
        place = np.stack([middle[0] + steps * np.cos(angle), middle[1] + steps * np.sin(angle), 0 * steps + ahead])
        inside = steps[self._wall(place) > 0.2 * radius]  # sunk into the wall by nearly one half
        out = float(inside[-1]) if inside.size else 0.5 * self.radius
        return (float(middle[0] + out * np.cos(angle)), float(middle[1] + out * np.sin(angle)), float(ahead), radius)

    def _axis(self, z: Field) -> Field:
        """Middle of the tube at the distance z ahead."""
        return np.stack([self.shift[k] + self.bend[k] * z * z for k in range(2)])

    def _wall(self, place: Field) -> Field:
        """About the distance (mm) from a place in the lumen to the wall."""
        x0, y0 = self._axis(place[2])
        x, y, z = place[0] - x0, place[1] - y0, place[2]
        radial, around = np.hypot(x, y), np.arctan2(y, x) + self.turn
        wall = self.radius * (1 + 0.07 * np.cos(3 * around)) + 1.3 * self.lumps(*place)
        for at, height, lean, form in zip(self.folds, self.height, self.lean, self.triangle):
            off = z - at - lean[0] * x - lean[1] * y
            high = height * (1 - form + form * np.cos(3 * around + at))
            wall = wall - np.maximum(high, 0.4) * np.exp(-((off / 2.8) ** 2))
        return np.asarray(wall - radial)

    def distance(self, place: Field) -> Field:
        """To the wall or the polyp, whichever is nearer, rounded where they meet."""
        wall = self._wall(place)
        if self.ball is None:
            return wall
        polyp = self._ball(place)
        h = np.maximum(2.4 - np.abs(wall - polyp), 0) / 2.4
        return np.asarray(np.minimum(wall, polyp) - 0.6 * h * h)

    def _ball(self, place: Field) -> Field:
        assert self.ball is not None
        offset = [axis - c for axis, c in zip(place, self.ball[:3])]
        return np.asarray(
            np.sqrt(sum(o * o for o in offset)) - self.ball[3] + 0.3 * self.lumps(*[3 * o for o in offset])
        )

    def on_polyp(self, place: Field) -> NDArray[np.bool_]:
        """Which places of the surface belong to the polyp: nearer to the ball than to the wall."""
        return np.asarray(self._ball(place) < self._wall(place))

    def meet(self, rays: Field) -> Field:
        """How far along each ray the surface lies."""
        depth = np.full(rays.shape[1], 0.5)
        going = np.arange(rays.shape[1])
        for _ in range(_STEPS):
            gap = self.distance(rays[:, going] * depth[going])
            depth[going] += 0.7 * gap
            going = going[(np.abs(gap) > 0.02) & (depth[going] < _FARTHEST)]
            if going.size == 0:
                break
        return np.asarray(np.minimum(depth, _FARTHEST))

    def light(self, rays: Field, depth: Field) -> Field:
        """Red, green and blue that come back along each ray, shape (rays, 3)."""
        place = rays * depth
        step = 0.25
        moved = [self.distance(place + step * np.eye(3)[:, [k]]) for k in range(3)]
        slope = np.stack(moved) - self.distance(place)
        normal = slope / np.maximum(np.linalg.norm(slope, axis=0), 1e-9)
        rough = np.stack([self.grain(*(place[[k, (k + 1) % 3, (k + 2) % 3]])) for k in range(3)])
        wet = normal + 0.08 * rough
        wet /= np.linalg.norm(wet, axis=0)
        facing = np.clip(-(normal * rays).sum(0), 0, 1)
        shine = np.clip(-(wet * rays).sum(0), 0, 1) ** 260
        fall = (25.0 / np.maximum(depth, 6.0)) ** 2
        matt = 0.9 * fall * (0.12 + 0.88 * facing)
        return np.asarray(self._colour(place) * matt[:, None] + (1.1 * shine * fall)[:, None])

    def _colour(self, place: Field) -> Field:
        trunk = np.exp(-((self.trunks(*place) / 0.055) ** 2)) * (self.lumps(*place[::-1]) > -0.2)
        twig = 0.6 * np.exp(-((self.twigs(*place) / 0.07) ** 2)) * (self.lumps(*place[[1, 2, 0]]) > 0.2)
        vessel = np.clip(trunk + twig, 0, 1)[:, None] * 0.6
        patch = (1 + 0.06 * self.lumps(*place[[2, 0, 1]]))[:, None]
        colour = (np.array(_MUCOSA) * (1 - vessel) + np.array(_VESSEL) * vessel) * patch
        if self.ball is None:
            return colour
        near = np.clip((self._wall(place) - self._ball(place)) / 2.0 + 0.5, 0, 1)[:, None]
        pits = (1 + 0.10 * self.grain(*place))[:, None]
        return np.asarray(colour * (1 - near) + np.array(_POLYP) * pits * near)
