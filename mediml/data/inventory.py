"""What of the catalogue lies on this machine, and whether it is what the catalogue describes."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from mediml.data.catalog import CatalogError, DataFile, catalog, data_folder, files_of, hash_of, packaged_file, source
from mediml.data.fetch import MANIFEST, expected_hashes, place_of, read_manifest

__all__ = ["RIGHT", "WRONG", "Finding", "check"]

RIGHT, WRONG, ABSENT, UNKNOWN = "right", "wrong", "absent", "unknown"


@dataclass(frozen=True)
class Finding:
    """One file or folder: its state is right, wrong, absent, or unknown where no hash is on record."""

    name: str
    place: str
    state: str
    detail: str = ""


def check(names: Iterable[str] = (), folder: str | os.PathLike[str] | None = None) -> Iterator[Finding]:
    """Compare files with the catalogue, by their hashes.

    Parameters
    ----------
    names : iterable of str
        Names in the catalogue; by default all of them, and what is absent is then passed over.
    folder : path, optional
        Where downloads lie; ``$MEDIML_DATA_DIR`` or ``data`` by default.

    Yields
    ------
    Finding
    """
    names = list(names)
    data = data_folder() if folder is None else Path(folder)
    for name in names:
        source(name)  # a misspelt name is told before anything is read
    for name in names or catalog():
        findings = [_packaged(name)] if "package" in source(name) else list(_downloads(name, data))
        yield from (found for found in findings if names or found.state != ABSENT)


def _packaged(name: str) -> Finding:
    entry = source(name)
    place = f"{entry['package']}: {entry['path']}"
    try:
        metadata.distribution(entry["package"])
    except metadata.PackageNotFoundError:
        return Finding(name, place, ABSENT, f"the package {entry['package']!r} is not installed")
    try:
        packaged_file(name)
    except CatalogError as error:
        return Finding(name, place, WRONG, str(error).removeprefix(f"{name}: "))
    return Finding(name, place, RIGHT)


def _downloads(name: str, folder: Path) -> Iterator[Finding]:
    entry = source(name)
    if entry.get("choice") == "size":
        wanted = [file for key in entry["files"] for file in files_of(name, int(key))]
        found = [_download(name, file, folder, 1) for file in wanted]
        yield from [one for one in found if one.state != ABSENT] or found[:1]
    else:
        wanted = list(files_of(name))
        yield from (_download(name, file, folder, len(wanted)) for file in wanted)


def _download(name: str, file: DataFile, folder: Path, count: int) -> Finding:
    place = place_of(name, file, folder, count)
    if not place.exists():
        return Finding(name, str(place), ABSENT, f"run: mediml data fetch {name}")
    if file.unpack:
        return _unpacked(name, place)
    expected = expected_hashes(file, folder)
    for algorithm, right in expected.items():
        if (found := hash_of(place, algorithm)) != right:
            return Finding(name, str(place), WRONG, f"expected {algorithm} {right}, got {found}")
    return Finding(name, str(place), RIGHT if expected else UNKNOWN, "" if expected else "no hash is on record")


def _unpacked(name: str, place: Path) -> Finding:
    manifest = read_manifest(place)
    if manifest is None or manifest.get("name") != name:
        return Finding(name, str(place), UNKNOWN, f"{MANIFEST} is missing: it was not made by mediml data fetch")
    wrong = []
    for path, known in manifest["files"].items():
        file = place / path
        if not file.is_file() or hash_of(file, "sha256") != known["sha256"]:
            wrong.append(path)
    if wrong:
        return Finding(name, str(place), WRONG, f"{len(wrong)} files are missing or changed, such as {wrong[0]}")
    return Finding(name, str(place), RIGHT, f"{len(manifest['files'])} files")
