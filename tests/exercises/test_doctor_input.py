"""What the doctor takes and refuses; whatever a learner writes, there is a report, and soon."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from numba import cuda, float32

from kernels.gpu.launch import kernel as our_kernel
from mediml.exercises import doctor

sys.path.insert(0, str(Path(__file__).parent))

import healthy_kernels as healthy

X = np.arange(1, 21, dtype=np.float32)


def plain(x, y):
    i = cuda.grid(1)
    if i < y.size:
        y[i] = x[i]


def test_kernels_of_every_make():
    for kernel in (plain, cuda.jit(plain), our_kernel(plain), cuda.jit(fastmath=False)(plain)):
        report = doctor.examine(kernel, 2, 16, X, np.zeros_like(X), outputs=["y"])
        assert report.ok and np.array_equal(report.arrays["y"], X)
    assert plain.__globals__["cuda"] is cuda


def test_parts_of_cuda_by_name_and_what_a_closure_holds():
    names = {"numba": __import__("numba"), "np": np}
    source = (
        "from numba.cuda import grid, shared, syncthreads, threadIdx, jit, syncwarp\n"
        "from math import exp\n"
        "def make(size):\n"
        "    @jit\n"
        "    def kernel(x, y):\n"
        "        s = shared.array(size, numba.float32)\n"
        "        s[threadIdx.x] = exp(x[grid(1)])\n"
        "        syncthreads()\n"
        "        y[grid(1)] = s[size - 1 - threadIdx.x] + np.float32(0)\n"
        "    return kernel\n"
        "@jit\n"
        "def warp(y):\n"
        "    syncwarp()\n"
    )
    if "simulator" in cuda.jit.__module__:
        pytest.skip("the simulator has no parts to import by name")
    exec(source, names)  # as from a notebook
    report = doctor.examine(names["make"](16), 1, 16, X, np.zeros(16, np.float32), outputs=["y"])
    assert report.ok, str(report)
    np.testing.assert_allclose(report.arrays["y"], np.exp(X[15::-1]), rtol=1e-6)
    assert [g.kind for g in doctor.examine(names["warp"], 1, 2, X).findings] == ["unsupported"]


@cuda.jit
def scaled(x, factor, y):
    i = cuda.grid(1)
    if i < y.size:
        y[i] = factor * x[i]
        y[i] = type_of(y[i], factor)


def type_of(value, factor):
    assert isinstance(value, np.float32) and isinstance(factor, (np.float32, float))
    return value


def test_float32_stays_float32_and_unusual_layouts_are_kept():
    big = np.arange(80, dtype=np.float32).reshape(8, 10)
    for x in (big[::2, 3], big[::-1, ::-2].T[1], np.broadcast_to(np.float32(3), 5), X[:0]):
        y = np.zeros(x.shape, np.float32)
        report = doctor.examine(scaled, 1, 16, x, np.float32(2), y)
        assert report.ok, str(report)
        assert np.array_equal(report.arrays["y"], 2 * x)


def test_arguments_that_overlap_do_so_for_the_doctor():
    x = X.copy()
    report = doctor.examine(plain, 2, 16, x[1:], x[:-1])
    assert [(g.kind, g.index) for g in report.findings] == [("race_between_blocks", 15)] or [
        g.kind for g in report.findings
    ] == ["race_between_blocks"]
    assert doctor.examine(plain, 2, 16, x, x).ok  # each thread its own element
    assert np.array_equal(x, X)


def test_wrong_arguments_are_refused_with_a_reason():
    y = np.zeros(4, np.float32)
    for arguments, error, text in [
        ((3, 1, 1, y), TypeError, r"kernel: expected a function under @cuda.jit, got int"),
        ((plain, 1, 4, y), TypeError, r"plain takes 2 arguments \(x, y\), got 1"),
        ((plain, 0, 4, y, y), ValueError, r"blocks: expected one to three positive sizes, got 0"),
        ((plain, 1, (4, 4.5), y, y), ValueError, r"threads: expected one to three positive sizes"),
        ((plain, 1, 2048, y, y), ValueError, r"threads: a block holds at most 1024, got 2048"),
        ((plain, 100000, 32, y, y), ValueError, r"at most 65536 threads, got 3200000; take a smaller"),
        ((plain, 1, 4, [1, 2], y), TypeError, r"x: expected a NumPy array, a number or a tuple of them, got list"),
        ((plain, 1, 4, np.array(["a"]), y), TypeError, r"x: expected an array of numbers, got dtype <U1"),
    ]:
        with pytest.raises(error, match=text):
            doctor.examine(*arguments)
    with pytest.raises(ValueError, match=r"outputs: 'z' is none of the arrays x, y"):
        doctor.examine(plain, 1, 4, y, y, outputs=["z"])
    with pytest.raises(ValueError, match=r"names: expected 2"):
        doctor.examine(plain, 1, 4, y, y, names=["z"])
    assert list(doctor.examine(plain, 1, 4, y, y, names=["in", "out"]).arrays) == ["in", "out"]


@pytest.mark.parametrize(
    "lines",
    [
        "while True: pass",
        "while True: x[0]",
        "for i in range(10**9): pass",
        "for v in iter(int, 1): pass",
        "[0 for i in range(10**9)]",
        "cuda.syncthreads(); k = 0\n    while True: cuda.syncthreads()",
        "x[:] = 1",
        "x[0] = x",
        "x[0, 0]",
        "x['a']",
        "x[None]; x[...]; x[::2][1]; x[3:1]; len(x); [v for v in x]",
        "x.flags",
        "x[1e99]",
        "x[10**30] = 1",
        "x[0] = 10**400",
        "x[0] = 'a'",
        "del x[0]",
        "cuda.nothing()",
        "cuda.grid(4)",
        "cuda.shared.array(-1, float32)",
        "cuda.shared.array(0, float32)",
        "cuda.shared.array('a', 'b')",
        "cuda.local.array((2, 2), float32)[1, 5]",
        "cuda.atomic.add(x, 99, 1)",
        "cuda.atomic.add(3, 0, 1)",
        "cuda.atomic.add(x[0:2], 0, 1)",
        "cuda.const.array_like(3)",
        "raise KeyError('deliberate')",
        "raise SystemExit",
        "cuda.syncthreads()\n    raise SystemExit",
        "cuda.syncthreads()\n    raise KeyboardInterrupt",
        "import os",
        "yield 1",
        "exit()",
        "sorted(x)",
        "np.sum(x)",
        "x += 1",
        "if x: pass",
        "x.shape[5]",
        "cuda.threadIdx.w",
        "cuda.jit(3)",
        "with cuda: pass",
        "float32(x)",
        "lambda: x[77]",
        "(lambda: x[77])()",
        "print(1 / 0)",
    ],
)
def test_whatever_a_learner_writes_gives_a_report(lines):
    names = {"cuda": cuda, "float32": float32, "np": np}
    exec(f"def kernel(x):\n    {lines}\n", names)
    start = time.perf_counter()
    report = doctor.examine(names["kernel"], 2, 4, np.arange(8, dtype=np.float32), limit=5000)
    assert time.perf_counter() - start < 20  # 0.01 to 0.3 s alone on a core
    assert report.text("en") and report.text("zh") and report.plot() and report.alt("zh")


def test_the_tracer_of_a_debugger_is_put_back():
    def tracer(frame, event, argument):
        return None

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        doctor.examine(plain, 1, 4, X, X)
        doctor.examine(healthy.tree_reduction, 1, 16, X, X)
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(before)


def test_a_long_kernel_can_be_given_more_lines():
    x = np.ones(3000, np.float32)
    arguments = (np.float32(1), x, x.copy())
    assert [g.kind for g in doctor.examine(healthy.grid_stride, 1, 1, *arguments, limit=2000).findings] == ["endless"]
    assert doctor.examine(healthy.grid_stride, 1, 1, *arguments, limit=7000).ok


def test_blocks_of_sixteen_threads_are_examined_quickly():
    """Measured on two busy cores of 2026: 0.01 to 0.1 s each."""
    for examined in (
        lambda: doctor.examine(healthy.tree_reduction, 4, 16, np.ones(64, np.float32), np.zeros(4, np.float32)),
        lambda: doctor.examine(healthy.stencil_with_halo, 2, 16, X, np.zeros_like(X)),
        lambda: doctor.examine(
            healthy.tiled_matmul, (1, 2), (4, 4), np.ones((8, 12)), np.ones((12, 4)), np.ones((8, 4))
        ),
    ):
        start = time.perf_counter()
        assert examined().ok
        assert time.perf_counter() - start < 1


def test_no_simulator_and_no_gpu_is_needed():
    program = (
        "import numpy as np; from mediml.exercises import doctor, cuda_kernels;"
        "x = np.ones(20, np.float32); print(doctor.examine(cuda_kernels.smooth, 2, 16, x, 0 * x).ok)"
    )
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_ENABLE_CUDASIM"}
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    assert ran.stdout == "True\n"
