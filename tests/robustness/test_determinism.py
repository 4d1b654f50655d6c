"""The same bits for any number of threads, for every operator, forward and gradients; and again when repeated."""

import numpy as np
import pytest
from operators import OPERATORS, call_of, run, same_bits, some

from kernels import parallel

#: Elements of the largest argument: every operator is then above `parallel.SERIAL_BELOW` elementary operations.
LARGE = (200_000, 800_000, 3_200_000)

#: Arguments that have a row for each of the batch.
ROWS = {
    "input",
    "input1",
    "input2",
    "x1",
    "x2",
    "anchor",
    "positive",
    "negative",
    "target",
    "indices",
    "real_scores",
    "fake_scores",
}


@pytest.fixture
def threads():
    yield parallel.set_thread_count
    parallel.set_thread_count(None)


@pytest.mark.parametrize("op", OPERATORS)
def test_small_work_split_among_threads(op, threads, monkeypatch):
    monkeypatch.setattr(parallel, "SERIAL_BELOW", 0)
    for case in some(op, 8):
        call = call_of(case)
        threads(1)
        expected = run(call)
        assert expected.error is None, f"{call}: {expected.error!r}"
        for count in (2, 4):
            threads(count)
            fault = same_bits(run(call), expected)
            assert fault is None, f"{call} with {count} threads: {fault}"


@pytest.mark.parametrize("op", OPERATORS)
def test_large_work(op, threads, starts, monkeypatch):
    threads(2)
    with monkeypatch.context() as everything_is_large:
        everything_is_large.setattr(parallel, "SERIAL_BELOW", 0)
        calls = [call for call in map(call_of, some(op, 60)) if _has_batch(call) and _is_split(call, starts)]
    if not calls:
        pytest.skip("computed by NumPy alone, or has no batch that could be enlarged")
    enlarged = (_enlarged(call, size) for call in calls for size in LARGE)
    call = next((large for large in enlarged if _is_split(large, starts)), None)
    assert call is not None, "never used a second thread; enlarge it"
    threads(1)
    expected = run(call)
    assert expected.error is None, f"{call}: {expected.error!r}"
    for count in (2, 4):
        threads(count)
        fault = same_bits(run(call), expected)
        assert fault is None, f"{call} with {count} threads: {fault}"


@pytest.fixture
def starts(monkeypatch):
    """Grows when a kernel uses several threads."""
    starts, original = [], parallel._threads_of
    monkeypatch.setattr(parallel, "_threads_of", lambda threads: starts.append(threads) or original(threads))
    return starts


def _is_split(call, starts):
    starts.clear()
    return run(call).error is None and bool(starts)


def _rows(call):
    """The arguments of a call that have a row for each of the batch; a cell's states, too."""
    states = {"hx", "hx[0]", "hx[1]"} if call.op.endswith("_cell") else set()
    return (ROWS | states) & call.arrays.keys()


def _has_batch(call):
    rows = {call.arrays[name].shape[:1] for name in _rows(call)}
    return len(rows) == 1 and rows != {()} and all(array.size for array in call.arrays.values())


def _enlarged(call, size):
    """The call with its batch repeated until its largest argument has `size` elements."""
    times = -(-size // max(call.arrays[name].size for name in _rows(call)))
    for name in _rows(call):
        call = call.replace(name, np.concatenate([call.arrays[name]] * times))
    return call
