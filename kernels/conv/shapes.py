"""Shapes of convolution and padding: sizes of outputs, and every refusal, once for all back ends."""

import numpy as np

from kernels.memory import FLOATS, Array

__all__ = [
    "PAD_MODES",
    "backward_bias",
    "backward_weight",
    "backward_x",
    "conv_size",
    "forward",
    "pad",
    "pad_backward",
    "pad_source",
]

PAD_MODES = ("constant", "reflect", "replicate", "circular")

_GEOMETRY = (("stride", 1), ("padding", 0), ("dilation", 1))


def conv_size(size_in, kernel_size, stride, padding, dilation):
    """How many places the kernel has along one axis.

    size_out = (size_in + 2 padding - dilation (kernel_size - 1) - 1) / stride + 1, rounded down
    """
    return (size_in + 2 * padding - dilation * (kernel_size - 1) - 1) // stride + 1


def forward(op, rank, x, weight, bias, stride, padding, dilation, groups):
    """Shape of the output of a convolution.

    Raises
    ------
    TypeError
        For a dtype that is not float32 or float64, dtypes that differ, or a geometry that is not a tuple of int.
    ValueError
        For a wrong rank, an empty axis other than the batch or the input channels, channels that do not fit `weight`
        and `groups`, a geometry out of range, or a kernel that is larger than the padded input.
    """
    _check_floats(op, x=x, weight=weight, **({} if bias is None else {"bias": bias}))
    shape = _output_shape(op, rank, x.shape, weight.shape, stride, padding, dilation, groups)
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"{op}: bias expects the shape {weight.shape[:1]} (one per output channel), got {bias.shape}")
    return shape


def backward_x(op, rank, grad_y, weight, x_shape, stride, padding, dilation, groups):
    """Refuse what `forward` refuses, and a gradient that is not of the output's shape."""
    _check_floats(op, grad_y=grad_y, weight=weight)
    _check_gradient(op, grad_y, _output_shape(op, rank, x_shape, weight.shape, stride, padding, dilation, groups))


def backward_weight(op, rank, grad_y, x, weight_shape, stride, padding, dilation, groups):
    """Refuse what `forward` refuses, and a gradient that is not of the output's shape."""
    _check_floats(op, grad_y=grad_y, x=x)
    _check_gradient(op, grad_y, _output_shape(op, rank, x.shape, weight_shape, stride, padding, dilation, groups))


def backward_bias(op, rank, grad_y):
    """Refuse a gradient that cannot be that of a convolution's output."""
    _check_floats(op, grad_y=grad_y)
    if grad_y.ndim != rank + 2:
        raise ValueError(f"{op}: grad_y expects {rank + 2} axes {_axes('N C_out', rank)}, got shape {grad_y.shape}")


def pad(op, x, pads, mode):
    """Shape of a padded array.

    Raises
    ------
    TypeError
        For a dtype that is not float32 or float64, or `pads` that are not one (before, after) of int for each axis.
    ValueError
        For an unknown mode, a result of negative size, or more than the mode can take from `x`: "reflect" less than the
        size of the axis, "circular" at most that size, "replicate" from no empty axis.
    """
    _check_floats(op, x=x)
    return _padded_shape(op, x.shape, pads, mode)


def pad_backward(op, grad_y, x_shape, pads, mode):
    """Refuse what `pad` refuses, and a gradient that is not of the padded shape."""
    _check_floats(op, grad_y=grad_y)
    _check_gradient(op, grad_y, _padded_shape(op, x_shape, pads, mode))


def pad_source(size, before, after, mode):
    """For each place of a padded axis the place of `x` that it shows, or -1 for the constant; int64 array."""
    place = np.arange(-before, size + after, dtype=np.int64)
    if mode == "constant":
        return np.where((place < 0) | (place >= size), -1, place)
    if mode == "replicate":
        return np.clip(place, 0, size - 1)
    if mode == "circular":  # what is cropped on one side does not come back on the other
        first, length = max(-before, 0), size + min(before, 0) + min(after, 0)
        return (place - first) % max(length, 1) + first
    mirrored = np.abs(place)
    return np.where(mirrored >= size, 2 * (size - 1) - mirrored, mirrored)


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


def _output_shape(op, rank, x_shape, weight_shape, stride, padding, dilation, groups):
    x_shape, weight_shape = tuple(x_shape), tuple(weight_shape)
    for name, shape, axes in (("x", x_shape, "N C_in"), ("weight", weight_shape, "C_out C_in/groups")):
        if len(shape) != rank + 2:
            raise ValueError(f"{op}: {name} expects {rank + 2} axes {_axes(axes, rank)}, got shape {shape}")
    if 0 in x_shape[2:]:
        raise ValueError(f"{op}: x expects no empty axis but the batch or the channels, got shape {x_shape}")
    if 0 in weight_shape[2:] or weight_shape[0] == 0:
        raise ValueError(f"{op}: weight expects an output channel and a tap on every axis, got shape {weight_shape}")
    for (name, least), values in zip(_GEOMETRY, (stride, padding, dilation)):
        _check_ints(op, name, values, rank, least)
    _check_groups(op, x_shape, weight_shape, groups)
    sizes = tuple(conv_size(*axis) for axis in zip(x_shape[2:], weight_shape[2:], stride, padding, dilation))
    if min(sizes) < 1:
        padded = tuple(size + 2 * p for size, p in zip(x_shape[2:], padding))
        span = tuple(dil * (size - 1) + 1 for size, dil in zip(weight_shape[2:], dilation))
        raise ValueError(
            f"{op}: expected a kernel no larger than the padded input {padded}, got {span} with dilation {dilation} "
            f"(x: {x_shape}, weight: {weight_shape}); use more padding or a smaller kernel"
        )
    return (x_shape[0], weight_shape[0], *sizes)


def _check_groups(op, x_shape, weight_shape, groups):
    if not _is_int(groups):
        raise TypeError(f"{op}: groups expects an int, got {groups!r}")
    if groups < 1 or weight_shape[0] % groups:
        raise ValueError(f"{op}: groups expects a divisor of the {weight_shape[0]} output channels, got {groups}")
    if x_shape[1] != weight_shape[1] * groups:
        in_groups = f" in {groups} groups" if groups > 1 else ""
        raise ValueError(
            f"{op}: weight expects {weight_shape[1] * groups} input channels{in_groups}, x has {x_shape[1]} "
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


def _padded_shape(op, x_shape, pads, mode):
    if mode not in PAD_MODES:
        raise ValueError(f"{op}: mode expects one of {', '.join(PAD_MODES)}, got {mode!r}")
    pairs = isinstance(pads, tuple) and all(isinstance(pair, tuple) and len(pair) == 2 for pair in pads)
    if not pairs or not all(_is_int(number) for pair in pads for number in pair):
        raise TypeError(f"{op}: pads expects a tuple of (before, after), two int for each axis, got {pads!r}")
    if len(pads) != len(x_shape):
        raise ValueError(f"{op}: pads expects one pair for each of {len(x_shape)} axes, got {len(pads)}")
    for axis, (size, (before, after)) in enumerate(zip(x_shape, pads)):
        if size + before + after < 0:
            raise ValueError(f"{op}: axis {axis} has {size} elements, fewer than pads {(before, after)} take away")
        remaining = size + min(before, 0) + min(after, 0)
        largest = {"reflect": size - 1, "circular": remaining}.get(mode)
        if largest is not None and max(before, after, 0) > max(largest, 0):
            raise ValueError(
                f"{op}: {mode} padding of axis {axis} expects at most {largest}, for it has {size} elements, "
                f"got {(before, after)}"
            )
        if size == 0 and mode != "constant" and max(before, after) > 0:
            raise ValueError(f"{op}: {mode} padding expects elements to repeat, axis {axis} has none")
    return tuple(size + before + after for size, (before, after) in zip(x_shape, pads))
