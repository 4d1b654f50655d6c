"""exp, log, … as kernels call them: the GPU's own; in the simulator NumPy's, which give inf where Python raises.

On a GPU the argument's dtype decides: float32 stays float32. Largest errors there, in units of the last place, by
NVIDIA's CUDA programming guide (float32): exp 1, expm1 1, log 1, log1p 1, tanh 1, sqrt and division 0.5, erf 2, pow 4.
"""

import math

import numpy as np

from kernels.gpu.target import SIMULATED

__all__ = [
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "ceil", "cos", "cosh", "erf", "erfc", "exp", "expm1",
    "floor", "fmod", "isfinite", "isinf", "isnan", "log", "log1p", "log2", "log10", "pow", "sin", "sinh", "sqrt",
    "tan", "tanh", "trunc",
]  # fmt: skip


def _of_python(function):
    """Python's function for the simulator, which keeps the dtype of its argument; NaN where Python raises."""

    def quiet(x):
        try:
            return type(x)(function(x))
        except (OverflowError, ValueError):
            return type(x)(np.nan)

    return quiet


if SIMULATED:
    acos, acosh, asin, asinh = np.arccos, np.arccosh, np.arcsin, np.arcsinh
    atan, atan2, atanh = np.arctan, np.arctan2, np.arctanh
    ceil, cos, cosh, exp, expm1, floor, fmod = np.ceil, np.cos, np.cosh, np.exp, np.expm1, np.floor, np.fmod
    isfinite, isinf, isnan = np.isfinite, np.isinf, np.isnan
    log, log10, log1p, log2, pow = np.log, np.log10, np.log1p, np.log2, np.power
    sin, sinh, sqrt, tan, tanh, trunc = np.sin, np.sinh, np.sqrt, np.tan, np.tanh, np.trunc
    erf, erfc = _of_python(math.erf), _of_python(math.erfc)
else:
    acos, acosh, asin, asinh = math.acos, math.acosh, math.asin, math.asinh
    atan, atan2, atanh = math.atan, math.atan2, math.atanh
    ceil, cos, cosh, exp, expm1, floor, fmod = (
        math.ceil, math.cos, math.cosh, math.exp, math.expm1, math.floor, math.fmod,
    )  # fmt: skip
    isfinite, isinf, isnan = math.isfinite, math.isinf, math.isnan
    log, log10, log1p, log2, pow = math.log, math.log10, math.log1p, math.log2, math.pow
    sin, sinh, sqrt, tan, tanh, trunc = math.sin, math.sinh, math.sqrt, math.tan, math.tanh, math.trunc
    erf, erfc = math.erf, math.erfc
