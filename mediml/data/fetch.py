"""Download of a data set in the catalogue, checked before it gets its name."""

import contextlib
import hashlib
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mediml.data.catalog import CatalogError, hash_of, source

__all__ = ["fetch"]

_MAX_BYTES = 4 * 2**30
_TIMEOUT_S = 60


def fetch(name: str, folder: str | os.PathLike[str] = "data", report: Callable[[str], None] | None = None) -> Path:
    """Download a data set, unless the right file is there already.

    Parameters
    ----------
    name : str
        Name in the catalogue, of an entry with ``urls`` and ``sha256`` or ``md5``.
    folder : path
        Where the file goes; made if it is not there.
    report : callable, optional
        Called with a line of text per attempt.

    Returns
    -------
    Path
        The file, whose content has the catalogue's hash.

    Raises
    ------
    CatalogError
        If the entry is no download, or no address gave the right file. Nothing is left behind then.
    """
    entry = source(name)
    if not entry.get("urls"):
        raise CatalogError(f"fetch: {name!r} is no download; it comes with the package {entry.get('package')!r}")
    algorithm = "sha256" if "sha256" in entry else "md5"
    target = Path(folder) / Path(urlsplit(entry["urls"][0]).path).name
    if target.is_file():
        if hash_of(target, algorithm) == entry[algorithm]:
            return target
        raise CatalogError(f"fetch: {target} is there, but is not {name}; move it away, or choose another folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    failures = []
    for url in entry["urls"]:
        if report:
            report(f"fetching {url}")
        try:
            _download(url, target, algorithm, entry[algorithm])
            return target
        except (OSError, CatalogError, urllib.error.URLError) as error:
            failures.append(f"{url}: {error}")
    raise CatalogError(f"fetch: {name} could not be had from any address:\n  " + "\n  ".join(failures))


def _download(url: str, target: Path, algorithm: str, expected: str) -> None:
    if urlsplit(url).scheme != "https":
        raise CatalogError(f"expected an https address, got {url!r}")
    descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream, _open(url) as response:
            digest, received = hashlib.new(algorithm), 0
            while block := response.read(2**18):
                received += len(block)
                if received > _MAX_BYTES:
                    raise CatalogError(f"more than {_MAX_BYTES} bytes came; the download was stopped")
                digest.update(block)
                stream.write(block)
            stream.flush()
            os.fsync(stream.fileno())
        if digest.hexdigest() != expected:
            raise CatalogError(f"expected {algorithm} {expected}, got {digest.hexdigest()} in {received} bytes")
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _open(url: str) -> Any:
    request = urllib.request.Request(url, headers={"User-Agent": "mediml"})
    return urllib.request.urlopen(request, timeout=_TIMEOUT_S)
