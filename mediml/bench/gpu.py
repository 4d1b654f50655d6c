"""Our kernels against PyTorch's on the same GPU, by its own clock.

Both libraries queue their work on CUDA's default stream. A sample marks the stream, makes some calls, marks it again,
and asks the GPU how much time lies between the marks (CUDA events): whoever queues too slowly for the GPU pays for it,
as in a training. PyTorch is timed twice: with TF32 off, where both compute in float32, and with TF32 on, where its
products round their operands to 10 bits of mantissa for speed; ours never do.
"""

import importlib.metadata
import platform
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import mediml
from mediml.bench.runner import Progress, Timed, chosen, geometric_mean
from mediml.bench.timing import Sample, in_turn

__all__ = ["GpuRow", "about", "bench_gpu", "events", "means", "refusal", "tf32"]

#: A sample is at least this long: marking the stream and waiting for it then do not matter.
SAMPLE_SECONDS = 0.02


@dataclass(frozen=True)
class GpuRow:
    """Median times of one call by the GPU's clock; a ratio is PyTorch's time over ours."""

    name: str
    group: str
    ours_ms: float
    peer_ms: float
    peer_tf32_ms: float
    runs: int

    @property
    def ratio(self) -> float:
        """Against PyTorch in float32, as ours."""
        return self.peer_ms / self.ours_ms

    @property
    def ratio_tf32(self) -> float:
        """Against PyTorch with TF32."""
        return self.peer_tf32_ms / self.ours_ms


def refusal() -> str | None:
    """What is missing for a comparison on a GPU; None where nothing is."""
    from kernels.gpu import target

    if target.SIMULATED:
        return "kernels run in Numba's simulator here, whose times mean nothing; unset NUMBA_ENABLE_CUDASIM"
    problem = target.problem()
    if problem is not None:
        problem, _, _ = problem.partition("; without a GPU")  # what follows praises the simulator
    return "; ".join(reason for reason in (_missing_in_torch(), problem) if reason is not None) or None


def _missing_in_torch() -> str | None:
    try:
        import torch
    except ImportError:
        return "PyTorch is not installed; there is nothing to compare with: pip install torch"
    if torch.version.cuda is None:
        return f"PyTorch {torch.__version__} is built without CUDA; install one that is: https://pytorch.org"
    if not torch.cuda.is_available():
        return f"PyTorch {torch.__version__} finds no GPU"
    return None


def bench_gpu(what: str, pattern: str = "*", seconds: float = 1.0, progress: Progress = iter) -> list[GpuRow]:
    """Time operators (``"ops"``) or training steps (``"steps"``) whose name matches a pattern.

    Parameters
    ----------
    what : {"ops", "steps"}
    pattern : str
    seconds : float
        How long to time each, all three together.
    progress : callable, optional

    Raises
    ------
    ValueError
        If something is missing, nothing matches, or something does not agree with PyTorch on the GPU.
    """
    missing = refusal()
    if missing is not None:
        raise ValueError(f"bench --device cuda: {missing}")
    with tf32(False):  # agreement is tested in float32, too
        return time_rows(progress(chosen(what, pattern, "cuda")), seconds, events)


def time_rows(found: Iterable[tuple[Timed, str]], seconds: float, sample: Sample) -> list[GpuRow]:
    """Time each: ours, PyTorch, PyTorch with TF32, in turn."""
    rows = []
    for timed, group in found:
        ours, peer = timed.prepare("cuda")
        three = [(ours, sample), (peer, sample), (peer, _with_tf32(sample))]
        (ours_ms, peer_ms, peer_tf32_ms), runs = in_turn(three, seconds, least=SAMPLE_SECONDS)
        rows.append(GpuRow(timed.name, group, ours_ms, peer_ms, peer_tf32_ms, runs))
    return rows


def events(call: Callable[[], Any], count: int) -> float:
    """Seconds of one of `count` calls between two marks on the stream."""
    import torch

    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()  # the stream is empty: the first mark is passed when the first call begins
    begin.record()
    for _ in range(count):
        call()
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end)) / 1e3 / count


def _with_tf32(sample: Sample) -> Sample:
    def timed(call: Callable[[], Any], count: int) -> float:
        with tf32(True):
            return sample(call, count)

    return timed


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Whether PyTorch's products, convolutions and recurrent layers may use TF32, while in this context."""
    import torch

    switches = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [switch.allow_tf32 for switch in switches]
    for switch in switches:
        switch.allow_tf32 = allowed
    try:
        yield
    finally:
        for switch, value in zip(switches, before):
            switch.allow_tf32 = value


def means(rows: Iterable[GpuRow]) -> dict[str, dict[str, float]]:
    """Geometric means of the ratios by group, and over all rows under ``"all"``."""
    groups: dict[str, list[GpuRow]] = {}
    for row in rows:
        groups.setdefault(row.group, []).append(row)
        groups.setdefault("all", []).append(row)
    return {
        group: {
            "rows": len(members),
            "tf32_off": geometric_mean(row.ratio for row in members),
            "tf32_on": geometric_mean(row.ratio_tf32 for row in members),
        }
        for group, members in sorted(groups.items(), key=lambda entry: (entry[0] == "all", entry[0]))
    }


def about() -> dict[str, Any]:
    """The GPU, the day, and the versions of all that has a part in the times."""
    import torch

    return {
        "device": torch.cuda.get_device_name(),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": {
            "mediml": mediml.__version__,
            "torch": torch.__version__,
            **{name: _version(name) for name in ("numpy", "numba", "numba-cuda")},
            "python": platform.python_version(),
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
        },
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
