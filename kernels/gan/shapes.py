"""What adversarial objectives accept: every refusal, once for all back ends, and what reductions have in common."""

import numpy as np

from kernels.memory import FLOATS, Array

__all__ = ["OBJECTIVES", "REDUCTIONS", "check", "check_gradient", "mean_or_sum", "scale_of"]

OBJECTIVES = ("minimax", "non-saturating", "least-squares", "hinge", "wasserstein")

REDUCTIONS = ("none", "mean", "sum")


def check(op, objective, reduction, **scores):
    """Refuse an objective or a reduction that does not exist, and scores that are not float32 or float64 of one dtype.

    Real and fake scores may have any shapes, also different ones: as many as there are.
    """
    if objective not in OBJECTIVES:
        raise ValueError(f"{op}: objective expects one of {', '.join(map(repr, OBJECTIVES))}, got {objective!r}")
    if reduction not in REDUCTIONS:
        raise ValueError(f"{op}: reduction expects 'none', 'mean' or 'sum', got {reduction!r}")
    first = None
    for name, array in scores.items():
        if not isinstance(array, Array):
            raise TypeError(f"{op}: {name} expects a numpy.ndarray, got {type(array).__name__}")
        if array.dtype not in FLOATS:
            raise TypeError(f"{op}: {name} expects float32 or float64, got {array.dtype}; convert it with astype")
        first = first or (name, array.dtype)
        if array.dtype != first[1]:
            raise TypeError(f"{op}: {name} expects {first[1]}, the dtype of {first[0]}, got {array.dtype}")


def check_gradient(op, grad_y, objective, reduction, **scores):
    """As `check`, and refuse a gradient that is not of the scores' shape, or () where the loss is one number."""
    check(op, objective, reduction, **scores, grad_y=grad_y)
    ((name, array),) = scores.items()
    shape = array.shape if reduction == "none" else ()
    if grad_y.shape != shape:
        raise ValueError(f"{op}: grad_y expects the shape {shape} for {name} {array.shape}, got {grad_y.shape}")


def mean_or_sum(total, count, reduction):
    """float64: the total, for the mean divided by `count` (the mean of nothing is NaN)."""
    with np.errstate(all="ignore"):
        return np.float64(total) / np.float64(count) if reduction == "mean" else np.float64(total)


def scale_of(grad_y, count, reduction):
    """What the slope at each score is multiplied by: one number for all scores, or for "none" one for each; flat."""
    with np.errstate(all="ignore"):
        return np.ascontiguousarray(grad_y / grad_y.dtype.type(count) if reduction == "mean" else grad_y).reshape(-1)
