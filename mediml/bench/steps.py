"""The training steps that `mediml bench steps` times: forward, loss, backward, Adam, from the same weights."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

import mediml

__all__ = ["STEPS", "Step", "cnn", "dcgan", "recurrent", "unet"]

#: Losses of the first steps may differ by this much, relatively, in float32.
AGREEMENT, STEPS_COMPARED = 1e-4, 5

#: (library, module of the model, its players, their optimizers, tensors of the batch) to the loss of a step.
Act = Callable[[Any, Any, list[Any], list[Any], list[Any]], Any]


@dataclass(frozen=True)
class Step:
    """One step of one of the course's models on a batch of random numbers.

    Parameters
    ----------
    name : str
        What a row of the table is called.
    file : str
        Of the model in ``mediml/models`` and of its twin in ``mediml/reference``.
    players : sequence of (class, options)
        One network, or generator and discriminator.
    batch : callable
        Draws the arrays of the batch.
    act : callable
        Trains the players for one step; the loss that it gives is compared.
    operators : sequence of str
        What the step is made of; each must agree with PyTorch before the step is timed.
    adam : mapping
        Options of the optimizers.
    compared : int
        How many steps must agree. Two of an adversarial one: Adam's first steps are as long for a gradient that
        rounding made as for any other, and each player passes the other's on; in float64 they stay together.
    """

    name: str
    file: str
    players: tuple[tuple[str, Mapping[str, Any]], ...]
    batch: Callable[[np.random.Generator], list[NDArray[Any]]]
    act: Act
    operators: tuple[str, ...]
    adam: Mapping[str, Any] = field(default_factory=lambda: {"lr": 1e-4})
    compared: int = STEPS_COMPARED

    @property
    def group(self) -> str:
        """The rows whose ratios have one mean."""
        return f"{self.name.partition(' step')[0]} training step"

    def prepare(self, device: str = "cpu") -> tuple[Callable[[], Any], Callable[[], Any]]:
        """Our step and PyTorch's, each giving its loss: a number, on the GPU a tensor that nobody waits for.

        Raises
        ------
        ValueError
            If the losses of the first steps do not agree.
        """
        import torch

        arrays = self.batch(np.random.default_rng(0))
        models = [importlib.import_module(f"mediml.{folder}.{self.file}") for folder in ("models", "reference")]
        ours, theirs = ([getattr(module, name)(**options) for name, options in self.players] for module in models)
        for mine, twin in zip(ours, theirs):
            mine.load_state_dict({key: mediml.tensor(value.numpy()) for key, value in twin.state_dict().items()})
        steps = (
            self._repeated(mediml, models[0], ours, arrays, device),
            self._repeated(torch, models[1], theirs, arrays, device),
        )
        read = _reading(steps[0]), _reading(steps[1])
        for number in range(self.compared):
            mine, expected = (step() for step in read)
            if not abs(mine - expected) <= AGREEMENT * abs(expected):
                raise ValueError(
                    f"bench: {self.name} is not timed: at step {number} its loss is {mine:.6f}, "
                    f"PyTorch's {expected:.6f}"
                )
        return read if device == "cpu" else steps

    def _repeated(
        self, library: Any, models: Any, players: list[Any], arrays: list[NDArray[Any]], device: str
    ) -> Callable[[], Any]:
        tensors = [library.tensor(array).to(device) for array in arrays]
        players = [player.to(device) for player in players]
        optimizers = [library.optim.Adam(player.parameters(), **self.adam) for player in players]
        return lambda: self.act(library, models, players, optimizers, tensors)


def _reading(step: Callable[[], Any]) -> Callable[[], float]:
    """The step, and its loss as a number."""
    return lambda: float(step().item())


def cnn(images: tuple[int, int, int, int], classes: int) -> Step:
    """The article's CNN on images of shape (N, C, H, W)."""

    def batch(generator: np.random.Generator) -> list[NDArray[Any]]:
        return [_normal(generator, images), generator.integers(0, classes, images[0])]

    options = {"in_channels": images[1], "num_classes": classes, "image_size": images[2:]}
    operators = ("conv2d", "max_pool2d", "relu", "linear", "cross_entropy")
    return Step(_named("CNN", images), "cnn", (("CNN", options),), batch, _classify, operators)


def recurrent(cell: str, sequences: tuple[int, int, int]) -> Step:
    """The recurrent classifier, two layers, on values of shape (N, T, F), with F hidden units."""

    def batch(generator: np.random.Generator) -> list[NDArray[Any]]:
        return [_normal(generator, sequences), generator.integers(0, 2, sequences[0])]

    options = {"input_size": sequences[2], "hidden_size": sequences[2], "cell": cell, "embed": False}
    operators = ("rnn_tanh" if cell == "rnn" else cell, "linear", "cross_entropy")
    return Step(_named(cell.upper(), sequences), "rnn", (("RNN", options),), batch, _classify, operators)


def dcgan(images: tuple[int, int, int, int], width: int = 64) -> Step:
    """Both players of the DCGAN, one step each, on images of shape (N, C, H, H)."""

    def batch(generator: np.random.Generator) -> list[NDArray[Any]]:
        return [_normal(generator, (images[0], 100)), np.tanh(_normal(generator, images))]

    options = {"channels": images[1], "image_size": images[2], "width": width}
    operators = (
        "linear", "batch_norm", "leaky_relu", "conv_transpose2d", "conv2d", "tanh", "binary_cross_entropy_with_logits",
    )  # fmt: skip
    players = (("Generator", options), ("Discriminator", options))
    adam = {"lr": 2e-4, "betas": (0.5, 0.999)}
    return Step(_named("DCGAN", images), "gan", players, batch, _play, operators, adam, compared=2)


def unet(images: tuple[int, ...], widths: tuple[int, ...] = (8, 16, 32)) -> Step:
    """The U-Net on images of shape (N, C, H, W) or volumes of shape (N, C, D, H, W), three classes."""

    def batch(generator: np.random.Generator) -> list[NDArray[Any]]:
        return [_normal(generator, images), generator.integers(0, 3, (images[0], *images[2:]))]

    rank = len(images) - 2
    options = {"in_channels": images[1], "num_classes": 3, "widths": widths, "rank": rank}
    operators = (
        f"conv{rank}d", f"max_pool{rank}d", "batch_norm", "relu", f"conv_transpose{rank}d", "softmax", "cross_entropy",
    )  # fmt: skip
    return Step(_named("U-Net", images), "unet", (("UNet", options),), batch, _segment, operators)


def _named(model: str, shape: tuple[int, ...]) -> str:
    return f"{model} step {'x'.join(map(str, shape))}"


def _normal(generator: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    return generator.standard_normal(shape).astype(np.float32)


def _descend(optimizer: Any, loss: Any) -> Any:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


def _classify(library: Any, models: Any, players: list[Any], optimizers: list[Any], tensors: list[Any]) -> Any:
    return _descend(optimizers[0], library.nn.functional.cross_entropy(players[0](tensors[0]), tensors[1]))


def _segment(library: Any, models: Any, players: list[Any], optimizers: list[Any], tensors: list[Any]) -> Any:
    return _descend(optimizers[0], models.segmentation_loss(players[0](tensors[0]), tensors[1]))


def _play(library: Any, models: Any, players: list[Any], optimizers: list[Any], tensors: list[Any]) -> Any:
    fake = players[0](tensors[0])
    return models.discriminator_step(players[1], optimizers[1], tensors[1], fake) + models.generator_step(
        players[1], optimizers[0], fake
    )


STEPS = [
    cnn((64, 3, 32, 32), 10),
    cnn((64, 1, 28, 28), 2),
    *(
        recurrent(cell, sequences)
        for cell in ("rnn", "lstm", "gru")
        for sequences in ((5, 10, 50), (64, 128, 50), (32, 64, 128), (16, 256, 64))
    ),
    dcgan((64, 3, 32, 32)),
    unet((8, 1, 64, 64)),
]
