"""The torch twin of the DCGAN is trained as ours is: the same weights to begin with, order of the images and noise.

In double precision the losses of every step then agree to rounding, and those of another order or noise do not.
"""

import numpy as np
import pytest

import mediml
from mediml.data.synthetic import chest_xray_data
from mediml.training import adversarial
from mediml.training.quality import padded

pytestmark = pytest.mark.torch

#: Three steps an epoch; the second epoch has another order.
SETTINGS = adversarial.GanSettings(epochs=2, batch_size=4, lr=0.002, width=2, latent=3, each_epoch=False, seed=7)


@pytest.fixture
def quality(monkeypatch):
    pytest.importorskip("torch")
    from mediml.bench import quality

    # What ours is measured by after the last epoch is not the subject here.
    monkeypatch.setattr(adversarial._Training, "_quality", lambda self, images: {"frechet_val": 0.0})
    return quality


@pytest.fixture
def doubles(quality, monkeypatch):
    """Both trainings in float64."""
    import torch

    def in_double(module, name):
        made = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *words: made(*words).astype(np.float64))

    for module, name in (
        (adversarial, "to_signed"),
        (adversarial, "noise"),
        (adversarial, "fixed_noise"),
        (quality, "to_signed"),
    ):
        in_double(module, name)
    build = adversarial.build
    monkeypatch.setattr(adversarial, "build", lambda architecture: [player.double() for player in build(architecture)])
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def _losses(gan, start, monkeypatch):
    """The losses of both players in every step of a training, as the steps of this module return them."""
    losses = []

    def watched(step):
        def observed(*words):
            loss = step(*words)
            assert str(loss.dtype).endswith("float64")
            losses.append(loss.item())
            return loss

        return observed

    with monkeypatch.context() as patch:
        for name in ("discriminator_step", "generator_step"):
            patch.setattr(gan, name, watched(getattr(gan, name)))
        start()
    return np.array(losses)


def _ours(data, monkeypatch):
    return _losses(adversarial.gan, lambda: adversarial.train(data, SETTINGS, progress=False), monkeypatch)


def _twin(quality, data, monkeypatch):
    from mediml.reference import gan

    return _losses(gan, lambda: quality.train_twin(data, SETTINGS), monkeypatch)


def test_every_step_of_the_twin_has_the_same_losses(quality, doubles, monkeypatch):
    data = chest_xray_data(14, 4, 4)
    ours, twin = _ours(data, monkeypatch), _twin(quality, data, monkeypatch)
    assert ours.shape == (2 * 2 * 3,) and len(set(ours)) == len(ours)
    np.testing.assert_allclose(twin, ours, rtol=1e-9)


def _another_noise(patch):
    noise = adversarial.noise
    patch.setattr(adversarial, "noise", lambda settings, epoch, step, count: noise(settings, epoch, step + 1, count))


def _another_order(patch):
    """The images of the second epoch as in the first; another seed of the generator alone."""
    make = np.random.default_rng
    patch.setattr(np.random, "default_rng", lambda key=None: make([7, 0] if key == [7, 1] else key))


def _other_weights(patch):
    seed = mediml.manual_seed
    patch.setattr(mediml, "manual_seed", lambda number: seed(number + 1))


@pytest.mark.parametrize(
    ("change", "same"), [(_another_noise, 0), (_another_order, 6), (_other_weights, 0)]
)  # losses before the change
def test_another_order_noise_or_weights_would_be_noticed(change, same, quality, doubles, monkeypatch):
    data = chest_xray_data(14, 4, 4)
    ours = _ours(data, monkeypatch)
    with monkeypatch.context() as patch:
        change(patch)
        twin = _twin(quality, data, monkeypatch)
    np.testing.assert_allclose(twin[:same], ours[:same], rtol=1e-9)
    assert (np.abs(twin[same:] / ours[same:] - 1) > 1e-6).all()


def test_comparison(quality, monkeypatch):
    """Its arithmetic, on features that need no network."""

    def few_pixels(images):
        images = images if images.ndim == 4 else padded(images)
        return images[:, 0, 4::8, 4::8].reshape(len(images), 16) / 255

    monkeypatch.setattr(quality, "features", few_pixels)
    data = chest_xray_data(16, 4, 40)
    settings = adversarial.GanSettings(epochs=1, batch_size=8, width=2, latent=4, each_epoch=False, measured=4)
    comparison = quality.compare_gans(data, settings, [3])
    assert comparison.seeds == (3,) and comparison.ratio == pytest.approx(1, abs=1e-2)
    assert comparison.ours[0] > 3 * comparison.training_images
    assert "ours / PyTorch 1.0" in str(comparison)
    with pytest.raises(ValueError, match="plays 'non-saturating', got 'hinge'"):
        quality.compare_gans(data, adversarial.GanSettings(objective="hinge"))
