"""Report sentences in English and Chinese: is the finding that is asked for present, negated or uncertain?

The finding in question stands in brackets: ``no [pneumothorax] on the left , persistent scarring at the left base .``
In Chinese: ``右侧可见胸腔积液，未见[气胸]。`` Other findings of the sentence have a status of their own, so that no
word by itself decides. Everything is put together from the lists of `mediml.data.sentence_templates` by a seeded
generator; no report of a patient was used, and no figure on these sentences says how a model reads real ones.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mediml.data.images import SPLITS
from mediml.data.sentence_templates import LANGUAGES, STATUSES, Language

__all__ = ["PAD", "STATUSES", "UNKNOWN", "SentenceData", "SentenceSplit", "keyword_rule", "report_sentences", "tokens"]

PAD, UNKNOWN = "<pad>", "<unk>"

#: A bracket or full stop; a run of Latin letters, digits and hyphens; any other character that is no space.
_TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*|\S")
_SLOT = re.compile(r"{(\w+)}")

#: Columns of the table of random numbers, one row per sentence.
_COLUMNS = ("status", "template", "finding", "place", "other", "other_place", "cue1", "cue2", "cue3")

#: Share of the findings that each split gets where findings are what is unseen.
_FINDINGS = {"train": slice(0, 8), "val": slice(8, 10), "test": slice(10, 12)}


@dataclass(frozen=True, eq=False)
class SentenceSplit:
    """Sentences of one split.

    Attributes
    ----------
    texts : tuple of str
        As a reader sees them, with the finding that is asked for in brackets.
    tokens : ndarray of int64, shape (N, T)
        Indices into `SentenceData.vocabulary`; 0, the padding, behind the end.
    lengths : ndarray of int64, shape (N,)
        Tokens of each sentence.
    labels : ndarray of int64, shape (N,)
        Index into `STATUSES`.
    traps : ndarray of bool, shape (N,)
        True where a cue of the sentence belongs to something else, or says the opposite of what it looks like.
    """

    texts: tuple[str, ...]
    tokens: NDArray[np.int64]
    lengths: NDArray[np.int64]
    labels: NDArray[np.int64]
    traps: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True, eq=False)
class SentenceData:
    """Report sentences in three splits.

    Attributes
    ----------
    name, language : str
    vocabulary : tuple of str
        ``<pad>``, ``<unk>``, then the tokens of the training split by frequency, equally frequent ones by spelling.
    train, val, test : SentenceSplit
    """

    name: str
    language: str
    vocabulary: tuple[str, ...]
    train: SentenceSplit
    val: SentenceSplit
    test: SentenceSplit

    def encode(self, texts: Iterable[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Tokens (N, T) and lengths (N,) of sentences; what is not in the vocabulary becomes ``<unk>``."""
        return _encode([tokens(text) for text in texts], self.vocabulary)


def report_sentences(
    train: int = 3000,
    val: int = 600,
    test: int = 900,
    language: str = "en",
    unseen: str = "templates",
    seed: int = 0,
) -> SentenceData:
    """Generate report sentences, a third of them with each status.

    Parameters
    ----------
    train, val, test : int
        Sentences of each split, at least 1. The texts of the first ones stay the same when a split grows; their
        tokens may not, because the vocabulary is that of the training split.
    language : {"en", "zh"}
    unseen : {"templates", "findings"}
        What validation and test have that training never shows. ``"templates"``: the forms of the sentences, with
        all findings in all splits. ``"findings"``: the findings, both in the brackets and outside, with the training
        forms in all splits. Cues and places are the same everywhere.
    seed : int
        Not negative.

    Returns
    -------
    SentenceData
        No sentence of a split occurs in another one; within a split a sentence may occur twice.

    References
    ----------
    W. W. Chapman et al., "A simple algorithm for identifying negated findings and diseases in discharge summaries",
    Journal of Biomedical Informatics 34, 2001, for the kinds of cues. Taught in lesson 12, LSTM, GRU and language.
    """
    if min(train, val, test) < 1 or seed < 0:
        raise ValueError(
            f"report_sentences: expected at least 1 sentence in each split and seed >= 0, got {(train, val, test)} "
            f"and {seed}"
        )
    if language not in LANGUAGES or unseen not in ("templates", "findings"):
        raise ValueError(
            f"report_sentences: language expects one of {', '.join(map(repr, LANGUAGES))} and unseen 'templates' or "
            f"'findings', got {language!r} and {unseen!r}"
        )
    made = {}
    for stream, (split, count) in enumerate(zip(SPLITS, (train, val, test))):
        drawn = np.random.default_rng([seed, stream]).random((count, len(_COLUMNS)))
        made[split] = [_sentence(LANGUAGES[language], split, unseen, dict(zip(_COLUMNS, row))) for row in drawn]
    vocabulary = _vocabulary(tokens(text) for text, _, _ in made["train"])
    splits = {split: _split(rows, vocabulary) for split, rows in made.items()}
    name = f"report sentences ({language}), unseen {unseen}, seed {seed}"
    return SentenceData(name, language, vocabulary, **splits)


def tokens(text: str) -> list[str]:
    """Words in lower case, single Chinese characters, brackets and marks: ``"No [气胸]."`` is no, [, 气, 胸, ], '.'."""
    return _TOKEN.findall(text.lower())


def keyword_rule(texts: Sequence[str], language: str = "en") -> NDArray[np.int64]:
    """The baseline without learning: any cue of uncertainty makes the finding uncertain, else any negation negates it.

    It knows every cue that the generator uses, but not to which finding a cue belongs.

    Parameters
    ----------
    texts : sequence of str
    language : {"en", "zh"}

    Returns
    -------
    ndarray of int64, shape (N,)
        Index into `STATUSES`.
    """
    if language not in LANGUAGES:
        raise ValueError(f"keyword_rule: language expects one of {', '.join(map(repr, LANGUAGES))}, got {language!r}")
    rules = LANGUAGES[language]
    edge = r"\b" if language == "en" else ""
    uncertain, negated = (
        re.compile("|".join(edge + re.escape(cue) + edge for cue in cues), re.IGNORECASE)
        for cues in (rules.uncertainty, rules.negation)
    )
    found = [2 if uncertain.search(text) else 1 if negated.search(text) else 0 for text in texts]
    return np.array(found, np.int64)


def _sentence(language: Language, split: str, unseen: str, drawn: dict[str, float]) -> tuple[str, int, bool]:
    """Text, label, and whether it is a trap."""
    status = int(drawn["status"] * len(STATUSES))
    forms = language.templates[STATUSES[status]]["train" if unseen == "findings" else split]
    template = _pick(forms, drawn["template"])
    findings = list(language.findings)
    if unseen == "findings":
        findings = findings[_FINDINGS[split]]
    finding = _pick(findings, drawn["finding"])
    other = _pick([name for name in findings if name != finding], drawn["other"])
    filled = {
        "f": f"[{finding}]",
        "p": _pick(language.findings[finding], drawn["place"]),
        "o": other,
        "q": _pick(language.findings[other], drawn["other_place"]),
    }
    cue_columns = iter(("cue1", "cue2", "cue3"))

    def fill(slot: re.Match[str]) -> str:
        name = slot[1]
        return filled[name] if name in filled else _pick(language.cues[name], drawn[next(cue_columns)])

    return _SLOT.sub(fill, template.removeprefix("!")), status, template.startswith("!")


def _pick(options: Sequence[str], drawn: float) -> str:
    return options[int(drawn * len(options))]


def _vocabulary(sentences: Iterable[list[str]]) -> tuple[str, ...]:
    counts: dict[str, int] = {}
    for sentence in sentences:
        for token in sentence:
            counts[token] = counts.get(token, 0) + 1
    return (PAD, UNKNOWN, *sorted(counts, key=lambda token: (-counts[token], token)))


def _encode(sentences: Sequence[list[str]], vocabulary: tuple[str, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    index = {token: place for place, token in enumerate(vocabulary)}
    lengths = np.array([len(sentence) for sentence in sentences], np.int64)
    table = np.zeros((len(sentences), int(lengths.max(initial=0))), np.int64)
    for row, sentence in enumerate(sentences):
        table[row, : len(sentence)] = [index.get(token, 1) for token in sentence]
    return table, lengths


def _split(rows: Sequence[tuple[str, int, bool]], vocabulary: tuple[str, ...]) -> SentenceSplit:
    texts, labels, traps = zip(*rows)
    table, lengths = _encode([tokens(text) for text in texts], vocabulary)
    return SentenceSplit(texts, table, lengths, np.array(labels, np.int64), np.array(traps, np.bool_))
