"""Shapes of pooling: sizes of outputs, where windows lie, and every refusal, once for all back ends."""

import math

import numpy as np

from kernels.memory import FLOATS, Array

__all__ = [
    "adaptive_pool",
    "adaptive_windows",
    "avg_pool",
    "check_gradient",
    "check_indices",
    "check_max_backward",
    "check_unpool_backward",
    "max_pool",
    "max_unpool",
    "planes",
    "pooled_size",
    "volumes",
    "window_lengths",
    "windows",
]


def pooled_size(size_in, kernel_size, stride, padding, dilation, ceil_mode):
    """How many windows fit along one axis.

        size_out = (size_in + 2 padding - dilation (kernel_size - 1) - 1) / stride + 1

    rounded down, or up with `ceil_mode`; then the last window is dropped if it would begin in the padding at the end.
    """
    span = size_in + 2 * padding - dilation * (kernel_size - 1) - 1
    if not ceil_mode:
        return span // stride + 1
    size_out = -(-span // stride) + 1
    return size_out - 1 if (size_out - 1) * stride >= size_in + padding else size_out


def windows(size_in, size_out, kernel_size, stride, padding, dilation):
    """The first and the last tap plus one of each window along one axis that lie inside the picture; int64 arrays."""
    begin = np.arange(size_out, dtype=np.int64) * stride - padding
    first = np.where(begin < 0, begin + -(begin // dilation) * dilation, begin)
    stop = np.minimum(begin + dilation * (kernel_size - 1) + 1, size_in)
    return first, stop


def window_lengths(size_in, size_out, kernel_size, stride, padding):
    """Length of each window along one axis with the padding that it covers (but not what lies beyond)."""
    begin = np.arange(size_out, dtype=np.int64) * stride - padding
    return np.minimum(begin + kernel_size, size_in + padding) - begin


def adaptive_windows(size_in, size_out):
    """Window i is floor(i size_in / size_out) <= j < ceil((i + 1) size_in / size_out); int64 arrays first, stop."""
    out = np.arange(size_out, dtype=np.int64)
    return out * size_in // max(size_out, 1), -(-(out + 1) * size_in // max(size_out, 1))


def volumes(array):
    """(N, C, …) as (planes, D, H, W), with size 1 for the axes that a row or a picture lacks."""
    sizes = array.shape[2:]
    return array.reshape(math.prod(array.shape[:2]), *(1,) * (3 - len(sizes)), *sizes)


def planes(array):
    """(N, C, …) as (planes, places)."""
    return array.reshape(math.prod(array.shape[:2]), math.prod(array.shape[2:]))


def max_pool(op, x, rank, kernel_size, stride, padding, dilation, ceil_mode):
    """Shape of the output of max pooling.

    Raises
    ------
    TypeError
        For a dtype that is not float32 or float64, or a geometry that is not a tuple of int.
    ValueError
        For a wrong rank, an empty axis other than the batch, a geometry out of range, padding over half the kernel, an
        output of size 0, or a dilated window of which every tap lies in the padding (its maximum would be nowhere).
    """
    _check_floats(op, "x", x)
    _check_filled(op, "x", x.shape, rank)
    _check_geometry(op, rank, kernel_size, stride, padding)
    _check_ints(op, "dilation", dilation, rank, 1)
    sizes = _output_sizes(op, x.shape, kernel_size, stride, padding, dilation, ceil_mode)
    for axis, size_in in enumerate(x.shape[2:]):
        first, stop = windows(size_in, sizes[axis], kernel_size[axis], stride[axis], padding[axis], dilation[axis])
        if (first >= stop).any():
            raise ValueError(
                f"{op}: expected every window to meet the picture, got one whose taps all lie in the padding along "
                f"axis {axis + 2} (size {size_in}, kernel_size {kernel_size[axis]}, padding {padding[axis]}, dilation "
                f"{dilation[axis]}); use a smaller dilation or padding"
            )
    return (*x.shape[:2], *sizes)


def avg_pool(op, dtype_of, x_shape, rank, kernel_size, stride, padding, ceil_mode, divisor_override):
    """Shape of the output of average pooling; `dtype_of` is ``x`` or ``grad_y``. Raises as `max_pool`."""
    _check_floats(op, "x", dtype_of)
    _check_filled(op, "x", x_shape, rank)
    _check_geometry(op, rank, kernel_size, stride, padding)
    if divisor_override is not None:
        if not _is_int(divisor_override):
            raise TypeError(f"{op}: divisor_override expects an int or None, got {divisor_override!r}")
        if divisor_override == 0 or abs(divisor_override) >= 2**63:
            raise ValueError(f"{op}: divisor_override expects an int64 other than 0, got {divisor_override}")
    return (*x_shape[:2], *_output_sizes(op, x_shape, kernel_size, stride, padding, (1,) * rank, ceil_mode))


def adaptive_pool(op, dtype_of, x_shape, rank, output_size, allow_no_channels):
    """Shape of the output of adaptive pooling. Raises TypeError and ValueError as `max_pool`."""
    _check_floats(op, "x", dtype_of)
    _check_filled(op, "x", x_shape, rank, allow_no_channels)
    _check_ints(op, "output_size", output_size, rank, 0)
    return (*x_shape[:2], *output_size)


def max_unpool(op, x, indices, rank, output_size):
    """Shape of the output of max-unpooling; `indices` must point into it."""
    _check_floats(op, "x", x)
    _check_filled(op, "x", x.shape, rank)
    _check_ints(op, "output_size", output_size, rank, 1)
    check_indices(op, indices, x.shape, output_size)
    return (*x.shape[:2], *output_size)


def check_indices(op, indices, shape, plane_sizes):
    """Refuse indices that are not int64 of the expected shape, or point outside a plane of the given sizes.

    Where those on a device point is for its kernels to see: looking at them here would be a copy, and a wait.
    """
    on_host = not isinstance(indices, Array) or isinstance(indices, np.ndarray)
    indices = np.asarray(indices) if on_host else indices
    if indices.dtype != np.int64:
        raise TypeError(f"{op}: indices expects int64, got {indices.dtype}; use those that max pooling returned")
    if indices.shape != tuple(shape):
        raise ValueError(f"{op}: indices expects the shape {tuple(shape)}, got {indices.shape}")
    if on_host:
        _check_places(op, indices, plane_sizes)


def _check_places(op, indices, plane_sizes):
    count = math.prod(plane_sizes)
    if (
        indices.size and int(np.ascontiguousarray(indices).view(np.uint64).max()) >= count
    ):  # a negative index is huge here: one pass for both
        worst = int(indices.min()) if indices.min() < 0 else int(indices.max())
        raise ValueError(
            f"{op}: indices expects places from 0 to {count - 1} in planes of {tuple(plane_sizes)}, got {worst}; "
            f"pass the size that was pooled as output_size"
        )


def check_max_backward(op, grad_y, indices, x_shape, rank):
    """Refuse a gradient and indices that do not belong to a maximum over an input of `x_shape`."""
    _check_floats(op, "grad_y", grad_y)
    _check_filled(op, "x", x_shape, rank)
    if grad_y.ndim != rank + 2 or grad_y.shape[:2] != tuple(x_shape[:2]):
        raise ValueError(
            f"{op}: grad_y expects {rank + 2} axes that begin with {tuple(x_shape[:2])}, got {grad_y.shape}"
        )
    check_indices(op, indices, grad_y.shape, x_shape[2:])


def check_unpool_backward(op, grad_y, indices, rank):
    """Refuse a gradient and indices that do not belong to max-unpooling."""
    _check_floats(op, "grad_y", grad_y)
    _check_filled(op, "grad_y", grad_y.shape, rank)
    if indices.ndim != rank + 2 or indices.shape[:2] != grad_y.shape[:2]:
        raise ValueError(
            f"{op}: indices expects {rank + 2} axes that begin with {grad_y.shape[:2]}, got {indices.shape}"
        )
    check_indices(op, indices, indices.shape, grad_y.shape[2:])


def check_gradient(op, grad_y, shape):
    """Refuse a gradient whose shape is not that of the output."""
    if grad_y.shape != tuple(shape):
        raise ValueError(f"{op}: grad_y expects the shape of the output {tuple(shape)}, got {grad_y.shape}")


def _check_floats(op, name, array):
    if not isinstance(array, Array):
        raise TypeError(f"{op}: {name} expects a numpy.ndarray, got {type(array).__name__}")
    if array.dtype not in FLOATS:
        raise TypeError(f"{op}: {name} expects float32 or float64, got {array.dtype}; convert it with astype")


def _check_filled(op, name, shape, rank, allow_no_channels=False):
    axes = ("N", "C", *("D_in", "H_in", "W_in")[3 - rank :])
    if len(shape) != rank + 2:
        raise ValueError(f"{op}: {name} expects {rank + 2} axes ({', '.join(axes)}), got shape {tuple(shape)}")
    if 0 in shape[2 if allow_no_channels else 1 :]:
        raise ValueError(f"{op}: {name} expects no empty axis but the batch, got shape {tuple(shape)}")


def _check_geometry(op, rank, kernel_size, stride, padding):
    _check_ints(op, "kernel_size", kernel_size, rank, 1)
    _check_ints(op, "stride", stride, rank, 1)
    _check_ints(op, "padding", padding, rank, 0)
    if any(2 * p > k for p, k in zip(padding, kernel_size)):
        raise ValueError(f"{op}: padding expects at most half of kernel_size {kernel_size}, got {padding}")


def _check_ints(op, name, values, rank, least):
    if not isinstance(values, tuple) or not all(_is_int(value) for value in values):
        raise TypeError(f"{op}: {name} expects a tuple of {rank} int, got {values!r}")
    if len(values) != rank or min(values) < least:
        raise ValueError(f"{op}: {name} expects {rank} numbers of at least {least}, got {values}")


def _is_int(value):
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _output_sizes(op, x_shape, kernel_size, stride, padding, dilation, ceil_mode):
    sizes = tuple(pooled_size(*axis, ceil_mode) for axis in zip(x_shape[2:], kernel_size, stride, padding, dilation))
    if min(sizes) < 1:
        raise ValueError(
            f"{op}: expected an output of at least 1 on every axis, got {sizes} from input {tuple(x_shape[2:])} with "
            f"kernel_size {kernel_size}, dilation {dilation}, padding {padding}; use a smaller window"
        )
    return sizes
