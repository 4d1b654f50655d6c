"""One image and its mask moved by one map: mirrored, turned, scaled, shifted and bent, in millimetres.

A mask that is moved otherwise than its image teaches a network the wrong border; a mirrored one teaches that the left
kidney is the right one. So both go through one interpolation, and a mirror from left to right is refused until the
caller says what becomes of the sides. Taught in lesson 03, Preprocessing.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from mediml.imaging.arrays import as_floats, number, per_axis

__all__ = ["checked_pair", "checked_swap", "elastic_displacement", "flip", "move"]

Pair = tuple[NDArray[Any], NDArray[Any] | None]
Swap = Sequence[tuple[int, int]]
_AXIS_CODES = ("R", "L", "A", "P", "F", "H")


def flip(
    image: ArrayLike,
    mask: ArrayLike | None,
    axis: int,
    *,
    axis_codes: Sequence[str] | None = None,
    laterality_matters: bool = True,
    swap: Swap = (),
) -> Pair:
    """Mirror an image and its mask along an axis, unless that would put findings on the wrong side.

    A mirror from left to right makes the left kidney's picture into one of a right kidney. It is done only

    - with `swap`, which gives the label numbers that change places: ``((1, 2),)`` for left and right kidney; it needs
      `axis_codes`, because a mirror from front to back changes no numbers; or
    - with ``laterality_matters=False``: no label and no finding names a side.

    The picture is that of a patient who does not exist, with the heart on the right: even with right labels it is to
    be used only where that does no harm.

    Parameters
    ----------
    image : array_like of shape (rows, columns) or (planes, rows, columns)
    mask : array_like of int or bool, of the same shape, or None
    axis : int
        From 0; negative ones count from the end.
    axis_codes : sequence of str, optional
        Where each axis leads, as `Volume.axis_codes` says: R or L, A or P, F or H; ``("F", "L")`` for a frontal
        radiograph hung as usual. Without it any axis might lead from left to right, and all are treated so.
    laterality_matters : bool
    swap : sequence of pairs of int
        Applied to the mask where the axis leads from left to right.

    Returns
    -------
    image, mask : ndarray of the shapes and dtypes of the arguments
        Copies; mask is None where it was.

    Raises
    ------
    ValueError
        If the mirror is not allowed, or an argument is not as described.

    References
    ----------
    Taught in lesson 03, Preprocessing.
    """
    pixels, labels = checked_pair("flip", image, mask)
    if not -pixels.ndim <= axis < pixels.ndim:
        raise ValueError(f"flip: axis expects 0 to {pixels.ndim - 1}, got {axis}")
    swap = checked_swap("flip", swap)
    sideways = _leads_sideways(axis, pixels.ndim, axis_codes, laterality_matters, swap)
    pixels = np.flip(pixels, axis).copy()
    if labels is None:
        return pixels, None
    labels = np.flip(labels, axis).copy()
    return pixels, _swapped(labels, swap) if sideways else labels


def move(
    image: ArrayLike,
    mask: ArrayLike | None,
    *,
    spacing_mm: float | Sequence[float] = 1.0,
    rotation_rad: float | Sequence[float] = 0.0,
    scale: float = 1.0,
    shift_mm: float | Sequence[float] = 0.0,
    displacement_mm: ArrayLike | None = None,
    fill: float | None = None,
) -> Pair:
    """Turn, scale, shift and bend an image and its mask by one map about the centre of the image.

        q = R^T ((p - shift) / scale) + displacement(p)        image_new(p) = image_old(q)

    p and q in mm from the centre; what lay at q = 0 comes to lie at p = shift.

    Parameters
    ----------
    image : array_like of shape (rows, columns) or (planes, rows, columns)
        In any unit. Interpolated linearly: its values stay within their range. A NaN spreads to the pixels beside it.
    mask : array_like of int or bool, of the same shape, or None
        Takes the label of the nearest voxel: no new labels.
    spacing_mm : float or sequence of float
        In the order of the axes. An image of unequal steps is turned as the body is, not as its array.
    rotation_rad : float or sequence of three float
        In two dimensions one angle, from the rows' axis to the columns'. In three one about each axis (or one
        about the plane's axis), R = R_plane R_row R_column, each from the next axis to the one after it
        in the circle plane, row, column.
    scale : float
        Above 1 things grow.
    shift_mm : float or sequence of float
        Where things move, along each axis.
    displacement_mm : array_like of shape (axes, *shape), optional
        From `elastic_displacement`.
    fill : float, optional
        What comes from outside of the image: this value and label 0. By default the value and the label at the nearest
        edge.

    Returns
    -------
    image : ndarray, float32 (float64 where `image` is)
    mask : ndarray of the dtype of `mask`, or None

    Raises
    ------
    ValueError
        If an argument is not as described.

    References
    ----------
    Taught in lesson 03, Preprocessing.
    """
    pixels, labels = checked_pair("move", image, mask)
    x, axes, shape = as_floats("move", pixels), pixels.ndim, pixels.shape
    steps = np.asarray(per_axis("move", "spacing_mm", spacing_mm, axes))
    shift = np.broadcast_to(np.asarray(shift_mm, np.float64), (axes,)) if np.ndim(shift_mm) == 0 else shift_mm
    shift = np.asarray(shift, np.float64)
    if shift.shape != (axes,) or not np.isfinite(shift).all():
        raise ValueError(f"move: shift_mm expects {axes} finite numbers, one for each axis, got {shift_mm!r}")
    scale = number("move", "scale", scale)
    to_old = _rotation(rotation_rad, axes).T / scale
    # All in old and new indices: diag(1 / steps) R^T / scale diag(steps)
    matrix = to_old * steps / steps[:, None]
    centre = (np.asarray(shape) - 1) / 2
    offset = centre - matrix @ centre - to_old @ shift / steps
    nearest = {"mode": "nearest"}
    outside = {"mode": "grid-constant", "cval": fill} if fill is not None else nearest
    if displacement_mm is None:
        moved = ndimage.affine_transform(x, matrix, offset, order=1, output=x.dtype, **outside)
    else:
        bent = np.asarray(displacement_mm, np.float64)
        if bent.shape != (axes, *shape) or not np.isfinite(bent).all():
            raise ValueError(f"move: displacement_mm expects finite values of shape {(axes, *shape)}, got {bent.shape}")
        along = [-1] + [1] * axes
        places = np.tensordot(matrix, np.indices(shape, np.float64), 1) + offset.reshape(along)
        places += bent / steps.reshape(along)
        moved = ndimage.map_coordinates(x, places, order=1, output=x.dtype, **outside)
    if labels is None:
        return moved, None
    outside = {"mode": "grid-constant", "cval": 0} if fill is not None else nearest
    if displacement_mm is None:
        return moved, ndimage.affine_transform(labels, matrix, offset, order=0, output=labels.dtype, **outside)
    return moved, ndimage.map_coordinates(labels, places, order=0, output=labels.dtype, **outside)


def elastic_displacement(
    shape: Sequence[int],
    amplitude_mm: float,
    smoothness_mm: float,
    generator: np.random.Generator,
    spacing_mm: float | Sequence[float] = 1.0,
) -> NDArray[np.float32]:
    """A smooth random displacement: white noise through a Gaussian, a field for each axis.

    Parameters
    ----------
    shape : sequence of int
        Of the image.
    amplitude_mm : float
        Standard deviation of each component. At most a quarter of `smoothness_mm`: the slope of the field has
        the standard deviation ``amplitude / (sqrt(2) * smoothness)``, and where it passes -1 the image folds over.
    smoothness_mm : float
        Standard deviation of the Gaussian. The field goes on periodically beyond the edges.
    generator : numpy.random.Generator
    spacing_mm : float or sequence of float
        In the order of the axes.

    Returns
    -------
    ndarray of shape (axes, *shape), float32
        In mm, for `move`.

    Raises
    ------
    ValueError
        If an argument is not as described.

    References
    ----------
    P. Y. Simard, D. Steinkraus, J. C. Platt, "Best practices for convolutional neural networks applied to visual
    document analysis", ICDAR (2003), 958-963.
    Taught in lesson 03, Preprocessing.
    """
    steps = per_axis("elastic_displacement", "spacing_mm", spacing_mm, len(shape))
    if not (np.isfinite([amplitude_mm, smoothness_mm]).all() and 0 <= 4 * amplitude_mm <= smoothness_mm):
        raise ValueError(
            f"elastic_displacement: amplitude_mm expects 0 to a quarter of smoothness_mm, or the image folds over; "
            f"got {amplitude_mm} and {smoothness_mm}"
        )
    if amplitude_mm == 0:
        return np.zeros((len(shape), *shape), np.float32)
    left: Any = 1.0  # what the Gaussian leaves of the noise's standard deviation
    for size, step in zip(shape, steps):
        point = np.zeros(size)
        point[0] = 1
        left *= np.linalg.norm(ndimage.gaussian_filter1d(point, smoothness_mm / step, mode="wrap"))
    noise = generator.standard_normal((len(shape), *shape), np.float32)
    sigma = [smoothness_mm / step for step in steps]
    return np.stack([ndimage.gaussian_filter(part, sigma, mode="wrap") for part in noise]) * np.float32(
        amplitude_mm / left
    )


def checked_pair(function: str, image: ArrayLike, mask: ArrayLike | None) -> Pair:
    pixels = np.asarray(image)
    if pixels.ndim not in (2, 3) or pixels.size == 0:
        raise ValueError(f"{function}: image expects 2 or 3 axes and at least one pixel, got shape {pixels.shape}")
    if mask is None:
        return pixels, None
    labels = np.asarray(mask)
    if labels.shape != pixels.shape or labels.dtype.kind not in "bui":
        raise ValueError(
            f"{function}: mask expects whole numbers or booleans of the image's shape {pixels.shape}, "
            f"got {labels.dtype} of shape {labels.shape}"
        )
    return pixels, labels


def _leads_sideways(
    axis: int, axes: int, axis_codes: Sequence[str] | None, laterality_matters: bool, swap: Swap
) -> bool:
    """Whether the axis leads from left to right; refuses what `flip` does not allow."""
    if axis_codes is None:
        if swap:
            raise ValueError("flip: swap expects axis_codes, which tell the axis from left to right; got none")
        sideways, leads = True, "may lead from left to right (axis_codes are not given)"
    else:
        if len(axis_codes) != axes or not all(code in _AXIS_CODES for code in axis_codes):
            raise ValueError(f"flip: axis_codes expects {axes} of {', '.join(_AXIS_CODES)}, got {tuple(axis_codes)}")
        sideways, leads = axis_codes[axis] in ("R", "L"), "leads from left to right"
    if sideways and laterality_matters and not swap:
        raise ValueError(
            f"flip: axis {axis} {leads}, and its mirror would put findings on the wrong side; give axis_codes and "
            f"swap=((left, right),) of label numbers, or laterality_matters=False where nothing names a side"
        )
    return sideways


def checked_swap(function: str, swap: Swap) -> Swap:
    numbers = [number for pair in swap for number in pair]
    if any(len(pair) != 2 for pair in swap) or len(set(numbers)) != len(numbers):
        raise ValueError(f"{function}: swap expects pairs of label numbers, each number once, got {swap!r}")
    return swap


def _swapped(labels: NDArray[Any], swap: Swap) -> NDArray[Any]:
    result = labels.copy()
    for one, other in swap:
        result[labels == one], result[labels == other] = other, one
    return result


def _rotation(angles: float | Sequence[float], axes: int) -> NDArray[np.float64]:
    """From places before to places after."""
    given = np.atleast_1d(np.asarray(angles, np.float64))
    if given.shape not in ((1,), (2 * axes - 3,)) or not np.isfinite(given).all():
        raise ValueError(f"move: rotation_rad expects one finite angle, or in a volume three, got {angles!r}")
    if axes == 2:
        return _turn(given[0], 0, 1, 2)
    plane, row, column = given if given.size == 3 else (given[0], 0.0, 0.0)
    return _turn(plane, 1, 2, 3) @ _turn(row, 2, 0, 3) @ _turn(column, 0, 1, 3)


def _turn(angle: float, first: int, second: int, axes: int) -> NDArray[np.float64]:
    """From the axis `first` towards the axis `second`."""
    matrix = np.eye(axes)
    matrix[first, first] = matrix[second, second] = np.cos(angle)
    matrix[second, first], matrix[first, second] = np.sin(angle), -np.sin(angle)
    return matrix
