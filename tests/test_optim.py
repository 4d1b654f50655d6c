"""Optimizers: PyTorch's weights step for step, state that goes back and forth, refusals."""

import copy
import inspect
import itertools

import numpy as np
import pytest

import mediml
from mediml import nn, optim
from mediml.optim import lr_scheduler

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch
SHAPES = [(3, 4), (5,), (), (2, 1, 3)]


def twins(name, options, dtype, device="cpu"):
    """An optimizer of ours and of PyTorch's on equal parameters, in two groups."""
    generator = np.random.default_rng(0)
    values = [np.asarray(generator.normal(size=shape)).astype(dtype) for shape in SHAPES]
    values[0] = np.asfortranarray(values[0])
    ours = [mediml.from_numpy(value.copy(order="K")).to(device).requires_grad_() for value in values]
    theirs = [torch.tensor(value, requires_grad=True) for value in values]
    made = []
    for package, params in ((optim, ours), (torch.optim, theirs)):
        groups = [{"params": params[:3]}, {"params": params[3:], "lr": 0.02}]
        made.append(getattr(package, name)(groups, **options))
    return made[0], ours, made[1], theirs


def give_gradients(ours, theirs, generator, without=()):
    for index, (mine, other) in enumerate(zip(ours, theirs)):
        gradient = np.asarray(generator.normal(size=other.shape)).astype(mine.dtype)
        mine.grad = None if index in without else mediml.tensor(gradient, device=mine.device)
        other.grad = None if index in without else torch.tensor(gradient)


def largest_difference(ours, theirs):
    pairs = zip(ours, theirs)
    return max(float(np.abs(mine.detach().numpy() - other.detach().numpy()).max()) for mine, other in pairs)


def sgd_options():
    for momentum, dampening, decay, nesterov, maximize in itertools.product(
        (0, 0.9), (0, 0.3), (0, 0.1), (False, True), (False, True)
    ):
        if not nesterov or (momentum and not dampening):
            yield {
                "lr": 0.1, "momentum": momentum, "dampening": dampening, "weight_decay": decay, "nesterov": nesterov,
                "maximize": maximize,
            }  # fmt: skip


def adam_options():
    for betas, decay, amsgrad, maximize in itertools.product(
        ((0.9, 0.999), (0.0, 0.5), (0.3, 0.9)), (0, 0.1), (False, True), (False, True)
    ):
        yield {"lr": 0.1, "betas": betas, "weight_decay": decay, "amsgrad": amsgrad, "maximize": maximize}


ALL = [("SGD", o) for o in sgd_options()] + [(name, o) for name in ("Adam", "AdamW") for o in adam_options()]


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-5)])
@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_twenty_steps_of_every_option_equal_torch(device, dtype, tolerance):
    for name, options in ALL:
        optimizer, ours, peer, theirs = twins(name, options, dtype, device)
        generator = np.random.default_rng(1)
        for step in range(20):
            give_gradients(ours, theirs, generator, without=(1,) if step % 3 == 0 else ())
            optimizer.step()
            peer.step()
        assert largest_difference(ours, theirs) <= tolerance, (name, options)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_signature_is_that_of_torch(name):
    def parameters(package):
        found = inspect.signature(getattr(package, name).__init__).parameters.values()
        return [(p.name, p.default, p.kind) for p in found]

    assert parameters(optim) == parameters(torch.optim)


# -- state ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options"), [("SGD", {"momentum": 0.9}), ("Adam", {"amsgrad": True}), ("AdamW", {}), ("SGD", {})]
)
def test_state_of_torch_is_loaded_and_goes_on_alike(name, options):
    optimizer, ours, peer, theirs = twins(name, options, np.float64)
    generator = np.random.default_rng(2)
    give_gradients(ours, theirs, generator)
    peer.step()
    for mine, other in zip(ours, theirs):
        mine._array[...] = other.detach().numpy()
    optimizer.load_state_dict(peer.state_dict())
    saved, expected = optimizer.state_dict(), peer.state_dict()
    assert saved["param_groups"] == expected["param_groups"]
    assert {k: list(v) for k, v in saved["state"].items()} == {k: list(v) for k, v in expected["state"].items()}
    give_gradients(ours, theirs, generator)
    optimizer.step()
    peer.step()
    assert largest_difference(ours, theirs) <= 1e-12


def test_loaded_state_is_a_copy_of_the_parameters_dtype():
    first, ours, _, theirs = twins("Adam", {}, np.float64)
    give_gradients(ours, theirs, np.random.default_rng(3))
    first.step()
    second, others, _, _ = twins("Adam", {}, np.float32)
    second.load_state_dict(first.state_dict())
    loaded, original = second.state[others[0]]["exp_avg"], first.state[ours[0]]["exp_avg"]
    assert loaded.dtype == mediml.float32
    np.testing.assert_array_equal(loaded.numpy(), original.numpy().astype(np.float32))
    assert first.state[ours[0]]["step"].item() == second.state[others[0]]["step"].item() == 1
    third, same, _, _ = twins("Adam", {}, np.float64)
    third.load_state_dict(first.state_dict())
    third.state[same[0]]["exp_avg"]._array[...] = 0
    assert original.numpy().any()


def test_training_goes_on_from_a_saved_state_as_without_a_break():
    def train(interrupted):
        mediml.manual_seed(0)
        weight, x = mediml.randn(4, 3, requires_grad=True), mediml.randn(8, 4)
        optimizer = optim.AdamW([weight], lr=0.1)
        scheduler = lr_scheduler.CosineAnnealingLR(optimizer, 10)
        for step in range(10):
            if interrupted and step == 5:
                saved = copy.deepcopy((optimizer.state_dict(), scheduler.state_dict()))
                weight = weight.detach().clone().requires_grad_()
                optimizer = optim.AdamW([weight], lr=123)
                scheduler = lr_scheduler.CosineAnnealingLR(optimizer, 10)
                optimizer.load_state_dict(saved[0])
                scheduler.load_state_dict(saved[1])
            optimizer.zero_grad()
            (x @ weight).square().mean().backward()
            optimizer.step()
            scheduler.step()
        return weight.detach().numpy().tobytes()

    assert train(True) == train(False)


def test_a_step_counts_as_a_change_in_place():
    weight = mediml.ones(2, requires_grad=True)
    loss = (weight * weight).sum()
    loss.backward(retain_graph=True)
    optim.SGD([weight], lr=0.1).step()
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


def test_a_step_that_fails_leaves_the_state_as_it_was():
    weight = mediml.ones(2, requires_grad=True)
    for optimizer in (optim.Adam([weight]), optim.SGD([weight], momentum=0.9)):
        weight.grad = mediml.ones(3)
        with pytest.raises(ValueError, match="grad expects the shape"):
            optimizer.step()
        weight.grad = mediml.ones(2)
        optimizer.step()
        assert optimizer.state[weight].get("step", mediml.tensor(1)).item() == 1
        np.testing.assert_array_equal(weight.detach().numpy() < 1, [True, True])


def test_step_calls_the_closure_with_gradients_on():
    weight = mediml.tensor([3.0], requires_grad=True)
    optimizer = optim.SGD([weight], lr=0.5)

    def closure():
        optimizer.zero_grad()
        loss = (weight * weight).sum()
        loss.backward()
        return loss

    with mediml.no_grad():
        assert optimizer.step(closure).item() == 9
    assert weight.item() == 0


def test_zero_grad_forgets_or_zeroes():
    model = nn.Linear(2, 1)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    model(mediml.ones(3, 2)).sum().backward()
    optimizer.zero_grad(set_to_none=False)
    assert not model.weight.grad.numpy().any()
    optimizer.zero_grad()
    assert model.weight.grad is None and model.bias.grad is None


def test_groups_names_and_a_group_added_later():
    model = nn.Linear(2, 1)
    optimizer = optim.SGD(model.named_parameters(), lr=0.1)
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
    with pytest.raises(ValueError, match="all without"):
        optimizer.add_param_group({"params": [mediml.ones(1, requires_grad=True)]})
    optimizer = optim.SGD([model.weight], lr=0.1)
    optimizer.add_param_group({"params": model.bias, "lr": 1.0})
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 1.0]
    assert "lr: 1.0" in repr(optimizer) and "Parameter Group 1" in repr(optimizer)


# -- refusals --------------------------------------------------------------------------------------------------


def weights():
    return [mediml.ones(2, requires_grad=True)]


def sgd():
    return optim.SGD(weights(), lr=1.0)


W = mediml.ones(2, requires_grad=True)
REFUSED = [
    (ValueError, "Invalid learning rate: -1", lambda: optim.SGD(weights(), lr=-1)),
    (ValueError, "Invalid momentum value: -1", lambda: optim.SGD(weights(), momentum=-1)),
    (ValueError, "Invalid weight_decay value: nan", lambda: optim.SGD(weights(), weight_decay=float("nan"))),
    (ValueError, "Nesterov momentum requires", lambda: optim.SGD(weights(), nesterov=True)),
    (ValueError, "differentiable", lambda: optim.SGD(weights(), differentiable=True)),
    (ValueError, "cannot be True together", lambda: optim.Adam(weights(), foreach=True, fused=True)),
    (ValueError, "one element", lambda: optim.SGD(weights(), lr=mediml.ones(2))),
    (ValueError, "Invalid epsilon value: -1", lambda: optim.Adam(weights(), eps=-1)),
    (ValueError, "Invalid beta parameter at index 1: 1.0", lambda: optim.AdamW(weights(), betas=(0.9, 1.0))),
    (ValueError, "two floats", lambda: optim.Adam(weights(), betas=(0, 0.9))),
    (ValueError, "empty parameter list", lambda: optim.SGD([])),
    (TypeError, "got one tensor", lambda: optim.SGD(W)),
    (TypeError, "got a set", lambda: optim.SGD([{"params": {W}}])),
    (TypeError, "can only optimize tensors", lambda: optim.SGD([np.ones(2)])),
    (ValueError, "non-leaf", lambda: optim.SGD([W * 2])),
    (ValueError, "more than one parameter group", lambda: optim.SGD([{"params": [W]}, {"params": [W]}])),
    (ValueError, "some without", lambda: optim.SGD([("a", W), mediml.ones(1)])),
    (ValueError, "from the same model", lambda: sgd().load_state_dict(optim.SGD([W, mediml.ones(1)]).state_dict())),
    (TypeError, "expected a dict", lambda: sgd().add_param_group([W])),
]


@pytest.mark.parametrize(("error", "text", "call"), REFUSED, ids=range(len(REFUSED)))
def test_refused(error, text, call):
    with pytest.raises(error, match=text):
        call()


def test_duplicate_parameters_warn():
    with pytest.warns(UserWarning, match="duplicate"):
        optim.SGD([W, W])
