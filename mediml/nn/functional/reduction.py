"""What losses share: the name of a reduction, torch's deprecated arguments for it, and the reduction of a tensor."""

import warnings

from mediml.tensor import Tensor

__all__: list[str] = []  # nothing that torch.nn.functional has


def reduction_name(reduction: str, size_average: bool | None = None, reduce: bool | None = None) -> str:
    """``"none"``, ``"mean"`` or ``"sum"``: `reduction`, or what torch's deprecated pair of arguments meant."""
    if size_average is not None or reduce is not None:
        reduction = "none" if reduce is False else "sum" if size_average is False else "mean"
        warnings.warn(f"size_average and reduce are deprecated; use reduction={reduction!r}", stacklevel=4)
    if reduction == "elementwise_mean":
        warnings.warn("reduction='elementwise_mean' is deprecated; use reduction='mean'", stacklevel=4)
        return "mean"
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"reduction: expected 'none', 'mean' or 'sum', got {reduction!r}")
    return reduction


def reduced(loss: Tensor, reduction: str) -> Tensor:
    """The loss of every element, their mean or their sum."""
    if reduction == "none":
        return loss
    return loss.mean() if reduction == "mean" else loss.sum()
