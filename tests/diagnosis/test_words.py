import string

import pytest

from mediml.diagnosis.language import LANGUAGES, Language


def names(text):
    return {field for _, field, _, _ in string.Formatter().parse(text) if field}


def test_languages_say_the_same():
    english, chinese = LANGUAGES["en"], LANGUAGES["zh"]
    assert english.WORDS.keys() == chinese.WORDS.keys()
    for key, text in english.WORDS.items():
        assert names(text) == names(chinese.WORDS[key]), key


def test_chinese_is_chinese():
    for key, text in LANGUAGES["zh"].WORDS.items():
        if key not in ("html_lang",):
            assert any("\u4e00" <= letter <= "\u9fff" for letter in text), key


def test_no_wording_of_a_diagnosis():
    for text in LANGUAGES["en"].WORDS.values():
        assert "the patient has" not in text.lower() and "diagnosed" not in text.lower()


def test_classes():
    assert Language("zh").class_name("pneumonia") == "肺炎" and Language("zh").class_name("effusion") == "effusion"


def test_unknown_language():
    with pytest.raises(ValueError, match="expected one of en, zh, got 'fr'"):
        Language("fr")
