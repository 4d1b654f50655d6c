"""The model card: what was trained, on what, how well it does, and where its limits are."""

import platform
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from mediml.data.images import SPLITS, ImageData
from mediml.evaluation import choose_threshold, evaluate, fit_temperature, reliability_bins, softmax
from mediml.models.predict import predict_logits
from mediml.training.loop import Result

__all__ = ["card_text", "make_card"]

#: Said of every model that this package trains.
LIMITS = (
    "For education. Not a medical device: do not use it for the care of patients.",
    "Trained and tested on images of one source; on images from elsewhere it does worse, to an extent nobody has "
    "measured.",
    "Validation and test split come from the same source; that they hold other patients is the publisher's statement.",
)


def make_card(
    result: Result,
    data: ImageData,
    source: Mapping[str, Any] | None = None,
    familiarity: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Evaluate a trained model and describe it.

    Parameters
    ----------
    result : Result
    data : ImageData
        Temperature and threshold are chosen on the validation split. The test split is evaluated once, with them.
    source : mapping, optional
        The catalogue's entry of the data: licence, citation, homepage, limits.
    familiarity : mapping, optional
        What tells an image that is too unlike the training data.

    Returns
    -------
    dict
        JSON-able, with all of `mediml.models.pretrained.CARD_KEYS` but the hash, which `save` adds.
    """
    source = dict(source or {})
    logits = {name: _logits(result, data, name) for name in ("val", "test")}
    temperature = fit_temperature(data.val.labels, logits["val"])
    two = len(data.classes) == 2
    threshold = choose_threshold(data.val.labels, softmax(logits["val"], temperature)[:, 1]) if two else None
    figures = {
        name: evaluate(getattr(data, split).labels, logits[split], threshold, temperature)
        for name, split in (("validation", "val"), ("test", "test"))
    }
    licence = source.get("licence", "not stated by the data file")
    return {
        "architecture": result.architecture,
        "preprocessing": result.preprocessing,
        "classes": list(data.classes),
        "threshold": threshold,
        "temperature": temperature,
        "calibration": {
            "method": "temperature scaling, fitted on the validation split",
            "split": "test",
            "bins": _reliability(data.test.labels, logits["test"], temperature) if two else [],
        },
        "familiarity": familiarity,
        "metrics": figures,
        "seed": result.settings.seed,
        "training": {
            "settings": asdict(result.settings),
            "best_epoch": result.best_epoch,
            "chosen_by": "largest AUC on the validation split",
            "numpy": np.__version__,
            "machine": platform.machine(),
        },
        "data": {
            "name": data.name,
            "sha256": data.sha256,
            "content_sha256": data.content_sha256(),
            "splits": {
                split: {
                    "cases": len(getattr(data, split)),
                    "per_class": np.bincount(getattr(data, split).labels, minlength=len(data.classes)).tolist(),
                }
                for split in SPLITS
            },
            "shared_images": data.shared,
            **{key: source[key] for key in ("citation", "homepage") if key in source},
        },
        "licence": f"weights: as the training data ({licence})",
        "limits": [*LIMITS, *source.get("limits", ())],
    }


def _reliability(labels: Any, logits: Any, temperature: float) -> list[dict[str, Any]]:
    """Bins of equally many cases: mean score, share of class 1 among them, its interval, and their number."""
    return [
        {"score": mean, "share": observed.value, "low": observed.low, "high": observed.high, "count": count}
        for mean, observed, count in reliability_bins(labels, softmax(logits, temperature)[:, 1])
    ]


def _logits(result: Result, data: ImageData, split: str) -> Any:
    prepared = getattr(data, split).arrays(result.preprocessing["mean"], result.preprocessing["std"])
    return predict_logits(result.model, prepared)


def card_text(name: str, card: Mapping[str, Any]) -> str:
    """A card as a page for people, in Markdown."""
    data, test, training = card["data"], card["metrics"]["test"], card["training"]
    settings = ", ".join(f"{key} {value}" for key, value in training["settings"].items())
    splits = "; ".join(
        f"{split} {entry['cases']} ({', '.join(f'{n} {c}' for n, c in zip(card['classes'], entry['per_class']))})"
        for split, entry in data["splits"].items()
    )
    shared = ", ".join(f"{count} images in both of {pair}" for pair, count in data["shared_images"].items()) or "none"
    lines = [
        f"# Model card: {name}",
        "",
        "**For education. Not a medical device: not for the care of patients.**",
        "",
        f"- Decides between: {' and '.join(card['classes'])}; images of {card['architecture']['image_size']} pixels",
        f"- Architecture: {card['architecture']}",
        f"- Preparation: pixels scaled to 0 … 1, minus {card['preprocessing']['mean']}, "
        f"over {card['preprocessing']['std']}",
        f"- Data: {data['name']}: {splits}. Shared between splits: {shared}",
        f"- Source: {data.get('citation', 'not stated')}",
        f"- Licence: {card['licence']}",
        f"- Training: {settings}; epoch {training['best_epoch']} chosen by {training['chosen_by']}",
        f"- Weights: sha256 `{card['weights_sha256']}`",
        "",
        f"## Test split: {test['cases']} cases, threshold and temperature from validation",
        "",
        "| figure | value | 95 % interval |",
        "|---|---|---|",
    ]
    for key in ("auc", "accuracy", "sensitivity", "specificity", "accuracy_argmax"):
        if key in test:
            figure = test[key]
            lines.append(f"| {key} | {figure['value']:.3f} | {figure['low']:.3f} to {figure['high']:.3f} |")
    lines.append(f"| accuracy of always saying the most frequent class | {test['baseline_accuracy']:.3f} | |")
    if card["threshold"] is not None:
        calibration = test["calibration"]
        lines += [
            "",
            f"Accuracy, sensitivity and specificity are at the threshold {card['threshold']:.3f}, chosen on "
            f"validation; `accuracy_argmax` is that of the most probable class.",
            f"Calibration ({card['calibration']['method']}, T = {card['temperature']:.3f}): Brier "
            f"{calibration['brier']:.3f}, expected calibration error {calibration['ece']:.3f}; on validation "
            f"{card['metrics']['validation']['calibration']['ece']:.3f}.",
        ]
    lines += ["", "## Limits", "", *(f"- {limit}" for limit in card["limits"])]
    return "\n".join(lines) + "\n"
