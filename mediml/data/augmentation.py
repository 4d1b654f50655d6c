"""Augmentation: each time an image is shown to the network, it lies and is exposed a little differently.

A radiograph of the same chest, taken again, would be turned, moved, nearer, lighter or darker. A network that sees
such changes learns to pass over them. What is not like another exposure of a patient is left out: a mirrored chest has
its heart on the wrong side.

This is for batches of small images with one class each, while a network is trained. An image that has a mask, a spacing
in millimetres or a side goes through `mediml.imaging.PairedAugmentation`, one at a time.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Augmentation"]


@dataclass(frozen=True)
class Augmentation:
    """Random rotation, scale and shift with bilinear interpolation, then random gain and offset.

    Each range is symmetric: a value is drawn uniformly from -range to +range, for each image of its own.

    Attributes
    ----------
    rotation_rad : float
        Range of the angle in radians.
    scale : float
        Range of the relative change of size, at least 0 and below 1.
    shift : float
        Range of the shift along either axis, as a fraction of the height or width.
    gain : float
        Range of the relative change of contrast.
    offset : float
        Range of the change of brightness, in the unit of the images.
    """

    rotation_rad: float = 0.17
    scale: float = 0.1
    shift: float = 0.1
    gain: float = 0.1
    offset: float = 0.1

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not np.isfinite(value) or value < 0:
                raise ValueError(f"Augmentation: {name} expects a finite number of at least 0, got {value}")
        if self.scale >= 1:
            raise ValueError(f"Augmentation: scale expects less than 1, got {self.scale}")

    def __call__(self, images: NDArray[np.float32], generator: np.random.Generator) -> NDArray[np.float32]:
        """A changed copy of a batch.

        Parameters
        ----------
        images : ndarray of shape (N, C, H, W), float32
        generator : numpy.random.Generator
            Draws the same 6 N numbers whatever the ranges are.

        Returns
        -------
        ndarray of shape (N, C, H, W), float32
            Points that come from outside the image take the value of its nearest edge.
        """
        if images.ndim != 4:
            raise ValueError(f"Augmentation: images expect shape (N, C, H, W), got {images.shape}")
        drawn = generator.uniform(-1, 1, (6, len(images)))
        moved = _resample(images, drawn[0] * self.rotation_rad, 1 + drawn[1] * self.scale, drawn[2:4] * self.shift)
        gain = (1 + drawn[4] * self.gain).astype(np.float32)[:, None, None, None]
        offset = (drawn[5] * self.offset).astype(np.float32)[:, None, None, None]
        moved *= gain
        moved += offset
        return moved


def _resample(
    images: NDArray[np.float32],
    angle: NDArray[np.float64],
    scale: NDArray[np.float64],
    shift: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Turn, scale and shift about the centre: each output pixel looks up its place in the input, bilinearly."""
    N, C, H, W = images.shape  # noqa: N806 the sizes' names everywhere
    down, across = np.arange(H) - (H - 1) / 2, np.arange(W) - (W - 1) / 2
    cosine, sine = np.cos(angle) / scale, np.sin(angle) / scale
    rows = _grid(cosine, down, -sine, across, (H - 1) / 2 - shift[0] * H)
    columns = _grid(sine, down, cosine, across, (W - 1) / 2 - shift[1] * W)
    np.clip(rows, 0, H - 1, out=rows)
    np.clip(columns, 0, W - 1, out=columns)
    top, left = np.minimum(rows.astype(np.int32), H - 2), np.minimum(columns.astype(np.int32), W - 2)
    below, right = rows - top, columns - left
    first = top * W + left
    pixels = images.reshape(N, C, H * W)
    moved = np.empty_like(pixels)
    for c in range(C):
        plane = np.ascontiguousarray(pixels[:, c]).ravel()
        corner = first + (np.arange(N, dtype=np.int32) * (H * W))[:, None, None]
        upper = plane[corner] * (1 - right) + plane[corner + 1] * right
        lower = plane[corner + W] * (1 - right) + plane[corner + W + 1] * right
        moved[:, c] = (upper + (lower - upper) * below).reshape(N, H * W)
    return moved.reshape(images.shape)


def _grid(
    along_rows: NDArray[np.float64],
    rows: NDArray[np.float64],
    along_columns: NDArray[np.float64],
    columns: NDArray[np.float64],
    origin: NDArray[np.float64],
) -> NDArray[np.float32]:
    """``along_rows * row + along_columns * column + origin`` for every pixel of every image: (N, H, W), float32."""
    terms = (along_rows[:, None] * rows)[:, :, None] + (along_columns[:, None] * columns + origin[:, None])[:, None, :]
    return terms.astype(np.float32)
