"""Every call of this folder's files compiles for three generations of GPUs, and float32 stays float32."""

import importlib
from pathlib import Path

import pytest

from kernels.gpu import ptx
from mediml import cli
from mediml.verify import runner

HERE = Path(__file__).parent
FILES = sorted(path.stem for path in HERE.glob("test_*.py") if "CALLS" in path.read_text() and path.stem != "test_ptx")
#: Files without reference to compare with: those of NumPy's functions on device arrays. Each has ``run_all(dtype)``.
NUMPY_FILES = sorted(path.stem for path in HERE.glob("test_*.py") if "\ndef run_all(dtype):" in path.read_text())

#: To find the place in its period of an angle above 105615, NVIDIA's functions multiply by float64 once.
REDUCES_LARGE_ANGLES = ("kernels.gpu.ufuncs.cos", "kernels.gpu.ufuncs.sin", "kernels.gpu.ufuncs.tan")

pytestmark = [pytest.mark.anywhere, pytest.mark.skipif(ptx.problem() is not None, reason=str(ptx.problem()))]


@pytest.mark.parametrize("stem", FILES)
def test_the_kernels_of_a_family_compile(stem, tell):
    module = importlib.import_module(stem)
    with ptx.compiling() as compiled:
        for call in module.CALLS:
            for dtype in ("float32", "float64"):
                call.on_device(dtype)
    tell(f"{stem[5:]}: {compiled.signatures} signatures of {len(compiled.kernels)} CUDA kernels compiled")
    assert compiled.signatures
    assert not compiled.failures, "\n".join(compiled.failures[:5])


@pytest.mark.parametrize("family", runner.all_cases())
def test_what_mediml_verify_launches_compiles(family, tell):
    compiled = runner.compile_for_cuda(runner.all_cases()[family])
    tell(f"verify {family}: {compiled.signatures} signatures of {len(compiled.kernels)} CUDA kernels compiled")
    assert compiled.signatures
    assert not compiled.failures, "\n".join(compiled.failures[:5])


def test_the_command_counts_what_it_compiled(capsys):
    assert cli.main(["verify", "--ptx", "--op", "relu", "--dtype", "float32"]) == 0
    assert "each for 3 kinds of GPU (sm_75, sm_80, sm_90); 0 failed" in capsys.readouterr().out


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool"])
@pytest.mark.parametrize("stem", NUMPY_FILES)
def test_numpys_functions_compile(stem, dtype, tell):
    module = importlib.import_module(stem)
    # nothing here depends on the generation but what NVVM makes of it: once for all three is enough
    with ptx.compiling(ptx.TARGETS if dtype == "float32" else ptx.TARGETS[:1]) as compiled:
        module.run_all(dtype)
    tell(f"{stem[5:]}, {dtype}: {compiled.signatures} signatures of {len(compiled.kernels)} CUDA kernels compiled")
    failures = [
        text
        for text in compiled.failures
        if not (text.startswith(REDUCES_LARGE_ANGLES) and text.endswith("computes in float64"))
    ]
    assert compiled.signatures
    assert not failures, "\n".join(failures[:5])
