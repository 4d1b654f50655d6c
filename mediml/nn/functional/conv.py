"""Convolution and padding under torch's names: arguments normalised, kernels called, gradients recorded."""

from collections.abc import Sequence
from typing import Any

from mediml import arrays
from mediml.autograd import record
from mediml.device import backend, given
from mediml.nn.arguments import MOST, Sizes, sizes
from mediml.tensor import Tensor

__all__ = ["conv1d", "conv2d", "conv3d", "pad"]


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: str | Sizes = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation of rows: `input` (N, C_in, W_in) or (C_in, W_in). See `conv2d`."""
    return _conv(1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: str | Sizes = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation of pictures with the kernels in `weight`.

    Parameters
    ----------
    input : Tensor of shape (N, C_in, H_in, W_in) or (C_in, H_in, W_in), float32 or float64
    weight : Tensor of shape (C_out, C_in / groups, K_h, K_w)
    bias : Tensor of shape (C_out,), optional
    stride, dilation : int or sequence of two int
    padding : int, sequence of two int, ``"valid"`` or ``"same"``
        Zeros on either side of each axis. ``"valid"``: none. ``"same"``: as many as make the output as large as the
        input (stride 1 only); of an odd number the greater half stands after the picture.
    groups : int
        Divides the channels of input and output: each group of outputs sees its own group of inputs.

    Returns
    -------
    Tensor of shape (N, C_out, H_out, W_out) or (C_out, H_out, W_out), dtype of `input`

    Raises
    ------
    TypeError, ValueError
        As `kernels.conv.shapes.forward`.

    Notes
    -----
    Formula: ``kernels.conv.reference.conv2d_forward``.
    """
    return _conv(2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: str | Sizes = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation of volumes: `input` (N, C_in, D_in, H_in, W_in) or without N. See `conv2d`."""
    return _conv(3, input, weight, bias, stride, padding, dilation, groups)


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Put places around a tensor.

    Parameters
    ----------
    input : Tensor
        For modes other than ``"constant"`` two or three axes to pad one, three or four to pad two, four or five to pad
        three.
    pad : sequence of int
        before and after for the last axis, then for the one before it, and so on. Negative numbers crop.
    mode : str
        ``"constant"``, ``"reflect"``, ``"replicate"`` or ``"circular"``.
    value : float, optional
        The constant; 0 by default.

    Returns
    -------
    Tensor, dtype of `input`

    Raises
    ------
    TypeError, ValueError
        As `kernels.conv.shapes.pad`; and for integer tensors and a mode other than ``"constant"``.

    Notes
    -----
    Formula: ``kernels.conv.reference.pad_forward``.
    """
    kernels = backend("conv", input=input)
    pairs = _pad_pairs(input, pad, mode, value)
    x_shape = input._array.shape
    if not input.is_floating_point():
        return record("pad", _pad_integers(input._array, pairs, mode, value), (input,), lambda grad_y: (None,))
    y = kernels.pad_forward(input._array, pairs, mode, 0.0 if value is None else float(value))

    def backward(grad_y: Any) -> tuple[Any]:
        return (kernels.pad_backward_x(grad_y, x_shape, pairs, mode),)

    return record("pad", y, (input,), backward)


def _conv(
    rank: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sizes,
    padding: str | Sizes,
    dilation: Sizes,
    groups: int,
) -> Tensor:
    op = f"conv{rank}d"
    kernels = backend("conv", input=input, weight=weight, **given(bias=bias))
    if input.ndim not in (rank + 1, rank + 2):
        raise ValueError(
            f"{op}: input expects {rank + 2} axes, or {rank + 1} without the batch, got shape {tuple(input.shape)}"
        )
    steps, dilations = sizes(op, "stride", stride, rank), sizes(op, "dilation", dilation, rank)
    if isinstance(padding, str):
        around = _named_padding(op, padding, weight, steps, dilations)
        if any(before != after for before, after in around):
            widths = [width for pair in reversed(around) for width in pair]
            input, around = pad(input, widths), [(0, 0)] * rank
        paddings = tuple(before for before, _ in around)
    else:
        paddings = sizes(op, "padding", padding, rank)
    geometry = (steps, paddings, dilations, groups)
    x = input._array if input.ndim == rank + 2 else input._array[None]
    y = getattr(kernels, f"{op}_forward")(x, weight._array, None if bias is None else bias._array, *geometry)

    def backward(grad_y: Any) -> tuple[Any, ...]:
        grad_y = grad_y.reshape(y.shape)
        grad_x = grad_weight = grad_bias = None
        if input.requires_grad:
            backward_x = getattr(kernels, f"{op}_backward_x")
            grad_x = backward_x(grad_y, weight._array, x.shape, *geometry).reshape(input.shape)
        if weight.requires_grad:
            grad_weight = getattr(kernels, f"{op}_backward_weight")(grad_y, x, weight._array.shape, *geometry)
        if bias is not None and bias.requires_grad:
            grad_bias = getattr(kernels, f"{op}_backward_bias")(grad_y)
        return grad_x, grad_weight, grad_bias

    output = y if input.ndim == rank + 2 else y[0]
    return record(op, output, (input, weight, bias), backward, saved=(input, weight))


def _named_padding(
    op: str, name: str, weight: Tensor, stride: tuple[int, ...], dilation: tuple[int, ...]
) -> list[tuple[int, int]]:
    """Zeros before and after each axis for ``"same"`` and ``"valid"``."""
    if name not in ("same", "valid"):
        raise ValueError(f"{op}: padding expects numbers, 'same' or 'valid', got {name!r}")
    if name == "valid":
        return [(0, 0)] * len(stride)
    if any(step != 1 for step in stride):
        raise ValueError(f"{op}: padding 'same' expects stride 1, got {stride}; give the padding in numbers")
    totals = [dil * (size - 1) for dil, size in zip(dilation, weight._array.shape[2:])]
    return [(total // 2, total - total // 2) for total in totals]


def _pad_pairs(input: Tensor, pad: Sequence[int], mode: str, value: float | None) -> tuple[tuple[int, int], ...]:
    """(before, after) for every axis, the first axis first."""
    if not isinstance(pad, (tuple, list)) or any(isinstance(v, bool) or not hasattr(v, "__index__") for v in pad):
        raise TypeError(f"pad: pad expects a sequence of int, got {pad!r}")
    if len(pad) % 2 or len(pad) > 2 * input.ndim:
        raise ValueError(
            f"pad: pad expects two numbers for each of at most {input.ndim} axes (input: {tuple(input.shape)}), "
            f"got {len(pad)}"
        )
    widths = [number.__index__() for number in pad]
    if any(abs(width) > MOST for width in widths):
        raise ValueError(f"pad: pad expects numbers of at most {MOST}, got {pad!r}")
    if mode != "constant":
        if input.ndim - len(widths) // 2 not in (1, 2) or len(widths) not in (2, 4, 6):
            raise ValueError(
                f"pad: mode {mode!r} pads the last one, two or three axes of a tensor that has one or two more, "
                f"got {len(widths)} numbers for shape {tuple(input.shape)}"
            )
        if value:
            raise ValueError(f"pad: mode {mode!r} takes no value, got {value!r}")
    pairs = [(before, after) for before, after in zip(widths[0::2], widths[1::2])]
    return ((0, 0),) * (input.ndim - len(pairs)) + tuple(reversed(pairs))


def _pad_integers(x: Any, pairs: tuple[tuple[int, int], ...], mode: str, value: float | None) -> Any:
    """Masks and labels, for which there is no kernel: a constant around them."""
    if mode != "constant":
        raise TypeError(f"pad: mode {mode!r} expects a floating tensor, got {x.dtype}; convert it with .float()")
    inside = tuple(slice(max(-before, 0), size + min(after, 0)) for size, (before, after) in zip(x.shape, pairs))
    shape = tuple(size + before + after for size, (before, after) in zip(x.shape, pairs))
    if min(shape, default=0) < 0:
        raise ValueError(f"pad: {pairs} take away more than there is in shape {x.shape}")
    y = arrays.full(shape, value or 0, x.dtype, x)
    y[tuple(slice(max(b, 0), size - max(a, 0)) for size, (b, a) in zip(shape, pairs))] = x[inside]
    return y
