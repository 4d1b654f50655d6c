"""What a report counts, says and draws; and what the doctor takes and refuses."""

import os
import string
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from numba import cuda, float32

from kernels.gpu.launch import kernel as our_kernel
from mediml.exercises import cuda_kernels as lesson
from mediml.exercises import doctor
from mediml.exercises._doctor.words_en import WORDS as ENGLISH
from mediml.exercises._doctor.words_zh import WORDS as CHINESE

sys.path.insert(0, str(Path(__file__).parent))

import faulty_kernels as faulty
import healthy_kernels as healthy

X = np.arange(1, 21, dtype=np.float32)


def matmul_report():
    a, b, y = (np.ones(shape, np.float32) for shape in ((8, 12), (12, 4), (8, 4)))
    return doctor.examine(healthy.tiled_matmul, (1, 2), (4, 4), a, b, y, outputs=["y"])


def test_accesses_are_counted_in_all_and_for_each_element():
    report = matmul_report()
    assert report.reads == {"a": 96, "b": 2 * 48, "y": 0}  # 4 columns are one tile: a once; 8 rows are two: b twice
    assert report.writes == {"a": 0, "b": 0, "y": 32}
    assert (report.reads_of_elements("a") == 1).all() and (report.reads_of_elements("b") == 2).all()
    assert (report.writes_of_elements("y") == 1).all()
    assert (report.shared_reads, report.shared_writes) == (32 * 12 * 2, 2 * 3 * 32)
    assert report.barriers == 2 * 3 * 2
    assert report.neighbours == {"a": 1, "b": 1, "y": 1}


def test_an_exercise_can_ask_for_few_accesses():
    report = matmul_report()
    assert report.require(reads={"a": 96}, writes={"y": 32}, shared_reads=768, barriers=12).ok
    assert not report.require(reads={"a": 95}, shared_reads=767, barriers=11).ok
    assert [(g.kind, g.array, g.count) for g in report.findings] == [
        ("too_many", "a", 96), ("too_many", None, 768), ("too_many", None, 12),
    ]  # fmt: skip
    assert "Too many reads of a in global memory: 96, allowed 95" in str(report)
    assert "对全局内存 a 的读取太多：96 次，最多允许 95 次" in report.text("zh")
    with pytest.raises(ValueError, match="the kernel has no array 'c'; it has a, b, y"):
        report.require(reads={"c": 1})


def test_an_atomic_operation_reads_and_writes():
    report = doctor.examine(healthy.largest, 2, 16, X, np.zeros(1, np.float32))
    assert (report.reads["y"], report.writes["y"]) == (20, 20)


def test_distant_neighbours_are_a_hint():
    x = np.ones((16, 4), np.float32)
    report = doctor.examine(healthy.norms, 1, 16, x, np.zeros(16, np.float32))
    assert report.ok and report.neighbours == {"x": 0, "y": 1}
    (hint,) = report.hints
    assert (hint["array"], hint["text"]) == ("x", "return row[k] * row[k]")
    assert "only 0 % of a warp's accesses to x touch neighbouring elements" in str(report)
    assert "x" in report.text("zh").rpartition("提示")[2]


def test_all_texts_of_a_race():
    report = doctor.examine(faulty.reversed_without_barrier, 1, 16, X, X[:16])
    lines = Path(faulty.__file__).read_text().splitlines()
    line = 1 + lines.index("    s[t] = x[t]  # !")
    assert str(report) == (
        "reversed_without_barrier, run by 1 block(s) of 16 thread(s): 1 finding.\n\n"
        "1. Race for s[0], s[1], s[2] and 13 more (shared memory), no barrier between\n"
        f"   reversed_without_barrier, line {line}:  s[t] = x[t]  # !\n"
        f"   reversed_without_barrier, line {line + 1}:  y[t] = s[N - 1 - t]  # !!\n"
        "   thread 0 of block 0 writes s[0], thread 15 of block 0 reads it; which comes first is chance.\n"
        "   What to do: cuda.syncthreads() between the two, where every thread of the block comes by.\n\n"
        "Global memory: x 16 reads, 0 writes; y 0 reads, 16 writes; shared memory: 16 reads, 16 writes."
    )
    assert report.text("zh") == (
        "reversed_without_barrier：1 个块，每块 16 个线程。发现 1 个问题。\n\n"
        "1. 竞争：s[0]、s[1]、s[2] 及另外 13 处（共享内存），中间没有屏障\n"
        f"   reversed_without_barrier 第 {line} 行：  s[t] = x[t]  # !\n"
        f"   reversed_without_barrier 第 {line + 1} 行：  y[t] = s[N - 1 - t]  # !!\n"
        "   块 0 的线程 0 写 s[0]，块 0 的线程 15 读同一个元素；谁先谁后全凭偶然。\n"
        "   怎么改：在两者之间放 cuda.syncthreads()，位置要让块内每个线程都经过。\n\n"
        "全局内存：x 读 16 次、写 0 次；y 读 0 次、写 16 次；共享内存：读 16 次、写 16 次。"
    )


def test_an_index_into_a_part_is_told_as_one():
    report = doctor.examine(faulty.beyond_the_row, 1, 4, np.ones((4, 3)), np.ones(4))
    assert "Read out of bounds: x[…][3]\n" in str(report)
    assert "x[…] has 3 element(s), the last is x[…][2]." in str(report)


def test_all_threads_together_have_a_limit_too():
    arguments = np.float32(1), np.ones(2560, np.float32), np.ones(2560, np.float32)  # 7680 accesses
    assert doctor.examine(healthy.grid_stride, 8, 16, *arguments, limit=400).ok
    (finding,) = doctor.examine(healthy.grid_stride, 8, 16, *arguments, limit=300).findings
    assert (finding.kind, finding.blocks) == ("endless", (6,))
    assert doctor.examine(busy, 8, 16, np.ones(1), limit=150).ok  # 128 threads of 42 lines or so
    (finding,) = doctor.examine(busy, 8, 16, np.ones(1), limit=100).findings
    assert (finding.kind, finding.line) == ("endless", None)


def busy(x):
    n = 0
    for _ in range(20):
        n += 2


def test_both_languages_have_the_same_words():
    fields = [
        {key: {name for _, name, _, _ in string.Formatter().parse(text) if name} for key, text in words.items()}
        for words in (ENGLISH, CHINESE)
    ]
    for key in fields[0].keys() & fields[1].keys():
        assert fields[0][key] == fields[1][key], key
    assert fields[0].keys() == fields[1].keys()
    for kind in set(doctor.KINDS) - {"too_many"}:
        assert {f"{kind}_title", f"{kind}_why", f"{kind}_do"} <= ENGLISH.keys()
    with pytest.raises(ValueError, match="language: expected one of en, zh, got 'fr'"):
        matmul_report().text("fr")


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    "examined",
    [
        lambda: doctor.examine(faulty.no_guard, 2, 16, X, X),
        lambda: doctor.examine(faulty.reduction_without_barrier, 2, 16, np.ones(32), np.ones(2)),
        lambda: doctor.examine(faulty.every_second, 1, 16, X, outputs=["y"]),
        lambda: doctor.examine(faulty.shared_too_small, 1, 16, X, X[:16]),
        lambda: doctor.examine(faulty.axes_swapped, (1, 1), (4, 4), np.ones((3, 4))),
        lambda: doctor.examine(faulty.recurses, 1, 1, X),
        matmul_report,
        lambda: doctor.examine(healthy.three_axes, (2, 1, 2), (2, 3, 1), np.ones((2, 3, 4)), np.ones((2, 3, 4))),
    ],
)  # fmt: skip
def test_a_picture_is_drawn_and_described(examined, language):
    report = examined()
    figure = report.plot(language)
    figure.canvas.draw()
    panels = [ax.get_title(loc="left").split()[0] for ax in figure.axes]
    for name in panels:
        assert name in report.alt(language)
    assert len(panels) >= (report.kernel != "recurses")
    faults = {g.array for g in report.findings if g.indices}
    assert faults <= set(panels)


def test_the_cells_of_a_picture_say_who_wrote_them():
    figure = doctor.examine(faulty.every_second, (1,), (16,), X, outputs=["y"]).plot()
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == [str(i) for i in range(10)]
    hatched = [patch for patch in figure.axes[0].patches if patch.get_hatch()]
    assert len(hatched) == 10


def test_a_report_shows_itself_in_a_notebook(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython.display", None)
    matmul_report().show()
    shown = capsys.readouterr().out
    assert "Grid of the 32 elements of y" in shown and "y 的 32 个元素" in shown


# -- what it takes ---------------------------------------------------------------------------------------------------


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
        matmul_report,
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


# -- the kernels of the lesson ---------------------------------------------------------------------------------------

ROW, SUMS = np.arange(24, dtype=np.float32), np.zeros(2, np.float32)
LEVELS = np.arange(32) % 4
LIMITS = np.float32(0), np.float32(9)
BEYOND = {"out_of_bounds_read", "out_of_bounds_write"}
OF_THE_LESSON = {
    "window_without_guard": (
        (3, 4, X[:10], ROW[:10], *LIMITS),
        ["grey"],
        {"out_of_bounds_read", "out_of_bounds_write"},
    ),
    "window_by_index": ((3, 4, X[:10], ROW[:10], *LIMITS), ["grey"], set()),
    "window": (((2, 2), (4, 2), np.ones((3, 7)), np.ones((3, 7)), *LIMITS), ["grey"], set()),
    "smooth_in_place": ((1, 8, X[:8]), None, {"race"}),
    "smooth": ((2, 4, X[:8], ROW[:8]), ["y"], set()),
    "block_sum": ((2, 16, ROW, SUMS), ["partial"], set()),
    "block_sum_without_barrier": ((2, 16, ROW, SUMS), ["partial"], {"race"}),
    "block_sum_divergent": ((2, 16, ROW, SUMS), ["partial"], {"divergent_barrier"}),
    "count_values": ((2, 16, LEVELS, np.zeros(4, int)), None, set()),
    "count_values_racing": ((2, 16, LEVELS, np.zeros(4, int)), None, {"race_between_blocks"}),
    "convolve_row": ((2, 16, ROW, np.ones(3, np.float32), np.zeros(22, np.float32)), ["y"], set()),
    "convolve_row_tiled": ((2, 16, ROW, np.ones(3, np.float32), np.zeros(22, np.float32)), ["y"], set()),
}


@pytest.mark.parametrize("name", OF_THE_LESSON)
def test_of_the_lessons_kernels_the_wrong_ones_are_found(name):
    arguments, outputs, kinds = OF_THE_LESSON[name]
    report = doctor.examine(getattr(lesson, name), *arguments, outputs=outputs)
    assert {g.kind for g in report.findings} == kinds, str(report)


def test_the_lesson_has_no_other_kernels():
    assert {"TILE", *OF_THE_LESSON} == set(lesson.__all__)
