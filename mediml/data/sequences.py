"""Sequences with known answers: what a recurrent network must remember, and how wrong it is if it does not.

Every item is drawn from a row of random numbers of its own, so the first items of a split stay the same when it grows.
Training, validation and test have streams of their own.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mediml.data.images import SPLITS

__all__ = ["SequenceData", "SequenceSplit", "adding", "parity", "running_parity"]

#: The longest sequence a generator makes; longer ones are a slip of the keyboard.
_MAX_LENGTH = 100_000


@dataclass(frozen=True, eq=False)
class SequenceSplit:
    """Sequences of one split, padded with 0 behind their ends.

    Attributes
    ----------
    inputs : ndarray of float32, shape (N, T, F_in)
    targets : ndarray, shape (N,) or (N, F_out)
        float32 for a number to be predicted, int64 for a class.
    lengths : ndarray of int64, shape (N,)
        Steps of each sequence, 1 to T.
    """

    inputs: NDArray[np.float32]
    targets: NDArray[np.float32] | NDArray[np.int64]
    lengths: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.lengths)


@dataclass(frozen=True, eq=False)
class SequenceData:
    """A set of sequences in three splits.

    Attributes
    ----------
    name : str
    train, val, test : SequenceSplit
    baseline : float
        What the best answer that ignores the sequence reaches: a mean squared error, or the share of right answers.
    """

    name: str
    train: SequenceSplit
    val: SequenceSplit
    test: SequenceSplit
    baseline: float


def adding(
    train: int = 2000,
    val: int = 500,
    test: int = 1000,
    length: int = 100,
    min_length: int | None = None,
    seed: int = 0,
) -> SequenceData:
    """The adding problem: remember two numbers over many steps and give their sum.

    Channel 0 holds numbers uniform on [0, 1), channel 1 a marker that is 1 at two steps and 0 elsewhere: one in the
    first half of the sequence, one in the second. The target is the sum of the two marked numbers.

    Parameters
    ----------
    train, val, test : int
        Sequences of each split, at least 1.
    length : int
        Steps, at least 2: the longest, if `min_length` is given.
    min_length : int, optional
        Lengths are then uniform from `min_length` to `length`; without it all have `length`.
    seed : int
        Not negative.

    Returns
    -------
    SequenceData
        Inputs (N, length, 2), targets float32 (N,), baseline 1 / 6: the mean squared error of always answering 1, the
        variance of the sum of two uniform numbers.

    References
    ----------
    S. Hochreiter, J. Schmidhuber, "Long short-term memory", Neural Computation 9, 1997, experiment 4; with the two
    halves of Q. V. Le, N. Jaitly, G. E. Hinton, "A simple way to initialize recurrent networks of rectified linear
    units", 2015. Taught in lesson 12, LSTM, GRU and language.
    """
    shortest = length if min_length is None else min_length
    _check("adding", (train, val, test), (shortest, length), 2, seed)
    name = f"adding problem, {shortest} to {length} steps, seed {seed}"
    first, second, third = (_adding(n, shortest, length, [seed, k]) for k, n in enumerate((train, val, test)))
    return SequenceData(name, first, second, third, 1 / 6)


def parity(
    train: int = 2000,
    val: int = 500,
    test: int = 1000,
    lengths: tuple[int, int] = (1, 20),
    test_lengths: tuple[int, int] | None = None,
    seed: int = 0,
) -> SequenceData:
    """Parity: is the number of ones odd? Every single bit changes the answer.

    Parameters
    ----------
    train, val, test : int
        Sequences of each split, at least 1.
    lengths : (shortest, longest)
        Lengths are uniform between them, both included.
    test_lengths : (shortest, longest), optional
        Other lengths for the test split: does the rule hold for sequences longer than any seen in training?
    seed : int
        Not negative.

    Returns
    -------
    SequenceData
        Inputs (N, T, 1) of 0 and 1, targets int64 (N,): 1 for an odd number of ones; baseline 0.5, the share of right
        answers by chance.

    Notes
    -----
    Of T bits there are 2 ** T sequences: short ones occur in several splits.
    """
    of_test = lengths if test_lengths is None else test_lengths
    for limits in (lengths, of_test):
        _check("parity", (train, val, test), limits, 1, seed)
    plan = zip(SPLITS, (train, val, test), (lengths, lengths, of_test))
    parts = {name: _parity(count, *limits, [seed, k]) for k, (name, count, limits) in enumerate(plan)}
    return SequenceData(f"parity, {lengths[0]} to {lengths[1]} bits, seed {seed}", **parts, baseline=0.5)


def running_parity(split: SequenceSplit) -> NDArray[np.int64]:
    """Parity of the ones up to each step, (N, T): a target for every step; it stays the same in the padding."""
    return np.cumsum(split.inputs[..., 0].astype(np.int64), axis=1) % 2


def _adding(count: int, shortest: int, longest: int, key: list[int]) -> SequenceSplit:
    values = np.random.default_rng([*key, 0]).random((count, longest))
    drawn = np.random.default_rng([*key, 1]).random((count, 3))
    lengths = _lengths(drawn[:, 0], shortest, longest)
    half = lengths // 2
    marks = np.stack([drawn[:, 1] * half, half + drawn[:, 2] * (lengths - half)], axis=1).astype(np.int64)
    rows = np.arange(count)[:, None]
    inputs = np.zeros((count, longest, 2), np.float32)
    inputs[..., 0] = np.where(np.arange(longest) < lengths[:, None], values, 0)
    inputs[rows, marks, 1] = 1
    return SequenceSplit(inputs, inputs[rows, marks, 0].sum(1, dtype=np.float32), lengths)


def _parity(count: int, shortest: int, longest: int, key: list[int]) -> SequenceSplit:
    bits = np.random.default_rng([*key, 0]).random((count, longest)) < 0.5
    lengths = _lengths(np.random.default_rng([*key, 1]).random(count), shortest, longest)
    bits &= np.arange(longest) < lengths[:, None]
    return SequenceSplit(bits[..., None].astype(np.float32), bits.sum(1) % 2, lengths)


def _lengths(drawn: NDArray[np.float64], shortest: int, longest: int) -> NDArray[np.int64]:
    return shortest + (drawn * (longest - shortest + 1)).astype(np.int64)


def _check(name: str, counts: tuple[int, ...], limits: tuple[int, int], least: int, seed: int) -> None:
    if min(counts) < 1 or seed < 0:
        raise ValueError(f"{name}: expected at least 1 sequence in each split and seed >= 0, got {counts} and {seed}")
    shortest, longest = limits
    if not least <= shortest <= longest <= _MAX_LENGTH:
        raise ValueError(
            f"{name}: lengths expect {least} <= shortest <= longest <= {_MAX_LENGTH}, got {shortest} and {longest}"
        )
