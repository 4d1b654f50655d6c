"""Transposed convolution under torch's names: arguments normalised, kernels called, gradients recorded."""

from typing import Any

from mediml.autograd import record
from mediml.device import backend, given
from mediml.nn.arguments import Sizes, sizes
from mediml.tensor import Tensor

__all__ = ["conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """Transposed convolution of rows: `input` (N, C_in, W_in) or (C_in, W_in). See `conv_transpose2d`."""
    return _conv_transpose(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """Stamp the kernels in `weight` onto the output, once for each input pixel and times its value.

    Parameters
    ----------
    input : Tensor of shape (N, C_in, H_in, W_in) or (C_in, H_in, W_in), float32 or float64
    weight : Tensor of shape (C_in, C_out / groups, K_h, K_w)
    bias : Tensor of shape (C_out,), optional
    stride, dilation : int or sequence of two int
    padding : int or sequence of two int
        Rows and columns taken away on either side of the output.
    output_padding : int or sequence of two int
        Rows and columns more at its end; less than stride or dilation.
    groups : int
        Divides the channels of input and output: each group of inputs stamps onto its own group of outputs.

    Returns
    -------
    Tensor of shape (N, C_out, H_out, W_out) or (C_out, H_out, W_out), dtype of `input`

    Raises
    ------
    TypeError, ValueError
        As `kernels.conv_transpose.shapes.forward`.

    Notes
    -----
    Formula: ``kernels.conv_transpose.reference.conv_transpose2d_forward``. As in torch, `groups` stands before
    `dilation` here, and behind it in `conv2d`.
    """
    return _conv_transpose(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """Transposed convolution of volumes: `input` (N, C_in, D_in, H_in, W_in) or without N. See `conv_transpose2d`."""
    return _conv_transpose(3, input, weight, bias, stride, padding, output_padding, groups, dilation)


def _conv_transpose(
    rank: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sizes,
    padding: Sizes,
    output_padding: Sizes,
    groups: int,
    dilation: Sizes,
) -> Tensor:
    op = f"conv_transpose{rank}d"
    kernels = backend("conv_transpose", input=input, weight=weight, **given(bias=bias))
    if input.ndim not in (rank + 1, rank + 2):
        raise ValueError(
            f"{op}: input expects {rank + 2} axes, or {rank + 1} without the batch, got shape {tuple(input.shape)}"
        )
    lengths = {"stride": stride, "padding": padding, "output_padding": output_padding, "dilation": dilation}
    geometry = (*(sizes(op, name, value, rank) for name, value in lengths.items()), groups)
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
