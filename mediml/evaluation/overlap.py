"""Overlap of a segmentation with its reference."""

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["dice"]


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
