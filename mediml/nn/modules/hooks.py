"""Hooks of a module: functions called in order, each with a handle that takes it away."""

import itertools
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

__all__ = ["HooksDict", "RemovableHandle"]


class RemovableHandle:
    """Takes a hook away: by ``remove()``, or at the end of a ``with`` block."""

    def __init__(self, hooks: "HooksDict", key: int):
        self._hooks, self._key = hooks, key

    def remove(self) -> None:
        """Take the hook away; a second call does nothing."""
        self._hooks.pop(self._key, None)

    def __enter__(self) -> "RemovableHandle":
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


class HooksDict(OrderedDict[int, tuple[Callable[..., Any], bool]]):
    """Hooks by number, in the order of their calls."""

    _numbers = itertools.count()

    def add(self, hook: Callable[..., Any], prepend: bool, with_options: bool) -> RemovableHandle:
        """Append or prepend a hook; `with_options` says whether it takes keyword arguments as well."""
        key = next(self._numbers)
        self[key] = (hook, with_options)
        if prepend:
            self.move_to_end(key, last=False)
        return RemovableHandle(self, key)

    def items_in_order(self) -> list[tuple[Callable[..., Any], bool]]:
        """The hooks as they are now: a hook may remove itself."""
        return list(self.values())
