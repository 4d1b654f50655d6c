"""Probes of PyTorch, of OpenMP beside it, and of all that CUDA needs. Ordinary work needs none of it."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from importlib import metadata
from typing import Any

from mediml.checkup.findings import FAULT, NOTE, Finding
from mediml.checkup.software import install, numbers, version_of
from mediml.checkup.trials import attempt

__all__ = ["cuda", "torch", "wheels_by_cuda"]

_LEAST_TORCH = "2.13"
_LEAST_NUMBA_CUDA = "0.30"

#: CUDA 13 compiles for this compute capability (Turing) and later ones.
_LEAST_CAPABILITY = [7, 5]

#: Packages whose first number is CUDA's; others say it at the end of their names.
_NUMBERED_AS_CUDA = re.compile(r"(nvidia-(cuda-\w+|nvvm|nvjitlink)|cuda-(toolkit|bindings|python))$")


def torch() -> Iterator[Finding]:
    version = version_of("torch")
    if version is None:
        text = "not installed; only the comparison with it needs it (mediml verify, mediml bench)"
        yield Finding("torch", text, NOTE, install(extra="torch"))
        return
    text = f"{version}, {_build()}"
    if numbers(version) < numbers(_LEAST_TORCH):
        yield Finding("torch", f"{text}: compared with {_LEAST_TORCH} and later", NOTE, install(extra="torch"))
    else:
        yield Finding("torch", text)
    yield from _openmp()


def _build() -> str:
    """For what PyTorch was built, by its own file, without loading it."""
    text = metadata.distribution("torch").read_text("../torch/version.py") or ""
    found = re.search(r"^cuda\b.*?=\s*['\"]([\d.]+)['\"]", text, re.MULTILINE)
    if found:
        return f"built for CUDA {found.group(1)}"
    return "built for the CPU" if "cuda" in text else "its build is unknown"


def _openmp() -> Iterator[Finding]:
    tried = attempt("torch")
    if tried.failure:
        fix = install("--force-reinstall", "torch")
        yield Finding("import torch", f"fails: {tried.failure}", FAULT, fix)
        return
    libraries = tried.answer["libraries"]
    if libraries is None:
        return
    if len(libraries) > 1:
        text = f"{len(libraries)} copies in one process: {', '.join(libraries)}; each has threads of its own"
        fix = "in programs that use both, set OMP_WAIT_POLICY=passive, so that waiting threads leave the cores free"
        yield Finding("OpenMP", text, NOTE, fix)
    else:
        yield Finding("OpenMP", f"beside mediml: {libraries[0] if libraries else 'none'}; mediml's kernels use none")


def cuda() -> Iterator[Finding]:
    driver = attempt("driver", 30)
    found: dict[str, Any] = driver.answer
    gpus = found.get("gpus") or []
    if driver.failure:
        fix = "restart the machine; if it stays, install NVIDIA's driver anew"
        yield Finding("driver", f"does not answer: {driver.failure}", FAULT, fix)
    else:
        yield from _driver(found)
    for number, gpu in enumerate(gpus):
        major, minor = gpu["capability"]
        text = f"{gpu['name']}, compute capability {major}.{minor}, {gpu['memory'] / 2**30:.0f} GiB"
        yield Finding(f"GPU {number}", text)
    wheels = wheels_by_cuda()
    yield from _wheels(wheels, found.get("driver"), gpus)
    yield from _numba_cuda(gpus, "cuda" if (found.get("driver") or 13000) >= 13000 else "cuda12")


def _driver(found: dict[str, Any]) -> Iterator[Finding]:
    if found["driver"] is None:
        yield Finding(
            "driver", "no NVIDIA driver: all work is done on the CPU", NOTE,
            "only if there is an NVIDIA GPU: install its driver; in a container, start it with the GPU (--gpus all)",
        )  # fmt: skip
        return
    version = f"for CUDA {found['driver'] // 1000}.{found['driver'] % 1000 // 10}"
    if not found["code"] and found["gpus"]:
        yield Finding("driver", version)
        return
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        fix = f"unset CUDA_VISIBLE_DEVICES, which is {visible!r}, or name a GPU in it"
    elif found["code"] in (0, 100):  # CUDA_ERROR_NO_DEVICE
        fix = "if there is one: look whether nvidia-smi lists it; start a container with the GPU (--gpus all)"
    else:
        fix = "restart the machine (after an update the running driver is the old one); then install the driver anew"
    reason = f"error {found['code']}: {found['error']}" if found["code"] else "it finds no GPU"
    yield Finding("driver", f"{version}; {reason}", NOTE if found["code"] in (0, 100) else FAULT, fix)


def wheels_by_cuda(distributions: Iterable[tuple[str, str]] | None = None) -> dict[int, list[str]]:
    """The installed packages with parts of CUDA, by the version of CUDA that they are for."""
    if distributions is None:
        distributions = ((d.metadata["Name"] or "", d.version) for d in metadata.distributions())
    found = defaultdict(set)
    for name, version in distributions:
        name = re.sub(r"[-_.]+", "-", name).lower()
        if ending := re.search(r"-cu(1\d)$", name):
            found[int(ending.group(1))].add(name)
        elif _NUMBERED_AS_CUDA.fullmatch(name) and numbers(version):
            found[numbers(version)[0]].add(name)
    return {version: sorted(names) for version, names in sorted(found.items())}


def _wheels(wheels: dict[int, list[str]], driver: int | None, gpus: list[dict[str, Any]]) -> Iterator[Finding]:
    if not wheels:
        return
    newest = max(wheels)
    if len(wheels) > 1:
        kept = newest if driver is None or driver // 1000 >= newest else min(wheels)
        others = [name for version, names in wheels.items() if version != kept for name in names]
        text = "; ".join(f"for CUDA {version}: {', '.join(names)}" for version, names in wheels.items())
        fix = f"python -m pip uninstall {' '.join(others)}, then {install(extra='cuda' if kept >= 13 else 'cuda12')}"
        yield Finding("libraries", f"of more than one CUDA, which do not go together: {text}", FAULT, fix)
        return
    text = f"for CUDA {newest}, in {len(wheels[newest])} packages"
    older = f"python -m pip uninstall {' '.join(wheels[newest])}, then {install(extra='cuda12')}"
    if driver is not None and driver // 1000 < newest:
        fix = f"install a newer driver; or {older}"
        yield Finding("libraries", f"{text}; the driver is for CUDA {driver // 1000}", FAULT, fix)
    elif newest >= 13 and any(gpu["capability"] < _LEAST_CAPABILITY for gpu in gpus):
        yield Finding("libraries", f"{text}, which no longer compiles for this GPU", FAULT, older)
    else:
        yield Finding("libraries", text)


def _numba_cuda(gpus: list[dict[str, Any]], extra: str) -> Iterator[Finding]:
    version = version_of("numba-cuda")
    if version is None:
        reason = "the GPU cannot be used" if gpus else "not needed without a GPU"
        yield Finding("numba-cuda", f"not installed; {reason}", NOTE, install(extra=extra) if gpus else "")
    elif numbers(version) < numbers(_LEAST_NUMBA_CUDA):
        text = f"{version}; mediml needs {_LEAST_NUMBA_CUDA} or later"
        yield Finding("numba-cuda", text, FAULT, install(extra=extra))
    tried = attempt("cuda")
    if tried.failure:
        fix = install("--force-reinstall", "numba", "numba-cuda") if version else "see the faults above"
        yield Finding("numba.cuda", f"fails: {tried.failure}", FAULT if version else NOTE, fix)
        return
    yield from _target(tried.answer, version, bool(gpus), extra)


def _target(found: dict[str, Any], version: str | None, gpu: bool, extra: str) -> Iterator[Finding]:
    own = found["implementation"] == "Built-in"
    provider = "numba itself (frozen; enough for the simulator)" if own else f"numba-cuda {version or ''}".strip()
    if own and version is not None:
        fix = install("--force-reinstall", "--no-deps", "numba-cuda")
        yield Finding("numba.cuda", "comes from numba itself although numba-cuda is installed", FAULT, fix)
    else:
        yield Finding("numba.cuda", f"comes from {provider}")
    if found["simulated"]:
        fix = "unset NUMBA_ENABLE_CUDASIM to use the GPU" if gpu else ""
        yield Finding("simulator", "on: CUDA kernels run in Python, slowly", NOTE, fix)
    else:
        yield Finding("simulator", "off")
    if found["compiling"] is None:
        yield Finding("compiling", "CUDA kernels can be compiled")
    elif version is not None and not found["simulated"]:
        yield Finding("compiling", found["compiling"], FAULT, install(extra=extra))
    if found["problem"] is None:
        right = found.get("values") == [[19.0, 22.0], [43.0, 50.0]]
        where = "in the simulator" if found["simulated"] else "on the GPU"
        if right:
            yield Finding("matrix product", f"right, {where}")
        else:
            fix = "try again after a restart; if it stays, report it with the lines above"
            yield Finding("matrix product", f"wrong, {where}: {found.get('values')}", FAULT, fix)
    elif gpu and version is not None:
        text = found["problem"].partition("; without a GPU")[0]
        yield Finding("kernels", text, FAULT, f"see the lines above; if they are all right: {install(extra=extra)}")
