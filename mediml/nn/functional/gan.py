"""Adversarial objectives, which torch has no names for: arguments normalised, kernels called, gradients recorded."""

from typing import Any

from mediml import arrays
from mediml.autograd import record
from mediml.device import backend
from mediml.tensor import Tensor

__all__ = ["discriminator_loss", "generator_loss"]


def discriminator_loss(
    real_scores: Tensor, fake_scores: Tensor, objective: str = "non-saturating", reduction: str = "mean"
) -> Any:
    """What a discriminator minimises: real pictures should score high, fakes low.

    Parameters
    ----------
    real_scores, fake_scores : Tensor of any shapes and one dtype, float32 or float64
        The discriminator's scores (logits): no sigmoid before. Detach the fakes from the generator, so that its
        gradients are not computed in vain: ``D(fake.detach())``.
    objective : str
        ``"minimax"``, ``"non-saturating"`` (here the same), ``"least-squares"``, ``"hinge"``, or ``"wasserstein"``,
        which needs a discriminator with `mediml.nn.utils.spectral_norm` on every layer.
    reduction : str
        ``"mean"``: mean over the reals plus mean over the fakes (so it is twice the mean over both, where they are as
        many). ``"sum"``: sum plus sum. ``"none"``: the losses of the reals and those of the fakes, two tensors.

    Returns
    -------
    Tensor of shape (); for ``"none"`` a tuple of two, of the shapes of the scores

    Raises
    ------
    TypeError, ValueError
        If dtypes or options do not fit.

    See Also
    --------
    generator_loss : what the other side minimises.
    mediml.nn.DiscriminatorLoss : the layer.

    Notes
    -----
    Formulas and gradients: ``kernels.gan.reference.discriminator_loss_forward``.
    """
    kernels = backend("gan", real_scores=real_scores, fake_scores=fake_scores)
    real, fake = real_scores._array, fake_scores._array
    y = kernels.discriminator_loss_forward(real, fake, objective, reduction)

    def backward(*grads: Any) -> tuple[Any, Any]:  # one for the loss, or one for each of the two
        of_real, of_fake = arrays.asarray(grads[0]), arrays.asarray(grads[-1])
        options = (objective, reduction)
        return (
            kernels.discriminator_loss_backward_real(of_real, real, *options) if real_scores.requires_grad else None,
            kernels.discriminator_loss_backward_fake(of_fake, fake, *options) if fake_scores.requires_grad else None,
        )

    scores = (real_scores, fake_scores)
    return record("discriminator_loss", y, scores, backward, scores)


def generator_loss(fake_scores: Tensor, objective: str = "non-saturating", reduction: str = "mean") -> Tensor:
    """What a generator minimises: the discriminator should give its fakes a high score.

    Parameters
    ----------
    fake_scores : Tensor of any shape, float32 or float64
        The discriminator's scores (logits) of fakes, not detached: the gradient goes through the discriminator into
        the generator.
    objective, reduction : str
        As in `discriminator_loss`; ``"none"`` keeps the shape. For the generator ``"minimax"`` and
        ``"non-saturating"`` differ: the gradient of the first vanishes where the discriminator is sure of a fake.

    Raises
    ------
    TypeError, ValueError
        If a dtype or an option does not fit.

    Notes
    -----
    Formulas and gradient: ``kernels.gan.reference.generator_loss_forward``.
    """
    kernels = backend("gan", fake_scores=fake_scores)
    fake = fake_scores._array
    y = kernels.generator_loss_forward(fake, objective, reduction)

    def backward(grad_y: Any) -> tuple[Any]:
        return (kernels.generator_loss_backward_fake(arrays.asarray(grad_y), fake, objective, reduction),)

    return record("generator_loss", y, (fake_scores,), backward, (fake_scores,))
