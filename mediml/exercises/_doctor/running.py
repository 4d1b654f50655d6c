"""Blocks, threads and barriers: one thread at a time, in the order of its number, up to its next barrier.

So a run repeats exactly, and what the order would have hidden on a GPU is found from the record instead.
"""

import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mediml.exercises._doctor.cuda_module import Cuda, Dim3
from mediml.exercises._doctor.recording import Fault, Limit, Recorder

__all__ = ["NeedsThreads", "Run", "indices"]

_FEWEST_BARRIERS = 100  # that a block may pass, whatever the limit
_FAILED_BLOCKS = 3  # after so many, nothing new is learnt


class _Stopped(BaseException):
    """Ends a thread whose block has failed."""


class NeedsThreads(BaseException):
    """A barrier that nobody had seen in the source."""


def indices(sizes: tuple[int, int, int]) -> list[tuple[int, int, int]]:
    """Indices (x, y, z) in the order of their number."""
    return [(int(x), int(y), int(z)) for z, y, x in np.ndindex(*reversed(sizes))]


class Run:
    """One launch.

    Attributes
    ----------
    complete : bool
        Whether every thread came to its end.
    astray : dict
        For a block whose threads did not all come to the same barrier, when that was.
    """

    def __init__(self, recorder: Recorder, blocks: tuple[int, int, int], threads: tuple[int, int, int]):
        self.recorder, self.blocks, self.threads = recorder, blocks, threads
        self.cuda = Cuda(recorder, blocks, threads, self._barrier)
        self.complete = True
        self.astray: dict[int, int] = {}
        self._current: _Thread | None = None

    def run(self, function: Callable[..., Any], arguments: Sequence[Any], barriers: bool) -> None:
        """Run all blocks."""
        failed = 0
        for block, index in enumerate(indices(self.blocks)):
            self.cuda.blockIdx, self.cuda._block = Dim3(*index), block
            self.recorder.epoch = 0
            one = self._with_barriers if barriers else self._without_barriers
            outcome = one(function, arguments, block)
            if outcome is not None:
                self.complete = False
                failed += 1
                if isinstance(outcome, Limit) or failed == _FAILED_BLOCKS:
                    return

    def _enter(self, block: int, number: int, index: tuple[int, int, int]) -> None:
        self.recorder.thread = block * len(self._indices) + number
        self.cuda.threadIdx, self.cuda._number = Dim3(*index), number

    @property
    def _indices(self) -> list[tuple[int, int, int]]:
        if not hasattr(self, "_all"):
            self._all = indices(self.threads)
        return self._all

    def _without_barriers(self, function: Callable[..., Any], arguments: Sequence[Any], block: int) -> Any:
        for number, index in enumerate(self._indices):
            self._enter(block, number, index)
            self.recorder.lines = 0
            error = _call(self.recorder, function, arguments) or self.recorder.spend(self.recorder.lines)
            if error is not None:
                return error
        return None

    def _with_barriers(self, function: Callable[..., Any], arguments: Sequence[Any], block: int) -> Any:
        threads = [_Thread(self, number, index, function, arguments) for number, index in enumerate(self._indices)]
        try:
            while alive := [t for t in threads if not t.returned]:
                for thread in alive:
                    self._enter(block, thread.number, thread.index)
                    self.recorder.lines = thread.lines
                    self._current = thread
                    thread.resume()
                    error = thread.error or self.recorder.spend(self.recorder.lines - thread.lines)
                    thread.lines = self.recorder.lines
                    if error is not None:
                        return error
                waiting = [t for t in alive if not t.returned]
                if waiting:
                    self._meet(block, threads, waiting)
                if self.recorder.epoch > max(_FEWEST_BARRIERS, self.recorder.limit // 50):
                    return self.recorder.too_long(waiting[0].place)
        finally:
            for thread in threads:
                thread.stop()
        return None

    def _meet(self, block: int, threads: list["_Thread"], waiting: list["_Thread"]) -> None:
        """All threads that still run wait at a barrier: open it, and note what is wrong with it."""
        places = sorted({t.place for t in waiting})
        if block not in self.astray and (len(waiting) < len(threads) or len(places) > 1):
            kind = "divergent_barrier" if len(waiting) < len(threads) else "different_barriers"
            self.astray[block] = self.recorder.epoch
            first = block * len(threads)
            for t in waiting:
                missing = [first + other.number for other in threads if other.returned]
                details = {"missing": missing, "places": places}
                self.recorder.faults.append(
                    Fault(kind, t.place, first + t.number, self.recorder.epoch, details=details)
                )
        votes = [t.vote for t in waiting]
        for thread in waiting:
            thread.votes = votes
        self.recorder.epoch += 1
        self.recorder.barriers += 1

    def _barrier(self, vote: Any) -> list[Any]:
        thread = self._current
        if thread is None:
            raise NeedsThreads
        thread.place, thread.vote = self.recorder.here(), vote
        thread.wait()
        return thread.votes


def _call(recorder: Recorder, function: Callable[..., Any], arguments: Sequence[Any]) -> BaseException | None:
    """Run one thread to its end; returns what it raised, which is then on record."""
    before = sys.gettrace()
    try:
        with np.errstate(all="ignore"):
            sys.settrace(recorder.call)
            try:
                result = function(*arguments)
            finally:
                sys.settrace(before)
        if result is not None:
            recorder.fault_in(function.__code__, "error", error="TypeError", message="a kernel returns no value")
    except (Limit, SystemExit, GeneratorExit, Exception) as error:  # Ctrl-C goes through
        recorder.failure(error)
        return error
    return None


class _Thread:
    """One CUDA thread of a block with barriers, on a Python thread of its own that waits for its turn."""

    def __init__(
        self, run: Run, number: int, index: tuple[int, int, int], function: Callable[..., Any], arguments: Sequence[Any]
    ):
        self.run, self.number, self.index = run, number, index
        self.function, self.arguments = function, arguments
        self.returned = self.stopped = False
        self.error: BaseException | None = None
        self.place = self.lines = 0
        self.vote: Any = None
        self.votes: list[Any] = []
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self._python = threading.Thread(target=self._body, daemon=True)
        self._started = False

    def resume(self) -> None:
        """Let it run to its next barrier, or to its end."""
        if not self._started:
            self._started = True
            self._python.start()
        self._go.release()
        self._back.acquire()

    def wait(self) -> None:
        """At a barrier."""
        self._back.release()
        self._go.acquire()
        if self.stopped:
            raise _Stopped

    def stop(self) -> None:
        """End it wherever it is."""
        self.stopped = True
        if self._started:
            self._go.release()
            self._python.join()

    def _body(self) -> None:
        self._go.acquire()
        try:
            self.error = None if self.stopped else _call(self.run.recorder, self.function, self.arguments)
        except _Stopped:
            pass
        except BaseException as error:  # what would end Python must not end in a thread that nobody hears
            self.error = error
            self.run.recorder.failure(error)
        finally:
            self.returned = True
            self._back.release()
