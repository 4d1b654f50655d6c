"""Training of a segmentation: the U-Net on the slices of volumes, or on whole volumes.

The five steps are the classifier's; the loss is cross entropy plus soft Dice. Every volume is scaled by itself
(`mediml.training.volumes`). Taught in lesson 15, segmentation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import mediml
from mediml import from_numpy, nn, optim
from mediml.models import unet
from mediml.training.base import Training, read_settings
from mediml.training.history import History, Panel
from mediml.training.settings import expect_choice, expect_positive, expect_whole
from mediml.training.volumes import Slices, Volumes, Whole, dice_of_volumes, segment

__all__ = ["SegmentationResult", "SegmentationSettings", "build", "resume", "train"]


@dataclass(frozen=True)
class SegmentationSettings:
    """All that decides the training of a segmentation, beside the data.

    Attributes
    ----------
    rank : int
        2: slice by slice; 3: whole volumes.
    context : int
        Slices on either side that are shown with each slice, as channels; of no effect for `rank` 3.
    axis : int
        Of the volumes' three axes the one that slices are taken along; of no effect for `rank` 3.
    widths : tuple of int
        Channels of the U-Net at each resolution.
    norm : str
        ``"batch"``, ``"instance"``, ``"group"`` or ``"none"``.
    augment : bool
        Shift every image, and stretch and shift its values, at random.
    epochs, batch_size : int
    lr : float
        First step size of Adam; it falls to 0 along half a cosine.
    minutes : float, optional
        The step size then falls with the time where this is shorter than the epochs.
    seed : int
        Of the weights, the order of the images and augmentation.
    device : str
        Where to train. Another device gives other last digits, so a training goes on where it was begun.
    """

    rank: int = 2
    context: int = 1
    axis: int = 2
    widths: tuple[int, ...] = (8, 16, 32)
    norm: str = "batch"
    augment: bool = True
    epochs: int = 12
    batch_size: int = 16
    lr: float = 3e-3
    minutes: float | None = None
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))
        expect_whole(self, context=0, axis=0, epochs=1, batch_size=1, seed=0)
        expect_positive(self, "lr", "minutes")
        expect_choice(self, norm=unet.NORMS)
        if self.rank not in (2, 3) or self.axis > 2:
            raise ValueError(f"settings: expected rank 2 or 3 and axis 0, 1 or 2, got {self.rank} and {self.axis}")


@dataclass(frozen=True, eq=False)
class SegmentationResult:
    """A finished training.

    Attributes
    ----------
    model : nn.Module
        With the weights of the best epoch, in evaluation mode.
    architecture : dict
        What `build` needs.
    settings : SegmentationSettings
    history : History
    best_epoch : int
        Counted from 1: largest mean Dice, of the structures, on validation.
    """

    model: nn.Module
    architecture: dict[str, Any]
    settings: SegmentationSettings
    history: History
    best_epoch: int


def train(
    data: Volumes, settings: SegmentationSettings | None = None, out: Path | None = None, progress: bool = True
) -> SegmentationResult:
    """Train a U-Net from random weights.

    Parameters
    ----------
    data : Volumes
        The training split moves the weights, the validation split chooses the epoch; the test split is not looked at.
    settings : SegmentationSettings, optional
    out : Path, optional
        A folder without a checkpoint: gets a checkpoint after every epoch, ``history.csv`` and ``curves.png``.
    progress : bool
        Show a progress bar.

    Raises
    ------
    Interrupted
        After Ctrl-C, once the state is saved; `resume` goes on from there, to the same bits.
    """
    training = _Training(data, settings or SegmentationSettings(), None if out is None else Path(out), progress)
    training.begin()
    return training.run()


def resume(
    data: Volumes, out: Path, progress: bool = True, epochs: int | None = None, minutes: float | None = None
) -> SegmentationResult:
    """Go on with the training whose checkpoint is in `out`; `epochs` and `minutes` may be new totals."""
    settings, state = read_settings("unet", SegmentationSettings, out, epochs, minutes)
    training = _Training(data, settings, Path(out), progress)
    training.restore(state)
    return training.run()


def build(architecture: Mapping[str, Any]) -> nn.Module:
    """A network of an architecture, with random weights from the process's numbers."""
    options = {key: architecture[key] for key in ("in_channels", "num_classes", "rank", "norm")}
    return unet.UNet(widths=tuple(architecture["widths"]), **options)


class _Training(Training):
    kind = "unet"

    def __init__(self, data: Volumes, settings: SegmentationSettings, out: Path | None, progress: bool) -> None:
        self.data, self.data_hash, self.data_name = data, data.sha256(), data.name
        super().__init__(settings, out, progress)
        volumetric = settings.rank == 3
        self.dataset = Whole(data.train) if volumetric else Slices(data.train, settings.axis, settings.context)
        self.architecture = {
            "name": "UNet",
            "rank": settings.rank,
            "in_channels": 1 if volumetric else 2 * settings.context + 1,
            "num_classes": len(data.structures) + 1,
            "widths": list(settings.widths),
            "norm": settings.norm,
            "axis": settings.axis,
            "context": settings.context,
            "shape": list(self.dataset.shape) if isinstance(self.dataset, Whole) else None,
        }
        # 1. Initialise the weights at random.
        mediml.manual_seed(settings.seed)
        self.model = build(self.architecture).to(self.device)
        self.optimizer = optim.Adam(self.model.parameters(), lr=settings.lr)
        self.parts = {"model": self.model, "optimizer": self.optimizer}

    @property
    def columns(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("epoch", "lr", "train_loss", *(f"val_dice_{name}" for name in (*self.data.structures, "whole")))

    @property
    def panels(self) -> tuple[Panel, ...]:  # type: ignore[override]
        names = ("whole", *self.data.structures)
        return (
            Panel("cross entropy + 1 - soft Dice", (("train_loss", "", "-"),), from_zero=True),
            Panel("Dice on validation", tuple((f"val_dice_{name}", name, "--") for name in names), best="max"),
        )

    def run(self) -> SegmentationResult:
        # 5. Iterate over batches and epochs.
        self.model.train()
        self.iterate()
        self.model.load_state_dict(self.progress.best_weights)
        best = self.progress.best_epoch
        return SegmentationResult(self.model.eval(), self.architecture, self.settings, self.history, best)

    def _learn_from(self, images: mediml.Tensor, labels: mediml.Tensor) -> None:
        # 2. Forward: a score of every class at every position.
        scores = self.model(images)
        # 3. Loss.
        loss = unet.segmentation_loss(scores, labels)
        # 4. Backward, and one step downhill, smaller towards the end.
        self.optimizer.param_groups[0]["lr"] = self._rate()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.progress.add(loss=self._finite(loss.item()) * len(labels), count=len(labels))

    def _rate(self) -> float:
        return float(self.settings.lr * 0.5 * (1 + np.cos(np.pi * self.done())))

    def _prepared(self, batch: Any, epoch: int, step: int) -> tuple[mediml.Tensor, mediml.Tensor]:
        images, labels = (part.numpy() for part in batch)
        if self.settings.augment:
            images, labels = _changed(images, labels, self._generator(epoch, step))
        return from_numpy(images), from_numpy(labels)

    def _figures(self) -> dict[str, Any]:
        sums = self.progress.sums
        masks = segment(self.model, self.architecture, self.data.val)
        table = dice_of_volumes(masks, self.data.val, self.data.structures)
        means = {name: float(np.nanmean(values)) for name, values in table.items()}
        self._keep_if_best((float(np.mean([means[name] for name in self.data.structures])),), self.model)
        return {
            "lr": self._rate(),
            "train_loss": sums["loss"] / sums["count"],
            **{f"val_dice_{name}": value for name, value in means.items()},
        }


def _changed(images: Any, labels: Any, random: np.random.Generator) -> tuple[Any, Any]:
    """Shift every image with its labels by up to 4 positions along each axis, and stretch and shift its values."""
    images, labels = np.array(images), np.array(labels)
    axes = tuple(range(1, labels.ndim))
    shifts = random.integers(-4, 5, (len(images), len(axes)))
    tones = random.uniform((0.85, -0.15), (1.15, 0.15), (len(images), 2)).astype(np.float32)
    for n, (shift, (gain, offset)) in enumerate(zip(shifts.tolist(), tones)):
        images[n] = gain * np.roll(images[n], shift, axes) + offset
        labels[n] = np.roll(labels[n], shift, tuple(axis - 1 for axis in axes))
    return images, labels
