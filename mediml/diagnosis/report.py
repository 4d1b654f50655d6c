"""The report of one input as a page, from what `study` found and `facts` says about the model."""

from collections.abc import Mapping, Sequence
from typing import Any

import mediml
from mediml.diagnosis.facts import ModelFacts, predictive_values
from mediml.diagnosis.language import Language
from mediml.diagnosis.page import Markup, element, figure, page, table
from mediml.diagnosis.record import reasons_of
from mediml.diagnosis.study import JUDGED, Study

__all__ = ["number_of", "render", "render_index", "score_text"]

#: Prevalences for which the predictive values are restated; the middle one is that of a general clinic at best.
PREVALENCES = (0.01, 0.10, 0.50)

_FAILURES = (
    "failure_other",
    "failure_resolution",
    "failure_age",
    "failure_mirror",
    "failure_shortcut",
    "failure_labels",
)


def number_of(study: Study) -> str:
    """The input's number as files and pages write it."""
    return f"{study.number:03d}"


def render(
    study: Study,
    facts: ModelFacts,
    language: Language,
    created: str,
    pictures: Mapping[str, bytes],
    index: str | None = None,
) -> str:
    """The report as one HTML document.

    Parameters
    ----------
    pictures : mapping of str to bytes
        PNG by name: ``image``, ``input``, ``feature_maps``, ``score``, as far as there are.
    index : str, optional
        Address of the page of all inputs.
    """
    head = [element("h1", language("title")), _subtitle(study, language)]
    if index is not None:
        head.insert(0, element("p", element("a", "← " + language("back"), href=index), class_="soft"))
    body = [
        element("header", *head),
        _outcome(study, facts, language),
        _figures(study, facts, language, pictures),
        _checks(study, language),
        _meaning(study, facts, language, pictures),
        _failures(facts, language),
        _withheld(study, facts, language),
        _processing(study, language),
        _model(facts, language),
        _reader(language),
        element("p", language("made_by", version=mediml.__version__, date=created), class_="soft"),
    ]
    return page(f"{language('title')} · {language('input_number', number=number_of(study))}", body, language)


def render_index(entries: Sequence[Mapping[str, Any]], facts: ModelFacts, language: Language, created: str) -> str:
    """A page that lists all inputs, from the entries of ``index.json``, and leads to their reports."""
    rows: list[list[str]] = []
    for entry in entries:
        number = f"{entry['number']:03d}"
        link = element("a", language("input_number", number=number), href=entry["report"])
        found = " ".join(entry["reasons"])
        if entry["score"] is not None:
            found = (
                f"{language('score_label', positive=language.class_name(facts.positive))}: {score_text(entry['score'])}"
            )
        level = _level("pass" if entry["status"] == JUDGED else "stop", language(entry["status"]))
        rows.append([link, level, found, element("code", (entry["sha256"] or "")[:12])])
    heads = [language(f"head_{name}") for name in ("input", "outcome", "reason", "sha256")]
    body = [
        element("header", element("h1", language("index_title"))),
        element(
            "section", element("p", language("index_lead", count=len(entries))), table(heads, rows, class_="checks")
        ),
        element("p", language("made_by", version=mediml.__version__, date=created), class_="soft"),
    ]
    return page(language("index_title"), body, language)


def _subtitle(study: Study, language: Language) -> Markup:
    parts = [language("input_number", number=number_of(study))]
    if study.image is not None:
        parts += [study.kind, f"{study.image.shape[0]} × {study.image.shape[1]}"]
    return element("p", " · ".join(parts), class_="soft")


def _outcome(study: Study, facts: ModelFacts, language: Language) -> Markup:
    parts = [element("p", language(study.outcome), class_="word"), element("p", language(f"{study.outcome}_lead"))]
    if study.outcome != JUDGED or study.prediction is None:
        parts.append(element("ul", *(element("li", reason) for reason in reasons_of(study, language))))
        return element("div", *parts, class_="outcome stop")
    where = "score_above" if study.prediction.above_threshold else "score_below"
    parts.append(
        element(
            "div",
            element("span", language("score_label", positive=language.class_name(facts.positive))),
            element("b", score_text(study.prediction.score)),
            element("span", language(where, threshold=f"{facts.threshold:.2f}")),
            class_="score",
        )
    )
    if facts.bins:
        parts.append(element("p", _nearest_bin(study.prediction.score, facts, language)))
    parts.append(element("p", language("score_is", pixels=facts.size**2), class_="soft"))
    return element("div", *parts, class_="outcome")


def score_text(score: float) -> str:
    """Two digits; what is not quite 0 or 1 is not written as 0 or 1."""
    return "< 0.01" if score < 0.005 else "> 0.99" if score >= 0.995 else f"{score:.2f}"


def _nearest_bin(score: float, facts: ModelFacts, language: Language) -> str:
    """What was observed at about this score, which need not be what the score says."""
    nearest = min(facts.bins, key=lambda each: abs(each.score - score))
    shares = {name: f"{100 * getattr(nearest, name):.0f}" for name in ("share", "low", "high")}
    positive, split = language.class_name(facts.positive), language(f"split_{facts.split}")
    return language("score_bin", count=nearest.count, split=split, positive=positive, **shares)


def _figures(study: Study, facts: ModelFacts, language: Language, pictures: Mapping[str, bytes]) -> Markup:
    if study.image is None:
        return Markup("")
    if study.hidden_by:
        reason = language("no_figures_text" if study.hidden_by == "burned_in" else "no_figures_colour")
        return _section(language("section_figures"), element("p", language("no_figures", reason=reason)))
    maps = len(study.prediction.feature_maps) if study.prediction else 0
    shown = [
        figure(pictures[name], language(f"figure_{key}_alt", **values), language(f"figure_{key}", **values), class_)
        for name, key, values, class_ in (
            ("image", "image", {}, ""),
            ("input", "input", {"size": facts.size}, "pixels"),
            ("feature_maps", "maps", {"count": maps}, "pixels wide"),
        )
        if name in pictures
    ]
    return (
        _section(language("section_figures"), element("div", *shown, class_="figures three")) if shown else Markup("")
    )


def _checks(study: Study, language: Language) -> Markup:
    if not study.checks:
        return Markup("")
    rows: list[list[str]] = [
        [
            language(f"check_{check.name}"),
            _level(check.level, language(f"level_{check.level}")),
            language(check.code, **check.values),
        ]
        for check in study.checks
    ]
    heads = [language("head_check"), language("head_result"), language("head_found")]
    return _section(language("section_checks"), table(heads, rows, class_="checks"))


def _meaning(study: Study, facts: ModelFacts, language: Language, pictures: Mapping[str, bytes]) -> Markup:
    if study.image is None:
        return Markup("")
    split = language(f"split_{facts.split}")
    parts: list[Markup] = []
    if "score" in pictures:
        marker = "figure_score_marker" if study.outcome == JUDGED else "figure_score_no_marker"
        caption = language(
            "figure_score", positive=language.class_name(facts.positive), split=split, marker=language(marker)
        )
        parts.append(figure(pictures["score"], language("figure_score_alt"), caption))
    text: list[Markup] = []
    if facts.ece is not None and facts.brier is not None:
        tempered = language("meaning_temperature", temperature=f"{facts.temperature:.2f}")
        numbers = {"ece": f"{facts.ece:.3f}", "brier": f"{facts.brier:.3f}"}
        text.append(element("p", language("meaning_calibration", split=split, temperature=tempered, **numbers)))
    if facts.prevalence is not None:
        share = f"{100 * facts.prevalence:.0f}"
        text.append(
            element("p", language("meaning_setting", prevalence=share, positive=language.class_name(facts.positive)))
        )
    text.append(element("p", language("meaning_point", threshold=f"{facts.threshold:.2f}")))
    text.append(_metrics(facts, language, split))
    text.append(_predictive(facts, language))
    parts.append(element("div", *text))
    return _section(language("section_meaning"), element("div", *parts, class_="figures"))


def _metrics(facts: ModelFacts, language: Language, split: str) -> Markup:
    rows: list[list[str]] = [
        [
            language(f"metric_{name}"),
            f"{measured.value:.3f}",
            f"{measured.low:.3f} – {measured.high:.3f}"
            if measured.low is not None and measured.high is not None
            else "",
        ]
        for name, measured in facts.metrics.items()
    ]
    heads = [language("head_figure", split=split), language("head_value"), language("head_interval")]
    return table(heads, rows, class_="numbers") if rows else Markup("")


def _predictive(facts: ModelFacts, language: Language) -> Markup:
    if not {"sensitivity", "specificity"} <= facts.metrics.keys():
        return Markup("")
    rows: list[list[str]] = []
    for prevalence in PREVALENCES:
        values = predictive_values(facts.metrics["sensitivity"].value, facts.metrics["specificity"].value, prevalence)
        rows.append([f"{100 * prevalence:.0f} %", *(_percent(value) for value in values)])
    heads = [language("head_prevalence"), language("head_ppv"), language("head_npv")]
    lead = element(
        "p", language("meaning_prevalence", positive=language.class_name(facts.positive)), style="margin-top:1em"
    )
    return Markup(lead + table(heads, rows, class_="numbers"))


def _failures(facts: ModelFacts, language: Language) -> Markup:
    items = [element("li", language(key, size=facts.size)) for key in _FAILURES]
    return _section(language("section_failures"), element("ul", *items))


def _withheld(study: Study, facts: ModelFacts, language: Language) -> Markup:
    if study.prediction is None or study.outcome == JUDGED:
        return Markup("")
    lead = language("study_lead", size=facts.size, score=score_text(study.prediction.score))
    summary = element("summary", language("section_study"))
    return element("section", element("details", summary, element("p", lead)))


def _processing(study: Study, language: Language) -> Markup:
    image = study.image
    if image is None:
        return Markup("")
    spacing = language("fact_spacing_unknown")
    if image.spacing_mm is not None and image.spacing_at is not None:
        row, column = image.spacing_mm
        spacing = language("fact_spacing_value", row=row, column=column, place=language(f"place_{image.spacing_at}"))
    units = language("units_arbitrary") if image.units == "arbitrary" else image.units
    rows: list[list[str]] = [
        [language("fact_format"), study.kind],
        [language("fact_shape"), f"{image.shape[0]} × {image.shape[1]}"],
        [language("fact_spacing"), spacing],
        [language("fact_units"), units],
        [language("fact_sha256"), element("code", study.sha256)],
    ]
    steps = [element("li", step.sentence(language.code)) for step in (*image.account, *image.doubts)]
    return _section(language("section_pixels"), element("ul", *steps), table([], rows))


def _model(facts: ModelFacts, language: Language) -> Markup:
    card = facts.card
    rows: list[list[str]] = [
        [language("model_name"), facts.name],
        [language("model_architecture"), _plain(card["architecture"])],
        [language("model_weights"), element("code", str(card["weights_sha256"]))],
        [language("model_data"), _plain(card["data"])],
        [language("model_seed"), _plain(card["seed"])],
        [language("model_licence"), _plain(card["licence"])],
        [language("model_limits"), _plain(card["limits"])],
        [language("model_software"), f"mediml {mediml.__version__}"],
    ]
    return _section(language("section_model"), table([], rows))


def _reader(language: Language) -> Markup:
    lines = [
        Markup(element("span", language(f"reader_{key}")) + element("i"))
        for key in ("finding", "agrees", "comment", "name")
    ]
    lead = element("p", language("reader_lead"))
    return element(
        "section",
        element("h2", language("section_reader")),
        lead,
        element("div", *lines, class_="blank"),
        class_="reader",
    )


def _section(title: str, *children: Markup) -> Markup:
    return element("section", element("h2", title), *children)


def _level(level: str, word: str) -> Markup:
    sign = {"pass": "✓", "caution": "!", "stop": "✕"}[level]  # not by colour alone
    return element("span", f"{sign} {word}", class_=f"level {level}")


def _percent(share: float) -> str:
    """Whole per cent; what is not quite all is not written as all."""
    return "> 99 %" if 0.995 <= share < 1 else f"{100 * share:.0f} %"


def _plain(value: object) -> str:
    """A card's entry as text: lists and nested names on one line."""
    if isinstance(value, Mapping):
        return "; ".join(
            f"{key}: ({_plain(each)})" if isinstance(each, Mapping) else f"{key}: {_plain(each)}"
            for key, each in value.items()
        )
    if isinstance(value, (list, tuple)):
        return " · ".join(_plain(each) for each in value)
    return str(value)
