"""Seeded smooth random fields in space: the folds, borders and textures of the phantoms."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

__all__ = ["SmoothField", "band_noise"]


def band_noise(rng: np.random.Generator, shape: tuple[int, ...], finest: float, coarsest: float) -> NDArray[np.float32]:
    """White noise between two scales, of mean 0 and standard deviation 1: G(finest) * w - G(coarsest) * w.

    Parameters
    ----------
    rng : Generator
    shape : tuple of int
    finest, coarsest : float
        Standard deviations of the two Gaussians, in elements; `coarsest` may be infinite. The edges are periodic.
    """
    white = rng.standard_normal(shape, dtype=np.float32)
    field = gaussian_filter(white, finest, mode="wrap", truncate=3)
    if np.isfinite(coarsest):
        field -= gaussian_filter(white, coarsest, mode="wrap", truncate=3)
    field -= field.mean()
    return np.asarray(field / max(float(field.std()), 1e-12), np.float32)


class SmoothField:
    """A random function of place: drawn once on a grid that does not depend on the picture's, linear in between.

    Parameters
    ----------
    values : ndarray
        One number per grid point; outside of the grid it repeats.
    step : float
        Distance between grid points, in the unit of the places.
    """

    def __init__(self, values: NDArray[Any], step: float) -> None:
        self._values = np.asarray(values, np.float32)
        self._step = step

    def __call__(self, *place: NDArray[Any]) -> NDArray[np.float32]:
        """The field at places given by one array per axis; the grid's centre is place 0."""
        index = [axis / np.float32(self._step) + np.float32(n / 2) for axis, n in zip(place, self._values.shape)]
        stacked = np.stack(np.broadcast_arrays(*index))
        return np.asarray(map_coordinates(self._values, stacked, order=1, mode="grid-wrap", output=np.float32))
