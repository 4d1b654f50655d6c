"""Padding layers: torch's answers, texts and refusals."""

import numpy as np
import pytest

import mediml
from mediml import nn

SHAPES = {1: (2, 3, 6), 2: (1, 2, 5, 6), 3: (1, 2, 4, 5, 6)}
PADDINGS = {1: (2, 3), 2: (1, 2, 3, 0), 3: (1, 2, 0, 3, 2, 1)}
NAMES = [
    f"{kind}Pad{rank}d" for kind in ("Circular", "Constant", "Reflection", "Replication", "Zero") for rank in SHAPES
]


def made(package, name, padding):
    return getattr(package, name)(padding, *((3.5,) if name.startswith("Constant") else ()))


@pytest.mark.torch
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["one number", "every side", "cropping", "without a batch"])
def test_layers_are_torchs(name, kind):
    torch = pytest.importorskip("torch")
    rank = int(name[-2])
    padding = {"one number": 1, "cropping": (-1, *PADDINGS[rank][1:])}.get(kind, PADDINGS[rank])
    layer, peer = made(nn, name, padding), made(torch.nn, name, padding)
    assert repr(layer) == repr(peer) and layer.padding == peer.padding
    array = np.random.default_rng(0).standard_normal(SHAPES[rank][kind == "without a batch" :])
    x, z = mediml.tensor(array, requires_grad=True), torch.tensor(array, requires_grad=True)
    y, expected = layer(x), peer(z)
    np.testing.assert_array_equal(y.detach().numpy(), expected.detach().numpy())
    grad_y = np.random.default_rng(1).standard_normal(tuple(expected.shape))
    y.backward(mediml.tensor(grad_y))
    expected.backward(torch.tensor(grad_y))
    np.testing.assert_allclose(x.grad.numpy(), z.grad.numpy(), rtol=1e-12)


def test_each_kind_by_hand():
    x = mediml.tensor([[1.0, 2.0, 3.0]])
    rows = {name[:-5]: made(nn, name, (1, 2))(x).tolist()[0] for name in NAMES if name.endswith("1d")}
    assert rows == {
        "Circular": [3, 1, 2, 3, 1, 2],
        "Constant": [3.5, 1, 2, 3, 3.5, 3.5],
        "Reflection": [2, 1, 2, 3, 2, 1],
        "Replication": [1, 1, 2, 3, 3, 3],
        "Zero": [0, 1, 2, 3, 0, 0],
    }


@pytest.mark.parametrize(
    ("layer", "shape", "text"),
    [
        (nn.ReflectionPad1d(3), (1, 1, 3), "expects at most 2"),
        (nn.CircularPad2d(1), (1, 1, 1, 3, 3), "CircularPad2d: input expects 3 or 4 axes"),
        (nn.ZeroPad1d(-2), (1, 3), "fewer than"),
        (nn.ConstantPad2d(1, 0.0), (3,), "two numbers for each of at most 1 axes"),
    ],
)
def test_refusals(layer, shape, text):
    with pytest.raises(ValueError, match=text):
        layer(mediml.zeros(shape))
