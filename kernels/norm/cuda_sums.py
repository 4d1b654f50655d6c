"""The sums of normalisation on the GPU, in float64, over arrays (N, C, L): what belongs to a channel c is added up.

Every set over which a norm takes its mean can be seen as such a channel: of batch norm as it is; of layer and group
norm, whose sets lie in one piece in memory, as (1, sets, numbers of a set). One kernel serves long and short planes:

    L long: a block has one channel            L short: a block has WARP columns (c, l) side by side, and
    and its threads lie along l and n          its threads lie along n; a warp still reads neighbours

             l ──►                                     (c, l) ──►
        n ┌───────────┐                             n ┌───────────┐
        │ │ 0 1 2 3 0 │  X = 4                      │ │ 0 0 0 0   │  X = 1
        ▼ │ 4 5 6 7 4 │                             ▼ │ 1 1 1 1   │
          └───────────┘                               └───────────┘

A channel is cut into parts of n_len by l_len places until there are blocks enough to keep a GPU busy, and what the
parts give is put together in a fixed order. Within a part a block reads twice, first for the mean, then for the squared
distances from it; the second time the part is still in the cache. Putting means and squares together is the formula of
T. Chan, G. Golub, R. LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", Stanford
STAN-CS-79-773, 1979: the variance remains as exact as that of two passes.
"""

import numpy as np
from numba import cuda

from kernels.gpu.axis import BLOCK, WARP, tree_sum
from kernels.gpu.launch import blocks_for, kernel
from kernels.gpu.memory import empty
from kernels.gpu.sums import sum_axis
from kernels.gpu.target import SIMULATED

__all__ = ["statistics", "sums"]

#: Places in a plane from which a block has threads along it.
LONG = 3 if SIMULATED else 16

#: Blocks that keep a GPU busy, and the least that a thread of a part adds up.
_BUSY, _LEAST = (4, 2) if SIMULATED else (1024, 8)

_MOST_PARTS = 65535  # the y axis of a grid


def statistics(x, centred=True):
    """Mean and variance of each channel, float64; where not `centred`, 0 and the mean of the squares."""
    N, C, L = x.shape
    mean, var = empty(C, np.float64), empty(C, np.float64)
    if not x.size:
        mean.fill(np.nan)
        var.fill(np.nan)
        return mean, var
    threads, X, n_len, l_len = _plan(N, C, L)
    P_n, P_l = blocks_for(N, n_len), blocks_for(L, l_len)
    grid = (blocks_for(C * P_l, threads[0]), P_n), threads
    if P_n * P_l == 1:
        _statistics[grid](x, centred, n_len, l_len, X, N * L, mean[None, :, None], var[None, :, None])
        return mean, var
    means, squares = empty((P_n, C, P_l), np.float64), empty((P_n, C, P_l), np.float64)
    _statistics[grid](x, centred, n_len, l_len, X, 1, means, squares)
    _put_together[C, (1, BLOCK)](means, squares, N, L, n_len, l_len, mean, var)
    return mean, var


def sums(grad_y, x, mean, inverse, set_step=0, channels=1, weight=None, groups=1, places=1):
    """Sums of w * grad_y, and of w * grad_y * x_hat, over each channel: (2, C), float64.

    Parameters
    ----------
    grad_y, x : DeviceArray of shape (N, C, L)
    mean, inverse : DeviceArray of float64, or None for `mean`
        x_hat[n, c, l] = (x[n, c, l] - mean[s]) * inverse[s] with s = n * set_step + c // channels.
    weight : DeviceArray, optional
        Where l runs over the channels of a group, `places` for each, the weight of each; channel c is one of `groups`
        that take turns.
    """
    N, C, L = x.shape
    if not x.size:
        result = empty((2, C), np.float64)
        result.fill(0)
        return result
    threads, X, n_len, l_len = _plan(N, C, L)
    P_n, P_l = blocks_for(N, n_len), blocks_for(L, l_len)
    parts = empty((P_n, P_l, 2, C), np.float64)
    of_set, of_weight = (mean, inverse, set_step, channels), (weight, groups, places)
    _sums[(blocks_for(C * P_l, threads[0]), P_n), threads](grad_y, x, *of_set, *of_weight, n_len, l_len, X, parts)
    return sum_axis(parts.reshape(1, P_n * P_l, 2 * C)).reshape(2, C) if P_n * P_l > 1 else parts[0, 0]


def _plan(N, C, L):
    """Threads of a block (columns, lanes); lanes along l; places of a part along n and along l."""
    if N > 1 and L < LONG:
        width, X, l_len, lines, places = WARP, 1, 1, blocks_for(C * L, WARP), N
        height = BLOCK // WARP
    else:
        width, l_len, lines, places = 1, L, C, N * L
        X = min(1 << (L - 1).bit_length(), BLOCK if N == 1 or L >= 4 * BLOCK else WARP)
        height = X if N == 1 else BLOCK
    parts = max(min(blocks_for(_BUSY, lines), places // (height * _LEAST)), 1)
    n_len = max(blocks_for(N, min(parts, N)), blocks_for(N, _MOST_PARTS))
    if width == 1 and parts > N:
        l_len = blocks_for(L, blocks_for(parts, N))
    return (width, height), X, n_len, l_len


@kernel
def _statistics(x, centred, n_len, l_len, X, divisor, mean, squares):
    """mean[p, c, j] and squares[p, c, j] / divisor of the part (p, j) of channel c."""
    scratch = cuda.shared.array(BLOCK, np.float64)
    N, C, L = x.shape
    height, lane, p = cuda.blockDim.y, cuda.threadIdx.y, cuda.blockIdx.y
    column = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    c, j = column // mean.shape[2], column % mean.shape[2]
    l_begin, l_end = j * l_len, min(j * l_len + l_len, L)
    n_begin, n_end = p * n_len, min(p * n_len + n_len, N)
    if c >= C:  # beyond the last column: nothing to add, but barriers to reach
        n_end = n_begin
    count, centre = max((n_end - n_begin) * (l_end - l_begin), 1), 0.0
    if centred:
        acc = 0.0
        for n in range(n_begin + lane // X, n_end, height // X):
            for l in range(l_begin + lane % X, l_end, X):  # noqa: E741 - the formula's letter
                acc += np.float64(x[n, c, l])
        centre = tree_sum(scratch, acc) / count
    acc = 0.0
    for n in range(n_begin + lane // X, n_end, height // X):
        for l in range(l_begin + lane % X, l_end, X):  # noqa: E741
            distance = np.float64(x[n, c, l]) - centre
            acc += distance * distance
    total = tree_sum(scratch, acc)
    if lane == 0 and c < C:
        mean[p, c, j], squares[p, c, j] = centre, total / divisor


@kernel
def _put_together(means, squares, N, L, n_len, l_len, mean, var):
    """A block has a channel: its mean, then the squares about that."""
    scratch = cuda.shared.array(BLOCK, np.float64)
    c, lane = cuda.blockIdx.x, cuda.threadIdx.y
    P_n, _, P_l = means.shape
    acc = 0.0
    for part in range(lane, P_n * P_l, BLOCK):
        p, j = part // P_l, part % P_l
        acc += means[p, c, j] * (min(n_len, N - p * n_len) * min(l_len, L - j * l_len))
    centre = tree_sum(scratch, acc) / (N * L)
    acc = 0.0
    for part in range(lane, P_n * P_l, BLOCK):
        p, j = part // P_l, part % P_l
        count, distance = min(n_len, N - p * n_len) * min(l_len, L - j * l_len), means[p, c, j] - centre
        acc += squares[p, c, j] + count * (distance * distance)
    total = tree_sum(scratch, acc)
    if lane == 0:
        mean[c], var[c] = centre, total / (N * L)


@kernel
def _sums(grad_y, x, mean, inverse, set_step, channels, weight, groups, places, n_len, l_len, X, parts):
    scratch = cuda.shared.array(BLOCK, np.float64)
    N, C, L = x.shape
    height, lane, p = cuda.blockDim.y, cuda.threadIdx.y, cuda.blockIdx.y
    column = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    c, j = column // parts.shape[1], column % parts.shape[1]
    l_begin, l_end = j * l_len, min(j * l_len + l_len, L)
    n_begin, n_end = p * n_len, min(p * n_len + n_len, N)
    if c >= C:
        n_end = n_begin
    plain = moved = 0.0
    for n in range(n_begin + lane // X, n_end, height // X):
        s = n * set_step + c // channels
        centre, factor = 0.0, inverse[s]
        if mean is not None:
            centre = mean[s]
        for l in range(l_begin + lane % X, l_end, X):  # noqa: E741
            grad = np.float64(grad_y[n, c, l])
            if weight is not None:
                grad *= np.float64(weight[c % groups * (weight.size // groups) + l // places])
            plain += grad
            moved += grad * ((np.float64(x[n, c, l]) - centre) * factor)
    plain = tree_sum(scratch, plain)
    moved = tree_sum(scratch, moved)
    if lane == 0 and c < C:
        parts[p, j, 0, c], parts[p, j, 1, c] = plain, moved
