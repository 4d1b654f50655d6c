"""Dropout on the GPU against the formula: masks of elements and of channels, NaN and infinity, p = 0 and 1."""

import numpy as np
import pytest
from cuda_harness import DTYPES, Call, check

from kernels.dropout import cuda, reference
from kernels.gpu import random
from kernels.gpu.transfer import to_device

FUNCTIONS = ("alpha_dropout_backward_x", "alpha_dropout_forward", "dropout_backward_x", "dropout_forward")

#: Shape of x, how many of its axes the mask has, p.
CASES = [
    ((3, 5, 7), 3, 0.3), ((3, 5, 7), 2, 0.3), ((2, 3, 5, 3), 2, 0.5), ((40, 1), 1, 0.2), ((), 0, 0.5), ((4,), 0, 0.5),
    ((0, 4), 2, 0.5), ((3, 0), 1, 0.5), ((5, 6), 2, 0.0), ((5, 6), 2, 1.0), ((5, 6), 1, 1), ((1, 2, 33), 2, 0.9),
]  # fmt: skip


def _arguments(draw, shape, axes, p):
    x = np.asarray(draw(*shape))
    if x.size > 3:
        x.reshape(-1)[:3] = np.nan, np.inf, -np.inf
    return x, np.asarray(draw.generator.uniform(size=shape[:axes]) >= p), p


CALLS = [
    Call("dropout", function, lambda draw, case=case: _arguments(draw, *case), str(case))
    for function in FUNCTIONS
    for case in CASES
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("call", CALLS, ids=str)
def test_call(call, dtype):
    check(call, dtype)


def test_every_function_is_called():
    assert set(FUNCTIONS) == set(cuda.__all__)


def test_strided_arrays_and_a_mask_drawn_on_the_device():
    x = np.random.default_rng(0).standard_normal((6, 5))
    mask = random.bernoulli(0.6, (5, 6), seed=3)
    y = cuda.dropout_forward(to_device(x).T, mask, 0.4).get()
    np.testing.assert_allclose(y, reference.dropout_forward(x.T, mask.get(), 0.4))
    y = cuda.dropout_forward(to_device(x).T, mask[:, 0], 0.4).get()
    np.testing.assert_allclose(y, reference.dropout_forward(x.T, mask.get()[:, 0], 0.4))


def test_arrays_of_the_host_are_refused():
    x, mask = np.ones((3, 4)), np.ones((3, 4), bool)
    for arguments in ((x, to_device(mask)), (to_device(x), mask), (to_device(x), mask[:, 0])):
        with pytest.raises(TypeError, match="array on the device"):
            cuda.dropout_forward(*arguments, 0.5)
