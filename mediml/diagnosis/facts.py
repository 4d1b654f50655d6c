"""What a model's card says about the worth of its score, in the form in which the report shows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Bin", "Measured", "ModelFacts", "predictive_values", "read_card"]

#: The checks and the sentences of the report are about a model of these data.
TRAINED_ON = "pneumoniamnist"

#: Shown in the report, in this order.
METRICS = ("auc", "accuracy", "sensitivity", "specificity")


@dataclass(frozen=True)
class Measured:
    """A figure with its 95 % interval; without one, `low` and `high` are None."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Bin:
    """Images of about one score: their mean score, the share of positives among them and its 95 % interval."""

    score: float
    share: float
    low: float
    high: float
    count: int


@dataclass(frozen=True)
class ModelFacts:
    """The card of a model of two classes, the second of them the positive one.

    Attributes
    ----------
    split : str
        ``"test"`` or ``"validation"``: where the figures were measured.
    prevalence : float or None
        Share of positives in that split.
    """

    name: str
    positive: str
    size: int
    threshold: float
    temperature: float
    split: str
    metrics: Mapping[str, Measured]
    bins: tuple[Bin, ...]
    ece: float | None
    brier: float | None
    prevalence: float | None
    card: Mapping[str, Any]


def read_card(name: str, card: Mapping[str, Any]) -> ModelFacts:
    """Read a card as `mediml.models.pretrained` loads it.

    Raises
    ------
    ValueError
        If it lacks what a report needs, or is not of a model of `TRAINED_ON`.
    """
    try:
        classes = [str(each) for each in card["classes"]]
        if len(classes) != 2:
            raise ValueError(f"model card of {name}: expected two classes, got {len(classes)}")
        if card["data"]["name"] != TRAINED_ON:
            raise ValueError(
                f"model card of {name}: expected a model trained on {TRAINED_ON}, which the checks and sentences "
                f"of the report are about, got one trained on {card['data']['name']}"
            )
        if not card["familiarity"]:
            raise ValueError(f"model card of {name}: it lacks what tells unfamiliar images; train it with mediml train")
        split = "test" if "test" in card["metrics"] else "validation"
        measured, calibration = card["metrics"][split], card["calibration"]
        size = card["preprocessing"]["size"]
        return ModelFacts(
            name=name,
            positive=classes[1],
            size=int(size[0] if isinstance(size, (list, tuple)) else size),
            threshold=float(card["threshold"]),
            temperature=float(card["temperature"]),
            split=split,
            metrics={key: _measured(measured[key]) for key in METRICS if key in measured},
            bins=tuple(Bin(**each) for each in calibration.get("bins", ())),
            ece=measured.get("calibration", {}).get("ece"),
            brier=measured.get("calibration", {}).get("brier"),
            prevalence=_share_of_positives(measured.get("prevalence")),
            card=card,
        )
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(
            f"model card of {name}: cannot be read ({type(error).__name__}: {error}); write it with mediml train"
        ) from None


def predictive_values(sensitivity: float, specificity: float, prevalence: float) -> tuple[float, float]:
    """How often "at or above" and "below" are right where `prevalence` of those examined are positive (Bayes).

    ppv = se p / (se p + (1 - sp)(1 - p))        npv = sp (1 - p) / (sp (1 - p) + (1 - se) p)
    """
    true_positive, false_positive = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
    true_negative, false_negative = specificity * (1 - prevalence), (1 - sensitivity) * prevalence
    return (
        true_positive / (true_positive + false_positive) if true_positive + false_positive else 0.0,
        true_negative / (true_negative + false_negative) if true_negative + false_negative else 0.0,
    )


def _share_of_positives(prevalence: Any) -> float | None:
    """From the shares of all classes, as `mediml.evaluation.evaluate` gives them."""
    return None if prevalence is None else float(prevalence[1])


def _measured(entry: Any) -> Measured:
    if isinstance(entry, Mapping):
        return Measured(float(entry["value"]), entry.get("low"), entry.get("high"))
    return Measured(float(entry))
