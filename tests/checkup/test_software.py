"""Each fault of Python, packages and kernels that `mediml doctor` can find, planted."""

import os
import re
import sys
from pathlib import Path

import pytest

import kernels
from kernels import jit
from mediml.checkup import gpu, software
from mediml.checkup.findings import FAULT, NOTE, OK
from mediml.checkup.trials import Attempt

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]


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
def test_a_package_that_is_missing_too_old_or_too_new(found, versions, name, version, fault):
    versions(**{name: version})
    finding = found(software.packages)[name]
    assert (finding.state, finding.stops) == ((FAULT, True) if fault else (OK, False))
    if fault:
        assert finding.text.startswith(fault) and f'"{name}>=' in finding.fix


def test_numba_that_cannot_be_imported(found, monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    finding = found(software.packages)["import numba"]
    assert finding.stops and "--force-reinstall numba llvmlite" in finding.fix


def test_kernels_switched_to_python_are_noted(found, monkeypatch):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    assert found(software.packages)["NUMBA_DISABLE_JIT"].state == NOTE


@pytest.mark.parametrize(("version", "state"), [((3, 9), FAULT), ((3, 12), OK), ((3, 15), NOTE)])
def test_python(found, monkeypatch, version, state):
    monkeypatch.setattr(software.sys, "version_info", version)
    assert found(software.python)["interpreter"].state == state


def test_kernels_of_another_project_or_another_copy(found, monkeypatch, tmp_path):
    assert found(software.kernels_package)["kernels"].state == OK
    monkeypatch.setattr(kernels, "__file__", str(tmp_path / "kernels" / "__init__.py"))
    assert "of another copy" in found(software.kernels_package)["kernels"].text
    monkeypatch.setattr(kernels, "PROJECT", "theirs")
    assert "another project's" in found(software.kernels_package)["kernels"].text


def test_the_cache_of_kernels(found, monkeypatch, tmp_path):
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


def test_a_cache_that_cannot_be_written(found, monkeypatch):
    def refuse(_source):
        raise OSError("no directory can be written")

    monkeypatch.setattr(jit, "cache_directory", refuse)
    finding = found(software.cache)["folder"]
    assert finding.state == NOTE and "NUMBA_CACHE_DIR" in finding.fix


def test_a_kernel_that_dies_errs_or_is_right(found, trial):
    trial(kernel={"values": [[34, 44, 54], [74, 84, 94]], "seconds": 0.5})
    assert found(software.kernel_run)["convolution"].state == OK
    trial(kernel={"values": [[34, 44, 54], [74, 84, float("nan")]], "seconds": 0.5})
    assert found(software.kernel_run)["convolution"].stops
    trial(kernel=Attempt(failure="the process was ended by signal 4", signal=4))
    finding = found(software.kernel_run)["convolution"]
    assert finding.stops and "NUMBA_CPU_NAME=generic" in finding.fix


def test_an_extra_that_is_missing(found, versions):
    versions(nibabel=None)
    finding = found(software.extras)["nifti"]
    assert finding.state == NOTE and '".[nifti]"' in finding.fix and "volumes" in finding.text


def test_the_line_that_installs_an_extra(monkeypatch, tmp_path):
    assert software.install(extra="torch").startswith('python -m pip install -c constraints.txt -e ".[torch]"')
    monkeypatch.setattr(software, "__file__", str(tmp_path / "mediml" / "checkup" / "software.py"))
    assert software.install(extra="torch") == 'python -m pip install "mediml[torch]"'
