import numpy as np
import pytest

import mediml
from mediml import nn
from mediml.diagnosis.classify import classify, first_convolution
from mediml.diagnosis.prepare import prepare
from mediml.imaging.image import Image
from mediml.models.pretrained import Pretrained


def test_score_is_softmax_over_temperature_and_maps_are_those_of_the_layer(pretrained):
    batch = np.random.default_rng(0).normal(size=(1, 1, 28, 28)).astype(np.float32)
    prediction = classify(pretrained, batch)
    logits = pretrained.model(mediml.tensor(batch)).detach().numpy()[0] / 2.0  # the card's temperature
    expected = np.exp(logits[1]) / np.exp(logits).sum()
    assert prediction.score == pytest.approx(float(expected), rel=1e-5)
    assert prediction.above_threshold == (expected >= 0.5)
    weight, bias = (value.detach().numpy() for value in (pretrained.model[0].weight, pretrained.model[0].bias))
    padded = np.pad(batch[0, 0], 1)
    by_hand = (padded[3:6, 7:10] * weight[2, 0]).sum() + bias[2]  # output pixel (3, 7) of channel 2
    np.testing.assert_allclose(prediction.feature_maps[2, 3, 7], by_hand, rtol=1e-4)
    assert not pretrained.model[0]._forward_hooks  # the hook is gone


def test_extreme_logits_do_not_overflow(card, tmp_path):
    model = nn.Sequential(nn.Conv2d(1, 2, 28), nn.Flatten())
    with mediml.no_grad():
        model[0].bias.copy_(mediml.tensor(np.array([-3000, 3000], np.float32)))
    prediction = classify(Pretrained(model, card, tmp_path), np.zeros((1, 1, 28, 28), np.float32))
    assert prediction.score == 1.0


def test_refusals(card, tmp_path):
    with pytest.raises(ValueError, match="no convolution"):
        first_convolution(nn.Sequential(nn.Flatten()))
    three = Pretrained(nn.Sequential(nn.Conv2d(1, 3, 28), nn.Flatten()), card, tmp_path)
    with pytest.raises(ValueError, match="two finite logits"):
        classify(three, np.zeros((1, 1, 28, 28), np.float32))


def test_preparation_crops_averages_and_normalises():
    shown = np.zeros((56, 84), np.float32)
    shown[:, 14:70] = 0.5  # the square of 56 columns in the middle
    shown[0, 0] = 1
    prepared = prepare(Image(stored=shown, values=shown), {"size": 28, "mean": 0.25, "std": 0.5})
    assert prepared.crop == (0, 14, 56, 56) and prepared.batch.shape == (1, 1, 28, 28)
    np.testing.assert_allclose(prepared.pixels, 0.5)
    np.testing.assert_allclose(prepared.batch, 0.5)
    assert prepared.batch.dtype == np.float32


def test_preparation_undoes_polarity_and_pixel_shape():
    values = np.linspace(0, 1, 40 * 80, dtype=np.float32).reshape(40, 80)
    plain = prepare(Image(stored=values, values=values, aspect=2.0), {"size": 4, "mean": 0, "std": 1})
    inverted = prepare(
        Image(stored=values, values=1 - values, aspect=2.0, inverted=True), {"size": 4, "mean": 0, "std": 1}
    )
    np.testing.assert_allclose(plain.pixels, inverted.pixels, atol=1e-6)
    assert plain.crop == (0, 0, 40, 80)  # 40 rows of double height are as long as 80 columns
