"""Options, interruption, and the folder of a run: the same for every model."""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

__all__ = ["add_common_arguments", "command", "given_settings", "refuse_other_settings", "train_or_resume"]


def add_common_arguments(
    parser: argparse.ArgumentParser, epochs: str, batch: str, lr: str, seed: str, minutes: bool = True
) -> None:
    """The options of every training; the texts say what is counted, and the default."""
    parser.add_argument("--out", type=Path, metavar="RUN", help="folder for the run (runs/NAME-seed-SEED)")
    parser.add_argument("--epochs", type=int, help=epochs)
    parser.add_argument("--batch-size", type=int, help=batch)
    parser.add_argument("--lr", type=float, help=lr)
    if minutes:
        parser.add_argument(
            "--minutes", type=float, help="stop after this time, if the epochs are not done; not repeatable to the bit"
        )
    parser.add_argument("--seed", type=int, help=seed)
    parser.add_argument("--device", metavar="DEVICE", help="where to train: cpu, or cuda, an NVIDIA GPU (cpu)")
    parser.add_argument("--resume", action="store_true", help="go on with the interrupted training in RUN")
    parser.add_argument("--quiet", action="store_true", help="no progress bar and no line per epoch")


def given_settings(arguments: argparse.Namespace, settings_class: Any) -> dict[str, Any]:
    """The settings that stand on the command line."""
    names = (f.name for f in fields(settings_class))
    return {name: getattr(arguments, name) for name in names if getattr(arguments, name, None) is not None}


def train_or_resume(
    arguments: argparse.Namespace,
    out: Path,
    given: Mapping[str, Any],
    train: Callable[[], Any],
    resume: Callable[[], Any],
    data_options: str = "",
) -> Any:
    """The result, or None after Ctrl-C, when it was said how to go on."""
    from mediml.training import Interrupted

    try:
        if arguments.resume:
            refuse_other_settings(out, given)
            return resume()
        return train()
    except Interrupted as stop:
        print(f"\n{stop}:\n  {command(arguments, out, data_options)}")
        return None


def refuse_other_settings(out: Path, given: Mapping[str, Any]) -> None:
    """A resumed training keeps its settings; only the number of epochs, and the minutes, may change."""
    from mediml.training import checkpoint

    kept = checkpoint.load(out)["settings"]
    for name, value in given.items():
        if name not in ("epochs", "minutes") and name in kept and kept[name] != value:
            raise ValueError(
                f"--{name.replace('_', '-')}: the training in {out} runs with {kept[name]}, got {value}; "
                f"leave the option out, or train anew in another folder"
            )


def command(arguments: argparse.Namespace, out: Path, data_options: str = "") -> str:
    """What continues this training."""
    data = data_options or (f" --data {arguments.data}" if getattr(arguments, "data", None) else "")
    return f"mediml train {arguments.model}{data} --out {out} --resume"


def finish(
    out: Path,
    kind: str,
    result: Any,
    data: Mapping[str, Any],
    figures: Mapping[str, Any],
    models: Mapping[str, Any],
    warnings: tuple[str, ...] = (),
    pictures: Mapping[str, bytes] | None = None,
    also: str = "",
) -> None:
    """Write a finished run and say what it came to."""
    from mediml.training import run
    from mediml.utils.files import write_atomically

    summary = run.summarise(kind, result.architecture, result.settings, data, figures, warnings)
    if getattr(result, "best_epoch", None):
        summary["best_epoch"] = result.best_epoch
    for name, content in (pictures or {}).items():
        write_atomically(out / name, content)
    run.write(out, summary, models)
    files = ["model.safetensors", "model.json (summary)", "history.csv", "curves.png", *(pictures or {})]
    print(describe(summary, figures))
    print(f"written: {out}/{', '.join([*files, also] if also else files)}\nnext: mediml evaluate {out}")


def describe(summary: Mapping[str, Any], figures: Mapping[str, Any]) -> str:
    """The figures of a run, and what must be known of them, for people."""
    from mediml.training.run import table

    best = f"best epoch {summary['best_epoch']}, chosen on validation\n" if "best_epoch" in summary else ""
    warnings = "".join(f"\nWARNING: {text}" for text in summary["warnings"])
    return f"{best}{table(figures)}{warnings}\nEducation, not for clinical use."


def evaluation(saved: Any, sha256: str, figures: Mapping[str, Any]) -> dict[str, Any]:
    """What `mediml evaluate` reports of a run."""
    summary = saved.summary
    return {
        "model": saved.folder.resolve().name,
        "kind": summary["kind"],
        "weights_sha256": summary["weights_sha256"],
        "data": summary["data"]["name"],
        "data_is_the_trained_on": sha256 == summary["data"]["sha256"],
        **figures,
        "warnings": summary["warnings"],
    }
