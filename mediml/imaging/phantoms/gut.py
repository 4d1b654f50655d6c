"""A barium study of the large bowel: attenuation along rays through coated wall, gas, barium, bone and soft tissue.

Taught in lesson 01, medical images.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from mediml.imaging.image import Image, WindowView
from mediml.imaging.phantoms.colon import FINDINGS, Colon
from mediml.imaging.phantoms.smooth import band_noise

__all__ = ["BariumSeries", "barium_series", "coat_projection", "lumen_projection"]

#: Linear attenuation at about 60 keV, 1/mm: water; bone above water (mean of cortex and marrow); barium suspensions.
WATER, BONE, DENSE_BARIUM, THIN_BARIUM = 0.0206, 0.018, 0.85, 0.055
_COAT_MM = 0.16
_FIELD_MM = 380.0
_STEPS_PER_UNIT = 1000.0

#: Bones as ellipsoids: centre, half axes, turns about z and about y in degrees, share of the bone's attenuation.
_BONES = (
    *(((0, 52, 128 - 37 * k), (23 + k, 17, 14), 0, 0, 0.9) for k in range(6)),
    *(((0, 52, 141 - 37 * k), (24 + k, 17, 2.4), 0, 0, 1.4) for k in range(6)),
    *(((0, 52, 115 - 37 * k), (24 + k, 17, 2.4), 0, 0, 1.4) for k in range(6)),
    *(((0, 88, 118 - 37 * k), (3.5, 14, 11), 0, 0, 1.5) for k in range(6)),
    *(((side * 13, 66, 130 - 37 * k), (3.5, 7, 6.5), 0, 0, 1.6) for k in range(6) for side in (-1, 1)),
    *(((side * 30, 70, 128 - 37 * k), (17, 4, 4.5), 0, side * 8, 1.2) for k in range(5) for side in (-1, 1)),
    ((0, 66, -112), (46, 15, 34), 0, 0, 0.9),
    ((0, 74, -140), (24, 11, 26), 0, 0, 0.9),
    *(((side * 84, 44, -96), (44, 6.5, 58), side * 38, side * 22, 1.5) for side in (-1, 1)),
    *(((side * 66, 40, -138), (30, 14, 34), side * 20, side * 30, 1.0) for side in (-1, 1)),
    *(((side * 96, 14, -178), (23, 23, 23), 0, 0, 1.2) for side in (-1, 1)),
    *(((side * (92 + 14 * k), 60 - 16 * k, 150 - 9 * k), (62, 4, 5), side * -35, side * 24, 1.2) for k in range(2) for side in (-1, 1)),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class BariumSeries:
    """Frames of one study with all that is known about them.

    Attributes
    ----------
    images : tuple of Image
        Modality ``"RF"``, 16 bits; value = 1000 · ln(N0 / N): barium and bone bright, gas dark.
    angles_deg : tuple of float
        Turn of the patient about the long axis in each frame; 0 is a frontal picture (AP, supine), a positive angle
        brings the patient's left side towards the detector (LPO).
    attenuation : tuple of ndarray of float32
        Line integrals of each frame, before noise.
    masks : tuple of mapping of str to ndarray of bool
        Of each frame: ``"colon"`` (where a ray meets the lumen) and ``"finding"``.
    finding : str or None
        What was asked for.
    centre_mm : vector or None
        Of the finding, LPS about the middle of the abdomen; a polyp's is on the wall.
    centre_pixels : tuple of (row, column) or None
        Where that point lies in each frame, from the centre of the first pixel, in pixels.
    size_mm : float or None
        Diameter of the polyp or the crater at its base, or length of the stenosis.
    height_mm : float or None
        Height of the polyp, depth of the crater, or radius of the narrowed lumen.
    photons : float
        N0 per pixel.
    """

    images: tuple[Image, ...]
    angles_deg: tuple[float, ...]
    attenuation: tuple[NDArray[np.float32], ...]
    masks: tuple[Mapping[str, NDArray[np.bool_]], ...]
    finding: str | None
    centre_mm: tuple[float, float, float] | None
    centre_pixels: tuple[tuple[float, float], ...] | None
    size_mm: float | None
    height_mm: float | None
    photons: float


def barium_series(
    seed: int = 0,
    index: int = 0,
    *,
    finding: str | None = None,
    size_mm: float | None = None,
    contrast: str = "double",
    angles_deg: Sequence[float] = (-25.0, 0.0, 25.0),
    shape: tuple[int, int] = (512, 512),
    photons: float = 3e5,
) -> BariumSeries:
    """A seeded barium enema: several frames of one colon while the patient turns.

    A = mu_water (body - lumen) + mu_bone bone + mu_barium (coat + pool);  N ~ Poisson(N0 exp(-A));  value = 1000 ln(N0 / N)

    Parameters
    ----------
    seed, index : int
        Study `index` of a seed is the same however many others are made.
    finding : str, optional
        ``"polyp"``, ``"ulcer"`` (a niche filled with barium) or ``"stenosis"`` (apple core).
    size_mm : float, optional
        Diameter of the polyp or niche, from 3 to 30, or length of the stenosis, from 10 to 100; drawn where it is None.
    contrast : str
        ``"double"``: the wall coated, the lumen full of gas, barium where it pools; ``"single"``: the lumen full of thin
        barium.
    angles_deg : sequence of float
        One frame each, -90 to 90.
    shape : tuple of two int
        Rows and columns; a field of 380 mm across the longer side.
    photons : float
        N0 per pixel in front of the patient, for a pixel of 0.74 mm; other sizes get their share.

    Returns
    -------
    BariumSeries

    Raises
    ------
    ValueError
        If an argument is out of its range.

    Notes
    -----
    Rays are parallel, of one energy (about 60 keV), without scatter. The coat is projected by its mass, the lumen by the
    divergence theorem (`coat_projection`, `lumen_projection`), so that tangential walls and overlapping loops come out as
    they should. Bones are ellipsoids, whose line integrals have a closed form.

    Taught in lesson 01, medical images.
    """
    _check(seed, index, finding, size_mm, contrast, angles_deg, shape, photons)
    colon = Colon(np.random.default_rng([seed, index, 0]), finding, size_mm, 3000, 420)
    study = _Study(colon, contrast, shape, np.random.default_rng([seed, index, 1]))
    frames = [study.frame(angle) for angle in angles_deg]
    noise = np.random.default_rng([seed, index, 2])
    open_field = photons * (study.pixel / 0.7421875) ** 2
    images = tuple(_image(line, open_field, noise, study.pixel, angle) for (line, _), angle in zip(frames, angles_deg))
    found = colon.finding
    centre = None if found is None else colon.place()
    return BariumSeries(
        images=images,
        angles_deg=tuple(float(angle) for angle in angles_deg),
        attenuation=tuple(line for line, _ in frames),
        masks=tuple(masks for _, masks in frames),
        finding=finding,
        centre_mm=centre,
        centre_pixels=None if centre is None else tuple(study.pixel_of(centre, angle) for angle in angles_deg),
        size_mm=None if found is None else 2 * found.radius_mm,
        height_mm=None if found is None else found.height_mm,
        photons=open_field,
    )


def coat_projection(
    points: NDArray[Any], thickness_mm: NDArray[Any] | float, shape: tuple[int, int], pixel_mm: float
) -> NDArray[np.float32]:
    """Line integral through a thin layer on a surface: its volume, thrown onto the pixels, over the area of a pixel.

        L[pixel] = sum over patches (thickness · area) / pixel_mm**2

    Parameters
    ----------
    points : ndarray of shape (n, m, 3)
        Grid on the surface: column and row direction of the picture from its middle, and depth, mm. The second axis
        closes upon itself.
    thickness_mm : ndarray of shape (n, m), or float
    shape : tuple of two int
        Rows and columns of the picture.
    pixel_mm : float

    Returns
    -------
    ndarray of float32, mm
        Each patch is shared among the four nearest pixels; what falls beside the picture is left out.
    """
    cross = _patches(points)
    area = np.sqrt((cross**2).sum(-1))
    return _throw(points, area * thickness_mm, shape, pixel_mm)


def lumen_projection(points: NDArray[Any], shape: tuple[int, int], pixel_mm: float) -> NDArray[np.float32]:
    """Length of each ray inside a closed surface, by the divergence theorem: exits minus entries.

        L[pixel] = sum over patches depth · (projected area with the sign of the outward normal) / pixel_mm**2

    Parameters and result as of `coat_projection`; the grid's normal (first axis cross second) points to one side all over.
    """
    cross = _patches(points)[..., 2]
    depth = points[..., 2]
    total = _throw(points, depth * cross, shape, pixel_mm)
    return total if total.sum() >= 0 else -total


def _patches(points: NDArray[Any]) -> NDArray[np.float32]:
    """Vector area of the patch of each point of the grid."""
    along = np.gradient(points, axis=0)
    around = (np.roll(points, -1, axis=1) - np.roll(points, 1, axis=1)) / 2
    return np.asarray(np.cross(along, around), np.float32)


def _throw(points: NDArray[Any], weight: NDArray[Any], shape: tuple[int, int], pixel_mm: float) -> NDArray[np.float32]:
    rows, columns = shape
    column = (points[..., 0] / np.float32(pixel_mm) + np.float32((columns - 1) / 2)).ravel()
    row = (points[..., 1] / np.float32(pixel_mm) + np.float32((rows - 1) / 2)).ravel()
    weight = np.asarray(weight, np.float32).ravel()
    keep = (column > 0) & (column < columns - 1) & (row > 0) & (row < rows - 1)
    column, row, weight = column[keep], row[keep], weight[keep]
    left, top = column.astype(np.int32), row.astype(np.int32)
    right, down = column - left, row - top
    result = np.zeros(rows * columns)
    first = top * columns + left
    for step, share in (
        (0, (1 - right) * (1 - down)), (1, right * (1 - down)), (columns, (1 - right) * down), (columns + 1, right * down)
    ):  # fmt: skip
        result += np.bincount(first + step, weight * share, rows * columns)
    return np.asarray(result.reshape(shape) / pixel_mm**2, np.float32)


class _Study:
    """One patient in front of the detector."""

    def __init__(self, colon: Colon, contrast: str, shape: tuple[int, int], rng: np.random.Generator) -> None:
        self.colon, self.contrast, self.shape = colon, contrast, shape
        self.pixel = _FIELD_MM / max(shape)
        self.wall = colon.surface(colon.radius)
        self.coat = (_COAT_MM * colon.layer_scale).astype(np.float32)
        level = rng.uniform(0.55, 0.95) + 0.35 * band_noise(rng, (64,), 3.0, np.inf)
        along = np.interp(np.linspace(0, 63, len(colon.s)), np.arange(64), level)
        surface = colon.centre[:, 1] + along * colon.width
        self.pool = self.wall.copy()
        self.pool[..., 1] = np.maximum(self.pool[..., 1], surface[:, None])  # what lies below the level, supine
        self.body = (rng.uniform(158, 176), rng.uniform(98, 116))
        self.texture = gaussian_filter(band_noise(rng, (96, 96), 3.0, np.inf), 1.0, mode="wrap")
        self.bone_scale = rng.uniform(0.9, 1.15)

    def turned(self, points: NDArray[Any], angle: float) -> NDArray[np.float32]:
        """To (column, row, depth): the patient turned about z, seen from the front."""
        c, s = np.float32(math.cos(math.radians(angle))), np.float32(math.sin(math.radians(angle)))
        x, y, z = points[..., 0], points[..., 1], points[..., 2]
        return np.stack([c * x - s * y, -z, s * x + c * y], -1)

    def pixel_of(self, place: tuple[float, float, float], angle: float) -> tuple[float, float]:
        """Row and column of a place."""
        column, row, _ = self.turned(np.array(place, np.float32), angle) / self.pixel
        return (float(row + (self.shape[0] - 1) / 2), float(column + (self.shape[1] - 1) / 2))

    def frame(self, angle: float) -> tuple[NDArray[np.float32], dict[str, NDArray[np.bool_]]]:
        """Line integrals and masks of one view."""
        wall = self.turned(self.wall, angle)
        lumen = gaussian_filter(np.maximum(lumen_projection(wall, self.shape, self.pixel), 0), 0.6)
        line = WATER * (self._body(angle) - lumen) + BONE * self.bone_scale * self._bones(angle)
        if self.contrast == "double":
            line += DENSE_BARIUM * coat_projection(wall, self.coat, self.shape, self.pixel)
            pool = np.maximum(lumen_projection(self.turned(self.pool, angle), self.shape, self.pixel), 0)
            line += 0.35 * DENSE_BARIUM * np.minimum(pool, 6.0)
        else:
            line += (THIN_BARIUM + WATER) * lumen
        masks = {"colon": lumen > 0.5}
        if self.colon.finding is not None:
            line, masks["finding"] = self._finding(line, wall)
        return np.asarray(gaussian_filter(np.maximum(line, 0), 0.55), np.float32), masks

    def _finding(self, line: NDArray[Any], wall: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        found = self.colon.finding
        assert found is not None
        if found.name == "stenosis":
            here = np.abs(self.colon.s - found.s_mm) < found.radius_mm
            return line, lumen_projection(wall[here], self.shape, self.pixel) > 0.5
        inside = self.colon.distance() < found.radius_mm
        if found.name == "ulcer" and self.contrast == "double":
            line = line + 0.35 * DENSE_BARIUM * coat_projection(wall, self.colon.bump, self.shape, self.pixel)
        return line, coat_projection(wall, inside.astype(np.float32), self.shape, self.pixel) > 0.4

    def _body(self, angle: float) -> NDArray[np.float32]:
        """Length of the rays in the trunk, an elliptic cylinder, with uneven fat."""
        a, b = self.body
        x = (np.arange(self.shape[1]) - (self.shape[1] - 1) / 2) * self.pixel
        half = math.hypot(a * math.cos(math.radians(angle)), b * math.sin(math.radians(angle)))
        chord = 2 * a * b / half * np.sqrt(np.clip(1 - (x / half) ** 2, 0, 1))
        rows, columns = (np.linspace(0, 95, n).astype(int) for n in self.shape)
        smooth = gaussian_filter(self.texture[np.ix_(rows, columns)], 6 * self.shape[0] / 512)
        return np.asarray(chord[None, :] * (1 + 0.02 * smooth), np.float32)

    def _bones(self, angle: float) -> NDArray[np.float32]:
        total = np.zeros(self.shape, np.float32)
        for centre, axes, turn_z, turn_y, strength in _BONES:
            _add_ellipsoid(total, self, np.array(centre, float), np.array(axes, float), (turn_z, turn_y), angle, strength)
        return gaussian_filter(total, 1.2)


def _add_ellipsoid(
    total: NDArray[Any], study: _Study, centre: Any, axes: Any, turns: tuple[float, float], angle: float, strength: float
) -> None:
    """Length of the rays in an ellipsoid: 2 sqrt(b**2 - a c) / a of the quadratic along the ray."""
    middle = study.turned(centre.astype(np.float32), angle).astype(float)
    frame = study.turned((_turn(*turns) * axes).T.astype(np.float32), angle).astype(float)  # its half axes, as rows
    inverse = np.linalg.inv(frame.T @ frame)
    reach = np.sqrt((frame**2).sum(0)) / study.pixel
    column0, row0 = (middle[:2] / study.pixel) + ((study.shape[1] - 1) / 2, (study.shape[0] - 1) / 2)
    rows = np.arange(max(0, int(row0 - reach[1])), min(study.shape[0], int(row0 + reach[1]) + 2))
    columns = np.arange(max(0, int(column0 - reach[0])), min(study.shape[1], int(column0 + reach[0]) + 2))
    if not (rows.size and columns.size):
        return
    u = ((columns - column0) * study.pixel)[None, :]
    v = ((rows - row0) * study.pixel)[:, None]
    a = inverse[2, 2]
    b = inverse[0, 2] * u + inverse[1, 2] * v
    c = inverse[0, 0] * u * u + 2 * inverse[0, 1] * u * v + inverse[1, 1] * v * v - 1
    length = 2 * np.sqrt(np.maximum(b * b - a * c, 0)) / a
    total[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] += strength * length.astype(np.float32)


def _turn(about_z: float, about_y: float) -> NDArray[np.float64]:
    c, s = math.cos(math.radians(about_z)), math.sin(math.radians(about_z))
    d, e = math.cos(math.radians(about_y)), math.sin(math.radians(about_y))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.array([[d, 0, e], [0, 1, 0], [-e, 0, d]])


def _image(line: NDArray[Any], photons: float, rng: np.random.Generator, pixel: float, angle: float) -> Image:
    counts = rng.poisson(photons * np.exp(-line.astype(np.float64)))
    values = np.rint(_STEPS_PER_UNIT * np.log(photons / np.maximum(counts, 0.5)))
    stored = np.clip(values, 0, 65535).astype(np.uint16)
    low, high = np.percentile(stored, (0.5, 99.3))
    position = "AP" if abs(angle) < 5 else ("LPO" if angle > 0 else "RPO")
    return Image(
        stored=stored,
        values=stored.astype(np.float32),
        modality="RF",
        spacing_mm=(pixel, pixel),
        spacing_at="patient",
        views=(WindowView(round((low + high) / 2), max(2, round(high - low))),),
        facts={"body_part": "COLON", "view_position": position, "patient_orientation": "L\\F"},
    )


def _check(
    seed: int, index: int, finding: Any, size_mm: Any, contrast: str, angles_deg: Any, shape: Any, photons: float
) -> None:
    if seed < 0 or index < 0:
        raise ValueError(f"barium_series: seed and index expect numbers from 0, got {seed} and {index}")
    if finding is not None and finding not in FINDINGS:
        raise ValueError(f"barium_series: finding expects None or one of {', '.join(FINDINGS)}, got {finding!r}")
    if size_mm is not None:
        low, high = (10, 100) if finding == "stenosis" else (3, 30)
        if finding is None or not low <= size_mm <= high:
            raise ValueError(f"barium_series: size_mm expects {low} to {high} with a finding, got {size_mm} with {finding!r}")
    if contrast not in ("double", "single"):
        raise ValueError(f"barium_series: contrast expects 'double' or 'single', got {contrast!r}")
    if len(angles_deg) == 0 or not all(-90 <= angle <= 90 for angle in angles_deg):
        raise ValueError(f"barium_series: angles_deg expects at least one angle from -90 to 90, got {tuple(angles_deg)}")
    if len(shape) != 2 or min(shape) < 32:
        raise ValueError(f"barium_series: shape expects rows and columns of at least 32, got {shape}")
    if not 100 <= photons < math.inf:
        raise ValueError(f"barium_series: photons expects at least 100, got {photons}")
