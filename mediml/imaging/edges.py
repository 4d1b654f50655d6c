"""Derivatives of images: where values change, how steeply, in which direction.

Both filters run on this project's own convolution, ``kernels/conv/cpu.py``; lesson 04 opens it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mediml.imaging.correlation import check_border, convolve_axes, convolve_full, floats, grid_steps

__all__ = ["Gradient", "laplacian", "sobel"]


@dataclass(frozen=True, eq=False)
class Gradient:
    """Slopes of an image along its axes.

    Attributes
    ----------
    components : ndarray of shape (2, rows, columns) or (3, planes, rows, columns)
        ``components[a]`` is the slope along axis a: positive where values grow with the index.
    """

    components: NDArray[Any]

    @property
    def magnitude(self) -> NDArray[Any]:
        """Steepness: sqrt(sum_a components[a]^2), of the image's shape, at least 0."""
        # hypot neither overflows nor loses what is tiny.
        return np.asarray(np.hypot.reduce(self.components, axis=0))

    @property
    def direction(self) -> NDArray[Any]:
        """Where values grow fastest: unit vectors of the shape of `components`, 0 where the image is flat."""
        length = self.magnitude
        return np.asarray(np.divide(self.components, length, out=np.zeros_like(self.components), where=length > 0))

    @property
    def angle(self) -> NDArray[Any]:
        """Direction in a picture, in radians: atan2(row component, column component).

        0 points to the right, pi / 2 down the screen (rows count downwards), and it is 0 where the image is flat.
        """
        if len(self.components) != 2:
            raise ValueError("angle: expects the gradient of a picture, got that of a volume; use direction")
        return np.asarray(np.arctan2(self.components[0], self.components[1]))


def sobel(
    image: ArrayLike, spacing_mm: tuple[float, ...] | None = None, mode: str = "reflect", cval: float = 0.0
) -> Gradient:
    """Slope along each axis, smoothed across it.

                           | -1 0 1 |                                | -1 -2 -1 |
        g[1] = 1 / (8 dx)  | -2 0 2 |  over x      g[0] = 1 / (8 dy) |  0  0  0 |  over x
                           | -1 0 1 |                                |  1  2  1 |

    That is the difference (x[i + 1] - x[i - 1]) / 2 along the axis and the weights (1, 2, 1) / 4 along each other one,
    in volumes as well. With this factor (1/8 in pictures, 1/32 in volumes) a ramp gives its slope. Others leave it out:
    scipy.ndimage.sobel is 8 or 32 times as large, skimage.filters.sobel_h twice.

    Parameters
    ----------
    image : array_like of shape (rows, columns) or (planes, rows, columns)
        Any unit.
    spacing_mm : tuple of float, optional
        Distance of neighbours along each axis. With it slopes are per mm, else per pixel.
    mode : {"reflect", "mirror", "nearest", "wrap", "constant"}
        What lies outside, in the names of scipy.ndimage; `cval` with ``"constant"``.
    cval : float

    Returns
    -------
    Gradient
        `components`, `magnitude`, `direction`; float32 (float64 where `image` is), in units of `image` per mm or pixel.

    Raises
    ------
    ValueError
        For an unknown `mode`, a `spacing_mm` that does not fit, a colour image.

    Notes
    -----
    The weights are antisymmetric, so here it matters: this is cross-correlation, which looks forward along the axis. A
    true convolution would give the opposite sign. A constant image gives exactly 0. A NaN reaches every pixel whose
    window holds it. Taught in lessons 03, Preprocessing, and 04, Convolution.

    References
    ----------
    I. Sobel, G. Feldman, "A 3x3 isotropic gradient operator for image processing", Stanford AI project (1968).
    """
    x = floats("sobel", image)
    check_border("sobel", mode)
    difference, across = np.array([-0.5, 0, 0.5]), np.array([0.25, 0.5, 0.25])
    spacing = grid_steps("sobel", spacing_mm, x.ndim)
    components = np.empty((x.ndim, *x.shape), x.dtype)
    for axis in range(x.ndim):
        weights = [difference / spacing[a] if a == axis else across for a in range(x.ndim)]
        # The slope first: a constant is then exactly 0 before anything is rounded.
        components[axis] = convolve_axes(x, weights, mode, cval, 0.0)
    return Gradient(components)


def laplacian(
    image: ArrayLike, spacing_mm: tuple[float, ...] | None = None, mode: str = "reflect", cval: float = 0.0
) -> NDArray[Any]:
    """Sum of the second derivatives: how far a pixel lies below the mean of its neighbours.

        y[i, j] = (x[i + 1, j] - 2 x[i, j] + x[i - 1, j]) / dy^2 + (x[i, j + 1] - 2 x[i, j] + x[i, j - 1]) / dx^2

    and likewise with a third term in volumes. Negative on a bright line or dot, zero on a ramp; it changes sign at an
    edge. ``image - a * laplacian(image)`` sharpens.

    Parameters
    ----------
    image : array_like of shape (rows, columns) or (planes, rows, columns)
        Any unit.
    spacing_mm : tuple of float, optional
        Distance of neighbours along each axis; 1 pixel without it.
    mode : {"reflect", "mirror", "nearest", "wrap", "constant"}
        What lies outside, in the names of scipy.ndimage; `cval` with ``"constant"``.
    cval : float

    Returns
    -------
    ndarray of the shape of `image`, float32 (float64 where `image` is), in units of `image` per mm² or per pixel²

    Raises
    ------
    ValueError
        For an unknown `mode`, a `spacing_mm` that does not fit, a colour image.

    Notes
    -----
    One pass with a kernel of 3 × 3 or 3 × 3 × 3 on ``kernels/conv/cpu.py``; symmetric, so correlation and convolution
    agree. A constant image gives exactly 0. A NaN reaches every pixel whose window holds it. Without spacing equal to
    scipy.ndimage.laplace. Taught in lessons 03, Preprocessing, and 04, Convolution.
    """
    x = floats("laplacian", image)
    check_border("laplacian", mode)
    kernel = np.zeros((3,) * x.ndim)
    for axis, step in enumerate(grid_steps("laplacian", spacing_mm, x.ndim)):
        line = [1] * x.ndim
        for place, weight in enumerate((1, -2, 1)):
            line[axis] = place
            kernel[tuple(line)] += weight / step**2
    return convolve_full(x, kernel, mode, cval, 0.0)
