"""What one comparison with PyTorch consists of: an operator, the arrays it is given, and its options."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

DRAWS = ("normal", "uniform", "distinct", "ties", "integer", "probability", "scales", "far", "small", "given")


@dataclass(frozen=True)
class Array:
    """How an argument is drawn, so that every process draws the same one.

    Parameters
    ----------
    shape : tuple of int
    draw : str
        ``"normal"``: mean 0, deviation 1. ``"uniform"``: in (0, 1). ``"distinct"``: no two values alike.
        ``"ties"``: few whole values, so that maxima tie. ``"integer"``: int64 in [low, high).
        ``"probability"``: positive, summing to 1 along axis 1 (axis 0 where there is no other). ``"scales"``: normal
        times a power of 10 from 0.001 to 1000. ``"far"``: mean 10000, deviation 1.
        ``"small"``: uniform in ±1 over the root of the last axis, as weights begin. ``"given"``: `values`.
    gradient : bool
        Whether the gradient for this argument is compared; never for integers.
    low, high : int
        Range of ``"integer"``.
    values : tuple of int
        What ``"given"`` consists of, int64; one axis.
    """

    shape: tuple[int, ...]
    draw: str = "normal"
    gradient: bool = True
    low: int = 0
    high: int = 2
    values: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.draw not in DRAWS:
            raise ValueError(f"Array: draw expects one of {DRAWS}, got {self.draw!r}")

    def __str__(self) -> str:
        return f"{self.draw}{list(self.values if self.draw == 'given' else self.shape)}"

    def make(self, generator: np.random.Generator) -> NDArray[Any]:
        """The array: float64, or int64 for ``"integer"`` and ``"given"``."""
        if self.draw == "given":
            return np.array(self.values, np.int64).reshape(self.shape)
        if self.draw == "integer":
            return generator.integers(self.low, self.high, self.shape, dtype=np.int64)
        if self.draw == "uniform":
            return generator.uniform(0.01, 0.99, self.shape)
        if self.draw == "distinct":
            size = int(np.prod(self.shape))
            return ((generator.permutation(size) + 0.5) / max(size, 1) * 4 - 2).reshape(self.shape)
        if self.draw == "ties":
            return generator.integers(-1, 2, self.shape).astype(np.float64)
        if self.draw == "small":
            return generator.uniform(-1, 1, self.shape) / np.sqrt(max(self.shape[-1], 1))
        values = generator.standard_normal(self.shape)
        if self.draw == "scales":
            values = values * 10 ** generator.uniform(-3, 3, self.shape)
        if self.draw == "far":
            values += 1e4
        if self.draw == "probability":
            axis = 1 if len(self.shape) > 1 else 0
            values = np.exp(values)
            values /= values.sum(axis=axis, keepdims=True)
        return values


@dataclass(frozen=True)
class Case:
    """One call of an operator that `mediml.nn.functional` and `torch.nn.functional` both have.

    Parameters
    ----------
    op : str
        The function's name, such as ``"conv2d"``.
    arrays : mapping of str to Array, or to a sequence of Array
        Tensor arguments by torch's parameter name. The tensors of a sequence are called ``params[0]``, ``params[1]`` …
    options : mapping, optional
        The other keyword arguments, the same for both.
    note : str, optional
        What is awkward about it; part of the case's identity.
    updated : tuple of str, optional
        Arguments that the operator changes, as running statistics: their new values count as further outputs.
    """

    op: str
    arrays: Mapping[str, Array | Sequence[Array]]
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    note: str = ""
    updated: tuple[str, ...] = ()

    @property
    def parts(self) -> dict[str, Array]:
        """The arguments with those in a sequence one by one."""
        parts: dict[str, Array] = {}
        for key, given in self.arrays.items():
            parts |= {key: given} if isinstance(given, Array) else {f"{key}[{i}]": a for i, a in enumerate(given)}
        return parts

    @property
    def name(self) -> str:
        """Identity of the case: what its random numbers and its golden values are filed under."""
        arrays = ",".join(f"{key}={array}" for key, array in self.parts.items())
        options = ",".join(f"{key}={value!r}" for key, value in self.options.items())
        return " ".join(part for part in (self.op, arrays, options, self.note) if part)

    @property
    def differentiated(self) -> tuple[str, ...]:
        """Names of the arguments whose gradient is compared."""
        return tuple(
            key for key, array in self.parts.items() if array.gradient and array.draw not in ("integer", "given")
        )

    def draw(self) -> dict[str, NDArray[Any]]:
        """The arguments, float64 and int64, the same in every process and on every machine.

        Every float is one that float32 holds exactly: so one expected result serves both dtypes.
        """
        generator = self._generator("")
        return {key: _to_float32(array.make(generator)) for key, array in self.parts.items()}

    def draw_cotangents(self, shapes: Sequence[tuple[int, ...]]) -> list[NDArray[Any]]:
        """Random gradients of something for outputs of these shapes (ones would hide a flipped kernel)."""
        generator = self._generator("cotangents")
        return [_to_float32(generator.standard_normal(shape)) for shape in shapes]

    def _generator(self, purpose: str) -> np.random.Generator:
        return np.random.default_rng(zlib.crc32((self.name + purpose).encode()))


def arguments(parts: Mapping[str, Any]) -> dict[str, Any]:
    """What an operator is called with: the tensors ``params[0]``, ``params[1]`` … gathered in a list ``params``."""
    gathered: dict[str, Any] = {}
    for key, value in parts.items():
        name, bracket, _ = key.partition("[")
        if bracket:
            gathered.setdefault(name, []).append(value)
        else:
            gathered[name] = value
    return gathered


def _to_float32(array: NDArray[Any]) -> NDArray[Any]:
    """The array rounded to float32, if of floats, and float64 again."""
    return np.asarray(array.astype(np.float32).astype(np.float64) if array.dtype.kind == "f" else array)
