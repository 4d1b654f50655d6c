"""What happened: one entry for each access to global or shared memory, and the faults seen on the spot."""

import linecache
import sys
from array import array
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from mediml.exercises._doctor.arrays import Origin

__all__ = ["ATOMIC", "COLUMNS", "READ", "WRITE", "Fault", "Limit", "Place", "Recorder", "UnsupportedError"]

READ, WRITE, ATOMIC = 0, 1, 2

#: Of an entry: the array's number, the byte in its region, the thread's number in the grid, the barriers that its
#: block had passed, the place in the source, and what was done.
COLUMNS = ("origin", "offset", "thread", "epoch", "place", "kind")

_LAST = 64  # lines before the limit that are looked at


class Limit(BaseException):
    """Ends a kernel that runs for too long. No ``except Exception`` of the learner's catches it."""


class UnsupportedError(Exception):
    """A part of CUDA that the doctor does not follow."""


class Place(NamedTuple):
    """A line of the source."""

    function: str
    file: str
    line: int

    @property
    def text(self) -> str:
        """What stands there; empty where the source is not to be had."""
        return linecache.getline(self.file, self.line).strip()


@dataclass
class Fault:
    """Something wrong that one thread did at one place."""

    kind: str
    place: int
    thread: int
    epoch: int = 0
    origin: "Origin | None" = None
    index: tuple[int, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)


class Recorder:
    """The record of one run. Exactly one CUDA thread runs at a time; `thread` and `epoch` say which and when.

    Parameters
    ----------
    codes : dict
        The kernel's code and that of the functions it calls, by ``id``.
    tight : set
        Those of them with a loop that never comes to a line, ``while True: pass``: there instructions are counted.
    limit : int
        Lines that one thread may run.
    """

    def __init__(self, codes: dict[int, CodeType], tight: set[int], limit: int):
        self.codes, self.tight = codes, tight
        self.limit = limit
        self.lines = 0  # of the running thread
        self.all_lines = 0
        self.accesses = 0
        self.thread = self.epoch = 0
        self.log = array("q")
        self.values: list[Any] = []  # one for each plain write, in the order of the log
        self.blank_reads: list[int] = []  # entries that read what nobody had written
        self.faults: list[Fault] = []
        self.barriers = 0
        self.origins: list[Origin] = []
        self.places: list[Place] = []
        self._last: list[tuple[CodeType, int]] = []
        self._numbers: dict[tuple[int, int], int] = {}

    def here(self) -> int:
        """Number of the place of the kernel that is being run."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and id(frame.f_code) not in self.codes:
            frame = frame.f_back
        if frame is None:
            return self.place(None, 0)
        return self.place(frame.f_code, frame.f_lineno)

    def place(self, code: CodeType | None, line: int) -> int:
        """Number of a place."""
        key = (id(code), line)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.places)
            name, file = ("?", "?") if code is None else (code.co_name, code.co_filename)
            self.places.append(Place(name, file, line))
        return number

    def access(self, origin: "Origin", offset: int, kind: int, value: Any = None) -> None:
        """A thread reads, writes or atomically changes the element at this byte of the array's region."""
        written = origin.region.written
        if written is not None:
            if kind != WRITE and not written[offset]:
                if origin.space == "local":  # no other thread sees it: what was read is known here
                    self.fault("uninitialised_read", origin, origin.index(offset))
                else:
                    self.blank_reads.append(len(self.log) // len(COLUMNS))
            if kind != READ:
                written[offset] = 1
        if origin.logged:
            frame: FrameType | None = sys._getframe(1)  # as `here`, which would cost a call
            while frame is not None and id(frame.f_code) not in self.codes:
                frame = frame.f_back
            key = (id(frame.f_code), frame.f_lineno) if frame is not None else (0, 0)
            place = self._numbers.get(key)
            if place is None:
                place = self.here()
            self.log.extend((origin.number, offset, self.thread, self.epoch, place, kind))
            if kind == WRITE:
                self.values.append(value)
        self.accesses += 1
        if self.accesses > 20 * self.limit:
            raise Limit("accesses")

    def line(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Local trace function of the kernel's frames: counts lines, so that a loop without end has one."""
        self.lines += 1
        if self.lines > self.limit - _LAST:
            self._last.append((frame.f_code, frame.f_lineno))
            if self.lines > self.limit:
                raise Limit("lines")
        return self.line

    def spend(self, lines: int) -> Limit | None:
        """A thread has run so many lines. Gives what ends the run where all threads together have run too many."""
        self.all_lines += lines
        self._last.clear()
        if self.all_lines <= 50 * self.limit:
            return None
        return self.too_long(self.place(None, 0))

    def too_long(self, place: int) -> Limit:
        """Note that the run is ended for its length; gives what ends it."""
        self.faults.append(Fault("endless", place, self.thread, self.epoch, details={"limit": self.limit}))
        return Limit("length")

    def call(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Global trace function: follows the kernel's own frames only."""
        if id(frame.f_code) not in self.codes:
            return None
        if id(frame.f_code) in self.tight:
            frame.f_trace_opcodes = True
        return self.line

    def fault(self, kind: str, origin: "Origin | None" = None, index: tuple[int, ...] = (), **details: Any) -> None:
        """The running thread does something wrong where it is."""
        self.faults.append(Fault(kind, self.here(), self.thread, self.epoch, origin, index, details))

    def fault_in(self, code: CodeType, kind: str, **details: Any) -> None:
        """Something wrong with a function as a whole."""
        self.faults.append(Fault(kind, self.place(code, code.co_firstlineno), self.thread, self.epoch, details=details))

    def failure(self, error: BaseException) -> None:
        """What a thread raised, at the innermost line of the kernel that it came through."""
        place = self.place(None, 0)
        trace = error.__traceback__
        while trace is not None:
            code, line = trace.tb_frame.f_code, trace.tb_lineno
            if id(code) in self.codes and line != code.co_firstlineno:  # a call that fails has got no further
                place = self.place(code, line)
            trace = trace.tb_next
        if isinstance(error, Limit):
            if self._last:  # the first of the lines that are run again and again is the head of the loop
                inner = self._last[-1][0]
                place = self.place(inner, min(line for code, line in self._last if code is inner))
            kind, details = "endless", dict[str, Any](limit=self.limit)
        elif isinstance(error, UnsupportedError):
            kind, details = "unsupported", {"what": str(error)}
        else:
            kind, details = "error", {"error": type(error).__name__, "message": str(error)}
        self.faults.append(Fault(kind, place, self.thread, self.epoch, details=details))
