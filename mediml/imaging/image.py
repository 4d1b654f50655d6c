"""An image with all that is needed to read its numbers: units, spacing, how to show it, and what was done to it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediml.imaging.intensity import lookup, window
from mediml.imaging.steps import Step

__all__ = ["DicomError", "Image", "ImageError", "LookupView", "PictureError", "Step", "WindowView", "shown", "times"]


class ImageError(ValueError):
    """An image file was refused. The message names the reason and never what the file says about a person."""


class DicomError(ImageError):
    """A DICOM file was refused. The message names the attribute by its tag."""


class PictureError(ImageError):
    """A PNG or JPEG file was refused."""


def times(numbers: Iterable[float]) -> str:
    """Sizes or steps as a sentence says them: ``"512 × 512"``."""
    return " × ".join(f"{number:.4g}" if isinstance(number, float) else str(number) for number in numbers)


@dataclass(frozen=True)
class WindowView:
    """One window of the file: `center` and `width` in the unit of the values.

    `explanation` is what the file calls it, such as ``"LUNG"``, from a closed list; ``""`` where it says nothing.
    """

    center: float
    width: float
    function: str = "LINEAR"
    explanation: str = ""

    def apply(self, values: NDArray[Any]) -> NDArray[Any]:
        return window(values, self.center, self.width, self.function)

    def __str__(self) -> str:
        return f"window {self.center:g}/{self.width:g} {self.function}"


@dataclass(frozen=True)
class LookupView:
    """One VOI lookup table of the file: entries of `bits` bits, the first of them for the value `first`."""

    first: int
    table: NDArray[np.uint16]
    bits: int

    def apply(self, values: NDArray[Any]) -> NDArray[Any]:
        return lookup(values, self.first, self.table.astype(np.float32) / (2**self.bits - 1)).clip(0, 1)

    def __str__(self) -> str:
        return f"lookup table of {self.table.size} entries"


@dataclass(frozen=True, eq=False)
class Image:
    """A single picture: one X-ray, one slice, one frame.

    Attributes
    ----------
    stored : ndarray of shape (rows, columns), or (rows, columns, 3) in colour
        The file's numbers.
    values : ndarray of the same shape, float32 (float64 for files of more than 16 bits)
        Physical values in `units`: stored values through the rescale or the modality lookup table.
    units : str
        ``"HU"``, another DICOM rescale type, a unit of PET such as ``"BQML"``, ``"GY"`` of doses, or ``"arbitrary"``.
    modality : str
        As in DICOM: ``"CR"``, ``"CT"``, …; ``"picture"`` for PNG and JPEG; ``"unknown"``.
    spacing_mm : tuple of two float or None
        Distance between the centres of neighbouring rows, then columns.
    spacing_at : str or None
        ``"patient"`` or ``"detector"``.
    aspect : float
        Height of a pixel over its width; 1.0 where nothing is said.
    views : tuple of WindowView or LookupView
        Alternative ways to show the values, the file's own order, never to be combined.
    inverted : bool
        True where a low value is to be shown white (MONOCHROME1).
    padding : ndarray of bool or None
        True where the device filled in, outside of what it measured.
    orientation, origin_mm : tuple of float or None
        Image Orientation (Patient) and Image Position (Patient), where given.
    facts : mapping of str to str
        Technical attributes from closed lists of terms: ``body_part``, ``view_position``, ``laterality``,
        ``patient_orientation``, ``lossy``, ``pixel_intensity`` (``"LIN"``, ``"LOG"``, ``"DISP"``), ``burned_in``;
        ``""`` where absent. Nothing identifying.
    age_years : float or None
        Age at the time of the image, at most 90.
    account : tuple of Step
        What was done, in order.
    doubts : tuple of Step
        What the file leaves open or says twice differently.
    """

    stored: NDArray[Any]
    values: NDArray[Any]
    units: str = "arbitrary"
    modality: str = "unknown"
    spacing_mm: tuple[float, float] | None = None
    spacing_at: str | None = None
    aspect: float = 1.0
    views: tuple[WindowView | LookupView, ...] = ()
    inverted: bool = False
    padding: NDArray[np.bool_] | None = None
    orientation: tuple[float, ...] | None = None
    origin_mm: tuple[float, ...] | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    age_years: float | None = None
    account: tuple[Step, ...] = ()
    doubts: tuple[Step, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return (self.values.shape[0], self.values.shape[1])

    @property
    def is_grey(self) -> bool:
        """False for a colour image."""
        return self.values.ndim == 2

    @property
    def size_mm(self) -> tuple[float, float] | None:
        """Height and width, where the spacing is known."""
        if self.spacing_mm is None:
            return None
        return (self.shape[0] * self.spacing_mm[0], self.shape[1] * self.spacing_mm[1])

    def display(self, view: int | WindowView | LookupView = 0) -> NDArray[Any]:
        """The image as it is meant to be seen.

        Parameters
        ----------
        view : int, WindowView or LookupView
            Which of `views`, or one of your own. Without any view the full range of the values is shown.

        Returns
        -------
        ndarray of the shape of `values`, float32
            0 is black, 1 is white, whatever the file's polarity. Padding is black.
        """
        if not self.is_grey:
            return np.asarray(self.values / np.float32(255), np.float32)
        return shown(self, view)


def shown(image: Any, view: int | WindowView | LookupView) -> NDArray[Any]:
    """The display of an `Image` or a `Volume` in grey, float32: 0 black, 1 white, padding black."""
    result = _through(image, view)
    if image.inverted:
        result = 1 - result
    if image.padding is not None:
        result = np.where(image.padding, 0, result)
    return np.asarray(result, np.float32)


def _through(image: Any, view: int | WindowView | LookupView) -> NDArray[Any]:
    if not isinstance(view, int):
        return view.apply(image.values)
    if image.views:
        if not 0 <= view < len(image.views):
            raise ValueError(f"display: view expects 0 to {len(image.views) - 1}, got {view}")
        return image.views[view].apply(image.values)
    measured = image.values if image.padding is None else image.values[~image.padding]
    low, high = (float(measured.min()), float(measured.max())) if measured.size else (0.0, 0.0)
    if high <= low:
        return np.zeros(image.shape, np.float32)
    return np.clip((image.values - low) / (high - low), 0, 1)
