"""Training of a recurrent network on sequences: remember, count, read, predict.

The five steps are the classifier's; between the gradient and the optimizer's step stands one that recurrent networks
need: a gradient that has been multiplied along many steps may be huge, so its norm is cut. Taught in lessons 11, RNN,
and 12, LSTM, GRU and language.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import mediml
from mediml import from_numpy, nn, no_grad, optim
from mediml.data.loader import TensorDataset
from mediml.models import rnn
from mediml.models.predict import output_of
from mediml.training.base import Training, read_settings
from mediml.training.history import History, Panel
from mediml.training.sequence_tasks import TASKS, Task
from mediml.training.settings import expect_choice, expect_positive, expect_whole

__all__ = ["DEFAULTS", "SequenceResult", "SequenceSettings", "build", "outputs", "resume", "train"]

#: Settings in which the tasks differ from the ones below.
DEFAULTS: dict[str, dict[str, Any]] = {
    "adding": {"epochs": 60, "lr": 1e-2, "layers": 1},
    "parity": {"epochs": 60, "lr": 1e-2, "layers": 1},
    "sentences": {"epochs": 12},
    "ecg": {"epochs": 30, "layers": 1},
}


@dataclass(frozen=True)
class SequenceSettings:
    """All that decides the training of a recurrent network, beside the data.

    Attributes
    ----------
    task : str
        One of ``adding``, ``parity``, ``sentences``, ``ecg``.
    cell : str
        ``"rnn"`` (Elman's, with tanh), ``"lstm"`` or ``"gru"``.
    hidden, layers : int
    bidirectional : bool
    pooling : str
        ``"last"``, ``"mean"`` or ``"max"``: how the steps become one vector.
    dropout : float
    clip : float or None
        Largest norm of the gradient of all weights together; None: any.
    forget_bias : float
        Initial bias of the LSTM's forget gates. Above 0 a cell remembers from the start; with the usual random values
        near 0 it forgets half of its content at each step.
    epochs, batch_size : int
    lr : float
        Step size of Adam.
    minutes : float, optional
    seed : int
        Of the weights, the order of the sequences and dropout.
    device : str
        Where to train. Another device gives other last digits, so a training goes on where it was begun.

    References
    ----------
    R. Pascanu, T. Mikolov, Y. Bengio, "On the difficulty of training recurrent neural networks", ICML 2013: clipping.
    F. A. Gers, J. Schmidhuber, F. Cummins, "Learning to forget", Neural Computation 12, 2000; R. Jozefowicz,
    W. Zaremba, I. Sutskever, "An empirical exploration of recurrent network architectures", ICML 2015: forget bias.
    """

    task: str = "adding"
    cell: str = "lstm"
    hidden: int = 50
    layers: int = 2
    bidirectional: bool = False
    pooling: str = "last"
    dropout: float = 0.0
    clip: float | None = 1.0
    forget_bias: float = 1.0
    epochs: int = 20
    batch_size: int = 50
    lr: float = 3e-3
    minutes: float | None = None
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        expect_choice(self, task=TASKS, cell=tuple(rnn.CELLS), pooling=tuple(rnn.POOLINGS))
        expect_whole(self, hidden=1, layers=1, epochs=1, batch_size=1, seed=0)
        expect_positive(self, "lr", "clip", "minutes")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"settings: dropout expects a number from 0 to below 1, got {self.dropout!r}")


@dataclass(frozen=True, eq=False)
class SequenceResult:
    """A finished training.

    Attributes
    ----------
    model : nn.Module
        With the weights of the best epoch, in evaluation mode.
    architecture : dict
        What `build` needs.
    settings : SequenceSettings
    history : History
    best_epoch : int
        Counted from 1: smallest loss on validation.
    """

    model: nn.Module
    architecture: dict[str, Any]
    settings: SequenceSettings
    history: History
    best_epoch: int


def train(
    task: Task, settings: SequenceSettings | None = None, out: Path | None = None, progress: bool = True
) -> SequenceResult:
    """Train a recurrent network from random weights.

    Parameters
    ----------
    task : Task
        The training split moves the weights; the validation split chooses the epoch. The test split is not looked at.
    settings : SequenceSettings, optional
        Without it those that suit the task.
    out : Path, optional
        A folder without a checkpoint: gets a checkpoint after every epoch, ``history.csv`` and ``curves.png``.
    progress : bool
        Show a progress bar.

    Raises
    ------
    Interrupted
        After Ctrl-C, once the state is saved; `resume` goes on from there, to the same bits.
    """
    settings = settings or SequenceSettings(task=task.name, **DEFAULTS[task.name])
    training = _Training(task, settings, None if out is None else Path(out), progress)
    training.begin()
    return training.run()


def resume(
    task: Task, out: Path, progress: bool = True, epochs: int | None = None, minutes: float | None = None
) -> SequenceResult:
    """Go on with the training whose checkpoint is in `out`; `epochs` and `minutes` may be new totals."""
    settings, state = read_settings("rnn", SequenceSettings, out, epochs, minutes)
    training = _Training(task, settings, Path(out), progress)
    training.restore(state)
    return training.run()


def build(architecture: Mapping[str, Any]) -> nn.Module:
    """A network of an architecture, with random weights from the process's numbers."""
    options = dict(architecture)
    forget_bias = options.pop("forget_bias")
    model = rnn.RNN(**options)
    if options["cell"] == "lstm" and forget_bias:
        _remember(model, options["hidden_size"], forget_bias)
    return model


def _remember(model: nn.Module, F_hid: int, bias: float) -> None:  # noqa: N803 - the symbol of the formula
    """Set the forget gates' biases: the second quarter of the gates (i, f, g, o); of the two biases one stays 0."""
    with no_grad():
        for name, parameter in model.rnn.named_parameters():
            if name.startswith("bias_"):
                parameter[F_hid : 2 * F_hid] = bias if name.startswith("bias_ih") else 0.0


def outputs(model: nn.Module, split: Any, batch_size: int = 256) -> NDArray[np.float64]:
    """The network's outputs for a split in evaluation mode, (N, outputs), batch by batch."""
    training = model.training
    model.eval()
    try:
        with no_grad():
            batches = (slice(start, start + batch_size) for start in range(0, len(split.inputs), batch_size))
            parts = [output_of(model, split.inputs[batch], from_numpy(split.lengths[batch])) for batch in batches]
    finally:
        model.train(training)
    return np.concatenate(parts).astype(np.float64)


class _Training(Training):
    kind = "rnn"
    columns = ("epoch", "train_loss", "val_loss", "val_accuracy", "gradient_norm")

    def __init__(self, task: Task, settings: SequenceSettings, out: Path | None, progress: bool) -> None:
        if settings.task != task.name:
            raise ValueError(f"train: settings are for the task {settings.task!r}, the data for {task.name!r}")
        self.task, self.data_hash, self.data_name = task, task.sha256(), task.data_name
        super().__init__(settings, out, progress)
        part = task.splits["train"]
        self.dataset = TensorDataset(*(from_numpy(array) for array in (part.inputs, part.lengths, part.targets)))
        self.architecture = {
            **task.sizes,
            "hidden_size": settings.hidden,
            "num_layers": settings.layers,
            "cell": settings.cell,
            "bidirectional": settings.bidirectional,
            "dropout": settings.dropout,
            "pooling": settings.pooling,
            "forget_bias": settings.forget_bias,
        }
        # 1. Initialise the weights at random.
        mediml.manual_seed(settings.seed)
        self.model = build(self.architecture).to(self.device)
        self.optimizer = optim.Adam(self.model.parameters(), lr=settings.lr)
        self.parts = {"model": self.model, "optimizer": self.optimizer}

    @property
    def panels(self) -> tuple[Panel, ...]:  # type: ignore[override]
        lines = (("train_loss", "training", "-"), ("val_loss", "validation", "--"))
        loss = Panel(self.task.loss_label, lines, from_zero=True, level=self.task.loss_level)
        return (loss, Panel("norm of the gradient", (("gradient_norm", "", "-"),), from_zero=True))

    def run(self) -> SequenceResult:
        # 5. Iterate over batches and epochs.
        self.model.train()
        self.iterate()
        best = self.progress.best_epoch
        self.model.load_state_dict(self.progress.best_weights)
        return SequenceResult(self.model.eval(), self.architecture, self.settings, self.history, best)

    def _on_device(self, batch: tuple[Any, ...]) -> tuple[Any, ...]:
        inputs, lengths, targets = batch  # the lengths are numbers that the CPU counts with
        inputs, targets = super()._on_device((inputs, targets))
        return inputs, lengths, targets

    def _learn_from(self, inputs: mediml.Tensor, lengths: mediml.Tensor, targets: mediml.Tensor) -> None:
        # 2. Forward, step by step along the sequences.
        scores = self.model(inputs, lengths)
        # 3. Loss.
        loss = self._loss(scores, targets)
        # 4. Backward through time; cut the gradient's norm; one step downhill.
        self.optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip or float("inf"))
        self.optimizer.step()
        value = self._finite(loss.item())
        self.progress.add(loss=value * len(targets), count=len(targets), norm=norm.item(), steps=1)

    def _loss(self, scores: mediml.Tensor, targets: mediml.Tensor) -> mediml.Tensor:
        if self.task.classes:
            return nn.functional.cross_entropy(scores, targets)
        return nn.functional.mse_loss(scores, targets)

    def _figures(self) -> dict[str, Any]:
        sums, part = self.progress.sums, self.task.splits["val"]
        scores = outputs(self.model, part)
        with no_grad():
            loss = self._loss(from_numpy(scores.astype(np.float32)), from_numpy(part.targets)).item()
        self._keep_if_best((-self._finite(loss, "loss on validation"),), self.model)
        return {
            "train_loss": sums["loss"] / sums["count"],
            "val_loss": loss,
            "val_accuracy": float((scores.argmax(1) == part.targets).mean()) if self.task.classes else None,
            "gradient_norm": sums["norm"] / sums["steps"],
        }
