"""B-mode ultrasound: echoes of random scatterers through a pulse and a beam, envelope, decibels, scan conversion.

Taught in lesson 01, medical images.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from mediml.imaging.image import Image
from mediml.imaging.phantoms.beams import FINE, PROBES, Beams, Probe, log_compress
from mediml.imaging.phantoms.echo_scenes import FINDINGS, ORGANS, Region, Scene, draw_scene

__all__ = ["Ultrasound", "ultrasound"]

#: What each organ is looked at with, and how deep.
_VIEWS = {
    "liver": ("convex", 155.0),
    "kidney": ("convex", 120.0),
    "superficial": ("linear", 38.0),
    "uniform": ("convex", 120.0),
}


@dataclass(frozen=True, eq=False)
class Ultrasound:
    """A B-mode picture with all that is known about it.

    Attributes
    ----------
    image : Image
        Modality ``"US"``, 8-bit grey values in square pixels, 1 to 255; `padding`, 0, lies outside
        of the sector.
    masks : mapping of str to ndarray of bool, shape (rows, columns)
        Every tissue of the scene as it was drawn, and of the finding ``"finding"`` and ``"behind"`` (the part of the
        picture deeper than it, seen through it).
    contrast_db : float or None
        Echo strength of the finding over that of the tissue around, as drawn; -inf for a cyst.
    finding : str or None
        What was asked for.
    centre_mm : tuple of two float or None
        Row and column direction of the finding's centre from the first pixel's centre.
    area_mm2 : float or None
        Area of the finding by its formula; None where its outline is irregular.
    envelope : ndarray of float32, shape (samples, lines)
        Before the compression, in the coordinates of the beams; 1 is the mean of the parenchyma at the focus.
    envelope_labels : ndarray of uint8, same shape
        Index into `tissues`.
    tissues : tuple of str
        Names of the labels.
    sample_mm : float
        Depth between two samples of the envelope.
    dynamic_range_db : float
        What the grey values span.
    probe : Probe
    """

    image: Image
    masks: Mapping[str, NDArray[np.bool_]]
    contrast_db: float | None
    finding: str | None
    centre_mm: tuple[float, float] | None
    area_mm2: float | None
    envelope: NDArray[np.float32]
    envelope_labels: NDArray[np.uint8]
    tissues: tuple[str, ...]
    sample_mm: float
    dynamic_range_db: float
    probe: Probe


def ultrasound(
    seed: int = 0,
    index: int = 0,
    *,
    organ: str = "liver",
    finding: str | None = None,
    contrast_db: float | None = None,
    radius_mm: float | None = None,
    probe: str | Probe | None = None,
    shape: tuple[int, int] = (480, 640),
    depth_mm: float | None = None,
    dynamic_range_db: float = 60.0,
    noise_db: float = -58.0,
) -> Ultrasound:
    """A seeded B-mode picture with fully developed speckle.

    rf = (w · echo) * pulse * beam, w white normal scatterers; envelope = |rf + i H(rf)|; grey = decibels

    Parameters
    ----------
    seed, index : int
        Picture `index` of a seed is the same however many others are made.
    organ : str
        ``"liver"``, ``"kidney"``, ``"superficial"`` (a gland under skin and fat), or ``"uniform"``: one tissue without
        end, for measuring.
    finding : str, optional
        ``"cyst"`` (no echo, enhancement behind), ``"hypoechoic"``, ``"hyperechoic"`` or ``"stone"`` (a shadow behind;
        in the liver it lies in a gall bladder).
    contrast_db : float, optional
        Echo strength of the finding over the tissue around it; where it is None, -inf, -8, 8 or 14.
    radius_mm : float, optional
        Of the finding, which is then a disc.
    probe : str or Probe, optional
        ``"convex"`` (a sector) or ``"linear"``; where it is None, what the organ is looked at with.
    shape : tuple of two int
        Rows and columns of the picture; the pixels are square and the picture fits in.
    depth_mm : float, optional
        Greatest depth, from 10 to 300; where it is None, the organ's.
    dynamic_range_db : float
        What black to white spans.
    noise_db : float
        The receiver's noise against the mean echo of the parenchyma at the skin, before the gain rises with depth.

    Returns
    -------
    Ultrasound

    Raises
    ------
    ValueError
        If an argument is out of its range.

    Notes
    -----
    Scatterers lie on every point of the grid of samples and beams, some tens per resolution cell, so that the envelope
    of uniform tissue is Rayleigh (mean over standard deviation 1.91). The beam is a Gaussian across, whose width
    follows the depth exactly (each depth is filtered in the Fourier domain on its own), the pulse a Gaussian times the
    carrier.
    Echoes are weakened by twice the integral of the attenuation to their place; the gain makes up for that of soft
    tissue, which brightens what lies behind fluid and darkens what lies behind a stone. Refraction, reverberation, side
    lobes, phase aberration and the beam's height out of the plane are left out.

    Taught in lesson 01, medical images.

    References
    ----------
    R. F. Wagner et al.: Statistics of speckle in ultrasound B-scans. IEEE Transactions on Sonics and Ultrasonics 30,
    1983.
    """
    _check(seed, index, organ, finding, contrast_db, radius_mm, probe, shape, depth_mm, dynamic_range_db, noise_db)
    usual, usual_depth = _VIEWS[organ]
    array = probe if isinstance(probe, Probe) else PROBES[probe or usual]
    depth = usual_depth if depth_mm is None else depth_mm
    width = array.extent if array.radius_mm == 0 else 2 * (array.radius_mm + depth / 2) * math.sin(array.half_angle)
    scene = draw_scene(organ, finding, np.random.default_rng([seed, index, 0]), depth, width, contrast_db, radius_mm)
    beams = Beams(array, depth)
    x, z = beams.places()
    labels, echo, attenuation, walls = _paint(scene, x, z)
    rng = np.random.default_rng([seed, index, 1])
    rf = beams.focus(beams.pulse(rng.standard_normal(x.shape, dtype=np.float32) * echo + walls))
    rf = beams.receive(rf, attenuation, noise_db, rng)
    envelope = beams.envelope(rf)
    grey = log_compress(envelope, dynamic_range_db, 10 ** (0.5 * dynamic_range_db / 20))  # parenchyma is mid-grey
    return _picture(beams, scene, labels, envelope, grey, shape, organ, finding, dynamic_range_db, array)


def _paint(scene: Scene, x: NDArray[Any], z: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Label, echo strength, attenuation and the echoes of outlines at every place."""
    x, z = x.astype(np.float32), z.astype(np.float32)
    labels = np.zeros(x.shape, np.uint8)
    painted: list[NDArray[Any]] = [labels, *(np.zeros(x.shape, np.float32) for _ in range(3))]
    bounds = (z.min(1), z.max(1), x.min(0), x.max(0))
    for number, region in enumerate(scene.regions):
        block = _block(getattr(region.inside, "reach", None), bounds)
        if all(part.stop > part.start for part in block):
            _paint_region(region, number, x[block], z[block], *(array[block] for array in painted))
    return tuple(painted)


def _block(reach: tuple[float, float, float] | None, bounds: tuple[NDArray[Any], ...]) -> tuple[slice, slice]:
    """Rows and columns that may touch the disc (x, z, radius)."""
    z_low, z_high, x_low, x_high = bounds
    if reach is None:
        return slice(0, len(z_low)), slice(0, len(x_low))
    x, z, r = reach
    rows = np.flatnonzero((z_high > z - r) & (z_low < z + r))
    columns = np.flatnonzero((x_high > x - r) & (x_low < x + r))
    if not (rows.size and columns.size):
        return slice(0, 0), slice(0, 0)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _paint_region(
    region: Region, number: int, x: NDArray[Any], z: NDArray[Any], labels: NDArray[Any], *others: NDArray[Any]
) -> None:
    echo, attenuation, walls = others
    distance = region.inside(x, z)
    inside = distance > 0
    if not inside.any():
        return
    labels[inside] = number
    level = np.float32(10 ** (region.echo_db / 20))
    if region.texture is None:
        echo[inside] = level
    else:
        echo[inside] = level * 10 ** (region.texture(x[inside], z[inside]) / 20)
    attenuation[inside] = region.attenuation
    walls[inside] = 0
    if region.wall:
        row, column = np.nonzero(inside[1:] != inside[:-1])
        rise = np.abs(distance[row + 1, column] - distance[row, column])
        run = np.hypot(x[row + 1, column] - x[row, column], z[row + 1, column] - z[row, column])
        walls[row + 1, column] = (
            region.wall * np.minimum(rise / run, 1) ** 3
        )  # strongest where the beam meets it square


def _picture(
    beams: Beams,
    scene: Scene,
    labels: NDArray[Any],
    envelope: NDArray[np.float32],
    grey: NDArray[Any],
    shape: tuple[int, int],
    organ: str,
    finding: str | None,
    dynamic_range_db: float,
    array: Probe,
) -> Ultrasound:
    """Scan conversion: from beams to square pixels."""
    rows, columns = shape
    sagitta = array.radius_mm * (1 - math.cos(array.half_angle)) if array.radius_mm else 0.0
    wide = 2 * (array.radius_mm + beams.depth) * math.sin(array.half_angle) if array.radius_mm else array.extent
    pixel = max((beams.depth + sagitta) / rows, wide / columns)
    top = -sagitta
    z, x = np.meshgrid(
        top + (np.arange(rows) + 0.5) * pixel, (np.arange(columns) + 0.5 - columns / 2) * pixel, indexing="ij"
    )
    if array.radius_mm:
        r, t = np.hypot(x, z + array.radius_mm) - array.radius_mm, np.arctan2(x, z + array.radius_mm)
        half = array.half_angle
    else:
        r, t, half = z, x, array.extent / 2
    inside = (r >= 0) & (r < beams.depth) & (np.abs(t) <= half)
    row = r / beams.step - 0.5
    column = (t / half + 1) / 2 * array.lines - 0.5
    values = map_coordinates(grey, [row, column], order=1, mode="nearest")
    stored = np.where(inside, np.maximum(np.rint(255 * values), 1), 0).astype(np.uint8)  # 0 is kept for padding
    drawn = _paint(scene, x, z)[0]
    names = tuple(region.name for region in scene.regions)
    masks = {
        name: inside & np.isin(drawn, [k for k, other in enumerate(names) if other == name])
        for name in dict.fromkeys(names)
    }
    if finding is not None:
        masks["behind"] = inside & _behind(labels == len(names) - 1, row, column * FINE + 0.5) & ~masks["finding"]
    image = Image(
        stored=stored,
        values=stored.astype(np.float32),
        modality="US",
        spacing_mm=(pixel, pixel),
        spacing_at="patient",
        padding=~inside,
        facts={"body_part": "ABDOMEN" if organ in ("liver", "kidney") else "", "burned_in": "NO"},
    )
    centre = scene.finding_centre_mm
    contrast = None
    if finding is not None:
        around = next(region.echo_db for region in scene.regions if region.name == scene.around)
        contrast = scene.regions[-1].echo_db - around
    return Ultrasound(
        image=image,
        masks=masks,
        contrast_db=contrast,
        finding=finding,
        centre_mm=None if centre is None else (centre[1] - float(z[0, 0]), centre[0] - float(x[0, 0])),
        area_mm2=scene.finding_area_mm2,
        envelope=envelope,
        envelope_labels=labels[:, FINE // 2 :: FINE],
        tissues=names,
        sample_mm=beams.step,
        dynamic_range_db=dynamic_range_db,
        probe=array,
    )


def _behind(finding: NDArray[np.bool_], row: NDArray[Any], column: NDArray[Any]) -> NDArray[np.bool_]:
    """Pixels whose beam meets the finding and that lie deeper than its last sample there."""
    hit = np.asarray(finding.any(0))
    last = np.where(hit, len(finding) - 1 - finding[::-1].argmax(0), len(finding))
    nearest = np.clip(np.rint(column), 0, len(hit) - 1).astype(int)
    return np.asarray(row > last[nearest])


def _check(
    seed: int, index: int, organ: str, finding: Any, contrast_db: Any, radius_mm: Any, probe: Any, shape: Any,
    depth_mm: Any, dynamic_range_db: float, noise_db: float,
) -> None:  # fmt: skip
    if seed < 0 or index < 0:
        raise ValueError(f"ultrasound: seed and index expect numbers from 0, got {seed} and {index}")
    if organ not in ORGANS:
        raise ValueError(f"ultrasound: organ expects one of {', '.join(ORGANS)}, got {organ!r}")
    if finding is not None and finding not in FINDINGS:
        raise ValueError(f"ultrasound: finding expects None or one of {', '.join(FINDINGS)}, got {finding!r}")
    if finding is None and (contrast_db is not None or radius_mm is not None):
        raise ValueError("ultrasound: contrast_db and radius_mm expect a finding; name one")
    if contrast_db is not None and not contrast_db <= 40:
        raise ValueError(f"ultrasound: contrast_db expects at most 40, got {contrast_db}")
    if radius_mm is not None and not 0.5 <= radius_mm <= 100:
        raise ValueError(f"ultrasound: radius_mm expects 0.5 to 100, got {radius_mm}")
    if not (probe is None or isinstance(probe, Probe) or probe in PROBES):
        raise ValueError(f"ultrasound: probe expects one of {', '.join(PROBES)} or a Probe, got {probe!r}")
    if len(shape) != 2 or min(shape) < 16:
        raise ValueError(f"ultrasound: shape expects rows and columns of at least 16, got {shape}")
    if depth_mm is not None and not 10 <= depth_mm <= 300:
        raise ValueError(f"ultrasound: depth_mm expects 10 to 300, got {depth_mm}")
    if not 20 <= dynamic_range_db <= 120 or not noise_db <= 0:
        raise ValueError(
            f"ultrasound: expected dynamic_range_db from 20 to 120 and noise_db up to 0, "
            f"got {dynamic_range_db} and {noise_db}"
        )
