"""Parameters as one vector and back: order, tape, memory, refusals."""

import numpy as np
import pytest

import mediml
from mediml import nn
from mediml.nn.utils import parameters_to_vector, vector_to_parameters


def layer():
    made = nn.Linear(3, 2, dtype=mediml.float64)
    vector_to_parameters(mediml.arange(8, dtype=mediml.float64), made.parameters())
    return made


def test_by_hand():
    made = layer()
    assert made.weight.tolist() == [[0, 1, 2], [3, 4, 5]] and made.bias.tolist() == [6, 7]
    assert parameters_to_vector(made.parameters()).tolist() == list(range(8))
    assert isinstance(made.weight, nn.Parameter) and made.weight.requires_grad and made.weight.is_leaf


def test_the_vector_is_on_the_tape():
    made = layer()
    (parameters_to_vector(made.parameters()) * mediml.arange(8, dtype=mediml.float64)).sum().backward()
    assert made.weight.grad.tolist() == [[0, 1, 2], [3, 4, 5]] and made.bias.grad.tolist() == [6, 7]


def test_parameters_share_the_vectors_memory_as_in_torch():
    made, vector = layer(), mediml.zeros(8, dtype=mediml.float64)
    vector_to_parameters(vector, made.parameters())
    vector[7] = 5.0
    assert made.bias.tolist() == [0, 5]


def test_there_and_back_leaves_a_model_as_it_was():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 3))
    x = mediml.randn(2, 1, 4, 4)
    expected, vector = model(x).detach().numpy().copy(), parameters_to_vector(model.parameters())
    vector_to_parameters(vector * 0, model.parameters())
    assert (model(x) == 0).all()
    vector_to_parameters(vector, model.parameters())
    np.testing.assert_array_equal(model(x).detach().numpy(), expected)


def test_a_change_between_forward_and_backward_is_noticed():
    made = layer()
    y = made(mediml.ones(1, 3, dtype=mediml.float64, requires_grad=True)).sum()
    vector_to_parameters(mediml.zeros(8, dtype=mediml.float64), made.parameters())
    with pytest.raises(RuntimeError, match="changed"):
        y.backward()


def test_refusals():
    made = layer()
    with pytest.raises(ValueError, match=r"vec expects one dimension of 8 numbers, got shape \(7,\)"):
        vector_to_parameters(mediml.zeros(7), made.parameters())
    with pytest.raises(ValueError, match=r"got shape \(2, 4\)"):
        vector_to_parameters(mediml.zeros(2, 4), made.parameters())
    with pytest.raises(TypeError, match=r"expected a mediml.Tensor, got ndarray"):
        vector_to_parameters(np.zeros(8), made.parameters())
    with pytest.raises(TypeError, match="on the device of vec, reference"):
        vector_to_parameters(mediml.zeros(8, device="reference"), made.parameters())
    with pytest.raises(ValueError, match="at least one tensor, got none"):
        parameters_to_vector([])
    with pytest.raises(TypeError, match="tensors on one device"):
        parameters_to_vector([mediml.zeros(1), mediml.zeros(1, device="reference")])
    assert parameters_to_vector(made.parameters()).tolist() == list(range(8))
