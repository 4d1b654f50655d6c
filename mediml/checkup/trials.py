"""What might end its process (a processor without an instruction, a broken driver) is tried in another process.

`attempt` starts Python anew with the same packages and runs one function of this module there.
"""

import ctypes
import importlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["TRIALS", "Attempt", "attempt"]

_SECONDS = 120
_ANSWER = "mediml trial: "


@dataclass(frozen=True)
class Attempt:
    """What came of a trial: its answer, or the reason why there is none."""

    answer: dict[str, Any] = field(default_factory=dict)
    failure: str = ""
    signal: int = 0  # that ended the process, if one did


def attempt(name: str, seconds: float = _SECONDS) -> Attempt:
    """Run the trial of this name in a process of its own."""
    program = (
        f"import sys; sys.path[:] = {[entry for entry in sys.path if isinstance(entry, str)]!r}\n"
        f"from mediml.checkup import trials; trials.answer({name!r})"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, errors="replace", timeout=seconds
        )
    except subprocess.TimeoutExpired:
        return Attempt(failure=f"gave no answer within {seconds:.0f} s")
    except OSError as error:
        return Attempt(failure=f"no process could be started: {error}")
    for line in reversed(done.stdout.splitlines()):
        if line.startswith(_ANSWER):
            return Attempt(json.loads(line[len(_ANSWER) :]))
    if done.returncode < 0:
        return Attempt(failure=f"the process was ended by signal {-done.returncode}", signal=-done.returncode)
    last = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "it said nothing")
    return Attempt(failure=f"{last.strip()} (exit status {done.returncode})")


def answer(name: str) -> None:
    """In the other process: run the trial and print its answer."""
    print(_ANSWER + json.dumps(TRIALS[name]()), flush=True)


def run_kernel() -> dict[str, Any]:
    """A convolution of the fast CPU kernels; its values by hand: 0 + 2 + 12 + 20 = 34, 10 more a column, 40 a row."""
    import numpy as np

    from kernels.conv import cpu

    x = np.arange(12, dtype=np.float32).reshape(1, 1, 3, 4)
    weight = np.array([[[[1, 2], [3, 4]]]], np.float32)
    start = time.perf_counter()
    y = cpu.conv2d_forward(x, weight, None, (1, 1), (0, 0), (1, 1), 1)
    return {"values": y[0, 0].tolist(), "seconds": time.perf_counter() - start}


def load_torch() -> dict[str, Any]:
    """Copies of OpenMP that a process has mapped once our kernels and PyTorch are loaded; None where nobody can say."""
    importlib.import_module("kernels.conv.cpu")
    importlib.import_module("torch")  # as an object of examination: nothing is computed with it
    maps = Path("/proc/self/maps")
    return {"libraries": openmp_libraries(maps.read_text(encoding="utf-8")) if maps.exists() else None}


def openmp_libraries(maps: str) -> list[str]:
    """Files of OpenMP runtimes in the text of ``/proc/self/maps``."""
    return sorted(set(re.findall(r"(/\S*/(?:libgomp|libiomp|libomp)[^/\s]*)$", maps, re.MULTILINE)))


def ask_driver() -> dict[str, Any]:
    """The NVIDIA driver and its GPUs, asked without any package."""
    library = next((loaded for name in _DRIVERS if (loaded := _loaded(name)) is not None), None)
    if library is None:
        return {"driver": None}
    code = library.cuInit(0)
    version = ctypes.c_int()
    library.cuDriverGetVersion(ctypes.byref(version))
    found: dict[str, Any] = {"driver": version.value, "code": code, "gpus": []}
    if code:
        text = ctypes.c_char_p()
        library.cuGetErrorString(code, ctypes.byref(text))
        return {**found, "error": (text.value or b"unknown").decode(errors="replace")}
    count = ctypes.c_int()
    library.cuDeviceGetCount(ctypes.byref(count))
    return {**found, "gpus": [_gpu(library, i) for i in range(count.value)]}


_DRIVERS = ("libcuda.so.1", "libcuda.so", "/usr/lib/wsl/lib/libcuda.so.1", "nvcuda.dll")
_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_…


def _loaded(name: str) -> Any:
    try:
        return ctypes.CDLL(name)
    except OSError:
        return None


def _gpu(library: Any, ordinal: int) -> dict[str, Any]:
    device, memory, name = ctypes.c_int(), ctypes.c_size_t(), ctypes.create_string_buffer(256)
    library.cuDeviceGet(ctypes.byref(device), ordinal)
    library.cuDeviceGetName(name, len(name), device)
    library.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
    capability = []
    for attribute in (_MAJOR, _MINOR):
        value = ctypes.c_int()
        library.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
        capability.append(value.value)
    return {"name": name.value.decode(errors="replace"), "capability": capability, "memory": memory.value}


def try_cuda() -> dict[str, Any]:
    """What Numba's CUDA target says here, and a matrix product on the GPU (or in the simulator) where one can run."""
    import numba.cuda

    from kernels.gpu import ptx, target

    found = {
        "implementation": getattr(numba.cuda, "implementation", "unknown"),
        "file": numba.cuda.__file__,
        "simulated": target.SIMULATED,
        "problem": target.problem(),
        "compiling": ptx.problem(),
    }
    if found["problem"] is None:
        import numpy as np

        from kernels.gpu.matmul import matmul
        from kernels.gpu.transfer import to_device, to_host

        a, b = np.array([[1, 2], [3, 4]], np.float32), np.array([[5, 6], [7, 8]], np.float32)
        found["values"] = to_host(matmul(to_device(a), to_device(b))).tolist()
    return found


TRIALS: dict[str, Callable[[], dict[str, Any]]] = {
    "kernel": run_kernel,
    "torch": load_torch,
    "driver": ask_driver,
    "cuda": try_cuda,
}
