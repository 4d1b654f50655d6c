"""How two callables are timed against each other on a machine that others use, too."""

import gc
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

__all__ = ["Timing", "alternate", "threads"]

#: A sample repeats its call until it takes at least this long, so that the clock's grain does not matter.
SAMPLE_SECONDS = 0.002


@dataclass(frozen=True)
class Timing:
    """Median milliseconds of a call of ours and of the peer's, over `runs` samples each."""

    ours_ms: float
    peer_ms: float
    runs: int

    @property
    def ratio(self) -> float:
        """The peer's time over ours: above 1, ours is faster."""
        return self.peer_ms / self.ours_ms


def alternate(ours: Callable[[], Any], peer: Callable[[], Any], seconds: float = 1.0, fewest_runs: int = 11) -> Timing:
    """Time two callables in turn, after both are warm, with the garbage collector off.

    Parameters
    ----------
    ours, peer : callable
        Do the same work.
    seconds : float
        How long to go on, for both together.
    fewest_runs : int
        Samples of each at least.
    """
    repeats = [_repeats(call) for call in (ours, peer)]
    samples: list[list[float]] = [[], []]
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        end = time.perf_counter() + seconds
        while len(samples[0]) < fewest_runs or time.perf_counter() < end:
            for call, count, taken in zip((ours, peer), repeats, samples):
                taken.append(_sample(call, count))
    finally:
        if collecting:
            gc.enable()
    ours_ms, peer_ms = (1e3 * statistics.median(taken) for taken in samples)
    return Timing(ours_ms, peer_ms, runs=len(samples[0]))


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let our kernels and PyTorch use `count` threads each while in this context."""
    import torch

    from kernels.parallel import set_thread_count

    before = torch.get_num_threads()
    set_thread_count(count)
    torch.set_num_threads(count)
    try:
        yield
    finally:
        set_thread_count(None)
        torch.set_num_threads(before)


def _repeats(call: Callable[[], Any]) -> int:
    call()  # compiles, fills caches
    fastest = min(_sample(call, 1) for _ in range(3))
    return max(1, round(SAMPLE_SECONDS / max(fastest, 1e-9)))


def _sample(call: Callable[[], Any], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count
