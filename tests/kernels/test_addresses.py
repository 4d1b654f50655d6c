"""The bits of a result do not depend on where its arrays lie in memory, which no caller decides."""

import numpy as np
import pytest

from kernels.activation import cpu_axis


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 10), (4, 10), (1, 20), (2, 40), (1, 100)])
@pytest.mark.parametrize("rows", [cpu_axis._softmax_rows, cpu_axis._log_softmax_rows])
def test_softmax_of_rows_near_and_far(rows, shape, dtype):
    values = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    results = []
    for gap in (0, 1, 7, 16, 24, 40, 64, 1000):
        memory = np.zeros(2 * values.size + gap, dtype)
        x, y = (memory[start : start + values.size].reshape(values.shape) for start in (0, values.size + gap))
        x[...] = values
        rows(0, len(x), x, y)
        results.append(y.tobytes())
    assert len(set(results)) == 1
