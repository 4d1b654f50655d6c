"""`mediml train {gan,pix2pix,unet,rnn}` and `mediml evaluate`, as a user runs them, and the figures they print."""

import json
import math
import re
from functools import partial

import numpy as np
import pytest

from mediml import cli, nn
from mediml.data import noise
from mediml.data.medmnist import save
from mediml.data.noise import low_dose_data
from mediml.data.synthetic import chest_xray_data
from mediml.data.volumes import generated_volumes
from mediml.evaluation import wilson
from mediml.models import pretrained
from mediml.training import gan_report, quality, run, samples, translation_report
from mediml.training.adversarial import GanSettings
from mediml.training.quality import coverage, features, frechet, padded, to_signed, to_uint8, two_mode_data
from mediml.training.sequence_tasks import load_task, measure, warnings_of
from mediml.training.volumes import dice_of_volumes, segment, split
from mediml.training.volumes import measure as measure_volumes

COMMON = ("--epochs", "1", "--quiet", "--seed", "2")


def _train(out, *words):
    return cli.main(["train", words[0], "--out", str(out), *COMMON, *words[1:]])


@pytest.fixture(scope="module")
def chests(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "chests.npz"
    save(path, chest_xray_data(24, 20, 20))
    return path


def _words(kind, chests):
    return {
        "gan": ("gan", "--data", str(chests), "--width", "2", "--batch-size", "8", "--measured", "20"),
        "two-modes": ("gan", "--data", "two-modes", "--width", "2", "--batch-size", "500", "--measured", "20"),
        "pix2pix": ("pix2pix", "--pairs", "8", "--width", "2"),
        "unet": ("unet", "--widths", "2", "4", "--batch-size", "64"),
        "rnn": ("rnn", "--task", "adding", "--length", "6", "--count", "40", "--hidden", "4"),
    }[kind]


def _few_pixels(images):
    """In place of the packaged classifier's features, whose covariance wants many images."""
    images = images if images.ndim == 4 else padded(images)
    return images[:, 0, 4::8, 4::8].reshape(len(images), 16) / 255


@pytest.fixture
def small(monkeypatch):
    """As many images and patients as the way through the commands needs, not as figures do."""
    for module in (quality, gan_report):
        monkeypatch.setattr(module, "features", _few_pixels)
    monkeypatch.setattr(noise, "low_dose_data", partial(low_dose_data, val=4, test=4, size=16))
    monkeypatch.setattr(translation_report, "PATIENTS", 6)


@pytest.mark.parametrize("kind", ["gan", "two-modes", "pix2pix", "unet", "rnn"])
def test_train_and_evaluate(kind, chests, tmp_path, capsys, small):
    words = _words(kind, chests)
    assert _train(tmp_path / "run", *words) == 0
    printed = capsys.readouterr().out
    assert "measured on" in printed and "test split" in printed and "not for clinical use" in printed
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"model.safetensors", "model.json", "history.csv", "curves.png", "checkpoint.json"} <= names
    pictures = {"gan": {"samples.gif", "samples.png", "neighbours.png"}, "pix2pix": {"invented.png"}}
    assert pictures.get(words[0], set()) <= names
    summary = json.loads((tmp_path / "run" / "model.json").read_text())
    assert summary["kind"] == words[0] and summary["seed"] == 2
    data = ("--data", str(chests)) if kind == "gan" else ()
    figures = tmp_path / "figures.json"
    assert cli.main(["evaluate", str(tmp_path / "run"), *data, "--json", str(figures)]) == 0
    again = json.loads(figures.read_text())
    assert again["data_is_the_trained_on"] is True
    assert again["values"] == summary["figures"]["values"]
    assert cli.main(["evaluate", str(tmp_path / "run"), *data, "--split", "val", "--json", "-"]) == 0
    assert "val split" in capsys.readouterr().out
    assert _train(tmp_path / "run", *words, "--resume") == 0
    assert json.loads((tmp_path / "run" / "model.json").read_text()) == summary
    assert _train(tmp_path / "run", *words, "--resume", "--lr", "0.5") == 2
    assert "--lr: the training in" in capsys.readouterr().err
    assert _train(tmp_path / "run", *words) == 2
    assert "holds a training already" in capsys.readouterr().err


def test_a_damaged_run_is_refused(chests, tmp_path, capsys):
    assert _train(tmp_path, *_words("rnn", chests)) == 0
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    capsys.readouterr()
    assert cli.main(["evaluate", str(tmp_path)]) == 2
    assert "expected weights of sha256" in capsys.readouterr().err
    with pytest.raises(run.RunError, match="holds no finished training"):
        run.read(tmp_path / "none")


def test_a_run_is_not_taken_for_a_classifier(tmp_path):
    summary = run.summarise("rnn", {"name": "RNN"}, GanSettings(), {"name": "x", "sha256": ""}, {})
    run.write(tmp_path, summary, {"model": nn.Linear(1, 1)})
    said = r"got the summary of a run of 'mediml train rnn'.*'mediml evaluate .*', its weights by mediml.training.run"
    for path in (tmp_path, tmp_path / "model.json"):
        with pytest.raises(pretrained.ModelError, match=said):
            pretrained.load(path)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--task", "ecg", "--length", "9"), "--length: belongs to the task adding or parity, got ecg"),
        (("--language", "zh"), "--language: belongs to the task sentences, got adding"),
    ],
)
def test_options_of_another_task_are_refused(words, text, tmp_path, capsys):
    assert _train(tmp_path, "rnn", *words) == 2
    assert text in capsys.readouterr().err


def test_sequences_of_a_perfect_and_a_constant_model():
    adding = load_task("adding", train=4, val=4, test=4000, length=10)
    targets = adding.splits["test"].targets.astype(np.float64)
    perfect = measure(adding, "test", targets)["values"]
    constant = measure(adding, "test", np.ones_like(targets))["values"]
    assert perfect["mse"]["value"] == 0 and perfect["near"]["value"] == 1
    assert warnings_of(perfect) == () and "always answering 1" in warnings_of(constant)[0]
    assert constant["mse"]["low"] < 1 / 6 < constant["mse"]["high"]
    assert constant["mse"]["value"] == pytest.approx(constant["mse_of_one"]["value"])
    parity = load_task("parity", train=4, val=4, test=400)
    labels = parity.splits["test"].targets
    right = measure(parity, "test", np.eye(2)[labels])["values"]
    assert right["accuracy"]["value"] == 1 and warnings_of(right) == ()
    always = measure(parity, "test", np.eye(2)[np.zeros_like(labels)])["values"]
    assert "not above chance" in warnings_of(always)[0]
    even = always["accuracy"]
    assert even["value"] == pytest.approx((labels == 0).mean()) and even["low"] < 0.5 < even["high"]


def test_sentences_are_measured_beside_the_rule():
    task = load_task("sentences", train=20, val=20, test=300)
    part = task.splits["test"]
    values = measure(task, "test", np.eye(3)[part.targets])["values"]
    assert values["accuracy"]["value"] == values["accuracy_trap"]["value"] == 1
    assert values["rule_trap"]["high"] < values["rule_plain"]["low"]
    assert warnings_of(values) == ()
    present = measure(task, "test", np.eye(3)[np.zeros(300, int)])["values"]
    assert [text.rpartition("of ")[2] for text in warnings_of(present)][-1] == "the keyword rule."
    assert present["recall_positive"]["value"] == 1 and present["recall_negated"]["value"] == 0


def test_the_ecg_is_measured_beside_persistence_and_a_linear_model():
    task = load_task("ecg")
    targets = task.splits["test"].targets.astype(np.float64)
    values = measure(task, "test", targets)["values"]
    assert values["rmse"]["value"] == 0
    assert values["rmse_linear"]["value"] < values["rmse_persistence"]["value"]
    assert warnings_of(values) == ()
    now = task.splits["test"].inputs[:, -1, :1].astype(np.float64)
    repeated = measure(task, "test", now)["values"]
    assert repeated["rmse"]["value"] == values["rmse_persistence"]["value"]
    assert [text.rpartition("of ")[2] for text in warnings_of(repeated)] == ["persistence.", "the linear model."]


class _Copy(nn.Module):
    """Scores that repeat the first channel's sign, or the labels hidden in it."""

    def forward(self, x):
        import mediml

        labels = x.numpy()[:, x.shape[1] // 2].round().astype(np.int64)
        return mediml.tensor(np.moveaxis(np.eye(3, dtype=np.float32)[labels], -1, 1))


@pytest.mark.parametrize(
    "architecture",
    [{"rank": 3, "shape": [8, 24, 24]}, {"rank": 2, "axis": 2, "context": 1}, {"rank": 2, "axis": 1, "context": 0}],
)
def test_a_perfect_and_an_empty_segmentation(architecture):
    from dataclasses import replace

    data = split(generated_volumes(2, 3, (16, 20, 18)))
    hidden = [replace(volume, image=volume.label.astype(np.float32)) for volume in data.test]
    masks = segment(_Copy(), architecture, hidden)
    assert all((mask == volume.label).all() for mask, volume in zip(masks, data.test))
    values = measure_volumes(masks, data.test, data.structures, "test", "x")["values"]
    assert values["dice_whole"]["value"] == values["dice_anterior_lowest"]["value"] == 1
    empty = dice_of_volumes([np.zeros_like(mask) for mask in masks], data.test, data.structures)
    assert empty == {"anterior": [0] * 3, "posterior": [0] * 3, "whole": [0] * 3}


def test_a_volume_is_padded_in_use_as_in_training():
    from dataclasses import replace

    from mediml.training.volumes import Whole

    generated = split(generated_volumes(3, 1, (16, 20, 18))).train
    volumes = [replace(volume, image=volume.label.astype(np.float32)) for volume in generated]
    dataset, seen, copy = Whole(volumes), [], _Copy()
    copy.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].numpy()))
    segment(copy, {"rank": 3, "shape": list(dataset.shape)}, volumes[:1])
    assert seen[0].shape[2:] != volumes[0].image.shape
    np.testing.assert_array_equal(seen[0][0], dataset[0][0])


def test_frechet_distance_of_images_to_themselves_and_to_noise():
    data = chest_xray_data(300, 300, 10)
    assert frechet(padded(data.train.images), data.train.images) == pytest.approx(0, abs=1e-6)
    grain = np.random.default_rng(0).integers(0, 256, (300, 1, 32, 32)).astype(np.uint8)
    assert frechet(grain, data.train.images) > 5 * frechet(data.val.images, data.train.images)
    large = chest_xray_data(20, 1, 1, size=56)
    assert features(large.train.images).shape == (20, 128)
    with pytest.raises(ValueError, match="expected square images of"):
        padded(np.zeros((2, 30, 30), np.uint8))


def test_pixels_survive_the_players_scale():
    values = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    np.testing.assert_array_equal(to_uint8((to_signed(values) + 1) / 2), values)


def test_a_generator_that_copies_or_collapses_is_told(monkeypatch):
    data = two_mode_data(60, 60, 60)
    images = {"copies": padded(data.train.images), "one": padded(data.test.images[data.test.labels == 0])}
    found = {}
    for name, made in images.items():
        made = np.resize(made, (300, 1, 16, 16))
        monkeypatch.setattr(gan_report, "generate", lambda generator, z, made=made: made[: len(z)])
        found[name] = gan_report.measure(None, GanSettings(), data, "test")["values"]
    assert found["copies"]["suspects"]["value"] == 1 and found["copies"]["closer"]["value"] > 0.99
    assert found["copies"]["modes_covered"]["value"] == 2
    assert found["one"]["modes_covered"]["value"] == 1
    assert any("collapse" in text for text in gan_report.warnings_of(found["one"]))
    assert any("copies" in text for text in gan_report.warnings_of(found["copies"]))
    assert coverage(padded(data.test.images)).covered == 2


def test_what_a_translator_invents_and_loses_is_counted():
    """Of methods that know the truth: one that changes nothing, one that erases, one that draws, one that halves."""
    data = low_dose_data(4, 4, 4, 32)
    clear, ill = translation_report._twins(32, 40, 7)
    lesion, calls = ill - clear, {}

    def seer(name, without, with_opacity):
        """The first call gets the images without, the second those with the opacity, the third even surfaces."""
        calls[name] = iter((without, with_opacity, np.full((50, 1, 32, 32), 0.5, np.float32)))
        return lambda noisy: next(calls[name])

    compared = {
        "noisy image": seer("true", clear, ill),
        "Gaussian, sigma 1.0": seer("erases", clear, clear),
        "median, 3 x 3": seer("keeps 0.4", clear, clear + np.float32(0.4) * lesion),
        "pix2pix": seer("draws", ill, ill),
    }
    values = translation_report.inventions(compared, data, 32, 40, 7)
    got = {
        key: [round(values[f"{name}_{key}"]["value"], 3) for name in ("invented", "left", "lost", "flat")]
        for key in ("noisy_image", "Gaussian", "median", "pix2pix")
    }
    assert got["noisy_image"] == [0, 1, 0, 0]
    assert got["Gaussian"] == [0, 0, 1, 0]
    assert got["median"] == [0, 0.4, 1, 0]
    assert got["pix2pix"][0] > 0.8 and got["pix2pix"][1:] == [0, 1, 0]
    assert values["invented_Gaussian"]["high"] == pytest.approx(wilson(0, 40).high)


@pytest.mark.parametrize(
    ("ours", "filtered", "verdict"),
    [
        (0, 0, "not once, which leaves open any share up to 1.9 %"),
        (40, 4, "20.0 % [15.0 to 26.1] of images .*: more often than after the Gaussian filter"),
        (4, 40, "less often than after the Gaussian filter"),
        (5, 3, "these cases do not tell it from the Gaussian filter"),
        (0, 2, "these cases do not tell it from the Gaussian filter"),
        (200, 200, "these cases do not tell it from the Gaussian filter"),
    ],
)
def test_the_warning_says_what_was_measured(ours, filtered, verdict):
    entry = {"value": 0.1, "low": 0.05, "high": 0.2}
    values = {f"{name}_{key}": entry for name in ("left", "flat") for key in ("pix2pix", "noisy_image", "Gaussian")}
    for name in ("invented", "lost"):
        for key, count in (("pix2pix", ours), ("noisy_image", 50), ("Gaussian", filtered)):
            values[f"{name}_{key}"] = run.figure("", wilson(count, 200))
    said = " ".join(translation_report.warnings_of(values))
    found = re.findall(verdict.replace("[", r"\[").replace("]", r"\]"), said)
    assert found and "PSNR it is" not in said
    for low, high, text in ((-0.3, -0.1, "worse than the G"), (-0.1, 0.2, "not measurably better than the G")):
        gain = {"value": (low + high) / 2, "low": low, "high": high}
        assert f"By PSNR it is {text}" in " ".join(translation_report.warnings_of({**values, "psnr_gain": gain}))


def test_sheets_and_animations():
    images = np.full((5, 1, 4, 6), 7, np.uint8)
    sheet = samples.grid(images, 3, gap=1)
    assert sheet.shape == (11, 22) and (sheet == 7).sum() == 5 * 24
    assert samples.grid(np.zeros((2, 3, 4, 4), np.uint8), 2).shape[2] == 3
    from io import BytesIO

    from PIL import Image

    film = Image.open(BytesIO(samples.animation([sheet, 255 - sheet, sheet], 2)))
    assert film.n_frames == 3 and film.size == (44, 22)


def test_figures_as_text():
    entry = run.figure("error", (0.25), "mV", 2)
    text = run.table({"measured_on": "x", "values": {"a": entry, "b": run.figure("none", None)}})
    assert text.splitlines() == ["measured on x", "  error  0.25 mV", "  none   none"]
    assert math.isclose(entry["value"], 0.25)
