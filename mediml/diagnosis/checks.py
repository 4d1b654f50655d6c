"""What an input must be before the model is asked, and what a reader must know about it.

Each check passes, warns or stops; one that stops means that the input is not judged. The model was made from chest
radiographs of children, so the checks are about that.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediml.imaging.image import Image

__all__ = ["CAUTION", "PASS", "STOP", "Check", "check_familiarity", "check_image"]

PASS, CAUTION, STOP = "pass", "caution", "stop"

#: Projection radiography: computed, digital and digitised film.
RADIOGRAPHS = ("CR", "DX", "RG")
CHEST = ("CHEST", "THORAX", "LUNG")
FRONTAL = ("PA", "AP")
UPRIGHT = "L/F"  # columns run to the patient's left, rows to the feet, as a film hangs

#: The children of the training data: Kermany et al. 2018 say one to five years.
AGES = (1.0, 6.0)

SMALLEST_SIDE = 28  # the model's own size
SMALL_SIDE = 127  # smallest side of the source images of PneumoniaMNIST
LEAST_KEPT = 0.5  # share of the picture that the square keeps
LEAST_CONTRAST = 0.02  # standard deviation of grey, of 1
MOST_CLIPPED = (0.3, 0.6)  # share of pure black and white: caution, stop


@dataclass(frozen=True)
class Check:
    """One check: its name, `PASS`, `CAUTION` or `STOP`, a code for the sentence, and what the sentence names."""

    name: str
    level: str
    code: str
    values: Mapping[str, Any] = field(default_factory=dict)


def check_image(image: Image) -> list[Check]:
    """All checks of a read image that need no model."""
    checks = [check(image) for check in _CHECKS]
    if image.is_grey:
        checks.append(_contrast(image.display()))
    return checks


def check_familiarity(measured: Mapping[str, float]) -> Check:
    """From the measurements of `familiarity.measure` of one image: above 1 is too unlike the training data."""
    worst = max(measured, key=lambda name: measured[name])
    values = {"score": measured[worst], "measure": worst}
    if measured[worst] > 1:
        return Check("familiarity", STOP, f"unfamiliar_{worst}", values)
    return Check("familiarity", PASS, "familiar", values)


def _colour(image: Image) -> Check:
    return Check("colour", PASS, "grey") if image.is_grey else Check("colour", STOP, "coloured")


def _modality(image: Image) -> Check:
    if image.modality in RADIOGRAPHS:
        return Check("modality", PASS, "radiograph", {"modality": image.modality})
    if image.modality == "picture":
        return Check("modality", CAUTION, "picture_modality")
    if image.modality in ("unknown", "OTHER"):
        return Check("modality", STOP, "no_modality")
    return Check("modality", STOP, "wrong_modality", {"modality": image.modality})


def _body_part(image: Image) -> Check:
    part = image.facts.get("body_part", "")
    if part in CHEST:
        return Check("body_part", PASS, "chest")
    if not part:
        return Check("body_part", CAUTION, "no_body_part")
    return Check("body_part", STOP, "other_body_part" if part == "OTHER" else "wrong_body_part", {"part": part})


def _view(image: Image) -> Check:
    view = image.facts.get("view_position", "")
    if view in FRONTAL:
        return Check("view", PASS, "frontal", {"view": view})
    if not view:
        return Check("view", CAUTION, "no_view")
    return Check("view", STOP, "not_frontal", {"view": view})


def _orientation(image: Image) -> Check:
    orientation = image.facts.get("patient_orientation", "")
    if orientation == UPRIGHT:
        return Check("orientation", PASS, "upright")
    if not orientation:
        return Check("orientation", CAUTION, "no_orientation")
    return Check("orientation", STOP, "turned", {"orientation": orientation})


def _age(image: Image) -> Check:
    if image.age_years is None:
        return Check("age", CAUTION, "no_age")
    low, high = AGES
    if low <= image.age_years < high:
        return Check("age", PASS, "age_inside")
    return Check("age", STOP, "age_above" if image.age_years >= high else "age_below")


def _polarity(image: Image) -> Check:
    if any(doubt.code == "polarity_contradiction" for doubt in image.doubts):
        return Check("polarity", STOP, "polarity_unclear")
    if image.modality == "picture":
        return Check("polarity", CAUTION, "polarity_unsaid")
    return Check("polarity", PASS, "polarity_inverted" if image.inverted else "polarity_plain")


def _size(image: Image) -> Check:
    rows, columns = image.shape
    height, width = rows * image.aspect, float(columns)
    side = min(rows, columns)
    kept = min(height, width) / max(height, width)
    values = {"rows": rows, "columns": columns, "kept": round(100 * kept)}
    if side < SMALLEST_SIDE:
        return Check("size", STOP, "too_small", values)
    if kept < LEAST_KEPT:
        return Check("size", STOP, "too_long", values)
    return Check(
        "size", CAUTION if side < SMALL_SIDE else PASS, "small" if side < SMALL_SIDE else "large_enough", values
    )


def _compression(image: Image) -> Check:
    if image.facts.get("lossy") == "YES":
        return Check("compression", CAUTION, "lossy")
    return Check("compression", PASS, "no_loss_said")


def _burned_in(image: Image) -> Check:
    said = image.facts.get("burned_in", "")
    if said == "NO":
        return Check("burned_in", PASS, "no_text")
    return Check("burned_in", STOP, "text_inside") if said == "YES" else Check("burned_in", CAUTION, "text_unsaid")


def _contrast(shown: NDArray[Any]) -> Check:
    deviation = float(np.std(shown))
    clipped = float(np.mean((shown <= 0) | (shown >= 1)))
    values = {"deviation": round(deviation, 3), "clipped": round(100 * clipped)}
    caution, stop = MOST_CLIPPED
    if deviation < LEAST_CONTRAST:
        return Check("contrast", STOP, "flat", values)
    if clipped > stop:
        return Check("contrast", STOP, "clipped", values)
    return Check(
        "contrast", CAUTION if clipped > caution else PASS, "part_clipped" if clipped > caution else "contrast", values
    )


_CHECKS: tuple[Callable[[Image], Check], ...] = (
    _colour, _modality, _body_part, _view, _orientation, _age, _polarity, _size, _compression, _burned_in,
)  # fmt: skip
