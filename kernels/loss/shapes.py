"""What losses accept: every refusal, once for all back ends, and the weight that a reduction gives each position."""

import numpy as np

from kernels.memory import FLOATS, Array, empty

__all__ = [
    "REDUCTIONS",
    "TargetError",
    "check_binary",
    "check_classes",
    "check_errors",
    "check_gradient",
    "check_index_targets",
    "check_logits",
    "check_positive",
    "check_saved",
    "check_smoothing",
    "check_soft_targets",
    "out_of_bounds",
    "positions",
    "reduce",
    "scale_of",
]

REDUCTIONS = ("none", "mean", "sum")


class TargetError(IndexError, ValueError):
    """A class index outside 0 … C - 1: an IndexError, as torch raises, and a ValueError, as every refusal here is."""


def check_index_targets(op, x, target, weight, ignore_index, reduction, label_smoothing):
    """Refuse what a loss with class indices cannot take."""
    check_classes(op, x, weight)
    _check_reduction(op, reduction)
    check_smoothing(op, label_smoothing)
    _check_indices(op, x, target, ignore_index)


def check_soft_targets(op, x, target, weight, label_smoothing, reduction):
    """Refuse what a loss with class probabilities cannot take. (Whether they sum to 1 is the caller's affair.)"""
    check_classes(op, x, weight)
    _check_reduction(op, reduction)
    check_smoothing(op, label_smoothing)
    _check_floats(op, x=x, target=target)
    _check_same(op, x, target=target)


def check_errors(op, x, target, reduction):
    """Refuse what a loss of the difference of two arrays cannot take."""
    _check_reduction(op, reduction)
    _check_floats(op, x=x, target=target)
    _check_same(op, x, target=target)


def check_binary(x, target, weight, reduction):
    """Refuse what binary cross entropy of probabilities cannot take."""
    op = "binary_cross_entropy"
    _check_reduction(op, reduction)
    _check_floats(op, x=x, target=target, weight=weight)
    _check_same(op, x, target=target, weight=weight)
    _check_unit_interval(op, input=x, target=target)


def check_logits(x, target, weight, pos_weight, reduction):
    """Refuse what binary cross entropy of scores cannot take."""
    op = "binary_cross_entropy_with_logits"
    _check_reduction(op, reduction)
    _check_floats(op, x=x, target=target, weight=weight, pos_weight=pos_weight)
    _check_same(op, x, target=target, weight=weight, pos_weight=pos_weight)


def check_classes(op, x, weight):
    """Refuse an input without a class axis, and weights that are not one per class."""
    _check_floats(op, x=x, weight=weight)
    if x.ndim < 2 or x.shape[1] == 0:
        raise ValueError(f"{op}: x expects the shape (N, C, …) with at least one class, got {x.shape}")
    if weight is not None and weight.shape != (x.shape[1],):
        raise ValueError(f"{op}: weight expects one number for each of {x.shape[1]} classes, got shape {weight.shape}")


def check_smoothing(op, label_smoothing):
    """Refuse a smoothing outside 0 … 1."""
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(f"{op}: label_smoothing must be between 0.0 and 1.0, got {label_smoothing}")


def check_gradient(op, grad_y, x, reduction, shape):
    """Refuse a gradient that is not of the dtype of `x` and of the loss's `shape`, or () if the loss is reduced."""
    _check_reduction(op, reduction)
    _check_floats(op, x=x, grad_y=grad_y)
    shape = tuple(shape) if reduction == "none" else ()
    if grad_y.shape != shape:
        raise ValueError(f"{op}: grad_y expects the shape {shape}, got {grad_y.shape}")


def check_saved(op, log_sum_exp, x):
    """Refuse what is not the log_sum_exp that the forward pass returned."""
    if not isinstance(log_sum_exp, Array) or log_sum_exp.dtype != np.float64:
        raise TypeError(f"{op}: log_sum_exp expects the float64 array of the forward pass, got {log_sum_exp!r:.80}")
    if log_sum_exp.shape != positions(x.shape):
        raise ValueError(f"{op}: log_sum_exp expects the shape {positions(x.shape)}, got {log_sum_exp.shape}")


def check_positive(op, name, value):
    """Refuse a threshold that is not above 0."""
    if not value > 0:
        raise ValueError(f"{op}: {name} expects a number above 0, got {value}")


def positions(x_shape):
    """(N, C, d_1, …) without the class axis: one loss each."""
    return (x_shape[0], *x_shape[2:])


def reduce(total, count, reduction, dtype):
    """The reduced loss, a 0-dimensional array: the total (float64), for the mean divided by `count` (0 / 0 is NaN)."""
    with np.errstate(all="ignore"):
        return np.asarray(np.float64(total) / np.float64(count) if reduction == "mean" else total).astype(dtype)


def scale_of(grad_y, count, reduction, shape):
    """What the gradient of each unreduced loss is multiplied by: float64 of `shape`."""
    scale = empty(shape, np.float64)
    with np.errstate(all="ignore"):
        scale[...] = grad_y.astype(np.float64) / np.float64(count) if reduction == "mean" else grad_y
    return scale


def out_of_bounds(op, x, ignore_index):
    """What is said of a class, ``{value}``, that does not exist."""
    return (
        f"{op}: Target {{value}} is out of bounds; target expects classes from 0 to {x.shape[1] - 1}, "
        f"or ignore_index ({ignore_index}) where there is none"
    )


def _check_reduction(op, reduction):
    """Refuse a reduction that does not exist."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"{op}: reduction expects 'none', 'mean' or 'sum', got {reduction!r}")


def _check_floats(op, **arrays):
    """Refuse anything but float32 or float64 arrays, all of one dtype. None is passed over."""
    first = None
    for name, array in arrays.items():
        if array is None:
            continue
        if not isinstance(array, Array):
            raise TypeError(f"{op}: {name} expects a numpy.ndarray, got {type(array).__name__}")
        if array.dtype not in FLOATS:
            raise TypeError(f"{op}: {name} expects float32 or float64, got {array.dtype}; convert it with astype")
        first = first or (name, array.dtype)
        if array.dtype != first[1]:
            raise TypeError(f"{op}: {name} expects {first[1]}, the dtype of {first[0]}, got {array.dtype}")


def _check_same(op, x, **others):
    """Refuse arrays that are not of the shape of `x`. None is passed over."""
    for name, array in others.items():
        if array is not None and array.shape != x.shape:
            raise ValueError(f"{op}: {name} expects the shape of x {x.shape}, got {array.shape}")


def _check_indices(op, x, target, ignore_index):
    """Refuse a target that is not int64 (N, …), or names a class that does not exist."""
    if not isinstance(ignore_index, (int, np.integer)) or isinstance(ignore_index, bool):
        raise TypeError(f"{op}: ignore_index expects an int, got {ignore_index!r}")
    if not isinstance(target, Array) or target.dtype != np.int64:
        raise TypeError(f"{op}: target expects int64 class indices, got {getattr(target, 'dtype', type(target))}")
    if target.shape != positions(x.shape):
        raise ValueError(
            f"{op}: target expects the shape {positions(x.shape)}, that of x {x.shape} without its class axis, "
            f"got {target.shape}"
        )
    if not isinstance(target, np.ndarray):
        return  # on the device: the kernels look at each class and report it, see kernels/gpu/faults.py
    if not target.size or int(np.ascontiguousarray(target).view(np.uint64).max()) < x.shape[1]:
        return  # a negative index is huge as an unsigned one: one pass for both bounds
    outside = ((target < 0) | (target >= x.shape[1])) & (target != ignore_index)
    if outside.any():
        raise TargetError(out_of_bounds(op, x, ignore_index).format(value=target[outside][0]))


def _check_unit_interval(op, **arrays):
    """Refuse a number outside 0 … 1, and NaN, as a probability."""
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):
            continue  # on the device: nobody waits for a look at it; the logarithm gives NaN
        if array.size and not (array.min() >= 0 and array.max() <= 1):
            raise ValueError(
                f"{op}: all elements of {name} should be between 0 and 1, got values from {array.min()} to "
                f"{array.max()}; make probabilities of scores with sigmoid"
            )
