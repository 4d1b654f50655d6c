"""Activations on the GPU against the formula: corners, NaN and infinity, every way to lay threads over an axis."""

import numpy as np
import pytest
from cuda_harness import DTYPES, TOLERANCE, Call, check, compare

from kernels import memory
from kernels.activation import cuda, cuda_axis, reference
from kernels.gpu import axis as gpu_axis
from kernels.gpu.launch import LAUNCHES
from kernels.gpu.transfer import to_device

INF, NAN = np.inf, np.nan

#: The functions of one element: parameters of the forward pass, and what the gradient reads.
ELEMENTWISE = [
    ("relu", (), "y"), ("leaky_relu", (0.1,), "x"), ("hardtanh", (-0.7, 1.5), "x"), ("hardsigmoid", (), "x"),
    ("hardswish", (), "x"), ("threshold", (0.3, -2), "x"), ("hardshrink", (0.4,), "x"), ("softshrink", (0.4,), "x"),
    ("softsign", (), "x"), ("elu", (1.3, 1.1, 0.7), "x"), ("sigmoid", (), "y"), ("logsigmoid", (), "x"),
    ("softplus", (2.0, 3.0), "x"), ("tanh", (), "y"), ("tanhshrink", (), "x"), ("silu", (), "x"), ("mish", (), "x"),
    ("gelu", ("none",), "x"), ("gelu", ("tanh",), "x"),
]  # fmt: skip

#: Both zeros, the corners of the formulas above, what overflows, NaN.
CORNERS = [0.0, -0.0, 0.3, 0.4, -0.4, -0.7, 1.5, 3, -3, 6, 1e-30, 40, -40, 120, -120, 800, -800, INF, -INF, NAN]


def _elementwise(op, parameters, reads):
    note = " ".join(map(str, parameters))
    backward = parameters[:1] if op == "threshold" else parameters

    def gradient(draw, x):
        grad_y = draw(*x.shape)
        return (grad_y, getattr(reference, f"{op}_forward")(x, *parameters) if reads == "y" else x, *backward)

    return [
        Call("activation", f"{op}_forward", lambda draw: (draw(3, 5, 7) * 3, *parameters), note),
        Call("activation", f"{op}_forward", lambda draw: (draw.array(CORNERS), *parameters), f"{note} corners"),
        Call("activation", f"{op}_forward", lambda draw: (draw(0, 4), *parameters), f"{note} empty"),
        Call("activation", f"{op}_backward_x", lambda draw: gradient(draw, draw(3, 5, 7) * 3), note),
        Call("activation", f"{op}_backward_x", lambda draw: gradient(draw, draw.array(CORNERS)), f"{note} corners"),
    ]


#: Shape and axis: last, first, middle, size 1, short and long, few and many columns, no axis, nothing.
AXES = [
    ((3, 5), 1), ((3, 5), -2), ((2, 9, 3), 1), ((2, 3, 4), 1), ((1, 40), -1), ((40, 1), 0), ((5, 1), 1), ((), 0),
    ((0, 3), 1), ((3, 0), 1), ((2, 7, 5, 2), 1), ((1, 6, 70), 1), ((2, 33), 1),
]  # fmt: skip

#: Along axis 1: NaN first and later, infinities, only -infinity, numbers that overflow, as many as differ little.
ROWS = [
    [NAN, 1, 2, 3, 4, 5], [1, 2, 3, 4, NAN, 5], [INF, 1, 2, 3, 4, 5], [-INF, 1, 2, 3, -INF, 0], [-INF] * 6,
    [1e4, -1e4, 0, 9999, 1, 2], [1000, 1000, 1000, 1001, 999, 1000],
]  # fmt: skip


def _softmax(op):
    forward = getattr(reference, f"{op}_forward")

    def gradient(draw, x, axis):
        return draw(*x.shape), forward(x, axis), axis

    for shape, axis in AXES:
        note = f"{shape} axis {axis}"
        yield Call("activation", f"{op}_forward", lambda draw, s=shape, a=axis: (draw(*s), a), note)
        yield Call("activation", f"{op}_backward_x", lambda draw, s=shape, a=axis: gradient(draw, draw(*s), a), note)
    for axis, name in ((1, "rows"), (0, "columns")):
        for part in (slice(None), slice(0, 4)):  # long and short
            note = f"corners in {name} {part.stop}"
            corners = [row[part] for row in ROWS]

            def values(draw, corners=corners, axis=axis):
                return np.ascontiguousarray(draw.array(corners) if axis else draw.array(corners).T)

            yield Call("activation", f"{op}_forward", lambda draw, v=values, a=axis: (v(draw), a), note)
            yield Call(
                "activation", f"{op}_backward_x", lambda draw, v=values, a=axis: gradient(draw, v(draw), a), note
            )


def _glu():
    for shape, axis in [((3, 4), 1), ((6, 5), 0), ((2, 4, 3, 2), 1), ((2, 70), -1), ((0, 4), 1), ((3, 0), 1)]:
        half = tuple(size // 2 if i == axis % len(shape) else size for i, size in enumerate(shape))
        note = f"{shape} axis {axis}"
        yield Call("activation", "glu_forward", lambda draw, s=shape, a=axis: (draw(*s), a), note)
        yield Call("activation", "glu_backward_x", lambda draw, s=shape, h=half, a=axis: (draw(*h), draw(*s), a), note)


def _prelu():
    for shape, slopes in [
        ((4, 3), 3), ((2, 3, 5), 3), ((2, 3, 5), 1), ((3, 1, 4, 2), 1), ((7,), 1), ((), 1), ((1, 5, 3, 11), 5),
        ((0, 3, 2), 3), ((40, 2), 2),
    ]:  # fmt: skip
        note = f"{shape} with {slopes}"
        yield Call("activation", "prelu_forward", lambda draw, s=shape, c=slopes: (draw(*s), draw(c)), note)
        for argument in ("x", "weight"):
            yield Call(
                "activation",
                f"prelu_backward_{argument}",
                lambda draw, s=shape, c=slopes: (draw(*s), draw(*s), draw(c)),
                note,
            )
    corners = [[0.0, -0.0, NAN, INF, -INF]]
    yield Call("activation", "prelu_forward", lambda draw: (draw.array(corners), draw(5)), "corners")
    yield Call("activation", "prelu_backward_x", lambda draw: (draw(1, 5), draw.array(corners), draw(5)), "corners")
    yield Call(
        "activation", "prelu_backward_weight", lambda draw: (draw(1, 5), draw.array(corners), draw(5)), "corners"
    )


CALLS = [
    *(call for case in ELEMENTWISE for call in _elementwise(*case)),
    *_softmax("softmax"),
    *_softmax("log_softmax"),
    *_glu(),
    *_prelu(),
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("call", CALLS, ids=str)
def test_call(call, dtype):
    check(call, dtype)


def test_every_function_is_called():
    assert {call.function for call in CALLS} == set(cuda.__all__)


def test_strided_arrays():
    rng = np.random.default_rng(0)
    x, grad_y = rng.standard_normal((6, 7)), rng.standard_normal((7, 6))
    device = to_device(x)
    ours = (
        cuda.silu_forward(device.T),
        cuda.softmax_forward(device[::2, 1:], 1),
        cuda.softmax_backward_x(to_device(grad_y)[:, ::2], device.T[:, 1::2], 0),
        cuda.glu_forward(device.T, 1),
        cuda.prelu_backward_weight(to_device(grad_y), device.T, to_device(x[0, :6])),
    )
    expected = (
        reference.silu_forward(x.T),
        reference.softmax_forward(x[::2, 1:], 1),
        reference.softmax_backward_x(grad_y[:, ::2], x.T[:, 1::2], 0),
        reference.glu_forward(x.T, 1),
        reference.prelu_backward_weight(grad_y, x.T, x[0, :6]),
    )
    for got, wanted in zip(ours, expected):
        compare(got.get(), wanted, TOLERANCE["float64"], "strided")


def test_an_array_of_the_host_is_refused():
    x = np.ones((2, 4), np.float32)
    for call in (cuda.relu_forward, lambda x: cuda.softmax_forward(x, 1), lambda x: cuda.glu_forward(x, 1)):
        with pytest.raises(TypeError, match="array on the device"):
            call(x)
    with pytest.raises(TypeError, match="array on the device"):
        cuda.prelu_forward(to_device(x), np.ones(4, np.float32))


def test_shapes_are_refused_as_on_the_cpu():
    x, y = to_device(np.ones((2, 3), np.float32)), to_device(np.ones((3, 2), np.float32))
    with pytest.raises(ValueError, match=r"relu_backward: y expects the shape of grad_y, \(2, 3\), got \(3, 2\)"):
        cuda.relu_backward_x(x, y)


@pytest.mark.parametrize("shape", [(3, 40, 1), (2, 40, 7), (5, 3, 2)])
def test_a_thread_and_a_tile_agree(shape, monkeypatch):
    x = to_device(np.random.default_rng(1).standard_normal(shape))
    results = []
    for short in (0, 100):
        monkeypatch.setattr(gpu_axis, "SHORT", short)
        monkeypatch.setattr(gpu_axis, "MANY", 10**9)
        y = cuda.softmax_forward(x, 1)
        results.append((y.get(), cuda.softmax_backward_x(x, y, 1).get()))
    for tile, thread in zip(*results):
        np.testing.assert_allclose(tile, thread, atol=1e-15)


def test_blocks_as_large_as_on_a_gpu(monkeypatch):
    """256 threads once, in the simulator, too."""
    for module in (gpu_axis, cuda_axis):
        monkeypatch.setattr(module, "BLOCK", 256)
    monkeypatch.setattr(gpu_axis, "WARP", 32)
    x = np.random.default_rng(2).standard_normal((1, 37, 5))
    for axis in (1, 2):
        y = cuda.log_softmax_forward(to_device(x), axis).get()
        np.testing.assert_allclose(y, reference.log_softmax_forward(x, axis), atol=1e-14)


def test_each_activation_is_one_launch():
    x = to_device(np.ones((2, 40), np.float32))
    memory.fill_new_arrays_with_nan(False)  # until the test is over
    for call in (cuda.gelu_forward, cuda.softmax_forward):
        before = LAUNCHES.value
        call(x, "none" if call is cuda.gelu_forward else 1)
        assert LAUNCHES.value - before == 1
