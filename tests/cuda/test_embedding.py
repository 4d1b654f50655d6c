"""Embeddings on the GPU."""

import itertools

import numpy as np
import pytest
from cuda_harness import DTYPES, Call, Draw, check, compare

from kernels.embedding import cuda, reference
from kernels.gpu.memory import readable
from kernels.gpu.transfer import TRANSFERS, to_device

#: Rows, columns, shape of the indices.
SIZES = [(1, 1, (1,)), (5, 3, (4,)), (7, 2, (2, 9)), (3, 5, (3, 4, 2)), (3, 2, (0,)), (4, 0, (3,)), (2, 4, ()),
         (30, 3, (7,)), (0, 3, (0,)), (2, 3, (29,))]  # fmt: skip


def forward(V, E, shape):
    def arguments(draw):
        return np.asarray(draw.integers(0, max(V, 1), *shape)), draw(V, E)

    return Call("embedding", "embedding_forward", arguments, f"V={V} E={E} index {shape}")


def backward(V, E, shape, padding_idx=-1, scaled=False, dtype=np.int64):
    def arguments(draw):
        index = np.asarray(draw.integers(0, max(V, 1), *shape)).astype(dtype)
        return draw(*shape, E), index, V, padding_idx, scaled

    note = f"V={V} E={E} index {shape} padding={padding_idx} scaled={scaled} {np.dtype(dtype)}"
    return Call("embedding", "embedding_backward_weight", arguments, note)


def renorm(p, shape=(6,), max_norm=1.0):
    def arguments(draw):
        weight = draw(5, 7)
        weight[0] /= 100
        weight[1, 2] = 0
        return weight, np.asarray(draw.integers(0, 4, *shape)), max_norm, p  # row 4 is never named

    return Call("embedding", "embedding_renorm_update", arguments, f"p={p} index {shape} max_norm={max_norm}")


def renorm_corners(p):
    def arguments(draw):
        weight = draw(4, 5)
        weight[0, 1], weight[1, 4], weight[2] = np.nan, np.inf, 0
        return weight, np.arange(4), 0.5, p

    return Call("embedding", "embedding_renorm_update", arguments, f"p={p}, NaN, inf and a row of zeros")


def backward_corners(draw):
    grad_y = draw(6, 3)
    grad_y[1, 0], grad_y[4, 1] = np.nan, -np.inf
    return grad_y, np.array([2, 1, 1, 2, 0, 2]), 4, 0, True


ORDERS = [2.0, 1.0, 0.0, 0.5, 3.0, -1.0, np.inf, -np.inf]
CALLS = [
    *(forward(*sizes) for sizes in SIZES),
    *(
        backward(*sizes, padding_idx, scaled)
        for sizes in SIZES
        for padding_idx, scaled in itertools.product({-1, sizes[0] - 1}, (False, True))
    ),
    backward(4, 3, (2, 5), dtype=np.int32),
    Call("embedding", "embedding_forward", lambda draw: (np.array([2, 0, 2], np.int32), draw(3, 4)), "int32"),
    Call("embedding", "embedding_backward_weight", backward_corners, "NaN and inf, one in the row not learnt"),
    *(renorm(p) for p in ORDERS),
    *(renorm_corners(p) for p in ORDERS),
    renorm(2.0, shape=()),
    renorm(2.0, shape=(0,)),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("call", CALLS, ids=str)
def test_call(call, dtype):
    check(call, dtype)


@pytest.mark.parametrize(
    "index", [[0] * 23, [0] * 3 + [1] * 17 + [2], [3, 0, 3, 0, 3] * 4, list(range(11)), [1, 1, 2]], ids=str
)
@pytest.mark.parametrize("chunk", [1, 2, 5, 100])
def test_rows_within_and_across_chunks(index, chunk, monkeypatch):
    monkeypatch.setattr(cuda, "_CHUNK", chunk)
    index, grad_y = np.array(index), Draw(1, "float64")(len(index), 2)
    ours = cuda.embedding_backward_weight(to_device(grad_y), to_device(index), 12, -1, True).get()
    compare(ours, reference.embedding_backward_weight(grad_y, index, 12, -1, True), 1e-12, "chunks")


@pytest.mark.parametrize("wrong", [-1, 3, 2**40])
def test_an_index_without_a_row_is_reported_at_the_next_copy_to_the_host(wrong):
    draw = Draw(2, "float32")
    weight, index, grad_y = to_device(draw(3, 2)), to_device(np.array([0, wrong, 2])), to_device(draw(3, 2))
    before = TRANSFERS.to_host
    calls = [
        lambda: cuda.embedding_forward(index, weight),
        lambda: cuda.embedding_backward_weight(grad_y, index, 3, -1, False),
        lambda: cuda.embedding_renorm_update(weight, index, 1.0, 2.0),
    ]
    for call in calls:
        y = call()
        assert TRANSFERS.to_host == before
        with pytest.raises(IndexError, match=f"index expects numbers from 0 to 2, one of 3 rows, got {wrong}"):
            (weight if y is None else y).get()
        weight.get()  # reported once
        before = TRANSFERS.to_host


def test_several_wrong_places_are_reported_too():
    grad_y, index = to_device(Draw(3, "float32")(20, 2)), to_device(np.full(20, 9))
    y = cuda.embedding_backward_weight(grad_y, index, 3, -1, False)
    with pytest.raises(IndexError, match="one of 3 rows, got 9"):
        y.get()


def test_strided_views():
    draw = Draw(4, "float64")
    weight, index, grad_y = draw(4, 5), draw.integers(0, 4, 3, 2), draw(3, 2, 5)
    y = cuda.embedding_forward(to_device(index.T).T, to_device(weight.T).T)
    assert np.array_equal(y.get(), weight[index])
    strided = to_device(np.repeat(grad_y, 2, 2))[:, :, ::2]
    ours = cuda.embedding_backward_weight(strided, to_device(index.T).T, 4, -1, False).get()
    compare(ours, reference.embedding_backward_weight(grad_y, index, 4, -1, False), 1e-12, "strided")
    held = to_device(weight.T)
    cuda.embedding_renorm_update(held.T, to_device(index.T).T, 0.1, 2.0)
    reference.embedding_renorm_update(weight, index, 0.1, 2.0)
    compare(readable(held.T).get(), weight, 1e-12, "strided")


def test_arrays_of_the_host_are_refused():
    draw = Draw(5, "float32")
    weight, index = draw(3, 2), np.array([0, 1])
    with pytest.raises(TypeError, match="expects an array on the device, got ndarray"):
        cuda.embedding_forward(index, to_device(weight))
    with pytest.raises(TypeError, match="expects an array on the device, got ndarray"):
        cuda.embedding_forward(to_device(index), weight)
