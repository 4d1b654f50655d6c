"""Launches: grids, refusals, and what the simulator makes of barriers."""

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
from numba import cuda

from kernels.gpu import faults, launch, memory, streams
from kernels.gpu.launch import blocks_for, kernel, per_element, per_tile, strided
from kernels.gpu.target import SIMULATED
from kernels.gpu.transfer import TRANSFERS, to_device

TILE = 4


@kernel
def _number(y):
    i = cuda.grid(1)
    if i < y.size:
        y[i] = i


@kernel
def _number_strided(y):
    for i in range(cuda.grid(1), y.size, cuda.gridsize(1)):
        y[i] = i


@kernel
def _turn(x, y):
    """Mirror each block's elements through shared memory."""
    cache = cuda.shared.array(TILE, y.dtype)
    t = cuda.threadIdx.x
    cache[t] = x[cuda.grid(1)]
    cuda.syncthreads()
    y[cuda.grid(1)] = cache[TILE - 1 - t]


@kernel
def _uneven(y):
    if cuda.threadIdx.x < 3:
        cuda.syncthreads()
    y[0] = 1


@kernel
def _count_odd(x, y):
    y[cuda.threadIdx.x] = cuda.syncthreads_count(x[cuda.threadIdx.x] % 2)


@kernel
def _read_shared(y):
    cache = cuda.shared.array(TILE, y.dtype)
    cuda.syncthreads()
    y[cuda.threadIdx.x] = cache[cuda.threadIdx.x]


@kernel
def _beyond(x):
    x[cuda.grid(1)] = 0


@kernel
def _look_up(index, table, y, code, note):
    i = cuda.grid(1)
    if i < y.size:
        row = index[i]
        if 0 <= row < table.size:
            y[i] = table[row]
        else:
            note[0], note[1] = code, row


@pytest.mark.parametrize("count", [1, 15, 16, 17, 300])
@pytest.mark.parametrize(("launched", "grid"), [(_number, per_element), (_number_strided, strided)])
def test_every_element_has_a_thread(launched, grid, count):
    y = memory.empty(count, np.int64)
    launched[grid(count)](y)
    assert y.get().tolist() == list(range(count))


def test_a_grid_covers_its_elements_and_no_block_more():
    assert [blocks_for(count, 4) for count in (0, 1, 4, 5)] == [0, 1, 1, 2]
    assert per_tile(9, 5, 4) == ((2, 3), (4, 4))


def test_a_launch_without_elements_does_nothing():
    before = launch.LAUNCHES.value
    _number[per_element(0)](memory.empty(0, np.int64))
    assert launch.LAUNCHES.value == before


@pytest.mark.parametrize(
    ("blocks", "threads", "text"),
    [
        (1, 1025, "at most"),
        ((1, 65536), 1, "at most"),
        ((1, 1, 1, 1), 1, "up to three sizes"),
        (1.5, 1, "up to three sizes"),
        (-1, 1, "up to three sizes"),
    ],
)
def test_a_grid_that_no_gpu_has_is_refused(blocks, threads, text):
    with pytest.raises(ValueError, match=text):
        _number[blocks, threads]


def test_threads_meet_at_a_barrier():
    y = memory.empty(8, np.float32)
    _turn[2, TILE](to_device(np.arange(8, dtype=np.float32)), y)
    assert y.get().tolist() == [3, 2, 1, 0, 7, 6, 5, 4]


def test_a_barrier_counts():
    y = memory.empty(4, np.int64)
    _count_odd[1, 4](to_device(np.array([1, 2, 3, 5])), y)
    assert y.get().tolist() == [3, 3, 3, 3]


def test_a_kernel_may_note_an_index_and_the_next_copy_to_the_host_raises_it():
    y, table = memory.empty(3, np.float32), to_device(np.ones(2, np.float32))
    code = faults.code("look_up: index expects 0 or 1, got {value}")
    assert faults.code("look_up: index expects 0 or 1, got {value}") == code
    _look_up[per_element(3)](to_device(np.array([0, 1, 1])), table, y, code, faults.note())
    assert y.get().tolist() == [1, 1, 1]
    _look_up[per_element(3)](to_device(np.array([0, 7, 1])), table, y, code, faults.note())
    with pytest.raises(IndexError, match="look_up: index expects 0 or 1, got 7"):
        y.get()
    y.get()  # told once


def test_without_a_kernel_that_may_note_nothing_is_looked_up():
    x = to_device(np.ones(3, np.float32))
    x.get()
    before = TRANSFERS.to_host
    x.get()
    assert TRANSFERS.to_host == before + 1


def test_transfers_are_counted():
    before = vars(TRANSFERS).copy()
    to_device(np.ones((2, 3), np.float32)).get()
    to_device(np.ones((0, 3), np.float32)).get()
    after = vars(TRANSFERS)
    assert {name: after[name] - before[name] for name in after} == {
        "to_device": 1, "to_host": 1, "bytes_to_device": 24, "bytes_to_host": 24,
    }  # fmt: skip


def test_launches_ask_for_the_stream_to_queue_on():
    asked = []

    def provider():
        asked.append(1)
        return 0

    assert streams.follow(provider) is None
    try:
        assert streams.current_handle() == 0 and asked
    finally:
        assert streams.follow(None) is provider
    assert streams.current_handle() == 0


@pytest.mark.anywhere
def test_numba_is_asked_once_for_a_kernel_with_its_grid_and_stream():
    made, called = [], []

    class Compiled:
        def __getitem__(self, configuration):
            made.append(configuration)
            warnings.warn("Grid size 1 will likely result in GPU under-utilization", UserWarning, stacklevel=1)
            return lambda *arguments: called.append(arguments)

    launched = launch.Kernel(lambda x: None)
    launched.compiled = Compiled()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for blocks in (1, 1, 2):
            launch._run(launched, (blocks, 1, 1), (32, 1, 1), (3,))
    assert made == [((1, 1, 1), (32, 1, 1), 0), ((2, 1, 1), (32, 1, 1), 0)]
    assert called == [(3,)] * 3


@pytest.mark.skipif(not SIMULATED, reason="what only the simulator checks")
class TestSimulator:
    def test_a_barrier_that_some_threads_never_reach_is_an_error(self):
        from kernels.gpu.simulation import BarrierError

        with pytest.raises(
            BarrierError, match=r"\(0, 0, 0\), \(1, 0, 0\), \(2, 0, 0\)\] wait .* 1 threads never reach"
        ):
            _uneven[1, 4](memory.empty(1, np.float32))

    def test_shared_memory_that_nobody_wrote_is_nan(self):
        y = memory.zeros(4, np.float32)
        _read_shared[1, 4](y)
        assert np.isnan(y.get()).all()

    def test_an_error_in_a_thread_reaches_the_caller(self):
        with pytest.raises(IndexError):
            _beyond[1, 8](memory.empty(4, np.float32))
        with pytest.raises(IndexError):
            _turn[2, TILE](memory.zeros(4, np.float32), memory.zeros(8, np.float32))

    def test_a_failed_block_leaves_no_thread_behind(self):
        import threading

        before = threading.active_count()
        for _ in range(5):
            with pytest.raises(IndexError):
                _turn[2, TILE](memory.zeros(4, np.float32), memory.zeros(8, np.float32))
        assert threading.active_count() == before


WITHOUT = """
import os
from kernels.gpu import memory, target
assert not target.SIMULATED
try:
    memory.empty(3, "float32")
except ValueError as error:
    print(error)
"""


@pytest.mark.anywhere
def test_without_a_gpu_the_error_says_what_is_missing_and_what_to_do():
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "0", "CUDA_VISIBLE_DEVICES": ""}
    told = subprocess.run([sys.executable, "-c", WITHOUT], env=environment, capture_output=True, text=True, check=True)
    assert told.stdout.startswith('device "cuda" cannot be used here: ')
    for word in ("numba-cuda", "NUMBA_ENABLE_CUDASIM=1", "mediml doctor"):
        assert word in told.stdout
