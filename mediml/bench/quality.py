"""A DCGAN and its torch twin, trained alike: the same initial weights, images in the same order, the same noise.

Rounding differs from the first step on, and the game of two players magnifies it, so the two end at different weights.
What must agree is how good they are: the Fréchet distance of their images to held-out real ones, over several seeds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import mediml
from mediml.data.images import ImageData
from mediml.evaluation import frechet_distance
from mediml.training import adversarial
from mediml.training.quality import features, padded, to_signed, to_uint8

__all__ = ["Comparison", "compare_gans", "train_twin"]

#: Generated images per real one: the noise of the sample is then a small part of the distance.
_SAMPLES = 5
_MOST = 1000


@dataclass(frozen=True)
class Comparison:
    """Fréchet distances to the test split, ours and the twin's, seed by seed."""

    data: str
    epochs: int
    seeds: tuple[int, ...]
    ours: tuple[float, ...]
    twin: tuple[float, ...]
    training_images: float

    @property
    def ratio(self) -> float:
        """Our mean distance over the twin's."""
        return float(np.mean(self.ours) / np.mean(self.twin))

    def __str__(self) -> str:
        lines = [
            f"Fréchet distance to held-out images of {self.data} after {self.epochs} epochs",
            "seed   ours  PyTorch",
        ]
        rows = zip((*map(str, self.seeds), "mean"), (*self.ours, np.mean(self.ours)), (*self.twin, np.mean(self.twin)))
        lines += [f"{seed:>4} {ours:6.2f} {twin:8.2f}" for seed, ours, twin in rows]
        return "\n".join([*lines, f"ours / PyTorch {self.ratio:.3f}; training images {self.training_images:.2f}"])


def compare_gans(
    data: ImageData,
    settings: adversarial.GanSettings,
    seeds: Sequence[int] = (0, 1, 2),
    say: Callable[[str], Any] = lambda text: None,
) -> Comparison:
    """Train ours and the torch twin with each seed.

    Parameters
    ----------
    data : ImageData
        The training split trains, the test split measures.
    settings : GanSettings
        With the objective that the twin has, ``"non-saturating"``; its seed is replaced.
    seeds : sequence of int
    say : callable
        Told of each seed that is done.

    Raises
    ------
    ValueError
        If PyTorch is not installed, or the objective is another.
    """
    if settings.objective != "non-saturating":
        raise ValueError(f"bench: the torch twin plays 'non-saturating', got {settings.objective!r}")
    real = data.test.images[:_MOST]
    held_out = features(real)
    pairs = []
    for seed in seeds:
        chosen = replace(settings, seed=seed)
        noise = adversarial.fixed_noise(chosen, _SAMPLES * len(real))
        ours = adversarial.generate(adversarial.train(data, chosen, progress=False).generator, noise)
        twin = train_twin(data, chosen)(noise)
        pairs.append((_distance(ours, held_out), _distance(twin, held_out)))
        say(f"seed {seed}: ours {pairs[-1][0]:.2f}, PyTorch {pairs[-1][1]:.2f}")
    training = features(data.train.images[np.random.default_rng(0).permutation(len(data.train))[: len(real)]])
    ours_all, twin_all = (tuple(column) for column in zip(*pairs))
    floor = frechet_distance(training, held_out)
    return Comparison(data.name, settings.epochs, tuple(seeds), ours_all, twin_all, floor)


def _distance(images: NDArray[np.uint8], held_out: NDArray[np.float64]) -> float:
    """Mean over samples as large as the real one, as `mediml train gan` gives it."""
    made, count = features(images), len(held_out)
    return float(np.mean([frechet_distance(made[k * count : (k + 1) * count], held_out) for k in range(_SAMPLES)]))


def train_twin(
    data: ImageData, settings: adversarial.GanSettings
) -> Callable[[NDArray[np.float32]], NDArray[np.uint8]]:
    """Train the torch twin as `mediml.training.adversarial` trains ours.

    Returns
    -------
    callable
        Noise of shape (N, latent) to images of uint8, (N, C, H, W).
    """
    try:
        import torch
    except ImportError:
        raise ValueError("bench: PyTorch is not installed; there is nothing to compare with") from None
    from mediml.reference import gan

    real = torch.from_numpy(to_signed(padded(data.train.images)))
    architecture = adversarial.architecture_of(real.shape[1], real.shape[2], settings)
    mediml.manual_seed(settings.seed)
    size = {key: architecture[key] for key in ("channels", "image_size", "width")}
    players: tuple[Any, Any] = (
        gan.Generator(latent=settings.latent, **size),
        gan.Discriminator(spectral=architecture["spectral"], **size),
    )
    for theirs, ours in zip(players, adversarial.build(architecture)):
        theirs.load_state_dict({key: torch.tensor(value.numpy()) for key, value in ours.state_dict().items()})
    generator, discriminator = players
    generator_optimizer, discriminator_optimizer = (
        torch.optim.Adam(player.parameters(), lr=settings.lr, betas=(settings.beta1, 0.999)) for player in players
    )
    for epoch in range(settings.epochs):
        order = np.random.default_rng([settings.seed, epoch]).permutation(len(real))
        for step in range(len(real) // settings.batch_size):
            chosen = order[step * settings.batch_size :][: settings.batch_size]
            fake = generator(torch.from_numpy(adversarial.noise(settings, epoch, step, len(chosen))))
            gan.discriminator_step(discriminator, discriminator_optimizer, real[chosen], fake)
            gan.generator_step(discriminator, generator_optimizer, fake)
    return lambda noise: to_uint8(gan.fake_images(generator, torch.from_numpy(noise)).numpy())
