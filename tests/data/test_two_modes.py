"""Two kinds of images and the rule that tells them apart."""

import numpy as np
import pytest

from mediml.data.two_modes import mode_of, two_modes


@pytest.mark.parametrize("size", [12, 16, 32])
def test_the_rule_knows_every_image(size):
    images, modes = two_modes(2000, size, seed=1)
    assert images.shape == (2000, 1, size, size) and images.dtype == np.float32 and modes.dtype == np.int64
    assert -1 <= images.min() < -0.6 and 0.6 < images.max() <= 1
    np.testing.assert_array_equal(mode_of(images), modes)
    assert 0.45 < modes.mean() < 0.55


def test_stripes_by_hand():
    stripes = np.tile([1.0, -1.0], 4)
    across = np.repeat(stripes[:, None], 8, axis=1)  # every row is of one value: horizontal
    others = [np.zeros((8, 8)), np.full((8, 8), 0.9), (across + across.T) / 2, across * across.T, 0.05 * across]
    assert mode_of(np.stack([across, across.T, *others])).tolist() == [0, 1, -1, -1, -1, -1, -1]
    assert mode_of(across[None, None]).tolist() == [0]


def test_the_mean_of_both_modes_is_neither():
    images, modes = two_modes(400, seed=3)
    halfway = (images[modes == 0][:100] + images[modes == 1][:100]) / 2
    assert (mode_of(halfway) == -1).mean() > 0.7
    assert (mode_of(np.random.default_rng(0).uniform(-1, 1, (500, 16, 16))) == -1).all()


def test_images_of_a_mode_differ():
    images, modes = two_modes(300, seed=2)
    flat = images[modes == 0].reshape((modes == 0).sum(), -1)
    correlation = np.corrcoef(flat)[np.triu_indices(len(flat), 1)]
    assert abs(correlation.mean()) < 0.1 and correlation.std() > 0.3


def test_share_of_the_modes():
    assert two_modes(200, share=0)[1].sum() == 0 and two_modes(200, share=1)[1].sum() == 200
    assert two_modes(4000, share=0.2)[1].mean() == pytest.approx(0.2, abs=0.03)


def test_repeatable_and_growing():
    small, large, other = two_modes(20, seed=3), two_modes(50, seed=3), two_modes(20, seed=4)
    for few, many in zip(small, large):
        np.testing.assert_array_equal(few, many[:20])
    assert (small[0] != other[0]).mean() > 0.9


@pytest.mark.parametrize("options", [{"count": 0}, {"size": 11}, {"seed": -1}, {"share": 1.1}])
def test_refusals(options):
    with pytest.raises(ValueError, match="two_modes: expected count >= 1"):
        two_modes(**({"count": 4} | options))
    with pytest.raises(ValueError, match=r"mode_of: images expect shape \(N, 1, H, W\)"):
        mode_of(np.zeros((2, 3, 8, 8)))
