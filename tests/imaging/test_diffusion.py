"""Anisotropic diffusion: by hand, what it conserves, and the blur that it becomes without edges."""

import numpy as np
import pytest

from mediml.imaging.diffusion import anisotropic_diffusion


def test_diffusion_by_hand():
    x = np.array([[0.0, 2.0, 2.0]])
    # One flow, between the first two: 2 g(2), of which dt reaches the other side.
    flow = 2 * np.exp(-1)
    np.testing.assert_allclose(anisotropic_diffusion(x, 2, 1, 0.1), [[0.1 * flow, 2 - 0.1 * flow, 2]])
    np.testing.assert_allclose(anisotropic_diffusion(x, 2, 1, 0.1, option=2), [[0.1, 1.9, 2]])
    # 0.5 mm apart: slope 4 per mm, g = exp(-1), divided by 0.5 once more.
    flow = 4 * np.exp(-1) / 0.5
    np.testing.assert_allclose(
        anisotropic_diffusion(x, 4, 1, 0.05, spacing_mm=(1, 0.5)), [[0.05 * flow, 2 - 0.05 * flow, 2]]
    )


@pytest.mark.parametrize("option", [1, 2])
@pytest.mark.parametrize("ndim", [2, 3])
def test_diffusion_keeps_the_mean_and_the_range(ndim, option):
    """Whole numbers of a power of two pixels, so that the mean is known without rounding."""
    x = np.random.default_rng(4).integers(-1000, 1000, (16,) * ndim).astype(np.float64)
    largest = 1 / (2 * ndim)
    for kappa in (30.0, 1e4):
        y = anisotropic_diffusion(x, kappa, 50, largest, option)
        assert y.mean() == pytest.approx(x.mean(), abs=1e-11)
        assert x.min() <= y.min() and y.max() <= x.max() and y.std() < x.std()
    with pytest.raises(ValueError, match=f"dt expects at most {largest:.6g}, beyond which the steps are unstable"):
        anisotropic_diffusion(x, 30.0, 5, largest * 1.01)
    with pytest.raises(ValueError, match=r"dt expects at most 0\.2,"):
        anisotropic_diffusion(x[..., :8].reshape(16, -1), 30.0, 5, 0.25, spacing_mm=(2.0, 2 / 3))


@pytest.mark.parametrize("spacing", [None, (2.0, 0.5)])
def test_diffusion_without_edges_is_a_gaussian_of_known_width(spacing):
    x = np.zeros((65, 201))
    x[32, 100] = 1
    dt, steps = 0.1 if spacing else 0.2, 40
    y = anisotropic_diffusion(x, 1e6, steps, dt, spacing_mm=spacing)
    assert y.sum() == pytest.approx(1)
    for axis, h in enumerate(spacing or (1, 1)):
        place = (np.arange(x.shape[axis]) - x.shape[axis] // 2) * h
        assert (y.sum(axis=1 - axis) * place**2).sum() == pytest.approx(2 * dt * steps, rel=1e-6)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: anisotropic_diffusion(x, 0), "anisotropic_diffusion: kappa expects"),
        (lambda x: anisotropic_diffusion(x, 1, -1), "anisotropic_diffusion: steps expects"),
        (
            lambda x: anisotropic_diffusion(x, 1, np.inf),
            "anisotropic_diffusion: steps expects a whole number of at least 0",
        ),
        (lambda x: anisotropic_diffusion(x, 1, dt=0), "anisotropic_diffusion: dt expects a finite number above 0"),
        (lambda x: anisotropic_diffusion(x, 1, option=3), "anisotropic_diffusion: option expects 1 or 2, got 3"),
    ],
)
def test_refusals(call, text):
    with pytest.raises(ValueError, match=text):
        call(np.zeros((6, 6)))
