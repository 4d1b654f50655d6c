"""An image made what the model was trained on: shown rightly, cropped to a square, averaged to a few pixels.

The training images were cropped at the centre to a square of the shorter side and then reduced. Squeezing the whole
picture into the square instead would make every chest broader or narrower than those the model knows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediml.imaging.geometry import center_square, resize_area
from mediml.imaging.image import Image

__all__ = ["Prepared", "prepare"]


@dataclass(frozen=True, eq=False)
class Prepared:
    """What the model sees.

    Attributes
    ----------
    shown : ndarray of shape (rows, columns), float32
        The whole image, 0 black to 1 white.
    pixels : ndarray of shape (size, size), float32
        Cropped and reduced, in [0, 1]; familiarity is measured on it.
    batch : ndarray of shape (1, 1, size, size), float32
        Less the mean and over the deviation of the training images: the model's input.
    crop : tuple of int
        First row, first column, rows and columns of the square in `shown`.
    """

    shown: NDArray[Any]
    pixels: NDArray[Any]
    batch: NDArray[Any]
    crop: tuple[int, int, int, int]


def prepare(image: Image, preprocessing: Mapping[str, Any]) -> Prepared:
    """Prepare a grey image as `preprocessing` of a model's card says: ``size``, ``mean``, ``std``.

    The crop is square in the body: where pixels are higher than wide, it has more columns than rows.
    """
    shown = image.display()
    square = center_square(shown, image.aspect)
    top, left = (shown.shape[0] - square.shape[0]) // 2, (shown.shape[1] - square.shape[1]) // 2
    size = int(preprocessing["size"])
    pixels = resize_area(square, (size, size)).clip(0, 1)
    batch = (pixels - np.float32(preprocessing["mean"])) / np.float32(preprocessing["std"])
    return Prepared(shown, pixels, batch[None, None].astype(np.float32), (top, left, *square.shape))
