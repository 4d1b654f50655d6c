"""What `mediml doctor` tries in another process: children that fail or die, the driver, copies of OpenMP."""

import ctypes
import os

from mediml.checkup import software, trials


def test_a_trial_that_raises_dies_or_never_ends(monkeypatch, tmp_path):
    assert "KeyError: 'unheard-of' (exit status 1)" in trials.attempt("unheard-of").failure
    if os.name != "posix":
        return
    for text, seconds, failure, signal in (
        ("kill -ILL $$", 20, "the process was ended by signal 4", 4),
        ("exec sleep 20", 0.2, "gave no answer within 0 s", 0),
    ):
        program = tmp_path / "python"
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
        monkeypatch.setattr(trials.sys, "executable", str(program))
        tried = trials.attempt("kernel", seconds)
        assert (tried.failure, tried.signal) == (failure, signal)
    monkeypatch.setattr(trials.sys, "executable", str(tmp_path / "missing"))
    assert "no process could be started" in trials.attempt("kernel").failure


def test_the_kernels_values_are_those_by_hand():
    x, weight = [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]], [[1, 2], [3, 4]]
    by_hand = [
        [sum(weight[a][b] * x[r + a][c + b] for a in (0, 1) for b in (0, 1)) for c in range(3)] for r in range(2)
    ]
    assert software._EXPECTED == by_hand == trials.run_kernel()["values"]


def test_copies_of_openmp_in_a_process():
    maps = """7f00-7f01 r-xp 0 08:01 1 /usr/lib/x86_64-linux-gnu/libgomp.so.1.0.0
7f02-7f03 r-xp 0 08:01 1 /usr/lib/x86_64-linux-gnu/libgomp.so.1.0.0
7f04-7f05 r-xp 0 08:01 2 /venv/torch/lib/libgomp-98b21ff3.so.1
7f06-7f07 r-xp 0 08:01 3 /venv/libiomp5.so
7f08-7f09 r-xp 0 08:01 4 /usr/lib/libc.so.6
7f0a-7f0b rw-p 0 00:00 0 [heap]
"""
    assert trials.openmp_libraries(maps) == [
        "/usr/lib/x86_64-linux-gnu/libgomp.so.1.0.0", "/venv/libiomp5.so", "/venv/torch/lib/libgomp-98b21ff3.so.1",
    ]  # fmt: skip


class FakeDriver:
    """libcuda with one GPU, or one that answers `code`."""

    def __init__(self, code=0):
        self.code = code

    def cuInit(self, _flags):  # noqa: N802
        return self.code

    def cuDriverGetVersion(self, version):  # noqa: N802
        version._obj.value = 12040

    def cuGetErrorString(self, _code, text):  # noqa: N802
        text._obj.value = b"system not yet initialized"

    def cuDeviceGetCount(self, count):  # noqa: N802
        count._obj.value = 1

    def cuDeviceGet(self, device, ordinal):  # noqa: N802
        device._obj.value = ordinal

    def cuDeviceGetName(self, name, _length, _device):  # noqa: N802
        name.value = b"Tesla P4"

    def cuDeviceTotalMem_v2(self, memory, _device):  # noqa: N802
        memory._obj.value = 8 * 2**30

    def cuDeviceGetAttribute(self, value, attribute, _device):  # noqa: N802
        value._obj.value = {75: 6, 76: 1}[attribute]


def test_the_driver_is_asked_without_a_package(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: FakeDriver())
    assert trials.ask_driver() == {
        "driver": 12040, "code": 0, "gpus": [{"name": "Tesla P4", "capability": [6, 1], "memory": 8 * 2**30}],
    }  # fmt: skip
    monkeypatch.setattr(ctypes, "CDLL", lambda name: FakeDriver(802))
    assert trials.ask_driver() == {"driver": 12040, "code": 802, "gpus": [], "error": "system not yet initialized"}

    def no_library(name):
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", no_library)
    assert trials.ask_driver() == {"driver": None}
