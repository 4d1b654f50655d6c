"""The glossary: the same terms both ways, each used in the lesson that it names."""

import re
import unicodedata
from pathlib import Path

import nbformat
import pytest

LESSONS = Path(__file__).resolve().parents[2] / "lessons"


def table(heading):
    text = (LESSONS / "glossary.md").read_text(encoding="utf-8")
    section = text.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip("| \n").split(" | ") for line in section.strip().split("\n")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


ENGLISH = table("English → 中文")
CHINESE = table("中文 → English")


def text_of(lesson, language):
    (path,) = (LESSONS / language).glob(f"{lesson}_*.ipynb")
    notebook = nbformat.read(path, 4)
    return re.sub(r"\s+", " ", " ".join(c.source for c in notebook.cells if c.cell_type == "markdown")).lower()


def without_tones(pinyin):
    letters = unicodedata.normalize("NFD", pinyin.lower())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def test_both_tables_hold_the_same_terms():
    assert len(ENGLISH) >= 40
    forth = {(english, chinese, lesson) for english, chinese, lesson, _ in ENGLISH}
    back = {(english, chinese, lesson) for chinese, _, english, lesson, _ in CHINESE}
    assert forth == back and len(forth) == len(ENGLISH) == len(CHINESE)


def test_each_table_is_in_order():
    assert [row[0].lower() for row in ENGLISH] == sorted(row[0].lower() for row in ENGLISH)
    pinyin = [without_tones(row[1]) for row in CHINESE]
    assert pinyin == sorted(pinyin)


@pytest.mark.parametrize(("english", "chinese", "lesson"), [row[:3] for row in ENGLISH])
def test_the_lesson_uses_the_term(english, chinese, lesson):
    assert english.lower() in text_of(lesson, "en")
    assert chinese.split("（")[0].lower() in text_of(lesson, "zh")
