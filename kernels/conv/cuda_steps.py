"""The forward pass of a 2-D convolution on the GPU in two steps, to be read side by side.

`conv2d_forward_direct` is the formula: one thread, one output. Each product costs two reads from global memory.

`conv2d_forward_tiled` has the same sums as a product of matrices, and shares what it reads:

                                pixels of y                 Each block owns a tile of y, TILE channels by TILE pixels.
                              ┌──┬──┬──┬──┐                 It walks along the channels and taps, TILE steps at a time.
           channels of x   k  │  │░░│  │  │                 Its threads bring a tile of the weights and one of the
           and taps           ├──┼──┼──┼──┤                 pixels that the taps meet into shared memory, each thread
                              │  │░░│  │  │                 one element of both; barrier; each adds TILE products;
                   k          └──┴──┴──┴──┘                 barrier; on to the next steps.
                ┌──┬──┐       ┌──┬──┬──┬──┐
    channels    │▒▒│▒▒│       │  │██│  │  │                 So an element is read from global memory TILE times less
    of y        └──┴──┘       └──┴──┴──┴──┘                 often. The matrix of pixels is never written: a thread
               weights              y                       works out where its element lies in x.

Both have the contract of ``reference.conv2d_forward``, so all of them are called alike:

    reference.conv2d_forward(x, weight, bias, (1, 1), (0, 0), (1, 1), 1)
    conv2d_forward_direct(to_device(x), to_device(weight), to_device(bias), (1, 1), (0, 0), (1, 1), 1).get()

What ``cuda.conv2d_forward`` runs goes a step further (``kernels/gpu/convolution_tiled.py``): a thread owns 64 outputs,
kept in registers, and the next tiles come from memory while the present ones are added up. Taught in lesson 07.
"""

from numba import cuda

from kernels.conv import shapes
from kernels.gpu.launch import kernel, per_element, per_tile
from kernels.gpu.matmul import TILE
from kernels.gpu.memory import empty, readable, zeros

__all__ = ["TILE", "conv2d_forward_direct", "conv2d_forward_tiled"]


def conv2d_forward_direct(x, weight, bias, stride, padding, dilation, groups):
    """Same contract as ``reference.conv2d_forward``: one thread for each output."""
    y = empty(shapes.forward("conv2d", 2, x, weight, bias, stride, padding, dilation, groups), x.dtype)
    arrays = _arrays(x, weight, bias)
    _direct[per_element(y.size)](*arrays, y, *stride, *padding, *dilation, weight.shape[0] // groups)
    return y


def conv2d_forward_tiled(x, weight, bias, stride, padding, dilation, groups):
    """Same contract as ``reference.conv2d_forward``: one thread for each output, tiles in shared memory."""
    y = empty(shapes.forward("conv2d", 2, x, weight, bias, stride, padding, dilation, groups), x.dtype)
    arrays, C_out_per_group = _arrays(x, weight, bias), weight.shape[0] // groups
    blocks, threads = per_tile(C_out_per_group, y.size // y.shape[1], TILE)
    _tiled[(*blocks, groups), threads](*arrays, y, *stride, *padding, *dilation, C_out_per_group)
    return y


def _arrays(x, weight, bias):
    return readable(x), readable(weight), zeros(weight.shape[0], x.dtype) if bias is None else readable(bias)


@kernel
def _direct(x, weight, bias, y, s_h, s_w, p_h, p_w, dil_h, dil_w, C_out_per_group):
    _, _, H_in, W_in = x.shape
    _, C_out, H_out, W_out = y.shape
    _, C_per_group, K_h, K_w = weight.shape
    i = cuda.grid(1)  # neighbouring threads have neighbouring w_out: they read and write neighbouring memory
    if i < y.size:
        n, c_out, h_out, w_out = (
            i // (C_out * H_out * W_out),
            i // (H_out * W_out) % C_out,
            i // W_out % H_out,
            i % W_out,
        )
        c_first = c_out // C_out_per_group * C_per_group
        zero = y.dtype.type(0)
        acc = bias[c_out]
        for c in range(C_per_group):
            for k_h in range(K_h):
                for k_w in range(K_w):
                    h_in = h_out * s_h - p_h + k_h * dil_h
                    w_in = w_out * s_w - p_w + k_w * dil_w
                    inside = 0 <= h_in < H_in and 0 <= w_in < W_in
                    value = x[n, c_first + c, h_in, w_in] if inside else zero
                    acc += weight[c_out, c, k_h, k_w] * value
        y[n, c_out, h_out, w_out] = acc


@kernel
def _tiled(x, weight, bias, y, s_h, s_w, p_h, p_w, dil_h, dil_w, C_out_per_group):
    _, _, H_in, W_in = x.shape
    N, _, H_out, W_out = y.shape
    _, C_per_group, K_h, K_w = weight.shape
    pixel, row = cuda.grid(2)  # of this thread's output: its pixel, and its channel within the group
    group, thread_y, thread_x = cuda.blockIdx.z, cuda.threadIdx.y, cuda.threadIdx.x
    n, h_out, w_out = pixel // (H_out * W_out), pixel // W_out % H_out, pixel % W_out
    c_out, pixels, steps = group * C_out_per_group + row, N * H_out * W_out, C_per_group * K_h * K_w

    weight_tile = cuda.shared.array((TILE, TILE), y.dtype)
    x_tile = cuda.shared.array((TILE, TILE), y.dtype)
    zero = y.dtype.type(0)
    acc = zero
    for first in range(0, steps, TILE):
        k = first + thread_x  # of the weight that this thread brings, for its own channel
        c, k_h, k_w = k // (K_h * K_w), k // K_w % K_h, k % K_w
        known = row < C_out_per_group and k < steps
        weight_tile[thread_y, thread_x] = weight[c_out, c, k_h, k_w] if known else zero

        k = first + thread_y  # of the element of x that it brings, for its own pixel
        c, k_h, k_w = k // (K_h * K_w), k // K_w % K_h, k % K_w
        h_in = h_out * s_h - p_h + k_h * dil_h
        w_in = w_out * s_w - p_w + k_w * dil_w
        inside = pixel < pixels and k < steps and 0 <= h_in < H_in and 0 <= w_in < W_in
        x_tile[thread_y, thread_x] = x[n, group * C_per_group + c, h_in, w_in] if inside else zero

        cuda.syncthreads()  # the tiles are complete
        for k in range(TILE):
            acc += weight_tile[thread_y, k] * x_tile[k, thread_x]
        cuda.syncthreads()  # all have read them
    if row < C_out_per_group and pixel < pixels:
        y[n, c_out, h_out, w_out] = acc + bias[c_out]
