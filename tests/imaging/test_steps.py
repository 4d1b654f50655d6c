import string

import pytest

from mediml.diagnosis.language import LANGUAGES
from mediml.imaging.steps import STEP_TEXTS, Step
from mediml.viewer.facts import languages


def names(text):
    """Each name in braces with its format, as often as it stands there."""
    return sorted((field, format) for _, field, format, _ in string.Formatter().parse(text) if field)


def test_languages_say_the_same():
    english, chinese = STEP_TEXTS["en"], STEP_TEXTS["zh"]
    assert english.keys() == chinese.keys()
    for key, text in english.items():
        assert names(text) == names(chinese[key]), key
        assert any("\u4e00" <= letter <= "\u9fff" for letter in chinese[key]), key


def test_steps_have_every_language_of_pages_and_reports():
    assert STEP_TEXTS.keys() == LANGUAGES.keys() == set(languages())


@pytest.mark.parametrize(
    ("language", "sentence"),
    [("en", "rescaled: 2 · stored + -1024"), ("zh", "重标度：2 × 存储值 + -1024")],
)
def test_a_step_in_words(language, sentence):
    step = Step("rescaled", {"slope": 2.0, "intercept": -1024.0})
    assert step.sentence(language) == sentence
    assert str(step) == "rescaled: 2 · stored + -1024"
