"""Adversarial objectives as layers; torch has none. The work is done in `mediml.nn.functional`."""

from typing import Any

from mediml.nn import functional as F
from mediml.nn.modules.module import Module
from mediml.tensor import Tensor

__all__ = ["DiscriminatorLoss", "GeneratorLoss"]


class _AdversarialLoss(Module):
    def __init__(self, objective: str = "non-saturating", reduction: str = "mean") -> None:
        super().__init__()
        self.objective = objective
        self.reduction = reduction

    def extra_repr(self) -> str:
        return f"objective={self.objective!r}"


class DiscriminatorLoss(_AdversarialLoss):
    """What a discriminator minimises, told from its scores of reals and of fakes.

    Parameters
    ----------
    objective : str
        ``"minimax"``, ``"non-saturating"``, ``"least-squares"``, ``"hinge"`` or ``"wasserstein"``.
    reduction : str
        ``"mean"``, ``"sum"`` or ``"none"``.

    See Also
    --------
    mediml.nn.functional.discriminator_loss : formulas, shapes and errors.

    Examples
    --------
    ::

        d_loss, g_loss = nn.DiscriminatorLoss("hinge"), nn.GeneratorLoss("hinge")
        fake = generator(torch.randn(16, 64))
        d_loss(discriminator(real), discriminator(fake.detach())).backward()  # the discriminator's step
        g_loss(discriminator(fake)).backward()  # the generator's step
    """

    def forward(self, real_scores: Tensor, fake_scores: Tensor) -> Any:
        return F.discriminator_loss(real_scores, fake_scores, self.objective, self.reduction)


class GeneratorLoss(_AdversarialLoss):
    """What a generator minimises, told from the discriminator's scores of its fakes. See `DiscriminatorLoss`."""

    def forward(self, fake_scores: Tensor) -> Tensor:
        return F.generator_loss(fake_scores, self.objective, self.reduction)
