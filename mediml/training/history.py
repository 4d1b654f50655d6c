"""Learning curves: one row per epoch, as a table and as a picture."""

import csv
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mediml.utils.files import write_atomically

__all__ = ["COLUMNS", "History"]

COLUMNS = ("epoch", "train_loss", "train_accuracy", "val_loss", "val_auc", "val_accuracy")


class History:
    """What each epoch came to.

    Attributes
    ----------
    rows : list of dict
        One per finished epoch, with the keys `COLUMNS`. The training figures are means over the epoch, while the
        weights changed and dropout and augmentation were at work; those of validation are of the weights at its end.
    """

    def __init__(self, rows: list[dict[str, Any]] | None = None) -> None:
        self.rows: list[dict[str, Any]] = list(rows or [])

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def column(self, name: str) -> list[float]:
        """One figure over the epochs."""
        if name not in COLUMNS:
            raise ValueError(f"history: expected one of {', '.join(COLUMNS)}, got {name!r}")
        return [row[name] for row in self.rows]

    def write_table(self, folder: str | os.PathLike[str]) -> None:
        """Write ``history.csv``."""
        table = io.StringIO()
        writer = csv.DictWriter(table, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_atomically(Path(folder) / "history.csv", table.getvalue())

    def write_picture(self, folder: str | os.PathLike[str]) -> None:
        """Write ``curves.png``, once there is an epoch to show."""
        if self.rows:
            write_atomically(Path(folder) / "curves.png", self.picture())

    def picture(self) -> bytes:
        """Loss and AUC over the epochs as PNG."""
        from matplotlib.ticker import MaxNLocator

        from mediml.plots.style import CYCLE, new_figure

        figure, axes = new_figure(8.0, 3.1, columns=2)
        epochs = self.column("epoch")
        for name, label, style in (("train_loss", "training", "-"), ("val_loss", "validation", "--")):
            axes[0, 0].plot(epochs, self.column(name), style, label=label, color=CYCLE[style == "--"], marker=".")
        axes[0, 0].set(xlabel="epoch", ylabel="cross entropy (nats)", ylim=(0, None))
        axes[0, 0].legend(frameon=False)
        areas = self.column("val_auc")
        axes[0, 1].plot(epochs, areas, "--", color=CYCLE[1], marker=".")
        best = max(range(len(areas)), key=lambda i: areas[i])
        axes[0, 1].plot(epochs[best], areas[best], "o", color=CYCLE[1])
        axes[0, 1].annotate(
            f"{areas[best]:.4f}", (epochs[best], areas[best]), (0, 8), textcoords="offset points", ha="center"
        )
        axes[0, 1].margins(y=0.12)
        axes[0, 1].set(xlabel="epoch", ylabel="AUC on validation")
        for ax in axes.flat:
            ax.grid(color="#e6e6e6", linewidth=0.6)
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=144, metadata={"Software": None})
        return buffer.getvalue()
