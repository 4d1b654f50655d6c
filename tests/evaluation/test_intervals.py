"""Wilson's interval and the bootstrap by patient."""

import numpy as np
import pytest

from mediml.evaluation import cluster_bootstrap, wilson


def test_wilson_published_example():
    # R. G. Newcombe, Statistics in Medicine 17, 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29 (method 3)
    for successes, count, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605),
                                        (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)):  # fmt: skip
        estimate = wilson(successes, count)
        assert (round(estimate.low, 4), round(estimate.high, 4)) == (low, high)
        assert estimate.value == successes / count


def test_wilson_at_the_ends():
    assert wilson(0, 5).low == 0 and wilson(5, 5).high == 1
    empty = wilson(0, 0)
    assert np.isnan(empty.value) and empty[1:] == (0, 1)
    with pytest.raises(ValueError, match="0 <= successes <= count, got 6 and 5"):
        wilson(6, 5)
    with pytest.raises(ValueError, match="level expects a probability"):
        wilson(1, 5, level=1.5)


def test_bootstrap_draws_patients_not_images():
    rng = np.random.default_rng(0)
    patients = np.repeat(np.arange(30), 20)
    values = np.repeat(rng.normal(size=30), 20)  # 20 images of a patient all the same: 30 facts, not 600
    by_patient = cluster_bootstrap(np.mean, patients, values, resamples=400)
    by_image = cluster_bootstrap(np.mean, np.arange(600), values, resamples=400)
    assert by_patient.value == pytest.approx(values.mean())
    assert by_patient.high - by_patient.low == pytest.approx(2 * 1.96 * values.std() / np.sqrt(30), rel=0.2)
    assert by_patient.high - by_patient.low > 3.5 * (by_image.high - by_image.low)


def test_bootstrap_is_seeded_and_leaves_out_what_has_no_figure():
    values, groups = np.arange(10.0), np.arange(10)
    assert cluster_bootstrap(np.mean, groups, values, seed=1) == cluster_bootstrap(np.mean, groups, values, seed=1)

    def only_with_the_first(drawn):
        return drawn.mean() if 0 in drawn else float("nan")

    assert np.isfinite(cluster_bootstrap(only_with_the_first, groups, values)).all()

    def never(drawn):
        raise ValueError("no figure")

    with pytest.raises(ValueError, match="only 0 of 2000 draws"):
        cluster_bootstrap(never, groups, values)
    with pytest.raises(ValueError, match="arrays of 10 rows"):
        cluster_bootstrap(np.mean, groups, values[:9])
