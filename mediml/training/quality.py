"""Images between a data set, the two players of a GAN, and the network in whose features their quality is measured.

A data set has 28 × 28 pixels; the players want 32 × 32, so its images are padded by their edge; the packaged
classifier, whose features are compared, wants 28 × 28 again, so generated images are cut back to their middle. 56 and
64 likewise; their features are those of the image at half the resolution.
"""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediml import from_numpy, no_grad
from mediml.data.images import ImageData, Split
from mediml.data.two_modes import MODES, mode_of, two_modes
from mediml.evaluation import ModeCoverage, frechet_distance, mode_coverage
from mediml.models.pretrained import Pretrained, load

__all__ = ["coverage", "features", "frechet", "is_two_modes", "padded", "to_signed", "to_uint8", "two_mode_data"]

#: Pixels of a data set's images, and of the images that the players see.
SIDES = {16: 16, 28: 32, 32: 32, 56: 64, 64: 64}


def padded(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Images of a data set, (N, H, W) or (N, H, W, 3), as the players see them: (N, C, 32, 32) or (N, C, 64, 64)."""
    channels_first = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
    H, W = channels_first.shape[2:]  # noqa: N806 - the symbols of the shapes
    if H != W or H not in SIDES:
        raise ValueError(f"gan: expected square images of {', '.join(map(str, SIDES))} pixels, got {H} x {W}")
    edge = (SIDES[H] - H) // 2
    return np.pad(channels_first, ((0, 0), (0, 0), (edge, edge), (edge, edge)), mode="edge")


def to_signed(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """From 0 … 255 to -1 … 1, as the generator's tanh gives them."""
    return images.astype(np.float32) / np.float32(127.5) - np.float32(1)


def to_uint8(images: NDArray[Any]) -> NDArray[np.uint8]:
    """From 0 … 1 to 0 … 255, rounded."""
    return np.clip(np.round(images * 255), 0, 255).astype(np.uint8)


def features(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """What the packaged classifier makes of images in front of its last layer.

    Parameters
    ----------
    images : ndarray of uint8
        Of a data set, (N, H, W) or (N, H, W, 3), or of a generator, (N, C, H, W) with 32 or 64 pixels.

    Returns
    -------
    ndarray of float64, shape (N, 128)
    """
    channels_first = images if images.ndim == 4 and images.shape[1] in (1, 3) else padded(images)
    grey = channels_first.mean(1)
    if grey.shape[1] not in (32, 64):
        raise ValueError(f"features: expected images of 28, 32, 56 or 64 pixels, got {grey.shape[1]}")
    edge = {32: 2, 64: 4}[grey.shape[1]]
    middle = grey[:, edge:-edge, edge:-edge]
    if middle.shape[1] == 56:
        middle = middle.reshape(len(middle), 28, 2, 28, 2).mean((2, 4))
    judge = _judge()
    preparation = judge.card["preprocessing"]
    prepared = ((middle[:, None] / 255 - preparation["mean"][0]) / preparation["std"][0]).astype(np.float32)
    with no_grad():
        parts = [
            judge.model.features(from_numpy(prepared[start : start + 256])).numpy()
            for start in range(0, len(prepared), 256)
        ]
    return np.concatenate(parts).astype(np.float64)


def frechet(images: NDArray[np.uint8], real: NDArray[np.uint8]) -> float:
    """Fréchet distance of two sets of images in the features of the packaged classifier.

    It depends on how many images there are, so that only distances of equally large sets can be compared.
    """
    return float(frechet_distance(features(images), features(real)))


def two_mode_data(train: int = 2000, val: int = 200, test: int = 1000, size: int = 16, seed: int = 0) -> ImageData:
    """The stripes of `mediml.data.two_modes` as a data set in three splits."""
    images, modes = two_modes(train + val + test, size, seed)
    pixels, ends = to_uint8((images[:, 0] + 1) / 2), (train, train + val)
    first, second, third = (Split(x, y) for x, y in zip(np.split(pixels, ends), np.split(modes, ends)))
    return ImageData(f"two modes, seed {seed}", MODES, first, second, third)


def is_two_modes(data: ImageData) -> bool:
    """Whether a data set holds the stripes, whose modes a rule can count."""
    return data.classes == MODES


def coverage(images: NDArray[np.uint8]) -> ModeCoverage:
    """Which of the two modes generated images, (N, 1, H, W), are of."""
    return mode_coverage(mode_of(images[:, 0] / 127.5 - 1))


@functools.cache
def _judge() -> Pretrained:
    return load("pneumonia_cnn")
