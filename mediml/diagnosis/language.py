"""The report's words in one of its languages."""

from collections.abc import Mapping
from typing import Any

from mediml.diagnosis import words_en, words_zh

__all__ = ["LANGUAGES", "Language"]

LANGUAGES = {"en": words_en, "zh": words_zh}


class Language:
    """Sentences by key: ``Language("en")("small", rows=20, columns=30)``."""

    def __init__(self, code: str):
        if code not in LANGUAGES:
            raise ValueError(f"language: expected one of {', '.join(LANGUAGES)}, got {code!r}")
        self.code = code
        self._words: Mapping[str, str] = LANGUAGES[code].WORDS

    def __call__(self, key: str, /, **values: Any) -> str:
        return self._words[key].format(**values)

    def class_name(self, name: str) -> str:
        """A class of the model in this language, or as the model names it."""
        return self._words.get(f"class_{name}", name)
