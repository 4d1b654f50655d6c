"""Chest radiographs: the rays of Beer and Lambert through the thorax, scatter, blur, photons, and the film's greys."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from mediml.imaging.image import Image, Step, WindowView
from mediml.imaging.phantoms.findings import Finding
from mediml.imaging.phantoms.rays import Stretches
from mediml.imaging.phantoms.shapes import Floats
from mediml.imaging.phantoms.thorax import Thorax, make_thorax

__all__ = ["ChestRadiograph", "chest_radiograph"]

#: Stored values per unit of the logarithm, and the value of an unattenuated ray; 12 bits.
GREYS_PER_UNIT, GREY_OF_AIR, GREYS = 640.0, 300.0, 4096
_FINEST_MM = 0.9
#: Width of the scatter, of the smooth part that is compressed, and of the part that is sharpened (mm).
_SCATTER_MM, _BASE_MM, _EDGE_MM = 35.0, 22.0, 1.6
_COMPRESSION, _SHARPENING = 0.5, 0.5
_LETTERS = {
    "L": ("1....", "1....", "1....", "1....", "1....", "1....", "11111"),
    "R": ("1111.", "1...1", "1...1", "1111.", "1.1..", "1..1.", "1...1"),
}


@dataclass(frozen=True, eq=False)
class ChestRadiograph:
    """A radiograph and what it was made from.

    Attributes
    ----------
    image : Image
        Modality DX, postero-anterior: the patient's left is at the right. Stored values are 12-bit greys.
    exponent : ndarray of shape (rows, columns), float64
        Integral of the attenuation along each ray: what the primary beam loses, -ln(I / I0), without blur and scatter.
    expected : ndarray of the same shape, float64
        Mean number of photons counted in each pixel, after blur and scatter.
    counts : ndarray of the same shape, float64
        Photons counted: Poisson with that mean.
    findings : tuple of Finding
    thorax : Thorax
    """

    image: Image
    exponent: Floats
    expected: Floats
    counts: Floats
    findings: tuple[Finding, ...]
    thorax: Thorax
    _stretches: Stretches = field(repr=False)
    _fold: int = field(repr=False, default=1)

    def chord_mm(self, label: int) -> Floats:
        """Length of each ray in one label (`LABELS`, or a finding's), mean over the pixel: shape (rows, columns)."""
        inside = (self.thorax.layer_labels("upright") == label).astype(np.float64)
        return _mean_of_blocks(_picture(self._stretches.integral(inside), self.exponent.shape, self._fold), self._fold)

    def mask(self, label: int) -> NDArray[np.bool_]:
        """Where the projection of one label lies."""
        return self.chord_mm(label) > 0


def chest_radiograph(
    thorax: Thorax | None = None,
    *,
    seed: int = 0,
    index: int = 0,
    size: int = 512,
    field_mm: float = 370.0,
    kev: float = 65.0,
    photons: float = 4e5,
    scatter: float = 0.25,
    blur_mm: float = 0.25,
    polarity: str = "MONOCHROME2",
    marker: str | None = None,
) -> ChestRadiograph:
    """A postero-anterior chest radiograph.

        I / I0 = exp(-integral of mu dl)
        expected = photons (blur(I / I0) + s / (1 - s) mean of the body around),     counts ~ Poisson(expected)
        grey = -ln(counts / photons), its smooth part compressed, its edges sharpened

    Parameters
    ----------
    thorax : Thorax, optional
        By default a chest without findings, of `seed` and `index`.
    seed, index : int
        Of the noise; case `index` does not depend on how many others are made.
    size : int
        Rows and columns, 32 to 2048.
    field_mm : float
        Side of the square detector, 200 to 450.
    kev : float
        Energy of the photons, 40 to 150: one energy stands for the spectrum (65 keV for 120 kVp).
    photons : float
        Per pixel without a patient, for a pixel of any size; above 0.
    scatter : float
        Share of scatter in the signal, 0 to 0.8; what a grid leaves over.
    blur_mm : float
        Standard deviation of the blur of focal spot and detector: MTF(f) = exp(-2 (pi f blur_mm)²). 0 for none.
    polarity : {"MONOCHROME2", "MONOCHROME1"}
        Whether high stored values are white, or low ones.
    marker : {"L", "R"} or None
        A lead letter at the patient's left or right shoulder.

    Returns
    -------
    ChestRadiograph

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Rays are parallel: a real film, 1.8 m from the focus, shows what lies 200 mm from the detector 1.13 times as large,
    and the spacing here holds in the patient as well as at the detector. The quantum noise is white, because the blur
    comes before it. Pixels larger than 0.9 mm average several rays.

    References
    ----------
    Bushberg et al., The Essential Physics of Medical Imaging, chapters on radiography. Taught in lesson 01.
    """
    if seed < 0 or index < 0:
        raise ValueError(f"chest_radiograph: seed and index expect 0 or more, got {seed} and {index}")
    _check(size, field_mm, photons, scatter, blur_mm, polarity, marker)
    body = make_thorax(seed, index) if thorax is None else thorax
    step = field_mm / size
    fold = max(1, math.ceil(step / _FINEST_MM))
    axis = (np.arange(size * fold) - (size * fold - 1) / 2) * (step / fold)
    stretches = body.resolve(axis, axis, "upright")
    exponent = stretches.integral(body.attenuations(kev, "upright"))
    through = _mean_of_blocks(np.exp(-_picture(exponent, (size, size), fold)), fold)
    lost = -np.log(through)
    primary = _with_marker(through, step, marker)
    expected = photons * _blurred(primary, blur_mm / step)
    if scatter:
        source = primary * (lost > 0.5)  # air and the edge of the skin do not scatter
        expected += photons * scatter / (1 - scatter) * gaussian_filter(source, _SCATTER_MM / step, mode="nearest")
    counts = np.random.default_rng([seed, index, 2]).poisson(expected).astype(np.float64)
    image = _image(counts / photons, body, step, polarity)
    return ChestRadiograph(image, lost, expected, counts, body.findings, body, stretches, fold)


def _check(
    size: int, field_mm: float, photons: float, scatter: float, blur_mm: float, polarity: str, marker: str | None
) -> None:
    if not 32 <= size <= 2048 or not 200 <= field_mm <= 450:
        raise ValueError(
            f"chest_radiograph: expected size from 32 to 2048 and field_mm from 200 to 450, got {size} and {field_mm}"
        )
    if not (0 < photons < 1e12 and 0 <= scatter <= 0.8 and 0 <= blur_mm <= 5):
        raise ValueError(
            f"chest_radiograph: expected photons above 0, scatter from 0 to 0.8 and blur_mm from 0 to 5, "
            f"got {photons}, {scatter} and {blur_mm}"
        )
    if polarity not in ("MONOCHROME1", "MONOCHROME2"):
        raise ValueError(f"chest_radiograph: polarity expects 'MONOCHROME1' or 'MONOCHROME2', got {polarity!r}")
    if marker is not None and marker not in _LETTERS:
        raise ValueError(f"chest_radiograph: marker expects 'L', 'R' or None, got {marker!r}")


def _picture(per_ray: Floats, shape: tuple[int, ...], fold: int) -> Floats:
    """Rays in rising z to rows from the head down."""
    return per_ray.reshape(shape[0] * fold, shape[1] * fold)[::-1]


def _mean_of_blocks(fine: Floats, fold: int) -> Floats:
    rows, columns = fine.shape
    return np.asarray(fine.reshape(rows // fold, fold, columns // fold, fold).mean(axis=(1, 3)))


def _blurred(values: Floats, sigma: float) -> Floats:
    return values.copy() if sigma == 0 else np.asarray(gaussian_filter(values, sigma, mode="nearest"))


def _with_marker(through: Floats, step: float, marker: str | None) -> Floats:
    if marker is None:
        return through
    dots = np.array([[dot == "1" for dot in line] for line in _LETTERS[marker]])
    edge = max(round(2.2 / step), 1)
    letter = np.kron(dots, np.ones((edge, edge), bool))
    top, inset = round(0.1 * len(through)), round(0.03 * len(through))
    left = through.shape[1] - inset - letter.shape[1] if marker == "L" else inset
    marked = through.copy()
    marked[top : top + letter.shape[0], left : left + letter.shape[1]][letter] *= math.exp(-4.0)  # 1 mm of lead
    return marked


def _image(signal: Floats, body: Thorax, step: float, polarity: str) -> Image:
    log = -np.log(np.maximum(signal, np.min(signal[signal > 0], initial=1.0) / 2))
    base = gaussian_filter(log, _BASE_MM / step, mode="nearest")
    detail = log - gaussian_filter(log, _EDGE_MM / step, mode="nearest")
    inside = base > 1.0
    level = float(base[inside].mean()) if inside.any() else 0.0
    shown = log - _COMPRESSION * np.clip(base - level, -1.5, None) * inside + _SHARPENING * detail
    grey = np.clip(np.rint(shown * GREYS_PER_UNIT + GREY_OF_AIR), 0, GREYS - 1)
    part = grey[inside] if inside.any() else grey
    low, high = (float(np.percentile(part, p)) for p in (3.0, 99.6))
    inverted = polarity == "MONOCHROME1"
    if inverted:
        grey, low, high = GREYS - 1 - grey, GREYS - 1 - high, GREYS - 1 - low
    stored = grey.astype(np.uint16)
    view = WindowView(float(round((low + high) / 2)), float(max(round(high - low), 2)))
    return Image(
        stored=stored,
        values=stored.astype(np.float32),
        units="arbitrary",
        modality="DX",
        spacing_mm=(step, step),
        spacing_at="detector",
        views=(view,),
        inverted=inverted,
        facts={
            "body_part": "CHEST",
            "view_position": "PA",
            "laterality": "",
            "patient_orientation": "L/F",
            "lossy": "NO",
            "pixel_intensity": "LOG",
            "burned_in": "NO",
        },
        age_years=min(body.anatomy.age_years, 90.0),
        account=(Step("view_window", {**vars(view), "count": 1}), *((Step("inverted"),) if inverted else ())),
        doubts=(Step("spacing_detector"),),
    )
