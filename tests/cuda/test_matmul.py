"""The matrix product that several families share."""

import numpy as np
import pytest
from cuda_harness import DTYPES, Draw

from kernels.gpu import matmul, matmul_blocked, ptx
from kernels.gpu.launch import per_tile
from kernels.gpu.memory import empty
from kernels.gpu.target import SIMULATED
from kernels.gpu.transfer import to_device

KERNELS = {
    "tiled": matmul._launch_tiled,
    "large": matmul_blocked.LARGE.launch,
    "large_double": matmul_blocked.LARGE_DOUBLE.launch,
    "medium": matmul_blocked.MEDIUM.launch,
}
ATOL = {"float32": 2e-5, "float64": 1e-12}


def close(y, expected, dtype="float64"):
    np.testing.assert_allclose(y.get(), expected, rtol=0, atol=ATOL[dtype] * max(1, np.abs(expected).max(initial=0)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("M, K, N", [(1, 1, 1), (5, 7, 3), (4, 4, 4), (9, 1, 2), (2, 0, 3), (0, 3, 2), (17, 9, 5)])
def test_naive_and_chosen_kernel_multiply(dtype, M, K, N):
    draw = Draw(M + K + N, dtype)
    a, b = draw(2, M, K), draw(2, K, N)
    expected = a.astype(np.float64) @ b
    a, b = to_device(a), to_device(b)
    naive = empty(expected.shape, dtype)
    (columns, rows), threads = per_tile(M, N, matmul.TILE)
    matmul._matmul_naive[(columns, rows, 2), threads](a, b, naive)
    for y in (naive, matmul.matmul(a, b)):
        close(y, expected, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("M, K, N", [(1, 1, 1), (9, 5, 7), (8, 8, 8), (3, 11, 17)])
@pytest.mark.parametrize("transposed", [(), ("a",), ("b", "y"), ("a", "b", "y")], ids=str)
def test_each_kernel(dtype, name, M, K, N, transposed):
    """Any strides, a bias for columns or for rows, added to what is there."""
    draw = Draw(M * K * N, dtype)
    a, b, start = draw(2, M, K), draw(2, K, N), draw(2, M, N)
    held = {"a": a, "b": b, "y": start}
    view = {
        key: to_device(x.swapaxes(1, 2)).transpose(0, 2, 1) if key in transposed else to_device(x)
        for key, x in held.items()
    }
    of_columns, of_rows = draw(N), draw(M)
    product = a.astype(np.float64) @ b
    KERNELS[name](view["a"], view["b"], to_device(of_columns), True, view["y"], True, 1, K)
    close(view["y"], product + of_columns + start, dtype)
    KERNELS[name](view["a"], view["b"], to_device(of_rows), False, view["y"], False, 1, K)
    close(view["y"], product + of_rows[:, None], dtype)
    KERNELS[name](view["a"], view["b"], None, True, view["y"], False, 1, K)
    close(view["y"], product, dtype)


@pytest.mark.parametrize("name", KERNELS)
def test_parts_of_k_and_a_batch_of_one(name):
    draw = Draw(3, "float64")
    a, b = draw(1, 5, 11), draw(3, 11, 6)
    y = empty((9, 5, 6), "float64")
    KERNELS[name](to_device(a), to_device(b), None, True, y, False, 3, 4)
    expected = [a[0][:, k : k + 4] @ b[batch][k : k + 4] for batch in range(3) for k in (0, 4, 8)]
    close(y, np.array(expected))
    swapped = empty((3, 6, 5), "float64")
    KERNELS[name](to_device(b).transpose(0, 2, 1), to_device(a.swapaxes(1, 2)), None, True, swapped, False, 1, 11)
    close(swapped, (a @ b).swapaxes(1, 2))


@pytest.mark.parametrize("name", KERNELS)
def test_infinity_beyond_the_end_of_k_is_not_read(name):
    """What fills a slice must be 0 in both factors: 0 * inf is NaN."""
    draw = Draw(4, "float64")
    a, b = draw(1, 3, 5), draw(1, 5, 3)
    a[0, :, 3] = b[0, 3] = np.inf
    y = empty((1, 3, 3), "float64")
    KERNELS[name](to_device(a)[:, :, :3], to_device(b)[:, :3], None, True, y, False, 1, 3)
    close(y, a[:, :, :3] @ b[:, :3])
    KERNELS[name](to_device(a), to_device(b), None, True, y, False, 1, 5)
    assert np.isinf(y.get()).all()
    y = empty((2, 3, 3), "float64")  # parts of 3 and 2, infinity in the second
    KERNELS[name](to_device(a), to_device(b), None, True, y, False, 2, 3)
    close(y[0], a[0, :, :3] @ b[0, :3])


def test_a_long_k_is_cut_into_parts():
    draw = Draw(5, "float32")
    a, b, bias, start = draw(3, 100), draw(100, 2), draw(2), draw(3, 2)
    assert not SIMULATED or matmul._plan(1, 3, 2, 100, np.dtype("float32"))[1] > 1
    y = to_device(start)
    matmul.matmul(to_device(a), to_device(b), y, bias=to_device(bias), accumulate=True)
    close(y, a.astype(np.float64) @ b + bias + start, "float32")
    y = empty((2, 3), "float32")  # transposed
    matmul.matmul(to_device(a), to_device(b), y.T, bias=to_device(bias))
    close(y.T, a.astype(np.float64) @ b + bias, "float32")
    stacks = draw(2, 3, 70), draw(2, 70, 2)
    close(matmul.matmul(*map(to_device, stacks)), stacks[0].astype(np.float64) @ stacks[1], "float32")


@pytest.mark.parametrize(
    "M, K, N, B", [(1, 1, 1, 1), (1, 10**7, 1, 1), (10**6, 3, 5, 1), (64, 4096, 64, 3), (7, 0, 9, 2)]
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_plans_cover_k(M, K, N, B, dtype):
    _, parts, K_part = matmul._plan(B, M, N, K, np.dtype(dtype))
    assert parts * K_part >= K > (parts - 1) * K_part or K == 0
    assert parts == 1 or K_part >= matmul._SHORTEST_PART


def test_more_matrices_than_a_grid_has_layers(monkeypatch):
    monkeypatch.setattr(matmul, "_MOST_Z", 2)
    a, b = Draw(6, "float64")(5, 2, 3), Draw(7, "float64")(5, 3, 2)
    y = empty((5, 2, 2), "float64")
    matmul._launch_tiled(to_device(a), to_device(b), None, True, y, False, 1, 3)
    close(y, a @ b)


def test_transposed_views_and_infinity():
    draw = Draw(1, "float64")
    a, b = draw(6, 5), draw(7, 6)
    a[2, 3] = np.inf
    y = matmul.matmul(to_device(a).T, to_device(b).T).get()
    np.testing.assert_allclose(y, a.T @ b.T)


def test_batches_of_none_and_of_one():
    draw = Draw(2, "float64")
    one, none, many, flat = draw(1, 2, 3), draw(0, 3, 4), draw(5, 3, 4), draw(3, 4)
    assert matmul.matmul(to_device(one), to_device(none)).shape == (0, 2, 4)
    close(matmul.matmul(to_device(one), to_device(many)), one @ many)
    close(matmul.matmul(to_device(one), to_device(flat)), one @ flat)
    close(matmul.matmul(to_device(one[0]), to_device(many)), one @ many)


def test_the_real_size_of_tile():
    """64 by 64 elements, 4 by 4 to a thread, as on a GPU; the simulator can just about carry that."""
    medium = matmul_blocked.blocked(64, 64, 16, 4, 4)
    draw = Draw(8, "float32")
    a, b = draw(1, 50, 18), draw(1, 18, 66)
    y = empty((1, 50, 66), "float32")
    medium.launch(to_device(a), to_device(b), None, True, y, False, 1, 18)
    close(y, a.astype(np.float64) @ b, "float32")


@pytest.mark.anywhere
@pytest.mark.skipif(ptx.problem() is not None, reason=str(ptx.problem()))
@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_stay_in_registers(dtype):
    """An array of a thread that the compiler cannot keep in registers shows as ``.local`` memory."""
    large = matmul_blocked.LARGE_DOUBLE if dtype == "float64" else matmul_blocked.LARGE
    a = np.zeros((1, 64, 64), dtype)
    for chosen in (large, matmul_blocked.MEDIUM):  # one at a time: they have the same name
        with ptx.compiling(targets=((8, 0),), keep=True) as compiled:
            x = to_device(a)
            for y, bias in ((x, None), (x.transpose(0, 2, 1), x[0, 0])):
                chosen.launch(x, x, bias, True, y, False, 1, 64)
        texts = [text for key, text in compiled.ptx.items() if "blocked" in key[0]]
        assert len(texts) == 2 and not compiled.failures
        assert not [text for text in texts if ".local" in text]
        assert all(f"ld.shared{'.v4.f32' if dtype == 'float32' else '.v2.f64'}" in text for text in texts)
