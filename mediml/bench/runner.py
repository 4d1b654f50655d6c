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

__all__ = ["Progress", "Row", "Timed", "bench_ops", "bench_steps", "chosen", "geometric_mean"]


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

    def prepare(self, device: str = "cpu") -> tuple[Callable[[], Any], Callable[[], Any]]: ...


Progress = Callable[[Sequence[Any]], Iterable[Any]]


def bench_ops(pattern: str = "*", thread_count: int = 1, seconds: float = 1.0, progress: Progress = iter) -> list[Row]:
    """Time the operators whose name matches a pattern, such as ``"conv2d forward*"``.

    Raises
    ------
    ValueError
        If none matches, or an operator does not agree with PyTorch, or PyTorch is not installed.
    """
    return _time(progress(chosen("ops", pattern)), thread_count, seconds)


def bench_steps(
    pattern: str = "*", thread_count: int = 1, seconds: float = 5.0, progress: Progress = iter
) -> list[Row]:
    """Time whole training steps; the same errors as `bench_ops`."""
    return _time(progress(chosen("steps", pattern)), thread_count, seconds)


def chosen(what: str, pattern: str, device: str = "cpu") -> list[tuple[Timed, str]]:
    """What is to be timed on a device, each with its group; all that it is made of agrees with PyTorch there.

    Raises
    ------
    ValueError
        As `bench_ops`.
    """
    if what == "ops":
        operators = [operator for operator in OPERATORS if fnmatch.fnmatchcase(operator.name, pattern)]
        if not operators:
            raise ValueError(
                f"bench: no operator matches {pattern!r}; expected a pattern such as 'conv2d forward*' for "
                f"{', '.join(sorted({operator.op for operator in OPERATORS}))}"
            )
        _require_agreement({operator.op for operator in operators}, device)
        return [(operator, f"{operator.op} {operator.direction}") for operator in operators]
    found = [step for step in steps.STEPS if fnmatch.fnmatchcase(step.name, pattern)]
    if not found:
        raise ValueError(f"bench: no step matches {pattern!r}; expected {', '.join(step.name for step in steps.STEPS)}")
    _require_agreement({operator for step in found for operator in step.operators}, device)
    return [(step, step.group) for step in found]


def geometric_mean(ratios: Iterable[float]) -> float:
    """The mean of factors: of 2 and 1/2 it is 1."""
    logarithms = [math.log(ratio) for ratio in ratios]
    return math.exp(sum(logarithms) / len(logarithms))


def _time(found: Iterable[tuple[Timed, str]], thread_count: int, seconds: float) -> list[Row]:
    rows = []
    with threads(thread_count):
        for timed, group in found:
            timing = alternate(*timed.prepare(), seconds=seconds)
            rows.append(Row(timed.name, group, timing.ours_ms, timing.peer_ms, timing.ratio, timing.runs, thread_count))
    return rows


def _require_agreement(operators: Iterable[str], device: str) -> None:
    try:
        peer = PyTorch()
    except ImportError:
        raise ValueError(
            "bench: PyTorch is not installed; there is nothing to compare with: pip install torch"
        ) from None
    for op in sorted(operators):
        comparison = compare(op, (device,), ("float32",), peer)
        if comparison.failed:
            raise ValueError(
                f"bench: {op} is not timed: {comparison.failed} of {comparison.cases} cases do not agree with PyTorch; "
                f"see: mediml verify --op {op} --device {device}"
            )
