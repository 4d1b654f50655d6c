"""Interpolation along one axis as a table, sizes of outputs, and every refusal, once for all back ends."""

import math
from functools import lru_cache

import numpy as np

from kernels.memory import FLOATS, Array

__all__ = ["MODES", "axis_table", "backward_x", "forward", "transposed"]

MODES = ("nearest", "nearest-exact", "linear", "cubic", "lanczos")

#: Pixels on either side of its place that a filter takes in, for a picture that does not shrink.
_SUPPORT = {"linear": 1, "cubic": 2, "lanczos": 3}

_LONGEST = 2**31 - 1


def forward(op, x, sizes, mode, align_corners, scales, antialias):
    """Shape of the interpolated array.

    Raises
    ------
    TypeError
        For a dtype that is not float32 or float64, sizes that are not a tuple of int, scales that are not one of float
        or None.
    ValueError
        For an unknown mode, options that do not go together, a wrong rank, an empty axis other than the batch, or a
        size out of range.
    """
    _check_floats(op, x=x)
    return _output_shape(op, x.shape, sizes, mode, align_corners, scales, antialias)


def backward_x(op, grad_y, x_shape, mode, align_corners, scales, antialias):
    """Refuse what `forward` refuses, and a gradient that cannot be that of its result."""
    _check_floats(op, grad_y=grad_y)
    shape = _output_shape(op, tuple(x_shape), grad_y.shape[2:], mode, align_corners, scales, antialias)
    if grad_y.shape != shape:
        raise ValueError(f"{op}: grad_y expects the shape of the output {shape}, got {grad_y.shape}")


@lru_cache(maxsize=512)
def axis_table(size_in, size_out, mode, align_corners, scale, antialias, dtype):
    """Which pixels of an axis make each new pixel, and with which weights.

    New pixel i is the sum of weight[t] * x[source[t]] over begin[i] <= t < begin[i + 1].

    Parameters
    ----------
    size_in, size_out : int
    mode : str
        One of `MODES`. The formulas stand in ``kernels.upsampling.reference.interpolate_forward``.
    align_corners : bool
    scale : float or None
        How much larger the picture was meant to become; None: size_out / size_in.
    antialias : bool
        Widen the filter where the picture shrinks.
    dtype : numpy.dtype
        Places are computed in this precision, as torch does it: so both round to the same pixel.

    Returns
    -------
    begin : ndarray of shape (size_out + 1,), int64
    source : ndarray of int64
    weight : ndarray of float64
    """
    real = np.dtype(dtype).type
    i = np.arange(size_out).astype(real)
    if align_corners:
        step = real(size_in - 1) / real(size_out - 1) if size_out > 1 else real(0)
    else:
        step = real(1.0 / scale) if scale else real(size_in) / real(size_out)
    if antialias:
        return _windows(size_in, size_out, mode, step, real)
    if mode == "nearest":
        source = np.floor((i * step).astype(np.float32)).astype(np.int64)[:, None]
        weight = np.ones(source.shape)
    elif mode == "nearest-exact":
        place = np.maximum(step * (i + real(0.5)) - real(0.5), real(0)).astype(np.float64) + 0.5
        source = np.floor(place.astype(np.float32)).astype(np.int64)[:, None]
        weight = np.ones(source.shape)
    else:
        place = step * i if align_corners else step * (i + real(0.5)) - real(0.5)
        if mode == "linear":
            place = i if size_in == size_out else np.maximum(place, real(0))
        first = np.minimum(np.floor(place).astype(np.int64), size_in - 1)
        t = np.clip(place - first.astype(real), real(0), real(1))
        offsets, weight = ((0, 1), [1 - t, t]) if mode == "linear" else ((-1, 0, 1, 2), _cubic_weights(t, real))
        source, weight = first[:, None] + np.array(offsets), np.stack(weight, axis=1).astype(np.float64)
        if size_in == size_out and mode == "linear":
            source[:, 1] = source[:, 0]
    begin = np.arange(size_out + 1, dtype=np.int64) * source.shape[1]
    return begin, np.clip(source, 0, size_in - 1).reshape(-1), weight.reshape(-1)


def transposed(table, size_in):
    """The table of the gradient: old pixel j gets weight[t] * grad_y[source[t]] over begin[j] <= t < begin[j + 1]."""
    begin, source, weight = table
    target = np.repeat(np.arange(len(begin) - 1, dtype=np.int64), np.diff(begin))
    order = np.argsort(source, kind="stable")
    counts = np.bincount(source, minlength=size_in)
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), target[order], weight[order]


def _cubic_weights(t, real):
    """Keys' kernel with A = -3/4 at the distances 1 + t, t, 1 - t, 2 - t."""
    a = real(-0.75)

    def near(x):
        return ((a + real(2)) * x - (a + real(3))) * x * x + real(1)

    def far(x):
        return ((a * x - real(5) * a) * x + real(8) * a) * x - real(4) * a

    return [far(t + real(1)), near(t), near(real(1) - t), far(real(2) - t)]


def _windows(size_in, size_out, mode, step, real):
    """The table of an antialiased axis: windows whose width follows from the step, weights that sum to 1."""
    if size_in == size_out and step == 1:
        places = np.arange(size_in, dtype=np.int64)
        return np.arange(size_in + 1, dtype=np.int64), places, np.ones(size_in)
    widening = max(step, real(1))
    support = real(_SUPPORT[mode]) * widening
    sources, weights = [], []
    for i in range(size_out):
        center = step * real(i + 0.5)
        low, high = max(int(center - support + real(0.5)), 0), min(int(center + support + real(0.5)), size_in)
        places = np.arange(low, high, dtype=np.int64)
        window = _filter(mode, ((places - float(center) + 0.5) / float(widening)))
        total = window.sum()
        sources.append(places)
        weights.append(window / total if total else window)
    begin = np.concatenate([[0], np.cumsum([len(places) for places in sources])]).astype(np.int64)
    return begin, np.concatenate(sources), np.concatenate(weights)


def _filter(mode, x):
    """The filter's weights at these distances, before they are made to sum to 1."""
    x = np.abs(x)
    if mode == "linear":
        return np.maximum(1 - x, 0)
    if mode == "lanczos":
        return np.where(x < 3, np.sinc(x) * np.sinc(x / 3), 0.0)
    a = -0.5  # antialiased, torch follows Pillow and not its own -0.75
    near, far = ((a + 2) * x - (a + 3)) * x * x + 1, ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def _check_floats(op, **arrays):
    for name, array in arrays.items():
        if not isinstance(array, Array):
            raise TypeError(f"{op}: {name} expects a numpy.ndarray, got {type(array).__name__}")
        if array.dtype not in FLOATS:
            raise TypeError(f"{op}: {name} expects float32 or float64, got {array.dtype}; convert it with astype")


def _output_shape(op, x_shape, sizes, mode, align_corners, scales, antialias):
    rank = len(x_shape) - 2
    if rank not in (1, 2, 3):
        raise ValueError(f"{op}: x expects 3 to 5 axes (N, C, D, H, W), got shape {x_shape}")
    if 0 in x_shape[1:]:
        raise ValueError(f"{op}: x expects no empty axis but the batch, got shape {x_shape}")
    _check_options(op, mode, align_corners, antialias)
    if not isinstance(sizes, tuple) or not all(_is_int(size) for size in sizes):
        raise TypeError(f"{op}: sizes expects a tuple of {rank} int, got {sizes!r}")
    if len(sizes) != rank or min(sizes) < 1 or max(sizes) > _LONGEST:
        raise ValueError(f"{op}: sizes expects {rank} numbers from 1 to {_LONGEST}, got {sizes}")
    if not isinstance(scales, tuple) or not all(s is None or isinstance(s, float) for s in scales):
        raise TypeError(f"{op}: scales expects a tuple of {rank} float or None, got {scales!r}")
    if len(scales) != rank or not all(s is None or (math.isfinite(s) and s > 0) for s in scales):
        raise ValueError(f"{op}: scales expects {rank} positive numbers or None, got {scales}")
    return (*x_shape[:2], *sizes)


def _check_options(op, mode, align_corners, antialias):
    if mode not in MODES:
        raise ValueError(f"{op}: mode expects one of {', '.join(MODES)}, got {mode!r}")
    if align_corners and mode in ("nearest", "nearest-exact", "lanczos"):
        raise ValueError(f"{op}: align_corners goes with linear and cubic interpolation, not with mode {mode!r}")
    if antialias and mode not in _SUPPORT:
        raise ValueError(f"{op}: antialias goes with linear, cubic and lanczos interpolation, not with mode {mode!r}")
    if mode == "lanczos" and not antialias:
        raise ValueError(f"{op}: mode 'lanczos' expects antialias=True")


def _is_int(value):
    return isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_))
