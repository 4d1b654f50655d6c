"""Geometries on which pooling is compared with PyTorch.

Left out on purpose: dilated windows that lie wholly in the padding, which ours refuses and PyTorch 2.13 corrupts its
memory on; and max-unpooling with a place named twice, where PyTorch's result depends on its threads. So there each
plane has one value.
"""

from typing import Any

from mediml.verify.case import Array, Case

__all__ = ["CASES"]

#: Sizes of pictures, a geometry for each: non-square, odd, K = size, K = 1, stride that does not divide, one batch …
_WINDOWS_2D: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 6, 8), {"kernel_size": 2}),
    ((2, 3, 5, 7), {"kernel_size": 2}),
    ((1, 1, 4, 4), {"kernel_size": 4}),
    ((2, 1, 5, 4), {"kernel_size": 1}),
    ((2, 2, 7, 6), {"kernel_size": 1, "stride": 3}),
    ((2, 2, 7, 9), {"kernel_size": 3, "stride": 2, "padding": 1}),
    ((1, 3, 8, 5), {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 0)}),
    ((2, 2, 7, 8), {"kernel_size": (2, 3), "stride": (3, 2), "padding": (1, 1), "ceil_mode": True}),
    ((2, 2, 5, 7), {"kernel_size": 2, "ceil_mode": True}),
    ((2, 2, 4, 5), {"kernel_size": 3, "stride": 3, "padding": 1, "ceil_mode": True}),
    ((1, 2, 6, 6), {"kernel_size": 2, "stride": 1}),
    ((2, 1, 9, 4), {"kernel_size": (5, 1), "stride": (1, 2)}),
    ((3, 5, 7), {"kernel_size": 3, "stride": 2}),
    ((0, 2, 4, 6), {"kernel_size": 2}),
    ((2, 2, 3, 3), {"kernel_size": 2, "stride": 4, "padding": 1}),
]

_WINDOWS_1D: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 8), {"kernel_size": 2}),
    ((2, 3, 7), {"kernel_size": 3, "stride": 2, "padding": 1}),
    ((1, 2, 10), {"kernel_size": 4, "stride": 3, "padding": 2, "ceil_mode": True}),
    ((3, 9), {"kernel_size": 2, "stride": 1}),
    ((2, 1, 5), {"kernel_size": 5}),
    ((0, 3, 6), {"kernel_size": 2}),
]

_WINDOWS_3D: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((1, 2, 4, 6, 4), {"kernel_size": 2}),
    ((2, 1, 3, 5, 7), {"kernel_size": (1, 3, 2), "stride": (2, 1, 3)}),
    ((1, 2, 5, 4, 6), {"kernel_size": 3, "stride": 2, "padding": 1}),
    ((1, 2, 5, 4, 3), {"kernel_size": 2, "ceil_mode": True, "padding": (1, 0, 1)}),
    ((2, 3, 5, 4), {"kernel_size": 3}),
    ((0, 2, 2, 4, 4), {"kernel_size": 2}),
]

_WINDOWS = {1: _WINDOWS_1D, 2: _WINDOWS_2D, 3: _WINDOWS_3D}

#: Dilated: for max pooling only.
_DILATED: list[tuple[int, tuple[int, ...], dict[str, Any]]] = [
    (1, (2, 2, 11), {"kernel_size": 3, "stride": 2, "padding": 1, "dilation": 3}),
    (1, (1, 3, 9), {"kernel_size": 2, "dilation": 4, "ceil_mode": True}),
    (2, (1, 2, 9, 8), {"kernel_size": 3, "stride": 1, "dilation": 2}),
    (2, (2, 1, 8, 11), {"kernel_size": (2, 3), "stride": 2, "padding": (1, 1), "dilation": (3, 2)}),
    (2, (1, 2, 10, 9), {"kernel_size": 3, "stride": 3, "padding": 1, "dilation": 2, "ceil_mode": True}),
    (3, (1, 1, 5, 6, 7), {"kernel_size": 2, "stride": 1, "dilation": (1, 2, 3)}),
]

#: Output sizes that divide the input, do not, equal it, exceed it; 1: global pooling.
_ADAPTIVE: list[tuple[int, tuple[int, ...], Any]] = [
    (1, (2, 3, 8), 4),
    (1, (2, 3, 7), 3),
    (1, (1, 2, 5), 1),
    (1, (2, 5), 7),
    (1, (0, 2, 5), 2),
    (2, (2, 3, 6, 8), (3, 2)),
    (2, (2, 3, 7, 5), (3, 4)),
    (2, (2, 3, 5, 7), 1),
    (2, (2, 2, 4, 5), (None, 2)),
    (2, (1, 2, 3, 4), (5, 6)),
    (2, (3, 7, 6), 2),
    (2, (0, 2, 4, 4), 2),
    (3, (1, 2, 4, 6, 5), (2, 3, 5)),
    (3, (2, 2, 3, 5, 4), 1),
    (3, (1, 2, 5, 4, 3), (3, None, 2)),
    (3, (2, 5, 4, 3), 2),
]

#: One value in each plane.
_UNPOOLED: list[tuple[int, tuple[int, ...], dict[str, Any], int]] = [
    (1, (3, 4, 1), {"kernel_size": 4}, 4),
    (1, (2, 3, 1), {"kernel_size": 3, "stride": 2, "output_size": (4,)}, 4),
    (1, (5, 1), {"kernel_size": 3, "padding": 1}, 1),
    (2, (3, 4, 1, 1), {"kernel_size": 3}, 9),
    (2, (2, 3, 1, 1), {"kernel_size": (2, 3), "stride": 2, "output_size": (3, 4)}, 12),
    (2, (4, 1, 1), {"kernel_size": 4, "padding": 1}, 4),
    (2, (2, 2, 1, 1), {"kernel_size": 2, "output_size": (2, 2, 3, 2)}, 6),
    (3, (2, 3, 1, 1, 1), {"kernel_size": 2}, 8),
    (3, (4, 1, 1, 1), {"kernel_size": (1, 2, 3)}, 6),
]

_LP: list[tuple[int, tuple[int, ...], dict[str, Any]]] = [
    (1, (2, 2, 9), {"norm_type": 2, "kernel_size": 3, "stride": 2}),
    (1, (3, 8), {"norm_type": 1.5, "kernel_size": 2}),
    (1, (2, 2, 7), {"norm_type": float("inf"), "kernel_size": 3, "ceil_mode": True}),
    (2, (2, 2, 6, 7), {"norm_type": 2, "kernel_size": 2}),
    (2, (1, 2, 7, 8), {"norm_type": 3, "kernel_size": (2, 3), "stride": (1, 2), "ceil_mode": True}),
    (2, (2, 5, 5), {"norm_type": 1, "kernel_size": 3, "stride": 1}),
    (2, (1, 2, 5, 6), {"norm_type": float("-inf"), "kernel_size": 2}),
    (3, (1, 2, 4, 5, 6), {"norm_type": 2, "kernel_size": 2}),
    (3, (2, 3, 4, 5), {"norm_type": 4.0, "kernel_size": (1, 2, 3), "stride": 1}),
]


def _max_cases() -> list[Case]:
    geometries = [(rank, *entry) for rank, entries in _WINDOWS.items() for entry in entries] + _DILATED
    cases = []
    for i, (rank, shape, options) in enumerate(geometries):
        draw = ("ties", "distinct", "normal")[i % 3]
        cases.append(Case(f"max_pool{rank}d", {"input": Array(shape, draw)}, {**options, "return_indices": i % 4 != 0}))
    return [
        *cases,
        Case("max_pool2d_with_indices", {"input": Array((2, 2, 5, 6), "ties")}, {"kernel_size": 3, "stride": 1}),
    ]


def _avg_cases() -> list[Case]:
    cases = []
    for rank, entries in _WINDOWS.items():
        for i, (shape, options) in enumerate(entries):
            divisor = {"divisor_override": (3, -2)[i % 2]} if rank > 1 and i % 5 == 3 else {}
            options = {**options, "count_include_pad": i % 2 == 0, **divisor}
            cases.append(Case(f"avg_pool{rank}d", {"input": Array(shape)}, options))
    padded = {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": True}
    return [*cases, Case("avg_pool2d", {"input": Array((2, 2, 6, 8))}, padded)]


def _other_cases() -> list[Case]:
    cases = []
    for i, (rank, shape, size) in enumerate(_ADAPTIVE):
        options = {"output_size": size}
        cases.append(Case(f"adaptive_avg_pool{rank}d", {"input": Array(shape)}, options))
        draw, options = ("ties", "normal")[i % 2], {**options, "return_indices": i % 3 != 0}
        cases.append(Case(f"adaptive_max_pool{rank}d", {"input": Array(shape, draw)}, options))
    for rank, shape, options, places in _UNPOOLED:
        indices = Array(shape, "integer", gradient=False, low=0, high=places)
        cases.append(Case(f"max_unpool{rank}d", {"input": Array(shape), "indices": indices}, options))
    for rank, shape, options in _LP:
        cases.append(Case(f"lp_pool{rank}d", {"input": Array(shape, "uniform")}, options))
    return cases


CASES: list[Case] = [*_max_cases(), *_avg_cases(), *_other_cases()]
