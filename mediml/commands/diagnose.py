"""`mediml diagnose`: an image in, a report out."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SUMMARY = "report on a chest radiograph: DICOM, PNG, JPEG, or a folder of them"

#: A real film that comes with a dependency; see datasets/cards/pydicom_samples.md.
DEFAULT_INPUT = "chest_xray"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "input",
        metavar="INPUT",
        nargs="?",
        help="a DICOM, PNG or JPEG file, or a folder of them (default: the chest film that comes with pydicom-data)",
    )
    parser.add_argument("--out", metavar="DIR", default="report", help="folder for the report (default: %(default)s)")
    parser.add_argument("--language", choices=("en", "zh"), default="en", help="language of the report (default: en)")
    parser.add_argument(
        "--model", default="pneumonia_cnn", help="a packaged model, or what mediml train wrote (default: %(default)s)"
    )
    parser.add_argument("--device", default="cpu", help="where the model computes: cpu or cuda (default: cpu)")


def run(arguments: argparse.Namespace) -> int:
    from mediml.data.catalog import packaged_file
    from mediml.diagnosis.facts import read_card
    from mediml.diagnosis.inputs import find_inputs
    from mediml.diagnosis.language import Language
    from mediml.diagnosis.output import check_target
    from mediml.diagnosis.write import diagnose
    from mediml.models import pretrained

    source = Path(arguments.input) if arguments.input is not None else packaged_file(DEFAULT_INPUT)
    target = check_target(arguments.out)
    inputs = find_inputs(source, target)
    model = pretrained.load(arguments.model)
    model.model.to(arguments.device)
    facts = read_card(model.name, model.card)
    several = source.is_dir()
    progress = _progress if several else _silent
    entries = diagnose(inputs, target, model, facts, Language(arguments.language), several, progress)
    _summarise(entries, target, several)
    # One file that is no image is an error of the call; among others it is only a line of the index.
    return 2 if all(entry["status"] == "not_read" for entry in entries) else 0


def _silent(_entry: Mapping[str, Any]) -> None:
    """One input needs no progress."""


def _progress(entry: Mapping[str, Any]) -> None:
    print(f"  input {entry['number']:03d}: {entry['status'].replace('_', ' ')}", flush=True)


def _summarise(entries: list[dict[str, Any]], target: Path, several: bool) -> None:
    from mediml.diagnosis.report import score_text

    page = target / ("index.html" if several else "report.html")
    if several:
        counts = {
            status: sum(entry["status"] == status for entry in entries)
            for status in ("judged", "not_judged", "not_read")
        }
        print(", ".join(f"{count} {status.replace('_', ' ')}" for status, count in counts.items()))
    else:
        (entry,) = entries
        score = f", model score {score_text(entry['score'])}" if entry["score"] is not None else ""
        print(f"{entry['status'].replace('_', ' ').capitalize()}{score}")
        for reason in entry["reasons"]:
            print(f"  - {reason}")
    print(f"Report: {page}")
    print(
        f"Next:   open it in a browser ({page.as_uri()}); the same for programs is in {page.with_suffix('.json').name}."
    )
    print("Education, not for clinical use.")
