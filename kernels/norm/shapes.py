"""Shapes of normalisation, and every refusal, once for all back ends."""

import numpy as np

from kernels.memory import FLOATS, Array

__all__ = ["batch_norm", "group_norm", "local_response_norm", "row_norm"]


def batch_norm(op, arrays, parameters, statistics):
    """N, C and L of arrays (N, C, L) with a parameter and a statistic for each channel.

    Parameters
    ----------
    op : str
    arrays : dict of str to ndarray
        By the argument's name, as the error text gives it: ``x``, ``grad_y``; of one shape and dtype.
    parameters : dict of str to ndarray or None
        ``weight``, ``bias``: of shape (C,) and the dtype of the arrays.
    statistics : dict of str to ndarray
        ``mean``, ``var``: of shape (C,), float64.

    Raises
    ------
    TypeError, ValueError
        For another dtype or shape.
    """
    N, C, L = _check_arrays(op, arrays, ("N", "C", "L"))
    _check_parameters(op, parameters, C, next(iter(arrays.values())).dtype)
    _check_statistics(op, statistics, (C,))
    return N, C, L


def group_norm(op, arrays, groups, parameters, statistics):
    """N, C and L of arrays (N, C, L) whose channels form `groups`; statistics (N, groups). Raises as `batch_norm`."""
    N, C, L = _check_arrays(op, arrays, ("N", "C", "L"))
    _check_positive(op, "groups", groups)
    if C % groups:
        raise ValueError(f"{op}: groups expects a number that divides the {C} channels, got {groups}")
    _check_parameters(op, parameters, C, next(iter(arrays.values())).dtype)
    _check_statistics(op, statistics, (N, groups))
    return N, C, L


def row_norm(op, arrays, parameters, statistics):
    """R and F of arrays (R, F), parameters (F,), statistics (R,). Raises as `batch_norm`."""
    R, F = _check_arrays(op, arrays, ("R", "F"))
    _check_parameters(op, parameters, F, next(iter(arrays.values())).dtype)
    _check_statistics(op, statistics, (R,))
    return R, F


def local_response_norm(op, arrays, size):
    """N, C and L of arrays (N, C, L); `size` must be at least 1. Raises as `batch_norm`."""
    _check_positive(op, "size", size)
    return _check_arrays(op, arrays, ("N", "C", "L"))


def _check_arrays(op, arrays, axes):
    first = next(iter(arrays))
    for name, array in arrays.items():
        if not isinstance(array, Array):
            raise TypeError(f"{op}: {name} expects a numpy.ndarray, got {type(array).__name__}")
        if array.dtype not in FLOATS:
            raise TypeError(f"{op}: {name} expects float32 or float64, got {array.dtype}; convert it with astype")
        if array.dtype != arrays[first].dtype:
            raise TypeError(f"{op}: {name} expects the dtype of {first}, {arrays[first].dtype}, got {array.dtype}")
        if array.ndim != len(axes):
            raise ValueError(f"{op}: {name} expects {len(axes)} axes ({', '.join(axes)}), got shape {array.shape}")
        if array.shape != arrays[first].shape:
            raise ValueError(f"{op}: {name} expects the shape of {first}, {arrays[first].shape}, got {array.shape}")
    return arrays[first].shape


def _check_parameters(op, parameters, size, dtype):
    for name, array in parameters.items():
        if array is None:
            continue
        if not isinstance(array, Array) or array.dtype != dtype:
            got = array.dtype if isinstance(array, Array) else type(array).__name__
            raise TypeError(f"{op}: {name} expects an array of the dtype of the input, {dtype}, got {got}")
        if array.shape != (size,):
            raise ValueError(
                f"{op}: {name} expects the shape {(size,)}, a number for each of {size} channels or features, "
                f"got {array.shape}"
            )


def _check_statistics(op, statistics, shape):
    for name, array in statistics.items():
        if not isinstance(array, Array) or array.dtype != np.float64:
            got = array.dtype if isinstance(array, Array) else type(array).__name__
            raise TypeError(f"{op}: {name} expects a float64 array, got {got}")
        if array.shape != shape:
            raise ValueError(f"{op}: {name} expects the shape {shape}, got {array.shape}")


def _check_positive(op, name, value):
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool):
        raise TypeError(f"{op}: {name} expects an int, got {value!r}")
    if value < 1:
        raise ValueError(f"{op}: {name} expects a number of at least 1, got {value}")
