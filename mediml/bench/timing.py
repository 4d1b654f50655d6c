"""How two callables are timed against each other on a machine that others use, too."""

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

__all__ = ["Sample", "Timing", "alternate", "in_turn", "threads"]

#: A sample repeats its call until it takes at least this long, so that the clock's grain does not matter.
SAMPLE_SECONDS = 0.002

#: Times a callable: given it and a number, the seconds of one of so many calls.
Sample = Callable[[Callable[[], Any], int], float]


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
    (ours_ms, peer_ms), runs = in_turn([(ours, _sample), (peer, _sample)], seconds, fewest_runs)
    return Timing(ours_ms, peer_ms, runs)


def in_turn(
    timed: Sequence[tuple[Callable[[], Any], Sample]],
    seconds: float = 1.0,
    fewest_runs: int = 11,
    least: float = SAMPLE_SECONDS,
) -> tuple[list[float], int]:
    """Time any number of callables in turn, as `alternate` does two.

    Parameters
    ----------
    timed : sequence of (callable, callable)
        What is timed, and what times it: given it and a number, the seconds of one of so many calls.
    seconds : float
    fewest_runs : int
    least : float
        A sample repeats its call until it takes at least so many seconds.

    Returns
    -------
    list of float
        Median milliseconds of each.
    int
        Samples of each.
    """
    repeats = [_repeats(call, sample, least) for call, sample in timed]
    taken: list[list[float]] = [[] for _ in timed]
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        end = time.perf_counter() + seconds
        while len(taken[0]) < fewest_runs or time.perf_counter() < end:
            for (call, sample), count, samples in zip(timed, repeats, taken):
                samples.append(sample(call, count))
    finally:
        if collecting:
            gc.enable()
    return [1e3 * statistics.median(samples) for samples in taken], len(taken[0])


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


def _repeats(call: Callable[[], Any], sample: Sample, least: float) -> int:
    call()  # compiles, fills caches
    fastest = min(sample(call, 1) for _ in range(3))
    return max(1, round(least / max(fastest, 1e-9)))


def _sample(call: Callable[[], Any], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count
