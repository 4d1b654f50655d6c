"""Shapes and parameters on which activations are compared with PyTorch.

Left out on purpose: rrelu in training, gumbel_softmax and dropout, which draw random numbers; the gradient of
hardsigmoid, and celu with an alpha whose reciprocal is not a float32, since PyTorch 2.13 rounds 1/6 and 1/alpha to
float32 also where all else is float64.
"""

from typing import Any

from mediml.verify.case import Array, Case

__all__ = ["CASES"]

#: Shapes that a loop over elements can get wrong: a number, one element, no element, fewer and more than 16, axes.
_SHAPES: list[tuple[int, ...]] = [(), (1,), (0, 3), (7,), (2, 3, 5, 4), (131,)]

#: Parameters of the functions of one element, the default first.
_ELEMENTWISE: dict[str, list[dict[str, Any]]] = {
    "relu": [{}],
    "relu6": [{}],
    "leaky_relu": [{}, {"negative_slope": -0.3}, {"negative_slope": 0.0}],
    "rrelu": [{}, {"lower": 0.2, "upper": 0.2}],
    "elu": [{}, {"alpha": 0.3}, {"alpha": -1.5}],
    "selu": [{}],
    "celu": [{}, {"alpha": 0.5}, {"alpha": -2.0}],
    "gelu": [{}, {"approximate": "tanh"}],
    "silu": [{}],
    "mish": [{}],
    "softplus": [{}, {"beta": 3.0, "threshold": 2.0}, {"beta": 0.5, "threshold": 0.1}],
    "sigmoid": [{}],
    "logsigmoid": [{}],
    "tanh": [{}],
    "tanhshrink": [{}],
    "softsign": [{}],
    "hardtanh": [{}, {"min_val": -0.3, "max_val": 0.8}],
    "hardsigmoid": [{}],
    "hardswish": [{}],
    "hardshrink": [{}, {"lambd": 0.1}],
    "softshrink": [{}, {"lambd": 0.0}],
    "threshold": [{"threshold": 0.2, "value": -1.0}, {"threshold": -0.5, "value": 3.0}],
}

#: Whole numbers from -1 to 1: values that lie on the corners.
_CORNERS = {"relu", "relu6", "leaky_relu", "elu", "hardtanh", "hardshrink", "softshrink", "threshold"}

#: Rows shorter and longer than 16 lanes; columns shorter and longer than a block; the axis first, in the middle, last.
_ALONG: list[tuple[tuple[int, ...], int]] = [
    ((), 0),
    ((5,), 0),
    ((37,), -1),
    ((4, 10), 1),
    ((4, 10), 0),
    ((3, 2, 5), 1),
    ((3, 2, 5), -3),
    ((2, 3, 4, 5), 1),
    ((3, 1), 1),
    ((1, 40), 1),
    ((2, 1, 70), 0),
    ((0, 3), 1),
    ((3, 0), 1),
]

_GATED: list[tuple[tuple[int, ...], int]] = [
    ((4,), -1),
    ((3, 10), 1),
    ((6, 3), 0),
    ((2, 4, 3), 1),
    ((2, 3, 2), -1),
    ((0, 4), 1),
]

_SLOPES: list[tuple[tuple[int, ...], int]] = [
    ((2, 3, 4), 3),
    ((2, 3, 4), 1),
    ((5, 4), 4),
    ((2, 3, 4, 5), 3),
    ((7,), 1),
    ((), 1),
    ((0, 3, 2), 3),
    ((3, 1, 17), 1),
]


def _elementwise() -> list[Case]:
    cases = []
    for op, parameters in _ELEMENTWISE.items():
        # every function meets its shapes; further parameters meet one shape each
        gradient = op != "hardsigmoid"
        cases += [Case(op, {"input": Array(shape, gradient=gradient)}, parameters[0]) for shape in _SHAPES[-3:]]
        cases += [Case(op, {"input": Array((3, 11))}, options) for options in parameters[1:]]
    cases += [Case("silu", {"input": Array(shape)}) for shape in _SHAPES[:3]]
    cases += [Case("relu", {"input": Array(shape)}) for shape in _SHAPES[:3]]
    cases += [Case(op, {"input": Array((4, 5), "ties")}, _ELEMENTWISE[op][0]) for op in sorted(_CORNERS)]
    return cases


def _along_axis() -> list[Case]:
    cases = [
        Case(op, {"input": Array(shape)}, {"dim": dim}) for op in ("softmax", "log_softmax") for shape, dim in _ALONG
    ]
    cases += [Case("softmin", {"input": Array(shape)}, {"dim": dim}) for shape, dim in _ALONG[3:6]]
    cases += [Case("glu", {"input": Array(shape)}, {"dim": dim}) for shape, dim in _GATED]
    cases += [Case("prelu", {"input": Array(shape), "weight": Array((slopes,))}) for shape, slopes in _SLOPES]
    return cases


#: The cases, by a name that occurs once.
CASES: list[Case] = [*_elementwise(), *_along_axis()]
