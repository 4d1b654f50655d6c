"""Small parts of a tensor: its shape, how often its memory was changed, and handles of its hooks."""

from typing import Any

import numpy as np

__all__ = ["HookHandle", "Size", "Version"]


class Version:
    """How often the memory behind a tensor and its views was changed in place."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0


class Size(tuple[int, ...]):
    """The shape of a tensor: a tuple of int that also counts its elements."""

    def numel(self) -> int:
        """Number of elements."""
        return int(np.prod(self, dtype=np.int64))

    def __repr__(self) -> str:
        return f"Size({list(self)})"


class HookHandle:
    """Takes a hook away again."""

    def __init__(self, hooks: list[Any], hook: Any):
        self._hooks, self._hook = hooks, hook

    def remove(self) -> None:
        """Take the hook away; a second call does nothing."""
        if self._hook in self._hooks:
            self._hooks.remove(self._hook)
