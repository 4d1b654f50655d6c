"""A convolution as it moves: the window over the input, the sum under it, the output that fills."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from mediml.plots.display import Alt, show_frames
from mediml.plots.numbers import CELL, draw_matrix, frame_cells
from mediml.plots.style import CYCLE, INK, new_figure

__all__ = ["show_sweep"]


def show_sweep(
    x: ArrayLike,
    weight: ArrayLike,
    y: ArrayLike,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    alt: Alt | None = None,
) -> None:
    """An animation of a 2-D cross-correlation: one frame for each output.

    Parameters
    ----------
    x : array of shape (H_in, W_in)
        Small enough to read: up to 10 × 10 with its padding.
    weight : array of shape (K_h, K_w)
    y : array of shape (H_out, W_out)
        What a kernel computed from them; drawn, not recomputed.
    stride, padding, dilation : int
        The same for both axes.
    alt : pair of str, optional
        By default made from the sizes.

    Raises
    ------
    ValueError
        If the shapes of `x`, `weight` and `y` do not belong together.
    """
    image, taps, output = (np.asarray(array, np.float64) for array in (x, weight, y))
    expected = tuple(
        (size + 2 * padding - dilation * (k - 1) - 1) // stride + 1 for size, k in zip(image.shape, taps.shape)
    )
    if output.shape != expected:
        raise ValueError(
            f"show_sweep: y expects the shape {expected} for x {image.shape} and weight {taps.shape}, "
            f"got {output.shape}"
        )
    padded = np.pad(image, padding)
    frames = [_frame(padded, taps, output, place, stride, dilation) for place in range(output.size)]
    height, width = image.shape
    show_frames(frames, alt or (
        f"Animation: a {taps.shape[0]} by {taps.shape[1]} window sweeps over a {height} by {width} image, "
        f"stride {stride}, padding {padding}, dilation {dilation}; each position gives one number of the "
        f"{expected[0]} by {expected[1]} output.",
        f"动画：{taps.shape[0]}×{taps.shape[1]} 的窗口扫过 {height}×{width} 的图像，步幅 {stride}，填充 {padding}，"
        f"空洞率 {dilation}；每停一处，就得到 {expected[0]}×{expected[1]} 输出中的一个数。",
    ))  # fmt: skip


def _frame(
    x: NDArray[np.float64],
    weight: NDArray[np.float64],
    y: NDArray[np.float64],
    place: int,
    stride: int,
    dilation: int,
) -> Figure:
    widths = [x.shape[1], weight.shape[1], y.shape[1]]
    height = max(x.shape[0], weight.shape[0], y.shape[0])
    figure, axes = new_figure(
        CELL * (sum(widths) + 4), CELL * height + 1.0, columns=3, gridspec_kw={"width_ratios": widths}
    )
    row, column = divmod(place, y.shape[1])
    filled = np.where(np.arange(y.size).reshape(y.shape) <= place, y, np.nan)
    for ax, matrix, title, like in zip(axes[0], (x, weight, filled), ("$x$", "$w$", "$y$"), (x, weight, y)):
        draw_matrix(ax, matrix, 0, missing="", like=like)
        ax.set_title(title, color=INK)
    terms = []
    for k_h, k_w in np.ndindex(weight.shape):
        h_in, w_in = row * stride + k_h * dilation, column * stride + k_w * dilation
        frame_cells(axes[0, 0], h_in, w_in, 1, 1, CYCLE[1])
        terms.append(f"{x[h_in, w_in]:g}·{_factor(float(weight[k_h, k_w]))}")
    frame_cells(axes[0, 2], row, column, 1, 1, CYCLE[1])
    sum_of_products = " + ".join(terms) + f" = {y[row, column]:g}"
    figure.supxlabel(sum_of_products.replace("-", "−"), fontsize=9, color=INK)
    return figure


def _factor(value: float) -> str:
    return f"({value:g})" if value < 0 else f"{value:g}"
