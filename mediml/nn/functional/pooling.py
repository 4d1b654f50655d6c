"""Pooling under torch's names: arguments normalised, kernels called, gradients recorded.

Every function takes an input with or without the batch axis. Global pooling is adaptive pooling to size 1.
"""

from collections.abc import Sequence
from typing import Any

from mediml.autograd import record
from mediml.device import backend
from mediml.tensor import Tensor, from_array

__all__ = [
    "max_pool1d",
    "max_pool1d_with_indices",
    "max_pool2d",
    "max_pool2d_with_indices",
    "max_pool3d",
    "max_pool3d_with_indices",
]

#: One int for all axes, or one for each.
Sizes = int | Sequence[int]


def max_pool1d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """Largest value of each window of `input` (N, C, W_in) or (C, W_in). See `max_pool2d`."""
    pooled = _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode)
    return pooled if return_indices else pooled[0]


def max_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """Largest value of each window of `input`.

    Parameters
    ----------
    input : Tensor of shape (N, C, H_in, W_in) or (C, H_in, W_in), float32 or float64
    kernel_size, stride, padding, dilation : int or sequence of two int
        `stride` None (or empty): `kernel_size`. `padding` at most half of `kernel_size`; padding is never the maximum.
    ceil_mode : bool
        Round the size of the output up.
    return_indices : bool
        Return the places of the maxima, too.

    Returns
    -------
    Tensor of shape (N, C, H_out, W_out), dtype of `input`
    Tensor of that shape, int64, if `return_indices`
        h_in * W_in + w_in of each maximum.

    Raises
    ------
    TypeError, ValueError
        As `kernels.pooling.shapes.max_pool`.

    Notes
    -----
    Ties: the first of the window in row-major order. NaN: the last one of the window wins over every number.
    Formula: ``kernels.pooling.reference.max_pool2d_forward``.
    """
    pooled = _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode)
    return pooled if return_indices else pooled[0]


def max_pool3d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """Largest value of each window of `input` (N, C, D_in, H_in, W_in) or (C, D_in, H_in, W_in). See `max_pool2d`."""
    pooled = _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode)
    return pooled if return_indices else pooled[0]


def max_pool1d_with_indices(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """`max_pool1d` with ``return_indices=True``, whatever `return_indices` says (as torch)."""
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d_with_indices(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """`max_pool2d` with ``return_indices=True``, whatever `return_indices` says (as torch)."""
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool3d_with_indices(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """`max_pool3d` with ``return_indices=True``, whatever `return_indices` says (as torch)."""
    return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode)


def _max_pool(
    rank: int, input: Tensor, kernel_size: Sizes, stride: Sizes | None, padding: Sizes, dilation: Sizes, ceil_mode: bool
) -> tuple[Tensor, Tensor]:
    op = f"max_pool{rank}d"
    kernels = backend("pooling", input)
    window = _window(op, rank, kernel_size, stride, padding)
    steps = _sizes(op, "dilation", dilation, rank)
    y, indices = getattr(kernels, f"{op}_forward")(_batched(input._array, rank), *window, steps, bool(ceil_mode))
    return _record_maximum(op, rank, input, y, indices)


def _record_maximum(op: str, rank: int, input: Tensor, y: Any, indices: Any) -> tuple[Tensor, Tensor]:
    input_shape, x_shape = input.shape, _batched(input._array, rank).shape
    shape = y.shape if input.ndim == rank + 2 else y.shape[1:]
    places = from_array(indices.reshape(shape), input.device)
    backward_x = getattr(backend("pooling", input), f"max_pool{rank}d_backward_x")

    def backward(grad_y: Any) -> tuple[Any]:
        grad_x = backward_x(_batched(grad_y, rank), _batched(places._array, rank), x_shape)
        return (grad_x.reshape(input_shape),)

    return record(op, y.reshape(shape), (input,), backward, saved=(places,)), places


def _batched(array: Any, rank: int) -> Any:
    """The array with the batch axis that it may lack; a wrong number of axes is left for the kernel to refuse."""
    return array[None] if array.ndim == rank + 1 else array


def _window(op: str, rank: int, kernel_size: Sizes, stride: Sizes | None, padding: Sizes) -> tuple[Any, Any, Any]:
    """Kernel size, stride (by default the kernel size) and padding, a tuple each."""
    sizes = _sizes(op, "kernel_size", kernel_size, rank)
    omitted = stride is None or (isinstance(stride, (tuple, list)) and not stride)
    return sizes, sizes if omitted else _sizes(op, "stride", stride, rank), _sizes(op, "padding", padding, rank)


def _sizes(op: str, name: str, value: Any, rank: int) -> tuple[int, ...]:
    """One int for each axis; a single one, bare or in a sequence, counts for all."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    if any(isinstance(v, bool) or not hasattr(v, "__index__") for v in values):
        raise TypeError(f"{op}: {name} expects an int or a sequence of {rank} int, got {value!r}")
    if len(values) not in (1, rank):
        raise ValueError(f"{op}: {name} expects one int or {rank}, got {value!r}")
    numbers = tuple(v.__index__() for v in values)
    return numbers if len(numbers) == rank else numbers * rank
