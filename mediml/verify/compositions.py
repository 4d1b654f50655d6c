"""What torch has no function for, composed of torch's operations: the other side of the comparison for such operators.

Written independently of ``kernels/``: with the sigmoid's logarithm, squares and rectifiers of torch, as programs that
train adversarial networks with torch write them.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["discriminator_loss", "generator_loss"]


def discriminator_loss(
    real_scores: Tensor, fake_scores: Tensor, objective: str = "non-saturating", reduction: str = "mean"
) -> Any:
    """Twin of `mediml.nn.functional.discriminator_loss`."""
    of_real, of_fake = {
        "minimax": (lambda s: -F.logsigmoid(s), lambda s: -F.logsigmoid(-s)),
        "non-saturating": (lambda s: -F.logsigmoid(s), lambda s: -F.logsigmoid(-s)),
        "least-squares": (_half_square_from(1.0), _half_square_from(0.0)),
        "hinge": (lambda s: F.relu(1 - s), lambda s: F.relu(1 + s)),
        "wasserstein": (torch.neg, torch.clone),
    }[objective]
    losses = of_real(real_scores), of_fake(fake_scores)
    return losses if reduction == "none" else _reduced(losses[0], reduction) + _reduced(losses[1], reduction)


def generator_loss(fake_scores: Tensor, objective: str = "non-saturating", reduction: str = "mean") -> Tensor:
    """Twin of `mediml.nn.functional.generator_loss`."""
    of_fake = {
        "minimax": lambda s: F.logsigmoid(-s),
        "non-saturating": lambda s: -F.logsigmoid(s),
        "least-squares": _half_square_from(1.0),
        "hinge": torch.neg,
        "wasserstein": torch.neg,
    }[objective]
    loss = of_fake(fake_scores)
    return loss if reduction == "none" else _reduced(loss, reduction)


def _half_square_from(label: float) -> Callable[[Tensor], Tensor]:
    return lambda s: F.mse_loss(s, torch.full_like(s, label), reduction="none") / 2


def _reduced(loss: Tensor, reduction: str) -> Tensor:
    return {"mean": torch.mean, "sum": torch.sum}[reduction](loss)
