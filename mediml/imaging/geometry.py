"""Cropping and padding, with what they do to the place of a voxel; resampling by area.

`mediml.imaging.resample` interpolates between pixels; `resize_area` here takes means over areas.
Taught in lesson 03, Preprocessing.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mediml.imaging.arrays import number, per_axis, whole_per_axis
from mediml.imaging.image import Image, Step, times
from mediml.imaging.volume import Volume

__all__ = [
    "bounding_box",
    "center_square",
    "crop",
    "crop_image",
    "crop_volume",
    "middle",
    "pad_to",
    "pad_volume",
    "resize_area",
]

Box = tuple[slice, ...]


def bounding_box(
    mask: ArrayLike,
    margin: int | tuple[int, ...] = 0,
    *,
    margin_mm: float = 0.0,
    spacing_mm: Sequence[float] | None = None,
) -> Box:
    """The smallest box that holds all of a mask, made larger on every side where there is room.

    Parameters
    ----------
    mask : array_like of any shape
        Inside where it is not 0.
    margin : int or tuple of int, one for each axis
        Voxels to add on each side; cut at the edge of the array.
    margin_mm : float
        Millimetres to add on each side, rounded up to whole voxels; needs `spacing_mm`, in the order of the axes.

    Returns
    -------
    tuple of slice, one for each axis
        For `crop`, or as an index: ``mask[box]``.

    Raises
    ------
    ValueError
        If the mask is empty, or a margin is negative.

    References
    ----------
    Taught in lesson 03, Preprocessing.
    """
    inside = np.asarray(mask) != 0
    added = whole_per_axis("bounding_box", "margin", margin, inside.ndim, 0)
    if margin_mm:
        if spacing_mm is None or not margin_mm > 0:
            raise ValueError(f"bounding_box: margin_mm expects a positive number and spacing_mm, got {margin_mm}")
        steps = per_axis("bounding_box", "spacing_mm", spacing_mm, inside.ndim)
        # Three times 0.1 is a little more than 0.3 by rounding, and yet three voxels of 0.1 mm.
        added = tuple(a + int(np.ceil(margin_mm / step - 1e-9)) for a, step in zip(added, steps))
    if not inside.any():
        raise ValueError("bounding_box: mask expects at least one voxel inside, got none")
    box = []
    for axis, (size, more) in enumerate(zip(inside.shape, added)):
        found = np.flatnonzero(inside.any(axis=tuple(a for a in range(inside.ndim) if a != axis)))
        box.append(slice(max(int(found[0]) - more, 0), min(int(found[-1]) + 1 + more, size)))
    return tuple(box)


def crop(image: ArrayLike, box: Sequence[slice]) -> NDArray[Any]:
    """The part of an image within a box.

    Parameters
    ----------
    image : array_like of any dtype, with at least as many axes as the box
        Further axes, such as the colours of a photograph, stay whole.
    box : sequence of slice
        Start and stop along each axis, ``0 <= start < stop <= size``, without a step; None stands for the edge.
        Never counted from the end, and never beyond the edge: a wrong box is not made smaller silently.

    Returns
    -------
    ndarray
        A copy, of the dtype of `image`.

    Raises
    ------
    ValueError
        If the box does not lie within the image.

    References
    ----------
    Taught in lesson 03, Preprocessing.
    """
    array = np.asarray(image)
    return array[_checked_box("crop", box, array.shape)].copy()


def crop_image(image: Image, box: Sequence[slice]) -> Image:
    """The part of an `Image` within a box of (rows, columns); its place in the patient, where known, goes along.

        origin = origin + start_row * spacing[0] * down + start_column * spacing[1] * across

    where ``across`` and ``down`` are the first and the last three numbers of `Image.orientation`. See `crop`.

    References
    ----------
    Taught in lesson 03, Preprocessing.
    """
    box = _checked_box("crop_image", box, image.shape)
    if len(box) != 2:
        raise ValueError(f"crop_image: box expects two slices, got {len(box)}")
    rows, columns = box
    origin = image.origin_mm
    if origin is not None:
        if image.orientation is None or image.spacing_mm is None:
            origin = None  # a corner that was not the file's: its place is no longer known
        else:
            across, down = np.asarray(image.orientation[:3]), np.asarray(image.orientation[3:])
            moved = rows.start * image.spacing_mm[0] * down + columns.start * image.spacing_mm[1] * across
            origin = tuple(float(x) for x in np.asarray(origin) + moved)
    return replace(image, **_cropped(image, box), origin_mm=origin)


def crop_volume(volume: Volume, box: Sequence[slice]) -> Volume:
    """The part of a `Volume` within a box of (planes, rows, columns): every voxel keeps its place in the patient.

        origin = affine @ (start_plane, start_row, start_column, 1)

    See `crop`.

    References
    ----------
    Taught in lesson 03, Preprocessing.
    """
    box = _checked_box("crop_volume", box, volume.shape)
    if len(box) != 3:
        raise ValueError(f"crop_volume: box expects three slices, got {len(box)}")
    return replace(volume, **_cropped(volume, box), origin_mm=_place(volume, [part.start for part in box]))


def pad_to(image: ArrayLike, shape: Sequence[int], value: float = 0) -> NDArray[Any]:
    """Put an image into the middle of a larger, uniform one.

    Where the number of added voxels is odd, the image lies one voxel nearer to the start, as in
    `mediml.data.volumes.stack`.

    Parameters
    ----------
    image : array_like of any dtype, with at least as many axes as `shape` has numbers
        Further axes, such as the colours of a photograph, stay as they are.
    shape : sequence of int
        At least that of the image along each axis.
    value : float
        Of what is added, in the unit of the image: -1000 is air in HU, where 0 would be water.

    Returns
    -------
    ndarray
        A copy, of the dtype of `image`.

    Raises
    ------
    ValueError
        If `shape` is too small, or the dtype of `image` cannot hold `value`.

    References
    ----------
    Taught in lesson 03, Preprocessing.
    """
    array = np.asarray(image)
    box = middle("pad_to", array.shape, shape)
    with np.errstate(invalid="ignore"):
        held = np.asarray(value).astype(array.dtype)
    if array.dtype.kind in "biu" and held != value:
        raise ValueError(f"pad_to: value expects what {array.dtype} can hold, got {value}; change the dtype first")
    padded = np.full((*shape, *array.shape[len(box) :]), held, array.dtype)
    padded[box] = array
    return padded


def pad_volume(volume: Volume, shape: Sequence[int], value: float) -> Volume:
    """Put a `Volume` into the middle of a larger one; its voxels keep their places, what is added counts as padding.

    Parameters
    ----------
    volume : Volume
    shape : sequence of three int
        Planes, rows and columns. See `pad_to`.
    value : float
        Of what is added, in the unit of the volume. `Volume.padding` is true there, so that it is shown black and can
        be left out of statistics.

    Returns
    -------
    Volume
        `stored` holds the same numbers as `values`: what is added was in no file.

    References
    ----------
    Taught in lesson 03, Preprocessing.
    """
    box = middle("pad_volume", volume.shape, shape)
    if len(box) != 3:
        raise ValueError(f"pad_volume: shape expects three numbers, got {len(box)}")
    values = pad_to(volume.values, shape, value)
    padding = np.ones(values.shape, np.bool_)
    padding[box] = False if volume.padding is None else volume.padding
    origin = _place(volume, [-part.start for part in box])
    account = (*volume.account, Step("padded", {"before": times(volume.shape), "after": times(values.shape)}))
    return replace(volume, stored=values, values=values, padding=padding, origin_mm=origin, account=account)


def _checked_box(function: str, box: Sequence[slice], shape: tuple[int, ...]) -> Box:
    """The box with whole numbers for its starts and stops."""
    if not 0 < len(box) <= len(shape) or not all(isinstance(part, slice) and part.step is None for part in box):
        raise ValueError(f"{function}: box expects slices without a step, one for each axis, got {box!r}")
    checked = []
    for axis, (part, size) in enumerate(zip(box, shape)):
        start, stop = 0 if part.start is None else part.start, size if part.stop is None else part.stop
        if not 0 <= start < stop <= size:
            raise ValueError(
                f"{function}: box expects 0 <= start < stop <= {size} along axis {axis}, got {start} and {stop}; "
                f"bounding_box gives boxes that fit"
            )
        checked.append(slice(int(start), int(stop)))
    return tuple(checked)


def _cropped(image: Image | Volume, box: Box) -> dict[str, Any]:
    padding = None if image.padding is None else crop(image.padding, box)
    values = crop(image.values, box)
    step = Step("cropped", {"before": times(image.shape), "after": times(values.shape[: len(box)])})
    return {
        "stored": crop(image.stored, box),
        "values": values,
        "padding": padding,
        "account": (*image.account, step),
    }


def _place(volume: Volume, index: Sequence[float]) -> tuple[float, float, float]:
    """Where an index of the volume, perhaps outside of it, lies in the patient."""
    x, y, z, _ = volume.affine @ (*index, 1)
    return float(x), float(y), float(z)


def middle(function: str, inner: Sequence[int], outer: Sequence[int]) -> Box:
    """Where an array of shape `inner` lies in one of shape `outer`."""
    if not 0 < len(outer) <= len(inner) or any(o < i for i, o in zip(inner, outer)):
        raise ValueError(
            f"{function}: shape expects at least {tuple(inner)}, got {tuple(outer)}; crop first, or give a larger one"
        )
    return tuple(slice((o - i) // 2, (o - i) // 2 + i) for i, o in zip(inner, outer))


def center_square(image: ArrayLike, aspect: float = 1.0) -> NDArray[Any]:
    """The largest centred square, as it is in the body and not in pixels.

    Parameters
    ----------
    image : array_like of shape (rows, columns)
    aspect : float
        Height of a pixel over its width. With 2.0 the square has twice as many columns as rows.

    Returns
    -------
    ndarray of shape (side_rows, side_columns), a view of `image`
    """
    array = np.asarray(image)
    if array.ndim != 2:
        raise ValueError(f"center_square: expected shape (rows, columns), got {array.shape}")
    aspect = number("center_square", "aspect", aspect)
    rows, columns = array.shape
    side = min(rows * aspect, float(columns))  # in widths of a pixel
    side_rows, side_columns = max(1, round(side / aspect)), max(1, round(side))
    top, left = (rows - side_rows) // 2, (columns - side_columns) // 2
    return array[top : top + side_rows, left : left + side_columns]


def resize_area(image: ArrayLike, shape: tuple[int, int]) -> NDArray[Any]:
    """Resample by area: each new pixel is the mean of the old ones below it, weighted by the overlap.

        y[i, j] = sum_{r, c} R[i, r] C[j, c] x[r, c]
        R[i, r] = length of [i, i + 1) * rows / I that lies in [r, r + 1), over rows / I        likewise C

    Keeps the mean, and cannot alias or overshoot, unlike interpolation between single pixels.

    Parameters
    ----------
    image : array_like of shape (rows, columns)
        In any unit, finite: a sum over rows and columns would bring one NaN to every new pixel.
    shape : tuple of two int
        New rows I and columns J; larger than the old ones gives blocks.

    Returns
    -------
    ndarray of shape `shape`, float32 (float64 where `image` is)
        In the unit of `image`, within its least and largest value.

    Raises
    ------
    ValueError
        If a shape is not as described, or a value is NaN or infinite.
    """
    array = np.asarray(image)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"resize_area: expected shape (rows, columns) of at least one pixel, got {array.shape}")
    if len(shape) != 2 or min(shape) < 1:
        raise ValueError(f"resize_area: shape expects two positive whole numbers, got {shape}")
    if bad := array.size - int(np.isfinite(array).sum()):
        raise ValueError(
            f"resize_area: image expects finite values, got {bad} that are NaN or infinite; fill them first"
        )
    dtype = np.float64 if array.dtype == np.float64 else np.float32
    by_rows = _overlap(array.shape[0], shape[0]) @ array.astype(np.float64)
    return np.asarray(by_rows @ _overlap(array.shape[1], shape[1]).T, dtype)


def _overlap(old: int, new: int) -> NDArray[np.float64]:
    """Row i: what share of new pixel i each old pixel makes up."""
    edges = np.arange(new + 1) * (old / new)
    low, high = edges[:-1, None], edges[1:, None]
    pixel = np.arange(old)
    share = np.minimum(high, pixel + 1) - np.maximum(low, pixel)
    return np.asarray(np.maximum(share, 0) * (new / old))
