"""What a probe says, and how probes are run: whatever happens in one of them, the others have their turn."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

__all__ = ["FAULT", "NOTE", "OK", "Finding", "Probe", "Section", "examine"]

OK, NOTE, FAULT = "ok", "note", "FAULT"


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Parameters
    ----------
    name, text : str
        What was looked at, and what was found.
    state : str
        `OK`; `NOTE`: worth knowing, or missing without need; `FAULT`: something does not work.
    fix : str
        What to do; every fault has one.
    stops : bool
        Whether a fault stops ordinary work, which needs neither a GPU nor PyTorch.
    """

    name: str
    text: str
    state: str = OK
    fix: str = ""
    stops: bool = False


@dataclass(frozen=True)
class Probe:
    """A question to the machine: a title and what answers it."""

    title: str
    look: Callable[[], Iterable[Finding]]


@dataclass(frozen=True)
class Section:
    """The answer to a probe."""

    title: str
    findings: tuple[Finding, ...]


def examine(probes: Iterable[Probe]) -> list[Section]:
    """Ask them all. A probe that fails says so; what it had found before stays."""
    return [Section(probe.title, tuple(_guarded(probe))) for probe in probes]


def _guarded(probe: Probe) -> Iterator[Finding]:
    try:
        yield from probe.look()
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # extensions written in Rust raise what is no Exception
        yield Finding(
            "this check", f"could not be made: {type(error).__name__}: {' '.join(str(error).split())}", NOTE,
            "if another line tells no reason, please report this with the whole text",
        )  # fmt: skip
