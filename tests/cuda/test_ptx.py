"""Every call of this folder's files compiles for three generations of GPUs, and float32 stays float32."""

import importlib
import math
from pathlib import Path

import numpy as np
import pytest

from kernels.gpu import arguments, launch, ptx
from kernels.gpu.matmul_blocked import LARGE, LARGE_DOUBLE, MEDIUM
from kernels.gpu.memory import empty
from kernels.gpu.transfer import to_device
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


def _of_many_kinds(x, nothing, yes, count, pair, empty_tuple, half, byte):
    if yes and nothing is None:
        x[0] = count


def test_arguments_are_handed_over_as_the_compiled_kernel_expects_them(monkeypatch):
    def launches():
        of_many_kinds = launch.kernel(_of_many_kinds)  # a new one: what came of the last is remembered
        with ptx.compiling(targets=((7, 5),)) as compiled:
            x = empty((3, 2), "float32").reshape(-1)
            tuples = (1, (2, np.float32(3)), None), ()
            of_many_kinds[1, 32](x, None, True, 3, *tuples, np.float16(1), np.uint8(1))
            of_many_kinds[1, 32](x[::-1], x[:0], np.bool_(True), np.int32(3), *tuples, np.float16(1), np.int64(1))
        return compiled.failures

    assert not launches()
    monkeypatch.setattr(arguments.NothingAsZero, "prepare_args", lambda self, kind, value, **_: (kind, value))
    assert "launched with NotImplementedError" in launches()[0]


def _large_products(dtype):
    a = empty((1, 128, 128), dtype)
    for blocked in ((LARGE_DOUBLE if dtype == "float64" else LARGE), MEDIUM):
        blocked.launch(a, a, None, True, a, False, 1, 128)


def _recurrent(dtype):
    for call in importlib.import_module("test_rnn").CALLS:
        call.on_device(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("work", [_large_products, _recurrent])
def test_blocks_of_many_threads_or_registers_can_be_launched(work, dtype, monkeypatch):
    threads = {}
    with ptx.compiling(targets=((7, 5),), keep=True) as compiled:
        compile_instead = launch.engine

        def engine(launched, blocks, block, arguments):
            name = f"{launched.__module__}.{launched.__name__}"
            threads[name] = max(threads.get(name, 0), math.prod(block))
            compile_instead(launched, blocks, block, arguments)

        monkeypatch.setattr(launch, "engine", engine)
        work(dtype)
        monkeypatch.setattr(launch, "engine", compile_instead)
    most = {
        name: 512 if name.startswith("kernels.rnn") and "carry" in name else count for name, count in threads.items()
    }
    for (name, _, capability), text in compiled.ptx.items():
        found = ptx.resources(text, capability)
        assert found.fits(most[name]) and not found.spilled, (name, most[name], found)


def test_what_is_only_compiled_gives_zeros_also_in_memory_that_is_used_again():
    """What reads a count that no kernel has written must not find what lay there before."""
    with ptx.compiling(ptx.TARGETS[:1]):
        for _ in range(3):
            used = to_device(np.full(64, -1, np.int64))
            del used
            assert not empty(64, np.int64).get().any()
