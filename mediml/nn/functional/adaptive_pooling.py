"""Adaptive pooling under torch's names: the size of the output is given, the windows follow from it.

Size 1 is global pooling: one number for each channel.
"""

from collections.abc import Sequence
from typing import Any

from mediml.autograd import record
from mediml.device import backend
from mediml.nn.arguments import sizes
from mediml.nn.functional.pooling import _batched, _record_maximum, _unbatched
from mediml.tensor import Tensor

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices",
    "adaptive_max_pool2d",
    "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d",
    "adaptive_max_pool3d_with_indices",
]

#: One int for all axes, or one for each; None keeps the size of that axis.
OutputSize = int | Sequence[int | None]


def adaptive_max_pool1d(
    input: Tensor, output_size: OutputSize, return_indices: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    """Largest value of each of output_size windows of `input` (N, C, W_in). See `adaptive_max_pool2d`."""
    pooled = _adaptive_max_pool(1, input, output_size)
    return pooled if return_indices else pooled[0]


def adaptive_max_pool1d_with_indices(
    input: Tensor, output_size: OutputSize, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """`adaptive_max_pool1d` with ``return_indices=True``, whatever `return_indices` says (as torch)."""
    return _adaptive_max_pool(1, input, output_size)


def adaptive_avg_pool1d(input: Tensor, output_size: OutputSize) -> Tensor:
    """Mean of each of output_size windows of `input` (N, C, W_in). See `adaptive_max_pool2d`."""
    return _adaptive_avg_pool(1, input, output_size)


def adaptive_max_pool2d(
    input: Tensor, output_size: OutputSize, return_indices: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    """Largest value of each of output_size windows that cover `input` evenly.

    Parameters
    ----------
    input : Tensor of shape (N, C, H_in, W_in) or (C, H_in, W_in), float32 or float64
    output_size : int, or sequence of two int or None
        (H_out, W_out); one int counts for both, None keeps the size of the input.
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
        As `kernels.pooling.shapes.adaptive_pool`.

    Notes
    -----
    Ties and NaN as in `max_pool2d`. Formula: ``kernels.pooling.reference.adaptive_max_pool2d_forward``.
    """
    pooled = _adaptive_max_pool(2, input, output_size)
    return pooled if return_indices else pooled[0]


def adaptive_max_pool2d_with_indices(
    input: Tensor, output_size: OutputSize, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """`adaptive_max_pool2d` with ``return_indices=True``, whatever `return_indices` says (as torch)."""
    return _adaptive_max_pool(2, input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: OutputSize) -> Tensor:
    """Mean of each of output_size windows that cover `input` evenly; arguments and errors as `adaptive_max_pool2d`.

    Returns
    -------
    Tensor of shape (N, C, H_out, W_out), dtype of `input`
    """
    return _adaptive_avg_pool(2, input, output_size)


def adaptive_max_pool3d(
    input: Tensor, output_size: OutputSize, return_indices: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    """Largest value of each of output_size windows of `input` (N, C, D_in, H_in, W_in). See `adaptive_max_pool2d`."""
    pooled = _adaptive_max_pool(3, input, output_size)
    return pooled if return_indices else pooled[0]


def adaptive_max_pool3d_with_indices(
    input: Tensor, output_size: OutputSize, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """`adaptive_max_pool3d` with ``return_indices=True``, whatever `return_indices` says (as torch)."""
    return _adaptive_max_pool(3, input, output_size)


def adaptive_avg_pool3d(input: Tensor, output_size: OutputSize) -> Tensor:
    """Mean of each of output_size windows of `input` (N, C, D_in, H_in, W_in). See `adaptive_max_pool2d`."""
    return _adaptive_avg_pool(3, input, output_size)


def _adaptive_max_pool(rank: int, input: Tensor, output_size: OutputSize) -> tuple[Tensor, Tensor]:
    op = f"adaptive_max_pool{rank}d"
    kernels = backend("pooling", input=input)
    size = _output_size(op, rank, input, output_size)
    y, indices = getattr(kernels, f"{op}_forward")(_batched(input._array, rank), size)
    return _record_maximum(op, rank, input, y, indices)


def _adaptive_avg_pool(rank: int, input: Tensor, output_size: OutputSize) -> Tensor:
    op = f"adaptive_avg_pool{rank}d"
    kernels = backend("pooling", input=input)
    x = _batched(input._array, rank)
    y = getattr(kernels, f"{op}_forward")(x, _output_size(op, rank, input, output_size))
    shape, x_shape, input_shape = _unbatched(y.shape, input, rank), x.shape, input.shape

    def backward(grad_y: Any) -> tuple[Any]:
        return (getattr(kernels, f"{op}_backward_x")(_batched(grad_y, rank), x_shape).reshape(input_shape),)

    return record(op, y.reshape(shape), (input,), backward)


def _output_size(op: str, rank: int, input: Tensor, output_size: OutputSize) -> tuple[int, ...]:
    if not isinstance(output_size, (tuple, list)):
        return sizes(op, "output_size", output_size, rank)
    if len(output_size) != rank or input.ndim <= rank:
        raise ValueError(
            f"{op}: expected output_size of one int or {rank}, and an input of {rank + 1} or {rank + 2} axes; "
            f"got output_size {output_size!r} and input of shape {tuple(input.shape)}"
        )
    pairs = zip(output_size, tuple(input.shape)[-rank:])
    return sizes(op, "output_size", tuple(kept if size is None else size for size, kept in pairs), rank)
