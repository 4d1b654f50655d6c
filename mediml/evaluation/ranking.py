"""How well scores put the ill before the healthy: ROC curve, AUC with DeLong's interval, average precision."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from mediml.evaluation.intervals import Estimate, normal_quantile

__all__ = ["auc", "average_precision", "checked", "delong_covariance", "macro_auc", "roc_curve"]


def auc(labels: ArrayLike, scores: ArrayLike, level: float = 0.95) -> Estimate:
    """Area under the ROC curve: the probability that an ill case scores above a healthy one, ties counting half.

    Parameters
    ----------
    labels : array_like of shape (N,)
        1 ill, 0 healthy; both must occur.
    scores : array_like of shape (N,)
        Larger means more likely ill.
    level : float
        Of the interval, by DeLong's variance and the normal distribution, cut to [0, 1]. Cases count as independent;
        with several images of a patient use `cluster_bootstrap`.

    Returns
    -------
    Estimate

    References
    ----------
    E. R. DeLong et al., "Comparing the areas under two or more correlated receiver operating characteristic curves: a
    nonparametric approach", Biometrics 44, 1988. Taught in lesson 10, generalisation.
    """
    areas, covariance = delong_covariance(labels, np.asarray(scores)[None])
    value = float(areas[0])
    half = normal_quantile(level) * float(np.sqrt(covariance[0, 0]))
    return Estimate(value, max(0.0, value - half), min(1.0, value + half))


def delong_covariance(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Areas under K ROC curves on the same cases, and the covariance of these areas.

    Parameters
    ----------
    labels : array_like of shape (N,)
    scores : array_like of shape (K, N)

    Returns
    -------
    areas : ndarray of shape (K,)
    covariance : ndarray of shape (K, K)
        nan where a class has fewer than two cases.

    Notes
    -----
    The placement of a case among the other class comes from its ranks in both classes together and in its own, so the
    cost is that of a sort.

    References
    ----------
    X. Sun, W. Xu, "Fast implementation of DeLong's algorithm", IEEE Signal Processing Letters 21, 2014.
    """
    table = np.atleast_2d(np.asarray(scores, np.float64))
    truth = np.asarray(labels)
    for row in table:
        checked(truth, row)
    ill, healthy = table[:, truth == 1], table[:, truth == 0]
    m, n = ill.shape[1], healthy.shape[1]
    among_all = rankdata(np.hstack([ill, healthy]), axis=1)
    above_healthy = (among_all[:, :m] - rankdata(ill, axis=1)) / n  # share of the healthy that an ill case exceeds
    below_ill = 1 - (among_all[:, m:] - rankdata(healthy, axis=1)) / m
    with np.errstate(invalid="ignore", divide="ignore"):
        covariance = _covariance(above_healthy) / m + _covariance(below_ill) / n
    return above_healthy.mean(1), covariance


def _covariance(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = rows - rows.mean(1, keepdims=True)
    return np.asarray(centred @ centred.T / np.float64(rows.shape[1] - 1))


def macro_auc(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean over the classes of the area under the ROC curve of one class against all others.

    `labels` of shape (N,), `probabilities` of shape (N, C).
    """
    table, truth = np.asarray(probabilities, np.float64), np.asarray(labels)
    if table.ndim != 2:
        raise ValueError(f"macro_auc: probabilities expect shape (N, C), got {table.shape}")
    areas = [delong_covariance((truth == c).astype(int), table[:, c][None])[0][0] for c in range(table.shape[1])]
    return float(np.mean(areas))


def roc_curve(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """False positive rate, sensitivity and threshold of every operating point "ill where score >= threshold".

    The first point calls nobody ill (threshold +inf); the last one everybody.
    """
    truth, values = checked(labels, scores)
    order = np.argsort(-values, kind="stable")
    ends = np.r_[np.flatnonzero(np.diff(values[order])), len(values) - 1]  # last case of each run of equal scores
    ill = np.cumsum(truth[order])[ends]
    healthy = ends + 1 - ill
    return (
        np.r_[0, healthy / healthy[-1]],
        np.r_[0, ill / ill[-1]],
        np.r_[np.inf, values[order][ends]],
    )


def average_precision(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the precision-recall curve as a sum of steps; its chance level is the prevalence."""
    truth, values = checked(labels, scores)
    order = np.argsort(-values, kind="stable")
    ends = np.r_[np.flatnonzero(np.diff(values[order])), len(values) - 1]
    ill = np.cumsum(truth[order])[ends]
    precision, recall = ill / (ends + 1), ill / ill[-1]
    return float(np.sum(np.diff(np.r_[0, recall]) * precision))


def checked(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Labels 0 and 1, both present, and as many scores without NaN; ValueError otherwise."""
    truth, values = np.asarray(labels), np.asarray(scores, np.float64)
    if truth.ndim != 1 or values.shape != truth.shape:
        raise ValueError(f"expected labels and scores of one shape (N,), got {truth.shape} and {values.shape}")
    if not np.isin(truth, (0, 1)).all():
        raise ValueError(f"labels expect 0 and 1, got {np.unique(truth).tolist()}")
    if truth.all() or not truth.any():
        raise ValueError(f"labels expect both classes, got only {truth[:1].tolist()} in {len(truth)} cases")
    if np.isnan(values).any():
        raise ValueError(f"scores expect numbers, got NaN in {int(np.isnan(values).sum())} of {len(values)} cases")
    return truth.astype(np.int64), values
