"""Interpolation on the device: all modes against the formula, both ways to sum, tables that are copied once."""

import numpy as np
import pytest
from cuda_harness import DTYPES, Call, Draw, check

from kernels.gpu.launch import LAUNCHES
from kernels.gpu.memory import empty
from kernels.gpu.transfer import TRANSFERS, to_device
from kernels.upsampling import cuda, reference

#: batch and channels; old and new sizes of three axes, of which the last count; scales
SIZES = {
    "grown": ((2, 2), (2, 3, 5), (3, 7, 6), None),
    "shrunk": ((1, 3), (4, 6, 9), (3, 4, 2), None),
    "as it was": ((2, 1), (2, 3, 4), (2, 3, 4), None),
    "to and from one pixel": ((1, 2), (1, 4, 1), (3, 1, 5), None),
    "with scales": ((2, 2), (2, 3, 5), (3, 4, 8), (1.6, 1.5, 1.7)),
    "empty batch": ((0, 2), (2, 3, 5), (3, 4, 2), None),
}
#: mode, align_corners, antialias
OPTIONS = [
    ("nearest", False, False), ("nearest-exact", False, False), ("linear", False, False), ("linear", True, False),
    ("cubic", False, False), ("cubic", True, False), ("linear", False, True), ("cubic", False, True),
    ("lanczos", False, True),
]  # fmt: skip


def calls():
    for rank in (1, 2, 3):
        for mode, align_corners, antialias in OPTIONS:
            for name, (batch, old, new, scales) in SIZES.items():
                if (name, rank) in (("empty batch", 1), ("empty batch", 3)) or (rank == 3 and "as it" in name):
                    continue
                old, new, scales = (values[3 - rank :] for values in (old, new, scales or (None,) * 3))
                note = f"{rank}d {mode}{' aligned' * align_corners}{' antialiased' * antialias}, {name}"
                rest = (mode, align_corners, scales, antialias)
                yield Call(
                    "upsampling", "interpolate_forward",
                    lambda draw, shape=(*batch, *old), new=new, rest=rest: (draw(*shape), new, *rest), note,
                )  # fmt: skip
                yield Call(
                    "upsampling", "interpolate_backward_x",
                    lambda draw, new=(*batch, *new), old=(*batch, *old), rest=rest: (draw(*new), old, *rest), note,
                )  # fmt: skip


CALLS = [*calls()]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("call", CALLS, ids=str)
def test_call(call, dtype):
    check(call, dtype)


@pytest.mark.parametrize("sizes", [(7,), (3, 8), (2, 5, 3)])
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_at_once_and_axis_after_axis_agree(sizes, mode):
    x = to_device(Draw(len(sizes), "float64")(2, 2, *(4, 5, 6)[: len(sizes)]))
    for gradient in (False, True):
        old, new = (sizes, x.shape[2:]) if gradient else (x.shape[2:], sizes)
        tables = cuda._tables(old, new, (None,) * len(sizes), (mode, False, False, x.dtype, gradient))
        at_once = cuda._at_once(x, sizes, tables).get()
        np.testing.assert_allclose(cuda._axis_after_axis(x, sizes, tables).get(), at_once, atol=1e-12)


def test_many_neighbours_are_summed_axis_after_axis():
    def launches(work):
        before = LAUNCHES.value
        work()
        return LAUNCHES.value - before

    small, large = empty((1, 1, 2, 2), "float32"), empty((1, 1, 16, 16), "float32")
    none = (None, None)
    once, twice = launches(lambda: empty((1,), "float32")) + 1, 2 * launches(lambda: empty((1,), "float32")) + 2
    for wanted, work in (
        (once, lambda: cuda.interpolate_forward(small, (3, 3), "cubic", False, none, False)),
        (twice, lambda: cuda.interpolate_forward(large, (2, 2), "linear", False, none, True)),
        (twice, lambda: cuda.interpolate_backward_x(large, small.shape, "nearest", False, none, False)),
    ):
        work()  # the tables are copied
        assert launches(work) == wanted


def test_tables_are_copied_once_for_a_geometry():
    x = to_device(Draw(0, "float32")(1, 1, 3, 4))
    geometry = ((5, 9), "linear", True, (None, None), False)
    y = cuda.interpolate_forward(x, *geometry)
    cuda.interpolate_backward_x(y, x.shape, *geometry[1:])
    before = TRANSFERS.to_device, TRANSFERS.to_host
    cuda.interpolate_forward(x, *geometry)
    cuda.interpolate_backward_x(y, x.shape, *geometry[1:])
    assert (TRANSFERS.to_device, TRANSFERS.to_host) == before


def test_tables_of_kernels_that_are_only_compiled_are_not_those_that_run(monkeypatch):
    """There arrays lie in host memory, which a GPU must never be given."""
    found = []
    for compiling in (False, True, False):
        monkeypatch.setattr(cuda, "memory_is_host", lambda compiling=compiling: compiling)
        found += cuda._tables((5,), (3,), (None,), ("nearest", False, False, np.dtype("float32"), False))
    cuda._table.cache_clear()
    assert found[0] is found[2] and found[0] is not found[1]


def test_infinity_reaches_all_that_it_has_a_part_in():
    x = Draw(0, "float64")(1, 1, 4, 5)
    x[0, 0, 1, 2] = np.inf
    for mode in ("nearest", "linear"):
        arguments = ((7, 8), mode, False, (None, None), False)
        with np.errstate(invalid="ignore"):
            expected = reference.interpolate_forward(x, *arguments)
        np.testing.assert_allclose(cuda.interpolate_forward(to_device(x), *arguments).get(), expected)


def test_strided_views_give_the_same_and_host_arrays_are_refused():
    x = Draw(1, "float32")(4, 6, 2, 3)
    view, host = to_device(x).transpose(2, 3, 0, 1), x.transpose(2, 3, 0, 1)
    arguments = ((5, 4), "linear", False, (None, None), False)
    expected = reference.interpolate_forward(host, *arguments)
    np.testing.assert_allclose(cuda.interpolate_forward(view, *arguments).get(), expected, atol=1e-6)
    with pytest.raises(TypeError, match="on the device, got ndarray"):
        cuda.interpolate_forward(host, *arguments)
    with pytest.raises(TypeError, match="on the device, got ndarray"):
        cuda.interpolate_backward_x(expected, host.shape, *arguments[1:])
    with pytest.raises(ValueError, match="mode expects one of"):
        cuda.interpolate_forward(view, (5, 4), "bilinear", False, (None, None), False)
