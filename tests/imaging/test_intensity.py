import numpy as np
import pytest

from mediml.imaging import lookup, window


def test_linear_is_the_standards_formula_by_hand():
    # PS3.3, C.11.2.1.2.2: center 2048, width 4096 of 12-bit values: black at 0, white at 4095, y = x / 4095.
    np.testing.assert_allclose(
        window([0, 1, 2048, 4095, 5000], 2048, 4096), [0, 1 / 4095, 2048 / 4095, 1, 1], rtol=1e-6
    )
    # center 40, width 400: from x <= -160 black to x > 239 white, (x - 39.5) / 399 + 1/2 between
    np.testing.assert_allclose(window([-160, -159, 40, 239, 240], 40, 400), [0, 1 / 399, 200 / 399, 1, 1], atol=1e-6)


def test_width_one_is_a_threshold():
    np.testing.assert_array_equal(window([98, 99, 100, 101], 100, 1), [0, 0, 1, 1])


def test_linear_exact_has_no_half():
    np.testing.assert_allclose(window([-10, 0, 5, 10, 20], 5, 10, "LINEAR_EXACT"), [0, 0, 0.5, 1, 1])
    assert window([0.2], 0.5, 0.5, "LINEAR_EXACT")[0] == 0


def test_sigmoid_and_its_far_ends():
    values = window([-1e9, 0, 10, 1e9], 0, 10, "SIGMOID")
    np.testing.assert_allclose(values, [0, 0.5, 1 / (1 + np.exp(-4)), 1], rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int32, np.float32])
def test_result_is_float32_and_input_is_left_alone(dtype):
    values = np.arange(6, dtype=dtype).reshape(2, 3)[:, ::-1]
    before = values.copy()
    assert window(values, 3, 4).dtype == np.float32
    np.testing.assert_array_equal(values, before)


@pytest.mark.parametrize(("function", "width"), [("LINEAR", 9), ("LINEAR", 1), ("LINEAR_EXACT", 9), ("SIGMOID", 9)])
def test_nan_stays_and_the_infinite_are_black_and_white(function, width):
    np.testing.assert_array_equal(window([np.nan, -np.inf, np.inf], 3, width, function), [np.nan, 0, 1])


def test_float64_stays():
    assert window(np.zeros(2), 3, 4).dtype == np.float64


@pytest.mark.parametrize(
    ("center", "width", "function", "message"),
    [
        (0, 0.5, "LINEAR", "width at least 1"),
        (0, 0, "LINEAR_EXACT", "width above 0"),
        (0, -1, "SIGMOID", "width above 0"),
        (np.nan, 10, "LINEAR", "finite"),
        (0, 10, "linear", "expects one of LINEAR"),
    ],
)
def test_refusals(center, width, function, message):
    with pytest.raises(ValueError, match=message):
        window([1.0], center, width, function)


def test_lookup_clips_at_both_ends_without_wrapping():
    table = np.array([10, 20, 30], np.uint16)
    np.testing.assert_array_equal(
        lookup(np.array([0, 4, 5, 6, 7, 65535], np.uint16), 5, table), [10, 10, 10, 20, 30, 30]
    )
    np.testing.assert_array_equal(lookup(np.array([-7, -5, 0], np.int16), -6, table), [10, 20, 30])


@pytest.mark.filterwarnings("error")
def test_lookup_of_what_is_no_whole_number():
    values = np.array([0.4, 0.6, 1e30, np.inf, -np.inf, np.nan], np.float32)
    np.testing.assert_array_equal(lookup(values, 0, [7, 8]), [7, 8, 8, 8, 7, 7])
    np.testing.assert_array_equal(lookup(values, -1, [7, 8, 9]), [8, 9, 9, 9, 7, 7])


def test_lookup_refuses_an_empty_table():
    with pytest.raises(ValueError, match="at least one entry"):
        lookup([1], 0, [])
