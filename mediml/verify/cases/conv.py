"""Geometries on which convolution and padding are compared with PyTorch.

Channels cross the 8 rows and the 8 or 16 lanes of the fast kernel's tiles; pictures are narrower and wider than a
vector.
"""

from typing import Any

from mediml.verify.case import Array, Case

__all__ = ["CASES"]

#: (shape of the input, shape of the weight, options); a bias in every second case.
_CONV_1D: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 8), (4, 3, 3), {}),
    ((1, 1, 5), (1, 1, 5), {}),
    ((2, 2, 7), (3, 2, 1), {"stride": 3}),
    ((1, 2, 40), (3, 2, 5), {"padding": 2}),
    ((2, 4, 9), (6, 2, 3), {"groups": 2, "dilation": 2, "padding": 3}),
    ((1, 9, 17), (9, 1, 4), {"groups": 9, "stride": 2, "padding": 4}),
    ((3, 6), (17, 3, 2), {"padding": "same"}),
    ((2, 1, 11), (2, 1, 4), {"padding": "same", "dilation": 2}),
    ((2, 3, 6), (2, 3, 3), {"padding": "valid", "stride": 2}),
    ((0, 2, 5), (3, 2, 3), {}),
    ((1, 2, 3), (2, 2, 2), {"padding": 4, "stride": 5}),
    ((1, 1, 100), (1, 1, 7), {"stride": 4, "dilation": 3, "padding": 1}),
]

_CONV_2D: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 5, 7), (4, 3, 3, 3), {}),
    ((1, 1, 4, 4), (1, 1, 4, 4), {}),
    ((2, 2, 5, 4), (3, 2, 1, 1), {}),
    ((2, 2, 7, 6), (2, 2, 1, 1), {"stride": 3, "padding": 1}),
    ((1, 2, 6, 20), (3, 2, 3, 3), {"padding": 1}),
    ((2, 1, 9, 8), (5, 1, 3, 2), {"stride": 2, "padding": (1, 0)}),
    ((1, 3, 8, 7), (2, 3, 4, 4), {"stride": 2, "padding": 1}),
    ((1, 2, 9, 9), (2, 2, 3, 3), {"dilation": 2, "padding": 2}),
    ((1, 2, 9, 10), (2, 2, 3, 2), {"dilation": (2, 3), "stride": (1, 2), "padding": (0, 3)}),
    ((2, 4, 4, 5), (6, 2, 3, 3), {"groups": 2, "padding": 1}),
    ((1, 6, 5, 5), (6, 1, 3, 3), {"groups": 6, "padding": 1}),
    ((1, 4, 5, 6), (8, 1, 2, 3), {"groups": 4, "stride": 2}),
    ((1, 17, 3, 4), (9, 17, 1, 1), {}),
    ((1, 9, 4, 3), (17, 9, 1, 1), {"stride": 2}),
    ((3, 1, 3, 3), (18, 1, 2, 2), {}),
    ((1, 1, 3, 3), (2, 1, 2, 2), {"padding": 3, "stride": 2}),
    ((2, 3, 6, 5), (2, 3, 3, 3), {"padding": "same"}),
    ((1, 2, 5, 6), (3, 2, 2, 4), {"padding": "same"}),
    ((1, 2, 6, 5), (2, 2, 3, 2), {"padding": "same", "dilation": (1, 3)}),
    ((1, 2, 6, 5), (2, 2, 3, 2), {"padding": "valid"}),
    ((3, 5, 6), (4, 3, 3, 3), {"padding": 1}),
    ((0, 2, 5, 5), (3, 2, 3, 3), {"padding": 1}),
    ((1, 2, 11, 3), (2, 2, 5, 1), {"stride": (4, 1)}),
    ((1, 1, 5, 33), (1, 1, 2, 16), {"padding": (0, 7)}),
    ((1, 2, 7, 7), (3, 2, 2, 2), {"stride": (5, 4)}),
    ((2, 2, 1, 9), (2, 2, 1, 3), {"padding": (0, 1)}),
    ((2, 2, 9, 1), (2, 2, 3, 1), {"padding": (1, 0)}),
    ((1, 8, 4, 4), (8, 8, 2, 2), {"padding": 1}),
]

_CONV_3D: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((1, 2, 4, 5, 3), (3, 2, 2, 3, 2), {}),
    ((2, 1, 3, 4, 5), (2, 1, 3, 3, 3), {"padding": 1}),
    ((1, 2, 5, 4, 6), (2, 2, 2, 2, 2), {"stride": 2, "padding": 1}),
    ((1, 1, 5, 6, 7), (1, 1, 2, 2, 3), {"dilation": (2, 1, 2), "stride": (1, 2, 1)}),
    ((1, 4, 3, 3, 4), (4, 2, 2, 2, 2), {"groups": 2}),
    ((1, 3, 3, 3, 3), (3, 1, 3, 1, 2), {"groups": 3, "padding": "same"}),
    ((2, 3, 4, 3), (2, 2, 1, 1, 1), {}),
    ((0, 1, 3, 3, 3), (2, 1, 2, 2, 2), {}),
    ((1, 2, 3, 4, 2), (10, 2, 1, 2, 1), {"padding": (1, 0, 1)}),
]

_PADS: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 4), {"pad": (1, 2)}),
    ((2, 3, 4), {"pad": (1, 2, 0, 1), "value": 1.5}),
    ((2, 3, 4, 5), {"pad": (-1, 2, 1, -2), "value": -1.0}),
    ((4,), {"pad": (2, 0)}),
    ((2, 1, 3), {"pad": (1, 0, 2, 1, 0, 3), "mode": "constant"}),
    ((2, 3, 4), {"pad": ()}),
    ((3, 0), {"pad": (1, 1)}),
    *(
        (shape, {"pad": pad, "mode": mode})
        for mode in ("reflect", "replicate", "circular")
        for shape, pad in [
            ((2, 5), (2, 1)),
            ((2, 3, 5), (0, 4)),
            ((2, 3, 4), (1, 2, 1, 0)),
            ((1, 2, 4, 5), (3, 2, 0, 3)),
            ((1, 2, 3, 4, 3), (1, 2, 2, 0, 1, 1)),
            ((2, 3, 4, 2), (1, 0, 2, 1, 0, 2)),
            ((0, 2, 4), (1, 1)),
            ((1, 2, 6, 5), (-1, 2, 1, -2)),
        ]
    ),
]


#: Sides of different widths, cropped on one side or both, for every rank and mode: before and after of each axis.
_SIDES: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((2, 6), (3, 1)),
    ((1, 3, 7), (-2, 1)),
    ((3, 5), (-1, -2)),
    ((2, 4, 5), (2, 3, 1, 0)),
    ((1, 2, 5, 6), (-1, 2, 3, -2)),
    ((2, 1, 4, 7), (-2, -1, -1, -1)),
    ((1, 2, 3, 4, 5), (1, 2, 0, 3, 2, 1)),
    ((2, 4, 3, 5), (0, -1, 2, 2, -1, 1)),
    ((1, 2, 4, 4, 4), (-1, -1, 1, 0, 0, -2)),
    ((2, 1, 3, 2), (1, 1, 2, 2)),
]


def _convolutions(rank: int, geometries: list[Any]) -> list[Case]:
    cases = []
    for number, (x_shape, weight_shape, options) in enumerate(geometries):
        arrays = {"input": Array(x_shape), "weight": Array(weight_shape)}
        if number % 2 == 0:
            arrays["bias"] = Array(weight_shape[:1])
        cases.append(Case(f"conv{rank}d", arrays, options))
    return cases


CASES: list[Case] = [
    *_convolutions(1, _CONV_1D),
    *_convolutions(2, _CONV_2D),
    *_convolutions(3, _CONV_3D),
    *(Case("pad", {"input": Array(shape)}, options) for shape, options in _PADS),
    *(
        Case("pad", {"input": Array(shape)}, {"pad": pad, "mode": mode})
        for mode in ("constant", "reflect", "replicate", "circular")
        for shape, pad in _SIDES
    ),
]
