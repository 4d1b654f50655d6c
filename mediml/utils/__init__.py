"""Helpers with torch.utils' names, and files that are written whole or not at all."""

import importlib
from typing import Any


def __getattr__(name: str) -> Any:
    if name == "data":  # loaded when first used, as ``torch.utils.data`` is written without an import of its own
        return importlib.import_module("mediml.utils.data")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
