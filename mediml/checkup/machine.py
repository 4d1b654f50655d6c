"""Probes of cores and threads, and of the folders that are written to."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mediml.checkup.findings import FAULT, NOTE, Finding

__all__ = ["cpu_quota", "places", "threads"]

_VARIABLES = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS")

#: Bytes that a data set and the checkpoints of a training may take.
_ROOMY = 2e9


def threads() -> Iterator[Finding]:
    from kernels.parallel import thread_count

    cores = os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores
    usable = float(allowed)
    yield Finding("cores", f"{cores}" + (f", of which this process may use {allowed}" if allowed < cores else ""))
    quota = cpu_quota()
    if quota is not None and quota < usable:
        usable = quota
        yield Finding("quota", f"the container gives this process {quota:g} of the cores' time")
    count, sources = thread_count(), [f"{name}={os.environ[name]}" for name in _VARIABLES if os.environ.get(name)]
    text = f"{count} for mediml's kernels" + (f" ({', '.join(sources)})" if sources else "")
    if count > max(usable, 1):
        fix = f"set NUMBA_NUM_THREADS={max(int(usable), 1)} before Python starts"
        yield Finding("threads", f"{text}: more than cores to run on, so they wait for each other", NOTE, fix)
    elif count < int(usable):
        yield Finding("threads", f"{text}: fewer than cores", NOTE, f"unset {' and '.join(_VARIABLES)} to use all")
    else:
        yield Finding("threads", text)
    for name in _VARIABLES:
        value = os.environ.get(name, "")
        if value and not (value.isdecimal() and int(value) > 0):
            fix = f"unset {name}, or set it to a number from 1 to {allowed}"
            yield Finding(name, f"{value!r} is no number of threads; it is passed over", NOTE, fix)
    layer = os.environ.get("NUMBA_THREADING_LAYER")
    yield Finding("Numba's layer", f"{layer or 'as Numba finds it'}; mediml's kernels run on threads of their own")


def cpu_quota(root: Path = Path("/sys/fs/cgroup")) -> float | None:
    """Cores' worth of time that a container's limit grants; None without a limit, or where nobody can say."""
    try:
        if (root / "cpu.max").exists():
            quota, period = (root / "cpu.max").read_text().split()
        else:
            quota, period = ((root / "cpu" / f"cpu.cfs_{part}_us").read_text() for part in ("quota", "period"))
        return None if quota == "max" or int(quota) <= 0 else int(quota) / int(period)
    except (OSError, ValueError):
        return None


def places() -> Iterator[Finding]:
    from mediml.data.catalog import data_folder

    data = data_folder().absolute()
    yield from _folder("data", data, "set MEDIML_DATA_DIR to a folder that can be written")
    try:
        temporary = Path(tempfile.gettempdir())
    except OSError as error:
        yield Finding("temporary", str(error), FAULT, "set TMPDIR to a folder that can be written")
        return
    yield from _folder("temporary", temporary, "set TMPDIR to a folder that can be written")


def _folder(name: str, folder: Path, fix: str) -> Iterator[Finding]:
    """One line: there or not, writable or not, and the space on its disk."""
    nearest = next(parent for parent in (folder, *folder.parents) if parent.exists())
    text = f"{folder}" + ("" if nearest == folder else ", not there yet")
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        yield Finding(name, f"{text}: {nearest} cannot be written", NOTE, fix)
        return
    free = shutil.disk_usage(nearest).free
    text = f"{text}, {free / 1e9:.1f} GB free"
    if free < _ROOMY:
        yield Finding(name, f"{text}: little for data sets and checkpoints", NOTE, "make room, or " + fix)
    else:
        yield Finding(name, text)
