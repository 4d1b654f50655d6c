"""Where arrays come from: inputs made fit for a kernel, outputs that show what no thread wrote."""

import numpy as np
import pytest

from kernels import memory
from kernels.memory import Array


def test_tests_see_what_was_not_written():
    """conftest.py switches this on for every test."""
    assert np.isnan(memory.empty((2, 3), np.float32)).all()
    assert (memory.empty(3, np.int64) == np.iinfo(np.int64).min).all()


def test_the_switch_returns_what_was_set():
    assert memory.fill_new_arrays_with_nan(False) is True
    assert memory.fill_new_arrays_with_nan(True) is False


@pytest.mark.parametrize("make", [memory.empty, memory.zeros])
def test_new_arrays_are_as_asked_for(make):
    array = make((2, 0, 3), np.float64)
    assert (array.shape, array.dtype, array.flags.c_contiguous) == ((2, 0, 3), np.float64, True)
    assert not memory.zeros(4, np.float32).any()


def _read_only(array):
    array.flags.writeable = False
    return array


def _unaligned(array):
    raw = np.zeros(array.nbytes + 1, np.uint8)
    view = raw[1:].view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


AWKWARD = {
    "transposed": lambda a: np.asfortranarray(a),
    "strided": lambda a: np.repeat(a, 2, axis=1)[:, ::2],
    "reversed": lambda a: a[::-1].copy()[::-1],
    "read-only": lambda a: _read_only(a.copy()),
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "unaligned": _unaligned,
    "broadcast": lambda a: np.broadcast_to(a, (2, *a.shape))[1],
    "list": lambda a: a.tolist(),
}


@pytest.mark.parametrize("make", AWKWARD.values(), ids=AWKWARD)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_readable_gives_every_array_the_one_layout(make, dtype):
    plain = np.arange(12).reshape(3, 4).astype(dtype)
    awkward = make(plain)
    fit = memory.readable(awkward)
    flags = fit.flags
    assert flags.c_contiguous and flags.aligned and flags.writeable and fit.dtype.isnative
    assert np.array_equal(fit, plain)


def test_readable_does_not_copy_what_is_fit():
    array = np.ones((3, 4), np.float32)
    assert np.shares_memory(memory.readable(array), array)


def test_asking_for_an_array_runs_no_python():
    # the checks ask several times for each operation; an abstract class made small training steps one twentieth slower
    assert all(type(kind) is type for kind in Array)
    assert isinstance(np.zeros(1), Array) and not isinstance([0.0], Array)
