"""Sums, means, extrema, truth and counts of device arrays under NumPy's names; the kernels are in ``reductions.py``."""

import numpy as np

from kernels.gpu.reductions import normal_axes, over, reduce

__all__ = ["all", "any", "count_nonzero", "max", "mean", "min", "prod", "std", "sum", "var"]


def sum(a, axis=None, dtype=None, out=None, keepdims=False, **refused):
    """Sum; bools and integers add up to 64 bits."""
    return reduce(np.add, a, axis, dtype, out, keepdims, **refused)


def prod(a, axis=None, dtype=None, out=None, keepdims=False, **refused):
    """Product."""
    return reduce(np.multiply, a, axis, dtype, out, keepdims, **refused)


def max(a, axis=None, out=None, keepdims=False, **refused):
    """Largest element; NaN if there is one."""
    return reduce(np.maximum, a, axis, None, out, keepdims, **refused)


def min(a, axis=None, out=None, keepdims=False, **refused):
    """Smallest element; NaN if there is one."""
    return reduce(np.minimum, a, axis, None, out, keepdims, **refused)


def all(a, axis=None, out=None, keepdims=False, **refused):
    """Whether every element is true."""
    return reduce(np.logical_and, a, axis, None, out, keepdims, **refused)


def any(a, axis=None, out=None, keepdims=False, **refused):
    """Whether an element is true."""
    return reduce(np.logical_or, a, axis, None, out, keepdims, **refused)


def count_nonzero(a, axis=None, *, keepdims=False):
    """How many elements are not 0."""
    return over(a, axis, "add", "truth", np.dtype(np.int64), None, keepdims)


def _count(a, axis):
    return int(np.prod([a.shape[i] for i in normal_axes(axis, a.ndim)], dtype=np.int64))


def mean(a, axis=None, dtype=None, out=None, keepdims=False, **refused):
    """Mean; integers are summed in float64."""
    dtype = np.dtype(dtype or (a.dtype if a.dtype.kind == "f" else np.float64))
    total = sum(a, axis, dtype, None, keepdims, **refused)
    return np.divide(total, dtype.type(_count(a, axis)), out=out)


def var(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, correction=None):
    """Variance: in two passes, the mean first."""
    dtype = np.dtype(dtype or (a.dtype if a.dtype.kind == "f" else np.float64))
    centred = np.subtract(a, mean(a, axis, dtype, keepdims=True), dtype=dtype)
    freedom = _count(a, axis) - (ddof if correction is None else correction)
    total = sum(centred * centred, axis, dtype, None, keepdims)
    return np.divide(total, dtype.type(freedom if freedom > 0 else 0), out=out)


def std(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, correction=None):
    """Standard deviation."""
    return np.sqrt(var(a, axis, dtype, None, ddof, keepdims, correction=correction), out=out)
