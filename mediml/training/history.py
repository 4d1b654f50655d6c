"""Learning curves: one row per epoch, as a table and as a picture."""

import csv
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mediml.utils.files import write_atomically

__all__ = ["COLUMNS", "PANELS", "History", "Panel"]


@dataclass(frozen=True)
class Panel:
    """One picture of learning curves.

    Attributes
    ----------
    label : str
        Of the vertical axis, with the unit.
    lines : tuple of (column, name, style)
        Name as the legend has it; none for a panel of one line. Style as matplotlib's: ``"-"`` for training, ``"--"``
        for validation.
    best : str
        ``"max"`` or ``"min"``: mark the best epoch of the first line. Empty: mark none.
    from_zero : bool
        Begin the vertical axis at 0.
    level : tuple of (float, name), optional
        A dotted line to compare with.
    """

    label: str
    lines: tuple[tuple[str, str, str], ...]
    best: str = ""
    from_zero: bool = False
    level: tuple[float, str] | None = None


#: Of a classifier. Other trainings have columns and panels of their own.
COLUMNS = ("epoch", "train_loss", "train_accuracy", "val_loss", "val_auc", "val_accuracy")
PANELS = (
    Panel(
        "cross entropy (nats)",
        (("train_loss", "training", "-"), ("val_loss", "validation", "--")),
        from_zero=True,
    ),
    Panel("AUC on validation", (("val_auc", "", "--"),), best="max"),
)


class History:
    """What each epoch came to.

    Attributes
    ----------
    rows : list of dict
        One per finished epoch, with the keys `columns`. The training figures are means over the epoch, while the
        weights changed and dropout and augmentation were at work; those of validation are of the weights at its end.
        None where a figure was not computed in that epoch.
    columns : tuple of str
    panels : tuple of Panel
        What `picture` draws.
    """

    def __init__(
        self,
        rows: list[dict[str, Any]] | None = None,
        columns: tuple[str, ...] = COLUMNS,
        panels: tuple[Panel, ...] = PANELS,
    ) -> None:
        self.rows: list[dict[str, Any]] = list(rows or [])
        self.columns, self.panels = columns, panels

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def column(self, name: str) -> list[float]:
        """One figure over the epochs."""
        if name not in self.columns:
            raise ValueError(f"history: expected one of {', '.join(self.columns)}, got {name!r}")
        return [row[name] for row in self.rows]

    def write_table(self, folder: str | os.PathLike[str]) -> None:
        """Write ``history.csv``."""
        table = io.StringIO()
        writer = csv.DictWriter(table, self.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_atomically(Path(folder) / "history.csv", table.getvalue())

    def write_picture(self, folder: str | os.PathLike[str]) -> None:
        """Write ``curves.png``, once there is an epoch to show."""
        if self.rows:
            write_atomically(Path(folder) / "curves.png", self.picture())

    def picture(self) -> bytes:
        """The panels over the epochs as PNG."""
        from mediml.plots.style import new_figure

        figure, axes = new_figure(4.0 * len(self.panels), 3.1, columns=len(self.panels))
        for ax, panel in zip(axes.flat, self.panels):
            self._draw(ax, panel)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=144, metadata={"Software": None})
        return buffer.getvalue()

    def _draw(self, ax: Any, panel: Panel) -> None:
        from matplotlib.ticker import MaxNLocator

        from mediml.plots.style import CYCLE, GREY

        epochs = self.column("epoch")
        single = len(panel.lines) == 1
        for number, (column, name, style) in enumerate(panel.lines):
            values = np.asarray(self.column(column), np.float64)  # None becomes nan, a gap
            colour = CYCLE[1 if single else number]
            ax.plot(epochs, values, style, label=name or None, color=colour, marker=".")
            if panel.best and number == 0 and np.isfinite(values).any():
                best = int((np.nanargmax if panel.best == "max" else np.nanargmin)(values))
                ax.plot(epochs[best], values[best], "o", color=colour)
                place = (epochs[best], values[best])
                ax.annotate(f"{values[best]:.4f}", place, (0, 8), textcoords="offset points", ha="center")
                ax.margins(y=0.12)
        if panel.level is not None:
            ax.axhline(panel.level[0], color=GREY, linestyle=":", label=panel.level[1])
        ax.set(xlabel="epoch", ylabel=panel.label)
        if panel.from_zero:
            ax.set_ylim(0, None)
        if ax.get_legend_handles_labels()[1]:
            ax.legend(frameon=False)
        ax.grid(color="#e6e6e6", linewidth=0.6)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
