"""The DCGAN: its layers, its two steps and what each of them leaves alone, and that the two players learn."""

from itertools import pairwise

import numpy as np
import pytest

import mediml
import mediml.nn.functional as F
from mediml import nn, optim
from mediml.models import gan
from mediml.models.gan import Discriminator, Generator


@pytest.fixture(autouse=True)
def same_weights_each_time():
    mediml.manual_seed(0)


def values(model):
    return {key: value.detach().numpy().copy() for key, value in model.named_parameters()}


def changed(before, model):
    return {key for key, value in values(model).items() if (value != before[key]).any()}


def two_players(lr=2e-4, **options):
    options = {"channels": 1, "image_size": 32, "width": 4, **options}
    generator = Generator(options["channels"], options["image_size"], 10, options["width"])
    discriminator = Discriminator(**options)
    optimizers = [optim.Adam(player.parameters(), lr, (0.5, 0.999)) for player in (generator, discriminator)]
    return generator, discriminator, *optimizers


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("image_size", "widths"), [(32, [256, 128, 64]), (64, [512, 256, 128, 64])])
def test_the_articles_layers(channels, image_size, widths):
    generator, discriminator = Generator(channels, image_size), Discriminator(channels, image_size)
    assert tuple(next(generator.parameters()).shape) == (widths[0] * 4 * 4, 100)
    up = [tuple(m.weight.shape) for m in generator.main if isinstance(m, nn.ConvTranspose2d)]
    down = [tuple(m.weight.shape) for m in discriminator.main if isinstance(m, nn.Conv2d)]
    stages = list(zip(widths, [*widths[1:], channels]))
    assert up == [(wide, narrow, 4, 4) for wide, narrow in stages]  # in, out
    assert down == [*((wide, narrow, 4, 4) for wide, narrow in stages[::-1]), (1, widths[0], 4, 4)]  # out, in
    images = generator(mediml.randn(2, 100))
    assert images.shape == (2, channels, image_size, image_size)
    assert abs(images.detach().numpy()).max() < 1
    assert discriminator(images).shape == (2,)


@pytest.mark.parametrize("player", [Generator, Discriminator])
def test_no_bias_where_batch_norm_would_subtract_it(player):
    layers = list(player(width=4).main)
    for layer, following in pairwise(layers):
        if isinstance(following, gan.NORMS):
            assert layer.bias is None
    assert sum(isinstance(layer, gan.NORMS) for layer in layers) == (3 if player is Generator else 2)


def test_initial_weights():
    mediml.manual_seed(0)
    for player in (Generator(), Discriminator(), Discriminator(spectral=True)):
        for module in player.apply(gan.init_weights).modules():
            for name, parameter in module.named_parameters(recurse=False):
                numbers = parameter.detach().numpy()
                if name == "bias":
                    assert (numbers == 0).all()
                else:
                    mean = 1 if isinstance(module, gan.NORMS) else 0
                    error = 4 * 0.02 / np.sqrt(numbers.size)
                    assert abs(numbers.mean() - mean) < error and abs(numbers.std() - 0.02) < error


def test_losses_by_hand():
    real, fake = mediml.tensor([2.0, -1.0]), mediml.tensor([0.5, -3.0])
    of_real = np.mean([np.log1p(np.exp(-2.0)), np.log1p(np.exp(1.0))])
    of_fake = np.mean([np.log1p(np.exp(0.5)), np.log1p(np.exp(-3.0))])
    assert gan.discriminator_loss(real, fake).item() == pytest.approx(of_real + of_fake, rel=1e-6)
    as_real = np.mean([np.log1p(np.exp(-0.5)), np.log1p(np.exp(3.0))])
    assert gan.generator_loss(fake).item() == pytest.approx(as_real, rel=1e-6)


def test_each_step_moves_one_player():
    generator, discriminator, generator_optimizer, discriminator_optimizer = two_players()
    fake, real = generator(mediml.randn(4, 10)), mediml.randn(4, 1, 32, 32)
    before = values(generator), values(discriminator)
    loss = gan.discriminator_step(discriminator, discriminator_optimizer, real, fake)
    assert not loss.requires_grad and loss.shape == ()
    assert changed(before[0], generator) == set() and changed(before[1], discriminator) == set(before[1])
    assert all(parameter.grad is None for parameter in generator.parameters())
    before = values(generator), values(discriminator)
    gradients = [parameter.grad.numpy().copy() for parameter in discriminator.parameters()]
    loss = gan.generator_step(discriminator, generator_optimizer, fake)
    assert not loss.requires_grad and loss.shape == ()
    assert changed(before[0], generator) == set(before[0]) and changed(before[1], discriminator) == set()
    for parameter, gradient in zip(discriminator.parameters(), gradients):
        assert parameter.requires_grad
        np.testing.assert_array_equal(parameter.grad.numpy(), gradient)


def test_the_steps_give_the_loss_and_follow_its_gradient():
    """One step of plain gradient descent, against the gradient taken by hand from the same loss."""
    generator, discriminator, *_ = two_players()
    noise, real = mediml.randn(4, 10), mediml.randn(4, 1, 32, 32)
    for player in (generator, discriminator):
        player.to(mediml.float64)
    noise, real = noise.double(), real.double()
    for player, step in ((discriminator, "discriminator"), (generator, "generator")):
        fake = generator(noise)
        if step == "discriminator":
            expected = gan.discriminator_loss(discriminator(real), discriminator(fake.detach()))
        else:
            expected = gan.generator_loss(discriminator(fake))
        gradients = mediml.autograd.grad(expected, list(player.parameters()), retain_graph=True)
        before, optimizer = values(player), optim.SGD(player.parameters(), lr=0.5)
        if step == "discriminator":
            loss = gan.discriminator_step(discriminator, optimizer, real, fake)
        else:
            loss = gan.generator_step(discriminator, optimizer, fake)
        assert loss.item() == pytest.approx(expected.item(), rel=1e-12)
        for (key, value), gradient in zip(values(player).items(), gradients):
            np.testing.assert_allclose(value, before[key] - 0.5 * gradient.numpy(), rtol=1e-9, atol=1e-12)


def test_another_objective():
    generator, discriminator, generator_optimizer, discriminator_optimizer = two_players(spectral=True)
    fake, real = generator(mediml.randn(4, 10)), mediml.randn(4, 1, 32, 32)

    def hinge(real, fake):
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()

    loss = gan.discriminator_step(discriminator, discriminator_optimizer, real, fake, hinge)
    assert 1 < loss.item() < 3
    discriminator.eval()
    expected = -discriminator(fake).mean().item()
    loss = gan.generator_step(discriminator, generator_optimizer, fake, lambda fake: -fake.mean())
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_a_detached_fake_teaches_the_generator_nothing():
    generator, discriminator, optimizer, _ = two_players()
    with pytest.raises(ValueError, match="generator_step: fake expects the generator's output, not detached"):
        gan.generator_step(discriminator, optimizer, generator(mediml.randn(4, 10)).detach())


def test_the_discriminator_thaws_whatever_happens():
    generator, discriminator, optimizer, _ = two_players()
    first = next(discriminator.parameters())
    first.requires_grad_(False)

    def broken(fake):
        assert not any(parameter.requires_grad for parameter in discriminator.parameters())
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        gan.generator_step(discriminator, optimizer, generator(mediml.randn(4, 10)), broken)
    learning = [parameter.requires_grad for parameter in discriminator.parameters()]
    assert learning == [False] + [True] * (len(learning) - 1)


def test_images_to_look_at():
    generator = Generator(1, 32, 10, 4)
    with mediml.no_grad():
        generator(mediml.randn(16, 10))
    noise = mediml.randn(5, 10)
    images = gan.fake_images(generator, noise, batch_size=2)
    assert generator.training and not images.requires_grad
    assert images.shape == (5, 1, 32, 32) and 0 <= images.numpy().min() < images.numpy().max() <= 1
    np.testing.assert_allclose(gan.fake_images(generator, noise[3:4]).numpy(), images.numpy()[3:4], atol=1e-6)
    np.testing.assert_array_equal(gan.fake_images(generator, noise).numpy(), gan.fake_images(generator, noise).numpy())
    with mediml.no_grad():
        expected = generator.eval()(noise).numpy() / 2 + 0.5
    np.testing.assert_allclose(images.numpy(), expected, atol=1e-6)
    assert gan.fake_images(generator, noise[:0]).shape == (0, 1, 32, 32) and not generator.training


def test_spectral_normalisation_bounds_every_layer():
    discriminator = Discriminator(1, 32, spectral=True, width=4)
    images = mediml.randn(4, 1, 32, 32)
    for _ in range(200):
        discriminator(images)
    discriminator.eval()
    scores = discriminator(images).detach().numpy()
    for layer in discriminator.main:
        if isinstance(layer, nn.Conv2d):
            norm = np.linalg.norm(layer.weight.detach().numpy().reshape(layer.weight.shape[0], -1), 2)
            assert norm == pytest.approx(1, abs=1e-3)
    assert not any(isinstance(layer, gan.NORMS) for layer in discriminator.modules())
    np.testing.assert_allclose(discriminator(images[2:3]).detach().numpy(), scores[2:3], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("spectral", [False, True])
def test_the_generator_finds_how_bright_real_images_are(spectral):
    rng = np.random.default_rng(0)
    generator, discriminator, generator_optimizer, discriminator_optimizer = two_players(lr=2e-3, spectral=spectral)
    first = gan.fake_images(generator, mediml.randn(64, 10)).numpy().mean()
    for _ in range(80):
        real = mediml.tensor((0.6 + 0.1 * rng.normal(size=(16, 1, 32, 32))).astype(np.float32))
        fake = generator(mediml.randn(16, 10))
        gan.discriminator_step(discriminator, discriminator_optimizer, real, fake)
        gan.generator_step(discriminator, generator_optimizer, fake)
    last = gan.fake_images(generator, mediml.randn(64, 10)).numpy().mean()
    assert abs(first - 0.8) > 0.15 and abs(last - 0.8) < 0.12  # images of mean 0.6 in [-1, 1]: 0.8 in [0, 1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Generator(image_size=48), r"Generator: image_size expects 32 or 64 .*, got 48, 64"),
        (lambda: Discriminator(image_size=4), "Discriminator: image_size expects 32 or 64"),
        (lambda: Generator(width=0), "width at least 1, got 32, 0"),
        (lambda: Generator()(mediml.zeros(2, 100, 1, 1)), r"noise of shape \(N, 100\), got \(2, 100, 1, 1\)"),
        (lambda: Discriminator()(mediml.zeros(2, 1, 32, 32)), r"\(N, 3, 32, 32\), got \(2, 1, 32, 32\)"),
        (lambda: Discriminator()(mediml.zeros(2, 3, 64, 64)), r"\(N, 3, 32, 32\), got \(2, 3, 64, 64\)"),
        (lambda: Generator()(mediml.zeros(1, 100)), "more than 1 value"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


#: Two players that alternate, as the article's program means to; with what it lacked.
PROGRAM = """
import torch
import torch.nn as nn
import torch.optim as optim

generator = nn.Sequential(
    nn.Linear(100, 4 * 4 * 16),
    nn.BatchNorm1d(4 * 4 * 16),
    nn.LeakyReLU(0.2, inplace=True),
    nn.Unflatten(1, (16, 4, 4)),
    nn.ConvTranspose2d(16, 8, 4, stride=2, padding=1),
    nn.BatchNorm2d(8),
    nn.LeakyReLU(0.2, inplace=True),
    nn.ConvTranspose2d(8, 3, 4, stride=2, padding=1),
    nn.Tanh(),
)
discriminator = nn.Sequential(
    nn.Conv2d(3, 8, 4, stride=2, padding=1),
    nn.LeakyReLU(0.2, inplace=True),
    nn.Conv2d(8, 16, 4, stride=2, padding=1),
    nn.BatchNorm2d(16),
    nn.LeakyReLU(0.2, inplace=True),
    nn.Conv2d(16, 1, 4, stride=1, padding=0),
    nn.Flatten(0),
    nn.Sigmoid(),
)
for player, arrays in ((generator, weights[0]), (discriminator, weights[1])):
    parameters = dict(player.named_parameters())
    with torch.no_grad():
        for name, array in arrays.items():
            parameters[name].copy_(torch.tensor(array))
criterion = nn.BCELoss()
optimizer_g = optim.Adam(generator.parameters(), lr=0.0003)
optimizer_d = optim.Adam(discriminator.parameters(), lr=0.0003)
losses = []
for z, images in zip(torch.tensor(noise), torch.tensor(real)):
    optimizer_d.zero_grad()
    fake = generator(z)
    disc_real = discriminator(images)
    disc_fake = discriminator(fake.detach())
    disc_loss = criterion(disc_real, torch.ones_like(disc_real)) + criterion(disc_fake, torch.zeros_like(disc_fake))
    disc_loss.backward()
    optimizer_d.step()
    optimizer_g.zero_grad()
    disc_fake = discriminator(generator(z))
    gen_loss = criterion(disc_fake, torch.ones_like(disc_fake))
    gen_loss.backward()
    optimizer_g.step()
    losses += [disc_loss.item(), gen_loss.item()]
with torch.no_grad():
    pictures = (generator(z).permute(0, 2, 3, 1).numpy() * 127.5 + 127.5).astype("uint8")
"""


def test_the_articles_program_runs_when_its_imports_change():
    pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    shapes = [
        {
            "0.weight": (256, 100),
            "0.bias": 256,
            "4.weight": (16, 8, 4, 4),
            "4.bias": 8,
            "7.weight": (8, 3, 4, 4),
            "7.bias": 3,
        },
        {
            "0.weight": (8, 3, 4, 4),
            "0.bias": 8,
            "2.weight": (16, 8, 4, 4),
            "2.bias": 16,
            "5.weight": (1, 16, 4, 4),
            "5.bias": 1,
        },
    ]
    arrays = {
        "weights": [
            {name: (0.05 * rng.normal(size=shape)).astype(np.float32) for name, shape in player.items()}
            for player in shapes
        ],
        "noise": rng.normal(size=(8, 10, 100)).astype(np.float32),
        "real": rng.uniform(-1, 1, (8, 10, 3, 16, 16)).astype(np.float32),
    }
    ours, theirs = dict(arrays), dict(arrays)
    changed = PROGRAM.replace("import torch\n", "import mediml as torch\n").replace("import torch.", "import mediml.")
    exec(compile(changed, "article.py", "exec"), ours)
    exec(compile(PROGRAM, "article.py", "exec"), theirs)
    assert ours["pictures"].shape == (10, 16, 16, 3) and ours["pictures"].dtype == np.uint8
    np.testing.assert_allclose(ours["losses"], theirs["losses"], rtol=1e-3)
