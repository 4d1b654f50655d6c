"""Same weights, same data, 20 steps of Adam: a model and its twin stay together; one misplaced bias parts them."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pytest

import mediml

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.torch

STEPS = 20
#: Of the losses, relative; weights and running statistics are compared in float64 only, where Adam's division by the
#: root of a squared gradient does not turn rounding into steps.
LOSSES = {"float64": 1e-8, "float32": 2e-4}
WEIGHTS = 1e-8


@dataclass(frozen=True)
class Training:
    """How one model is trained in either library.

    Parameters
    ----------
    file : str
        Of ``mediml/models`` and ``mediml/reference``.
    players : sequence of (class, options)
    arrays : callable
        Arrays of one step from a generator of random numbers.
    step : callable
        (module of the models, library, players, optimizers, tensors) to the losses of one step.
    """

    file: str
    players: tuple[tuple[str, dict[str, Any]], ...]
    arrays: Callable[[np.random.Generator], list[np.ndarray]]
    step: Callable[..., list[Any]]
    adam: dict[str, Any] = field(default_factory=lambda: {"lr": 1e-3})


def classify(models, library, players, optimizers, tensors):
    *inputs, labels = tensors
    loss = library.nn.functional.cross_entropy(players[0](*inputs), labels)
    optimizers[0].zero_grad()
    loss.backward()
    library.nn.utils.clip_grad_norm_(players[0].parameters(), 1.0)
    optimizers[0].step()
    return [loss]


def segment(models, library, players, optimizers, tensors):
    loss = models.segmentation_loss(players[0](tensors[0]), tensors[1])
    optimizers[0].zero_grad()
    loss.backward()
    optimizers[0].step()
    return [loss]


def play(models, library, players, optimizers, tensors):
    generator, discriminator = players
    fake = generator(tensors[0])
    return [
        models.discriminator_step(discriminator, optimizers[1], tensors[1], fake),
        models.generator_step(discriminator, optimizers[0], fake),
    ]


def translate(models, library, players, optimizers, tensors):
    translator, discriminator = players
    source, target = tensors
    fake = translator(source)
    return [
        models.discriminator_step(discriminator, optimizers[1], source, target, fake),
        *models.translator_step(discriminator, optimizers[0], source, target, fake),
    ]


def recurrent(cell, packed=False, **options):
    def arrays(rng):
        lengths = [rng.integers(1, 8, 6)] if packed else []
        return [rng.integers(0, 10, (6, 7)), *lengths, rng.integers(0, 2, 6)]

    return Training("rnn", (("RNN", {"hidden_size": 12, "cell": cell, **options}),), arrays, classify)


def unet(rank, **options):
    size = (9, 12) if rank == 2 else (5, 8, 6)

    def arrays(rng):
        return [rng.normal(size=(3, 1, *size)), rng.integers(0, 3, (3, *size))]

    options = {"num_classes": 3, "widths": (4, 6, 8), "rank": rank, **options}
    return Training("unet", (("UNet", options),), arrays, segment)


def dcgan(channels, image_size, **options):
    size = {"channels": channels, "image_size": image_size, "width": 4}

    def arrays(rng):
        return [rng.normal(size=(6, 10)), rng.uniform(-1, 1, (6, channels, image_size, image_size))]

    players = (("Generator", {**size, "latent": 10}), ("Discriminator", {**size, **options}))
    return Training("gan", players, arrays, play, {"lr": 2e-4, "betas": (0.5, 0.999)})


def pix2pix(rng):
    return [rng.uniform(0, 1, (3, 1, 13, 12)) for _ in range(2)]


TRAININGS = {
    "RNN": recurrent("rnn"),
    "LSTM": recurrent("lstm"),
    "GRU": recurrent("gru"),
    "RNN, packed, mean": recurrent("rnn", packed=True, pooling="mean"),
    "LSTM, packed, both directions": recurrent("lstm", packed=True, bidirectional=True, padding_idx=0),
    "GRU, packed, max": recurrent("gru", packed=True, pooling="max"),
    "DCGAN": dcgan(1, 32),
    "DCGAN, 64 pixels": dcgan(3, 64),
    "DCGAN, spectral": dcgan(3, 32, spectral=True),
    "U-Net": unet(2),
    "U-Net, linear, group": unet(2, up="linear", norm="group"),
    "U-Net in 3-D": unet(3),
    "U-Net in 3-D, linear, instance": unet(3, up="linear", norm="instance"),
    "pix2pix": Training(
        "pix2pix",
        (("Translator", {"widths": (4, 6)}), ("PatchDiscriminator", {"widths": (4, 6)})),
        pix2pix,
        translate,
        {"lr": 2e-4, "betas": (0.5, 0.999)},
    ),
}


def both_trained(training, dtype, tamper=None):
    """Losses of (ours, theirs), each of shape (STEPS, losses of a step), and the players of both after the last."""
    torch.manual_seed(0)
    theirs_models = importlib.import_module(f"mediml.reference.{training.file}")
    ours_models = importlib.import_module(f"mediml.models.{training.file}")
    theirs = [getattr(theirs_models, name)(**options).to(getattr(torch, dtype)) for name, options in training.players]
    ours = [getattr(ours_models, name)(**options).to(getattr(mediml, dtype)) for name, options in training.players]
    for mine, twin in zip(ours, theirs):
        # copies: a tensor made from torch's array would share its memory, and be trained with it
        mine.load_state_dict({key: mediml.tensor(value.numpy().copy()) for key, value in twin.state_dict().items()})
    if tamper is not None:
        tamper(ours[0])
    losses = []
    for library, models, players in ((mediml, ours_models, ours), (torch, theirs_models, theirs)):
        optimizers = [library.optim.Adam(player.parameters(), **training.adam) for player in players]
        rng = np.random.default_rng(0)
        steps = []
        for _ in range(STEPS):
            arrays = [array.astype(dtype) if array.dtype.kind == "f" else array for array in training.arrays(rng)]
            tensors = [library.tensor(array) for array in arrays]
            steps.append([loss.item() for loss in training.step(models, library, players, optimizers, tensors)])
        losses.append(np.array(steps))
    return losses, ours, theirs


def check(training, dtype, tamper=None):
    (mine, expected), ours, theirs = both_trained(training, dtype, tamper)
    assert mine.shape == expected.shape == (STEPS, expected.shape[1])
    assert np.isfinite(expected).all() and (expected[0] != expected[-1]).all()
    np.testing.assert_allclose(mine, expected, rtol=LOSSES[dtype], atol=0)
    if dtype == "float64":
        for player, twin in zip(ours, theirs):
            values, twin_values = player.state_dict(), twin.state_dict()
            assert list(values) == list(twin_values)
            for key, value in twin_values.items():
                np.testing.assert_allclose(values[key].numpy(), value.numpy(), rtol=WEIGHTS, atol=WEIGHTS, err_msg=key)


@pytest.mark.parametrize("dtype", LOSSES)
@pytest.mark.parametrize("name", TRAININGS)
def test_together_for_twenty_steps(name, dtype):
    check(TRAININGS[name], dtype)


def swap_gates(model, key, first, second):
    """Exchange the blocks of two gates within one bias."""
    bias = getattr(model.rnn, key).data
    F_hid = model.rnn.hidden_size
    a, b = (slice(gate * F_hid, (gate + 1) * F_hid) for gate in (first, second))
    kept = bias[a].clone()
    bias[a] = bias[b].clone()
    bias[b] = kept


def swap_candidate_biases(model):
    """GRU: exchange the candidate's two biases, of which the reset gate multiplies one only."""
    F_hid = model.rnn.hidden_size
    inner, outer = model.rnn.bias_hh_l0.data, model.rnn.bias_ih_l0.data
    kept = inner[2 * F_hid :].clone()
    inner[2 * F_hid :] = outer[2 * F_hid :].clone()
    outer[2 * F_hid :] = kept


@pytest.mark.parametrize("dtype", LOSSES)
@pytest.mark.parametrize(
    ("name", "tamper"),
    [
        ("LSTM", partial(swap_gates, key="bias_ih_l0", first=0, second=1)),  # input and forget
        ("LSTM", partial(swap_gates, key="bias_hh_l1", first=2, second=3)),  # candidate and output
        ("GRU", partial(swap_gates, key="bias_ih_l0", first=0, second=1)),  # reset and update
        ("GRU", swap_candidate_biases),
    ],
)
def test_a_misplaced_bias_of_one_gate_is_seen(name, tamper, dtype):
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check(TRAININGS[name], dtype, tamper)
