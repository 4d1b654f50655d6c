"""A labelled image data set in three splits, as every reader and generator of this package returns it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["SPLITS", "ImageData", "Split"]

SPLITS = ("train", "val", "test")


@dataclass(frozen=True, eq=False)
class Split:
    """Images with one label each.

    Attributes
    ----------
    images : ndarray of uint8, shape (N, H, W) or (N, H, W, 3)
    labels : ndarray of int64, shape (N,)
        Index into `ImageData.classes`.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def arrays(self, mean: Sequence[float], std: Sequence[float]) -> NDArray[np.float32]:
        """The images as a network takes them: float32 of shape (N, C, H, W), (x / 255 - mean) / std per channel."""
        images = self.images[:, None] if self.images.ndim == 3 else self.images.transpose(0, 3, 1, 2)
        if len(mean) != images.shape[1] or len(std) != images.shape[1]:
            raise ValueError(
                f"arrays: mean and std expect one number for each of {images.shape[1]} channels, "
                f"got {len(mean)} and {len(std)}"
            )
        centre, spread = (np.asarray(v, np.float32).reshape(1, -1, 1, 1) for v in (mean, std))
        return np.ascontiguousarray((images.astype(np.float32) / np.float32(255) - centre) / spread)


@dataclass(frozen=True, eq=False)
class ImageData:
    """A data set: training, validation and test images.

    Attributes
    ----------
    name : str
    classes : tuple of str
        Name of each label.
    train, val, test : Split
    sha256 : str
        Hash of the file it was read from; empty for a generated set.
    shared : dict
        How many images of the later split stand, bit for bit, in the earlier one, too: ``{"train/val": 8}``.
    """

    name: str
    classes: tuple[str, ...]
    train: Split
    val: Split
    test: Split
    sha256: str = ""
    shared: dict[str, int] = field(default_factory=dict)

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return (self.train.images.shape[1], self.train.images.shape[2])

    @property
    def channels(self) -> int:
        """1 for grey images, 3 for colour images."""
        return 1 if self.train.images.ndim == 3 else 3

    def normalisation(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation of each channel over the training split, for pixels scaled to 0 … 1."""
        images = self.train.images.reshape(-1, self.channels)
        mean = tuple(round(float(m) / 255, 6) for m in images.mean(0, dtype=np.float64))
        std = tuple(round(float(s) / 255, 6) or 1.0 for s in images.std(0, dtype=np.float64))
        return mean, std

    def content_sha256(self) -> str:
        """Hash of all images with their labels, split by split, whatever order a split's rows are in."""
        digest = hashlib.sha256()
        for name in SPLITS:
            split: Split = getattr(self, name)
            rows = sorted(
                hashlib.sha256(image.tobytes() + int(label).to_bytes(2, "little")).digest()
                for image, label in zip(split.images, split.labels)
            )
            digest.update(f"{name} {split.images.shape[1:]}\0".encode() + b"".join(rows))
        return digest.hexdigest()
