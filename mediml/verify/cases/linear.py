"""Shapes on which linear layers and matrix products are compared with PyTorch.

Rows, columns and inner sizes cross the 8 rows and the 8 or 16 lanes of the fast kernel's tiles.
"""

from mediml.verify.case import Array, Case

__all__ = ["CASES"]

#: Shapes of input, weight and bias (None: without one).
_LINEAR: list[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...] | None]] = [
    ((2, 3), (4, 3), (4,)),
    ((1, 1), (1, 1), (1,)),
    ((5, 7), (2, 7), None),
    ((3,), (2, 3), (2,)),
    ((2, 3, 4), (5, 4), (5,)),
    ((2, 2, 2, 3), (3, 3), (3,)),
    ((9, 17), (16, 17), (16,)),
    ((17, 9), (17, 9), (17,)),
    ((1, 33), (8, 33), None),
    ((33, 2), (1, 2), (1,)),
    ((0, 3), (2, 3), (2,)),
    ((2, 0), (3, 0), (3,)),
    ((2, 3), (3,), None),
    ((3,), (3,), None),
    ((2, 3), (4, 3), ()),
    ((2, 3), (4, 3), (1,)),
    ((2, 3), (4, 3), (2, 4)),
    ((2, 100), (3, 100), (3,)),
    ((8, 16), (16, 16), (16,)),
    ((7, 15), (9, 15), (9,)),
]

#: Shapes of both inputs, the weight and the bias.
_BILINEAR: list[tuple[tuple[int, ...], tuple[int, ...], tuple[int, int, int], bool]] = [
    ((2, 3), (2, 4), (5, 3, 4), True),
    ((2, 3), (2, 4), (5, 3, 4), False),
    ((1, 1), (1, 1), (1, 1, 1), True),
    ((3,), (2,), (4, 3, 2), True),
    ((2, 3, 4), (2, 3, 2), (2, 4, 2), True),
    ((0, 3), (0, 2), (4, 3, 2), True),
    ((9, 2), (9, 8), (9, 2, 8), False),
    ((5, 17), (5, 1), (3, 17, 1), True),
    ((2, 2, 2, 3), (2, 2, 2, 3), (3, 3, 3), True),
    ((7, 5), (7, 5), (1, 5, 5), False),
]


def _linear(x: tuple[int, ...], weight: tuple[int, ...], bias: tuple[int, ...] | None) -> Case:
    arrays = {"input": Array(x), "weight": Array(weight)}
    return Case("linear", arrays if bias is None else {**arrays, "bias": Array(bias)})


def _bilinear(x: tuple[int, ...], z: tuple[int, ...], weight: tuple[int, int, int], bias: bool) -> Case:
    arrays = {"input1": Array(x), "input2": Array(z), "weight": Array(weight)}
    return Case("bilinear", {**arrays, "bias": Array(weight[:1])} if bias else arrays)


CASES: list[Case] = [*(_linear(*shapes) for shapes in _LINEAR), *(_bilinear(*shapes) for shapes in _BILINEAR)]
