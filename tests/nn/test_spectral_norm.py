"""Spectral normalisation: singular values, torch's training step by step, state, copies, removal, refusals."""

import copy

import numpy as np
import pytest

import mediml
from mediml import nn, optim
from mediml.nn.utils import remove_spectral_norm, spectral_norm


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def largest_singular_value(layer):
    return np.linalg.svd(layer.weight.detach().numpy().reshape(layer.weight.shape[0], -1))[1][0]


def test_by_hand():
    """W = diag(3, 1) and u = (3, 1) / sqrt 10: W^T u ~ (9, 1), W v ~ (27, 1), sigma = u^T W v."""
    layer = spectral_norm(nn.Linear(2, 2, bias=False, dtype=mediml.float64))
    with mediml.no_grad():
        layer.weight_orig.copy_(mediml.tensor([[3.0, 0], [0, 1]]))
        layer.weight_u.copy_(mediml.tensor([3.0, 1.0], dtype=mediml.float64) / 10**0.5)
    y = layer(mediml.eye(2, dtype=mediml.float64))
    v, u = np.array([9, 1]) / np.hypot(9, 1), np.array([27, 1]) / np.hypot(27, 1)
    np.testing.assert_allclose(layer.weight_v.numpy(), v, rtol=1e-12)
    np.testing.assert_allclose(layer.weight_u.numpy(), u, rtol=1e-12)
    sigma = 3 * u[0] * v[0] + u[1] * v[1]
    np.testing.assert_allclose(y.detach().numpy(), np.diag([3, 1]) / sigma, rtol=1e-12)


@pytest.mark.parametrize("layer", [nn.Linear(5, 7), nn.Conv2d(3, 4, (2, 3)), nn.Conv1d(2, 9, 3)])
def test_the_norm_becomes_one(layer):
    mediml.manual_seed(0)
    layer = spectral_norm(layer.double())
    x = mediml.tensor(
        draw(2, 5) if isinstance(layer, nn.Linear) else draw(2, layer.in_channels, *[6] * (layer.weight.ndim - 2))
    )
    for _ in range(300):
        layer(x)
    assert largest_singular_value(layer) == pytest.approx(1, rel=1e-6)


def test_a_network_of_normalised_layers_is_1_lipschitz():
    mediml.manual_seed(0)
    layers = [spectral_norm(nn.Linear(*sizes, dtype=mediml.float64)) for sizes in ((6, 20), (20, 20), (20, 1))]
    network = nn.Sequential(layers[0], nn.LeakyReLU(0.2), layers[1], nn.ReLU(), layers[2])
    x, z = mediml.tensor(100 * draw(500, 6)), mediml.tensor(100 * draw(500, 6, seed=1))
    for _ in range(200):
        network(x[:2])
    network.eval()
    rise = (network(x) - network(z)).abs().detach().numpy()[:, 0]
    assert (rise <= 1.0001 * np.linalg.norm((x - z).numpy(), axis=1)).all() and rise.max() > 0


def twins(torch, layer, peer, **options):
    peer, layer = torch.nn.utils.spectral_norm(peer.double(), **options), spectral_norm(layer.double(), **options)
    assert list(layer.state_dict()) == list(peer.state_dict())
    layer.load_state_dict({name: value.numpy().copy() for name, value in peer.state_dict().items()})
    return layer, peer


def agree(layer, peer):
    for name, value in peer.state_dict().items():
        np.testing.assert_allclose(layer.state_dict()[name].numpy(), value.numpy(), rtol=1e-9, atol=1e-12, err_msg=name)


LAYERS = {
    "linear": ("Linear", (5, 3), (4, 5), {}),
    "conv": ("Conv2d", (2, 3, 3), (2, 2, 6, 5), {}),
    "axis 1, three iterations": ("Conv2d", (2, 3, 3), (2, 2, 6, 5), {"dim": 1, "n_power_iterations": 3}),
    "another parameter": ("Linear", (5, 3), (4, 5), {"name": "bias"}),
    "large eps": ("Linear", (5, 3), (4, 5), {"eps": 2.0}),
}


@pytest.mark.torch
@pytest.mark.parametrize(("name", "arguments", "shape", "options"), LAYERS.values(), ids=LAYERS)
def test_training_is_torchs_step_by_step(name, arguments, shape, options):
    """Two forwards before each backward, as D(real) - D(fake); the state, gradients and inputs' gradients at each."""
    torch = pytest.importorskip("torch")
    layer, peer = twins(torch, getattr(nn, name)(*arguments), getattr(torch.nn, name)(*arguments), **options)
    steps = (
        optim.SGD(layer.parameters(), lr=0.1, momentum=0.9),
        torch.optim.SGD(peer.parameters(), lr=0.1, momentum=0.9),
    )
    original = options.get("name", "weight") + "_orig"
    for step in range(5):
        gradients = []
        for package, module, optimizer in ((mediml, layer, steps[0]), (torch, peer, steps[1])):
            optimizer.zero_grad()
            x = package.tensor(draw(*shape, seed=step), requires_grad=True)
            loss = module(x).tanh().pow(2).mean() - module(package.tensor(draw(*shape, seed=99 + step))).mean()
            loss.backward()
            gradients.append([a.detach().numpy() for a in (loss, x.grad, getattr(module, original).grad)])
        for ours, theirs in zip(*gradients):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
        agree(layer, peer)
        for optimizer in steps:
            optimizer.step()
        agree(layer, peer)
    layer.eval()
    peer.eval()
    x = draw(*shape)
    for _ in range(2):  # in use u and v stay as they are
        y, expected = layer(mediml.tensor(x)), peer(torch.tensor(x))
        np.testing.assert_allclose(y.detach().numpy(), expected.detach().numpy(), rtol=1e-9, atol=1e-12)
        agree(layer, peer)
    remove_spectral_norm(layer, options.get("name", "weight"))
    torch.nn.utils.remove_spectral_norm(peer, options.get("name", "weight"))
    assert list(layer.state_dict()) == list(peer.state_dict())
    agree(layer, peer)
    np.testing.assert_allclose(layer(mediml.tensor(x)).detach().numpy(), y.detach().numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.torch
def test_weights_load_into_torch():
    torch = pytest.importorskip("torch")
    layer, peer = spectral_norm(nn.Linear(4, 3)), torch.nn.utils.spectral_norm(torch.nn.Linear(4, 3))
    layer(mediml.randn(2, 4))
    peer.load_state_dict({name: torch.tensor(value.numpy()) for name, value in layer.state_dict().items()})
    x = draw(5, 4).astype(np.float32)
    y, expected = layer.eval()(mediml.tensor(x)), peer.eval()(torch.tensor(x))
    np.testing.assert_allclose(y.detach().numpy(), expected.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_the_gradient_goes_through_sigma():
    """By finite differences at fixed u and v: y depends on the weight through the quotient."""
    layer = spectral_norm(nn.Linear(4, 3, dtype=mediml.float64)).eval()
    x, direction, cotangent = mediml.tensor(draw(5, 4)), draw(3, 4, seed=1), draw(5, 3, seed=2)
    layer(x).backward(mediml.tensor(cotangent))
    slope = (layer.weight_orig.grad.numpy() * direction).sum()

    def along(step):
        moved = copy.deepcopy(layer)
        with mediml.no_grad():
            moved.weight_orig.add_(mediml.tensor(step * direction))
        return (moved(x).detach().numpy() * cotangent).sum()

    assert slope == pytest.approx((along(1e-6) - along(-1e-6)) / 2e-6, rel=1e-6)


def test_what_a_normalised_layer_consists_of():
    layer = spectral_norm(nn.Linear(4, 3))
    assert set(layer._parameters) == {"bias", "weight_orig"} and set(layer._buffers) == {"weight_u", "weight_v"}
    assert layer.weight_u.shape == (3,) and layer.weight_v.shape == (4,)
    assert np.shares_memory(layer.weight.numpy(), layer.weight_orig.detach().numpy())
    assert repr(layer) == "Linear(in_features=4, out_features=3, bias=True)"
    for vector in (layer.weight_u, layer.weight_v):
        assert vector.norm().item() == pytest.approx(1, rel=1e-6)


def test_a_copy_goes_its_own_way():
    layer = spectral_norm(nn.Linear(4, 3))
    x = mediml.randn(2, 4)
    layer(x).sum().backward()
    twin = copy.deepcopy(layer)
    before = layer.weight_u.numpy().copy()
    for _ in range(3):
        twin(x)
    assert np.array_equal(layer.weight_u.numpy(), before) and not np.array_equal(twin.weight_u.numpy(), before)
    remove_spectral_norm(twin)
    assert "weight_orig" in layer.state_dict() and "weight_orig" not in twin.state_dict()
    assert not twin._forward_pre_hooks and not twin._forward_hooks and layer._forward_pre_hooks
    assert layer.double()(x.double()).dtype == np.float64


def test_without_gradients_the_iteration_goes_on_in_training_only():
    layer = spectral_norm(nn.Linear(4, 3))
    x, before = mediml.randn(2, 4), layer.weight_u.numpy().copy()
    with mediml.no_grad():
        layer.eval()(x)
        assert np.array_equal(layer.weight_u.numpy(), before)
        layer.train()(x)
    assert not np.array_equal(layer.weight_u.numpy(), before)


def test_a_transposed_convolution_has_its_outputs_on_axis_1():
    layer = nn.Conv2d(2, 3, 3)
    layer.transposed = True
    assert spectral_norm(layer).weight_u.shape == (2,)


def test_two_parameters_of_one_layer():
    layer = spectral_norm(spectral_norm(nn.Linear(4, 3)), "bias")
    layer(mediml.randn(2, 4))
    assert np.linalg.norm(layer.bias.numpy()) == pytest.approx(1, rel=1e-5)
    remove_spectral_norm(layer, "bias")
    assert set(layer.state_dict()) == {"bias", "weight_orig", "weight_u", "weight_v"}


def test_refusals():
    layer = nn.Linear(4, 3)
    for arguments, error, text in (
        ({"n_power_iterations": 0}, ValueError, "n_power_iterations expects an int above 0, got 0"),
        ({"name": "kernel"}, KeyError, "Linear has no parameter 'kernel'"),
        ({"dim": 2}, ValueError, r"'weight' expects an axis 2 and elements, got shape \(3, 4\)"),
    ):
        with pytest.raises(error, match=text):
            spectral_norm(layer, **arguments)
    with pytest.raises(ValueError, match="'bias' is None"):
        spectral_norm(nn.Linear(4, 3, bias=False), "bias")
    with pytest.raises(ValueError, match="cannot register two spectral_norm hooks on the same parameter 'weight'"):
        spectral_norm(spectral_norm(nn.Linear(4, 3)))
    with pytest.raises(ValueError, match="expected a module whose 'weight' is normalised"):
        remove_spectral_norm(layer)
    with pytest.raises(TypeError, match=r"module expects a mediml.nn.Module, got int"):
        spectral_norm(3)
    assert set(layer.state_dict()) == {"weight", "bias"} and not layer._forward_pre_hooks
