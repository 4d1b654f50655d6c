"""Values to codes and back: what is exact, and how far off the rest is."""

import base64
import zlib

import numpy as np
import pytest

from mediml.viewer.pixels import CODES, encode, pack


def unpack(text, shape, width):
    """The packing undone by its formula, independently: x[r, c] = sum of d[r, 0..c] mod 2^(8 width)."""
    content = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8).reshape(width, *shape).astype(np.int64)
    differences = content[0] + (content[1] * 256 if width == 2 else 0)
    return np.cumsum(differences, axis=1) % 256**width


@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (5, 9)])
def test_packing_is_undone_by_its_formula(width, shape):
    codes = np.random.default_rng(1).integers(0, 256**width, shape).astype(np.uint16)
    codes.flat[0] = 256**width - 1
    assert np.array_equal(unpack(pack(codes, width), shape, width), codes)


def test_packing_by_hand():
    # Differences along the row: 258, 1, -2 = 65534; low bytes 2, 1, 254, then high bytes 1, 0, 255.
    text = pack(np.array([[258, 259, 257]], np.uint16), 2, compress=False)
    assert base64.b64decode(text) == bytes([2, 1, 254, 1, 0, 255])


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32])
def test_stored_numbers_come_back_with_the_rule(dtype):
    low = -100 if np.dtype(dtype).kind == "i" else 0
    stored = np.random.default_rng(0).integers(low, 120, (2, 3, 4)).astype(dtype)
    values = (stored * np.float64(0.1) - 7).astype(np.float32)
    encoded = encode(stored, values, rescale=(0.1, -7.0))
    assert encoded.linear == (0.1, -7.0) and encoded.error == 0 and encoded.table.dtype == np.float32
    assert np.array_equal(encoded.table[encoded.codes], values)
    assert np.array_equal(encoded.codes.astype(np.int64) + encoded.first_stored, stored)


def test_a_wrong_rule_is_not_believed():
    stored = np.arange(12, dtype=np.uint16).reshape(1, 3, 4)
    values = np.sqrt(stored).astype(np.float32)  # as a modality lookup table may have it
    encoded = encode(stored, values, rescale=(2.0, 1.0))
    assert encoded.linear is None and encoded.first_stored == 0
    assert np.array_equal(encoded.table[encoded.codes], values)


def test_values_that_are_not_a_function_of_the_stored_ones():
    stored = np.zeros((2, 1, 2), np.uint16)  # each plane has a slope of its own
    values = np.array([[[1.5, 1.5]], [[3.0, 3.0]]], np.float32)
    encoded = encode(stored, values)
    assert encoded.first_stored is None and encoded.error == 0
    assert np.array_equal(encoded.table[encoded.codes], values)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_up_to_65536_different_values_are_exact(dtype):
    values = np.random.default_rng(0).normal(size=(4, 128, 128)).astype(dtype)
    encoded = encode(values, values)
    assert np.unique(values).size > 65000 or dtype == np.float32
    assert encoded.error == 0 and encoded.table.dtype == dtype
    assert np.array_equal(encoded.table[encoded.codes], values)


def test_one_value_more_is_rounded_and_the_error_is_said():
    values = np.arange(CODES + 1, dtype=np.float64).reshape(1, 1, -1)
    encoded = encode(values, values)
    step = CODES / (CODES - 3)  # 65,534 codes for numbers from 0 to 65,536
    distance = np.abs(encoded.table[encoded.codes] - values).max()
    assert encoded.error == pytest.approx(distance, abs=1e-12)
    assert 0 < distance <= step / 2
    assert encoded.table[encoded.codes[0, 0, 0]] == 0 and encoded.table[encoded.codes[0, 0, -1]] == pytest.approx(CODES)


def test_what_is_no_number_stays_none():
    few = np.array([[[1.0, np.nan, np.inf, -np.inf]]], np.float32)
    encoded = encode(few, few)
    assert np.array_equal(encoded.table[encoded.codes], few, equal_nan=True)
    many = np.random.default_rng(0).normal(size=(1, 300, 300))
    many[0, 0, :2] = np.nan, np.inf
    encoded = encode(many, many)
    shown = encoded.table[encoded.codes]
    assert np.isnan(shown[0, 0, :2]).all() and np.isfinite(shown[0, 0, 2:]).all()
    assert 0 < encoded.error < 1e-4 and np.abs(shown - many)[0, 1:].max() <= encoded.error


@pytest.mark.parametrize("count", [12, 90_000])
def test_padding_is_a_matter_of_the_code(count):
    values = np.random.default_rng(0).normal(size=(1, 1, count))
    values[0, 0, 1] = values[0, 0, 0]  # one value, padded here and measured there
    padding = np.zeros(values.shape, bool)
    padding[0, 0, 1:4] = True
    encoded = encode(values, values, padding)
    assert np.array_equal(encoded.padding[encoded.codes], padding)
    if count == 12:
        assert np.array_equal(encoded.table[encoded.codes], values)


def test_padding_that_the_stored_number_does_not_tell():
    stored = np.array([[[5, 5, 6]]], np.uint8)
    padding = np.array([[[True, False, False]]])
    encoded = encode(stored, stored.astype(np.float32), padding)
    assert np.array_equal(encoded.padding[encoded.codes], padding) and encoded.error == 0


def test_values_and_padding_share_the_65536_codes():
    # Between zeros, so that a look at every other value of many does not find out.
    values = np.zeros((1, 8, CODES + 1))
    values.reshape(-1)[1::2] = np.tile(np.arange(CODES + 1), 4)
    padding = values == CODES
    encoded = encode(values, values, padding)
    assert np.array_equal(encoded.padding[encoded.codes], padding)
    assert 0 < np.abs(encoded.table[encoded.codes] - values)[~padding].max() <= encoded.error < 1


def test_padding_of_stored_numbers():
    stored = np.array([[[-2000, 0, 1]]], np.int16)
    encoded = encode(stored, stored.astype(np.float32), stored == -2000)
    assert encoded.first_stored == -2000 and np.array_equal(encoded.padding[encoded.codes], stored == -2000)


def test_stored_numbers_of_more_than_16_bits():
    stored = np.array([[[0, 2**31]]], np.uint32)
    values = stored.astype(np.float64) / 2
    encoded = encode(stored, values)
    assert encoded.first_stored is None and np.array_equal(encoded.table[encoded.codes], values)


def test_awkward_arrays_are_left_alone():
    stored = np.arange(24, dtype=np.uint16).reshape(2, 3, 4)[:, ::-1, ::2]
    values = stored.astype(np.float32)
    values.flags.writeable = False
    before = stored.copy()
    encoded = encode(stored, values)
    assert np.array_equal(encoded.table[encoded.codes], before) and np.array_equal(stored, before)
