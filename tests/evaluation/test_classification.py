"""The figures of a classifier on one split."""

import json

import numpy as np
import pytest

from mediml.evaluation import choose_threshold, confusion_matrix, dice, evaluate, operating_point


def test_operating_point_by_hand():
    point = operating_point([0, 0, 0, 1, 1], [0.1, 0.4, 0.6, 0.5, 0.9], 0.5)
    assert point["sensitivity"].value == 1
    assert point["specificity"].value == pytest.approx(2 / 3)
    assert point["accuracy"].value == pytest.approx(4 / 5)
    assert point["positive_predictive_value"].value == pytest.approx(2 / 3)
    assert point["negative_predictive_value"].value == 1


def test_threshold_is_between_scores():
    assert choose_threshold([0, 0, 1, 1], [0.1, 0.2, 0.6, 0.8]) == pytest.approx(0.4)
    # J is 1/2 both at >= 0.8 and at >= 0.3: of {0.8, 0.3} the second is the middle one
    assert choose_threshold([0, 1, 0, 1], [0.1, 0.3, 0.5, 0.8]) == pytest.approx(0.2)
    upside_down = choose_threshold([1, 1, 0, 0], [0.1, 0.2, 0.6, 0.8])
    point = operating_point([1, 1, 0, 0], [0.1, 0.2, 0.6, 0.8], upside_down)
    assert point["sensitivity"].value + point["specificity"].value == 1  # nothing better than chance exists


def test_confusion_rows_are_the_truth():
    assert confusion_matrix([0, 0, 1, 2, 2], [0, 1, 1, 2, 0], 3).tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 1]]
    with pytest.raises(ValueError, match="predictions expect 0 to 1, got 0 to 2"):
        confusion_matrix([0, 1], [0, 2], 2)


def test_two_classes():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 300)
    logits = np.stack([np.zeros(300), 2 * labels - 1 + rng.normal(size=300)], 1)
    figures = evaluate(labels, logits, threshold=0.5, temperature=0.5)
    assert json.loads(json.dumps(figures)) == figures
    assert figures["auc"]["low"] < figures["auc"]["value"] < figures["auc"]["high"]
    assert figures["accuracy"] == figures["accuracy_argmax"]
    assert np.sum(figures["confusion"]) == figures["cases"] == 300
    assert np.trace(figures["confusion"]) / 300 == figures["accuracy"]["value"]
    assert figures["baseline_accuracy"] == max(labels.mean(), 1 - labels.mean())
    assert figures["calibration"]["slope"] == pytest.approx(1, abs=0.3)  # the logits are half of the true log-odds
    strict = evaluate(labels, logits, threshold=0.9, temperature=0.5)
    assert strict["sensitivity"]["value"] < figures["sensitivity"]["value"]
    assert strict["auc"] == figures["auc"] and strict["accuracy_argmax"] == figures["accuracy_argmax"]


def test_patients_widen_the_interval():
    rng = np.random.default_rng(0)
    patients = np.repeat(np.arange(40), 10)
    person = rng.integers(0, 2, 40)
    score = np.repeat(person + rng.normal(size=40), 10)
    logits = np.stack([np.zeros(400), score], 1)
    alone = evaluate(person[patients], logits)["auc"]
    grouped = evaluate(person[patients], logits, patients=patients)["auc"]
    assert grouped["method"] == "bootstrap of patients"
    assert grouped["high"] - grouped["low"] > 1.8 * (alone["high"] - alone["low"])


def test_more_classes():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 120)
    logits = 2 * np.eye(3)[labels] + rng.normal(size=(120, 3))
    figures = evaluate(labels, logits)
    assert figures["auc"]["low"] < figures["auc"]["value"] < figures["auc"]["high"]
    assert np.array(figures["confusion"]).shape == (3, 3)
    assert "sensitivity" not in figures


def test_refusals():
    with pytest.raises(ValueError, match="diverged"):
        evaluate([0, 1], [[0, np.nan], [0, 1]])
    with pytest.raises(ValueError, match=r"shape \(N, C\)"):
        evaluate([0, 1], [0.1, 0.9])


def test_dice():
    a = np.array([[1, 1, 0], [0, 0, 0]], bool)
    b = np.array([[0, 1, 1], [0, 0, 0]], bool)
    assert dice(a, b) == 0.5
    assert dice(a, a) == 1
    assert dice(a, np.zeros_like(a)) == 0  # a missed structure is the worst case
    assert np.isnan(dice(np.zeros_like(a), np.zeros_like(a)))
    with pytest.raises(ValueError, match="one shape"):
        dice(a, b[:1])
    with pytest.raises(ValueError, match="one label at a time"):
        dice(a * 2, b)
