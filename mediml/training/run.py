"""What a training other than the classifier's leaves: ``model.safetensors``, and all that is known about it as JSON.

A run may hold several networks, such as a GAN's two players: their weights stand in one file, each name with the
network's in front. ``model.json`` says how they were trained, on what, how well they do and on which split that was
measured, what to beware of, and the SHA-256 of the weights that it describes.
"""

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from mediml import nn
from mediml.models.pretrained import load_weights
from mediml.utils.files import write_atomically

__all__ = ["RunError", "Saved", "figure", "is_run", "read", "summarise", "table", "write"]

#: What the summary of every run says.
KEYS = ("kind", "architecture", "settings", "seed", "data", "figures", "warnings", "limits", "weights_sha256")

#: Said of everything that this package trains.
LIMIT = "For education. Not a medical device: do not use it for the care of patients."


class RunError(ValueError):
    """A folder that holds no run, or one that is damaged."""


@dataclass(frozen=True, eq=False)
class Saved:
    """A run that was read: its summary, and the weights of each network by name."""

    folder: Path
    summary: dict[str, Any]
    weights: dict[str, dict[str, NDArray[Any]]]
    device: str = "cpu"

    def fill(self, **models: nn.Module) -> None:
        """Put the weights into networks of the summary's architecture, on `device`, and switch these to evaluation."""
        for name, model in models.items():
            load_weights(model, self.weights.get(name, {}), f"{self.folder / 'model.safetensors'}: {name}")
            model.to(self.device).eval()


def figure(text: str, value: Any, unit: str = "", digits: int = 3) -> dict[str, Any]:
    """A figure as a summary holds it: what it is, its value, and its interval where `value` is an `Estimate`."""
    parts = {"value": value} if not hasattr(value, "_asdict") else value._asdict()
    numbers = {key: None if number is None else float(number) for key, number in parts.items()}
    return {"text": text, **numbers, "unit": unit, "digits": digits}


def table(figures: Mapping[str, Any]) -> str:
    """The figures as lines for people, the split they were measured on first."""
    values = figures["values"].values()
    width = max(len(entry["text"]) for entry in values)
    return "\n".join([f"measured on {figures['measured_on']}", *(f"  {_row(entry, width)}" for entry in values)])


def _row(entry: Mapping[str, Any], width: int) -> str:
    digits, unit = entry["digits"], f" {entry['unit']}" if entry["unit"] else ""
    value = "none" if entry["value"] is None else f"{entry['value']:.{digits}f}{unit}"
    named = entry.get("interval", "95 % interval")
    interval = f"  ({named} {entry['low']:.{digits}f} to {entry['high']:.{digits}f})" if "low" in entry else ""
    return f"{entry['text']:{width}s}  {value}{interval}"


def summarise(
    kind: str,
    architecture: Mapping[str, Any],
    settings: Any,
    data: Mapping[str, Any],
    figures: Mapping[str, Any],
    warnings: tuple[str, ...] = (),
    limits: tuple[str, ...] = (),
) -> dict[str, Any]:
    """The summary of a run, without the hash that `write` adds.

    Parameters
    ----------
    kind : str
        As ``mediml train`` calls it.
    architecture : mapping
        What builds the networks again.
    settings : dataclass
    data : mapping
        At least ``name`` and ``sha256``, of all that was trained and measured on.
    figures : mapping
        ``split``, ``measured_on`` and ``values``: a `figure` by each name.
    warnings : tuple of str
        What a reader of the figures must know of them.
    """
    return {
        "kind": kind,
        "architecture": dict(architecture),
        "settings": asdict(settings),
        "seed": settings.seed,
        "data": dict(data),
        "figures": dict(figures),
        "warnings": list(warnings),
        "limits": [LIMIT, *limits],
        "made_with": {"numpy": np.__version__, "machine": platform.machine()},
    }


def write(folder: str | os.PathLike[str], summary: Mapping[str, Any], models: Mapping[str, nn.Module]) -> None:
    """Write ``model.safetensors`` and, last, ``model.json``, which carries its hash."""
    folder = Path(folder)
    arrays = {
        f"{name}.{key}": np.require(value.detach().cpu().numpy(), requirements="C")
        for name, model in models.items()
        for key, value in model.state_dict().items()
    }
    content = safetensors.numpy.save(arrays)
    summary = {**summary, "weights_sha256": hashlib.sha256(content).hexdigest()}
    write_atomically(folder / "model.safetensors", content)
    text = json.dumps(summary, ensure_ascii=False, indent=1, allow_nan=False)
    write_atomically(folder / "model.json", text + "\n")


def is_run(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder holds a run of this form; that of a classifier has a model card instead."""
    try:
        summary = json.loads((Path(folder) / "model.json").read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(summary, dict) and "kind" in summary


def read(folder: str | os.PathLike[str], device: str = "cpu") -> Saved:
    """Read a run, whose networks shall compute on `device`.

    Raises
    ------
    RunError
        If the folder holds none, or its weights are not those that its summary describes.
    """
    folder = Path(folder)
    advice = "train it again in another folder"
    try:
        summary = json.loads((folder / "model.json").read_bytes())
        content = (folder / "model.safetensors").read_bytes()
    except OSError as error:
        raise RunError(
            f"{folder}: holds no finished training ({Path(error.filename or '').name} cannot be read)"
        ) from None
    except ValueError as error:
        raise RunError(f"{folder / 'model.json'}: damaged ({error}); {advice}") from None
    missing = [key for key in KEYS if not isinstance(summary, dict) or key not in summary]
    if missing:
        raise RunError(f"{folder / 'model.json'}: the summary lacks {', '.join(missing)}; {advice}")
    if (found := hashlib.sha256(content).hexdigest()) != summary["weights_sha256"]:
        raise RunError(
            f"{folder / 'model.safetensors'}: expected weights of sha256 {summary['weights_sha256']}, got {found}; "
            f"the file is damaged or of another run: {advice}"
        )
    weights: dict[str, dict[str, NDArray[Any]]] = {}
    for key, value in safetensors.numpy.load(content).items():
        name, _, rest = key.partition(".")
        weights.setdefault(name, {})[rest] = value
    return Saved(folder, summary, weights, device)
