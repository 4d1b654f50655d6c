"""One request for a file, or for the rest of it, and as much of the answer as comes.

What has come so far lies beside the target as ``NAME.part``, with ``NAME.part.json``, which says from where it came and
in which version. The rest is asked for by a range request, under the condition that the file has not changed there.

References
----------
RFC 9110, sections 13.1.5 (If-Range) and 14 (range requests).
"""

import email.utils
import errno
import hashlib
import http.client
import json
import os
import re
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mediml.data.catalog import CatalogError, DataFile, in_bytes

__all__ = ["AddressError", "BrokenError", "DownloadError", "Part", "Progress", "attempt"]

#: Called with the bytes that are there and the size of the file, or None while that is unknown.
Progress = Callable[[int, "int | None"], None]

_SCHEMES = frozenset({"https"})
_TIMEOUT_S = 30.0
_BLOCK = 2**18
_MAX_BYTES = 64 * 2**30

#: Room that is left on the disk.
_RESERVE = 64 * 2**20

_TEMPORARY_CODES = frozenset({408, 425, 429, 500, 502, 503, 504})


class DownloadError(CatalogError):
    """A file could not be had, or what came is not the file."""


class AddressError(DownloadError):
    """This address does not give the file; another one may."""


class BrokenError(DownloadError):
    """The attempt failed in a way that another one may not; `wait_s` is the pause that the server asks for."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class Part:
    """What has come of a file so far, and where from."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(f"{target.name}.part")
        self._note_path = target.with_name(f"{target.name}.part.json")
        self.note = self._read_note()
        if not self.note:
            self.discard()
        self.spliced = self.size > 0

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def total(self) -> int | None:
        """Size of the whole file, as the server said."""
        total = self.note.get("total")
        return total if isinstance(total, int) else None

    def begin(self, url: str, response: Any, total: int | None) -> None:
        """Start from nothing with the answer of a server."""
        self.path.write_bytes(b"")
        tag, modified = response.headers.get("ETag"), response.headers.get("Last-Modified")
        self.note = {"url": url, "etag": tag, "modified": modified, "total": total}
        self._note_path.write_text(json.dumps(self.note), encoding="utf-8")
        self.spliced = False

    def discard(self) -> None:
        self.note = {}
        self.path.unlink(missing_ok=True)
        self._note_path.unlink(missing_ok=True)

    def finish(self) -> None:
        """Give the part its name."""
        os.replace(self.path, self.target)
        self._note_path.unlink(missing_ok=True)

    def hashes(self, algorithms: Iterable[str]) -> dict[str, str]:
        digests = {algorithm: hashlib.new(algorithm) for algorithm in algorithms}
        with open(self.path, "rb") as stream:
            while block := stream.read(2**20):
                for digest in digests.values():
                    digest.update(block)
        return {algorithm: digest.hexdigest() for algorithm, digest in digests.items()}

    def _read_note(self) -> dict[str, Any]:
        try:
            note = json.loads(self._note_path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return note if isinstance(note, dict) and self.path.is_file() else {}


def attempt(url: str, part: Part, file: DataFile, progress: Progress) -> None:
    """Make one request; on return the part is as long as the file.

    Raises
    ------
    BrokenError
        If trying again may help. What came is in the part.
    AddressError
        If this address does not give the file.
    DownloadError
        If there is no room on the disk.
    """
    if part.total is not None and part.size == part.total:
        return
    try:
        response = _open(url, _headers(url, part))
    except urllib.error.HTTPError as error:
        with error:
            return _refused(error, part)
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise AddressError(f"the server's certificate is not valid: {error.reason.verify_message}") from None
        raise BrokenError(f"no connection ({error.reason})") from None
    except (OSError, http.client.HTTPException) as error:
        raise BrokenError(f"no answer ({error or type(error).__name__})") from None
    with response:
        _begin(url, response, part, file)
        _receive(response, part, file, progress)


def _headers(url: str, part: Part) -> dict[str, str]:
    headers = {"User-Agent": "mediml", "Accept-Encoding": "identity"}
    if size := part.size:
        headers["Range"] = f"bytes={size}-"
        tag, modified = part.note.get("etag"), part.note.get("modified")
        if part.note.get("url") == url and (validator := tag if _is_strong(tag) else modified):
            headers["If-Range"] = str(validator)
    return headers


def _is_strong(tag: Any) -> bool:
    """A weak tag (W/) promises the same meaning, not the same bytes."""
    return isinstance(tag, str) and tag.startswith('"')


def _refused(error: urllib.error.HTTPError, part: Part) -> None:
    if error.code == 416 and part.size:
        total = re.fullmatch(r"bytes \*/(\d+)", error.headers.get("Content-Range", "").strip())
        if total and int(total.group(1)) == part.size:
            return
        part.discard()
        raise BrokenError("the server has no such range", 0.0)
    if error.code in _TEMPORARY_CODES:
        raise BrokenError(f"the server answered {error.code}", _retry_after(error.headers.get("Retry-After")))
    raise AddressError(f"the server answered {error.code} {error.reason}")


def _retry_after(value: str | None) -> float | None:
    """Seconds that a server asks to wait, given as such or as a date."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    date = email.utils.parsedate_tz(value)
    return None if date is None else max(0.0, email.utils.mktime_tz(date) - time.time())


def _begin(url: str, response: Any, part: Part, file: DataFile) -> None:
    """Decide whether the answer goes on with the part or starts anew; refuse what cannot be the file."""
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise AddressError("the server compressed the file on the way, which was not asked for")
    if response.status == 206:
        total = _continues(url, response, part)
    else:
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdigit() else None
    largest = _largest(file)
    if total is not None and (total > largest or (file.bytes is not None and total != file.bytes)):
        expected = f"{file.bytes}" if file.bytes is not None else f"at most {largest}"
        raise AddressError(f"the server's file has {total} bytes, expected {expected}")
    if response.status == 206:
        part.spliced, part.note["total"] = True, total
    else:
        part.begin(url, response, total)
    _check_room(part, (total or file.about_bytes or 0) - part.size)


def _continues(url: str, response: Any, part: Part) -> int | None:
    """Size of the whole file according to a partial answer that fits to the part; otherwise the part is dropped."""
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip())
    total = int(found.group(2)) if found and found.group(2) != "*" else part.total
    fits = found is not None and int(found.group(1)) == part.size and part.total in (None, total)
    if fits and part.note.get("url") == url:
        fits = part.note.get("etag") in (None, response.headers.get("ETag", part.note.get("etag")))
    if not fits:
        part.discard()
        raise BrokenError("the file has changed on the server, or the server sends another part", 0.0)
    return total


def _receive(response: Any, part: Part, file: DataFile, progress: Progress) -> None:
    largest = part.total if part.total is not None else _largest(file)
    size, end = part.size, largest if part.total is not None else largest + 1  # one more tells that it is too long
    progress(size, part.total)
    try:
        with open(part.path, "ab") as stream:
            while size < end and (block := _read(response)):
                stream.write(block)
                size += len(block)
                progress(size, part.total)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DownloadError(
            f"the disk is full; {part.path.name} keeps what came, so make room and run the command again"
        ) from None
    if size > largest:
        part.discard()
        raise AddressError(f"more than {largest} bytes came; the download was stopped")
    if part.total is not None and size < part.total:
        raise BrokenError(f"the connection ended after {size} of {part.total} bytes")


def _read(response: Any) -> bytes:
    try:
        return bytes(response.read1(_BLOCK))
    except TimeoutError:
        raise BrokenError(f"nothing came for {_TIMEOUT_S:g} s") from None
    except (OSError, http.client.HTTPException) as error:
        raise BrokenError(f"the connection broke ({type(error).__name__})") from None


def _check_room(part: Part, needed: int) -> None:
    free = shutil.disk_usage(part.path.parent).free
    if needed + _RESERVE > free:
        raise DownloadError(
            f"{part.target.name} needs {in_bytes(needed)} more on the disk, {in_bytes(free)} are free; make room, "
            f"or choose another folder"
        )


def _largest(file: DataFile) -> int:
    """Bytes at which it is clear that this is not the file."""
    if file.bytes is not None:
        return file.bytes
    if file.at_most is not None:
        return file.at_most
    return min(2 * file.about_bytes + 2**20, _MAX_BYTES) if file.about_bytes is not None else _MAX_BYTES


class _AsSafe(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only to an address that is as safe."""

    max_redirections = 5

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        _check_scheme(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open(url: str, headers: Mapping[str, str]) -> Any:
    _check_scheme(url)
    request = urllib.request.Request(url, headers=dict(headers))
    return urllib.request.build_opener(_AsSafe).open(request, timeout=_TIMEOUT_S)


def _check_scheme(url: str) -> None:
    if (scheme := urlsplit(url).scheme) not in _SCHEMES:
        raise AddressError(f"expected an https address, got one of scheme {scheme!r}")
