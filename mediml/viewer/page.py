"""One HTML file from a scene: style, program, words and pixels inside, under a policy that lets nothing else run.

The browser is told the hashes of the page's own style and program (content security policy), so that a text that got
through could not become code; everything that the picture says reaches the page as JSON and is set as text.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediml.viewer.facts import WORDS
from mediml.viewer.pixels import pack

__all__ = ["GENERATOR", "blocks", "document"]

#: How a page of ours is known; see `write.check_target`.
GENERATOR = "mediml view"

#: In the order in which they build on each other.
_PROGRAMS = ("numbers.js", "pixels.js", "pane.js", "histogram.js", "text.js", "viewer.js")
_WORD = re.compile(r'(data-word="(\w+)"[^>]*>)')


def blocks(kind: str, planes: NDArray[Any], width: int, compress: bool) -> Iterator[str]:
    """Planes as data blocks: inert to the browser, read by the program one after another.

    A colour plane (rows, columns, 3) becomes three below each other: red, green, blue.
    """
    for index, plane in enumerate(planes):
        if plane.ndim == 3:
            plane = np.concatenate(np.moveaxis(plane, 2, 0))
        yield f'<script type="text/plain" id="{kind}-{index}">{pack(plane, width, compress)}</script>\n'


def document(title: str, language: str, scene: dict[str, Any], pixels: str) -> str:
    """The whole page; `pixels` are `blocks`."""
    style, program = _asset("viewer.css"), "\n".join(_asset(name) for name in _PROGRAMS)
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(program)}'; img-src data:; "
        f"base-uri 'none'; form-action 'none'"
    )
    words = WORDS[language].WORDS
    parts = {
        "language": words["html_lang"],
        "policy": policy,
        "generator": GENERATOR,
        "title": escape(title),
        "style": style,
        "scene": _json(scene),
        "pixels": pixels,
        "program": program,
        "no_script": escape(" ".join(module.WORDS["no_script"] for module in WORDS.values())),
    }
    page = _WORD.sub(lambda match: match[1] + escape(words[match[2]]), _asset("viewer.html"))
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], page)


def _asset(name: str) -> str:
    return (files("mediml.viewer") / "assets" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _json(content: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
