"""Volumes as a segmentation takes them: brought to one size, whole or slice by slice, and measured one by one.

`mediml.data.volumes` scales every volume by itself, because intensities of MR have no unit. The last volumes of the
training part are set aside for validation; those of the test part are looked at once. What is predicted is measured in
the volume's own shape.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediml import no_grad
from mediml.data.loader import Dataset
from mediml.data.volumes import LabelledVolume, VolumeData, generated_volumes, load_volumes, stack, unpad
from mediml.evaluation import dice, summarise_dice
from mediml.imaging import pad_to
from mediml.models.predict import output_of
from mediml.training.run import figure

__all__ = ["Slices", "Volumes", "Whole", "dice_of_volumes", "load", "measure", "segment", "split"]


@dataclass(frozen=True, eq=False)
class Volumes:
    """Labelled volumes in three splits.

    Attributes
    ----------
    name : str
    structures : tuple of str
        Of the labels 1, 2, …
    train, val, test : sequence of LabelledVolume
    """

    name: str
    structures: tuple[str, ...]
    train: Sequence[LabelledVolume]
    val: Sequence[LabelledVolume]
    test: Sequence[LabelledVolume]

    def sha256(self) -> str:
        """Hash of all volumes with their labels, split by split."""
        digest = hashlib.sha256()
        for part in ("train", "val", "test"):
            for volume in getattr(self, part):
                digest.update(f"{part} {volume.name} {volume.image.shape}\0".encode())
                digest.update(volume.image.tobytes() + volume.label.tobytes())
        return digest.hexdigest()


def split(data: VolumeData) -> Volumes:
    """Set the last tenth of the training volumes aside for validation, at least one."""
    count = max(1, len(data.train) // 10)
    if len(data.train) <= count:
        raise ValueError(
            f"unet: expected at least 2 training volumes, one of them for validation, got {len(data.train)}"
        )
    return Volumes(data.name, data.classes[1:], data.train[:-count], data.train[-count:], data.test)


def load(folder: str | os.PathLike[str] | None) -> Volumes:
    """The volumes of a folder, or generated ones: the last 20 of 100, or a fifth of fewer, are for testing."""
    if folder is None:
        return split(generated_volumes())
    try:
        return split(load_volumes(folder))
    except ImportError as error:  # of nibabel, which says how to install it
        raise ValueError(str(error)) from None


def common_size(volumes: Sequence[LabelledVolume], multiple: int = 4) -> tuple[int, ...]:
    """Of all volumes the largest extent along each axis, rounded up to a multiple."""
    largest = np.max([volume.image.shape for volume in volumes], 0)
    return tuple(int(-(-extent // multiple) * multiple) for extent in largest)


class Whole(Dataset):
    """Each volume as an image (1, D, H, W) and labels (D, H, W), padded to one `shape`."""

    def __init__(self, volumes: Sequence[LabelledVolume]) -> None:
        images, labels = stack(volumes)
        self.shape: tuple[int, ...] = labels.shape[1:]
        self.samples = list(zip(images, labels))

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        return self.samples[index]


class Slices(Dataset):
    """Each slice of each volume with its neighbours as channels, (2 · context + 1, H, W), and its labels (H, W)."""

    def __init__(self, volumes: Sequence[LabelledVolume], axis: int, context: int) -> None:
        size = common_size(volumes)
        size = tuple(size[k] for k in _axes(axis))
        self.volumes: list[NDArray[np.float32]] = []
        self.labels: list[NDArray[np.int64]] = []
        self.index: list[tuple[int, int]] = []
        for number, volume in enumerate(volumes):
            image, labels = volume.image.transpose(_axes(axis)), volume.label.transpose(_axes(axis))
            image = pad_to(image, (len(image), *size[1:]), image.min())
            self.volumes.append(_with_context(image, context))
            self.labels.append(pad_to(labels, image.shape))
            self.index.extend((number, place) for place in range(len(image)))

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        number, place = self.index[index]
        return self.volumes[number][place], self.labels[number][place]


def _axes(axis: int) -> tuple[int, ...]:
    """The order of axes that brings `axis` to the front."""
    return (axis, *(other for other in range(3) if other != axis))


def _with_context(image: NDArray[np.float32], context: int) -> NDArray[np.float32]:
    """(D, H, W) to (D, 2 · context + 1, H, W); beyond the ends the last slice is repeated."""
    extended = np.pad(image, ((context, context), (0, 0), (0, 0)), mode="edge")
    return np.stack([extended[k : k + len(image)] for k in range(2 * context + 1)], 1)


def segment(model: Any, architecture: Mapping[str, Any], volumes: Sequence[LabelledVolume]) -> list[NDArray[np.uint8]]:
    """The most probable label of every voxel of each volume, of the volume's own shape."""
    training = model.training
    model.eval()
    try:
        with no_grad():
            return [_segment_one(model, architecture, volume) for volume in volumes]
    finally:
        model.train(training)


def _segment_one(model: Any, architecture: Mapping[str, Any], volume: LabelledVolume) -> NDArray[np.uint8]:
    image = volume.image
    if architecture["rank"] == 3:
        # Padded as in training: where nothing was ever shown beyond a border, a network invents.
        shape = tuple(map(max, architecture["shape"], image.shape))
        scores = output_of(model, stack([volume], shape=shape)[0])
        return np.ascontiguousarray(unpad(scores.argmax(1).astype(np.uint8), [volume])[0])
    order = _axes(architecture["axis"])
    planes = np.ascontiguousarray(_with_context(image.transpose(order), architecture["context"]))
    masks = output_of(model, planes).argmax(1).astype(np.uint8)
    return np.ascontiguousarray(masks.transpose(np.argsort(order)))


def dice_of_volumes(
    masks: Sequence[NDArray[np.uint8]], volumes: Sequence[LabelledVolume], structures: Sequence[str]
) -> dict[str, list[float]]:
    """Dice of each structure, and of all together as ``"whole"``, volume by volume; nan where there is nothing."""
    labels = {name: number for number, name in enumerate(structures, 1)}
    table = {name: [dice(m == k, v.label == k) for m, v in zip(masks, volumes)] for name, k in labels.items()}
    table["whole"] = [dice(mask > 0, volume.label > 0) for mask, volume in zip(masks, volumes)]
    return table


def measure(
    masks: Sequence[NDArray[np.uint8]],
    volumes: Sequence[LabelledVolume],
    structures: Sequence[str],
    part: str,
    name: str,
) -> dict[str, Any]:
    """The figures of a split as a summary holds them: mean Dice with its bootstrap interval, drawing whole volumes."""
    table = dice_of_volumes(masks, volumes, structures)
    values = {}
    for structure in ("whole", *structures):
        per_volume = np.array(table[structure])
        summary = summarise_dice(per_volume)
        left_out = f", {summary.not_applicable} without it left out" if summary.not_applicable else ""
        values[f"dice_{structure}"] = figure(f"Dice, {structure}, mean over volumes{left_out}", summary.mean)
        values[f"dice_{structure}_lowest"] = figure(f"Dice, {structure}, lowest volume", np.nanmin(per_volume))
    return {
        "split": part,
        "measured_on": f"the {part} split of {name}: {len(volumes)} volumes ({volumes[0].name} to {volumes[-1].name})",
        "values": values,
        "dice_per_volume": {
            volume.name: {key: None if np.isnan(column[n]) else round(column[n], 4) for key, column in table.items()}
            for n, volume in enumerate(volumes)
        },
    }
