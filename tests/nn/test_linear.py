"""Linear layers and matrix products: torch's arguments, answers, refusals and state_dict."""

import numpy as np
import pytest

import mediml
from mediml import nn
from mediml.nn import functional as F

RANDOM = np.random.default_rng(0)


def draw(*shape):
    return RANDOM.standard_normal(shape)


def compare(torch, ours, theirs, *arrays):
    """Results and gradients of the same function of the same leaves."""
    leaves = [mediml.tensor(array, requires_grad=True) for array in arrays]
    peers = [torch.tensor(array, requires_grad=True) for array in arrays]
    y, expected = ours(*leaves), theirs(*peers)
    np.testing.assert_allclose(y.detach().numpy(), expected.detach().numpy(), rtol=1e-9, atol=1e-12)
    assert tuple(y.shape) == tuple(expected.shape)
    grad_y = draw(*expected.shape)
    y.backward(mediml.tensor(grad_y))
    expected.backward(torch.tensor(grad_y))
    for leaf, peer in zip(leaves, peers):
        np.testing.assert_allclose(leaf.grad.numpy(), peer.grad.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.torch
@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 5)), ((4, 2, 3), (3,)), ((3,), (4, 3, 2)),
        ((4, 2, 3), (3, 5)), ((2, 3), (4, 3, 5)), ((4, 2, 3), (4, 3, 5)), ((4, 1, 2, 3), (5, 3, 2)),
        ((1, 2, 3), (4, 3, 2)), ((2, 1, 2, 3), (3, 2)), ((0, 3), (3, 2)), ((2, 0), (0, 2)), ((0, 2, 3), (0, 3, 2)),
        ((1, 2, 3), (3, 2)), ((2, 3), (1, 3, 2)),
    ],
)  # fmt: skip
def test_matmul_is_torchs(a, b):
    torch = pytest.importorskip("torch")
    compare(torch, F.matmul, torch.matmul, draw(*a), draw(*b))


def test_matmul_of_integers():
    a, b = mediml.tensor(np.array([[1, 2], [3, 4]])), mediml.tensor(np.array([5, 6]))
    assert F.matmul(a, b).tolist() == [17, 39] and F.matmul(b, b).item() == 61
    assert (a @ a).tolist() == [[7, 10], [15, 22]]


@pytest.mark.parametrize(
    ("a", "b", "error", "text"),
    [
        (draw(2, 3), draw(2, 3), ValueError, r"as many columns .* got shapes \(2, 3\) and \(2, 3\)"),
        (draw(3), draw(4), ValueError, "as many columns on the left as rows on the right"),
        (draw(), draw(2, 1), ValueError, "at least one axis"),
        (draw(2, 2, 3), draw(3, 3, 2), ValueError, "cannot be broadcast together"),
        (draw(2, 3), draw(3, 2).astype("f4"), TypeError, "expected one dtype, got float64 and float32"),
        (draw(2, 3), np.zeros((3, 2), int), TypeError, "expected one dtype"),
    ],
)
def test_matmul_refusals(a, b, error, text):
    with pytest.raises(error, match=text):
        F.matmul(mediml.tensor(a), mediml.tensor(b))


@pytest.mark.torch
@pytest.mark.parametrize("shape", [(7,), (5, 7), (2, 3, 7), (0, 7)])
@pytest.mark.parametrize("bias", [None, (4,), (), (1,)])
def test_linear_is_torchs(shape, bias):
    torch = pytest.importorskip("torch")
    arrays = [draw(*shape), draw(4, 7), *([] if bias is None else [draw(*bias)])]
    compare(torch, F.linear, torch.nn.functional.linear, *arrays)


@pytest.mark.torch
def test_a_weight_of_one_axis_is_torchs():
    torch = pytest.importorskip("torch")
    compare(torch, F.linear, torch.nn.functional.linear, draw(2, 5, 7), draw(7))


@pytest.mark.parametrize(
    ("x", "weight", "bias", "error", "text"),
    [
        (draw(2, 3), draw(4, 5), None, ValueError, "weight expects 3 input features, as x has, got 5"),
        (draw(), draw(4, 1), None, ValueError, "at least one axis"),
        (draw(2, 3), draw(4, 3, 1), None, ValueError, "a weight of one or two"),
        (draw(2, 3), draw(4, 3), draw(3), ValueError, "bias expects a shape that broadcasts"),
        (draw(3), draw(4, 3), draw(2, 4), ValueError, "bias expects a shape that broadcasts"),
        (draw(2, 3), draw(4, 3).astype("f4"), None, TypeError, "weight expects float64, the dtype of x"),
        (draw(2, 3), draw(4, 3), draw(1).astype("f4"), TypeError, "bias expects float64"),
        (np.zeros((2, 3), int), np.zeros((4, 3), int), None, TypeError, "x expects float32 or float64"),
    ],
)
def test_linear_refusals(x, weight, bias, error, text):
    with pytest.raises(error, match=text):
        F.linear(mediml.tensor(x), mediml.tensor(weight), None if bias is None else mediml.tensor(bias))


@pytest.mark.torch
@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (0,)])
def test_bilinear_is_torchs(shape):
    torch = pytest.importorskip("torch")
    compare(
        torch, F.bilinear, torch.nn.functional.bilinear, draw(*shape, 3), draw(*shape, 2), draw(4, 3, 2), draw(4)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("shapes", "text"),
    [
        (((5, 3), (6, 2), (4, 3, 2)), "inputs that differ in their last axis only"),
        (((5, 3), (5, 3), (4, 3, 2)), "expects 3 and 2 features, got 3 and 3"),
        (((5, 3), (5, 2), (4, 3)), "a weight of three axes"),
        (((5, 3), (5, 2), (4, 3, 2), (3,)), r"bias expects the shape \(4,\)"),
    ],
)
def test_bilinear_refusals(shapes, text):
    with pytest.raises(ValueError, match=text):
        F.bilinear(*(mediml.tensor(draw(*shape)) for shape in shapes))


@pytest.mark.torch
@pytest.mark.parametrize(
    ("name", "arguments", "inputs"),
    [
        ("Linear", (3, 5), [(2, 3)]),
        ("Linear", (3, 5, False), [(4, 2, 3)]),
        ("Bilinear", (3, 2, 5), [(4, 3), (4, 2)]),
        ("Bilinear", (3, 2, 5, False), [(3,), (2,)]),
        ("Identity", (1, 2), [(2, 3)]),
    ],
)
def test_layers_are_torchs(name, arguments, inputs):
    torch = pytest.importorskip("torch")
    options = {} if name == "Identity" else {"dtype": torch.float64}
    peer = getattr(torch.nn, name)(*arguments, **options)
    layer = getattr(nn, name)(*arguments, **({} if name == "Identity" else {"dtype": mediml.float64}))
    assert repr(layer) == repr(peer)
    assert list(layer.state_dict()) == list(peer.state_dict())
    layer.load_state_dict({key: mediml.tensor(value.numpy()) for key, value in peer.state_dict().items()})
    compare(torch, layer, peer, *(draw(*shape) for shape in inputs))


def test_initial_values_are_uniform_within_the_bound_of_torch():
    mediml.manual_seed(0)
    for layer, fan in ((nn.Linear(100, 50), 100), (nn.Bilinear(64, 10, 20), 64)):
        for parameter in layer.parameters():
            largest = np.abs(parameter.detach().numpy()).max()
            assert 0.8 / np.sqrt(fan) < largest <= 1 / np.sqrt(fan)
            assert parameter.dtype == mediml.float32


def test_bilinear_needs_features():
    with pytest.raises(ValueError, match="in1_features expects a number of at least 1, got 0"):
        nn.Bilinear(0, 2, 3)
