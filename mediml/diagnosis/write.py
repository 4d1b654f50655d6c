"""Studies to files: a folder for one input, or a folder each and an index."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from mediml.diagnosis.facts import ModelFacts
from mediml.diagnosis.figures import feature_maps_figure, image_figure, input_figure, score_figure
from mediml.diagnosis.inputs import InputFile
from mediml.diagnosis.language import Language
from mediml.diagnosis.output import staged
from mediml.diagnosis.record import record
from mediml.diagnosis.report import render, render_index
from mediml.diagnosis.study import JUDGED, Study, examine
from mediml.models.pretrained import Pretrained

__all__ = ["diagnose"]


def diagnose(
    inputs: Sequence[InputFile],
    target: Path,
    pretrained: Pretrained,
    facts: ModelFacts,
    language: Language,
    several: bool,
    progress: Callable[[Mapping[str, Any]], None],
) -> list[dict[str, Any]]:
    """Examine all inputs and write their reports into the folder `target`, which appears when all are done.

    Parameters
    ----------
    several : bool
        A sub-folder for each input and an index, instead of one report.
    progress : callable
        Called with each entry of the index as soon as it is known.

    Returns
    -------
    list of dict
        The entries of ``index.json``: number, sha256, status, score, reasons, report.
    """
    created = _now()
    entries: list[dict[str, Any]] = []
    with staged(target) as folder:
        for item in inputs:
            place = f"{item.number:03d}/" if several else ""
            study = examine(item.path, item.number, pretrained)
            (folder / place).mkdir(exist_ok=True)
            written = _write_one(folder / place, study, facts, language, created, "../index.html" if several else None)
            entries.append(_entry(written, f"{place}report.html"))
            progress(entries[-1])
        if several:
            index = {"schema": "mediml.diagnosis.index", "version": 1, "notice": language("notice"), "reports": entries}
            (folder / "index.json").write_bytes(_json(index))
            (folder / "index.html").write_text(render_index(entries, facts, language, created), encoding="utf-8")
    return entries


def _write_one(
    folder: Path, study: Study, facts: ModelFacts, language: Language, created: str, index: str | None
) -> dict[str, Any]:
    pictures = _pictures(study, facts)
    for name, png in pictures.items():
        (folder / f"{name}.png").write_bytes(png)
    (folder / "report.html").write_text(render(study, facts, language, created, pictures, index), encoding="utf-8")
    content = record(study, facts, language, created, {name: f"{name}.png" for name in pictures})
    (folder / "report.json").write_bytes(_json(content))
    return content


def _pictures(study: Study, facts: ModelFacts) -> dict[str, bytes]:
    pictures: dict[str, bytes] = {}
    if study.image is None:
        return pictures
    if study.prepared is not None:
        pictures["image"] = image_figure(study.prepared, study.image.aspect)
        pictures["input"] = input_figure(study.prepared)
    if study.prediction is not None:
        pictures["feature_maps"] = feature_maps_figure(study.prediction.feature_maps)
    judged = study.prediction is not None and study.outcome == JUDGED
    pictures["score"] = score_figure(facts, study.prediction.score if judged and study.prediction else None)
    return pictures


def _entry(content: Mapping[str, Any], report: str) -> dict[str, Any]:
    return {
        "number": content["input"]["number"],
        "sha256": content["input"]["sha256"],
        "status": content["outcome"]["status"],
        "score": content["score"]["value"] if content["score"] else None,
        "reasons": content["outcome"]["reasons"],
        "report": report,
    }


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()


def _now() -> str:
    """Time of the report in UTC; SOURCE_DATE_EPOCH, where set, makes reports that repeat byte for byte."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    moment = datetime.fromtimestamp(int(epoch), timezone.utc) if epoch.isdecimal() else datetime.now(timezone.utc)
    return moment.replace(microsecond=0).isoformat().replace("+00:00", "Z")
