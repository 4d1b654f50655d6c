"""Noise removal by asking for the image that varies least."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mediml.imaging.arrays import number, whole
from mediml.imaging.correlation import finite, grid_steps

__all__ = ["total_variation"]


def total_variation(
    image: ArrayLike,
    weight: float,
    spacing_mm: tuple[float, ...] | None = None,
    tolerance: float = 0.01,
    most_steps: int = 1000,
) -> NDArray[Any]:
    """The image that is near the given one and varies least.

        y = argmin_u E(u),    E(u) = 1/2 sum_p (u[p] - x[p])^2 + weight sum_p |grad u[p]|
        |grad u[p]| = sqrt(sum over the axes of ((u[p + 1] - u[p]) / h)^2)

    with the neighbours' distance h along the axis, 1 pixel or that of `spacing_mm`. Noise is flattened and edges stay
    sharp, at a price that can be calculated: a flat region of area A and perimeter P moves towards its surroundings by
    weight P / A, and a small one is gone. Slow changes turn into steps ("staircase").

    Parameters
    ----------
    image : array_like of shape (rows, columns) or (planes, rows, columns)
        Any unit.
    weight : float
        In units of `image` times pixels, or times mm with `spacing_mm`; above 0. Usually of the order of the noise's
        standard deviation (times the pixel's size).
    spacing_mm : tuple of float, optional
        Distance of neighbours along each axis.
    tolerance : float
        Ends when the result is known to lie within ``tolerance * weight / (smallest h)`` of the minimum, root mean
        square; above 0.
    most_steps : int
        Ends after so many steps in any case.

    Returns
    -------
    ndarray of the shape of `image`, float32 (float64 where `image` is), in its unit
        Its mean is that of `image`.

    Raises
    ------
    ValueError
        For a `weight` or `tolerance` that is not positive, NaN or infinite values, a colour image.

    Notes
    -----
    Accelerated projected gradient on the dual problem, u = x + weight div p with |p| <= 1. Its gap,
    weight sum (|grad u| - p · grad u), is an upper bound of 1/2 |u - y|^2, which makes the tolerance a certain one.
    skimage.restoration.denoise_tv_chambolle minimises the same energy, but scales integers to [0, 1] and, by default,
    ends well before the minimum. Multiplying `image` and `weight` by the same number multiplies the result by it.
    Taught in lesson 03, Preprocessing.

    References
    ----------
    L. Rudin, S. Osher, E. Fatemi, "Nonlinear total variation based noise removal algorithms", Physica D 60 (1992).
    A. Chambolle, "An algorithm for total variation minimization and applications", Journal of Mathematical Imaging and
    Vision 20 (2004): the dual problem. A. Beck, M. Teboulle, "Fast gradient-based algorithms for constrained total
    variation image denoising and deblurring problems", IEEE Transactions on Image Processing 18 (2009): the method.
    """
    x = finite("total_variation", image)
    strength = number("total_variation", "weight", weight)
    distances = grid_steps("total_variation", spacing_mm, x.ndim)
    error = number("total_variation", "tolerance", tolerance) * strength / min(distances)
    most_steps = whole("total_variation", "most_steps", most_steps, 1)
    middle = x.mean(dtype=np.float64)
    z = (x - middle).astype(x.dtype)
    step = x.dtype.type(1 / (strength * sum(4 / h**2 for h in distances)))
    p = np.zeros((x.ndim, *x.shape), x.dtype)
    ahead, momentum = p, 1.0
    for count in range(most_steps):
        raised = ahead + step * _slopes(z + x.dtype.type(strength) * _divergence(ahead, distances), distances)
        following = raised / np.maximum(1, np.sqrt((raised**2).sum(axis=0)))
        later = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = following + x.dtype.type((momentum - 1) / later) * (following - p)
        p, momentum = following, later
        if count % 10 == 9:
            slopes = _slopes(z + x.dtype.type(strength) * _divergence(p, distances), distances)
            gap = strength * float((np.sqrt((slopes**2).sum(axis=0)) - (p * slopes).sum(axis=0)).sum(dtype=np.float64))
            if 2 * gap <= error**2 * x.size:
                break
    return np.asarray(z + strength * _divergence(p, distances) + middle, x.dtype)


def _slopes(u: NDArray[Any], distances: tuple[float, ...]) -> NDArray[Any]:
    """Forward differences along each axis, 0 at its end."""
    slopes = np.zeros((u.ndim, *u.shape), u.dtype)
    for axis, h in enumerate(distances):
        part = (slice(None),) * axis + (slice(None, -1),)
        slopes[axis][part] = np.diff(u, axis=axis) / u.dtype.type(h)
    return slopes


def _divergence(p: NDArray[Any], distances: tuple[float, ...]) -> NDArray[Any]:
    """Minus the transpose of `_slopes`: sum over all pixels of u _divergence(p) + p · _slopes(u) is 0."""
    total = np.zeros(p.shape[1:], p.dtype)
    for axis, h in enumerate(distances):
        before, after = ((slice(None),) * axis + (part,) for part in (slice(None, -1), slice(1, None)))
        flow = p[axis][before] / p.dtype.type(h)
        total[before] += flow
        total[after] -= flow
    return total
