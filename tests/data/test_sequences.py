"""Sequences with known answers: the targets follow from the inputs, and the first items do not depend on the rest."""

import numpy as np
import pytest

from mediml.data.sequences import adding, parity, running_parity


def test_the_adding_problem_adds_the_two_marked_numbers():
    data = adding(300, 20, 50, length=30)
    for split in (data.train, data.val, data.test):
        assert split.inputs.dtype == split.targets.dtype == np.float32
        values, marks = split.inputs[..., 0], split.inputs[..., 1]
        assert (
            set(np.unique(marks)) == {0, 1} and (marks[:, :15].sum(1) == 1).all() and (marks[:, 15:].sum(1) == 1).all()
        )
        for row, target in enumerate(split.targets):
            first, second = np.flatnonzero(marks[row])
            assert target == pytest.approx(float(values[row, first]) + float(values[row, second]), abs=1e-6)
    assert (data.train.lengths == 30).all() and len(data.val) == 20


def test_every_step_can_be_marked():
    marks = adding(3000, 1, 1, length=10).train.inputs[..., 1].mean(0)
    assert (np.abs(marks - 0.2) < 0.03).all()


def test_the_baseline_of_the_adding_problem():
    data = adding(20_000, 1, 1, length=4)
    assert data.baseline == pytest.approx(0.1667, abs=1e-4)
    # the standard error of this mean of squares is 0.0014
    assert float(np.mean((data.train.targets - 1.0) ** 2)) == pytest.approx(data.baseline, abs=0.006)


def test_sequences_of_several_lengths_end_where_they_say():
    split = adding(400, 1, 1, length=12, min_length=5, seed=2).train
    assert set(split.lengths) == set(range(5, 13)) and split.inputs.shape == (400, 12, 2)
    for row, length in enumerate(split.lengths):
        assert (split.inputs[row, length:] == 0).all()
        first, second = np.flatnonzero(split.inputs[row, :, 1])
        assert first < length // 2 <= second < length


def test_parity_by_hand():
    split = parity(500, 10, 10, lengths=(1, 9)).train
    assert split.inputs.shape == (500, 9, 1) and split.targets.dtype == np.int64
    for row, length in enumerate(split.lengths):
        bits = split.inputs[row, :length, 0].astype(int).tolist()
        assert split.targets[row] == bits.count(1) % 2 and not split.inputs[row, length:].any()
    assert 0.4 < split.targets.mean() < 0.6 and set(split.lengths) == set(range(1, 10))


def test_running_parity_ends_at_the_target():
    split = parity(50, 1, 1, lengths=(3, 8)).train
    running = running_parity(split)
    bits = split.inputs[0, :, 0]
    assert running[0].tolist() == [int(bits[: t + 1].sum()) % 2 for t in range(8)]
    np.testing.assert_array_equal(running[np.arange(50), split.lengths - 1], split.targets)
    np.testing.assert_array_equal(running[:, -1], split.targets)


def test_parity_can_be_tested_on_longer_sequences():
    data = parity(20, 20, 20, lengths=(2, 10), test_lengths=(40, 40))
    assert data.train.inputs.shape[1] == data.val.inputs.shape[1] == 10
    assert (data.test.lengths == 40).all() and data.test.inputs.shape == (20, 40, 1)


@pytest.mark.parametrize(
    "make", [lambda n, seed: adding(n, n, n, 12, 6, seed), lambda n, seed: parity(n, n, n, (1, 12), seed=seed)]
)
def test_repeatable_growing_and_different_in_each_split(make):
    small, large, other = make(20, 3), make(50, 3), make(20, 4)
    for name in ("train", "val", "test"):
        few, many = getattr(small, name), getattr(large, name)
        for field in ("inputs", "targets", "lengths"):
            np.testing.assert_array_equal(getattr(few, field), getattr(many, field)[:20])
        assert (few.inputs != getattr(other, name).inputs).any()
    assert (small.train.inputs != small.val.inputs).any() and (small.val.inputs != small.test.inputs).any()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: adding(0), "at least 1 sequence in each split"),
        (lambda: adding(seed=-1), "seed >= 0"),
        (lambda: adding(length=1), "adding: lengths expect 2 <= shortest <= longest"),
        (lambda: adding(length=10, min_length=11), "got 11 and 10"),
        (lambda: parity(lengths=(0, 4)), "parity: lengths expect 1 <= shortest"),
        (lambda: parity(test_lengths=(5, 4)), "got 5 and 4"),
    ],
)
def test_refusals(call, text):
    with pytest.raises(ValueError, match=text):
        call()
