"""Medical images in grey, with a scale in their unit."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mediml.plots.display import Alt, show
from mediml.plots.style import INK, new_figure

__all__ = ["show_images"]


def show_images(
    images: Mapping[str, ArrayLike],
    alt: Alt,
    columns: int = 4,
    limits: tuple[float, float] | None = None,
    unit: str | None = None,
    spacing_mm: tuple[float, float] | None = None,
    signed: bool = False,
    size: float = 2.1,
) -> None:
    """A grid of images.

    Parameters
    ----------
    images : mapping of str to 2-D array
        Title (a symbol or a number) and pixels.
    alt : pair of str
    columns : int
        Images per row.
    limits : pair of float, optional
        Values shown as black and white, the same for all; by default each image's own smallest and largest.
    unit : str, optional
        Draws a colour bar with this unit (``"HU"``); ``"1"`` for numbers without one.
    spacing_mm : (row, column), optional
        Distance of pixels; the axes are then in mm, and pixels that are not square are drawn so.
    signed : bool
        Blue below 0, white at 0, red above: for responses of filters, and gradients.
    size : float
        Width of one image, in inches.
    """
    pictures = {title: _picture(title, image) for title, image in images.items()}
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    first = next(iter(pictures.values()))
    dy, dx = spacing_mm or (1.0, 1.0)
    aspect = first.shape[0] * dy / (first.shape[1] * dx)
    extra = 0.75 if unit or spacing_mm else 0.1
    figure, axes = new_figure(columns * (size + extra), rows * (size * aspect + 0.45), rows, columns)
    for ax in axes.flat[len(pictures) :]:
        ax.set_axis_off()
    for ax, (title, picture) in zip(axes.flat, pictures.items()):
        low, high = limits or (float(np.nanmin(picture)), float(np.nanmax(picture)))
        if signed:
            low, high = -max(abs(low), abs(high)), max(abs(low), abs(high))
        extent = (0, picture.shape[1] * dx, picture.shape[0] * dy, 0)
        drawn = ax.imshow(picture, cmap="RdBu_r" if signed else "gray", vmin=low, vmax=high, extent=extent)
        ax.set_title(title, color=INK)
        if spacing_mm:
            ax.set(xlabel="mm", ylabel="mm")
        else:
            ax.set(xticks=[], yticks=[])
        if unit:
            figure.colorbar(drawn, ax=ax, shrink=0.85, aspect=18).set_label("" if unit == "1" else unit)
    show(figure, alt)


def _picture(title: str, image: ArrayLike) -> NDArray[Any]:
    array = np.asarray(image)
    if array.ndim != 2 or not array.size:
        raise ValueError(f"show_images: {title!r} expected a 2-D image, got shape {array.shape}; choose one channel")
    return array
