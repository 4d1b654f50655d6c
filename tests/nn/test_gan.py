"""Adversarial losses as functions and layers: torch's compositions, what is not computed, and a pair that trains."""

import copy

import numpy as np
import pytest

import mediml
import mediml.nn.functional as F
from kernels.gan import cpu
from kernels.gan.shapes import OBJECTIVES, REDUCTIONS
from mediml import nn, optim


def draw(*shape, seed=0):
    return 2 * np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.torch
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_a_network_gets_the_gradients_that_torch_gives_it(objective, reduction):
    torch = pytest.importorskip("torch")
    from mediml.verify import compositions

    answers = []
    for package, functional in ((mediml, F), (torch, compositions)):
        weight = package.tensor(draw(6, 1), requires_grad=True)
        scores = [package.matmul(package.tensor(draw(n, 6, seed=n)), weight) for n in (7, 4)]
        losses = functional.discriminator_loss(*scores, objective=objective, reduction=reduction)
        losses = losses if reduction == "none" else (losses,)
        generated = functional.generator_loss(scores[1], objective, reduction)
        (sum((loss * loss).sum() for loss in losses) + 3 * (generated * generated).sum()).backward()
        answers.append([part.detach().numpy() for part in (*losses, generated, weight.grad)])
    for ours, theirs in zip(*answers, strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)


@pytest.mark.torch
def test_the_composition_is_binary_cross_entropy_with_labels():
    """As articles program it: BCE of reals with 1, of fakes with 0; the generator wants 1."""
    torch = pytest.importorskip("torch")
    real, fake = torch.tensor(draw(9)), torch.tensor(draw(5, seed=1))
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    expected = bce(real, torch.ones(9, dtype=real.dtype)) + bce(fake, torch.zeros(5, dtype=real.dtype))
    ours = F.discriminator_loss(mediml.tensor(draw(9)), mediml.tensor(draw(5, seed=1)))
    assert ours.item() == pytest.approx(expected.item(), rel=1e-12)
    wanted = bce(fake, torch.ones(5, dtype=real.dtype))
    assert F.generator_loss(mediml.tensor(draw(5, seed=1))).item() == pytest.approx(wanted.item(), rel=1e-12)


def test_one_of_two_outputs_alone_has_a_gradient():
    real, fake = (mediml.tensor(draw(n), requires_grad=True) for n in (3, 4))
    of_real, _ = F.discriminator_loss(real, fake, "hinge", "none")
    of_real.sum().backward()
    assert (real.grad.numpy() == np.where(draw(3) >= 1, 0, -1)).all() and (fake.grad.numpy() == 0).all()


def test_nothing_is_computed_for_fakes_that_are_detached(monkeypatch):
    monkeypatch.setattr(cpu, "discriminator_loss_backward_fake", None)
    weight = mediml.tensor([1.0], requires_grad=True)
    F.discriminator_loss(mediml.tensor(draw(3)) * weight, (mediml.tensor(draw(3)) * weight).detach()).backward()
    assert weight.grad is not None


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda s: F.discriminator_loss(s, s, "gan"), ValueError, "discriminator_loss: objective expects one of"),
        (lambda s: F.generator_loss(s, "hinge", "max"), ValueError, "generator_loss: reduction expects"),
        (lambda s: F.generator_loss(s, 3), TypeError, "generator_loss: objective expects a str"),
        (lambda s: F.discriminator_loss(s, [1.0]), TypeError, "fake_scores expects a mediml.Tensor"),
        (lambda s: F.discriminator_loss(s, s.float()), TypeError, "discriminator_loss: fake expects float64"),
        (lambda s: F.discriminator_loss(s, s.to("reference")), ValueError, "fake_scores expects the device of real"),
    ],
)
def test_refusals(call, error, text):
    with pytest.raises(error, match=text):
        call(mediml.tensor(draw(3)))


def test_layers():
    real, fake = mediml.tensor(draw(5)), mediml.tensor(draw(5, seed=1))
    for objective in OBJECTIVES:
        d_loss, g_loss = nn.DiscriminatorLoss(objective, "sum"), nn.GeneratorLoss(objective, reduction="none")
        assert d_loss(real, fake).item() == F.discriminator_loss(real, fake, objective, "sum").item()
        assert g_loss(fake).tolist() == F.generator_loss(fake, objective, "none").tolist()
    assert repr(nn.GeneratorLoss("hinge")) == "GeneratorLoss(objective='hinge')"
    assert list(nn.DiscriminatorLoss().state_dict()) == []
    assert nn.DiscriminatorLoss()(real, fake).item() == F.discriminator_loss(real, fake, "non-saturating").item()


def pair(normalised):
    """A generator of points and a discriminator, small and the same at every call."""
    mediml.manual_seed(0)
    generator = nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 2))
    layers = [nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1)]
    if normalised:
        layers = [nn.utils.spectral_norm(layer) if isinstance(layer, nn.Linear) else layer for layer in layers]
    return generator, nn.Sequential(*layers)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_generator_comes_near_to_the_data(objective):
    """Points around (2, -1), from noise around 0: whatever the objective, the fakes move there."""
    generator, discriminator = pair(normalised=objective in ("hinge", "wasserstein"))
    g_step = optim.Adam(generator.parameters(), lr=5e-3, betas=(0.5, 0.9))
    d_step = optim.Adam(discriminator.parameters(), lr=5e-3, betas=(0.5, 0.9))
    centre = mediml.tensor([2.0, -1.0])
    start = (generator(mediml.randn(256, 2)).mean(0) - centre).norm().item()
    for _ in range(300):
        real, fake = centre + 0.3 * mediml.randn(64, 2), generator(mediml.randn(64, 2))
        d_step.zero_grad()
        F.discriminator_loss(discriminator(real), discriminator(fake.detach()), objective).backward()
        d_step.step()
        g_step.zero_grad()
        F.generator_loss(discriminator(fake), objective).backward()
        g_step.step()
    distance = (generator(mediml.randn(256, 2)).mean(0) - centre).norm().item()
    assert start > 1.5 and distance < 0.7, (start, distance)


# -- what programs that train two networks rely on -----------------------------------------------------------------


def test_a_detached_fake_keeps_the_generator_out_of_the_discriminators_step():
    generator, discriminator = pair(normalised=True)
    fake = generator(mediml.randn(8, 2))
    F.discriminator_loss(discriminator(mediml.randn(8, 2)), discriminator(fake.detach())).backward()
    assert all(parameter.grad is None for parameter in generator.parameters())
    assert all(parameter.grad is not None for parameter in discriminator.parameters())
    assert not fake.detach().requires_grad and fake.requires_grad
    assert np.shares_memory(fake.detach().numpy(), fake._array)


def test_a_frozen_discriminator_passes_the_gradient_on_and_keeps_none():
    generator, discriminator = pair(normalised=False)
    noise = mediml.randn(8, 2)
    F.generator_loss(discriminator(generator(noise))).backward()
    expected = [parameter.grad.numpy().copy() for parameter in generator.parameters()]
    generator.zero_grad()
    discriminator.zero_grad()
    discriminator.requires_grad_(False)
    F.generator_loss(discriminator(generator(noise))).backward()
    assert all(parameter.grad is None for parameter in discriminator.parameters())
    for parameter, gradient in zip(generator.parameters(), expected):
        np.testing.assert_array_equal(parameter.grad.numpy(), gradient)
    assert all(parameter.requires_grad for parameter in discriminator.requires_grad_(True).parameters())


def test_the_layers_of_an_article_written_for_torch():
    """The turns of phrase of the usual GAN programs: labels filled with a number, BCELoss behind a Sigmoid, apply."""
    torch = mediml
    torch.manual_seed(0)

    def weights_init(module):
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight.data, 0.0, 0.02)
            nn.init.constant_(module.bias.data, 0)

    discriminator = nn.Sequential(nn.Linear(4, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1), nn.Sigmoid())
    discriminator.apply(weights_init)
    assert 0.005 < discriminator[0].weight.std().item() < 0.05 and (discriminator[0].bias == 0).all()
    device, real_label = torch.device("cpu"), 1.0
    noise = torch.randn(6, 4, 1, 1, device=device)
    label = torch.full((6,), real_label, dtype=torch.float, device=device)
    output = discriminator(noise.view(6, -1)).view(-1)
    nn.BCELoss()(output, label).backward()
    assert discriminator[0].weight.grad.norm().item() > 0
    label.fill_(0.0)
    assert label.tolist() == [0] * 6 and output.mean().item() == pytest.approx(0.5, abs=0.05)


def test_a_moving_average_of_a_generator():
    generator, _ = pair(normalised=False)
    average = copy.deepcopy(generator).requires_grad_(False)
    with mediml.no_grad():
        for parameter in generator.parameters():
            parameter.add_(1.0)
        for kept, now in zip(average.parameters(), generator.parameters()):
            kept.mul_(0.9).add_(now, alpha=0.1)
    for kept, now in zip(average.parameters(), generator.parameters()):
        np.testing.assert_allclose(kept.numpy(), now.detach().numpy() - 0.9, rtol=1e-4, atol=1e-6)
