"""Generated images: a grid of them, and how the grid changes while a generator learns."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mediml.plots.display import CSS_DPI, Alt, show, show_frames
from mediml.plots.style import INK, new_figure

__all__ = ["show_sample_frames", "show_samples"]

#: Grey levels of an animation: with more its file grows, and nobody sees it.
_LEVELS = 64

#: Height of the line with a frame's label, in CSS pixels.
_LABEL_HEIGHT = 22


def show_samples(
    images: ArrayLike, alt: Alt, columns: int = 8, limits: tuple[float, float] = (-1.0, 1.0), size: float = 0.75
) -> None:
    """Images in a grid, row by row, all on one scale.

    Parameters
    ----------
    images : array of shape (N, H, W), (N, 1, H, W) or (N, 3, H, W)
    alt : pair of str
    columns : int
        Images per row.
    limits : pair of float
        Values shown as black and white: -1 and 1 is what a generator with tanh gives.
    size : float
        Width of an image in inches.
    """
    grid = _grid("show_samples", images, columns, limits)
    rows = -(-len(np.asarray(images)) // columns)
    shape = np.asarray(images).shape
    figure, axes = new_figure(size * columns + 0.1, size * rows * shape[-2] / shape[-1] + 0.1)
    axes[0, 0].imshow(grid)
    axes[0, 0].set_axis_off()
    show(figure, alt)


def show_sample_frames(
    grids: Sequence[ArrayLike],
    labels: Sequence[str],
    alt: Alt,
    columns: int = 8,
    limits: tuple[float, float] = (-1.0, 1.0),
    zoom: int = 2,
    seconds_per_frame: float = 0.7,
) -> None:
    """The same samples after each epoch, as an animation that stops on its last frame.

    Give the images of one fixed noise, so that what moves is the generator and not the draw.

    Parameters
    ----------
    grids : sequence of arrays
        Images of each frame, as `show_samples` takes them; all of one shape.
    labels : sequence of str
        A symbol and a number for each frame: ``"$e = 3$"``.
    alt : pair of str
    columns, limits
        As in `show_samples`.
    zoom : int
        Screen pixels per pixel, a whole number, so that every frame is sharp and its file small.
    seconds_per_frame : float
    """
    if len(grids) != len(labels) or not grids:
        raise ValueError(f"show_sample_frames: expected a label for each grid, got {len(labels)} for {len(grids)}")
    if zoom < 1:
        raise ValueError(f"show_sample_frames: zoom expects a whole number, at least 1, got {zoom}")
    figures = []
    for images, label in zip(grids, labels):
        grid = _grid("show_sample_frames", images, columns, limits)
        grid = np.round(grid * (_LEVELS - 1)) / (_LEVELS - 1)
        height, width = grid.shape[0] * zoom, grid.shape[1] * zoom
        total = height + _LABEL_HEIGHT
        figure, axes = new_figure(width / CSS_DPI, total / CSS_DPI)
        figure.set_layout_engine("none")
        axes[0, 0].set_position((0, 0, 1, height / total))
        axes[0, 0].imshow(grid, aspect="auto", interpolation="nearest")
        axes[0, 0].set_axis_off()
        figure.text(6 / width, 1 - _LABEL_HEIGHT / total / 2, label, ha="left", va="center", color=INK, fontsize=10)
        figures.append(figure)
    show_frames(figures, alt, seconds_per_frame)


def _grid(name: str, images: ArrayLike, columns: int, limits: tuple[float, float]) -> NDArray[np.float64]:
    """One colour picture of all images, a white line of one pixel between them."""
    array = np.asarray(images, np.float64)
    if array.ndim == 3:
        array = array[:, None]
    if array.ndim != 4 or array.shape[1] not in (1, 3) or not array.size:
        raise ValueError(f"{name}: images expect shape (N, H, W), (N, 1, H, W) or (N, 3, H, W), got {np.shape(images)}")
    low, high = limits
    if columns < 1 or not high > low:
        raise ValueError(f"{name}: expected columns >= 1 and limits that rise, got {columns} and {limits}")
    count, _, height, width = array.shape
    rows = -(-count // columns)
    picture = np.ones((rows * (height + 1) - 1, columns * (width + 1) - 1, 3))
    for place, image in enumerate(np.clip((array - low) / (high - low), 0, 1)):
        row, column = place // columns * (height + 1), place % columns * (width + 1)
        picture[row : row + height, column : column + width] = image.transpose(1, 2, 0)
    return picture
