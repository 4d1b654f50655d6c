"""What decides a training, and what comes out of it."""

from dataclasses import dataclass
from typing import Any

from mediml import nn
from mediml.training.history import History

__all__ = ["Result", "Settings", "expect_choice", "expect_positive", "expect_whole"]


def expect_whole(settings: Any, **lowest: int) -> None:
    """Refuse fields that are no whole numbers of at least the given ones."""
    for name, low in lowest.items():
        value = getattr(settings, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            raise ValueError(f"settings: {name} expects a whole number of at least {low}, got {value!r}")


def expect_positive(settings: Any, *names: str) -> None:
    """Refuse fields that are no positive, finite numbers; None stands for no such limit."""
    for name in names:
        value = getattr(settings, name)
        if value is not None and not 0 < value < float("inf"):
            raise ValueError(f"settings: {name} expects a positive number, got {value!r}")


def expect_choice(settings: Any, **choices: tuple[str, ...]) -> None:
    """Refuse fields that are none of the given words."""
    for name, words in choices.items():
        if getattr(settings, name) not in words:
            raise ValueError(f"settings: {name} expects one of {', '.join(words)}, got {getattr(settings, name)!r}")


@dataclass(frozen=True)
class Settings:
    """All that decides a training, beside the data.

    Attributes
    ----------
    epochs, batch_size : int
    lr : float
        Step size of Adam; of AdamW where `weight_decay` is above 0.
    weight_decay : float
    dropout : float
        Probability that a feature in front of the last layer is set to zero.
    augment : bool
        Turn, scale, shift and re-expose every training image at random.
    seed : int
        Of the weights, the order of the images, augmentation and dropout.
    device : str
        Where to train. Another device gives other last digits, so a training goes on where it was begun.
    """

    epochs: int = 10
    batch_size: int = 64
    lr: float = 1e-3
    weight_decay: float = 0.0
    dropout: float = 0.0
    augment: bool = False
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        expect_whole(self, epochs=1, batch_size=1, seed=0)
        expect_positive(self, "lr")
        if not 0 <= self.weight_decay < float("inf"):
            raise ValueError(f"settings: weight_decay expects a number of at least 0, got {self.weight_decay!r}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"settings: dropout expects a number from 0 to below 1, got {self.dropout!r}")


@dataclass(frozen=True, eq=False)
class Result:
    """A finished training.

    Attributes
    ----------
    model : nn.Module
        With the weights of the best epoch, in evaluation mode.
    architecture, preprocessing : dict
        As a model card holds them.
    settings : Settings
    history : History
    best_epoch : int
        Counted from 1: largest AUC on validation; of equal ones the smaller loss.
    """

    model: nn.Module
    architecture: dict[str, Any]
    preprocessing: dict[str, Any]
    settings: Settings
    history: History
    best_epoch: int
