"""Signals over time, a recurrent network unrolled, and how much of a gradient arrives at each step."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from mediml.plots.display import Alt, show
from mediml.plots.style import CYCLE, GREY, INK, new_figure

__all__ = ["show_gradient_norms", "show_sequences", "show_unrolled"]

_DASHES = ("-", "--", ":", "-.")


def show_sequences(
    time: ArrayLike,
    sequences: Mapping[str, ArrayLike],
    alt: Alt,
    time_label: str = "$t$ / s",
    unit: str = "",
    size: tuple[float, float] = (6.4, 1.1),
) -> None:
    """Signals below each other over one time axis.

    Parameters
    ----------
    time : array of shape (T,)
    sequences : mapping of str to array of shape (T,)
        Symbol or name of each signal (``"II"``) and its values.
    alt : pair of str
    time_label, unit : str
        Symbol and unit of the time; unit of the values (``"mV"``).
    size : pair of float
        Of one signal, in inches.
    """
    if not sequences:
        raise ValueError("show_sequences: expected at least one sequence, got none")
    figure, axes = new_figure(size[0], size[1] * len(sequences) + 0.4, rows=len(sequences), sharex=True)
    for place, (label, values) in enumerate(sequences.items()):
        if np.shape(values) != np.shape(time) or np.ndim(time) != 1:
            raise ValueError(
                f"show_sequences: {label!r} expects one value for each time, got {np.shape(values)} "
                f"for {np.shape(time)}"
            )
        ax = axes[place, 0]
        ax.plot(np.asarray(time), np.asarray(values), color=CYCLE[place % len(CYCLE)], linewidth=1.2)
        ax.set_ylabel(f"{label} / {unit}" if unit else label)
        ax.grid(color="#e6e6e6", linewidth=0.6)
        ax.margins(x=0.01)
    axes[-1, 0].set_xlabel(time_label)
    figure.align_ylabels(axes[:, 0])
    show(figure, alt)


def show_unrolled(steps: int = 5, alt: Alt | None = None, gradient: bool = True) -> None:
    """A recurrent network as its copies over time: inputs below, states from left to right, one loss at the end.

    Parameters
    ----------
    steps : int
        Copies, 2 to 8.
    alt : pair of str, optional
        By default made from `steps`.
    gradient : bool
        Draws the way of the gradient, dashed, from the loss back to the first state; the further, the thinner.
    """
    if not 2 <= steps <= 8:
        raise ValueError(f"show_unrolled: steps expects 2 to 8, got {steps}")
    figure, axes = new_figure(1.25 * steps + 0.9, 2.7)
    ax = axes[0, 0]
    _box(ax, (0, 0), "$h_0$", "white")
    for t in range(1, steps + 1):
        x = 1.6 * t
        _box(ax, (x, 0), f"$h_{t}$", CYCLE[5])
        _box(ax, (x, -1.3), f"$x_{t}$", "#f3e3c3")
        _arrow(ax, (x, -1.02), (x, -0.3), INK)
        left = x - 1.28
        _arrow(ax, (left, 0), (x - 0.34, 0), INK)
        ax.text((left + x - 0.34) / 2, -0.22, "$W_{hh}$", ha="center", va="center", fontsize=8.5, color=INK)
        ax.text(x + 0.08, -0.68, "$W_{ih}$", ha="left", va="center", fontsize=8.5, color=INK)
        if gradient and t > 1:
            width = 0.7 + 2.6 * (t - 1) / steps
            _arrow(ax, (x - 0.1, 0.32), (x - 1.5, 0.32), CYCLE[1], width, "--", "arc3,rad=0.35")
    end = 1.6 * steps
    _box(ax, (end, 1.3), r"$\ell$", "white")
    _arrow(ax, (end + 0.08, 0.3), (end + 0.08, 1.02), INK)
    if gradient:
        _arrow(ax, (end - 0.1, 1.02), (end - 0.1, 0.3), CYCLE[1], 3.3, "--")
        ax.text(end - 0.3, 0.86, r"$\partial\ell/\partial h_t$", ha="right", va="center", color=CYCLE[1])
    ax.set(xlim=(-0.5, end + 0.6), ylim=(-1.7, 1.7), aspect="equal")
    ax.set_axis_off()
    way = " A dashed line leads the gradient from the loss back to the first state, thinner with each step."
    weg = " 虚线表示梯度从损失逐步传回第一个状态，越往前越细。"
    show(figure, alt or (
        f"A recurrent network unrolled into {steps} copies: each state h depends on the input x below it and on the "
        f"state before; the loss is at the last." + (way if gradient else ""),
        f"循环网络按时间展开为 {steps} 份：每个状态 h 取决于下方的输入 x 和前一状态，损失位于最后一步。"
        + (weg if gradient else ""),
    ))  # fmt: skip


def show_gradient_norms(norms: Mapping[str, ArrayLike], alt: Alt, size: tuple[float, float] = (5.4, 3.0)) -> None:
    """Norm of the loss's gradient with respect to the state of each step, on a logarithmic axis.

    Parameters
    ----------
    norms : mapping of str to array of shape (T,)
        Name of a network (``"LSTM"``) and its norms from the first step to the last; 0 leaves a gap.
    alt : pair of str
    size : pair of float
        In inches.
    """
    figure, axes = new_figure(*size)
    ax = axes[0, 0]
    for place, (label, values) in enumerate(norms.items()):
        curve = np.asarray(values, np.float64)
        if curve.ndim != 1 or not len(curve) or (curve < 0).any():
            raise ValueError(f"show_gradient_norms: {label!r} expects norms of shape (T,), got shape {curve.shape}")
        ax.plot(
            np.arange(1, len(curve) + 1), np.where(curve > 0, curve, np.nan), color=CYCLE[place % len(CYCLE)],
            linestyle=_DASHES[place % len(_DASHES)], label=label, linewidth=1.8,
        )  # fmt: skip
    ax.set_yscale("log")
    ax.set(xlabel="$t$", ylabel=r"$\|\partial\ell/\partial h_t\|$")
    ax.grid(color="#e6e6e6", linewidth=0.6)
    if len(norms) > 1:
        ax.legend(frameon=False)
    show(figure, alt)


def _box(ax: Axes, place: tuple[float, float], text: str, colour: str) -> None:
    ax.text(
        *place, text, ha="center", va="center", fontsize=11, color=INK,
        bbox={"boxstyle": "round,pad=0.4", "facecolor": colour, "edgecolor": GREY},
    )  # fmt: skip


def _arrow(
    ax: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    colour: str,
    width: float = 1.3,
    dashes: str = "-",
    bend: str = "arc3",
) -> None:
    ax.annotate("", end, start, arrowprops={
        "arrowstyle": "-|>", "color": colour, "lw": width, "linestyle": dashes, "connectionstyle": bend,
        "shrinkA": 0, "shrinkB": 0,
    })  # fmt: skip
