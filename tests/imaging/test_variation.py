"""Total variation: solutions known on paper, and a minimum that nothing near by undercuts."""

import numpy as np
import pytest

from mediml.imaging.variation import total_variation

SIGMA = 20.0


def scene(ndim=2, side=48, dtype=np.float64, seed=0):
    """A ball of 300 on -700, and the same with noise."""
    axes = np.meshgrid(*[np.arange(side) - (side - 1) / 2] * ndim, indexing="ij")
    radius = np.sqrt(sum(axis**2 for axis in axes))
    clean = np.where(radius < side / 4, 300.0, -700.0)
    return clean, (clean + np.random.default_rng(seed).normal(size=clean.shape) * SIGMA).astype(dtype), radius


def energy(u, x, weight, spacing=(1.0, 1.0)):
    """What total_variation makes small."""
    slopes = [np.diff(u, axis=a, append=u.take([-1], axis=a)) / h for a, h in enumerate(spacing)]
    return ((u - x) ** 2).sum() / 2 + weight * np.sqrt(sum(s**2 for s in slopes)).sum()


@pytest.mark.parametrize(("axis", "spacing"), [(0, None), (1, None), (1, (2.0, 0.5))])
def test_total_variation_of_a_step_as_calculated(axis, spacing):
    """Each of the two halves moves by weight / its width, in pixels or mm."""
    x = np.repeat([0.0, 100.0], [10, 30])[None].repeat(6, axis=0)
    h = spacing[1] if spacing else 1.0
    x, spacing = (x.T, spacing and spacing[::-1]) if axis == 0 else (x, spacing)
    y = total_variation(x, 50.0, spacing, tolerance=1e-5, most_steps=20_000)
    low, high = np.moveaxis(y, axis, 0)[:10], np.moveaxis(y, axis, 0)[10:]
    np.testing.assert_allclose(low, 50 / (10 * h), atol=0.02)
    np.testing.assert_allclose(high, 100 - 50 / (30 * h), atol=0.02)


def test_total_variation_of_a_block_in_3d_as_calculated():
    """Three axes; planes of a volume that does not change along two of them."""
    x = np.repeat([10.0, 30.0], [4, 4])[:, None, None] * np.ones((1, 5, 6))
    y = total_variation(x, 8.0, tolerance=1e-5, most_steps=20_000)
    np.testing.assert_allclose(y[:4], 10 + 8 / 4, atol=0.02)
    np.testing.assert_allclose(y[4:], 30 - 8 / 4, atol=0.02)
    assert y.mean() == pytest.approx(20)


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (2.0, 0.7)])
def test_total_variation_is_a_minimum(spacing):
    """The energy is strictly convex: no other image near by has less."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(12, 13)) * 10
    y = total_variation(x, 6.0, spacing, tolerance=1e-6, most_steps=50_000)
    least = energy(y, x, 6.0, spacing)
    for size in (1.0, 0.1, 0.01):
        for _ in range(20):
            assert energy(y + size * rng.normal(size=y.shape), x, 6.0, spacing) > least
        assert energy(y + size * (x - y), x, 6.0, spacing) > least
        assert energy(y - size * y, x, 6.0, spacing) > least


def test_the_tolerance_of_total_variation_is_certain():
    _, noisy, _ = scene()
    best = total_variation(noisy, 30.0, tolerance=1e-5, most_steps=20_000)
    steps = []
    for tolerance in (1.0, 0.1, 0.01):
        error = np.sqrt(np.mean((total_variation(noisy, 30.0, tolerance=tolerance) - best) ** 2))
        assert error <= tolerance * 30
        steps.append(error)
    assert steps[2] < steps[1] < steps[0]
    assert energy(total_variation(noisy, 30.0, most_steps=10), noisy, 30) > energy(best, noisy, 30)


def test_total_variation_against_scikit_image():
    restoration = pytest.importorskip("skimage.restoration", reason="needs scikit-image")
    _, noisy, _ = scene(side=16)
    ours = total_variation(noisy, 10.0, tolerance=1e-5, most_steps=20_000)
    theirs = restoration.denoise_tv_chambolle(noisy, 10.0, eps=1e-15, max_num_iter=20_000)
    np.testing.assert_allclose(ours, theirs, atol=0.02)
    assert energy(ours, noisy, 10) <= energy(theirs, noisy, 10)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: total_variation(x, -1), "total_variation: weight expects"),
        (lambda x: total_variation(x, 1, tolerance=0), "total_variation: tolerance expects"),
        (lambda x: total_variation(x, 1, most_steps=0), "total_variation: most_steps expects"),
        (lambda x: total_variation(x, 1, most_steps=np.inf), "total_variation: most_steps expects a whole number"),
        (lambda x: total_variation(x[0], 1), "total_variation: image expects shape"),
        (lambda x: total_variation(np.zeros((4, 5, 3)), 1), "total_variation: image expects grey values"),
    ],
)
def test_refusals(call, text):
    with pytest.raises(ValueError, match=text):
        call(np.zeros((6, 6)))
