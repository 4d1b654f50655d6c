"""Report sentences: labels that a reader agrees with, splits that do not leak, a rule that falls into the traps."""

import re

import numpy as np
import pytest

from mediml.data.sentence_templates import LANGUAGES, STATUSES
from mediml.data.sentences import PAD, UNKNOWN, keyword_rule, report_sentences, tokens

POSITIVE, NEGATED, UNCERTAIN = range(3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no [pleural effusion] on the left .", ["no", "[", "pleural", "effusion", "]", "on", "the", "left", "."]),
        ("New [ground-glass opacity] .", ["new", "[", "ground-glass", "opacity", "]", "."]),
        ("未见[气胸]，建议CT检查。", ["未", "见", "[", "气", "胸", "]", "，", "建", "议", "ct", "检", "查", "。"]),
    ],
)
def test_tokens(text, expected):
    assert tokens(text) == expected


def test_the_keyword_rule_and_its_traps():
    english = {
        "no [pneumothorax] on the left .": NEGATED,
        "new [consolidation] at the left base .": POSITIVE,
        "[consolidation] at the left base cannot be excluded .": UNCERTAIN,
        "the known [scarring] persists .": POSITIVE,  # no cue inside a word
        "no change in the [pleural effusion] on the left .": NEGATED,  # wrong, and known to be
    }
    assert keyword_rule(list(english)).tolist() == list(english.values())
    chinese = {
        "右侧未见[气胸]。": NEGATED,
        "右侧见[气胸]。": POSITIVE,
        "右侧[气胸]不除外。": UNCERTAIN,
        "可除外右侧[气胸]。": NEGATED,
    }
    assert keyword_rule(list(chinese), "zh").tolist() == list(chinese.values())


@pytest.mark.parametrize("language", sorted(LANGUAGES))
@pytest.mark.parametrize("unseen", ["templates", "findings"])
def test_the_rule_is_right_without_traps_and_wrong_in_many(language, unseen):
    data = report_sentences(language=language, unseen=unseen)
    for split in (data.train, data.val, data.test):
        right = keyword_rule(split.texts, language) == split.labels
        assert right[~split.traps].all() and split.traps.mean() > 0.4
        assert right[split.traps].mean() < 0.7


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_splits_share_no_sentence_and_no_template(language):
    data = report_sentences(600, 300, 300, language)
    texts = [set(split.texts) for split in (data.train, data.val, data.test)]
    assert not texts[0] & texts[1] and not texts[0] & texts[2] and not texts[1] & texts[2]
    for status in STATUSES:
        forms = [set(LANGUAGES[language].templates[status][name]) for name in ("train", "val", "test")]
        assert not forms[0] & forms[1] and not forms[0] & forms[2] and not forms[1] & forms[2]
        assert all(any(form.startswith("!") for form in some) for some in forms)


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_unseen_findings_are_nowhere_in_training(language):
    data = report_sentences(900, 200, 200, language, unseen="findings")
    train = " ".join(data.train.texts)
    asked = {re.search(r"\[(.+)\]", text)[1] for text in data.test.texts}
    assert len(asked) == 2 and not any(finding in train for finding in asked)


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_every_form_is_used_and_every_slot_filled(language):
    rules = LANGUAGES[language]
    for status in STATUSES:
        for forms in rules.templates[status].values():
            for form in forms:
                assert form.count("{f}") == 1
                assert set(re.findall(r"{(\w+)}", form)) <= {"f", "p", "o", "q", *rules.cues}
    data = report_sentences(3000, 600, 900, language)
    for split in (data.train, data.val, data.test):
        assert all(
            text.count("[") == text.count("]") == 1 and "{" not in text and "!" not in text for text in split.texts
        )
        assert (np.abs(np.bincount(split.labels, minlength=3) / len(split) - 1 / 3) < 0.06).all()


def test_each_place_suits_its_finding():
    for text in report_sentences(500, 1, 1, "zh").train.texts:
        assert not re.search(r"右肺[上中下]叶\[?(气胸|胸腔积液)", text)
    for text in report_sentences(500, 1, 1).train.texts:
        assert not re.search(r"pneumothorax\]? (in|at) ", text)


def test_tokens_are_those_of_the_texts():
    data = report_sentences(200, 50, 50)
    assert data.vocabulary[:2] == (PAD, UNKNOWN) and len(set(data.vocabulary)) == len(data.vocabulary)
    for split in (data.train, data.val, data.test):
        assert split.tokens.dtype == split.lengths.dtype == split.labels.dtype == np.int64
        for row, text in enumerate(split.texts):
            words = tokens(text)
            known = [word if word in data.vocabulary else UNKNOWN for word in words]
            assert [data.vocabulary[index] for index in split.tokens[row, : split.lengths[row]]] == known
            assert split.lengths[row] == len(words) and (split.tokens[row, len(words) :] == 0).all()
    assert not (data.train.tokens == 1).any() and (data.test.tokens == 1).any()


def test_the_vocabulary_starts_with_what_is_most_frequent():
    data = report_sentences(500, 1, 1)
    counts = np.bincount(data.train.tokens.ravel(), minlength=len(data.vocabulary))[2:]
    assert (np.diff(counts) <= 0).all() and counts.min() > 0


def test_encoding_of_new_sentences():
    data = report_sentences(500, 1, 1)
    table, lengths = data.encode(["no [zebra] .", "no change in the [zebra] today ."])
    assert lengths.tolist() == [5, 9] and table.shape == (2, 9)
    assert [data.vocabulary[index] for index in table[0]] == ["no", "[", UNKNOWN, "]", ".", PAD, PAD, PAD, PAD]
    assert data.encode([])[0].shape == (0, 0)


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_repeatable_and_growing(language):
    small, large = (report_sentences(n, n, n, language, seed=3) for n in (30, 80))
    for name in ("train", "val", "test"):
        few, many = getattr(small, name), getattr(large, name)
        assert few.texts == many.texts[:30] and (few.labels == many.labels[:30]).all()
        assert few.texts != getattr(report_sentences(30, 30, 30, language, seed=4), name).texts
    again = report_sentences(30, 30, 30, language, seed=3)
    np.testing.assert_array_equal(small.test.tokens, again.test.tokens)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: report_sentences(0), "at least 1 sentence in each split"),
        (lambda: report_sentences(seed=-1), "seed >= 0"),
        (lambda: report_sentences(language="de"), "language expects one of 'en', 'zh'"),
        (lambda: report_sentences(unseen="words"), "'templates' or 'findings'"),
        (lambda: keyword_rule(["x"], "fr"), "keyword_rule: language expects"),
    ],
)
def test_refusals(call, text):
    with pytest.raises(ValueError, match=text):
        call()
