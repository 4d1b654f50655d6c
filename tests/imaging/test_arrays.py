import numpy as np
import pytest

from mediml.imaging.arrays import as_floats, as_mask, as_range, measured, number, per_axis, whole, whole_per_axis


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("u1", "f4"), ("i2", "f4"), ("i8", "f4"), ("?", "f4"), ("f2", "f4"), ("f4", "f4"), ("f8", "f8"), (">f4", "f4")],
)
def test_only_float64_stays_float64(dtype, expected):
    x = as_floats("f", np.ones((2, 2), dtype))
    assert x.dtype == np.dtype(expected) and x.dtype.isnative and (x == 1).all()


def test_what_is_no_image():
    with pytest.raises(ValueError, match="f: image expects real numbers, got dtype complex128"):
        as_floats("f", np.ones(2, complex))
    with pytest.raises(ValueError, match="f: image expects real numbers"):
        as_floats("f", ["a"])
    with pytest.raises(ValueError, match=r"at least 1 pixel, got shape \(0, 3\)"):
        as_floats("f", np.zeros((0, 3)))


def test_masks():
    np.testing.assert_array_equal(as_mask("f", [[0, 2], [1, 0]], (2, 2)), [[False, True], [True, False]])
    with pytest.raises(ValueError, match=r"f: mask expects the image's shape \(2, 2\), got \(2,\)"):
        as_mask("f", [0, 1], (2, 2))
    x = np.array([1, np.nan, np.inf, 4], np.float32)
    np.testing.assert_array_equal(measured("f", x, None), [1, 4])
    np.testing.assert_array_equal(measured("f", x, [0, 1, 1, 1]), [4])
    with pytest.raises(ValueError, match="at least one finite value under the mask, got none"):
        measured("f", x, [0, 1, 1, 0])
    with pytest.raises(ValueError, match="at least one finite value, got none"):
        measured("f", x[1:3], None)


def test_ranges():
    assert as_range("f", (0, 2), np.array([0, np.nan, 2])) == (0.0, 2.0)
    assert as_range("f", (0, 2), np.array([np.nan])) == (0.0, 2.0)
    for wrong in ((1, 1), (2, 1), (0, np.inf), (np.nan, 1)):
        with pytest.raises(ValueError, match="f: value_range expects two finite numbers"):
            as_range("f", wrong)
    for outside in (-0.1, 2.1, np.inf, -np.inf):
        with pytest.raises(ValueError, match="f: image expects values from 0 to 2, got"):
            as_range("f", (0, 2), np.array([outside, 1.0]))


def test_one_value_for_each_axis():
    assert per_axis("f", "s", 2, 3) == (2, 2, 2) and per_axis("f", "s", (1, 2.5), 2) == (1, 2.5)
    assert per_axis("f", "s", 0, 2, positive=False) == (0, 0)
    for wrong in ((1,), (1, 2, 3), 0, -1, (1, np.nan), np.inf, ("a", "b"), None):
        with pytest.raises(ValueError, match="f: s expects 2 positive numbers"):
            per_axis("f", "s", wrong, 2)
    assert whole_per_axis("f", "n", np.int64(3), 2, 1) == (3, 3) and whole_per_axis("f", "n", (0, 5), 2, 0) == (0, 5)
    for wrong in (0, 1.0, (1,), (1, 2, 3), (2, 0.5), "a", None):
        with pytest.raises(ValueError, match="f: n expects 2 whole numbers of at least 1"):
            whole_per_axis("f", "n", wrong, 2, 1)


def test_one_number():
    assert number("f", "s", np.float32(0.5)) == 0.5 and number("f", "s", 0, positive=False) == 0
    for wrong in (0, -1, np.nan, np.inf, "a", None, (1, 2)):
        with pytest.raises(ValueError, match="f: s expects a finite number above 0, got "):
            number("f", "s", wrong)
    for wrong in (-1e-9, np.nan, np.inf, None):
        with pytest.raises(ValueError, match="f: s expects a finite number of at least 0, got "):
            number("f", "s", wrong, positive=False)
    assert whole("f", "n", np.int64(3), 3) == 3
    for wrong in (2, -1, 3.0, np.nan, np.inf, "3", None, (3,)):
        with pytest.raises(ValueError, match="f: n expects a whole number of at least 3, got "):
            whole("f", "n", wrong, 3)
