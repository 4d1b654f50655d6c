"""Random numbers on the device, the same in any grid and on any machine.

A generator with a state gives its numbers one after the other; a thousand threads would have to queue, or to keep a
thousand states. A counter-based generator is a function instead: it scrambles a counter with a key so thoroughly that
the results for 0, 1, 2, … pass every statistical test of random numbers. So each thread computes what its elements
need from their place alone, and nothing is kept between two calls but the next unused counter:

    y = uniform((3, 5), "float32", seed=7, offset=0)
    z = normal((2, 2), "float32", seed=7, offset=counters(15, "float32"))

The function is Philox4x32-10. Its key is the seed; its counter, of 128 bits, is `offset` plus the number of the thread.
Each counter gives four words of 32 bits: four float32, or two of anything with more bits. Words, float32 and float64 in
[0, 1), whole numbers and masks have the same bits everywhere; normal numbers have those of the logarithm, sine and
cosine there: one set on all NVIDIA GPUs, one in the simulator.

References
----------
J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11. G. Box, M. Muller, "A note on the generation of
random normal deviates", Annals of Mathematical Statistics 29 (1958).
"""

import math as host_math
from functools import cache

import numpy as np
from numba import cuda

from kernels.elementary import formula
from kernels.gpu import math
from kernels.gpu.elementwise import named
from kernels.gpu.launch import blocks_for, kernel, strided
from kernels.gpu.memory import empty

__all__ = ["bernoulli", "counters", "integers", "normal", "philox", "uniform"]

_ROUNDS = 10

# Every number beside a uint64 must be one: uint64 and int64 make float64 in NumPy and Numba.
_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_STEPS = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)  # of the key, between two rounds: golden ratio, sqrt 3 - 1
_WORD, _HALF, _ONE = np.uint64(0xFFFFFFFF), np.uint64(32), np.uint64(1)
_5, _6, _8, _26 = (np.uint64(bits) for bits in (5, 6, 8, 26))

_TWO_PI = 2 * host_math.pi


def uniform(shape, dtype, seed, offset=0):
    """Numbers in [0, 1), all multiples of 2^-24 (float32) or 2^-53 (float64) equally likely.

    Parameters
    ----------
    shape : tuple of int
    dtype : float32 or float64
    seed : int
        0 to 2^64 - 1; other whole numbers count modulo 2^64.
    offset : int
        The first counter; the call uses ``counters(size, dtype)`` of them.

    Returns
    -------
    DeviceArray
    """
    return _drawn(_uniform_double if _is_double("uniform", dtype) else _uniform_single, shape, dtype, seed, offset)


def normal(shape, dtype, seed, offset=0):
    """Numbers of the standard normal distribution, mean 0 and variance 1. Arguments as `uniform`.

    Box and Muller: a point whose coordinates are normal has a random angle 2 pi v, and a distance sqrt(-2 ln u) from 0;
    so u and v, uniform, give two of them.
    """
    return _drawn(_normal_double if _is_double("normal", dtype) else _normal_single, shape, dtype, seed, offset)


def integers(low, high, shape, seed, offset=0):
    """int64 in [low, high), at most 2^32 different ones; arguments as `uniform`, two numbers from each counter.

    No number is likelier than another by more than a part in 2^32.
    """
    span = int(high) - int(low)
    if not 0 < span <= 2**32:
        raise ValueError(f"integers: low < high <= low + 2**32 expected, got low {low} and high {high}")
    return _drawn(_integer, shape, np.int64, seed, offset, np.uint64(span), np.int64(low))


def bernoulli(probability, shape, seed, offset=0):
    """Mask of bool: True with the given probability, rounded to 2^-24. Arguments as `uniform`, four from a counter."""
    if not 0 <= probability <= 1:
        raise ValueError(f"bernoulli: probability expects a number from 0 to 1, got {probability}")
    return _drawn(_hit, shape, np.bool_, seed, offset, np.uint64(round(probability * 2**24)))


def counters(count, dtype):
    """How many counters it takes to draw `count` numbers of a dtype."""
    return blocks_for(count, _from_one_counter(np.dtype(dtype)))


def _from_one_counter(dtype):
    return 2 if dtype.itemsize == 8 else 4


def _is_double(op, dtype):
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise TypeError(f"{op}: dtype expects float32 or float64, got {np.dtype(dtype)}")
    return np.dtype(dtype) == np.float64


def _drawn(draw, shape, dtype, seed, offset, *parameters):
    y = empty(shape, dtype)
    key, first = np.uint64(int(seed) % 2**64), np.uint64(int(offset) % 2**64)
    each = _from_one_counter(y.dtype)
    _loop_over(draw, each)[strided(blocks_for(y.size, each))](key, first, y.reshape(-1), parameters)
    return y


@formula
def philox(c0, c1, c2, c3, k0, k1):
    """Philox4x32-10 of a counter of four words and a key of two: four words, each a uint64 below 2^32.

    A round multiplies two of the words by constants. The upper half of a product of 32 by 32 bits depends on all bits
    of both, the lower half can be undone; so nothing is lost, and after ten rounds each bit depends on all.
    """
    for _ in range(_ROUNDS):
        p0, p1 = _MULTIPLIERS[0] * c0, _MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = (p1 >> _HALF) ^ c1 ^ k0, p1 & _WORD, (p0 >> _HALF) ^ c3 ^ k1, p0 & _WORD
        k0, k1 = (k0 + _STEPS[0]) & _WORD, (k1 + _STEPS[1]) & _WORD
    return c0, c1, c2, c3


@formula
def _double(high, low):
    """The 53 upper bits of two words as a fraction."""
    return np.float64(((high >> _5) << _26) | (low >> _6)) * np.float64(2.0**-53)


@formula
def _uniform_single(words):
    a, b, c, d = words
    unit = np.float32(2.0**-24)
    return (
        np.float32(a >> _8) * unit,
        np.float32(b >> _8) * unit,
        np.float32(c >> _8) * unit,
        np.float32(d >> _8) * unit,
    )


@formula
def _uniform_double(words):
    return _double(words[0], words[1]), _double(words[2], words[3])


@formula
def _pair(u, v):
    """Two normal numbers from u in (0, 1] and v in [0, 1)."""
    real = type(u)
    distance, angle = math.sqrt(real(-2) * math.log(u)), real(_TWO_PI) * v
    return distance * math.cos(angle), distance * math.sin(angle)


@formula
def _normal_single(words):
    a, b, c, d = words
    # u with all 32 bits, not 0: the smallest decides how far from 0 a normal number can be, here 6.7
    unit, all_bits = np.float32(2.0**-24), np.float32(2.0**-32)
    one, other = _pair(np.float32(a + _ONE) * all_bits, np.float32(b >> _8) * unit)
    third, fourth = _pair(np.float32(c + _ONE) * all_bits, np.float32(d >> _8) * unit)
    return one, other, third, fourth


@formula
def _normal_double(words):
    return _pair(np.float64(1) - _double(words[0], words[1]), _double(words[2], words[3]))


@formula
def _one_integer(high, low, span, least):
    """least + the whole part of span * fraction, the fraction of 64 bits."""
    return least + np.int64((high * span + ((low * span) >> _HALF)) >> _HALF)


@formula
def _integer(words, span, least):
    a, b, c, d = words
    return _one_integer(a, b, span, least), _one_integer(c, d, span, least)


@formula
def _hit(words, threshold):
    a, b, c, d = words
    return a >> _8 < threshold, b >> _8 < threshold, c >> _8 < threshold, d >> _8 < threshold


@cache
def _loop_over(draw, each):
    """The kernel that draws: one thread, one counter, `each` elements."""

    def loop(key, first, y, parameters):
        zero = key ^ key
        k0, k1 = key & _WORD, key >> _HALF
        for block in range(cuda.grid(1), (y.size + each - 1) // each, cuda.gridsize(1)):
            counter = first + np.uint64(block)
            values = draw(philox(counter & _WORD, counter >> _HALF, zero, zero, k0, k1), *parameters)
            for k in range(each):
                if block * each + k < y.size:
                    y[block * each + k] = values[k]

    return kernel(named(loop, draw))
