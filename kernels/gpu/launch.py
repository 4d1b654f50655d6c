"""The one decorator of CUDA kernels, and how they are launched.

@kernel
def _double(x, y):
    i = cuda.grid(1)          # one thread, one element
    if i < y.size:            # the last block reaches beyond the end
        y[i] = x[i] + x[i]    # not 2 * x[i]: to Numba an int times a float32 is a float64

_double[per_element(y.size)](x, y)

`kernel` compiles without fastmath (it would take NaN for a number, and denormals for 0) and launches on the current
stream. Arrays are `DeviceArray`; a launch of no block does nothing.
"""

import math
import warnings

import numpy as np
from numba import cuda

from kernels.gpu import loops, streams
from kernels.gpu.arguments import NothingAsZero
from kernels.gpu.array import DeviceArray
from kernels.gpu.target import SIMULATED

__all__ = [
    "LAUNCHES",
    "THREADS",
    "Kernel",
    "blocks_for",
    "device_function",
    "kernel",
    "per_element",
    "per_tile",
    "strided",
]

#: Threads of a block where each has an element of its own. In the simulator few: small arrays need several blocks.
THREADS = 16 if SIMULATED else 256

#: Blocks of a grid whose threads walk over the elements (`strided`).
_MOST_STRIDED_BLOCKS = 2 if SIMULATED else 1024

_MOST_BLOCKS = (2**31 - 1, 65535, 65535)
_MOST_THREADS = 1024

#: Grids that are kept for a kernel: sequences of ever new lengths must not pile them up.
_MOST_CONFIGURED = 256


class _Count:
    """How many kernels this process has launched."""

    value = 0


LAUNCHES = _Count()


def blocks_for(count, threads):
    """Blocks of `threads` threads that cover `count` elements."""
    return -(-count // threads)


def per_element(count, threads=THREADS):
    """Grid for ``i = cuda.grid(1)``: a thread for each of `count` elements; the kernel asks ``if i < count``."""
    return blocks_for(count, threads), threads


def per_tile(rows, columns, tile):
    """Grid of blocks of `tile` by `tile` threads over a matrix; x runs along the columns."""
    return (blocks_for(columns, tile), blocks_for(rows, tile)), (tile, tile)


def strided(count, threads=THREADS):
    """Grid for ``for i in range(cuda.grid(1), count, cuda.gridsize(1))``: few threads share the work."""
    return min(blocks_for(count, threads), _MOST_STRIDED_BLOCKS), threads


def kernel(function):
    """Make a function of arrays and numbers a CUDA kernel: ``function[blocks, threads](*arguments)``."""
    return Kernel(function)


def device_function(function):
    """Make a function callable by kernels, itself free to use ``cuda.threadIdx`` and the like."""
    return cuda.jit(device=True)(function)


class Kernel:
    """A CUDA kernel. Compiled at the first launch for each combination of dtypes."""

    def __init__(self, function):
        self.function = function
        self.__name__, self.__doc__, self.__module__ = function.__name__, function.__doc__, function.__module__
        self.__wrapped__ = function
        self.compiled = cuda.jit(function) if SIMULATED else cuda.jit(function, extensions=[NothingAsZero()])
        self.launches, self.configured = {}, {}

    def __getitem__(self, configuration):
        launch = self.launches.get(configuration)
        if launch is None:
            launch = _kept(self.launches, configuration, self._checked(configuration))
        return launch

    def _checked(self, configuration):
        blocks, threads = (_three(size) for size in configuration)
        if any(size > most for size, most in zip(blocks, _MOST_BLOCKS)) or math.prod(threads) > _MOST_THREADS:
            raise ValueError(
                f"{self.__name__}: a grid holds at most {_MOST_BLOCKS} blocks of {_MOST_THREADS} threads, got "
                f"{blocks} blocks of {threads}; the arrays are too large for this kernel"
            )
        return _Launch(self, blocks, threads)

    def __repr__(self):
        return f"<CUDA kernel {self.__module__}.{self.__name__}>"


class _Launch:
    """A kernel with its grid."""

    def __init__(self, launched, blocks, threads):
        self.kernel, self.blocks, self.threads = launched, blocks, threads

    def __call__(self, *arguments):
        if 0 in self.blocks:
            return
        LAUNCHES.value += 1
        engine(self.kernel, self.blocks, self.threads, arguments)


def _run(launched, blocks, threads, arguments):
    """Run a kernel on the GPU, on the current stream."""
    handle = streams.current_handle()
    passed = _passed(arguments, handle)
    configuration = blocks, threads, handle
    configured = launched.configured.get(configuration)
    if configured is None:
        configured = _configured(launched, *configuration)
    configured(*passed)


def _passed(arguments, handle):
    """Arguments as Numba takes them; the memory of arrays of another stream learns that this one uses it, too."""
    passed = []
    for argument in arguments:
        if isinstance(argument, DeviceArray):
            if argument._block.stream != handle:
                argument._block.others.add(handle)
            argument = argument.for_kernel
        passed.append(argument)
    return passed


def _configured(launched, blocks, threads, handle):
    """The kernel with its grid and stream, kept: Numba remembers 128 of all kernels, a step of a training has more."""
    with warnings.catch_warnings():  # Numba warns of small grids; a small array has no larger one
        warnings.filterwarnings("ignore", "Grid size", Warning)
        found = launched.compiled[blocks, threads, streams.stream_of(handle)]
    return _kept(launched.configured, (blocks, threads, handle), found)


def _kept(known, key, value):
    """The value, found under the key from now on."""
    if len(known) >= _MOST_CONFIGURED:
        known.clear()
    known[key] = value
    return value


def _simulate(launched, blocks, threads, arguments):
    """Run a kernel in Numba's simulator."""
    from kernels.gpu import simulation  # here: it exists where the simulator does

    passed = _passed(arguments, streams.current_handle())
    with warnings.catch_warnings():  # NumPy's scalars warn of overflow where a GPU gives inf
        warnings.simplefilter("ignore", RuntimeWarning)
        simulation.run(launched.function, blocks, threads, passed)


if not SIMULATED:
    loops.lower_ranges_plainly()

#: What carries a launch out. ``ptx.py`` puts in its place what compiles and does not run.
engine = _simulate if SIMULATED else _run


def _three(size):
    sizes = size if isinstance(size, tuple) else (size,)
    if not all(isinstance(s, (int, np.integer)) and s >= 0 for s in sizes) or len(sizes) > 3:
        raise ValueError(f"a grid expects up to three sizes, got {size!r}")
    return (*(int(s) for s in sizes), *(1,) * (3 - len(sizes)))
