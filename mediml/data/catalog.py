"""The catalogue of data sets: where each comes from, how it is known to be the right file, what it may be used for.

``datasets/catalog.toml`` is its only source; a wheel carries a copy of that folder. A table ``[sources.<name>]`` with
``package`` and ``path`` names a file that an installed dependency brings with it, one with ``url`` a download.
"""

import hashlib
import os
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["CatalogError", "catalog", "hash_of", "packaged_file", "sha256_of", "source"]

_PACKAGE = Path(__file__).resolve().parent.parent

#: In a wheel, then in a checkout.
_PLACES = (_PACKAGE / "_datasets", _PACKAGE.parent / "datasets")


class CatalogError(ValueError):
    """An unknown data set, or a file that is missing or is not the one the catalogue describes."""


@cache
def catalog() -> dict[str, dict[str, Any]]:
    """All sources by name, as ``catalog.toml`` describes them."""
    for place in _PLACES:
        file = place / "catalog.toml"
        if file.is_file():
            return dict(tomllib.loads(file.read_text(encoding="utf-8"))["sources"])
    raise CatalogError(
        f"catalogue: catalog.toml is in none of {', '.join(map(str, _PLACES))}; install mediml again, "
        f"or run it from a complete checkout"
    )


def source(name: str) -> dict[str, Any]:
    """The catalogue's entry of one data set: licence, citation, sha256 and where it comes from."""
    try:
        return catalog()[name]
    except KeyError:
        raise CatalogError(f"catalogue: no data set {name!r}; expected one of {', '.join(sorted(catalog()))}") from None


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
        raise CatalogError(f"catalogue: {name!r} comes with no package; expected an entry with 'package' and 'path'")
    package, path = entry["package"], entry["path"]
    try:
        distribution = metadata.distribution(package)
    except metadata.PackageNotFoundError:
        raise CatalogError(f"{name}: the package {package!r} is not installed; run: pip install {package}") from None
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
