"""Random changes of an image together with its mask, for training a network that segments.

`mediml.data.augmentation.Augmentation` is for another purpose: it changes whole batches of small images of a known
class while a network is trained, without masks, millimetres or mirrors, and many times faster.
Taught in lesson 03, Preprocessing.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mediml.imaging.arrays import as_floats, as_range
from mediml.imaging.contrast import gamma
from mediml.imaging.movement import checked_pair, checked_swap, elastic_displacement, flip, move

__all__ = ["Augmented", "PairedAugmentation"]


@dataclass(frozen=True, eq=False)
class Augmented:
    """What a `PairedAugmentation` made, and how.

    Attributes
    ----------
    image : ndarray, float32 (float64 where the image was)
    mask : ndarray of the dtype of the mask, or None
    done : mapping of str to number, tuple or None
        What was drawn: ``flipped`` (axes), ``rotation_rad``, ``scale``, ``shift_mm``, ``elastic_mm``, ``gamma``,
        ``gain``, ``offset``, ``noise``. With it a figure can say what it shows.
    displacement_mm : ndarray of shape (axes, *shape), or None
        The elastic part.
    """

    image: NDArray[Any]
    mask: NDArray[Any] | None
    done: Mapping[str, Any]
    displacement_mm: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class PairedAugmentation:
    """Random changes of one image and its mask: mirror, turn, scale, shift and bend both; gamma, gain, offset and noise
    of the image only.

    Each range is symmetric: a value is drawn uniformly from -range to +range. With 0 nothing is done. The default is
    gentle and mirrors nothing.

    Attributes
    ----------
    rotation_rad : float
        Range of the angle; in a volume of each of its three angles.
    scale : float
        Range of the relative change of size, at least 0 and below 1.
    shift_mm : float
        Range of the shift along each axis.
    elastic_mm : float
        Largest standard deviation of the displacement; that of one image is drawn from 0 to it.
    smoothness_mm : float
        Of the displacement, at least 4 `elastic_mm`. See `elastic_displacement`.
    flip_axes : tuple of int
        Each is mirrored with probability 1/2, by the rules of `flip`.
    laterality_matters, swap
        As of `flip`. A mirror that is not allowed is refused whenever the object is called, whatever is drawn.
    gamma : float
        Range of the logarithm of the exponent: log 2 goes from 1/2 to 2. See `mediml.imaging.gamma`.
    value_range : tuple of two float or None
        Of the images, for `gamma`, which needs it.
    gain : float
        Range of the relative change of contrast.
    offset : float
        Range of the change of brightness, in the unit of the image.
    noise : float
        Largest standard deviation of white Gaussian noise, in the unit of the image; that of one image is drawn from 0
        to it.
    fill : float or None
        What comes from outside. See `move`.

    References
    ----------
    Taught in lesson 03, Preprocessing.
    """

    rotation_rad: float = 0.17
    scale: float = 0.1
    shift_mm: float = 5.0
    elastic_mm: float = 0.0
    smoothness_mm: float = 20.0
    flip_axes: tuple[int, ...] = ()
    laterality_matters: bool = True
    swap: tuple[tuple[int, int], ...] = ()
    gamma: float = 0.0
    value_range: tuple[float, float] | None = None
    gain: float = 0.1
    offset: float = 0.0
    noise: float = 0.0
    fill: float | None = None

    def __post_init__(self) -> None:
        for name in (each.name for each in fields(self) if each.type in (float, "float")):
            value = getattr(self, name)
            if not np.isfinite(value) or value < 0:
                raise ValueError(f"PairedAugmentation: {name} expects a finite number of at least 0, got {value}")
        if self.scale >= 1:
            raise ValueError(f"PairedAugmentation: scale expects less than 1, got {self.scale}")
        if self.elastic_mm * 4 > self.smoothness_mm:
            raise ValueError(
                f"PairedAugmentation: elastic_mm expects at most a quarter of smoothness_mm, or the image folds over; "
                f"got {self.elastic_mm} and {self.smoothness_mm}"
            )
        if self.value_range is not None:
            as_range("PairedAugmentation", self.value_range)
        elif self.gamma > 0:
            raise ValueError("PairedAugmentation: gamma expects value_range, the values of black and white, got None")
        checked_swap("PairedAugmentation", self.swap)

    def __call__(
        self,
        image: ArrayLike,
        mask: ArrayLike | None,
        generator: np.random.Generator,
        spacing_mm: float | Sequence[float] = 1.0,
        axis_codes: Sequence[str] | None = None,
    ) -> Augmented:
        """A changed copy of an image and its mask.

        Parameters
        ----------
        image, mask : array_like
            As of `move`; the mask may be None.
        generator : numpy.random.Generator
            The same state gives the same result. How much is drawn from it depends on the number of axes only, so that
            a range can be changed without changing the rest.
        spacing_mm : float or sequence of float
            In the order of the axes; 1 where the ranges are to count pixels.
        axis_codes : sequence of str, optional
            As of `flip`.

        Returns
        -------
        Augmented
        """
        pixels, labels = checked_pair("PairedAugmentation", image, mask)
        axes = pixels.ndim
        x = as_floats("PairedAugmentation", pixels)
        drawn = iter(generator.uniform(-1, 1, 3 * axes + 6).tolist())
        field_seed, noise_seed = generator.integers(2**63, size=2)
        mirrored = [next(drawn) < 0 for _ in range(axes)]
        angles = tuple(next(drawn) * self.rotation_rad for _ in range(axes))
        shifts = tuple(next(drawn) * self.shift_mm for _ in range(axes))
        done: dict[str, Any] = {
            "rotation_rad": angles[0] if axes == 2 else angles,
            "scale": 1 + next(drawn) * self.scale,
            "shift_mm": shifts,
            "elastic_mm": abs(next(drawn)) * self.elastic_mm,
            "gamma": math.exp(next(drawn) * self.gamma),
            "gain": 1 + next(drawn) * self.gain,
            "offset": next(drawn) * self.offset,
            "noise": abs(next(drawn)) * self.noise,
        }
        flipped = []
        if any(not -axes <= axis < axes for axis in self.flip_axes):
            raise ValueError(f"PairedAugmentation: flip_axes expects axes from 0 to {axes - 1}, got {self.flip_axes}")
        for axis in sorted({axis % axes for axis in self.flip_axes}):
            turned = flip(
                x, labels, axis, axis_codes=axis_codes, laterality_matters=self.laterality_matters, swap=self.swap
            )
            if mirrored[axis]:
                x, labels = turned
                flipped.append(axis)
        bent = None
        if done["elastic_mm"] > 0:
            source = np.random.default_rng(field_seed)
            bent = elastic_displacement(x.shape, done["elastic_mm"], self.smoothness_mm, source, spacing_mm)
        place = {name: done[name] for name in ("rotation_rad", "scale", "shift_mm")}
        x, labels = move(x, labels, spacing_mm=spacing_mm, displacement_mm=bent, fill=self.fill, **place)
        x = self._exposed(x, done, np.random.default_rng(noise_seed))
        return Augmented(x, labels, {"flipped": tuple(flipped), **done}, bent)

    def _exposed(self, x: NDArray[Any], done: Mapping[str, Any], source: np.random.Generator) -> NDArray[Any]:
        """The image as if exposed otherwise. Contrast changes about 0."""
        if self.gamma > 0 and self.value_range is not None:
            x = gamma(x, done["gamma"], self.value_range)
        x = x * x.dtype.type(done["gain"]) + x.dtype.type(done["offset"])
        if done["noise"] > 0:
            x = x + x.dtype.type(done["noise"]) * source.standard_normal(x.shape, x.dtype)
        return x
