import numpy as np
import pytest

from mediml.imaging import center_square, resize_area


def test_mean_of_blocks_by_hand():
    x = np.array([[1, 3, 5, 7], [5, 7, 1, 3]], np.float32)
    np.testing.assert_allclose(resize_area(x, (1, 2)), [[4, 4]])
    np.testing.assert_allclose(resize_area(x, (2, 2)), [[2, 6], [6, 2]])


def test_pixels_are_shared_by_overlap():
    # 3 pixels to 2: the middle one is halved. (1 + 0.5 * 4) / 1.5 and (0.5 * 4 + 7) / 1.5
    np.testing.assert_allclose(resize_area(np.array([[1.0, 4.0, 7.0]]), (1, 2)), [[2, 6]])


@pytest.mark.parametrize(("shape", "new"), [((97, 61), (28, 28)), ((28, 28), (28, 28)), ((5, 3), (7, 11))])
def test_mean_is_kept_and_nothing_overshoots(shape, new):
    x = np.random.default_rng(0).uniform(0, 1, shape)
    y = resize_area(x, new)
    assert y.shape == new and x.min() <= y.min() and y.max() <= x.max()
    np.testing.assert_allclose(y.mean(), x.mean(), rtol=1e-12)
    if shape == new:
        np.testing.assert_allclose(y, x)


def test_agrees_with_pillows_box_filter_where_sizes_divide():
    from PIL import Image

    x = np.random.default_rng(1).uniform(0, 1, (84, 112)).astype(np.float32)
    expected = np.asarray(Image.fromarray(x).resize((28, 28), Image.Resampling.BOX))
    np.testing.assert_allclose(resize_area(x, (28, 28)), expected, atol=2e-6)


def test_agrees_with_means_of_a_finer_grid_where_they_do_not():
    x = np.random.default_rng(2).uniform(0, 1, (9, 13))
    fine = np.repeat(np.repeat(x, 4, 0), 6, 1)
    expected = fine.reshape(4, 9, 6, 13).mean((1, 3))
    np.testing.assert_allclose(resize_area(x, (4, 6)), expected, rtol=1e-12)


def test_square_is_in_the_middle():
    x = np.arange(35).reshape(5, 7)
    np.testing.assert_array_equal(center_square(x), x[:, 1:6])
    np.testing.assert_array_equal(center_square(x.T), x.T[1:6])


def test_square_follows_the_body_and_not_the_pixels():
    # Pixels twice as high as wide: 4 rows are as long as 8 columns.
    assert center_square(np.zeros((4, 20)), aspect=2.0).shape == (4, 8)
    assert center_square(np.zeros((20, 4)), aspect=2.0).shape == (2, 4)


@pytest.mark.parametrize("call", [
    lambda: resize_area(np.zeros((2, 2, 3)), (1, 1)), lambda: resize_area(np.zeros((0, 2)), (1, 1)),
    lambda: resize_area(np.zeros((2, 2)), (0, 1)), lambda: center_square(np.zeros(3)),
    lambda: center_square(np.zeros((3, 3)), aspect=0.0),
])  # fmt: skip
def test_refusals(call):
    with pytest.raises(ValueError, match="expect"):
        call()
