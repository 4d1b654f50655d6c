"""Pictures to pages: a page is written whole or not at all, and never over what the user keeps there."""

import math
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mediml.viewer.facts import languages, title, words_of
from mediml.viewer.labels import label_sizes, labels_of
from mediml.viewer.page import GENERATOR, blocks, document
from mediml.viewer.scene import Picture, Scene, build_scene
from mediml.viewer.technical import Fact

__all__ = ["MAX_MB", "ViewerError", "check_target", "write_viewer"]

#: Pages above this are slow to open, and most mail servers refuse even smaller ones.
MAX_MB = 64.0

_ENDINGS = (".html", ".htm")
_HEAD = 4096


class ViewerError(ValueError):
    """The page cannot be written: its place or its size."""


def write_viewer(
    path: str | os.PathLike[str],
    image: Picture,
    mask: ArrayLike | None = None,
    language: str = "en",
    *,
    header: Sequence[Fact] = (),
    frame_rate: float | None = None,
    every: int = 1,
    max_mb: float = MAX_MB,
    compress: bool = True,
) -> int:
    """Write an image, a volume or a cine loop as one HTML file that needs nothing else.

    The page shows slices, windows, values at the pointer, positions in the patient, distances, a histogram, technical
    attributes and what was done to the pixels. It holds no name, date, number or free text of a patient, and no address
    of another page. Grey values are kept as 16-bit codes: without loss where there are at most 65,536 different ones
    or the file's stored numbers fit, else in equal steps, and the page says by how much they may differ.

    Parameters
    ----------
    path : path-like
        The file, ``*.html``. An earlier page of this function is replaced; anything else there is refused.
    image : Image, Volume, or sequence of Image
        Frames of a sequence have one size, unit and spacing.
    mask : array_like, optional
        Labels 0 (none) to 255 of the shape of the values, drawn over the picture in colour.
    language : {"en", "zh"}
        The one that the page begins with; it has both.
    header : sequence of Fact, optional
        Lines added to the table: `technical_facts` of a DICOM data set.
    frame_rate : float, optional
        Frames per second of the cine loop; 10 by default.
    every : int
        Takes every so many-th plane or frame. The page says so.
    max_mb : float
        Largest size of the page in megabytes (10^6 bytes).
    compress : bool
        False for browsers from before 2023, at about three times the size.

    Returns
    -------
    int
        Size of the page in bytes.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.
    ViewerError
        If the page would be too large, or cannot be written there.

    Notes
    -----
    Writing burnt into the pixels, and a face, stay where they are: look before you pass the page on.

    Taught in lesson 02, DICOM and geometry.
    """
    if language not in languages():
        raise ValueError(f"write_viewer: language expects one of {', '.join(languages())}, got {language!r}")
    if not max_mb > 0:
        raise ValueError(f"write_viewer: max_mb expects a positive number, got {max_mb!r}")
    if frame_rate is not None and not 0 < frame_rate <= 60:
        raise ValueError(f"write_viewer: frame_rate expects a number above 0 and at most 60, got {frame_rate!r}")
    target = check_target(path)
    scene = build_scene(image, every)
    labels = None if mask is None else labels_of(mask, scene)
    described = {
        **scene.described(compress),
        "language": language,
        "texts": {code: words_of(scene, header, code) for code in languages()},
        "frameRate": frame_rate or 10.0,
        "compressed": compress,
        "bytes": 1 if scene.grey is None or scene.grey.table.size <= 256 else 2,
        "labels": None if labels is None else label_sizes(labels, scene),
    }
    frame = document(title(scene), language, described, "").encode()
    pixels = _pixels(scene, labels, described["bytes"], compress, max_mb * 1e6 - len(frame))
    content = document(title(scene), language, described, pixels).encode()
    _write(target, content)
    return len(content)


def check_target(path: str | os.PathLike[str]) -> Path:
    """The file as an absolute path, if a page may be written there.

    Raises
    ------
    ViewerError
        If its name does not end in .html, it is a folder or a link, or holds anything but an earlier page of ours.
    """
    target = Path(os.path.abspath(path))
    if target.suffix.lower() not in _ENDINGS:
        raise ViewerError(f"--out expects a name that ends in .html, got {target.name!r}")
    try:
        if target.is_symlink() or (target.exists() and not target.is_file()):
            raise ViewerError(f"--out expects a file, got a folder or a link: {target}; choose another name")
        if target.exists() and not _is_ours(target):
            raise ViewerError(
                f"--out expects a new file or an earlier page of mediml view; {target} is something else; "
                f"choose another"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(target, error) from None
    return target


def _is_ours(path: Path) -> bool:
    with open(path, "rb") as stream:
        head = stream.read(_HEAD)
    return f'<meta name="generator" content="{GENERATOR}">'.encode() in head


def _pixels(scene: Scene, labels: NDArray[np.uint8] | None, width: int, compress: bool, room: float) -> str:
    """All blocks, if they take at most `room` bytes; else an error as soon as that is known."""
    parts: list[str] = []
    size = 0
    for part in _all_blocks(scene, labels, width, compress):
        parts.append(part)
        size += len(part)
        if size > room:
            # Pixels come first; labels are small beside them.
            raise _too_large(size * max(1.0, scene.shape[0] / len(parts)), room, scene)
    return "".join(parts)


def _all_blocks(scene: Scene, labels: NDArray[np.uint8] | None, width: int, compress: bool) -> Iterator[str]:
    yield from blocks("plane", scene.planes, width, compress)
    if labels is not None:
        yield from blocks("labels", labels, 1, compress)


def _too_large(size: float, room: float, scene: Scene) -> ViewerError:
    advice = f"allow it by --max-mb {math.ceil(1.1 * size / 1e6 + 1)}"
    if scene.shape[0] > 1 and room > 0:
        advice = f"take fewer planes by --every {scene.every * math.ceil(1.1 * size / room)}, or {advice}"
    return ViewerError(
        f"the page would hold about {size / 1e6:.2g} MB of pixels, and has room for {max(room, 0) / 1e6:.2g}; {advice}"
    )


def _unwritable(path: Path, error: OSError) -> ViewerError:
    reason = error.strerror or type(error).__name__
    return ViewerError(f"--out: {path} cannot be written ({reason}); choose another place or make room")


def _write(target: Path, content: bytes) -> None:
    """A temporary file beside the target, on the disk before it gets its name."""
    temporary: Any = None
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=".mediml-", suffix=".html", dir=target.parent)
        with open(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
    except OSError as error:
        raise _unwritable(target, error) from None
    finally:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)
