"""Shapes of activations, and every refusal, once for all back ends."""

import math

import numpy as np

from kernels.memory import FLOATS, Array

__all__ = [
    "along_axis",
    "check_alike",
    "check_arguments",
    "check_floats",
    "check_gated",
    "check_slopes",
    "gated",
    "is_tanh",
    "per_channel",
]


def check_floats(op, arrays):
    """Refuse what is not a float32 or float64 array, and a mixture of the two.

    Parameters
    ----------
    op : str
    arrays : dict of str to ndarray
        By the argument's name, as the error text gives it.
    """
    expected = None
    for name, array in arrays.items():
        if not isinstance(array, Array):
            raise TypeError(f"{op}: {name} expects a numpy.ndarray, got {type(array).__name__}")
        if array.dtype not in FLOATS:
            raise TypeError(f"{op}: {name} expects float32 or float64, got {array.dtype}; convert it with astype")
        if expected is None:
            first, expected = name, array.dtype
        elif array.dtype != expected:
            raise TypeError(f"{op}: {name} expects the dtype of {first}, {expected}, got {array.dtype}")


def check_alike(op, arrays):
    """Refuse arrays of different shapes, beside what `check_floats` refuses."""
    check_floats(op, arrays)
    (first, expected), *others = arrays.items()
    for name, array in others:
        if array.shape != expected.shape:
            raise ValueError(f"{op}: {name} expects the shape of {first}, {expected.shape}, got {array.shape}")


def check_arguments(formula, arrays):
    """As `check_alike`; a formula's name and those of its first parameters stand in the error texts."""
    names = formula.__code__.co_varnames[: len(arrays)]
    check_alike(formula.__name__.strip("_"), dict(zip(names, arrays)))


def along_axis(op, shape, axis):
    """`shape` as (outer, L, inner) with L the size of `axis`; a number without axes counts as one of size 1.

    Raises
    ------
    ValueError
        If there is no such axis.
    """
    sizes = tuple(shape) or (1,)
    if isinstance(axis, bool) or not isinstance(axis, (int, np.integer)):
        raise TypeError(f"{op}: axis expects an int, got {axis!r}")
    if not -len(sizes) <= axis < len(sizes):
        raise ValueError(f"{op}: axis expects {-len(sizes)} to {len(sizes) - 1} for shape {tuple(shape)}, got {axis}")
    axis %= len(sizes)
    return math.prod(sizes[:axis]), sizes[axis], math.prod(sizes[axis + 1 :])


def gated(op, shape, axis):
    """Shape of glu's output: half of `axis`."""
    L = along_axis(op, shape, axis)[1]
    if not shape or L % 2:
        raise ValueError(f"{op}: axis {axis} expects an even size, to be halved, got shape {tuple(shape)}")
    axis %= len(shape)
    return (*shape[:axis], L // 2, *shape[axis + 1 :])


def check_gated(op, grad_y, x, axis):
    """Refuse a gradient that does not have the shape of glu's output."""
    check_floats(op, {"x": x, "grad_y": grad_y})
    expected = gated(op, x.shape, axis)
    if grad_y.shape != expected:
        raise ValueError(f"{op}: grad_y expects the shape of the output, {expected}, got {grad_y.shape}")


def per_channel(x_shape, slopes):
    """`x_shape` as (N, C, inner), with the slopes along C: axis 1 has one slope each, or all share the only one."""
    if slopes == 1:
        return (x_shape[0] if x_shape else 1, 1, math.prod(x_shape[1:]))
    return (x_shape[0], x_shape[1], math.prod(x_shape[2:]))


def check_slopes(op, x, weight):
    """Refuse prelu's weight unless it has one slope, or one for each channel (axis 1) of `x`."""
    check_floats(op, {"x": x, "weight": weight})
    channels = x.shape[1] if x.ndim > 1 else 1
    if weight.ndim != 1 or weight.shape[0] not in (1, channels):
        raise ValueError(
            f"{op}: weight expects 1 slope, or {channels}, one for each channel of x {x.shape}, "
            f"got shape {weight.shape}"
        )


def is_tanh(op, approximate):
    """Whether gelu is to be approximated by tanh; refuses anything but "none" and "tanh"."""
    if approximate not in ("none", "tanh"):
        raise ValueError(f'{op}: approximate expects "none" or "tanh", got {approximate!r}')
    return approximate == "tanh"
