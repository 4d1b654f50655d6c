"""The catalogue of data sets: where each comes from, how it is known to be the right file, what it may be used for.

The ``*.toml`` files of ``datasets/`` are its only source; a wheel carries a copy of that folder. A table
``[sources.<name>]`` with ``package`` and ``path`` names a file that an installed dependency brings with it, one with
``files`` a download. A table ``[family]`` says what holds for each entry of its file that does not say otherwise.
"""

import difflib
import hashlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "CatalogError",
    "DataFile",
    "card",
    "catalog",
    "data_folder",
    "files_of",
    "hash_of",
    "packaged_file",
    "sha256_of",
    "source",
]

_PACKAGE = Path(__file__).resolve().parent.parent

#: In a wheel, then in a checkout.
_PLACES = (_PACKAGE / "_datasets", _PACKAGE.parent / "datasets")

#: Weakest first: what a file may be known by.
ALGORITHMS = ("md5", "sha256")


class CatalogError(ValueError):
    """An unknown data set, or a file that is missing or is not the one the catalogue describes."""


@dataclass(frozen=True)
class DataFile:
    """One file of a download.

    Attributes
    ----------
    key : str
        Its name within the entry: a size such as ``"28"``, or ``"archive"``, ``"images"``, ….
    file : str
        Name on disk.
    urls : tuple of str
        Addresses to be tried in turn, all https.
    hashes : mapping of str to str
        Hash in hexadecimal by algorithm; the right file has every one. Empty where nobody publishes one.
    bytes : int or None
        Exact size, where it is known.
    about_bytes : int or None
        Size to expect, where only that is known.
    at_most : int or None
        Size that the right file cannot exceed.
    unpack : bool
        True for an archive that is of use only when unpacked.
    """

    key: str
    file: str
    urls: tuple[str, ...]
    hashes: Mapping[str, str]
    bytes: int | None = None
    about_bytes: int | None = None
    at_most: int | None = None
    unpack: bool = False

    @property
    def size(self) -> str:
        """The size in words."""
        if self.bytes is not None:
            return in_bytes(self.bytes)
        if self.about_bytes is not None:
            return f"about {in_bytes(self.about_bytes)}"
        return f"at most {in_bytes(self.at_most)}" if self.at_most is not None else "of unknown size"


@cache
def catalog() -> dict[str, dict[str, Any]]:
    """All sources by name, as the files of ``datasets/`` describe them."""
    entries: dict[str, dict[str, Any]] = {}
    for file in sorted(_folder().glob("*.toml")):
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
        family = tables.get("family", {})
        for name, entry in tables["sources"].items():
            if name in entries:
                raise CatalogError(f"catalogue: {name!r} is described twice, the second time in {file.name}")
            entries[name] = {**family, **entry}
    return entries


def source(name: str) -> dict[str, Any]:
    """The catalogue's entry of one data set: licence, citation, hashes and where it comes from."""
    try:
        return catalog()[name]
    except KeyError:
        near = " or ".join(difflib.get_close_matches(name, catalog()))
        raise CatalogError(
            f"catalogue: no data set {name!r}{f', but {near}' * bool(near)}; "
            f"expected one of {', '.join(sorted(catalog()))}"
        ) from None


def card(name: str) -> str:
    """The text of a data set's card, in Markdown."""
    return (_folder() / source(name)["card"]).read_text(encoding="utf-8")


def data_folder() -> Path:
    """Where downloads go unless a command is told otherwise: ``$MEDIML_DATA_DIR``, or ``data``."""
    return Path(os.environ.get("MEDIML_DATA_DIR") or "data")


def files_of(name: str, size: int | None = None) -> tuple[DataFile, ...]:
    """The files that a data set is made of.

    Parameters
    ----------
    name : str
        Name in the catalogue, of an entry with ``files``.
    size : int, optional
        Height in pixels, for an entry that comes in several sizes; the smallest by default.

    Raises
    ------
    CatalogError
        If the entry is no download, or does not come in that size.
    """
    entry = source(name)
    if "files" not in entry:
        raise CatalogError(
            f"{name}: no download; it comes with the package {entry['package']!r}, see mediml data info {name}"
        )
    keys = list(entry["files"])
    if entry.get("choice") == "size":
        chosen = keys[0] if size is None else str(size)
        if chosen not in keys:
            raise CatalogError(f"{name}: comes in the sizes {', '.join(keys)}, got {size}")
        keys = [chosen]
    elif size is not None:
        raise CatalogError(f"{name}: comes in one size only; leave the size out")
    return tuple(_data_file(entry, key) for key in keys)


def packaged_file(name: str) -> Path:
    """A data file that an installed package brings with it; never touches the network.

    Parameters
    ----------
    name : str
        Name in the catalogue, of an entry with ``package``.

    Returns
    -------
    Path
        The file, whose content has the catalogue's sha256.

    Raises
    ------
    CatalogError
        If the name is unknown, the package is not installed, or the file is missing or has another content.
    """
    entry = source(name)
    if "package" not in entry:
        raise CatalogError(f"catalogue: {name!r} comes with no package; run: mediml data fetch {name}")
    package, path = entry["package"], entry["path"]
    wanted = f'"mediml[{entry["extra"]}]"' if "extra" in entry else package
    try:
        distribution = metadata.distribution(package)
    except metadata.PackageNotFoundError:
        raise CatalogError(f"{name}: the package {package!r} is not installed; run: pip install {wanted}") from None
    file = Path(str(distribution.locate_file(path)))
    if not file.is_file():
        raise CatalogError(
            f"{name}: package {package!r} {distribution.version} holds no file {path!r}; "
            f"run: pip install --force-reinstall {package}"
        )
    if (found := sha256_of(file)) != entry["sha256"]:
        raise CatalogError(
            f"{name}: expected a file of sha256 {entry['sha256']}, got {found} from package {package!r} "
            f"{distribution.version}; run: pip install --force-reinstall {package}"
        )
    return file


def sha256_of(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    return hash_of(path, "sha256")


def hash_of(path: str | os.PathLike[str], algorithm: str) -> str:
    """Hash of a file's content, in hexadecimal, by an algorithm of `hashlib`."""
    digest = hashlib.new(algorithm)
    with open(path, "rb") as stream:
        while block := stream.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def in_bytes(count: int) -> str:
    """A number of bytes in words, in powers of a thousand: ``"4.2 MB"``."""
    size, unit = float(count), "bytes"
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if size >= 100 or unit == "bytes" else f"{size:.1f} {unit}"


def _folder() -> Path:
    for place in _PLACES:
        if (place / "catalog.toml").is_file():
            return place
    raise CatalogError(
        f"catalogue: catalog.toml is in none of {', '.join(map(str, _PLACES))}; install mediml again, "
        f"or run it from a complete checkout"
    )


def _data_file(entry: Mapping[str, Any], key: str) -> DataFile:
    record = entry["files"][key]
    addresses = [*entry["urls"], *record.get("mirrors", ())]
    return DataFile(
        key=key,
        file=record["file"],
        urls=tuple(address.format(file=record["file"]) for address in addresses),
        hashes={algorithm: record[algorithm] for algorithm in ALGORITHMS if algorithm in record},
        bytes=record.get("bytes"),
        about_bytes=record["about_mb"] * 10**6 if "about_mb" in record else None,
        at_most=_largest(entry, key),
        unpack=record.get("unpack", False),
    )


def _largest(entry: Mapping[str, Any], key: str) -> int | None:
    """What images of 8 bits take without compression: 5 % and 64 KiB are added for labels and headers."""
    if entry.get("choice") != "size":
        return None
    pixels = int(key) ** entry["dimensions"] * entry["channels"]
    return round(sum(entry["splits"].values()) * pixels * 1.05) + 2**16
