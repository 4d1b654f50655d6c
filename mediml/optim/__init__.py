"""Optimizers and learning-rate schedules under torch.optim's names, equal to them step for step."""

from mediml.optim import lr_scheduler
from mediml.optim.adam import Adam, AdamW
from mediml.optim.optimizer import Optimizer
from mediml.optim.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "lr_scheduler"]
