"""A barium study of the large bowel: attenuation along rays through coated wall, gas, barium, bone and soft tissue.

Taught in lesson 01, medical images.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, maximum_filter1d

from mediml.imaging.image import Image, WindowView
from mediml.imaging.phantoms.colon import FINDINGS, Colon
from mediml.imaging.phantoms.pelvis import ellipse_chord, spine_and_pelvis
from mediml.imaging.phantoms.smooth import band_noise

__all__ = ["BariumSeries", "barium_series", "coat_projection", "lumen_projection"]

#: Linear attenuation at 60 keV, 1/mm: water, and what bone has above it.
WATER, BONE = 0.0206, 0.022
#: What barium sulphate (59 % barium of 8.5 cm2/g) adds to water at 85 % and at 15 % weight per volume.
DENSE_BARIUM, THIN_BARIUM = 0.85 * 0.588 * 0.85, 0.15 * 0.588 * 0.85
_COAT_MM = 0.25
_FIELD_MM = 380.0
_STEPS_PER_UNIT = 1000.0


@dataclass(frozen=True, eq=False)
class BariumSeries:
    """Frames of one study with all that is known about them.

    Attributes
    ----------
    images : tuple of Image
        Modality ``"RF"``, 16 bits; value = 1000 · ln(N0 / N): barium and bone bright, gas dark.
    angles_deg : tuple of float
        Turn of the patient about the long axis in each frame; 0 is a frontal picture (AP, supine), a positive angle
        brings the patient's left side towards the detector (left posterior oblique).
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

    A = mu_water (body - gas) + mu_bone bone + mu_barium (coat + pool)
    N ~ Poisson(N0 exp(-A)),  value = 1000 ln(N0 / N)

    Parameters
    ----------
    seed, index : int
        Study `index` of a seed is the same however many others are made.
    finding : str, optional
        ``"polyp"``, ``"ulcer"`` (a niche filled with barium) or ``"stenosis"`` (apple core).
    size_mm : float, optional
        Diameter of the polyp or niche, from 3 to 30, or length of the stenosis, from 10 to 100; drawn where it is None.
    contrast : str
        ``"double"``: the wall coated, the lumen full of gas, barium where it pools; ``"single"``: the lumen full of
        thin barium.
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
    Rays are parallel, of one energy (60 keV), without scatter. The coat is projected by its mass, the lumen by the
    divergence theorem (`coat_projection`, `lumen_projection`), so that tangential walls and overlapping loops come out
    as they should. Bones are ellipses at every height, whose chords have a closed form.

    Taught in lesson 01, medical images.
    """
    _check(seed, index, finding, size_mm, contrast, angles_deg, shape, photons)
    colon = Colon((seed, index), finding, size_mm, 2600, 360)
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
    area = np.sqrt((_patches(points) ** 2).sum(-1))
    return _Throw(points, shape, pixel_mm)(area * thickness_mm)


def lumen_projection(points: NDArray[Any], shape: tuple[int, int], pixel_mm: float) -> NDArray[np.float32]:
    """Length of each ray inside a closed surface, by the divergence theorem: exits minus entries.

        L[pixel] = sum over patches (depth - h[pixel]) · (projected area with the sign of the normal) / pixel_mm**2

    Any h gives the same, because exits and entries of a ray are equal in number; the mean depth there keeps the
    rounding small. Parameters and result as of `coat_projection`; the grid's normal (first axis cross second) points
    to one side all over.
    """
    return _lumen([(_Throw(points, shape, pixel_mm), points[..., 2], _patches(points)[..., 2])], shape)


def _lumen(parts: "Sequence[tuple[_Throw, Any, Any]]", shape: tuple[int, int]) -> NDArray[np.float32]:
    """`lumen_projection` of several surfaces together, each with its depths and its patches' projected areas."""
    inside, weight, depths, sizes = (np.zeros(shape, np.float32) for _ in range(4))
    for throw, depth, facing in parts:
        size = np.abs(facing)
        for total, value in ((inside, depth * facing), (weight, facing), (depths, depth * size), (sizes, size)):
            total += throw(value)
    total = inside - gaussian_filter(depths, 1.5) / np.maximum(gaussian_filter(sizes, 1.5), 1e-6) * weight
    return total if total.sum() >= 0 else -total


def _patches(points: NDArray[Any]) -> NDArray[np.float32]:
    """Vector area of the patch of each point of the grid."""
    u = np.gradient(points, axis=0)
    v = (np.roll(points, -1, axis=1) - np.roll(points, 1, axis=1)) / 2
    pairs = ((1, 2), (2, 0), (0, 1))
    return np.stack([u[..., i] * v[..., j] - u[..., j] * v[..., i] for i, j in pairs], -1).astype(np.float32)


class _Throw:
    """Throws weights at the places of a surface onto the pixels, each to its four nearest."""

    def __init__(self, points: NDArray[Any], shape: tuple[int, int], pixel_mm: float) -> None:
        self._shape, self._area = shape, pixel_mm**2
        rows, columns = shape
        column = (points[..., 0] / np.float32(pixel_mm) + np.float32((columns - 1) / 2)).ravel()
        row = (points[..., 1] / np.float32(pixel_mm) + np.float32((rows - 1) / 2)).ravel()
        self._keep = np.flatnonzero((column > 0) & (column < columns - 1) & (row > 0) & (row < rows - 1))
        column, row = column[self._keep], row[self._keep]
        left, top = column.astype(np.int32), row.astype(np.int32)
        right, down = column - left, row - top
        first = top * columns + left
        self._targets = (
            (first, (1 - right) * (1 - down)),
            (first + 1, right * (1 - down)),
            (first + columns, (1 - right) * down),
            (first + columns + 1, right * down),
        )

    def __call__(self, weight: NDArray[Any]) -> NDArray[np.float32]:
        kept = np.asarray(weight, np.float32).ravel()[self._keep]
        size = self._shape[0] * self._shape[1]
        total = sum(np.bincount(target, kept * share, size) for target, share in self._targets)
        return np.asarray(np.reshape(total, self._shape) / self._area, np.float32)


class _Study:
    """One patient in front of the detector."""

    def __init__(self, colon: Colon, contrast: str, shape: tuple[int, int], rng: np.random.Generator) -> None:
        self.colon, self.contrast, self.shape = colon, contrast, shape
        self.pixel = _FIELD_MM / max(shape)
        self.wall = colon.surface(colon.radius)
        self.coat = (_COAT_MM * colon.layer_scale).astype(np.float32)
        depth = rng.uniform(2.5, 6.0) + 3.5 * band_noise(rng, (64,), 2.5, np.inf)
        even = np.linspace(0, colon.length_mm, 1000)
        bottom = np.interp(even, colon.s, colon.centre[:, 1] + colon.width)
        window = int(90 / colon.length_mm * len(even))
        level = gaussian_filter(maximum_filter1d(bottom, window), window / 4)  # fluid runs to the lowest place nearby
        level -= np.interp(np.linspace(0, 63, len(even)), np.arange(64), depth)
        surface = np.interp(colon.s, even, level)
        crater = colon.finding is not None and colon.finding.name == "ulcer"  # it is filled on its own
        pool = colon.surface(colon.plain_radius) if crater else self.wall.copy()
        wet = np.asarray((pool[..., 1] > surface[:, None]).any(1))
        pool[..., 1] = np.maximum(pool[..., 1], surface[:, None])  # what lies below its level, lying on the back
        self.pools = [pool[part] for part in _runs(wet)]
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
        throw, patches = _Throw(wall, self.shape, self.pixel), _patches(wall)
        area = np.sqrt((patches**2).sum(-1))
        lumen = np.maximum(_lumen([(throw, wall[..., 2], patches[..., 2])], self.shape), 0)
        line = WATER * self._body(angle) + BONE * self.bone_scale * self._bones(angle)
        if self.contrast == "double":
            turned = [self.turned(part, angle) for part in self.pools]
            parts = [(_Throw(p, self.shape, self.pixel), p[..., 2], _patches(p)[..., 2]) for p in turned]
            pool = np.maximum(_lumen(parts, self.shape), 0)
            line += DENSE_BARIUM * (throw(area * self.coat) + pool) - WATER * np.maximum(lumen - pool, 0)
        else:
            line += THIN_BARIUM * lumen
        masks = {"colon": lumen > 0.5}
        found = self.colon.finding
        if found is not None and found.name == "stenosis":
            here = np.abs(self.colon.s - found.s_mm) < found.radius_mm
            masks["finding"] = lumen_projection(wall[here], self.shape, self.pixel) > 0.5
        elif found is not None:
            inside = self.colon.distance() < found.radius_mm
            masks["finding"] = throw(area * inside) > 0.4
            if found.name == "ulcer" and self.contrast == "double":  # the crater is full of barium, not of gas
                line += (DENSE_BARIUM + WATER) * self._crater(angle)
        return np.asarray(gaussian_filter(np.maximum(line, 0), 0.6), np.float32), masks

    def _crater(self, angle: float) -> NDArray[np.float32]:
        """Length of the rays between the wall with the crater and the wall without it."""
        rows = _runs(np.asarray((self.colon.bump > 0).any(1)))[0]
        parts = []
        for radius, sign in ((self.colon.radius, 1), (self.colon.plain_radius, -1)):  # together a closed surface
            wall = self.turned(self.colon.surface(radius)[rows], angle)
            parts.append((_Throw(wall, self.shape, self.pixel), wall[..., 2], sign * _patches(wall)[..., 2]))
        return np.maximum(_lumen(parts, self.shape), 0)

    def _body(self, angle: float) -> NDArray[np.float32]:
        """Length of the rays in the trunk, an elliptic cylinder, with uneven fat."""
        a, b = self.body
        x = (np.arange(self.shape[1]) - (self.shape[1] - 1) / 2) * self.pixel
        chord = ellipse_chord(x, a, b, math.radians(angle))
        rows, columns = (np.linspace(0, 95, n).astype(int) for n in self.shape)
        smooth = gaussian_filter(self.texture[np.ix_(rows, columns)], 6 * self.shape[0] / 512)
        return np.asarray(chord[None, :] * (1 + 0.02 * smooth), np.float32)

    def _bones(self, angle: float) -> NDArray[np.float32]:
        rows, columns = self.shape
        across = (np.arange(columns) - (columns - 1) / 2) * self.pixel
        z = ((rows - 1) / 2 - np.arange(rows)) * self.pixel
        total = sum((bone.length(across, z, angle) for bone in spine_and_pelvis()), np.zeros(self.shape, np.float32))
        return gaussian_filter(total, 1.2 / self.pixel)


def _runs(wanted: NDArray[np.bool_]) -> list[slice]:
    """Where the flag is set, as slices, each with one more step on either side."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], wanted, [False]]).astype(np.int8)))
    return [slice(max(0, a - 1), b + 1) for a, b in zip(edges[::2], edges[1::2])]


def _image(line: NDArray[Any], photons: float, rng: np.random.Generator, pixel: float, angle: float) -> Image:
    counts = rng.poisson(photons * np.exp(-line.astype(np.float64)))
    values = np.rint(_STEPS_PER_UNIT * np.log(photons / np.maximum(counts, 1)))
    stored = np.clip(values, 0, 65535).astype(np.uint16)
    low, high = np.percentile(stored, (0.5, 99.3))
    position = "AP" if abs(angle) < 5 else "OBL"
    return Image(
        stored=stored,
        values=stored.astype(np.float32),
        modality="RF",
        spacing_mm=(pixel, pixel),
        spacing_at="patient",
        views=(WindowView(round((low + high) / 2), max(2, round(high - low))),),
        facts={"body_part": "ABDOMEN", "view_position": position, "patient_orientation": "L/F"},
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
            raise ValueError(
                f"barium_series: size_mm expects {low} to {high} with a finding, got {size_mm} with {finding!r}"
            )
    if contrast not in ("double", "single"):
        raise ValueError(f"barium_series: contrast expects 'double' or 'single', got {contrast!r}")
    if len(angles_deg) == 0 or not all(-90 <= angle <= 90 for angle in angles_deg):
        raise ValueError(
            f"barium_series: angles_deg expects at least one angle from -90 to 90, got {tuple(angles_deg)}"
        )
    if len(shape) != 2 or min(shape) < 32:
        raise ValueError(f"barium_series: shape expects rows and columns of at least 32, got {shape}")
    if not 100 <= photons < math.inf:
        raise ValueError(f"barium_series: photons expects at least 100, got {photons}")
