"""Figures with their intervals: of a classifier, a segmentation, a generator, an image against its reference."""

from mediml.evaluation.calibration import (
    brier_score,
    calibration_line,
    expected_calibration_error,
    fit_temperature,
    reliability_bins,
    softmax,
)
from mediml.evaluation.classification import choose_threshold, confusion_matrix, evaluate, operating_point
from mediml.evaluation.generation import (
    ModeCoverage,
    Neighbours,
    frechet_distance,
    frechet_interval,
    mode_coverage,
    nearest_neighbours,
)
from mediml.evaluation.image_quality import mean_quality, psnr, ssim
from mediml.evaluation.intervals import Estimate, cluster_bootstrap, wilson
from mediml.evaluation.overlap import DiceSummary, dice, dice_per_case, summarise_dice
from mediml.evaluation.ranking import auc, average_precision, delong_covariance, macro_auc, roc_curve

__all__ = [
    "DiceSummary",
    "Estimate",
    "ModeCoverage",
    "Neighbours",
    "auc",
    "average_precision",
    "brier_score",
    "calibration_line",
    "choose_threshold",
    "cluster_bootstrap",
    "confusion_matrix",
    "delong_covariance",
    "dice",
    "dice_per_case",
    "evaluate",
    "expected_calibration_error",
    "fit_temperature",
    "frechet_distance",
    "frechet_interval",
    "macro_auc",
    "mean_quality",
    "mode_coverage",
    "nearest_neighbours",
    "operating_point",
    "psnr",
    "reliability_bins",
    "roc_curve",
    "softmax",
    "ssim",
    "summarise_dice",
    "wilson",
]
