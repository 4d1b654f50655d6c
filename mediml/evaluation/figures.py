"""The figures of an evaluation as PNG: confusion matrix, reliability diagram, ROC curve."""

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from mediml.evaluation.calibration import expected_calibration_error, reliability_bins
from mediml.evaluation.classification import operating_point
from mediml.evaluation.ranking import auc, roc_curve
from mediml.plots.style import CYCLE, GREY, INK, new_figure

__all__ = ["confusion_picture", "operating_picture"]

_NOTE = "Education, not for clinical use"


def confusion_picture(counts: ArrayLike, classes: Sequence[str]) -> bytes:
    """Confusion matrix as PNG: row the reference standard, column the model; colour is the share of the row."""
    matrix = np.asarray(counts, np.int64)
    if matrix.shape != (len(classes), len(classes)):
        raise ValueError(f"confusion_picture: expected {len(classes)} rows and columns, got shape {matrix.shape}")
    shares = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    size = 2.6 + 0.8 * len(classes)
    figure, axes = new_figure(size, size - 0.5)
    ax = axes[0, 0]
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1.2)
    for (row, column), count in np.ndenumerate(matrix):
        colour = "white" if shares[row, column] > 0.6 else INK
        text = f"{count}\n{100 * shares[row, column]:.1f} %"
        ax.text(column, row, text, ha="center", va="center", color=colour)
    ticks = np.arange(len(classes))
    ax.set_xticks(ticks, classes, rotation=30 if len(classes) > 2 else 0)
    ax.set_yticks(ticks, classes)
    ax.set(xlabel="model", ylabel="reference standard")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return _png(figure)


def operating_picture(labels: ArrayLike, probabilities: ArrayLike, threshold: float) -> bytes:
    """ROC curve with the operating point, and reliability diagram with Wilson's intervals, side by side as PNG."""
    figure, axes = new_figure(8.4, 4.2, columns=2)
    _draw_roc(axes[0, 0], labels, probabilities, threshold)
    _draw_reliability(axes[0, 1], labels, probabilities)
    for ax in axes.flat:
        ax.plot([0, 1], [0, 1], ":", color=GREY, linewidth=1, zorder=0)
        ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
        ax.grid(color="#e6e6e6", linewidth=0.6)
    return _png(figure)


def _draw_roc(ax: Axes, labels: ArrayLike, probabilities: ArrayLike, threshold: float) -> None:
    false_positive, sensitivity, _ = roc_curve(labels, probabilities)
    point = operating_point(labels, probabilities, threshold)
    x, y = point["specificity"], point["sensitivity"]
    ax.plot(false_positive, sensitivity, color=CYCLE[0], label=f"AUC {auc(labels, probabilities)}")
    ax.errorbar(
        [1 - x.value],
        [y.value],
        xerr=[[x.high - x.value], [x.value - x.low]],
        yerr=[[y.value - y.low], [y.high - y.value]],
        fmt="o",
        color=CYCLE[1],
        capsize=3,
        label=f"threshold {threshold:.3f}, 95 % intervals",
    )
    ax.legend(frameon=False, loc="lower right")
    ax.set(xlabel="1 - specificity", ylabel="sensitivity")


def _draw_reliability(ax: Axes, labels: ArrayLike, probabilities: ArrayLike) -> None:
    bins = reliability_bins(labels, probabilities)
    mean = np.array([m for m, _, _ in bins])
    value, low, high = np.array([observed for _, observed, _ in bins]).T
    error = expected_calibration_error(labels, probabilities)
    ax.errorbar(mean, value, yerr=[value - low, high - value], fmt="o-", color=CYCLE[0], capsize=3, linewidth=1)
    ax.set(
        xlabel="probability by the model (mean of bin)",
        ylabel="observed frequency",
    )
    ax.text(0.0, 0.93, f"expected error {error:.3f}\n{len(bins)} bins of about {bins[0][2]} cases", va="center")


def _png(figure: Figure) -> bytes:
    figure.supxlabel(_NOTE, fontsize=8, color=GREY, x=0.99, ha="right")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=144, metadata={"Software": None})
    return buffer.getvalue()
