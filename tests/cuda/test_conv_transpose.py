"""Transposed convolution on the GPU."""

import itertools

import numpy as np
import pytest
from cuda_harness import DTYPES, Call, check

from kernels.conv_transpose import cuda, shapes
from kernels.gpu.transfer import to_device

INF = np.inf

#: x, weight, stride, padding, output_padding, dilation, groups: awkward on purpose.
GEOMETRIES = {
    "plain": ((2, 3, 4, 5), (3, 4, 3, 3), (1, 1), (1, 1), (0, 0), (1, 1), 1),
    "twice as large": ((1, 2, 3, 4), (2, 5, 4, 4), (2, 2), (1, 1), (0, 0), (1, 1), 1),
    "stride beyond the kernel": ((1, 2, 3, 2), (2, 3, 2, 1), (3, 4), (0, 0), (2, 1), (1, 1), 1),
    "output padding": ((2, 3, 3, 4), (3, 2, 3, 3), (2, 3), (1, 2), (1, 2), (1, 1), 1),
    "dilation": ((1, 2, 4, 3), (2, 3, 3, 2), (2, 3), (1, 2), (1, 1), (3, 2), 1),
    "pointwise": ((2, 4, 3, 3), (4, 6, 1, 1), (1, 1), (0, 0), (0, 0), (1, 1), 1),
    "padding beyond the kernel": ((1, 1, 7, 6), (1, 2, 2, 2), (1, 1), (2, 2), (0, 0), (1, 1), 1),
    "groups": ((2, 6, 3, 4), (6, 2, 3, 3), (2, 1), (1, 1), (0, 0), (1, 1), 3),
    "depthwise": ((1, 5, 4, 4), (5, 1, 3, 3), (2, 2), (1, 1), (1, 1), (1, 1), 5),
    "empty batch": ((0, 2, 4, 4), (2, 3, 3, 3), (1, 1), (1, 1), (0, 0), (1, 1), 1),
    "row": ((2, 3, 9), (3, 5, 4), (2,), (1,), (1,), (1,), 1),
    "row, groups": ((1, 4, 8), (4, 3, 3), (3,), (1,), (1,), (2,), 2),
    "volume": ((1, 2, 3, 2, 3), (2, 3, 2, 3, 2), (2, 1, 2), (0, 1, 1), (1, 0, 1), (1, 1, 1), 1),
    "volume, groups": ((1, 4, 2, 3, 2), (4, 2, 3, 2, 2), (1, 2, 2), (1, 0, 0), (0, 1, 0), (1, 2, 1), 2),
}  # fmt: skip


def calls(note, geometry):
    """The calls of one geometry, with random cotangents."""
    x, weight, *rest = geometry
    stride, padding, output_padding, dilation, groups = rest
    axes = zip(x[2:], weight[2:], stride, padding, output_padding, dilation)
    y = (x[0], weight[1] * groups, *(shapes.transposed_size(*axis) for axis in axes))
    family, name = "conv_transpose", f"conv_transpose{len(x) - 2}d"
    yield Call(family, f"{name}_forward", lambda draw: (draw(*x), draw(*weight), draw(y[1]), *rest), note)
    yield Call(family, f"{name}_backward_x", lambda draw: (draw(*y), draw(*weight), x, *rest), note)
    yield Call(family, f"{name}_backward_weight", lambda draw: (draw(*y), draw(*x), weight, *rest), note)
    yield Call(family, f"{name}_backward_bias", lambda draw: (draw(*y),), note)


def weight_with_infinity(draw, *shape):
    """Random weights, one of them infinite."""
    weight = draw(*shape)
    weight[(0,) * len(shape)] = INF
    return weight


PLAIN = ((1, 1), (1, 1), (0, 0), (1, 1), 1)
CORNERS = [
    Call("conv_transpose", "conv_transpose2d_forward",
         lambda d: (d(1, 2, 3, 4), weight_with_infinity(d, 2, 3, 3, 3), None, *PLAIN), "inf over the edge"),
    Call("conv_transpose", "conv_transpose2d_forward",
         lambda d: (d(1, 2, 3, 2), weight_with_infinity(d, 2, 3, 3, 3), None, (2, 2), *PLAIN[1:]), "inf, stride 2"),
    Call("conv_transpose", "conv_transpose2d_backward_x",
         lambda d: (d(1, 3, 3, 4), weight_with_infinity(d, 2, 3, 3, 3), (1, 2, 3, 4), *PLAIN), "inf over the edge"),
    Call("conv_transpose", "conv_transpose2d_backward_weight",
         lambda d: (d(1, 3, 3, 4), weight_with_infinity(d, 1, 2, 3, 4), (2, 3, 3, 3), *PLAIN), "inf over the edge"),
]  # fmt: skip

CALLS = [*itertools.chain.from_iterable(calls(*item) for item in GEOMETRIES.items()), *CORNERS]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("call", CALLS, ids=str)
def test_call(call, dtype):
    check(call, dtype)


def test_arrays_of_the_host_are_refused():
    with pytest.raises(TypeError, match="array on the device"):
        cuda.conv_transpose1d_forward(np.ones((1, 1, 3)), np.ones((1, 1, 2)), None, (1,), (0,), (0,), (1,), 1)


def test_what_the_shapes_refuse():
    x, weight = to_device(np.ones((1, 1, 3))), to_device(np.ones((2, 1, 2)))
    with pytest.raises(ValueError, match="weight expects 2 input channels, x has 1"):
        cuda.conv_transpose1d_forward(x, weight, None, (1,), (0,), (0,), (1,), 1)
