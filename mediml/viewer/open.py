"""Files to pictures: DICOM, NIfTI, PNG, JPEG or a folder with a series, by what they hold and not by their names."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mediml.imaging import (
    Image,
    ImageError,
    SeriesError,
    Volume,
    read_image,
    read_nifti,
    read_picture,
    read_series,
)
from mediml.imaging.dicom import is_dicom
from mediml.imaging.frames import count_frames, open_dataset
from mediml.imaging.picture import is_picture
from mediml.imaging.stacking.choices import stacks_of
from mediml.imaging.stacking.scan import scan
from mediml.viewer.scene import Picture
from mediml.viewer.technical import Fact, frame_rate, technical_facts

__all__ = ["Opened", "open_mask", "open_picture"]

_HEAD = 348  # NIfTI-1's header, the longest of those that are told apart


@dataclass(frozen=True, eq=False)
class Opened:
    """A picture, and what `write_viewer` takes besides.

    Attributes
    ----------
    picture : Image, Volume or list of Image
    header : tuple of Fact
    frame_rate : float or None
    remark : str
        Why a file of several frames is not shown as a volume; ``""`` otherwise.
    """

    picture: Picture
    header: tuple[Fact, ...] = ()
    frame_rate: float | None = None
    remark: str = ""


def open_picture(path: str | os.PathLike[str], hounsfield: bool = False, **choices: Any) -> Opened:
    """Read what `mediml view` is given.

    Parameters
    ----------
    path : path-like
        A file, or a folder with the slices of a series.
    hounsfield : bool
        Whether the values of a NIfTI file, which does not say it, are HU of a CT.
    choices
        As of `read_series`: ``series``, ``gaps``, ``duplicates``, ``tilt``.

    Raises
    ------
    ImageError
        If there is nothing there, or it is refused.
    """
    place = Path(path)
    kind = "series" if place.is_dir() else _kind(place)
    if hounsfield and kind != "nifti":
        raise ImageError("--hu expects a NIfTI file, which does not say its unit; leave it out")
    if kind in ("nifti", "picture"):
        _refuse_choices(choices)
    if kind == "series":
        return _series(place, choices)
    if kind == "dicom":
        return _dicom(place, choices)
    if kind == "nifti":
        return Opened(_nifti(place, hounsfield))
    return Opened(read_picture(place))


def open_mask(path: str | os.PathLike[str]) -> Volume:
    """A mask from a NIfTI file."""
    if _kind(Path(path)) != "nifti":
        raise ImageError("--mask expects a NIfTI file (.nii, .nii.gz)")
    return _nifti(Path(path), hounsfield=False)


def _kind(place: Path) -> str:
    try:
        with open(place, "rb") as stream:
            head = stream.read(_HEAD)
    except OSError:
        raise ImageError(
            "INPUT expects a DICOM, NIfTI, PNG or JPEG file, or a folder with a series; there is none that can be "
            "read at the given path"
        ) from None
    if is_dicom(head):
        return "dicom"
    if head.startswith(b"\x1f\x8b") or head[344:347] in (b"n+1", b"ni1") or head[4:7] == b"n+2":
        return "nifti"
    if is_picture(head):
        return "picture"
    raise ImageError("the file is not DICOM, NIfTI, PNG or JPEG")


def _refuse_choices(choices: dict[str, Any]) -> None:
    """What is asked for and would have no effect is a mistake of whoever asks."""
    asked = [f"--{name}" for name, value in choices.items() if value not in (None, "refuse")]
    if asked:
        raise ImageError(f"{', '.join(asked)} expects a DICOM series or a file of several frames; leave it out")


def _nifti(place: Path, hounsfield: bool) -> Volume:
    units, modality = ("HU", "CT") if hounsfield else ("arbitrary", "unknown")
    return read_nifti(place, units=units, modality=modality, not_numbers="padding")


def _series(place: Path, choices: dict[str, Any]) -> Opened:
    volume = read_series(place, isolated=True, **choices)
    stack = stacks_of(scan(place).slices)[choices.get("series") or 0]
    return Opened(volume, technical_facts(open_dataset(stack.slices[len(stack.slices) // 2].path)))


def _dicom(place: Path, choices: dict[str, Any]) -> Opened:
    """One image; of several frames a volume where their places make one, and else a loop."""
    dataset = open_dataset(place)  # bounded; the pixels are what decoders of other makers see
    header, rate = technical_facts(dataset), frame_rate(dataset)
    count = count_frames(dataset)
    if count == 1:
        _refuse_choices(choices)
        return Opened(_image(place), header)
    try:
        return Opened(read_series(place, isolated=True, **choices), header)
    except SeriesError as reason:
        frames = [_image(place, number) for number in range(count)]
        return Opened(frames, header, rate, str(reason))


def _image(place: Path, frame: int | None = None) -> Image:
    """Decoded in a process of its own: where the file comes from is not known."""
    return read_image(place, frame, isolated=True)
