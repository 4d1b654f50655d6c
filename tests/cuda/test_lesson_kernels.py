"""The lesson's kernels compile for a GPU, and stay in float32 there; which of them are right the doctor's tests say."""

import numpy as np
import pytest

from kernels.gpu import ptx
from mediml.exercises import cuda_kernels as examples

pytestmark = [pytest.mark.anywhere, pytest.mark.skipif(ptx.problem() is not None, reason=str(ptx.problem()))]

ROW, PLANE, COUNTS = np.zeros(32, np.float32), np.zeros((4, 5), np.float32), np.zeros(4, np.int64)
LOW, HIGH = np.float32(-1350), np.float32(150)
ARGUMENTS = {
    "block_sum": (ROW, ROW), "block_sum_divergent": (ROW, ROW), "block_sum_without_barrier": (ROW, ROW),
    "convolve_row": (ROW, ROW, ROW), "convolve_row_tiled": (ROW, ROW, ROW), "count_values": (COUNTS, COUNTS),
    "count_values_racing": (COUNTS, COUNTS), "smooth": (ROW, ROW), "smooth_in_place": (ROW,),
    "window": (PLANE, PLANE, LOW, HIGH), "window_by_index": (ROW, ROW, LOW, HIGH),
    "window_without_guard": (ROW, ROW, LOW, HIGH),
}  # fmt: skip


def test_all_are_here():
    assert {"TILE", *ARGUMENTS} == set(examples.__all__)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_it_compiles_and_stays_in_float32(name):
    from numba import cuda, typeof

    signature = tuple(typeof(argument) for argument in ARGUMENTS[name])
    text, _ = cuda.compile_ptx(getattr(examples, name).py_func, signature, cc=(8, 0))
    assert ".f64" not in text
