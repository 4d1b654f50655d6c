"""Shapes of transposed convolution: sizes of outputs, and every refusal, once for all back ends."""

import numpy as np

from kernels.memory import FLOATS, Array

__all__ = ["backward_bias", "backward_weight", "backward_x", "forward", "transposed_size"]

#: Axes longer than this are mistakes; sums of places could leave the range of int64.
_LONGEST = 2**31 - 1

_GEOMETRY = (("stride", 1), ("padding", 0), ("output_padding", 0), ("dilation", 1))


def transposed_size(size_in, kernel_size, stride, padding, output_padding, dilation):
    """How many places the stamps of `size_in` pixels cover along one axis, less the padding.

    size_out = (size_in - 1) stride - 2 padding + dilation (kernel_size - 1) + output_padding + 1

    A convolution with a stride rounds down: inputs of several sizes give one output size. `output_padding` says by how
    much the input of that convolution, which is the output here, exceeds the smallest of these sizes.
    """
    return (size_in - 1) * stride - 2 * padding + dilation * (kernel_size - 1) + output_padding + 1


def forward(op, rank, x, weight, bias, stride, padding, output_padding, dilation, groups):
    """Shape of the output of a transposed convolution.

    Raises
    ------
    TypeError
        For a dtype that is not float32 or float64, dtypes that differ, or a geometry that is not a tuple of int.
    ValueError
        For a wrong rank, an empty axis other than the batch, channels that do not fit `weight` and `groups`, a geometry
        out of range, an output_padding that is not less than stride or dilation, or padding that leaves no output.
    """
    _check_floats(op, x=x, weight=weight, **({} if bias is None else {"bias": bias}))
    shape = _output_shape(op, rank, x.shape, weight.shape, (stride, padding, output_padding, dilation), groups)
    if bias is not None and bias.shape != shape[1:2]:
        raise ValueError(f"{op}: bias expects the shape {shape[1:2]} (one per output channel), got {bias.shape}")
    return shape


def backward_x(op, rank, grad_y, weight, x_shape, stride, padding, output_padding, dilation, groups):
    """Refuse what `forward` refuses, and a gradient that is not of the output's shape."""
    _check_floats(op, grad_y=grad_y, weight=weight)
    geometry = (stride, padding, output_padding, dilation)
    _check_gradient(op, grad_y, _output_shape(op, rank, x_shape, weight.shape, geometry, groups))


def backward_weight(op, rank, grad_y, x, weight_shape, stride, padding, output_padding, dilation, groups):
    """Refuse what `forward` refuses, and a gradient that is not of the output's shape."""
    _check_floats(op, grad_y=grad_y, x=x)
    geometry = (stride, padding, output_padding, dilation)
    _check_gradient(op, grad_y, _output_shape(op, rank, x.shape, weight_shape, geometry, groups))


def backward_bias(op, rank, grad_y):
    """Refuse a gradient that cannot be that of a transposed convolution's output."""
    _check_floats(op, grad_y=grad_y)
    if grad_y.ndim != rank + 2:
        raise ValueError(f"{op}: grad_y expects {rank + 2} axes {_axes('N C_out', rank)}, got shape {grad_y.shape}")


def _check_floats(op, **arrays):
    expected = None
    for name, array in arrays.items():
        if not isinstance(array, Array):
            raise TypeError(f"{op}: {name} expects a numpy.ndarray, got {type(array).__name__}")
        if array.dtype not in FLOATS:
            raise TypeError(f"{op}: {name} expects float32 or float64, got {array.dtype}; convert it with astype")
        if expected is None:
            first, expected = name, array.dtype
        elif array.dtype != expected:
            raise TypeError(f"{op}: {name} expects {expected}, the dtype of {first}, got {array.dtype}")


def _check_gradient(op, grad_y, shape):
    if grad_y.shape != shape:
        raise ValueError(f"{op}: grad_y expects the shape of the output {shape}, got {grad_y.shape}")


def _output_shape(op, rank, x_shape, weight_shape, geometry, groups):
    x_shape, weight_shape = tuple(x_shape), tuple(weight_shape)
    for name, shape, axes in (("x", x_shape, "N C_in"), ("weight", weight_shape, "C_in C_out/groups")):
        if len(shape) != rank + 2:
            raise ValueError(f"{op}: {name} expects {rank + 2} axes {_axes(axes, rank)}, got shape {shape}")
    if 0 in x_shape[2:]:
        raise ValueError(f"{op}: x expects no empty axis but the batch, got shape {x_shape}")
    if 0 in weight_shape:
        raise ValueError(f"{op}: weight expects channels and a tap on every axis, got shape {weight_shape}")
    for (name, least), values in zip(_GEOMETRY, geometry):
        _check_ints(op, name, values, rank, least)
    stride, padding, output_padding, dilation = geometry
    for extra, step, dil in zip(output_padding, stride, dilation):
        if extra >= max(step, dil):
            raise ValueError(
                f"{op}: output_padding expects less than stride or dilation on each axis, "
                f"got {output_padding} with stride {stride} and dilation {dilation}"
            )
    _check_groups(op, x_shape, weight_shape, groups)
    sizes = tuple(transposed_size(*axis) for axis in zip(x_shape[2:], weight_shape[2:], *geometry))
    if min(sizes) < 1 or max(sizes) > _LONGEST:
        raise ValueError(
            f"{op}: expected an output of 1 to {_LONGEST} places along each axis, got {sizes} "
            f"(x: {x_shape}, weight: {weight_shape}, stride {stride}, padding {padding}); "
            f"use {'less padding' if min(sizes) < 1 else 'a smaller stride or dilation'}"
        )
    return (x_shape[0], weight_shape[1] * groups, *sizes)


def _check_groups(op, x_shape, weight_shape, groups):
    if not _is_int(groups):
        raise TypeError(f"{op}: groups expects an int, got {groups!r}")
    if groups < 1 or weight_shape[0] % groups:
        raise ValueError(f"{op}: groups expects a divisor of the {weight_shape[0]} input channels, got {groups}")
    if x_shape[1] != weight_shape[0]:
        raise ValueError(
            f"{op}: weight expects {weight_shape[0]} input channels, x has {x_shape[1]} "
            f"(x: {x_shape}, weight: {weight_shape})"
        )


def _check_ints(op, name, values, count, least):
    if not isinstance(values, tuple) or not all(_is_int(value) for value in values):
        raise TypeError(f"{op}: {name} expects a tuple of {count} int, got {values!r}")
    if len(values) != count or min(values) < least:
        raise ValueError(f"{op}: {name} expects {count} numbers of at least {least}, got {values}")


def _is_int(value):
    return isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_))


def _axes(first, rank):
    return f"({', '.join([*first.split(), *(['D', 'H', 'W'][3 - rank :])])})"
