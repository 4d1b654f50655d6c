"""Training of a GAN, in the steps of the article:

1. initialise the weights of both players;
2. generate fake data from noise;
3. the discriminator's step: tell real from fake, which is detached, so that the generator does not learn from it;
4. the generator's step: be taken for real;
5. iterate.

What comes out is measured, not looked at: Fréchet distance to real images that nobody trained on, beside that of real
training images; and how near the generated images are to training images, beside real ones. Taught in lessons 13, GAN,
and 14, GAN at work.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import mediml
import mediml.nn.functional as F
from mediml import from_numpy, nn, optim
from mediml.data.images import ImageData
from mediml.data.loader import TensorDataset
from mediml.models import gan
from mediml.models.predict import device_of
from mediml.training.base import Progress, Training, read_settings
from mediml.training.history import History, Panel
from mediml.training.quality import coverage, frechet, is_two_modes, padded, to_signed, to_uint8
from mediml.training.samples import animation, grid, png
from mediml.training.settings import expect_choice, expect_positive, expect_whole
from mediml.utils.files import write_atomically

__all__ = ["OBJECTIVES", "GanResult", "GanSettings", "build", "generate", "noise", "resume", "train"]

#: Of `mediml.nn.functional.discriminator_loss` and `generator_loss`.
OBJECTIVES = ("minimax", "non-saturating", "least-squares", "hinge", "wasserstein")
#: Those whose scores are logits of the probability that an image is real.
_PROBABILISTIC = OBJECTIVES[:2]

#: Images of the grid, in rows of equally many.
SHOWN, COLUMNS_SHOWN = 36, 6

#: Streams of random numbers; those of steps are 0, of the noise that is shown and measured these.
_SHOWN_STREAM, _MEASURED_STREAM = 1, 2


@dataclass(frozen=True)
class GanSettings:
    """All that decides the training of a GAN, beside the data.

    Attributes
    ----------
    epochs, batch_size : int
        The last images of an epoch that do not fill a batch are left out: batch normalisation would see few.
    lr, beta1 : float
        Step size of both players' Adam, and how long it remembers gradients (DCGAN's values by default).
    objective : str
        One of `OBJECTIVES`.
    spectral : bool or None
        Spectral normalisation of the discriminator; None: where the objective needs it (``"wasserstein"``).
    latent, width : int
        Numbers of noise per image, and channels at half the image's resolution.
    each_epoch : bool
        Compute the Fréchet distance to the validation split after every epoch, not only after the last.
    measured : int
        Images to generate for a Fréchet distance.
    minutes : float, optional
    seed : int
        Of the weights, the order of the images and the noise.
    device : str
        Where to train. Another device gives other last digits, so a training goes on where it was begun.
    """

    epochs: int = 20
    batch_size: int = 64
    lr: float = 2e-4
    beta1: float = 0.5
    objective: str = "non-saturating"
    spectral: bool | None = None
    latent: int = 100
    width: int = 64
    each_epoch: bool = True
    measured: int = 1000
    minutes: float | None = None
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        expect_whole(self, epochs=1, batch_size=2, latent=1, width=1, measured=2, seed=0)
        expect_positive(self, "lr", "minutes")
        expect_choice(self, objective=OBJECTIVES)
        if not 0 <= self.beta1 < 1:
            raise ValueError(f"settings: beta1 expects a number from 0 to below 1, got {self.beta1!r}")
        if self.objective == "wasserstein" and self.spectral is False:
            raise ValueError(
                "settings: objective 'wasserstein' needs spectral normalisation, which bounds the critic's slope"
            )


@dataclass(frozen=True, eq=False)
class GanResult:
    """A finished training.

    Attributes
    ----------
    generator, discriminator : nn.Module
        As the last epoch left them, in evaluation mode.
    architecture : dict
        What `build` needs.
    settings : GanSettings
    history : History
    sheets : list of ndarray of uint8
        The same noise as images, before the first epoch and after each.
    """

    generator: nn.Module
    discriminator: nn.Module
    architecture: dict[str, Any]
    settings: GanSettings
    history: History
    sheets: list[NDArray[np.uint8]]


@dataclass
class _Progress(Progress):
    sheets: list[Any] = field(default_factory=list)


def train(
    data: ImageData, settings: GanSettings | None = None, out: Path | None = None, progress: bool = True
) -> GanResult:
    """Train the article's DCGAN from random weights.

    Parameters
    ----------
    data : ImageData
        Both players see the training split; the validation split measures epochs. The test split is not looked at.
        Images of 28 pixels are padded to 32 by their edge, those of 56 to 64.
    settings : GanSettings, optional
    out : Path, optional
        A folder without a checkpoint: gets a checkpoint after every epoch, ``history.csv``, ``curves.png``, and the
        samples of the same noise as ``samples.png`` and, over the epochs, ``samples.gif``.
    progress : bool
        Show a progress bar.

    Returns
    -------
    GanResult

    Raises
    ------
    Interrupted
        After Ctrl-C, once the state is saved; `resume` goes on from there, to the same bits.
    """
    training = _Training(data, settings or GanSettings(), None if out is None else Path(out), progress)
    training.begin()
    return training.run()


def resume(
    data: ImageData, out: Path, progress: bool = True, epochs: int | None = None, minutes: float | None = None
) -> GanResult:
    """Go on with the training whose checkpoint is in `out`; `epochs` and `minutes` may be new totals."""
    settings, state = read_settings("gan", GanSettings, out, epochs, minutes)
    training = _Training(data, settings, Path(out), progress)
    training.restore(state)
    return training.run()


def build(architecture: Mapping[str, Any]) -> tuple[nn.Module, nn.Module]:
    """Generator and discriminator of an architecture, with DCGAN's initial weights from the process's numbers."""
    size = {key: architecture[key] for key in ("channels", "image_size", "width")}
    generator = gan.Generator(latent=architecture["latent"], **size)
    discriminator = gan.Discriminator(spectral=architecture["spectral"], **size)
    for player in (generator, discriminator):
        player.apply(gan.init_weights)
    return generator, discriminator


def architecture_of(channels: int, image_size: int, settings: GanSettings) -> dict[str, Any]:
    """What `build` needs."""
    spectral = settings.objective == "wasserstein" if settings.spectral is None else settings.spectral
    sizes = {"latent": settings.latent, "width": settings.width, "spectral": spectral}
    return {"name": "DCGAN", "channels": channels, "image_size": image_size, **sizes}


def noise(settings: GanSettings, epoch: int, step: int, count: int) -> NDArray[np.float32]:
    """The noise of one step, (count, latent): seed, epoch and step alone decide it."""
    generator = np.random.default_rng([settings.seed, epoch, step])
    return generator.standard_normal((count, settings.latent), np.float32)


def fixed_noise(settings: GanSettings, count: int, stream: int = _MEASURED_STREAM) -> NDArray[np.float32]:
    """Noise that no step meets: for the images that are shown or measured."""
    generator = np.random.default_rng([settings.seed, 0, 0, stream])
    return generator.standard_normal((count, settings.latent), np.float32)


class _Training(Training):
    kind = "gan"
    drop_last = True

    def __init__(self, data: ImageData, settings: GanSettings, out: Path | None, progress: bool) -> None:
        self.data, self.data_hash, self.data_name = data, data.content_sha256(), data.name
        super().__init__(settings, out, progress)
        images = padded(data.train.images)
        self.dataset = TensorDataset(from_numpy(to_signed(images)))
        self.architecture = architecture_of(images.shape[1], images.shape[2], settings)
        # 1. Initialise the weights of both players.
        mediml.manual_seed(settings.seed)
        self.generator, self.discriminator = (player.to(self.device) for player in build(self.architecture))
        self.generator_optimizer, self.discriminator_optimizer = (
            optim.Adam(player.parameters(), lr=settings.lr, betas=(settings.beta1, 0.999))
            for player in (self.generator, self.discriminator)
        )
        self.parts = {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "generator_optimizer": self.generator_optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
        }
        self.progress.sheets.append(self._sheet())

    @property
    def columns(self) -> tuple[str, ...]:  # type: ignore[override]
        quality = (*self.data.classes, "neither") if is_two_modes(self.data) else ("frechet_val",)
        return ("epoch", "discriminator_loss", "generator_loss", "score_real", "score_fake", *quality)

    @property
    def panels(self) -> tuple[Panel, ...]:  # type: ignore[override]
        if is_two_modes(self.data):
            names = (*self.data.classes, "neither")
            quality = Panel("share of generated images", tuple((name, name, "--") for name in names))
        else:
            quality = Panel("Fréchet distance to validation", (("frechet_val", "", "--"),), best="min")
        return (
            Panel("loss", (("discriminator_loss", "discriminator", "-"), ("generator_loss", "generator", "-"))),
            Panel("mean score", (("score_real", "real", "-"), ("score_fake", "fake", "-"))),
            quality,
        )

    def run(self) -> GanResult:
        # 5. Iterate over batches and epochs.
        self.iterate()
        sheets = self.progress.sheets
        if self.out is not None:
            write_atomically(self.out / "samples.png", png(sheets[-1], 2))
            write_atomically(self.out / "samples.gif", animation(sheets, 2))
        return GanResult(
            self.generator.eval(),
            self.discriminator.eval(),
            self.architecture,
            self.settings,
            self.history,
            sheets,
        )

    def _learn_from(self, real: mediml.Tensor, z: mediml.Tensor) -> None:
        # 2. Fake data.
        fake = self.generator(z)
        # 3. The discriminator's step: the fake is detached, the generator learns nothing from it.
        d_loss = gan.discriminator_step(
            self.discriminator, self.discriminator_optimizer, real, fake, self._discriminator_loss
        )
        # 4. The generator's step, through the discriminator as it is now.
        g_loss = gan.generator_step(self.discriminator, self.generator_optimizer, fake, self._generator_loss)
        self.progress.add(
            steps=1,
            discriminator_loss=self._finite(d_loss.item(), "discriminator's loss"),
            generator_loss=self._finite(g_loss.item(), "generator's loss"),
        )

    def _discriminator_loss(self, real_scores: mediml.Tensor, fake_scores: mediml.Tensor) -> mediml.Tensor:
        for name, scores in (("score_real", real_scores), ("score_fake", fake_scores)):
            values = scores.detach()
            if self.settings.objective in _PROBABILISTIC:
                values = F.sigmoid(values)
            self.progress.add(**{name: values.mean().item()})
        loss: mediml.Tensor = F.discriminator_loss(real_scores, fake_scores, self.settings.objective)
        return loss

    def _generator_loss(self, fake_scores: mediml.Tensor) -> mediml.Tensor:
        return F.generator_loss(fake_scores, self.settings.objective)

    def _prepared(self, batch: Any, epoch: int, step: int) -> tuple[mediml.Tensor, mediml.Tensor]:
        return batch[0], from_numpy(noise(self.settings, epoch, step, len(batch[0])))

    def _figures(self) -> dict[str, Any]:
        settings, sums = self.settings, dict(self.progress.sums)
        steps = sums.pop("steps")
        self.progress.sheets.append(self._sheet())
        means = {name: value / steps for name, value in sums.items()}
        if settings.each_epoch or self.progress.epoch + 1 == settings.epochs:
            return {**means, **self._quality(generate(self.generator, fixed_noise(settings, settings.measured)))}
        return {**means, **dict.fromkeys(self.columns[5:])}

    def _quality(self, images: NDArray[np.uint8]) -> dict[str, float]:
        if not is_two_modes(self.data):
            return {"frechet_val": frechet(images, self.data.val.images)}
        found = coverage(images)
        shares = {name: share.value for name, share in zip(self.data.classes, found.shares)}
        return {**shares, "neither": found.outside.value}

    def _sheet(self) -> NDArray[np.uint8]:
        return grid(generate(self.generator, fixed_noise(self.settings, SHOWN, _SHOWN_STREAM)), COLUMNS_SHOWN)

    def _progress(self, state: Mapping[str, Any]) -> _Progress:
        sheets = [np.asarray(sheet.numpy(), np.uint8) for sheet in state.get("sheets", ())]
        return _Progress(**{**state, "sheets": sheets})


def generate(generator: nn.Module, z: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Images of uint8, (N, C, H, W), out of noise."""
    return to_uint8(gan.fake_images(generator, from_numpy(z).to(device_of(generator))).cpu().numpy())
