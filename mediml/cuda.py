"""torch.cuda's questions and calls: ``"cuda" if torch.cuda.is_available() else "cpu"`` finds the device there is.

One process uses one GPU, the first that it sees; the environment variable ``CUDA_VISIBLE_DEVICES`` chooses another. In
Numba's simulator everything here answers for the simulated one. Taught in lesson 07.
"""

from collections.abc import Callable
from typing import Any

from mediml.device import Device, usable_kinds
from mediml.random import default_generator

__all__ = [
    "current_device", "device_count", "empty_cache", "follow", "get_device_name", "is_available", "manual_seed",
    "manual_seed_all", "memory_allocated", "memory_reserved", "synchronize", "usage",
]  # fmt: skip


def is_available() -> bool:
    """Whether tensors can be on a GPU here, a real one or the simulator's."""
    return "cuda" in usable_kinds()


def device_count() -> int:
    """How many GPUs tensors can be on: 0 or 1."""
    return int(is_available())


def current_device() -> int:
    """Number of the GPU that tensors on ``"cuda"`` are on."""
    Device("cuda")
    return 0


def get_device_name(device: Any = None) -> str:
    """Name of the GPU, as its driver gives it."""
    Device("cuda" if device is None else device)
    from kernels.gpu.target import SIMULATED

    if SIMULATED:
        return "Numba's CUDA simulator"
    from numba import cuda

    name = cuda.get_current_device().name
    return name.decode() if isinstance(name, bytes) else str(name)


def synchronize(device: Any = None) -> None:
    """Wait until the GPU has done all that was queued; a time measured without it is that of the queueing."""
    Device("cuda" if device is None else device)
    from numba import cuda

    cuda.synchronize()


def usage() -> Any:
    """What became of requests for memory: blocks asked from the driver, blocks used again, bytes held and in use."""
    Device("cuda")
    from kernels.gpu import memory

    return memory.usage()


def memory_allocated(device: Any = None) -> int:
    """Bytes of the GPU's memory that tensors occupy, rounded up to blocks."""
    return int(usage().bytes_in_use) if is_available() else 0


def memory_reserved(device: Any = None) -> int:
    """Bytes of the GPU's memory that mediml holds, for tensors there are and for those to come."""
    return int(usage().bytes_held) if is_available() else 0


def empty_cache() -> None:
    """Give memory that no tensor needs back to the driver, for other programs."""
    if is_available():
        from kernels.gpu import memory

        memory.empty_cache()


def manual_seed(seed: int) -> None:
    """Start the random numbers that are drawn on the GPU anew; `mediml.manual_seed` does so for both."""
    default_generator.manual_seed_of_device(seed)


manual_seed_all = manual_seed


def follow(provider: Callable[[], int] | None) -> Callable[[], int] | None:
    """Queue on the stream whose handle ``provider()`` gives at each launch; see ``kernels/gpu/streams.py``.

    Tensors made from PyTorch's (`mediml.as_tensor`, `mediml.from_dlpack`) do so by themselves. None: CUDA's default
    stream again. Returns what was followed before.
    """
    Device("cuda")
    from kernels.gpu import streams

    previous: Callable[[], int] | None = streams.follow(provider)
    return previous
