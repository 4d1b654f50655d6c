"""Checkpoints: at any moment, whatever dies, the folder holds one that can be loaded, or a clear statement why not.

A checkpoint is two files. The arrays go to ``checkpoint-<n>.safetensors``; then, in one step, the manifest
``checkpoint.json`` is replaced, which names that file with its SHA-256 and carries all that is not an array. Only then
is the former arrays file deleted. So the manifest always names a file that is complete; a truncated file or a flipped
bit is seen, in the arrays by their hash and in the manifest by its own.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from mediml import Tensor, tensor
from mediml.utils.files import write_atomically

__all__ = ["MANIFEST", "CheckpointError", "exists", "load", "save"]

MANIFEST = "checkpoint.json"
_FORMAT = 1
_ARRAY = "$array"


class CheckpointError(ValueError):
    """A checkpoint that is missing, damaged, or of another training."""


def exists(folder: str | os.PathLike[str]) -> bool:
    """Whether a training has left a checkpoint in this folder."""
    return (Path(folder) / MANIFEST).is_file()


def save(folder: str | os.PathLike[str], state: Mapping[str, Any]) -> None:
    """Write a checkpoint in place of the former one.

    Parameters
    ----------
    folder : path
        An existing folder.
    state : mapping
        Nested dicts, lists, tuples, numbers, strings and None, with tensors or arrays anywhere in them.

    Raises
    ------
    OSError
        If it cannot be written, the disk being full for instance; the former checkpoint is left as it was.
    """
    folder = Path(folder)
    arrays: dict[str, Any] = {}
    packed = _pack(state, arrays)
    content = safetensors.numpy.save(arrays)
    former = {path.name for path in folder.glob("checkpoint-*.safetensors")}
    number = 1 + max((int(name[11:-12]) for name in former if name[11:-12].isdecimal()), default=0)
    file = f"checkpoint-{number:06d}.safetensors"
    body = {
        "format": _FORMAT,
        "file": file,
        "file_sha256": hashlib.sha256(content).hexdigest(),
        "state": packed,
    }
    manifest = json.dumps({"body": body, "sha256": _hash_of(body)}, allow_nan=True)
    try:
        write_atomically(folder / file, content)
        write_atomically(folder / MANIFEST, manifest)
    except BaseException:
        with contextlib.suppress(OSError):
            if _file_named_by_manifest(folder) != file:
                (folder / file).unlink(missing_ok=True)
        raise
    for path in [*(folder / name for name in former), *folder.glob(".checkpoint*.part")]:  # the latter: of a killed one
        with contextlib.suppress(OSError):
            path.unlink()


def load(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """The state that `save` was given; its arrays come back as tensors.

    Raises
    ------
    CheckpointError
        If there is none, or one of its two files is damaged.
    """
    folder = Path(folder)
    advice = "the training must begin anew in another folder"
    try:
        document = json.loads((folder / MANIFEST).read_bytes())
        body = document["body"]
        if document["sha256"] != _hash_of(body):
            raise ValueError("its content does not match its own hash")
    except FileNotFoundError:
        raise CheckpointError(f"{folder}: no checkpoint here ({MANIFEST} is missing); start without --resume") from None
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{folder / MANIFEST}: damaged ({error}); {advice}") from None
    if body["format"] != _FORMAT:
        raise CheckpointError(f"{folder / MANIFEST}: expected format {_FORMAT}, got {body['format']}; update mediml")
    path = folder / Path(body["file"]).name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}); {advice}") from None
    if (found := hashlib.sha256(content).hexdigest()) != body["file_sha256"]:
        raise CheckpointError(f"{path}: damaged: expected sha256 {body['file_sha256']}, got {found}; {advice}")
    try:
        arrays = safetensors.numpy.load(content)
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"{path}: not a safetensors file ({error}); {advice}") from None
    state: dict[str, Any] = _unpack(body["state"], arrays)
    return state


def _hash_of(body: Any) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _file_named_by_manifest(folder: Path) -> str | None:
    try:
        name = json.loads((folder / MANIFEST).read_bytes())["body"]["file"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return str(name)


def _pack(value: Any, arrays: dict[str, Any]) -> Any:
    """The value as JSON holds it, arrays replaced by their names. Keys keep their type: an optimizer's are integers."""
    if isinstance(value, Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        name = f"{len(arrays):05d}"
        arrays[name] = np.require(value, requirements="C")
        return {_ARRAY: name}
    if isinstance(value, Mapping):
        return {"$items": [[key, _pack(item, arrays)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        return {"$tuple" if isinstance(value, tuple) else "$list": [_pack(item, arrays) for item in value]}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"checkpoint: expected numbers, strings, arrays and containers of them, got {type(value).__name__}")


def _unpack(value: Any, arrays: Mapping[str, Any]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == _ARRAY:
        return tensor(arrays[content])
    if kind == "$items":
        return {key: _unpack(item, arrays) for key, item in content}
    items = [_unpack(item, arrays) for item in content]
    return tuple(items) if kind == "$tuple" else items
