"""Whether a probability means what it says: of the cases called 80 %, are 80 % ill?"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_softmax, logit, xlogy

from mediml.evaluation.intervals import Estimate, wilson
from mediml.evaluation.ranking import checked

__all__ = [
    "brier_score",
    "calibration_line",
    "expected_calibration_error",
    "fit_temperature",
    "negative_log_likelihood",
    "reliability_bins",
    "softmax",
]

#: A probability nearer to 0 or 1 is moved here before its logarithm is taken.
_NEAREST = 1e-12


def softmax(logits: ArrayLike, temperature: float = 1.0) -> NDArray[np.float64]:
    """Probabilities of shape (N, C) from logits of that shape, divided by a temperature first."""
    return np.asarray(np.exp(log_softmax(np.asarray(logits, np.float64) / temperature, axis=1)))


def negative_log_likelihood(labels: ArrayLike, logits: ArrayLike, temperature: float = 1.0) -> float:
    """Mean of -log p(true class) over the cases."""
    table = log_softmax(np.asarray(logits, np.float64) / temperature, axis=1)
    return float(-np.take_along_axis(table, np.asarray(labels)[:, None], 1).mean())


def fit_temperature(labels: ArrayLike, logits: ArrayLike) -> float:
    """The temperature that makes the validation labels most likely; it changes confidence and never the ranking.

    Parameters
    ----------
    labels : array_like of int, shape (N,)
    logits : array_like of shape (N, C)

    Returns
    -------
    float
        Between 0.05 and 20.

    References
    ----------
    C. Guo et al., "On calibration of modern neural networks", arXiv:1706.04599.
    """
    found = minimize_scalar(
        lambda log_t: negative_log_likelihood(labels, logits, float(np.exp(log_t))),
        bounds=(np.log(0.05), np.log(20)),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(np.exp(found.x))


def brier_score(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean squared difference between the probability of class 1 and the label; 0 is perfect."""
    truth, p = _checked_probabilities(labels, probabilities)
    return float(np.mean((p - truth) ** 2))


def reliability_bins(labels: ArrayLike, probabilities: ArrayLike, bins: int = 10) -> list[tuple[float, Estimate, int]]:
    """Mean probability, observed frequency with Wilson's interval, and count, of bins with equally many cases.

    Cases of equal probability are never divided, so a bin may hold more than its share, and there may be fewer bins.
    """
    truth, p = _checked_probabilities(labels, probabilities)
    order = np.argsort(p, kind="stable")
    truth, p = truth[order], p[order]
    ends = np.round(np.linspace(0, len(p), min(bins, len(p)) + 1)).astype(int)[1:]
    ends = np.unique(np.searchsorted(p, p[ends - 1], side="right"))
    starts = np.r_[0, ends[:-1]]
    return [
        (float(p[start:end].mean()), wilson(int(truth[start:end].sum()), int(end - start)), int(end - start))
        for start, end in zip(starts, ends)
    ]


def expected_calibration_error(labels: ArrayLike, probabilities: ArrayLike, bins: int = 10) -> float:
    """Mean distance of observed frequency from mean probability over bins with equally many cases, by their counts."""
    table = reliability_bins(labels, probabilities, bins)
    total = sum(count for _, _, count in table)
    return float(sum(count * abs(observed.value - mean) for mean, observed, count in table) / total)


def calibration_line(labels: ArrayLike, probabilities: ArrayLike) -> tuple[float, float]:
    """Slope and intercept of the logistic regression of the label on logit(probability); 1 and 0 are perfect.

    A slope below 1 says that probabilities are too extreme.

    Returns
    -------
    slope, intercept : float
        nan where the probabilities separate the classes completely, or are all equal: no such line exists.

    References
    ----------
    B. Van Calster et al., "Calibration: the Achilles heel of predictive analytics", BMC Medicine 17, 2019.
    """
    truth, p = _checked_probabilities(labels, probabilities)
    checked(truth, p)
    if p[truth == 1].min() >= p[truth == 0].max() or p[truth == 1].max() <= p[truth == 0].min():
        return float("nan"), float("nan")
    x = np.stack([logit(np.clip(p, _NEAREST, 1 - _NEAREST)), np.ones_like(p)])
    beta = np.array([1.0, 0.0])
    loss = _logistic_loss(beta, x, truth)
    for _ in range(100):  # Newton's method, with halved steps where a whole one goes too far
        q = expit(beta @ x)
        gradient, hessian = x @ (q - truth), (x * (q * (1 - q))) @ x.T
        step = np.linalg.lstsq(hessian, gradient, rcond=None)[0]
        while (smaller := _logistic_loss(beta - step, x, truth)) > loss and np.abs(step).max() > 1e-12:
            step /= 2
        beta, loss = beta - step, smaller
        if np.abs(step).max() < 1e-10:
            break
    return float(beta[0]), float(beta[1])


def _logistic_loss(beta: NDArray[np.float64], x: NDArray[np.float64], truth: NDArray[np.int64]) -> float:
    q = np.clip(expit(beta @ x), _NEAREST, 1 - _NEAREST)
    return float(-np.sum(xlogy(truth, q) + xlogy(1 - truth, 1 - q)))


def _checked_probabilities(
    labels: ArrayLike, probabilities: ArrayLike
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    truth, p = np.asarray(labels), np.asarray(probabilities, np.float64)
    if truth.ndim != 1 or p.shape != truth.shape or not len(p):
        raise ValueError(f"expected labels and probabilities of one shape (N,), got {truth.shape} and {p.shape}")
    if not np.isin(truth, (0, 1)).all():
        raise ValueError(f"labels expect 0 and 1, got {np.unique(truth).tolist()}")
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError("probabilities expect numbers from 0 to 1")
    return truth.astype(np.int64), p
