"""The training steps that `mediml bench steps` times: forward, loss, backward, Adam, from the same weights."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import mediml
from mediml.models import cnn

__all__ = ["STEPS", "Step"]

#: Operators that the step of any of `STEPS` is made of; each must agree with PyTorch before a step is timed.
OPERATORS = ("conv2d", "max_pool2d", "relu", "linear", "cross_entropy")

#: Losses of the first steps may differ by this much, relatively, in float32.
AGREEMENT, STEPS_COMPARED = 1e-4, 5


@dataclass(frozen=True)
class Step:
    """One step of the article's CNN on a batch of `images`: (N, C, H, W)."""

    images: tuple[int, int, int, int]
    classes: int

    @property
    def name(self) -> str:
        """What a row of the table is called."""
        return f"CNN step {'x'.join(map(str, self.images))}"

    def prepare(self) -> tuple[Callable[[], float], Callable[[], float]]:
        """Our step and PyTorch's, each giving its loss.

        Raises
        ------
        ValueError
            If the losses of the first steps do not agree.
        """
        import torch

        from mediml.reference import cnn as reference

        generator = np.random.default_rng(0)
        images = generator.standard_normal(self.images).astype(np.float32)
        labels = generator.integers(0, self.classes, self.images[0])
        size: dict[str, Any] = {
            "in_channels": self.images[1],
            "num_classes": self.classes,
            "image_size": self.images[2:],
        }
        theirs = reference.CNN(**size)
        ours = cnn.CNN(**size)
        ours.load_state_dict({key: value.detach().numpy() for key, value in theirs.state_dict().items()})
        steps = _step(mediml, ours, images, labels), _step(torch, theirs, images, labels)
        for number in range(STEPS_COMPARED):
            mine, expected = (step() for step in steps)
            if not abs(mine - expected) <= AGREEMENT * abs(expected):
                raise ValueError(
                    f"bench: {self.name} is not timed: at step {number} its loss is {mine:.6f}, "
                    f"PyTorch's {expected:.6f}"
                )
        return steps


def _step(library: Any, model: Any, images: NDArray[Any], labels: NDArray[Any]) -> Callable[[], float]:
    x, target = library.tensor(images), library.tensor(labels)
    optimizer = library.optim.Adam(model.parameters(), lr=1e-4)

    def step() -> float:
        optimizer.zero_grad()
        loss = library.nn.functional.cross_entropy(model(x), target)
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step


STEPS = [Step((64, 3, 32, 32), 10), Step((64, 1, 28, 28), 2)]
