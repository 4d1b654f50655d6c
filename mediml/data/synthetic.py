"""A chest-X-ray-like data set from a seeded generator: the course's default, which needs no download.

Every image is a projection: soft tissue, spine, heart and ribs add attenuation along the ray, the two lungs take some
away, and exposure, pose and noise differ from image to image. In class 1 a soft, lumpy opacity lies somewhere in a
lung. Both classes carry look-alikes outside the lungs, a heart and hila of varying size and a varying exposure, so that
brightness alone, or a weight per pixel, cannot tell the classes apart; where the opacity lies is known exactly.

Nothing here is a patient, and no clinical claim can follow from it.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mediml.data.images import ImageData, Split

__all__ = ["CLASSES", "ChestXrays", "chest_xray_data", "chest_xrays"]

CLASSES = ("clear", "opacity")

#: One number per image, or per point of each image: (n, 1, 1) or (n, height, width).
_Field: TypeAlias = NDArray[np.float64]

#: Points per pixel and axis at which the projection is evaluated before it is averaged to the pixel.
_OVERSAMPLING = 2
_CHUNK = 32

#: Columns of the table of random numbers, one row per image: what differs between patients …
_ANATOMY = (
    "width", "height", "lung_gap", "lung_left", "lung_right", "dome_left", "dome_right", "heart_x", "heart_width",
    "heart_height", "rib_pitch", "rib_slope", "rib_strength", "hilum_left", "hilum_right", "tissue", "clavicle",
)  # fmt: skip
#: … and what differs between images of one patient.
_EXPOSURE = (
    "angle", "shift_x", "shift_y", "gain", "offset", "gamma", "noise", "tilt", "veil_x", "veil_y", "veil_strength",
    "side", "across", "along", "radius", "stretch", "turn", "strength", "lump1", "lump2", "lump3", "lump4",
    "decoy_place", "decoy_strength", "decoy_radius",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class ChestXrays:
    """Generated images with all that is known about them.

    Attributes
    ----------
    images : ndarray of uint8, shape (N, size, size)
        Bone is bright, air is dark.
    labels : ndarray of int64, shape (N,)
        1 where the image holds an opacity.
    opacity : ndarray of bool, shape (N, size, size)
        Where the opacity reaches half of its greatest attenuation; empty where the label is 0.
    patients : ndarray of int64, shape (N,)
        Images of the same patient share the anatomy and the label.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    opacity: NDArray[np.bool_]
    patients: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


def chest_xrays(
    count: int, size: int = 28, seed: int = 0, prevalence: float = 0.5, images_per_patient: int = 1
) -> ChestXrays:
    """Generate chest-X-ray-like images.

    Parameters
    ----------
    count : int
        Number of images, at least 1. The first images stay the same when `count` grows.
    size : int
        Height and width in pixels, at least 16. The same seed shows the same patients at any size; only noise differs.
    seed : int
        Not negative. Other seeds, other patients.
    prevalence : float
        Probability of label 1, from 0 to 1.
    images_per_patient : int
        At least 1: how many images in a row belong to one patient.

    Returns
    -------
    ChestXrays
    """
    if count < 1 or size < 16 or seed < 0 or images_per_patient < 1:
        raise ValueError(
            f"chest_xrays: expected count >= 1, size >= 16, seed >= 0 and images_per_patient >= 1, "
            f"got {count}, {size}, {seed} and {images_per_patient}"
        )
    if not 0 <= prevalence <= 1:
        raise ValueError(f"chest_xrays: prevalence expects a probability from 0 to 1, got {prevalence}")
    patients = np.arange(count, dtype=np.int64) // images_per_patient
    people, exposures, noise = (np.random.default_rng([seed, stream]) for stream in range(3))
    person = people.random((int(patients[-1]) + 1, len(_ANATOMY) + 1))[patients]
    labels = (person[:, -1] < prevalence).astype(np.int64)
    table = np.hstack([person[:, :-1], exposures.random((count, len(_EXPOSURE)))])
    images = np.empty((count, size, size), np.uint8)
    opacity = np.empty((count, size, size), np.bool_)
    for lo in range(0, count, _CHUNK):
        part = slice(lo, lo + _CHUNK)
        drawn = dict(zip(_ANATOMY + _EXPOSURE, table[part].T[:, :, None, None]))
        grey, spot = _project(drawn, size)
        grain = noise.standard_normal(grey.shape)
        images[part], opacity[part] = _expose(grey, spot, grain, drawn, labels[part])
    return ChestXrays(images, labels, opacity, patients)


def chest_xray_data(train: int = 1200, val: int = 300, test: int = 600, size: int = 28, seed: int = 0) -> ImageData:
    """Generated images in three splits of other patients each, as a `mediml.data.medmnist` file would give them."""
    everything = chest_xrays(train + val + test, size, seed)
    ends = np.cumsum([train, val, test])
    first, second, third = (
        Split(everything.images[end - n : end], everything.labels[end - n : end])
        for end, n in zip(ends, (train, val, test))
    )
    return ImageData(f"synthetic chest X-rays, seed {seed}", CLASSES, first, second, third)


class _Ranges:
    """``between("angle", low, high)``: the drawn numbers, spread over a range."""

    def __init__(self, drawn: dict[str, _Field]) -> None:
        self._drawn = drawn

    def __call__(self, name: str, low: float, high: float) -> _Field:
        return low + (high - low) * self._drawn[name]


def _project(drawn: dict[str, _Field], size: int) -> tuple[_Field, _Field]:
    """Attenuation of the thorax, and of the opacity that class 1 adds to it: both of shape (n, size, size)."""
    between = _Ranges(drawn)
    points = size * _OVERSAMPLING
    axis = (np.arange(points) + 0.5) / points * 2 - 1
    angle = between("angle", -0.14, 0.14)
    across = axis[None, None, :] - between("shift_x", -0.1, 0.1)
    down = axis[None, :, None] - between("shift_y", -0.1, 0.1)
    x = (np.cos(angle) * across + np.sin(angle) * down) / between("width", 0.85, 1.1)
    y = (np.cos(angle) * down - np.sin(angle) * across) / between("height", 0.88, 1.08)

    body = _edge(0.92 + 0.25 * _edge(-0.55 - y, 0.1) - np.abs(x), 0.05)
    total = body * (1.0 + between("tissue", 0.0, 0.25) * (0.4 + y))

    air = np.zeros_like(x)
    gap = between("lung_gap", 0.05, 0.1)
    for side, name in ((-1, "left"), (1, "right")):
        centre = side * (gap + 0.38)
        long = between(f"lung_{name}", 0.68, 0.82)
        radius = np.sqrt(((x - centre) / 0.36) ** 2 + ((y + 0.1) / long) ** 2 + 1e-9)
        dome = between(f"dome_{name}", 0.34, 0.56) + 0.9 * (x - centre) ** 2
        air += _edge(1 - radius, 0.09) * _edge(dome - y, 0.05)
    air = np.minimum(air, 1.0)
    heart_x = (x - between("heart_x", 0.05, 0.22)) / between("heart_width", 0.24, 0.42)
    heart_y = (y - 0.3) / between("heart_height", 0.24, 0.36)
    heart = _edge(1 - np.sqrt(heart_x**2 + heart_y**2 + 1e-9), 0.12)
    total -= 0.62 * air * (1 - 0.75 * heart)
    total += 0.3 * np.exp(-((x / 0.11) ** 2)) * (1 + 0.15 * np.cos(2 * np.pi * y / 0.16)) * body
    total += _bones(x, y, between, body) + _hila(x, y, between)

    spot = _blob(x, y, _place(between), between) * air * (1 - 0.5 * heart)
    total += _decoy(x, y, drawn, between)
    veil = ((x - between("veil_x", -0.8, 0.8)) / 0.7) ** 2 + ((y - between("veil_y", 0.0, 0.9)) / 0.5) ** 2
    total += between("veil_strength", 0.0, 0.22) * np.exp(-veil) * body
    return _pixels(total, size), _pixels(spot, size)


def _bones(x: _Field, y: _Field, between: _Ranges, body: _Field) -> _Field:
    pitch, slope = between("rib_pitch", 0.15, 0.19), between("rib_slope", 0.15, 0.45)
    phase = (y - slope * np.abs(x) + 0.5 * x**2 + 0.75) / pitch
    inside = _edge(phase + 0.5, 0.1) * _edge(8.5 - phase, 0.1) * _edge(0.9 - np.abs(x), 0.04)
    ribs = np.exp(-(((phase - np.round(phase)) / 0.24) ** 2)) * inside * (0.5 + 0.7 * np.abs(x))
    height = between("clavicle", -0.78, -0.66)
    clavicles = np.exp(-(((y - height - 0.18 * np.abs(x)) / 0.04) ** 2)) * _edge(np.abs(x) - 0.1, 0.03)
    return (between("rib_strength", 0.08, 0.2) * ribs + 0.14 * clavicles) * body


def _hila(x: _Field, y: _Field, between: _Ranges) -> _Field:
    total = np.zeros_like(x)
    for side, name in ((-1, "hilum_left"), (1, "hilum_right")):
        strength = between(name, 0.05, 0.26)
        total += strength * np.exp(-(((x - side * 0.2) / 0.1) ** 2) - ((y + 0.08) / 0.17) ** 2)
        for rise in (-0.8, 0.1, 0.9):  # vessels that leave the hilum
            along = side * x - 0.15
            vessel = np.exp(-(((y + 0.08 - rise * along) / 0.035) ** 2))
            total += 0.35 * strength * vessel * _edge(along, 0.04) * np.exp(-np.maximum(along, 0) / 0.3)
    return total


def _place(between: _Ranges) -> tuple[_Field, _Field]:
    """Centre of the opacity: a point of one of the lungs, away from its edge."""
    side = np.where(between("side", 0.0, 1.0) < 0.5, -1.0, 1.0)
    return side * between("across", 0.24, 0.64), between("along", -0.55, 0.32)


def _blob(x: _Field, y: _Field, centre: tuple[_Field, _Field], between: _Ranges) -> _Field:
    """A soft patch of three lumps, as a consolidation is: no clear outline, uneven inside."""
    radius, stretch, turn = between("radius", 0.13, 0.26), between("stretch", 0.7, 1.4), between("turn", 0.0, np.pi)
    total = np.zeros_like(x)
    for lump, weight in ((0.0, 1.0), (0.8, 0.7), (-0.8, 0.6)):
        u, v = x - centre[0], y - centre[1]
        u, v = np.cos(turn) * u + np.sin(turn) * v, np.cos(turn) * v - np.sin(turn) * u
        u = u - lump * radius * between("lump1" if lump > 0 else "lump2", 0.6, 1.3)
        v = v - lump * radius * between("lump3" if lump > 0 else "lump4", -0.6, 0.6)
        total += weight * np.exp(-((u / (radius * stretch)) ** 2) - (v / radius) ** 2)
    return between("strength", 0.20, 0.45) * total


def _decoy(x: _Field, y: _Field, drawn: dict[str, _Field], between: _Ranges) -> _Field:
    """A look-alike of the opacity where no lung is: over the heart, under the diaphragm, at a shoulder."""
    place = (drawn["decoy_place"] * 4).astype(int)
    centre_x = np.choose(place, [0.12, -0.35, 0.4, 0.75])
    centre_y = np.choose(place, [0.3, 0.78, 0.8, -0.8])
    radius = between("decoy_radius", 0.13, 0.26)
    return between("decoy_strength", 0.0, 0.4) * np.exp(
        -(((x - centre_x) / radius) ** 2) - ((y - centre_y) / radius) ** 2
    )


def _expose(
    grey: _Field, spot: _Field, grain: _Field, drawn: dict[str, _Field], labels: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Film: add the opacity of class 1, then tilt, gamma, gain and noise; 8 bits, and the mask of the opacity."""
    between = _Ranges(drawn)
    spot = spot * labels[:, None, None]
    ramp = np.linspace(-1, 1, grey.shape[2])[None, None, :]
    signal = (grey + spot) * (1 + between("tilt", -0.12, 0.12) * ramp)
    signal = np.clip(signal / 1.6, 0, 1) ** between("gamma", 0.75, 1.35)
    signal = between("gain", 0.8, 1.05) * signal + between("offset", -0.06, 0.1)
    signal = signal + between("noise", 0.01, 0.03) * grain
    peak = np.maximum(spot.max(axis=(1, 2), keepdims=True), 1e-12)
    return np.clip(np.round(signal * 255), 0, 255).astype(np.uint8), spot > 0.5 * peak


def _edge(distance: Any, softness: float) -> Any:
    """0 far outside, 1 far inside an outline; half at it."""
    return 0.5 * (1 + np.tanh(distance / softness))


def _pixels(fine: _Field, size: int) -> _Field:
    """Average the fine grid to the pixels."""
    n = len(fine)
    return fine.reshape(n, size, _OVERSAMPLING, size, _OVERSAMPLING).mean(axis=(2, 4))
