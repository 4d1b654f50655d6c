"""Each state of PyTorch and CUDA that `mediml doctor` can find, planted."""

from importlib import metadata
from types import SimpleNamespace

import pytest

from mediml.checkup import gpu
from mediml.checkup.findings import FAULT, NOTE, OK
from mediml.checkup.trials import Attempt


@pytest.mark.parametrize(
    ("text", "build"),
    [("cuda: Optional[str] = None\n", "built for the CPU"), ("cuda: Optional[str] = '13.0'\n", "built for CUDA 13.0"),
     ("debug = False\ncuda = '12.8'\n", "built for CUDA 12.8"), ("", "its build is unknown")],
)  # fmt: skip
def test_pytorchs_build(found, monkeypatch, versions, trial, text, build):
    versions(torch="2.13.0")
    trial(torch={"libraries": ["/a/libgomp.so.1"]})
    monkeypatch.setattr(metadata, "distribution", lambda name: SimpleNamespace(read_text=lambda path: text))
    findings = found(gpu.torch)
    assert findings["torch"].text == f"2.13.0, {build}" and findings["OpenMP"].state == OK


def test_pytorch_missing_broken_or_with_a_second_openmp(found, monkeypatch, versions, trial):
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
def test_cuda(found, monkeypatch, trial, versions, driver, cuda, version, wheels, name, state, words):
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


def test_hidden_gpus(found, monkeypatch, trial):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    trial(driver={"driver": 13000, "code": 100, "gpus": [], "error": "no device"}, cuda=OWN)
    assert "unset CUDA_VISIBLE_DEVICES" in found(gpu.cuda)["driver"].fix
