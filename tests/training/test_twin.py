"""The torch twin of the DCGAN is trained as ours is: after few steps the images are the same."""

import numpy as np
import pytest

from mediml.data.synthetic import chest_xray_data
from mediml.training import adversarial

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def quality():
    pytest.importorskip("torch")
    from mediml.bench import quality

    return quality


def test_the_twin_sees_the_same(quality):
    data = chest_xray_data(24, 4, 4)
    settings = adversarial.GanSettings(
        epochs=1, batch_size=8, lr=0.01, width=4, latent=5, each_epoch=False, measured=4, seed=7
    )
    noise = adversarial.fixed_noise(settings, 16)
    ours = adversarial.generate(adversarial.train(data, settings, progress=False).generator, noise).astype(float)
    other = adversarial.GanSettings(**{**vars(settings), "seed": 8})
    same, another = (np.abs(ours - quality.train_twin(data, chosen)(noise)).mean() for chosen in (settings, other))
    assert same < 0.05
    assert another > 1


def test_comparison(quality):
    data = chest_xray_data(16, 4, 140)
    settings = adversarial.GanSettings(epochs=1, batch_size=8, width=2, latent=4, each_epoch=False, measured=4)
    comparison = quality.compare_gans(data, settings, [3])
    assert comparison.seeds == (3,) and comparison.ratio == pytest.approx(1, abs=1e-2)
    assert "ours / PyTorch 1.0" in str(comparison)
    with pytest.raises(ValueError, match="plays 'non-saturating', got 'hinge'"):
        quality.compare_gans(data, adversarial.GanSettings(objective="hinge"))
