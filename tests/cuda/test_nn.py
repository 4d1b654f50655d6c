"""Layers on the GPU: what they own, what they draw, what they change beside their output, and what they report late."""

import copy

import numpy as np
import pytest

import mediml
from kernels.gpu.transfer import TRANSFERS
from mediml import nn

F = nn.functional
RNG = np.random.default_rng(0)


def both(module, *arrays):
    """The module and its inputs on the CPU and on the GPU: output, gradients of the parameters, and buffers."""
    results = []
    for device in ("cpu", "cuda"):
        own = copy.deepcopy(module).to(device)
        output = own(*(mediml.tensor(array, device=device) for array in arrays))
        if output.requires_grad:
            (output * output).sum().backward()
        tensors = [output.detach(), *(p.grad for p in own.parameters()), *own.buffers()]
        assert {tensor.device.type for tensor in tensors} == {device}
        results.append([tensor.cpu().numpy() for tensor in tensors])
    return results


LAYERS = {
    "linear": (nn.Linear(3, 2), (4, 3)),
    "bilinear": (nn.Bilinear(3, 3, 2), (4, 3), (4, 3)),
    "conv": (nn.Conv2d(2, 4, 3, padding="same", groups=2), (1, 2, 5, 4)),
    "transposed": (nn.ConvTranspose1d(2, 3, 3, stride=2), (1, 2, 4)),
    "batch norm": (nn.BatchNorm1d(3), (4, 3, 2)),
    "batch norm in use": (nn.BatchNorm1d(3).eval(), (4, 3, 2)),
    "cumulative batch norm": (nn.BatchNorm1d(3, momentum=None), (4, 3)),
    "instance norm": (nn.InstanceNorm1d(3, affine=True, track_running_stats=True), (2, 3, 4)),
    "group norm": (nn.GroupNorm(2, 4), (2, 4, 3)),
    "layer norm": (nn.LayerNorm((3, 2)), (2, 3, 2)),
    "prelu": (nn.PReLU(3), (2, 3, 2)),
    "fold": (nn.PixelShuffle(2), (1, 4, 2, 3)),
    "reflection": (nn.ReflectionPad2d(1), (1, 2, 3, 4)),
    "adaptive": (nn.AdaptiveMaxPool2d((2, 2)), (1, 2, 5, 4)),
    "spectral": (nn.utils.spectral_norm(nn.Linear(3, 4)), (2, 3)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_compute_what_they_do_on_the_cpu(name):
    module, *shapes = LAYERS[name]
    ours, theirs = both(module, *(RNG.standard_normal(shape).astype(np.float32) for shape in shapes))
    for got, expected in zip(ours, theirs):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_cells_step_by_step():
    for cell in (nn.RNNCell(2, 3), nn.GRUCell(2, 3), nn.LSTMCell(2, 3)):
        first = [mediml.tensor(RNG.standard_normal((2, 2)).astype(np.float32))] * 2
        outputs = []
        for device in ("cpu", "cuda"):
            own, state = copy.deepcopy(cell).to(device), None
            for x in first:
                state = own(x.to(device), state)
            outputs.append((state[0] if isinstance(state, tuple) else state).tolist())
        np.testing.assert_allclose(*outputs, rtol=1e-5, atol=1e-6)


def test_an_embedding_shortens_its_rows_in_place():
    tables = []
    for device in ("cpu", "cuda"):
        mediml.manual_seed(0)
        layer = nn.Embedding(4, 3, max_norm=0.5, padding_idx=1).to(device)
        layer(mediml.tensor([[0, 2], [2, 1]], device=device)).sum().backward()
        tables.append([layer.weight.tolist(), layer.weight.grad.tolist()])
    np.testing.assert_allclose(*tables, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: F.cross_entropy(x, mediml.tensor([0, 7], device="cuda")), "7"),
        (lambda x: F.embedding(mediml.tensor([0, 9], device="cuda"), x), "9"),
    ],
)
def test_an_index_out_of_range_is_reported_at_the_next_copy(call, text):
    x = mediml.zeros(2, 3, device="cuda")
    result = call(x)  # nothing waits for the kernel here
    with pytest.raises(IndexError, match=text):
        result.sum().item()
    assert x.sum().item() == 0  # and the process goes on


def test_initialisations_fill_what_lies_on_the_device():
    weight = mediml.empty(4, 6, device="cuda")
    for name in (
        "uniform_", "normal_", "xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "kaiming_normal_", "zeros_",
        "ones_", "eye_", "orthogonal_", "trunc_normal_",
    ):  # fmt: skip
        getattr(nn.init, name)(weight)
        assert weight.is_cuda and np.isfinite(weight.cpu().numpy()).all()
    rows = weight.cpu()
    nn.init.orthogonal_(weight)
    product = (weight @ weight.t()).cpu().numpy()
    np.testing.assert_allclose(product, np.eye(4), atol=1e-5)
    assert rows.shape == (4, 6)


def test_parameters_as_one_vector():
    model = nn.Linear(2, 3).cuda()
    vector = nn.utils.parameters_to_vector(model.parameters())
    before = TRANSFERS.to_host
    nn.utils.vector_to_parameters(vector * 2, model.parameters())
    assert (vector.is_cuda, TRANSFERS.to_host) == (True, before)
    assert model.weight.is_cuda and model.bias.tolist() == (vector[6:] * 2).tolist()


def test_hooks_see_tensors_of_the_device():
    seen = []
    model = nn.Linear(2, 1).cuda()
    model.register_forward_hook(lambda module, inputs, output: seen.append(output.device.type))
    x = mediml.ones(1, 2, device="cuda", requires_grad=True)
    x.register_hook(lambda gradient: seen.append(gradient.device.type))
    model(x).sum().backward()
    assert seen == ["cuda", "cuda"]


def test_a_loss_without_a_gradient_of_one_of_two_outputs():
    x = mediml.tensor([[1.0, 3.0, 2.0]], device="cuda", requires_grad=True)
    values, places = x.max(1)
    pooled, _ = F.max_pool1d_with_indices(x.unsqueeze(0), 3)
    (values.sum() + pooled.sum()).backward()
    assert (x.grad.tolist(), places.tolist()) == ([[0, 2, 0]], [1])
