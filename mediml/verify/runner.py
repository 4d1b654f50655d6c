"""The comparison itself: cases in, one row for each operator, back end, dtype and direction out."""

import fnmatch
import importlib
import pkgutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediml.device import KINDS, Device, usable_kinds
from mediml.verify import cases as case_modules
from mediml.verify.answers import Answer, answer_of_mediml, run
from mediml.verify.case import Case
from mediml.verify.peers import Peer, choose
from mediml.verify.tolerances import TOLERANCES, error

__all__ = ["DIRECTIONS", "Comparison", "Failure", "Row", "all_cases", "cases_of", "compare", "compile_for_cuda"]

DIRECTIONS = ("forward", "backward")


@dataclass(frozen=True)
class Failure:
    """A case that did not agree, and how."""

    case: str
    reason: str


@dataclass
class Row:
    """Agreement of one operator on one back end, in one dtype and direction."""

    op: str
    backend: str
    dtype: str
    direction: str
    tolerance: float
    cases: int = 0
    failed: int = 0
    max_error: float = 0.0
    failures: list[Failure] = field(default_factory=list)

    def count(self, case: Case, worst: float, reason: str = "") -> None:
        """Enter the outcome of one case."""
        self.cases += 1
        self.max_error = max(self.max_error, worst)
        if not worst <= self.tolerance:
            self.failed += 1
            self.failures.append(Failure(case.name, reason or f"error {worst:.3g}"))


@dataclass(frozen=True)
class Comparison:
    """All rows, and what ours was compared with."""

    compared_with: str
    rows: list[Row]

    @property
    def cases(self) -> int:
        """Comparisons made."""
        return sum(row.cases for row in self.rows)

    @property
    def failed(self) -> int:
        """Comparisons that did not agree."""
        return sum(row.failed for row in self.rows)

    def as_json(self) -> dict[str, Any]:
        """The comparison as JSON types; an error that is not finite becomes null."""
        rows = [asdict(row) for row in self.rows]
        for row in rows:
            row["max_error"] = row["max_error"] if np.isfinite(row["max_error"]) else None
        return {"compared_with": self.compared_with, "rows": rows}


def all_cases() -> dict[str, list[Case]]:
    """Cases by family of kernels."""
    names = sorted(found.name for found in pkgutil.iter_modules(case_modules.__path__))
    return {name: list(importlib.import_module(f"{case_modules.__name__}.{name}").CASES) for name in names}


def cases_of(op: str = "*") -> list[Case]:
    """The cases of the operators that a pattern names.

    Raises
    ------
    ValueError
        If there is none.
    """
    everything = [case for family in all_cases().values() for case in family]
    chosen = [case for case in everything if fnmatch.fnmatchcase(case.op, op)]
    if not chosen:
        known = ", ".join(sorted({case.op for case in everything}))
        raise ValueError(f"verify: no case for operator {op!r}; expected one of, or a pattern for: {known}")
    return chosen


def compile_for_cuda(
    cases: Sequence[Case],
    dtypes: Sequence[str] = tuple(TOLERANCES),
    progress: Callable[[Iterable[Case]], Iterable[Case]] = iter,
) -> Any:
    """Compile every CUDA kernel that cases launch, forward and backward, without a GPU.

    Parameters
    ----------
    cases : sequence of Case
    dtypes, progress
        As in `compare`.

    Returns
    -------
    kernels.gpu.ptx.Compiled

    Raises
    ------
    ValueError
        If a name is unknown, or nothing can be compiled here.
    """
    from kernels.gpu import ptx

    _check("dtype", dtypes, TOLERANCES)
    with ptx.compiling() as compiled:
        for case in progress(cases):
            drawn = case.draw()
            for dtype in dtypes:
                typed = {key: array.astype(dtype) if array.dtype.kind == "f" else array for key, array in drawn.items()}
                try:
                    run(case, typed, "cuda", dtype)
                except Exception as problem:  # as in a comparison: whatever an operator raises is a failure
                    compiled.failures.append(f"{case.name}, {dtype}: {type(problem).__name__}: {problem}")
    return compiled


def compare(
    op: str | Sequence[Case] = "*",
    devices: Sequence[str] | None = None,
    dtypes: Sequence[str] = tuple(TOLERANCES),
    peer: Peer | None = None,
    progress: Callable[[Iterable[Case]], Iterable[Case]] = iter,
) -> Comparison:
    """Compare operators with PyTorch.

    Parameters
    ----------
    op : str, or sequence of Case
        Which: a name of torch.nn.functional, or a pattern such as ``"conv*"``; or the cases themselves.
    devices : sequence of str, optional
        Back ends: ``"cpu"``, ``"reference"``, ``"cuda"``; by default those that can be used here.
    dtypes : sequence of str
        ``"float32"``, ``"float64"``.
    peer : Peer, optional
        PyTorch if it is installed, else the golden files.
    progress : callable, optional
        Wraps the cases, such as `tqdm.tqdm`.

    Raises
    ------
    ValueError
        If no case matches, a name is unknown, or a back end cannot be used here.
    """
    devices = usable_kinds() if devices is None else devices
    _check("device", devices, KINDS)
    for device in devices:
        Device(device)
    _check("dtype", dtypes, TOLERANCES)
    chosen = cases_of(op) if isinstance(op, str) else op
    peer = choose() if peer is None else peer
    rows: dict[tuple[str, str, str, str], Row] = {}
    for case in progress(chosen):
        expected = peer.answer(case)
        for device in devices:
            for dtype in dtypes:
                _enter(rows, case, device, dtype, expected, peer)
    return Comparison(peer.name, [rows[key] for key in sorted(rows)])


def _enter(
    rows: dict[tuple[str, str, str, str], Row], case: Case, device: str, dtype: str, expected: Answer, peer: Peer
) -> None:
    reason, errors = _errors(case, device, dtype, expected, peer)
    for direction in DIRECTIONS if case.differentiated else DIRECTIONS[:1]:
        key = (case.op, device, dtype, direction)
        row = rows.setdefault(key, Row(*key, tolerance=TOLERANCES[dtype].relative))
        row.count(case, errors[direction], reason)


def _errors(case: Case, device: str, dtype: str, expected: Answer, peer: Peer) -> tuple[str, dict[str, float]]:
    """What went wrong, if anything beside a deviation did, and the largest error by direction."""
    try:
        actual = answer_of_mediml(case, device, dtype)
    except Exception as problem:  # whatever an operator raises on a valid case is a failure of that case
        return f"{type(problem).__name__}: {problem}", dict.fromkeys(DIRECTIONS, np.inf)
    if len(actual.outputs) != len(expected.outputs):
        reason = f"{len(actual.outputs)} outputs, expected {len(expected.outputs)}"
        return reason, dict.fromkeys(DIRECTIONS, np.inf)
    pairs = {
        "forward": list(zip(actual.outputs, expected.outputs)),
        "backward": [(actual.gradients[name], expected.gradients[name]) for name in case.differentiated],
    }
    return "", {
        direction: max((_error(ours, theirs, dtype, peer) for ours, theirs in both), default=0.0)
        for direction, both in pairs.items()
    }


def _error(ours: NDArray[Any], theirs: NDArray[Any], dtype: str, peer: Peer) -> float:
    wanted = np.dtype(dtype) if theirs.dtype.kind == "f" else theirs.dtype
    part = peer.comparable(ours)
    if ours.dtype != wanted or part.shape != theirs.shape:
        return np.inf
    return error(part, theirs, TOLERANCES[dtype])


def _check(what: str, given: Sequence[str], known: Iterable[str]) -> None:
    for name in given:
        if name not in known:
            raise ValueError(f"verify: unknown {what} {name!r}; expected {', '.join(known)}")
