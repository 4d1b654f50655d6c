"""B-splines against scipy's, and least squares against a matrix with one column per basis function."""

import numpy as np
import pytest
from scipy.interpolate import BSpline

from mediml.imaging.splines import SplineFit, block_means, spline_basis


@pytest.mark.parametrize("spans", [1, 2, 5])
def test_the_basis_is_scipys(spans):
    places = np.array([0.0, 0.07, 0.2, 0.5, 0.77, 1.0])
    knots = np.arange(-3, spans + 4) / spans
    expected = BSpline.design_matrix(places, knots, 3).toarray()
    basis = spline_basis(places, spans)
    np.testing.assert_allclose(basis, expected, atol=1e-12)
    np.testing.assert_allclose(basis.sum(axis=1), 1)


@pytest.mark.parametrize(("shape", "spans"), [((14, 11), 2), ((9, 8, 7), 1), ((1, 12), 3)])
def test_the_fit_is_least_squares(shape, spans):
    rng = np.random.default_rng(0)
    mask = rng.random(shape) < 0.8
    values = np.where(mask, rng.normal(size=shape), 1e6)  # what lies outside must not count
    bases = [spline_basis((np.arange(n) + 0.5) / n, spans) if n > 1 else np.ones((1, 1)) for n in shape]
    columns = bases[0]
    for basis in bases[1:]:
        columns = np.kron(columns, basis)
    # Beside the pixels, a row for each second difference of the coefficients, with its weight.
    sides = [basis.shape[1] for basis in bases]
    each = np.eye(columns.shape[1]).reshape(-1, *sides)
    bends = [np.diff(each, 2, axis=a + 1).reshape(len(each), -1).T for a, side in enumerate(sides) if side > 2]
    share = 0.01 * mask.sum() / columns.shape[1]
    rows = np.vstack([columns[mask.ravel()], *(np.sqrt(share) * bend for bend in bends)])
    right = np.concatenate([values[mask], np.zeros(len(rows) - mask.sum())])
    expected = np.linalg.lstsq(rows, right, rcond=None)[0]
    fit = SplineFit(mask, spans, stiffness=0.01)
    np.testing.assert_allclose(fit.coefficients(values), expected.reshape(sides), atol=1e-4)
    np.testing.assert_allclose(fit.evaluate(fit.coefficients(values)).ravel(), columns @ expected, atol=1e-4)


@pytest.mark.parametrize("shape", [(40, 30), (12, 20, 16)])
def test_where_nothing_is_known_a_plane_goes_on_straight(shape):
    plane = sum((k + 1) * axis for k, axis in enumerate(np.indices(shape) / 10.0))
    mask = np.ones(shape, bool)
    mask[:, shape[1] // 2 :] = False
    fit = SplineFit(mask, 4)
    np.testing.assert_allclose(fit.evaluate(fit.coefficients(plane)), plane, atol=0.02)


def test_the_fine_grid_shows_the_same_function():
    mask = np.ones((10, 8), bool)
    fit = SplineFit(mask, 3)
    coefficients = 5 * np.random.default_rng(1).normal(size=fit.shape)
    coarse = fit.evaluate(coefficients)
    np.testing.assert_allclose(fit.on_grid(coefficients, (10, 8), (1, 1)), coarse, atol=1e-12)
    fine = fit.on_grid(coefficients, (30, 15), (3, 2))  # the last block is half outside
    np.testing.assert_allclose(fine[1::3], fit.on_grid(coefficients, (10, 15), (1, 2)), atol=1e-12)
    pairs = (fine[1::3, 0:14:2] + fine[1::3, 1:14:2]) / 2
    np.testing.assert_allclose(pairs, coarse[:, :7], atol=0.1)
    assert np.abs(np.diff(coarse, axis=1)).max() > 0.5  # beside the right places nothing would agree
    assert fine.shape == (30, 15)


def test_block_means_by_hand():
    values = np.array([[1.0, 3, 5], [7, 9, 11], [2, 4, 8]])
    mask = np.array([[1, 1, 1], [0, 1, 0], [1, 0, 0]], bool)
    means, known = block_means(values, mask, (2, 2))
    np.testing.assert_allclose(means, [[13 / 3, 5], [2, 0]])
    np.testing.assert_array_equal(known, [[True, True], [True, False]])
    means, known = block_means(values, mask, (3, 3))
    assert means[0, 0] == pytest.approx(20 / 5) and known[0, 0]
    assert not block_means(values, mask, (3, 1))[1][0, 1:].all()
