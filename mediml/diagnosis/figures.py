"""The report's figures as PNG. They hold no words, so that one figure serves every language; the page explains them."""

from io import BytesIO
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from mediml.diagnosis.facts import ModelFacts
from mediml.diagnosis.prepare import Prepared
from mediml.imaging.geometry import resize_area

__all__ = ["feature_maps_figure", "image_figure", "input_figure", "score_figure"]

# Okabe and Ito's palette, which colour-blind readers can tell apart.
ORANGE, BLUE, GREY = "#d55e00", "#0072b2", "#767676"
_LONGEST_SIDE = 900
_DPI = 100


def image_figure(prepared: Prepared, aspect: float) -> bytes:
    """The whole image, with the square that the model gets as a dashed frame."""
    rows, columns = prepared.shown.shape
    height, width = rows * aspect, float(columns)
    scale = _LONGEST_SIDE / max(height, width)
    shape = (max(1, round(height * scale)), max(1, round(width * scale)))
    small = resize_area(prepared.shown, shape)
    figure, axes = _canvas(shape[1] / _DPI, shape[0] / _DPI)
    axes.imshow(
        small, cmap="gray", vmin=0, vmax=1, interpolation="nearest", extent=(0, columns, rows, 0), aspect="auto"
    )
    top, left, crop_rows, crop_columns = prepared.crop
    inset = 3 / scale
    axes.add_patch(
        Rectangle(
            (left + inset, top + inset / aspect),
            crop_columns - 2 * inset,
            crop_rows - 2 * inset / aspect,
            fill=False,
            edgecolor="#f0e442",
            linewidth=2.5,
            linestyle=(0, (6, 4)),
        )
    )
    axes.set(xlim=(0, columns), ylim=(rows, 0))
    return _png(figure)


def input_figure(prepared: Prepared) -> bytes:
    """The few pixels that the model saw, each as a square."""
    figure, axes = _canvas(5.6, 5.6)
    axes.imshow(prepared.pixels, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    return _png(figure)


def feature_maps_figure(maps: NDArray[Any]) -> bytes:
    """First-layer maps of shape (channels, height, width), all on one scale: orange positive, purple negative."""
    columns = min(8, len(maps))
    rows = -(-len(maps) // columns)
    figure = Figure(figsize=(columns * 1.0, rows * 1.0), dpi=_DPI, facecolor="white")
    largest = float(np.abs(maps).max()) or 1.0
    for index, values in enumerate(maps):
        axes = figure.add_axes(
            (index % columns / columns, 1 - (index // columns + 1) / rows, 0.97 / columns, 0.97 / rows)
        )
        axes.imshow(values, cmap="PuOr_r", vmin=-largest, vmax=largest, interpolation="nearest")
        axes.set_axis_off()
    return _png(figure)


def score_figure(facts: ModelFacts, score: float | None) -> bytes:
    """Observed share against model score with 95 % intervals, the operating point, and this input if it was judged."""
    figure = Figure(figsize=(5.6, 5.6), dpi=_DPI, facecolor="white")
    axes = figure.add_axes((0.1, 0.1, 0.86, 0.86))
    axes.plot((0, 1), (0, 1), color=GREY, linewidth=1, zorder=1)
    axes.axvline(facts.threshold, color="black", linestyle="--", linewidth=1.2, zorder=2)
    if facts.bins:
        centre, share, low, high = (np.array([getattr(each, name) for each in facts.bins]) for name in
                                    ("score", "share", "low", "high"))  # fmt: skip
        error = np.maximum([share - low, high - share], 0)
        axes.errorbar(centre, share, error, fmt="o", color=BLUE, markersize=6, capsize=3, zorder=3)
    if score is not None:
        axes.axvline(score, color=ORANGE, linewidth=2, alpha=0.5, zorder=2)
        axes.plot([score], [0.0], marker="^", markersize=16, color=ORANGE, clip_on=False, zorder=5)
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    ticks = np.linspace(0, 1, 6)
    axes.set_xticks(ticks)
    axes.set_yticks(ticks)
    axes.grid(color="#e4e4e4", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return _png(figure)


def _canvas(width: float, height: float) -> tuple[Figure, Any]:
    """A figure that is all picture: no margin, no axis."""
    figure = Figure(figsize=(width, height), dpi=_DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    return figure, axes


def _png(figure: Figure) -> bytes:
    stream = BytesIO()
    FigureCanvasAgg(figure).print_png(stream, metadata={"Software": None})
    return stream.getvalue()
