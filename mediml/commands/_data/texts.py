"""Tables and descriptions of data sets as ``mediml data`` prints them."""

import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mediml.data.catalog import card, catalog, files_of, in_bytes, source
from mediml.data.fetch import Plan
from mediml.data.make import RECIPES

__all__ = ["described", "described_file", "planned", "table"]

_HEADS = ("NAME", "MODALITY", "SIZE", "LICENCE", "WHAT")

#: A licence that takes more room is not one name; `info` says it in full.
_SHORT = 14


def table(modality: str | None = None, packaged: bool = False) -> str:
    """All data sets in three groups, by how one gets them.

    Raises
    ------
    ValueError
        If there is none of that modality.
    """
    entries = {n: e for n, e in catalog().items() if modality in (None, e["modality"])}
    groups = {
        "Come with installed packages; nothing to download:": {n: e for n, e in entries.items() if "package" in e},
        "Downloads: mediml data fetch NAME": {n: e for n, e in entries.items() if "files" in e and not packaged},
    }
    rows = {head: [_row(name, entry) for name, entry in group.items()] for head, group in groups.items()}
    rows["Generated: mediml data make NAME --out DIR"] = [
        (name, recipe.modality, "", "none needed", recipe.title)
        for name, recipe in RECIPES.items()
        if modality in (None, recipe.modality) and not packaged
    ]
    rows = {head: group for head, group in rows.items() if group}
    if not rows:
        known = sorted({e["modality"] for e in catalog().values()} | {recipe.modality for recipe in RECIPES.values()})
        raise ValueError(f"list: no data set of modality {modality!r}; expected one of {', '.join(known)}")
    everything = [row for group in rows.values() for row in group]
    widths = [max(map(len, column)) for column in zip(_HEADS, *everything)][:-1]
    lines = []
    for head, group in rows.items():
        lines += ["", head, "", *(_line(row, widths) for row in (_HEADS, *group))]
    return "\n".join(lines[1:])


def described(name: str) -> str:
    """Everything the catalogue and the card say about a data set, and how one of this name is generated."""
    if name in RECIPES:
        recipe = _described_recipe(name)
        return f"{_described_entry(name)}\n\n{recipe}" if name in catalog() else recipe
    return _described_entry(name)


def _described_recipe(name: str) -> str:
    recipe = RECIPES[name]
    what = "cases" if recipe.case else "images"
    facts = [
        ("modality", recipe.modality),
        ("licence", "none needed"),
        ("size", f"{recipe.count} {what}, or as many as --count says, {recipe.least} at least"),
        ("get it by", f"mediml data make {name} --out DIR"),
    ]
    return "\n".join([f"{name}: {recipe.title}", "", *_pairs(facts)])


def _described_entry(name: str) -> str:
    entry = source(name)
    lines = [f"{name}: {entry['title']}", ""]
    lines += _pairs([*_facts(name, entry), *(("limit", limit) for limit in entry["limits"])])
    return "\n".join([*lines, "", card(name).rstrip()])


def planned(what: Plan) -> str:
    """What a download brings and under which terms, to be agreed to."""
    facts = [("licence", f"{what.entry['licence']} ({what.entry['licence_url']})"), ("use", what.entry["use"])]
    for file in what.missing:
        hosts = dict.fromkeys(url.split("/")[2] for url in file.urls)
        checked = " and ".join(file.hashes) or "no published hash: compared with the first download from now on"
        facts.append(("file", f"{file.file}, {file.size}, from {', then '.join(hosts)}; checked by {checked}"))
    facts.append(("to", str(what.place)))
    return "\n".join([f"{what.name}: {what.entry['title']}", "", *_pairs(facts)])


def described_file(path: Path) -> str:
    """What is in a file in MedMNIST's format."""
    import numpy as np

    from mediml.data.medmnist import load_any

    data = load_any(path)
    shape = " × ".join(map(str, data.images["train"].shape[1:]))
    lines = [f"{data.name}: {data.kind}, {'volumes' if data.dimensions == 3 else 'images'} of {shape}"]
    for split, labels in data.labels.items():
        if data.kind == "multi-label":
            counts = labels.sum(0)
        else:
            counts = np.bincount(labels[:, 0], minlength=len(data.classes))
        described = ", ".join(f"{name} {count}" for name, count in zip(data.classes, counts))
        lines.append(f"  {split:5s} {len(labels):6d}: {described}")
    for pair, count in data.shared.items():
        earlier, later = pair.split("/")
        lines.append(f"  warning: {count} images of {later} stand in {earlier}, too")
    lines.append(f"  sha256 {data.sha256}")
    if data.dimensions == 2 and data.kind != "multi-label":
        from mediml.data.medmnist import load

        lines.append(f"  content {load(path).content_sha256()}")
    return "\n".join(lines)


def _row(name: str, entry: Mapping[str, Any]) -> tuple[str, str, str, str, str]:
    licence = entry["licence"] if len(entry["licence"]) <= _SHORT else "see info"
    return name, entry["modality"], _size(name, entry), licence, entry["title"]


def _size(name: str, entry: Mapping[str, Any]) -> str:
    if "package" in entry:
        return in_bytes(entry["bytes"])
    if entry.get("choice") == "size":
        keys = list(entry["files"])
        return f"{keys[0]}-{keys[-1]} px"
    files = files_of(name)
    exact = all(file.bytes for file in files)
    return f"{'' if exact else '~'}{in_bytes(sum(file.bytes or file.about_bytes or 0 for file in files))}"


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    line = "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths)), row[-1]])
    room = shutil.get_terminal_size().columns
    return line if len(line) <= room or not sys.stdout.isatty() else f"{line[: room - 1]}…"


def _facts(name: str, entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "modality", entry["modality"]
    yield "task", entry["task"]
    for key in ("kind", "photometric"):
        if key in entry:
            yield key, entry[key]
    if "classes" in entry:
        yield "classes", ", ".join(f"{index} {text}" for index, text in enumerate(entry["classes"]))
    if "splits" in entry:
        yield "splits", ", ".join(f"{split} {count}" for split, count in entry["splits"].items())
    yield "licence", f"{entry['licence']} ({entry['licence_url']})"
    yield "use", entry["use"]
    yield "citation", entry["citation"]
    yield "homepage", entry["homepage"]
    if "package" in entry:
        yield "comes with", f"{entry['package']}: {entry['path']}, {in_bytes(entry['bytes'])}"
        yield "sha256", entry["sha256"]
        return
    sizes = [int(key) for key in entry["files"]] if entry.get("choice") == "size" else [None]
    yield "get it by", f"mediml data fetch {name}{' [--size N]' * (len(sizes) > 1)}"
    for file in (file for size in sizes for file in files_of(name, size)):
        hashes = ", ".join(f"{algorithm} {text}" for algorithm, text in file.hashes.items())
        yield "file", f"{file.file}, {file.size}; {hashes or 'no published hash: compared with its first download'}"
        yield "  from", " or ".join(file.urls)


def _pairs(facts: Sequence[tuple[str, str]]) -> list[str]:
    """Two columns; a key that stands in the line before is not said again."""
    width = max(len(key) for key, _ in facts)
    lines, last = [], ""
    for key, text in facts:
        lines.append(_wrapped(f"{('' if key == last else key).ljust(width)}  {text}", width + 2))
        last = key
    return lines


def _wrapped(text: str, indent: int) -> str:
    return textwrap.fill(text, 118, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)
