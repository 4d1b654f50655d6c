"""The schedule of one cycle."""

import math
from collections.abc import Sequence
from typing import Any

from mediml.optim.lr_scheduler.base import LRScheduler, checked_optimizer, per_group
from mediml.optim.optimizer import Optimizer

__all__ = ["OneCycleLR"]


class OneCycleLR(LRScheduler):
    """Up to `max_lr` and down to almost nothing, once, while the momentum goes down and up. Step after every batch.

    Parameters
    ----------
    optimizer : Optimizer
    max_lr : float or sequence of float
        Top of each group.
    total_steps : int, optional
        Length of the cycle; or `epochs` and `steps_per_epoch`, whose product it is.
    pct_start : float
        Share of the cycle in which the rate rises, in [0, 1].
    anneal_strategy : str
        ``"cos"`` or ``"linear"``.
    cycle_momentum : bool
        Move the momentum (Adam: the first beta) between `max_momentum` and `base_momentum`.
    div_factor, final_div_factor : float
        The first rate is max_lr / div_factor, the last one the first / final_div_factor.
    three_phase : bool
        Up, down as steeply, and then a tail.
    last_epoch : int

    References
    ----------
    L. Smith, N. Topin, "Super-Convergence", arXiv:1708.07120.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        groups = checked_optimizer(optimizer).param_groups
        self.total_steps = _total_steps(total_steps, epochs, steps_per_epoch)
        if not isinstance(pct_start, float) or not 0 <= pct_start <= 1:
            raise ValueError(f"pct_start: expected a float between 0 and 1, got {pct_start!r}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy: expected 'cos' or 'linear', got {anneal_strategy!r}")
        self._anneal_func_type = anneal_strategy
        self._schedule_phases = _phases(pct_start, self.total_steps, three_phase)
        self.cycle_momentum = cycle_momentum
        self.use_beta1 = "betas" in optimizer.defaults
        if cycle_momentum and not self.use_beta1 and "momentum" not in optimizer.defaults:
            raise ValueError("optimizer must support momentum or beta1 with cycle_momentum=True")
        tops = per_group("max_lr", optimizer, max_lr)
        highest = per_group("max_momentum", optimizer, max_momentum)
        lowest = per_group("base_momentum", optimizer, base_momentum)
        if last_epoch == -1:
            for group, top, high, low in zip(groups, tops, highest, lowest):
                first = top / div_factor
                group.update(initial_lr=first, max_lr=top, min_lr=first / final_div_factor)
                if cycle_momentum:
                    group.update(max_momentum=high, base_momentum=low)
                    self._set_momentum(group, high)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch > self.total_steps:
            raise ValueError(
                f"OneCycleLR: tried to step {self.last_epoch} times, but the cycle has {self.total_steps} steps"
            )
        begin = 0.0
        for phase in self._schedule_phases[:-1]:
            if self.last_epoch <= phase["end_step"]:
                break
            begin = phase["end_step"]
        else:
            phase = self._schedule_phases[-1]
        share = (self.last_epoch - begin) / (phase["end_step"] - begin)
        rates = []
        for group in self.optimizer.param_groups:
            rates.append(self._between(group[phase["start_lr"]], group[phase["end_lr"]], share))
            if self.cycle_momentum:
                momentum = self._between(group[phase["start_momentum"]], group[phase["end_momentum"]], share)
                self._set_momentum(group, momentum)
        return rates

    def _between(self, start: float, end: float, share: float) -> float:
        if self._anneal_func_type == "linear":
            return (end - start) * share + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * share) + 1)

    def _set_momentum(self, group: dict[str, Any], momentum: float) -> None:
        if self.use_beta1:
            group["betas"] = (momentum, *group["betas"][1:])
        else:
            group["momentum"] = momentum


def _total_steps(total_steps: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    if total_steps is None and (epochs is None or steps_per_epoch is None):
        raise ValueError("OneCycleLR: expected total_steps, or both epochs and steps_per_epoch")
    given: dict[str, Any] = {"total_steps": total_steps}
    if total_steps is None:
        given = {"epochs": epochs, "steps_per_epoch": steps_per_epoch}
    for name, value in given.items():
        if not isinstance(value, int) or value <= 0:
            raise ValueError(f"{name}: expected a positive int, got {value!r}")
    return math.prod(given.values())


def _phases(pct_start: float, total_steps: int, three_phase: bool) -> list[dict[str, Any]]:
    """Names of the values that the rate and the momentum of a group move between, and where each phase ends."""
    rise = {"start_lr": "initial_lr", "end_lr": "max_lr"}
    low, high = "base_momentum", "max_momentum"
    phases = [{"end_step": pct_start * total_steps - 1, **rise, "start_momentum": high, "end_momentum": low}]
    fall = {"start_lr": "max_lr", "start_momentum": low, "end_momentum": high}
    if not three_phase:
        return [*phases, {"end_step": total_steps - 1, **fall, "end_lr": "min_lr"}]
    tail = {"start_lr": "initial_lr", "end_lr": "min_lr", "start_momentum": high, "end_momentum": high}
    phases.append({"end_step": 2 * pct_start * total_steps - 2, **fall, "end_lr": "initial_lr"})
    return [*phases, {"end_step": total_steps - 1, **tail}]
