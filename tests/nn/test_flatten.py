"""Flatten and Unflatten: shapes, order of the elements, gradients."""

import pytest

import mediml
from mediml import nn


def test_flatten_keeps_the_batch_and_the_order():
    x = mediml.arange(24).reshape(2, 3, 4)
    assert nn.Flatten()(x).tolist() == [list(range(12)), list(range(12, 24))]
    assert tuple(nn.Flatten(0, 1)(x).shape) == (6, 4)
    assert repr(nn.Flatten()) == "Flatten(start_dim=1, end_dim=-1)"


def test_unflatten_is_its_inverse_with_gradients():
    x = mediml.arange(24).reshape(2, 12).float().requires_grad_()
    y = nn.Unflatten(1, (3, -1))(x)
    assert tuple(y.shape) == (2, 3, 4)
    assert mediml.equal(nn.Flatten()(y), x)
    (y * y).sum().backward()
    assert mediml.equal(x.grad, (2 * x).detach())
    with pytest.raises(ValueError, match="reshape"):
        nn.Unflatten(1, (5, -1))(x)
