"""Unpacking of archives that come from elsewhere: nothing is written but regular files below one new folder.

An archive is data from strangers. Names may lead out of the folder (``../``, absolute names), members may be links or
devices, and a few kilobytes may grow until the disk is full. Whatever is not a plain file or folder under a plain name
is refused before the folder gets its name; limits are kept by counting what comes, not by what the archive says.

References
----------
Python documentation, ``tarfile``, "Extraction filters"; what is done here does not depend on them.
"""

import hashlib
import os
import re
import shutil
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

from mediml.data.catalog import CatalogError, in_bytes

__all__ = ["ArchiveError", "Limits", "unpack"]

_TAR_MODES = {".tar": "r:", ".tar.gz": "r:gz", ".tgz": "r:gz", ".tar.bz2": "r:bz2", ".tar.xz": "r:xz"}

#: Records that extend the header of the next member; a real one holds a name or a few numbers.
_EXTENSIONS = (
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK,
)  # fmt: skip
_LONGEST_EXTENSION = 2**16

#: Names that a Windows disk cannot hold, or takes for something else.
_BAD_CHARACTERS = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\]')
_LONGEST_NAME = 255

#: What macOS adds to archives.
_JUNK = re.compile(r"\._.*|__MACOSX|\.DS_Store")


class ArchiveError(CatalogError):
    """An archive that is damaged, or that holds what is never unpacked."""


@dataclass(frozen=True)
class Limits:
    """What an archive may grow to: number of members, bytes, and bytes per byte of the archive beyond 16 MiB."""

    members: int = 200_000
    bytes: int = 2**38
    ratio: float = 100.0


def unpack(
    archive: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    limits: Limits | None = None,
    progress: Callable[[int], None] = lambda count: None,
) -> dict[str, tuple[int, str]]:
    """Unpack an archive into a new folder.

    Parameters
    ----------
    archive : path
        A ``.zip``, ``.tar``, ``.tar.gz``, ``.tgz``, ``.tar.bz2`` or ``.tar.xz`` file.
    folder : path
        Made here; nothing lies there yet, its parent exists. If everything in the archive lies in one folder, the
        content of that folder is what the new one holds. Files of macOS are left out.
    limits : Limits, optional
    progress : callable
        Called with the bytes written so far.

    Returns
    -------
    dict
        Size and SHA-256 of each file by its name relative to `folder`, with ``/``.

    Raises
    ------
    ArchiveError
        If the archive is damaged, holds a link, a device, a name that leads elsewhere or occurs twice, or grows beyond
        the limits. Nothing is left behind then.
    """
    archive, folder = Path(archive), Path(folder)
    if folder.exists():
        raise ArchiveError(f"unpack: {folder} is there already; move it away")
    where = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".unpacking", dir=folder.parent))
    try:
        written = _write_all(archive, where, limits or Limits(), progress)
        if not written:
            raise ArchiveError(f"{archive.name}: holds no file")
        top = _common_folder(written)
        os.chmod(where / top, 0o755)  # mkdtemp makes a folder for its owner only
        os.rename(where / top, folder)
        return {name.removeprefix(f"{top}/"): found for name, found in written.items()}
    finally:
        shutil.rmtree(where, ignore_errors=True)


@dataclass(frozen=True)
class _Member:
    name: str
    is_folder: bool
    size: int
    open: Callable[[], IO[bytes]]


def _write_all(
    archive: Path, where: Path, limits: Limits, progress: Callable[[int], None]
) -> dict[str, tuple[int, str]]:
    largest = min(limits.bytes, round(2**24 + limits.ratio * archive.stat().st_size))
    written: dict[str, tuple[int, str]] = {}
    seen: dict[str, str] = {}
    total = count = 0
    try:
        for member in _members(archive):
            count += 1
            if count > limits.members:
                raise ArchiveError(f"{archive.name}: more than {limits.members} members; it was not unpacked")
            parts = _checked_parts(archive.name, member.name)
            if not parts or any(_JUNK.fullmatch(part) for part in parts):
                continue
            _check_once(archive.name, parts, member.is_folder, seen)
            target = where.joinpath(*parts)
            if member.is_folder:
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with member.open() as source:
                size, digest = _copy(archive.name, source, target, largest - total, progress, total)
            if size != member.size:
                raise ArchiveError(f"{archive.name}: a member has {size} bytes and says {member.size}; fetch it again")
            total += size
            written["/".join(parts)] = (size, digest)
    except Exception as error:  # a damaged archive may make its reader raise anything
        if isinstance(error, CatalogError) or (isinstance(error, OSError) and error.errno is not None):
            raise
        raise ArchiveError(f"{archive.name}: damaged, or not an archive ({error}); fetch it again") from None
    return written


def _copy(
    name: str, source: IO[bytes], target: Path, room: int, progress: Callable[[int], None], before: int
) -> tuple[int, str]:
    """Write a member out, and count what really comes."""
    size, digest = 0, hashlib.sha256()
    with open(target, "xb") as stream:
        while block := source.read(2**18):
            size += len(block)
            if size > room:
                raise ArchiveError(
                    f"{name}: grows beyond {in_bytes(before + room)}, which no data set of its size does"
                )
            digest.update(block)
            stream.write(block)
            progress(before + size)
    return size, digest.hexdigest()


def _checked_parts(archive: str, name: str) -> tuple[str, ...]:
    """The parts of a member's name, if it leads to a place below the folder on every system."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or _BAD_CHARACTERS.search(name):
        raise ArchiveError(f"{archive}: holds a name that leads out of its folder or is none: {name[:80]!r}")
    if any(len(part.encode()) > _LONGEST_NAME or part != part.rstrip(". ") for part in path.parts):
        raise ArchiveError(f"{archive}: holds a name that not every system can write: {name[:80]!r}")
    return path.parts


def _check_once(archive: str, parts: tuple[str, ...], is_folder: bool, seen: dict[str, str]) -> None:
    """No name twice, also where upper and lower case are one, and no file where a folder is."""
    for depth in range(1, len(parts) + 1):
        path = "/".join(parts[:depth])
        is_file = depth == len(parts) and not is_folder
        known = seen.get(path.casefold())
        if known is not None and (is_file or known != f"{path}/"):
            raise ArchiveError(f"{archive}: holds the name {path[:80]!r} twice")
        seen[path.casefold()] = path if is_file else f"{path}/"


def _common_folder(written: dict[str, tuple[int, str]]) -> str:
    """The folder in which everything lies, or ``"."``."""
    tops = {name.partition("/")[0] for name in written}
    return tops.pop() if len(tops) == 1 and all("/" in name for name in written) else "."


def _members(archive: Path) -> Iterator[_Member]:
    name = archive.name.lower()
    mode = next((mode for ending, mode in _TAR_MODES.items() if name.endswith(ending)), None)
    if name.endswith(".zip"):
        yield from _zip_members(archive)
    elif mode is not None:
        yield from _tar_members(archive, mode)
    else:
        raise ArchiveError(f"{archive.name}: expected a file that ends in .zip, {', '.join(_TAR_MODES)}")


def _zip_members(archive: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise ArchiveError(f"{archive.name}: holds a link or a device: {info.filename[:80]!r}")
            if info.flag_bits & 1:
                raise ArchiveError(f"{archive.name}: is encrypted")
            # zipfile cuts a name at a zero byte; the original is judged
            yield _Member(info.orig_filename, info.is_dir(), info.file_size, partial(opened.open, info))


def _tar_members(archive: Path, mode: Any) -> Iterator[_Member]:
    with tarfile.open(archive, mode, tarinfo=_StrictHeader) as opened:
        while (info := opened.next()) is not None:
            if not (info.isreg() or info.isdir()) or info.issparse():
                raise ArchiveError(f"{archive.name}: holds a link or a device: {info.name[:80]!r}")
            yield _Member(info.name, info.isdir(), info.size, partial(_opened, opened, info))
        _read_out(archive.name, opened.fileobj)


def _read_out(name: str, stream: Any) -> None:
    """What follows the last member, to the end: a checksum of the whole stands there."""
    for _ in range(64):
        if not stream.read(2**18):
            return
    raise ArchiveError(f"{name}: goes on after its end")


def _opened(opened: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    stream = opened.extractfile(info)
    assert stream is not None  # only links and devices have none
    return stream


class _StrictHeader(tarfile.TarInfo):
    """A header that is damaged ends the reading with an error; `tarfile` takes it for the end of the archive."""

    @classmethod
    def frombuf(cls, buf: Any, encoding: Any, errors: Any) -> "_StrictHeader":
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if bytes(buf) == bytes(tarfile.BLOCKSIZE):
                raise  # a block of zeros is the end
            raise ArchiveError(f"the archive is damaged, or ends too early ({error}); fetch it again") from None
        if header.type in _EXTENSIONS and header.size > _LONGEST_EXTENSION:
            raise ArchiveError(f"the archive holds a header of {header.size} bytes; it was not unpacked")
        return header
