"""Splits by patient: images of one person never stand on both sides.

Two images of the same patient are nearly copies. A network that has seen one of them recognises the patient in the
other, and its figures on "new" images are too good.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["split_by_patient"]


def split_by_patient(
    patients: ArrayLike, fractions: Sequence[float] = (0.7, 0.15, 0.15), seed: int = 0, labels: ArrayLike | None = None
) -> tuple[NDArray[np.int64], ...]:
    """Divide images into parts of different patients.

    Parameters
    ----------
    patients : array_like of shape (N,)
        Which patient each image is of: integers or strings.
    fractions : sequence of float
        Share of the patients in each part; positive, with sum 1.
    seed : int
        Another seed, another division.
    labels : array_like of shape (N,), optional
        Divide the patients of each label (a patient's largest one) by themselves, so that all parts have them alike.

    Returns
    -------
    tuple of ndarray of int64
        Indices of the images of each part, ascending.
    """
    keys = np.asarray(patients)
    if keys.ndim != 1 or not len(keys):
        raise ValueError(f"split_by_patient: patients expect shape (N,) with N >= 1, got {keys.shape}")
    shares = np.asarray(fractions, np.float64)
    if shares.ndim != 1 or not (shares > 0).all() or abs(shares.sum() - 1) > 1e-9:
        raise ValueError(f"split_by_patient: fractions expect positive numbers with sum 1, got {tuple(fractions)}")
    people, person = np.unique(keys, return_inverse=True)
    if len(people) < len(shares):
        raise ValueError(f"split_by_patient: {len(shares)} parts need as many patients, got {len(people)}")
    stratum = np.zeros(len(people), np.int64)
    if labels is not None:
        values = np.asarray(labels)
        if values.shape != keys.shape:
            raise ValueError(f"split_by_patient: labels expect shape {keys.shape}, got {values.shape}")
        _, codes = np.unique(values, return_inverse=True)
        np.maximum.at(stratum, person, codes)
    # Sorted by stratum after a shuffle, every stretch of the list has the labels in the same proportion when parts
    # are dealt out along it by the running share.
    order = np.random.default_rng(seed).permutation(len(people))
    order = order[np.argsort(stratum[order], kind="stable")]
    part_of = np.empty(len(people), np.int64)
    part_of[order] = _deal(len(people), shares)
    return tuple(np.flatnonzero(part_of[person] == part) for part in range(len(shares)))


def _deal(count: int, shares: NDArray[np.float64]) -> NDArray[np.int64]:
    """Which part each of `count` cards goes to: always the part that is furthest behind its share."""
    dealt = np.zeros(len(shares))
    parts = np.empty(count, np.int64)
    for card in range(count):
        parts[card] = np.argmax(shares * (card + 1) - dealt)
        dealt[parts[card]] += 1
    return parts
