"""The schedule that waits until nothing improves."""

import math
from collections.abc import Sequence
from typing import Any

from mediml.optim.lr_scheduler.base import LRScheduler, checked_optimizer, per_group, set_lr
from mediml.optim.optimizer import Optimizer

__all__ = ["ReduceLROnPlateau"]


class ReduceLROnPlateau(LRScheduler):
    """Times `factor` when a metric has not improved for more than `patience` epochs. Call ``step(metric)``.

    Parameters
    ----------
    optimizer : Optimizer
    mode : str
        ``"min"``: lower is better; ``"max"``: higher.
    factor : float
        Below 1.
    patience : int
        Epochs without improvement that are borne.
    threshold, threshold_mode : float, str
        What counts as improvement: better by this share (``"rel"``) or by this much (``"abs"``).
    cooldown : int
        Epochs after a reduction in which nothing is counted.
    min_lr : float or sequence of float
        Never below, for all groups or for each.
    eps : float
        Smaller changes are not made.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        if factor >= 1.0:
            raise ValueError(f"factor: expected a number below 1, got {factor}")
        if mode not in ("min", "max"):
            raise ValueError(f"mode: expected 'min' or 'max', got {mode!r}")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"threshold_mode: expected 'rel' or 'abs', got {threshold_mode!r}")
        self.optimizer = checked_optimizer(optimizer)
        self.default_min_lr = None if isinstance(min_lr, (list, tuple)) else min_lr
        self.min_lrs = per_group("min_lr", optimizer, min_lr)
        self.factor, self.patience, self.cooldown, self.eps = factor, patience, cooldown, eps
        self.mode, self.threshold, self.threshold_mode = mode, threshold, threshold_mode
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = self.last_epoch = 0
        self._last_lr = self._present()

    def step(self, metrics: Any, epoch: int | None = None) -> None:  # type: ignore[override]
        """Take note of the metric of one more epoch, and reduce the rates if it is time.

        Parameters
        ----------
        metrics : float, or Tensor of one element
        epoch : int, optional
            Deprecated.
        """
        current = float(metrics)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self.is_better(current, self.best):
            self.best, self.num_bad_epochs = current, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = self._present()

    def _reduce(self) -> None:
        groups = self.optimizer.param_groups
        if len(groups) != len(self.min_lrs):  # a group was added since
            if self.default_min_lr is None:
                raise ValueError(
                    f"ReduceLROnPlateau: expected a min_lr for each of {len(groups)} groups, got {len(self.min_lrs)}; "
                    f"extend scheduler.min_lrs"
                )
            self.min_lrs = [self.default_min_lr] * len(groups)
        for group, least in zip(groups, self.min_lrs):
            reduced = max(float(group["lr"]) * self.factor, least)
            if float(group["lr"]) - reduced > self.eps:
                set_lr(group, reduced)

    def is_better(self, metric: float, best: float) -> bool:
        """Whether a metric is an improvement over the best so far. NaN never is."""
        sign = 1 if self.mode == "max" else -1
        if self.threshold_mode == "rel":
            return sign * metric > sign * best * (1.0 + sign * self.threshold)
        return sign * metric > sign * (best + sign * self.threshold)
