"""Several cores: the same bits for any number of threads, from any thread, and after a fork."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from kernels import parallel
from kernels.jit import kernel

LARGE = parallel.SERIAL_BELOW


@pytest.fixture(autouse=True)
def as_the_environment_says():
    yield
    parallel.set_thread_count(None)


@kernel
def _sum_rows(lo, hi, x, y):
    for i in range(lo, hi):
        acc = x.dtype.type(0)
        for j in range(x.shape[1]):
            acc += x[i, j]
        y[i] = acc


@pytest.mark.parametrize("count", [0, 1, 2, 7, 8, 9, 100])
@pytest.mark.parametrize("threads", [1, 2, 3, 4])
def test_each_index_is_done_once(count, threads):
    parallel.set_thread_count(threads)
    done = np.zeros(count, np.int64)

    def mark(lo, hi, array):
        array[lo:hi] += 1

    parallel.for_each(mark, count, LARGE, done)
    assert (done == 1).all()


def test_same_bits_for_any_number_of_threads():
    x = np.random.default_rng(0).standard_normal((301, 4001)).astype(np.float32)
    results = []
    for threads in (1, 2, 3, 4):
        parallel.set_thread_count(threads)
        y = np.full(301, np.nan, np.float32)
        parallel.for_each(_sum_rows, 301, x.size, x, y)
        results.append(y.tobytes())
    assert len(set(results)) == 1


def test_several_threads_do_the_work():
    parallel.set_thread_count(3)
    seen, together = set(), threading.Barrier(3, timeout=30)

    def meet(lo, hi):
        if threading.get_ident() not in seen:
            seen.add(threading.get_ident())
            together.wait()  # passes only if three threads are at work at once

    parallel.for_each(meet, 12, LARGE)
    assert len(seen) == 3


def test_little_work_stays_on_the_calling_thread():
    parallel.set_thread_count(4)
    seen = []
    parallel.for_each(lambda lo, hi: seen.append((lo, hi, threading.get_ident())), 10, LARGE - 1)
    assert seen == [(0, 10, threading.get_ident())]


def test_an_exception_arrives_and_the_next_call_works():
    parallel.set_thread_count(3)

    def fail(lo, hi):
        raise ZeroDivisionError("planted")

    with pytest.raises(ZeroDivisionError, match="planted"):
        parallel.for_each(fail, 12, LARGE)
    done = np.zeros(12)

    def mark(lo, hi):
        done[lo:hi] = 1

    parallel.for_each(mark, 12, LARGE)
    assert done.all()


def test_sixteen_threads_launch_at_once():
    parallel.set_thread_count(4)
    x = np.random.default_rng(1).standard_normal((64, 256)).astype(np.float32)
    expected = np.empty(64, np.float32)
    _sum_rows(0, 64, x, expected)

    def calls(_number):
        wrong = 0
        for _ in range(500):
            y = np.full(64, np.nan, np.float32)
            parallel.for_each(_sum_rows, 64, LARGE, x, y)
            wrong += not np.array_equal(y, expected)
        return wrong

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(calls, range(16))) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_fork_after_use():
    """Also while another thread launches, so that a lock may be held at the moment of the fork."""
    program = """
import os, sys, threading, warnings
import numpy as np
from kernels import parallel
warnings.simplefilter("ignore")
parallel.set_thread_count(3)
def mark(lo, hi, array):
    array[lo:hi] += 1
def launch():
    done = np.zeros(100)
    parallel.for_each(mark, 100, parallel.SERIAL_BELOW, done)
    return (done == 1).all()
assert launch()
stop = threading.Event()
def keep_launching():
    while not stop.is_set():
        launch()
other = threading.Thread(target=keep_launching)
other.start()
for _ in range(20):
    child = os.fork()
    if child == 0:
        os._exit(0 if launch() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
stop.set()
other.join()
print("ok")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr


@pytest.mark.parametrize(
    ("environment", "count"),
    [
        ({"NUMBA_NUM_THREADS": "3"}, 3),
        ({"OMP_NUM_THREADS": "5"}, 5),
        ({"NUMBA_NUM_THREADS": "2", "OMP_NUM_THREADS": "5"}, 2),
        ({"OMP_NUM_THREADS": "4,2"}, None),
        ({"OMP_NUM_THREADS": "0"}, None),
        ({}, None),
    ],
)
def test_thread_count_follows_the_environment(monkeypatch, environment, count):
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert parallel.thread_count() == (count or cores)
    parallel.set_thread_count(7)
    assert parallel.thread_count() == 7


@pytest.mark.parametrize("count", [0, -1, 1.5, True, "2"])
def test_a_thread_count_that_is_none_is_refused(count):
    with pytest.raises(ValueError, match="thread count: expected an int of at least 1 or None, got"):
        parallel.set_thread_count(count)
