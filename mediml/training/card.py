"""The model card: what was trained, on what, how well it does, and where its limits are."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from mediml.data.images import SPLITS, ImageData
from mediml.evaluation import choose_threshold, evaluate, fit_temperature, reliability_bins, softmax
from mediml.models.predict import predict_logits
from mediml.training.loop import Result

__all__ = ["make_card"]

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
    limits: Sequence[str] = (),
) -> dict[str, Any]:
    """Evaluate a trained model and describe it.

    Parameters
    ----------
    result : Result
    data : ImageData
        Temperature and threshold are chosen on the validation split. The test split is evaluated once, with them.
    source : mapping, optional
        The catalogue's entry of the data: licence, citation, homepage.
    familiarity : mapping, optional
        What tells an image that is too unlike the training data.
    limits : sequence of str
        Limits of this model beside `LIMITS`.

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
        "limits": [*LIMITS, *limits],
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
