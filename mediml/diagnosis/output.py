"""Where reports go: written whole or not at all, and never over what the user keeps there.

Everything is made in a temporary folder beside the target and moved to its name by one renaming. A target that exists
already is replaced only if a report of ours stands in it and nothing else.
"""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["OutputError", "check_target", "staged"]

#: What a folder of ours may hold; anything else in it belongs to the user.
_FILES = frozenset(
    "report.html report.json index.html index.json image.png input.png feature_maps.png score.png".split()  # noqa: SIM905
)


class OutputError(ValueError):
    """The reports cannot be written to the given place."""


def check_target(target: str | os.PathLike[str]) -> Path:
    """The folder as an absolute path, if reports may be written there.

    Raises
    ------
    OutputError
        If it is a file, holds anything that is not a report of ours, or cannot be written.
    """
    path = Path(os.path.abspath(target))
    try:
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            raise OutputError(f"--out expects a folder, got a file or a link: {path}; choose another name")
        if path.is_dir() and os.path.ismount(path):
            raise OutputError(
                f"--out expects a folder that can be renamed, got a mount point: {path}; name one inside it"
            )
        if path.is_dir() and not _may_be_replaced(path):
            raise OutputError(
                f"--out expects a new, an empty or an earlier report folder; {path} holds other files; choose another"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        os.rmdir(tempfile.mkdtemp(prefix=".mediml-", dir=path.parent))
    except OSError as error:
        raise _unwritable(path, error) from None
    return path


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """A temporary folder that becomes `target` when the block ends well, and is removed otherwise.

    Raises
    ------
    OutputError
        If a file or folder cannot be written; what was at `target` before is then still there.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=".mediml-", dir=target.parent, ignore_cleanup_errors=True) as temporary:
            staging = Path(temporary, "new")
            staging.mkdir(0o755)
            yield staging
            _sync(staging)
            if target.exists():
                os.rename(target, Path(temporary, "earlier"))
            try:
                os.rename(staging, target)
            except OSError:
                if Path(temporary, "earlier").exists():
                    os.rename(Path(temporary, "earlier"), target)
                raise
    except OSError as error:
        raise _unwritable(target, error) from None


def _unwritable(path: Path, error: OSError) -> OutputError:
    reason = error.strerror or type(error).__name__
    return OutputError(f"--out: {path} cannot be written ({reason}); choose another place or make room")


def _sync(folder: Path) -> None:
    """All files are on the disk before the folder gets its name, so that no crash leaves a report that is cut short."""
    for file in folder.rglob("*"):
        if file.is_file():
            with open(file, "rb+") as stream:
                os.fsync(stream.fileno())


def _may_be_replaced(folder: Path) -> bool:
    """Whether a folder is empty, or holds a report of ours and nothing else."""
    entries = list(folder.iterdir())
    if not entries:
        return True
    if not any(_is_ours(folder / name) for name in ("report.json", "index.json")):
        return False
    for entry in entries:
        if entry.is_dir() and not entry.is_symlink():
            if not entry.name.isdecimal() or any(
                inner.name not in _FILES or inner.is_dir() for inner in entry.iterdir()
            ):
                return False
        elif entry.name not in _FILES:
            return False
    return True


def _is_ours(file: Path) -> bool:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and str(content.get("schema", "")).startswith("mediml.")
