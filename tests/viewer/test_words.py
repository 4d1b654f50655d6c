import re
import string
from pathlib import Path

import pytest

import mediml.viewer
from mediml.viewer.facts import WORDS
from mediml.viewer.technical import CODES, NUMBERS

ASSETS = Path(mediml.viewer.__file__).parent / "assets"


def names(text):
    return {field for _, field, _, _ in string.Formatter().parse(text) if field}


@pytest.mark.parametrize("part", ["WORDS", "FACTS"])
def test_languages_say_the_same(part):
    english, chinese = (getattr(WORDS[code], part) for code in ("en", "zh"))
    assert english.keys() == chinese.keys()
    for key, text in english.items():
        assert text.strip() and names(text) == names(chinese[key]), key


def test_chinese_is_chinese():
    texts = {**WORDS["zh"].WORDS, **WORDS["zh"].FACTS, **WORDS["zh"].ATTRIBUTES}
    same = {key for key, text in texts.items() if not any("\u4e00" <= letter <= "\u9fff" for letter in text)}
    assert same == {"html_lang"}
    assert not any("\u4e00" <= letter <= "\u9fff" for text in WORDS["en"].WORDS.values() for letter in text)


def test_every_attribute_has_a_chinese_name():
    assert {"SOPClassUID", "TransferSyntaxUID", *CODES, *NUMBERS} == WORDS["zh"].ATTRIBUTES.keys()


def test_every_word_that_the_page_asks_for_is_there_and_no_other():
    source = "".join(path.read_text(encoding="utf-8") for path in ASSETS.iterdir())
    asked = set(re.findall(r'data-(?:word|label|hint)="(\w+)"', source))
    asked |= set(re.findall(r'(?:word\(|stop\(|key: |dataset\.\w+ = )"([a-z_A-Z]+)"', source))
    missing = asked - WORDS["en"].WORDS.keys() - {"yes"}
    assert not missing
    facts = (ASSETS.parent / "facts.py").read_text(encoding="utf-8")
    unused = {key for key in WORDS["en"].WORDS if f'"{key}"' not in source + facts}
    built = {key for key in unused if key.startswith(("preset_", "function_", "tool_"))}
    assert unused - built <= {"html_lang", "no_script", "axial", "coronal", "sagittal"}
