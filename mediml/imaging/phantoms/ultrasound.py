"""B-mode ultrasound: echoes of random scatterers through a pulse and a beam, envelope, decibels, scan conversion.

Taught in lesson 01, medical images.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft
from scipy.ndimage import map_coordinates

from mediml.imaging.image import Image
from mediml.imaging.phantoms.echo_scenes import FINDINGS, ORGANS, SOFT, Region, Scene, draw_scene

__all__ = ["PROBES", "Probe", "Ultrasound", "log_compress", "ultrasound"]

#: Speed of sound in tissue, mm/us.
SPEED = 1.54


@dataclass(frozen=True)
class Probe:
    """An array of elements and how it listens.

    Attributes
    ----------
    frequency_mhz : float
        Of the carrier.
    bandwidth : float
        Full width at half maximum of the pulse's spectrum, over the frequency.
    radius_mm : float
        Of the curved array; 0 for a straight one.
    extent : float
        Of the picture: the angle in degrees of a curved array, the width in mm of a straight one.
    lines : int
        Number of beams.
    focus_mm, f_number : float
        Depth at which the beam is narrowest, and focal length over aperture: its full width at half maximum is there
        f_number times the wavelength.
    """

    frequency_mhz: float
    bandwidth: float
    radius_mm: float
    extent: float
    lines: int
    focus_mm: float
    f_number: float

    @property
    def wavelength_mm(self) -> float:
        """Speed of sound over the frequency."""
        return SPEED / self.frequency_mhz

    def beam_sd_mm(self, depth_mm: ArrayLike) -> NDArray[np.float64]:
        """Standard deviation of the beam's profile: w sqrt(1 + ((z - focus) / (7 lambda F**2))**2)."""
        z = np.asarray(depth_mm, np.float64)
        narrow = self.f_number * self.wavelength_mm / 2.3548
        length = 7 * self.wavelength_mm * self.f_number**2
        return np.asarray(narrow * np.sqrt(1 + ((z - self.focus_mm) / length) ** 2))


PROBES: Mapping[str, Probe] = {
    "convex": Probe(3.5, 0.6, 55.0, 64.0, 192, 80.0, 2.6),
    "linear": Probe(9.0, 0.65, 0.0, 44.0, 256, 22.0, 2.0),
}
#: What each organ is looked at with, and how deep.
_VIEWS = {"liver": ("convex", 155.0), "kidney": ("convex", 120.0), "superficial": ("linear", 38.0), "uniform": ("convex", 120.0)}
_SAMPLES_PER_PERIOD = 4.6
_FINE = 2  # points per beam


@dataclass(frozen=True, eq=False)
class Ultrasound:
    """A B-mode picture with all that is known about it.

    Attributes
    ----------
    image : Image
        Modality ``"US"``, 8-bit grey values in square pixels; `padding` lies outside of the sector.
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


def log_compress(envelope: ArrayLike, dynamic_range_db: float, reference: float = 1.0) -> NDArray[Any]:
    """Decibels as grey: g = clip(1 + 20 log10(e / reference) / range, 0, 1).

    Parameters
    ----------
    envelope : array_like
        Not negative; 0 becomes 0.
    dynamic_range_db : float
        Decibels between black and white, positive.
    reference : float
        The envelope that becomes 1.

    Returns
    -------
    ndarray of float32 (float64 where `envelope` is), from 0 to 1
    """
    if not (0 < dynamic_range_db < math.inf and 0 < reference < math.inf):
        raise ValueError(
            f"log_compress: dynamic_range_db and reference expect positive numbers, got {dynamic_range_db} and {reference}"
        )
    e = np.asarray(envelope)
    e = e if e.dtype == np.float64 else e.astype(np.float32)
    least = np.asarray(10 ** (-dynamic_range_db / 20), e.dtype)
    grey = 1 + np.log10(np.maximum(e / e.dtype.type(reference), least)) * e.dtype.type(20 / dynamic_range_db)
    return np.clip(grey, 0, 1)


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
        ``"cyst"`` (no echo, enhancement behind), ``"hypoechoic"``, ``"hyperechoic"`` or ``"stone"`` (a shadow behind; in
        the liver it lies in a gall bladder).
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
    of uniform tissue is Rayleigh (mean over standard deviation 1.91). The beam is a Gaussian across, whose width follows
    the depth exactly (each depth is filtered in the Fourier domain on its own), the pulse a Gaussian times the carrier.
    Echoes are weakened by twice the integral of the attenuation to their place; the gain makes up for that of soft
    tissue, which brightens what lies behind fluid and darkens what lies behind a stone. Refraction, reverberation, side
    lobes, phase aberration and the beam's height out of the plane are left out.

    Taught in lesson 01, medical images.

    References
    ----------
    R. F. Wagner et al.: Statistics of speckle in ultrasound B-scans. IEEE Transactions on Sonics and Ultrasonics 30, 1983.
    """
    _check(seed, index, organ, finding, contrast_db, radius_mm, probe, shape, depth_mm, dynamic_range_db, noise_db)
    usual, usual_depth = _VIEWS[organ]
    array = probe if isinstance(probe, Probe) else PROBES[probe or usual]
    depth = usual_depth if depth_mm is None else depth_mm
    width = array.extent if array.radius_mm == 0 else 2 * (array.radius_mm + depth / 2) * math.sin(_half(array))
    scene = draw_scene(
        organ, finding, np.random.default_rng([seed, index, 0]), depth, width, contrast_db, radius_mm
    )
    beams = _Beams(array, depth)
    x, z = beams.places()
    labels, echo, attenuation, walls = _paint(scene, x, z)
    rng = np.random.default_rng([seed, index, 1])
    rf = beams.focus(beams.pulse(rng.standard_normal(x.shape, dtype=np.float32) * echo + walls))
    rf = beams.receive(rf, attenuation, noise_db, rng)
    envelope = beams.envelope(rf)
    reference = 10 ** (0.5 * dynamic_range_db / 20)
    grey = log_compress(envelope, dynamic_range_db, reference)
    return _picture(beams, scene, labels, envelope, grey, shape, finding, dynamic_range_db, array)


def _half(array: Probe) -> float:
    return math.radians(array.extent) / 2


class _Beams:
    """The grid of samples and beams, and what happens on it."""

    def __init__(self, array: Probe, depth: float) -> None:
        self.array, self.depth = array, depth
        self.step = SPEED / 2 / (_SAMPLES_PER_PERIOD * array.frequency_mhz)
        self.samples = int(depth / self.step)
        self.columns = array.lines * _FINE
        self.z = (np.arange(self.samples) + 0.5) * self.step
        half = _half(array) if array.radius_mm else array.extent / 2
        self.across = ((np.arange(self.columns) + 0.5) / self.columns * 2 - 1) * half
        self.pitch = 2 * half / self.columns

    def places(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """x and z, mm, of every sample."""
        if not self.array.radius_mm:
            z, x = np.meshgrid(self.z, self.across, indexing="ij")
            return x, z
        r = self.array.radius_mm + self.z[:, None]
        return r * np.sin(self.across), r * np.cos(self.across) - self.array.radius_mm

    def pulse(self, field: NDArray[Any]) -> NDArray[Any]:
        """Convolve along the depth with a Gaussian times the carrier; white noise keeps its power."""
        n = fft.next_fast_len(self.samples, real=True)
        cycles = fft.rfftfreq(n, self.step)  # per mm of depth
        carrier = 2 * self.array.frequency_mhz / SPEED
        sd = self.array.bandwidth * carrier / 2.3548
        gain = np.exp(-0.5 * ((cycles - carrier) / sd) ** 2)
        gain *= math.sqrt(n / (2 * (gain**2).sum()))
        spectrum = fft.rfft(np.asarray(field, np.float32), n, axis=0) * gain[:, None].astype(np.float32)
        return np.asarray(fft.irfft(spectrum, n, axis=0)[: self.samples])

    def focus(self, rf: NDArray[Any]) -> NDArray[Any]:
        """Convolve every depth across the beams with the beam's profile there; white noise keeps its power."""
        sd = self.array.beam_sd_mm(self.z)
        if self.array.radius_mm:
            sd = sd / (self.array.radius_mm + self.z)
        sd = np.maximum(sd / self.pitch, 0.3)
        n = fft.next_fast_len(self.columns + 64, real=True)
        wave = 2 * np.pi * fft.rfftfreq(n)
        gain = np.exp(-0.5 * (sd[:, None] * wave) ** 2)
        both = gain**2
        power = (2 * both.sum(1) - both[:, 0] - (both[:, -1] if n % 2 == 0 else 0)) / n
        gain = (gain / np.sqrt(power)[:, None]).astype(np.float32)
        return np.asarray(fft.irfft(fft.rfft(rf, n, axis=1) * gain, n, axis=1)[:, : self.columns])

    def receive(
        self, rf: NDArray[Any], attenuation: NDArray[Any], noise_db: float, rng: np.random.Generator
    ) -> NDArray[Any]:
        """Weaken by the way there and back, add the receiver's noise, and amplify with depth; every other column."""
        kept = slice(_FINE // 2, None, _FINE)
        to_db = 2 * self.array.frequency_mhz * self.step / 10
        loss = np.cumsum(attenuation[:, kept], axis=0) * to_db
        gain = SOFT * 2 * self.array.frequency_mhz * self.z[:, None] / 10
        noise = rng.standard_normal(loss.shape, dtype=np.float32)
        noise = self.pulse(noise)
        quiet = np.minimum(gain + noise_db, 10)  # no machine amplifies without end
        net = np.maximum(gain - loss, -90)
        return rf[:, kept] * 10 ** (net / 20) + noise * 10 ** (quiet / 20)

    def envelope(self, rf: NDArray[Any]) -> NDArray[np.float32]:
        """|rf + i Hilbert(rf)|, scaled so that the mean over unit tissue is 1 (Rayleigh: sd sqrt(pi / 2))."""
        n = fft.next_fast_len(self.samples + 64)
        spectrum = fft.fft(rf.astype(np.float32), n, axis=0)
        spectrum[1 : (n + 1) // 2] *= 2
        spectrum[n // 2 + 1 :] = 0
        analytic = fft.ifft(spectrum, axis=0)[: self.samples]
        return np.asarray(np.abs(analytic) / math.sqrt(math.pi / 2), np.float32)


def _paint(scene: Scene, x: NDArray[Any], z: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Label, echo strength, attenuation and the echoes of outlines at every place."""
    x, z = x.astype(np.float32), z.astype(np.float32)
    labels = np.zeros(x.shape, np.uint8)
    painted = [labels, *(np.zeros(x.shape, np.float32) for _ in range(3))]
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
        walls[row + 1, column] = region.wall * np.minimum(rise / run, 1) ** 3  # strongest where the beam meets it square


def _picture(
    beams: _Beams,
    scene: Scene,
    labels: NDArray[Any],
    envelope: NDArray[np.float32],
    grey: NDArray[Any],
    shape: tuple[int, int],
    finding: str | None,
    dynamic_range_db: float,
    array: Probe,
) -> Ultrasound:
    """Scan conversion: from beams to square pixels."""
    rows, columns = shape
    sagitta = array.radius_mm * (1 - math.cos(_half(array))) if array.radius_mm else 0.0
    wide = 2 * (array.radius_mm + beams.depth) * math.sin(_half(array)) if array.radius_mm else array.extent
    pixel = max((beams.depth + sagitta) / rows, wide / columns)
    top = -sagitta
    z, x = np.meshgrid(top + (np.arange(rows) + 0.5) * pixel, (np.arange(columns) + 0.5 - columns / 2) * pixel, indexing="ij")
    if array.radius_mm:
        r, t = np.hypot(x, z + array.radius_mm) - array.radius_mm, np.arctan2(x, z + array.radius_mm)
        half = _half(array)
    else:
        r, t, half = z, x, array.extent / 2
    inside = (r >= 0) & (r < beams.depth) & (np.abs(t) <= half)
    row = r / beams.step - 0.5
    column = (t / half + 1) / 2 * array.lines - 0.5
    values = map_coordinates(grey, [row, column], order=1, mode="nearest")
    stored = np.where(inside, np.rint(255 * values), 0).astype(np.uint8)
    drawn = _paint(scene, x, z)[0]
    names = tuple(region.name for region in scene.regions)
    masks = {
        name: inside & np.isin(drawn, [k for k, other in enumerate(names) if other == name]) for name in dict.fromkeys(names)
    }
    if finding is not None:
        masks["behind"] = inside & _behind(labels == len(names) - 1, row, column * _FINE + 0.5) & ~masks["finding"]
    image = Image(
        stored=stored,
        values=stored.astype(np.float32),
        modality="US",
        spacing_mm=(pixel, pixel),
        spacing_at="patient",
        padding=~inside,
        facts={"body_part": {"liver": "LIVER", "kidney": "KIDNEY"}.get(names[0], ""), "burned_in": "NO"},
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
        envelope_labels=labels[:, _FINE // 2 :: _FINE],
        tissues=names,
        sample_mm=beams.step,
        dynamic_range_db=dynamic_range_db,
        probe=array,
    )


def _behind(finding: NDArray[np.bool_], row: NDArray[Any], column: NDArray[Any]) -> NDArray[np.bool_]:
    """Pixels whose beam meets the finding and that lie deeper than its last sample there."""
    hit = finding.any(0)
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
            f"ultrasound: expected dynamic_range_db from 20 to 120 and noise_db up to 0, got {dynamic_range_db} and {noise_db}"
        )
