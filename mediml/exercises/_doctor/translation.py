"""A kernel without Numba: its Python function, built anew with other globals.

Where it names the module ``cuda``, a part of it, a device function, ``math`` or an array, it gets what the doctor has
for it. The learner's own module stays as it is.
"""

import contextlib
import dis
import math
import types
from functools import cache
from typing import Any

import numpy as np

from mediml.exercises._doctor.arrays import Array
from mediml.exercises._doctor.cuda_module import Cuda, constant
from mediml.exercises._doctor.mathematics import Math
from mediml.exercises._doctor.numba_inside import BARRIERS, function_under, home_of, parts_of_cuda
from mediml.exercises._doctor.recording import Recorder, UnsupportedError

__all__ = ["Translation"]

#: Packages whose functions are called as they are.
_LEFT_ALONE = ("builtins", "collections", "functools", "itertools", "math", "numba", "numba_cuda", "numpy", "operator")


class _Module:
    """A module as kernels see it: each name translated when it is asked for."""

    def __init__(self, module: types.ModuleType, translation: "Translation"):
        self._module, self._translation = module, translation

    def __getattr__(self, name: str) -> Any:
        return self._translation.value(name, getattr(self._module, name))


class Translation:
    """Functions rebuilt to run without Numba.

    Attributes
    ----------
    codes : dict
        The code of each of them, by ``id``.
    tight : set
        Of those with a loop of a single instruction.
    barriers : bool
        Whether one of them names a barrier.
    refused : list
        Code of the kernel or a device function that CUDA does not have, and why.
    """

    def __init__(self) -> None:
        self.codes: dict[int, types.CodeType] = {}
        self.tight: set[int] = set()
        self.barriers = False
        self.refused: list[tuple[types.CodeType, str]] = []
        self.cuda: Cuda | None = None
        self.recorder: Recorder | None = None
        self._functions: dict[int, types.FunctionType] = {}
        self._kept: list[Any] = []  # so that no id is used twice
        self._math = Math()
        self._parts = parts_of_cuda()

    def kernel(self, original: types.FunctionType) -> types.FunctionType:
        """The kernel itself, likewise."""
        self._refuse(original)
        return self.function(original)

    def function(self, original: types.FunctionType) -> types.FunctionType:
        """The function with globals translated, and all that it calls."""
        done = self._functions.get(id(original))
        if done is not None:
            return done
        names: set[str] = set()
        for code in _codes(original.__code__):
            self.codes[id(code)] = code
            if _is_tight(code):
                self.tight.add(id(code))
            names.update(code.co_names)
        self.barriers |= any(name in BARRIERS for name in names)
        names_here = dict(original.__globals__)
        cells = tuple(types.CellType() for _ in original.__closure__ or ())
        rebuilt = types.FunctionType(
            original.__code__, names_here, original.__name__, original.__defaults__, cells or None
        )
        rebuilt.__kwdefaults__ = original.__kwdefaults__
        self._functions[id(original)] = self._functions[id(rebuilt)] = rebuilt
        self._kept += [original, rebuilt]
        for name in names & names_here.keys():
            names_here[name] = self.value(name, names_here[name])
        for name, cell, old in zip(original.__code__.co_freevars, cells, original.__closure__ or ()):
            with contextlib.suppress(ValueError):  # not filled yet
                cell.cell_contents = self.value(name, old.cell_contents)
        return rebuilt

    def value(self, name: str, value: Any) -> Any:
        """What a kernel finds under a name."""
        if isinstance(value, types.ModuleType):
            return self._module(value)
        if isinstance(value, (Array, np.dtype, np.generic, int, float, complex, str, type(None))):
            return value
        if isinstance(value, np.ndarray):
            assert self.recorder is not None
            return constant(self.recorder, name, value)
        part = self._parts.get(id(value))
        if part is not None:
            self.barriers |= part in BARRIERS
            return _late(self.cuda, part)
        if isinstance(value, types.BuiltinFunctionType) and value.__module__ == "math":
            return getattr(self._math, value.__name__)
        if isinstance(value, type):
            return value
        under = function_under(value) if not isinstance(value, types.FunctionType) else value
        if under is None or (under.__module__ or "").partition(".")[0] in _LEFT_ALONE:
            return value
        if under is not value:  # decorated, so meant for the GPU; a plain function is Python's
            self._refuse(under)
        return self.function(under)

    def _refuse(self, function: types.FunctionType) -> None:
        what = _refused(function)
        if what is not None:
            self.refused.append((function.__code__, what))

    def _module(self, module: types.ModuleType) -> Any:
        if module is math:
            return self._math
        home = home_of(module)
        if home == "cuda":
            return self.cuda
        if home == "part":
            return _Refused(module.__name__.rpartition(".")[2])
        if home == "numba" or module.__name__.partition(".")[0] not in _LEFT_ALONE:
            return _Module(module, self)
        return module


def _late(cuda: Cuda | None, name: str) -> Any:
    """A part of ``cuda`` imported by its own name. Where the thread is, is asked anew each time."""
    if name in ("threadIdx", "blockIdx", "laneid"):
        return _Late(cuda, name)
    return getattr(cuda, name) if hasattr(type(cuda), name) or name in vars(cuda) else _Refused(name)


class _Late:
    def __init__(self, cuda: Cuda | None, name: str):
        self._cuda, self._name = cuda, name

    def __getattr__(self, name: str) -> Any:
        return getattr(getattr(self._cuda, self._name), name)

    def __index__(self) -> int:
        return int(getattr(self._cuda, self._name))


class _Refused:
    def __init__(self, name: str):
        self._name = name

    def __call__(self, *arguments: Any) -> Any:
        raise UnsupportedError(f"cuda.{self._name}")

    def __getattr__(self, name: str) -> Any:
        raise UnsupportedError(f"cuda.{self._name}.{name}")


@cache
def _is_tight(code: types.CodeType) -> bool:
    """Whether a jump goes to itself."""
    return any("JUMP" in step.opname and step.argval == step.offset for step in dis.get_instructions(code))


def _codes(code: types.CodeType) -> list[types.CodeType]:
    """A function's code and that of the functions inside it."""
    return [code, *(inner for c in code.co_consts if isinstance(c, types.CodeType) for inner in _codes(c))]


@cache
def _refused(function: types.FunctionType) -> str | None:
    """What in a function's code CUDA does not have, and would keep the doctor from stopping it; None if nothing."""
    for code in _codes(function.__code__):
        for step in dis.get_instructions(code):
            if step.opname in ("PUSH_EXC_INFO", "SETUP_FINALLY", "SETUP_WITH"):
                return "try and with: kernels for CUDA have neither"
            if step.opname in ("YIELD_VALUE", "IMPORT_NAME") and code is function.__code__:
                return "yield" if step.opname == "YIELD_VALUE" else "import within a kernel"
    return None
