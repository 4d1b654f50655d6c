"""Chest CT: the thorax projected from all sides, counted photon by photon, and reconstructed to Hounsfield units."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mediml.imaging.image import Step, WindowView
from mediml.imaging.phantoms.findings import Finding
from mediml.imaging.phantoms.materials import CT_KEV, water_attenuation
from mediml.imaging.phantoms.shapes import Floats
from mediml.imaging.phantoms.thorax import Thorax, make_thorax
from mediml.imaging.phantoms.tomography import (
    KERNELS,
    filtered_back_projection,
    forward_projection,
    noise_texture,
    object_response,
    variance_map,
)
from mediml.imaging.volume import Volume

__all__ = ["LUNG", "MEDIASTINUM", "ChestCT", "chest_ct"]

LUNG, MEDIASTINUM = WindowView(-600.0, 1500.0), WindowView(40.0, 400.0)

#: Stored value 0 is this HU; 12 bits.
_INTERCEPT, _LEVELS = -1024, 4096
#: What the gantry sees, wider than the picture, and how finely the chest is averaged into slices and pixels.
_SCAN_MM, _FINEST_SLICE_MM, _FINEST_PIXEL_MM = 470.0, 2.0, 0.75
_FEWEST_PHOTONS = 0.5


@dataclass(frozen=True, eq=False)
class ChestCT:
    """A CT and what it was made from.

    Attributes
    ----------
    volume : Volume
        In HU, axial, planes from the feet to the head, rows to the back, columns to the patient's left. Stored values
        are ``HU + 1024`` in 12 bits.
    object_hu : ndarray of float32, shape (planes, rows, columns)
        What was there: mean HU of each voxel, without noise and without the scanner's blur.
    labels : ndarray of uint8, same shape
        Tissue or finding at the centre of each voxel: see ``thorax.label_names``.
    noise_hu : ndarray of float32, same shape
        Standard deviation of the noise, predicted from the photons; 0 without noise.
    findings : tuple of Finding
    thorax : Thorax
    """

    volume: Volume
    object_hu: NDArray[np.float32]
    labels: NDArray[np.uint8]
    noise_hu: NDArray[np.float32]
    findings: tuple[Finding, ...]
    thorax: Thorax
    _grid: tuple[Floats, Floats, Floats] = field(repr=False)

    def mask(self, label: int) -> NDArray[np.bool_]:
        """Voxels whose centre lies in one label."""
        return self.labels == label

    def fraction(self, label: int) -> NDArray[np.float32]:
        """Share of each voxel that one label fills: its sum times the volume of a voxel is the label's volume."""
        inside = (self.thorax.layer_labels() == label).astype(np.float64)
        xs, ys, zs = self._grid
        thickness = self.volume.spacing_mm[0]
        return _averaged(self.thorax, inside, xs, ys, zs, thickness).astype(np.float32)


def chest_ct(
    thorax: Thorax | None = None,
    *,
    seed: int = 0,
    index: int = 0,
    size: int = 256,
    slices: int = 24,
    range_mm: tuple[float, float] = (-150.0, 140.0),
    field_mm: float = 360.0,
    photons: float | None = 3e5,
    kernel: str = "standard",
    views: int | None = None,
    method: str = "projection",
) -> ChestCT:
    """A chest CT in the supine position.

        counts ~ Poisson(photons exp(-p)),   p = integral of mu dl,   -ln(counts / photons) -> filtered back-projection
        HU = 1000 (mu / mu_water - 1) at 70 keV

    Parameters
    ----------
    thorax : Thorax, optional
        By default a chest without findings, of `seed` and `index`.
    seed, index : int
        Of the noise; case `index` does not depend on how many others are made.
    size : int
        Rows and columns, 32 to 768.
    slices, range_mm : int, (float, float)
        That many slices without gaps from the lower to the upper z, 1 to 400.
    field_mm : float
        Side of the picture, 50 to 460; the gantry measures 470 mm whatever is shown.
    photons : float or None
        Per ray and view without a patient: the dose. The noise goes as 1 / sqrt(photons). None for no noise.
        3e5 stands for a routine dose, 3e4 for a low one.
    kernel : {"sharp", "standard", "soft"}
    views : int, optional
        Projections over half a turn; by default 1.1 for each row of the scan.
    method : {"projection", "direct"}
        ``"projection"`` does all of the above. ``"direct"`` is quicker for many slices: it blurs the object as the
        reconstruction would and adds noise of the same standard deviation and spectrum in each place; there are no
        streaks, the noise is Gaussian, and values along a streak are not correlated as they would be.

    Returns
    -------
    ChestCT

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Parallel beams of one energy: no beam hardening, no scatter, no electronic noise. Rays in which no photon arrives
    count as half a photon. A slice averages planes at most 2 mm apart.

    References
    ----------
    Kak and Slaney, Principles of Computerized Tomographic Imaging (1988), chapters 3 and 5. Taught in lesson 01.
    """
    if seed < 0 or index < 0:
        raise ValueError(f"chest_ct: seed and index expect 0 or more, got {seed} and {index}")
    _check(size, slices, range_mm, field_mm, photons, kernel, views, method)
    body = make_thorax(seed, index) if thorax is None else thorax
    thickness = (range_mm[1] - range_mm[0]) / slices
    zs = range_mm[0] + thickness * (np.arange(slices) + 0.5)
    pixel = field_mm / size
    middle = 8.0 * body.anatomy.depth
    xs = (np.arange(size) - (size - 1) / 2) * pixel
    ys = xs + middle
    attenuation = body.attenuations(CT_KEV)
    scan = math.ceil(_SCAN_MM / pixel)
    scan += (scan - size) % 2  # the picture is cut from the scan's own grid
    scan_x = (np.arange(scan) - (scan - 1) / 2) * pixel
    mu = _averaged(body, attenuation, scan_x, scan_x + middle, zs, thickness)
    inner = slice((scan - size) // 2, (scan - size) // 2 + size)
    random = np.random.default_rng([seed, index, 3])
    count = views or math.ceil(1.1 * scan)
    measured, noise = _measure(mu, pixel, inner, photons, kernel, count, method, random)
    per_hu = water_attenuation(CT_KEV) / 1000
    hu = measured / per_hu - 1000
    object_hu = (mu[:, inner, inner] / per_hu - 1000).astype(np.float32)
    volume = _volume(hu, body, (thickness, pixel, pixel), (float(xs[0]), float(ys[0]), float(zs[0])))
    labels = body.resolve(xs, zs).labels(body.layer_labels(), float(ys[0]) - pixel / 2, pixel, size)
    labels = np.ascontiguousarray(labels.reshape(slices, size, size).transpose(0, 2, 1))
    return ChestCT(volume, object_hu, labels, (noise / per_hu).astype(np.float32), body.findings, body, (xs, ys, zs))


def _check(
    size: int,
    slices: int,
    range_mm: tuple[float, float],
    field_mm: float,
    photons: float | None,
    kernel: str,
    views: int | None,
    method: str,
) -> None:
    if not 32 <= size <= 768 or not 1 <= slices <= 400:
        raise ValueError(f"chest_ct: expected size from 32 to 768 and slices from 1 to 400, got {size} and {slices}")
    if len(range_mm) != 2 or not -280 <= range_mm[0] < range_mm[1] <= 240:
        raise ValueError(f"chest_ct: range_mm expects two rising heights from -280 to 240, got {range_mm}")
    if not 50 <= field_mm <= 460:
        raise ValueError(f"chest_ct: field_mm expects 50 to 460, got {field_mm}")
    if photons is not None and not 100 <= photons <= 1e12:
        raise ValueError(f"chest_ct: photons expects at least 100 per ray, or None for no noise, got {photons}")
    if kernel not in KERNELS:
        raise ValueError(f"chest_ct: kernel expects one of {', '.join(KERNELS)}, got {kernel!r}")
    if views is not None and not 8 <= views <= 4000:
        raise ValueError(f"chest_ct: views expects 8 to 4000, got {views}")
    if method not in ("projection", "direct"):
        raise ValueError(f"chest_ct: method expects 'projection' or 'direct', got {method!r}")


def _averaged(body: Thorax, value: Floats, xs: Floats, ys: Floats, zs: Floats, thickness: float) -> Floats:
    """Mean of a value over each voxel: exact along y, mean of fine planes and columns along z and x."""
    step = float(ys[1] - ys[0])
    across, deep = math.ceil(step / _FINEST_PIXEL_MM), math.ceil(thickness / _FINEST_SLICE_MM)
    parts = (np.arange(deep) + 0.5) / deep - 0.5
    fine_z = (zs[:, None] + thickness * parts).ravel()
    fine_x = (xs[:, None] + step * ((np.arange(across) + 0.5) / across - 0.5)).ravel()
    result = np.empty((len(zs), len(ys), len(xs)))
    for k in range(len(zs)):
        found = body.resolve(fine_x, fine_z[k * deep : (k + 1) * deep])
        cells = found.cells(value, float(ys[0]) - step / 2, step, len(ys))
        result[k] = cells.reshape(deep, len(xs), across, len(ys)).mean(axis=(0, 2)).T
    return result


def _measure(
    mu: Floats,
    pixel: float,
    inner: slice,
    photons: float | None,
    kernel: str,
    views: int,
    method: str,
    random: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Reconstructed attenuation, and the standard deviation of its noise."""
    size = inner.stop - inner.start
    direct = method == "direct"
    count = max(views // 4, 8) if direct else views
    angles = np.arange(count) * np.pi / count
    group = max(1, 4_000_000 // mu[0].size)
    values, spread = [], []
    for lo in range(0, len(mu), group):
        part = mu[lo : lo + group]
        if direct and photons is None:
            values.append(object_response(part, kernel)[:, inner, inner])
            spread.append(np.zeros((len(part), size, size)))
            continue
        integrals = forward_projection(part, angles, pixel).astype(np.float64)
        sigma = np.zeros((len(part), size, size))
        if photons is not None:
            variance = np.exp(np.minimum(integrals, 25)) / photons
            sigma = np.sqrt(variance_map(variance, angles, pixel, size, pixel, kernel) * (count / views))
        if direct:
            texture = noise_texture(random, (len(part), size, size), kernel)
            values.append(object_response(part, kernel)[:, inner, inner] + sigma * texture)
        else:
            if photons is not None:
                counts = random.poisson(photons * np.exp(-integrals))
                integrals = -np.log(np.maximum(counts, _FEWEST_PHOTONS) / photons)
            values.append(filtered_back_projection(integrals, angles, pixel, size, pixel, kernel).astype(np.float64))
        spread.append(sigma)
    return np.concatenate(values), np.concatenate(spread)


def _volume(
    hu: Floats, body: Thorax, spacing: tuple[float, float, float], origin: tuple[float, float, float]
) -> Volume:
    stored = np.clip(np.rint(hu - _INTERCEPT), 0, _LEVELS - 1).astype(np.uint16)
    return Volume(
        stored=stored,
        values=stored.astype(np.float32) + np.float32(_INTERCEPT),
        spacing_mm=spacing,
        directions=((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)),
        origin_mm=origin,
        units="HU",
        modality="CT",
        views=(LUNG, MEDIASTINUM),
        facts={
            "body_part": "CHEST",
            "view_position": "",
            "laterality": "",
            "patient_orientation": "L/P",
            "lossy": "NO",
            "burned_in": "NO",
        },
        age_years=min(body.anatomy.age_years, 90.0),
        account=(
            Step("rescaled", {"slope": 1.0, "intercept": float(_INTERCEPT)}),
            Step("view_window", {**vars(LUNG), "count": 2}),
        ),
    )
