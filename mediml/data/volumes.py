"""Labelled MR volumes: read from a folder in the layout of the Medical Segmentation Decathlon, or generated.

Axes are (plane, row, column) in the canonical orientation: plane counts from the feet to the head, row from back to
front, column from left to right. Each volume is scaled by itself to mean 0 and standard deviation 1, because the
intensities of MR have no unit.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter

from mediml.data.medmnist import DataError
from mediml.imaging import ImageError, pad_to, read_nifti, reorient
from mediml.imaging.geometry import middle

__all__ = ["LabelledVolume", "VolumeData", "generated_volumes", "load_volumes", "stack", "unpad"]

CLASSES = ("background", "anterior", "posterior")
_FOLDERS = (("images", "labels"), ("imagesTr", "labelsTr"))

Shape = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class LabelledVolume:
    """One volume with its mask.

    Attributes
    ----------
    name : str
        Of the file, without its endings.
    image : ndarray of float32, shape (D, H, W)
        Scaled to mean 0 and standard deviation 1.
    label : ndarray of int64, shape (D, H, W)
        Index into `VolumeData.classes`.
    spacing_mm : tuple of three float
        Distance between the centres of neighbouring voxels along (plane, row, column).
    """

    name: str
    image: NDArray[np.float32]
    label: NDArray[np.int64]
    spacing_mm: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class VolumeData:
    """Volumes for training and for testing, and the names of the labels."""

    name: str
    classes: tuple[str, ...]
    train: tuple[LabelledVolume, ...]
    test: tuple[LabelledVolume, ...]


def load_volumes(folder: str | os.PathLike[str], train: int = 80, test: int = 20) -> VolumeData:
    """Read volumes and masks; the first `train` by name are for training, the last `test` for testing.

    Parameters
    ----------
    folder : path
        Holds ``images/`` and ``labels/``, or ``imagesTr/`` and ``labelsTr/``, with ``*.nii.gz`` of the same names.
    train, test : int
        At least 1 each, together at most the number of volumes.

    Raises
    ------
    ImportError
        If nibabel is not installed.
    DataError
        If a folder, a file or a label is missing, damaged, or not as described.
    """
    folder = Path(folder)
    found = {
        pair: sorted(p.name for p in (folder / pair[0]).glob("*.nii.gz") if not p.name.startswith("."))
        for pair in _FOLDERS
    }
    (images, labels), names = next(((pair, names) for pair, names in found.items() if names), (_FOLDERS[0], []))
    if not names:
        raise DataError("load_volumes: expected images/ and labels/ with files *.nii.gz in the folder, found none")
    if train < 1 or test < 1 or train + test > len(names):
        raise DataError(
            f"load_volumes: expected train >= 1, test >= 1 and together at most {len(names)} volumes, "
            f"got {train} and {test}"
        )
    chosen = (names[:train], names[-test:])
    first, last = (tuple(_read(folder / images / n, folder / labels / n) for n in part) for part in chosen)
    return VolumeData(folder.name, CLASSES, first, last)


def generated_volumes(train: int = 16, test: int = 4, size: Shape = (24, 40, 28), seed: int = 0) -> VolumeData:
    """Volumes from a seeded generator, which need no download: a two-part structure in a noisy, uneven field.

    A bent, tapering body of two parts lies along the rows, the anterior part (1) thicker and in front of the
    posterior one (2); both have one brightness, so that only place and form tell them apart. A sphere beside it is as
    bright and belongs to the background. Position, size, contrast, noise and a smooth bias field differ.

    Parameters
    ----------
    train, test : int
        At least 1 each. A volume depends on the seed and on its number in its split only.
    size : (D, H, W)
        Largest shape, each at least 16; a volume is up to 4 voxels smaller on each axis.
    seed : int
        Not negative.
    """
    if min(train, test) < 1 or min(size) < 16 or len(size) != 3 or seed < 0:
        raise ValueError(
            f"generated_volumes: expected train, test >= 1, three sizes >= 16 and seed >= 0, "
            f"got {train}, {test}, {size} and {seed}"
        )
    first, last = (
        tuple(_generate(np.random.default_rng([seed, k, n]), size, f"{part}_{n:03d}") for n in range(count))
        for k, (part, count) in enumerate((("train", train), ("test", test)))
    )
    return VolumeData(f"generated volumes, seed {seed}", CLASSES, first, last)


def stack(
    volumes: Sequence[LabelledVolume], multiple: int = 8, shape: Shape | None = None
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Volumes padded to one shape, for a 3-D network: images (N, 1, D, H, W) and labels (N, D, H, W).

    Each volume lies in the middle as of `mediml.imaging.pad_to`; images are padded with 0, their mean, labels with 0,
    the background. `shape` is by default the largest of each axis, rounded up to `multiple`.
    """
    target = _target([v.image.shape for v in volumes], multiple) if shape is None else shape
    if len(target) != 3:
        raise ValueError(f"stack: shape expects three numbers, got {target}")
    return (
        np.stack([pad_to(v.image, target) for v in volumes])[:, None],
        np.stack([pad_to(v.label, target) for v in volumes]),
    )


def unpad(predictions: ArrayLike, volumes: Sequence[LabelledVolume]) -> list[NDArray[Any]]:
    """Predictions (N, D, H, W) on stacked volumes, cut back to the shape of each volume."""
    padded = np.asarray(predictions)
    if padded.ndim != 4 or len(padded) != len(volumes):
        raise ValueError(f"unpad: predictions expect shape ({len(volumes)}, D, H, W), got {padded.shape}")
    return [each[middle("unpad", volume.image.shape, each.shape)] for each, volume in zip(padded, volumes)]


def _target(shapes: Sequence[tuple[int, ...]], multiple: int) -> Any:
    if not shapes or multiple < 1:
        raise ValueError(f"expected at least one volume and multiple >= 1, got {len(shapes)} and {multiple}")
    return tuple(-(-max(sizes) // multiple) * multiple for sizes in zip(*shapes))


def _scaled(image: NDArray[Any]) -> NDArray[np.float32]:
    values = image.astype(np.float64)
    return ((values - values.mean()) / (values.std() or 1.0)).astype(np.float32)


def _read(image_path: Path, label_path: Path) -> LabelledVolume:
    name, loaded = image_path.name.removesuffix(".nii.gz"), []
    for path in (image_path, label_path):
        if not path.is_file():
            raise DataError(f"{name}: {path.parent.name}/ holds no file of this name")
        try:
            loaded.append(reorient(read_nifti(path), "HAR"))
        except ImageError as problem:
            raise DataError(f"{name}: not a readable NIfTI file in {path.parent.name}/: {problem}") from None
    image, mask = loaded
    label = mask.values
    if image.shape != mask.shape or not np.allclose(image.affine, mask.affine, atol=1e-3):
        raise DataError(f"{name}: image and label expect one grid, got {image.shape} and {mask.shape}, or other axes")
    if not np.isin(label, range(len(CLASSES))).all():
        raise DataError(f"{name}: expected labels from 0 to {len(CLASSES) - 1}")
    return LabelledVolume(name, _scaled(image.values), np.ascontiguousarray(label, np.int64), image.spacing_mm)


def _generate(source: np.random.Generator, size: Shape, name: str) -> LabelledVolume:
    shape = tuple(int(s) - int(d) for s, d in zip(size, source.integers(0, 5, 3)))
    axes = [(np.arange(s) - (s - 1) / 2) / s * 2 for s in shape]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    shift, thick = source.uniform(-0.12, 0.12, 3), source.uniform(0.22, 0.32)
    bend, turn, border = source.uniform(0.1, 0.3), source.uniform(-0.2, 0.2), source.uniform(-0.05, 0.2)
    z, y, x = z - shift[0] + bend * y**2, y - shift[1], x - shift[2] - turn * y
    radius = thick * (1 + 0.45 * np.tanh(3 * (y - border))) * np.sqrt(np.clip(1 - (y / 0.8) ** 2, 0, 1))
    body = z**2 + x**2 < radius**2
    label = np.where(body, np.where(y > border, 1, 2), 0)
    side = np.where(source.random() < 0.5, -1.0, 1.0)
    decoy = (z - 0.1) ** 2 + (x - 0.72 * side) ** 2 + (y - source.uniform(-0.4, 0.4)) ** 2 < 0.2**2
    tissue = gaussian_filter(np.where(body | (decoy & ~body), 1.0, 0.35), 0.6)
    field = gaussian_filter(source.standard_normal(shape), 8)
    field = 1 + 0.25 * field / np.abs(field).max()
    noise = source.uniform(0.08, 0.16) * source.standard_normal(shape)
    return LabelledVolume(name, _scaled(tissue * field + noise), label.astype(np.int64), (1.0, 1.0, 1.0))
