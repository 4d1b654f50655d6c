"""Dice over cases: per structure, with those where it is not applicable counted and not averaged."""

import numpy as np
import pytest

from mediml.evaluation import dice, dice_per_case, summarise_dice

PARTS = {"anterior": 1, "posterior": 2, "whole": (1, 2)}


def test_dice_by_hand():
    assert dice([1, 1, 0, 0], [0, 1, 1, 0]) == 0.5
    assert dice([0, 0], [1, 0]) == 0 and np.isnan(dice([0, 0], [0, 0]))


def test_each_structure_of_each_case():
    predictions = [np.array([[0, 1, 1], [2, 2, 0]]), np.array([0, 0, 1, 0])]  # cases of different shapes
    references = [np.array([[0, 1, 2], [2, 2, 0]]), np.array([0, 0, 1, 1])]
    values = dice_per_case(predictions, references, PARTS)
    np.testing.assert_allclose(values["anterior"], [2 / 3, 2 / 3])
    np.testing.assert_allclose(values["posterior"], [4 / 5, np.nan])
    np.testing.assert_allclose(values["whole"], [1, 2 / 3])


def test_a_summary_counts_what_it_leaves_out():
    summary = summarise_dice([0.8, np.nan, 0.6, 0.0, np.nan])
    assert summary.mean.value == pytest.approx(1.4 / 3)
    assert (summary.cases, summary.not_applicable, summary.missed) == (3, 2, 1)
    assert summary.mean.low < summary.mean.value < summary.mean.high
    assert str(summary).endswith("3 cases, 1 missed, 2 not applicable")


def test_the_interval_is_of_cases():
    values = np.random.default_rng(0).uniform(0.7, 0.9, 100)
    estimate = summarise_dice(values).mean
    assert estimate.high - estimate.low == pytest.approx(2 * 1.96 * values.std() / 10, rel=0.1)
    doubled = np.repeat(values, 2)
    grouped = summarise_dice(doubled, clusters=np.repeat(np.arange(100), 2)).mean
    single = summarise_dice(doubled).mean
    assert grouped.high - grouped.low > 1.25 * (single.high - single.low)
    assert summarise_dice(values, seed=3) == summarise_dice(values, seed=3)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: summarise_dice([np.nan, np.nan]), "2 of them nan"),
        (lambda: summarise_dice([0.5, 1.5]), "values from 0 to 1"),
        (lambda: summarise_dice([0.5, 0.5], clusters=[1]), r"shape \(cases,\)"),
        (lambda: dice_per_case([], [], PARTS), "at least one case"),
        (lambda: dice_per_case([[1]], [[1]], {}), "one label"),
        (lambda: dice_per_case([[1, 0]], [[1]], PARTS), "masks of one shape"),
        (lambda: dice_per_case([[1]], [[1], [1]], PARTS), "zip"),
    ],
)
def test_refusals(call, text):
    with pytest.raises(ValueError, match=text):
        call()
