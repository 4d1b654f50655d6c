"""The page's words about one picture: the table of its facts, what was done to it, what to mind; in both languages."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydicom.datadict import dictionary_description, tag_for_keyword

from mediml.imaging import Image, Volume
from mediml.viewer import words_en, words_zh
from mediml.viewer.scene import Scene
from mediml.viewer.technical import Fact

__all__ = ["WORDS", "languages", "title", "words_of"]

WORDS: dict[str, Any] = {"en": words_en, "zh": words_zh}

#: Of `Image.facts`, in the order of the table.
_CODED = ("body_part", "view_position", "laterality", "patient_orientation", "lossy", "burned_in")

#: What matters also where the file does not say it.
_ALWAYS = ("lossy", "burned_in")

#: Devices and programs that usually write into the picture.
_WRITE_INTO = frozenset(("US", "ES", "XC", "SC", "OT", "OP", "GM", "XA", "RF", "picture", "unknown"))


def languages() -> tuple[str, ...]:
    """Codes of the languages that a page speaks."""
    return tuple(WORDS)


def title(scene: Scene) -> str:
    """Modality and size: the name of the file may be a patient's."""
    shape = scene.shape if scene.shape[0] > 1 else scene.shape[1:]
    return f"{scene.first.modality} {' × '.join(map(str, shape))}"


def words_of(scene: Scene, header: Sequence[Fact], language: str) -> dict[str, Any]:
    """Everything that the page says in one language, as JSON takes it."""
    module = WORDS[language]
    return {
        "words": module.WORDS,
        "table": _table(scene, header, module.FACTS, language),
        "account": _account(scene, language),
        "doubts": [step.sentence(language) for step in scene.first.doubts] + _notes(scene, module.WORDS),
    }


def _table(scene: Scene, header: Sequence[Fact], names: dict[str, str], language: str) -> list[list[str]]:
    first = scene.first
    size = {"image": "size", "volume": "size_planes", "frames": "size_frames"}[scene.kind]
    shape = scene.shape[1:] if scene.kind == "image" else scene.shape
    lines = [
        [names["modality"], first.modality],
        [names[size], " × ".join(map(str, shape))],
        [names["spacing"], _spacing(scene, names)],
    ]
    if scene.spacing_mm is not None:
        pairs = [(step, n) for step, n in zip(scene.spacing_mm, scene.shape) if step is not None]
        lines.append([names["extent"], " × ".join(f"{step * n:.1f}" for step, n in pairs)])
    if isinstance(first, Volume):
        lines.append([names["axes"], ", ".join(first.axis_codes)])
    if scene.grey is not None:
        units = WORDS[language].WORDS["units_arbitrary"] if first.units == "arbitrary" else first.units
        lines += [
            [names["units"], units],
            [names["range"], _range(scene)],
            [names["inverted"], names["yes" if first.inverted else "no"]],
        ]
    for key in _CODED:
        text = first.facts.get(key, "")
        if text or key in _ALWAYS:
            lines.append([names[key], {"": names["unknown"], "YES": names["yes"], "NO": names["no"]}.get(text, text)])
    return lines + [[_attribute(fact.keyword, language), fact.text] for fact in header]


def _attribute(keyword: str, language: str) -> str:
    """An attribute by its name in the dictionary, which is English, with its tag; after its Chinese name in Chinese."""
    tag = tag_for_keyword(keyword)
    assert tag is not None
    name = f"{dictionary_description(tag)} ({tag >> 16:04X},{tag & 0xFFFF:04X})"
    chinese = WORDS[language].ATTRIBUTES.get(keyword)
    return f"{chinese} {name}" if chinese else name


def _spacing(scene: Scene, names: dict[str, str]) -> str:
    if scene.spacing_mm is None:
        return names["unknown"]
    text = " × ".join(f"{step:.4g}" for step in scene.spacing_mm if step is not None)
    return names["spacing_detector"].format(spacing=text) if scene.at == "detector" else text


def _range(scene: Scene) -> str:
    assert scene.grey is not None
    used = np.bincount(scene.grey.codes.reshape(-1), minlength=scene.grey.table.size) > 0
    values = scene.grey.table[used & ~scene.grey.padding & np.isfinite(scene.grey.table)]
    return f"{values.min():.6g}, {values.max():.6g}" if values.size else "–"


def _account(scene: Scene, language: str) -> list[str]:
    return [step.sentence(language) for step in scene.first.account if scene.kind == "image" or step.code != "frame"]


def _notes(scene: Scene, words: dict[str, str]) -> list[str]:
    """What the viewer itself has to confess."""
    notes = []
    if scene.every > 1:
        notes.append(words["every_note"].format(every=scene.every, count=scene.count))
    if scene.grey is not None and scene.grey.error > 0:
        units = "" if scene.first.units == "arbitrary" else scene.first.units
        notes.append(words["error_note"].format(error=f"{scene.grey.error:.2g}", unit=units).replace(" .", "."))
    if scene.colour_rounded:
        notes.append(words["error_colour_note"])
    if scene.views_differ:
        notes.append(words["views_note"])
    if scene.first.facts.get("burned_in") == "YES":
        notes.append(words["burned_in_note"])
    elif scene.first.facts.get("burned_in") != "NO" and scene.first.modality in _WRITE_INTO:
        notes.append(words["perhaps_burned_in_note"])
    if all(pane.letters is None for pane in scene.panes):
        notes.append(words["no_letters"])
    if any(pane.oblique for pane in scene.panes):
        notes.append(words["oblique_note"])
    if isinstance(scene.first, Image) and scene.first.aspect != 1.0 and scene.spacing_mm is None:
        notes.append(words["aspect_note"].format(aspect=f"{scene.first.aspect:.4g}"))
    return notes
