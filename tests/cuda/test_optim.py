"""Updates of parameters on the GPU."""

import itertools

import numpy as np
import pytest
from cuda_harness import DTYPES, Call, Draw, check, compare

from kernels.gpu import launch
from kernels.gpu.transfer import to_device
from kernels.optim import cuda, reference


def sgd(note, shape=(3, 5), momentum=0.0, dampening=0.0, decay=0.0, is_first=False, nesterov=False, maximize=False):
    def arguments(draw):
        buffer = draw(*shape) if momentum else None
        return draw(*shape), draw(*shape), buffer, is_first, 0.1, momentum, dampening, decay, nesterov, maximize

    return Call("optim", "sgd_update", arguments, note)


def adam(note, shape=(3, 5), step=3, betas=(0.9, 0.99), eps=1e-3, decay=0.0, decoupled=False, maximize=False, u=False):
    def arguments(draw):
        state = draw(*shape), draw.uniform(*shape), draw.uniform(*shape) if u else None
        return draw(*shape), draw(*shape), *state, step, 0.1, *betas, eps, decay, decoupled, maximize

    return Call("optim", "adam_update", arguments, note)


def corners(draw):
    """NaN and infinity in the gradient, in the parameter, in the state (not an infinite mean: inf - inf is NaN)."""
    p, g, m, v, u = draw(2, 7), draw(2, 7), draw(2, 7), draw.uniform(2, 7), draw.uniform(2, 7)
    for i, array in enumerate((p, g, m, v, u)):
        array[0, i] = np.nan
        if array is not m:
            array[1, i] = np.inf
    return p, g, m, v, u


def adam_corners(draw):
    p, g, m, v, u = corners(draw)
    return p, g, m, v, u, 2, 0.1, 0.9, 0.99, 1e-8, 0.0, False, False


def sgd_corners(draw):
    p, g, m, _, _ = corners(draw)
    return p, g, m, False, 0.1, 0.9, 0.0, 0.0, True, False


CALLS = [
    sgd("plain"),
    sgd("more elements than threads in the grid", shape=(9, 11)),
    sgd("no axes", shape=()),
    sgd("empty", shape=(0, 3), momentum=0.9),
    sgd("decay, maximize", decay=0.3, maximize=True),
    *(
        sgd(
            f"momentum, first={first} nesterov={nesterov} maximize={maximize}",
            (4, 3),
            0.9,
            0.2,
            0.1,
            first,
            nesterov,
            maximize,
        )
        for first, nesterov, maximize in itertools.product((False, True), repeat=3)
    ),
    *(
        adam(
            f"decay={decay} decoupled={decoupled} maximize={maximize} amsgrad={u}",
            (7, 5),
            3,
            (0.9, 0.99),
            1e-3,
            decay,
            decoupled,
            maximize,
            u,
        )
        for decay, decoupled, maximize, u in itertools.product((0.0, 0.2), (False, True), (False, True), (False, True))
    ),
    adam("first step", step=1),
    adam("no memory", betas=(0.0, 0.0)),
    adam("empty", shape=(0,), u=True),
    Call("optim", "adam_update", adam_corners, "NaN and inf"),
    Call("optim", "sgd_update", sgd_corners, "NaN and inf"),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("call", CALLS, ids=str)
def test_call(call, dtype):
    check(call, dtype)


def test_one_launch_for_an_update():
    arrays = [to_device(Draw(i, "float32").uniform(3, 4)) for i in range(5)]
    before = launch.LAUNCHES.value
    cuda.adam_update(*arrays, 1, 0.1, 0.9, 0.99, 1e-8, 0.01, True, False)
    cuda.sgd_update(*arrays[:3], False, 0.1, 0.9, 0.0, 0.01, True, False)
    assert launch.LAUNCHES.value == before + 2


def test_strided_views_are_changed_in_place():
    arrays = [Draw(i, "float64").uniform(4, 3) for i in range(4)]
    held = [to_device(array.T) for array in arrays]
    cuda.adam_update(*(x.T for x in held), None, 2, 0.1, 0.9, 0.99, 1e-8, 0.01, True, False)
    reference.adam_update(*arrays, None, 2, 0.1, 0.9, 0.99, 1e-8, 0.01, True, False)
    for x, array in zip(held, arrays):
        compare(x.get(), array.T.copy(), 1e-12, "strided")


def test_refusals():
    p, g = (to_device(Draw(i, "float32")(3)) for i in range(2))
    with pytest.raises(ValueError, match="momentum_buffer expects an array where momentum is not 0, got None"):
        cuda.sgd_update(p, g, None, False, 0.1, 0.9, 0.0, 0.0, False, False)
    with pytest.raises(ValueError, match="step expects the number of this step, at least 1, got 0"):
        cuda.adam_update(p, g, p, p, None, 0, 0.1, 0.9, 0.99, 1e-8, 0.0, False, False)
    with pytest.raises(TypeError, match="expects an array on the device, got ndarray"):
        cuda.sgd_update(p, g.get(), None, False, 0.1, 0.0, 0.0, 0.0, False, False)
