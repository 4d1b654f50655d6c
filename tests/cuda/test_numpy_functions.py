"""What mediml's operators ask of NumPy is there on the device, or is known not to be."""

import ast
import inspect
from pathlib import Path

import numpy as np
import pytest

from kernels.gpu.numpy_functions import FUNCTIONS
from kernels.gpu.scalar_formulas import FORMULAS

pytestmark = pytest.mark.anywhere

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(
    [*(ROOT / "mediml" / "ops").glob("*.py"), ROOT / "mediml" / "autograd.py", ROOT / "mediml" / "tensor.py"]
)

#: What makes arrays, always on the host; what looks at shapes, dtypes and numbers only; what is no function.
ON_THE_HOST = {
    "arange", "array", "array2string", "asarray", "ascontiguousarray", "broadcast_shapes", "dtype", "empty",
    "errstate", "eye", "full", "indices", "iinfo", "finfo", "linspace", "ones", "zeros", "from_dlpack", "promote_types",
    "ndarray", "generic", "integer", "floating", "number", "bool_", "float32", "float64", "int64", "pi", "random",
    "typing",
}  # fmt: skip


def names_of(source):
    """Names of NumPy that a program uses, as ``np.name``."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "np":
            yield node.attr


def unknown(names):
    for name in names:
        function = getattr(np, name)
        ours = isinstance(function, np.ufunc) and function.__name__ in FORMULAS
        if not ours and function not in tuple(FUNCTIONS) and name not in ON_THE_HOST:
            yield name


def test_what_the_operators_use_is_supported():
    assert len(FILES) > 10
    used = {name for path in FILES for name in names_of(path.read_text(encoding="utf-8"))}
    assert len(used) > 50
    assert not sorted(unknown(used))


def test_a_function_that_is_missing_is_found():
    assert list(unknown(names_of("np.exp(x) + np.kron(x, np.hypot(x, x))"))) in (["kron", "hypot"], ["hypot", "kron"])


def test_every_function_says_what_numpys_does():
    """Names of parameters are NumPy's, as far as ours go: they are passed by name."""
    wrong = []
    for function, ours in FUNCTIONS.items():
        theirs = inspect.signature(function).parameters
        for name, parameter in inspect.signature(ours).parameters.items():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) or ours.__name__ == "view":
                continue
            if name not in theirs and not (name == "x" and function.__name__.endswith("_like")):
                wrong.append(f"{function.__name__}: {name}")
    assert sorted(wrong) == ["einsum: subscripts", "pad: constant_values"]  # which NumPy's signature does not name
