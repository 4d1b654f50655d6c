"""Initial values: bounds, deviations and refusals as torch.nn.init states them."""

import math

import numpy as np
import pytest

import mediml
from mediml.nn import init

SHAPE = (64, 32, 3, 3)
FAN_IN, FAN_OUT = 32 * 9, 64 * 9


def deviation(tensor):
    return tensor.numpy().std()


@pytest.mark.parametrize(
    ("initialise", "expected"),
    [
        (lambda t: init.uniform_(t, -1, 3), 4 / math.sqrt(12)),
        (lambda t: init.normal_(t, 1, 0.5), 0.5),
        (lambda t: init.xavier_uniform_(t, 2.0), 2 * math.sqrt(2 / (FAN_IN + FAN_OUT))),
        (lambda t: init.xavier_normal_(t), math.sqrt(2 / (FAN_IN + FAN_OUT))),
        (lambda t: init.kaiming_uniform_(t, a=math.sqrt(5)), math.sqrt(2 / 6 / FAN_IN)),
        (lambda t: init.kaiming_normal_(t, mode="fan_out", nonlinearity="relu"), math.sqrt(2 / FAN_OUT)),
        (lambda t: init.trunc_normal_(t, std=0.5, a=-0.5, b=0.5), 0.5 * 0.5396),
    ],
)
def test_deviation(initialise, expected):
    mediml.manual_seed(0)
    tensor = mediml.empty(SHAPE)
    assert initialise(tensor) is tensor
    assert deviation(tensor) == pytest.approx(expected, rel=0.02)


def test_bounds():
    mediml.manual_seed(0)
    bound = math.sqrt(6 / (FAN_IN + FAN_OUT))
    values = init.xavier_uniform_(mediml.empty(SHAPE)).numpy()
    assert abs(values).max() <= bound
    assert abs(values).max() > 0.99 * bound
    truncated = init.trunc_normal_(mediml.empty(SHAPE), a=-1, b=1.5).numpy()
    assert truncated.min() >= -1
    assert truncated.max() <= 1.5


def test_exact_values():
    assert init.eye_(mediml.empty(2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert init.constant_(mediml.empty(2), 3).tolist() == [3, 3]
    kernel = init.dirac_(mediml.empty(4, 2, 3), groups=2).numpy()
    assert np.argwhere(kernel).tolist() == [[0, 0, 1], [1, 1, 1], [2, 0, 1], [3, 1, 1]]
    for shape in ((5, 3), (3, 5), (4, 2, 2)):
        matrix = init.orthogonal_(mediml.empty(shape, dtype=mediml.float64), gain=2).numpy().reshape(shape[0], -1)
        small = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
        np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-12)


@pytest.mark.torch
@pytest.mark.parametrize("name", ["linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"])
def test_gains_are_torchs(name):
    torch = pytest.importorskip("torch")
    assert init.calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name))


def test_refusals():
    with pytest.raises(ValueError, match="at least 2 dimensions"):
        init.kaiming_uniform_(mediml.empty(3))
    with pytest.raises(ValueError, match="fan_in"):
        init.kaiming_normal_(mediml.empty(3, 3), mode="fan")
    with pytest.raises(ValueError, match="unknown nonlinearity"):
        init.calculate_gain("swishy")
    with pytest.raises(ValueError, match="groups must divide"):
        init.dirac_(mediml.empty(3, 2, 3), groups=2)


def test_initialising_a_parameter_leaves_the_tape_alone():
    parameter = mediml.nn.Parameter(mediml.empty(2, 2))
    init.normal_(parameter)
    assert parameter.is_leaf
    assert parameter.requires_grad
