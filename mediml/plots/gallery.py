"""Before and after, for every operation of preprocessing on every modality.

One figure for each of `GROUPS`, in which a row is an operation and a pair of pictures a modality.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mediml.plots.display import DPI, Alt, _pixels, show
from mediml.plots.gallery_exhibits import (
    Exhibit,
    Limits,
    exhibit,
    gallery_exhibits,
    packaged_exhibits,
    phantom_exhibits,
)
from mediml.plots.gallery_operations import GROUPS, Pair, number
from mediml.plots.style import _LOOK, CYCLE, GREY, INK

__all__ = [
    "GROUPS",
    "Exhibit",
    "exhibit",
    "gallery_exhibits",
    "gallery_figure",
    "packaged_exhibits",
    "phantom_exhibits",
    "show_gallery",
    "write_gallery",
]

#: Inches: side of a picture, gap between pairs, column and row of labels, line of parameters.
SIDE, GAP, LABELS, LINE = 1.12, 0.14, 1.45, 0.19

#: Sizes of type, in points.
TITLE, SMALL, TINY = 10, 8, 6


def show_gallery(
    group: str, exhibits: Mapping[str, Exhibit], alt: Alt, labels: Mapping[str, str] | None = None
) -> None:
    """Display one group of operations on all exhibits.

    Parameters
    ----------
    group : str
        A key of `GROUPS`: ``"noise"``, ``"edges"``, ``"contrast"``, ``"normalisation"``, ``"geometry"``, ``"field"``.
    exhibits : mapping of str to Exhibit
        Titles of the columns, such as DICOM's codes of modalities, and pictures: see `exhibit`.
    alt : pair of str
        What the figure shows, in English and in Chinese.
    labels : mapping of str to str, optional
        Words for the names of functions and columns; where one is missing the name itself stands.
    """
    show(gallery_figure(group, exhibits, labels), alt)


def write_gallery(
    folder: str | os.PathLike[str],
    exhibits: Mapping[str, Exhibit] | None = None,
    labels: Mapping[str, str] | None = None,
) -> list[Path]:
    """Write every group as ``gallery.<group>.jpg``.

    Parameters
    ----------
    folder : path
        Is made if it does not exist.
    exhibits : mapping of str to Exhibit, optional
        By default `gallery_exhibits`.
    labels : mapping of str to str, optional
        As of `show_gallery`.

    Returns
    -------
    list of Path
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    exhibits = gallery_exhibits() if exhibits is None else exhibits
    files = []
    for group in GROUPS:
        files.append(place / f"gallery.{group}.jpg")
        _pixels(gallery_figure(group, exhibits, labels), DPI).save(files[-1], quality=88, optimize=True)
    return files


def gallery_figure(group: str, exhibits: Mapping[str, Exhibit], labels: Mapping[str, str] | None = None) -> Figure:
    """The figure of `show_gallery`.

    The first row shows each exhibit whole, with a frame around the detail; its limits, and those of the detail in
    brackets, are the title. Each pair below is shown between the same limits before and after, but for results in
    another unit: theirs stand in the line of parameters or in the histogram. In the corner of a filter's result is what
    it changed, blue less and red more, up to a fifth of the limits. An empty pair says that the operation has no
    meaning for the modality.

    Raises
    ------
    ValueError
        For an unknown group, or no exhibit.
    """
    if group not in GROUPS:
        raise ValueError(f"gallery_figure: group expects one of {', '.join(GROUPS)}, got {group!r}")
    if not exhibits:
        raise ValueError("gallery_figure: exhibits expects at least one picture, got none")
    words = labels or {}
    operations = GROUPS[group]
    width = LABELS + len(exhibits) * (2 * SIDE + GAP)
    heights = [2 * SIDE + 2 * LINE] + [SIDE + LINE] * len(operations)
    with rc_context(_LOOK):
        figure = Figure(figsize=(width, sum(heights)))
        sheet = _Sheet(figure, width, sum(heights))
        for column, (title, shown) in enumerate(exhibits.items()):
            left = LABELS + column * (2 * SIDE + GAP)
            _draw_whole(sheet.axes(left, 1.5 * LINE, 2 * SIDE - 0.03, 2 * SIDE - 0.03), shown)
            sheet.text(left, 0.75 * LINE, words.get(title, title), TITLE, "left")
            sheet.text(left + 2 * SIDE - 0.03, 0.75 * LINE, _ranges(shown), TINY, "right")
        top = heights[0]
        for name, operate in operations.items():
            sheet.text(0.06, top + LINE + SIDE / 2, words.get(name, name), SMALL, "left")
            for column, shown in enumerate(exhibits.values()):
                left = LABELS + column * (2 * SIDE + GAP)
                panels = [sheet.axes(left + k * SIDE, top + LINE, SIDE - 0.03, SIDE - 0.03) for k in (0, 1)]
                pair = operate(shown)
                _draw_pair(panels, shown, pair)
                sheet.text(left + SIDE, top + LINE / 2, pair.note if pair else "", TINY, "center")
            top += SIDE + LINE
    return figure


class _Sheet:
    """A figure measured in inches from its upper left corner."""

    def __init__(self, figure: Figure, width: float, height: float) -> None:
        self.figure, self.width, self.height = figure, width, height

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        place = (left / self.width, 1 - (top + height) / self.height, width / self.width, height / self.height)
        ax = self.figure.add_axes(place)
        ax.set(xticks=[], yticks=[])
        return ax

    def text(self, left: float, top: float, words: str, size: float, align: str) -> None:
        place = (left / self.width, 1 - top / self.height)
        self.figure.text(*place, words, fontsize=size, color=INK, ha=align, va="center")


def _ranges(shown: Exhibit) -> str:
    unit = "" if shown.units == "arbitrary" else f" {shown.units}"
    whole, detail = (f"{number(low)} … {number(high)}" for low, high in (shown.limits, shown.window))
    return f"{whole} [{detail}]{unit}"


def _draw_whole(ax: Axes, shown: Exhibit) -> None:
    _picture(ax, shown.values, shown.limits, shown)
    row, column, side = shown.detail
    ax.add_patch(Rectangle((column, row), side, side, fill=False, edgecolor=CYCLE[4], linewidth=1))


def _draw_pair(panels: list[Axes], shown: Exhibit, pair: Pair | None) -> None:
    if pair is None:
        for ax in panels:
            _frame(ax, False)
            ax.set_facecolor("#f2f2f2")
            ax.text(0.5, 0.5, "–", color=GREY, ha="center", va="center", transform=ax.transAxes)
        return
    for ax, values, limits in zip(panels, (pair.before, pair.after), (pair.limits, pair.after_limits)):
        _picture(ax, values, limits, shown, pair.plain and ax is panels[1])
        if pair.zoomed:
            corner = _corner(ax, 0.45)
            _picture(corner, values[shown.square], limits, shown)
            _frame(corner, True)
        if pair.histograms:
            _histogram(ax, values[shown.mask], limits)
    if pair.inset is not None:
        bound = pair.inset_limit
        _corner(panels[1], 0.4).imshow(pair.inset, cmap="RdBu_r", vmin=-bound, vmax=bound)
    if pair.outline is not None:
        panels[1].contour(pair.outline, [0.5], colors=[CYCLE[4]], linewidths=0.8)


def _picture(ax: Axes, values: Any, limits: Limits, shown: Exhibit, plain: bool = False) -> None:
    cmap = "gray_r" if shown.inverted and not plain else "gray"
    spacing = shown.spacing_mm or (1.0, 1.0)
    # Only what is smaller than its place on the page is drawn pixel by pixel; the rest is averaged, not sampled.
    few = max(values.shape) < SIDE * DPI
    ax.imshow(
        values,
        cmap=cmap,
        vmin=limits[0],
        vmax=limits[1],
        aspect=spacing[0] / spacing[1],
        interpolation="nearest" if few else "antialiased",
    )
    _frame(ax, False)


def _corner(ax: Axes, size: float) -> Axes:
    inset = ax.inset_axes((1 - size, 0, size, size))
    inset.set(xticks=[], yticks=[])
    _frame(inset, True)
    return inset


def _frame(ax: Axes, visible: bool) -> None:
    for spine in ax.spines.values():
        spine.set(visible=visible, color="white", linewidth=0.8)


def _histogram(ax: Axes, values: Any, limits: Limits) -> None:
    inset = ax.inset_axes((0, 0, 1, 0.3))
    counts, edges = np.histogram(np.clip(values, *limits), 48, limits)
    inset.fill_between((edges[:-1] + edges[1:]) / 2, counts / np.sort(counts)[-3], color=CYCLE[5], linewidth=0)
    inset.set(xlim=limits, ylim=(0, 1.1), xticks=[], yticks=[])
    inset.patch.set_alpha(0.35)
    inset.patch.set_facecolor("black")
    for place, align, value in ((0.02, "left", limits[0]), (0.98, "right", limits[1])):
        inset.text(place, 0.72, number(value), fontsize=TINY, color="white", ha=align, transform=inset.transAxes)
