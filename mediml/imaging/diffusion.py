"""Noise removal by a flow of values that edges hold back."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mediml.imaging.arrays import number, whole
from mediml.imaging.correlation import finite, grid_steps

__all__ = ["anisotropic_diffusion"]


def anisotropic_diffusion(
    image: ArrayLike,
    kappa: float,
    steps: int = 10,
    dt: float | None = None,
    option: int = 1,
    spacing_mm: tuple[float, ...] | None = None,
) -> NDArray[Any]:
    """Let values flow between neighbours, less where they differ much.

        x <- x + dt sum over the neighbours q of p:  g(s) s / h         s = (x[q] - x[p]) / h, the slope to q
        g(s) = exp(-(s / kappa)^2)  (option 1)        g(s) = 1 / (1 + (s / kappa)^2)  (option 2)

    with the neighbours' distance h, 1 pixel or that of `spacing_mm`. What leaves one pixel enters another and nothing
    crosses the border, so the mean stays. With a very large `kappa` it is the heat equation: a Gaussian blur whose
    variance is 2 dt `steps`.

    Parameters
    ----------
    image : array_like of shape (rows, columns) or (planes, rows, columns)
        Any unit.
    kappa : float
        In units of `image` per pixel, or per mm with `spacing_mm`; above 0. Slopes well below it are smoothed away.
        From kappa / sqrt(2) (option 1) or kappa (option 2) on, a larger slope passes less, and edges stay or get
        steeper.
    steps : int
        At least 0.
    dt : float, optional
        Length of a step, at most 1 / (2 sum_axes 1 / h^2), which is 1/4 in pictures and 1/6 in volumes of pixels; in
        mm² with `spacing_mm`. Half of that by default.
    option : {1, 2}
        1 favours edges of high contrast over such of low, 2 wide regions over small ones.
    spacing_mm : tuple of float, optional
        Distance of neighbours along each axis.

    Returns
    -------
    ndarray of the shape of `image`, float32 (float64 where `image` is), in its unit
        Between the smallest and the largest value of `image`; the sums are float64.

    Raises
    ------
    ValueError
        For a `dt` at which the scheme is not stable, an unknown `option`, a `kappa` that is not positive, NaN or
        infinite values, a colour image.

    Notes
    -----
    Explicit scheme; below the bound no step makes a new maximum or minimum. Taught in lesson 03, Preprocessing.

    References
    ----------
    P. Perona, J. Malik, "Scale-space and edge detection using anisotropic diffusion", IEEE Transactions on Pattern
    Analysis and Machine Intelligence 12 (1990), equations 7 to 9 (there dt = lambda).
    """
    x = finite("anisotropic_diffusion", image)
    edge = number("anisotropic_diffusion", "kappa", kappa)
    distances = grid_steps("anisotropic_diffusion", spacing_mm, x.ndim)
    largest = 1 / (2 * sum(1 / h**2 for h in distances))
    dt = largest / 2 if dt is None else number("anisotropic_diffusion", "dt", dt)
    if dt > largest * (1 + 1e-12):
        raise ValueError(
            f"anisotropic_diffusion: dt expects at most {largest:.6g}, beyond which the steps are unstable, got {dt}; "
            f"take more steps of a smaller dt"
        )
    steps = whole("anisotropic_diffusion", "steps", steps, 0)
    if option not in (1, 2):
        raise ValueError(f"anisotropic_diffusion: option expects 1 or 2, got {option}")
    y = x.astype(np.float64)
    for _ in range(steps):
        change = np.zeros_like(y)
        for axis, h in enumerate(distances):
            slope = np.diff(y, axis=axis) / h
            relative = (slope / edge) ** 2
            flow = slope * (np.exp(-relative) if option == 1 else 1 / (1 + relative)) / h
            before, after = ([slice(None)] * axis + [part] for part in (slice(None, -1), slice(1, None)))
            change[tuple(before)] += flow
            change[tuple(after)] -= flow
        y += dt * change
    return y.astype(x.dtype)
