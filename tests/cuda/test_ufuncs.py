"""NumPy's element-by-element functions and operators on device arrays give what NumPy gives on the host.

``run_all`` is what ``test_ptx.py`` compiles.
"""

import operator

import numpy as np
import pytest
from scipy import special

from kernels.gpu.array import DeviceArray
from kernels.gpu.memory import empty
from kernels.gpu.scalar_formulas import FORMULAS
from kernels.gpu.transfer import TRANSFERS, to_device

UFUNCS = {name: getattr(np, name, None) or getattr(special, name) for name in FORMULAS if name != "copy"}
DTYPES = ("float32", "float64", "int64", "int32", "uint8", "bool")

#: Units in the last place by which a function may differ from NumPy's; the others may not at all.
ULP = {"power": 16, "exp2": 4, "erf": 4, "erfc": 4, "floor_divide": 0, "remainder": 0}

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -1.5, 2.5, 3.0, -3.0, np.inf, -np.inf, np.nan]


def draw(generator, dtype, shape, corners=True):
    """Numbers of a dtype; of floats, some that are special."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return generator.random(shape) < 0.5
    if dtype.kind in "iu":
        return generator.integers(0 if dtype.kind == "u" else -5, 6, shape).astype(dtype)
    values = generator.standard_normal(shape).astype(dtype)
    if corners:
        chosen = generator.random(shape) < 0.3
        values[chosen] = generator.choice(np.array(SPECIAL, dtype), int(chosen.sum()))
    return values


def same(ours, wanted, ulp=0):
    assert isinstance(ours, DeviceArray)
    wanted = np.asarray(wanted)
    assert (ours.shape, ours.dtype) == (wanted.shape, wanted.dtype)
    got = ours.get()
    if ulp and wanted.dtype.kind == "f":
        np.testing.assert_allclose(got, wanted, rtol=ulp * np.finfo(wanted.dtype).eps, atol=0)
    else:
        np.testing.assert_array_equal(got, wanted)


def by_numpy(function, *arguments):
    """NumPy's result, or None where it has no such operation."""
    with np.errstate(all="ignore"):
        try:
            return function(*arguments)
        except TypeError:
            return None


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", sorted(UFUNCS))
def test_a_ufunc_gives_what_numpy_gives(name, dtype):
    ufunc, generator = UFUNCS[name], np.random.default_rng(len(name))
    if name in ("fmax", "fmin", "reciprocal") and np.dtype(dtype).kind != "f":
        return  # for whole numbers these have no formula: nobody uses them
    operands = [draw(generator, dtype, (3, 7)) for _ in range(ufunc.nin)]
    if name == "power" and np.dtype(dtype).kind == "i":
        operands[1] = np.abs(operands[1])
    wanted = by_numpy(ufunc, *operands)
    on_device = [to_device(operand) for operand in operands]
    if wanted is None:
        with pytest.raises(TypeError):
            ufunc(*on_device)
        return
    same(ufunc(*on_device), wanted, ULP.get(name, 2))
    strided = [to_device(np.concatenate([a.T, a.T]))[: a.shape[1]].T[::-1] for a in operands]
    same(ufunc(*strided), ufunc(*operands)[::-1] if wanted is None else wanted[::-1], ULP.get(name, 2))


OPERATORS = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow,
    operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne, operator.and_, operator.or_,
    operator.xor,
]  # fmt: skip


@pytest.mark.parametrize("function", OPERATORS, ids=lambda function: function.__name__)
def test_operands_of_any_dtype_are_promoted_by_numpy(function):
    generator = np.random.default_rng(0)
    for dtype in DTYPES:
        x = draw(generator, dtype, (2, 3), corners=False)
        others = [2, 2.5, True, np.float32(3), np.int64(2), np.asarray(2.5)]
        others += [np.abs(draw(generator, other, (2, 3), corners=False)) for other in DTYPES]
        for other in others:
            on_device = to_device(other) if isinstance(other, np.ndarray) and other.ndim else other
            wanted = by_numpy(function, x, other)
            if wanted is not None:
                same(function(to_device(x), on_device), wanted, 16)
            wanted = by_numpy(function, other, np.abs(x))
            if wanted is not None and np.ndim(other) == 0:
                same(function(other, to_device(np.abs(x))), wanted, 16)


@pytest.mark.parametrize("seed", range(8))
def test_broadcasting_and_strides(seed):
    generator = np.random.default_rng(seed)
    ndim = int(generator.integers(0, 6))
    shape = tuple(int(size) for size in generator.integers(0 if seed == 3 else 1, 4, ndim))
    host = [generator.standard_normal(tuple(1 if generator.random() < 0.3 else size for size in shape)[start:])
            for start in generator.integers(0, ndim + 1, 2)]  # fmt: skip
    device = [to_device(array) for array in host]
    order = [generator.permutation(array.ndim) for array in host]
    same(device[0] + device[1], host[0] + host[1])
    for x, a, axes in zip(device, host, order):
        same(x.transpose(axes) * 2, a.transpose(axes) * 2)
        same(np.negative(x[..., ::-1]) if a.ndim else -x, -a[..., ::-1] if a.ndim else -a)


def test_out_and_in_place():
    a, b = np.arange(12.0).reshape(3, 4), np.arange(4.0)
    x, y = to_device(a), to_device(b)
    out = empty((3, 4), np.float64)
    assert np.add(x, y, out=out) is out
    same(out, a + b)
    kept = x
    x += y
    x[:, 1:] *= 2
    a += b
    a[:, 1:] *= 2
    assert x is kept
    same(x, a)
    x[1:] += x[:-1]  # as NumPy: the old values are read
    a[1:] += a[:-1].copy()
    same(x, a)
    with pytest.raises(ValueError, match="does not fit"):
        np.add(x, y, out=empty(4, np.float64))
    with pytest.raises(TypeError, match="same_kind"):
        np.add(x, y, out=empty((3, 4), np.int64))
    with pytest.raises(TypeError, match="on the device"):
        np.add(x, y, out=a)
    with pytest.raises(ValueError, match="read-only"):
        np.broadcast_to(y, (3, 4))[...] = 1


def test_dtype_is_chosen():
    a = np.arange(5, dtype=np.float32)
    same(np.add(to_device(a), 1, dtype=np.float64), np.add(a, 1, dtype=np.float64))
    same(np.multiply(to_device(a), to_device(a), dtype=np.float64), np.multiply(a, a, dtype=np.float64))


def test_a_host_array_among_the_operands_is_refused():
    x = to_device(np.ones(3))
    for mixed in (lambda: x + np.ones(3), lambda: np.ones(3) + x, lambda: np.where(x > 0, np.ones(3), x)):
        with pytest.raises(TypeError, match="device"):
            mixed()
    with pytest.raises(TypeError, match="device"):
        host = np.ones(3)
        host += x
    with pytest.raises(TypeError, match="not copied to the host in secret"):
        np.asarray(x)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.divmod(x, 2), lambda x: np.modf(x), lambda x: np.subtract.reduce(x),
        lambda x: np.hypot(x, x), lambda x: np.linalg.inv(x), lambda x: np.fft.fft(x),
        lambda x: np.add(x, x, where=x > 0), lambda x: np.kron(x, x),
    ],
)  # fmt: skip
def test_what_is_not_supported_says_its_name(call):
    with pytest.raises(TypeError, match=r"numpy[.\w]*\.(\w+)"):
        call(to_device(np.ones((2, 2))))


def test_numbers_and_arrays_without_axes_stay_on_the_device():
    x = to_device(np.float32(3))
    before = TRANSFERS.to_host
    for y in (x + 1, x[()], -x, np.sqrt(x), x.sum(), x.reshape(1)[0], x > 2):
        assert isinstance(y, DeviceArray) and y.shape == ()
    assert TRANSFERS.to_host == before
    assert float(x) == x.item() == 3 and bool(x > 2) and int(x.astype(np.int64)) == 3
    assert [10, 11, 12, 13][x.astype(np.int64)] == 13
    assert TRANSFERS.to_host == before + 5


def test_casts():
    values = np.array([-2.7, -0.5, 0.0, 0.5, 3.9, 200.0, np.nan])
    for source in ("float32", "float64", "float16", "int64", "bool"):
        a = values[:6].astype(source)
        for target in ("float32", "float64", "float16", "int64", "int32", "bool"):
            same(to_device(a).astype(target), a.astype(target))
    same(to_device(values).astype(bool), values.astype(bool))
    x = to_device(values)
    assert x.astype(np.float64, copy=False) is x
    with pytest.raises(TypeError, match="cannot be cast"):
        x.astype(np.int64, casting="safe")


@pytest.mark.parametrize("seed", range(3))
def test_functions_made_of_ufuncs(seed):
    generator = np.random.default_rng(seed)
    a, b = (draw(generator, "float32", (5, 6)) for _ in range(2))
    x, y = to_device(a), to_device(b)
    with np.errstate(all="ignore"):
        same(np.nan_to_num(x), np.nan_to_num(a))
        same(np.nan_to_num(x, nan=2.0, posinf=7.0, neginf=-7.0), np.nan_to_num(a, nan=2.0, posinf=7.0, neginf=-7.0))
        same(np.clip(x, -1, 1), np.clip(a, -1, 1))
        same(np.clip(x, None, y), np.clip(a, None, b))
        same(x.clip(0.0), a.clip(0.0))
        same(np.round(x), np.round(a))
        same(np.round(x, 2), np.round(a, 2), 2)
        same(np.isclose(x, y), np.isclose(a, b))
        same(np.isclose(x, x, equal_nan=True), np.isclose(a, a, equal_nan=True))
        same(np.diff(x, axis=0), np.diff(a, axis=0))
        assert np.array_equal(x, x) == np.array_equal(a, a)
        assert np.array_equal(x, x, equal_nan=True) and not np.array_equal(x, x[1:])
        assert not np.allclose(x, y)


def run_all(dtype):
    """Every operation once, for the compiler."""
    x, y = empty((4, 6), dtype), empty((4, 6), dtype)
    for ufunc in UFUNCS.values():
        try:
            ufunc(*(x, y)[: ufunc.nin])
        except TypeError:  # NumPy has no such operation for the dtype, or we
            continue
    x.T + y.T, x + 2, x[0] * y, -x[:, ::2] if x.dtype.kind != "b" else ~x, x > 0, x[:, 1:] == 1
    for other in (np.float32, np.float64, np.int64, np.bool_, np.float16):
        x.astype(other)
    np.isclose(x, y)
