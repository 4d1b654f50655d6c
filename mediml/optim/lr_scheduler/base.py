"""The base of all learning-rate schedules."""

import warnings
from typing import Any

from mediml.optim.optimizer import Optimizer
from mediml.tensor import Tensor

__all__ = ["LRScheduler"]


class LRScheduler:
    """Base class: override `get_lr`, which returns the rate of each group for epoch ``self.last_epoch``.

    Parameters
    ----------
    optimizer : Optimizer
    last_epoch : int
        -1 to begin; otherwise the epoch to go on from, and the groups must hold ``"initial_lr"``.

    Attributes
    ----------
    base_lrs : list of float
        Rate of each group at the beginning.
    last_epoch : int
        Number of steps so far.
    """

    _is_initial = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self.optimizer = checked_optimizer(optimizer)
        for index, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", float(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{index}]; to go on from last_epoch "
                    f"{last_epoch}, load the optimizer's state first"
                )
        self.base_lrs = [float(group["initial_lr"]) for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._step_count = 0
        self._is_initial = True
        self.step()
        self._is_initial = False

    def get_lr(self) -> list[float]:
        """The rate of each group for epoch ``self.last_epoch``, from the present rates."""
        raise NotImplementedError(f"{type(self).__name__}: override get_lr")

    def _get_closed_form_lr(self) -> list[float]:
        """The rate of each group for epoch ``self.last_epoch``, from the first rates; for ``step(epoch)``."""
        return self.get_lr()

    def get_last_lr(self) -> list[float]:
        """The rate of each group that the last step set."""
        return self._last_lr

    def step(self, epoch: int | None = None) -> None:
        """Go on by one epoch (or, deprecated, to `epoch`) and set the rates."""
        own_step = type(self.optimizer).step is not Optimizer.step  # such an optimizer does not say when it stepped
        if self._step_count == 1 and not own_step and not self.optimizer._step_was_called:
            warnings.warn(
                "lr_scheduler.step() was called before optimizer.step(), so the first rate of the schedule is skipped; "
                "call optimizer.step() first",
                stacklevel=2,
            )
        self._step_count += 1
        if epoch is None:
            self.last_epoch += 1
            rates = self.get_lr()
        else:
            warnings.warn("scheduler.step(epoch) is deprecated; call step() without an argument", stacklevel=2)
            self.last_epoch = epoch
            rates = self._get_closed_form_lr()
        for group, rate in zip(self.optimizer.param_groups, rates):
            set_lr(group, rate)
        self._last_lr = self._present()

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer."""
        return {name: value for name, value in vars(self).items() if name != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on as the schedule did whose `state_dict` this is."""
        vars(self).update(state_dict)

    def _present(self) -> list[float]:
        return [float(group["lr"]) for group in self.optimizer.param_groups]


def checked_optimizer(optimizer: Any) -> Optimizer:
    """The argument, refused if it is no optimizer."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"scheduler: expected an Optimizer, got {type(optimizer).__name__}")
    return optimizer


def per_group(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """One value for each group, from one value or a list of them."""
    if not isinstance(value, (list, tuple)):
        return [value] * len(optimizer.param_groups)
    if len(value) != len(optimizer.param_groups):
        raise ValueError(
            f"{name}: expected one value, or one for each of {len(optimizer.param_groups)} groups, got {len(value)}"
        )
    return list(value)


def set_lr(group: dict[str, Any], rate: float) -> None:
    """Make `rate` the group's learning rate."""
    if isinstance(group["lr"], Tensor):  # the tensor stays the same object, as in torch
        group["lr"].fill_(rate)
    else:
        group["lr"] = rate
