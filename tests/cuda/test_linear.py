"""Matrix products and the linear layer on the GPU."""

import numpy as np
import pytest
from cuda_harness import DTYPES, Call, Draw, check, compare

from kernels.gpu.transfer import to_device
from kernels.linear import cuda, reference

#: B, M, K, N: tiles that fit, that do not, K in parts, one of everything, nothing at all.
SIZES = [
    (1, 1, 1, 1),
    (2, 3, 5, 7),
    (3, 8, 4, 8),
    (1, 5, 70, 3),
    (2, 9, 1, 2),
    (0, 2, 3, 4),
    (2, 3, 0, 4),
    (2, 0, 3, 4),
]


def calls(B, M, K, N):
    note = f"B={B} M={M} K={K} N={N}"
    return [
        Call("linear", "matmul_forward", lambda draw: (draw(B, M, K), draw(B, K, N)), note),
        Call("linear", "matmul_backward_a", lambda draw: (draw(B, M, N), draw(B, K, N)), note),
        Call("linear", "matmul_backward_b", lambda draw: (draw(B, M, N), draw(B, M, K)), note),
        Call("linear", "linear_forward", lambda draw: (draw(M, K), draw(N, K), draw(N)), note),
        Call("linear", "linear_forward", lambda draw: (draw(M, K), draw(N, K), None), note + ", no bias"),
        Call("linear", "linear_backward_x", lambda draw: (draw(M, N), draw(N, K)), note),
        Call("linear", "linear_backward_weight", lambda draw: (draw(M, N), draw(M, K)), note),
        Call("linear", "linear_backward_bias", lambda draw: (draw(M, N),), note),
    ]


def infinite(draw, *shape):
    x = draw(*shape)
    x.flat[1], x.flat[5] = np.inf, np.nan
    return x


CALLS = [call for sizes in SIZES for call in calls(*sizes)] + [
    Call("linear", "linear_backward_weight", lambda draw: (draw(75, 3), draw(75, 2)), "a long batch, K in parts"),
    Call("linear", "linear_forward", lambda draw: (infinite(draw, 3, 5), draw(6, 5), draw(6)), "NaN and inf"),
    Call("linear", "linear_backward_bias", lambda draw: (infinite(draw, 300, 5),), "NaN and inf"),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("call", CALLS, ids=str)
def test_call(call, dtype):
    check(call, dtype)


def views(array):
    """The same numbers on the device, with strides of three kinds."""
    yield to_device(array)
    yield to_device(array.T).T
    wide = np.full((array.shape[0], 2 * array.shape[1]), np.nan, array.dtype)
    wide[:, ::2] = array
    yield to_device(wide)[:, ::2]


@pytest.mark.parametrize("function", ["linear_forward", "linear_backward_x", "linear_backward_weight"])
def test_strided_views(function):
    draw = Draw(1, "float64")
    first, second = (draw(7, 5), draw(7, 6)) if function == "linear_backward_weight" else (draw(7, 5), draw(5, 5))
    bias = (draw(5),) if function == "linear_forward" else ()
    expected = getattr(reference, function)(first, second, *bias)
    for x in views(first):
        for weight in views(second):
            y = getattr(cuda, function)(x, weight, *map(to_device, bias))
            compare(y.get(), expected, 1e-12, function)
    for grad_y in views(first):
        compare(cuda.linear_backward_bias(grad_y).get(), first.sum(0), 1e-12, "bias")


def test_arrays_of_the_host_are_refused():
    draw = Draw(2, "float32")
    x, weight, bias = draw(2, 3), draw(4, 3), draw(4)
    for held in ((x, to_device(weight), None), (to_device(x), weight, None), (to_device(x), to_device(weight), bias)):
        with pytest.raises(TypeError, match="expects an array on the device, got ndarray"):
            cuda.linear_forward(*held)
    with pytest.raises(TypeError, match="expects an array on the device, got ndarray"):
        cuda.linear_backward_bias(x)


def test_the_refusals_are_those_of_all_back_ends():
    draw = Draw(3, "float32")
    with pytest.raises(ValueError, match=r"linear: weight expects 3 input features, as x has, got 5"):
        cuda.linear_forward(to_device(draw(2, 3)), to_device(draw(4, 5)), None)
