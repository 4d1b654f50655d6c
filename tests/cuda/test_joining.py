"""Arrays joined, split, repeated and rearranged, and products of them, against NumPy on the host."""

import numpy as np
import pytest
from test_ufuncs import draw, same

from kernels.gpu import products
from kernels.gpu.memory import empty
from kernels.gpu.transfer import to_device


@pytest.mark.parametrize("dtype", ["float32", "int64", "bool"])
def test_concatenate_stack_split(dtype):
    generator = np.random.default_rng(0)
    a, b = draw(generator, dtype, (2, 3, 4)), draw(generator, dtype, (2, 3, 4))
    x, y = to_device(a), to_device(b)
    for axis in (0, 1, -1, None):
        same(np.concatenate([x, y[:, :3], x], axis), np.concatenate([a, b, a], axis))
        if axis is not None:
            same(np.stack([x, y], axis), np.stack([a, b], axis))
            for ours, wanted in zip(np.split(x, [1], axis), np.split(a, [1], axis), strict=True):
                same(ours, wanted)
                assert np.may_share_memory(ours, x)
    same(np.concatenate([x, y[:0]]), a)
    for ours, wanted in zip(np.split(x, 2, 2), np.split(a, 2, 2), strict=True):
        same(ours, wanted)
    same(np.concatenate([x, to_device(np.ones((1, 3, 4), np.float64))]), np.concatenate([a, np.ones((1, 3, 4))]))
    with pytest.raises(ValueError, match="must match exactly"):
        np.concatenate([x, y[:, :2]])
    with pytest.raises(ValueError, match="same shape"):
        np.stack([x, y[:, :2]])
    with pytest.raises(TypeError, match="on the host"):
        np.concatenate([x, b])


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 1, 4), (0, 2)])
def test_tile_roll_pad(shape):
    a = draw(np.random.default_rng(1), "float32", shape)
    x = to_device(a)
    for reps in (2, (2, 3), (1, 2, 1, 2), 0):
        same(np.tile(x, reps), np.tile(a, reps))
    for shift, axis in ((1, None), (-2, 0), (5, -1), ((1, 2), (0, -1)), (0, 0)):
        same(np.roll(x, shift, axis), np.roll(a, shift, axis))
    for width in (1, (2, 0), [(1, 2)] * a.ndim):
        same(np.pad(x, width, constant_values=3), np.pad(a, width, constant_values=3))
    with pytest.raises(TypeError, match="constant"):
        np.pad(x, 1, mode="reflect")


def test_views():
    a = np.arange(24.0).reshape(2, 3, 1, 4)
    x = to_device(a)
    for function in (
        lambda v: np.transpose(v, (3, 0, 1, 2)), lambda v: np.swapaxes(v, 0, 3), lambda v: np.moveaxis(v, 0, -1),
        lambda v: np.moveaxis(v, (0, 1), (-1, -2)), lambda v: np.squeeze(v), lambda v: np.squeeze(v, 2),
        lambda v: np.flip(v), lambda v: np.flip(v, (0, 3)), lambda v: np.expand_dims(v, (0, 2)),
        lambda v: np.broadcast_to(v, (5, 2, 3, 2, 4)), lambda v: np.diagonal(v, 1, 1, 3), lambda v: v.T,
        lambda v: v[0].mT, lambda v: v.view(), lambda v: v.view(np.int64), lambda v: np.atleast_2d(v[0, 0, 0]),
        lambda v: v.swapaxes(1, 2), lambda v: np.reshape(v, (6, -1)), lambda v: v[..., None],
    ):  # fmt: skip
        same(function(x), function(a))
        assert np.may_share_memory(function(x), x)
    same(np.ravel(x.T), a.T.ravel())
    same(x.T.flatten(), a.T.flatten())
    assert np.shape(x) == a.shape and np.ndim(x) == 4 and np.size(x) == len(x) * 12
    assert [part.shape for part in x] == [(3, 1, 4)] * 2
    assert x.tolist() == a.tolist()


def test_new_arrays_like_another():
    x = to_device(np.ones((2, 3), np.float32).T)
    for ours, wanted in (
        (np.zeros_like(x), np.zeros((3, 2), np.float32)), (np.ones_like(x, dtype=np.int64), np.ones((3, 2), np.int64)),
        (np.full_like(x, 7), np.full((3, 2), 7, np.float32)), (np.zeros_like(x, shape=4), np.zeros(4, np.float32)),
    ):  # fmt: skip
        same(ours, wanted)
    assert np.empty_like(x).shape == (3, 2)
    assert np.result_type(x, 1.5) == np.float32 and np.can_cast(x, np.float64)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_products(dtype, monkeypatch):
    generator = np.random.default_rng(2)
    ulp = 64 if dtype != "int64" else 0
    for first, second in (
        ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 5)), ((4, 2, 3), (3, 5)), ((2, 1, 2, 3), (4, 3, 2)),
        ((2, 0), (0, 3)), ((0, 2, 3), (3, 1)),
    ):  # fmt: skip
        a, b = draw(generator, dtype, first, corners=False), draw(generator, dtype, second, corners=False)
        for ours in (to_device(a) @ to_device(b), np.matmul(to_device(a.T).T, to_device(b))):
            np.testing.assert_allclose(ours.get(), a @ b, rtol=1e-4 if ulp else 0, atol=1e-5)
            assert (ours.shape, ours.dtype) == ((a @ b).shape, (a @ b).dtype)
    monkeypatch.setattr(products, "_MOST_MATRICES", 2)
    a = draw(generator, dtype, (5, 2, 2), corners=False)
    np.testing.assert_allclose((to_device(a) @ to_device(a)).get(), a @ a, rtol=1e-4, atol=1e-5)
    same(np.dot(to_device(a), a.dtype.type(2)), a * 2)
    with pytest.raises(ValueError, match="columns"):
        to_device(a) @ to_device(a[:, :1])


@pytest.mark.parametrize(
    "subscripts",
    ["ij,jk->ik", "bij,bjk->bik", "ij->ji", "ij->i", "ij->", "ij,ij->", "i,j->ij", "ij,jk", "bi,ij,bj->b", "ij,kl->il",
     "abc,cd,de->abe", "ij,j->i", "abc,abd->cd", "i,i,i->i", "i,i,j->j"],
)  # fmt: skip
def test_einsum(subscripts):
    generator = np.random.default_rng(3)
    sizes = {letter: 2 + i % 3 for i, letter in enumerate("abcdeijkl")}
    host = [generator.standard_normal([sizes[c] for c in term]) for term in subscripts.partition("->")[0].split(",")]
    ours = np.einsum(subscripts, *map(to_device, host), optimize=True)
    wanted = np.asarray(np.einsum(subscripts, *host))
    assert ours.shape == wanted.shape
    np.testing.assert_allclose(ours.get(), wanted, atol=1e-12)
    with pytest.raises(TypeError, match="einsum"):
        np.einsum("ii->i", to_device(np.ones((2, 2))))


def run_all(dtype):
    """Every operation once, for the compiler."""
    x = empty((3, 4, 5), dtype)
    np.concatenate([x, x], 1), np.stack([x, x], -1), np.tile(x, (2, 1, 2)), np.roll(x, 1, 0), np.pad(x, 1)
    if x.dtype.kind != "b":
        x @ x.swapaxes(1, 2), np.einsum("abc,abd->cd", x, x)
