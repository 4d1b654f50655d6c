"""Batch and instance norm as layers, with torch's buffers and their keys in the state_dict."""

import warnings
from typing import Any

import mediml
from mediml.nn import functional as F
from mediml.nn.modules.norm import _Affine
from mediml.tensor import Tensor

__all__ = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"]


class _Tracking(_Affine):
    """Parameters and running statistics of batch and instance norm. The ranks that a layer takes are in `_ranks`."""

    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None
    _ranks: tuple[int, ...]
    _optional_keys = frozenset({"num_batches_tracked"})  # torch has it since 0.4.1; older files do not

    def __init__(
        self, num_features: int, eps: float, momentum: float | None, affine: bool, track_running_stats: bool,
        device: Any, dtype: Any, bias: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        self._own((num_features,), affine, bias, device, dtype)
        buffers: dict[str, Tensor | None] = dict.fromkeys(("running_mean", "running_var", "num_batches_tracked"))
        if track_running_stats:
            buffers["running_mean"] = mediml.empty((num_features,), device=device, dtype=dtype)
            buffers["running_var"] = mediml.empty((num_features,), device=device, dtype=dtype)
            buffers["num_batches_tracked"] = mediml.tensor(0, dtype=mediml.int64, device=device)
        for name, buffer in buffers.items():
            self.register_buffer(name, buffer)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forget the batches: mean 0, variance 1, none tracked."""
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Set the scale to 1, the shift to 0, and forget the batches."""
        self.reset_running_stats()
        super().reset_parameters()

    def _check_rank(self, input: Tensor) -> None:
        if input.ndim not in self._ranks:
            expected = " or ".join(f"{rank}D" for rank in self._ranks)
            raise ValueError(
                f"{type(self).__name__}: expected {expected} input, got {input.ndim}D: {tuple(input.shape)}"
            )

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_Tracking):
    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
        track_running_stats: bool = True, device: Any = None, dtype: Any = None, *, bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input: Tensor) -> Tensor:
        self._check_rank(input)
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.training and self.track_running_stats and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:  # the mean over all batches so far
                momentum = 1 / float(self.num_batches_tracked)
        untracked = self.running_mean is None and self.running_var is None
        used = self.track_running_stats or not self.training
        return F.batch_norm(
            input,
            self.running_mean if used else None,
            self.running_var if used else None,
            self.weight,
            self.bias,
            self.training or untracked,
            momentum,
            self.eps,
        )


class BatchNorm1d(_BatchNorm):
    """Each feature or channel less its mean over the batch, divided by its standard deviation, scaled and shifted.

    Takes (N, C) or (N, C, L). After `eval` the running statistics take the place of the batch's.

    Parameters
    ----------
    num_features : int
        C.
    eps : float
        Added to the variance.
    momentum : float or None
        Weight of a new batch in the running statistics. None: they are the mean over all batches.
    affine : bool
        Learn a scale and a shift for each channel.
    track_running_stats : bool
        Keep running statistics; without them the batch's own are used in evaluation, too.
    device, dtype : optional
        Of parameters and buffers.
    bias : bool
        With `affine`: learn the shift.

    Attributes
    ----------
    weight, bias : Parameter of shape (C,) or None
        Initially 1 and 0.
    running_mean, running_var : Tensor of shape (C,) or None
        Initially 0 and 1.
    num_batches_tracked : Tensor of shape (), int64, or None

    References
    ----------
    S. Ioffe, C. Szegedy, arXiv:1502.03167.
    """

    _ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """`BatchNorm1d` for pictures (N, C, H, W)."""

    _ranks = (4,)


class BatchNorm3d(_BatchNorm):
    """`BatchNorm1d` for volumes (N, C, D, H, W)."""

    _ranks = (5,)


class _InstanceNorm(_Tracking):
    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = False,
        track_running_stats: bool = False, device: Any = None, dtype: Any = None, *, bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input: Tensor) -> Tensor:
        self._check_rank(input)
        batched = input.ndim == self._ranks[-1]
        channels = input.shape[1 if batched else 0]
        if channels != self.num_features:
            fault = f"{type(self).__name__}: expected {self.num_features} channels (num_features), got {channels}"
            if self.affine:
                raise ValueError(fault)
            warnings.warn(f"{fault}; affine=False does without the number", stacklevel=2)
        output = F.instance_norm(
            input if batched else input.unsqueeze(0),
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return output if batched else output.squeeze(0)


class InstanceNorm1d(_InstanceNorm):
    """Each channel of each sample less its own mean, divided by its own standard deviation.

    Takes (N, C, L) or (C, L).

    Parameters
    ----------
    num_features : int
        C.
    eps : float
        Added to the variance.
    momentum : float
        Weight of a new batch in the running statistics.
    affine : bool
        Learn a scale and a shift for each channel.
    track_running_stats : bool
        Keep running statistics, and use them after `eval`.
    device, dtype : optional
        Of parameters and buffers.
    bias : bool
        With `affine`: learn the shift.

    Attributes
    ----------
    weight, bias, running_mean, running_var, num_batches_tracked
        As in `BatchNorm1d`; by default all None.

    References
    ----------
    D. Ulyanov, A. Vedaldi, V. Lempitsky, arXiv:1607.08022.
    """

    _ranks = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """`InstanceNorm1d` for pictures (N, C, H, W) or (C, H, W)."""

    _ranks = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """`InstanceNorm1d` for volumes (N, C, D, H, W) or (C, D, H, W)."""

    _ranks = (4, 5)
