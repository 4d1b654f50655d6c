"""What dropout refuses, and its factors, once for all back ends."""

import math

import numpy as np

from kernels.memory import FLOATS, Array

__all__ = ["alpha_factors", "check", "factors"]

#: What selu tends to for x to -inf, -scale * alpha: dropped elements take this value (G. Klambauer, arXiv:1706.02515).
SELU_FLOOR = -1.7580993408473766


def check(op, name, x, mask, p):
    """Refuse a mask that is not of bool and of the first axes of `x`, and a `p` outside [0, 1]."""
    if not isinstance(x, Array) or x.dtype not in FLOATS:
        raise TypeError(f"{op}: {name} expects an ndarray of float32 or float64, got {getattr(x, 'dtype', type(x))}")
    if not isinstance(mask, Array) or mask.dtype != np.bool_:
        raise TypeError(f"{op}: mask expects an ndarray of bool, got {getattr(mask, 'dtype', type(mask))}")
    if mask.shape != x.shape[: mask.ndim]:
        raise ValueError(f"{op}: mask expects the first axes of {name} {x.shape}, got shape {mask.shape}")
    if not 0 <= p <= 1:
        raise ValueError(f"{op}: p expects a probability from 0 to 1, got {p}")


def factors(p):
    """By what a kept element is multiplied."""
    return 1 / (1 - p) if p < 1 else 0.0


def alpha_factors(p):
    """The factor of a kept element, and what is added to a dropped and to a kept one, so that mean and variance stay.

        factor = ((1 - p) (1 + p floor^2))^(-1/2)      kept = -factor * p * floor      dropped = kept + factor * floor

    All are 0 for p = 1.
    """
    if p == 1:
        return 0.0, 0.0, 0.0
    factor = 1 / math.sqrt((1 - p) * (1 + p * SELU_FLOOR**2))
    kept = -factor * p * SELU_FLOOR
    return factor, kept + factor * SELU_FLOOR, kept
