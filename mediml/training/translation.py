"""Training of image translation: a U-Net that takes the noise out of an image, and a judge of patches (pix2pix).

The steps are those of a GAN, with pairs: the translator's output is to be close to the clean image, and real in the
judge's eyes beside its noisy source. What the judge demands beyond what the source holds, the translator invents; so
what it invents is measured by itself (`mediml.training.translation_report`) and written beside its figures. Taught in
lesson 14, GAN at work.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import mediml
import mediml.nn.functional as F
from mediml import from_numpy, nn, no_grad, optim
from mediml.data.loader import TensorDataset
from mediml.data.noise import DenoisingData
from mediml.evaluation import psnr, ssim
from mediml.models import pix2pix
from mediml.models.predict import output_of
from mediml.training.base import Training, read_settings
from mediml.training.history import History, Panel
from mediml.training.settings import expect_positive, expect_whole

__all__ = ["TranslationResult", "TranslationSettings", "build", "resume", "train", "translate"]


@dataclass(frozen=True)
class TranslationSettings:
    """All that decides the training of an image translation, beside the data.

    Attributes
    ----------
    epochs, batch_size : int
    lr, beta1 : float
        Step size of both players' Adam, and how long it remembers gradients.
    l1_weight : float
        Weight of the mean absolute difference beside the adversarial loss.
    adversarial : bool
        False: without the judge, by the difference alone: what the judge adds, for better or worse, can then be seen.
    width : int
        Channels of the U-Net at full resolution; twice and four times as many below.
    minutes : float, optional
    seed : int
        Of the weights and the order of the pairs.
    device : str
        Where to train. Another device gives other last digits, so a training goes on where it was begun.
    """

    epochs: int = 12
    batch_size: int = 16
    lr: float = 1e-3
    beta1: float = 0.5
    l1_weight: float = 100.0
    adversarial: bool = True
    width: int = 16
    minutes: float | None = None
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        expect_whole(self, epochs=1, batch_size=1, width=1, seed=0)
        expect_positive(self, "lr", "l1_weight", "minutes")
        if not 0 <= self.beta1 < 1:
            raise ValueError(f"settings: beta1 expects a number from 0 to below 1, got {self.beta1!r}")


@dataclass(frozen=True, eq=False)
class TranslationResult:
    """A finished training.

    Attributes
    ----------
    translator, discriminator : nn.Module
        As the best epoch and as the last epoch left them, in evaluation mode.
    architecture : dict
        What `build` needs.
    settings : TranslationSettings
    history : History
    best_epoch : int
        Counted from 1: largest PSNR on validation.
    """

    translator: nn.Module
    discriminator: nn.Module
    architecture: dict[str, Any]
    settings: TranslationSettings
    history: History
    best_epoch: int


def train(
    data: DenoisingData, settings: TranslationSettings | None = None, out: Path | None = None, progress: bool = True
) -> TranslationResult:
    """Train a pix2pix from random weights.

    Parameters
    ----------
    data : DenoisingData
        The training split moves the weights, the validation split chooses
        the epoch; the test split is not looked at.
    settings : TranslationSettings, optional
    out : Path, optional
        A folder without a checkpoint: gets a checkpoint after every epoch, ``history.csv`` and ``curves.png``.
    progress : bool
        Show a progress bar.

    Raises
    ------
    Interrupted
        After Ctrl-C, once the state is saved; `resume` goes on from there, to the same bits.
    """
    training = _Training(data, settings or TranslationSettings(), None if out is None else Path(out), progress)
    training.begin()
    return training.run()


def resume(
    data: DenoisingData, out: Path, progress: bool = True, epochs: int | None = None, minutes: float | None = None
) -> TranslationResult:
    """Go on with the training whose checkpoint is in `out`; `epochs` and `minutes` may be new totals."""
    settings, state = read_settings("pix2pix", TranslationSettings, out, epochs, minutes)
    training = _Training(data, settings, Path(out), progress)
    training.restore(state)
    return training.run()


def build(architecture: Mapping[str, Any]) -> tuple[nn.Module, nn.Module]:
    """Translator and judge of an architecture, with random weights from the process's numbers."""
    width = architecture["width"]
    translator = pix2pix.Translator(widths=(width, 2 * width, 4 * width))
    return translator, pix2pix.PatchDiscriminator(widths=(2 * width, 4 * width))


def content_sha256(data: DenoisingData) -> str:
    """Hash of all pairs, split by split."""
    digest = hashlib.sha256()
    for split in ("train", "val", "test"):
        part = getattr(data, split)
        digest.update(f"{split} {part.clean.shape}\0".encode() + part.noisy.tobytes() + part.clean.tobytes())
    return digest.hexdigest()


def translate(translator: nn.Module, images: NDArray[np.float32], batch_size: int = 64) -> NDArray[np.float32]:
    """What a translator makes of images, (N, 1, H, W) from 0 to 1: without a tape, batch by batch."""
    training = translator.training
    translator.eval()
    try:
        with no_grad():
            parts = [
                output_of(translator, images[start : start + batch_size]) for start in range(0, len(images), batch_size)
            ]
    finally:
        translator.train(training)
    return np.concatenate(parts)


class _Training(Training):
    kind = "pix2pix"
    columns = ("epoch", "discriminator_loss", "adversarial_loss", "l1_loss", "val_l1", "val_psnr", "val_ssim")
    panels = (
        Panel("loss", (("discriminator_loss", "judge", "-"), ("adversarial_loss", "translator", "-"))),
        Panel("mean absolute difference", (("l1_loss", "training", "-"), ("val_l1", "validation", "--"))),
        Panel("PSNR on validation (dB)", (("val_psnr", "", "--"),), best="max"),
    )

    def __init__(self, data: DenoisingData, settings: TranslationSettings, out: Path | None, progress: bool) -> None:
        super().__init__(settings, out, progress)
        self.data, self.data_hash, self.data_name = data, content_sha256(data), data.name
        self.dataset = TensorDataset(from_numpy(data.train.noisy), from_numpy(data.train.clean))
        self.architecture = {"name": "pix2pix", "width": settings.width}
        # 1. Initialise the weights of both players.
        mediml.manual_seed(settings.seed)
        self.translator, self.discriminator = (player.to(self.device) for player in build(self.architecture))
        self.translator_optimizer, self.discriminator_optimizer = (
            optim.Adam(player.parameters(), lr=settings.lr, betas=(settings.beta1, 0.999))
            for player in (self.translator, self.discriminator)
        )
        self.parts = {
            "translator": self.translator,
            "discriminator": self.discriminator,
            "translator_optimizer": self.translator_optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
        }

    def run(self) -> TranslationResult:
        # 5. Iterate over batches and epochs.
        self.iterate()
        self.translator.load_state_dict(self.progress.best_weights)
        return TranslationResult(
            self.translator.eval(),
            self.discriminator.eval(),
            self.architecture,
            self.settings,
            self.history,
            self.progress.best_epoch,
        )

    def _learn_from(self, source: mediml.Tensor, target: mediml.Tensor) -> None:
        # 2. Translate.
        fake = self.translator(source)
        if not self.settings.adversarial:
            self._learn_from_difference(fake, target)
            return
        # 3. The judge's step: the translation is detached.
        d_loss = pix2pix.discriminator_step(self.discriminator, self.discriminator_optimizer, source, target, fake)
        # 4. The translator's step: close to the target, and real in the eyes of the judge as it is now.
        adversarial, l1 = pix2pix.translator_step(
            self.discriminator, self.translator_optimizer, source, target, fake, self.settings.l1_weight
        )
        self.progress.add(
            steps=1,
            discriminator_loss=self._finite(d_loss.item(), "judge's loss"),
            adversarial_loss=self._finite(adversarial.item(), "translator's loss"),
            l1_loss=self._finite(l1.item(), "difference"),
        )

    def _learn_from_difference(self, fake: mediml.Tensor, target: mediml.Tensor) -> None:
        loss = F.l1_loss(fake, target)
        self.translator_optimizer.zero_grad()
        loss.backward()
        self.translator_optimizer.step()
        self.progress.add(steps=1, l1_loss=self._finite(loss.item(), "difference"))

    def _figures(self) -> dict[str, Any]:
        sums, val = self.progress.sums, self.data.val
        made = translate(self.translator, val.noisy)
        ratio = float(np.mean(psnr(made, val.clean)))
        self._keep_if_best((self._finite(ratio, "PSNR on validation"),), self.translator)
        means = {
            name: sums[name] / sums["steps"] if name in sums else None
            for name in ("discriminator_loss", "adversarial_loss", "l1_loss")
        }
        return {
            **means,
            "val_l1": float(np.abs(made - val.clean).mean()),
            "val_psnr": ratio,
            "val_ssim": float(np.mean(ssim(made, val.clean))),
        }
