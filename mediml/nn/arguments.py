"""Arguments of operators as kernels take them; what does not fit is refused under the argument's name."""

import re
from collections.abc import Callable, Sequence
from functools import wraps
from inspect import signature
from typing import Any, get_type_hints

import numpy as np

from mediml.tensor import Tensor

__all__ = ["Sizes", "checked", "flag", "sizes"]

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


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """An operator that refuses arguments of a type that its annotations do not allow, as torch's argument parser does.

    Every refusal, also one from deep inside, names the operator that was called.

    Raises
    ------
    TypeError
        For anything but a Tensor where one is expected, an option that is no bool, int, number or str where it must be.
    ValueError
        For tensors on different devices, and where a number inside grows beyond int64.
    """
    hints = get_type_hints(function)
    names = tuple(signature(function).parameters)
    checks = {name: _CHECKS[hints[name]] for name in names if hints.get(name) in _CHECKS}
    op = function.__name__
    named = re.compile(rf"\b{op}\b")

    @wraps(function)
    def operator(*args: Any, **kwargs: Any) -> Any:
        first = None
        for name, value in (*zip(names, args), *kwargs.items()):
            check = checks.get(name)
            if check is not None and not check[0](value):
                raise TypeError(f"{op}: {name} expects {check[1]}, got {_described(value)}")
            if isinstance(value, Tensor):
                first = first or (name, value.device)
                if value.device != first[1]:
                    raise ValueError(
                        f"{op}: {name} expects the device of {first[0]}, {first[1]}, got {value.device}; "
                        f"move one with .to({str(value.device)!r})"
                    )
        try:
            return function(*args, **kwargs)
        except OverflowError as error:
            raise ValueError(f"{op}: expected numbers that int64 can hold ({error})") from error
        except (ValueError, TypeError, IndexError) as error:
            if named.search(str(error)):
                raise
            raise type(error)(f"{op}: {error}") from error

    return operator


def _described(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return "ndarray; wrap it with mediml.tensor(array)"
    return f"{value!r:.60} ({type(value).__name__})"


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Tensor)


def _is_bool(value: Any) -> bool:
    return isinstance(value, (bool, np.bool_))


def _is_int(value: Any) -> bool:
    if not hasattr(value, "__index__") or _is_bool(value) or (_is_tensor(value) and value.numel() != 1):
        return False
    return -(2**63) <= value.__index__() < 2**63


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) or (_is_tensor(value) and value.numel() == 1)


def _is_str(value: Any) -> bool:
    return isinstance(value, str)


_KINDS: dict[Any, tuple[Callable[[Any], bool], str]] = {
    Tensor: (_is_tensor, "a mediml.Tensor"),
    bool: (_is_bool, "a bool"),
    int: (_is_int, "an int of 64 bits"),
    float: (_is_number, "a number"),
    str: (_is_str, "a str"),
}


def _or_none(is_right: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or is_right(value)


#: For an annotation whether a value is right, and how the error text calls what is.
_CHECKS = _KINDS | {kind | None: (_or_none(check), f"{name} or None") for kind, (check, name) in _KINDS.items()}
