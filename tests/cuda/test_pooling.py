"""Pooling on the device: every function against the formula, windows that were not told, indices that are wrong."""

import numpy as np
import pytest
from cuda_harness import DTYPES, Call, Draw, check

from kernels.gpu.array import DeviceArray
from kernels.gpu.launch import LAUNCHES
from kernels.gpu.memory import empty
from kernels.gpu.transfer import TRANSFERS, to_device
from kernels.pooling import cuda, cuda_max, cuda_mean, cuda_places, cuda_windows, reference, shapes

INF, NAN = np.inf, np.nan


def ranked(rank, *values):
    """Tuples of `rank` numbers: each value is a number for all axes, or one for each of three axes."""
    return tuple((v,) * rank if isinstance(v, int) else v[3 - rank :] for v in values)


def pictures(draw, rank, batch=(2, 2), size=(3, 5, 7)):
    """With ties, NaN and infinity."""
    x = np.round(draw(*batch, *size[3 - rank :]))
    x.reshape(-1)[::17] = NAN
    x.reshape(-1)[3::29] = -INF
    return x


def after_max(draw, rank, batch, size, geometry, ceil_mode):
    """grad_y, indices, x_shape for the gradient."""
    x = pictures(draw, rank, batch, size)
    y, indices = getattr(reference, f"max_pool{rank}d_forward")(x, *ranked(rank, *geometry), ceil_mode)
    return draw(*y.shape), indices, x.shape


#: kernel_size, stride, padding, dilation; ceil_mode; sizes
MAX = {
    "2, stride 2": ((2, 2, 0, 1), False, (3, 5, 7)),
    "one element": ((1, 1, 0, 1), False, (2, 3, 4)),
    "the whole axis": (((3, 5, 7), 1, 0, 1), False, (3, 5, 7)),
    "overlapping": ((3, 1, 1, 1), False, (3, 4, 6)),
    "padding, rounded up": ((3, 2, 1, 1), True, (4, 6, 5)),
    "dilated": (((2, 2, 3), (1, 2, 1), (1, 1, 1), (2, 3, 2)), False, (4, 5, 9)),
    "stride over the window": ((2, (4, 3, 5), 0, 1), False, (6, 7, 13)),
}
#: kernel_size, stride, padding; ceil_mode, count_include_pad, divisor_override; sizes
AVG = {
    "2, stride 2": ((2, 2, 0), (False, True, None), (3, 5, 7)),
    "one element": ((1, 1, 0), (False, False, None), (2, 3, 4)),
    "the whole axis": (((3, 5, 7), 1, 0), (False, True, None), (3, 5, 7)),
    "overlapping, padding not counted": ((3, 1, 1), (False, False, None), (3, 4, 6)),
    "padding counted, rounded up": (((3, 2, 3), 2, 1), (True, True, None), (4, 6, 5)),
    "stride over the window": ((2, (4, 3, 5), 0), (False, True, None), (6, 7, 13)),
    "its own divisor": ((3, 2, 1), (True, True, -3), (4, 5, 6)),
}
ADAPTIVE = {
    "shrunk": ((2, 3, 4), (3, 7, 9)),
    "global": ((1, 1, 1), (3, 5, 7)),
    "grown": ((4, 7, 5), (3, 4, 2)),
    "nothing": ((2, 0, 3), (3, 4, 5)),
}


def max_calls():
    for rank in (1, 2, 3):
        for note, (geometry, ceil_mode, size) in MAX.items():
            batch = (1, 3) if "whole" in note else (2, 1) if "dilated" in note else (2, 2)
            yield Call(
                "pooling", f"max_pool{rank}d_forward",
                lambda draw, rank=rank, batch=batch, size=size, geometry=geometry, ceil_mode=ceil_mode: (
                    pictures(draw, rank, batch, size), *ranked(rank, *geometry), ceil_mode
                ), note,
            )  # fmt: skip
            yield Call(
                "pooling", f"max_pool{rank}d_backward_x",
                lambda draw, rank=rank, batch=batch, size=size, geometry=geometry, ceil_mode=ceil_mode: (
                    after_max(draw, rank, batch, size, geometry, ceil_mode)
                ), note,
            )  # fmt: skip


def avg_calls():
    for rank in (1, 2, 3):
        for note, (geometry, rest, size) in AVG.items():
            yield Call(
                "pooling", f"avg_pool{rank}d_forward",
                lambda draw, rank=rank, geometry=geometry, rest=rest, size=size: (
                    pictures(draw, rank, size=size), *ranked(rank, *geometry), *rest
                ), note,
            )  # fmt: skip

            def backward(draw, rank=rank, geometry=geometry, rest=rest, size=size):
                geometry = ranked(rank, *geometry)
                sizes = [shapes.pooled_size(*axis, 1, rest[0]) for axis in zip(size[3 - rank :], *geometry)]
                return draw(2, 2, *sizes), (2, 2, *size[3 - rank :]), *geometry, *rest

            yield Call("pooling", f"avg_pool{rank}d_backward_x", backward, note)


def adaptive_calls():
    for rank in (1, 2, 3):
        for note, (out, size) in ADAPTIVE.items():
            out, size = out[3 - rank :], size[3 - rank :]
            for op in ("max", "avg"):
                yield Call(
                    "pooling", f"adaptive_{op}_pool{rank}d_forward",
                    lambda draw, rank=rank, out=out, size=size: (pictures(draw, rank, size=(0, 0, *size)[-3:]), out),
                    note,
                )  # fmt: skip
            yield Call(
                "pooling", f"adaptive_avg_pool{rank}d_backward_x",
                lambda draw, out=out, size=size: (draw(2, 2, *out), (2, 2, *size)), note,
            )  # fmt: skip
            yield Call(
                "pooling", f"max_pool{rank}d_backward_x",
                lambda draw, rank=rank, out=out, size=size: (
                    draw(2, 2, *out),
                    getattr(reference, f"adaptive_max_pool{rank}d_forward")(draw(2, 2, *size), out)[1], (2, 2, *size),
                ), f"adaptive, {note}",
            )  # fmt: skip


def unpool_calls():
    for rank in (1, 2, 3):
        size = (3, 5, 7)[3 - rank :]

        def after_pooling(draw, rank=rank, size=size):
            pool = getattr(reference, f"max_pool{rank}d_forward")
            return pool(draw(2, 3, *size), *ranked(rank, 2, 2, 0, 1), False)

        yield Call(
            "pooling", f"max_unpool{rank}d_forward", lambda draw, f=after_pooling, size=size: (*f(draw), size), "pooled"
        )
        yield Call(
            "pooling", f"max_unpool{rank}d_backward_x",
            lambda draw, f=after_pooling, size=size: (draw(2, 3, *size), f(draw)[1]), "pooled",
        )  # fmt: skip
        yield Call(
            "pooling", f"max_unpool{rank}d_forward",
            lambda draw, rank=rank, size=size: (
                draw(2, 2, *(3,) * rank), draw.integers(0, int(np.prod(size)), 2, 2, *(3,) * rank), size
            ), "any places, some twice",
        )  # fmt: skip
        yield Call(
            "pooling", f"max_pool{rank}d_backward_x",
            lambda draw, rank=rank, size=size: (
                draw(2, 2, *(3,) * rank), draw.integers(0, int(np.prod(size)), 2, 2, *(3,) * rank), (2, 2, *size)
            ), "any places, some twice",
        )  # fmt: skip
        yield Call(
            "pooling", f"max_unpool{rank}d_backward_x",
            lambda draw, rank=rank: (draw(1, 1, *(2,) * rank), draw.integers(0, 2**rank, 1, 1, *(4,) * rank)), "grown",
        )  # fmt: skip


def empty_calls():
    for name, arguments in {
        "max_pool2d_forward": ((2, 2), (2, 2), (0, 0), (1, 1), False),
        "avg_pool2d_forward": ((2, 2), (2, 2), (0, 0), False, True, None),
        "adaptive_max_pool2d_forward": ((2, 2),),
        "adaptive_avg_pool2d_forward": ((1, 1),),
    }.items():
        yield Call("pooling", name, lambda draw, rest=arguments: (draw(0, 3, 4, 5), *rest), "empty batch")
    places = np.zeros((0, 3, 2, 2), np.int64)
    yield Call("pooling", "max_pool2d_backward_x", lambda draw: (draw(0, 3, 2, 2), places, (0, 3, 4, 5)), "empty batch")
    yield Call("pooling", "max_unpool2d_forward", lambda draw: (draw(0, 3, 2, 2), places, (4, 5)), "empty batch")
    yield Call("pooling", "max_unpool2d_backward_x", lambda draw: (draw(0, 3, 4, 5), places), "empty batch")


def team_calls():
    """Windows that are large on a GPU, too."""
    for size in ((150,), (11, 13), (5, 6, 7)):
        for op in ("max", "avg"):
            yield Call(
                "pooling", f"adaptive_{op}_pool{len(size)}d_forward",
                lambda draw, size=size: (pictures(draw, len(size), size=(0, 0, *size)[-3:]), (1,) * len(size)),
                "large, global",
            )  # fmt: skip
    yield Call(
        "pooling", "max_pool2d_forward",
        lambda draw: (draw(1, 2, 14, 31), (14, 15), (1, 8), (0, 7), (1, 2), False), "large, dilated",
    )  # fmt: skip
    yield Call(
        "pooling", "avg_pool2d_forward",
        lambda draw: (draw(1, 2, 14, 31), (14, 15), (1, 8), (7, 7), True, True, None), "large, padded",
    )  # fmt: skip


CALLS = [*max_calls(), *avg_calls(), *adaptive_calls(), *team_calls(), *unpool_calls(), *empty_calls()]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("call", CALLS, ids=str)
def test_call(call, dtype):
    check(call, dtype)


def test_every_function_is_called():
    assert {call.function for call in CALLS} == set(cuda.__all__)


# -- one thread or a team for a window -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [(1, 1, 1), (1, 1, 5), (2, 3, 7), (3, 5, 4)])
def test_a_team_finds_what_a_thread_finds(dtype, size):
    x = pictures(Draw(sum(size), dtype), 3, (2, 4), size)
    x[0, 0] = -INF
    x[0, 1, ..., -1] = 9.0
    x = shapes.volumes(to_device(x))
    for axes in (cuda_windows.adaptive_axes(size, (1, 1, 1)), cuda_windows.adaptive_axes(size, (2, 1, 2))):
        shape = (8, *(axis[1] for axis in axes))
        y, indices, y_team, indices_team = (empty(shape, kind) for kind in (dtype, np.int64) * 2)
        cuda_max.largest(x, y, indices, axes)
        cuda_max.largest_by_teams(x, y_team, indices_team, axes)
        np.testing.assert_array_equal(y.get(), y_team.get())
        np.testing.assert_array_equal(indices.get(), indices_team.get())
        cuda_mean.means(x, y, axes, (0, 0))
        cuda_mean.means_by_teams(x, y_team, axes, (0, 0))
        np.testing.assert_allclose(y.get(), y_team.get(), rtol=1e-6)


def test_large_windows_that_no_neighbour_shares_go_to_teams(monkeypatch):
    seen = []
    for module, name in ((cuda_max, "largest_by_teams"), (cuda_mean, "means_by_teams")):
        monkeypatch.setattr(module, name, lambda *_, name=name: seen.append(name))
    monkeypatch.setattr(cuda, "_LARGE", 128)
    monkeypatch.setattr(cuda, "_BUSY", 8)
    x = empty((2, 8, 32, 32), np.float32)
    cuda.adaptive_max_pool2d_forward(x, (1, 1))
    cuda.avg_pool2d_forward(x, (16, 16), (16, 16), (0, 0), False, True, None)
    assert seen == ["largest_by_teams", "means_by_teams"]
    small = empty((1, 3, 16, 16), np.float32)
    cuda.avg_pool2d_forward(small, (12, 12), (1, 1), (0, 0), False, True, None)  # 25 windows over one another
    cuda.adaptive_max_pool2d_forward(small, (2, 2))  # 64 elements
    assert len(seen) == 2


# -- windows that were not told --------------------------------------------------------------------------------------


@pytest.mark.parametrize("K, s, p, size", [(2, 2, 0, 8), (3, 2, 1, 9), (3, 1, 1, 7), (5, 1, 2, 6), (2, 3, 0, 11)])
def test_windows_over_are_the_windows_that_hold_an_element(K, s, p, size):
    count = shapes.pooled_size(size, K, s, p, 1, False)
    for axis in (cuda_windows.fixed_axes((K,), (s,), (p,))[2], cuda_windows.adaptive_axes((size,), (count,))[2]):
        windows = [cuda_windows.window(out, axis, size) for out in range(count)]
        for i in range(size):
            first, stop = cuda_windows.windows_over(i, axis, count)
            assert [first <= out < stop for out in range(count)] == [a <= i < b for a, b in windows]


def test_the_bounds_of_windows_are_those_of_shapes():
    for K, s, p, dil in ((2, 2, 0, 1), (3, 2, 1, 2), (4, 1, 2, 3), (5, 3, 2, 1)):
        size = 13
        count = shapes.pooled_size(size, K, s, p, dil, True)
        axis = cuda_windows.fixed_axes((K,), (s,), (p,), (dil,))[2]
        ours = [cuda_windows.window(out, axis, size) for out in range(count)]
        assert ours == list(zip(*(a.tolist() for a in shapes.windows(size, count, K, s, p, dil))))


@pytest.mark.parametrize("K, s, p", [(2, 2, 0), (3, 2, 1), (3, 1, 1), (7, 7, 0)])
def test_a_place_looks_at_about_as_many_windows_as_lie_over_it(K, s, p):
    """Else the gradient of max pooling would be right and slow."""
    x = Draw(K, "float32")(1, 2, 28, 35)
    _, indices = reference.max_pool2d_forward(x, (K, K), (s, s), (p, p), (1, 1), False)
    volume = shapes.volumes(to_device(indices))
    reach = cuda_places.measured(volume, (1, 28, 35), cuda_places.code("test", (28, 35))).get()
    for axis in (1, 2):
        size_in, size_out = (1, 28, 35)[axis], volume.shape[1 + axis]
        recovered = (size_in, size_out, int(reach[2 * axis]), int(reach[2 * axis + 1]), 1)
        looked_at = [cuda_windows.windows_over(i, recovered, size_out) for i in range(size_in)]
        assert np.mean([stop - first for first, stop in looked_at]) <= -(-K // s) + 1


def test_gradients_are_sums_in_the_order_of_the_windows():
    """As on the CPU, to the bit."""
    from kernels.pooling import cpu

    draw = Draw(5, "float32")
    indices = np.zeros((1, 2, 3, 4), np.int64) + 7
    grad_y = draw(1, 2, 3, 4) * 1e3 + draw(1, 2, 3, 4)
    ours = cuda.max_pool2d_backward_x(to_device(grad_y), to_device(indices), (1, 2, 5, 6)).get()
    assert ours.tobytes() == cpu.max_pool2d_backward_x(grad_y, indices, (1, 2, 5, 6)).tobytes()


# -- what lies on the device -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [-1, 20, 2**40])
@pytest.mark.parametrize("name", ["max_pool2d_backward_x", "max_unpool2d_forward", "max_unpool2d_backward_x"])
def test_an_index_outside_is_reported_and_the_rest_is_right(name, wrong):
    indices = np.arange(4).reshape(1, 1, 2, 2) * 4
    indices[0, 0, 1, 0] = wrong
    x = Draw(0, "float32")(1, 1, *((4, 5) if name == "max_unpool2d_backward_x" else (2, 2)))
    rest = {"max_pool2d_backward_x": ((1, 1, 4, 5),), "max_unpool2d_forward": ((4, 5),)}.get(name, ())
    y = getattr(cuda, name)(to_device(x), to_device(indices), *rest)
    op = name.replace("_backward_x", "").replace("_forward", "")
    with pytest.raises(IndexError, match=rf"^{op}: .* from 0 to 19 in planes of \(4, 5\), got {wrong};"):
        y.get()
    expected = x.reshape(-1)[[0, 4, 0, 12]] if name == "max_unpool2d_backward_x" else np.zeros(20, np.float32)
    if name == "max_unpool2d_backward_x":
        expected[2] = NAN
    else:
        expected[[0, 4, 12]] = x.reshape(-1)[[0, 1, 3]]
    np.testing.assert_array_equal(y.get().reshape(-1), expected)


def test_no_copy_and_few_launches():
    x = to_device(Draw(0, "float32")(1, 2, 4, 4))
    before, launches = TRANSFERS.to_device + TRANSFERS.to_host, LAUNCHES.value
    y, indices = cuda.max_pool2d_forward(x, (2, 2), (2, 2), (0, 0), (1, 1), False)
    assert LAUNCHES.value - launches <= 3  # one, and two that fill with NaN in tests
    cuda.max_pool2d_backward_x(y, indices, x.shape)
    cuda.max_unpool2d_forward(y, indices, (4, 4))
    cuda.max_unpool2d_backward_x(x, indices)
    cuda.adaptive_avg_pool2d_backward_x(y, x.shape)
    assert TRANSFERS.to_device + TRANSFERS.to_host == before


def test_arrays_of_the_host_are_refused():
    x, places = np.zeros((1, 1, 4, 4), np.float32), np.zeros((1, 1, 4, 4), np.int64)
    for call in (
        lambda: cuda.max_pool2d_forward(x, (2, 2), (2, 2), (0, 0), (1, 1), False),
        lambda: cuda.max_pool2d_backward_x(x, to_device(places), x.shape),
        lambda: cuda.max_pool2d_backward_x(to_device(x), places, x.shape),
        lambda: cuda.avg_pool2d_backward_x(x, (1, 1, 8, 8), (2, 2), (2, 2), (0, 0), False, True, None),
        lambda: cuda.adaptive_avg_pool2d_backward_x(x[..., :0], (1, 1, 8, 8)),
        lambda: cuda.adaptive_avg_pool2d_forward(x, (1, 1)),
        lambda: cuda.max_unpool2d_forward(x, to_device(places), (4, 4)),
        lambda: cuda.max_unpool2d_backward_x(to_device(x), places),
    ):
        with pytest.raises(TypeError, match="on the device, got ndarray"):
            call()


def test_refusals_are_those_of_the_other_back_ends():
    x = to_device(np.zeros((1, 1, 4, 4)))
    places = to_device(np.zeros((1, 1, 2, 2), np.int64))
    with pytest.raises(ValueError, match="at most half of kernel_size"):
        cuda.max_pool2d_forward(x, (2, 2), (2, 2), (2, 2), (1, 1), False)
    with pytest.raises(ValueError, match="indices expects the shape"):
        cuda.max_pool2d_backward_x(x, places, (1, 1, 4, 4))
    with pytest.raises(TypeError, match="indices expects int64, got float64"):
        cuda.max_unpool2d_forward(x, x, (4, 4))


def test_strided_views_give_the_same():
    x = Draw(1, "float32")(4, 6, 2, 3)
    view = to_device(x).transpose(2, 3, 0, 1)
    assert isinstance(view, DeviceArray) and not view.is_contiguous
    host = x.transpose(2, 3, 0, 1)
    ours = cuda.max_pool2d_forward(view, (2, 3), (1, 2), (1, 1), (1, 1), False)
    expected = reference.max_pool2d_forward(host, (2, 3), (1, 2), (1, 1), (1, 1), False)
    for a, b in zip(ours, expected):
        np.testing.assert_array_equal(a.get(), b)
    np.testing.assert_allclose(
        cuda.adaptive_avg_pool2d_forward(view, (1, 2)).get(),
        reference.adaptive_avg_pool2d_forward(host, (1, 2)), rtol=1e-6,
    )  # fmt: skip
