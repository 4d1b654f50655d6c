"""What a recurrent network is trained on and measured by: four tasks in one form.

* ``adding``: remember two numbers over many steps. Mean squared error, beside 1/6 of always answering 1.
* ``parity``: count ones. Share of right answers, beside 1/2 by chance.
* ``sentences``: is the finding of a report sentence present, negated or uncertain? Share of right answers, beside a
  keyword rule.
* ``ecg``: predict the next values of an electrocardiogram. Root mean squared error, beside persistence and a linear
  model.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediml.evaluation import Estimate, cluster_bootstrap, wilson
from mediml.training.run import figure

__all__ = ["TASKS", "Task", "TaskSplit", "load_task", "measure", "warnings_of"]

TASKS = ("adding", "parity", "sentences", "ecg")


@dataclass(frozen=True, eq=False)
class TaskSplit:
    """Sequences, padded behind their ends.

    Attributes
    ----------
    inputs : ndarray, (N, T, F_in) of float32 or (N, T) tokens of int64
    lengths : ndarray of int64, shape (N,)
    targets : ndarray, (N,) classes of int64 or (N, F_out) numbers of float32
    """

    inputs: NDArray[Any]
    lengths: NDArray[np.int64]
    targets: NDArray[Any]

    def __len__(self) -> int:
        return len(self.lengths)


@dataclass(frozen=True, eq=False)
class Task:
    """A task: data in three splits, the sizes a network needs for it, and how it is measured.

    Attributes
    ----------
    name, data_name : str
    options : dict
        What `load_task` was given.
    splits : dict of TaskSplit
        ``"train"``, ``"val"``, ``"test"``.
    sizes : dict
        ``input_size``, ``num_classes``, ``embed`` and ``padding_idx`` of `mediml.models.rnn.RNN`.
    classes : tuple of str
        Empty where numbers are predicted.
    loss_label : str
        What is minimised, with its unit.
    loss_level : tuple of (float, str), optional
        The loss of an answer that ignores the sequence.
    source
        The data as its module gives it.
    """

    name: str
    data_name: str
    options: dict[str, Any]
    splits: dict[str, TaskSplit]
    sizes: dict[str, Any]
    classes: tuple[str, ...]
    loss_label: str
    loss_level: tuple[float, str] | None
    source: Any = field(repr=False)

    def sha256(self) -> str:
        """Hash of everything that is trained and measured on."""
        digest = hashlib.sha256()
        for name, part in self.splits.items():
            for array in (part.inputs, part.lengths, part.targets):
                digest.update(f"{name} {array.dtype} {array.shape}\0".encode() + array.tobytes())
        return digest.hexdigest()


def load_task(name: str, **options: Any) -> Task:
    """The data of a task.

    Parameters
    ----------
    name : {"adding", "parity", "sentences", "ecg"}
    options
        Of the function that gives the data: `mediml.data.sequences.adding` and `parity`,
        `mediml.data.sentences.report_sentences`, `mediml.data.ecg.ecg_forecast`.
    """
    makers: dict[str, Callable[[dict[str, Any]], Task]] = {
        "adding": _adding,
        "parity": _parity,
        "sentences": _sentences,
        "ecg": _ecg,
    }
    if name not in makers:
        raise ValueError(f"load_task: expected one of {', '.join(TASKS)}, got {name!r}")
    return makers[name](options)


def _adding(options: dict[str, Any]) -> Task:
    from mediml.data.sequences import adding

    data = adding(**options)
    splits = {
        name: TaskSplit(part.inputs, part.lengths, part.targets.astype(np.float32).reshape(-1, 1))
        for name, part in _parts(data)
    }
    sizes = {"input_size": 2, "num_classes": 1, "embed": False, "padding_idx": None}
    level = (data.baseline, "always 1")
    return Task("adding", data.name, options, splits, sizes, (), "mean squared error", level, data)


def _parity(options: dict[str, Any]) -> Task:
    from mediml.data.sequences import parity

    data = parity(**options)
    splits = {name: TaskSplit(part.inputs, part.lengths, part.targets) for name, part in _parts(data)}
    sizes = {"input_size": 1, "num_classes": 2, "embed": False, "padding_idx": None}
    level = (float(np.log(2)), "chance")
    return Task("parity", data.name, options, splits, sizes, ("even", "odd"), "cross entropy (nats)", level, data)


def _sentences(options: dict[str, Any]) -> Task:
    from mediml.data.sentences import STATUSES, report_sentences

    data = report_sentences(**options)
    splits = {name: TaskSplit(part.tokens, part.lengths, part.labels) for name, part in _parts(data)}
    sizes = {"input_size": len(data.vocabulary), "num_classes": len(STATUSES), "embed": True, "padding_idx": 0}
    level = (float(np.log(len(STATUSES))), "chance")
    return Task("sentences", data.name, options, splits, sizes, tuple(STATUSES), "cross entropy (nats)", level, data)


def _ecg(options: dict[str, Any]) -> Task:
    from mediml.data.ecg import ecg_forecast

    data = ecg_forecast(**options)
    splits = {
        name: TaskSplit(part.inputs, part.lengths, part.targets.astype(np.float32).reshape(-1, 1))
        for name, part in _parts(data)
    }
    sizes = {"input_size": data.train.inputs.shape[2], "num_classes": 1, "embed": False, "padding_idx": None}
    return Task("ecg", data.name, options, splits, sizes, (), "mean squared error (mV²)", None, data)


def _parts(data: Any) -> list[tuple[str, Any]]:
    return [(name, getattr(data, name)) for name in ("train", "val", "test")]


def measure(task: Task, split: str, scores: NDArray[np.float64]) -> dict[str, Any]:
    """The figures of a split as a summary holds them.

    Parameters
    ----------
    task : Task
    split : {"val", "test"}
    scores : ndarray of shape (N, outputs)
        What the network says about the sequences of the split.
    """
    part = task.splits[split]
    values = {
        "adding": _measure_adding,
        "parity": _measure_parity,
        "sentences": _measure_sentences,
        "ecg": _measure_ecg,
    }[task.name](task, split, scores)
    steps = f"{part.lengths.min()} to {part.lengths.max()}" if np.ptp(part.lengths) else f"{part.lengths[0]}"
    return {
        "split": split,
        "measured_on": f"the {split} split of {task.data_name}: {len(part)} sequences of {steps} steps",
        "values": values,
    }


def warnings_of(values: dict[str, dict[str, Any]]) -> tuple[str, ...]:
    """Which of the answers that need no network this one does not beat."""
    said = []
    if "mse" in values and values["mse"]["high"] >= values["mse_of_one"]["value"]:
        said.append("It has learnt nothing that can be measured: its error is not below that of always answering 1.")
    if "chance" in values and values["accuracy"]["low"] <= values["chance"]["value"]:
        said.append("It has learnt nothing that can be measured: its right answers are not above chance.")
    for name, other in (("most_frequent", "always saying the most frequent status"), ("rule", "the keyword rule")):
        if name in values and values["accuracy"]["low"] <= values[name]["value"]:
            said.append(f"Its right answers are not measurably more than those of {other}.")
    for name, other in (("persistence", "persistence"), ("linear", "the linear model")):
        if f"rmse_{name}" in values and values["rmse"]["value"] >= values[f"rmse_{name}"]["value"]:
            said.append(f"Its error is not below that of {other}.")
    return tuple(said)


def _measure_adding(task: Task, split: str, scores: NDArray[np.float64]) -> dict[str, Any]:
    targets = task.splits[split].targets
    errors = (scores - targets)[:, 0] ** 2
    return {
        "mse": figure("mean squared error", _mean(errors), digits=5),
        "mse_of_one": figure("of always answering 1 (1/6 in the long run)", ((1 - targets) ** 2).mean(), digits=5),
        "near": figure("answers within 0.04 of the sum", _share(errors < 0.04**2)),
    }


def _measure_parity(task: Task, split: str, scores: NDArray[np.float64]) -> dict[str, Any]:
    part = task.splits[split]
    right = scores.argmax(1) == part.targets
    values = {"accuracy": figure("right answers", _share(right)), "chance": figure("by chance", 0.5)}
    middle = int(np.median(part.lengths))
    for name, chosen in (("short", part.lengths <= middle), ("long", part.lengths > middle)):
        bound = f"up to {middle}" if name == "short" else f"more than {middle}"
        if chosen.any():
            values[f"accuracy_{name}"] = figure(f"right answers, {bound} bits", _share(right[chosen]))
    return values


def _measure_sentences(task: Task, split: str, scores: NDArray[np.float64]) -> dict[str, Any]:
    from mediml.data.sentences import keyword_rule

    part, source = task.splits[split], getattr(task.source, split)
    right = scores.argmax(1) == part.targets
    rule = keyword_rule(source.texts, task.source.language) == part.targets
    frequent = np.bincount(part.targets, minlength=len(task.classes)).max() / len(part)
    values = {
        "accuracy": figure("right answers", _share(right)),
        "rule": figure("right answers of the keyword rule", _share(rule)),
        "most_frequent": figure("of always saying the most frequent status", frequent),
    }
    for name, chosen in (("trap", source.traps), ("plain", ~source.traps)):
        if chosen.any():
            values[f"accuracy_{name}"] = figure(f"right answers, {name} sentences", _share(right[chosen]))
            values[f"rule_{name}"] = figure(f"right answers of the keyword rule, {name}", _share(rule[chosen]))
    for number, status in enumerate(task.classes):
        if (part.targets == number).any():
            values[f"recall_{status}"] = figure(f"right answers, {status}", _share(right[part.targets == number]))
    return values


def _measure_ecg(task: Task, split: str, scores: NDArray[np.float64]) -> dict[str, Any]:
    """Without intervals: neighbouring windows overlap, and there is one recording of one person."""
    from mediml.data.ecg import RidgeForecast, persistence, rmse_mv

    part = getattr(task.source, split)
    forecasts: dict[str, tuple[str, NDArray[Any]]] = {
        "rmse": ("root mean squared error", scores[:, 0]),
        "rmse_persistence": ("of persistence: the value stays what it is", persistence(part)),
        "rmse_linear": (
            "of linear autoregression (ridge, fitted on training)",
            RidgeForecast.fit(task.source).predict(part),
        ),
        "rmse_mean": ("of the mean of training", np.full(len(part), task.source.train.targets.mean())),
    }
    return {name: figure(text, rmse_mv(part, forecast), "mV", 4) for name, (text, forecast) in forecasts.items()}


def _share(right: NDArray[np.bool_]) -> Estimate:
    return wilson(int(right.sum()), len(right))


def _mean(values: NDArray[np.float64]) -> Estimate:
    """A mean with its bootstrap interval."""
    return cluster_bootstrap(lambda drawn: float(drawn.mean()), np.arange(len(values)), values)
