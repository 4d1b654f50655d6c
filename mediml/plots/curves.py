"""Curves and tables of training and evaluation."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from mediml.plots.display import Alt, show
from mediml.plots.numbers import draw_matrix
from mediml.plots.style import CYCLE, GREY, INK, new_figure

__all__ = ["show_confusion", "show_curves", "show_learning_curves", "show_reliability"]

_DASHES = ("-", "--", ":", "-.")


def show_curves(
    x: ArrayLike,
    curves: Mapping[str, ArrayLike],
    alt: Alt,
    x_label: str,
    y_label: str,
    size: tuple[float, float] = (5.2, 2.9),
    marks: Sequence[float] = (),
    logarithmic: bool = False,
) -> None:
    """Curves over one axis; each has its own colour and its own dashes.

    Parameters
    ----------
    x : array of shape (points,)
    curves : mapping of str to array of shape (points,)
        Label (a symbol) and values.
    alt : pair of str
    x_label, y_label : str
        Symbol and unit.
    size : pair of float
        In inches.
    marks : sequence of float
        Values of x with a dotted vertical line.
    logarithmic : bool
        Powers of ten on the vertical axis, where the curves span many of them; values must then be positive.

    Raises
    ------
    ValueError
        If a curve on a logarithmic axis has a value that is not positive: it would be left out silently.
    """
    if logarithmic:
        _refuse_not_positive(curves)
    figure, axes = new_figure(*size)
    _draw_curves(axes[0, 0], np.asarray(x), curves, x_label, y_label)
    if logarithmic:
        axes[0, 0].set_yscale("log")
    for mark in marks:
        axes[0, 0].axvline(mark, color=GREY, linestyle=":", linewidth=1)
    show(figure, alt)


def show_learning_curves(
    epochs: ArrayLike,
    losses: Mapping[str, ArrayLike],
    scores: Mapping[str, ArrayLike],
    alt: Alt,
    score_label: str = "AUC",
) -> None:
    """Loss (left) and score (right) over the epochs; symbols as labels, such as ``"$\\ell_{tr}$"``."""
    figure, axes = new_figure(7.6, 2.9, columns=2)
    _draw_curves(axes[0, 0], np.asarray(epochs), losses, "$e$", r"$\ell$")
    _draw_curves(axes[0, 1], np.asarray(epochs), scores, "$e$", score_label)
    for ax in axes.flat:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    show(figure, alt)


def show_confusion(counts: ArrayLike, classes: Sequence[str], alt: Alt) -> None:
    """Confusion matrix: row = reference standard $c$, column = prediction $\\hat c$; each cell a number of cases."""
    matrix = np.asarray(counts, np.float64)
    if matrix.shape != (len(classes), len(classes)):
        raise ValueError(
            f"show_confusion: counts expects shape {(len(classes),) * 2} for {len(classes)} classes, got {matrix.shape}"
        )
    figure, axes = new_figure(0.9 * len(classes) + 1.2, 0.9 * len(classes) + 0.8)
    ax = axes[0, 0]
    draw_matrix(ax, matrix, 0)
    for text in ax.texts:
        text.set_fontsize(14)
    ax.set_axis_on()
    ticks = np.arange(len(classes)) + 0.5
    ax.set(xlabel=r"$\hat{c}$", ylabel="$c$", xticks=ticks, yticks=ticks, xticklabels=classes, yticklabels=classes)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    show(figure, alt)


def show_reliability(
    predicted: ArrayLike, observed: ArrayLike, interval: tuple[ArrayLike, ArrayLike], counts: ArrayLike, alt: Alt
) -> None:
    """Reliability diagram: observed frequency over mean predicted probability, one point for each bin.

    Parameters
    ----------
    predicted, observed : array of shape (bins,)
        Mean probability, and fraction of positives.
    interval : pair of arrays of shape (bins,)
        95 % interval of `observed`: lower and upper ends.
    counts : array of shape (bins,)
        Cases per bin, written at its point.
    alt : pair of str
    """
    mean, fraction, low, high = (np.asarray(values, float) for values in (predicted, observed, *interval))
    figure, axes = new_figure(3.6, 3.4)
    ax = axes[0, 0]
    ax.plot([0, 1], [0, 1], color=GREY, linestyle=":")
    ax.errorbar(
        mean, fraction, yerr=[fraction - low, high - fraction], fmt="o", color=CYCLE[0], ecolor=CYCLE[5], capsize=3
    )
    for x, y, count in zip(mean, fraction, np.asarray(counts)):
        ax.annotate(f"{count:d}", (x, y), (6, -10), textcoords="offset points", fontsize=8, color=INK)
    ax.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal", xlabel=r"$\bar{p}$", ylabel=r"$\Pr(c=1)$")
    show(figure, alt)


def _refuse_not_positive(curves: Mapping[str, ArrayLike]) -> None:
    for label, values in curves.items():
        smallest = np.min(np.asarray(values, float))
        if not smallest > 0:
            raise ValueError(
                f"show_curves: a logarithmic axis expects positive values, curve {label!r} has {smallest}; "
                "leave those out or draw a linear axis"
            )


def _draw_curves(ax: Axes, x: np.ndarray, curves: Mapping[str, ArrayLike], x_label: str, y_label: str) -> None:
    for place, (label, values) in enumerate(curves.items()):
        ax.plot(
            x, np.asarray(values), color=CYCLE[place % len(CYCLE)], linestyle=_DASHES[place % len(_DASHES)],
            label=label, linewidth=1.8,
        )  # fmt: skip
    ax.set(xlabel=x_label, ylabel=y_label)
    ax.grid(color="#e6e6e6", linewidth=0.6)
    if len(curves) > 1:
        ax.legend(frameon=False)
