"""Fast normalisation. Same contracts as ``kernels/norm/reference.py``.

Optimizations
-------------
* One mechanism for all: an array counts as a matrix in whose rows or columns a statistic is one number; sums of rows
  or columns are put together to those of the sets, and small arrays of factors go back to the rows or columns. The
  large loops stand in ``cpu_loops.py``; here is what is done with a number for each channel or group.
* The planes of a channel are put together by the formula of T. Chan, G. Golub, R. LeVeque, "Updating formulae and a
  pairwise algorithm for computing sample variances", Stanford STAN-CS-79-773, 1979: the variance remains as exact as
  that of two passes, and memory is read once, because a row is still in the cache when the second pass begins.
* Sums are float64. All else is in the dtype of x, so that a vector holds 16 float32. Where the mean is far from 0, it
  is taken off in two parts, mean = high + low: x - high is exact near the mean, and nothing is lost to rounding it.
* Backward reads x and grad_y twice: once for two sums, once for grad_x = a * (grad_y - b * (x - mean) - c), where a, b,
  c are the same along a row or a column. In this form a set of one number gives 0, not what rounding leaves of it.
* Rows, or blocks of columns, belong to one thread each; a gradient that sums over rows does so in blocks of fixed size.
  So the bits do not depend on the number of threads.
"""

import numpy as np

from kernels.memory import readable
from kernels.norm import cpu_loops as loops
from kernels.norm import shapes
from kernels.norm.cpu_response import local_response_norm_backward_x, local_response_norm_forward

__all__ = [
    "batch_norm_backward_all",
    "batch_norm_forward",
    "batch_norm_statistics",
    "group_norm_backward_all",
    "group_norm_forward",
    "layer_norm_backward_all",
    "layer_norm_forward",
    "local_response_norm_backward_x",
    "local_response_norm_forward",
    "rms_norm_backward_all",
    "rms_norm_forward",
]

#: Places in a plane (n, c) from which it is a row of its own; a shorter one is too short for vectors.
LONG = 16


def batch_norm_statistics(x):
    """Same contract as in ``reference``."""
    N, C, L = shapes.batch_norm("batch_norm", {"x": x}, {}, {})
    if x.size == 0:
        return np.full(C, np.nan), np.full(C, np.nan)
    if L >= LONG:
        mean, squares = loops.row_statistics(readable(x).reshape(N * C, L))
        return _put_together(mean.reshape(N, C), squares.reshape(N, C), L)
    mean, squares = loops.column_statistics(readable(x).reshape(N, C * L))
    return _put_together(mean.reshape(C, L).T, squares.reshape(C, L).T, N)


def batch_norm_forward(x, weight, bias, mean, var, eps):
    """Same contract as in ``reference``."""
    parameters, statistics = {"weight": weight, "bias": bias}, {"mean": mean, "var": var}
    N, C, L = shapes.batch_norm("batch_norm", {"x": x}, parameters, statistics)
    scale, shift = _double(weight, 1, C) * _inverse(var, eps), _double(bias, 0, C)
    scale_in = loops.scale_rows if L >= LONG else loops.scale_columns
    matrix, spread = _by_channel(N, C, L)
    centre, line = spread(_halves(mean, x.dtype)), spread(_cast(x.dtype, scale, shift))
    return scale_in(matrix(x), centre, line).reshape(x.shape)


def batch_norm_backward_all(grad_y, x, weight, mean, var, eps, training):
    """Same contract as in ``reference``."""
    arrays, statistics = {"x": x, "grad_y": grad_y}, {"mean": mean, "var": var}
    N, C, L = shapes.batch_norm("batch_norm", arrays, {"weight": weight}, statistics)
    if x.size == 0:
        return np.empty_like(x), np.zeros(C, x.dtype), np.zeros(C, x.dtype)
    matrix, spread = _by_channel(N, C, L)
    inverse, centre = _inverse(var, eps), spread(_halves(mean, x.dtype))
    by_rows, M, means = L >= LONG, N * L, spread(mean[None])[0]
    if by_rows:
        sums = loops.row_sums(matrix(grad_y), matrix(x), means).reshape(2, N, C).sum(axis=1)
    else:
        sums = loops.column_sums(matrix(grad_y), matrix(x), means).reshape(2, C, L).sum(axis=2)
    with np.errstate(invalid="ignore", over="ignore"):
        grad_bias, grad_weight, direct = sums[0], sums[1] * inverse, _double(weight, 1, C) * inverse
        factors = direct, inverse * grad_weight / M, grad_bias / M, np.ones(C)
    if training:
        mix = loops.mix_rows if by_rows else loops.mix_columns
        grad_x = mix(matrix(grad_y), matrix(x), centre, spread(_cast(x.dtype, *factors)))
    else:  # mean and var are constants
        scale_in = loops.scale_rows if by_rows else loops.scale_columns
        grad_x = scale_in(matrix(grad_y), np.zeros_like(centre), spread(_cast(x.dtype, direct, np.zeros(C))))
    return grad_x.reshape(x.shape), *_cast(x.dtype, grad_weight, grad_bias)


def group_norm_forward(x, groups, weight, bias, eps):
    """Same contract as in ``reference``."""
    N, C, L = shapes.group_norm("group_norm", {"x": x}, groups, {"weight": weight, "bias": bias}, {})
    return _groups_forward(x, (N, C, L, groups), weight, bias, eps)


def group_norm_backward_all(grad_y, x, groups, weight, mean, var, eps):
    """Same contract as in ``reference``."""
    arrays, statistics = {"x": x, "grad_y": grad_y}, {"mean": mean, "var": var}
    N, C, L = shapes.group_norm("group_norm", arrays, groups, {"weight": weight}, statistics)
    return _groups_backward(grad_y, x, (N, C, L, groups), weight, mean, var, eps)


def layer_norm_forward(x, weight, bias, eps):
    """Same contract as in ``reference``."""
    R, F = shapes.row_norm("layer_norm", {"x": x}, {"weight": weight, "bias": bias}, {})
    y, mean, var = _groups_forward(x, (R, F, 1, 1), weight, bias, eps)
    return y, mean.reshape(R), var.reshape(R)


def layer_norm_backward_all(grad_y, x, weight, mean, var, eps):
    """Same contract as in ``reference``."""
    arrays, statistics = {"x": x, "grad_y": grad_y}, {"mean": mean, "var": var}
    R, F = shapes.row_norm("layer_norm", arrays, {"weight": weight}, statistics)
    return _groups_backward(grad_y, x, (R, F, 1, 1), weight, mean[:, None], var[:, None], eps)


def rms_norm_forward(x, weight, eps):
    """Same contract as in ``reference``."""
    R, F = shapes.row_norm("rms_norm", {"x": x}, {"weight": weight}, {})
    square = loops.row_squares(readable(x)) / max(F, 1) if F else np.full(R, np.nan)
    weights, bias = _cast(x.dtype, _double(weight, 1, F), np.zeros(F))
    y = loops.scale_weighted(
        readable(x), np.zeros((2, R), x.dtype), *_cast(x.dtype, _inverse(square, eps)), weights[None], bias[None]
    )
    return y, square


def rms_norm_backward_all(grad_y, x, weight, square, eps):
    """Same contract as in ``reference``."""
    arrays = {"x": x, "grad_y": grad_y}
    R, F = shapes.row_norm("rms_norm", arrays, {"weight": weight}, {"square": square})
    grad_x, grad_weight, _ = _weighted_backward(
        readable(grad_y), readable(x), np.zeros(R), _inverse(square, eps), _double(weight, 1, F)[None], False
    )
    return grad_x, grad_weight.astype(x.dtype).reshape(F)


def _groups_forward(x, sizes, weight, bias, eps):
    """`group_norm_forward` of an array that counts as (N, C, L)."""
    N, C, L, groups = sizes
    R, K = N * groups, C // groups * L
    if x.size == 0:
        return np.empty_like(x), np.full((N, groups), np.nan), np.full((N, groups), np.nan)
    mean, squares = loops.row_statistics(readable(x).reshape(R, K))
    var = squares / K
    inverse, weights, shift = _inverse(var, eps), _double(weight, 1, C), _double(bias, 0, C)
    if L >= LONG:
        by_plane = [np.repeat(values, C // groups) for values in (mean, inverse)]
        line = _cast(x.dtype, np.tile(weights, N) * by_plane[1], np.tile(shift, N))
        y = loops.scale_rows(readable(x).reshape(N * C, L), _halves(by_plane[0], x.dtype), line)
    else:
        elements = (np.repeat(values, L).reshape(groups, K) for values in _cast(x.dtype, weights, shift))
        centre, (scale,) = _halves(mean, x.dtype), _cast(x.dtype, inverse)
        y = loops.scale_weighted(readable(x).reshape(R, K), centre, scale, *elements)
    return y.reshape(x.shape), mean.reshape(N, groups), var.reshape(N, groups)


def _groups_backward(grad_y, x, sizes, weight, mean, var, eps):
    """`group_norm_backward_all` of arrays that count as (N, C, L)."""
    N, C, L, groups = sizes
    C_g = C // groups
    R, K = N * groups, C_g * L
    if x.size == 0:
        return np.empty_like(x), np.zeros(C, x.dtype), np.zeros(C, x.dtype)
    weights, inverse = _double(weight, 1, C), _inverse(var, eps)
    if L < LONG:
        matrices = (readable(array).reshape(R, K) for array in (grad_y, x))
        elements = np.repeat(weights, L).reshape(groups, K)
        gradients = _weighted_backward(*matrices, mean.reshape(R), inverse.reshape(R), elements, True)
        by_channel = (gradient.reshape(C, L).sum(axis=1).astype(x.dtype) for gradient in gradients[1:])
        return gradients[0].reshape(x.shape), *by_channel
    planes, means = [readable(array).reshape(N * C, L) for array in (grad_y, x)], np.repeat(mean.reshape(R), C_g)
    sums = loops.row_sums(*planes, means).reshape(2, N, groups, C_g)
    with np.errstate(invalid="ignore", over="ignore"):
        plain, moved = (sums * weights.reshape(groups, C_g)).sum(axis=3) / K
        factors = [np.repeat(values.reshape(R), C_g) for values in (inverse, inverse**2 * moved, plain)]
        grad_bias, grad_weight = sums[0].sum(axis=0), (sums[1] * inverse[:, :, None]).sum(axis=0)
    grad_x = loops.mix_rows(*planes, _halves(means, x.dtype), _cast(x.dtype, *factors, np.tile(weights, N)))
    return grad_x.reshape(x.shape), *_cast(x.dtype, grad_weight.reshape(C), grad_bias.reshape(C))


def _weighted_backward(grad_y, x, mean, inverse, weights, centred):
    """Gradients where a statistic belongs to a row and a weight to a column; `weights` has a row for each group."""
    (elements,), K = _cast(x.dtype, weights), max(x.shape[1], 1)
    plain, moved = loops.weighted_sums(grad_y, x, mean, elements)
    with np.errstate(invalid="ignore", over="ignore"):
        factors = inverse, inverse**2 * moved / K, plain / K if centred else np.zeros_like(inverse)
    grad_x = loops.mix_weighted(grad_y, x, _halves(mean, x.dtype), elements, _cast(x.dtype, *factors))
    return grad_x, *loops.weight_sums(grad_y, x, mean, inverse, len(weights))


def _by_channel(N, C, L):
    """How (N, C, L) becomes a matrix with a channel in each row or column, and numbers for channels go to those."""
    if L >= LONG:
        return lambda x: readable(x).reshape(N * C, L), lambda values: np.tile(values, N)
    return lambda x: readable(x).reshape(N, C * L), lambda values: np.repeat(values, L, axis=1)


def _put_together(mean, squares, count):
    """Mean and variance of sets, each of several parts with `count` numbers: (parts, sets), squares about its mean."""
    with np.errstate(invalid="ignore", over="ignore"):
        total = mean.mean(axis=0)
        spread = squares.sum(axis=0) + count * ((mean - total) ** 2).sum(axis=0)
        return total, spread / (count * len(mean))


def _inverse(var, eps):
    """1 / sqrt(var + eps)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return 1 / np.sqrt(var + float(eps))


def _double(parameter, value, size):
    return np.full(size, value, np.float64) if parameter is None else parameter.astype(np.float64)


def _cast(dtype, *rows):
    with np.errstate(over="ignore"):  # beyond the range of float32 is inf
        return np.stack(rows).astype(dtype)


def _halves(mean, dtype):
    """The mean as a sum of two numbers of the dtype, high and low."""
    with np.errstate(over="ignore", invalid="ignore"):
        high = mean.astype(dtype)
        return np.stack([high, np.where(np.isfinite(high), mean - high, 0).astype(dtype)])
