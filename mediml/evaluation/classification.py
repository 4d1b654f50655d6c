"""All figures of a classifier on one split, from its logits: what `mediml evaluate` prints and a model card holds."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mediml.evaluation.calibration import (
    brier_score,
    calibration_line,
    expected_calibration_error,
    negative_log_likelihood,
    softmax,
)
from mediml.evaluation.intervals import Estimate, cluster_bootstrap, wilson
from mediml.evaluation.ranking import auc, average_precision, checked, macro_auc, roc_curve

__all__ = ["choose_threshold", "confusion_matrix", "evaluate", "operating_point"]

#: Draws of the bootstrap where no formula gives an interval.
_RESAMPLES = 1000


def choose_threshold(labels: ArrayLike, scores: ArrayLike) -> float:
    """The threshold with the largest sensitivity + specificity - 1 (Youden's J); to be chosen on validation only.

    It lies half-way between the score it still calls ill and the next lower one. Of several best ones it is the
    middle one.
    """
    truth, values = checked(labels, scores)
    false_positive, sensitivity, thresholds = roc_curve(truth, values)
    youden = sensitivity - false_positive
    best = np.flatnonzero(youden >= youden.max() - 1e-12)
    chosen = int(best[len(best) // 2])
    if chosen == 0:
        return float(np.nextafter(thresholds[1], np.inf))
    below = thresholds[chosen + 1] if chosen + 1 < len(thresholds) else thresholds[chosen]
    return float((thresholds[chosen] + below) / 2)


def confusion_matrix(labels: ArrayLike, predictions: ArrayLike, classes: int) -> NDArray[np.int64]:
    """Counts of shape (classes, classes): row the reference standard, column the prediction."""
    truth, predicted = np.asarray(labels, np.int64), np.asarray(predictions, np.int64)
    if truth.shape != predicted.shape or truth.ndim != 1:
        raise ValueError(f"confusion_matrix: expected one shape (N,), got {truth.shape} and {predicted.shape}")
    for name, values in (("labels", truth), ("predictions", predicted)):
        if values.size and not 0 <= values.min() <= values.max() < classes:
            raise ValueError(
                f"confusion_matrix: {name} expect 0 to {classes - 1}, got {values.min()} to {values.max()}"
            )
    return np.bincount(truth * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def operating_point(labels: ArrayLike, scores: ArrayLike, threshold: float) -> dict[str, Estimate]:
    """Accuracy, sensitivity, specificity, predictive values of "ill where score >= threshold", by Wilson's interval."""
    truth, values = checked(labels, scores)
    (tn, fp), (fn, tp) = confusion_matrix(truth, values >= threshold, 2).tolist()
    return {
        "accuracy": wilson(tp + tn, tp + tn + fp + fn),
        "sensitivity": wilson(tp, tp + fn),
        "specificity": wilson(tn, tn + fp),
        "positive_predictive_value": wilson(tp, tp + fp),
        "negative_predictive_value": wilson(tn, tn + fn),
    }


def evaluate(
    labels: ArrayLike,
    logits: ArrayLike,
    threshold: float | None = None,
    temperature: float = 1.0,
    patients: ArrayLike | None = None,
) -> dict[str, Any]:
    """Every figure of a classifier on one split.

    Parameters
    ----------
    labels : array_like of int, shape (N,)
    logits : array_like of shape (N, C)
    threshold : float, optional
        With two classes: of the probability of class 1 (after the temperature), chosen on validation; 0.5 if not given.
    temperature : float
        Fitted on validation.
    patients : array_like of shape (N,), optional
        Which patient each image is of; the interval of the AUC then comes from drawing patients.

    Returns
    -------
    dict
        JSON-able. Figures with an interval are ``{"value", "low", "high"}``. For two classes: ``auc``,
        ``average_precision``, ``accuracy``, ``sensitivity``, ``specificity``, predictive values, ``calibration``.
        For more: ``auc`` (mean of one class against the rest) and ``accuracy``. In both: ``cases``, ``confusion``,
        ``accuracy_argmax`` (of the most probable class, whatever the threshold, as MedMNIST reports it), ``prevalence``
        per class, and ``baseline_accuracy`` of always saying the most frequent class.
    """
    truth, table = np.asarray(labels, np.int64), np.asarray(logits, np.float64)
    if table.ndim != 2 or len(table) != len(truth) or not len(truth):
        raise ValueError(f"evaluate: expected logits of shape (N, C) for labels (N,), got {table.shape}, {truth.shape}")
    if not np.isfinite(table).all():
        raise ValueError("evaluate: logits hold NaN or infinity; the model has diverged, so train with a smaller lr")
    classes = table.shape[1]
    probabilities = softmax(table, temperature)
    prevalence = np.bincount(truth, minlength=classes) / len(truth)
    result: dict[str, Any] = {
        "cases": len(truth),
        "prevalence": prevalence.tolist(),
        "baseline_accuracy": float(prevalence.max()),
        "negative_log_likelihood": negative_log_likelihood(truth, table, temperature),
    }
    argmax = probabilities.argmax(1)
    result["accuracy_argmax"] = wilson(int((argmax == truth).sum()), len(truth))._asdict()
    if classes == 2:
        threshold = 0.5 if threshold is None else threshold
        predictions = (probabilities[:, 1] >= threshold).astype(np.int64)
        result |= _two_classes(truth, probabilities[:, 1], threshold, patients)
    else:
        predictions = argmax
        groups = np.arange(len(truth)) if patients is None else patients
        area = cluster_bootstrap(macro_auc, groups, truth, probabilities, resamples=_RESAMPLES)
        result |= {"auc": area._asdict() | {"method": "bootstrap"}, "accuracy": result["accuracy_argmax"]}
    result["confusion"] = confusion_matrix(truth, predictions, classes).tolist()
    return result


def _two_classes(
    truth: NDArray[np.int64], p: NDArray[np.float64], threshold: float, patients: ArrayLike | None
) -> dict[str, Any]:
    if patients is None:
        area, method = auc(truth, p), "DeLong"
    else:
        area = cluster_bootstrap(lambda t, s: auc(t, s).value, patients, truth, p, resamples=_RESAMPLES)
        method = "bootstrap of patients"
    slope, intercept = calibration_line(truth, p)
    calibration = {
        "brier": brier_score(truth, p),
        "ece": expected_calibration_error(truth, p),
        "slope": slope if np.isfinite(slope) else None,
        "intercept": intercept if np.isfinite(intercept) else None,
    }
    return {
        "auc": area._asdict() | {"method": method},
        "average_precision": average_precision(truth, p),
        "threshold": threshold,
        **{name: value._asdict() for name, value in operating_point(truth, p, threshold).items()},
        "calibration": calibration,
    }
