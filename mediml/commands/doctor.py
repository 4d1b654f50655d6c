"""`mediml doctor`: what does this machine have, what does it lack, and what is to be done?"""

import argparse
import io
import json
import sys
from pathlib import Path

SUMMARY = "tell what this machine has, and what to do about each fault (exit status 1 if one stops ordinary work)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", metavar="PATH", help="write the findings there as JSON ('-': standard output)")


def run(arguments: argparse.Namespace) -> int:
    from mediml.checkup.findings import examine
    from mediml.checkup.probes import PROBES
    from mediml.checkup.report import as_json, as_text, stopped

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a path may hold what this terminal cannot show
    sections = examine(PROBES)
    text = json.dumps(as_json(sections), indent=1) + "\n"
    if arguments.json == "-":
        sys.stdout.write(text)
    else:
        if arguments.json:
            Path(arguments.json).write_text(text, encoding="utf-8")
        sys.stdout.write(as_text(sections))
    return 1 if stopped(sections) else 0
