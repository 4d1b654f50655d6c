"""What the doctor finds: one `Finding` for each fault, however many threads and elements it concerns."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

__all__ = ["KINDS", "Finding", "Who"]

#: In the order in which a report tells them.
KINDS = (
    "unsupported",
    "endless",
    "error",
    "divergent_barrier",
    "different_barriers",
    "out_of_bounds_write",
    "out_of_bounds_read",
    "negative_index",
    "race",
    "race_between_blocks",
    "same_value_race",
    "uninitialised_read",
    "unwritten_output",
    "too_many",
)


class Who(NamedTuple):
    """One CUDA thread: numbers where the launch gave numbers, tuples where it gave tuples."""

    block: Any
    thread: Any


@dataclass(frozen=True)
class Finding:
    """A fault of a kernel.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    kernel : str
        Name of the function in which it happens: the kernel or a device function.
    line : int or None
        Its line in the file, and ``text``, what stands there.
    array : str or None
        The array as the kernel calls it, and ``space``: ``"global"``, ``"shared"``, ``"local"`` or ``"constant"``.
    index : int, tuple of int or None
        The first element concerned; ``indices`` are all.
    who : tuple of Who
        The threads concerned. Of a race, two that collide.
    other_line : int or None
        Of a race, the line of the second thread, with its ``other_text``.
    count : int
        How often: accesses, or elements where a race or an output is concerned.
    details : dict
        What the explanation needs besides.
    """

    kind: str
    kernel: str
    line: int | None = None
    text: str = ""
    array: str | None = None
    space: str | None = None
    index: Any = None
    indices: tuple[Any, ...] = ()
    who: tuple[Who, ...] = ()
    other_line: int | None = None
    other_text: str = ""
    count: int = 1
    details: dict[str, Any] = field(default_factory=dict, compare=False)

    @property
    def threads(self) -> tuple[Any, ...]:
        """The threads concerned, within their blocks."""
        return tuple(who.thread for who in self.who)

    @property
    def blocks(self) -> tuple[Any, ...]:
        """The blocks of `threads`, one for each."""
        return tuple(who.block for who in self.who)

    def __str__(self) -> str:
        from mediml.exercises._doctor.report import told  # here: a report is made of findings

        return told(self, "en")
