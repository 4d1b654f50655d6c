"""Download of one file: goes on where it was interrupted, tries several addresses, and checks before it gives a name.

The hash decides in the end, whatever the servers said on the way.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from mediml.data.catalog import DataFile
from mediml.data.exclusive import exclusive
from mediml.data.transfer import AddressError, BrokenError, DownloadError, Part, Progress, attempt

__all__ = ["DownloadError", "download"]

#: Attempts in a row that bring nothing new, and attempts at all, before the next address is tried.
_PATIENCE, _ATTEMPTS = 4, 100
_WAIT_S, _LONGEST_WAIT_S = 1.0, 60.0


def download(
    file: DataFile,
    target: Path,
    hashes: Mapping[str, str] | None = None,
    report: Callable[[str], None] = lambda line: None,
    progress: Progress = lambda done, total: None,
) -> str:
    """Download one file.

    Parameters
    ----------
    file : DataFile
        What to download and from where.
    target : Path
        Where it goes, in a folder that exists.
    hashes : mapping of str to str, optional
        Hash by algorithm that the content must have; those of `file` by default.
    report : callable
        Called with a line of text per attempt.
    progress : callable
        Called with the number of bytes that are there, and the size or None.

    Returns
    -------
    str
        SHA-256 of the file.

    Raises
    ------
    DownloadError
        If the file is there already, another process is at it, no address gave the right one, or there is no room.
        What came is kept for the next run, unless it is wrong.
    OSError
        If the folder cannot be written to.
    """
    with exclusive(target.with_name(f"{target.name}.lock"), f"another process is downloading {target.name}"):
        if target.exists():
            raise DownloadError(f"{target.name} is there already")
        part, failures = Part(target), []
        for url in file.urls:
            try:
                _from_address(url, part, file, file.hashes if hashes is None else hashes, report, progress)
            except AddressError as failure:
                failures.append(f"{url}: {failure}")
                continue
            digest = part.hashes(["sha256"])["sha256"]
            part.finish()
            return digest
    raise DownloadError(f"{target.name} could not be had from any address:\n  " + "\n  ".join(failures))


def _from_address(
    url: str,
    part: Part,
    file: DataFile,
    hashes: Mapping[str, str],
    report: Callable[[str], None],
    progress: Progress,
) -> None:
    """Bring the part to its end and check it; one that was put together and is wrong is begun once more."""
    for last in (False, True):
        report(f"{'going on with' if part.size else 'fetching'} {url}")
        _patiently(url, part, file, report, progress)
        found = part.hashes(hashes)
        wrong = [f"expected {name} {hashes[name]}, got {found[name]}" for name in hashes if found[name] != hashes[name]]
        if not wrong:
            return
        size, spliced = part.size, part.spliced
        part.discard()
        if last or not spliced:
            raise AddressError(f"{'; '.join(wrong)} in {size} bytes; they were removed")
        report("the parts do not make the right file; it is fetched from the beginning")


def _patiently(url: str, part: Part, file: DataFile, report: Callable[[str], None], progress: Progress) -> None:
    """Try again as long as something new comes."""
    best, idle = part.size, 0
    for _ in range(_ATTEMPTS):
        try:
            return attempt(url, part, file, progress)
        except BrokenError as problem:
            idle = 0 if part.size > best else idle + 1
            best = max(best, part.size)
            if idle >= _PATIENCE:
                raise AddressError(f"{problem}; {idle} attempts brought nothing new") from None
            wait = _WAIT_S * 2.0 ** max(idle - 1, 0) if problem.wait_s is None else problem.wait_s
            wait = min(wait, _LONGEST_WAIT_S)
            report(f"{problem}; trying again in {wait:g} s")
            time.sleep(wait)
    raise AddressError(f"the connection broke {_ATTEMPTS} times")
