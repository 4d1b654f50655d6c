"""Reader of MedMNIST's files: one ``.npz`` with images and labels of three splits.

`load` gives what a classifier of pictures is trained on; `load_any` reads every set of the family, volumes and several
labels per image too.

A file is data from elsewhere: nothing in it is executed (no pickle), and what its headers ask for is compared with what
the file holds before anything of that size is allocated.

References
----------
J. Yang et al., "MedMNIST v2 - A large-scale lightweight benchmark for 2D and 3D biomedical image classification",
Scientific Data 10:41, 2023.
"""

import math
import os
import re
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from mediml.data.catalog import catalog, in_bytes, sha256_of
from mediml.data.images import SPLITS, ImageData, Split

__all__ = ["DataError", "LabelledArrays", "load", "load_any", "save"]

MAX_BYTES = 4 * 2**30
_MAX_RATIO = 800  # images hardly shrink and masks by some hundred; zeros alone, by 1030, are made to fill the memory
_MAX_CLASSES = 1000


class DataError(ValueError):
    """A data file that is damaged or is not what its format says."""


@dataclass(frozen=True, eq=False)
class LabelledArrays:
    """A file of MedMNIST as it is: pictures or volumes, with one or several labels each.

    Attributes
    ----------
    name : str
    kind : {"binary", "multi-class", "ordinal", "multi-label"}
        What the labels are. The catalogue knows which sets are ordinal: there, label 4 is more than label 3.
    classes : tuple of str
        Name of each label, or of each column of labels where there are several.
    images : dict of str to ndarray of uint8, shape (N, H, W), (N, H, W, 3) or (N, D, H, W)
        By split. Which of the last two it is, `dimensions` says.
    labels : dict of str to ndarray of int64, shape (N, 1) or (N, labels)
        By split: an index into `classes`, or 1 in each column that applies.
    dimensions : {2, 3}
    sha256 : str
    shared : dict
        As of `ImageData`.
    """

    name: str
    kind: str
    classes: tuple[str, ...]
    images: dict[str, NDArray[np.uint8]]
    labels: dict[str, NDArray[np.int64]]
    dimensions: int
    sha256: str
    shared: dict[str, int] = field(default_factory=dict)


def load(path: str | os.PathLike[str], max_bytes: int = MAX_BYTES) -> ImageData:
    """Read pictures with one label each, as a classifier is trained on.

    Parameters
    ----------
    path : str or path
        An ``.npz`` file with ``train_images``, ``train_labels``, ``val_…`` and ``test_…``: images uint8 of shape
        (N, H, W) or (N, H, W, 3), labels integers of shape (N,) or (N, 1) that count from 0.
    max_bytes : int
        Arrays that take more are not read.

    Returns
    -------
    ImageData
        Its ``shared`` says which splits hold the same image; such files are read, because published ones have some.
        The grades of an ordinal set become classes, whose order a classifier does not know.

    Raises
    ------
    DataError
        If the file is damaged, a key is missing, or a shape, dtype or label is not as described above.
    OSError
        If the file cannot be read.
    """
    data = load_any(path, max_bytes)
    where = Path(path).name
    if data.dimensions == 3:
        raise DataError(f"{where}: holds volumes; a classifier of pictures expects images (N, H, W) or (N, H, W, 3)")
    if data.kind == "multi-label":
        raise DataError(
            f"{where}: train_labels has {data.labels['train'].shape[1]} labels per image; a classifier expects one per "
            f"image, of shape (N, 1); load_any reads several"
        )
    splits = {split: Split(data.images[split], data.labels[split].reshape(-1)) for split in SPLITS}
    return ImageData(name=data.name, classes=data.classes, sha256=data.sha256, shared=data.shared, **splits)


def load_any(path: str | os.PathLike[str], max_bytes: int = MAX_BYTES) -> LabelledArrays:
    """Read any file in MedMNIST's format: two or three dimensions, one label or several.

    Parameters
    ----------
    path : str or path
        As of `load`; images may have the shape (N, D, H, W), too, and labels (N, labels) of 0 and 1.
    max_bytes : int
        Arrays that take more are not read.

    Raises
    ------
    DataError, OSError
        As of `load`.
    """
    path = Path(path)
    where = path.name
    arrays = _read_arrays(path, where, max_bytes)
    images: dict[str, NDArray[np.uint8]] = {}
    labels: dict[str, NDArray[np.int64]] = {}
    for split in SPLITS:
        images[split] = _checked_images(where, f"{split}_images", arrays[f"{split}_images"])
        labels[split] = _checked_labels(where, f"{split}_labels", arrays[f"{split}_labels"], len(images[split]))
        for key, of in (("images", images), ("labels", labels)):
            if of[split].shape[1:] != of["train"].shape[1:]:
                raise DataError(
                    f"{where}: {split}_{key} expects {key} of shape {of['train'].shape[1:]}, as train_{key} has, "
                    f"got {of[split].shape[1:]}"
                )
    name = re.sub(r"_\d+$", "", path.stem)
    several = labels["train"].shape[1] > 1
    classes = _column_names(name, labels) if several else _class_names(where, name, labels)
    return LabelledArrays(
        name=name,
        kind=_kind(name, several, len(classes)),
        classes=classes,
        images=images,
        labels=labels,
        dimensions=3 if images["train"].ndim == 4 and images["train"].shape[3] != 3 else 2,
        sha256=sha256_of(path),
        shared=_shared_images(images),
    )


def save(path: str | os.PathLike[str], data: ImageData) -> None:
    """Write a data set in MedMNIST's format."""
    arrays: dict[str, Any] = {}
    for split in SPLITS:
        part: Split = getattr(data, split)
        arrays[f"{split}_images"], arrays[f"{split}_labels"] = part.images, part.labels[:, None].astype(np.uint8)
    with open(path, "wb") as stream:
        np.savez_compressed(stream, **arrays)


def _read_arrays(path: Path, where: str, max_bytes: int) -> dict[str, NDArray[np.generic]]:
    wanted = [f"{split}_{part}" for split in SPLITS for part in ("images", "labels")]
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            if missing := [key for key in wanted if key not in members]:
                raise DataError(
                    f"{where}: expected the keys {', '.join(wanted)}, got {', '.join(sorted(members)) or 'none'}; "
                    f"missing: {', '.join(missing)}"
                )
            if (total := sum(members[key].file_size for key in wanted)) > max_bytes:
                raise DataError(
                    f"{where}: the arrays take {in_bytes(total)}, at most {in_bytes(max_bytes)} are read; take a "
                    f"smaller size of the set, or raise max_bytes"
                )
            return {key: _read_array(archive, members[key], f"{where}: {key}") for key in wanted}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{where}: not a readable .npz file ({error}); fetch it again") from None


def _read_array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str) -> NDArray[np.generic]:
    """One array, after its header has been compared with the bytes that are there."""
    if info.file_size > 2**20 and info.file_size > _MAX_RATIO * max(info.compress_size, 1):
        raise DataError(f"{where}: {info.compress_size} bytes grow to {info.file_size}; this is no image data")
    with archive.open(info) as stream:
        try:
            version = npy.read_magic(stream)
            header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, fortran_order, dtype = header(stream)
        except ValueError as error:
            raise DataError(f"{where}: damaged header ({error}); fetch the file again") from None
        if dtype.hasobject:
            raise DataError(f"{where}: expected numbers, got Python objects, which are never loaded")
        expected = math.prod(shape) * dtype.itemsize
        if expected > info.file_size:
            raise DataError(f"{where}: the header asks for {expected} bytes, the file holds {info.file_size}")
        content = stream.read(expected)
        if len(content) != expected or stream.read(1):
            raise DataError(f"{where}: expected {expected} bytes after the header, as it says; fetch the file again")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran_order else "C")


def _checked_images(where: str, key: str, images: NDArray[np.generic]) -> NDArray[np.uint8]:
    if images.dtype != np.uint8:
        raise DataError(f"{where}: {key} expects dtype uint8, got {images.dtype}")
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    if images.ndim not in (3, 4):
        raise DataError(f"{where}: {key} expects shape (N, H, W), (N, H, W, 3) or (N, D, H, W), got {images.shape}")
    if min(images.shape) < 1:
        raise DataError(f"{where}: {key} expects at least one image with pixels, got shape {images.shape}")
    return np.ascontiguousarray(images)


def _checked_labels(where: str, key: str, labels: NDArray[np.generic], count: int) -> NDArray[np.int64]:
    if labels.dtype.kind not in "iu":
        raise DataError(f"{where}: {key} expects an integer dtype, got {labels.dtype}")
    if labels.ndim not in (1, 2) or len(labels) != count or labels.size < count:
        raise DataError(
            f"{where}: {key} expects one row of labels for each of {count} images, got shape {labels.shape}"
        )
    labels = labels.reshape(count, -1)
    if labels.shape[1] > 1 and not np.isin(labels, (0, 1)).all():
        raise DataError(f"{where}: {key} has {labels.shape[1]} labels per image and expects 0 and 1 in them")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= _MAX_CLASSES:
        raise DataError(f"{where}: {key} expects labels from 0 to {_MAX_CLASSES - 1}, got {low} to {high}")
    return labels.astype(np.int64)


def _class_names(where: str, name: str, labels: dict[str, NDArray[np.int64]]) -> tuple[str, ...]:
    count = int(labels["train"].max()) + 1
    if count < 2 or len(np.unique(labels["train"])) != count:
        found = np.unique(labels["train"]).tolist()
        raise DataError(f"{where}: train_labels expects every label from 0 up, and at least two of them, got {found}")
    for split in SPLITS[1:]:
        if (highest := int(labels[split].max())) >= count:
            raise DataError(f"{where}: {split}_labels holds the label {highest}, which no training image has")
    known = tuple(catalog().get(name, {}).get("classes", ()))
    return known if len(known) == count else tuple(f"class {index}" for index in range(count))


def _column_names(name: str, labels: dict[str, NDArray[np.int64]]) -> tuple[str, ...]:
    count = labels["train"].shape[1]
    known = tuple(catalog().get(name, {}).get("classes", ()))
    return known if len(known) == count else tuple(f"label {index}" for index in range(count))


def _kind(name: str, several: bool, classes: int) -> str:
    if several:
        return "multi-label"
    if catalog().get(name, {}).get("kind") == "ordinal":
        return "ordinal"
    return "binary" if classes == 2 else "multi-class"


def _shared_images(images: dict[str, NDArray[np.uint8]]) -> dict[str, int]:
    keys = {split: [image.tobytes() for image in rows] for split, rows in images.items()}
    shared = {}
    for first, second in (("train", "val"), ("train", "test"), ("val", "test")):
        earlier = set(keys[first])
        if count := sum(key in earlier for key in keys[second]):
            shared[f"{first}/{second}"] = count
    return shared
