"""AUC, DeLong's interval, average precision: against pROC's published example, brute force and scikit-learn."""

import numpy as np
import pytest

from mediml.evaluation import auc, average_precision, delong_covariance, macro_auc, roc_curve

# S100B in µg/l on admission of 113 patients with a subarachnoid haemorrhage, by outcome: Turck et al., Intensive Care
# Medicine 36, 2010, the example (aSAH) of X. Robin et al., "pROC", BMC Bioinformatics 12:77, 2011.
POOR = """0.13 0.1 0.16 0.12 0.44 0.71 0.49 0.07 0.33 0.09 0.07 0.41 0.35 0.48 0.96 0.25 0.86 0.52 2.07 0.07 0.77 0.3
0.03 0.09 0.23 0.7 0.27 0.71 0.08 0.26 0.13 0.1 0.11 0.22 0.56 0.14 0.58 0.32 0.82 0.74 0.44"""
GOOD = """0.13 0.14 0.1 0.04 0.47 0.18 0.1 0.1 0.04 0.08 0.04 0.09 0.11 0.07 0.17 0.07 0.11 0.13 0.19 0.05 0.16 0.14
0.34 0.09 0.5 0.46 0.16 0.07 0.43 0.45 0.11 0.08 0.09 0.08 0.06 0.13 0.1 0.14 0.15 0.06 0.05 0.09 0.04 0.09 0.08 0.16
0.09 0.08 0.33 0.11 0.28 0.07 0.1 0.32 0.07 0.05 0.24 0.38 0.1 0.15 0.08 0.14 0.1 0.07 0.04 0.19 0.15 0.47 0.17 0.15
0.5 0.48"""


def test_proc_example():
    poor, good = (np.array(text.split(), float) for text in (POOR, GOOD))
    assert (len(poor), len(good)) == (41, 72)
    labels = np.r_[np.ones(41, int), np.zeros(72, int)]
    scores = np.r_[poor, good]
    assert [round(v, 4) for v in auc(labels, scores)] == [0.7314, 0.6301, 0.8326]
    _, covariance = delong_covariance(labels, scores)
    assert covariance[0, 0] == pytest.approx(0.00266868245717244, rel=1e-10)  # pROC's var(roc)


def test_delong_equals_its_definition():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 60)
    scores = np.round(rng.normal(size=(2, 60)) + labels, 1)  # rounded: ties
    areas, covariance = delong_covariance(labels, scores)
    placements = []
    for row in scores:
        ill, healthy = row[labels == 1], row[labels == 0]
        win = (ill[:, None] > healthy) + 0.5 * (ill[:, None] == healthy)
        placements.append((win.mean(1), win.mean(0)))
    expected = sum(np.cov([p[k] for p in placements]) / len(placements[0][k]) for k in (0, 1))
    assert areas == pytest.approx([p[0].mean() for p in placements], rel=1e-12)
    np.testing.assert_allclose(covariance, expected, rtol=1e-10)


def test_coverage_of_the_interval():
    rng = np.random.default_rng(1)
    true = 0.7602499389065233  # normal scores one deviation apart: Phi(1 / sqrt 2)
    labels = np.r_[np.ones(60, int), np.zeros(60, int)]
    hits = 0
    for _ in range(400):
        estimate = auc(labels, rng.normal(size=120) + labels)
        hits += estimate.low <= true <= estimate.high
    assert 0.92 <= hits / 400 <= 0.98


def test_against_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(2)
    for decimals in (0, 1, 6):
        labels = rng.integers(0, 2, 200)
        scores = np.round(rng.normal(size=200) + labels, decimals)
        assert auc(labels, scores).value == pytest.approx(metrics.roc_auc_score(labels, scores), rel=1e-12)
        expected = metrics.average_precision_score(labels, scores)
        assert average_precision(labels, scores) == pytest.approx(expected, rel=1e-12)
        for ours, theirs in zip(roc_curve(labels, scores), metrics.roc_curve(labels, scores, drop_intermediate=False)):
            np.testing.assert_allclose(ours, theirs)


def test_macro_auc_against_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 4, 150)
    p = rng.dirichlet(np.ones(4), 150) + 0.3 * np.eye(4)[labels]
    p /= p.sum(1, keepdims=True)
    assert macro_auc(labels, p) == pytest.approx(metrics.roc_auc_score(labels, p, multi_class="ovr"), rel=1e-12)


@pytest.mark.parametrize(
    ("labels", "scores", "text"),
    [
        ([0, 1], [0.1], "one shape"),
        ([1, 1], [0.1, 0.2], "both classes"),
        ([0, 2], [0.1, 0.2], "expect 0 and 1"),
        ([0, 1], [0.1, np.nan], "NaN in 1 of 2"),
    ],
)
def test_refusals(labels, scores, text):
    for figure in (auc, average_precision, roc_curve):
        with pytest.raises(ValueError, match=text):
            figure(labels, scores)


def test_perfect_and_constant_scores():
    assert auc([0, 0, 1, 1], [1, 2, 3, 4]) == (1, 1, 1)
    assert auc([0, 0, 1, 1], [5, 5, 5, 5]).value == 0.5
    assert average_precision([0, 0, 0, 1], [5, 5, 5, 5]) == 0.25
