"""The sums of a convolution as formula: one thread, or for the weights one block, owns one result.

Volumes throughout: a picture is a volume of depth 1, a row a picture of height 1. So the loops stand line by line
beside those of ``reference_volume.py`` of the two families; what the reference writes as a loop over all outputs
is here a thread for each.

`spread` is turned round. The reference scatters: it goes through the pixels of `x` and adds to `y`. Threads that do
so would meet in one element of `y`. So each element of `y` asks which pixels of `x` give to it:

    w_out = w_in * s_w - p_w + k_w * dil_w      gives      w_in = (w_out + p_w - k_w * dil_w) / s_w

for each tap one pixel, or none where the division leaves a remainder.

These kernels are what the tiled ones are compared with, and what runs where a tile would be mostly empty: a few
channels, groups, depthwise convolutions.
"""

from numba import cuda

from kernels.gpu.launch import THREADS, device_function, kernel, per_element
from kernels.gpu.memory import empty

__all__ = ["add_up", "gather_direct", "parts_of", "relate_direct", "spread_direct", "sum_channels_direct"]

#: Blocks that keep the largest GPUs busy, and places of a sum that one thread adds at most, for speed and for rounding.
_BLOCKS = 4 if THREADS < 32 else 1024
_LONGEST_SUM = 4 if THREADS < 32 else 1024


@kernel
def _gather(x, weight, bias, y, stride, padding, dilation, groups):
    """One thread, one element of y: what it collects from its window of x."""
    _, C_out, D_out, H_out, W_out = y.shape
    _, _, D_in, H_in, W_in = x.shape
    _, C_per_group, K_d, K_h, K_w = weight.shape
    (s_d, s_h, s_w), (p_d, p_h, p_w), (dil_d, dil_h, dil_w) = stride, padding, dilation

    i = cuda.grid(1)  # neighbouring threads have neighbouring w_out: they read and write neighbouring memory
    if i < y.size:
        w_out, h_out, d_out = i % W_out, i // W_out % H_out, i // (W_out * H_out) % D_out
        c_out, n = i // (W_out * H_out * D_out) % C_out, i // (W_out * H_out * D_out * C_out)
        c_first = c_out // (C_out // groups) * C_per_group
        zero = y.dtype.type(0)
        acc = bias[c_out] if bias.size > 0 else zero
        for c in range(C_per_group):
            for k_d in range(K_d):
                d_in = d_out * s_d - p_d + k_d * dil_d
                for k_h in range(K_h):
                    h_in = h_out * s_h - p_h + k_h * dil_h
                    for k_w in range(K_w):
                        w_in = w_out * s_w - p_w + k_w * dil_w
                        inside = 0 <= d_in < D_in and 0 <= h_in < H_in and 0 <= w_in < W_in
                        value = x[n, c_first + c, d_in, h_in, w_in] if inside else zero
                        acc += weight[c_out, c, k_d, k_h, k_w] * value
        y[n, c_out, d_out, h_out, w_out] = acc


@kernel
def _spread(x, weight, bias, y, stride, padding, dilation, groups):
    """One thread, one element of y: what it is given by those pixels of x whose stamp covers it."""
    _, C_out, D_out, H_out, W_out = y.shape
    _, C_in, D_in, H_in, W_in = x.shape
    _, C_per_group, K_d, K_h, K_w = weight.shape
    (s_d, s_h, s_w), (p_d, p_h, p_w), (dil_d, dil_h, dil_w) = stride, padding, dilation

    i = cuda.grid(1)
    if i < y.size:
        w_out, h_out, d_out = i % W_out, i // W_out % H_out, i // (W_out * H_out) % D_out
        c_out, n = i // (W_out * H_out * D_out) % C_out, i // (W_out * H_out * D_out * C_out)
        first, count, c = c_out // C_per_group * (C_in // groups), C_in // groups, c_out % C_per_group
        acc = bias[c_out] if bias.size > 0 else y.dtype.type(0)
        for k_d in range(K_d):
            d_in, d_rest = (d_out + p_d - k_d * dil_d) // s_d, (d_out + p_d - k_d * dil_d) % s_d
            for k_h in range(K_h):
                h_in, h_rest = (h_out + p_h - k_h * dil_h) // s_h, (h_out + p_h - k_h * dil_h) % s_h
                if d_rest == 0 and h_rest == 0 and 0 <= d_in < D_in and 0 <= h_in < H_in:
                    for k_w in range(K_w):
                        w_in, w_rest = (w_out + p_w - k_w * dil_w) // s_w, (w_out + p_w - k_w * dil_w) % s_w
                        if w_rest == 0 and 0 <= w_in < W_in:
                            for c_in in range(first, first + count):
                                acc += weight[c_in, c, k_d, k_h, k_w] * x[n, c_in, d_in, h_in, w_in]
        y[n, c_out, d_out, h_out, w_out] = acc


@kernel
def _relate(coarse, fine, partial, stride, padding, dilation, groups):
    """One block, one weight of one part: its threads share the places of `coarse` and add up in a fixed order."""
    N, C_coarse, D_coarse, H_coarse, W_coarse = coarse.shape
    _, _, D_fine, H_fine, W_fine = fine.shape
    parts, _, C_per_group, K_d, K_h, K_w = partial.shape
    (s_d, s_h, s_w), (p_d, p_h, p_w), (dil_d, dil_h, dil_w) = stride, padding, dilation

    element, part = cuda.blockIdx.x, cuda.blockIdx.y
    k_w, k_h, k_d = element % K_w, element // K_w % K_h, element // (K_w * K_h) % K_d
    c, c_coarse = element // (K_w * K_h * K_d) % C_per_group, element // (K_w * K_h * K_d * C_per_group)
    c_fine = c_coarse // (C_coarse // groups) * C_per_group + c
    places = N * D_coarse * H_coarse * W_coarse
    zero = partial.dtype.type(0)
    acc = zero
    for i in range(part * places // parts + cuda.threadIdx.x, (part + 1) * places // parts, THREADS):
        w, h, d = i % W_coarse, i // W_coarse % H_coarse, i // (W_coarse * H_coarse) % D_coarse
        n = i // (W_coarse * H_coarse * D_coarse)
        d_fine, h_fine, w_fine = d * s_d - p_d + k_d * dil_d, h * s_h - p_h + k_h * dil_h, w * s_w - p_w + k_w * dil_w
        inside = 0 <= d_fine < D_fine and 0 <= h_fine < H_fine and 0 <= w_fine < W_fine
        value = fine[n, c_fine, d_fine, h_fine, w_fine] if inside else zero
        acc += coarse[n, c_coarse, d, h, w] * value
    sums = cuda.shared.array(THREADS, partial.dtype)
    sums[cuda.threadIdx.x] = acc
    _add_pairs(sums)
    if cuda.threadIdx.x == 0:
        partial[part, c_coarse, c, k_d, k_h, k_w] = sums[0]


@kernel
def _sum_channel(planes, partial):
    """One block, one channel of one part: its threads share the places."""
    N, _, size = planes.shape
    c, part = cuda.blockIdx.x, cuda.blockIdx.y
    acc = planes.dtype.type(0)
    for i in range(part * N * size // len(partial) + cuda.threadIdx.x, (part + 1) * N * size // len(partial), THREADS):
        acc += planes[i // size, c, i % size]
    sums = cuda.shared.array(THREADS, planes.dtype)
    sums[cuda.threadIdx.x] = acc
    _add_pairs(sums)
    if cuda.threadIdx.x == 0:
        partial[part, c] = sums[0]


@device_function
def _add_pairs(sums):
    """sums[0] becomes the sum of all: half the threads add their neighbour's, then a quarter of them, …"""
    half = THREADS // 2
    while half > 0:
        cuda.syncthreads()
        if cuda.threadIdx.x < half:
            sums[cuda.threadIdx.x] += sums[cuda.threadIdx.x + half]
        half //= 2


@kernel
def _add_up(partial, y):
    """One thread, one element: the sum of its parts, in their order."""
    i = cuda.grid(1)
    if i < y.size:
        acc = partial[0, i]
        for part in range(1, len(partial)):
            acc += partial[part, i]
        y[i] = acc


def gather_direct(x, weight, bias, y, stride, padding, dilation, groups):
    """Write into `y` what each place collects from its window of `x`: the forward pass of a convolution.

    Parameters
    ----------
    x, weight, y : DeviceArray with five axes: (N, C, D, H, W), (C_out, C_in / groups, K_d, K_h, K_w)
        All C-contiguous, of one dtype.
    bias : DeviceArray of shape (C_out,), or (0,) for zeros
    stride, padding, dilation : tuple of three int
    groups : int
    """
    _gather[per_element(y.size)](x, weight, bias, y, stride, padding, dilation, groups)


def spread_direct(x, weight, bias, y, stride, padding, dilation, groups):
    """Write into `y` what each place of `x` gives to its window: the forward pass of a transposed convolution.

    Parameters as in `gather_direct`, but the weights are (C_in, C_out / groups, K_d, K_h, K_w).
    """
    _spread[per_element(y.size)](x, weight, bias, y, stride, padding, dilation, groups)


def relate_direct(coarse, fine, grad_weight, stride, padding, dilation, groups):
    """Write into `grad_weight` the sum of the products of all places that each tap ties together.

    Parameters as in `gather_direct`, whose `x` is the fine and whose `y` the coarse array.
    """
    places = coarse.size // coarse.shape[1]
    parts = parts_of(places, _LONGEST_SUM * THREADS, grad_weight.size, _BLOCKS)
    partial = empty((parts, *grad_weight.shape), grad_weight.dtype) if parts > 1 else grad_weight[None]
    blocks = grad_weight.size, parts
    _relate[blocks, THREADS](coarse, fine, partial, stride, padding, dilation, groups)
    if parts > 1:
        add_up(partial, grad_weight)


def sum_channels_direct(planes, sums):
    """Write into `sums` (C,) the sum of each channel of `planes` (N, C, places)."""
    parts = parts_of(planes.size // max(sums.size, 1), _LONGEST_SUM * THREADS, sums.size, _BLOCKS)
    partial = empty((parts, sums.size), sums.dtype) if parts > 1 else sums[None]
    _sum_channel[(sums.size, parts), THREADS](planes, partial)
    if parts > 1:
        add_up(partial, sums)


def parts_of(places, longest, results, blocks):
    """Into how many parts sums of so many places are cut: a number of the shape, never of the GPU.

    As many as keep each at `longest` places, and more where there are too few results to make up so many `blocks`, as
    long as there are some places for each thread of a block.
    """
    for_rounding = -(-places // longest)
    for_speed = min(-(-blocks // max(results, 1)), places // (THREADS * 4))
    return max(1, min(max(for_rounding, for_speed), 65535))


def add_up(partial, y):
    """Write into `y` the sums of `partial` along its first axis."""
    _add_up[per_element(y.size)](partial.reshape(partial.shape[0], -1), y.reshape(-1))
