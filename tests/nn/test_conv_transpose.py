"""Transposed convolution layers and functions: torch's arguments, answers, refusals and state_dict."""

import numpy as np
import pytest

import mediml
from mediml import nn
from mediml.nn import functional as F

RANDOM = np.random.default_rng(0)


def draw(*shape):
    return RANDOM.standard_normal(shape)


def both(torch, *arrays):
    """The same leaves for mediml and for torch."""
    ours = [mediml.tensor(array, requires_grad=True) for array in arrays]
    return ours, [torch.tensor(array, requires_grad=True) for array in arrays]


def agree(ours, theirs):
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.torch
@pytest.mark.parametrize(
    ("rank", "options"),
    [
        (1, {"stride": [2], "padding": 1}),
        (1, {"dilation": 3, "output_padding": 2}),
        (2, {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2), "groups": 2, "output_padding": (1, 0)}),
        (2, {"stride": 3, "output_padding": 2}),
        (3, {"padding": 1, "groups": 4, "stride": (1, 2, 1)}),
    ],
)
@pytest.mark.parametrize("batched", [True, False])
def test_functions_and_gradients_are_torchs(rank, options, batched):
    torch = pytest.importorskip("torch")
    sizes, kernel = (4, 5, 3)[:rank], (2, 3, 2)[:rank]
    x = draw(*((2,) if batched else ()), 4, *sizes)
    arrays = x, draw(4, 3, *kernel), draw(3 * options.get("groups", 1))
    ours, theirs = both(torch, *arrays)
    y = getattr(F, f"conv_transpose{rank}d")(*ours, **options)
    expected = getattr(torch.nn.functional, f"conv_transpose{rank}d")(*theirs, **options)
    agree(y, expected)
    grad_y = draw(*expected.shape)
    y.backward(mediml.tensor(grad_y))
    expected.backward(torch.tensor(grad_y))
    for a, b in zip(ours, theirs):
        agree(a.grad, b.grad)


@pytest.mark.torch
def test_positions_of_arguments_are_torchs():
    """As in torch, groups stands before dilation, the other way round than in conv2d."""
    torch = pytest.importorskip("torch")
    (x, w, b), theirs = both(torch, draw(1, 4, 3, 3), draw(4, 1, 3, 3), draw(2))
    positional = (3, 1, 1, 2, 2)
    agree(F.conv_transpose2d(x, w, b, *positional), torch.nn.functional.conv_transpose2d(*theirs, *positional))


def test_only_wanted_gradients_are_computed(monkeypatch):
    from kernels.conv_transpose import cpu

    def refuse(*arguments):
        raise AssertionError("not wanted")

    monkeypatch.setattr(cpu, "conv_transpose2d_backward_x", refuse)
    monkeypatch.setattr(cpu, "conv_transpose2d_backward_bias", refuse)
    weight = mediml.tensor(draw(1, 2, 3, 3), requires_grad=True)
    F.conv_transpose2d(mediml.tensor(draw(1, 1, 5, 5)), weight, mediml.tensor(draw(2))).sum().backward()
    assert weight.grad.shape == weight.shape


def test_a_changed_input_is_noticed():
    x = mediml.tensor(draw(1, 1, 4, 4))
    weight = mediml.tensor(draw(1, 1, 3, 3), requires_grad=True)
    y = F.conv_transpose2d(x, weight)
    x.add_(1)
    with pytest.raises(RuntimeError, match="changed in place"):
        y.sum().backward()


@pytest.mark.parametrize(
    ("x_shape", "weight_shape", "options", "error", "text"),
    [
        ((5, 5), (1, 1, 3, 3), {}, ValueError, "input expects 4 axes, or 3 without the batch"),
        ((1, 2, 5, 5), (1, 1, 3, 3), {}, ValueError, "weight expects 1 input channels, x has 2"),
        ((1, 1, 5, 5), (1, 1, 3, 3), {"padding": "same"}, TypeError, "padding expects an int or a sequence"),
        ((1, 1, 5, 5), (1, 1, 3, 3), {"stride": (1, 1, 1)}, ValueError, "stride expects one int or 2"),
        ((1, 1, 5, 5), (1, 1, 3, 3), {"output_padding": 1}, ValueError, "output_padding expects less than"),
        ((1, 1, 5, 5), (1, 1, 3, 3), {"output_padding": -1, "stride": 2}, ValueError, "output_padding expects 2 num"),
        ((1, 1, 2, 2), (1, 1, 3, 3), {"padding": 2}, ValueError, "use less padding"),
    ],
)
def test_refusals(x_shape, weight_shape, options, error, text):
    with pytest.raises(error, match=f"conv_transpose2d: .*{text}"):
        F.conv_transpose2d(mediml.tensor(draw(*x_shape)), mediml.tensor(draw(*weight_shape)), **options)


# -- layers ----------------------------------------------------------------------------------------------

LAYERS = [
    ("ConvTranspose1d", (4, 6, 3), {}),
    ("ConvTranspose1d", (4, 6, [5]), {"stride": 3, "output_padding": 2, "groups": 2}),
    ("ConvTranspose2d", (4, 6, 4), {"stride": 2, "padding": 1, "bias": False}),
    ("ConvTranspose2d", (4, 6, (3, 2)), {"stride": (2, 3), "padding": (1, 0), "output_padding": (1, 2)}),
    ("ConvTranspose2d", (4, 6, 3), {"dilation": (2, 1), "groups": 2}),
    ("ConvTranspose3d", (4, 4, (1, 2, 3)), {"padding": (0, 1, 1), "groups": 4}),
    ("ConvTranspose3d", (4, 2, 2), {"stride": (1, 2, 1), "dilation": 2, "output_padding": 1}),
]


def pair(torch, name, arguments, options):
    """A layer and torch's, with the same numbers."""
    layer = getattr(nn, name)(*arguments, **options, dtype=mediml.float64)
    peer = getattr(torch.nn, name)(*arguments, **options, dtype=torch.float64)
    layer.load_state_dict({key: mediml.tensor(value.numpy()) for key, value in peer.state_dict().items()})
    return layer, peer


@pytest.mark.torch
@pytest.mark.parametrize(("name", "arguments", "options"), LAYERS)
def test_layers_are_torchs(name, arguments, options):
    torch = pytest.importorskip("torch")
    layer, peer = pair(torch, name, arguments, options)
    assert repr(layer) == repr(peer)
    names = "kernel_size stride padding dilation output_padding groups transposed padding_mode in_channels out_channels"
    for attribute in names.split():
        assert getattr(layer, attribute) == getattr(peer, attribute)
    assert list(layer.state_dict()) == list(peer.state_dict())
    assert layer.weight.shape == tuple(peer.weight.shape)
    (x,), (z,) = both(torch, draw(2, 4, *(4, 5, 3)[: int(name[-2])]))
    agree(layer(x), peer(z))


@pytest.mark.torch
@pytest.mark.parametrize("batch", [(2,), ()])
@pytest.mark.parametrize("sizes", [(8, 5), (9, 6), (8, 4)])
def test_output_size_chooses_among_the_sizes_that_the_stride_allows(batch, sizes):
    torch = pytest.importorskip("torch")
    layer, peer = pair(torch, "ConvTranspose2d", (4, 3, (4, 3)), {"stride": (2, 3), "padding": (1, 1)})
    (x,), (z,) = both(torch, draw(*batch, 4, 4, 2))
    for wanted in (list(sizes), (*batch, 3, *sizes)):
        y, expected = layer(x, output_size=wanted), peer(z, output_size=list(wanted))
        assert y.shape[-2:] == sizes == tuple(expected.shape[-2:])
        agree(y, expected)
    assert layer.output_padding == (0, 0)


@pytest.mark.torch
def test_it_restores_the_size_of_a_convolutions_input():
    torch = pytest.importorskip("torch")
    down, (up, peer) = nn.Conv1d(2, 2, 3, stride=2, padding=1), pair(torch, "ConvTranspose1d", (2, 2, 3, 2, 1), {})
    for size in (11, 12):
        x = mediml.tensor(draw(1, 2, size).astype("f4"))
        h = down(x).detach().to(mediml.float64)
        assert up(h, output_size=x.shape).shape == x.shape
        for refuses, z in ((up, h), (peer, torch.tensor(h.numpy()))):
            with pytest.raises(ValueError, match=r"output.size.*\[11\] to \[12\]"):
                refuses(z, output_size=(13,))


@pytest.mark.parametrize(
    ("shape", "wanted", "text"),
    [
        ((1, 4, 4, 2), (7, 5), r"output_size expects \[8, 4\] to \[9, 6\] for an input of shape \(1, 4, 4, 2\)"),
        ((1, 4, 4, 2), (8, 7), "output_size expects"),
        ((1, 4, 4, 2), (8,), "output_size expects 2 or 4 numbers"),
        ((4, 4, 2), (1, 3, 8, 4), "output_size expects 2 or 3 numbers"),
        ((4, 2), (8, 4), "input expects 3 or 4 axes"),
    ],
)
def test_output_sizes_that_no_stride_allows_are_refused(shape, wanted, text):
    layer = nn.ConvTranspose2d(4, 3, (4, 3), stride=(2, 3), padding=(1, 1))
    with pytest.raises(ValueError, match=text):
        layer(mediml.tensor(draw(*shape).astype("f4")), output_size=wanted)


def test_initial_values_are_uniform_within_the_bound_of_torch():
    """The fan is that of torch: output channels of a group times taps."""
    mediml.manual_seed(0)
    layer = nn.ConvTranspose2d(64, 16, 5, groups=2)
    bound = 1 / np.sqrt(8 * 25)
    weight, bias = (np.abs(parameter.detach().numpy()) for parameter in layer.parameters())
    assert bound * 0.99 < weight.max() <= bound and bound * 0.6 < bias.max() <= bound
    assert layer.weight.dtype == mediml.float32
    assert layer.weight.detach().numpy().std() == pytest.approx(bound / np.sqrt(3), rel=0.02)


@pytest.mark.parametrize(
    ("arguments", "options", "text"),
    [
        ((3, 4, 3), {"groups": 2}, "in_channels must be divisible by groups"),
        ((4, 3, 3), {"groups": 2}, "out_channels must be divisible by groups"),
        ((4, 4, 3), {"groups": 0}, "groups must be a positive integer"),
        ((4, 4, 3), {"padding_mode": "reflect"}, "padding_mode must be 'zeros'"),
    ],
)
def test_constructor_refusals(arguments, options, text):
    with pytest.raises(ValueError, match=text):
        nn.ConvTranspose2d(*arguments, **options)
