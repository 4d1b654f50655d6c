"""Normalisation under torch's names: running statistics, buffers and states, the tape, refusals."""

import copy

import numpy as np
import pytest

import mediml
import mediml.nn.functional as F
from mediml import nn


def numbers(shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def tensor(shape, seed=0, **options):
    return mediml.tensor(numbers(shape, seed), **options)


# -- running statistics ----------------------------------------------------------------------------------


def test_running_statistics_by_hand():
    layer = nn.BatchNorm1d(1, momentum=0.5)
    layer(mediml.tensor([[1.0], [5.0]]))  # mean 3, unbiased variance 8
    assert layer.running_mean.tolist() == [1.5] and layer.running_var.tolist() == [4.5]
    layer(mediml.tensor([[1.5], [1.5]]))
    assert layer.running_mean.tolist() == [1.5] and layer.running_var.tolist() == [2.25]
    assert layer.num_batches_tracked.item() == 2
    layer.eval()
    y = layer(mediml.tensor([[3.0]]))
    assert y.item() == pytest.approx(1.5 / (2.25 + 1e-5) ** 0.5)
    assert layer.num_batches_tracked.item() == 2 and layer.running_mean.tolist() == [1.5]


def test_without_momentum_the_mean_of_all_batches():
    layer = nn.BatchNorm1d(2, momentum=None)
    batches = [numbers((5, 2), seed) for seed in range(4)]
    for batch in batches:
        layer(mediml.tensor(batch))
    np.testing.assert_allclose(layer.running_mean.numpy(), np.mean([b.mean(0) for b in batches], 0), atol=1e-6)
    np.testing.assert_allclose(layer.running_var.numpy(), np.mean([b.var(0, ddof=1) for b in batches], 0), atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients_survive_a_later_update_of_the_buffers(dtype):
    layer = nn.BatchNorm1d(3, dtype=dtype).eval()
    x = mediml.tensor(numbers((4, 3), 0, dtype), requires_grad=True)
    y = layer(x)
    layer.train()
    version = layer.running_var._version
    layer(mediml.tensor(numbers((6, 3), 1, dtype)))  # changes the buffers in place
    assert layer.running_var._version > version
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.ones((4, 3)) / np.sqrt(1 + 1e-5), rtol=1e-6)


def test_tracking_can_be_switched_off():
    layer = nn.BatchNorm1d(3)
    layer.track_running_stats = False
    layer(tensor((5, 3)))
    assert layer.running_mean.tolist() == [0, 0, 0] and layer.num_batches_tracked.item() == 0


@pytest.mark.parametrize("name", ["input", "weight"])
def test_an_input_changed_before_backward_is_noticed(name):
    x, weight = tensor((4, 3)) + 0, tensor((3,), 1) + 0
    changed = {"input": x, "weight": weight}[name]
    y = F.batch_norm(x.requires_grad_(), None, None, weight.requires_grad_(), training=True)
    with mediml.no_grad():
        changed.mul_(2)
    with pytest.raises(RuntimeError, match="was changed in place"):
        y.sum().backward()


def test_strided_buffers_are_updated_in_place():
    memory = np.zeros((2, 6), np.float32)
    running_mean, running_var = (mediml.from_numpy(memory[row, ::2]) for row in (0, 1))
    F.batch_norm(mediml.tensor(numbers((8, 3))), running_mean, running_var, training=True, momentum=1.0)
    np.testing.assert_allclose(memory[0, ::2], numbers((8, 3)).mean(0), atol=1e-6)
    np.testing.assert_allclose(memory[1, ::2], numbers((8, 3)).var(0, ddof=1), rtol=1e-5)
    assert (memory[:, 1::2] == 0).all()


def test_reset_and_copies():
    layer = nn.BatchNorm2d(2)
    layer(tensor((3, 2, 4, 4)))
    twin = copy.deepcopy(layer)
    layer.weight.data.fill_(3)
    layer.reset_parameters()
    assert layer.running_mean.tolist() == [0, 0] and layer.running_var.tolist() == [1, 1]
    assert layer.num_batches_tracked.item() == 0 and layer.weight.tolist() == [1, 1]
    assert twin.num_batches_tracked.item() == 1 and twin.running_mean.tolist() != [0, 0]
    layer.double()
    assert str(layer.running_var.dtype) == "float64" and str(layer.num_batches_tracked.dtype) == "int64"


def test_an_empty_batch_changes_no_statistic():
    layer = nn.BatchNorm1d(3)
    assert layer(mediml.zeros((0, 3))).shape == (0, 3)
    assert layer.running_mean.tolist() == [0, 0, 0] and layer.running_var.tolist() == [1, 1, 1]


# -- layers against torch --------------------------------------------------------------------------------

#: Class, arguments, options, shape of an input.
LAYERS = [
    ("BatchNorm1d", (3,), {}, (4, 3)),
    ("BatchNorm1d", (3,), {"momentum": None, "eps": 1e-3}, (4, 3, 5)),
    ("BatchNorm2d", (3,), {"affine": False}, (2, 3, 4, 5)),
    ("BatchNorm2d", (3,), {"track_running_stats": False}, (2, 3, 5, 5)),
    ("BatchNorm2d", (3,), {"bias": False, "momentum": 0.7}, (2, 3, 4, 5)),
    ("BatchNorm3d", (2,), {}, (2, 2, 3, 4, 5)),
    ("InstanceNorm1d", (3,), {}, (2, 3, 5)),
    ("InstanceNorm1d", (3,), {"affine": True, "track_running_stats": True}, (3, 5)),
    ("InstanceNorm2d", (3,), {"affine": True, "bias": False}, (2, 3, 4, 5)),
    ("InstanceNorm2d", (3,), {"track_running_stats": True, "momentum": 0.3}, (2, 3, 4, 5)),
    ("InstanceNorm3d", (2,), {"affine": True, "track_running_stats": True}, (3, 2, 2, 3, 4)),
    ("InstanceNorm3d", (2,), {}, (2, 2, 3, 4)),
    ("LayerNorm", (5,), {}, (3, 5)),
    ("LayerNorm", ([4, 5],), {"bias": False}, (2, 4, 5)),
    ("LayerNorm", ((5,),), {"elementwise_affine": False, "eps": 0.1}, (3, 5)),
    ("GroupNorm", (2, 4), {}, (3, 4, 5, 5)),
    ("GroupNorm", (4, 4), {"bias": False}, (3, 4, 5)),
    ("GroupNorm", (1, 4), {"affine": False}, (3, 4)),
    ("RMSNorm", (5,), {}, (3, 5)),
    ("RMSNorm", ((4, 5),), {"eps": 0.1, "elementwise_affine": False}, (2, 4, 5)),
    ("LocalResponseNorm", (3,), {"alpha": 0.5, "k": 2.0}, (2, 4, 5, 5)),
    ("LocalResponseNorm", (2,), {}, (2, 4, 5)),
]


@pytest.mark.torch
@pytest.mark.parametrize(("name", "arguments", "options", "shape"), LAYERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_layers_are_torchs(name, arguments, options, shape, dtype):
    """Output, gradients and buffers over several batches, in training, in evaluation and in training again."""
    torch = pytest.importorskip("torch")
    ours, theirs = getattr(nn, name)(*arguments, **options), getattr(torch.nn, name)(*arguments, **options)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    generator = torch.Generator().manual_seed(0)
    for parameter in theirs.parameters():
        parameter.data.normal_(generator=generator)
    ours.load_state_dict(theirs.state_dict())
    ours.to(dtype=dtype), theirs.to(getattr(torch, dtype))
    close = {"rtol": 1e-9, "atol": 1e-9} if dtype == "float64" else {"rtol": 1e-5, "atol": 1e-5}
    for step, training in enumerate((True, True, True, False, True, False)):
        ours.train(training), theirs.train(training)
        values, cotangent = (numbers(shape, seed, dtype) for seed in (2 * step, 2 * step + 1))
        x, x_torch = mediml.tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)
        y, y_torch = ours(x), theirs(x_torch)
        y.backward(mediml.tensor(cotangent)), y_torch.backward(torch.tensor(cotangent))
        np.testing.assert_allclose(y.detach().numpy(), y_torch.detach().numpy(), **close)
        np.testing.assert_allclose(x.grad.numpy(), x_torch.grad.numpy(), **close)
        for (key, mine), (_, other) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
            np.testing.assert_allclose(mine.grad.numpy(), other.grad.numpy(), err_msg=key, **close)
        for (key, mine), (_, other) in zip(ours.named_buffers(), theirs.named_buffers(), strict=True):
            np.testing.assert_allclose(mine.numpy(), other.numpy(), err_msg=key, **close)
            assert str(mine.dtype) == str(other.dtype).removeprefix("torch.") and mine.shape == tuple(other.shape)


@pytest.mark.torch
def test_states_go_both_ways():
    torch = pytest.importorskip("torch")
    ours, theirs = nn.BatchNorm2d(3), torch.nn.BatchNorm2d(3)
    ours(tensor((2, 3, 4, 4)))
    theirs.load_state_dict({key: torch.from_numpy(value.numpy().copy()) for key, value in ours.state_dict().items()})
    assert theirs.num_batches_tracked.item() == 1
    theirs(torch.randn(2, 3, 4, 4))
    again = nn.BatchNorm2d(3)
    again.load_state_dict(theirs.state_dict())
    assert again.num_batches_tracked.item() == 2 and again.num_batches_tracked.shape == ()
    np.testing.assert_array_equal(again.running_var.numpy(), theirs.running_var.numpy())
    for layer in (nn.InstanceNorm1d(3), nn.BatchNorm1d(3, affine=False, track_running_stats=False)):
        assert not layer.state_dict()


@pytest.mark.torch
def test_a_state_from_before_batches_were_counted():
    torch = pytest.importorskip("torch")
    numbers_of = {
        "0.running_mean": np.float32([1, 2]), "0.running_var": np.float32([3, 4]),
        "0.weight": np.float32([5, 6]), "0.bias": np.float32([7, 8]),
    }  # fmt: skip
    ours, theirs = nn.Sequential(nn.BatchNorm1d(2)), torch.nn.Sequential(torch.nn.BatchNorm1d(2))
    ours(tensor((3, 2)))
    theirs(torch.ones(3, 2))
    assert theirs.load_state_dict({name: torch.tensor(array) for name, array in numbers_of.items()}).missing_keys == []
    assert ours.load_state_dict(numbers_of).missing_keys == []
    assert theirs[0].num_batches_tracked.item() == ours[0].num_batches_tracked.item() == 1
    for name, array in numbers_of.items():
        assert ours.state_dict()[name].tolist() == theirs.state_dict()[name].tolist() == array.tolist()
    twice = nn.Sequential(ours[0], ours[0])
    assert not twice.load_state_dict(
        {k.replace("0", p, 1): v for k, v in numbers_of.items() for p in "01"}
    ).missing_keys
    ours.load_state_dict({**numbers_of, "0.num_batches_tracked": np.int64(7)})
    assert ours[0].num_batches_tracked.item() == 7
    del numbers_of["0.running_var"]
    with pytest.raises(ValueError, match=r"missing: 0\.running_var$"):
        ours.load_state_dict(numbers_of)


# -- refusals --------------------------------------------------------------------------------------------

X, RUNNING = mediml.zeros((2, 4, 3)), (mediml.zeros(4), mediml.ones(4))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: F.batch_norm(mediml.zeros((1, 4)), None, None, training=True), ValueError, "more than 1 value per"),
        (lambda: F.batch_norm(X, None, None), ValueError, "batch_norm: running_mean expects a tensor"),
        (lambda: F.batch_norm(X, RUNNING[0], None, training=True), ValueError, "both be given or neither"),
        (lambda: F.batch_norm(X, RUNNING[0][:3], RUNNING[1]), ValueError, r"running_mean expects the shape \(4,\)"),
        (lambda: F.batch_norm(X, RUNNING[0], RUNNING[1].double()), TypeError, "running_var expects the dtype of input"),
        (lambda: F.batch_norm(X, RUNNING[0] + tensor((4,), requires_grad=True), RUNNING[1]), ValueError, "no gradient"),
        (lambda: F.batch_norm(X, *RUNNING, training=True, eps=0.0), ValueError, "eps expects a number above 0, got 0"),
        (lambda: F.batch_norm(X, *RUNNING, eps=-1.0), ValueError, "eps expects a number not below 0, got -1"),
        (lambda: F.batch_norm(X, *RUNNING, momentum=None), TypeError, "momentum expects a number, got None"),
        (lambda: F.batch_norm(X[0, 0], *RUNNING), ValueError, "batch_norm: input expects at least 2 axes"),
        (lambda: F.batch_norm(X, *RUNNING, mediml.ones(3)), ValueError, r"weight expects the shape \(4,\)"),
        (lambda: F.instance_norm(X[:, :, :1]), ValueError, "more than 1 spatial element"),
        (lambda: F.instance_norm(X, use_input_stats=False), ValueError, "instance_norm: running_mean expects a tensor"),
        (lambda: F.instance_norm(X, weight=mediml.ones(3)), ValueError, r"^instance_norm: weight expects the shape"),
        (
            lambda: F.instance_norm(X, *RUNNING, bias=mediml.ones(3), use_input_stats=False),
            ValueError,
            "^instance_norm: bias expects the shape",
        ),
        (lambda: F.layer_norm(X, 3), TypeError, "normalized_shape expects a sequence of int, got 3"),
        (lambda: F.layer_norm(X, ()), ValueError, "normalized_shape expects the sizes of the last axes"),
        (lambda: F.layer_norm(X, (4,)), ValueError, r"layer_norm: normalized_shape expects .*\(2, 4, 3\).*got \(4,\)"),
        (lambda: F.layer_norm(X, (3,), mediml.ones(1, 3)), ValueError, r"weight expects normalized_shape \(3,\)"),
        (lambda: F.group_norm(X, 3), ValueError, "num_groups expects a number that divides the 4 channels, got 3"),
        (lambda: F.group_norm(X, 0), ValueError, "num_groups expects a number of at least 1"),
        (lambda: F.group_norm(mediml.zeros((1, 4)), 4), ValueError, "more than 1 value per channel"),
        (lambda: F.rms_norm(X, (2,)), ValueError, "rms_norm: normalized_shape expects"),
        (lambda: F.local_response_norm(X[0], 2), ValueError, "at least 3 axes"),
        (lambda: F.local_response_norm(X, 0), ValueError, "size expects a number of at least 1, got 0"),
        (lambda: nn.BatchNorm1d(4)(mediml.zeros((2, 4, 3, 3))), ValueError, "BatchNorm1d: expected 2D or 3D input"),
        (lambda: nn.InstanceNorm2d(4, affine=True)(mediml.zeros((2, 3, 3, 3))), ValueError, "expected 4 channels"),
        (lambda: nn.GroupNorm(3, 4), ValueError, "GroupNorm: num_groups expects a number that divides"),
    ],
)
def test_refusals(call, error, message):
    before = [statistic.tolist() for statistic in RUNNING]
    with pytest.raises(error, match=message):
        call()
    assert [statistic.tolist() for statistic in RUNNING] == before


def test_a_wrong_number_of_channels_without_parameters_is_only_a_warning():
    with pytest.warns(UserWarning, match="expected 5 channels"):
        nn.InstanceNorm1d(5)(X)
