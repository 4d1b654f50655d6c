"""``report.json``: the report for programs.

Version 1 of the schema ``mediml.diagnosis``. Every key is always there; what does not apply is null or empty::

    schema, version     "mediml.diagnosis", 1
    notice              "Education, not for clinical use", in the report's language
    language, created   "en" or "zh"; date and time in UTC (ISO 8601)
    software            name and version
    input               number, sha256, format, rows, columns, modality, units, spacing_mm (row, column), processing
                        (sentences), doubts (sentences)
    checks              list of: name, level ("pass", "caution" or "stop"), code, text
    outcome             status ("judged", "not_judged" or "not_read"), reasons (sentences; empty if judged)
    score               null unless judged, else: positive_class, value in [0, 1], threshold, at_or_above_threshold
    for_study           null, or: withheld_value, the number of a network that was run on an input it cannot judge
    model               name, weights_sha256, architecture, classes, threshold, temperature, split, metrics (by name:
                        value, low, high), calibration (ece, brier, bins), data, seed, licence, limits
    figures             file names by what they show
    reader              finding, agrees, comment, name_and_date: all null, for a human reader to fill in

Nothing in it identifies a person: no name, date of birth, identifier or file name goes in.
"""

from dataclasses import asdict
from typing import Any

import mediml
from mediml.diagnosis.facts import ModelFacts
from mediml.diagnosis.language import Language
from mediml.diagnosis.study import JUDGED, NOT_READ, Study

__all__ = ["SCHEMA", "VERSION", "reasons_of", "record"]

SCHEMA, VERSION = "mediml.diagnosis", 1


def record(
    study: Study, facts: ModelFacts, language: Language, created: str, figures: dict[str, str]
) -> dict[str, Any]:
    """The report as a dict that JSON can hold."""
    prediction = study.prediction
    judged = study.outcome == JUDGED
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "notice": language("notice"),
        "language": language.code,
        "created": created,
        "software": {"name": "mediml", "version": mediml.__version__},
        "input": _input(study, language),
        "checks": [
            {"name": each.name, "level": each.level, "code": each.code, "text": language(each.code, **each.values)}
            for each in study.checks
        ],
        "outcome": {"status": study.outcome, "reasons": reasons_of(study, language)},
        "score": {
            "positive_class": facts.positive,
            "value": round(prediction.score, 4),
            "threshold": facts.threshold,
            "at_or_above_threshold": prediction.above_threshold,
        }
        if prediction is not None and judged
        else None,
        "for_study": {"withheld_value": round(prediction.score, 4)} if prediction is not None and not judged else None,
        "model": _model(facts),
        "figures": figures,
        "reader": {"finding": None, "agrees": None, "comment": None, "name_and_date": None},
    }


def reasons_of(study: Study, language: Language) -> list[str]:
    """Why an input was not judged or not read, as sentences."""
    if study.outcome == NOT_READ:
        return [study.error]
    return [language(check.code, **check.values) for check in study.reasons]


def _input(study: Study, language: Language) -> dict[str, Any]:
    image = study.image
    return {
        "number": study.number,
        "sha256": study.sha256 or None,
        "format": study.kind or None,
        "rows": image.shape[0] if image else None,
        "columns": image.shape[1] if image else None,
        "modality": image.modality if image else None,
        "units": image.units if image else None,
        "spacing_mm": list(image.spacing_mm) if image and image.spacing_mm else None,
        "processing": [step.sentence(language.code) for step in image.account] if image else [],
        "doubts": [step.sentence(language.code) for step in image.doubts] if image else [],
    }


def _model(facts: ModelFacts) -> dict[str, Any]:
    card = facts.card
    return {
        "name": facts.name,
        "weights_sha256": card["weights_sha256"],
        "architecture": card["architecture"],
        "classes": list(card["classes"]),
        "threshold": facts.threshold,
        "temperature": facts.temperature,
        "split": facts.split,
        "metrics": {name: asdict(measured) for name, measured in facts.metrics.items()},
        "calibration": {"ece": facts.ece, "brier": facts.brier, "bins": [asdict(each) for each in facts.bins]},
        "data": card["data"],
        "seed": card["seed"],
        "licence": card["licence"],
        "limits": card["limits"],
    }
