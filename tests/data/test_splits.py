"""Splits by patient."""

import numpy as np
import pytest

from mediml.data.splits import split_by_patient


def test_no_patient_on_two_sides():
    rng = np.random.default_rng(0)
    patients = rng.integers(0, 50, 400)
    parts = split_by_patient(patients, seed=1)
    assert sorted(np.concatenate(parts)) == list(range(400))
    people = [set(patients[part]) for part in parts]
    assert not (people[0] & people[1] or people[0] & people[2] or people[1] & people[2])
    assert [len(p) for p in people] == pytest.approx([35, 7.5, 7.5], abs=1)


def test_labels_in_the_same_proportion():
    patients = np.repeat(np.arange(200), 2)
    labels = np.repeat(np.arange(200) % 10 == 0, 2).astype(int)  # one in ten is ill
    for seed in range(5):
        parts = split_by_patient(patients, (0.5, 0.25, 0.25), seed, labels)
        assert [labels[part].sum() // 2 for part in parts] == pytest.approx([10, 5, 5], abs=1)


def test_seeded_and_for_names():
    names = np.array(["anna", "ben", "anna", "cho", "dai", "ben"])
    first = split_by_patient(names, (0.5, 0.5), seed=2)
    assert all((a == b).all() for a, b in zip(first, split_by_patient(names, (0.5, 0.5), seed=2)))
    divisions = {tuple(split_by_patient(names, (0.5, 0.5), seed)[0]) for seed in range(20)}
    assert len(divisions) > 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (([],), "N >= 1"),
        (([1, 2], (0.5, 0.6)), "sum 1"),
        (([1, 1], (0.5, 0.5)), "need as many patients, got 1"),
        (([1, 2], (0.5, 0.5), 0, [1]), "labels expect shape"),
    ],
)
def test_refusals(arguments, text):
    with pytest.raises(ValueError, match=text):
        split_by_patient(*arguments)
