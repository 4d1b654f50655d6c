"""Arrays handed to other libraries and taken from them share memory and live as long as somebody needs them.

In the simulator the memory is the host's, so NumPy and torch (for the CPU) are the others.
"""

import gc
import sys
import weakref

import numpy as np
import pytest
from test_ufuncs import same

from kernels.gpu import exchange
from kernels.gpu.memory import usage
from kernels.gpu.target import SIMULATED
from kernels.gpu.transfer import to_device

on_host = pytest.mark.skipif(not SIMULATED, reason="NumPy takes arrays in host memory only")
DTYPES = ("float16", "float32", "float64", "int8", "int32", "int64", "uint8", "bool")


class Interface:
    """What has a CUDA Array Interface."""

    def __init__(self, array, **more):
        found = dict(array.__array_interface__)
        found.pop("descr", None)
        self.array, self.__cuda_array_interface__ = array, {**found, "version": 3, **more}


@on_host
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_round_trip_keeps_memory_and_strides(dtype):
    a = (np.arange(24).reshape(2, 3, 4) % 2).astype(dtype)
    x = to_device(a)
    for view, wanted in ((x, a), (x.T, a.T), (x[1, ::-1, 1:], a[1, ::-1, 1:]), (x[0, 0, 0], a[0, 0, 0])):
        other = np.from_dlpack(view)
        np.testing.assert_array_equal(other, wanted)
        assert other.__array_interface__["data"][0] == view.pointer and other.strides == view.strides
        back = exchange.from_dlpack(view)
        assert (back.pointer, back.shape, back.strides, back.dtype) == (
            view.pointer, view.shape, view.strides, view.dtype,
        )  # fmt: skip
        same(back, wanted)


@on_host
def test_torch_shares_memory():
    torch = pytest.importorskip("torch")
    x = to_device(np.zeros((2, 3), np.float32))
    t = torch.from_dlpack(x)
    assert t.data_ptr() == x.pointer
    t[1] = 5
    x[0] = 2
    assert t.tolist() == x.tolist() == [[2, 2, 2], [5, 5, 5]]
    t = torch.arange(6.0).reshape(2, 3)
    y = exchange.from_dlpack(t.T)
    assert y.pointer == t.data_ptr() and y.shape == (3, 2)
    y += 1
    assert t.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert exchange.from_dlpack(torch.empty(0, 3)).shape == (0, 3)


@on_host
def test_what_is_handed_out_lives_until_it_is_given_back():
    gc.collect()
    held, used = len(exchange._handed_out), usage().bytes_in_use
    x = to_device(np.arange(100.0))
    n, m = np.from_dlpack(x), np.from_dlpack(x[50:])
    del x
    gc.collect()
    assert usage().bytes_in_use > used and len(exchange._handed_out) == held + 2
    assert m[0] == 50
    del n  # in any order
    assert m[49] == 99 and len(exchange._handed_out) == held + 1
    del m
    gc.collect()
    assert len(exchange._handed_out) == held and usage().bytes_in_use == used


@on_host
def test_a_capsule_that_nobody_takes_lets_its_array_go():
    held = len(exchange._handed_out)
    capsule = to_device(np.zeros(3)).__dlpack__()
    assert len(exchange._handed_out) == held + 1
    del capsule
    assert len(exchange._handed_out) == held


@on_host
def test_the_giver_is_asked_to_let_go_once_when_the_last_view_is_gone():
    a = np.arange(6.0)
    before = sys.getrefcount(a)
    x = exchange.from_dlpack(a)
    view = x[2:4]
    del x
    gc.collect()
    assert sys.getrefcount(a) == before + 1
    same(view, a[2:4])
    del view
    gc.collect()
    assert sys.getrefcount(a) == before


@on_host
def test_a_capsule_is_taken_once():
    class Giver:
        capsule = np.zeros(3).__dlpack__()

        def __dlpack__(self, **options):
            return self.capsule

        def __dlpack_device__(self):
            return 1, 0

    exchange.from_dlpack(Giver())
    with pytest.raises(ValueError, match="PyCapsule"):
        exchange.from_dlpack(Giver())


@on_host
def test_the_array_interface_of_others():
    a = np.arange(12, dtype=np.float32).reshape(3, 4)
    source = Interface(a.T)
    x = exchange.from_cuda_array_interface(source)
    assert x.pointer == a.__array_interface__["data"][0]
    same(x, a.T)
    alive = weakref.ref(source)
    del source
    gc.collect()
    assert alive() is not None
    del x
    gc.collect()
    assert alive() is None
    with pytest.raises(TypeError, match="mask"):
        exchange.from_cuda_array_interface(Interface(a, mask=a))


def test_what_cannot_be_exchanged():
    x = to_device(np.zeros(3))
    with pytest.raises(BufferError, match="lies on device"):
        x.__dlpack__(dl_device=(8, 0))

    class Elsewhere:
        def __dlpack_device__(self):
            return 8, 0

    with pytest.raises(BufferError, match=r"got \(8, 0\)"):
        exchange.from_dlpack(Elsewhere())


@on_host
def test_the_simulators_arrays_have_no_cuda_array_interface():
    assert not hasattr(to_device(np.zeros(3)), "__cuda_array_interface__")


def test_the_cuda_array_interface(monkeypatch):
    x = to_device(np.zeros((2, 3), np.float32))
    monkeypatch.setattr(exchange, "memory_is_host", lambda: False)
    found, strided = x.__cuda_array_interface__, x.T.__cuda_array_interface__
    assert found == {"shape": (2, 3), "typestr": "<f4", "data": (x.pointer, False), "version": 3, "strides": None,
                     "stream": 1}  # fmt: skip
    assert strided["strides"] == (4, 12)
