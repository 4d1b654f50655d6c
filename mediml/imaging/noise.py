"""How strong the noise is, and what noise does to the mean of a magnitude image."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mediml.imaging.arrays import as_mask, number
from mediml.imaging.correlation import finite, floats, unpadded

__all__ = ["correct_rician_bias", "estimate_noise", "rician_mean"]

#: Median of |z| for a standard normal z, and for one of which only |z| <= 3 is kept.
NORMAL_MEDIAN, CLIPPED_MEDIAN = 0.6744897501960817, 0.6723673


def estimate_noise(image: ArrayLike, mask: ArrayLike | None = None) -> float:
    """Standard deviation of white noise, from the picture itself.

                       |  1 -2  1 |
        r = N x,   N = | -2  4 -2 |,      sigma = median |r| / (0.6745 * 6)
                       |  1 -2  1 |

    N takes out whatever is flat, a ramp or a straight edge along an axis; on white noise it gives 6 sigma, since its
    weights' squares sum to 36. The median is hardly moved by windows that hold other edges, and those beyond 3 sigma
    are left out: the formula again, with 0.6724, until it stays.

    Parameters
    ----------
    image : array_like of shape (rows, columns) or (planes, rows, columns)
        At least 3 rows and 3 columns. Any unit; planes are taken one by one, however thick.
    mask : array_like of bool, of the shape of `image`, optional
        Where to measure: only windows that lie in it as a whole count.

    Returns
    -------
    float
        In the unit of `image`; 0.0 where nothing varies.

    Raises
    ------
    ValueError
        For a smaller image, a mask in which no window fits, NaN or infinite values (in the mask), a colour image.

    Notes
    -----
    Windows without any variation (padding, a black frame, saturation) do not count. Noise that is not white is
    underestimated, for N looks at the finest detail: after smoothing, interpolation or JPEG, and in CT, whose
    reconstruction filter shapes it. In the air of an MR magnitude image the noise is Rayleigh's, of 0.655 sigma; give a
    mask of the body. N runs on ``kernels/conv/cpu.py``. Taught in lesson 03, Preprocessing.

    References
    ----------
    J. Immerkær, "Fast noise variance estimation", Computer Vision and Image Understanding 64 (1996): the operator N.
    D. Donoho, I. Johnstone, "Ideal spatial adaptation by wavelet shrinkage", Biometrika 81 (1994): the median.
    """
    x = floats("estimate_noise", image)
    inside = np.ones(x.shape, bool) if mask is None else as_mask("estimate_noise", mask, x.shape)
    if min(x.shape[-2:]) < 3:
        raise ValueError(f"estimate_noise: image expects at least 3 rows and 3 columns, got {x.shape}")
    x = finite("estimate_noise", np.where(inside, x, x.dtype.type(0)))
    planes, inside = x.reshape(-1, *x.shape[-2:]), inside.reshape(-1, *x.shape[-2:])
    windows = np.lib.stride_tricks.sliding_window_view(inside, (3, 3), (1, 2)).all(axis=(3, 4))
    if not windows.any():
        raise ValueError("estimate_noise: mask expects at least one 3 × 3 window inside, got none")
    values = np.lib.stride_tricks.sliding_window_view(planes, (3, 3), (1, 2))
    windows &= (values != values[..., :1, :1]).any(axis=(3, 4))
    if not windows.any():
        return 0.0
    # Around 0 a float32 keeps the digits that a large offset such as -1000 HU would cost.
    response = unpadded(planes - planes[inside].mean(), np.outer([1, -2, 1], [1, -2, 1])[None])
    size = np.abs(response[windows].astype(np.float64)) / 6
    sigma = float(np.median(size)) / NORMAL_MEDIAN
    for _ in range(20):
        last, sigma = sigma, float(np.median(size[size <= 3 * sigma])) / CLIPPED_MEDIAN
        if abs(sigma - last) <= 1e-3 * last:
            break
    return sigma


def rician_mean(signal: ArrayLike, sigma: float) -> NDArray[Any]:
    """Mean of an MR magnitude image over repeated scans: larger than the signal, most of all where that is weak.

        M = |A + n1 + i n2|,  n1 and n2 normal of standard deviation sigma
        E[M] = sigma sqrt(pi / 2) exp(-t / 2) ((1 + t) I0(t / 2) + t I1(t / 2)),       t = A^2 / (2 sigma^2)

    It is 1.2533 sigma where there is no signal, and about A + sigma^2 / (2 A) where it is strong.

    Parameters
    ----------
    signal : array_like
        A, at least 0, of any shape.
    sigma : float
        Standard deviation of the noise of either part, in the same unit, above 0.

    Returns
    -------
    ndarray of the shape of `signal`, float32 (float64 where `signal` is)

    Raises
    ------
    ValueError
        For a negative signal or a `sigma` that is not positive.

    References
    ----------
    S. O. Rice, "Mathematical analysis of random noise", Bell System Technical Journal 24 (1945), section 3.10.
    Taught in lesson 03, Preprocessing.
    """
    from scipy.special import ive  # exp(-|x|) I(x): neither factor overflows

    a = np.asarray(signal)
    number("rician_mean", "sigma", sigma)
    if (a < 0).any():
        raise ValueError("rician_mean: signal expects values of at least 0, got negative ones")
    t = (a.astype(np.float64) / sigma) ** 2 / 2
    mean = sigma * np.sqrt(np.pi / 2) * ((1 + t) * ive(0, t / 2) + t * ive(1, t / 2))
    return np.asarray(mean, np.float64 if a.dtype == np.float64 else np.float32)


def correct_rician_bias(mean: ArrayLike, sigma: float) -> NDArray[Any]:
    """The signal whose magnitude image has this mean: the inverse of `rician_mean`.

    Parameters
    ----------
    mean : array_like
        Local means of an MR magnitude image: a denoised image, or the average of a region. Of any shape.
    sigma : float
        Standard deviation of the noise of the real and imaginary part, in the unit of `mean`, above 0. Where there is
        signal it is that of the magnitude image; in air it is 1.527 times that.

    Returns
    -------
    ndarray of the shape of `mean`, float32 (float64 where `mean` is)
        0 where `mean` is at or below 1.2533 sigma, which noise alone reaches. NaN stays NaN.

    Raises
    ------
    ValueError
        For a `sigma` that is not positive.

    Notes
    -----
    For means, not for noisy pixels: the inverse is steep where the signal is weak, and single pixels would be scattered
    rather than corrected. For one receiver coil, or several combined by their sensitivities; a sum of squares over n
    coils has another law. Taught in lesson 03, Preprocessing.

    References
    ----------
    H. Gudbjartsson, S. Patz, "The Rician distribution of noisy MRI data", Magnetic Resonance in Medicine 34 (1995).
    C. G. Koay, P. J. Basser, "Analytically exact correction scheme for signal extraction from noisy magnitude MR
    signals", Journal of Magnetic Resonance 179 (2006).
    """
    m = np.asarray(mean)
    number("correct_rician_bias", "sigma", sigma)
    relative = m.astype(np.float64) / sigma
    # Squares, in which the curve is nearly straight and starts with a slope: interpolation is then exact to 1e-5.
    signals = np.linspace(0, 40, 8001)
    squares = np.interp(relative**2, rician_mean(signals, 1.0) ** 2, signals**2)
    strong = relative > 40
    weak_or_known = np.sqrt(squares)
    safe = np.where(strong, relative, 1)
    signal = np.where(strong, safe - 1 / (2 * safe), np.where(relative < 0, 0, weak_or_known))
    return np.asarray(signal * sigma, np.float64 if m.dtype == np.float64 else np.float32)
