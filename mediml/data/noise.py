"""Pairs of a low-dose and a clean image from a seeded noise model, to train and to measure noise removal.

The model is that of a photon-counting detector. A clean image `x` from 0 to 1, bright where the body attenuates, is
read as the line integral ``a = attenuation · x``. By Beer and Lambert the share ``exp(-a)`` of the photons gets
through, the detector counts ``k ~ Poisson(photons · exp(-a))``, and the image is taken back by the logarithm,
``y = -ln(k / photons) / attenuation``. Noise is therefore strongest where the image is bright: few photons come through
bone. A pixel without any photon counts as half a photon, and `y` is cut to 0 … 1. Nothing else is modelled: no scatter,
no electronic noise, no blur between neighbouring pixels.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter

from mediml.data.images import SPLITS
from mediml.data.synthetic import chest_xrays

__all__ = ["ATTENUATION", "DenoisingData", "DenoisingSplit", "best_gaussian", "gaussian", "low_dose", "low_dose_data"]

#: Line integral of a white pixel: a share of exp(-4), about 2 %, gets through.
ATTENUATION = 4.0

_SIGMAS = tuple(k / 10 for k in range(31))


@dataclass(frozen=True, eq=False)
class DenoisingSplit:
    """Pairs of one split.

    Attributes
    ----------
    noisy, clean : ndarray of float32, shape (N, 1, size, size)
        From 0 to 1; `noisy` is what a network gets, `clean` what it is to give back.
    labels : ndarray of int64, shape (N,)
        1 where the clean image holds an opacity.
    opacity : ndarray of bool, shape (N, size, size)
        Where: what noise removal must not take away, nor put elsewhere.
    """

    noisy: NDArray[np.float32]
    clean: NDArray[np.float32]
    labels: NDArray[np.int64]
    opacity: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class DenoisingData:
    """Pairs in three splits of other patients each.

    Attributes
    ----------
    name : str
    photons : float
        Photons per pixel before the body.
    train, val, test : DenoisingSplit
    """

    name: str
    photons: float
    train: DenoisingSplit
    val: DenoisingSplit
    test: DenoisingSplit


def low_dose(images: ArrayLike, photons: float, seed: int = 0, attenuation: float = ATTENUATION) -> NDArray[np.float32]:
    """Images as a lower dose would have given them.

    Parameters
    ----------
    images : array_like of shape (N, …)
        From 0 to 1, bright where the body attenuates.
    photons : float
        Photons per pixel before the body, positive: half of them, twice the variance.
    seed : int
        Not negative. Image n has its own stream, so its noise does not depend on how many follow.
    attenuation : float
        Line integral of a white pixel, positive.

    Returns
    -------
    ndarray of float32, shape of `images`

    Notes
    -----
    For many photons the standard deviation of `y` is ``exp(a / 2) / (sqrt(photons) · attenuation)``, the first order
    of the logarithm. At few photons `y` is biased: its mean is a little above `x`, where nothing is cut.
    """
    clean = np.asarray(images, np.float64)
    if not (photons > 0 and attenuation > 0) or seed < 0:
        raise ValueError(
            f"low_dose: expected photons > 0, attenuation > 0 and seed >= 0, got {photons}, {attenuation} and {seed}"
        )
    if clean.ndim < 2 or not ((clean >= 0) & (clean <= 1)).all():
        raise ValueError(
            f"low_dose: images expect shape (N, …) and values from 0 to 1, got shape {clean.shape} and values "
            f"{clean.min(initial=np.inf):g} to {clean.max(initial=-np.inf):g}; divide 8-bit images by 255"
        )
    expected = photons * np.exp(-attenuation * clean)
    noisy = np.empty(clean.shape, np.float32)
    for n, mean in enumerate(expected):
        counts = np.random.default_rng([seed, n]).poisson(mean)
        noisy[n] = np.clip(-np.log(np.maximum(counts, 0.5) / photons) / attenuation, 0, 1)
    return noisy


def low_dose_data(
    train: int = 800,
    val: int = 100,
    test: int = 200,
    size: int = 32,
    photons: float = 200.0,
    seed: int = 0,
    train_prevalence: float = 0.5,
) -> DenoisingData:
    """Pairs from the generated chest radiographs of `mediml.data.synthetic`.

    Parameters
    ----------
    train, val, test : int
        Pairs of each split, at least 1; all are of other patients.
    size : int
        Height and width in pixels, at least 16.
    photons : float
        Photons per pixel before the body.
    seed : int
        Not negative.
    train_prevalence : float
        Share of the images with an opacity in the training and the validation split, from 0 to 1; it is a half in the
        test split. With 0 a network meets its first opacity when it is tested.

    Returns
    -------
    DenoisingData

    Notes
    -----
    The generated radiographs have a little grain of their own, as real ones do; it belongs to `clean`, and no method
    can bring it back. What is reached against `clean` is therefore a little less than what is reached in truth.
    """
    counts = (train, val, test)
    if min(counts) < 1:
        raise ValueError(f"low_dose_data: expected at least 1 pair in each split, got {counts}")
    xrays = chest_xrays(sum(counts), size, seed)
    if train_prevalence != 0.5:
        seen = chest_xrays(train + val, size, seed, train_prevalence)
        for name in ("images", "labels", "opacity"):
            getattr(xrays, name)[: train + val] = getattr(seen, name)
    clean = (xrays.images / np.float32(255)).astype(np.float32)[:, None]
    noisy = low_dose(clean, photons, seed)
    ends = np.cumsum(counts)
    splits = {}
    for name, end, count in zip(SPLITS, ends, counts):
        part = slice(end - count, end)
        splits[name] = DenoisingSplit(noisy[part], clean[part], xrays.labels[part], xrays.opacity[part])
    taught = "" if train_prevalence == 0.5 else f", {train_prevalence:g} of the training images with an opacity"
    return DenoisingData(f"low-dose chest X-rays, {photons:g} photons, seed {seed}{taught}", photons, **splits)


def gaussian(images: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """The classical answer to noise: each image smoothed by a Gaussian of `sigma` pixels, its edges mirrored."""
    if not sigma >= 0:
        raise ValueError(f"gaussian: sigma expects a number of pixels, at least 0, got {sigma}")
    return np.asarray(gaussian_filter(images, (0,) * (images.ndim - 2) + (sigma, sigma), mode="reflect"), np.float32)


def best_gaussian(pairs: DenoisingSplit, sigmas: ArrayLike = _SIGMAS) -> float:
    """The `sigma` with the smallest mean squared error on these pairs; choose it on training, use it on test."""
    errors = [(float(np.mean((gaussian(pairs.noisy, s) - pairs.clean) ** 2)), float(s)) for s in np.asarray(sigmas)]
    return min(errors)[1]
