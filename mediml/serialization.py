"""Tensors in files, without pickle: the safetensors format."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as decode
from safetensors.numpy import save as encode

from mediml import arrays
from mediml.device import CPU, Device
from mediml.tensor import Tensor, from_array
from mediml.utils.files import write_atomically

__all__ = ["load", "save"]


def save(tensors: Mapping[str, Tensor], path: str | os.PathLike[str]) -> None:
    """Write named tensors, such as a ``state_dict``, to a safetensors file, which torch and others read too.

    The file appears whole or not at all.
    """
    if not isinstance(tensors, Mapping) or not all(isinstance(value, Tensor) for value in tensors.values()):
        raise TypeError("save: expected a mapping of names to tensors, such as module.state_dict(); code is not saved")
    on_host = {name: np.ascontiguousarray(arrays.to_host(tensor._array)) for name, tensor in tensors.items()}
    # ascontiguousarray gives a tensor without dimensions one
    write_atomically(path, encode({name: array.reshape(tensors[name].shape) for name, array in on_host.items()}))


def load(path: str | os.PathLike[str], map_location: str | Device | None = None) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name.

    Parameters
    ----------
    path : path
    map_location : str or Device, optional
        Where the tensors shall be; by default on the CPU. The file does not say where they were when they were saved.

    Raises
    ------
    ValueError
        If the file is not a whole safetensors file.
    """
    content = Path(path).read_bytes()
    try:
        found = decode(content)
    except (SafetensorError, KeyError, ValueError) as error:
        raise ValueError(f"load: {os.fspath(path)!r} is not a whole safetensors file ({error})") from None
    place = CPU if map_location is None else Device(map_location)
    return {name: from_array(arrays.moved(np.array(array), place), place) for name, array in found.items()}
