"""Every public operator with valid calls of it, taken from the cases of `mediml verify`, and how to run one.

A new family of operators joins by itself as soon as it has cases. What a call gave, here or in PyTorch, is an
`Outcome`: outputs and gradients, or the error.
"""

import importlib
import inspect
import pkgutil
import re
import zlib
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import mediml
import mediml.nn.functional as F
import mediml.verify.cases as case_modules
from mediml.device import Device
from mediml.tensor import Tensor, from_array
from mediml.verify.case import Array, Case, arguments

#: Relative and absolute difference that two ways to round may have.
TOLERANCES = {"float16": (2e-2, 2e-3), "float32": (2e-4, 2e-5), "float64": (1e-7, 1e-9)}

DEVICES = ("cpu", "reference")


_PLANES = ((2, 2, 7), (2, 2, 5, 6), (1, 2, 4, 5, 4))

#: Calls of operators that `mediml verify` does not list: second names, and what has no gradient.
FURTHER = [
    *(
        Case(
            f"max_pool{len(shape) - 2}d_with_indices", {"input": Array(shape, "ties")}, {"kernel_size": 2, "stride": 1}
        )
        for shape in _PLANES
    ),
    *(
        Case(f"adaptive_max_pool{len(shape) - 2}d_with_indices", {"input": Array(shape)}, {"output_size": 2})
        for shape in _PLANES
    ),
    Case("matmul", {"input": Array((2, 3, 4)), "other": Array((4, 5))}),
    Case("matmul", {"input": Array((3, 1, 2, 4)), "other": Array((2, 4, 3))}),
    Case("matmul", {"input": Array((4,)), "other": Array((4,))}),
    Case("one_hot", {"tensor": Array((3, 4), "integer", gradient=False, high=5)}, {"num_classes": 5}),
]


def _cases():
    cases = defaultdict(list)
    for case in FURTHER:
        cases[case.op].append(case)
    for info in pkgutil.iter_modules(case_modules.__path__):
        for case in importlib.import_module(f"{case_modules.__name__}.{info.name}").CASES:
            cases[case.op].append(case)
    return dict(cases)


#: The cases of `mediml verify` by operator.
CASES = _cases()

OPERATORS = sorted(CASES)

#: Arguments that an operator changes by design; what they are afterwards counts as further outputs.
UPDATED = {op: {name for case in cases for name in case.updated} for op, cases in CASES.items()}


def some(op, count):
    """At most `count` of an operator's cases, spread over all of them."""
    cases = CASES[op]
    return [cases[i * len(cases) // count] for i in range(count)] if len(cases) > count else cases


@dataclass(frozen=True)
class Raw:
    """An argument that is handed over as it is, not as a tensor."""

    value: Any


@dataclass(frozen=True)
class Call:
    """An operator with arguments: arrays become tensors, the floating ones named in `differentiable` with gradients."""

    op: str
    arrays: dict[str, Any]
    options: dict[str, Any]
    differentiable: frozenset[str]

    def replace(self, name, value):
        """The same call with another array (or `Raw`)."""
        return Call(self.op, {**self.arrays, name: value}, self.options, self.differentiable)

    def with_option(self, name, value):
        """The same call with another option."""
        return Call(self.op, self.arrays, {**self.options, name: value}, self.differentiable)

    def as_dtype(self, dtype):
        """The same call with all floating arrays of this dtype."""
        arrays = {name: a.astype(dtype) if _is_float(a) else a for name, a in self.arrays.items()}
        return Call(self.op, arrays, self.options, self.differentiable)

    def __str__(self):
        arrays = [
            f"{name}={value.value!r}" if isinstance(value, Raw) else f"{name}={value.dtype}{list(value.shape)}"
            for name, value in self.arrays.items()
        ]
        return f"{self.op}({', '.join([*arrays, *(f'{k}={v!r}' for k, v in self.options.items())])})"


@dataclass
class Outcome:
    """What came of a call: outputs and gradients, or an error."""

    outputs: tuple[np.ndarray, ...] = ()
    gradients: dict[str, np.ndarray] = field(default_factory=dict)
    error: Exception | None = None


def call_of(case, dtype="float32"):
    """The call that a case describes."""
    gradients = frozenset(name for name, array in case.parts.items() if array.gradient)
    return Call(case.op, case.draw(), dict(case.options), gradients).as_dtype(dtype)


def parameters(op):
    """Names of an operator's parameters and their defaults."""
    return {name: parameter.default for name, parameter in inspect.signature(getattr(F, op)).parameters.items()}


def cotangent(shape, dtype):
    """The gradient that is sent into an output: random, the same for the same shape."""
    return np.random.default_rng(zlib.crc32(repr(shape).encode())).standard_normal(shape).astype(dtype)


def run(call, device="cpu", cotangent_of=cotangent):
    """The outcome of a call here. An array that the call changed counts as an error."""
    before = {name: np.array(a) for name, a in call.arrays.items() if isinstance(a, np.ndarray)}
    if call.options.get("inplace") is True or call.options.get("max_norm") is not None:
        call = Call(call.op, {**call.arrays, **before}, call.options, call.differentiable)  # its own to overwrite
        before = {}
    updated = {name: before.pop(name) for name in UPDATED[call.op] & before.keys()}
    call = Call(call.op, {**call.arrays, **updated}, call.options, call.differentiable)
    try:
        outcome = _run(call, device, cotangent_of)
    except Exception as error:
        outcome = Outcome(error=error)
    for name, array in before.items():
        if array.tobytes() != np.ascontiguousarray(call.arrays[name]).tobytes():
            return Outcome(error=AssertionError(f"{call.op} changed its argument {name}"))
    return outcome


def _run(call, device, cotangent_of):
    tensors = {name: _tensor(call, name, value, device) for name, value in call.arrays.items()}
    result = getattr(F, call.op)(**{**arguments(tensors), **call.options})
    outputs = result if isinstance(result, tuple) else (result,)
    roots = [output for output in outputs if output.requires_grad]
    if roots:
        seeds = [from_array(cotangent_of(tuple(root.shape), root.dtype), root.device) for root in roots]
        mediml.autograd.backward(roots, seeds)
    gradients = {name: t.grad.numpy() for name, t in tensors.items() if isinstance(t, Tensor) and t.grad is not None}
    outputs += _updated(call, tensors)
    return Outcome(tuple(output.detach().numpy() for output in outputs), gradients)


def _updated(call, tensors):
    return tuple(tensors[name] for name in sorted(UPDATED[call.op] & call.arrays.keys()) if tensors[name] is not None)


def _tensor(call, name, value, device):
    if isinstance(value, Raw):
        return value.value
    tensor = from_array(mediml.from_numpy(value)._array, Device(device))
    return tensor.requires_grad_(name in call.differentiable and tensor.dtype.kind == "f")


def run_torch(call):
    """The outcome of a call in PyTorch."""
    import torch

    from mediml.verify import compositions

    try:
        tensors = {}
        for name, value in call.arrays.items():
            if isinstance(value, Raw):
                tensors[name] = value.value
                continue
            tensors[name] = torch.from_numpy(np.array(value, order="C"))
            tensors[name].requires_grad_(name in call.differentiable and value.dtype.kind == "f")
        places = (torch.nn.functional, torch, compositions)
        function = next(getattr(place, call.op) for place in places if hasattr(place, call.op))
        by_position = [tensors.pop("tensor")] if call.op == "one_hot" else []  # it calls its parameter otherwise
        with torch.backends.mkldnn.flags(enabled=call.op != "lstm"):  # its LSTM reads beyond states of the wrong shape
            result = function(*by_position, **{**arguments(tensors), **call.options})
        outputs = result if isinstance(result, tuple) else (result,)
        roots = [output for output in outputs if output.requires_grad]
        if roots:
            seeds = [torch.from_numpy(cotangent(tuple(r.shape), str(r.dtype).removeprefix("torch."))) for r in roots]
            torch.autograd.backward(roots, seeds)
        given = tensors
        tensors = {name: t for name, t in tensors.items() if isinstance(t, torch.Tensor) and t.grad is not None}
        gradients = {name: t.grad.numpy() for name, t in tensors.items()}
        outputs += _updated(call, given)
        return Outcome(tuple(output.detach().numpy() for output in outputs), gradients)
    except Exception as error:
        return Outcome(error=error)


def difference(ours, theirs):
    """What differs between two outcomes without errors beyond rounding; None if nothing does."""
    if len(ours.outputs) != len(theirs.outputs):
        return f"{len(ours.outputs)} outputs, expected {len(theirs.outputs)}"
    pairs = [(f"output {i}", *pair) for i, pair in enumerate(zip(ours.outputs, theirs.outputs))]
    if ours.gradients.keys() != theirs.gradients.keys():
        return f"gradients of {sorted(ours.gradients)}, expected of {sorted(theirs.gradients)}"
    pairs += [(f"gradient of {name}", ours.gradients[name], theirs.gradients[name]) for name in ours.gradients]
    for name, a, b in pairs:
        if a.shape != b.shape or a.dtype != b.dtype:
            return f"{name} is {a.dtype}{list(a.shape)}, expected {b.dtype}{list(b.shape)}"
        rtol, atol = TOLERANCES.get(str(a.dtype), (0, 0))
        if not np.allclose(a, b, rtol, atol, equal_nan=True):
            return f"{name} is {_shorten(a)}, expected {_shorten(b)}"
    return None


def same_bits(one, other):
    """What differs between two outcomes in any bit (NaN of any payload is NaN); None if nothing does."""
    if one.error or other.error:
        return f"{one.error!r} and {other.error!r}" if repr(one.error) != repr(other.error) else None
    for kind in ("outputs", "gradients"):
        a, b = getattr(one, kind), getattr(other, kind)
        keys = a if isinstance(a, dict) else range(len(a))
        for key in keys:
            if not np.array_equal(a[key], b[key], equal_nan=a[key].dtype.kind == "f"):
                return f"{kind}[{key!r}]: {_shorten(a[key])} and {_shorten(b[key])}"
    return None


def wrong_refusal(op, error):
    """What is wrong with an error: its type, or that it names neither operator nor argument. None: a right refusal."""
    if isinstance(error, MemoryError) and re.search(r"[TPE]iB", str(error)):
        return None  # more than any machine has was asked for
    if not isinstance(error, (ValueError, TypeError, IndexError)) or type(error).__module__.startswith("numba"):
        return f"{type(error).__name__}: {error!s:.300}"
    if not any(re.search(rf"\b{re.escape(name)}\b", str(error)) for name in (op, *parameters(op))):
        return f"names neither operator nor argument: {type(error).__name__}: {error!s:.300}"
    return None


def _is_float(array):
    return isinstance(array, np.ndarray) and array.dtype.kind == "f"


def _shorten(array):
    return np.array2string(array.ravel()[:8], precision=5)
