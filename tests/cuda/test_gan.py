"""Adversarial objectives on the GPU against the formula: every objective and reduction, corners, nothing."""

import numpy as np
import pytest
from cuda_harness import DTYPES, Call, check

from kernels.gan import cuda, shapes
from kernels.gpu.transfer import TRANSFERS, to_device

#: The corners of the hinge, both zeros, what overflows an exponential, NaN.
CORNERS = [1.0, -1.0, 0.0, -0.0, 800.0, -800.0, 1e20, np.nan, np.inf, -np.inf]


def _calls(objective, reduction, real, fake, note):
    def gradient(draw, scores):
        array = scores(draw)
        return np.asarray(draw(*array.shape) if reduction == "none" else draw(1)[0]), array, objective, reduction

    note = f"{objective} {reduction} {note}"
    yield Call("gan", "discriminator_loss_forward", lambda d: (real(d), fake(d), objective, reduction), note)
    yield Call("gan", "generator_loss_forward", lambda d: (fake(d), objective, reduction), note)
    yield Call("gan", "discriminator_loss_backward_real", lambda d: gradient(d, real), note)
    yield Call("gan", "discriminator_loss_backward_fake", lambda d: gradient(d, fake), note)
    yield Call("gan", "generator_loss_backward_fake", lambda d: gradient(d, fake), note)


CALLS = [
    *(
        call
        for objective in shapes.OBJECTIVES
        for reduction in shapes.REDUCTIONS
        for call in _calls(objective, reduction, lambda d: d(5, 7), lambda d: d(3, 1, 11), "")
    ),
    *(
        call
        for objective in shapes.OBJECTIVES
        for call in _calls(objective, "none", lambda d: d.array(CORNERS), lambda d: d.array(CORNERS), "corners")
    ),
    *_calls("minimax", "mean", lambda d: d(0, 4), lambda d: np.asarray(d(1)[0]), "nothing and one"),
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("call", CALLS, ids=str)
def test_call(call, dtype):
    check(call, dtype)


def test_every_function_is_called():
    assert {call.function for call in CALLS} == set(cuda.__all__)


def test_nothing_is_copied_to_the_host_and_nothing_taken_from_there():
    scores = np.ones((3, 4), np.float32)
    device, before = to_device(scores), TRANSFERS.to_host
    y = cuda.discriminator_loss_forward(device.T, device, "hinge", "mean")
    cuda.discriminator_loss_backward_real(y, device.T, "hinge", "mean")
    assert TRANSFERS.to_host == before
    assert float(y.get()) == 2
    with pytest.raises(TypeError, match="array on the device"):
        cuda.generator_loss_forward(scores, "hinge", "mean")
