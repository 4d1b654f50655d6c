"""What every training shares, so that a training itself shows nothing but its steps.

* Epochs and batches, with a progress bar. Seed, epoch and step alone decide what a batch holds and which random numbers
  it meets, so that a training can go on from any step.
* Ctrl-C is noted and heeded between two steps; the state is saved first.
* Checkpoints after every epoch, and the same bits after `--resume`.
* A loss that is no longer a number ends the training with advice.
* A table and a picture of the epochs.
"""

import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from types import FrameType
from typing import Any, ClassVar

import numpy as np
from tqdm import tqdm

import mediml
from mediml.data.loader import DataLoader
from mediml.device import Device
from mediml.training import checkpoint
from mediml.training.history import History, Panel

__all__ = ["Interrupted", "Progress", "Training", "read_settings"]


class Interrupted(KeyboardInterrupt):
    """Ctrl-C was pressed; everything up to the last finished step has been saved."""


@dataclass
class Progress:
    """Where a training stands. Everything here goes into a checkpoint.

    Attributes
    ----------
    epoch, step : int
        Epochs that are done, and batches of the present one.
    seconds : float
        Time spent so far; counted only where the settings limit it.
    sums : dict of str to float
        Of the present epoch, for its means.
    best_epoch : int
        Counted from 1; 0 before the first.
    best_figures : tuple of float
        The larger, the better.
    best_weights : dict
    """

    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    sums: dict[str, float] = field(default_factory=dict)
    best_epoch: int = 0
    best_figures: tuple[float, ...] = ()
    best_weights: dict[str, Any] = field(default_factory=dict)

    def add(self, **amounts: float) -> None:
        """Add to the sums of the epoch."""
        for name, amount in amounts.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(amount)


class Training(ABC):
    """Base class: say what a batch is and what is learnt from it.

    A training sets `parts`, `dataset` and `data_hash` in ``__init__`` and defines `_learn_from` and `_figures`.

    Attributes
    ----------
    kind : str
        As ``mediml train`` calls it; a checkpoint of another kind is refused.
    columns, panels
        Of its `History`.
    settings
        A frozen dataclass with at least ``epochs``, ``batch_size``, ``lr`` and ``seed``; ``minutes``, where it has
        that field, limits the time; ``device`` says where the models are.
    parts : dict of str to object
        Everything with a ``state_dict`` that a checkpoint holds: models, optimizers.
    dataset
        Samples of the training split, as `DataLoader` takes them.
    data_hash, data_name : str
        Of all that is trained and validated on.
    """

    kind: ClassVar[str]
    columns: ClassVar[tuple[str, ...]]
    panels: ClassVar[tuple[Panel, ...]]
    drop_last: ClassVar[bool] = False

    parts: dict[str, Any]
    dataset: Any
    data_hash: str
    data_name: str

    def __init__(self, settings: Any, out: Path | None, progress: bool) -> None:
        self.settings, self.out, self.show_progress = settings, out, progress
        self.device = Device(settings.device)
        self.progress, self.history = self._progress({}), History([], self.columns, self.panels)

    # -- what a training defines -----------------------------------------------------------------------------------

    def _progress(self, state: Mapping[str, Any]) -> Any:
        return Progress(**state)

    def _prepared(self, batch: Any, epoch: int, step: int) -> tuple[Any, ...]:
        """What `_learn_from` takes of a batch. Random numbers come from `_generator`, not from the process."""
        return tuple(batch)

    @abstractmethod
    def _learn_from(self, *batch: Any) -> None:
        """One step on what `_prepared` gave."""

    @abstractmethod
    def _figures(self) -> dict[str, Any]:
        """The row of the epoch that has just ended, with `columns` as keys but ``"epoch"``; note the best weights."""

    def _line(self, row: Mapping[str, Any]) -> str:
        """The row in a few words."""
        return "  ".join(f"{key} {value:.4g}" for key, value in row.items() if key != "epoch" and value is not None)

    # -- what it gets ----------------------------------------------------------------------------------------------

    def _generator(self, epoch: int, step: int, stream: int = 0) -> np.random.Generator:
        """Random numbers of one step; other streams are independent."""
        return np.random.default_rng([self.settings.seed, epoch, step, *([stream] if stream else [])])

    def _on_device(self, batch: tuple[Any, ...]) -> tuple[Any, ...]:
        """The tensors of a batch, each copied once to where the training computes."""
        return tuple(part.to(self.device) for part in batch)

    def _finite(self, value: float, name: str = "loss") -> float:
        """The value, unless it is no number any more."""
        if not np.isfinite(value):
            raise ValueError(
                f"train: the {name} became {value} in epoch {self.progress.epoch + 1}, step {self.progress.step + 1}; "
                f"train with a smaller lr than {self.settings.lr:g}"
            )
        return value

    def _keep_if_best(self, figures: tuple[float, ...], model: Any) -> bool:
        """Remember the weights if these figures, the larger the better, are the best so far; of equal ones the first.

        Called from `_figures`, before the epoch is counted.
        """
        progress = self.progress
        if progress.best_epoch and figures <= tuple(progress.best_figures):
            return False
        progress.best_epoch, progress.best_figures = progress.epoch + 1, figures
        progress.best_weights = {key: value.detach().clone() for key, value in model.state_dict().items()}
        return True

    def steps_per_epoch(self) -> int:
        """Batches of an epoch."""
        count, size = len(self.dataset), self.settings.batch_size
        return count // size if self.drop_last else -(-count // size)

    def done(self) -> float:
        """Share of the training that is done, by steps or by time, whichever is further; from 0 to 1."""
        progress = self.progress
        steps = (progress.epoch + progress.step / self.steps_per_epoch()) / self.settings.epochs
        limit = self._seconds_allowed()
        return min(1.0, max(steps, progress.seconds / limit if limit else 0.0))

    def iterate(self) -> None:
        """Run the epochs that are left.

        Raises
        ------
        Interrupted
            After Ctrl-C, once the state is saved.
        """
        if self.steps_per_epoch() == 0:
            raise ValueError(
                f"train: batch_size expects at most the {len(self.dataset)} training examples of {self.data_name}, "
                f"got {self.settings.batch_size}"
            )
        self._last = time.monotonic()
        with ctrl_c_noted() as pressed:
            for epoch in range(self.progress.epoch, self.settings.epochs):
                if self._time_is_up():
                    break
                for batch in self._batches(epoch):
                    self._learn_from(*self._on_device(batch))
                    self.progress.step += 1
                    self._count_time()
                    if pressed.is_set():
                        self._save_and_stop()
                    if self._time_is_up():
                        break
                self._finish_epoch()
        if self.out is not None:
            self.history.write_picture(self.out)

    def _seconds_allowed(self) -> float:
        return 60 * (getattr(self.settings, "minutes", None) or 0.0)

    def _count_time(self) -> None:
        now = time.monotonic()
        if self._seconds_allowed():
            self.progress.seconds += now - self._last
        self._last = now

    def _time_is_up(self) -> bool:
        limit = self._seconds_allowed()
        return limit > 0 and self.progress.seconds >= limit

    def _batches(self, epoch: int) -> Iterator[tuple[Any, ...]]:
        """The batches of an epoch from `progress.step` on. Seed, epoch and step alone decide what they hold."""
        settings, start = self.settings, self.progress.step
        order = np.random.default_rng([settings.seed, epoch]).permutation(len(self.dataset)).tolist()
        sampler = order[start * settings.batch_size :]
        loader = DataLoader(self.dataset, settings.batch_size, sampler=sampler, drop_last=self.drop_last)
        bar = tqdm(
            loader,
            f"epoch {epoch + 1}/{settings.epochs}",
            initial=start,
            total=start + len(loader),
            disable=not self.show_progress,
            leave=False,
            unit="batch",
        )
        for step, batch in enumerate(bar, start):
            yield self._prepared(batch, epoch, step)

    def _finish_epoch(self) -> None:
        progress = self.progress
        row = {"epoch": progress.epoch + 1, **self._figures()}
        progress.epoch, progress.step, progress.sums = progress.epoch + 1, 0, {}
        self.history.rows.append(row)
        if self.show_progress:
            best = "  best so far" if progress.best_epoch == progress.epoch else ""
            tqdm.write(f"epoch {row['epoch']:3d}/{self.settings.epochs}  {self._line(row)}{best}")
        self._save()

    # -- checkpoints -----------------------------------------------------------------------------------------------

    def _save(self) -> None:
        if self.out is None:
            return
        checkpoint.save(
            self.out,
            {
                "kind": self.kind,
                "settings": asdict(self.settings),
                "data": self.data_hash,
                "progress": {f.name: getattr(self.progress, f.name) for f in fields(self.progress)},
                "history": self.history.rows,
                "random": mediml.get_rng_state(),
                **{name: part.state_dict() for name, part in self.parts.items()},
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

    def begin(self) -> None:
        """Take the folder for this training.

        Raises
        ------
        CheckpointError
            If it holds one already.
        """
        if self.out is None:
            return
        if checkpoint.exists(self.out):
            raise checkpoint.CheckpointError(
                f"{self.out}: holds a training already; continue it with --resume, or choose another folder"
            )
        self.out.mkdir(parents=True, exist_ok=True)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to where a checkpoint was written.

        Raises
        ------
        CheckpointError
            If it is of other data.
        """
        if state["data"] != self.data_hash:
            raise checkpoint.CheckpointError(
                f"{self.out}: this training was begun with other images or labels than {self.data_name!r} holds; "
                f"continue it with the same file"
            )
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
        self.progress = self._progress(state["progress"])
        self.history = History(state["history"], self.columns, self.panels)
        mediml.set_rng_state(state["random"])


def read_settings(
    kind: str, settings_class: Any, out: Path, epochs: int | None = None, minutes: float | None = None
) -> tuple[Any, dict[str, Any]]:
    """Settings and state of the training in a folder; a new total of epochs or minutes may be given.

    Raises
    ------
    CheckpointError
        If there is no checkpoint, it is damaged, or it is of another kind of training.
    ValueError
        If fewer epochs are asked for than are done.
    """
    state = checkpoint.load(out)
    if (found := state.get("kind")) != kind:
        held = f"one of 'mediml train {found}'" if found else "none that says its kind"
        raise checkpoint.CheckpointError(
            f"{out}: expected a training of 'mediml train {kind}', it holds {held}; continue it with its own command"
        )
    settings = settings_class(**state["settings"])
    if epochs is not None:
        if epochs < state["progress"]["epoch"]:
            raise ValueError(
                f"resume: epochs expects at least the {state['progress']['epoch']} that are done, got {epochs}"
            )
        settings = replace(settings, epochs=epochs)
    return settings if minutes is None else replace(settings, minutes=minutes), state


@contextmanager
def ctrl_c_noted() -> Iterator[threading.Event]:
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
