"""Convolution layers, functions and padding: torch's arguments, answers, refusals and state_dict."""

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
        (1, {"padding": "same", "dilation": 3}),
        (2, {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2), "groups": 2}),
        (2, {"padding": "same"}),
        (2, {"padding": "valid", "stride": 3}),
        (3, {"padding": 1, "groups": 4}),
    ],
)
@pytest.mark.parametrize("batched", [True, False])
def test_functions_and_gradients_are_torchs(rank, options, batched):
    torch = pytest.importorskip("torch")
    sizes, kernel = (7, 8, 6)[:rank], (2, 3, 2)[:rank]
    x = draw(*((2,) if batched else ()), 4, *sizes)
    arrays = x, draw(8, 4 // options.get("groups", 1), *kernel), draw(8)
    ours, theirs = both(torch, *arrays)
    y = getattr(F, f"conv{rank}d")(*ours, **options)
    expected = getattr(torch.nn.functional, f"conv{rank}d")(*theirs, **options)
    agree(y, expected)
    grad_y = draw(*expected.shape)
    y.backward(mediml.tensor(grad_y))
    expected.backward(torch.tensor(grad_y))
    for a, b in zip(ours, theirs):
        agree(a.grad, b.grad)


def test_only_wanted_gradients_are_computed(monkeypatch):
    from kernels.conv import cpu

    def refuse(*arguments):
        raise AssertionError("not wanted")

    monkeypatch.setattr(cpu, "conv2d_backward_x", refuse)
    monkeypatch.setattr(cpu, "conv2d_backward_bias", refuse)
    weight = mediml.tensor(draw(2, 1, 3, 3), requires_grad=True)
    F.conv2d(mediml.tensor(draw(1, 1, 5, 5)), weight, mediml.tensor(draw(2))).sum().backward()
    assert weight.grad.shape == weight.shape


def test_the_reference_device_computes_the_same():
    x, weight = draw(2, 3, 6, 5), draw(4, 3, 3, 3)
    fast = F.conv2d(mediml.tensor(x), mediml.tensor(weight), padding=1)
    naive = F.conv2d(mediml.tensor(x, device="reference"), mediml.tensor(weight, device="reference"), padding=1)
    assert naive.device.type == "reference"
    np.testing.assert_allclose(fast.numpy(), naive.numpy(), rtol=1e-10)


def test_a_changed_input_is_noticed():
    x = mediml.tensor(draw(1, 1, 4, 4))
    weight = mediml.tensor(draw(1, 1, 3, 3), requires_grad=True)
    y = F.conv2d(x, weight)
    x.add_(1)
    with pytest.raises(RuntimeError, match="changed in place"):
        y.sum().backward()


@pytest.mark.parametrize(
    ("x_shape", "weight_shape", "options", "error", "text"),
    [
        ((5, 5), (1, 1, 3, 3), {}, ValueError, "input expects 4 axes, or 3 without the batch"),
        ((1, 2, 5, 5), (1, 1, 3, 3), {}, ValueError, "weight expects 1 input channels, x has 2"),
        ((1, 1, 5, 5), (1, 1, 3, 3), {"padding": "same", "stride": 2}, ValueError, "'same' expects stride 1"),
        ((1, 1, 5, 5), (1, 1, 3, 3), {"padding": "full"}, ValueError, "'same' or 'valid', got 'full'"),
        ((1, 1, 5, 5), (1, 1, 3, 3), {"stride": (1, 1, 1)}, ValueError, "stride expects one int or 2"),
        ((1, 1, 5, 5), (1, 1, 3, 3), {"stride": 1.5}, TypeError, "stride expects an int or a sequence"),
        ((1, 1, 5, 5), (1, 1, 3, 3), {"padding": -1}, ValueError, "padding expects 2 numbers of at least 0"),
        ((1, 1, 2, 2), (1, 1, 3, 3), {}, ValueError, "no larger than the padded input"),
    ],
)
def test_refusals(x_shape, weight_shape, options, error, text):
    with pytest.raises(error, match=text):
        F.conv2d(mediml.tensor(draw(*x_shape)), mediml.tensor(draw(*weight_shape)), **options)


def test_arrays_and_mixed_dtypes_are_refused():
    weight = mediml.tensor(draw(1, 1, 3, 3))
    with pytest.raises(TypeError, match=r"expects a mediml.Tensor, got ndarray"):
        F.conv2d(draw(1, 1, 5, 5), weight)
    with pytest.raises(TypeError, match="weight expects float32, the dtype of x"):
        F.conv2d(mediml.tensor(draw(1, 1, 5, 5).astype("f4")), weight)


# -- padding ---------------------------------------------------------------------------------------------


@pytest.mark.torch
@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize(
    ("shape", "pad"), [((2, 4), (1, 3)), ((1, 3, 4), (2, 0, 1, 2)), ((2, 3, 4, 3), (1, 1, 0, 2, 2, 1))]
)
def test_padding_modes_are_torchs(mode, shape, pad):
    torch = pytest.importorskip("torch")
    (x,), (z,) = both(torch, draw(*shape))
    y, expected = F.pad(x, pad, mode), torch.nn.functional.pad(z, pad, mode)
    agree(y, expected)
    grad_y = draw(*expected.shape)
    y.backward(mediml.tensor(grad_y))
    expected.backward(torch.tensor(grad_y))
    agree(x.grad, z.grad)


def test_masks_and_labels_can_be_padded_with_a_constant():
    labels = mediml.tensor(np.array([[1, 2], [3, 4]]))
    assert F.pad(labels, (1, -1), value=7).tolist() == [[7, 1], [7, 3]]
    assert F.pad(labels > 2, (0, 0, 1, 0)).tolist() == [[False, False], [False, False], [True, True]]


@pytest.mark.parametrize(
    ("pad", "mode", "value", "error", "text"),
    [
        ((1,), "constant", None, ValueError, "two numbers for each of at most 2 axes"),
        ((1,) * 6, "constant", None, ValueError, "two numbers for each of at most 2 axes"),
        (1, "constant", None, TypeError, "pad expects a sequence of int"),
        ((1.0, 1), "constant", None, TypeError, "pad expects a sequence of int"),
        ((1, 1, 1, 1), "reflect", None, ValueError, "pads the last one, two or three axes"),
        ((3, 0), "reflect", None, ValueError, "expects at most 2"),
        ((1, 1), "replicate", 2.0, ValueError, "takes no value"),
        ((1, 1), "symmetric", None, ValueError, "mode expects one of"),
        ((-4, 0), "constant", None, ValueError, "fewer than"),
    ],
)
def test_padding_refusals(pad, mode, value, error, text):
    with pytest.raises(error, match=text):
        F.pad(mediml.tensor(draw(2, 3)), pad, mode, value)
    with pytest.raises(TypeError, match="expects a floating tensor"):
        F.pad(mediml.tensor(np.zeros((2, 3), int)), (1, 1), "reflect")


# -- layers ----------------------------------------------------------------------------------------------

LAYERS = [
    ("Conv1d", (4, 6, 3), {}),
    ("Conv1d", (4, 6, 4), {"padding": "same", "padding_mode": "circular", "bias": False}),
    ("Conv2d", (4, 6, 3), {"padding": 1}),
    ("Conv2d", (4, 6, (3, 2)), {"stride": 2, "padding": (1, 0), "padding_mode": "reflect"}),
    ("Conv2d", (4, 6, 3), {"padding": "same", "dilation": 2, "padding_mode": "replicate", "groups": 2}),
    ("Conv2d", (4, 6, 2), {"padding": "valid", "padding_mode": "reflect"}),
    ("Conv3d", (4, 4, (1, 2, 3)), {"padding": (0, 1, 1), "groups": 4, "padding_mode": "circular"}),
    ("Conv3d", (4, 2, 2), {"stride": (1, 2, 1), "bias": False}),
]


@pytest.mark.torch
@pytest.mark.parametrize(("name", "arguments", "options"), LAYERS)
def test_layers_are_torchs(name, arguments, options):
    torch = pytest.importorskip("torch")
    layer = getattr(nn, name)(*arguments, **options, dtype=mediml.float64)
    peer = getattr(torch.nn, name)(*arguments, **options, dtype=torch.float64)
    assert repr(layer) == repr(peer)
    for attribute in ("kernel_size", "stride", "padding", "dilation", "groups", "in_channels", "out_channels"):
        assert getattr(layer, attribute) == getattr(peer, attribute)
    state = peer.state_dict()
    assert list(layer.state_dict()) == list(state)
    layer.load_state_dict({key: mediml.tensor(value.numpy()) for key, value in state.items()})
    (x,), (z,) = both(torch, draw(2, 4, *(7, 6, 5)[: int(name[4])]))
    agree(layer(x), peer(z))


def test_initial_values_are_uniform_within_the_bound_of_torch():
    mediml.manual_seed(0)
    layer = nn.Conv2d(8, 64, 5)
    bound = 1 / np.sqrt(8 * 25)
    for parameter in layer.parameters():
        values = np.abs(parameter.detach().numpy())
        assert values.max() <= bound and values.max() > 0.9 * bound
    assert layer.weight.dtype == mediml.float32
    assert layer.weight.detach().numpy().std() == pytest.approx(bound / np.sqrt(3), rel=0.02)


@pytest.mark.parametrize(
    ("arguments", "options", "text"),
    [
        ((3, 4, 3), {"groups": 2}, "in_channels must be divisible by groups"),
        ((4, 3, 3), {"groups": 2}, "out_channels must be divisible by groups"),
        ((4, 4, 3), {"groups": 0}, "groups must be a positive integer"),
        ((4, 4, 3), {"padding": "full"}, "'same' or 'valid', got 'full'"),
        ((4, 4, 3), {"padding": "same", "stride": 2}, "not supported for strided"),
        ((4, 4, 3), {"padding_mode": "mirror"}, "padding_mode must be one of"),
    ],
)
def test_constructor_refusals(arguments, options, text):
    with pytest.raises(ValueError, match=text):
        nn.Conv2d(*arguments, **options)
