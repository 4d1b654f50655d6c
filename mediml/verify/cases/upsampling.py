"""Sizes on which interpolation and the shuffling of pixels are compared with PyTorch.

Each mode is met enlarging and shrinking, by whole and broken factors, from and to one pixel, and aligned in both ways.
Left out on purpose: factors at which a place of "nearest" lies within rounding of an edge between two pixels, where
PyTorch's answers in float32 and in float64 differ; antialiased pictures that become one pixel wide, whose rows
PyTorch 2.13 all makes like the first; and shuffles of no pictures, which it gives the wrong shape.
"""

from collections.abc import Iterator
from typing import Any

from mediml.verify.case import Array, Case

__all__ = ["CASES"]

_MODES: dict[int, tuple[str, ...]] = {
    1: ("nearest", "nearest-exact", "linear", "area"),
    2: ("nearest", "nearest-exact", "bilinear", "bicubic", "area"),
    3: ("nearest", "nearest-exact", "trilinear", "area"),
}

_SHAPES: dict[int, tuple[tuple[int, ...], ...]] = {
    1: ((2, 3, 5), (1, 2, 19), (3, 1, 4)),
    2: ((2, 3, 5, 7), (1, 2, 4, 9), (2, 1, 6, 3)),
    3: ((1, 2, 3, 4, 5), (2, 1, 4, 2, 3), (1, 3, 2, 5, 4)),
}

#: How the new size is given: a size of each axis in turn, or factors.
_TARGETS: tuple[tuple[str, Any], ...] = (
    ("scale_factor", 2),
    ("size", (7, 4, 11)),
    ("scale_factor", 0.5),
    ("size", (1, 3, 2)),
    ("scale_factor", (1.7, 3.0, 0.8)),
    ("scale_factor", 1.7),
    ("size", 6),
)


def _target(rank: int, name: str, value: Any) -> dict[str, Any]:
    return {name: value[:rank] if isinstance(value, tuple) else value}


def _aligned(mode: str, number: int) -> dict[str, Any]:
    """align_corners, where the mode takes it: given in two of three cases."""
    return {} if mode in ("nearest", "nearest-exact", "area") else ({}, {"align_corners": True}, _FALSE)[number % 3]


_FALSE: dict[str, Any] = {"align_corners": False}


def _interpolations() -> Iterator[Case]:
    for rank, modes in _MODES.items():
        for mode in modes:
            for number, (name, value) in enumerate(_TARGETS):
                shape = _SHAPES[rank][number % 3]
                options = {**_target(rank, name, value), "mode": mode, **_aligned(mode, number)}
                yield Case("interpolate", {"input": Array(shape)}, options)
                if name == "scale_factor" and value != 2:
                    yield Case("interpolate", {"input": Array(shape)}, {**options, "recompute_scale_factor": True})


def _cubic_and_linear_corners() -> Iterator[Case]:
    """The same sizes with the corners aligned, and not; from one pixel, to one pixel, and to the same size."""
    for rank, mode in ((1, "linear"), (2, "bilinear"), (2, "bicubic"), (3, "trilinear")):
        for sizes, target in (((1, 1, 1), 4), ((4, 3, 2), 1), ((3, 5, 4), (3, 5, 4))):
            for aligned in (False, True):
                arrays = {"input": Array((2, 2, *sizes[:rank]))}
                yield Case(
                    "interpolate", arrays, {**_target(rank, "size", target), "mode": mode, "align_corners": aligned}
                )


def _antialiased() -> Iterator[Case]:
    for mode in ("bilinear", "bicubic", "lanczos"):
        for number, (name, value) in enumerate(_TARGETS):
            aligned = {} if mode == "lanczos" else _aligned(mode, number)
            options = {**_target(2, name, value), "mode": mode, **aligned, "antialias": True}
            yield Case("interpolate", {"input": Array(((2, 3, 5, 7), (1, 2, 4, 9), (2, 1, 6, 5))[number % 3])}, options)


def _old_names() -> Iterator[Case]:
    for shape, options in (
        ((2, 3, 4, 5), {"scale_factor": 2}),
        ((1, 2, 5, 3), {"size": (4, 7)}),
        ((0, 2, 3, 4), {"size": 5}),
    ):
        arrays = {"input": Array(shape)}
        yield Case("upsample", arrays, options)
        yield Case("upsample", arrays, {**options, "mode": "bicubic", "align_corners": True})
        yield Case("upsample_nearest", arrays, options)
        yield Case("upsample_bilinear", arrays, options)


def _shuffles() -> Iterator[Case]:
    for batch in ((), (2,), (1,), (2, 3)):
        for channels, height, width, factor in ((1, 2, 3, 2), (3, 1, 4, 3), (2, 3, 1, 1)):
            small = {"input": Array((*batch, channels * factor**2, height, width))}
            large = {"input": Array((*batch, channels, height * factor, width * factor))}
            yield Case("pixel_shuffle", small, {"upscale_factor": factor})
            yield Case("pixel_unshuffle", large, {"downscale_factor": factor})


CASES: list[Case] = [
    *_interpolations(), *_cubic_and_linear_corners(), *_antialiased(), *_old_names(), *_shuffles(),
]  # fmt: skip
