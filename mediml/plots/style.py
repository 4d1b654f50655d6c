"""Colours and the look shared by all figures."""

from typing import Any

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

__all__ = ["CYCLE", "GREY", "INK", "new_figure", "number_colours", "text_colour"]

#: M. Okabe, K. Ito, "Color universal design" (2008): eight colours that most colour-blind readers tell apart.
CYCLE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
INK = "#222222"
GREY = "#9a9a9a"

_LOOK: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "figure.facecolor": "white",
    "xtick.color": INK,
    "ytick.color": INK,
    "image.interpolation": "nearest",
}


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Figure, Any]:
    """A figure of `width` × `height` inches and its axes, an array of shape (rows, columns).

    Made without pyplot, so that nothing is kept in a global list or shown twice.
    """
    with rc_context(_LOOK):
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.subplots(rows, columns, squeeze=False, **options)


def number_colours(values: NDArray[Any]) -> tuple[Colormap, Normalize]:
    """Colours for a matrix of numbers: cividis, or blue to red around 0 where there are negative ones."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if low < 0:
        bound = max(-low, high)
        return colormaps["RdBu_r"], Normalize(-1.3 * bound, 1.3 * bound)  # the far ends are too dark for numbers
    return colormaps["cividis"], Normalize(low, high if high > low else low + 1)


def text_colour(rgba: tuple[float, ...]) -> str:
    """Black or white, whichever reads better on a background (relative luminance of WCAG 2)."""
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in rgba[:3])
    return "white" if 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.18 else INK
