"""The kernels that follow the places of maxima, for max pooling's gradient and unpooling: a part of ``cuda.py``.

Sending each value to the place that its index names would be a scatter: threads that meet at one place would have to
take turns, in an order that differs from run to run. So each place looks for the indices that name it:

    indices   2  2  5                    place   0  1  2  3  4  5  6
    grad_y    a  b  c                    grad_x  0  0 a+b 0  0  c  0

Looking at all of them would be far too much, and the kernel size, which tells the few windows over a place, is not
known here. But windows are laid out evenly: window `out` stands near floor(out size_in / size_out). `measured` finds
how far the indices lie before and after that, the farthest of all. Windows as wide as that hold every maximum, and a
place need look only at the windows over it (``cuda_windows.windows_over``). For indices of a pooling those are about as
many as the true windows over it; indices in any other order are right too, only slower.
"""

import numpy as np
from numba import cuda

from kernels.gpu import faults
from kernels.gpu.launch import kernel, per_element, strided
from kernels.gpu.memory import zeros
from kernels.pooling.cuda_windows import split, windows_over

__all__ = ["code", "last_at", "measured", "sums_at", "taken_at"]


def code(op, plane_sizes):
    """The number under which kernels report an index outside planes of these sizes."""
    sizes = tuple(int(size) for size in plane_sizes)
    return faults.code(
        f"{op}: indices expects places from 0 to {np.prod(sizes, dtype=np.int64) - 1} in planes of {sizes}, got "
        f"{{value}}; pass the size that was pooled as output_size"
    )


def measured(indices, volume, number):
    """How far the indices lie from where their windows are expected: six int64, (before, after) for each axis.

    `volume` is (D, H, W) of the planes that they point into, `number` from `code`. An index outside counts for nothing.

    The largest of whole numbers is the same in whatever order threads bring theirs, so this repeats.
    """
    reach = zeros(6, np.int64)
    _measure[strided(indices.size)](indices, volume, reach, number, faults.note())
    return reach


def sums_at(values, indices, y, reach):
    """Each element of `y` is the sum of the values whose index names it. Volumes (planes, D, H, W)."""
    _sums_at[per_element(y.size)](values, indices, y, reach)


def last_at(values, indices, y, reach):
    """Each element of `y` is the last of the values whose index names it, or 0."""
    _last_at[per_element(y.size)](values, indices, y, reach)


def taken_at(values, indices, y, number):
    """Each element of `y` is the value at its index; (planes, places). NaN for an index outside."""
    _taken_at[per_element(y.size)](values, indices, y, number, faults.note())


@kernel
def _measure(indices, volume, reach, number, note):
    most = cuda.shared.array(6, indices.dtype)
    t = cuda.threadIdx.x
    if t < 6:
        most[t] = 0
    cuda.syncthreads()
    D, H, W = volume
    _, D_out, H_out, W_out = indices.shape
    before_d = after_d = before_h = after_h = before_w = after_w = 0
    for i in range(cuda.grid(1), indices.size, cuda.gridsize(1)):
        plane, d_out, h_out, w_out = split(i, indices.shape)
        place = indices[plane, d_out, h_out, w_out]
        if 0 <= place < D * H * W:
            _, d, h, w = split(place, (1, D, H, W))
            before_d, after_d = max(before_d, d_out * D // D_out - d), max(after_d, d - ((d_out + 1) * D - 1) // D_out)
            before_h, after_h = max(before_h, h_out * H // H_out - h), max(after_h, h - ((h_out + 1) * H - 1) // H_out)
            before_w, after_w = max(before_w, w_out * W // W_out - w), max(after_w, w - ((w_out + 1) * W - 1) // W_out)
        else:
            note[0], note[1] = number, place
    cuda.atomic.max(most, 0, before_d)
    cuda.atomic.max(most, 1, after_d)
    cuda.atomic.max(most, 2, before_h)
    cuda.atomic.max(most, 3, after_h)
    cuda.atomic.max(most, 4, before_w)
    cuda.atomic.max(most, 5, after_w)
    cuda.syncthreads()
    if t < 6:
        cuda.atomic.max(reach, t, most[t])


@kernel
def _sums_at(values, indices, y, reach):
    i = cuda.grid(1)
    if i < y.size:
        _, D, H, W = y.shape
        _, D_out, H_out, W_out = indices.shape
        plane, d, h, w = split(i, y.shape)
        place = (d * H + h) * W + w
        d_first, d_stop = windows_over(d, (D, D_out, reach[0], reach[1], 1), D_out)
        h_first, h_stop = windows_over(h, (H, H_out, reach[2], reach[3], 1), H_out)
        w_first, w_stop = windows_over(w, (W, W_out, reach[4], reach[5], 1), W_out)
        acc = y.dtype.type(0)
        for d_out in range(d_first, d_stop):
            for h_out in range(h_first, h_stop):
                for w_out in range(w_first, w_stop):
                    if indices[plane, d_out, h_out, w_out] == place:
                        acc += values[plane, d_out, h_out, w_out]
        y[plane, d, h, w] = acc


@kernel
def _last_at(values, indices, y, reach):
    i = cuda.grid(1)
    if i < y.size:
        _, D, H, W = y.shape
        _, D_out, H_out, W_out = indices.shape
        plane, d, h, w = split(i, y.shape)
        place = (d * H + h) * W + w
        d_first, d_stop = windows_over(d, (D, D_out, reach[0], reach[1], 1), D_out)
        h_first, h_stop = windows_over(h, (H, H_out, reach[2], reach[3], 1), H_out)
        w_first, w_stop = windows_over(w, (W, W_out, reach[4], reach[5], 1), W_out)
        value = y.dtype.type(0)
        for d_out in range(d_first, d_stop):
            for h_out in range(h_first, h_stop):
                for w_out in range(w_first, w_stop):
                    if indices[plane, d_out, h_out, w_out] == place:
                        value = values[plane, d_out, h_out, w_out]
        y[plane, d, h, w] = value


@kernel
def _taken_at(values, indices, y, number, note):
    i = cuda.grid(1)
    if i < y.size:
        plane, k = i // y.shape[1], i % y.shape[1]
        place = indices[plane, k]
        if 0 <= place < values.shape[1]:
            y[plane, k] = values[plane, place]
        else:
            y[plane, k] = y.dtype.type(np.nan)
            note[0], note[1] = number, place
