"""Image translation by a conditional GAN: a U-Net that makes one image of another, and a judge of patches.

The article names image translation and prints no program for it. Training is supervised, with pairs: the translated
image shall be close to its target (L1) and look real beside its source (adversarial). What the judge demands beyond
what the source holds, the U-Net invents: measure it before anyone relies on it.

One iteration, with two Adam optimisers of learning rate 2e-4 and betas (0.5, 0.999)::

    fake = translator(source)
    discriminator_step(discriminator, discriminator_optimizer, source, target, fake)
    translator_step(discriminator, translator_optimizer, source, target, fake)

References
----------
P. Isola, J.-Y. Zhu, T. Zhou, A. A. Efros, "Image-to-image translation with conditional adversarial networks", CVPR
2017, https://arxiv.org/abs/1611.07004: pairs, the judge of patches, L1 with a weight of 100.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch.nn.functional as F
from torch import Tensor, cat, nn

from mediml.reference.gan import discriminator_loss, frozen, generator_loss
from mediml.reference.unet import UNet


class Translator(nn.Module):
    """The U-Net as a generator: an image of the source's size, with values in (0, 1).

    Parameters
    ----------
    in_channels, out_channels : int
        Of the source and of the target.
    widths, norm, up
        The U-Net's.

    Notes
    -----
    Shapes: (N, in_channels, H, W) in, (N, out_channels, H, W) out, of any H and W. In evaluation mode the same source
    always gives the same image: Isola found that the network ignores noise, and this one is given none.
    """

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 1,
        widths: Sequence[int] = (16, 32, 64),
        norm: str = "batch",
        up: str = "transposed",
    ) -> None:
        super().__init__()
        self.unet = UNet(in_channels, out_channels, widths, 2, norm, up)

    def forward(self, source: Tensor) -> Tensor:
        return F.sigmoid(self.unet(source))


class PatchDiscriminator(nn.Module):
    """Judges every patch of an image beside its source: real pair, or fake.

    Parameters
    ----------
    in_channels, out_channels : int
        Of the source and of the image that is judged.
    widths : sequence of int
        Channels after each halving. With k of them a score sees ``5 * 2^k - 2`` pixels a side: 18 for two, 38 for
        three.

    Notes
    -----
    Shapes: (N, in_channels, H, W) and (N, out_channels, H, W) in, H and W at least 2^k; (N, 1, H / 2^k, W / 2^k)
    logits out, rounded down. The patches are judged one by one: what is wrong at large, L1 has to see.
    """

    def __init__(self, in_channels: int = 1, out_channels: int = 1, widths: Sequence[int] = (32, 64)) -> None:
        super().__init__()
        if not widths or min(widths) < 1:
            raise ValueError(f"PatchDiscriminator: widths expects channels for each halving, got {widths}")
        self.expected, self.smallest = (in_channels, out_channels), 2 ** len(widths)
        layers: list[nn.Module] = [nn.Conv2d(in_channels + out_channels, widths[0], 4, 2, 1), nn.LeakyReLU(0.2)]
        for narrow, wide in pairwise(widths):
            layers.append(nn.Conv2d(narrow, wide, 4, 2, 1, bias=False))
            layers.extend([nn.BatchNorm2d(wide), nn.LeakyReLU(0.2)])
        self.main = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 3, padding=1))

    def forward(self, source: Tensor, image: Tensor) -> Tensor:
        shapes = tuple(source.shape), tuple(image.shape)
        if not source.ndim == image.ndim == 4 or (source.shape[1], image.shape[1]) != self.expected:
            raise ValueError(
                f"PatchDiscriminator: expected (N, C, H, W) with {self.expected[0]} and {self.expected[1]} channels, "
                f"got {shapes[0]} and {shapes[1]}"
            )
        if shapes[0][0] != shapes[1][0] or shapes[0][2:] != shapes[1][2:]:
            raise ValueError(f"PatchDiscriminator: expected pairs of the same size, got {shapes[0]} and {shapes[1]}")
        if min(shapes[0][2:]) < self.smallest:
            raise ValueError(
                f"PatchDiscriminator: expected at least {self.smallest} x {self.smallest} pixels, got {shapes[0]}"
            )
        return self.main(cat([source, image], 1))


def discriminator_step(
    discriminator: nn.Module,
    optimizer: Any,
    source: Tensor,
    target: Tensor,
    fake: Tensor,
    objective: Callable[[Tensor, Tensor], Tensor] = discriminator_loss,
) -> Tensor:
    """One step of the judge: target beside source is real, the translation, detached, beside source is fake.

    Parameters
    ----------
    discriminator : nn.Module
        Takes a source and an image.
    optimizer : Optimizer
        Of the discriminator's parameters.
    source, target, fake : Tensor of shape (N, C, H, W)
        The pairs, and the source's translation.
    objective : callable
        Loss from the logits of real and of fake pairs.

    Returns
    -------
    Tensor of shape (), detached
        The loss before the step.
    """
    optimizer.zero_grad()
    loss = objective(discriminator(source, target), discriminator(source, fake.detach()))
    loss.backward()
    optimizer.step()
    return loss.detach()


def translator_step(
    discriminator: nn.Module,
    optimizer: Any,
    source: Tensor,
    target: Tensor,
    fake: Tensor,
    l1_weight: float = 100.0,
    objective: Callable[[Tensor], Tensor] = generator_loss,
) -> tuple[Tensor, Tensor]:
    """One step of the translator: close to the target, and real in the judge's eyes.

    Parameters
    ----------
    discriminator : nn.Module
        Takes a source and an image; stays as it is.
    optimizer : Optimizer
        Of the translator's parameters.
    source, target, fake : Tensor of shape (N, C, H, W)
        The pairs, and what the translator made of the source, not detached.
    l1_weight : float
        Weight of the mean absolute difference beside the adversarial loss.
    objective : callable
        Loss from the logits of fake pairs.

    Returns
    -------
    adversarial, l1 : Tensor of shape (), detached
        The two parts of the loss before the step, the second without its weight.

    Raises
    ------
    ValueError
        If `fake` has no tape: then nothing would be learnt.
    """
    if not fake.requires_grad:
        raise ValueError("translator_step: fake expects the translator's output, not detached; it has no tape")
    optimizer.zero_grad()
    with frozen(discriminator):
        adversarial = objective(discriminator(source, fake))
        l1 = F.l1_loss(fake, target)
        (adversarial + l1_weight * l1).backward()
    optimizer.step()
    return adversarial.detach(), l1.detach()
