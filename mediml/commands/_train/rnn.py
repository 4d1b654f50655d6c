"""``mediml train rnn``: train a recurrent network on sequences."""

import argparse
from pathlib import Path
from typing import Any

from mediml.commands._train.common import (
    add_common_arguments,
    evaluation,
    finish,
    given_settings,
    train_or_resume,
)

SUMMARY = "read sequences: RNN, LSTM or GRU on the adding problem, parity, report sentences or an ECG"

TASKS = ("adding", "parity", "sentences", "ecg")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--task", choices=TASKS, default="adding", help="what to learn (adding)")
    parser.add_argument("--length", type=int, help="steps of the adding problem (100), longest of parity (20)")
    parser.add_argument("--language", choices=["en", "zh"], help="of the sentences (en)")
    parser.add_argument(
        "--unseen",
        choices=["templates", "findings"],
        help="what of the test sentences training never shows (templates)",
    )
    parser.add_argument("--count", type=int, help="training sequences, generated")
    parser.add_argument("--data-seed", type=int, help="of the generated sequences (0)")
    add_common_arguments(
        parser,
        epochs="passes over the training sequences (adding and parity 60, sentences 12, ecg 30)",
        batch="sequences per step (50)",
        lr="step size of Adam (adding and parity 0.01, else 0.003)",
        seed="of weights, order and dropout (0)",
    )
    parser.add_argument("--cell", choices=["rnn", "lstm", "gru"], help="(lstm)")
    parser.add_argument("--hidden", type=int, help="width of the hidden state (50)")
    parser.add_argument("--layers", type=int, help="(sentences 2, else 1)")
    parser.add_argument("--bidirectional", action=argparse.BooleanOptionalAction, help="read in both directions")
    parser.add_argument("--pooling", choices=["last", "mean", "max"], help="how steps become one vector (last)")
    parser.add_argument("--dropout", type=float, help="between layers and in front of the last (0)")
    parser.add_argument("--clip", type=float, help="largest norm of the gradient (1)")
    parser.add_argument("--forget-bias", type=float, help="initial bias of an LSTM's forget gates (1)")


def run(arguments: argparse.Namespace) -> int:
    from mediml.training import sequences
    from mediml.training.sequence_tasks import load_task, measure, warnings_of

    given = given_settings(arguments, sequences.SequenceSettings)
    settings = sequences.SequenceSettings(**{**sequences.DEFAULTS[arguments.task], **given})
    made_with = _made_with(arguments)
    task = load_task(arguments.task, **made_with)
    out = arguments.out or Path("runs") / f"{settings.cell}-{task.name}-seed-{settings.seed}"
    shown = not arguments.quiet
    result = train_or_resume(
        arguments,
        out,
        given,
        lambda: sequences.train(task, settings, out, shown),
        lambda: sequences.resume(task, out, shown, given.get("epochs"), given.get("minutes")),
        _words(arguments),
    )
    if result is None:
        return 130
    figures = measure(task, "test", sequences.outputs(result.model, task.splits["test"]))
    described = {"name": task.data_name, "task": task.name, "sha256": task.sha256(), "made_with": made_with}
    warnings = warnings_of(figures["values"])
    finish(out, "rnn", result, described, figures, {"model": result.model}, warnings)
    return 0


def evaluate(saved: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    """The figures of a run on a split."""
    from mediml.training import sequences
    from mediml.training.sequence_tasks import load_task, measure

    if arguments.data:
        raise ValueError("--data: the sequences of this run are made as its summary says; leave the option out")
    data = saved.summary["data"]
    task = load_task(data["task"], **data["made_with"])
    model = sequences.build(saved.summary["architecture"])
    saved.fill(model=model)
    split = arguments.split
    return evaluation(saved, task.sha256(), measure(task, split, sequences.outputs(model, task.splits[split])))


def _made_with(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options of the data, refused where they do not belong to the task."""
    task, made_with = arguments.task, {}
    allowed = {
        "length": ("adding", "parity"),
        "language": ("sentences",),
        "unseen": ("sentences",),
        "count": ("adding", "parity", "sentences"),
        "data_seed": ("adding", "parity", "sentences"),
    }
    for name, tasks in allowed.items():
        value = getattr(arguments, name)
        if value is None:
            continue
        if task not in tasks:
            raise ValueError(f"--{name.replace('_', '-')}: belongs to the task {' or '.join(tasks)}, got {task}")
        made_with[{"count": "train", "data_seed": "seed"}.get(name, name)] = value
    if task == "parity" and "length" in made_with:
        made_with["lengths"] = (1, made_with.pop("length"))
    return made_with


def _words(arguments: argparse.Namespace) -> str:
    """The options of the data as they stand on the command line."""
    names = ("length", "language", "unseen", "count", "data_seed")
    given = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    return f" --task {arguments.task}" + "".join(f" --{k.replace('_', '-')} {v}" for k, v in given.items())
