"""Dropout under torch's names. Which elements stay is drawn from the process's generator (`mediml.manual_seed`)."""

import warnings
from typing import Any

from mediml.autograd import record
from mediml.device import backend
from mediml.dtypes import dtype_name
from mediml.random import kept
from mediml.tensor import Tensor

__all__ = ["alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout"]


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Each element 0 with probability `p`, else divided by 1 - p.

    Parameters
    ----------
    input : Tensor of any shape, float32 or float64
    p : float
        From 0 to 1.
    training : bool
        False: `input` itself comes back.
    inplace : bool
        Write the result into `input`.

    Returns
    -------
    Tensor of the shape and dtype of `input`

    Raises
    ------
    ValueError
        If `p` is not a probability.
    TypeError
        For integers in training.

    Notes
    -----
    NaN and infinity become NaN where they are dropped (they are multiplied by 0), as in torch.
    """
    return _drop("dropout", input, p, training, inplace, whole_channels=False)


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Each channel of (N, C, L) or (C, L) 0 with probability `p`, else divided by 1 - p. See `dropout`."""
    _check_probability("dropout1d", p)
    backend("dropout", input=input)
    if input.ndim not in (2, 3):
        raise ValueError(f"dropout1d: input expects 2 or 3 dimensions, (N, C, L) or (C, L), got {tuple(input.shape)}")
    return _drop("dropout1d", input, p, training, inplace, whole_channels=True, batched=input.ndim == 3)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Each channel of (N, C, H, W) 0 with probability `p`, else divided by 1 - p. See `dropout`.

    As in torch, three dimensions count as (N, C, L), with a warning; so do others, down to (N, C).
    """
    _check_probability("dropout2d", p)
    backend("dropout", input=input)
    if input.ndim == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout behavior is "
            "desired: the input is read as (N, C, L). Use dropout1d to keep this",
            stacklevel=3,
        )
    elif input.ndim != 4:
        _warn_of_dimensions("dropout2d", input)
    return _drop("dropout2d", input, p, training, inplace, whole_channels=True)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Each channel of (N, C, D, H, W) or (C, D, H, W) 0 with probability `p`, else divided by 1 - p. See `dropout`."""
    _check_probability("dropout3d", p)
    backend("dropout", input=input)
    if input.ndim not in (4, 5):
        _warn_of_dimensions("dropout3d", input)
    return _drop("dropout3d", input, p, training, inplace, whole_channels=True, batched=input.ndim == 5)


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """`dropout` for networks with selu: dropped elements take selu's floor, and mean 0 and variance 1 are kept."""
    return _drop("alpha_dropout", input, p, training, inplace, whole_channels=False)


def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """`alpha_dropout` of whole channels of (N, C, …)."""
    return _drop("feature_alpha_dropout", input, p, training, inplace, whole_channels=True)


def _drop(
    name: str, input: Tensor, p: float, training: bool, inplace: bool, whole_channels: bool, batched: bool = True
) -> Tensor:
    """Draw a mask and apply the kernel; `batched` False: the first axis of `input` is that of the channels."""
    kernels = backend("dropout", input=input)
    _check_probability(name, p)
    axes = 2 if batched else 1
    if whole_channels and input.ndim < axes:
        raise ValueError(f"{name}: input expects at least 2 dimensions (N, C, …), got shape {tuple(input.shape)}")
    if not training or p == 0 or input.numel() == 0:
        return input
    if not input.is_floating_point():
        raise TypeError(f"{name}: input expects float32 or float64, got {dtype_name(input.dtype)}; use input.float()")
    mask = kept(input.shape[:axes] if whole_channels else input.shape, p, input.device)
    op = "alpha_dropout" if "alpha" in name else "dropout"
    backward_x = getattr(kernels, f"{op}_backward_x")

    def backward(grad_y: Any) -> tuple[Any]:
        return (backward_x(grad_y, mask, p),)

    result = record(name, getattr(kernels, f"{op}_forward")(input._array, mask, p), (input,), backward)
    return input._overwrite(result) if inplace else result


def _check_probability(name: str, p: float) -> None:
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: dropout probability has to be between 0 and 1, but got {p}")


def _warn_of_dimensions(name: str, input: Tensor) -> None:
    warnings.warn(
        f"{name}: Received a {input.ndim}-D input to {name}, which is deprecated; use dropout for this shape",
        stacklevel=4,
    )
