"""The matrix product that several families share."""

import numpy as np
import pytest
from cuda_harness import DTYPES, Draw

from kernels.gpu import matmul
from kernels.gpu.launch import per_tile
from kernels.gpu.memory import empty
from kernels.gpu.transfer import to_device


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("M, K, N", [(1, 1, 1), (5, 7, 3), (4, 4, 4), (9, 1, 2), (2, 0, 3), (0, 3, 2), (17, 9, 5)])
def test_both_kernels_multiply(dtype, M, K, N):
    draw = Draw(M + K + N, dtype)
    a, b = draw(2, M, K), draw(2, K, N)
    expected = a.astype(np.float64) @ b
    a, b = to_device(a), to_device(b)
    naive = empty(expected.shape, dtype)
    (columns, rows), threads = per_tile(M, N, matmul.TILE)
    matmul._matmul_naive[(columns, rows, 2), threads](a, b, naive)
    for y in (naive, matmul.matmul(a, b)):
        np.testing.assert_allclose(y.get(), expected, atol=1e-5)


def test_transposed_views_and_infinity():
    draw = Draw(1, "float64")
    a, b = draw(6, 5), draw(7, 6)
    a[2, 3] = np.inf
    y = matmul.matmul(to_device(a).T, to_device(b).T).get()
    np.testing.assert_allclose(y, a.T @ b.T)
