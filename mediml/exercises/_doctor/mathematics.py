"""``math`` as on a GPU."""

import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

__all__ = ["Math"]

_OTHER_NAMES = {"pow": "power", "fabs": "abs"}
_OF_NUMPY = (
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "copysign", "cos", "cosh", "exp", "expm1", "fabs",
    "fmod", "hypot", "isfinite", "isinf", "isnan", "ldexp", "log", "log10", "log1p", "log2", "pow", "sin", "sinh",
    "sqrt", "tan", "tanh",
)  # fmt: skip


class Math:
    """float32 stays float32, and where Python raises there is infinity or NaN."""

    _functions: ClassVar[dict[str, Callable[..., Any]]] = {
        name: getattr(np, _OTHER_NAMES.get(name, "arc" + name[1:] if name[0] == "a" else name)) for name in _OF_NUMPY
    }

    def __getattr__(self, name: str) -> Any:
        found = getattr(math, name)
        if name in ("ceil", "floor", "trunc"):
            return lambda x: int(found(x)) if np.isfinite(x) else 0  # Numba gives whole numbers too
        return self._functions.get(name) or (_quiet(found) if callable(found) else found)


def _quiet(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        try:
            result = function(*arguments)
        except (OverflowError, ValueError):
            result = math.nan
        kind = type(arguments[0])
        return kind(result) if isinstance(result, float) and issubclass(kind, np.floating) else result

    return call
