"""`mediml doctor`: real probes once, and each fault that they can find, planted."""

import ctypes
import json
import os
import re
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest

import kernels
from kernels import jit, parallel
from mediml import cli
from mediml.checkup import gpu, machine, probes, report, software, trials
from mediml.checkup.findings import FAULT, NOTE, OK, Finding, Probe, Section, examine
from mediml.checkup.trials import Attempt

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent


def found(look):
    """The findings of a probe by name; whatever is a fault says what to do."""
    findings = list(look())
    assert all(finding.fix for finding in findings if finding.state == FAULT)
    assert all(finding.state == FAULT for finding in findings if finding.stops)
    return {finding.name: finding for finding in findings}


@pytest.fixture
def trial(monkeypatch):
    """Let trials come out as the test says: ``trial(driver={...}, cuda=Attempt(failure="..."))``."""

    def come_out(**outcomes):
        def attempt(name, seconds=None):
            outcome = outcomes[name]
            return outcome if isinstance(outcome, Attempt) else Attempt(outcome)

        monkeypatch.setattr(software, "attempt", attempt)
        monkeypatch.setattr(gpu, "attempt", attempt)

    return come_out


@pytest.fixture
def versions(monkeypatch):
    """Let packages be installed in the versions that the test says; None: not installed."""

    def be(**chosen):
        def version_of(name):
            key = name.replace("-", "_")
            return chosen[key] if key in chosen else software_version_of(name)

        monkeypatch.setattr(software, "version_of", version_of)
        monkeypatch.setattr(gpu, "version_of", version_of)

    software_version_of = software.version_of
    return be


# -- the command ---------------------------------------------------------------------------------------------------


def test_the_command_on_this_machine(capsys, tmp_path):
    path = tmp_path / "findings.json"
    assert cli.main(["doctor", "--json", str(path)]) == 0
    text, content = capsys.readouterr().out, json.loads(path.read_text())
    assert content["works"] is True and content["verdict"] in text.splitlines()[-1]
    assert list(dict.fromkeys(f["section"] for f in content["findings"])) == [p.title for p in probes.PROBES]
    lines = {finding["name"]: finding for finding in content["findings"]}
    assert not [finding for finding in content["findings"] if finding["name"] == "this check"]
    assert lines["kernels"]["text"] == str(Path(kernels.__file__).resolve().parent)
    assert lines["convolution"]["text"].startswith("right")
    assert "numba.cuda" in lines and "driver" in lines
    for finding in content["findings"]:
        assert finding["text"] in text and finding["fix"] in text


def test_the_exit_status_says_whether_ordinary_work_stops(monkeypatch, capsys):
    faults = [Finding("a", "broken", FAULT, "mend it", stops=True), Finding("b", "broken", FAULT, "mend it")]
    for count, status, words in ((1, 0, "1 fault, 0 notes: ordinary work, on the CPU, can"), (0, 1, "1 of them stops")):
        monkeypatch.setattr(probes, "PROBES", (Probe("part", lambda count=count: faults[count:]),))
        assert cli.main(["doctor"]) == status
        assert words in capsys.readouterr().out
        assert cli.main(["doctor", "--json", "-"]) == status
        assert json.loads(capsys.readouterr().out)["works"] is (status == 0)


def test_the_text_is_aligned_and_the_way_out_stands_below():
    sections = [Section("one", (Finding("a", "x"), Finding("long name", "y", FAULT, "do this"))), Section("two", ())]
    assert report.as_text(sections).splitlines() == [
        "one",
        "  ok     a          x",
        "  FAULT  long name  y",
        "                    -> do this",
        "two",
        "",
        "1 fault, 0 notes: ordinary work, on the CPU, can go on",
    ]


def test_a_probe_that_fails_stops_no_other():
    class Panic(BaseException):
        pass

    def half():
        yield Finding("a", "found")
        raise Panic("no\nway")

    def broken():
        raise OSError("gone")

    sections = examine([Probe("half", half), Probe("broken", broken), Probe("whole", lambda: [Finding("b", "found")])])
    assert [f.text for s in sections for f in s.findings] == [
        "found", "could not be made: Panic: no way", "could not be made: OSError: gone", "found",
    ]  # fmt: skip
    assert {f.state for s in sections for f in s.findings} == {OK, NOTE}


def test_ctrl_c_is_no_finding():
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        examine([Probe("one", interrupted)])


# -- packages and kernels ------------------------------------------------------------------------------------------


def test_the_packages_are_those_of_pyproject():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {}
    for line in project["dependencies"]:
        name, least, _, too_new = re.fullmatch(r"([\w-]+)>=([\d.]+)(,<([\d.]+))?(?:;.*)?", line).groups()
        wanted[name] = (least, too_new or "")
    wanted.pop("tomli")  # for Python 3.10
    assert wanted == software.REQUIRED
    extras = {
        name: tuple(re.split(r"[>=\[]", line)[0] for line in lines if not line.startswith("mediml"))
        for name, lines in project["optional-dependencies"].items()
    }
    assert {name: packages for name, (packages, _) in software.EXTRAS.items()} == {
        name: packages for name, packages in extras.items() if name not in ("torch", "cuda", "cuda12", "dev")
    }
    assert project["optional-dependencies"]["torch"] == [f"torch>={gpu._LEAST_TORCH}"]
    assert project["optional-dependencies"]["cuda"] == [f"numba-cuda[cu13]>={gpu._LEAST_NUMBA_CUDA}"]
    least, newest = software._PYTHONS
    assert project["requires-python"] == ">={}.{}".format(*least)
    assert "Programming Language :: Python :: {}.{}".format(*newest) in project["classifiers"]


@pytest.mark.parametrize(
    ("name", "version", "fault"),
    [("numpy", None, "not installed; mediml needs 2.1 or later"), ("numba", "0.61.2", "0.61.2; mediml needs 0.68"),
     ("pydicom", "4.0.0", "4.0.0; mediml needs 3.0.2 or later, below 4"), ("numpy", "2.1.0rc1", None)],
)  # fmt: skip
def test_a_package_that_is_missing_too_old_or_too_new(versions, name, version, fault):
    versions(**{name: version})
    finding = found(software.packages)[name]
    assert (finding.state, finding.stops) == ((FAULT, True) if fault else (OK, False))
    if fault:
        assert finding.text.startswith(fault) and f'"{name}>=' in finding.fix


def test_numba_that_cannot_be_imported(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    finding = found(software.packages)["import numba"]
    assert finding.stops and "--force-reinstall numba llvmlite" in finding.fix


def test_kernels_switched_to_python_are_noted(monkeypatch):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    assert found(software.packages)["NUMBA_DISABLE_JIT"].state == NOTE


@pytest.mark.parametrize(("version", "state"), [((3, 9), FAULT), ((3, 12), OK), ((3, 15), NOTE)])
def test_python(monkeypatch, version, state):
    monkeypatch.setattr(software.sys, "version_info", version)
    assert found(software.python)["interpreter"].state == state


def test_kernels_of_another_project_or_another_copy(monkeypatch, tmp_path):
    assert found(software.kernels_package)["kernels"].state == OK
    monkeypatch.setattr(kernels, "__file__", str(tmp_path / "kernels" / "__init__.py"))
    assert "of another copy" in found(software.kernels_package)["kernels"].text
    monkeypatch.setattr(kernels, "PROJECT", "theirs")
    assert "another project's" in found(software.kernels_package)["kernels"].text


def test_the_cache_of_kernels(monkeypatch, tmp_path):
    monkeypatch.setattr(jit.config, "CACHE_DIR", str(tmp_path))
    assert "none yet" in found(software.cache)["compiled code"].text
    folder = next(tmp_path.glob("mediml-conv-*"))
    (folder / "kernel.nbc").write_bytes(b"x" * 2_000_000)
    assert found(software.cache)["compiled code"].text == "2.0 MB in 1 files"
    if os.name == "posix":
        assert "permissions" not in found(software.cache)
        tmp_path.chmod(0o777)
        finding = found(software.cache)["permissions"]
        assert finding.state == FAULT and not finding.stops


def test_a_cache_that_cannot_be_written(monkeypatch):
    def refuse(_source):
        raise OSError("no directory can be written")

    monkeypatch.setattr(jit, "cache_directory", refuse)
    finding = found(software.cache)["folder"]
    assert finding.state == NOTE and "NUMBA_CACHE_DIR" in finding.fix


def test_a_kernel_that_dies_errs_or_is_right(trial):
    trial(kernel={"values": [[34, 44, 54], [74, 84, 94]], "seconds": 0.5})
    assert found(software.kernel_run)["convolution"].state == OK
    trial(kernel={"values": [[34, 44, 54], [74, 84, float("nan")]], "seconds": 0.5})
    assert found(software.kernel_run)["convolution"].stops
    trial(kernel=Attempt(failure="the process was ended by signal 4", signal=4))
    finding = found(software.kernel_run)["convolution"]
    assert finding.stops and "NUMBA_CPU_NAME=generic" in finding.fix


def test_an_extra_that_is_missing(versions):
    versions(nibabel=None)
    finding = found(software.extras)["nifti"]
    assert finding.state == NOTE and '".[nifti]"' in finding.fix and "volumes" in finding.text


def test_the_line_that_installs_an_extra(monkeypatch, tmp_path):
    assert software.install(extra="torch").startswith('python -m pip install -c constraints.txt -e ".[torch]"')
    monkeypatch.setattr(software, "__file__", str(tmp_path / "mediml" / "checkup" / "software.py"))
    assert software.install(extra="torch") == 'python -m pip install "mediml[torch]"'


# -- trials --------------------------------------------------------------------------------------------------------


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


# -- threads and folders -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "name", "state", "fix"),
    [({}, "threads", OK, ""), ({"NUMBA_NUM_THREADS": "9"}, "threads", NOTE, "NUMBA_NUM_THREADS=4"),
     ({"OMP_NUM_THREADS": "1"}, "threads", NOTE, "unset"),
     ({"OMP_NUM_THREADS": "x"}, "OMP_NUM_THREADS", NOTE, "1 to 4")],
)  # fmt: skip
def test_threads(monkeypatch, environment, name, state, fix):
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


def test_a_containers_share_of_the_cores(monkeypatch, tmp_path):
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


def test_folders(monkeypatch, tmp_path):
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


# -- PyTorch and CUDA ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "build"),
    [("cuda: Optional[str] = None\n", "built for the CPU"), ("cuda: Optional[str] = '13.0'\n", "built for CUDA 13.0"),
     ("debug = False\ncuda = '12.8'\n", "built for CUDA 12.8"), ("", "its build is unknown")],
)  # fmt: skip
def test_pytorchs_build(monkeypatch, versions, trial, text, build):
    versions(torch="2.13.0")
    trial(torch={"libraries": ["/a/libgomp.so.1"]})
    monkeypatch.setattr(metadata, "distribution", lambda name: SimpleNamespace(read_text=lambda path: text))
    findings = found(gpu.torch)
    assert findings["torch"].text == f"2.13.0, {build}" and findings["OpenMP"].state == OK


def test_pytorch_missing_broken_or_with_a_second_openmp(monkeypatch, versions, trial):
    versions(torch=None)
    assert found(gpu.torch)["torch"].state == NOTE
    versions(torch="2.13.0")
    monkeypatch.setattr(gpu, "_build", lambda: "built for the CPU")
    trial(torch={"libraries": ["/a/libgomp.so.1", "/b/libgomp-1.so"]})
    finding = found(gpu.torch)["OpenMP"]
    assert finding.state == NOTE and "2 copies" in finding.text and "OMP_WAIT_POLICY" in finding.fix
    trial(torch=Attempt(failure="ImportError: libcudart.so.13 (exit status 1)"))
    finding = found(gpu.torch)["import torch"]
    assert finding.state == FAULT and not finding.stops
    trial(torch={"libraries": None})
    assert set(found(gpu.torch)) == {"torch"}


def test_packages_of_cuda_by_version():
    wheels = [
        ("nvidia-cublas-cu12", "12.8"), ("nvidia_cuda_nvrtc", "13.0.1"), ("cuda.bindings", "13.1"),
        ("nvidia-cufft", "12.0"), ("nvidia-nccl-cu13", "2.29"), ("numba-cuda", "0.30"), ("nvidia-nvvm", "13.0"),
    ]  # fmt: skip
    assert gpu.wheels_by_cuda(wheels) == {
        12: ["nvidia-cublas-cu12"], 13: ["cuda-bindings", "nvidia-cuda-nvrtc", "nvidia-nccl-cu13", "nvidia-nvvm"],
    }  # fmt: skip


H200 = {"name": "NVIDIA H200", "capability": [9, 0], "memory": 139 * 2**30}
NEW = {"driver": 13000, "code": 0, "gpus": [H200]}
NONE = {"driver": None}
RIGHT = {
    "implementation": "NVIDIA", "file": "", "simulated": False, "problem": None, "compiling": None,
    "values": [[19, 22], [43, 50]],
}  # fmt: skip
OWN = {**RIGHT, "implementation": "Built-in", "problem": "not installed", "compiling": "not installed"}
MISSING = {**RIGHT, "problem": "numba-cuda finds no NVIDIA driver and GPU; without a GPU, more words", "values": None}
CU13 = {13: ["cuda-toolkit", "nvidia-nvvm"]}


@pytest.mark.parametrize(
    ("driver", "cuda", "version", "wheels", "name", "state", "words"),
    [
        (NEW, RIGHT, "0.30.4", CU13, "matrix product", OK, "right, on the GPU"),
        (NEW, RIGHT, "0.30.4", CU13, "GPU 0", OK, "NVIDIA H200, compute capability 9.0, 139 GiB"),
        (NEW, RIGHT, "0.30.4", CU13, "driver", OK, "for CUDA 13.0"),
        (NONE, OWN, None, {}, "driver", NOTE, "no NVIDIA driver"),
        (NONE, OWN, None, {}, "numba-cuda", NOTE, "not needed without a GPU"),
        (NONE, OWN, None, {}, "numba.cuda", OK, "numba itself"),
        (NONE, MISSING, "0.30.4", CU13, "compiling", OK, "can be compiled"),
        (NONE, {**RIGHT, "simulated": True}, None, {}, "simulator", NOTE, "on"),
        (NONE, {**RIGHT, "simulated": True}, None, {}, "matrix product", OK, "right, in the simulator"),
        (NEW, OWN, None, {}, "numba-cuda", NOTE, '".[cuda]"'),
        ({**NEW, "driver": 12040}, OWN, None, {}, "numba-cuda", NOTE, '".[cuda12]"'),
        (NEW, RIGHT, "0.29.1", CU13, "numba-cuda", FAULT, "needs 0.30"),
        (NEW, {**OWN, "compiling": None}, "0.30.4", CU13, "numba.cuda", FAULT, "although numba-cuda"),
        (NEW, {**RIGHT, "values": [[0, 0], [0, 0]]}, "0.30.4", CU13, "matrix product", FAULT, "wrong"),
        (NEW, MISSING, "0.30.4", CU13, "kernels", FAULT, "finds no NVIDIA driver and GPU -> "),
        (NEW, {**RIGHT, "compiling": "no NVVM"}, "0.30.4", CU13, "compiling", FAULT, "no NVVM"),
        ({**NEW, "driver": 12040}, RIGHT, "0.30.4", CU13, "libraries", FAULT, "the driver is for CUDA 12"),
        (
            {**NEW, "gpus": [{**H200, "capability": [6, 1]}]}, RIGHT, "0.30.4", CU13, "libraries", FAULT,
            "no longer compiles",
        ),
        (NEW, RIGHT, "0.30.4", {12: ["a-cu12"], **CU13}, "libraries", FAULT, "uninstall a-cu12, then"),
        ({**NEW, "driver": 12040}, RIGHT, "0.30.4", {12: ["a-cu12"], **CU13}, "libraries", FAULT, "uninstall cuda-t"),
        ({"driver": 13000, "code": 999, "gpus": [], "error": "unknown error"}, OWN, None, {}, "driver", FAULT, "999"),
        ({"driver": 13000, "code": 100, "gpus": [], "error": "no device"}, OWN, None, {}, "driver", NOTE, "nvidia-smi"),
        ({"driver": 13000, "code": 0, "gpus": []}, OWN, None, {}, "driver", NOTE, "it finds no GPU"),
        (Attempt(failure="the process was ended by signal 11"), OWN, None, {}, "driver", FAULT, "signal 11"),
        (NONE, Attempt(failure="ImportError: x"), "0.30.4", CU13, "numba.cuda", FAULT, "ImportError: x"),
        (NONE, Attempt(failure="ImportError: x"), None, {}, "numba.cuda", NOTE, "ImportError: x"),
    ],
)  # fmt: skip
def test_cuda(monkeypatch, trial, versions, driver, cuda, version, wheels, name, state, words):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(gpu, "wheels_by_cuda", lambda: wheels)
    trial(driver=driver, cuda=cuda)
    versions(numba_cuda=version)
    findings = found(gpu.cuda)
    finding = findings[name]
    assert (finding.state, words in f"{finding.text} -> {finding.fix}") == (state, True), finding
    assert not any(f.stops for f in findings.values())
    if cuda is RIGHT and state == OK:
        assert {f.state for f in findings.values()} == {OK}


def test_hidden_gpus(monkeypatch, trial):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    trial(driver={"driver": 13000, "code": 100, "gpus": [], "error": "no device"}, cuda=OWN)
    assert "unset CUDA_VISIBLE_DEVICES" in found(gpu.cuda)["driver"].fix
