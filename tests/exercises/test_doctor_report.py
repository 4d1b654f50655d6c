"""What a report counts, says and draws; and what it says of the lesson's kernels."""

import string
import sys
from pathlib import Path

import numpy as np
import pytest
from numba import cuda

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


def copied_by_each_block(x, y):
    i = cuda.threadIdx.x
    y[i] = x[i + 1]


def test_blocks_that_write_the_same_are_told_to_index_by_the_grid():
    report = doctor.examine(copied_by_each_block, 2, 4, X, np.zeros(8))
    for language in ("en", "zh"):
        assert "if cuda.grid(1) == 0" in report.text(language) and "if cuda.threadIdx.x == 0" not in report.text(
            language
        )


def test_an_element_of_an_input_is_called_never_read():
    figure = doctor.examine(copied_by_each_block, 1, 4, X[:4], np.zeros(5)).plot()
    y, x = sorted(figure.axes, key=lambda ax: ax.get_title(loc="left"), reverse=True)
    assert "never read" in [text.get_text() for text in x.get_legend().get_texts()]
    assert "never written" in [text.get_text() for text in y.get_legend().get_texts()]
