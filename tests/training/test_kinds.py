"""Every kind of training: interrupted in mid-epoch it ends at the same bits; what does not fit is refused."""

import signal
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pytest

import mediml
from mediml import nn
from mediml.data.images import ImageData, Split
from mediml.data.noise import low_dose_data
from mediml.data.synthetic import chest_xray_data
from mediml.data.volumes import generated_volumes
from mediml.training import CheckpointError, Interrupted, adversarial, checkpoint, segmentation, sequences, translation
from mediml.training.quality import two_mode_data
from mediml.training.sequence_tasks import load_task
from mediml.training.volumes import split


@dataclass(frozen=True)
class Kind:
    """A kind of training on data so small that an epoch takes a moment."""

    module: Any
    settings: Any
    data: Any
    other: Any

    def models(self, result):
        names = ("model", "generator", "discriminator", "translator")
        return {name: getattr(result, name) for name in names if hasattr(result, name)}


def _gan():
    settings = adversarial.GanSettings(
        epochs=2, batch_size=8, width=4, latent=6, objective="hinge", spectral=True, measured=20, seed=3
    )
    return Kind(adversarial, settings, chest_xray_data(32, 12, 12), chest_xray_data(32, 12, 12, seed=1))


def _two_modes():
    settings = adversarial.GanSettings(epochs=2, batch_size=8, width=4, latent=6, measured=20, seed=3)
    return Kind(adversarial, settings, two_mode_data(32, 8, 8), two_mode_data(32, 8, 8, seed=1))


def _pix2pix():
    settings = translation.TranslationSettings(epochs=2, batch_size=4, width=4, seed=3)
    return Kind(translation, settings, low_dose_data(16, 4, 4, 16), low_dose_data(16, 4, 4, 16, seed=1))


def _unet(rank):
    settings = segmentation.SegmentationSettings(
        rank=rank, epochs=2, batch_size=2 if rank == 3 else 24, widths=(4, 8), seed=3
    )
    made = [split(generated_volumes(9 if rank == 3 else 5, 1, (16, 16, 16), seed)) for seed in (0, 1)]
    return Kind(segmentation, settings, *made)


def _rnn(task, cell, **options):
    settings = sequences.SequenceSettings(task=task, cell=cell, hidden=6, dropout=0.2, epochs=2, batch_size=8, seed=3)
    return Kind(
        sequences, settings, *(load_task(task, train=32, val=8, test=8, seed=seed, **options) for seed in (0, 1))
    )


KINDS = {
    "gan": _gan,
    "two-modes": _two_modes,
    "pix2pix": _pix2pix,
    "unet-2d": lambda: _unet(2),
    "unet-3d": lambda: _unet(3),
    "adding": lambda: _rnn("adding", "lstm", length=8),
    "parity": lambda: _rnn("parity", "rnn"),
    "sentences": lambda: _rnn("sentences", "gru"),
}


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return KINDS[request.param]()


@pytest.fixture(scope="module")
def whole(kind, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    return kind.module.train(kind.data, kind.settings, out, progress=False), out


def _bits(kind, result):
    weights = {
        f"{name}.{key}": value.numpy().tobytes()
        for name, model in kind.models(result).items()
        for key, value in model.state_dict().items()
    }
    sheets = [sheet.tobytes() for sheet in getattr(result, "sheets", ())]
    return weights, result.history.rows, sheets


def _interrupt_after(patch, kind, steps):
    count, learn = [0], kind.module._Training._learn_from

    def counted(self, *batch):
        learn(self, *batch)
        count[0] += 1
        if count[0] == steps:
            signal.raise_signal(signal.SIGINT)

    patch.setattr(kind.module._Training, "_learn_from", counted)


@pytest.mark.parametrize("steps", [1, 3, 6])
def test_ctrl_c_and_resume_end_at_the_same_bits(kind, whole, tmp_path, monkeypatch, steps):
    with monkeypatch.context() as patch:
        _interrupt_after(patch, kind, steps)
        with pytest.raises(Interrupted, match="continue with --resume"):
            kind.module.train(kind.data, kind.settings, tmp_path, progress=False)
    mediml.manual_seed(999)  # whatever the process drew in between does not matter
    resumed = kind.module.resume(kind.data, tmp_path, progress=False)
    assert _bits(kind, resumed) == _bits(kind, whole[0])
    names = {"history.csv", "curves.png"} | ({"samples.png", "samples.gif"} if hasattr(resumed, "sheets") else set())
    for name in names:
        assert (tmp_path / name).read_bytes() == (whole[1] / name).read_bytes()


def test_another_seed_another_result(kind, whole):
    other = kind.module.train(kind.data, replace(kind.settings, seed=4, epochs=1), progress=False)
    assert _bits(kind, other)[1][0] != whole[0].history.rows[0]


def test_every_epoch_has_its_row(kind, whole):
    result, out = whole
    assert [row["epoch"] for row in result.history] == [1, 2]
    assert (out / "history.csv").read_text().splitlines()[0] == ",".join(result.history.columns)
    assert all(set(row) == set(result.history.columns) for row in result.history)
    assert all(np.isfinite(value) for row in result.history for value in row.values() if value is not None)
    assert not any(model.training for model in kind.models(result).values())


def test_refusals(kind, whole, tmp_path):
    with pytest.raises(CheckpointError, match="holds a training already; continue it with --resume"):
        kind.module.train(kind.data, kind.settings, whole[1], progress=False)
    with pytest.raises(CheckpointError, match="no checkpoint here"):
        kind.module.resume(kind.data, tmp_path, progress=False)
    with pytest.raises(CheckpointError, match="begun with other images or labels"):
        kind.module.resume(kind.other, whole[1], progress=False)
    with pytest.raises(ValueError, match="at least the 2 that are done, got 1"):
        kind.module.resume(kind.data, whole[1], progress=False, epochs=1)


def test_a_damaged_checkpoint_is_refused(kind, whole, tmp_path):
    for path in whole[1].glob("checkpoint*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    arrays = next(tmp_path.glob("checkpoint-*.safetensors"))
    content = bytearray(arrays.read_bytes())
    content[len(content) // 2] ^= 1
    arrays.write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        kind.module.resume(kind.data, tmp_path, progress=False)


def test_a_checkpoint_of_another_kind_is_refused(whole, kind, tmp_path):
    state = checkpoint.load(whole[1])
    checkpoint.save(tmp_path, {**state, "kind": "other"})
    with pytest.raises(CheckpointError, match="it holds one of 'mediml train other'"):
        kind.module.resume(kind.data, tmp_path, progress=False)
    checkpoint.save(tmp_path, {key: value for key, value in state.items() if key != "kind"})
    with pytest.raises(CheckpointError, match="it holds none that says its kind"):
        kind.module.resume(kind.data, tmp_path, progress=False)


@pytest.mark.filterwarnings("error")
def test_a_loss_that_is_no_number_ends_the_training(kind, monkeypatch):
    learn = kind.module._Training._learn_from

    def from_bad_weights(self, *batch):
        for parameter in next(iter(self.parts.values())).parameters():
            nn.init.constant_(parameter, float("nan"))
        learn(self, *batch)

    monkeypatch.setattr(kind.module._Training, "_learn_from", from_bad_weights)
    with pytest.raises(ValueError, match=r"became nan in epoch 1, step 1; train with a smaller lr than"):
        kind.module.train(kind.data, kind.settings, progress=False)


def test_minutes_end_a_training(kind):
    result = kind.module.train(kind.data, replace(kind.settings, epochs=50, minutes=1e-9), progress=False)
    assert len(result.history) == 1


def test_more_than_there_are_in_a_batch_is_refused():
    with pytest.raises(ValueError, match="batch_size expects at most the 12 training examples"):
        adversarial.train(chest_xray_data(12, 8, 8), adversarial.GanSettings(batch_size=16, width=2), progress=False)


@pytest.mark.parametrize("objective", adversarial.OBJECTIVES)
def test_every_objective_trains(objective):
    rng = np.random.default_rng(0)
    part = Split(rng.integers(0, 256, (16, 32, 32, 3)).astype(np.uint8), np.zeros(16, np.int64))
    settings = adversarial.GanSettings(epochs=1, batch_size=8, width=2, latent=4, measured=8, objective=objective)
    result = adversarial.train(ImageData("noise", ("a", "b"), part, part, part), settings, progress=False)
    assert result.architecture["spectral"] == (objective == "wasserstein")
    assert np.isfinite(result.history.rows[0]["generator_loss"])


def test_the_generator_learns_nothing_from_the_discriminators_step(monkeypatch):
    seen = []
    step = adversarial.gan.discriminator_step

    def watched(discriminator, optimizer, real, fake, objective):
        loss = step(discriminator, optimizer, real, fake, objective)
        seen.append([parameter.grad for parameter in generators[-1].parameters()])
        return loss

    generators, build = [], adversarial.build

    def built(architecture):
        players = build(architecture)
        generators.append(players[0])
        return players

    monkeypatch.setattr(adversarial, "build", built)
    monkeypatch.setattr(adversarial.gan, "discriminator_step", watched)
    adversarial.train(
        chest_xray_data(8, 8, 8), adversarial.GanSettings(epochs=1, batch_size=8, width=2, measured=8), progress=False
    )
    assert seen == [[None] * len(seen[0])]


@pytest.mark.parametrize(
    ("settings", "option", "value"),
    [
        (adversarial.GanSettings, "objective", "kl"),
        (adversarial.GanSettings, "beta1", 1.0),
        (adversarial.GanSettings, "batch_size", 1),
        (translation.TranslationSettings, "l1_weight", 0.0),
        (segmentation.SegmentationSettings, "norm", "layer"),
        (segmentation.SegmentationSettings, "minutes", -1.0),
        (sequences.SequenceSettings, "cell", "transformer"),
        (sequences.SequenceSettings, "clip", 0.0),
    ],
)
def test_settings_refuse(settings, option, value):
    with pytest.raises(ValueError, match=f"settings: {option} expects"):
        settings(**{option: value})


def test_settings_come_back_from_a_checkpoint(kind, whole):
    kept = checkpoint.load(whole[1])["settings"]
    assert type(kind.settings)(**kept) == kind.settings
    assert asdict(kind.settings).keys() == kept.keys()
