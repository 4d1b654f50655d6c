"""Random numbers: one seeded generator for the process, and tensors drawn from it.

The numbers are NumPy's (PCG64), not torch's: the same seed gives other values than in torch, and always the same here.
On a GPU they are Philox's (``kernels/gpu/random.py``), where a number follows from the seed and its place in the stream
alone, so that every thread draws its own: for a seed other values than on the CPU, and always the same as well.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from mediml import arrays
from mediml.device import CPU, Device
from mediml.dtypes import default_float, to_dtype
from mediml.interchange import as_tensor
from mediml.ops.shape import _sizes
from mediml.tensor import Tensor, from_array

__all__ = [
    "Generator", "bernoulli", "generator", "get_rng_state", "initial_seed", "manual_seed", "multinomial", "normal",
    "rand", "rand_like", "randint", "randn", "randn_like", "randperm", "seed", "set_rng_state",
]  # fmt: skip


class Generator:
    """Streams of random numbers of its own, of the CPU and of the GPU, for arguments called ``generator``."""

    def __init__(self, device: str | Device = "cpu"):
        self.device = Device(device)
        self.seed()

    def manual_seed(self, seed: int) -> "Generator":
        """Start the stream that belongs to a seed."""
        self._seed = _checked_seed(seed)
        self.numpy = np.random.default_rng(self._seed)
        self.manual_seed_of_device(seed)
        return self

    def manual_seed_of_device(self, seed: int) -> None:
        """Start anew only what is drawn on a GPU."""
        self._device_seed, self._device_drawn = _checked_seed(seed), 0

    def seed(self) -> int:
        """Start a stream from the operating system's randomness and return its seed."""
        return self.manual_seed(int(np.random.SeedSequence().generate_state(1, np.uint64)[0] >> 1)).initial_seed()

    def initial_seed(self) -> int:
        """The seed this stream was started with."""
        return self._seed

    def get_state(self) -> dict[str, Any]:
        """Where the stream stands, as JSON can hold it."""
        device = {"seed": self._device_seed, "drawn": self._device_drawn}
        return {"seed": self._seed, "bit_generator": self.numpy.bit_generator.state, "device": device}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go back to where `get_state` was called."""
        self._seed = int(state["seed"])
        self.numpy = np.random.default_rng(0)
        self.numpy.bit_generator.state = state["bit_generator"]
        device = state.get("device", {"seed": self._seed, "drawn": 0})  # states written before there were GPUs
        self._device_seed, self._device_drawn = int(device["seed"]), int(device["drawn"])

    def draw_on_device(self, name: str, shape: Sequence[int], dtype: Any, /, **options: Any) -> Any:
        """Draw by a function of ``kernels.gpu.random``, and remember how far the stream has come."""
        from kernels.gpu import random  # here: what runs on the CPU does without it

        offset = self._device_drawn
        self._device_drawn += random.counters(math.prod(shape), dtype)
        return getattr(random, name)(shape=tuple(shape), seed=self._device_seed, offset=offset, **options)


def _checked_seed(seed: int) -> int:
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        raise TypeError(f"manual_seed: expected an int, got {type(seed).__name__}")
    return int(seed) % 2**64


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Start the process's random numbers anew from a seed."""
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Start the process's random numbers from the operating system's randomness; returns the seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed of the process's random numbers."""
    return default_generator.initial_seed()


def get_rng_state() -> dict[str, Any]:
    """Where the process's random numbers stand, as JSON can hold it."""
    return default_generator.get_state()


def set_rng_state(state: dict[str, Any]) -> None:
    """Go back to where `get_rng_state` was called."""
    default_generator.set_state(state)


def generator(generator: Generator | None = None) -> np.random.Generator:
    """NumPy's generator behind the process's random numbers, or behind a `Generator`."""
    return (default_generator if generator is None else generator).numpy


_numpy = generator


def uniform_array(shape: Sequence[int], dtype: Any, place: Device, source: Generator | None = None) -> Any:
    """An array of numbers in [0, 1), float32 or float64, drawn where `place` computes."""
    dtype = np.float32 if dtype == np.float32 else np.float64
    if not arrays.on_device(place):
        return _numpy(source).random(tuple(shape), dtype)
    return (default_generator if source is None else source).draw_on_device("uniform", shape, dtype, dtype=dtype)


def normal_array(shape: Sequence[int], dtype: Any, place: Device, source: Generator | None = None) -> Any:
    """An array of normal numbers, drawn where `place` computes; on the CPU always float64."""
    if not arrays.on_device(place):
        return _numpy(source).standard_normal(tuple(shape))
    dtype = np.float32 if dtype == np.float32 else np.float64
    return (default_generator if source is None else source).draw_on_device("normal", shape, dtype, dtype=dtype)


def kept(shape: Sequence[int], p: float, place: Device) -> Any:
    """A bool array that is False with probability `p`, as dropout drops, drawn where `place` computes."""
    if not arrays.on_device(place):
        return default_generator.numpy.random(tuple(shape), np.float32) >= p
    return default_generator.draw_on_device("bernoulli", shape, np.bool_, probability=1 - p)


def _tensor(array: Any, dtype: Any, device: str | Device | None, requires_grad: bool) -> Tensor:
    array = arrays.asarray(array, default_float() if dtype is None else to_dtype(dtype))
    place = CPU if device is None else Device(device)
    return from_array(arrays.moved(array, place), place).requires_grad_(requires_grad)


def rand(
    *size: Any, generator: Generator | None = None, dtype: Any = None, device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Uniform in [0, 1)."""
    wanted, place = default_float() if dtype is None else to_dtype(dtype), CPU if device is None else Device(device)
    return _tensor(uniform_array(_sizes(size), wanted, place, generator), wanted, place, requires_grad)


def randn(
    *size: Any, generator: Generator | None = None, dtype: Any = None, device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Normal with mean 0 and deviation 1."""
    wanted, place = default_float() if dtype is None else to_dtype(dtype), CPU if device is None else Device(device)
    return _tensor(normal_array(_sizes(size), wanted, place, generator), wanted, place, requires_grad)


def rand_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """`rand` with the shape, dtype and device of another tensor."""
    return rand(input.shape, dtype=dtype or input.dtype, device=device or input.device, requires_grad=requires_grad)


def randn_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """`randn` with the shape, dtype and device of another tensor."""
    return randn(input.shape, dtype=dtype or input.dtype, device=device or input.device, requires_grad=requires_grad)


def randint(
    low: int, high: Any = None, size: Any = None, *, generator: Generator | None = None, dtype: Any = None,
    device: str | Device | None = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Whole numbers in [low, high), or in [0, low) as ``randint(high, size)``."""
    if size is None:
        low, high, size = 0, low, high
    if high <= low:
        raise ValueError(f"randint: high must be above low, got low {low} and high {high}")
    shape, place = _sizes((size,)), CPU if device is None else Device(device)
    if place.type == "cuda":
        source = default_generator if generator is None else generator
        drawn = source.draw_on_device("integers", shape, np.int64, low=low, high=high)
    else:
        drawn = _numpy(generator).integers(low, high, shape)
    return _tensor(drawn, np.int64 if dtype is None else dtype, device, requires_grad)


def randperm(
    n: int, *, generator: Generator | None = None, dtype: Any = None, device: str | Device | None = None
) -> Tensor:
    """The numbers 0 … n - 1 in random order."""
    return _tensor(_numpy(generator).permutation(n), np.int64 if dtype is None else dtype, device, False)


def normal(mean: Any, std: Any = 1.0, size: Any = None, *, generator: Generator | None = None) -> Tensor:
    """Normal with a mean and a deviation for each element, or for a whole shape."""
    shape = _sizes((size,)) if size is not None else np.broadcast_shapes(np.shape(mean), np.shape(std))
    centre, spread = (as_tensor(value).detach() for value in (mean, std))
    return centre + spread * randn(shape, generator=generator, device=(spread if spread.is_cuda else centre).device)


def uniform_(input: Tensor, low: float = 0.0, high: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill a tensor with uniform numbers in [low, high), behind the tape's back."""
    if input.is_cuda:
        input._array[...] = low + (high - low) * uniform_array(input.shape, input.dtype, input.device, generator)
    else:
        input._array[...] = _numpy(generator).uniform(low, high, input.shape)
    input._bump_version()
    return input


def normal_(input: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill a tensor with normal numbers of a mean and a deviation, behind the tape's back."""
    if input.is_cuda:
        input._array[...] = mean + std * normal_array(input.shape, input.dtype, input.device, generator)
    else:
        input._array[...] = _numpy(generator).normal(mean, std, input.shape)
    input._bump_version()
    return input


def bernoulli(input: Tensor, *, generator: Generator | None = None) -> Tensor:
    """1 with the probability that the element states, else 0."""
    p = input._array
    if p.size and not input.is_cuda and not ((p >= 0) & (p <= 1)).all():  # a look at a GPU's numbers would copy them
        raise ValueError(f"bernoulli: expected probabilities in [0, 1], got {p.min():g} to {p.max():g}")
    drawn = uniform_array(p.shape, p.dtype if input.is_cuda else np.float64, input.device, generator)
    return from_array((drawn < p).astype(p.dtype), input.device)


def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """Indices drawn with probabilities proportional to each row's weights; always by the CPU."""
    weights = np.atleast_2d(arrays.to_host(input._array)).astype(np.float64)
    if not (np.isfinite(weights).all() and (weights >= 0).all() and (weights.sum(1) > 0).all()):
        raise ValueError("multinomial: expected finite weights that are not negative, with a positive sum in each row")
    if not replacement and num_samples > (weights > 0).sum(1).min():
        raise ValueError(f"multinomial: {num_samples} samples without replacement need as many positive weights")
    source = _numpy(generator)
    rows = [source.choice(len(w), num_samples, replacement, w / w.sum()) for w in weights]
    drawn = np.asarray(rows, np.int64)
    return from_array(arrays.moved(drawn if input.ndim == 2 else drawn[0], input.device), input.device)
