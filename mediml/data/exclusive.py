"""One process at a time: a lock that the system frees when its process ends, however it ends."""

import contextlib
import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mediml.data.catalog import CatalogError

__all__ = ["exclusive"]


@contextlib.contextmanager
def exclusive(path: Path, problem: str) -> Iterator[None]:
    """Hold the lock file `path` for the time of a ``with`` block.

    Raises
    ------
    CatalogError
        With `problem`, if another process holds it.
    OSError
        If the file cannot be made.
    """
    descriptor = _locked(path, problem)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # an open file cannot be removed on Windows
            path.unlink()
        os.close(descriptor)


def _locked(path: Path, problem: str) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _lock(descriptor)
        except OSError:
            os.close(descriptor)
            raise CatalogError(f"{problem}; wait for it, or end it") from None
        if _is_still_there(path, descriptor):
            return descriptor
        os.close(descriptor)  # its holder removed it between opening and locking


def _is_still_there(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _lock(descriptor: int) -> None:
    if os.name == "nt":  # pragma: no cover
        windows: Any = importlib.import_module("msvcrt")
        windows.locking(descriptor, windows.LK_NBLCK, 1)
    else:
        posix: Any = importlib.import_module("fcntl")
        posix.flock(descriptor, posix.LOCK_EX | posix.LOCK_NB)
