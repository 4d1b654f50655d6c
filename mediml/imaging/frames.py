"""The frames of one file, one at a time: cine loops, runs of fluoroscopy, enhanced multi-frame objects.

Taught in lesson 02, DICOM and geometry.
"""

import os
from collections.abc import Iterable, Iterator

from pydicom.dataset import Dataset

from mediml.imaging.decoding.pixels import frame_count
from mediml.imaging.dicom import parse, read_dataset_image, silent_pydicom
from mediml.imaging.image import DicomError, Image
from mediml.imaging.limits import read_bytes
from mediml.imaging.standard.header import Header, tag_name

__all__ = ["count_frames", "open_dataset", "read_frames"]


def read_frames(path: str | os.PathLike[str], frames: Iterable[int] | None = None) -> Iterator[Image]:
    """The frames of a DICOM file as images, decoded one by one while they are asked for.

    The file is read and checked when this is called, a frame when the iterator comes to it: a long loop takes the
    memory of the file and of one picture.

    Parameters
    ----------
    path : path-like
    frames : iterable of int, optional
        Which ones, from 0, in the order given; ``range(0, 30, 5)`` takes every fifth. All of them without it.

    Returns
    -------
    iterator of Image
        Grey or colour, as `read_image` gives each; its account says which frame it is. A file of one frame gives one.

    Raises
    ------
    DicomError
        As `read_image` does, or if there is no frame of such a number.

    References
    ----------
    DICOM PS3.3, C.7.6.6 (multi-frame), C.7.6.16 (functional groups). Taught in lesson 02.
    """
    dataset = open_dataset(path)
    count = count_frames(dataset)
    chosen = range(count) if frames is None else list(frames)
    for frame in chosen:
        if isinstance(frame, bool) or not isinstance(frame, int) or not 0 <= frame < count:
            raise DicomError(
                f"read_frames: frames expects numbers from 0 to {count - 1} ({tag_name('NumberOfFrames')}), "
                f"got {frame!r}"
            )
    return (read_dataset_image(dataset, frame) for frame in chosen)


def open_dataset(path: str | os.PathLike[str]) -> Dataset:
    """A whole DICOM file, parsed; a `DicomError` where it is none."""
    content = read_bytes(path, DicomError)
    with silent_pydicom():
        return parse(content)


def count_frames(dataset: Dataset) -> int:
    """How many frames a data set says that it holds, at least 1."""
    with silent_pydicom():
        return frame_count(Header.of_file(dataset))
