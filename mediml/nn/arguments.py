"""Arguments of operators as kernels take them; what does not fit is refused under the argument's name."""

import re
from collections.abc import Callable, Sequence
from functools import wraps
from inspect import signature
from typing import Any, get_type_hints

import numpy as np

from mediml.tensor import Tensor

__all__ = ["Sizes", "checked", "flag", "overloaded", "sizes"]

#: One int for all axes, or one for each.
Sizes = int | Sequence[int]

#: Larger numbers are mistakes, and sums with them could leave the range of int64. It is PyTorch's limit for pooling.
MOST = 2**31 - 1

#: The operator at the head of a refusal: ``group_norm`` in ``group_norm: weight expects the shape (4,)``.
_INNER = re.compile(r"^\w+: (?=\w+ expects )")


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

    Every refusal, also one from deep inside, names the operator that was called, and not the one it is computed by.

    Raises
    ------
    TypeError
        For anything but a Tensor where one is expected, an option that is no bool, int, number or str where it must be.
    ValueError
        For tensors on different devices, and where a number inside grows beyond int64.
    """
    if getattr(function, "is_checked", False):
        return function
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
                label, wrong = _faulty(name, value)
                raise TypeError(f"{op}: {label} expects {check[1]}, got {_described(wrong)}")
            for label, tensor in _tensors(name, value) if name != "batch_sizes" else ():  # on the CPU, as in torch
                first = first or (label, tensor.device)
                if tensor.device != first[1]:
                    raise ValueError(
                        f"{op}: {label} expects the device of {first[0]}, {first[1]}, got {tensor.device}; "
                        f"move one with .to({str(tensor.device)!r})"
                    )
        try:
            return function(*args, **kwargs)
        except OverflowError as error:
            raise ValueError(f"{op}: expected numbers that int64 can hold ({error})") from error
        except (ValueError, TypeError, IndexError) as error:
            if named.search(str(error)):
                raise
            raise type(error)(f"{op}: {_INNER.sub('', str(error))}") from error

    operator.is_checked = True  # type: ignore[attr-defined]
    return operator


def overloaded(
    function: Callable[..., Any], other: Callable[..., Any], is_other: Callable[[Any, Any], bool]
) -> Callable[..., Any]:
    """An operator of two signatures, both `checked`: `other` is called where ``is_other(args, kwargs)`` says so.

    Its name, signature and documentation are those of `function`.
    """
    other.__name__ = function.__name__
    first, second = checked(function), checked(other)

    @wraps(first)
    def operator(*args: Any, **kwargs: Any) -> Any:
        return (second if is_other(args, kwargs) else first)(*args, **kwargs)

    return operator


def _tensors(name: str, value: Any) -> list[tuple[str, Tensor]]:
    """The tensors in an argument, each with what it is called: ``params[3]`` in a sequence."""
    if isinstance(value, Tensor):
        return [(name, value)]
    if isinstance(value, (list, tuple)):
        return [(f"{name}[{i}]", part) for i, part in enumerate(value) if isinstance(part, Tensor)]
    return []


def _faulty(name: str, value: Any) -> tuple[str, Any]:
    """What is wrong in a wrong argument: in a sequence that has tensors, too, its first element that is none."""
    if isinstance(value, (list, tuple)) and any(_is_tensor(part) for part in value):
        return next((f"{name}[{i}]", part) for i, part in enumerate(value) if not _is_tensor(part))
    return name, value


def _described(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return "ndarray; wrap it with mediml.tensor(array)"
    return f"{value!r:.60} ({type(value).__name__})"


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Tensor)


def _are_tensors(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(map(_is_tensor, value))


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
    Sequence[Tensor]: (_are_tensors, "a sequence of mediml.Tensor"),
    bool: (_is_bool, "a bool"),
    int: (_is_int, "an int of 64 bits"),
    float: (_is_number, "a number"),
    str: (_is_str, "a str"),
}


def _or_none(is_right: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or is_right(value)


#: For an annotation whether a value is right, and how the error text calls what is.
_CHECKS = _KINDS | {kind | None: (_or_none(check), f"{name} or None") for kind, (check, name) in _KINDS.items()}
