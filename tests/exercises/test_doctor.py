"""The doctor finds every seeded fault, at its line and with its threads, and nothing else."""

import inspect
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mediml.exercises import doctor
from mediml.exercises._doctor.findings import KINDS

sys.path.insert(0, str(Path(__file__).parent))

import faulty_kernels as faulty
import healthy_kernels as healthy


def f(*shape):
    """1, 2, 3 … as float32."""
    return np.arange(1, 1 + np.prod(shape, dtype=int), dtype=np.float32).reshape(shape)


def in_block(block, *threads):
    return tuple((block, thread) for thread in threads)


#: Threads that have no element when 2 blocks of 16 share 20.
TOO_MANY = in_block(1, *range(4, 16))
ALL_16 = in_block(0, *range(16))


@dataclass
class Case:
    """A kernel, how it is launched, and what is to be found: (kind, array, who), with the lines from the source."""

    kernel: Any
    blocks: Any
    threads: Any
    arguments: tuple[Any, ...]
    findings: list[tuple[str, str | None, tuple[Any, ...] | None]]
    outputs: tuple[str, ...] = ("y",)
    index: Any = None

    def __str__(self):
        return self.kernel.__name__

    def examine(self, **options):
        return doctor.examine(self.kernel, self.blocks, self.threads, *self.arguments, outputs=self.outputs, **options)


X, Y = f(20), f(20)
ONES = np.ones(32, np.float32)
BINS = np.arange(20) % 4

CASES = [
    Case(faulty.no_guard, 2, 16, (X, Y),
         [("out_of_bounds_write", "y", TOO_MANY), ("out_of_bounds_read", "x", TOO_MANY)], index=20),
    Case(faulty.guard_one_too_far, 2, 16, (X, Y), [("out_of_bounds_write", "y", in_block(1, 4))], index=20),
    Case(faulty.no_right_border, 2, 16, (X, Y), [("out_of_bounds_read", "x", in_block(1, 3))], index=20),
    Case(faulty.no_left_border, 2, 16, (X, Y), [("negative_index", "x", in_block(0, 0))], index=-1),
    Case(faulty.far_to_the_left, 2, 16, (X, Y), [
        ("out_of_bounds_read", "x", (*in_block(0, *range(16)), *in_block(1, *range(4)))),
    ], index=-40),
    Case(faulty.axes_swapped, (1, 1), (4, 4), (f(3, 4),), [
        ("out_of_bounds_write", "y", tuple(((0, 0), (3, y)) for y in range(3))),
        ("unwritten_output", "y", ()),
    ]),
    Case(faulty.row_out_of_bounds, 1, 5, (f(4, 3), f(1, 5)), [("out_of_bounds_read", "x", in_block(0, 4))], index=4),
    Case(faulty.beyond_the_row, 1, 4, (f(4, 3), f(4)), [("out_of_bounds_read", "x", in_block(0, 3))], index=3),
    Case(faulty.shared_half_loaded, 1, 16, (ONES, f(16)), [
        ("uninitialised_read", "s", in_block(0, *range(8, 16))),
    ], index=8),
    Case(faulty.shared_too_small, 1, 16, (ONES, f(16)), [("out_of_bounds_write", "s", in_block(0, 15))], index=16),
    Case(faulty.local_not_cleared, 1, 4, (ONES, f(4)), [
        ("uninitialised_read", "acc", in_block(0, 0, 1, 2, 3)),
    ], index=1),
    Case(faulty.output_added_to, 1, 4, (ONES, f(4)), [("uninitialised_read", "y", in_block(0, 0, 1, 2, 3))], index=0),
    Case(faulty.histogram_not_cleared, 1, 16, (BINS, f(4)), [
        ("uninitialised_read", "counts", in_block(0, 0, 1, 2, 3)),
    ], index=0),
    Case(faulty.reversed_without_barrier, 1, 16, (ONES, f(16)), [("race", "s", in_block(0, 0, 15))], index=0),
    Case(faulty.reduction_without_barrier, 2, 16, (ONES, f(2)), [("race", "s", in_block(0, 0, 1))], index=1),
    Case(faulty.tile_overwritten, 1, 16, (ONES, f(16)), [("race", "s", in_block(0, 0, 15))], index=0),
    Case(faulty.sum_into_one, 1, 4, (ONES, f(1)), [("race", "y", in_block(0, 0, 1))], outputs=(), index=0),
    Case(faulty.sum_into_one, 2, 1, (ONES, f(1)), [
        ("race_between_blocks", "y", ((0, 0), (1, 0))),
    ], outputs=(), index=0),
    Case(faulty.histogram_without_atomics, 2, 16, (BINS, np.zeros(4, int)), [
        ("race_between_blocks", "y", ((0, 0), (1, 0))),
    ], outputs=(), index=0),
    Case(faulty.flag_raised_by_all, 1, 8, (ONES, np.zeros(1, int)), [
        ("same_value_race", "found", in_block(0, 0, 1)),
    ], outputs=("found",), index=0),
    Case(faulty.atomic_then_plain, 1, 4, (np.zeros(1, int), f(4)), [("race", "x", in_block(0, 0, 1))], index=0),
    Case(faulty.in_place_stencil, 1, 16, (ONES[:16],), [("race", "x", in_block(0, 1, 2))], outputs=(), index=1),
    Case(faulty.neighbour_of_another_block, 2, 8, (ONES[:16], f(15)), [
        ("race_between_blocks", "x", ((0, 7), (1, 0))),
    ], index=8),
    Case(faulty.barrier_in_if, 1, 16, (ONES, f(16)), [("divergent_barrier", None, in_block(0, *range(8)))]),
    Case(faulty.early_return, 2, 16, (X, Y), [("divergent_barrier", None, in_block(1, *range(4)))]),
    Case(faulty.barriers_in_both_branches, 1, 8, (ONES, f(8)), [
        ("different_barriers", None, in_block(0, *range(8))),
    ]),
    Case(faulty.out_of_step_from_then_on, 1, 8, (ONES, f(8)), [
        ("different_barriers", None, in_block(0, *range(8))),
    ]),
    Case(faulty.more_barriers_for_some, 1, 8, (f(8),), [("divergent_barrier", None, in_block(0, *range(4)))]),
    Case(faulty.every_second, 1, 16, (Y,), [("unwritten_output", "y", ())], index=1),
    Case(faulty.all_but_the_last, 2, 16, (X, Y), [("unwritten_output", "y", ())], index=19),
    Case(faulty.all_but_the_last, 1, 16, (X, Y), [("unwritten_output", "y", ())], index=16),
    Case(faulty.never_ends, 1, 16, (f(16),), [("endless", None, in_block(0, 0))]),
    Case(faulty.divides_by_zero, 1, 16, (X, f(16)), [("error", None, in_block(0, 0))]),
    Case(faulty.shuffles, 1, 16, (X, f(16)), [("unsupported", None, in_block(0, 0))]),
    Case(faulty.device_function_reads_on, 2, 16, (X, Y), [("out_of_bounds_read", "x", in_block(1, 3))], index=20),
    Case(faulty.shape_from_the_end, 1, 4, (f(4),), [("unsupported", None, in_block(0, 0))]),
    Case(faulty.index_is_a_fraction, 1, 4, (f(4),), [("error", None, in_block(0, 0))]),
    Case(faulty.returns_something, 1, 4, (f(4),), [("error", None, in_block(0, 0, 1, 2, 3))]),
    Case(faulty.recurses, 1, 1, (f(4),), [("error", None, in_block(0, 0))]),
    Case(faulty.catches, 1, 1, (f(4),), [("unsupported", None, in_block(0, 0))]),
    Case(faulty.whole_array, 1, 1, (X, f(1)), [("error", None, in_block(0, 0))]),
    Case(faulty.whole_array_by_method, 1, 1, (X, f(1)), [("unsupported", None, in_block(0, 0))]),
    Case(faulty.unknown_name, 1, 1, (X, f(1)), [("error", None, in_block(0, 0))]),
    Case(faulty.too_much_shared, 1, 1, (f(1),), [("error", None, in_block(0, 0))]),
]  # fmt: skip


def marked(kernel):
    """The lines of a kernel, or of the device function above it, that end in ``# !`` and in ``# !!``."""
    function = getattr(kernel, "py_func", kernel)
    source, first = inspect.getsourcelines(function)
    lines, above = enumerate(source, first), Path(function.__code__.co_filename).read_text().splitlines()
    found = {mark: number for number, line in lines if (mark := line.rpartition("# ")[2].strip()) in ("!", "!!")}
    if not found and function.__name__ not in ("returns_something", "catches"):
        near = [number for number, line in enumerate(above, 1) if line.rstrip().endswith("# !")]
        found = {"!": min(near, key=lambda number: abs(number - first))}
    return found.get("!"), found.get("!!", found.get("!"))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_seeded_fault_is_found_and_nothing_else(case):
    report = case.examine()
    assert [(g.kind, g.array) for g in report.findings] == [(kind, array) for kind, array, _ in case.findings]
    line, other = marked(case.kernel)
    for finding, (_, _, who) in zip(report.findings, case.findings):
        assert tuple(zip(finding.blocks, finding.threads)) == who
        if line is not None:
            lines = {finding.line} if finding.other_line is None else {finding.line, finding.other_line}
            assert lines == ({line} if finding.other_line is None else {line, other})
            assert finding.text.rstrip(" !").endswith("#") and finding.text in str(report)
        assert case.index is None or finding.index == case.index
    assert not report.ok
    assert str(report.findings[0].line or "") in report.text("zh")


HEALTHY = [
    (healthy.add, 2, 16, (X, X, Y), ("y",), X + X),
    (healthy.grid_stride, 2, 4, (np.float32(2), X, Y), (), 3 * X),
    (healthy.tree_reduction, 2, 16, (X, f(2)), ("y",), [X[:16].sum(), X[16:].sum()]),
    (healthy.tiled_matmul, (2, 2), (4, 4), (f(5, 6), f(6, 7), f(5, 7)), ("y",), f(5, 6) @ f(6, 7)),
    (healthy.stencil_with_halo, 2, 16, (X, Y), ("y",), np.convolve(X, [1, 1, 1], "same")),
    (healthy.histogram, 2, 16, (BINS, np.zeros(5, np.int32)), (), [5, 5, 5, 5, 0]),
    (healthy.transposed, (2, 2), (4, 4), (f(5, 7), f(7, 5)), ("y",), f(5, 7).T),
    (healthy.scan, 1, 16, (X[:16], f(16)), ("y",), X[:16].cumsum()),
    (healthy.norms, 1, 8, (f(5, 4), f(5)), ("y",), np.sqrt((f(5, 4)[:, 1:] ** 2).sum(1))),
    (healthy.softmax, 1, 8, (np.zeros((5, 3), np.float32), f(5, 3)), ("y",), np.full((5, 3), 1 / 3)),
    (healthy.in_place, 2, 16, (X,), (), X**2),
    (healthy.count_positive, 2, 4, (f(8) - 6, np.zeros((2, 3), int)), ("y",), [[0, 0, 0], [2, 0, 1]]),
    (healthy.largest, 2, 16, (X, f(1)), (), [20]),
    (healthy.constants, 2, 16, (X, Y), ("y",), X),
    (healthy.two_outputs_of_a_tuple, 2, 16, ((X, X[::-1]), Y), ("y",), np.minimum(X, X[::-1])),
    (healthy.three_axes, (2, 1, 2), (2, 3, 1), (f(2, 3, 4), f(2, 3, 4)), ("y",), f(2, 3, 4)),
]


@pytest.mark.parametrize(
    "kernel, blocks, threads, arguments, outputs, expected", HEALTHY, ids=lambda v: getattr(v, "__name__", "")
)
def test_a_healthy_kernel_is_left_alone(kernel, blocks, threads, arguments, outputs, expected):
    kept = [np.copy(a) for a in arguments if isinstance(a, np.ndarray)]
    report = doctor.examine(kernel, blocks, threads, *arguments, outputs=outputs)
    assert report.ok, str(report)
    assert report.hints == [] or kernel is healthy.norms or kernel is healthy.softmax
    np.testing.assert_allclose(list(report.arrays.values())[-1], expected, rtol=1e-6)
    for before, after in zip(kept, (a for a in arguments if isinstance(a, np.ndarray))):
        assert np.array_equal(before, after)  # the learner's arrays are not touched


def test_no_faulty_kernel_was_forgotten():
    named = {case.kernel.__name__ for case in CASES} | {"recurses_too", "_next"}
    kernels = {name for name, value in vars(faulty).items() if getattr(value, "__module__", "") == faulty.__name__}
    assert kernels == named
    assert {kind for case in CASES for kind, _, _ in case.findings} == set(KINDS) - {"too_many"}
