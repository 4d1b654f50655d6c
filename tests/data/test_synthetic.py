"""The generated chest-X-ray-like set: repeatable, of known truth, and not to be told apart by brightness."""

import numpy as np
import pytest

from mediml.data.synthetic import chest_xray_data, chest_xrays
from mediml.evaluation import auc


def test_repeatable_and_growing():
    small, large = chest_xrays(40, seed=3), chest_xrays(90, seed=3)
    np.testing.assert_array_equal(small.images, large.images[:40])
    np.testing.assert_array_equal(small.opacity, large.opacity[:40])
    assert (small.images != chest_xrays(40, seed=4).images).mean() > 0.9
    # sums, not bytes: another processor may round a pixel the other way
    assert small.images.mean(dtype=float) == pytest.approx(128.107, abs=0.01)


def test_truth():
    xrays = chest_xrays(300, seed=1)
    assert xrays.images.dtype == np.uint8 and xrays.images.shape == (300, 28, 28)
    area = xrays.opacity.sum((1, 2))
    assert (area[xrays.labels == 0] == 0).all() and (area[xrays.labels == 1] > 0).all()
    assert 0.4 < xrays.labels.mean() < 0.6
    assert chest_xrays(50, prevalence=0).labels.sum() == 0
    assert chest_xrays(50, prevalence=1).labels.sum() == 50


def test_the_opacity_is_the_only_difference_between_the_classes():
    clear, ill = chest_xrays(60, seed=2, prevalence=0), chest_xrays(60, seed=2, prevalence=1)
    difference = ill.images.astype(int) - clear.images.astype(int)
    inside = np.array([d[m].mean() for d, m in zip(difference, ill.opacity)])
    assert (inside > 4).mean() > 0.95
    far = difference[np.array([~_grown(mask, 7) for mask in ill.opacity])]
    assert np.abs(far).mean() < 0.2 and np.abs(far).max() < 8  # the tail of a wide one


def _grown(mask, steps):
    for _ in range(steps):
        mask = mask | np.roll(mask, 1, 0) | np.roll(mask, -1, 0) | np.roll(mask, 1, 1) | np.roll(mask, -1, 1)
    return mask


def test_the_same_patients_at_another_size():
    small, large = chest_xrays(8, size=28, seed=5), chest_xrays(8, size=112, seed=5)
    assert (small.labels == large.labels).all()
    shrunk = large.images.reshape(8, 28, 4, 28, 4).mean((2, 4))
    for a, b in zip(small.images, shrunk):
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.95


def test_images_of_a_patient_share_anatomy_and_label():
    xrays = chest_xrays(200, images_per_patient=2, seed=6)
    assert xrays.patients.tolist() == [i // 2 for i in range(200)]
    assert (xrays.labels[::2] == xrays.labels[1::2]).all()
    flat = xrays.images.reshape(200, -1).astype(float)
    same = [np.corrcoef(flat[i], flat[i + 1])[0, 1] for i in range(0, 198, 2)]
    other = [np.corrcoef(flat[i], flat[i + 2])[0, 1] for i in range(0, 198, 2)]
    assert np.mean(same) > np.mean(other)


def test_brightness_and_a_linear_model_fall_short():
    linear_model = pytest.importorskip("sklearn.linear_model")
    data = chest_xray_data(800, 100, 400)
    assert abs(auc(data.test.labels, data.test.images.mean((1, 2))).value - 0.5) < 0.1
    train, test = (split.images.reshape(len(split), -1) / 255 for split in (data.train, data.test))
    fitted = linear_model.LogisticRegression(C=0.1, max_iter=300).fit(train, data.train.labels)
    assert auc(data.test.labels, fitted.decision_function(test)).value < 0.87  # the CNN reaches 0.95 and more


@pytest.mark.parametrize(
    "options", [{"count": 0}, {"size": 15}, {"seed": -1}, {"images_per_patient": 0}, {"prevalence": 1.5}]
)
def test_refusals(options):
    with pytest.raises(ValueError, match=r"expected|expects"):
        chest_xrays(**({"count": 4} | options))
