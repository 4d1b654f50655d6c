"""Distance, coverage and memorisation of generated images: known answers, bias, and copies that are found."""

import numpy as np
import pytest

from mediml.data.two_modes import mode_of, two_modes
from mediml.evaluation import frechet_distance, frechet_interval, mode_coverage, nearest_neighbours

RNG = np.random.default_rng


def test_frechet_distance_by_hand():
    # one feature: means 1 and 5, standard deviations sqrt(2) and 3 sqrt(2): 4² + (sqrt(2) - 3 sqrt(2))²
    assert frechet_distance([[0], [2]], [[2], [8]]) == pytest.approx(16 + 8)
    # the same points, moved by (3, 4)
    points = RNG(0).normal(size=(50, 2))
    assert frechet_distance(points, points + np.array([3, 4])) == pytest.approx(25)
    assert frechet_distance(points, points) == pytest.approx(0, abs=1e-12)
    # scaled by 3 about the mean 0: (3 - 1)² trace(C)
    centred = points - points.mean(0)
    assert frechet_distance(centred, 3 * centred) == pytest.approx(4 * np.trace(np.cov(centred.T)))


@pytest.mark.parametrize(("count", "features"), [(400, 7), (6, 10), (3, 10), (2, 2)])
def test_frechet_distance_agrees_with_the_matrix_root(count, features):
    mixing = RNG(1).normal(size=(features, features))
    a, b = RNG(2).normal(size=(count, features)), RNG(3).normal(size=(count + 5, features)) @ mixing + 0.3
    c_a, c_b = np.cov(a.T).reshape(features, -1), np.cov(b.T).reshape(features, -1)
    values, vectors = np.linalg.eigh(c_a)
    root_a = vectors * np.sqrt(values.clip(0)) @ vectors.T
    middle = np.linalg.eigvalsh(root_a @ c_b @ root_a).clip(0)
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(c_a + c_b) - 2 * np.sqrt(middle).sum()
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-5)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-12)


def test_few_samples_make_it_too_large_and_the_correction_helps():
    def pair(seed, count):
        return RNG([seed, 0]).normal(size=(count, 8)), RNG([seed, 1]).normal(size=(count, 8))

    small, large = (np.mean([frechet_distance(*pair(s, n)) for s in range(20)]) for n in (50, 200))
    assert small / large == pytest.approx(4, rel=0.35)  # the bias falls as 1 / N
    corrected = np.mean([frechet_interval(*pair(s, 200), resamples=30).value for s in range(20)])
    assert corrected < 0.35 * large


def test_the_interval_holds_the_true_distance():
    shift, inside = np.r_[1.0, np.zeros(3)], 0
    for seed in range(40):
        a, b = RNG([seed, 0]).normal(size=(150, 4)), RNG([seed, 1]).normal(size=(150, 4)) + shift
        estimate = frechet_interval(a, b, resamples=100, seed=seed)
        assert 0 <= estimate.low <= estimate.value <= estimate.high
        inside += estimate.low <= 1 <= estimate.high
    assert inside >= 34  # 38 of 40 are expected
    assert (
        frechet_interval(a, b, 50, seed=1) == frechet_interval(a, b, 50, seed=1) != frechet_interval(a, b, 50, seed=2)
    )


def test_coverage_by_hand():
    coverage = mode_coverage([0] * 6 + [1] * 2 + [-1] * 2)
    assert [share.value for share in coverage.shares] == [0.6, 0.2] and coverage.outside.value == 0.2
    assert coverage.imbalance == pytest.approx(0.25) and coverage.covered == 2 and not coverage.collapsed
    assert coverage.shares[0].low < 0.6 < coverage.shares[0].high


def test_collapse_is_seen():
    collapsed = mode_coverage([0] * 95 + [1] * 5)
    assert collapsed.covered == 1 and collapsed.collapsed and collapsed.imbalance == pytest.approx(0.45)
    assert mode_coverage([0] * 90 + [1] * 10).covered == 2  # a fifth of the expected half
    assert mode_coverage([0] * 90 + [1] * 10, expected=(0.9, 0.1)).imbalance == pytest.approx(0)
    assert mode_coverage([0, 0, 2], expected=[0.4, 0.2, 0.4]).covered == 2
    lost = mode_coverage([-1, -1])
    assert lost.covered == 0 and np.isnan(lost.imbalance) and lost.outside.value == 1


def test_coverage_of_the_two_modes():
    images, modes = two_modes(600, seed=1)
    assert mode_coverage(mode_of(images)).covered == 2
    assert mode_coverage(mode_of(images[modes == 1])).covered == 1


def test_neighbours_by_hand():
    training = np.array([[0.0, 0], [10, 0], [0, 10]])
    found = nearest_neighbours([[1, 0], [10, 3]], training, [[5, 0], [0, 8]])
    assert found.indices.tolist() == [0, 1] and found.distances.tolist() == [1, 3] and found.usual.tolist() == [5, 2]
    assert found.closer.value == 0.75  # of the four pairs, three generated ones are nearer
    assert found.suspects.value == 0.5  # 95 % of the held-out distances lie above 2.15


def test_copies_are_found_and_new_images_are_not():
    real = RNG(0).normal(size=(900, 12))
    training, held_out, new = real[:500], real[500:700], real[700:]
    fresh = nearest_neighbours(new, training, held_out)
    assert fresh.closer.low < 0.5 < fresh.closer.high and fresh.suspects.value < 0.12
    copies = nearest_neighbours(training[:200] + 0.01, training, held_out)
    assert copies.closer.value == 1 and copies.suspects.value == 1 and copies.indices.tolist() == list(range(200))
    some = nearest_neighbours(np.r_[training[:40], new[:160]], training, held_out)
    assert some.suspects.low > 0.15 and (some.distances[:40] == 0).all()


def test_neighbours_of_images_do_not_suffer_from_a_large_offset():
    images = 1e6 + RNG(1).random((30, 1, 5, 5))
    found = nearest_neighbours(images[:10] + 1e-3, images[:20], images[20:])
    assert found.indices.tolist() == list(range(10))
    np.testing.assert_allclose(found.distances, 5e-3, rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: frechet_distance(np.zeros((5, 3)), np.zeros((5, 4))), r"with the same F, got \(5, 3\) and \(5, 4\)"),
        (lambda: frechet_distance(np.zeros((1, 3)), np.zeros((5, 3))), "N >= 2"),
        (lambda: frechet_distance(np.zeros((5, 1, 2, 2)), np.zeros((5, 1, 2, 2))), "flatten or pool"),
        (lambda: frechet_distance(np.full((5, 3), np.nan), np.zeros((5, 3))), "got NaN or infinity"),
        (lambda: frechet_interval(np.zeros((5, 3)), np.zeros((5, 3)), resamples=3), "resamples >= 20"),
        (lambda: mode_coverage([0, 2]), "modes expect -1 to 1, got 0 to 2"),
        (lambda: mode_coverage([]), "modes expect integers"),
        (lambda: mode_coverage([0.5]), "modes expect integers"),
        (lambda: mode_coverage([0], (0.5, 0.6)), "positive shares with sum 1"),
        (lambda: nearest_neighbours(np.zeros((2, 3)), np.zeros((2, 4)), np.zeros((2, 3))), "rows of one shape"),
        (lambda: nearest_neighbours(np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((1, 3))), "2 held-out rows"),
        (lambda: nearest_neighbours(np.full((2, 3), np.inf), np.zeros((2, 3)), np.zeros((2, 3))), "finite values"),
    ],
)
def test_refusals(call, text):
    with pytest.raises(ValueError, match=text):
        call()
