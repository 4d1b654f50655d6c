"""The pictures of the gallery: real ones that come with the dependencies, and phantoms."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediml import imaging
from mediml.data.catalog import packaged_file
from mediml.imaging import read_image

__all__ = ["Exhibit", "Limits", "exhibit", "gallery_exhibits", "packaged_exhibits", "phantom_exhibits"]

Limits = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Exhibit:
    """One picture of the gallery.

    Attributes
    ----------
    values : ndarray of shape (rows, columns)
        In `units`.
    limits : (low, high)
        What is shown black and white, in `units`.
    detail : (row, column, side)
        Corner and side of the square that is shown enlarged, in pixels.
    noise : float
        Standard deviation of the noise, in `units`: the strength that noise removal goes by.
    units, modality : str
        As of `mediml.imaging.Image`.
    spacing_mm : (row, column) or None
    inverted : bool
        Low values are shown white.
    mask : ndarray of bool
        The body.
    window : (low, high)
        The same for details: narrower, for what the modality is looked at most.
    """

    values: NDArray[Any]
    limits: Limits
    detail: tuple[int, int, int]
    noise: float
    units: str = "arbitrary"
    modality: str = "unknown"
    spacing_mm: tuple[float, float] | None = None
    inverted: bool = False
    mask: NDArray[np.bool_] = field(default_factory=lambda: np.ones((1, 1), bool))
    window: Limits = (0.0, 1.0)

    @property
    def shown(self) -> NDArray[Any]:
        """The values between the limits as 0 to 1, white for what is to be white."""
        low, high = self.limits
        grey = np.clip((self.values - low) / (high - low), 0, 1)
        return np.asarray(1 - grey if self.inverted else grey)

    @property
    def square(self) -> tuple[slice, slice]:
        """The detail, as an index."""
        row, column, side = self.detail
        return slice(row, row + side), slice(column, column + side)


def exhibit(
    image: imaging.Image,
    detail: tuple[int, int, int],
    *,
    limits: Limits | None = None,
    window: Limits | None = None,
    noise: float | None = None,
    mask: NDArray[np.bool_] | None = None,
    added_noise: float = 0.0,
) -> Exhibit:
    """Prepare a picture for the gallery.

    Parameters
    ----------
    image : Image
        In grey.
    detail : (row, column, side)
        In pixels.
    limits, window : (low, high), optional
        By default the 0.5th and 99.8th percentile of the image, and the 20th and 95th of the body.
    noise : float, optional
        By default as `estimate_noise` finds it. Give it where the noise is not white, as speckle.
    mask : ndarray of bool, optional
        The body; by default `body_mask` of the image as it is shown.
    added_noise : float
        Standard deviation of white noise that is added first, for an image whose own is not to be seen.
    """
    values = np.asarray(image.values, np.float32)
    if values.ndim != 2:
        raise ValueError(f"exhibit: image expects grey values, got shape {values.shape}; take one channel")
    if added_noise:
        values = values + np.random.default_rng(0).normal(0, added_noise, values.shape).astype(np.float32)
    low, high = limits or (float(np.percentile(values, 0.5)), float(np.percentile(values, 99.8)))
    first = Exhibit(values, (low, high), detail, 1.0, image.units, image.modality, image.spacing_mm, image.inverted)
    body = imaging.body_mask(first.shown) if mask is None else mask
    row, column, side = detail
    if not (side > 0 and 0 <= row <= values.shape[0] - side and 0 <= column <= values.shape[1] - side):
        raise ValueError(f"exhibit: detail expects a square inside {values.shape}, got {detail}")
    inner = window or (float(np.percentile(values[body], 20)), float(np.percentile(values[body], 95)))
    strength = imaging.estimate_noise(values, body) if noise is None else noise
    return Exhibit(
        values,
        (low, high),
        detail,
        max(strength, (high - low) / 1000),
        image.units,
        image.modality,
        image.spacing_mm,
        image.inverted,
        body,
        inner,
    )


def packaged_exhibits() -> dict[str, Exhibit]:
    """Three real pictures that the dependencies bring with them: a chest radiograph, a CT of a vertebra, a shoulder.

    The radiograph and the MR are averaged to a third and a half of their rows and columns, and white noise is added to
    all: their own would hardly be seen.
    """
    chest = _smaller(read_image(packaged_file("chest_xray")), 3)
    vertebra = read_image(packaged_file("ct_small"))
    shoulder = _smaller(read_image(packaged_file("mr_shoulder")), 2)
    return {
        "CR": exhibit(chest, (300, 60, 128), added_noise=600.0),
        "CT": exhibit(
            vertebra,
            (0, 32, 64),
            limits=(-500.0, 700.0),
            window=(-100.0, 300.0),
            mask=imaging.body_mask(vertebra.values, -500),
            added_noise=20.0,
        ),
        "MR": exhibit(
            shoulder,
            (190, 190, 128),
            limits=(0.0, 1500.0),
            window=(100.0, 1400.0),
            mask=imaging.body_mask(imaging.gaussian_filter(shoulder.values, 2.0), 80, opening_mm=4.0),
            added_noise=50.0,
        ),
    }


def phantom_exhibits() -> dict[str, Exhibit]:
    """Five pictures from `mediml.imaging.phantoms`: chest radiograph, chest CT, head MR, liver, colon with barium.

    Some seconds, most of them for the CT. The noise of the MR is Rician, that of the ultrasound is speckle, and that of
    the others quantum noise of a low dose.
    """
    from mediml.imaging import phantoms  # here, because whoever has pictures of his own need not load them

    chest = phantoms.chest_radiograph(photons=2e3)
    thorax = phantoms.chest_ct(slices=1, range_mm=(-2.5, 2.5), photons=2e4).volume.plane(0)
    grid = phantoms.brain_anatomy(shape=(1, 256, 256), spacing_mm=(5.0, 0.9, 0.9))
    head = phantoms.brain_mr(grid, "T1", bias=0.4)
    liver = phantoms.ultrasound(organ="liver", finding="cyst").image
    colon = phantoms.barium_series(angles_deg=(0.0,), photons=4e3).images[0]
    body = imaging.body_mask(thorax.values, -500, opening_mm=4.0, spacing_mm=thorax.spacing_mm or 1.0)
    return {
        "CR": exhibit(chest.image, (210, 120, 128), window=(600.0, 2800.0)),
        "CT": exhibit(thorax, (90, 90, 72), limits=(-1000.0, 400.0), window=(-160.0, 240.0), noise=25.0, mask=body),
        "MR": exhibit(head.volume.plane(0), (70, 70, 80), limits=(0.0, 1300.0), window=(300.0, 1200.0)),
        "US": exhibit(liver, (110, 200, 128), limits=(0.0, 255.0), window=(40.0, 180.0), noise=25.0),
        "RF": exhibit(colon, (60, 60, 128), limits=(0.0, 7000.0), window=(1500.0, 5500.0)),
    }


def gallery_exhibits() -> dict[str, Exhibit]:
    """The real chest radiograph, and the phantoms of the other modalities."""
    return {**phantom_exhibits(), "CR": packaged_exhibits()["CR"]}


def _smaller(image: imaging.Image, factor: int) -> imaging.Image:
    rows, columns = (size // factor for size in image.shape)
    values = imaging.resize_area(image.values[: rows * factor, : columns * factor], (rows, columns))
    spacing = image.spacing_mm and (image.spacing_mm[0] * factor, image.spacing_mm[1] * factor)
    return replace(image, stored=values, values=values, spacing_mm=spacing, padding=None)
