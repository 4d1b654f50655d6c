"""Times what agrees with PyTorch, and refuses to time what does not."""

import fnmatch
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mediml.bench import steps
from mediml.bench.operators import OPERATORS
from mediml.bench.timing import alternate, threads
from mediml.verify.peers import PyTorch
from mediml.verify.runner import compare

__all__ = ["Row", "bench_ops", "bench_steps", "geometric_mean"]


@dataclass(frozen=True)
class Row:
    """Median times of one call; `ratio` is PyTorch's over ours."""

    name: str
    group: str
    ours_ms: float
    peer_ms: float
    ratio: float
    runs: int
    threads: int


class Timed(Protocol):
    """Something with a name and two calls that do the same."""

    @property
    def name(self) -> str: ...

    def prepare(self) -> tuple[Callable[[], Any], Callable[[], Any]]: ...


Progress = Callable[[Sequence[Any]], Iterable[Any]]


def bench_ops(pattern: str = "*", thread_count: int = 1, seconds: float = 1.0, progress: Progress = iter) -> list[Row]:
    """Time the operators whose name matches a pattern, such as ``"conv2d forward*"``.

    Raises
    ------
    ValueError
        If none matches, or an operator does not agree with PyTorch, or PyTorch is not installed.
    """
    chosen = [operator for operator in OPERATORS if fnmatch.fnmatchcase(operator.name, pattern)]
    if not chosen:
        raise ValueError(
            f"bench: no operator matches {pattern!r}; expected a pattern such as 'conv2d forward*' for "
            f"{', '.join(sorted({operator.op for operator in OPERATORS}))}"
        )
    _require_agreement({operator.op for operator in chosen})
    groups = [f"{operator.op} {operator.direction}" for operator in chosen]
    return _time(progress(list(zip(chosen, groups))), thread_count, seconds)


def bench_steps(
    pattern: str = "*", thread_count: int = 1, seconds: float = 5.0, progress: Progress = iter
) -> list[Row]:
    """Time whole training steps; the same errors as `bench_ops`."""
    chosen = [step for step in steps.STEPS if fnmatch.fnmatchcase(step.name, pattern)]
    if not chosen:
        raise ValueError(f"bench: no step matches {pattern!r}; expected {', '.join(step.name for step in steps.STEPS)}")
    _require_agreement({operator for step in chosen for operator in step.operators})
    return _time(progress([(step, step.group) for step in chosen]), thread_count, seconds)


def geometric_mean(ratios: Iterable[float]) -> float:
    """The mean of factors: of 2 and 1/2 it is 1."""
    logarithms = [math.log(ratio) for ratio in ratios]
    return math.exp(sum(logarithms) / len(logarithms))


def _time(chosen: Iterable[tuple[Timed, str]], thread_count: int, seconds: float) -> list[Row]:
    rows = []
    with threads(thread_count):
        for timed, group in chosen:
            timing = alternate(*timed.prepare(), seconds=seconds)
            rows.append(Row(timed.name, group, timing.ours_ms, timing.peer_ms, timing.ratio, timing.runs, thread_count))
    return rows


def _require_agreement(operators: Iterable[str]) -> None:
    try:
        peer = PyTorch()
    except ImportError:
        raise ValueError(
            "bench: PyTorch is not installed; there is nothing to compare with: pip install torch"
        ) from None
    for op in sorted(operators):
        comparison = compare(op, ("cpu",), ("float32",), peer)
        if comparison.failed:
            raise ValueError(
                f"bench: {op} is not timed: {comparison.failed} of {comparison.cases} cases do not agree with PyTorch; "
                f"see: mediml verify --op {op}"
            )
