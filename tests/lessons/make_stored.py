"""Make the numbers of PyTorch that the lessons compare themselves with: python tests/lessons/make_stored.py

Writes ``lessons/stored/*.json``. Needs torch; the lessons then do not. A test makes them again and compares.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

STORED = Path(__file__).resolve().parents[2] / "lessons" / "stored"


def convolution() -> dict[str, Any]:
    """One conv2d with stride, padding, dilation and groups at once, forward and backward, float64."""
    import torch

    generator = np.random.default_rng(4)
    x, weight = (
        torch.tensor(generator.standard_normal(shape).round(3), requires_grad=True)
        for shape in ((2, 4, 5, 6), (6, 2, 3, 2))
    )
    y = torch.nn.functional.conv2d(x, weight, stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2)
    g = torch.tensor(generator.standard_normal(tuple(y.shape)).round(3))
    y.backward(g)
    assert x.grad is not None and weight.grad is not None
    named = {"x": x, "weight": weight, "g": g, "y": y, "grad_x": x.grad, "grad_weight": weight.grad}
    return {name: value.detach().tolist() for name, value in named.items()}


def training() -> dict[str, Any]:
    """Losses of twenty Adam steps of the article's CNN in float64, from weights that a seed decides."""
    import torch

    from mediml.data.synthetic import chest_xrays
    from mediml.reference.cnn import CNN

    seed, steps, size = 9, 20, 16
    generated = chest_xrays(2100, size=28, seed=0)
    model = CNN(in_channels=1, num_classes=2, image_size=28).double()
    generator = np.random.default_rng(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            values = generator.standard_normal(tuple(parameter.shape)) / np.sqrt(max(parameter[0].numel(), 16))
            parameter.copy_(torch.from_numpy(values))
    optimizer, losses = torch.optim.Adam(model.parameters(), lr=1e-3), []
    for step in range(steps):
        batch = slice(size * step, size * (step + 1))
        images = torch.from_numpy(generated.images[batch, None] / 255.0)
        loss = torch.nn.functional.cross_entropy(model(images), torch.from_numpy(generated.labels[batch]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"seed": seed, "losses": losses}


def adversarial() -> dict[str, Any]:
    """Both losses of ten alternating Adam steps of a small DCGAN in float64, from weights that a seed decides."""
    import torch

    from mediml.data.two_modes import two_modes
    from mediml.reference.gan import Discriminator, Generator, discriminator_step, generator_step

    seed, steps, size = 13, 10, 16
    images, _ = two_modes(2000, size=16, seed=0)
    rng = np.random.default_rng(seed)
    players = Generator(1, 16, latent=8, width=4).double(), Discriminator(1, 16, width=4).double()
    with torch.no_grad():
        for player in players:
            for name, parameter in player.named_parameters():
                of_norm = parameter.ndim == 1 and name.endswith("weight")
                values = 0.2 * rng.standard_normal(tuple(parameter.shape)) + of_norm
                parameter.copy_(torch.from_numpy(values))
    adams = [torch.optim.Adam(player.parameters(), lr=1e-3, betas=(0.5, 0.999)) for player in players]
    losses = []
    for step in range(steps):
        real = torch.from_numpy(images[size * step : size * (step + 1)]).double()
        fake = players[0](torch.from_numpy(rng.standard_normal((size, 8))))
        of_discriminator = discriminator_step(players[1], adams[1], real, fake).item()
        losses.append([of_discriminator, generator_step(players[1], adams[0], fake).item()])
    return {"seed": seed, "losses": losses}


ALL = {"04_torch.json": convolution, "09_torch.json": training, "13_torch.json": adversarial}


if __name__ == "__main__":
    STORED.mkdir(exist_ok=True)
    for name, make in ALL.items():
        (STORED / name).write_text(json.dumps(make()) + "\n")
        print(name)
