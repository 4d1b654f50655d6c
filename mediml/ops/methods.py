"""Gives the tensor its methods: each function of ``mediml/ops`` under its own name, operators, in-place variants."""

from collections.abc import Callable
from typing import Any

from mediml import random
from mediml.autograd import is_grad_enabled
from mediml.ops import (
    comparison,
    conversion,
    creation,
    elementwise,
    indexing,
    linalg,
    ordering,
    reduction,
    shape,
    unary,
)
from mediml.tensor import Tensor

_MODULES = (elementwise, unary, comparison, reduction, ordering, shape, indexing, linalg)

#: Functions whose first argument is not a tensor, or whose name is another member of Tensor.
_NOT_METHODS = frozenset({"cat", "concat", "stack", "einsum", "setitem", "getitem"})

#: From ``mediml/nn/functional``; looked up at the call, because functional builds on the tensor.
_FUNCTIONAL = ("relu", "sigmoid", "tanh", "softmax", "log_softmax")

_IN_PLACE = (
    "abs", "add", "ceil", "clamp", "cos", "div", "exp", "floor", "lerp", "log", "masked_fill", "mul", "neg", "pow",
    "reciprocal", "relu", "round", "rsqrt", "scatter", "scatter_add", "sigmoid", "sin", "sqrt", "square", "sub", "tanh",
    "trunc",
)  # fmt: skip


def functions() -> dict[str, Callable[..., Any]]:
    """Every function of ``mediml/ops`` by its name, as ``mediml.<name>``."""
    return {
        name: getattr(module, name)
        for module in (*_MODULES, creation)
        for name in module.__all__
        if name not in ("getitem", "setitem")
    }


def _from_functional(name: str) -> Callable[..., Any]:
    def method(input: Tensor, *arguments: Any, **options: Any) -> Any:
        from mediml.nn import functional

        return getattr(functional, name)(input, *arguments, **options)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"`mediml.nn.functional.{name}` of this tensor."
    return method


def in_place(function: Callable[..., Any]) -> Callable[..., Tensor]:
    """The variant that writes its result into its first argument, as torch's names with a ``_`` do."""

    def method(input: Tensor, *arguments: Any, **options: Any) -> Tensor:
        others = (*arguments, *options.values())
        tracked = input.requires_grad or any(isinstance(other, Tensor) and other.requires_grad for other in others)
        # the gradient may need the old values: compute from a copy of them
        source = input.clone() if is_grad_enabled() and tracked else input
        arguments = tuple(source if other is input else other for other in arguments)
        return input._overwrite(function(source, *arguments, **options))

    method.__name__ = method.__qualname__ = f"{function.__name__}_"
    method.__doc__ = f"`{function.__name__}`, in place."
    return method


def _fill(input: Tensor, value: Any) -> Tensor:
    """Every element replaced by a value, in place."""
    return input._overwrite(creation.full_like(input, value))


def _zero(input: Tensor) -> Tensor:
    """Every element replaced by 0, in place."""
    return _fill(input, 0)


def _copy(input: Tensor, source: Tensor, non_blocking: bool = False) -> Tensor:
    """The values of another tensor, in place; broadcast, and of this tensor's dtype."""
    return input._overwrite(source.to(dtype=input.dtype, device=input.device))


def _reflected(function: Callable[..., Any]) -> Callable[..., Any]:
    def method(input: Tensor, other: Any) -> Any:
        return function(other, input)

    return method


def _attach() -> None:
    for module in (*_MODULES, conversion):
        for name in module.__all__:
            if name not in _NOT_METHODS:
                setattr(Tensor, name, getattr(module, name))
    for name in _FUNCTIONAL:
        setattr(Tensor, name, _from_functional(name))
    for name in _IN_PLACE:
        setattr(Tensor, f"{name}_", in_place(getattr(Tensor, name)))
    for name in ("new_full", "new_ones", "new_tensor", "new_zeros"):
        setattr(Tensor, name, getattr(creation, name))
    own: dict[str, Callable[..., Any]] = {
        "fill_": _fill, "zero_": _zero, "copy_": _copy, "normal_": random.normal_, "uniform_": random.uniform_,
    }  # fmt: skip
    for name, method in own.items():
        setattr(Tensor, name, method)
    operators: dict[str, Callable[..., Any]] = {
        "add": elementwise.add, "sub": elementwise.sub, "mul": elementwise.mul, "truediv": elementwise.div,
        "floordiv": elementwise.floor_divide, "mod": elementwise.remainder, "pow": elementwise.pow,
        "matmul": linalg.matmul, "and": comparison.bitwise_and, "or": comparison.bitwise_or,
        "xor": comparison.bitwise_xor,
    }  # fmt: skip
    for name, function in operators.items():
        setattr(Tensor, f"__{name}__", function)
        setattr(Tensor, f"__r{name}__", _reflected(function))
        if name != "matmul":
            setattr(Tensor, f"__i{name}__", in_place(function))
    for name in ("eq", "ne", "lt", "le", "gt", "ge"):
        setattr(Tensor, f"__{name}__", getattr(comparison, name))
    others: dict[str, Callable[..., Any]] = {
        "neg": elementwise.neg, "abs": unary.absolute, "invert": comparison.bitwise_not, "getitem": indexing.getitem,
        "setitem": indexing.setitem,
    }  # fmt: skip
    for name, function in others.items():
        setattr(Tensor, f"__{name}__", function)


_attach()
