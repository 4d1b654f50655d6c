"""Training of a classifier: five visible steps, checkpoints that survive a crash, the best model by validation."""

from mediml.training.card import make_card
from mediml.training.checkpoint import CheckpointError
from mediml.training.history import History
from mediml.training.loop import Interrupted, resume, train
from mediml.training.settings import Result, Settings

__all__ = ["CheckpointError", "History", "Interrupted", "Result", "Settings", "make_card", "resume", "train"]
