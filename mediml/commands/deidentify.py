"""``mediml deidentify``: DICOM files without what identifies the patient."""

import argparse
import os
import secrets
from collections import Counter
from pathlib import Path

SUMMARY = "write DICOM files without names, texts and private attributes, and with other dates"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, metavar="FILE|FOLDER", help="a DICOM file, or a folder with all below it")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for the results, outside of the source; their names are made of pseudonyms",
    )
    parser.add_argument(
        "--key",
        type=Path,
        metavar="FILE",
        help="secret that makes the same patient the same in every run; made if it is not there. Without it the secret "
        "is forgotten at the end",
    )
    parser.add_argument(
        "--blank",
        action="append",
        default=[],
        type=_box,
        metavar="TOP,BOTTOM,LEFT,RIGHT",
        help="rectangle of pixels to overwrite in every frame, for text in the picture; may be given several times",
    )


def run(arguments: argparse.Namespace) -> int:
    from mediml.commands._progress import progress_line
    from mediml.imaging.deidentify import deidentify_files
    from mediml.imaging.standard.pseudonyms import Pseudonyms

    if arguments.key is None and arguments.out.is_dir() and any(arguments.out.iterdir()):
        raise ValueError("--out: the folder holds something; name an empty one, or the --key it was written with")
    pseudonyms = Pseudonyms(_key(arguments.key, arguments.out))
    with progress_line("deidentify", "file") as progress:
        outcome = deidentify_files(arguments.source, arguments.out, pseudonyms, arguments.blank, progress)
    for reason, count in Counter(reason for _, reason in outcome.refused).most_common():
        numbers = [number for number, said in outcome.refused if said == reason]
        named = ", ".join(map(str, numbers[:10])) + (", …" if count > 10 else "")
        print(f"refused, file {named} in the order of their paths: {reason}")
    aside = f", {outcome.aside} no DICOM files left aside" if outcome.aside else ""
    print(f"{len(outcome.written)} written, {len(outcome.there)} there already, {len(outcome.refused)} refused{aside}")
    if outcome.written or outcome.there:
        print(
            "Not certified (PS3.15). Text in the pictures and faces in head scans were not looked for: look yourself."
        )
    return 1 if outcome.refused else 0


def _box(text: str) -> tuple[int, int, int, int]:
    try:
        top, bottom, left, right = map(int, text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected four whole numbers TOP,BOTTOM,LEFT,RIGHT, got {text!r}") from None
    return top, bottom, left, right


def _key(file: Path | None, folder: Path) -> bytes:
    from mediml.imaging.standard.pseudonyms import MIN_KEY_BYTES

    if file is None:
        return b""
    if file.resolve().is_relative_to(folder.resolve()):
        raise ValueError("--key: the secret must not lie beside the results; name a file outside of --out")
    if file.exists():
        key = file.read_bytes()
        if len(key) < MIN_KEY_BYTES:  # one that is empty would stand for "make a new one"
            raise ValueError(f"--key: the secret expects at least {MIN_KEY_BYTES} random bytes, got {len(key)}")
        return key
    key = secrets.token_bytes(32)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(key)
    return key
