"""``mediml evaluate``: the figures of a trained model on a split, with their intervals."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from mediml.commands.train import MODELS

SUMMARY = (
    "evaluate a trained model on a split: a classifier's AUC, operating point and calibration; a run's own figures"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", metavar="RUN|MODEL", help="folder of mediml train, .safetensors file, or packaged name"
    )
    parser.add_argument(
        "--data", metavar="DATA", help="as at the training; without it: the generated set of this kind of model"
    )
    parser.add_argument("--split", choices=["val", "test"], default="test", help="which images (test)")
    parser.add_argument("--json", metavar="PATH", help="write the figures as JSON; - is standard output")
    parser.add_argument("--device", default="cpu", help="where the model computes: cpu or cuda (cpu)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for the figures (RUN, where one is given)")


def run(arguments: argparse.Namespace) -> int:
    from mediml.evaluation import evaluate, softmax
    from mediml.models.predict import predict_logits
    from mediml.models.pretrained import load
    from mediml.training.run import is_run

    if is_run(arguments.model):
        return _evaluate_run(arguments)
    pretrained = load(arguments.model)
    pretrained.model.to(arguments.device)
    card = pretrained.card
    data = _data_for(card, Path(arguments.data) if arguments.data else None)
    part = getattr(data, arguments.split)
    logits = predict_logits(pretrained.model, part.arrays(card["preprocessing"]["mean"], card["preprocessing"]["std"]))
    figures = evaluate(part.labels, logits, card["threshold"], card["temperature"])
    known = data.content_sha256() == card["data"]["content_sha256"]
    report = {
        "model": pretrained.name,
        "weights_sha256": card["weights_sha256"],
        "data": data.name,
        "data_is_the_trained_on": known,
        "split": arguments.split,
        "classes": card["classes"],
        **figures,
    }
    if arguments.json == "-":
        json.dump(report, sys.stdout, indent=1)
        print()
    else:
        print(describe(report))
    if arguments.json not in (None, "-"):
        Path(arguments.json).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    folder = arguments.out or (Path(arguments.model) if Path(arguments.model).is_dir() else None)
    if folder is not None:
        _write_figures(folder, report, part.labels, softmax(logits, card["temperature"]), arguments.json != "-")
    return 0


def _evaluate_run(arguments: argparse.Namespace) -> int:
    """What is not a classifier has its own figures, as its training printed them."""
    from mediml.training.run import RunError, read, table

    saved = read(arguments.model, arguments.device)
    if (kind := saved.summary["kind"]) not in MODELS:
        raise RunError(f"{arguments.model}: expected a run of 'mediml train' {', '.join(MODELS)}, got {kind!r}")
    report = MODELS[kind].evaluate(saved, arguments)
    text = json.dumps(report, indent=1, ensure_ascii=False)
    if arguments.json == "-":
        print(text)
        return 0
    print(f"model  {report['model']}, {kind} (weights {report['weights_sha256'][:12]})")
    if not report["data_is_the_trained_on"]:
        print("       other data than the model was trained on")
    print(table(report), *(f"WARNING: {warning}" for warning in report["warnings"]), sep="\n")
    print("Education, not for clinical use.")
    if arguments.json:
        Path(arguments.json).write_text(text + "\n", encoding="utf-8")
    return 0


def describe(report: dict[str, Any]) -> str:
    """The report as a table for people."""
    classes = report["classes"]
    frequent = classes[max(range(len(classes)), key=lambda c: report["prevalence"][c])]
    shares = ", ".join(f"{name} {100 * share:.1f} %" for name, share in zip(classes, report["prevalence"]))
    lines = [
        f"model  {report['model']} (weights {report['weights_sha256'][:12]})",
        f"data   {report['data']}, {report['split']} split: {report['cases']} cases; {shares}",
        "",
        f"{'':38s}  value  95 % interval",
        _row(f"AUC ({report['auc']['method']})", report["auc"]),
    ]
    if not report["data_is_the_trained_on"]:
        lines.insert(2, "       other data than the model was trained and its threshold chosen on")
    if "threshold" in report:
        lines += [f"at the threshold {report['threshold']:.3f}, chosen on validation"]
        lines += [_row(f"  {name.replace('_', ' ')}", report[name]) for name in _AT_THRESHOLD]
    lines += [
        _row("accuracy of the most probable class", report["accuracy_argmax"]),
        _row(f"accuracy of always saying {frequent!r}", {"value": report["baseline_accuracy"]}),
    ]
    if "calibration" in report:
        calibration = report["calibration"]
        lines += [
            _row(f"average precision (chance {report['prevalence'][1]:.3f})", {"value": report["average_precision"]}),
            _row("Brier score", {"value": calibration["brier"]}),
            _row("calibration error, 10 equal bins", {"value": calibration["ece"]}),
            _row("calibration slope (ideal 1)", {"value": calibration["slope"]}),
            _row("calibration intercept (ideal 0)", {"value": calibration["intercept"]}),
        ]
    lines += ["", *_confusion_table(report["confusion"], classes), "", "Education, not for clinical use."]
    return "\n".join(lines)


_AT_THRESHOLD = (
    "accuracy", "sensitivity", "specificity", "positive_predictive_value", "negative_predictive_value",
)  # fmt: skip


def _row(name: str, figure: dict[str, Any]) -> str:
    """A line of the table; a figure may have no interval, or no value where the classes are separated completely."""
    value = "   none" if figure["value"] is None else f"{figure['value']:7.3f}"
    interval = f"  {figure['low']:.3f} to {figure['high']:.3f}" if "low" in figure else ""
    return f"{name:38s}{value}{interval}"


def _confusion_table(counts: list[list[int]], classes: list[str]) -> list[str]:
    width = max(12, *(len(name) + 2 for name in classes))
    head = "reference standard".ljust(20) + "".join(f"{'→ ' + name:>{width}}" for name in classes)
    return [head, *(f"{n:20s}" + "".join(f"{count:{width}d}" for count in row) for n, row in zip(classes, counts))]


def _data_for(card: dict[str, Any], path: Path | None) -> Any:
    from mediml.data.medmnist import load
    from mediml.data.synthetic import chest_xray_data

    data = load(path) if path else chest_xray_data()
    if path is None and data.content_sha256() != card["data"]["content_sha256"]:
        raise ValueError(f"the model was trained on {card['data']['name']!r}; give that file with --data FILE.npz")
    expected = (tuple(card["architecture"]["image_size"]), card["architecture"]["in_channels"], len(card["classes"]))
    got = (data.image_size, data.channels, len(data.classes))
    if expected != got:
        raise ValueError(f"--data: the model expects (image size, channels, classes) {expected}, {data.name} has {got}")
    return data


def _write_figures(folder: Path, report: dict[str, Any], labels: Any, probabilities: Any, say: bool) -> None:
    from mediml.evaluation.figures import confusion_picture, operating_picture
    from mediml.utils.files import write_atomically

    folder.mkdir(parents=True, exist_ok=True)
    split = report["split"]
    written = {f"confusion-{split}.png": confusion_picture(report["confusion"], report["classes"])}
    if "threshold" in report:
        written[f"operating-{split}.png"] = operating_picture(labels, probabilities[:, 1], report["threshold"])
    for name, content in written.items():
        write_atomically(folder / name, content)
    if say:
        print(f"figures: {', '.join(str(folder / name) for name in written)}")
