"""The training loop, in the five steps of every introduction:

1. initialise the weights at random;
2. forward: images to scores;
3. loss: how far the scores are from the labels;
4. backward: the gradient of the loss for every weight, and a step of the optimizer against it;
5. iterate over batches and epochs.

Taught in lesson 09, training a CNN.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from tqdm import tqdm

import mediml
from mediml import from_numpy, nn, optim
from mediml.data.augmentation import Augmentation
from mediml.data.images import ImageData
from mediml.data.loader import DataLoader, TensorDataset
from mediml.evaluation import auc, macro_auc, softmax
from mediml.models.predict import predict_logits
from mediml.models.pretrained import build
from mediml.training import checkpoint
from mediml.training.history import History
from mediml.training.settings import Result, Settings

__all__ = ["Interrupted", "resume", "train"]


class Interrupted(KeyboardInterrupt):
    """Ctrl-C was pressed; everything up to the last finished step has been saved."""


@dataclass
class _Progress:
    """Where a training stands. Everything here goes into a checkpoint."""

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    correct: int = 0
    best_epoch: int = 0
    best_figures: tuple[float, float] = (-1.0, 0.0)
    best_weights: dict[str, Any] = field(default_factory=dict)


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
    if out is not None:
        out = Path(out)
        if checkpoint.exists(out):
            raise checkpoint.CheckpointError(
                f"{out}: holds a training already; continue it with --resume, or choose another folder"
            )
        out.mkdir(parents=True, exist_ok=True)
    return _Training(data, settings or Settings(), out, progress).run()


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
    state = checkpoint.load(out)
    settings = Settings(**state["settings"])
    if epochs is not None:
        if epochs < state["progress"]["epoch"]:
            raise ValueError(
                f"resume: epochs expects at least the {state['progress']['epoch']} that are done, got {epochs}"
            )
        settings = replace(settings, epochs=epochs)
    training = _Training(data, settings, Path(out), progress)
    training.restore(state)
    return training.run()


class _Training:
    def __init__(self, data: ImageData, settings: Settings, out: Path | None, progress: bool) -> None:
        self.data, self.settings, self.out, self.show_progress = data, settings, out, progress
        mean, std = data.normalisation()
        height, width = data.image_size
        size = height if height == width else [height, width]
        self.preprocessing = {"size": size, "mean": list(mean), "std": list(std)}
        self.images = data.train.arrays(mean, std)
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
        self.model = build(self.architecture)
        if settings.weight_decay:
            self.optimizer: Any = optim.AdamW(
                self.model.parameters(), lr=settings.lr, weight_decay=settings.weight_decay
            )
        else:
            self.optimizer = optim.Adam(self.model.parameters(), lr=settings.lr)
        self.augmentation = Augmentation() if settings.augment else None
        self.progress, self.history = _Progress(), History()

    def run(self) -> Result:
        progress, settings = self.progress, self.settings
        with _ctrl_c_noted() as pressed:
            # 5. Iterate.
            for epoch in range(progress.epoch, settings.epochs):
                for images, labels in self._batches(epoch):
                    self._learn_from(images, labels)
                    progress.step += 1
                    if pressed.is_set():
                        self._save_and_stop()
                self._finish_epoch()
        self.model.load_state_dict(progress.best_weights)
        if self.out is not None:
            self.history.write_picture(self.out)
        return Result(
            self.model.eval(), self.architecture, self.preprocessing, settings, self.history, progress.best_epoch
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
        value = loss.item()
        if not np.isfinite(value):
            raise ValueError(
                f"train: the loss became {value} in epoch {self.progress.epoch + 1}, step {self.progress.step + 1}; "
                f"train with a smaller lr than {self.settings.lr:g}"
            )
        self.progress.loss_sum += value * len(labels)
        self.progress.correct += int((scores.detach().numpy().argmax(1) == labels.numpy()).sum())

    def _batches(self, epoch: int) -> Iterator[tuple[mediml.Tensor, mediml.Tensor]]:
        """The batches of an epoch from `progress.step` on. Seed, epoch and step alone decide order and augmentation."""
        settings, start = self.settings, self.progress.step
        order = np.random.default_rng([settings.seed, epoch]).permutation(len(self.data.train)).tolist()
        dataset = TensorDataset(from_numpy(self.images), from_numpy(self.data.train.labels))
        loader = DataLoader(dataset, settings.batch_size, sampler=order[start * settings.batch_size :])
        self.model.train()
        bar = tqdm(
            loader,
            f"epoch {epoch + 1}/{settings.epochs}",
            initial=start,
            total=start + len(loader),
            disable=not self.show_progress,
            leave=False,
            unit="batch",
        )
        for step, (images, labels) in enumerate(bar, start):
            if self.augmentation is not None:
                changed = self.augmentation(images.numpy(), np.random.default_rng([settings.seed, epoch, step]))
                images = from_numpy(changed)
            yield images, labels

    def _finish_epoch(self) -> None:
        progress, labels = self.progress, self.data.val.labels
        logits = predict_logits(self.model, self.val_images)
        probabilities = softmax(logits)
        area = auc(labels, probabilities[:, 1]).value if logits.shape[1] == 2 else macro_auc(labels, probabilities)
        val_loss = float(-np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-300)).mean())
        progress.epoch, progress.step = progress.epoch + 1, 0
        self.history.rows.append(
            {
                "epoch": progress.epoch,
                "train_loss": progress.loss_sum / len(self.data.train),
                "train_accuracy": progress.correct / len(self.data.train),
                "val_loss": val_loss,
                "val_auc": area,
                "val_accuracy": float((logits.argmax(1) == labels).mean()),
            }
        )
        progress.loss_sum, progress.correct = 0.0, 0
        if (area, -val_loss) > progress.best_figures:
            progress.best_epoch, progress.best_figures = progress.epoch, (area, -val_loss)
            progress.best_weights = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        if self.show_progress:
            row = self.history.rows[-1]
            tqdm.write(
                f"epoch {row['epoch']:3d}/{self.settings.epochs}  loss {row['train_loss']:.4f}  "
                f"validation: loss {val_loss:.4f}  AUC {area:.4f}"
                + ("  best so far" if progress.best_epoch == progress.epoch else "")
            )
        self._save()

    def _save(self) -> None:
        if self.out is None:
            return
        checkpoint.save(
            self.out,
            {
                "settings": asdict(self.settings),
                "data": self.data.content_sha256(),
                "progress": {f.name: getattr(self.progress, f.name) for f in fields(self.progress)},
                "history": self.history.rows,
                "random": mediml.get_rng_state(),
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
            },
        )
        self.history.write_table(self.out)

    def _save_and_stop(self) -> None:
        self._save()
        if self.out is not None:
            self.history.write_picture(self.out)
        where = f"epoch {self.progress.epoch + 1}, after batch {self.progress.step}"
        raise Interrupted(
            f"stopped in {where}; saved in {self.out}, continue with --resume" if self.out else f"stopped in {where}"
        )

    def restore(self, state: dict[str, Any]) -> None:
        if state["data"] != self.data.content_sha256():
            raise checkpoint.CheckpointError(
                f"{self.out}: this training was begun with other images or labels than {self.data.name!r} holds; "
                f"continue it with the same file"
            )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.progress, self.history = _Progress(**state["progress"]), History(state["history"])
        mediml.set_rng_state(state["random"])


@contextmanager
def _ctrl_c_noted() -> Iterator[threading.Event]:
    """An event that Ctrl-C sets, so that no step is cut in two; pressed again, it interrupts at once."""
    pressed = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield pressed
        return

    def note(number: int, frame: FrameType | None) -> None:
        if pressed.is_set():
            raise KeyboardInterrupt
        pressed.set()

    former = signal.signal(signal.SIGINT, note)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, former)
