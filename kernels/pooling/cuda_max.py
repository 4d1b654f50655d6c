"""The kernels of max pooling: a part of ``cuda.py``. Which maximum counts is said in ``reference.py``."""

from numba import cuda

from kernels.elementary import formula
from kernels.gpu.launch import kernel, per_element
from kernels.gpu.target import SIMULATED
from kernels.pooling.cuda_windows import split, window

__all__ = ["TEAM", "ahead", "largest", "largest_by_teams"]

#: Threads that share a window. The simulator gets few.
TEAM = 4 if SIMULATED else 128


def largest(x, y, indices, axes):
    """Maximum of each window and its place; one thread for each window. Volumes (planes, D, H, W)."""
    _largest[per_element(y.size)](x, y, indices, axes)


def largest_by_teams(x, y, indices, axes):
    """The same, one block for each window."""
    _largest_by_teams[y.size, TEAM](x, y, indices, axes)


@kernel
def _largest(x, y, indices, axes):
    i = cuda.grid(1)
    if i < y.size:
        _, D_in, H_in, W_in = x.shape
        plane, d_out, h_out, w_out = split(i, y.shape)
        d_first, d_stop = window(d_out, axes[0], D_in)
        h_first, h_stop = window(h_out, axes[1], H_in)
        w_first, w_stop = window(w_out, axes[2], W_in)
        most, place = x[plane, d_first, h_first, w_first], (d_first * H_in + h_first) * W_in + w_first
        for d_in in range(d_first, d_stop, axes[0][4]):
            for h_in in range(h_first, h_stop, axes[1][4]):
                for w_in in range(w_first, w_stop, axes[2][4]):
                    value = x[plane, d_in, h_in, w_in]
                    if value > most or value != value:  # the second: NaN
                        most, place = value, (d_in * H_in + h_in) * W_in + w_in
        y[plane, d_out, h_out, w_out] = most
        indices[plane, d_out, h_out, w_out] = place


@formula
def _beats(a, a_place, b, b_place):
    """Whether `a` is the maximum of the two: NaN before all, of NaN the last, of equals the first.

    That orders all pairs, so any tree of comparisons has the winner that a walk through the window finds.
    """
    if a != a:
        return b == b or a_place > b_place
    return a > b or (a == b and a_place < b_place)


@formula
def ahead(at, step, sizes):
    """The tap `step` taps after `at`, all as (d, h, w) in a window of these sizes: additions with carry."""
    w = at[2] + step[2]
    h = at[1] + step[1]
    d = at[0] + step[0]
    if w >= sizes[2]:
        w, h = w - sizes[2], h + 1
    if h >= sizes[1]:
        h, d = h - sizes[1], d + 1
    return d, h, w


@kernel
def _largest_by_teams(x, y, indices, axes):
    """Thread t looks at taps t, t + TEAM, …, then the threads compare what they have found, two by two."""
    values = cuda.shared.array(TEAM, y.dtype)
    places = cuda.shared.array(TEAM, indices.dtype)
    t = cuda.threadIdx.x
    _, D_in, H_in, W_in = x.shape
    plane, d_out, h_out, w_out = split(cuda.grid(1) // TEAM, y.shape)
    d_first, d_stop = window(d_out, axes[0], D_in)
    h_first, h_stop = window(h_out, axes[1], H_in)
    w_first, w_stop = window(w_out, axes[2], W_in)
    dil_d, dil_h, dil_w = axes[0][4], axes[1][4], axes[2][4]
    taps = -(-(d_stop - d_first) // dil_d), -(-(h_stop - h_first) // dil_h), -(-(w_stop - w_first) // dil_w)
    at, step = split(t, (0, *taps))[1:], split(TEAM, (0, *taps))[1:]
    most, place = x[plane, d_first, h_first, w_first], (d_first * H_in + h_first) * W_in + w_first
    for _ in range(t, taps[0] * taps[1] * taps[2], TEAM):
        d_in, h_in, w_in = d_first + at[0] * dil_d, h_first + at[1] * dil_h, w_first + at[2] * dil_w
        value = x[plane, d_in, h_in, w_in]
        if value > most or value != value:
            most, place = value, (d_in * H_in + h_in) * W_in + w_in
        at = ahead(at, step, taps)
    values[t], places[t] = most, place
    cuda.syncthreads()
    half = TEAM // 2
    while half > 0:
        if t < half and _beats(values[t + half], places[t + half], values[t], places[t]):
            values[t], places[t] = values[t + half], places[t + half]
        cuda.syncthreads()
        half //= 2
    if t == 0:
        y[plane, d_out, h_out, w_out] = values[0]
        indices[plane, d_out, h_out, w_out] = places[0]
