"""Overlap of a segmentation with its reference."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mediml.evaluation.intervals import Estimate, cluster_bootstrap

__all__ = ["DiceSummary", "dice", "dice_per_case", "summarise_dice"]


def dice(prediction: ArrayLike, reference: ArrayLike) -> float:
    """Dice coefficient of two masks: 2 |A and B| / (|A| + |B|).

    Parameters
    ----------
    prediction, reference : array_like of bool, of one shape

    Returns
    -------
    float
        0 (the worst case) where one mask is empty; nan where both are: the figure is not applicable, and whoever
        averages must count such cases and say so.

    References
    ----------
    L. Maier-Hein et al., "Metrics reloaded", Nature Methods 21, 2024.
    """
    predicted, true = np.asarray(prediction), np.asarray(reference)
    if predicted.shape != true.shape:
        raise ValueError(f"dice: expected masks of one shape, got {predicted.shape} and {true.shape}")
    for name, mask in (("prediction", predicted), ("reference", true)):
        if mask.dtype != np.bool_ and not np.isin(mask, (0, 1)).all():
            raise ValueError(f"dice: {name} expects a mask of 0 and 1, got other values; compare one label at a time")
    predicted, true = predicted.astype(bool), true.astype(bool)
    total = int(predicted.sum()) + int(true.sum())
    return float("nan") if total == 0 else 2 * int((predicted & true).sum()) / total


@dataclass(frozen=True)
class DiceSummary:
    """Dice over many cases.

    Attributes
    ----------
    mean : Estimate
        Over the cases where it is applicable, with a bootstrap interval over cases.
    cases : int
        Cases that the mean is of.
    not_applicable : int
        Cases where both masks are empty; left out of the mean, and to be reported beside it.
    missed : int
        Cases of the mean without any overlap: 0 each.
    """

    mean: Estimate
    cases: int
    not_applicable: int
    missed: int

    def __str__(self) -> str:
        return f"{self.mean}, {self.cases} cases, {self.missed} missed, {self.not_applicable} not applicable"


def dice_per_case(
    predictions: Iterable[ArrayLike], references: Iterable[ArrayLike], labels: Mapping[str, int | Sequence[int]]
) -> dict[str, NDArray[np.float64]]:
    """Dice of each structure in each case.

    Parameters
    ----------
    predictions, references : iterable of array_like of int
        One label map per case, of its own shape; both of the same length.
    labels : mapping of str to int or sequence of int
        Structure and its labels: ``{"anterior": 1, "posterior": 2, "whole": (1, 2)}``.

    Returns
    -------
    dict of str to ndarray of float64, shape (cases,)
        As `dice` says: nan where a structure is in neither map.
    """
    pairs = [(np.asarray(p), np.asarray(r)) for p, r in zip(predictions, references, strict=True)]
    if not pairs or not labels:
        raise ValueError(f"dice_per_case: expected at least one case and one label, got {len(pairs)} and {len(labels)}")
    return {
        name: np.array([dice(np.isin(p, values), np.isin(r, values)) for p, r in pairs])
        for name, values in labels.items()
    }


def summarise_dice(
    values: ArrayLike, clusters: ArrayLike | None = None, resamples: int = 2000, level: float = 0.95, seed: int = 0
) -> DiceSummary:
    """Mean Dice over cases, which says how many cases it is not of.

    Parameters
    ----------
    values : array_like of shape (cases,)
        From `dice`; nan for cases where it is not applicable.
    clusters : array_like of shape (cases,), optional
        Patient of each case; by default each case is of its own.
    resamples, level, seed
        Of `cluster_bootstrap`.

    Returns
    -------
    DiceSummary

    Raises
    ------
    ValueError
        If no case is applicable.
    """
    figures = np.asarray(values, np.float64)
    groups = np.arange(len(figures)) if clusters is None else np.asarray(clusters)
    if figures.ndim != 1 or groups.shape != figures.shape:
        raise ValueError(f"summarise_dice: expected values of shape (cases,), got {figures.shape} for {groups.shape}")
    applicable = ~np.isnan(figures)
    kept = figures[applicable]
    if not len(kept) or kept.min() < 0 or kept.max() > 1:
        raise ValueError(
            f"summarise_dice: expected values from 0 to 1, at least one of them not nan, got {len(figures)} values, "
            f"{len(figures) - len(kept)} of them nan"
        )
    mean = cluster_bootstrap(_mean, groups[applicable], kept, resamples=resamples, level=level, seed=seed)
    return DiceSummary(mean, len(kept), len(figures) - len(kept), int((kept == 0).sum()))


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean())
