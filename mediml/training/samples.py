"""Grids of images as PNG, and as an animation over the epochs."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["animation", "grid", "png"]


def grid(images: NDArray[np.uint8], columns: int, gap: int = 2) -> NDArray[np.uint8]:
    """Images side by side, row by row, on white.

    Parameters
    ----------
    images : ndarray of uint8, shape (N, C, H, W), C = 1 or 3

    Returns
    -------
    ndarray of uint8, of shape (rows, columns) for one channel, else (rows, columns, 3)
    """
    N, C, H, W = images.shape  # noqa: N806 - the symbols of the shapes
    rows = -(-N // columns)
    sheet = np.full((rows * (H + gap) + gap, columns * (W + gap) + gap, C), 255, np.uint8)
    for n, image in enumerate(images):
        top, left = gap + n // columns * (H + gap), gap + n % columns * (W + gap)
        sheet[top : top + H, left : left + W] = image.transpose(1, 2, 0)
    return sheet[..., 0] if C == 1 else sheet


def png(sheet: NDArray[np.uint8], scale: int = 1) -> bytes:
    """A sheet of pixels as PNG, each pixel `scale` × `scale` of the file's."""
    return _encoded([sheet], scale, "PNG", {})


def animation(sheets: Sequence[NDArray[np.uint8]], scale: int = 1, milliseconds: int = 400) -> bytes:
    """Sheets of one size as an animated GIF that repeats; the last stands four times as long."""
    durations = [milliseconds] * (len(sheets) - 1) + [4 * milliseconds]
    return _encoded(sheets, scale, "GIF", {"duration": durations if len(sheets) > 1 else milliseconds, "loop": 0})


def _encoded(sheets: Sequence[NDArray[np.uint8]], scale: int, form: str, options: dict[str, Any]) -> bytes:
    from PIL import Image

    frames = [Image.fromarray(sheet.repeat(scale, 0).repeat(scale, 1)) for sheet in sheets]
    if len(frames) > 1:
        options = {**options, "save_all": True, "append_images": frames[1:]}
    buffer = io.BytesIO()
    frames[0].save(buffer, form, **options)
    return buffer.getvalue()
