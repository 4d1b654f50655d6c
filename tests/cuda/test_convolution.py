"""The three sums that the families conv and conv_transpose share: as formula, and with tiles in shared memory."""

import numpy as np
import pytest
from cuda_harness import TOLERANCE, Draw, compare
from test_conv import GEOMETRIES, y_shape

from kernels.conv import cuda_steps, reference
from kernels.gpu import convolution, convolution_direct, convolution_tiled, ptx
from kernels.gpu.convolution_tiled import TILES, Tile, tile_for
from kernels.gpu.launch import LAUNCHES
from kernels.gpu.memory import empty
from kernels.gpu.target import SIMULATED
from kernels.gpu.transfer import to_device

SUMS = ("gather", "spread", "relate")
INF = np.inf

#: Small ones for the simulator: more rows or more columns, one slab for several steps, runs of one and two.
TINY = (Tile(4, 4, 2, 2, 2, 1), Tile(8, 4, 4, 4, 2, 2))


def arguments(geometry, dtype, bias=True):
    """Of each sum: device arrays of five axes, the last the one that is written, and the geometry."""
    x_shape, w_shape, stride, padding, dilation, groups = geometry
    draw = Draw(len(x_shape), dtype)
    x, weight, y = draw(*x_shape), draw(*w_shape), draw(*y_shape(geometry))
    on_device = {name: to_device(volume(array)) for name, array in (("x", x), ("weight", weight), ("y", y))}
    biases = [to_device(draw(size)) if bias else empty(0, dtype) for size in (w_shape[0], x_shape[1])]
    three = (convolution._three_axes(x_shape[2:], stride, padding, dilation), groups)
    outs = [empty(on_device[name].shape, dtype) for name in ("y", "x", "weight")]
    return {
        "gather": ((on_device["x"], on_device["weight"], biases[0], outs[0]), (*three[0], groups)),
        "spread": ((on_device["y"], on_device["weight"], biases[1], outs[1]), (*three[0], groups)),
        "relate": ((on_device["y"], on_device["x"], outs[2]), (*three[0], groups)),
    }


def volume(array):
    """(N, C, W) and (N, C, H, W) with the missing axes."""
    return array.reshape(*array.shape[:2], *(1,) * (5 - array.ndim), *array.shape[2:])


def run(name, arrays, geometry, tile=None):
    """What a sum writes: as formula, or with a tile."""
    if tile is None:
        getattr(convolution_direct, f"{name}_direct")(*arrays, *geometry)
    else:
        assert getattr(convolution_tiled, f"{name}_tiled")(*arrays, *geometry, tile=tile)
    result = arrays[-1].get()
    arrays[-1].fill(np.nan)
    return result


@pytest.mark.parametrize("note", [note for note in GEOMETRIES if note not in ("empty batch", "no channels")])
def test_tiles_compute_what_the_formula_says(note):
    sums = arguments(GEOMETRIES[note], "float64")
    for name, (arrays, geometry) in sums.items():
        expected = run(name, arrays, geometry)
        for tile in TINY if SIMULATED else TILES:
            compare(run(name, arrays, geometry, tile), expected, TOLERANCE["float64"], f"{name} {tile}")


@pytest.mark.parametrize("name", SUMS)
def test_tiles_of_a_gpu(name):
    """A size fit for a GPU, with an edge inside a tile on either side."""
    geometry = ((1, 5, 5, 8), (67, 5, 2, 2), (1, 2), (1, 1), (1, 1), 1)
    arrays, places = arguments(geometry, "float32", bias=False)[name]
    expected = run(name, arrays, places)
    tile = Tile(64, 32, 8, 8, 8, 4)  # a block is one warp
    compare(run(name, arrays, places, tile), expected, TOLERANCE["float32"], name)


def test_the_formula_is_the_reference():
    """`gather_direct` and `gather_tiled` called as the docstring shows."""
    draw = Draw(0, "float64")
    x, weight = draw(2, 3, 5, 6), draw(4, 3, 3, 3)
    expected = reference.conv2d_forward(x, weight, None, (1, 1), (1, 1), (1, 1), 1)
    x, weight, y = (to_device(array)[:, :, None] for array in (x, weight, expected))
    geometry = (1, 1, 1), (0, 1, 1), (1, 1, 1), 1
    for function in (convolution_direct.gather_direct, convolution_tiled.gather_tiled):
        y.fill(np.nan)
        function(x, weight, empty(0, x.dtype), y, *geometry)
        if function is convolution_direct.gather_direct or SIMULATED:  # on a GPU this is too small for tiles
            np.testing.assert_allclose(y[:, :, 0].get(), expected, rtol=1e-12)


@pytest.mark.parametrize("stride", [(1, 1), (2, 3)])
def test_spread_leaves_the_padding_out_also_with_tiles(stride):
    """inf * 0 of a tile is mended by the formula; a real inf - inf stays NaN."""
    geometry = ((1, 5, 6, 7), (4, 5, 3, 3), stride, (2, 1), (1, 1), 1)
    (coarse, weight, bias, fine), places = arguments(geometry, "float64")["spread"]
    changed = weight.get()
    changed[0, 1, 0, 0, 2], changed[2, 1, 0, 2, 0], changed[1, 3, 0, 1, 1] = INF, -INF, np.nan
    arrays = (coarse, to_device(changed), bias, fine)
    expected = run("spread", arrays, places)
    assert 0 < np.isnan(expected).sum() < expected.size / 2
    for tile in TINY if SIMULATED else TILES:
        compare(run("spread", arrays, places, tile), expected, 1e-12, str(tile))


@pytest.mark.parametrize("name", ["gather", "relate"])
@pytest.mark.parametrize("infinite", [0, 1])
def test_beyond_the_end_of_a_sum_both_factors_are_zero(name, infinite):
    """27 steps, or 35 places, fill no whole number of slabs: what lies beyond must not meet an infinity."""
    geometry = ((1, 3, 7, 9), (4, 3, 3, 3), (1, 1), (0, 0), (1, 1), 1)
    arrays, places = arguments(geometry, "float64", bias=False)[name]
    changed = np.abs(arrays[infinite].get()) + 1
    changed[0, 0, 0, 0, 0] = INF
    arrays = (*arrays[:infinite], to_device(changed), *arrays[infinite + 1 :])
    expected = run(name, arrays, places)
    assert np.isinf(expected).any()
    assert not np.isnan(expected).any()
    for tile in TINY if SIMULATED else TILES:
        compare(run(name, arrays, places, tile), expected, 1e-12, str(tile))


def test_long_sums_are_cut_into_parts_by_the_shape():
    parts = [convolution_direct.parts_of(places, 8192, 9, 512) for places in (1, 100, 10_000, 10_000_000, 10**12)]
    assert parts[0] == 1
    assert parts == sorted(parts)
    assert parts[-1] == 65535
    assert convolution_direct.parts_of(10**7, 8192, 10**6, 512) == -(-(10**7) // 8192)  # for the sake of rounding


@pytest.mark.skipif(SIMULATED, reason="the simulator has one tiny tile")
@pytest.mark.anywhere
@pytest.mark.parametrize(
    ("rows", "columns", "steps", "sums", "expected"),
    [
        (512, 100_000, 576, 1, TILES[0]),
        (64, 100_000, 576, 1, TILES[1]),
        (512, 49, 4608, 1, TILES[2]),  # few pixels
        (32, 100_000, 288, 1, TILES[3]),
        (20, 20, 100, 1, TILES[2]),  # none is half full
        (1, 100_000, 9, 64, None),  # depthwise
        (64, 100_000, 64, 70_000, None),  # more groups than a grid has
    ],
)
def test_the_tile_follows_from_the_shape(rows, columns, steps, sums, expected):
    assert tile_for(rows, columns, steps, sums, np.dtype(np.float32)) == expected


def test_launches():
    """One for a forward pass; the gradient of the weights has a second one to add up its parts."""
    sums = arguments(((1, 3, 6, 7), (4, 3, 3, 3), (1, 1), (1, 1), (1, 1), 1), "float32")
    for name, most in (("gather", 1), ("spread", 1), ("relate", 2)):
        arrays, geometry = sums[name]
        before = LAUNCHES.value
        convolution_tiled.__dict__[f"{name}_tiled"](*arrays, *geometry, tile=TINY[0])
        assert LAUNCHES.value - before <= most + (name == "relate"), name  # tests fill the partial sums with NaN


class OfTile:
    """For ``test_ptx.py``: a sum with a tile of a GPU, which is too large to be simulated for each geometry."""

    def __init__(self, name, tile):
        self.name, self.tile = name, tile

    def on_device(self, dtype):
        """Launch it."""
        arrays, geometry = arguments(GEOMETRIES["volume"], dtype)[self.name]
        getattr(convolution_tiled, f"{self.name}_tiled")(*arrays, *geometry, tile=self.tile)


class OfStep:
    """For ``test_ptx.py``."""

    def __init__(self, function):
        self.function = function

    def on_device(self, dtype):
        """Launch it."""
        x, weight, *geometry = GEOMETRIES["plain"]
        self.function(to_device(np.ones(x, dtype)), to_device(np.ones(weight, dtype)), None, *geometry)


STEPS = (cuda_steps.conv2d_forward_direct, cuda_steps.conv2d_forward_tiled)
CALLS = [*(OfTile(name, TILES[2]) for name in SUMS), *map(OfStep, STEPS)]


@pytest.mark.anywhere
@pytest.mark.skipif(ptx.problem() is not None, reason=str(ptx.problem()))
@pytest.mark.parametrize(("name", "tile"), [*((name, TILES[0]) for name in SUMS), *(("gather", t) for t in TILES[1:])])
def test_sums_of_a_thread_stay_in_registers_and_runs_are_one_read(name, tile):
    with ptx.compiling(targets=((9, 0),), keep=True) as compiled:
        OfTile(name, tile).on_device("float32")
    assert not compiled.failures, "\n".join(compiled.failures)
    (text,) = (text for (kernel, *_), text in compiled.ptx.items() if kernel.endswith("sum_of_tiles"))
    assert ".local" not in text
    assert text.count("ld.shared.v4.f32") >= (tile.R + tile.C) // 4
