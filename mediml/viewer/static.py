"""The static twin of the viewer: a figure of three planes, of chosen slices, or of one picture.

Taught in lesson 02, DICOM and geometry.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.colors import Colormap, ListedColormap
from numpy.typing import NDArray

from mediml.imaging import CT_WINDOWS, Image, LookupView, Volume, WindowView
from mediml.plots.display import Alt, show
from mediml.plots.style import INK, new_figure
from mediml.viewer.panes import Pane, image_pane, three_panes
from mediml.viewer.scene import Picture, check_picture

__all__ = ["Window", "chosen_view", "show_static"]

#: A view of the file by its number, a `CT_WINDOWS` name, (center, width), or a view.
Window = int | str | tuple[float, float] | WindowView | LookupView

#: As `viewer.css` and `pane.js` have it: seen on black, grey and white.
_YELLOW = "#ffd23f"
_SHADOW = [patheffects.withStroke(linewidth=2.5, foreground="black")]
_LEVELS = 256

_NAMES = {"axial": ("axial", "横断面"), "coronal": ("coronal", "冠状面"), "sagittal": ("sagittal", "矢状面")}
_NAMES["image"] = ("image", "图像")

#: Part of a picture's width that its scale bar may take.
_BAR = 0.4


def show_static(
    picture: Picture,
    planes: Iterable[int] | None = None,
    window: Window = 0,
    alt: Alt | None = None,
    at: tuple[int, int, int] | None = None,
    columns: int = 4,
    size: float = 2.6,
) -> None:
    """Draw an image, a volume or frames with orientation letters, a scale bar and a colour bar in the unit.

    Parameters
    ----------
    picture : Image, Volume, or sequence of Image
    planes : iterable of int, optional
        Slices of a volume along its first axis, or frames, as a contact sheet. Without it a volume is drawn in three
        planes, axial, coronal and sagittal, and a loop by up to eight of its frames.
    window : int, str, tuple or view
        Which of the file's views (0, the first; the full range of the values where there is none), a name of
        `CT_WINDOWS`, (center, width) of LINEAR, or a view.
    alt : pair of str, optional
        What the figure shows, in English and in Chinese; by default its modality, size, planes and window.
    at : tuple of three int, optional
        The voxel (plane, row, column) that the three planes cross; the middle by default.
    columns : int
        Pictures in a row of the contact sheet.
    size : float
        Width of one picture in inches.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Notes
    -----
    The patient's right is at the left of the picture in axial and coronal planes, the front at the left in sagittal
    ones, whichever way the array runs; the letters come from the same directions. Padding is black.
    """
    check_picture("show_static", picture)
    first = picture if isinstance(picture, (Image, Volume)) else picture[0]
    view = None if isinstance(first, Image) and not first.is_grey else chosen_view(first, window)
    tiles = _tiles(picture, planes, at)
    steps = [_steps(first, pane) for pane, _, _ in tiles]
    height = max(tile.shape[0] * step[0] / (tile.shape[1] * step[1]) for (_, tile, _), step in zip(tiles, steps))
    columns = min(columns if planes is not None or not isinstance(picture, Volume) else 3, len(tiles))
    rows = -(-len(tiles) // columns)
    figure, axes = new_figure(columns * size + 0.8 * (view is not None), rows * (size * height + 0.35), rows, columns)
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, (pane, tile, name), step in zip(axes.flat, tiles, steps):
        drawn = _draw(ax, tile, step, view, first)
        ax.set_title(name, color=INK, fontsize=10)
        _letters(ax, pane)
        if isinstance(first, Volume) or first.spacing_mm is not None:
            _scale_bar(ax, tile.shape[1] * step[1], tile.shape[0] * step[0])
    if view is not None:
        bar = figure.colorbar(drawn, ax=axes, shrink=0.85, aspect=22)
        bar.set_label("" if first.units == "arbitrary" else first.units)
    show(figure, alt or _description(first, tiles, view))


def chosen_view(first: Image | Volume, window: Window) -> WindowView | LookupView:
    """The view that an argument `window` means; the full range where the file has none."""
    if isinstance(window, (WindowView, LookupView)):
        return window
    if isinstance(window, str):
        if window not in CT_WINDOWS:
            raise ValueError(f"show: window expects one of {', '.join(CT_WINDOWS)}, got {window!r}")
        if first.units != "HU":
            raise ValueError(f"show: window {window!r} is one of values in HU, and these are in {first.units} units")
        return CT_WINDOWS[window]
    if isinstance(window, tuple):
        center, width = window
        view = WindowView(float(center), float(width))
        view.apply(np.zeros(1, np.float32))  # refuses what is no window
        return view
    if first.views or window:
        if not 0 <= window < len(first.views):
            raise ValueError(f"show: window expects 0 to {len(first.views) - 1} of the file's views, got {window}")
        return first.views[window]
    measured = _measured(first)
    low, high = (float(measured.min()), float(measured.max())) if measured.size else (0.0, 0.0)
    return WindowView((low + high) / 2, (high - low) or 1.0, "LINEAR_EXACT")


def _measured(first: Image | Volume) -> NDArray[Any]:
    usable = np.isfinite(first.values)
    return first.values[usable if first.padding is None else usable & ~first.padding]


def _tiles(
    picture: Picture, planes: Iterable[int] | None, at: tuple[int, int, int] | None
) -> list[tuple[Pane, NDArray[Any], str]]:
    """Pane, pixels with padding masked, and title of each picture."""
    if isinstance(picture, Volume):
        values = _masked(picture.values, picture.padding)
        panes = three_panes(picture)
        if planes is None:
            place = tuple((n - 1) // 2 for n in picture.shape) if at is None else at
            _check_indices("at", place, picture.shape)
            return [(pane, pane.picture(values, place[pane.through]), str(place[pane.through])) for pane in panes]
        (pane,) = (pane for pane in panes if pane.through == 0)
        chosen = list(planes)
        _check_indices("planes", chosen, [picture.shape[0]] * len(chosen))
        return [(pane, pane.picture(values, index), str(index)) for index in chosen]
    frames: Sequence[Image] = [picture] if isinstance(picture, Image) else picture
    if planes is None:
        chosen = sorted({round(n) for n in np.linspace(0, len(frames) - 1, min(8, len(frames)))})
    else:
        chosen = list(planes)
        _check_indices("planes", chosen, [len(frames)] * len(chosen))
    titles = [str(index) if len(frames) > 1 else "" for index in chosen]
    return [(image_pane(frames[n]), _masked(frames[n].values, frames[n].padding), t) for n, t in zip(chosen, titles)]


def _check_indices(name: str, indices: Sequence[int], sizes: Sequence[int]) -> None:
    if not indices or len(indices) != len(sizes) or not all(0 <= n < size for n, size in zip(indices, sizes)):
        bounds = ", ".join(f"0 to {size - 1}" for size in sizes[:3])
        raise ValueError(f"show_static: {name} expects whole numbers, {bounds or 'at least one'}, got {list(indices)}")


def _masked(values: NDArray[Any], padding: NDArray[np.bool_] | None) -> NDArray[Any]:
    hidden = ~np.isfinite(values) if padding is None else padding | ~np.isfinite(values)
    return np.ma.masked_array(values, hidden)


def _steps(first: Image | Volume, pane: Pane) -> tuple[float, float]:
    """Height and width of a pixel of a pane."""
    if isinstance(first, Volume):
        return (first.spacing_mm[pane.down[0]], first.spacing_mm[pane.across[0]])
    return first.spacing_mm or (first.aspect, 1.0)


def _draw(
    ax: Any, tile: NDArray[Any], step: tuple[float, float], view: WindowView | LookupView | None, first: Any
) -> Any:
    extent = (0, tile.shape[1] * step[1], tile.shape[0] * step[0], 0)
    if view is None:
        return ax.imshow(np.asarray(tile, np.float64) / 255, extent=extent, interpolation="nearest")
    low, high = _limits(view)
    return ax.imshow(tile, cmap=_greys(view, first.inverted), vmin=low, vmax=high, extent=extent)


def _limits(view: WindowView | LookupView) -> tuple[float, float]:
    """The values between which greys differ: what LINEAR shows black and white (PS3.3, C.11.2.1.2)."""
    if isinstance(view, LookupView):
        return (float(view.first), float(view.first + max(view.table.size - 1, 1)))
    if view.function == "LINEAR":
        half = max(view.width - 1, 1e-3) / 2
        return (view.center - 0.5 - half, view.center - 0.5 + half)
    reach = view.width / 2 if view.function == "LINEAR_EXACT" else view.width  # SIGMOID: to 2 % of black and of white
    return (view.center - reach, view.center + reach)


def _greys(view: WindowView | LookupView, inverted: bool) -> Colormap:
    """Greys as the view has them, between `_limits`; black where there is no value."""
    low, high = _limits(view)
    grey = view.apply(np.linspace(low, high, _LEVELS))
    if inverted:
        grey = 1 - grey
    return ListedColormap(np.repeat(grey[:, None], 3, axis=1)).with_extremes(bad="black")


def _letters(ax: Any, pane: Pane) -> None:
    if pane.letters is None:
        return
    places = {"left": (0.03, 0.5), "right": (0.97, 0.5), "top": (0.5, 0.97), "bottom": (0.5, 0.03)}
    for edge, (x, y) in places.items():
        across = edge if edge in ("left", "right") else "center"
        down = edge if edge in ("top", "bottom") else "center"
        text = ax.text(
            *(x, y, getattr(pane.letters, edge)),
            transform=ax.transAxes,
            ha=across,
            va=down,
            color=_YELLOW,
            weight="bold",
        )
        text.set_path_effects(_SHADOW)


def _scale_bar(ax: Any, width: float, height: float) -> None:
    power = 10 ** math.floor(math.log10(width * _BAR))
    length = max(factor * power for factor in (1, 2, 5) if factor * power <= width * _BAR * (1 + 1e-12))
    right, bottom = 0.97 * width, height - 0.04 * width
    (line,) = ax.plot([right - length, right], [bottom, bottom], color="white", linewidth=2, solid_capstyle="butt")
    text = ax.text(right, bottom - 0.02 * width, f"{length:g} mm", color="white", ha="right", va="bottom", fontsize=8)
    for artist in (line, text):
        artist.set_path_effects(_SHADOW)


def _description(first: Image | Volume, tiles: list[Any], view: WindowView | LookupView | None) -> Alt:
    """Modality, size, what is drawn, and the window, in both languages."""
    size = f"{first.modality}, {' × '.join(map(str, first.shape))}"
    english = [f"{_NAMES[pane.name][0]} {name}".strip() for pane, _, name in tiles]
    chinese = [f"{_NAMES[pane.name][1]} {name}".strip() for pane, _, name in tiles]
    window = ("", "") if view is None else (f"; shown by {view}", f"；显示方式：{view}")
    return f"{size}: {', '.join(english)}{window[0]}.", f"{size}：{'、'.join(chinese)}{window[1]}。"
