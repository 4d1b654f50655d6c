"""Images of two kinds that nobody can confuse, to see whether a generator has learned both.

Mode 0 holds horizontal stripes, mode 1 vertical ones; period, phase, contrast, brightness and noise differ from image
to image within a mode. `mode_of` says by a simple rule which of the two an image is, or that it is neither, so that
the images of a generator can be counted.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["MODES", "mode_of", "two_modes"]

MODES = ("horizontal", "vertical")

#: Columns of the table of random numbers, one row per image.
_COLUMNS = ("mode", "period", "phase", "contrast", "brightness")

#: Smallest share of the pixels' variance that one direction has, and its smallest standard deviation, to be stripes.
_PURITY = 0.7
_CONTRAST = 0.08


def two_modes(
    count: int, size: int = 16, seed: int = 0, share: float = 0.5
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Generate images of the two modes.

    Parameters
    ----------
    count : int
        At least 1. The first images stay the same when `count` grows.
    size : int
        Height and width in pixels, at least 12.
    seed : int
        Not negative.
    share : float
        Probability of mode 1, from 0 to 1.

    Returns
    -------
    images : ndarray of float32, shape (count, 1, size, size)
        From -1 to 1, as a generator with tanh gives them.
    modes : ndarray of int64, shape (count,)
        0 horizontal, 1 vertical stripes.
    """
    if count < 1 or size < 12 or seed < 0 or not 0 <= share <= 1:
        raise ValueError(
            f"two_modes: expected count >= 1, size >= 12, seed >= 0 and a share from 0 to 1, "
            f"got {count}, {size}, {seed} and {share}"
        )
    drawn = dict(zip(_COLUMNS, np.random.default_rng([seed, 0]).random((count, len(_COLUMNS))).T[:, :, None]))
    period = size * (0.25 + 0.25 * drawn["period"])
    along = np.arange(size) + 0.5
    profile = np.sin(2 * np.pi * (along / period + drawn["phase"]))
    profile = (0.4 + 0.35 * drawn["contrast"]) * profile + 0.4 * (drawn["brightness"] - 0.5)
    modes = (drawn["mode"][:, 0] < share).astype(np.int64)
    rows = np.broadcast_to(profile[:, :, None], (count, size, size))
    images = np.where(modes[:, None, None] == 1, rows.transpose(0, 2, 1), rows)
    grain = np.random.default_rng([seed, 1]).standard_normal(images.shape)
    return np.clip(images + 0.03 * grain, -1, 1).astype(np.float32)[:, None], modes


def mode_of(images: ArrayLike) -> NDArray[np.int64]:
    """Which mode each image is.

    Parameters
    ----------
    images : array_like of shape (N, 1, H, W) or (N, H, W)
        On the scale of `two_modes`.

    Returns
    -------
    ndarray of int64, shape (N,)
        0 or 1; -1 where an image is neither: no stripes to speak of, stripes in both directions, or too much else.

    Notes
    -----
    An image is of mode 0 where the means of its rows hold at least 70 % of the variance of its pixels and have a
    standard deviation of at least 0.08, of mode 1 where the same is true of its columns.
    """
    pixels = np.asarray(images, np.float64)
    if pixels.ndim == 4 and pixels.shape[1] == 1:
        pixels = pixels[:, 0]
    if pixels.ndim != 3:
        raise ValueError(f"mode_of: images expect shape (N, 1, H, W) or (N, H, W), got {np.shape(images)}")
    total = pixels.var((1, 2))
    modes = np.full(len(pixels), -1, np.int64)
    for mode, own in enumerate((pixels.mean(2).var(1), pixels.mean(1).var(1))):
        modes[(own >= _PURITY * total) & (own >= _CONTRAST**2)] = mode
    return modes
