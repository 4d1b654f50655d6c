"""Calibration: temperature, Brier score, bins of equal mass, slope and intercept."""

import numpy as np
import pytest

from mediml.evaluation import (
    brier_score,
    calibration_line,
    expected_calibration_error,
    fit_temperature,
    reliability_bins,
    softmax,
)


def _cases(count=4000, seed=0):
    rng = np.random.default_rng(seed)
    logit = rng.normal(0, 2, count)
    labels = (rng.random(count) < 1 / (1 + np.exp(-logit))).astype(int)
    return labels, logit


def test_temperature_undoes_a_known_one():
    labels, logit = _cases()
    for factor in (0.25, 1.0, 3.0):
        logits = np.stack([np.zeros_like(logit), logit * factor], 1)
        assert fit_temperature(labels, logits) == pytest.approx(factor, rel=0.08)


def test_temperature_keeps_the_ranking():
    logits = np.random.default_rng(0).normal(size=(20, 3)) * 5
    assert (softmax(logits, 4.0).argmax(1) == softmax(logits).argmax(1)).all()
    np.testing.assert_allclose(softmax(logits).sum(1), 1)


def test_line_of_calibrated_and_of_extreme_probabilities():
    labels, logit = _cases()
    for factor, shift in ((1.0, 0.0), (2.0, 0.0), (0.5, 1.0)):
        slope, intercept = calibration_line(labels, 1 / (1 + np.exp(-(factor * logit + shift))))
        assert slope == pytest.approx(1 / factor, abs=0.1)
        assert intercept == pytest.approx(-shift / factor, abs=0.12)


def test_line_against_scikit_learn():
    linear_model = pytest.importorskip("sklearn.linear_model")
    labels, logit = _cases(300)
    fitted = linear_model.LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(logit[:, None], labels)
    slope, intercept = calibration_line(labels, 1 / (1 + np.exp(-logit)))
    assert (slope, intercept) == pytest.approx((fitted.coef_[0, 0], fitted.intercept_[0]), rel=1e-4)


def test_no_line_where_classes_are_separated():
    assert np.isnan(calibration_line([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9])).all()
    assert np.isnan(calibration_line([0, 1, 0, 1], [0.5, 0.5, 0.5, 0.5])).all()


def test_brier_and_error_by_hand():
    labels, p = [0, 1, 1, 0], [0.1, 0.9, 0.6, 0.6]
    assert brier_score(labels, p) == pytest.approx((0.01 + 0.01 + 0.16 + 0.36) / 4)
    # two bins: {0.1} and {0.6, 0.6} are not divided, so {0.1, 0.6, 0.6} and {0.9}
    bins = reliability_bins(labels, p, 2)
    assert [count for _, _, count in bins] == [3, 1]
    assert bins[0][0] == pytest.approx(1.3 / 3) and bins[0][1].value == pytest.approx(1 / 3)
    assert expected_calibration_error(labels, p, 2) == pytest.approx(3 / 4 * abs(1 / 3 - 1.3 / 3) + 1 / 4 * 0.1)


def test_bins_hold_equally_many():
    labels, logit = _cases(1000)
    bins = reliability_bins(labels, 1 / (1 + np.exp(-logit)), 10)
    assert [count for _, _, count in bins] == [100] * 10
    assert sum(low <= mean <= high for mean, (_, low, high), _ in bins) >= 8  # 95 % intervals of a calibrated model


def test_brier_against_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    labels, logit = _cases(200)
    p = 1 / (1 + np.exp(-logit))
    assert brier_score(labels, p) == pytest.approx(metrics.brier_score_loss(labels, p))


@pytest.mark.parametrize("p", [[0.5, 1.2], [np.nan, 0.5], [0.5]])
def test_refusals(p):
    for figure in (brier_score, expected_calibration_error, calibration_line):
        with pytest.raises(ValueError, match="probabilities"):
            figure([0, 1], p)
