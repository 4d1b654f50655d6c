"""Threads and folders as `mediml doctor` finds them."""

import os
from types import SimpleNamespace

import pytest

from kernels import parallel
from mediml.checkup import machine
from mediml.checkup.findings import NOTE, OK


@pytest.mark.parametrize(
    ("environment", "name", "state", "fix"),
    [({}, "threads", OK, ""), ({"NUMBA_NUM_THREADS": "9"}, "threads", NOTE, "NUMBA_NUM_THREADS=4"),
     ({"OMP_NUM_THREADS": "1"}, "threads", NOTE, "unset"),
     ({"OMP_NUM_THREADS": "x"}, "OMP_NUM_THREADS", NOTE, "1 to 4")],
)  # fmt: skip
def test_threads(found, monkeypatch, environment, name, state, fix):
    monkeypatch.setattr(parallel, "_thread_count", None)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {0, 1, 2, 3}, raising=False)
    monkeypatch.setattr(machine, "cpu_quota", lambda: None)
    for variable in machine._VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    finding = found(machine.threads)[name]
    assert finding.state == state and fix in finding.fix


def test_a_containers_share_of_the_cores(found, monkeypatch, tmp_path):
    assert machine.cpu_quota(tmp_path) is None
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("150000\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert machine.cpu_quota(tmp_path) == 1.5
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert machine.cpu_quota(tmp_path) is None
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    assert machine.cpu_quota(tmp_path) == 0.5
    monkeypatch.setattr(machine, "cpu_quota", lambda: 0.5)
    monkeypatch.setattr(parallel, "_thread_count", 2)
    findings = found(machine.threads)
    assert "0.5 of the cores" in findings["quota"].text and "NUMBA_NUM_THREADS=1" in findings["threads"].fix


def test_folders(found, monkeypatch, tmp_path):
    monkeypatch.setenv("MEDIML_DATA_DIR", str(tmp_path / "not" / "there"))
    space = SimpleNamespace(free=50e9)
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda path: space)
    finding = found(machine.places)["data"]
    assert finding.state == OK and "not there yet, 50.0 GB free" in finding.text
    space.free = 1e9
    assert found(machine.places)["data"].state == NOTE
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MEDIML_DATA_DIR", str(tmp_path / "file"))
    finding = found(machine.places)["data"]
    assert "cannot be written" in finding.text and "MEDIML_DATA_DIR" in finding.fix
