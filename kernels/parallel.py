"""How a kernel uses several cores: a few threads that run the same compiled loop on different ranges.

A kernel takes ``(lo, hi, *arrays)`` and does the part ``lo <= i < hi`` of its outermost index, and each output
element belongs to exactly one ``i``. So the result has the same bits for any number of threads.

Why not Numba's ``prange``: its OpenMP layer kills a forked child, its workqueue layer aborts when two Python threads
launch at once, which of the two is there differs between machines, and it compiles four times as long. Here nothing
global is set, every Python thread may launch, and a forked child starts its own threads. The price is the hand-over to
a Python thread, 30 to 60 microseconds, so work below `SERIAL_BELOW` stays on the calling thread.
"""

import itertools
import os
import threading
from concurrent.futures import ThreadPoolExecutor

#: Elementary operations (one multiply-add, one comparison) below which a second thread costs more than it gives.
SERIAL_BELOW = 1_000_000

#: Ranges per thread: more than one, so that a thread that was held up does not hold up all.
RANGES_PER_THREAD = 4

_lock = threading.Lock()
_pool = None
_thread_count = None


def for_each(kernel, count, cost, *arguments):
    """Run ``kernel(lo, hi, *arguments)`` so that ``0 <= i < count`` is done once, on the threads at hand.

    Parameters
    ----------
    kernel : compiled function
        Writes only what belongs to ``lo <= i < hi``, and releases the GIL.
    count : int
        Size of the outermost index; nothing runs where it is 0.
    cost : int or float
        Elementary operations of the whole call.
    """
    threads = 1 if cost < SERIAL_BELOW else min(thread_count(), count)
    if threads <= 1:
        if count > 0:
            kernel(0, count, *arguments)
        return
    pool = _threads_of(threads)
    ranges = min(count, threads * RANGES_PER_THREAD)
    tickets = itertools.count()  # next() on it is atomic

    def work():
        while (ticket := next(tickets)) < ranges:
            kernel(ticket * count // ranges, (ticket + 1) * count // ranges, *arguments)

    others = [pool.submit(work) for _ in range(threads - 1)]
    try:
        work()
    finally:
        for other in others:  # the arrays must outlive every thread that writes them
            if not other.cancel():  # cancelled: it had not begun, and all tickets are gone
                other.result()


def thread_count():
    """Threads that a kernel may use: `set_thread_count`, else NUMBA_NUM_THREADS, OMP_NUM_THREADS, else the cores."""
    if _thread_count is not None:
        return _thread_count
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
        text = os.environ.get(name, "")
        if text.isdecimal() and int(text) > 0:
            return int(text)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def set_thread_count(count):
    """Use `count` threads from now on (None: as the environment says)."""
    global _thread_count
    if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 1):
        raise ValueError(f"thread count: expected an int of at least 1 or None, got {count!r}")
    _thread_count = count


def _threads_of(threads):
    global _pool
    with _lock:
        if _pool is None or _pool._max_workers < threads - 1:
            # The old pool, if any, ends by itself once its last task is done and nobody holds it.
            _pool = ThreadPoolExecutor(threads - 1, thread_name_prefix="mediml-kernel")
        return _pool


def _forget_threads():
    """In a forked child the threads are gone, and the lock may be held by one of them."""
    global _pool, _lock
    _pool = None
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)
