"""The training loop, in the five steps of every introduction:

1. initialise the weights at random;
2. forward: images to scores;
3. loss: how far the scores are from the labels;
4. backward: the gradient of the loss for every weight, and a step of the optimizer against it;
5. iterate over batches and epochs.

Taught in lesson 09, training a CNN.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import mediml
from mediml import from_numpy, nn, optim
from mediml.data.augmentation import Augmentation
from mediml.data.images import ImageData
from mediml.data.loader import TensorDataset
from mediml.evaluation import auc, macro_auc, softmax
from mediml.models.predict import predict_logits
from mediml.models.pretrained import build
from mediml.training.base import Interrupted, Training, read_settings
from mediml.training.history import COLUMNS, PANELS
from mediml.training.settings import Result, Settings

__all__ = ["Interrupted", "resume", "train"]


def train(
    data: ImageData,
    settings: Settings | None = None,
    out: Path | None = None,
    progress: bool = True,
) -> Result:
    """Train the article's CNN from random weights.

    Parameters
    ----------
    data : ImageData
        The training split moves the weights; the validation split chooses the epoch. The test split is not looked at.
    settings : Settings, optional
        Without it those of the article.
    out : Path, optional
        A folder without a checkpoint, made if it is not there: gets a checkpoint after every epoch, ``history.csv``
        and ``curves.png``. Without it nothing is written.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Result

    Raises
    ------
    Interrupted
        After Ctrl-C, once the state is saved; `resume` goes on from there, to the same bits.
    """
    training = _Training(data, settings or Settings(), None if out is None else Path(out), progress)
    training.begin()
    return training.run()


def resume(data: ImageData, out: Path, progress: bool = True, epochs: int | None = None) -> Result:
    """Go on with the training whose checkpoint is in `out`, with its own settings.

    Parameters
    ----------
    data : ImageData
        The same as before.
    epochs : int, optional
        A new total of epochs, at least as many as are done.

    Raises
    ------
    CheckpointError
        If there is no checkpoint, it is damaged, or it is of other data.
    """
    settings, state = read_settings("cnn", Settings, out, epochs)
    training = _Training(data, settings, Path(out), progress)
    training.restore(state)
    return training.run()


class _Training(Training):
    kind = "cnn"
    columns, panels = COLUMNS, PANELS

    def __init__(self, data: ImageData, settings: Settings, out: Path | None, progress: bool) -> None:
        super().__init__(settings, out, progress)
        self.data, self.data_hash, self.data_name = data, data.content_sha256(), data.name
        mean, std = data.normalisation()
        height, width = data.image_size
        size = height if height == width else [height, width]
        self.preprocessing = {"size": size, "mean": list(mean), "std": list(std)}
        self.dataset = TensorDataset(from_numpy(data.train.arrays(mean, std)), from_numpy(data.train.labels))
        self.val_images = data.val.arrays(mean, std)
        self.architecture = {
            "name": "CNN",
            "in_channels": data.channels,
            "num_classes": len(data.classes),
            "image_size": list(data.image_size),
            "dropout": settings.dropout,
        }
        # 1. Initialise the weights at random.
        mediml.manual_seed(settings.seed)
        self.model = build(self.architecture).to(self.device)
        if settings.weight_decay:
            self.optimizer: Any = optim.AdamW(
                self.model.parameters(), lr=settings.lr, weight_decay=settings.weight_decay
            )
        else:
            self.optimizer = optim.Adam(self.model.parameters(), lr=settings.lr)
        self.parts = {"model": self.model, "optimizer": self.optimizer}
        self.augmentation = Augmentation() if settings.augment else None

    def run(self) -> Result:
        # 5. Iterate over batches and epochs.
        self.model.train()
        self.iterate()
        progress = self.progress
        self.model.load_state_dict(progress.best_weights)
        return Result(
            self.model.eval(),
            self.architecture,
            self.preprocessing,
            self.settings,
            self.history,
            progress.best_epoch,
        )

    def _learn_from(self, images: mediml.Tensor, labels: mediml.Tensor) -> None:
        # 2. Forward.
        scores = self.model(images)
        # 3. Loss.
        loss = nn.functional.cross_entropy(scores, labels)
        # 4. Backward, and one step downhill.
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        value = self._finite(loss.item())
        correct = int((scores.detach().argmax(1) == labels).sum())
        self.progress.add(loss=value * len(labels), correct=correct)

    def _prepared(self, batch: Any, epoch: int, step: int) -> tuple[mediml.Tensor, mediml.Tensor]:
        images, labels = batch
        if self.augmentation is not None:
            images = from_numpy(self.augmentation(images.numpy(), self._generator(epoch, step)))
        return images, labels

    def _figures(self) -> dict[str, float]:
        sums, labels = self.progress.sums, self.data.val.labels
        logits = predict_logits(self.model, self.val_images)
        probabilities = softmax(logits)
        area = auc(labels, probabilities[:, 1]).value if logits.shape[1] == 2 else macro_auc(labels, probabilities)
        val_loss = float(-np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-300)).mean())
        self._keep_if_best((area, -val_loss), self.model)
        return {
            "train_loss": sums["loss"] / len(self.data.train),
            "train_accuracy": sums["correct"] / len(self.data.train),
            "val_loss": val_loss,
            "val_auc": area,
            "val_accuracy": float((logits.argmax(1) == labels).mean()),
        }

    def _line(self, row: Mapping[str, Any]) -> str:
        loss, val_loss, area = row["train_loss"], row["val_loss"], row["val_auc"]
        return f"loss {loss:.4f}  validation: loss {val_loss:.4f}  AUC {area:.4f}"
