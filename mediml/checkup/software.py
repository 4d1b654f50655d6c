"""Probes of Python, of the packages, and of our kernels and their cache."""

import importlib
import os
import platform
import re
import signal
import stat
import struct
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from mediml.checkup.findings import FAULT, NOTE, Finding
from mediml.checkup.trials import attempt

__all__ = ["EXTRAS", "REQUIRED", "cache", "extras", "install", "kernel_run", "kernels_package", "packages", "python"]

#: What mediml needs: the least version, and the first one that is too new. (A test holds this against pyproject.toml.)
REQUIRED: dict[str, tuple[str, str]] = {
    "numpy": ("2.1", ""), "numba": ("0.68", ""), "scipy": ("1.13", ""), "pydicom": ("3.0.2", "4"),
    "pydicom-data": ("1.0", ""), "pillow": ("10.3", ""), "matplotlib": ("3.9", ""), "tqdm": ("4.66", ""),
    "safetensors": ("0.5", ""),
}  # fmt: skip

#: Extras, the packages that they bring, and what for. PyTorch and CUDA have sections of their own.
EXTRAS: dict[str, tuple[tuple[str, ...], str]] = {
    "lessons": (("jupyterlab", "ipykernel", "ipywidgets"), "to open the lessons and run them"),
    "imaging": (("scikit-image",), "pictures of the retina"),
    "nifti": (("nibabel",), "volumes in NIfTI files"),
    "codecs": (("pylibjpeg", "pylibjpeg-openjpeg", "pyjpegls"), "compressed DICOM: JPEG 2000, JPEG-LS"),
    "gdcm": (("python-gdcm",), "compressed DICOM: lossless JPEG"),
    "dicom": (("highdicom", "pynetdicom", "dicomweb-client"), "DICOM segmentations and reports, and DICOM's network"),
}

_PYTHONS = (3, 10), (3, 14)


def version_of(package: str) -> str | None:
    """The installed version, None where there is none."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def numbers(version: str) -> tuple[int, ...]:
    """The numbers that a version begins with: (2, 13, 0) of "2.13.0+cpu"."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in found.group().split(".")) if found else ()


def install(*wanted: str, extra: str = "") -> str:
    """The line that installs packages, or an extra of mediml as it is installed here."""
    root = Path(__file__).resolve().parents[2]
    if not extra:
        return f"python -m pip install {' '.join(wanted)}"
    if (root / "pyproject.toml").exists():
        return f'python -m pip install -c constraints.txt -e ".[{extra}]"   (in {root})'
    return f'python -m pip install "mediml[{extra}]"'


def python() -> Iterator[Finding]:
    bits = struct.calcsize("P") * 8
    text = f"{platform.python_version()} ({platform.python_implementation()}, {bits} bit), {sys.executable}"
    oldest, newest = _PYTHONS
    if sys.version_info[:2] < oldest or bits < 64 or platform.python_implementation() != "CPython":
        fix = f"use a 64-bit CPython from {oldest[0]}.{oldest[1]} to {newest[0]}.{newest[1]}"
        yield Finding("interpreter", text, FAULT, fix, stops=True)
    elif sys.version_info[:2] > newest:
        fix = f"if Numba does not work: Python {newest[0]}.{newest[1]} is the newest that mediml is tested with"
        yield Finding("interpreter", text, NOTE, fix)
    else:
        yield Finding("interpreter", text)
    yield Finding("machine", f"{platform.platform()}, {platform.machine()}")
    if sys.prefix == sys.base_prefix:
        yield Finding(
            "environment", "none: packages are shared with all programs of this Python", NOTE,
            "python -m venv .venv keeps mediml's packages apart (`make` does so)",
        )  # fmt: skip


def packages() -> Iterator[Finding]:
    for name, (least, too_new) in REQUIRED.items():
        found = version_of(name)
        wanted = f"{least} or later" + (f", below {too_new}" if too_new else "")
        fix = install(f'"{name}>={least}{f",<{too_new}" if too_new else ""}"')
        if found is None:
            yield Finding(name, f"not installed; mediml needs {wanted}", FAULT, fix, stops=True)
        elif numbers(found) < numbers(least) or (too_new and numbers(found) >= numbers(too_new)):
            yield Finding(name, f"{found}; mediml needs {wanted}", FAULT, fix, stops=True)
        else:
            yield Finding(name, found)
    yield from _numba()


def _numba() -> Iterator[Finding]:
    try:
        numba = importlib.import_module("numba")
        processor = importlib.import_module("llvmlite.binding").get_host_cpu_name()
    except Exception as error:  # a NumPy that is too new, a library that does not load
        fix = install("--force-reinstall", "numba", "llvmlite", "numpy", "-c", "constraints.txt")
        yield Finding("import numba", f"fails: {type(error).__name__}: {error}", FAULT, fix, stops=True)
        return
    yield Finding("LLVM", f"{'.'.join(map(str, numba.core.codegen.ll.llvm_version_info))}, for {processor}")
    for variable, effect in {
        "NUMBA_DISABLE_JIT": "kernels run as Python, hundreds of times slower",
        "NUMBA_BOUNDSCHECK": "kernels check every index: slower, and good for finding faults",
        "NUMBA_OPT": "kernels are optimized otherwise than usual",
    }.items():
        value = os.environ.get(variable, "")
        if value not in ("", "0") and (variable, value) != ("NUMBA_OPT", "3"):
            yield Finding(variable, f"is {value}: {effect}", NOTE, f"unset {variable}")


def kernels_package() -> Iterator[Finding]:
    import kernels
    import mediml

    ours, theirs = (Path(str(package.__file__)).resolve().parent for package in (mediml, kernels))
    yield Finding("mediml", f"{mediml.__version__}, {ours}")
    if getattr(kernels, "PROJECT", None) != "mediml":
        fix = "python -m pip uninstall kernels, then install mediml again"
        yield Finding("kernels", f"another project's package: {theirs}", FAULT, fix, stops=True)
    elif theirs.parent != ours.parent:
        fix = "leave one of the two copies: python -m pip uninstall mediml, then install it once"
        yield Finding("kernels", f"{theirs}: not beside mediml, so of another copy", FAULT, fix, stops=True)
    else:
        yield Finding("kernels", f"{theirs}")


def cache() -> Iterator[Finding]:
    from kernels import jit

    source = Path(str(jit.__file__)).parent / "conv" / "cpu.py"
    try:
        folder = jit.cache_directory(str(source)).parent
    except OSError as error:
        fix = "set NUMBA_CACHE_DIR to a folder of your own that can be written"
        yield Finding("folder", f"{error}; kernels are compiled anew by every process", NOTE, fix)
        return
    sizes = [path.stat().st_size for path in folder.glob("mediml-*/*") if path.is_file()]
    yield Finding("folder", f"{folder}, can be written")
    filled = f"{sum(sizes) / 1e6:.1f} MB in {len(sizes)} files"
    yield Finding("compiled code", filled if sizes else "none yet: the first call of each kernel takes a second")
    if os.name == "posix" and folder.stat().st_mode & stat.S_IWOTH:
        fix = f"chmod o-w {folder}, or set NUMBA_CACHE_DIR to a folder of your own"
        text = "everybody can write it, and so make you run code of theirs"
        yield Finding("permissions", text, FAULT, fix)


_EXPECTED = [[34.0, 44.0, 54.0], [74.0, 84.0, 94.0]]


def kernel_run() -> Iterator[Finding]:
    tried = attempt("kernel")
    if tried.failure:
        fix = "see the faults above; if there are none: " + install("--force-reinstall", "numba", "llvmlite")
        if tried.signal in (signal.SIGILL, signal.SIGSEGV, signal.SIGABRT):
            fix = "set NUMBA_CPU_NAME=generic, and NUMBA_CACHE_DIR to an empty folder; if it then runs, report it"
        yield Finding("convolution", tried.failure, FAULT, fix, stops=True)
    elif tried.answer["values"] != _EXPECTED:
        fix = "set NUMBA_CACHE_DIR to an empty folder and try again; if it stays, report it with the lines above"
        text = f"gives {tried.answer['values']}, expected {_EXPECTED}"
        yield Finding("convolution", text, FAULT, fix, stops=True)
    else:
        yield Finding("convolution", f"right, {tried.answer['seconds']:.2f} s with loading or compiling")


def extras() -> Iterator[Finding]:
    for extra, (wanted, purpose) in EXTRAS.items():
        missing = [name for name in wanted if version_of(name) is None]
        if missing:
            yield Finding(extra, f"{purpose}: without {', '.join(missing)}", NOTE, install(extra=extra))
        else:
            yield Finding(extra, f"{purpose}: {', '.join(f'{name} {version_of(name)}' for name in wanted)}")
