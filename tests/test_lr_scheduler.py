"""Schedules of the learning rate: PyTorch's rates step for step, breaks, refusals."""

import copy
import warnings

import numpy as np
import pytest

import mediml
from mediml import optim
from mediml.optim import lr_scheduler

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


def twins(name, options):
    """An optimizer of ours and one of PyTorch's, each with two groups."""
    return [
        getattr(package.optim, name)(
            [
                {"params": [package.ones(2, requires_grad=True)]},
                {"params": [package.ones(1, requires_grad=True)], "lr": 0.02},
            ],
            **options,
        )
        for package in (mediml, torch)
    ]


def weights():
    return [mediml.ones(2, requires_grad=True)]


def sgd():
    return optim.SGD(weights(), lr=1.0)


SCHEDULES = [
    ("LambdaLR", {"lr_lambda": lambda epoch: 0.9**epoch}),
    ("LambdaLR", {"lr_lambda": [lambda epoch: 0.9**epoch, lambda epoch: 1 / (1 + epoch)]}),
    ("StepLR", {"step_size": 3, "gamma": 0.5}),
    ("MultiStepLR", {"milestones": [2, 5, 5, 9], "gamma": 0.3}),
    ("ConstantLR", {"factor": 0.5, "total_iters": 4}),
    ("LinearLR", {"start_factor": 0.2, "end_factor": 0.8, "total_iters": 7}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("CosineAnnealingLR", {"T_max": 6, "eta_min": 0.01}),
    ("CosineAnnealingLR", {"T_max": 7}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 21}),
    ("OneCycleLR", {"max_lr": [0.5, 0.2], "epochs": 3, "steps_per_epoch": 7, "pct_start": 0.4,
                    "anneal_strategy": "linear", "three_phase": True}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 21, "cycle_momentum": False, "three_phase": True}),
]  # fmt: skip


def moving(group):
    return {key: group[key] for key in ("lr", "momentum", "betas") if key in group}


@pytest.mark.parametrize(("name", "options"), SCHEDULES)
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.filterwarnings("ignore::UserWarning")  # torch's own, of an epoch that is given
def test_rates_equal_torch_across_a_break(kind, name, options):
    settings = {"lr": 0.1, "momentum": 0.9} if kind == "SGD" else {"lr": 0.1}
    optimizer, peer = twins(kind, settings)
    ours, theirs = getattr(lr_scheduler, name)(optimizer, **options), getattr(
        torch.optim.lr_scheduler, name)(peer, **options)  # fmt: skip
    for step in range(20):
        for mine, other in zip(optimizer.param_groups, peer.param_groups):
            for key, value in moving(other).items():
                np.testing.assert_allclose(mine[key], value, rtol=1e-13, err_msg=f"{name} {step} {key}")
        np.testing.assert_allclose(ours.get_last_lr(), theirs.get_last_lr(), rtol=1e-13)
        optimizer.step()
        peer.step()
        if step == 8:
            saved = copy.deepcopy((optimizer.state_dict(), ours.state_dict()))
            optimizer = twins(kind, settings)[0]
            ours = getattr(lr_scheduler, name)(optimizer, **options)
            optimizer.load_state_dict(saved[0])
            ours.load_state_dict(saved[1])
            optimizer.step()
        ours.step()
        theirs.step()
    if name != "OneCycleLR":
        ours.step(5)
        theirs.step(5)
        np.testing.assert_allclose(ours.get_last_lr(), theirs.get_last_lr(), rtol=1e-13)


@pytest.mark.parametrize(("name", "options"), SCHEDULES)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_schedule_begun_in_the_middle_equals_torch(name, options):
    optimizer, peer = twins("SGD", {"lr": 0.1, "momentum": 0.9})
    for group in (*optimizer.param_groups, *peer.param_groups):
        group.update(initial_lr=group["lr"], max_lr=0.5, min_lr=0.001, max_momentum=0.95, base_momentum=0.85)
    ours = getattr(lr_scheduler, name)(optimizer, **options, last_epoch=2)
    theirs = getattr(torch.optim.lr_scheduler, name)(peer, **options, last_epoch=2)
    for _ in range(6):
        np.testing.assert_allclose(ours.get_last_lr(), theirs.get_last_lr(), rtol=1e-13)
        optimizer.step()
        ours.step()
        theirs.step()


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
@pytest.mark.parametrize("cooldown", [0, 2])
def test_plateau_equals_torch(mode, threshold_mode, cooldown):
    optimizer, peer = twins("SGD", {"lr": 1.0})
    options = {
        "mode": mode, "threshold_mode": threshold_mode, "cooldown": cooldown, "patience": 1, "factor": 0.5,
        "threshold": 0.05, "min_lr": [0.01, 0.001],
    }  # fmt: skip
    ours = lr_scheduler.ReduceLROnPlateau(optimizer, **options)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(peer, **options)
    generator, seen = np.random.default_rng(5), set()
    for step in range(60):
        metric = float("nan") if step % 7 == 3 else generator.normal()
        ours.step(metric)
        theirs.step(metric)
        assert ours.get_last_lr() == theirs.get_last_lr()
        seen.add(optimizer.param_groups[0]["lr"])
    assert len(seen) > 3


def test_plateau_takes_a_group_that_came_later():
    optimizer = optim.SGD([mediml.ones(1, requires_grad=True)], lr=1.0)
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, min_lr=0.05)
    optimizer.add_param_group({"params": [mediml.ones(1, requires_grad=True)]})
    for _ in range(4):
        scheduler.step(1.0)
    assert scheduler.get_last_lr() == [0.05, 0.05]


def test_two_schedules_on_one_optimizer():
    optimizer = optim.SGD([mediml.ones(1, requires_grad=True)], lr=1.0)
    both = [lr_scheduler.ExponentialLR(optimizer, 0.5), lr_scheduler.StepLR(optimizer, 2, 0.1)]
    for _ in range(2):
        optimizer.step()
        for scheduler in both:
            scheduler.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.025)


def test_a_rate_that_is_a_tensor_stays_that_tensor():
    rate = mediml.tensor(1.0)
    weight = mediml.ones(1, requires_grad=True)
    optimizer = optim.SGD([weight], lr=rate)
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.5)
    weight.grad = mediml.ones(1)
    optimizer.step()
    scheduler.step()
    assert weight.item() == 0 and optimizer.param_groups[0]["lr"] is rate and rate.item() == 0.5


def test_order_of_steps_is_watched():
    optimizer = optim.SGD([mediml.ones(1, requires_grad=True)], lr=1.0)
    with pytest.warns(UserWarning, match=r"before optimizer.step\(\)"):
        lr_scheduler.ExponentialLR(optimizer, 0.5).step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        optimizer.step()
        lr_scheduler.ExponentialLR(optimizer, 0.5).step()


REFUSED = [
    (TypeError, "expected an Optimizer", lambda: lr_scheduler.StepLR(weights()[0], 1)),
    (KeyError, "initial_lr", lambda: lr_scheduler.StepLR(sgd(), 1, last_epoch=3)),
    (ValueError, "one for each of 1 groups", lambda: lr_scheduler.LambdaLR(sgd(), [abs, abs])),
    (ValueError, "start_factor", lambda: lr_scheduler.LinearLR(sgd(), start_factor=0)),
    (ValueError, "end_factor", lambda: lr_scheduler.LinearLR(sgd(), end_factor=1.5)),
    (ValueError, "total_steps", lambda: lr_scheduler.OneCycleLR(sgd(), 1.0, epochs=3)),
    (ValueError, "positive int", lambda: lr_scheduler.OneCycleLR(sgd(), 1.0, total_steps=0)),
    (ValueError, "pct_start", lambda: lr_scheduler.OneCycleLR(sgd(), 1.0, total_steps=3, pct_start=2.0)),
    (ValueError, "anneal_strategy", lambda: lr_scheduler.OneCycleLR(sgd(), 1.0, total_steps=3, anneal_strategy="x")),
    (ValueError, "below 1", lambda: lr_scheduler.ReduceLROnPlateau(sgd(), factor=1)),
    (ValueError, "mode", lambda: lr_scheduler.ReduceLROnPlateau(sgd(), mode="low")),
    (ValueError, "threshold_mode", lambda: lr_scheduler.ReduceLROnPlateau(sgd(), threshold_mode="x")),
    (NotImplementedError, "get_lr", lambda: lr_scheduler.LRScheduler(sgd())),
]


@pytest.mark.parametrize(("error", "text", "call"), REFUSED, ids=range(len(REFUSED)))
def test_refused(error, text, call):
    with pytest.raises(error, match=text):
        call()


def test_a_cycle_ends():
    optimizer = sgd()
    scheduler = lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=2, cycle_momentum=False)
    optimizer.step()
    for _ in range(2):
        scheduler.step()
    with pytest.raises(ValueError, match="tried to step 3 times"):
        scheduler.step()
