"""Small matrices as heat maps with their numbers, and the windows that slide over them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray

from mediml.plots.display import Alt, show
from mediml.plots.style import CYCLE, GREY, INK, new_figure, number_colours, text_colour

__all__ = ["draw_matrix", "frame_cells", "show_numbers", "show_windows"]

#: Inches per cell.
CELL = 0.42


def show_numbers(
    panels: Mapping[str, ArrayLike], alt: Alt, between: Sequence[str] = (), digits: int = 0, cell: float = CELL
) -> None:
    """Matrices side by side, each cell coloured by its value and carrying it as a number.

    Parameters
    ----------
    panels : mapping of str to 2-D array
        Title (a symbol, such as ``"$x$"``) and values.
    alt : pair of str
    between : sequence of str, optional
        Signs between the panels, such as ``["⋆", "="]``.
    digits : int
        Decimals at most.
    cell : float
        Width of a cell, in inches.
    """
    matrices = {title: _matrix(title, values) for title, values in panels.items()}
    widths = [matrix.shape[1] for matrix in matrices.values()]
    height = max(matrix.shape[0] for matrix in matrices.values())
    gap = 1.0
    figure, axes = new_figure(
        cell * (sum(widths) + gap * (len(widths) + 0.5)),
        cell * height + 0.45,
        columns=len(widths),
        gridspec_kw={"width_ratios": widths},
    )
    for place, (title, matrix) in enumerate(matrices.items()):
        draw_matrix(axes[0, place], matrix, digits)
        axes[0, place].set_title(title, color=INK)
        if place < len(between):
            axes[0, place].annotate(
                between[place], (1, 0.5), (cell * 36, 0), xycoords="axes fraction", textcoords="offset points",
                ha="center", va="center", fontsize=17, color=INK, annotation_clip=False,
            )  # fmt: skip
    show(figure, alt)


def show_windows(
    image: ArrayLike, kernel_size: int, stride: int, padding: int = 0, dilation: int = 1, alt: Alt | None = None
) -> None:
    """The numbers of a small image with a coloured frame round each window that an operator would read.

    Of windows that overlap only three are framed: the first, the last of the first row, and the last of all.

    Parameters
    ----------
    image : array of shape (H_in, W_in)
    kernel_size, stride, padding, dilation : int
        As in `mediml.nn.MaxPool2d`; the same for both axes.
    alt : pair of str, optional
        By default made from the sizes.
    """
    matrix = _matrix("image", image)
    padded = np.pad(matrix, padding, constant_values=np.nan)
    span = dilation * (kernel_size - 1) + 1
    rows, columns = ((size - span) // stride + 1 for size in padded.shape)
    if rows < 1 or columns < 1:
        raise ValueError(
            f"show_windows: a window of {span} does not fit into {padded.shape}; use a smaller kernel_size"
        )
    figure, axes = new_figure(CELL * padded.shape[1] + 0.3, CELL * padded.shape[0] + 0.3)
    draw_matrix(axes[0, 0], padded, 0, missing="")
    overlap = stride < span
    chosen = sorted({(0, 0), (0, columns - 1), (rows - 1, columns - 1)}) if overlap else list(np.ndindex(rows, columns))
    for place, (row, column) in enumerate(chosen):
        frame_cells(axes[0, 0], row * stride, column * stride, span, span, CYCLE[place % len(CYCLE)])
    height, width = matrix.shape
    show(figure, alt or (
        f"A {height} by {width} grid of numbers, framed: {len(chosen)} of its {rows} by {columns} windows, "
        f"size {kernel_size}, stride {stride}, padding {padding}, dilation {dilation}.",
        f"{height}×{width} 的数字网格，{rows}×{columns} 个窗口中框出 {len(chosen)} 个：大小 {kernel_size}，"
        f"步幅 {stride}，填充 {padding}，空洞率 {dilation}。",
    ))  # fmt: skip


def draw_matrix(
    axes: Axes, matrix: NDArray[Any], digits: int, missing: str = "nan", like: NDArray[Any] | None = None
) -> None:
    """Cells with colours and numbers; NaN as an empty cell with the text `missing`. `like` gives the colours' range."""
    colours, scale = number_colours(matrix if like is None else like)
    height, width = matrix.shape
    for row, column in np.ndindex(height, width):
        value = matrix[row, column]
        face = (1.0, 1.0, 1.0, 1.0) if np.isnan(value) else colours(scale(value))
        axes.add_patch(
            Rectangle((column, row), 1, 1, facecolor=face, edgecolor="white" if face[0] < 1 else GREY, lw=0.8)
        )
        text = missing if np.isnan(value) else _number(float(value), digits)
        axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=9, color=text_colour(face))
    axes.set(xlim=(-0.05, width + 0.05), ylim=(height + 0.05, -0.05), aspect="equal")
    axes.set_axis_off()


def frame_cells(
    axes: Axes, row: float, column: float, height: float, width: float, colour: str, inset: float = 0.05
) -> None:
    """A frame round a block of cells."""
    axes.add_patch(
        Rectangle(
            (column + inset, row + inset), width - 2 * inset, height - 2 * inset,
            facecolor="none", edgecolor=colour, lw=2.6, joinstyle="round",
        )
    )  # fmt: skip


def _number(value: float, digits: int) -> str:
    if np.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = np.format_float_positional(value, precision=digits, trim="-")
    return text.lstrip("-").replace("-", "−") if float(text) == 0 else text.replace("-", "−")


def _matrix(name: str, values: ArrayLike) -> NDArray[Any]:
    matrix = np.asarray(values, np.float64)
    if matrix.ndim != 2 or not matrix.size or max(matrix.shape) > 24:
        raise ValueError(
            f"{name}: expected a matrix of at most 24 × 24 numbers, got shape {matrix.shape}; use show_images"
        )
    return matrix
