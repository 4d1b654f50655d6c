"""Random numbers on the device: the published words of Philox4x32-10, the same bits in any grid, and distributions."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from cuda_harness import DTYPES
from numba import njit

from kernels.gpu import launch, random

#: Counter, key and result of Philox4x32-10: the known answers that come with the authors' library, Random123.
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


@dataclass(frozen=True)
class Work:
    """What test_ptx.py compiles."""

    def on_device(self, dtype: str) -> Any:
        random.uniform((3, 5), dtype, 1)
        random.normal((3, 5), dtype, 1)
        random.integers(-3, 9, (3, 5), 1)
        random.bernoulli(0.3, (3, 5), 1)


CALLS = [Work()]


def words(text):
    return [np.uint64(int(word, 16)) for word in text.split()]


def plain_philox(counter, seed):
    """The four words of a counter, with Python's unlimited integers: the paper, line by line."""
    c, k = [counter % 2**32, counter >> 32, 0, 0], [seed % 2**32, seed >> 32]
    for _ in range(10):
        p, q = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [q >> 32 ^ c[1] ^ k[0], q % 2**32, p >> 32 ^ c[3] ^ k[1], p % 2**32]
        k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
    return c


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_the_published_words(counter, key, expected):
    assert list(random.philox(*words(counter), *words(key))) == words(expected)


@pytest.mark.anywhere
@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_the_published_words_when_compiled(counter, key, expected):
    """For the processor; but the types are those that Numba finds for a GPU: no uint64 has become a float64."""

    @njit
    def compiled(*words):
        return random.philox(*words)

    assert list(compiled(*words(counter), *words(key))) == words(expected)


@pytest.mark.parametrize(("seed", "offset"), [(0, 0), (7, 3), (2**64 - 1, 2**32 - 2), (12345678901234567890, 2**63)])
def test_numbers_are_the_upper_bits_of_the_words_of_their_counter(seed, offset):
    expected = [word for i in range(3) for word in plain_philox(offset + i, seed)]
    y = random.uniform((2, 5), "float32", seed, offset).get()
    np.testing.assert_array_equal(y.reshape(-1), [(word >> 8) / 2**24 for word in expected[:10]])
    y = random.uniform((5,), "float64", seed, offset).get()
    pairs = list(zip(expected[::2], expected[1::2]))
    np.testing.assert_array_equal(y, [((a >> 5) * 2**26 + (b >> 6)) / 2**53 for a, b in pairs[:5]])
    y = random.integers(-10, 2**32 - 10, (5,), seed, offset).get()
    np.testing.assert_array_equal(y, [a - 10 for a, _ in pairs[:5]])
    y = random.integers(5, 12, (5,), seed, offset).get()
    np.testing.assert_array_equal(y, [5 + ((a * 2**32 + b) * 7 >> 64) for a, b in pairs[:5]])
    y = random.bernoulli(0.3, (10,), seed, offset).get()
    np.testing.assert_array_equal(y, [(word >> 8) < round(0.3 * 2**24) for word in expected[:10]])


@pytest.mark.parametrize("dtype", DTYPES)
def test_normal_numbers_are_those_of_box_and_muller(dtype):
    w = plain_philox(4, 9)
    y = random.normal((2,), dtype, 9, 4).get()
    u = (w[0] + 1) / 2**32 if dtype == "float32" else 1 - ((w[0] >> 5) * 2**26 + (w[1] >> 6)) / 2**53
    v = (w[1] >> 8) / 2**24 if dtype == "float32" else ((w[2] >> 5) * 2**26 + (w[3] >> 6)) / 2**53
    expected = np.sqrt(-2 * np.log(u)) * np.array([np.cos(2 * np.pi * v), np.sin(2 * np.pi * v)])
    np.testing.assert_allclose(y, expected, rtol=1e-5 if dtype == "float32" else 1e-13)
    assert y.dtype == dtype


@pytest.mark.parametrize("draw", [random.uniform, random.normal])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_same_bits_in_any_grid_and_in_pieces(draw, dtype, monkeypatch):
    whole = draw((45,), dtype, 5, 2).get()
    assert np.array_equal(draw((9, 5), dtype, 5, 2).get().reshape(-1), whole)
    head, skipped = draw((8,), dtype, 5, 2).get(), random.counters(8, dtype)
    rest = draw((37,), dtype, 5, 2 + skipped).get()
    assert np.array_equal(np.concatenate([head, rest]), whole)
    monkeypatch.setattr(launch, "_MOST_STRIDED_BLOCKS", 1)
    assert np.array_equal(draw((45,), dtype, 5, 2).get(), whole)


def test_other_seeds_and_offsets_give_other_numbers():
    draws = [random.uniform((8,), "float64", *key).get() for key in ((0, 0), (1, 0), (2**32, 0), (0, 4), (0, 2**32))]
    assert len({float(x) for draw in draws for x in draw}) == 8 * len(draws)
    assert np.array_equal(random.uniform((4,), "float32", -1).get(), random.uniform((4,), "float32", 2**64 - 1).get())


@pytest.mark.parametrize("dtype", DTYPES)
def test_statistics(dtype):
    """Moments within five standard errors, no part of the interval preferred, neighbours independent."""
    n = 20_000
    x, z = random.uniform((n,), dtype, 11).get().astype(float), random.normal((n,), dtype, 12).get().astype(float)
    error = 5 / np.sqrt(n)
    assert 0 <= x.min() < 1e-3 and 1 - 1e-3 < x.max() < 1
    assert abs(x.mean() - 0.5) < error * np.sqrt(1 / 12)
    assert abs(x.var() - 1 / 12) < error * np.sqrt(1 / 180)
    counts = np.histogram(x, 20, (0, 1))[0]
    assert ((counts - n / 20) ** 2 / (n / 20)).sum() < 50  # chi squared with 19 degrees of freedom: p = 1e-4
    assert abs(z.mean()) < error
    assert abs(z.var() - 1) < error * np.sqrt(2)
    assert abs((z**3).mean()) < error * np.sqrt(15)
    assert abs((z**4).mean() - 3) < error * np.sqrt(96)
    for lag in (1, 2, 3, 4):
        assert abs(np.corrcoef(x[lag:], x[:-lag])[0, 1]) < error
        assert abs(np.corrcoef(z[lag:], z[:-lag])[0, 1]) < error


def test_masks_and_whole_numbers_have_their_shares():
    n = 20_000
    assert abs(random.bernoulli(0.3, (n,), 1).get().mean() - 0.3) < 5 * np.sqrt(0.21 / n)
    assert random.bernoulli(1, (100,), 1).get().all()
    assert not random.bernoulli(0, (100,), 1).get().any()
    counts = np.bincount(random.integers(0, 10, (n,), 2).get(), minlength=10)
    assert ((counts - n / 10) ** 2 / (n / 10)).sum() < 33  # 9 degrees of freedom
    assert len(counts) == 10


def test_shapes_and_refusals():
    assert random.uniform((0, 3), "float32", 1).shape == (0, 3)
    assert random.normal((), "float64", 1).shape == ()
    assert random.counters(9, "float32") == 3
    assert random.counters(9, "float64") == 5
    with pytest.raises(TypeError, match="uniform: dtype expects float32 or float64, got int64"):
        random.uniform((2,), "int64", 1)
    with pytest.raises(ValueError, match="low < high"):
        random.integers(3, 3, (2,), 1)
    with pytest.raises(ValueError, match="probability expects"):
        random.bernoulli(1.5, (2,), 1)
