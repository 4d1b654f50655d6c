"""Options of operators as kernels take them; what does not fit is refused under the option's name."""

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["Sizes", "flag", "sizes"]

#: One int for all axes, or one for each.
Sizes = int | Sequence[int]

#: Larger numbers are mistakes, and sums with them could leave the range of int64. It is PyTorch's limit for pooling.
MOST = 2**31 - 1


def sizes(op: str, name: str, value: Any, rank: int) -> tuple[int, ...]:
    """One int for each of `rank` axes; a single one, bare or in a sequence, counts for all.

    Raises
    ------
    TypeError
        For anything but ints (a bool is none).
    ValueError
        For another number of them, or one beyond 2**31 - 1.
    """
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    if any(isinstance(v, (bool, np.bool_)) or not hasattr(v, "__index__") for v in values):
        raise TypeError(f"{op}: {name} expects an int or a sequence of {rank} int, got {value!r}")
    if len(values) not in (1, rank):
        raise ValueError(f"{op}: {name} expects one int or {rank}, got {value!r}")
    numbers = tuple(v.__index__() for v in values)
    if any(abs(number) > MOST for number in numbers):
        raise ValueError(f"{op}: {name} expects numbers of at most {MOST}, got {value!r}")
    return numbers if len(numbers) == rank else numbers * rank


def flag(op: str, name: str, value: Any) -> bool:
    """True or False; a TypeError for anything that only counts as true or false."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{op}: {name} expects a bool, got {value!r}")
    return bool(value)
