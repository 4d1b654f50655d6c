"""Pictures of another size under torch's names: interpolation, and channels laid out as pixels."""

from collections.abc import Sequence
from typing import Any

from mediml.autograd import record
from mediml.device import backend
from mediml.nn.arguments import MOST, Sizes, sizes
from mediml.nn.functional import adaptive_pooling
from mediml.tensor import Tensor

__all__ = ["interpolate", "pixel_shuffle", "pixel_unshuffle", "upsample", "upsample_bilinear", "upsample_nearest"]

#: One number for all axes, or one for each.
Scales = float | Sequence[float]

#: Mode, and how many axes of space it goes with, to the kernel's mode.
_KERNEL_MODES = {
    **{(mode, rank): mode for mode in ("nearest", "nearest-exact") for rank in (1, 2, 3)},
    ("linear", 1): "linear", ("bilinear", 2): "linear", ("trilinear", 3): "linear",
    ("bicubic", 2): "cubic", ("lanczos", 2): "lanczos",
}  # fmt: skip

_MODES = ("nearest", "nearest-exact", "linear", "bilinear", "bicubic", "trilinear", "lanczos", "area")


def interpolate(
    input: Tensor,
    size: Sizes | None = None,
    scale_factor: Scales | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """The picture at another size.

    Parameters
    ----------
    input : Tensor of shape (N, C, W_in), (N, C, H_in, W_in) or (N, C, D_in, H_in, W_in), float32 or float64
    size : int or sequence of int, optional
        Sizes of the new picture. Either this or `scale_factor`.
    scale_factor : float or sequence of float, optional
        How many times as large it becomes; sizes are rounded down.
    mode : str
        ``"nearest"``, ``"nearest-exact"``, ``"area"`` (mean of what a new pixel covers), ``"linear"`` (one axis of
        space), ``"bilinear"``, ``"bicubic"``, ``"lanczos"`` (two), ``"trilinear"`` (three).
    align_corners : bool, optional
        For the linear and cubic modes: whether the centres of the corner pixels stay in place, or (None, False) the
        picture's edges.
    recompute_scale_factor : bool, optional
        Compute places with the ratio of the sizes, not with `scale_factor`; they differ where sizes were rounded.
    antialias : bool
        Smooth what shrinks. For ``"bilinear"``, ``"bicubic"``; ``"lanczos"`` asks for it.

    Returns
    -------
    Tensor of shape (N, C, *sizes), dtype of `input`

    Raises
    ------
    TypeError, ValueError
        For options that do not go together, and as `kernels.upsampling.shapes.forward`.

    Notes
    -----
    Formulas: ``kernels.upsampling.reference.interpolate_forward``; of ``"area"`` that of `adaptive_avg_pool2d`.
    """
    kernels = backend("upsampling", input=input)
    rank = input.ndim - 2
    kernel_mode = _kernel_mode(rank, input, mode, align_corners, antialias)
    wanted, scales = _wanted(rank, input, size, scale_factor, recompute_scale_factor)
    if mode == "area":
        pooled: Tensor = getattr(adaptive_pooling, f"adaptive_avg_pool{rank}d")(input, wanted)
        return pooled
    options = (kernel_mode, bool(align_corners), scales, antialias)
    y = kernels.interpolate_forward(input._array, wanted, *options)
    x_shape = input._array.shape

    def backward(grad_y: Any) -> tuple[Any]:
        return (kernels.interpolate_backward_x(grad_y, x_shape, *options),)

    return record("interpolate", y, (input,), backward)


def upsample(
    input: Tensor,
    size: Sizes | None = None,
    scale_factor: Scales | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """The old name of `interpolate`."""
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Sizes | None = None, scale_factor: Scales | None = None) -> Tensor:
    """An old name of `interpolate` with ``mode="nearest"``."""
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input: Tensor, size: Sizes | None = None, scale_factor: Scales | None = None) -> Tensor:
    """An old name of `interpolate` with ``mode="bilinear"`` and the corners aligned."""
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Lay r * r channels out as the r x r pixels of a larger picture.

        output[..., c, h * r + i, w * r + j] = input[..., c * r * r + i * r + j, h, w]        r = upscale_factor

    Parameters
    ----------
    input : Tensor of shape (..., C * r * r, H, W)
    upscale_factor : int

    Returns
    -------
    Tensor of shape (..., C, H * r, W * r)

    Raises
    ------
    ValueError
        For fewer than three axes, a factor below 1, or channels that r * r does not divide.

    References
    ----------
    W. Shi et al., "Real-time single image and video super-resolution using an efficient sub-pixel convolutional neural
    network", CVPR 2016.
    """
    r = _factor("pixel_shuffle", input, "upscale_factor", upscale_factor)
    *batch, channels, height, width = tuple(input.shape)
    if channels % (r * r):
        raise ValueError(
            f"pixel_shuffle: input expects channels that {r} * {r} divides, got shape {tuple(input.shape)}"
        )
    n = len(batch)
    split = input.reshape(*batch, channels // (r * r), r, r, height, width)
    moved = split.permute(*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return moved.reshape(*batch, channels // (r * r), height * r, width * r)


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Lay the r x r pixels of each square out as r * r channels: takes back `pixel_shuffle`.

    Parameters
    ----------
    input : Tensor of shape (..., C, H * r, W * r)
    downscale_factor : int
        r.

    Returns
    -------
    Tensor of shape (..., C * r * r, H, W)

    Raises
    ------
    ValueError
        For fewer than three axes, a factor below 1, or a height or width that r does not divide.
    """
    r = _factor("pixel_unshuffle", input, "downscale_factor", downscale_factor)
    *batch, channels, height, width = tuple(input.shape)
    if height % r or width % r:
        raise ValueError(f"pixel_unshuffle: input expects sizes that {r} divides, got shape {tuple(input.shape)}")
    n = len(batch)
    split = input.reshape(*batch, channels, height // r, r, width // r, r)
    moved = split.permute(*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return moved.reshape(*batch, channels * r * r, height // r, width // r)


def _factor(op: str, input: Tensor, name: str, factor: int) -> int:
    (r,) = sizes(op, name, factor, 1)
    if r < 1:
        raise ValueError(f"{op}: {name} expects a number of at least 1, got {r}")
    if input.ndim < 3:
        raise ValueError(f"{op}: input expects at least 3 axes (C, H, W), got shape {tuple(input.shape)}")
    return r


def _kernel_mode(rank: int, input: Tensor, mode: str, align_corners: bool | None, antialias: bool) -> str:
    """The kernel's name for a mode; what does not go together is refused."""
    if mode not in _MODES:
        raise ValueError(f"interpolate: mode expects one of {', '.join(_MODES)}, got {mode!r}")
    if rank not in (1, 2, 3) or (mode != "area" and (mode, rank) not in _KERNEL_MODES):
        fitting = sorted({r + 2 for m, r in _KERNEL_MODES if m == mode} or {3, 4, 5})
        raise ValueError(
            f"interpolate: input expects {' or '.join(map(str, fitting))} axes (N, C and space) for mode {mode!r}, "
            f"got shape {tuple(input.shape)}"
        )
    if align_corners is not None and mode in ("nearest", "nearest-exact", "area"):
        raise ValueError(
            f"interpolate: align_corners expects a linear or cubic mode, got {align_corners} with {mode!r}"
        )
    if antialias and mode not in ("bilinear", "bicubic", "lanczos"):
        raise ValueError(f"interpolate: antialias expects the mode bilinear, bicubic or lanczos, got {mode!r}")
    return _KERNEL_MODES.get((mode, rank), mode)


def _wanted(
    rank: int, input: Tensor, size: Sizes | None, scale_factor: Scales | None, recompute: bool | None
) -> tuple[tuple[int, ...], tuple[float | None, ...]]:
    """Sizes of the result, and the scales that places are computed with (None: the ratio of the sizes)."""
    if (size is None) == (scale_factor is None):
        raise ValueError(f"interpolate: expected either size or scale_factor, got {size!r} and {scale_factor!r}")
    if size is not None:
        if recompute:
            raise ValueError("interpolate: recompute_scale_factor goes with scale_factor, not with size")
        if isinstance(size, (tuple, list)) and len(size) != rank:
            raise ValueError(f"interpolate: size expects one int or {rank}, got {size!r}")
        return sizes("interpolate", "size", size, rank), (None,) * rank
    factors = list(scale_factor) if isinstance(scale_factor, (tuple, list)) else [scale_factor] * rank
    if len(factors) != rank:
        raise ValueError(f"interpolate: scale_factor expects one number or {rank}, got {scale_factor!r}")
    try:
        scales = tuple(float(factor) for factor in factors)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise TypeError(f"interpolate: scale_factor expects a number or {rank}, got {scale_factor!r}") from None
    products = [length * scale for length, scale in zip(tuple(input.shape)[2:], scales)]
    if not all(scale > 0 and product <= MOST for scale, product in zip(scales, products)):
        raise ValueError(
            f"interpolate: scale_factor expects positive numbers that are no mistake, got {scale_factor!r}"
        )
    return tuple(map(int, products)), (None,) * rank if recompute else scales
