"""How like the training images an input is, so that a model is not asked about what it has never seen.

A classifier gives a confident number for anything, a hand or noise included. Four measurements of an image, each zero
for the most typical one, are compared with their limits; the largest ratio is the score, and a score above 1 says
"too unlike the training data":

* ``structure``: Mahalanobis distance within the main components of the training images;
* ``detail``: distance from what those components can express;
* ``exposure``: Mahalanobis distance of mean, logarithm of contrast, and logarithm of roughness;
* ``upright``: how far an image lies from the upright training images towards the same images upside down.

All but ``exposure`` look at the image averaged to 14 × 14 pixels, at mean 0 and deviation 1. The limits are quantiles
of validation images, so that one in a hundred of them is refused; no unfamiliar image goes into them. (That it is these
four, and how many components, did come from looking at unfamiliar ones: CT, MR, photographs, noise, turned chests.)

What it does not see: another age, and four of five mirrored chests. Figures: `tests/diagnosis/test_familiarity.py`.

References
----------
K. Lee et al., "A simple unified framework for detecting out-of-distribution samples", arXiv:1807.03888.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["MEASUREMENTS", "fit", "measure", "score"]

MEASUREMENTS = ("structure", "detail", "exposure", "upright")

_SIDE = 14
_COMPONENTS = 32
_ACCEPTED = 0.99  # share of the validation images that stay below the limit
_RIDGE = 0.02  # of the unit variance of a pixel; keeps the covariance of neighbouring pixels invertible
_LEAST_CONTRAST = 0.01  # below it the grey levels of 8 bits are noise, which must not be blown up to deviation 1


def fit(train: ArrayLike, validation: ArrayLike) -> dict[str, Any]:
    """Learn what is familiar.

    Parameters
    ----------
    train, validation : array_like of shape (N, H, W) or (N, 1, H, W)
        Images in [0, 1], before any normalisation; H and W even and at least 14. At least 40 for training; the
        limits come from `validation`, which should hold a few hundred.

    Returns
    -------
    dict
        For `score`; holds only what JSON can, about 60 KB.
    """
    images, held_out = _as_images("train", train), _as_images("validation", validation)
    if len(images) <= _COMPONENTS or len(held_out) == 0:
        raise ValueError(
            f"familiarity: expected more than {_COMPONENTS} training images and some for validation, "
            f"got {len(images)} and {len(held_out)}"
        )
    pixels = _pattern(images)
    mean = pixels.mean(0)
    _, singular, axes = np.linalg.svd(pixels - mean, full_matrices=False)
    exposure = _exposure(images)
    upright = np.linalg.solve(
        np.cov(pixels.T) + _RIDGE * np.eye(pixels.shape[1]), mean - _pattern(images[:, ::-1]).mean(0)
    )
    fitted: dict[str, Any] = {
        "version": 1,
        "image_shape": list(images.shape[1:]),
        "mean": _plain(mean),
        "axes": _plain(axes[:_COMPONENTS]),
        "deviations": _plain(singular[:_COMPONENTS] / np.sqrt(len(images))),
        "exposure_mean": _plain(exposure.mean(0)),
        "exposure_precision": _plain(np.linalg.inv(np.cov(exposure.T))),
        "upright": _plain(upright),
        "upright_mean": float((pixels @ upright).mean()),
        "upright_deviation": float((pixels @ upright).std()),
    }
    raw = np.stack(list(_raw(held_out, fitted).values()), 1)
    limits = np.quantile(raw, _ACCEPTED, axis=0)
    # Together the four refuse more than one in a hundred; widen them alike until they do not.
    limits = limits * np.quantile((raw / limits).max(1), _ACCEPTED)
    fitted["limits"] = dict(zip(MEASUREMENTS, map(float, limits)))
    fitted["accepted"] = _ACCEPTED
    return fitted


def measure(images: ArrayLike, fitted: dict[str, Any]) -> dict[str, NDArray[np.float64]]:
    """The four measurements by name, each over its limit, of shape (N,): above 1 is too unlike."""
    checked = _as_images("images", images)
    expected = tuple(fitted["image_shape"])
    if checked.shape[1:] != expected:
        raise ValueError(f"familiarity: expected images of {expected}, as it was fitted on, got {checked.shape[1:]}")
    return {name: values / fitted["limits"][name] for name, values in _raw(checked, fitted).items()}


def score(images: ArrayLike, fitted: dict[str, Any]) -> NDArray[np.float64]:
    """How unlike the training data each image is, of shape (N,); above 1 is too unlike to judge.

    Parameters
    ----------
    images : array_like of shape (N, H, W) or (N, 1, H, W)
        Images in [0, 1], prepared as for the model but before normalisation.
    fitted : dict
        From `fit`, also after a way through JSON.
    """
    return np.max(list(measure(images, fitted).values()), axis=0)


def _as_images(name: str, images: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(images, np.float64)
    if array.ndim == 4 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 3 or min(array.shape[1:]) < _SIDE or array.shape[1] % _SIDE or array.shape[2] % _SIDE:
        raise ValueError(
            f"familiarity: {name} expects shape (N, H, W) with H and W multiples of {_SIDE}, got {array.shape}"
        )
    if array.size and not (array.min() >= 0 and array.max() <= 1):
        raise ValueError(f"familiarity: {name} expects values in [0, 1], got {array.min():g} to {array.max():g}")
    return array


def _blocks(images: NDArray[np.float64]) -> NDArray[np.float64]:
    count, height, width = images.shape
    return np.asarray(images.reshape(count, _SIDE, height // _SIDE, _SIDE, width // _SIDE).mean((2, 4)))


def _pattern(images: NDArray[np.float64]) -> NDArray[np.float64]:
    """The image without its brightness and contrast: (N, 196)."""
    blocks = _blocks(images).reshape(len(images), -1)
    contrast = np.maximum(blocks.std(1, keepdims=True), _LEAST_CONTRAST)
    return np.asarray((blocks - blocks.mean(1, keepdims=True)) / contrast)


def _exposure(images: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean, logarithm of the contrast, logarithm of the share that is finer than a block: (N, 3)."""
    _, height, width = images.shape
    smooth = np.repeat(np.repeat(_blocks(images), height // _SIDE, 1), width // _SIDE, 2)
    contrast = np.maximum(images.std((1, 2)), _LEAST_CONTRAST)
    roughness = np.sqrt(((images - smooth) ** 2).mean((1, 2))) / contrast
    return np.stack([images.mean((1, 2)), np.log(contrast), np.log(roughness + 1e-3)], 1)


def _raw(images: NDArray[np.float64], fitted: dict[str, Any]) -> dict[str, NDArray[np.float64]]:
    centred = _pattern(images) - np.asarray(fitted["mean"])
    axes = np.asarray(fitted["axes"])
    inside = centred @ axes.T
    exposure = _exposure(images) - np.asarray(fitted["exposure_mean"])
    direction = np.asarray(fitted["upright"])
    along = (centred + np.asarray(fitted["mean"])) @ direction
    return {
        "structure": np.sqrt(((inside / np.asarray(fitted["deviations"])) ** 2).sum(1)),
        "detail": np.sqrt(((centred - inside @ axes) ** 2).sum(1)),
        "exposure": np.sqrt(np.einsum("ni,ij,nj->n", exposure, np.asarray(fitted["exposure_precision"]), exposure)),
        "upright": np.maximum((fitted["upright_mean"] - along) / fitted["upright_deviation"], 0),
    }


def _plain(array: NDArray[Any]) -> Any:
    """Nested lists of numbers of five digits: a card that people can read, and small."""
    return np.vectorize(lambda value: float(f"{value:.5g}"))(array).tolist()
