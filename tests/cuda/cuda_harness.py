"""One list of calls for three checks: in the simulator or on a GPU against ``reference``, and compiled without either.

A file ``tests/cuda/test_FAMILY.py`` holds ``CALLS`` and hands it to `check`:

    CALLS = [Call("conv", "conv2d_forward", lambda draw: (draw(2, 3, 5, 7), draw(4, 3, 3, 3), None, (1, 1), ...)), ...]

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("call", CALLS, ids=str)
    def test_call(call, dtype):
        check(call, dtype)

``tests/cuda/test_ptx.py`` compiles the same calls.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from kernels.gpu.array import DeviceArray
from kernels.gpu.transfer import to_device

DTYPES = ("float32", "float64")

#: Largest deviation from `reference`, which sums in float64, in units of the largest expected value (at least 1).
TOLERANCE = {"float32": 2e-5, "float64": 1e-12}


class Draw:
    """Random arrays of one dtype, the same for every run of a call."""

    def __init__(self, seed: int, dtype: str):
        self.generator = np.random.default_rng(seed)
        self.dtype = np.dtype(dtype)

    def __call__(self, *shape: int) -> np.ndarray:
        """Normal numbers."""
        return self.generator.standard_normal(shape).astype(np.float32).astype(self.dtype)

    def uniform(self, *shape: int) -> np.ndarray:
        """Numbers in (0, 1)."""
        return self.generator.uniform(0.01, 0.99, shape).astype(np.float32).astype(self.dtype)

    def integers(self, low: int, high: int, *shape: int) -> np.ndarray:
        """int64 in [low, high)."""
        return self.generator.integers(low, high, shape)

    def array(self, values: Any) -> np.ndarray:
        """The given values in the call's dtype."""
        return np.array(values, self.dtype)


@dataclass(frozen=True)
class Call:
    """A call of one function of a family.

    Parameters
    ----------
    family, function : str
    arguments : callable
        Gets a `Draw`; returns the arguments, arrays as NumPy arrays (what a forward pass saves can be computed there
        by the reference).
    note : str
        What is awkward about it.
    tolerance : float
        Factor on `TOLERANCE`, with a reason beside it where it is not 1.
    """

    family: str
    function: str
    arguments: Callable[[Draw], tuple[Any, ...]]
    note: str = ""
    tolerance: float = 1.0

    def __str__(self) -> str:
        return f"{self.function} {self.note}".strip()

    def draw(self, dtype: str) -> tuple[Any, ...]:
        """The arguments, the same at each call."""
        seed = sum(ord(letter) * (i + 1) for i, letter in enumerate(str(self)))
        return tuple(self.arguments(Draw(seed, dtype)))

    def on_device(self, dtype: str) -> tuple[Any, tuple[Any, ...]]:
        """Result of the CUDA kernel, and its arguments, which it may have changed; all still on the device."""
        arguments = tuple(to_device(a) if isinstance(a, np.ndarray) else a for a in self.draw(dtype))
        module = importlib.import_module(f"kernels.{self.family}.cuda")
        return getattr(module, self.function)(*arguments), arguments

    def by_reference(self, dtype: str) -> tuple[Any, tuple[Any, ...]]:
        """The same by ``reference``."""
        arguments = self.draw(dtype)
        module = importlib.import_module(f"kernels.{self.family}.reference")
        return getattr(module, self.function)(*arguments), arguments


def check(call: Call, dtype: str) -> None:
    """The CUDA kernel agrees with ``reference``, changes only what it may, and gives the same bits twice."""
    ours, expected = (flat(outcome) for outcome in (call.on_device(dtype), call.by_reference(dtype)))
    assert len(ours) == len(expected)
    for position, (got, wanted) in enumerate(zip(ours, expected)):
        compare(got, wanted, TOLERANCE[dtype] * call.tolerance, f"{call}: value {position}")
    for once, again in zip(ours, flat(call.on_device(dtype))):
        assert np.array_equal(once, again, equal_nan=True), f"{call}: other bits at the second run"


def compare(got: Any, wanted: Any, tolerance: float, where: str) -> None:
    """Equal shape, dtype, places of NaN and infinity, and values up to the tolerance."""
    if not isinstance(wanted, np.ndarray):
        assert got == wanted or (got != got and wanted != wanted), f"{where}: {got} != {wanted}"
        return
    assert isinstance(got, np.ndarray), f"{where}: {type(got)}"
    assert (got.shape, got.dtype) == (wanted.shape, wanted.dtype), f"{where}: {got.shape} of {got.dtype}"
    if wanted.dtype.kind != "f":
        assert np.array_equal(got, wanted), f"{where}: {got} != {wanted}"
        return
    finite = np.isfinite(wanted)
    assert np.array_equal(got[~finite], wanted[~finite], equal_nan=True), f"{where}: NaN or infinity elsewhere"
    scale = max(1.0, float(np.abs(wanted[finite]).max(initial=0)))
    error = np.abs(got[finite].astype(np.float64) - wanted[finite]).max(initial=0) / scale
    assert error <= tolerance, f"{where}: error {error:.3g}, tolerance {tolerance:.3g}"


def flat(outcome: Any) -> list[Any]:
    """All arrays and numbers of a result and of the arguments, on the host, in a fixed order; None are left out."""
    if isinstance(outcome, (tuple, list)):
        return [part for value in outcome for part in flat(value)]
    if outcome is None or isinstance(outcome, str):
        return []
    return [outcome.get() if isinstance(outcome, DeviceArray) else outcome]
