"""Figures of a classifier, each with its interval: ranking, operating point, calibration, overlap."""

from mediml.evaluation.calibration import (
    brier_score,
    calibration_line,
    expected_calibration_error,
    fit_temperature,
    reliability_bins,
    softmax,
)
from mediml.evaluation.classification import choose_threshold, confusion_matrix, evaluate, operating_point
from mediml.evaluation.intervals import Estimate, cluster_bootstrap, wilson
from mediml.evaluation.overlap import dice
from mediml.evaluation.ranking import auc, average_precision, delong_covariance, macro_auc, roc_curve

__all__ = [
    "Estimate",
    "auc",
    "average_precision",
    "brier_score",
    "calibration_line",
    "choose_threshold",
    "cluster_bootstrap",
    "confusion_matrix",
    "delong_covariance",
    "dice",
    "evaluate",
    "expected_calibration_error",
    "fit_temperature",
    "macro_auc",
    "operating_point",
    "reliability_bins",
    "roc_curve",
    "softmax",
    "wilson",
]
