"""`mediml train`, `mediml evaluate` and `mediml data`, as a user runs them."""

import argparse
import json
import signal

import numpy as np
import pytest

from mediml.commands import data as data_command
from mediml.commands import evaluate as evaluate_command
from mediml.commands import train as train_command
from mediml.data import medmnist
from mediml.data.synthetic import chest_xray_data
from mediml.models import pretrained
from mediml.training import checkpoint, loop


def _run(command, *arguments):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([str(argument) for argument in arguments]))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A data file, and a run trained on it."""
    folder = tmp_path_factory.mktemp("runs")
    medmnist.save(folder / "chests.npz", chest_xray_data(120, 60, 80, seed=3))
    options = ("--epochs", 2, "--dropout", 0.2, "--augment", "--seed", 1, "--quiet")
    assert _run(train_command, "cnn", "--data", folder / "chests.npz", "--out", folder / "run", *options) == 0
    return folder


def test_what_a_run_leaves(run):
    names = {path.name for path in (run / "run").iterdir()}
    assert {"model.safetensors", "model.json", "MODEL_CARD.md", "history.csv", "curves.png", "checkpoint.json"} <= names
    card = json.loads((run / "run" / "model.json").read_text())
    assert set(pretrained.CARD_KEYS) <= set(card)
    assert card["training"]["settings"]["augment"] is True and card["seed"] == 1
    assert card["data"]["splits"]["test"]["cases"] == 80
    assert card["metrics"]["test"]["threshold"] == card["threshold"]
    assert card["familiarity"]["image_shape"] == [28, 28]
    page = (run / "run" / "MODEL_CARD.md").read_text()
    for text in ("Not a medical device", card["weights_sha256"], "| auc | ", "augment True", "none"):
        assert text in page
    assert sum(entry["count"] for entry in card["calibration"]["bins"]) == 80


def test_evaluate_repeats_the_card(run, tmp_path, capsys):
    model = run / "run"
    data = run / "chests.npz"
    assert _run(evaluate_command, model, "--data", data, "--json", tmp_path / "figures.json", "--out", tmp_path) == 0
    printed = capsys.readouterr().out
    figures = json.loads((tmp_path / "figures.json").read_text())
    card = json.loads((model / "model.json").read_text())
    assert {key: figures[key] for key in card["metrics"]["test"]} == card["metrics"]["test"]
    assert figures["data_is_the_trained_on"] is True
    for text in ("AUC", "DeLong", "sensitivity", "specificity", "Brier", "reference standard", "not for clinical use"):
        assert text in printed
    for name in ("confusion-test.png", "operating-test.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    assert _run(evaluate_command, model / "model.safetensors", "--data", data, "--split", "val", "--json", "-") == 0
    assert json.loads(capsys.readouterr().out)["auc"] == card["metrics"]["validation"]["auc"]


def test_evaluate_refuses_other_data(run, tmp_path):
    with pytest.raises(ValueError, match="trained on 'chests'; give that file with --data"):
        _run(evaluate_command, run / "run")
    medmnist.save(tmp_path / "large.npz", chest_xray_data(20, 10, 10, size=32))
    with pytest.raises(ValueError, match="the model expects"):
        _run(evaluate_command, run / "run", "--data", tmp_path / "large.npz")


def test_train_refuses_and_resumes(run, capsys):
    arguments = ("cnn", "--data", run / "chests.npz", "--out", run / "run")
    with pytest.raises(checkpoint.CheckpointError, match="holds a training already"):
        _run(train_command, *arguments, "--quiet")
    with pytest.raises(ValueError, match=r"--dropout: the training in .* runs with 0.2, got 0.5"):
        _run(train_command, *arguments, "--resume", "--dropout", 0.5)
    before = (run / "run" / "model.safetensors").read_bytes()
    assert _run(train_command, *arguments, "--resume", "--quiet") == 0
    assert (run / "run" / "model.safetensors").read_bytes() == before
    assert "mediml evaluate" in capsys.readouterr().out


def test_ctrl_c_says_how_to_go_on(run, tmp_path, capsys, monkeypatch):
    learn = loop._Training._learn_from

    def interrupted(self, images, labels):
        learn(self, images, labels)
        signal.raise_signal(signal.SIGINT)

    arguments = ("cnn", "--data", run / "chests.npz", "--out", tmp_path, "--quiet")
    with monkeypatch.context() as patch:
        patch.setattr(loop._Training, "_learn_from", interrupted)
        assert _run(train_command, *arguments, "--epochs", 1) == 130
    printed = capsys.readouterr().out
    assert "stopped in epoch 1, after batch 1" in printed
    assert f"mediml train cnn --data {run / 'chests.npz'} --out {tmp_path} --resume" in printed
    assert _run(train_command, *arguments, "--resume") == 0
    assert (tmp_path / "model.json").is_file()


def test_data_commands(tmp_path, capsys):
    assert _run(data_command, "list") == 0
    assert "pneumoniamnist" in capsys.readouterr().out
    assert _run(data_command, "make", "chest-xray", "--out", tmp_path / "made", "--count", 70, "--seed", 5) == 0
    assert _run(data_command, "info", tmp_path / "made" / "chest-xray.npz") == 0
    printed = capsys.readouterr().out
    assert "train     40: " in printed and chest_xray_data(40, 10, 20, seed=5).content_sha256() in printed


def test_info_warns_of_shared_images(tmp_path, capsys):
    data = chest_xray_data(20, 10, 10)
    data.val.images[0] = data.train.images[3]
    medmnist.save(tmp_path / "leaky.npz", data)
    _run(data_command, "info", tmp_path / "leaky.npz")
    assert "warning: 1 images of val stand in train, too" in capsys.readouterr().out
    np.testing.assert_array_equal(medmnist.load(tmp_path / "leaky.npz").val.images[0], data.train.images[3])
