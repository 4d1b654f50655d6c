"""What all filters share: checked arguments, borders, and the way to the kernels of `kernels/conv/cpu.py`.

A linear filter replaces each pixel by a weighted sum of its neighbours:

    y[i, j] = sum_{k, l} w[k, l] x[i + k - r, j + l - r]          r: the radius, so that w[r, r] meets the pixel itself

This is the cross-correlation that deep learning calls convolution. The convolution of mathematics reads the weights
backwards; for symmetric weights the two agree. Taught in lesson 04, Convolution.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mediml.imaging.arrays import as_floats, per_axis

__all__ = [
    "BORDERS",
    "check_border",
    "convolve_axes",
    "convolve_full",
    "finite",
    "floats",
    "grid_steps",
    "unpadded",
]

#: scipy.ndimage's names of what lies outside, and those of numpy.pad.      outside | a b c d | outside
BORDERS = {
    "reflect": "symmetric",  # c b a | a b c d | d c b
    "mirror": "reflect",  # d c b | a b c d | c b a
    "nearest": "edge",  # a a a | a b c d | d d d
    "wrap": "wrap",  # b c d | a b c d | a b c
    "constant": "constant",  # v v v | a b c d | v v v
}

Weights = Sequence[NDArray[np.float64]]


def floats(function: str, image: ArrayLike) -> NDArray[Any]:
    """A new array of float32 (float64 stays), checked for 2 or 3 axes and no channel axis.

    Raises
    ------
    ValueError
        For what are no real numbers, another number of axes, no pixel, or a last axis of 3 in an array of three axes:
        that is colour.
    """
    array = as_floats(function, image, least=0)
    if array.ndim not in (2, 3) or not array.size:
        raise ValueError(
            f"{function}: image expects shape (rows, columns) or (planes, rows, columns) of at least one pixel, "
            f"got {array.shape}"
        )
    if array.ndim == 3 and array.shape[2] == 3:
        raise ValueError(
            f"{function}: image expects grey values, got {array.shape}, which is colour; filter each channel by itself"
        )
    return array.astype(np.float64 if array.dtype == np.float64 else np.float32)  # also out of a foreign byte order


def finite(function: str, image: ArrayLike) -> NDArray[Any]:
    """As `floats`, and refuses NaN and infinite values, for methods in which one of them would reach every pixel."""
    array = floats(function, image)
    if bad := array.size - int(np.isfinite(array).sum()):
        raise ValueError(
            f"{function}: image expects finite values, got {bad} that are NaN or infinite; fill them first"
        )
    return array


def grid_steps(function: str, spacing_mm: Any, ndim: int) -> tuple[float, ...]:
    """Distance of neighbours along each axis: `spacing_mm`, checked, or 1 pixel where it is None."""
    return (1.0,) * ndim if spacing_mm is None else per_axis(function, "spacing_mm", spacing_mm, ndim)


def convolve_axes(x: NDArray[Any], weights: Weights, border: str, value: float, total: float) -> NDArray[Any]:
    """Separable filter: along axis a with the odd number of weights ``weights[a]``.

    Parameters
    ----------
    x : ndarray, float32 or float64
    weights : one vector for each axis
        A single 1 leaves an axis alone; with nothing else `x` itself comes back.
    border : str
        A key of `BORDERS`.
    value : float
        What stands outside with ``"constant"``.
    total : float
        Product of the sums of the weights: what the filter makes of a constant 1.
    """
    kernels = [w.reshape([-1 if a == axis else 1 for a in range(x.ndim)]) for axis, w in enumerate(weights)]
    return _convolve(x, [kernel for kernel in kernels if kernel.size > 1 or kernel.flat[0] != 1], border, value, total)


def convolve_full(
    x: NDArray[Any], kernel: NDArray[np.float64], border: str, value: float, total: float
) -> NDArray[Any]:
    """Filter with one kernel of as many axes as `x`, odd in size along each; the others as in `convolve_axes`."""
    return _convolve(x, [kernel], border, value, total)


def unpadded(x: NDArray[Any], kernel: NDArray[np.float64]) -> NDArray[Any]:
    """The weighted sums of those windows that lie in the image as a whole; the result is smaller than `x`.

    Runs on ``kernels/conv/cpu.py``: one picture, one channel, one output channel.
    """
    from kernels.conv import cpu  # here, because it loads the compiler

    forward = cpu.conv2d_forward if x.ndim == 2 else cpu.conv3d_forward
    one, zero = (1,) * x.ndim, (0,) * x.ndim
    y = forward(x[None, None], kernel.astype(x.dtype)[None, None], None, one, zero, one, 1)
    return np.asarray(y[0, 0])


def _convolve(x: NDArray[Any], kernels: Weights, border: str, value: float, total: float) -> NDArray[Any]:
    # The filter works on the distance from one of the image's own values. A constant image then stays constant to the
    # last bit, and values such as -1000 HU cost no digits of the differences between them.
    if not kernels:
        return x
    base = _first_finite(x)
    y, outside = x - base, value - float(base)
    for kernel in kernels:
        pads = [(size // 2, size // 2) for size in kernel.shape]
        fill = {"constant_values": outside} if border == "constant" else {}
        y = unpadded(np.pad(y, pads, BORDERS[border], **fill), kernel)  # type: ignore[call-overload]
        outside *= float(kernel.sum())  # what this pass makes of the constant that goes on for ever
    return np.asarray(y + x.dtype.type(base * total) if total else y)


def _first_finite(x: NDArray[Any]) -> Any:
    known = np.isfinite(x)
    return x.flat[int(np.argmax(known))] if known.any() else x.dtype.type(0)


def check_border(function: str, border: str, constant: bool = True) -> None:
    """Refuse an unknown border, and without `constant` the one that puts an edge around the image."""
    known = [name for name in BORDERS if constant or name != "constant"]
    if border not in known:
        raise ValueError(f"{function}: mode expects one of {', '.join(known)}, got {border!r}")
