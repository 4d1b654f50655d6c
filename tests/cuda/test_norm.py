"""Normalisation on the GPU."""

import numpy as np
import pytest
from cuda_harness import DTYPES, Call, Draw, check, compare

from kernels.gpu.transfer import to_device
from kernels.norm import cuda, cuda_sums, reference

EPS = 1e-3

#: N, C, L: planes long and short, one of everything, a channel in parts along n and along l, nothing at all.
SIZES = [(1, 1, 1), (2, 3, 5), (3, 4, 1), (4, 2, 2), (1, 2, 50), (30, 1, 1), (9, 2, 7), (2, 6, 3), (0, 2, 3), (2, 3, 0)]
#: R, F.
ROWS = [(1, 1), (3, 5), (5, 1), (2, 9), (1, 70), (40, 3), (0, 4), (3, 0)]


def near(draw, *shape):
    """Numbers whose mean is far from 0."""
    return draw(*shape) + draw.array(20)


def batch(N, C, L, plain=False, note=""):
    note = f"{(N, C, L)} {'without weight and bias' if plain else ''}{note}"

    def arguments(draw):
        x, grad_y = near(draw, N, C, L), draw(N, C, L)
        return x, grad_y, None if plain else draw(C), None if plain else draw(C)

    def statistics(draw):
        return arguments(draw)[:1]

    def forward(draw):
        x, _, weight, bias = arguments(draw)
        return x, weight, bias, draw(C).astype(np.float64) + 20, draw.uniform(C).astype(np.float64), EPS

    def backward(training):
        def of(draw):
            x, grad_y, weight, _ = arguments(draw)
            mean, var = reference.batch_norm_statistics(x)
            if not training:
                mean, var = mean + 0.25, var + 0.5
            return grad_y, x, weight, mean, var, EPS, training

        return of

    return [
        Call("norm", "batch_norm_statistics", statistics, note),
        Call("norm", "batch_norm_forward", forward, note),
        Call("norm", "batch_norm_backward_all", backward(True), note + " training"),
        Call("norm", "batch_norm_backward_all", backward(False), note + " evaluation"),
    ]


def group(N, C, L, groups, plain=False):
    note = f"{(N, C, L)} in {groups} groups {'without weight and bias' if plain else ''}"

    def arguments(draw):
        x, grad_y = near(draw, N, C, L), draw(N, C, L)
        return x, grad_y, None if plain else draw(C), None if plain else draw(C)

    def forward(draw):
        x, _, weight, bias = arguments(draw)
        return x, groups, weight, bias, EPS

    def backward(draw):
        x, grad_y, weight, bias = arguments(draw)
        _, mean, var = reference.group_norm_forward(x, groups, weight, bias, EPS)
        return grad_y, x, groups, weight, mean, var, EPS

    return [
        Call("norm", "group_norm_forward", forward, note),
        Call("norm", "group_norm_backward_all", backward, note),
    ]


def rows(R, F, plain=False):
    note = f"{(R, F)} {'without weight and bias' if plain else ''}"

    def arguments(draw):
        x, grad_y = near(draw, R, F), draw(R, F)
        return x, grad_y, None if plain else draw(F), None if plain else draw(F)

    def layer_forward(draw):
        x, _, weight, bias = arguments(draw)
        return x, weight, bias, EPS

    def layer_backward(draw):
        x, grad_y, weight, bias = arguments(draw)
        _, mean, var = reference.layer_norm_forward(x, weight, bias, EPS)
        return grad_y, x, weight, mean, var, EPS

    def rms_forward(draw):
        x, _, weight, _ = arguments(draw)
        return x, weight, EPS

    def rms_backward(draw):
        x, grad_y, weight, _ = arguments(draw)
        return grad_y, x, weight, reference.rms_norm_forward(x, weight, EPS)[1], EPS

    return [
        Call("norm", "layer_norm_forward", layer_forward, note),
        Call("norm", "layer_norm_backward_all", layer_backward, note),
        Call("norm", "rms_norm_forward", rms_forward, note),
        Call("norm", "rms_norm_backward_all", rms_backward, note),
    ]


def response(N, C, L, size, k=1.0):
    note = f"{(N, C, L)} size={size} k={k}"
    numbers = size, 0.3, 0.75, k
    return [
        Call("norm", "local_response_norm_forward", lambda draw: (draw(N, C, L), *numbers), note),
        Call("norm", "local_response_norm_backward_x", lambda draw: (draw(N, C, L), draw(N, C, L), *numbers), note),
    ]


def corners(draw):
    x = draw(4, 4, 5)
    x[1, 0, 2], x[2, 1, 3] = np.nan, np.inf
    return x, draw(4, 4, 5), draw(4), draw(4)


def batch_corners(draw):
    x, grad_y, weight, _ = corners(draw)
    with np.errstate(invalid="ignore"):
        return grad_y, x, weight, *reference.batch_norm_statistics(x), EPS, True


CALLS = [
    *(call for sizes in SIZES for call in batch(*sizes)),
    *batch(2, 3, 4, plain=True),
    *(call for sizes in SIZES for call in group(*sizes, 1)),
    *(call for sizes in ((2, 6, 3), (3, 4, 1), (1, 4, 20), (2, 4, 0)) for call in group(*sizes, 2)),
    *group(2, 6, 4, 3, plain=True),
    *group(2, 3, 5, 3),
    *(call for sizes in ROWS for call in rows(*sizes)),
    *rows(4, 6, plain=True),
    *(call for size in (1, 2, 3, 4, 9) for call in response(2, 5, 3, size)),
    *response(0, 3, 2, 3),
    *response(1, 1, 1, 2, k=2.0),
    Call("norm", "batch_norm_statistics", lambda draw: corners(draw)[:1], "NaN and inf"),
    Call("norm", "batch_norm_backward_all", batch_corners, "NaN and inf"),
    Call("norm", "group_norm_forward", lambda draw: (corners(draw)[0], 2, *corners(draw)[2:], EPS), "NaN and inf"),
    Call("norm", "local_response_norm_forward", lambda draw: (corners(draw)[0], 3, 0.1, 0.75, 1.0), "NaN and inf"),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("call", CALLS, ids=str)
def test_call(call, dtype):
    check(call, dtype)


def test_a_mean_far_from_zero_costs_nothing():
    """float32 has seven digits; the mean takes four of them, and must not take those of the result."""
    x = Draw(1, "float32")(3, 4, 30) + np.float32(5000)
    mean, var = cuda.batch_norm_statistics(to_device(x))
    exact = x.astype(np.float64)
    np.testing.assert_allclose(mean.get(), exact.mean((0, 2)), rtol=1e-14)
    np.testing.assert_allclose(var.get(), exact.var((0, 2)), rtol=1e-12)
    y = cuda.batch_norm_forward(to_device(x), None, None, mean, var, EPS)
    compare(y.get(), reference.batch_norm_forward(x, None, None, mean.get(), var.get(), EPS), 1e-6, "far")


@pytest.mark.parametrize("N, C, L", [(1, 1, 600), (40, 5, 2), (5, 1, 40)])
def test_the_real_sizes_of_blocks(N, C, L, monkeypatch):
    """The simulator's blocks are small; once with those of a GPU, cut into parts for as many blocks."""
    for name, value in {"BLOCK": 256, "WARP": 32, "LONG": 16, "_BUSY": 6, "_LEAST": 1}.items():
        monkeypatch.setattr(cuda_sums, name, value)
    draw = Draw(2, "float64")
    x, grad_y = draw(N, C, L), draw(N, C, L)
    mean, var = cuda_sums.statistics(to_device(x))
    compare(mean.get(), x.mean((0, 2)), 1e-12, "mean")
    compare(var.get(), x.var((0, 2)), 1e-12, "var")
    ones = to_device(np.ones(C))
    sums = cuda_sums.sums(to_device(grad_y), to_device(x), None, ones)
    compare(sums.get(), np.stack([grad_y.sum((0, 2)), (grad_y * x).sum((0, 2))]), 1e-12, "sums")


@pytest.mark.parametrize(
    "N, C, L", [(1, 10**6, 64), (10**6, 64, 1), (32, 64, 12544), (8, 1, 10**7), (10**8, 1, 1), (1, 1, 3)]
)
def test_a_grid_fits_the_gpu_and_covers_everything(N, C, L, monkeypatch):
    for name, value in {"BLOCK": 256, "WARP": 32, "LONG": 16, "_BUSY": 1024, "_LEAST": 8}.items():
        monkeypatch.setattr(cuda_sums, name, value)
    (width, height), X, n_len, l_len = cuda_sums._plan(N, C, L)
    assert width * height <= 256 and height % X == 0 and height & (height - 1) == 0
    assert 1 <= -(-N // n_len) <= 65535 and n_len >= 1 and l_len >= 1
    blocks = -(-C * -(-L // l_len) // width) * -(-N // n_len)
    assert blocks >= min(512, C * N * L // 4096)  # enough of them, where there is work


def test_strided_views():
    draw = Draw(3, "float64")
    x, grad_y, weight = draw(2, 4, 3), draw(2, 4, 3), draw(4)
    x_view, grad_view = (to_device(a.transpose(2, 0, 1)).transpose(1, 2, 0) for a in (x, grad_y))
    weight_view = to_device(np.repeat(weight, 2))[::2]
    for name, arguments in {
        "group_norm_forward": (x, 2, weight, weight, EPS),
        "batch_norm_statistics": (x,),
        "batch_norm_backward_all": (grad_y, x, weight, draw(4), draw.uniform(4), EPS, True),
        "group_norm_backward_all": (grad_y, x, 2, weight, draw(2, 2), draw.uniform(2, 2), EPS),
        "local_response_norm_backward_x": (grad_y, x, 3, 0.1, 0.75, 1.0),
    }.items():
        views = {id(x): x_view, id(grad_y): grad_view, id(weight): weight_view}
        ours = [views.get(id(a), to_device(a) if isinstance(a, np.ndarray) else a) for a in arguments]
        got, wanted = getattr(cuda, name)(*ours), getattr(reference, name)(*arguments)
        for one, other in zip(
            got if isinstance(got, tuple) else (got,), wanted if isinstance(wanted, tuple) else (wanted,)
        ):
            compare(one.get(), other, 1e-12, name)


def test_arrays_of_the_host_are_refused():
    draw = Draw(4, "float32")
    x, weight = draw(2, 3), draw(3)
    with pytest.raises(TypeError, match="expects an array on the device, got ndarray"):
        cuda.layer_norm_forward(x, to_device(weight), None, EPS)
    with pytest.raises(TypeError, match="expects an array on the device, got ndarray"):
        cuda.layer_norm_forward(to_device(x), weight, None, EPS)
    mean, var = (to_device(draw(3).astype(np.float64)) for _ in range(2))
    with pytest.raises(TypeError, match="expects an array on the device, got ndarray"):
        cuda.batch_norm_backward_all(to_device(x[..., None]), to_device(x[..., None]), weight, mean, var, EPS, True)
