"""What the doctor knows about Numba's inside, and no other module of it does.

It holds for the ``numba.cuda`` of numba, for that of numba-cuda, and for the simulator of either.
"""

import sys
import types
from functools import cache
from typing import Any

import numpy as np

__all__ = ["BARRIERS", "dtype_of", "function_under", "home_of", "parts_of_cuda"]

#: Names of the barriers of a block.
BARRIERS = ("syncthreads", "syncthreads_and", "syncthreads_count", "syncthreads_or")


def function_under(kernel: Any) -> types.FunctionType | None:
    """The Python function under a kernel or a compiled function; None if there is none."""
    for _ in range(5):
        if isinstance(kernel, types.FunctionType):
            return kernel
        for name in ("py_func", "fn", "function", "__wrapped__"):
            inner = getattr(kernel, name, None)
            if inner is not None:
                kernel = inner
                break
        else:
            return None
    return None


def dtype_of(dtype: Any) -> np.dtype[Any]:
    """A NumPy dtype from what kernels name: a Numba type or a dtype."""
    if isinstance(dtype, (np.dtype, type)):
        return np.dtype(dtype)
    name = getattr(dtype, "name", dtype)
    return np.dtype("bool" if name == "boolean" else name)


@cache
def parts_of_cuda() -> dict[int, str]:
    """Names of the parts of ``numba.cuda`` that kernels use, by ``id``, for those imported by name."""
    from numba import cuda

    parts = {}
    for name in dir(cuda):
        value = getattr(cuda, name, None)
        home = getattr(value, "__module__", None) or ""
        if home.startswith(("numba.cuda.stubs", "numba.cuda.intrinsics", "numba.cuda.intrinsic_wrapper")):
            parts[id(value)] = name
    return parts


def home_of(module: types.ModuleType) -> str:
    """What a module is to a kernel: ``"cuda"``, a ``"part"`` of it, ``"numba"``, or ``"other"``."""
    name = module.__name__
    if module is sys.modules.get("numba.cuda") or name in ("numba.cuda", "numba.cuda.simulator"):
        return "cuda"
    if name.startswith(("numba.cuda.", "numba_cuda.")):
        return "part"
    return "numba" if name == "numba" else "other"
