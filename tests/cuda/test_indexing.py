"""Indexing device arrays gives and changes what NumPy gives and changes on the host."""

import numpy as np
import pytest
from test_ufuncs import draw, same

from kernels.gpu import faults
from kernels.gpu.launch import strided
from kernels.gpu.memory import empty
from kernels.gpu.selecting import _list_places
from kernels.gpu.transfer import TRANSFERS, to_device

DTYPES = ("float32", "int64", "bool")


def on_device(index):
    """The index with its arrays on the device."""
    if isinstance(index, tuple):
        return tuple(on_device(part) for part in index)
    return to_device(index) if isinstance(index, np.ndarray) and index.ndim else index


def random_index(generator, shape):
    """A mixture of everything that an index may hold."""
    index, axis, broadcast = [], 0, tuple(int(n) for n in generator.integers(1, 4, int(generator.integers(1, 3))))
    while axis < len(shape):
        size, kind = shape[axis], generator.choice(["slice", "int", "array", "mask", "none", "end"])
        if kind == "none":
            index.append(None)
            continue
        if kind == "end":
            break
        if kind == "mask" and not any(isinstance(p, np.ndarray) for p in index) and axis + 1 < len(shape):
            index.append(generator.random(shape[axis : axis + 2]) < 0.5)
            broadcast = (int(index[-1].sum()),)
            axis += 2
            continue
        if kind == "array":
            some = tuple(1 if generator.random() < 0.3 else n for n in broadcast)
            index.append(generator.integers(-size, size, some))
        elif kind == "int":
            index.append(int(generator.integers(-size, size)))
        else:
            start, step = (int(n) for n in (generator.integers(-size, size), generator.choice([-2, -1, 1, 2])))
            index.append(slice(start if generator.random() < 0.5 else None, None, step))
        axis += 1
    if generator.random() < 0.3:
        index.append(Ellipsis)
    return tuple(index)


@pytest.mark.parametrize("seed", range(150))
def test_random_indices(seed):
    generator = np.random.default_rng(seed)
    a = draw(generator, DTYPES[seed % 3], tuple(generator.integers(1, 5, int(generator.integers(1, 5)))), corners=False)
    axes = generator.permutation(a.ndim)
    a = a.transpose(axes)
    x = to_device(a.transpose(np.argsort(axes))).transpose(axes)
    index = random_index(generator, a.shape)
    wanted = a[index]
    for ours in (index, on_device(index)):
        same(x[ours], wanted)
    values = draw(generator, a.dtype, np.shape(wanted), corners=False)
    for ours in (index, on_device(index)):
        b, y = a.copy(), to_device(a.copy())
        b[index] = 1
        y[ours] = 1
        same(y, b)
        b[index] = values
        y[ours] = to_device(values)
        same(y, b)
        if a.dtype.kind != "b":
            np.add.at(b, index, values)
            np.add.at(y, ours, to_device(values))
            same(y, b)
            np.add.at(b, index, 2)
            np.add.at(y, ours, 2)
            same(y, b)


R = np.array([1, 0, 1])


@pytest.mark.parametrize(
    "index",
    [(slice(None), R, slice(None), R), (slice(None), R, None, R), (slice(None), 0, slice(1, None), R),
     (0, slice(3), R), (slice(None), R, Ellipsis, 1), (slice(None), R, R), (Ellipsis, R), (R[:, None], slice(None), R),
     True, (False, R[:1]), (slice(None), np.eye(2, 3) > 0, R[:2]), (slice(None), np.array(1), R)],
)  # fmt: skip
def test_indices_that_are_apart_come_first(index):
    a = np.arange(2.0 * 2 * 3 * 2).reshape(2, 2, 3, 2)
    wanted = a[index]
    for ours in (index, on_device(index)):
        same(to_device(a)[ours], wanted)
        b, y = a.copy(), to_device(a)
        b[index], y[ours] = wanted + 1, to_device(np.asarray(wanted + 1))
        same(y, b)


def test_views_share_memory_and_copies_do_not():
    x = to_device(np.arange(24.0).reshape(2, 3, 4))
    for view in (x[1], x[:, None], x[..., 0], x[::-1], x.T, x[1:, :2], x[0, 0, 0], np.moveaxis(x, 0, 1), x.reshape(-1)):
        assert np.may_share_memory(view, x) and view.base is x
    for copy in (x[to_device(np.array([0, 1]))], x[[0, 1]], x[x > 3], x.copy(), x + 0, x.T.reshape(-1)):
        assert not np.may_share_memory(copy, x)
    assert not np.may_share_memory(x[0], x[1])
    assert not np.may_share_memory(x, np.zeros(3))
    assert x.base is None


def test_the_last_of_several_values_for_one_element_wins():
    index = np.random.default_rng(0).integers(0, 3, 70)  # more than there are threads, so they do not go in order
    values = np.arange(140.0).reshape(70, 2)
    a, x = np.zeros((3, 2)), to_device(np.zeros((3, 2)))
    a[index] = values
    x[to_device(index)] = to_device(values)
    same(x, a)


def test_sums_into_one_element_are_numpys_to_the_last_bit():
    generator = np.random.default_rng(0)
    index, values = generator.integers(0, 3, 50), generator.standard_normal((50, 2)).astype(np.float32)
    a = np.zeros((3, 2), np.float32)
    x = to_device(a)
    np.add.at(a, index, values)
    np.add.at(x, to_device(index), to_device(values))
    same(x, a)


def test_an_index_out_of_range():
    a = np.arange(6.0).reshape(2, 3)
    x = to_device(a)
    for index in (2, -3, (0, 3), [0, 2], (slice(None), np.array([0, -4]))):
        with pytest.raises(IndexError, match="out of bounds for axis"):
            x[index]
    y = x[:, to_device(np.array([1, 7, 0]))]  # on the device: noted by the kernel, raised by the next copy to the host
    with pytest.raises(IndexError, match="index 7 is out of bounds for axis 1 with size 3"):
        y.get()
    x[to_device(np.array([-3, 1]))] = 9
    with pytest.raises(IndexError, match="index -3 is out of bounds for axis 0 with size 2"):
        x.get()
    a[1] = 9
    same(x, a)
    np.add.at(x, to_device(np.array([5, 1])), 1)
    with pytest.raises(IndexError, match="index 5"):
        x.get()
    assert faults.note().get().tolist() == [0, 0]


def test_indices_that_cannot_be():
    x = to_device(np.zeros((2, 3)))
    for index in ((0, 0, 0), (Ellipsis, Ellipsis), np.zeros(2), ([0, 1], [0, 1, 2]), np.ones((2, 2), bool)):
        with pytest.raises(IndexError):
            x[on_device(index)]
        with pytest.raises(IndexError):
            np.zeros((2, 3))[index]
    with pytest.raises(ValueError, match="could not broadcast"):
        x[0] = to_device(np.zeros(2))
    with pytest.raises(TypeError, match="on the host"):
        x[0] = np.zeros(3)


def test_what_is_copied_to_the_host_and_to_the_device():
    x, mask = to_device(np.arange(12.0).reshape(3, 4)), to_device(np.eye(3, 4) > 0)
    rows, places = to_device(np.array([0, 2])), to_device(np.zeros((2, 4), np.int64))

    def copies(action):
        before = TRANSFERS.to_host, TRANSFERS.to_device
        action()
        return TRANSFERS.to_host - before[0], TRANSFERS.to_device - before[1]

    assert copies(lambda: x[rows]) == (0, 0)
    assert copies(lambda: x[np.arange(2)[:, None], np.arange(4)]) == (0, 0)  # regular: computed, not copied
    assert copies(lambda: np.take_along_axis(x, places, 0)) == (0, 0)
    assert copies(lambda: x[[0, 1, 0]]) == (0, 1)
    faults.check(lambda note: note.get())  # what the indices on the device have asked for
    assert copies(lambda: x[mask]) == (1, 0)
    assert copies(lambda: np.nonzero(x)) == (1, 0)
    assert copies(lambda: x.__setitem__(mask, 0.0)) == (0, 0)
    assert copies(lambda: x.__setitem__((rows, 0), x[:2, 1])) == (0, 0)


@pytest.mark.parametrize("seed", range(10))
def test_take_put_repeat(seed):
    generator = np.random.default_rng(seed)
    a = generator.standard_normal(tuple(generator.integers(1, 5, 3)))
    x = to_device(a)
    for axis in range(3):
        index = generator.integers(0, a.shape[axis], tuple(2 if i == axis else n for i, n in enumerate(a.shape)))
        same(np.take_along_axis(x, to_device(index), axis), np.take_along_axis(a, index, axis))
        values = generator.standard_normal(index.shape)
        b, y = a.copy(), to_device(a)
        np.put_along_axis(b, index, values, axis)
        np.put_along_axis(y, to_device(index), to_device(values), axis)
        same(y, b)
        same(np.take(x, range(1), axis=axis), np.take(a, range(1), axis=axis))
        same(np.take(x, to_device(np.zeros((2, 2), np.int32)), axis), np.take(a, np.zeros((2, 2), np.int32), axis))
        same(np.repeat(x, 3, axis), np.repeat(a, 3, axis))
        counts = generator.integers(0, 3, a.shape[axis])
        same(np.repeat(x, counts, axis), np.repeat(a, counts, axis))
        same(np.repeat(x, to_device(counts), axis), np.repeat(a, counts, axis))
    same(x.repeat(2), a.repeat(2))
    same(np.take(x, [0, -1]), np.take(a, [0, -1]))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool", "uint8"])
def test_nonzero_where_and_triangles(dtype):
    generator = np.random.default_rng(4)
    for shape in [(5,), (3, 4), (2, 3, 2), (0, 3), (40,)]:
        a = draw(generator, dtype, shape)
        b = draw(generator, "float32", shape[1:])
        x, y = to_device(a), to_device(b)
        for ours, wanted in zip(np.nonzero(x), np.nonzero(a), strict=True):
            same(ours, wanted)
        same(np.where(x, y, 0), np.where(a, b, 0))
        same(np.where(x > 0, x, y), np.where(a > 0, a, b))
        same(np.where(x > 0, 1.5, x), np.where(a > 0, 1.5, a))
        if a.ndim > 1:
            for k in (-2, 0, 1):
                same(np.tril(x, k), np.tril(a, k))
                same(np.triu(x, k), np.triu(a, k))
            same(np.where(x.T > 0, x.T, np.float32(2)), np.where(a.T > 0, a.T, np.float32(2)))


def run_all(dtype):
    """Every operation once, for the compiler."""
    x, rows, mask = empty((4, 6), dtype), empty(3, np.int64), empty((4, 6), np.bool_)
    x[rows], x[:, rows], x[rows, rows], x[[0, 2, 3]], x[mask], np.nonzero(x)
    x[rows] = 1
    x[rows] = x[:3]
    x[:, rows] = x[:, :3]
    x[mask] = 2
    x[mask] = x[0, :1]
    np.where(mask, x, x), np.where(mask, x, 0), np.tril(x), np.take_along_axis(x, empty((4, 2), np.int64), 1)
    _list_places[strided(4)](mask.reshape(-1), rows, rows)
    np.nonzero(x)
    if x.dtype.kind != "b":
        np.add.at(x, rows, 1)
        np.add.at(x, rows, x[:3])
