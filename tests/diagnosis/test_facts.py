import pytest

from mediml.diagnosis.facts import predictive_values, read_card


def test_predictive_values_by_counting():
    # Of 1000, 100 ill; sensitivity 0.9: 90 found, 10 missed; specificity 0.8: 720 cleared, 180 alarmed.
    ppv, npv = predictive_values(0.9, 0.8, 0.1)
    assert ppv == pytest.approx(90 / 270) and npv == pytest.approx(720 / 730)
    assert predictive_values(0.0, 1.0, 0.5) == (0.0, 0.5)


def test_card_is_read(card):
    facts = read_card("x", card)
    assert facts.positive == "pneumonia" and facts.size == 28 and facts.split == "test" and facts.prevalence == 0.625
    assert facts.metrics["auc"].low == pytest.approx(0.94) and facts.bins[0].count == 60 and facts.ece == 0.03


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ["a", "b", "c"]}, "expected two classes, got 3"),
        ({"data": {"name": "generated"}}, "trained on pneumoniamnist, .* got one trained on generated"),
        ({"familiarity": None}, "lacks what tells unfamiliar images"),
        ({"threshold": None}, "cannot be read"),
        ({"metrics": {}}, "cannot be read"),
        ({"calibration": {"bins": [{"score": 1}]}}, "cannot be read"),
    ],
)
def test_refusals(card, change, message):
    with pytest.raises(ValueError, match=message):
        read_card("x", card | change)
