"""What the user hands in: one image file, or a folder of them. Files are numbered and known by their hash, not by name.

A file's name often holds a patient's name, so no name gets into a report; the number is the file's place in the order
of names, and the first digits of its SHA-256 tell it from any other.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from mediml.imaging.dicom import is_dicom, read_image
from mediml.imaging.image import Image, ImageError
from mediml.imaging.picture import is_picture, read_picture

__all__ = ["InputError", "InputFile", "find_inputs", "load"]

#: One report each; more than this many pictures would be a data set, not a study.
MAX_FILES = 1000


class InputError(ValueError):
    """There is nothing to read at the given place."""


@dataclass(frozen=True)
class InputFile:
    """One file: its place in the order of names, from 1, and where it is."""

    number: int
    path: Path


def find_inputs(path: str | os.PathLike[str], out: Path | None = None) -> list[InputFile]:
    """The file, or all files of a folder and of those in it, by name; hidden ones are passed over.

    Parameters
    ----------
    path : path-like
    out : Path, optional
        Where the reports go. Where it lies inside the folder, an earlier report in it is no input.

    Raises
    ------
    InputError
        If there is no such file or folder, the folder holds no file, or more than `MAX_FILES`.
    """
    place = Path(path)
    if place.is_file():
        return [InputFile(1, place)]
    if not place.is_dir():
        raise InputError(
            "INPUT expects a DICOM, PNG or JPEG file, or a folder of them; there is none at the given path"
        )
    files = sorted(_files_below(place, out))
    if not files:
        raise InputError("INPUT expects a folder with at least one file; the given folder holds none")
    if len(files) > MAX_FILES:
        raise InputError(f"INPUT expects a folder of at most {MAX_FILES} files, got {len(files)}; split it")
    return [InputFile(number, file) for number, file in enumerate(files, 1)]


def _files_below(folder: Path, out: Path | None) -> list[Path]:
    found: list[Path] = []
    for root, folders, names in os.walk(folder):  # does not follow links, so it cannot go round in circles
        folders[:] = [name for name in folders if not name.startswith(".") and not _is_same(Path(root, name), out)]
        found.extend(Path(root, name) for name in names if not name.startswith("."))
    return found


def _is_same(folder: Path, out: Path | None) -> bool:
    return out is not None and out.exists() and os.path.samefile(folder, out)


def load(path: str | os.PathLike[str]) -> tuple[Image, str]:
    """Read an image by what the file holds, whatever its name says.

    Returns
    -------
    image : Image
    kind : str
        ``"DICOM"``, ``"PNG"`` or ``"JPEG"``.

    Raises
    ------
    ImageError
        If it is no image of these kinds, or is refused.
    OSError
        If it cannot be opened.
    """
    with open(path, "rb") as stream:
        head = stream.read(132)
    if is_dicom(head):
        return read_image(path, isolated=True), "DICOM"  # nobody vouches for where it comes from
    if is_picture(head):
        return read_picture(path), "PNG" if head.startswith(b"\x89PNG") else "JPEG"
    raise ImageError("the file is not DICOM, PNG or JPEG")
