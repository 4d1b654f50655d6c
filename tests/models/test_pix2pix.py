"""Image translation: the U-Net as a generator, the judge of patches, and what each step moves."""

import numpy as np
import pytest

import mediml
from mediml import nn, optim
from mediml.models import pix2pix
from mediml.models.pix2pix import PatchDiscriminator, Translator


def values(model):
    return {key: value.detach().numpy().copy() for key, value in model.named_parameters()}


def changed(before, model):
    return {key for key, value in values(model).items() if (value != before[key]).any()}


def two_players(lr=2e-4):
    players = Translator(1, 1, (4, 6)), PatchDiscriminator(1, 1, (4, 6))
    return *players, *(optim.Adam(player.parameters(), lr, (0.5, 0.999)) for player in players)


def pairs(N=2, size=(13, 12)):
    return mediml.rand(N, 1, *size), mediml.rand(N, 1, *size)


@pytest.mark.parametrize("size", [(28, 28), (13, 12), (64, 48)])
def test_an_image_of_the_sources_size(size):
    image = Translator(3, 2, (4, 6, 8))(mediml.randn(2, 3, *size))
    assert image.shape == (2, 2, *size)
    assert 0 < image.detach().numpy().min() < image.detach().numpy().max() < 1


@pytest.mark.parametrize(("widths", "field"), [((4,), 8), ((4, 6), 18), ((4, 6, 8), 38)])
def test_how_many_pixels_a_score_sees(widths, field):
    model = PatchDiscriminator(1, 1, widths).eval()
    source, image = mediml.randn(1, 1, 96, 96, requires_grad=True), mediml.randn(1, 1, 96, 96, requires_grad=True)
    scores = model(source, image)
    assert scores.shape == (1, 1, 96 // 2 ** len(widths), 96 // 2 ** len(widths))
    scores[0, 0, scores.shape[2] // 2, scores.shape[3] // 2].backward()
    for part in (source, image):
        seen = part.grad.numpy()[0, 0] != 0
        assert seen.any(0).sum() == seen.any(1).sum() == field == 5 * 2 ** len(widths) - 2


def test_each_step_moves_one_player():
    translator, discriminator, translator_optimizer, discriminator_optimizer = two_players()
    source, target = pairs()
    fake = translator(source)
    before = values(translator), values(discriminator)
    loss = pix2pix.discriminator_step(discriminator, discriminator_optimizer, source, target, fake)
    assert not loss.requires_grad
    assert changed(before[0], translator) == set() and changed(before[1], discriminator) == set(before[1])
    assert all(parameter.grad is None for parameter in translator.parameters())
    before = values(translator), values(discriminator)
    parts = pix2pix.translator_step(discriminator, translator_optimizer, source, target, fake)
    assert not any(part.requires_grad for part in parts)
    assert changed(before[0], translator) == set(before[0]) and changed(before[1], discriminator) == set()
    assert parts[1].item() == pytest.approx(abs(fake.detach().numpy() - target.numpy()).mean(), rel=1e-5)


@pytest.mark.parametrize("l1_weight", [0.0, 100.0])
def test_the_translators_gradient(l1_weight):
    """One step of plain gradient descent, against the gradient of the loss as it is defined."""
    translator, discriminator, *_ = two_players()
    translator, discriminator = translator.to(mediml.float64), discriminator.to(mediml.float64)
    source, target = (part.double() for part in pairs())
    fake = translator(source)
    scores = discriminator(source, fake)
    loss = nn.functional.softplus(-scores).mean() + l1_weight * (fake - target).abs().mean()
    gradients = mediml.autograd.grad(loss, list(translator.parameters()), retain_graph=True)
    before, optimizer = values(translator), optim.SGD(translator.parameters(), lr=0.1)
    parts = pix2pix.translator_step(discriminator, optimizer, source, target, fake, l1_weight)
    assert parts[0].item() + l1_weight * parts[1].item() == pytest.approx(loss.item(), rel=1e-12)
    for (key, value), gradient in zip(values(translator).items(), gradients):
        np.testing.assert_allclose(value, before[key] - 0.1 * gradient.numpy(), rtol=1e-9, atol=1e-12)


def test_the_judge_sees_the_source():
    """Of the same image beside two sources it says two things: a translation must fit, not only look real."""
    discriminator = PatchDiscriminator(1, 1, (4, 6)).eval()
    source, image = pairs()
    one, other = (discriminator(s, image).detach().numpy() for s in (source, 1 - source))
    assert abs(one - other).max() > 1e-4


def test_it_learns_to_invert():
    mediml.manual_seed(0)
    translator, discriminator, translator_optimizer, discriminator_optimizer = two_players(lr=1e-2)
    for _ in range(80):
        source = mediml.rand(8, 1, 8, 8)
        fake = translator(source)
        pix2pix.discriminator_step(discriminator, discriminator_optimizer, source, 1 - source, fake)
        pix2pix.translator_step(discriminator, translator_optimizer, source, 1 - source, fake)
    source = mediml.rand(16, 1, 8, 8)
    with mediml.no_grad():
        error = (translator.eval()(source) - (1 - source)).abs().mean().item()
    assert error < 0.1  # of two unrelated images: 1/3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: PatchDiscriminator(widths=()), r"widths expects channels for each halving, got \(\)"),
        (
            lambda: PatchDiscriminator(2, 1)(mediml.zeros(1, 1, 8, 8), mediml.zeros(1, 1, 8, 8)),
            r"with 2 and 1 channels, got \(1, 1, 8, 8\) and \(1, 1, 8, 8\)",
        ),
        (
            lambda: PatchDiscriminator()(mediml.zeros(1, 1, 8), mediml.zeros(1, 1, 8, 8)),
            r"got \(1, 1, 8\) and \(1, 1, 8, 8\)",
        ),
        (
            lambda: PatchDiscriminator()(mediml.zeros(1, 1, 8, 8), mediml.zeros(1, 1, 9, 8)),
            r"PatchDiscriminator: .* same size, got \(1, 1, 8, 8\) and \(1, 1, 9, 8\)",
        ),
        (
            lambda: PatchDiscriminator()(mediml.zeros(1, 1, 3, 8), mediml.zeros(1, 1, 3, 8)),
            r"at least 4 x 4 pixels, got \(1, 1, 3, 8\)",
        ),
        (lambda: Translator(2)(mediml.zeros(1, 1, 8, 8)), r"expected \(N, 2, H, W\), got \(1, 1, 8, 8\)"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_detached_fake_teaches_the_translator_nothing():
    translator, discriminator, optimizer, _ = two_players()
    source, target = pairs()
    with pytest.raises(ValueError, match="translator_step: fake expects the translator's output, not detached"):
        pix2pix.translator_step(discriminator, optimizer, source, target, translator(source).detach())
