"""Pooling under torch's names: arguments normalised, kernels called, gradients recorded.

Every function takes an input with or without the batch axis. Adaptive pooling stands in ``adaptive_pooling.py``,
pooling by a power mean in ``lp_pooling.py``.
"""

from collections.abc import Sequence
from typing import Any

from mediml.autograd import record
from mediml.device import backend
from mediml.nn.arguments import Sizes, flag, sizes
from mediml.tensor import Tensor, from_array

__all__ = [
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "max_pool1d",
    "max_pool1d_with_indices",
    "max_pool2d",
    "max_pool2d_with_indices",
    "max_pool3d",
    "max_pool3d_with_indices",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
]


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


def avg_pool1d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Mean of each window of `input` (N, C, W_in) or (C, W_in). See `avg_pool2d`."""
    window = _window("avg_pool1d", 1, kernel_size, stride, padding)
    return _avg_pool(1, input, window, ceil_mode, count_include_pad, None)


def avg_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Mean of each window of `input`.

    Parameters
    ----------
    input : Tensor of shape (N, C, H_in, W_in) or (C, H_in, W_in), float32 or float64
    kernel_size, stride, padding : int or sequence of two int
        `stride` None (or empty): `kernel_size`. `padding` at most half of `kernel_size`.
    ceil_mode : bool
        Round the size of the output up.
    count_include_pad : bool
        Count the zeros of the padding in the mean.
    divisor_override : int, optional
        Divide every sum by this instead of the number of elements.

    Returns
    -------
    Tensor of shape (N, C, H_out, W_out), dtype of `input`

    Raises
    ------
    TypeError, ValueError
        As `kernels.pooling.shapes.avg_pool`.

    Notes
    -----
    Formula: ``kernels.pooling.reference.avg_pool2d_forward``.
    """
    window = _window("avg_pool2d", 2, kernel_size, stride, padding)
    return _avg_pool(2, input, window, ceil_mode, count_include_pad, divisor_override)


def avg_pool3d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Mean of each window of `input` (N, C, D_in, H_in, W_in) or (C, D_in, H_in, W_in). See `avg_pool2d`.

    As in torch, and in 3-D alone, the volume without its padding must be as large as the window.
    """
    window = _window("avg_pool3d", 3, kernel_size, stride, padding)
    if input.ndim >= 4 and any(size < taps for size, taps in zip(input.shape[-3:], window[0])):
        raise ValueError(
            f"avg_pool3d: input expects at least kernel_size {window[0]} in depth, height and width, "
            f"got {tuple(input.shape[-3:])}; use a smaller window"
        )
    return _avg_pool(3, input, window, ceil_mode, count_include_pad, divisor_override)


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Values of `input` (N, C, W_in) or (C, W_in) put back to where max pooling found them. See `max_unpool2d`."""
    return _max_unpool(1, input, indices, _window("max_unpool1d", 1, kernel_size, stride, padding), output_size)


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Values of `input` put back to where max pooling found them, zeros elsewhere.

    Parameters
    ----------
    input : Tensor of shape (N, C, H_in, W_in) or (C, H_in, W_in), float32 or float64
    indices : Tensor of the same shape, int64
        As returned by `max_pool2d` with ``return_indices=True``.
    kernel_size, stride, padding : int or sequence of two int
        Those of the pooling.
    output_size : sequence of int, optional
        Size (or whole shape) of what was pooled, where (size - 1) * stride - 2 * padding + kernel_size is not it; less
        than one stride away from that.

    Returns
    -------
    Tensor of shape (N, C, H_out, W_out), dtype of `input`

    Raises
    ------
    TypeError, ValueError
        As `kernels.pooling.shapes.max_unpool`: among others where an index points outside the output.
    """
    return _max_unpool(2, input, indices, _window("max_unpool2d", 2, kernel_size, stride, padding), output_size)


def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Values of `input` (N, C, D_in, H_in, W_in) put back to where they were the maximum. See `max_unpool2d`."""
    return _max_unpool(3, input, indices, _window("max_unpool3d", 3, kernel_size, stride, padding), output_size)


def _max_pool(
    rank: int, input: Tensor, kernel_size: Sizes, stride: Sizes | None, padding: Sizes, dilation: Sizes, ceil_mode: bool
) -> tuple[Tensor, Tensor]:
    op = f"max_pool{rank}d"
    kernels = backend("pooling", input=input)
    window = _window(op, rank, kernel_size, stride, padding)
    geometry = (*window, sizes(op, "dilation", dilation, rank), flag(op, "ceil_mode", ceil_mode))
    y, indices = getattr(kernels, f"{op}_forward")(_batched(input._array, rank), *geometry)
    return _record_maximum(op, rank, input, y, indices)


def _record_maximum(op: str, rank: int, input: Tensor, y: Any, indices: Any) -> tuple[Tensor, Tensor]:
    input_shape, x_shape = input.shape, _batched(input._array, rank).shape
    shape = _unbatched(y.shape, input, rank)
    places = from_array(indices.reshape(shape), input.device)
    backward_x = getattr(backend("pooling", input=input), f"max_pool{rank}d_backward_x")

    def backward(grad_y: Any) -> tuple[Any]:
        grad_x = backward_x(_batched(grad_y, rank), _batched(places._array, rank), x_shape)
        return (grad_x.reshape(input_shape),)

    return record(op, y.reshape(shape), (input,), backward, saved=(places,)), places


def _avg_pool(
    rank: int,
    input: Tensor,
    window: tuple[Any, Any, Any],
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Tensor:
    op = f"avg_pool{rank}d"
    kernels = backend("pooling", input=input)
    rounding = flag(op, "ceil_mode", ceil_mode), flag(op, "count_include_pad", count_include_pad)
    geometry = (*window, *rounding, divisor_override)
    x = _batched(input._array, rank)
    y = getattr(kernels, f"{op}_forward")(x, *geometry)
    shape, x_shape, input_shape = _unbatched(y.shape, input, rank), x.shape, input.shape

    def backward(grad_y: Any) -> tuple[Any]:
        backward_x = getattr(kernels, f"{op}_backward_x")
        return (backward_x(_batched(grad_y, rank), x_shape, *geometry).reshape(input_shape),)

    return record(op, y.reshape(shape), (input,), backward)


def _max_unpool(
    rank: int, input: Tensor, indices: Tensor, window: tuple[Any, Any, Any], output_size: Sequence[int] | None
) -> Tensor:
    op = f"max_unpool{rank}d"
    kernels = backend("pooling", input=input, indices=indices)
    if indices.shape != input.shape:
        raise ValueError(f"{op}: indices expects the shape of input {tuple(input.shape)}, got {tuple(indices.shape)}")
    size = _unpooled_size(op, rank, tuple(input.shape), *window, output_size)
    y = getattr(kernels, f"{op}_forward")(_batched(input._array, rank), _batched(indices._array, rank), size)
    shape, input_shape = _unbatched(y.shape, input, rank), input.shape

    def backward(grad_y: Any) -> tuple[Any]:
        backward_x = getattr(kernels, f"{op}_backward_x")
        return (backward_x(_batched(grad_y, rank), _batched(indices._array, rank)).reshape(input_shape),)

    return record(op, y.reshape(shape), (input,), backward, saved=(indices,))


def _unpooled_size(
    op: str,
    rank: int,
    shape: tuple[int, ...],
    kernel_size: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    output_size: Sequence[int] | None,
) -> tuple[int, ...]:
    """The size that max-unpooling makes: the smallest that could have been pooled, or `output_size` where it could."""
    if min(stride) < 1:
        raise ValueError(f"{op}: stride expects numbers of at least 1, got {stride}")
    expected = tuple((i - 1) * s + k - 2 * p for i, s, k, p in zip(shape[-rank:], stride, kernel_size, padding))
    if output_size is None:
        return expected
    if not isinstance(output_size, (tuple, list)):
        raise TypeError(f"{op}: output_size expects a sequence of int, got {output_size!r}")
    size = tuple(output_size)[2:] if len(output_size) == rank + 2 else tuple(output_size)
    if len(size) != rank:
        raise ValueError(
            f"{op}: output_size expects {rank} or {rank + 2} numbers, got {len(size)}: {tuple(output_size)}"
        )
    size = sizes(op, "output_size", size, rank)
    if any(abs(given - e) >= s for given, e, s in zip(size, expected, stride)):
        raise ValueError(f"{op}: output_size expects less than one stride {stride} from {expected}, got {size}")
    return size


def _unbatched(shape: tuple[int, ...], input: Tensor, rank: int) -> tuple[int, ...]:
    """The shape without the batch axis, if `input` came without it."""
    return shape[1:] if input.ndim == rank + 1 else shape


def _batched(array: Any, rank: int) -> Any:
    """The array with the batch axis that it may lack; a wrong number of axes is left for the kernel to refuse."""
    return array[None] if array.ndim == rank + 1 else array


def _window(op: str, rank: int, kernel_size: Sizes, stride: Sizes | None, padding: Sizes) -> tuple[Any, Any, Any]:
    """Kernel size, stride (by default the kernel size) and padding, a tuple each."""
    size = sizes(op, "kernel_size", kernel_size, rank)
    empty = isinstance(stride, (tuple, list)) and not stride and not op.startswith("max_unpool")  # as in torch
    steps = size if stride is None or empty else sizes(op, "stride", stride, rank)
    return size, steps, sizes(op, "padding", padding, rank)
