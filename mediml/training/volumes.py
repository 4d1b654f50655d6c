"""Volumes as a segmentation takes them: scaled one by one, brought to one size, whole or slice by slice.

Intensities of MR have no unit and differ by orders of magnitude from scanner to scanner, so each volume is scaled by
its own percentiles, mean and deviation. What is predicted is cut back to the volume before it is measured.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediml import from_numpy, no_grad
from mediml.data.loader import Dataset
from mediml.evaluation import cluster_bootstrap, dice
from mediml.training.run import figure

__all__ = ["Slices", "Volume", "Volumes", "Whole", "dice_of_volumes", "measure", "scaled", "segment"]


@dataclass(frozen=True, eq=False)
class Volume:
    """One volume with its labels.

    Attributes
    ----------
    name : str
    image : ndarray of float32, shape (D, H, W)
        As the file has it, in its unit.
    labels : ndarray of uint8, shape (D, H, W)
        0 for background, then one number for each structure.
    """

    name: str
    image: NDArray[np.float32]
    labels: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Volumes:
    """Labelled volumes in three splits.

    Attributes
    ----------
    name : str
    structures : tuple of str
        Of the labels 1, 2, …
    train, val, test : sequence of Volume
    """

    name: str
    structures: tuple[str, ...]
    train: Sequence[Volume]
    val: Sequence[Volume]
    test: Sequence[Volume]

    def sha256(self) -> str:
        """Hash of all volumes with their labels, split by split."""
        digest = hashlib.sha256()
        for split in ("train", "val", "test"):
            for volume in getattr(self, split):
                digest.update(f"{split} {volume.name} {volume.image.shape}\0".encode())
                digest.update(volume.image.tobytes() + volume.labels.tobytes())
        return digest.hexdigest()


def scaled(image: NDArray[Any]) -> NDArray[np.float32]:
    """Cut to the range between its 1st and 99th percentile, then to mean 0 and deviation 1."""
    values = np.asarray(image, np.float64)
    values = np.clip(values, *np.percentile(values, (1, 99)))
    spread = values.std()
    return ((values - values.mean()) / (spread if spread > 0 else 1.0)).astype(np.float32)


def common_size(volumes: Sequence[Volume], multiple: int = 4) -> tuple[int, ...]:
    """Of all volumes the largest extent along each axis, rounded up to a multiple."""
    largest = np.max([volume.image.shape for volume in volumes], 0)
    return tuple(int(-(-extent // multiple) * multiple) for extent in largest)


def _centred(array: NDArray[Any], size: Sequence[int], value: Any) -> NDArray[Any]:
    """Padded around its middle to a size that is nowhere smaller."""
    room = [target - extent for target, extent in zip(size, array.shape)]
    return np.pad(array, [(r // 2, r - r // 2) for r in room], constant_values=value)


def _prepared(volume: Volume, size: Sequence[int]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    image = scaled(volume.image)
    return _centred(image, size, image.min()), _centred(volume.labels.astype(np.int64), size, 0)


class Whole(Dataset):
    """Each volume as an image (1, D, H, W) and labels (D, H, W), all of one size."""

    def __init__(self, volumes: Sequence[Volume]) -> None:
        size = common_size(volumes)
        self.samples = [_prepared(volume, size) for volume in volumes]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        image, labels = self.samples[index]
        return image[None], labels


class Slices(Dataset):
    """Each slice of each volume with its neighbours as channels, (2 · context + 1, H, W), and its labels (H, W)."""

    def __init__(self, volumes: Sequence[Volume], axis: int, context: int) -> None:
        size = common_size(volumes)
        size = tuple(size[k] for k in _axes(axis))
        self.context = context
        self.volumes, self.labels, self.index = [], [], []
        for number, volume in enumerate(volumes):
            image, labels = (part.transpose(_axes(axis)) for part in (scaled(volume.image), volume.labels))
            image = _centred(image, (len(image), *size[1:]), image.min())
            self.volumes.append(_with_context(image, context))
            self.labels.append(_centred(labels, image.shape, 0).astype(np.int64))
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


def segment(model: Any, architecture: Mapping[str, Any], volumes: Sequence[Volume]) -> list[NDArray[np.uint8]]:
    """The most probable label of every voxel of each volume, of the volume's own shape."""
    training = model.training
    model.eval()
    try:
        with no_grad():
            return [_segment_one(model, architecture, volume) for volume in volumes]
    finally:
        model.train(training)


def _segment_one(model: Any, architecture: Mapping[str, Any], volume: Volume) -> NDArray[np.uint8]:
    image = scaled(volume.image)
    if architecture["rank"] == 3:
        scores = model(from_numpy(image[None, None])).numpy()[0]
        return scores.argmax(0).astype(np.uint8)
    order = _axes(architecture["axis"])
    stack = np.ascontiguousarray(_with_context(image.transpose(order), architecture["context"]))
    masks = model(from_numpy(stack)).numpy().argmax(1).astype(np.uint8)
    return np.ascontiguousarray(masks.transpose(np.argsort(order)))


def dice_of_volumes(
    masks: Sequence[NDArray[np.uint8]], volumes: Sequence[Volume], structures: Sequence[str]
) -> dict[str, list[float]]:
    """Dice of each structure, and of all together as ``"whole"``, volume by volume; nan where there is nothing."""
    labels = {name: number for number, name in enumerate(structures, 1)}
    table = {name: [dice(m == k, v.labels == k) for m, v in zip(masks, volumes)] for name, k in labels.items()}
    table["whole"] = [dice(mask > 0, volume.labels > 0) for mask, volume in zip(masks, volumes)]
    return table


def measure(
    masks: Sequence[NDArray[np.uint8]], volumes: Sequence[Volume], structures: Sequence[str], split: str, name: str
) -> dict[str, Any]:
    """The figures of a split as a summary holds them: mean Dice with its bootstrap interval, drawing whole volumes."""
    table = dice_of_volumes(masks, volumes, structures)
    values = {}
    for structure in ("whole", *structures):
        per_volume = np.array(table[structure])
        known = per_volume[~np.isnan(per_volume)]
        missing = f", {len(per_volume) - len(known)} without it left out" if len(known) < len(per_volume) else ""
        mean = cluster_bootstrap(lambda drawn: float(drawn.mean()), np.arange(len(known)), known) if len(known) else None
        values[f"dice_{structure}"] = figure(f"Dice, {structure}, mean over volumes{missing}", mean)
        values[f"dice_{structure}_lowest"] = figure("  lowest volume", known.min() if len(known) else None)
    return {
        "split": split,
        "measured_on": f"the {split} split of {name}: {len(volumes)} volumes ({volumes[0].name} to {volumes[-1].name})",
        "values": values,
        "dice_per_volume": {
            volume.name: {key: None if np.isnan(column[n]) else round(column[n], 4) for key, column in table.items()}
            for n, volume in enumerate(volumes)
        },
    }
