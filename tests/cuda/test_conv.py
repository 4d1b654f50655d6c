"""Convolution and padding on the GPU."""

import itertools

import numpy as np
import pytest
from cuda_harness import DTYPES, TOLERANCE, Call, Draw, check, compare

from kernels.conv import cuda, cuda_steps, reference, shapes
from kernels.gpu.transfer import to_device

INF, NAN = np.inf, np.nan

#: x, weight, stride, padding, dilation, groups: awkward on purpose.
GEOMETRIES = {
    "plain": ((2, 3, 6, 5), (4, 3, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    "kernel as large as x": ((1, 1, 4, 5), (1, 1, 4, 5), (1, 1), (0, 0), (1, 1), 1),
    "pointwise": ((2, 5, 3, 4), (6, 5, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    "pointwise, stride": ((1, 3, 7, 5), (5, 3, 1, 1), (2, 3), (1, 1), (1, 1), 1),
    "stride that does not divide": ((2, 3, 8, 7), (5, 3, 4, 3), (3, 2), (1, 1), (1, 1), 1),
    "dilation, stride 2": ((1, 2, 9, 10), (3, 2, 3, 2), (1, 2), (2, 3), (3, 2), 1),
    "dilation divides stride": ((1, 2, 11, 9), (3, 2, 2, 3), (4, 2), (1, 2), (2, 4), 1),
    "stride over dead pixels": ((1, 2, 9, 9), (2, 2, 2, 2), (5, 4), (0, 0), (1, 1), 1),
    "groups": ((2, 6, 5, 4), (9, 2, 3, 3), (1, 1), (1, 1), (1, 1), 3),
    "depthwise": ((1, 7, 5, 6), (7, 1, 3, 3), (2, 1), (1, 1), (1, 1), 7),
    "depthwise, two outputs": ((2, 3, 4, 5), (6, 1, 2, 3), (1, 1), (0, 1), (1, 1), 3),
    "padding beyond the kernel": ((1, 1, 3, 3), (2, 1, 2, 2), (2, 3), (4, 5), (1, 1), 1),
    "empty batch": ((0, 2, 4, 4), (3, 2, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    "no channels": ((2, 0, 3, 3), (3, 0, 2, 2), (1, 1), (1, 1), (1, 1), 1),
    "row": ((2, 3, 19), (5, 3, 7), (1,), (3,), (1,), 1),
    "row, groups": ((1, 4, 30), (6, 2, 3), (3,), (1,), (2,), 2),
    "volume": ((2, 2, 3, 4, 5), (3, 2, 3, 2, 3), (1, 1, 1), (1, 0, 1), (1, 1, 1), 1),
    "volume, groups": ((1, 4, 5, 4, 5), (4, 2, 2, 3, 2), (2, 1, 2), (1, 1, 0), (1, 2, 1), 2),
}  # fmt: skip


def y_shape(geometry):
    """Shape of the output."""
    x, weight, stride, padding, dilation, _ = geometry
    sizes = (shapes.conv_size(*axis) for axis in zip(x[2:], weight[2:], stride, padding, dilation))
    return (x[0], weight[0], *sizes)


def calls(note, geometry):
    """The calls of one geometry, with random cotangents."""
    x, weight, *rest = geometry
    y, name = y_shape(geometry), f"conv{len(x) - 2}d"
    yield Call("conv", f"{name}_forward", lambda draw: (draw(*x), draw(*weight), draw(weight[0]), *rest), note)
    yield Call("conv", f"{name}_backward_x", lambda draw: (draw(*y), draw(*weight), x, *rest), note)
    yield Call("conv", f"{name}_backward_weight", lambda draw: (draw(*y), draw(*x), weight, *rest), note)
    yield Call("conv", f"{name}_backward_bias", lambda draw: (draw(*y),), note)


def pad_calls():
    """Each mode, on pictures and on more axes than one launch takes."""
    for mode in shapes.PAD_MODES:
        for note, x, pads in (
            ("picture", (2, 3, 4, 5), ((0, 0), (0, 0), (2, 1), (3, 2))),
            ("cropped", (2, 4, 5), ((0, 0), (-1, 2), (1, -2))),
            ("one place", (3, 1, 4), ((0, 0), (0, 0), (1, 0))),
            ("first axis", (3, 2, 2), ((1, 2), (0, 0), (0, 0))),
            ("five axes", (2, 3, 2, 3, 2), ((1, 0), (0, 2), (1, 1), (0, 1), (1, 1))),
            ("nothing", (2, 3), ((0, 0), (0, 0))),
        ):
            y = tuple(size + sum(pair) for size, pair in zip(x, pads))
            yield Call("conv", "pad_forward", lambda d, x=x, p=pads, m=mode: (d(*x), p, m, 0.3), f"{mode} {note}")
            yield Call("conv", "pad_backward_x", lambda d, x=x, y=y, p=pads, m=mode: (d(*y), x, p, m), f"{mode} {note}")


def with_values(shape, places):
    """Zeros and ones, and some values at some places."""
    array = np.arange(np.prod(shape)).reshape(shape) % 2.0
    for place, value in places.items():
        array[place] = value
    return array


#: Infinity and NaN, in the weights over the padding and in the pixels at the edge.
CORNERS = [
    Call("conv", "conv2d_forward", lambda d: (d(1, 2, 3, 4), d.array(with_values((2, 2, 3, 3), {(0, 1, 0, 0): INF})),
         None, (1, 1), (1, 1), (1, 1), 1), "inf over padding"),
    Call("conv", "conv2d_forward", lambda d: (d.array(with_values((1, 2, 3, 4), {(0, 1, 2, 3): NAN})), d(2, 2, 2, 3),
         d(2), (1, 1), (0, 1), (1, 1), 1), "NaN in x"),
    Call("conv", "conv2d_backward_x", lambda d: (d(1, 2, 3, 4), d.array(with_values((2, 2, 3, 3), {(0, 1, 0, 0): INF})),
         (1, 2, 3, 4), (1, 1), (1, 1), (1, 1), 1), "inf over padding"),
    Call("conv", "conv2d_backward_x", lambda d: (d(1, 3, 3, 3), d.array(with_values((3, 2, 3, 3), {(2, 0, 2, 1): NAN})),
         (1, 2, 5, 6), (2, 2), (1, 1), (1, 1), 1), "NaN over padding, stride"),
    Call("conv", "conv2d_backward_weight", lambda d: (d.array(with_values((1, 2, 3, 4), {(0, 1, 0, 0): INF})),
         d(1, 2, 3, 4), (2, 2, 3, 3), (1, 1), (1, 1), (1, 1), 1), "inf over padding"),
]  # fmt: skip

CALLS = [
    *itertools.chain.from_iterable(calls(*item) for item in GEOMETRIES.items()),
    *CORNERS,
    *pad_calls(),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("call", CALLS, ids=str)
def test_call(call, dtype):
    check(call, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", [cuda_steps.conv2d_forward_direct, cuda_steps.conv2d_forward_tiled])
@pytest.mark.parametrize("note", [note for note, (x, *_) in GEOMETRIES.items() if len(x) == 4])
def test_the_two_steps_to_be_read(note, function, dtype):
    x, weight, *geometry = GEOMETRIES[note]
    draw = Draw(1, dtype)
    arrays = draw(*x), draw(*weight), draw(weight[0])
    y = function(*map(to_device, arrays), *geometry).get()
    compare(y, reference.conv2d_forward(*arrays, *geometry), TOLERANCE[dtype], note)


def test_views_of_the_device_are_read_right():
    x, weight = np.random.default_rng(0).standard_normal((5, 4, 2, 3)), np.arange(24.0).reshape(2, 2, 3, 2)
    geometry = (None, (1, 1), (1, 0), (1, 1), 1)
    views = x.T[::2].transpose(1, 0, 2, 3), weight.transpose(1, 0, 3, 2)
    y = cuda.conv2d_forward(
        to_device(x).T[::2].transpose(1, 0, 2, 3), to_device(weight).transpose(1, 0, 3, 2), *geometry
    )
    np.testing.assert_allclose(y.get(), reference.conv2d_forward(*views, *geometry), rtol=1e-12)


def test_steps_beyond_the_picture():
    x, weight = np.arange(4.0).reshape(1, 1, 4), np.ones((1, 1, 1))
    geometry = (None, (2**62,), (0,), (2**62,), 1)
    assert cuda.conv1d_forward(to_device(x), to_device(weight), *geometry).get().tolist() == [[[0.0]]]
    grad_x = cuda.conv1d_backward_x(to_device(np.ones((1, 1, 1))), to_device(weight), x.shape, *geometry[1:])
    assert grad_x.get().tolist() == [[[1, 0, 0, 0]]]


def test_arrays_of_the_host_are_refused():
    x, weight = np.ones((1, 1, 3)), np.ones((1, 1, 2))
    with pytest.raises(TypeError, match="array on the device"):
        cuda.conv1d_forward(x, weight, None, (1,), (0,), (1,), 1)
    with pytest.raises(TypeError, match="array on the device"):
        cuda.pad_forward(x, ((0, 0), (0, 0), (1, 1)), "constant", 0.0)


def test_what_the_shapes_refuse():
    with pytest.raises(ValueError, match="weight expects 2 input channels, x has 1"):
        cuda.conv1d_forward(to_device(np.ones((1, 1, 3))), to_device(np.ones((1, 2, 2))), None, (1,), (0,), (1,), 1)
