"""How good generated images are: their distance to real ones, the modes they cover, and whether they are copies."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mediml.evaluation.intervals import Estimate, wilson
from mediml.evaluation.ranking import auc

__all__ = [
    "ModeCoverage",
    "Neighbours",
    "frechet_distance",
    "frechet_interval",
    "mode_coverage",
    "nearest_neighbours",
]

_CHUNK = 256


def frechet_distance(features_a: ArrayLike, features_b: ArrayLike) -> float:
    """Fréchet distance of two samples' features, each taken as a normal distribution.

    ``|m_a - m_b|² + trace(C_a) + trace(C_b) - 2 trace((C_a C_b)^(1/2))`` with means `m` and covariances `C` (divided by
    N - 1): a squared distance, 0 where means and covariances agree.

    Parameters
    ----------
    features_a, features_b : array_like of shape (N_a, F), (N_b, F)
        One row per image, at least two of each: the activations of a trained network, never the pixels.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the shapes do not fit, or a feature is not finite.

    Notes
    -----
    ``trace((C_a C_b)^(1/2))`` is the sum of the singular values of ``X_a X_bᵀ`` with the centred rows
    ``X / sqrt(N - 1)``, because these are the square roots of the eigenvalues of ``C_a C_b``. Neither covariance is
    formed, no matrix is inverted, and the result is symmetric and never complex.

    With fewer samples than features a covariance has no full rank. The figure is still defined, and it is badly too
    large: estimated covariances differ even if the distributions do not. This bias is positive and falls as 1 / N, so
    figures compare only between samples of **the same sizes**; `frechet_interval` estimates it. Figures with
    features of different networks do not compare at all.

    References
    ----------
    M. Heusel et al., "GANs trained by a two time-scale update rule converge to a local Nash equilibrium", NeurIPS 2017.
    D. C. Dowson, B. V. Landau, "The Fréchet distance between multivariate normal distributions", Journal of
    Multivariate Analysis 12, 1982. Taught in lesson 14, GAN at work.
    """
    a, b = _features("frechet_distance", features_a, features_b)
    return _frechet(a, b)


def frechet_interval(
    features_a: ArrayLike, features_b: ArrayLike, resamples: int = 200, level: float = 0.95, seed: int = 0
) -> Estimate:
    """The Fréchet distance with its bias taken off, and a bootstrap interval.

    Drawing with replacement biases the figure once more, by about as much as the finite samples have biased it already.
    The value is therefore ``2 d - mean(d*)`` and the interval the basic one, from ``2 d - q_high(d*)`` to
    ``2 d - q_low(d*)``, with `d` the plain figure and ``d*`` that of a draw; each is cut at 0.

    Parameters
    ----------
    features_a, features_b : array_like of shape (N_a, F), (N_b, F)
        Rows count as independent. The correction needs several times as many rows as features.
    resamples : int
        Draws, at least 20, of rows of both samples.
    level : float
        Of the interval.
    seed : int

    Returns
    -------
    Estimate

    References
    ----------
    M. J. Chong, D. Forsyth, "Effectively unbiased FID and inception score and where to find them", CVPR 2020, for the
    bias. B. Efron, R. J. Tibshirani, "An introduction to the bootstrap", 1993, chapters 10 and 13.
    """
    a, b = _features("frechet_interval", features_a, features_b)
    if resamples < 20 or not 0 < level < 1:
        raise ValueError(f"frechet_interval: expected resamples >= 20 and 0 < level < 1, got {resamples} and {level}")
    source = np.random.default_rng(seed)
    plain = _frechet(a, b)
    drawn = [_frechet(*(x[source.integers(0, len(x), len(x))] for x in (a, b))) for _ in range(resamples)]
    low, high = np.quantile(drawn, [0.5 - level / 2, 0.5 + level / 2])
    value, lower, upper = (max(0.0, 2 * plain - float(other)) for other in (np.mean(drawn), high, low))
    return Estimate(value, lower, upper)


@dataclass(frozen=True)
class ModeCoverage:
    """Which modes a sample has.

    Attributes
    ----------
    shares : tuple of Estimate
        Share of the whole sample in each mode, with Wilson's interval.
    covered : int
        Modes whose share is at least `least` times the expected one.
    outside : Estimate
        Share that belongs to no mode.
    imbalance : float
        Total variation distance between the shares among images of a mode and the expected ones: 0 where they agree,
        nearly 1 where all are of a rare mode; nan where no image is of any mode.
    """

    shares: tuple[Estimate, ...]
    covered: int
    outside: Estimate
    imbalance: float

    @property
    def collapsed(self) -> bool:
        """True where at least one mode is missing."""
        return self.covered < len(self.shares)


def mode_coverage(
    modes: ArrayLike, expected: Sequence[float] = (0.5, 0.5), least: float = 0.2, level: float = 0.95
) -> ModeCoverage:
    """Count the modes of generated images.

    Parameters
    ----------
    modes : array_like of int, shape (N,)
        Mode of each image, from 0; -1 for an image of no mode.
    expected : sequence of float
        Share of each mode in the real data; positive, with sum 1.
    least : float
        Share of the expected one, from 0 to 1, from which on a mode counts as covered.
    level : float
        Of the intervals.

    Returns
    -------
    ModeCoverage
    """
    found, shares = np.asarray(modes), np.asarray(expected, np.float64)
    if shares.ndim != 1 or not (shares > 0).all() or abs(shares.sum() - 1) > 1e-9 or not 0 < least <= 1:
        raise ValueError(
            f"mode_coverage: expected positive shares with sum 1 and 0 < least <= 1, got {list(expected)} and {least}"
        )
    if found.ndim != 1 or not len(found) or found.dtype.kind not in "iu":
        raise ValueError(f"mode_coverage: modes expect integers of shape (N >= 1,), got {found.dtype} {found.shape}")
    if found.min() < -1 or found.max() >= len(shares):
        raise ValueError(
            f"mode_coverage: modes expect -1 to {len(shares) - 1}, got {int(found.min())} to {int(found.max())}"
        )
    counts = np.bincount(found + 1, minlength=len(shares) + 1)
    outside, inside = int(counts[0]), counts[1:]
    of_modes = int(inside.sum())
    return ModeCoverage(
        shares=tuple(wilson(int(count), len(found), level) for count in inside),
        covered=int((inside >= least * shares * len(found)).sum()),
        outside=wilson(outside, len(found), level),
        imbalance=float(np.abs(inside / of_modes - shares).sum() / 2) if of_modes else float("nan"),
    )


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The training images that are nearest to generated ones, compared with what is usual for new real images.

    Attributes
    ----------
    indices : ndarray of int64, shape (N,)
        Nearest training image of each generated one.
    distances : ndarray of float64, shape (N,)
        Euclidean distance to it.
    usual : ndarray of float64, shape (M,)
        The same of the held-out real images.
    closer : Estimate
        Probability that a generated image is nearer to its neighbour in training than a held-out real image is: 0.5
        where the generator is as far from its training images as new real images are; near 1 where it copies.
    suspects : Estimate
        Share of the generated images that are nearer than 95 % of the held-out ones are; 0.05 is usual. The interval
        takes that threshold as known: with few held-out images it is itself uncertain.
    """

    indices: NDArray[np.int64]
    distances: NDArray[np.float64]
    usual: NDArray[np.float64]
    closer: Estimate
    suspects: Estimate


def nearest_neighbours(generated: ArrayLike, training: ArrayLike, held_out: ArrayLike) -> Neighbours:
    """Has a generator memorised its training images?

    Parameters
    ----------
    generated, training, held_out : array_like of shape (N, …), (K, …), (M, …)
        Images or features on one scale; at least one, one and two. The held-out ones are real, of the distribution of
        the training images, and were never trained on: without them no distance says anything.

    Returns
    -------
    Neighbours

    Notes
    -----
    A value of `closer` below 0.5 does not prove that nothing was copied: poor images are far from everything, and a few
    copies drown in a mean. `suspects`, and looking at the pairs of the smallest distances, find those. Shifted or
    mirrored copies are near only in features that do not mind shifts.
    """
    arrays = [np.asarray(each, np.float64) for each in (generated, training, held_out)]
    shapes = [array.shape[1:] for array in arrays]
    if min(array.ndim for array in arrays) < 2 or len(set(shapes)) > 1:
        raise ValueError(f"nearest_neighbours: expected rows of one shape, got {shapes}")
    if any(len(array) < least for array, least in zip(arrays, (1, 1, 2))):
        raise ValueError(
            f"nearest_neighbours: expected at least 1 generated, 1 training and 2 held-out rows, "
            f"got {[len(array) for array in arrays]}"
        )
    flat = [array.reshape(len(array), -1) for array in arrays]
    if not all(np.isfinite(rows).all() for rows in flat):
        raise ValueError("nearest_neighbours: expected finite values, got NaN or infinity")
    indices, distances = _nearest(flat[0], flat[1])
    _, usual = _nearest(flat[2], flat[1])
    labels = np.r_[np.ones(len(distances), int), np.zeros(len(usual), int)]
    closer = auc(labels, -np.r_[distances, usual])
    near = int((distances < np.quantile(usual, 0.05)).sum())
    return Neighbours(indices, distances, usual, closer, wilson(near, len(distances)))


def _nearest(rows: NDArray[np.float64], pool: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Index and distance of the nearest of `pool` for each row.

    Found by |r|² - 2 r·p + |p|², which is quick but cancels near 0; the distance itself is then taken from differences.
    """
    centre = pool.mean(0)
    rows, pool = rows - centre, pool - centre
    squares = (pool**2).sum(1)
    found = np.empty(len(rows), np.int64)
    for lo in range(0, len(rows), _CHUNK):
        part = rows[lo : lo + _CHUNK]
        found[lo : lo + _CHUNK] = (squares - 2 * part @ pool.T).argmin(1)
    return found, np.sqrt(((rows - pool[found]) ** 2).sum(1))


def _features(name: str, *samples: ArrayLike) -> list[NDArray[np.float64]]:
    tables = [np.asarray(sample, np.float64) for sample in samples]
    if any(table.ndim != 2 or len(table) < 2 or not table.shape[1] for table in tables) or (
        tables[0].shape[1] != tables[1].shape[1]
    ):
        raise ValueError(
            f"{name}: expected features of shape (N >= 2, F) with the same F, got {tables[0].shape} and "
            f"{tables[1].shape}; flatten or pool them first"
        )
    if not all(np.isfinite(table).all() for table in tables):
        raise ValueError(f"{name}: features expect finite values, got NaN or infinity")
    return tables


def _frechet(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    mean_a, mean_b = a.mean(0), b.mean(0)
    roots = [_root((table - mean) / np.sqrt(len(table) - 1)) for table, mean in ((a, mean_a), (b, mean_b))]
    spread = sum(float((root**2).sum()) for root in roots)
    overlap = float(np.linalg.svd(roots[0] @ roots[1].T, compute_uv=False).sum())
    return max(0.0, float(((mean_a - mean_b) ** 2).sum()) + spread - 2 * overlap)


def _root(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """`R` with ``Rᵀ R = rowsᵀ rows`` and no more rows than columns."""
    return rows if len(rows) <= rows.shape[1] else np.asarray(np.linalg.qr(rows, mode="r"))
