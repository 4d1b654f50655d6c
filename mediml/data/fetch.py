"""Downloads of the catalogue's data sets: planned first, then fetched, checked, unpacked and written down.

A file that is used as it is, such as MedMNIST's, lies in the data folder itself. An archive is unpacked to a folder of
the data set's name, and `MANIFEST` in it lists every file with its hash, so that it can be checked without the archive.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mediml.data.archive import unpack
from mediml.data.catalog import CatalogError, DataFile, catalog, data_folder, files_of, hash_of, source
from mediml.data.download import download
from mediml.data.exclusive import exclusive
from mediml.utils.files import write_atomically

__all__ = [
    "FIRST_USE",
    "MANIFEST",
    "Plan",
    "expected_hashes",
    "fetch",
    "is_offline",
    "place_of",
    "plan",
    "read_manifest",
]

#: In an unpacked folder: what is in it. In the data folder: hashes of files for which nobody publishes one.
MANIFEST = "mediml-files.json"
FIRST_USE = ".first-use.json"


@dataclass(frozen=True)
class Plan:
    """What a download will bring, and what is missing of it.

    Attributes
    ----------
    name : str
    entry : mapping
        Of the catalogue.
    place : Path
        The file, or the folder of unpacked files, when all is done.
    files : tuple of (DataFile, Path)
        Each file of the set and where it, or what is in it, goes.
    missing : tuple of DataFile
    """

    name: str
    entry: Mapping[str, Any]
    place: Path
    files: tuple[tuple[DataFile, Path], ...]
    missing: tuple[DataFile, ...]


def plan(name: str, folder: str | os.PathLike[str] | None = None, size: int | None = None) -> Plan:
    """What `fetch` would do; touches no network and writes nothing.

    Parameters
    ----------
    name : str
        Name in the catalogue, of an entry with ``files``.
    folder : path, optional
        Where data go; ``$MEDIML_DATA_DIR`` or ``data`` by default.
    size : int, optional
        Height in pixels of a set that comes in several; the smallest by default.

    Raises
    ------
    CatalogError
        If the entry is unknown or no download, or another file lies where one of its files goes.
    """
    folder, wanted = data_folder() if folder is None else Path(folder), files_of(name, size)
    places = [place_of(name, file, folder, len(wanted)) for file in wanted]
    missing = tuple(f for f, place in zip(wanted, places) if not _is_ready(name, f, place, folder))
    whole = places[0] if len(wanted) == 1 else folder / name
    return Plan(name, source(name), whole, tuple(zip(wanted, places)), missing)


def fetch(
    name: str,
    folder: str | os.PathLike[str] | None = None,
    size: int | None = None,
    report: Callable[[str], None] = lambda line: None,
    *,
    bar: bool = False,
    keep_archive: bool = False,
    offline: bool = False,
) -> Path:
    """Download a data set, unless it is there already. Whoever calls this agrees to the licence that `plan` shows.

    Parameters
    ----------
    name, folder, size
        As for `plan`. The folder is made if it is not there.
    report : callable
        Called with a line of text per step.
    bar : bool
        Show a bar on the terminal while something comes.
    keep_archive : bool
        Keep an archive after it was unpacked.
    offline : bool
        Download nothing, as with the environment variable ``MEDIML_OFFLINE=1``.

    Returns
    -------
    Path
        The file, or the folder of unpacked files.

    Raises
    ------
    CatalogError
        If a file cannot be had, is not the right one, or may not be downloaded.
    """
    planned = plan(name, folder, size)
    if not planned.missing:
        return planned.place
    if offline or is_offline():
        raise CatalogError(_offline_text(planned))
    data = data_folder() if folder is None else Path(folder)
    data.mkdir(parents=True, exist_ok=True)
    with exclusive(data / f"{name}.lock", f"another process is fetching {name} into this folder"):
        planned = plan(name, folder, size)  # another process may have just finished
        for file, place in planned.files:
            if file in planned.missing:
                place.parent.mkdir(exist_ok=True)
                _bring(name, file, place, data, report, bar, keep_archive)
    return planned.place


def place_of(name: str, file: DataFile, folder: Path, count: int) -> Path:
    """Where a file of a data set goes, or what is unpacked from it, if the set has `count` files."""
    if not file.unpack:
        return folder / file.file
    return folder / name if count == 1 else folder / name / file.key


def is_offline() -> bool:
    """True where ``MEDIML_OFFLINE`` is set, to anything but 0."""
    return os.environ.get("MEDIML_OFFLINE", "0") not in ("", "0")


def _bring(
    name: str,
    file: DataFile,
    place: Path,
    folder: Path,
    report: Callable[[str], None],
    bar: bool,
    keep_archive: bool,
) -> None:
    target = folder / file.file
    if not target.exists():
        with _bar(file, bar) as progress:
            digest = download(file, target, expected_hashes(file, folder), report, progress)
        if not file.hashes:
            _remember(file, digest, folder)
    elif wrong := _difference(file, target, folder):
        raise CatalogError(f"fetch: {target} is there, but is not of {name} ({wrong}); move it away")
    if file.unpack:
        report(f"unpacking {target.name} to {place}")
        _unpack(name, file, target, place)
        if not keep_archive:
            target.unlink()


def _unpack(name: str, file: DataFile, archive: Path, place: Path) -> None:
    """Unpack beside the place, write down what came, then give the folder its name."""
    ready = place.with_name(f".{place.name}.ready")
    shutil.rmtree(ready, ignore_errors=True)  # of a run that was killed
    found = unpack(archive, ready)
    manifest = {
        "name": name,
        "file": file.file,
        "sha256": hash_of(archive, "sha256"),
        "files": {path: {"bytes": size, "sha256": digest} for path, (size, digest) in sorted(found.items())},
    }
    _write_json(ready / MANIFEST, manifest)
    os.rename(ready, place)


def _is_ready(name: str, file: DataFile, place: Path, folder: Path) -> bool:
    if not place.exists():
        return False
    if not file.unpack:
        if wrong := _difference(file, place, folder):
            raise CatalogError(
                f"fetch: {place} is there, but is not of {name} ({wrong}); move it away, or choose another folder"
            )
        return True
    manifest = read_manifest(place)
    if manifest is None or manifest.get("name") != name:
        raise CatalogError(
            f"fetch: {place} is there, but was not made by this command ({MANIFEST} is missing); move it away, or "
            f"choose another folder"
        )
    gone = [path for path, known in manifest["files"].items() if _size(place / path) != known["bytes"]]
    if gone:
        raise CatalogError(
            f"fetch: {len(gone)} files of {place} are missing or changed, such as {gone[0]}; move it away"
        )
    return True


def read_manifest(place: Path) -> dict[str, Any] | None:
    """What an unpacked folder holds, as it was written down, or None."""
    try:
        manifest = json.loads((place / MANIFEST).read_text(encoding="utf-8"))
        return manifest if isinstance(manifest["files"], dict) else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def expected_hashes(file: DataFile, folder: Path) -> Mapping[str, str]:
    """What the file must have: published hashes, or that of its first download into this folder."""
    if file.hashes:
        return file.hashes
    known = _read_first_use(folder).get(file.file)
    return {} if known is None else {"sha256": known["sha256"]}


def _difference(file: DataFile, path: Path, folder: Path) -> str:
    """What is wrong with a file, or an empty text."""
    for algorithm, expected in expected_hashes(file, folder).items():
        if (found := hash_of(path, algorithm)) != expected:
            return f"expected {algorithm} {expected}, got {found}"
    return ""


def _read_first_use(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / FIRST_USE).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except ValueError:
        raise CatalogError(f"fetch: {folder / FIRST_USE} is damaged; repair or remove it") from None


def _remember(file: DataFile, digest: str, folder: Path) -> None:
    known = _read_first_use(folder)
    known[file.file] = {"sha256": digest, "bytes": _size(folder / file.file)}
    _write_json(folder / FIRST_USE, known)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    write_atomically(path, json.dumps(content, indent=1) + "\n")


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _offline_text(planned: Plan) -> str:
    names = ", ".join(f"{file.file} ({file.size})" for file in planned.missing)
    modality = planned.entry["modality"]
    packaged = [n for n, entry in catalog().items() if "package" in entry and entry["modality"] == modality]
    from mediml.data.make import RECIPES

    generated = [f"mediml data make {n} --out DIR" for n, recipe in RECIPES.items() if recipe.modality == modality]
    instead = "; ".join([", ".join(packaged)] * bool(packaged) + generated) or "see mediml data list --packaged"
    return (
        f"fetch: offline, so {planned.name} is not downloaded; it would bring {names} "
        f"from {planned.missing[0].urls[0]}. Of this modality without a download: {instead}"
    )


@contextlib.contextmanager
def _bar(file: DataFile, shown: bool) -> Iterator[Callable[[int, int | None], None]]:
    if not shown:
        yield lambda done, total: None
        return
    from tqdm import tqdm

    with tqdm(desc=file.file, unit="B", unit_scale=True, disable=None) as line:

        def progress(done: int, total: int | None) -> None:
            line.total = total
            line.update(done - line.n)

        yield progress
