"""Compile kernels for GPUs that are not here: every launch becomes a compilation, for the types of its arguments.

Numba types and compiles a kernel without a driver (``compile_ptx``), given the libraries that numba-cuda brings. That
finds what the simulator, which is plain Python, cannot: a name that has no CUDA implementation, a type that does not
unify, a float32 kernel that computes in float64 (on most GPUs 32 to 64 times slower).

    with compiling() as compiled:
        ...any work on the device: kernels are compiled, their results are zeros...
    compiled.failures
"""

import contextlib
import importlib.util
import re
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
from numba import cuda, typeof, types

from kernels.gpu import launch, target
from kernels.gpu.arguments import handed_over
from kernels.gpu.array import DeviceArray

__all__ = ["TARGETS", "Compiled", "Resources", "compiling", "problem", "resources"]

#: Compute capabilities: Turing (also T4), Ampere (A100), Hopper (H100, H200).
TARGETS = ((7, 5), (8, 0), (9, 0))


#: What is wrong with a kernel, signature and target that this process has compiled before; None: nothing.
_outcomes = {}


@dataclass
class Compiled:
    """What was compiled."""

    targets: tuple[tuple[int, int], ...]
    kernels: dict[str, int] = field(default_factory=dict)  # name: number of signatures
    failures: list[str] = field(default_factory=list)
    ptx: dict[tuple, str] = field(default_factory=dict)  # by kernel, signature, target; only if kept

    @property
    def signatures(self):
        """Kernels times signatures."""
        return sum(self.kernels.values())


def problem():
    """Why nothing can be compiled here, and what to do; None where it can."""
    if target.SIMULATED:
        return "the simulator types nothing; start Python without NUMBA_ENABLE_CUDASIM"
    if importlib.util.find_spec("numba_cuda") is None:
        return 'numba-cuda is not installed; install the extra "cuda" of mediml, -e ".[cuda]"; no GPU is needed'
    return None


@contextlib.contextmanager
def compiling(targets=TARGETS, keep=False):
    """Compile what is launched within, and run nothing. Not for several threads.

    Parameters
    ----------
    targets : sequence of (int, int)
        Compute capabilities.
    keep : bool
        Keep the PTX in ``Compiled.ptx``.

    Raises
    ------
    ValueError
        If Numba cannot compile for CUDA here.
    """
    reason = problem()
    if reason is not None:
        raise ValueError(f"kernels cannot be compiled for CUDA: {reason}")
    from numba.cuda import dispatcher  # numba-cuda's

    compiled, seen, device = Compiled(tuple(targets)), set(), SimpleNamespace(compute_capability=targets[0])

    def compile_instead(launched, blocks, threads, arguments):
        passed = [a.for_kernel if isinstance(a, DeviceArray) else a for a in arguments]
        signature = tuple(typeof(value) for value in passed)
        if (launched, signature) in seen:
            return
        seen.add((launched, signature))
        name = f"{launched.__module__}.{launched.__name__}"
        compiled.kernels[name] = compiled.kernels.get(name, 0) + 1
        for capability in targets:
            place = (launched, signature, capability)
            if keep or place not in _outcomes:
                device.compute_capability = capability
                text, _outcomes[place] = _compile(launched, name, signature, passed, capability)
                if keep:
                    compiled.ptx[name, signature, capability] = text
            if _outcomes[place]:
                compiled.failures.append(_outcomes[place])
                return

    previous = launch.engine, target.pretend(True), dispatcher.get_current_device
    launch.engine, dispatcher.get_current_device = compile_instead, lambda: device
    try:
        with np.errstate(all="ignore"):
            yield compiled
    finally:
        launch.engine, dispatcher.get_current_device = previous[0], previous[2]
        target.pretend(previous[1])


class Resources(NamedTuple):
    """What a kernel takes of a multiprocessor."""

    registers: int  # of a thread
    shared: int  # bytes of a block
    spilled: int  # bytes that did not fit into registers

    def fits(self, threads):
        """Whether a block of so many threads can be launched: registers are given to warps, 256 at a time."""
        of_a_warp = -(-self.registers * 32 // 256) * 256
        return of_a_warp * -(-threads // 32) <= 65536 and self.shared <= 48 * 1024


def resources(text, capability):
    """The `Resources` of the kernel in a PTX text, by NVIDIA's assembler, which needs no GPU either."""
    from cuda.core import Linker, LinkerOptions, ObjectCode

    options = LinkerOptions(arch="sm_{}{}".format(*capability), ptxas_options=["-v"])
    linker = Linker(ObjectCode.from_ptx(text.encode()), options=options)
    linker.link("cubin")
    told = linker.get_info_log()
    shared = sum(int(size) for size in re.findall(r"\.shared [^;]*\[(\d+)\];", text))
    registers, spilled = (re.search(what, told)[1] for what in (r"Used (\d+) registers", r"(\d+) bytes spill stores"))
    return Resources(int(registers), shared, int(spilled))


def _parameters(text):
    """Sizes in bytes of the parameters of the kernel in a PTX text."""
    head = text[text.index(".entry") :]
    return [int(bits) // 8 for bits in re.findall(r"\.param \.[a-z](\d+)", head[: head.index("{")])]


def _compile(launched, name, signature, passed, capability):
    """The PTX, and what is wrong with it."""
    try:
        text, _ = cuda.compile_ptx(launched.function, signature, cc=capability)
    except Exception as error:  # Numba and NVVM raise many kinds, and each is a failure
        return "", f"{name}{signature} for sm_{capability[0]}{capability[1]}: {error}"
    try:
        handed, expected = handed_over(launched.compiled, signature, passed), _parameters(text)
    except Exception as error:  # what numba-cuda would raise at the launch
        handed, expected = f"{type(error).__name__}: {error}", None
    if handed != expected:
        return text, f"{name}{signature}: launched with {handed}, compiled for {expected}"
    if ".f64" in text and not any(_holds_float64(part) for part in signature):
        return text, f"{name}{signature}: a kernel without float64 arguments computes in float64"
    return text, None


def _holds_float64(kind):
    if isinstance(kind, types.Array):
        return kind.dtype == types.float64
    if isinstance(kind, types.BaseTuple):
        return any(_holds_float64(part) for part in kind)
    return kind == types.float64
