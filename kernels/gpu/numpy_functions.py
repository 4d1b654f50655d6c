"""Which of NumPy's functions work on device arrays.

``np.f(x)`` asks `DeviceArray` where NumPy dispatches:

=========================  =============================================================================================
operators, ufuncs          all of ``scalar_formulas.py``, with ``out=`` and ``dtype=``; ``ufunc.reduce`` of add,
                           multiply, maximum, minimum, logical_and, logical_or; ``ufunc.accumulate`` of add, multiply;
                           ``np.add.at``
functions                  those in `FUNCTIONS` below
methods                    those of ``array.py`` and ``protocol.py``
copies to the host         ``x.get()``, ``.item()``, ``.tolist()``, ``bool(x)``, ``int(x)``, ``float(x)``, an array
                           printed; the count of ``np.nonzero``, ``np.unique`` and of bool masks as indices; all of them
                           counted in ``kernels.gpu.transfer.TRANSFERS``
=========================  =============================================================================================

NumPy does not ask where an array is to be made, so these cannot work, and raise TypeError in ``__array__``:

=================================================  =====================================================================
``np.asarray(x)``, ``np.array(x)``                 where a 0-d result of NumPy is made an array again, leave it out:
                                                   results here are arrays already; elsewhere ``x.astype``, ``x.copy()``
``np.ascontiguousarray(x)``, ``np.require``        ``kernels.gpu.memory.readable(x)``
``np.zeros(shape)``, ``ones``, ``full``, ``empty`` make host arrays; ``np.zeros_like(x)`` … and ``x.dtype`` dispatch
``np.arange``, ``np.indices``, ``np.eye``          make host arrays. As an index, one that runs along one axis in equal
                                                   steps costs nothing; another is copied to the device, counted
``np.repeat(host, counts)``                        asks its first argument only; counts on the device: ``counts.get()``
``host += x``, ``host + x``, ``x[...] = host``     raise TypeError for a host array with axes; ``to_device(host)`` first
``np.float32(x)``, ``dtype.type(x)``               ``x.astype(dtype)``
``np.random``                                      draws on the host
=================================================  =====================================================================

A function that dispatches and is in neither list raises TypeError with its name.
"""

import numpy as np

from kernels.gpu import choosing, indexing, joining, ordering, positions, products, selecting, statistics
from kernels.gpu.array import DeviceArray
from kernels.gpu.geometry import broadcast, overlap
from kernels.gpu.memory import empty

__all__ = ["FUNCTIONS", "call"]


def call(function, arguments, options):
    """What NumPy calls for a function with a device array among its arguments.

    Raises
    ------
    TypeError
        For a function that does not work on the device.
    """
    ours = FUNCTIONS.get(function)
    if ours is None:
        module = "numpy" if function.__module__ is None else function.__module__
        raise TypeError(
            f"{module}.{function.__name__} is not supported for arrays on the device; .get() copies one to the host"
        )
    return ours(*arguments, **options)


def _geometric(function):
    """A function of NumPy that makes views: it is applied to the geometry alone."""

    def view(x, *arguments, **options):
        return x._view(function(x._geometry, *arguments, **options))

    return view


def _like(value):
    def new(x, dtype=None, order="K", subok=True, shape=None, *, device=None):
        y = empty(x.shape if shape is None else shape, x.dtype if dtype is None else dtype)
        if value is not None:
            y.fill(value)
        return y

    return new


def _full_like(x, fill_value, dtype=None, order="K", subok=True, shape=None, *, device=None):
    y = empty(x.shape if shape is None else shape, x.dtype if dtype is None else dtype)
    y[...] = fill_value
    return y


def _may_share_memory(a, b, max_work=None):
    return isinstance(a, DeviceArray) and isinstance(b, DeviceArray) and overlap(a, b)


def _array_equal(a1, a2, equal_nan=False):
    """A copy of one bool to the host."""
    if np.shape(a1) != np.shape(a2):
        return False
    same = np.equal(a1, a2)
    if equal_nan:
        same = same | (np.isnan(a1) & np.isnan(a2))
    return bool(same.all())


def _result_type(*values):
    return np.result_type(*(value.dtype if isinstance(value, DeviceArray) else value for value in values))


def _can_cast(from_, to, casting="safe"):
    return np.can_cast(from_.dtype if isinstance(from_, DeviceArray) else from_, to, casting)


def _copyto(dst, src, casting="same_kind", where=True):
    if where is not True:
        raise TypeError("numpy.copyto with where= is not supported on the device; use numpy.where")
    dst[...] = src


def _isclose(a, b, rtol=1e-5, atol=1e-8, equal_nan=False):
    """|a - b| <= atol + rtol * |b|; infinities are close to themselves alone."""
    if b.dtype.kind != "f":
        b = b.astype(np.result_type(b.dtype, 1.0))
    close = (np.abs(a - b) <= atol + rtol * np.abs(b)) & np.isfinite(b) | (a == b)
    return close | (np.isnan(a) & np.isnan(b)) if equal_nan else close


def _nan_to_num(x, copy=True, nan=0.0, posinf=None, neginf=None):
    if x.dtype.kind != "f":
        return x.copy() if copy else x
    limits = np.finfo(x.dtype)
    number = x.dtype.type
    y = np.where(np.isnan(x), number(nan), x)
    y = np.where(y == number(np.inf), number(limits.max if posinf is None else posinf), y)
    y = np.where(y == number(-np.inf), number(limits.min if neginf is None else neginf), y)
    if copy:
        return y
    x[...] = y
    return x


def _clip(a, a_min=None, a_max=None, out=None, *, min=None, max=None, **options):
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    y = a
    if low is not None:
        y = np.maximum(y, low, out=out, **options)
    if high is not None:
        y = np.minimum(y, high, out=out, **options)
    return y.copy() if y is a else y


def _round(a, decimals=0, out=None):
    if a.dtype.kind != "f":
        if decimals < 0:
            raise TypeError("numpy.round of integers to tens is not supported on the device")
        return a.copy() if out is None else np.positive(a, out=out)
    if decimals == 0:
        return np.rint(a, out=out)
    factor = a.dtype.type(10.0 ** abs(decimals))
    if decimals > 0:
        return np.divide(np.rint(a * factor), factor, out=out)
    return np.multiply(np.rint(a / factor), factor, out=out)


def _diff(a, n=1, axis=-1):
    for _ in range(n):
        ahead = (slice(None),) * (axis % a.ndim)
        a = a[(*ahead, slice(1, None))] - a[(*ahead, slice(None, -1))] if a.dtype.kind != "b" else (
            a[(*ahead, slice(1, None))] ^ a[(*ahead, slice(None, -1))])  # fmt: skip
    return a


FUNCTIONS = {
    np.all: statistics.all, np.any: statistics.any, np.argmax: positions.argmax, np.argmin: positions.argmin,
    np.count_nonzero: statistics.count_nonzero, np.cumprod: positions.cumprod, np.cumsum: positions.cumsum,
    np.max: statistics.max, np.mean: statistics.mean, np.min: statistics.min, np.prod: statistics.prod,
    np.std: statistics.std, np.sum: statistics.sum, np.var: statistics.var,
    np.empty_like: _like(None), np.zeros_like: _like(0), np.ones_like: _like(1), np.full_like: _full_like,
    np.may_share_memory: _may_share_memory, np.shares_memory: _may_share_memory, np.array_equal: _array_equal,
    np.result_type: _result_type, np.can_cast: _can_cast, np.copyto: _copyto,
    np.copy: lambda a, order="K", subok=False: a.copy(),
    np.shape: lambda a: a.shape, np.size: lambda a, axis=None: a.size if axis is None else a.shape[axis],
    np.ndim: lambda a: a.ndim,
    np.isclose: _isclose, np.nan_to_num: _nan_to_num, np.clip: _clip, np.round: _round, np.diff: _diff,
    np.allclose: lambda a, b, rtol=1e-5, atol=1e-8, equal_nan=False: bool(_isclose(a, b, rtol, atol, equal_nan).all()),
    np.broadcast_to: lambda array, shape, subok=False: broadcast(array, (shape,) if isinstance(shape, int) else shape),
    np.reshape: lambda a, shape, order="C", copy=None: a.reshape(shape), np.ravel: lambda a, order="C": a.ravel(),
    np.transpose: _geometric(np.transpose), np.swapaxes: _geometric(np.swapaxes), np.moveaxis: _geometric(np.moveaxis),
    np.squeeze: _geometric(np.squeeze), np.expand_dims: _geometric(np.expand_dims), np.flip: _geometric(np.flip),
    np.rot90: _geometric(np.rot90), np.atleast_1d: _geometric(np.atleast_1d), np.atleast_2d: _geometric(np.atleast_2d),
    np.take: indexing.take, np.take_along_axis: indexing.take_along_axis,
    np.put_along_axis: indexing.put_along_axis, np.repeat: indexing.repeat, np.argsort: ordering.argsort,
    np.sort: ordering.sort, np.unique: ordering.unique,
    np.concatenate: joining.concatenate, np.stack: joining.stack, np.split: joining.split, np.tile: joining.tile,
    np.roll: joining.roll, np.pad: joining.pad, np.dot: products.dot, np.einsum: products.einsum,
    np.diagonal: _geometric(np.diagonal),
    np.where: choosing.where, np.tril: choosing.tril, np.triu: choosing.triu, np.nonzero: selecting.nonzero,
    np.real: lambda val: val,
}  # fmt: skip
