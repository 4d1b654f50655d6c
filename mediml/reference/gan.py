"""The article's DCGAN, two players for images of 32 or 64 pixels, and its alternating training as visible steps.

What the article's program had wrong is mended: `nn.Reshape` does not exist and its order of axes was not the
convolution's, neither player had a forward pass, the noise did not fit the first layer, a target was a number and
another had one element for a whole batch, no real images were loaded, and what was drawn had its channels first.
Taught in lesson 13, GAN.

One iteration, with two Adam optimisers of learning rate 2e-4 and betas (0.5, 0.999)::

    fake = generator(noise)                                                # images out of noise
    discriminator_step(discriminator, discriminator_optimizer, real, fake)  # learns to tell the two apart
    generator_step(discriminator, generator_optimizer, fake)                # learns to be taken for real

References
----------
I. Goodfellow et al., "Generative adversarial nets", NeurIPS 2014, https://arxiv.org/abs/1406.2661.
A. Radford, L. Metz, S. Chintala, "Unsupervised representation learning with deep convolutional generative adversarial
networks", ICLR 2016, https://arxiv.org/abs/1511.06434: layers, initial weights, optimiser.
T. Miyato et al., "Spectral normalization for generative adversarial networks", ICLR 2018,
https://arxiv.org/abs/1802.05957.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import torch.nn.functional as F
from torch import Tensor, cat, nn, no_grad, ones_like, zeros_like

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


class Generator(nn.Module):
    """Images out of noise: linear to 4 x 4 pixels, then doubled by transposed convolutions up to `image_size`.

    Parameters
    ----------
    channels : int
        1 for grey images, 3 for colour.
    image_size : int
        32 or 64 (any 4 · 2^k, k > 0): height and width in pixels.
    latent : int
        Numbers of noise that one image is made of, standard normal.
    width : int
        Channels at half the image's resolution; each halving further down has twice as many: 256 at 4 x 4 pixels for
        32-pixel images and a width of 64.

    Notes
    -----
    Shapes: (N, latent) in, (N, channels, image_size, image_size) in (-1, 1) out. Batch normalisation needs N > 1 in
    training. A layer has a bias only where no batch normalisation follows, which would subtract it again.
    """

    def __init__(self, channels: int = 3, image_size: int = 32, latent: int = 100, width: int = 64) -> None:
        super().__init__()
        self.latent = latent
        widths = _widths("Generator", image_size, width)[::-1]
        layers: list[nn.Module] = [
            nn.Linear(latent, widths[0] * 4 * 4, bias=False),
            nn.BatchNorm1d(widths[0] * 4 * 4),
            nn.LeakyReLU(0.2),
            nn.Unflatten(1, (widths[0], 4, 4)),
        ]
        for wide, narrow in pairwise(widths):
            layers.append(nn.ConvTranspose2d(wide, narrow, 4, stride=2, padding=1, bias=False))
            layers.extend([nn.BatchNorm2d(narrow), nn.LeakyReLU(0.2)])
        layers.append(nn.ConvTranspose2d(widths[-1], channels, 4, stride=2, padding=1))
        self.main = nn.Sequential(*layers, nn.Tanh())

    def forward(self, noise: Tensor) -> Tensor:
        if noise.ndim != 2 or noise.shape[1] != self.latent:
            raise ValueError(f"Generator: expected noise of shape (N, {self.latent}), got {tuple(noise.shape)}")
        return self.main(noise)


class Discriminator(nn.Module):
    """One score per image, high for real: strided convolutions down to 4 x 4 pixels, then one over all of them.

    Parameters
    ----------
    channels, image_size, width : int
        As of the `Generator`, whose mirror image it is.
    spectral : bool
        Spectral normalisation of every convolution in place of batch normalisation: it bounds how far a layer can
        magnify a difference, and no image's score depends on the others in its batch.

    Notes
    -----
    Shapes: (N, channels, image_size, image_size) in, (N,) logits out. The sigmoid is part of the loss.
    """

    def __init__(self, channels: int = 3, image_size: int = 32, spectral: bool = False, width: int = 64) -> None:
        super().__init__()
        self.expected = (channels, image_size, image_size)
        widths = _widths("Discriminator", image_size, width)
        layers = [_conv(channels, widths[0], 2, 1, True, spectral), nn.LeakyReLU(0.2)]
        for narrow, wide in pairwise(widths):
            layers.append(_conv(narrow, wide, 2, 1, spectral, spectral))
            layers.extend([nn.LeakyReLU(0.2)] if spectral else [nn.BatchNorm2d(wide), nn.LeakyReLU(0.2)])
        layers.append(_conv(widths[-1], 1, 1, 0, True, spectral))
        self.main = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        if tuple(images.shape[1:]) != self.expected:
            raise ValueError(
                f"Discriminator: expected images of shape (N, {', '.join(map(str, self.expected))}), "
                f"got {tuple(images.shape)}"
            )
        return self.main(images).flatten()


def init_weights(module: nn.Module) -> None:
    """DCGAN's initial values, for ``model.apply(init_weights)``: N(0, 0.02), of batch norm N(1, 0.02), biases 0."""
    for name, parameter in module.named_parameters(recurse=False):
        if name == "bias":
            nn.init.zeros_(parameter)
        else:
            nn.init.normal_(parameter, 1.0 if isinstance(module, NORMS) else 0.0, 0.02)


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Cross entropy of the logits of real images with 1, plus that of fake ones with 0."""
    entropy = F.binary_cross_entropy_with_logits
    return entropy(real, ones_like(real)) + entropy(fake, zeros_like(fake))


def generator_loss(fake: Tensor) -> Tensor:
    """Cross entropy of the logits of fake images with 1: the objective that does not saturate (Goodfellow 2014)."""
    return F.binary_cross_entropy_with_logits(fake, ones_like(fake))


def discriminator_step(
    discriminator: nn.Module,
    optimizer: Any,
    real: Tensor,
    fake: Tensor,
    objective: Callable[[Tensor, Tensor], Tensor] = discriminator_loss,
) -> Tensor:
    """One step of the discriminator; the fake images are detached, so the generator learns nothing from it.

    Parameters
    ----------
    discriminator : nn.Module
    optimizer : Optimizer
        Of the discriminator's parameters.
    real, fake : Tensor of shape (N, channels, H, W)
        Each passes as a batch of its own: batch normalisation must not see them mixed.
    objective : callable
        Loss from the logits of real and of fake images.

    Returns
    -------
    Tensor of shape (), detached
        The loss before the step.
    """
    optimizer.zero_grad()
    loss = objective(discriminator(real), discriminator(fake.detach()))
    loss.backward()
    optimizer.step()
    return loss.detach()


def generator_step(
    discriminator: nn.Module,
    optimizer: Any,
    fake: Tensor,
    objective: Callable[[Tensor], Tensor] = generator_loss,
) -> Tensor:
    """One step of the generator: through the discriminator, which stays as it is, back to what made the fake images.

    Parameters
    ----------
    discriminator : nn.Module
    optimizer : Optimizer
        Of the generator's parameters.
    fake : Tensor of shape (N, channels, H, W)
        What the generator made of noise, not detached.
    objective : callable
        Loss from the logits of fake images.

    Returns
    -------
    Tensor of shape (), detached
        The loss before the step.

    Raises
    ------
    ValueError
        If `fake` has no tape: then nothing would be learnt.
    """
    if not fake.requires_grad:
        raise ValueError("generator_step: fake expects the generator's output, not detached; it has no tape")
    optimizer.zero_grad()
    with frozen(discriminator):
        loss = objective(discriminator(fake))
        loss.backward()
    optimizer.step()
    return loss.detach()


def fake_images(generator: nn.Module, noise: Tensor, batch_size: int = 256) -> Tensor:
    """Images in [0, 1] to look at or to measure: in evaluation mode and without a tape.

    The same noise gives the same images, whatever else is in the batch. The generator is left in the mode it was in.
    """
    training = generator.training
    generator.eval()
    try:
        with no_grad():
            parts = [generator(noise[start : start + batch_size]) for start in range(0, max(len(noise), 1), batch_size)]
    finally:
        generator.train(training)
    return cat(parts) * 0.5 + 0.5


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Ask for no gradients of a module's parameters while in this context; gradients still pass through it."""
    learning = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in learning:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in learning:
            parameter.requires_grad_(True)


def _widths(name: str, image_size: int, width: int) -> list[int]:
    """Channels at each resolution from half the image's down to 4 x 4."""
    halvings = next((k for k in range(1, 9) if 4 * 2**k == image_size), None)
    if halvings is None or width < 1:
        raise ValueError(
            f"{name}: image_size expects 32 or 64 (any 4 * 2^k up to 1024), width at least 1, got {image_size}, {width}"
        )
    return [width * 2**k for k in range(halvings)]


def _conv(C_in: int, C_out: int, stride: int, padding: int, bias: bool, spectral: bool) -> nn.Module:  # noqa: N803
    conv = nn.Conv2d(C_in, C_out, 4, stride, padding, bias=bias)
    return nn.utils.spectral_norm(conv) if spectral else conv
