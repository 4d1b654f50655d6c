"""Learning-rate schedules under torch.optim.lr_scheduler's names, equal to them step for step.

A schedule changes ``"lr"`` in the groups of an optimizer. Call ``scheduler.step()`` after ``optimizer.step()``: once
per epoch, or for `OneCycleLR` once per batch. Most schedules compute the next rate from the present one, so that
several of them can act on one optimizer.
"""

from mediml.optim.lr_scheduler.base import LRScheduler
from mediml.optim.lr_scheduler.cycle import OneCycleLR
from mediml.optim.lr_scheduler.decay import (
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiStepLR,
    StepLR,
)
from mediml.optim.lr_scheduler.plateau import ReduceLROnPlateau

__all__ = [
    "ConstantLR", "CosineAnnealingLR", "ExponentialLR", "LRScheduler", "LambdaLR", "LinearLR", "MultiStepLR",
    "OneCycleLR", "ReduceLROnPlateau", "StepLR",
]  # fmt: skip
