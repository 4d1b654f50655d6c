"""Device memory is used again, on the stream it was last used on, and given back when asked."""

import gc

import numpy as np
import pytest

from kernels import memory as host_memory
from kernels.gpu import memory, streams
from kernels.gpu.memory import empty, empty_cache, readable, usage, zeros
from kernels.gpu.transfer import to_device


@pytest.fixture(autouse=True)
def fresh():
    gc.collect()
    empty_cache()


def test_a_block_that_nobody_needs_is_used_again():
    x = empty((10, 20), np.float32)
    pointer, before = x.pointer, usage()
    del x
    y = empty(200, np.float32)
    assert y.pointer == pointer
    assert usage().allocations == before.allocations and usage().reuses == before.reuses + 1


def test_a_view_keeps_the_block():
    x = empty(100, np.float64)
    view, pointer = x[50:].reshape(5, 10).T, x.pointer
    del x
    gc.collect()
    assert empty(100, np.float64).pointer != pointer
    del view
    gc.collect()
    assert empty(100, np.float64).pointer == pointer


def test_sizes_are_rounded_so_that_shapes_can_share():
    assert [memory._rounded(n) for n in (0, 1, 256, 257, 384, 385, 513, 769, 1025)] == [
        256, 256, 256, 384, 384, 512, 768, 1024, 1536,
    ]  # fmt: skip
    pointer = empty(700, np.uint8).pointer
    assert empty(600, np.uint8).pointer == pointer


def test_usage_counts_bytes():
    before = usage()
    x, y = empty(256, np.uint8), empty(1000, np.uint8)
    assert usage().bytes_in_use - before.bytes_in_use == 256 + 1024
    assert usage().bytes_held - before.bytes_held == 256 + 1024
    del x, y
    assert usage().bytes_in_use == before.bytes_in_use and usage().bytes_held - before.bytes_held == 256 + 1024
    empty_cache()
    assert usage().bytes_held == before.bytes_held


def test_a_block_stays_with_its_stream():
    first = empty(300, np.float32).pointer
    previous = streams.follow(lambda: 7)
    try:
        other = empty(300, np.float32)
        assert other.pointer != first
        second = other.pointer
        del other
        assert empty(300, np.float32).pointer == second
    finally:
        streams.follow(previous)
    assert empty(300, np.float32).pointer == first


def test_a_block_that_two_streams_have_used_is_waited_for(monkeypatch):
    waits = []
    monkeypatch.setattr(memory, "_wait_for_all_streams", lambda: waits.append(1))
    previous = streams.follow(lambda: 7)
    try:
        x = empty(300, np.float32)
        pointer = x.pointer
        streams.follow(lambda: 9)
        x.fill(1)  # stream 9 may still be at it when stream 7 hands the block on
        del x
        streams.follow(lambda: 7)
        y = empty(300, np.float32)
        assert y.pointer == pointer and waits == [1]
        del y
        assert empty(300, np.float32).pointer == pointer and waits == [1]
    finally:
        streams.follow(previous)


def test_the_driver_is_asked_again_after_the_cache_is_emptied(monkeypatch):
    empty(512, np.uint8)
    held, calls = usage().bytes_held, []

    def allocate(size):
        calls.append(size)
        if len(calls) == 1:
            raise MemoryError("out of memory")
        return np.zeros(size, np.uint8)

    monkeypatch.setattr(memory, "_allocate", allocate)
    x = empty(5000, np.uint8)
    assert calls == [6144, 6144]
    assert usage().bytes_held == held - 512 + 6144
    del x
    gc.collect()
    empty_cache()


def test_new_arrays_are_filled_for_tests():
    previous = host_memory.fill_new_arrays_with_nan(True)
    try:
        assert np.isnan(empty(3, np.float32).get()).all()
        assert (empty(3, np.int32).get() == np.iinfo(np.int32).min).all()
    finally:
        host_memory.fill_new_arrays_with_nan(previous)
    assert not zeros((2, 2), np.float64).get().any()


def test_readable():
    x = to_device(np.arange(6.0).reshape(2, 3))
    assert readable(x) is x
    copy = readable(x.T)
    assert copy.is_contiguous and not np.may_share_memory(copy, x)
    np.testing.assert_array_equal(copy.get(), x.get().T)
    with pytest.raises(TypeError, match="on the device"):
        readable(np.zeros(3))


def test_a_loop_of_operations_asks_for_nothing_new():
    x, y = to_device(np.ones((8, 9), np.float32)), to_device(np.ones(9, np.float32))

    def step():
        z = np.maximum(x * y + 1, 0)
        return (z - z.mean(axis=1, keepdims=True)).sum()

    step(), step()
    before = usage().allocations
    for _ in range(3):
        step()
    assert usage().allocations == before
