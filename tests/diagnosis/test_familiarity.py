import json
import os
from pathlib import Path

import numpy as np
import pytest

from mediml.diagnosis import familiarity
from mediml.evaluation import auc


def test_new_images_of_the_same_kind_are_familiar(chests, fitted):
    assert np.mean(familiarity.score(chests[2], fitted) > 1) <= 0.05
    assert 0.005 <= np.mean(familiarity.score(chests[1], fitted) > 1) <= 0.01  # the limits come from these


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("inverted", lambda x: 1 - x),
        ("upside down", lambda x: x[:, ::-1]),
        ("on its side", lambda x: np.rot90(x, 1, (1, 2))),
        ("noise", lambda x: np.random.default_rng(0).uniform(0, 1, x.shape)),
        ("constant", lambda x: np.full_like(x, 0.5)),
        ("black", lambda x: np.zeros_like(x)),
        ("dark", lambda x: x * 0.05),
    ],
)
def test_other_images_are_not(chests, fitted, name, change):
    assert np.mean(familiarity.score(change(chests[2]), fitted) > 1) >= 0.9, name


def test_it_survives_json_and_channels(chests, fitted):
    text = json.dumps(fitted)
    assert len(text) < 100_000
    np.testing.assert_array_equal(
        familiarity.score(chests[2][:, None], json.loads(text)), familiarity.score(chests[2], fitted)
    )


def test_score_is_the_largest_measurement(chests, fitted):
    measured = familiarity.measure(chests[2], fitted)
    assert tuple(measured) == familiarity.MEASUREMENTS
    np.testing.assert_array_equal(familiarity.score(chests[2], fitted), np.max(list(measured.values()), 0))


def test_exposure_is_a_mahalanobis_distance(chests, fitted):
    # The same from its definition, with scipy.
    from scipy.spatial.distance import mahalanobis

    x = chests[2][0]
    smooth = np.kron(x.reshape(14, 2, 14, 2).mean((1, 3)), np.ones((2, 2)))
    features = [x.mean(), np.log(x.std()), np.log(np.sqrt(((x - smooth) ** 2).mean()) / x.std() + 1e-3)]
    expected = (
        mahalanobis(features, fitted["exposure_mean"], fitted["exposure_precision"]) / fitted["limits"]["exposure"]
    )
    np.testing.assert_allclose(familiarity.measure(x[None], fitted)["exposure"][0], expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((3, 28)), "shape"),
        (np.zeros((3, 3, 28, 28)), "shape"),
        (np.zeros((3, 27, 28)), "multiples of 14"),
        (np.full((3, 28, 28), 255.0), r"values in \[0, 1\]"),
        (np.full((3, 28, 28), np.nan), r"values in \[0, 1\]"),
        (np.zeros((3, 42, 42)), r"images of \(28, 28\)"),
    ],
)
def test_refusals(fitted, images, message):
    with pytest.raises(ValueError, match=message):
        familiarity.score(images, fitted)


def test_too_few_images():
    with pytest.raises(ValueError, match="more than 32 training images"):
        familiarity.fit(np.zeros((10, 28, 28)), np.zeros((5, 28, 28)))


def test_figures_on_real_chest_films():
    """The figures that the module and the report state."""
    folder = os.environ.get("MEDIML_DATA_DIR")
    if not folder or not (Path(folder) / "pneumoniamnist.npz").is_file():
        pytest.skip("MEDIML_DATA_DIR does not name a folder with pneumoniamnist.npz")
    data = np.load(Path(folder) / "pneumoniamnist.npz", allow_pickle=False)
    train, validation, test = (data[f"{split}_images"] / 255 for split in ("train", "val", "test"))
    fitted = familiarity.fit(train, validation)
    inside = familiarity.score(test, fitted)
    assert np.mean(inside > 1) <= 0.03  # 1.4 % when written
    noise = np.random.default_rng(0).uniform(0, 1, test.shape)
    for other in (1 - test, test[:, ::-1], np.rot90(test, 1, (1, 2)), test[:, ::-1, ::-1], noise):
        scores = familiarity.score(other, fitted)
        labels = np.r_[np.zeros(len(inside), int), np.ones(len(scores), int)]
        assert np.mean(scores > 1) >= 0.97 and auc(labels, np.r_[inside, scores]).value >= 0.99
    mirrored = np.mean(familiarity.score(test[:, :, ::-1], fitted) > 1)
    assert 0.1 < mirrored < 0.3  # "four of five mirrored chests pass"
