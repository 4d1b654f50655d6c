"""Trained models with their card: weights as safetensors, all that is known about them as JSON; no pickle.

A model is two files of one stem: ``pneumonia_cnn.safetensors`` and ``pneumonia_cnn.json``. The card names the
architecture, the preparation of an image, the threshold chosen on validation, the calibration, the figures with their
intervals, the data, the licence and the limits, and the SHA-256 of the weights that it describes.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from mediml import nn, tensor
from mediml.models.cnn import CNN
from mediml.models.gan import Discriminator, Generator
from mediml.models.pix2pix import PatchDiscriminator, Translator
from mediml.models.rnn import RNN
from mediml.models.unet import UNet
from mediml.utils.files import write_atomically

__all__ = ["ARCHITECTURES", "CARD_KEYS", "ModelError", "Pretrained", "available", "build", "load", "save"]

WEIGHTS = Path(__file__).resolve().parent / "weights"

ARCHITECTURES: dict[str, type[nn.Module]] = {
    architecture.__name__: architecture
    for architecture in (CNN, RNN, Generator, Discriminator, UNet, Translator, PatchDiscriminator)
}

#: What every card says.
CARD_KEYS = (
    "architecture", "preprocessing", "classes", "threshold", "temperature", "calibration", "familiarity", "metrics",
    "weights_sha256", "seed", "data", "licence", "limits",
)  # fmt: skip

_MAX_BYTES = 2**30
#: What a card may ask for: a model is built before its weights are compared with it.
_SIZE_LIMITS = {
    "in_channels": (1, 64), "out_channels": (1, 64), "channels": (1, 64), "num_classes": (2, 1000),
    "image_size": (4, 512), "input_size": (1, 100_000), "hidden_size": (1, 1024), "num_layers": (1, 8),
    "latent": (1, 1024), "width": (1, 64), "widths": (1, 1024), "rank": (2, 3),
}  # fmt: skip
_MOST_VALUES = 8


class ModelError(ValueError):
    """A model that does not exist, is damaged, or is not what its card says."""


@dataclass(frozen=True, eq=False)
class Pretrained:
    """A trained model, in evaluation mode, and its card."""

    model: nn.Module
    card: dict[str, Any]
    path: Path

    @property
    def name(self) -> str:
        """The stem of the two files; of a run, whose files are always called ``model``, the name of its folder."""
        return self.path.resolve().parent.name if self.path.stem == "model" else self.path.stem


def available() -> list[str]:
    """Names of the models that come with the package."""
    return sorted(file.stem for file in WEIGHTS.glob("*.safetensors"))


def load(name_or_path: str | os.PathLike[str] = "pneumonia_cnn") -> Pretrained:
    """Load a trained model.

    Parameters
    ----------
    name_or_path : str or path
        Name of a packaged model, path of the ``.safetensors`` or ``.json`` file of another one, or the folder that
        `mediml train` wrote.

    Returns
    -------
    Pretrained

    Raises
    ------
    ModelError
        If there is no such model, or its weights are not those that the card describes.
    """
    weights_path = _find(name_or_path)
    card_path = weights_path.with_suffix(".json")
    card = _read_card(card_path)
    content = _read(weights_path)
    if (found := hashlib.sha256(content).hexdigest()) != card["weights_sha256"]:
        raise ModelError(
            f"{weights_path}: expected weights of sha256 {card['weights_sha256']}, got {found}; "
            f"the file is damaged or belongs to another card: fetch or train it again"
        )
    try:
        weights = safetensors.numpy.load(content)
    except safetensors.SafetensorError as error:
        raise ModelError(f"{weights_path}: not a safetensors file ({error}); fetch or train it again") from None
    model = build(card["architecture"])
    load_weights(model, weights, str(weights_path))
    return Pretrained(model.eval(), card, weights_path)


def save(path: str | os.PathLike[str], model: nn.Module, card: Mapping[str, Any]) -> None:
    """Write ``<path>.safetensors`` and, last, its card ``<path>.json``, which carries the hash of the weights."""
    content = weights_bytes(model)
    card = {**card, "weights_sha256": hashlib.sha256(content).hexdigest()}
    missing = [key for key in CARD_KEYS if key not in card]
    if missing:
        raise ModelError(f"save: the card lacks {', '.join(missing)}")
    write_atomically(Path(path).with_suffix(".safetensors"), content)
    lines = [f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in card.items()]
    write_atomically(Path(path).with_suffix(".json"), "{\n" + ",\n".join(lines) + "\n}\n")


def build(architecture: Mapping[str, Any]) -> nn.Module:
    """A new model of the architecture that a card describes: ``{"name": "CNN", "in_channels": 1, …}``."""
    options = dict(architecture)
    name = options.pop("name", None)
    if name not in ARCHITECTURES:
        raise ModelError(f"architecture: expected one of {', '.join(ARCHITECTURES)}, got {name!r}")
    for key, (low, high) in _SIZE_LIMITS.items():
        values = options.get(key, low)
        if isinstance(values, (list, tuple)) and len(values) > _MOST_VALUES:
            raise ModelError(f"architecture: {key} expects at most {_MOST_VALUES} numbers, got {len(values)}")
        for value in values if isinstance(values, (list, tuple)) else [values]:
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise ModelError(f"architecture: {key} expects whole numbers from {low} to {high}, got {values!r}")
    try:
        return ARCHITECTURES[name](**options)
    except (TypeError, ValueError) as error:
        raise ModelError(f"architecture: {name} cannot be built with {options}: {error}") from None


def weights_bytes(model: nn.Module) -> bytes:
    """The model's ``state_dict`` as the bytes of a safetensors file."""
    arrays = {
        key: np.require(value.detach().cpu().numpy(), requirements="C") for key, value in model.state_dict().items()
    }
    return safetensors.numpy.save(arrays)


def load_weights(model: nn.Module, weights: Mapping[str, NDArray[Any]], where: str) -> None:
    """Put weights into a model whose names and shapes they must have."""
    expected = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    got = {key: value.shape for key, value in weights.items()}
    if expected != got:
        wrong = sorted(key for key in expected.keys() | got.keys() if expected.get(key) != got.get(key))[0]
        raise ModelError(f"{where}: {wrong} expects shape {expected.get(wrong)}, got {got.get(wrong)}")
    model.load_state_dict({key: tensor(value) for key, value in weights.items()})


def _find(name_or_path: str | os.PathLike[str]) -> Path:
    path = Path(name_or_path)
    if path.is_dir():
        return path / "model.safetensors"
    if path.suffix in (".safetensors", ".json"):
        return path.with_suffix(".safetensors")
    if (packaged := WEIGHTS / f"{path.name}.safetensors").is_file() and path.name == str(name_or_path):
        return packaged
    raise ModelError(
        f"model: expected {', '.join(available()) or 'a packaged model'}, a .safetensors file or a folder of "
        f"'mediml train', got {str(name_or_path)!r}"
    )


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ModelError(f"{path}: larger than {_MAX_BYTES} bytes, too large for a model of this package")
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); train or fetch the model again") from None


def _read_card(path: Path) -> dict[str, Any]:
    try:
        card = json.loads(_read(path))
    except ValueError as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"{path}: not a model card ({error}); train or fetch the model again") from None
    missing = [key for key in CARD_KEYS if not isinstance(card, dict) or key not in card]
    if missing and isinstance(card, dict) and isinstance(card.get("kind"), str):
        raise ModelError(
            f"{path}: expected the card of a classifier, got the summary of a run of 'mediml train {card['kind']}'; "
            f"its figures are given by 'mediml evaluate {path.parent}', its weights by mediml.training.run.read"
        )
    if missing:
        raise ModelError(f"{path}: the card lacks {', '.join(missing)}; train or fetch the model again")
    return card
