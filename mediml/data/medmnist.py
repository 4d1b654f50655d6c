"""Reader of MedMNIST's files: one ``.npz`` with images and labels of three splits.

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
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from mediml.data.catalog import sha256_of
from mediml.data.images import SPLITS, ImageData, Split

__all__ = ["DataError", "load", "save"]

#: Names of the labels, which the files themselves do not hold.
CLASSES = {
    "pneumoniamnist": ("normal", "pneumonia"),
    "breastmnist": ("malignant", "normal or benign"),
}

MAX_BYTES = 4 * 2**30
_MAX_RATIO = 200  # images hardly shrink; a file that grows more than this is made to fill the memory
_MAX_CLASSES = 1000


class DataError(ValueError):
    """A data file that is damaged or is not what its format says."""


def load(path: str | os.PathLike[str]) -> ImageData:
    """Read a data set in MedMNIST's format.

    Parameters
    ----------
    path : str or path
        An ``.npz`` file with ``train_images``, ``train_labels``, ``val_…`` and ``test_…``: images uint8 of shape
        (N, H, W) or (N, H, W, 3), labels integers of shape (N,) or (N, 1) that count from 0.

    Returns
    -------
    ImageData
        Its ``shared`` says which splits hold the same image; such files are read, because published ones have some.

    Raises
    ------
    DataError
        If the file is damaged, a key is missing, or a shape, dtype or label is not as described above.
    OSError
        If the file cannot be read.
    """
    path = Path(path)
    where = path.name
    arrays = _read_arrays(path, where)
    splits: dict[str, Split] = {}
    for split in SPLITS:
        images = _checked_images(where, f"{split}_images", arrays[f"{split}_images"])
        labels = _checked_labels(where, f"{split}_labels", arrays[f"{split}_labels"], len(images))
        if splits and images.shape[1:] != splits["train"].images.shape[1:]:
            raise DataError(
                f"{where}: {split}_images expects images of shape {splits['train'].images.shape[1:]}, as train_images "
                f"has, got {images.shape[1:]}"
            )
        splits[split] = Split(images, labels)
    name = re.sub(r"_\d+$", "", path.stem)
    classes = _class_names(where, name, splits)
    return ImageData(name=name, classes=classes, sha256=sha256_of(path), shared=_shared_images(splits), **splits)


def save(path: str | os.PathLike[str], data: ImageData) -> None:
    """Write a data set in MedMNIST's format."""
    arrays: dict[str, Any] = {}
    for split in SPLITS:
        part: Split = getattr(data, split)
        arrays[f"{split}_images"], arrays[f"{split}_labels"] = part.images, part.labels[:, None].astype(np.uint8)
    with open(path, "wb") as stream:
        np.savez_compressed(stream, **arrays)


def _read_arrays(path: Path, where: str) -> dict[str, NDArray[np.generic]]:
    wanted = [f"{split}_{part}" for split in SPLITS for part in ("images", "labels")]
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            if missing := [key for key in wanted if key not in members]:
                raise DataError(
                    f"{where}: expected the keys {', '.join(wanted)}, got {', '.join(sorted(members)) or 'none'}; "
                    f"missing: {', '.join(missing)}"
                )
            if (total := sum(members[key].file_size for key in wanted)) > MAX_BYTES:
                raise DataError(f"{where}: the arrays take {total} bytes; at most {MAX_BYTES} are read")
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
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] != 3):
        raise DataError(f"{where}: {key} expects shape (N, H, W) or (N, H, W, 3), got {images.shape}")
    if min(images.shape) < 1:
        raise DataError(f"{where}: {key} expects at least one image with pixels, got shape {images.shape}")
    return np.ascontiguousarray(images)


def _checked_labels(where: str, key: str, labels: NDArray[np.generic], count: int) -> NDArray[np.int64]:
    if labels.dtype.kind not in "iu":
        raise DataError(f"{where}: {key} expects an integer dtype, got {labels.dtype}")
    if labels.ndim == 2 and labels.shape[1] > 1:
        raise DataError(
            f"{where}: {key} has {labels.shape[1]} labels per image; data with one label per image, of shape (N, 1), "
            f"is supported"
        )
    if labels.size != count or labels.ndim not in (1, 2):
        raise DataError(f"{where}: {key} expects one label for each of {count} images, got shape {labels.shape}")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= _MAX_CLASSES:
        raise DataError(f"{where}: {key} expects labels from 0 to {_MAX_CLASSES - 1}, got {low} to {high}")
    return labels.astype(np.int64).reshape(-1)


def _class_names(where: str, name: str, splits: dict[str, Split]) -> tuple[str, ...]:
    count = int(splits["train"].labels.max()) + 1
    if count < 2 or len(np.unique(splits["train"].labels)) != count:
        found = np.unique(splits["train"].labels).tolist()
        raise DataError(f"{where}: train_labels expects every label from 0 up, and at least two of them, got {found}")
    for split in SPLITS[1:]:
        if (highest := int(splits[split].labels.max())) >= count:
            raise DataError(f"{where}: {split}_labels holds the label {highest}, which no training image has")
    known = CLASSES.get(name, ())
    return known if len(known) == count else tuple(f"class {index}" for index in range(count))


def _shared_images(splits: dict[str, Split]) -> dict[str, int]:
    keys = {name: [image.tobytes() for image in split.images] for name, split in splits.items()}
    shared = {}
    for first, second in (("train", "val"), ("train", "test"), ("val", "test")):
        earlier = set(keys[first])
        if count := sum(key in earlier for key in keys[second]):
            shared[f"{first}/{second}"] = count
    return shared
