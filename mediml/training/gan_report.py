"""How good generated images are, in figures: distance to held-out real ones, copies, modes."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediml import nn
from mediml.data.images import ImageData
from mediml.evaluation import Estimate, frechet_distance, nearest_neighbours
from mediml.training.adversarial import GanSettings, fixed_noise, generate
from mediml.training.quality import coverage, features, is_two_modes, padded
from mediml.training.run import figure

__all__ = ["measure", "picture", "warnings_of"]

#: Samples of noise that the Fréchet distance is computed of, each as large as the real one.
_SAMPLES = 5
_MOST = 1000


def measure(generator: nn.Module, settings: GanSettings, data: ImageData, split: str) -> dict[str, Any]:
    """The figures of a split as a summary holds them.

    Parameters
    ----------
    generator : nn.Module
    settings : GanSettings
        Decide the noise.
    data : ImageData
    split : {"val", "test"}
        Real images that nobody trained on; at most 1000 of them, the first.
    """
    real = getattr(data, split).images[:_MOST]
    count = len(real)
    images = generate(generator, fixed_noise(settings, _SAMPLES * count))
    values = {} if is_two_modes(data) else _distances(images, data, real)
    values.update(_copies(images[:count], data, real))
    if is_two_modes(data):
        values.update(_modes(images, data))
    return {
        "split": split,
        "measured_on": f"{count} real images of the {split} split of {data.name}, "
        f"and {_SAMPLES} x {count} generated ones",
        "values": values,
    }


def _distances(images: NDArray[np.uint8], data: ImageData, real: NDArray[np.uint8]) -> dict[str, Any]:
    count = len(real)
    held_out, made = features(real), features(images)
    parts = [frechet_distance(made[k * count : (k + 1) * count], held_out) for k in range(_SAMPLES)]
    training = np.random.default_rng(0).permutation(len(data.train))[:count]
    spread = Estimate(float(np.mean(parts)), min(parts), max(parts))
    values = {
        "frechet": {
            **figure(f"Fréchet distance, mean of {_SAMPLES} samples of noise", spread, digits=2),
            "interval": "smallest to largest",
        },
        "frechet_of_training": figure(
            "Fréchet distance of as many training images",
            frechet_distance(features(data.train.images[training]), held_out),
            digits=2,
        ),
    }
    return values


def _copies(images: NDArray[np.uint8], data: ImageData, real: NDArray[np.uint8]) -> dict[str, Any]:
    found = nearest_neighbours(images / 255, padded(data.train.images) / 255, padded(real) / 255)
    return {
        "closer": figure("nearer to a training image than a real one is (0.5 usual, 1 copies)", found.closer),
        "suspects": figure("nearer than 95 % of real ones are (0.05 usual)", found.suspects),
    }


def _modes(images: NDArray[np.uint8], data: ImageData) -> dict[str, Any]:
    found = coverage(images)
    shares = {f"mode_{n}": figure(f"share of mode {name}", found.shares[n]) for n, name in enumerate(data.classes)}
    return {
        **shares,
        "outside": figure("share of no mode", found.outside),
        "modes_covered": figure(f"modes covered, of {len(data.classes)}", found.covered, digits=0),
    }


def warnings_of(values: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """What the figures of a generator oblige to say."""
    said = ["Generated images are of no patient; nothing about a disease can be learnt from them."]
    if values["suspects"]["low"] > 0.05:
        said.append(
            f"{100 * values['suspects']['value']:.1f} % of the generated images are nearer to a training image than "
            f"95 % of real ones are: look at neighbours.png for copies."
        )
    if "modes_covered" in values and values["modes_covered"]["value"] < 2:
        said.append("Mode collapse: one of the two modes is not generated.")
    return tuple(said)


def picture(generator: nn.Module, settings: GanSettings, data: ImageData, shown: int = 8) -> bytes:
    """The generated images that are nearest to training images, above these, as PNG."""
    from mediml.plots.style import INK, new_figure

    images = generate(generator, fixed_noise(settings, settings.measured))
    training = padded(data.train.images)
    found = nearest_neighbours(images / 255, training / 255, padded(data.val.images) / 255)
    nearest = np.argsort(found.distances, kind="stable")[:shown]
    drawing, axes = new_figure(1.3 * shown, 3.0, 2, shown)
    for column, n in enumerate(nearest):
        for ax, image in zip(axes[:, column], (images[n], training[found.indices[n]])):
            ax.imshow(image.transpose(1, 2, 0).squeeze(), cmap="gray", vmin=0, vmax=255)
            ax.set(xticks=[], yticks=[])
        axes[0, column].set_title(f"{found.distances[n]:.2f}", color=INK)
    axes[0, 0].set_ylabel("generated")
    axes[1, 0].set_ylabel("training")
    buffer = io.BytesIO()
    drawing.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()
