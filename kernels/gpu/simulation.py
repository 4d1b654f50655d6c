"""Numba's simulator with another order of work: the one module that knows its inside, and why.

The simulator gives a kernel a stand-in for the ``cuda`` module and starts a Python thread for each CUDA thread of a
block, which all run at once and are asked in turn whether they wait at a barrier. That costs 0.1 ms for each thread and
far more at each barrier, in an order that is never the same. Here one CUDA thread runs at a time, in the order of its
number, up to the next barrier; a kernel without barriers needs no Python thread at all. So simulated results repeat,
and a launch takes microseconds for each thread. A barrier that only some threads of a block reach is an error here, as
it may be on a GPU.

It works with numba's own simulator and with the one of numba-cuda.
"""

import contextlib
import sys
import threading
import types
from functools import cache

import numpy as np
from numba.cuda.simulator.kernel import _push_kernel_context, swapped_cuda_module
from numba.cuda.simulator.kernelapi import Dim3, FakeCUDAModule

__all__ = ["BarrierError", "Shared", "dtype_of", "has_barrier", "run", "threads_of"]


class BarrierError(RuntimeError):
    """Some threads of a block wait at a barrier that others never reach."""


def run(function, blocks, threads, arguments, shared=None, on_barrier=None):
    """Run a kernel.

    Parameters
    ----------
    function : function
        The Python function under a kernel.
    blocks, threads : tuple of three int
    arguments : sequence
        Arrays as NumPy arrays (or stand-ins with their interface), numbers.
    shared : callable, optional
        Makes what ``cuda.shared`` is for a block; by default `Shared`.
    on_barrier : callable, optional
        Gets the block's index when all its threads have reached a barrier.

    Raises
    ------
    BarrierError
        If threads of a block wait at a barrier after others have returned.
    Exception
        What a thread raises, with thread and block added to the text.
    """
    module = FakeCUDAModule(blocks, threads, 0)
    one_block = _Block if has_barrier(function) else _BlockWithoutBarriers
    with _push_kernel_context(module), swapped_cuda_module(function, module):
        for z, y, x in np.ndindex(*reversed(blocks)):
            module._shared = (shared or Shared)()
            one_block((x, y, z), threads, on_barrier).run(function, arguments)


def threads_of(threads):
    """Indices (x, y, z) of the threads of a block, in the order of their number."""
    return [(x, y, z) for z, y, x in np.ndindex(*reversed(threads))]


@cache
def has_barrier(function):
    """Whether a function, or a device function that it calls, names a barrier."""
    seen, queue = set(), [function]
    while queue:
        current = queue.pop()
        current = getattr(current, "fn", getattr(current, "__wrapped__", current))
        if not isinstance(current, types.FunctionType) or current in seen:
            continue
        seen.add(current)
        names = current.__code__.co_names
        if any(name.startswith(("syncthreads", "sync")) for name in names):
            return True
        queue.extend(current.__globals__[name] for name in names if name in current.__globals__)
        queue.extend(cell.cell_contents for cell in current.__closure__ or ())
    return False


def dtype_of(dtype):
    """A NumPy dtype from what kernels name: a Numba type or a dtype."""
    return np.dtype(getattr(dtype, "name", dtype) if not isinstance(dtype, (np.dtype, type)) else dtype)


class Shared:
    """``cuda.shared`` for one block: an array for each line that asks for one, full of NaN as nobody has written it."""

    def __init__(self):
        self.arrays = {}

    def array(self, shape, dtype, alignment=None):
        """The block's array of the calling line."""
        frame = sys._getframe(1)
        place = (frame.f_code, frame.f_lineno)
        if place not in self.arrays:
            self.arrays[place] = self.make(shape, dtype_of(dtype), place)
        return self.arrays[place]

    def make(self, shape, dtype, place):
        """A new array."""
        array = np.empty(shape, dtype)
        array.fill(np.nan if dtype.kind == "f" else 0)
        return array


class _BlockWithoutBarriers:
    """All threads one after the other, in the thread that launches."""

    def __init__(self, index, threads, on_barrier=None):
        self.index, self.threads = Dim3(*index), threads

    def run(self, function, arguments):
        this = threading.current_thread()
        this.blockIdx = self.index
        for number, index in enumerate(threads_of(self.threads)):
            this.threadIdx, this.thread_id = Dim3(*index), number
            with _named(this):
                function(*arguments)


class _Block:
    """Threads that hand a baton on at each barrier: exactly one runs."""

    def __init__(self, index, threads, on_barrier=None):
        self.index, self.on_barrier = Dim3(*index), on_barrier
        self.order = [_Thread(self, number, i) for number, i in enumerate(threads_of(threads))]
        self.alive = len(self.order)
        self.finished = threading.Event()
        self.error = None

    def run(self, function, arguments):
        for thread in self.order:
            thread.kernel, thread.arguments = function, arguments
            thread.start()
        self.order[0].baton.release()
        self.finished.wait()
        for thread in self.order:
            thread.join()
        if self.error is not None:
            raise self.error

    def hand_on(self, number):
        """Let the next thread that has not returned run; after the last one the barrier opens."""
        following = next((t for t in self.order[number + 1 :] if not t.returned), None)
        if following is None:
            following = next((t for t in self.order if not t.returned), None)
            if following is None:
                self.finished.set()
                return
            waiting = [t for t in self.order if not t.returned]
            if len(waiting) < len(self.order) and self.error is None:
                self.fail(
                    BarrierError(
                        f"block {tuple(self.index)}: threads {[tuple(t.threadIdx) for t in waiting]} wait at a "
                        f"barrier that {len(self.order) - len(waiting)} threads never reach; every thread of a block "
                        f"must come to every syncthreads()"
                    )
                )
            elif self.on_barrier is not None and self.error is None:
                self.on_barrier(tuple(self.index))
        following.baton.release()

    def fail(self, error):
        """Remember the first error; every thread stops at its next turn."""
        self.error = self.error or error


class _Stopped(BaseException):
    """Ends a thread whose block has failed."""


class _Thread(threading.Thread):
    """One CUDA thread of a block with barriers."""

    def __init__(self, block, number, index):
        super().__init__(daemon=True)
        self.block, self.thread_id = block, number
        self.blockIdx, self.threadIdx = block.index, Dim3(*index)
        self.baton = threading.Semaphore(0)
        self.returned = False

    def run(self):
        self.baton.acquire()
        try:
            if self.block.error is None:
                with _named(self):
                    self.kernel(*self.arguments)
        except _Stopped:
            pass
        except Exception as error:
            self.block.fail(error)
        finally:
            self.returned = True
            self.block.hand_on(self.thread_id)

    def syncthreads(self):
        """Wait until all threads of the block are here."""
        self.block.hand_on(self.thread_id)
        self.baton.acquire()
        if self.block.error is not None:
            raise _Stopped

    def _vote(self, value):
        votes = self.block.__dict__.setdefault("votes", {})
        votes[self.thread_id] = bool(value)
        self.syncthreads()
        count = sum(votes.values())
        self.syncthreads()
        return count

    def syncthreads_count(self, value):
        """How many threads of the block bring something that is true."""
        return self._vote(value)

    def syncthreads_and(self, value):
        """Whether all do."""
        return int(self._vote(value) == len(self.block.order))

    def syncthreads_or(self, value):
        """Whether any does."""
        return int(self._vote(value) > 0)


@contextlib.contextmanager
def _named(thread):
    """Say in an error which CUDA thread it was."""
    try:
        yield
    except Exception as error:
        if hasattr(error, "add_note"):  # from Python 3.11 on
            error.add_note(f"in thread {tuple(thread.threadIdx)} of block {tuple(thread.blockIdx)}")
        raise
