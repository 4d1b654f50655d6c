"""The kernels of average pooling: a part of ``cuda.py``."""

from numba import cuda

from kernels.elementary import formula
from kernels.gpu.launch import kernel, per_element
from kernels.pooling.cuda_max import TEAM, ahead
from kernels.pooling.cuda_windows import padded_length, split, window, windows_over

__all__ = ["means", "means_by_teams", "shares"]


def means(x, y, axes, divisor):
    """Mean of each window, one thread for each. `divisor` is (divisor_override or 0, 1 to count the padding or 0)."""
    _means[per_element(y.size)](x, y, axes, divisor)


def means_by_teams(x, y, axes, divisor):
    """The same, one block for each window."""
    _means_by_teams[y.size, TEAM](x, y, axes, divisor)


def shares(grad_y, grad_x, axes, divisor):
    """The gradient: each element gathers its share of every window over it."""
    _shares[per_element(grad_x.size)](grad_y, grad_x, axes, divisor)


@formula
def _count(d_out, h_out, w_out, sizes_in, axes, divisor):
    """What the sum of a window is divided by; `sizes_in` begins with the planes."""
    if divisor[0] != 0:
        return divisor[0]
    _, D_in, H_in, W_in = sizes_in
    if divisor[1]:
        d, h = padded_length(d_out, axes[0], D_in), padded_length(h_out, axes[1], H_in)
        return d * h * padded_length(w_out, axes[2], W_in)
    d_first, d_stop = window(d_out, axes[0], D_in)
    h_first, h_stop = window(h_out, axes[1], H_in)
    w_first, w_stop = window(w_out, axes[2], W_in)
    return (d_stop - d_first) * (h_stop - h_first) * (w_stop - w_first)


@kernel
def _means(x, y, axes, divisor):
    i = cuda.grid(1)
    if i < y.size:
        _, D_in, H_in, W_in = x.shape
        plane, d_out, h_out, w_out = split(i, y.shape)
        d_first, d_stop = window(d_out, axes[0], D_in)
        h_first, h_stop = window(h_out, axes[1], H_in)
        w_first, w_stop = window(w_out, axes[2], W_in)
        acc = y.dtype.type(0)
        for d_in in range(d_first, d_stop):
            for h_in in range(h_first, h_stop):
                for w_in in range(w_first, w_stop):
                    acc += x[plane, d_in, h_in, w_in]
        y[plane, d_out, h_out, w_out] = acc / y.dtype.type(_count(d_out, h_out, w_out, x.shape, axes, divisor))


@kernel
def _means_by_teams(x, y, axes, divisor):
    """Thread t adds up taps t, t + TEAM, …; then the sums are added up two by two:

    t     0   1   2   3   4   5   6   7
          +---------------+                 0 + 4, 1 + 5, 2 + 6, 3 + 7
          +-------+                         0 + 2, 1 + 3
          +---+                             0 + 1
    """
    sums = cuda.shared.array(TEAM, y.dtype)
    t = cuda.threadIdx.x
    _, D_in, H_in, W_in = x.shape
    plane, d_out, h_out, w_out = split(cuda.grid(1) // TEAM, y.shape)
    d_first, d_stop = window(d_out, axes[0], D_in)
    h_first, h_stop = window(h_out, axes[1], H_in)
    w_first, w_stop = window(w_out, axes[2], W_in)
    taps = d_stop - d_first, h_stop - h_first, w_stop - w_first
    at, step = split(t, (0, *taps))[1:], split(TEAM, (0, *taps))[1:]
    acc = y.dtype.type(0)
    for _ in range(t, taps[0] * taps[1] * taps[2], TEAM):
        acc += x[plane, d_first + at[0], h_first + at[1], w_first + at[2]]
        at = ahead(at, step, taps)
    sums[t] = acc
    cuda.syncthreads()
    half = TEAM // 2
    while half > 0:
        if t < half:
            sums[t] += sums[t + half]
        cuda.syncthreads()
        half //= 2
    if t == 0:
        y[plane, d_out, h_out, w_out] = sums[0] / y.dtype.type(_count(d_out, h_out, w_out, x.shape, axes, divisor))


@kernel
def _shares(grad_y, grad_x, axes, divisor):
    i = cuda.grid(1)
    if i < grad_x.size:
        _, D_out, H_out, W_out = grad_y.shape
        plane, d_in, h_in, w_in = split(i, grad_x.shape)
        d_first, d_stop = windows_over(d_in, axes[0], D_out)
        h_first, h_stop = windows_over(h_in, axes[1], H_out)
        w_first, w_stop = windows_over(w_in, axes[2], W_out)
        acc = grad_x.dtype.type(0)
        for d_out in range(d_first, d_stop):
            for h_out in range(h_first, h_stop):
                for w_out in range(w_first, w_stop):
                    count = _count(d_out, h_out, w_out, grad_x.shape, axes, divisor)
                    acc += grad_y[plane, d_out, h_out, w_out] / grad_x.dtype.type(count)
        grad_x[plane, d_in, h_in, w_in] = acc
