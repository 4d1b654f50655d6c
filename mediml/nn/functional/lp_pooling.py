"""Pooling by a power mean under torch's names: between the mean (norm 1) and the maximum (norm infinity)."""

import math
from typing import Any

from mediml.device import backend
from mediml.nn.arguments import Sizes, sizes
from mediml.nn.functional import pooling
from mediml.ops.elementwise import where
from mediml.tensor import Tensor

__all__ = ["lp_pool1d", "lp_pool2d", "lp_pool3d"]


def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: Sizes, stride: Sizes | None = None, ceil_mode: bool = False
) -> Tensor:
    """Power sum of each window of `input` (N, C, W_in) or (C, W_in). See `lp_pool2d`."""
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Sizes, stride: Sizes | None = None, ceil_mode: bool = False
) -> Tensor:
    """Power sum of each window of `input`: (sum of x ** norm_type) ** (1 / norm_type).

    Parameters
    ----------
    input : Tensor of shape (N, C, H_in, W_in) or (C, H_in, W_in), float32 or float64
    norm_type : float
        Not 0. 1 is the sum, infinity the largest magnitude, -infinity the smallest. A negative x under a norm that is
        not whole gives NaN.
    kernel_size, stride : int or sequence of two int
        `stride` None: `kernel_size`.
    ceil_mode : bool
        Round the size of the output up.

    Returns
    -------
    Tensor of shape (N, C, H_out, W_out), dtype of `input`

    Raises
    ------
    TypeError, ValueError
        As `avg_pool2d`, and where `norm_type` is 0 or no number.

    Notes
    -----
    Where the sum is 0 the gradient is 0. As in torch a window that `ceil_mode` lets reach beyond the input counts as if
    the missing elements were the mean of the others.
    """
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: Sizes, stride: Sizes | None = None, ceil_mode: bool = False
) -> Tensor:
    """Power sum of each window of `input` (N, C, D_in, H_in, W_in) or (C, D_in, H_in, W_in). See `lp_pool2d`."""
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)


def _lp_pool(
    rank: int, input: Tensor, norm_type: float, kernel_size: Sizes, stride: Sizes | None, ceil_mode: bool
) -> Tensor:
    op = f"lp_pool{rank}d"
    backend("pooling", input=input)  # checks that it is a tensor
    if isinstance(norm_type, bool) or not isinstance(norm_type, (int, float)):
        raise TypeError(f"{op}: norm_type expects a number, got {norm_type!r}")
    if norm_type == 0:
        raise ValueError(f"{op}: norm_type expects a number other than 0, got 0")
    size = sizes(op, "kernel_size", kernel_size, rank)
    if math.isinf(norm_type):
        max_pool: Any = getattr(pooling, f"max_pool{rank}d")
        sign = 1 if norm_type > 0 else -1
        return max_pool(input.abs() * sign, size, stride, ceil_mode=ceil_mode) * sign
    avg_pool: Any = getattr(pooling, f"avg_pool{rank}d")
    total = avg_pool(input.pow(norm_type), size, stride, ceil_mode=ceil_mode) * math.prod(size)
    # The root is infinitely steep at 0; a constant there passes no gradient on.
    return where(total == 0, total.detach(), total).pow(1 / norm_type)
