"""How far a figure from a finite sample can be trusted: intervals for proportions, and for anything by bootstrap."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

__all__ = ["Estimate", "cluster_bootstrap", "normal_quantile", "wilson"]


class Estimate(NamedTuple):
    """A figure and its interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def normal_quantile(level: float) -> float:
    """Half-width of a central interval of the normal distribution, in standard deviations: 1.96 for level 0.95."""
    if not 0 < level < 1:
        raise ValueError(f"level expects a probability between 0 and 1, got {level}")
    return float(ndtri(0.5 + level / 2))


def wilson(successes: int, count: int, level: float = 0.95) -> Estimate:
    """A proportion with Wilson's score interval, which stays inside [0, 1] and holds its level in small samples.

    Parameters
    ----------
    successes, count : int
        0 <= successes <= count.
    level : float
        Probability that such an interval holds the true proportion.

    Returns
    -------
    Estimate
        (nan, 0, 1) for count 0: nothing is known.

    References
    ----------
    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927.
    """
    if not 0 <= successes <= count:
        raise ValueError(f"wilson: expected 0 <= successes <= count, got {successes} and {count}")
    z = normal_quantile(level)
    if count == 0:
        return Estimate(float("nan"), 0.0, 1.0)
    p = successes / count
    centre = (p + z * z / (2 * count)) / (1 + z * z / count)
    half = z * np.sqrt(p * (1 - p) / count + (z / (2 * count)) ** 2) / (1 + z * z / count)
    low = 0.0 if successes == 0 else max(0.0, float(centre - half))
    high = 1.0 if successes == count else min(1.0, float(centre + half))
    return Estimate(p, low, high)


def cluster_bootstrap(
    statistic: Callable[..., float],
    clusters: ArrayLike,
    *arrays: ArrayLike,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """A figure with its bootstrap percentile interval, drawing whole clusters (patients), not single images.

    Parameters
    ----------
    statistic : callable
        ``statistic(*arrays)`` of the rows drawn. Draws on which it is not finite or raises ValueError (only one class
        was drawn, say) are left out.
    clusters : array_like of shape (N,)
        Which patient each row belongs to.
    arrays : array_like of first dimension N
    resamples : int
        Number of draws.

    Raises
    ------
    ValueError
        If fewer than half of the draws have a figure.
    """
    columns: list[NDArray[Any]] = [np.asarray(array) for array in arrays]
    _, which = np.unique(np.asarray(clusters), return_inverse=True)
    if any(len(column) != len(which) for column in columns):
        raise ValueError(f"cluster_bootstrap: expected arrays of {len(which)} rows, as clusters has")
    order = np.argsort(which, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(which[order])) + 1)
    source = np.random.default_rng(seed)
    values = []
    for _ in range(resamples):
        rows = np.concatenate([members[c] for c in source.integers(0, len(members), len(members))])
        try:
            value = statistic(*(column[rows] for column in columns))
        except ValueError:
            continue
        if np.isfinite(value):
            values.append(value)
    if len(values) * 2 < resamples:
        raise ValueError(
            f"cluster_bootstrap: only {len(values)} of {resamples} draws have a figure; the sample is too small"
        )
    low, high = np.quantile(values, [0.5 - level / 2, 0.5 + level / 2])
    return Estimate(float(statistic(*columns)), float(low), float(high))
