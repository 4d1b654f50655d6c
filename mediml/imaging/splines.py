"""Smooth functions on a grid: cubic B-splines, fitted by least squares to what is known in a mask."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["SplineFit", "block_means", "spline_basis"]


def spline_basis(places: NDArray[np.float64], spans: int) -> NDArray[np.float64]:
    """Cubic B-splines on [0, 1], cut into `spans` equal parts.

        t = spans * place,  k = the part that t lies in,  u = t - k
        B_k = (1 - u)^3 / 6                       B_{k+1} = (3 u^3 - 6 u^2 + 4) / 6
        B_{k+2} = (-3 u^3 + 3 u^2 + 3 u + 1) / 6  B_{k+3} = u^3 / 6

    Parameters
    ----------
    places : ndarray of shape (n,)
        In [0, 1].
    spans : int
        At least 1.

    Returns
    -------
    ndarray of shape (n, spans + 3)
        At most four of a row are not 0; each row's sum is 1.
    """
    t = np.clip(places, 0, 1) * spans
    part = np.minimum(t.astype(int), spans - 1)
    u = t - part
    pieces = ((1 - u) ** 3, 3 * u**3 - 6 * u**2 + 4, -3 * u**3 + 3 * u**2 + 3 * u + 1, u**3)
    basis = np.zeros((len(places), spans + 3))
    for k, piece in enumerate(pieces):
        basis[np.arange(len(places)), part + k] = piece / 6
    return basis


class SplineFit:
    """Least squares by a product of B-splines along the axes.

        c = argmin sum_{p in mask} (y[p] - sum_k c[k] B_k[p])^2 + stiffness * sum_axes |second differences of c|^2

    The second term, small beside the first, says what happens where the mask is empty: the function goes on straight.

    Parameters
    ----------
    mask : ndarray of bool, of two or three axes
    spans : int
        Parts of each axis that is longer than a pixel; the other axes stay constant.
    stiffness : float
        As a share of the mask's pixels per coefficient.
    """

    def __init__(self, mask: NDArray[np.bool_], spans: int, stiffness: float = 1e-3) -> None:
        self.spans = spans
        self.weights = mask.astype(np.float64)
        self.bases = [_axis_basis(_centres(size), spans) for size in mask.shape]
        self.shape = tuple(basis.shape[1] for basis in self.bases)
        count = int(np.prod(self.shape))
        penalty = stiffness * self.weights.sum() / count
        normal = self._normal_matrix() + penalty * (_bending(self.shape) + 1e-6 * np.eye(count))
        self.inverse = np.linalg.inv(normal)  # small: at most (spans + 3)^3 on a side

    def coefficients(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Those that fit `values`, which count in the mask only."""
        right = contract(self.weights * values, [basis.T for basis in self.bases])
        return np.asarray((self.inverse @ right.ravel()).reshape(self.shape))

    def evaluate(self, coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
        """The function on the grid of the mask."""
        return contract(coefficients, self.bases)

    def on_grid(self, coefficients: NDArray[np.float64], size: Sequence[int], block: Sequence[int]) -> NDArray[Any]:
        """The function on the finer grid of `size` pixels, `block` of which along each axis make one of the mask's."""
        bases = []
        for fine, side, coarse in zip(size, block, self.weights.shape):
            places = (np.arange(fine) + 0.5) / (side * coarse)  # the last block may reach over the edge
            bases.append(_axis_basis(places, self.spans if coarse > 1 else 0))
        return contract(coefficients, bases)

    def _normal_matrix(self) -> NDArray[np.float64]:
        """Products of all pairs of basis functions, summed over the mask, one axis after another."""
        pairs = [np.einsum("ia,ib->abi", basis, basis).reshape(-1, len(basis)) for basis in self.bases]
        sums = contract(self.weights, pairs).reshape([n for side in self.shape for n in (side, side)])
        ndim, count = len(self.shape), int(np.prod(self.shape))
        order = [2 * axis for axis in range(ndim)] + [2 * axis + 1 for axis in range(ndim)]
        return np.asarray(sums.transpose(order).reshape(count, count))


def contract(values: NDArray[Any], matrices: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Multiply along each axis by its matrix."""
    for axis, matrix in enumerate(matrices):
        values = np.moveaxis(np.tensordot(matrix, values, (1, axis)), 0, axis)
    return np.asarray(values)


def block_means(
    values: NDArray[Any], mask: NDArray[np.bool_], block: Sequence[int]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Means over blocks of pixels, of those in the mask; and the blocks of which the mask takes at least half."""
    pads = [(0, -size % side) for size, side in zip(values.shape, block)]
    parts = [n for size, side in zip(values.shape, block) for n in (-(-size // side), side)]
    inner = tuple(range(1, 2 * values.ndim, 2))

    def sums(array: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray(np.pad(array, pads).reshape(parts).sum(axis=inner, dtype=np.float64))

    known, all_of_them = sums(mask), sums(np.ones(values.shape, bool))
    total = sums(np.where(mask, values, 0))
    return np.divide(total, known, out=np.zeros_like(total), where=known > 0), 2 * known >= all_of_them


def _centres(size: int) -> NDArray[np.float64]:
    return (np.arange(size) + 0.5) / size


def _axis_basis(places: NDArray[np.float64], spans: int) -> NDArray[np.float64]:
    return spline_basis(places, spans) if spans > 0 and len(places) > 1 else np.ones((len(places), 1))


def _bending(shape: Sequence[int]) -> NDArray[np.float64]:
    """Matrix Q such that c Q c is the sum of the squared second differences of c along each axis."""
    count = int(np.prod(shape))
    total = np.zeros((count, count))
    for axis, side in enumerate(shape):
        if side > 2:
            second = np.diff(np.eye(side), n=2, axis=0)
            factors = [second.T @ second if a == axis else np.eye(n) for a, n in enumerate(shape)]
            matrix: NDArray[Any] = factors[0]
            for factor in factors[1:]:
                matrix = np.kron(matrix, factor)
            total += matrix
    return total
