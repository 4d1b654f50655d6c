"""The findings as aligned text, and as what becomes JSON."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from mediml.checkup.findings import FAULT, NOTE, Finding, Section

__all__ = ["as_json", "as_text", "stopped"]


def stopped(sections: Iterable[Section]) -> bool:
    """Whether a fault stops ordinary work, on the CPU."""
    return any(finding.stops for section in sections for finding in section.findings)


def as_text(sections: Sequence[Section]) -> str:
    """A line for each finding, its state and name aligned; the way out below it."""
    width = max((len(finding.name) for section in sections for finding in section.findings), default=0)
    lines = []
    for section in sections:
        lines.append(section.title)
        for finding in section.findings:
            lines.append(f"  {finding.state:5}  {finding.name:{width}}  {finding.text}")
            if finding.fix:
                lines.append(f"  {'':5}  {'':{width}}  -> {finding.fix}")
    return "\n".join([*lines, "", _verdict(sections)]) + "\n"


def as_json(sections: Sequence[Section]) -> dict[str, Any]:
    """The same for a program; ``works`` says what the exit status says."""
    return {
        "works": not stopped(sections),
        "verdict": _verdict(sections),
        "findings": [{"section": s.title, **asdict(finding)} for s in sections for finding in s.findings],
    }


def _verdict(sections: Sequence[Section]) -> str:
    findings = [finding for section in sections for finding in section.findings]
    faults, notes = _count(findings, FAULT), _count(findings, NOTE)
    stops = sum(finding.stops for finding in findings)
    if stops:
        end = f"{stops} of them {'stops' if stops == 1 else 'stop'} ordinary work"
    else:
        end = "ordinary work, on the CPU, can go on"
    return f"{faults} {'fault' if faults == 1 else 'faults'}, {notes} {'note' if notes == 1 else 'notes'}: {end}"


def _count(findings: Iterable[Finding], state: str) -> int:
    return sum(finding.state == state for finding in findings)
