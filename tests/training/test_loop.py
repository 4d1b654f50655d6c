"""The training loop: it learns, it is repeatable, and an interrupted training ends at the same bits."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import mediml
from mediml.data.images import ImageData, Split
from mediml.data.synthetic import chest_xray_data
from mediml.evaluation import Estimate
from mediml.training import CheckpointError, Interrupted, Settings, checkpoint, loop, resume, train

BUSY = Settings(epochs=3, batch_size=16, dropout=0.3, augment=True, weight_decay=0.01, seed=4)


@pytest.fixture(scope="module")
def data():
    return chest_xray_data(80, 40, 40, size=16, seed=1)


@pytest.fixture(scope="module")
def uninterrupted(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    return train(data, BUSY, out, progress=False), out


def _weights(result):
    return {name: value.numpy().tobytes() for name, value in result.model.state_dict().items()}


def _same(first, second):
    return _weights(first) == _weights(second) and first.history.rows == second.history.rows


def _interrupt_after(monkeypatch, steps):
    """Ctrl-C at the end of the given step, counted over the whole run."""
    count, learn = [0], loop._Training._learn_from

    def counted(self, images, labels):
        learn(self, images, labels)
        count[0] += 1
        if count[0] == steps:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(loop._Training, "_learn_from", counted)


def test_repeatable(data, uninterrupted):
    assert _same(train(data, BUSY, progress=False), uninterrupted[0])
    other = train(data, Settings(**{**vars(BUSY), "seed": 5}), progress=False)
    assert _weights(other) != _weights(uninterrupted[0])


@pytest.mark.parametrize("steps", [1, 5, 8, 14])
def test_ctrl_c_and_resume_end_at_the_same_bits(data, uninterrupted, tmp_path, monkeypatch, steps):
    with monkeypatch.context() as patch:
        _interrupt_after(patch, steps)
        with pytest.raises(Interrupted, match="continue with --resume"):
            train(data, BUSY, tmp_path, progress=False)
    state = checkpoint.load(tmp_path)["progress"]
    assert state["epoch"] * 5 + state["step"] == steps
    mediml.manual_seed(999)  # whatever the process drew in between does not matter
    resumed = resume(data, tmp_path, progress=False)
    assert _same(resumed, uninterrupted[0])
    for name in ("history.csv", "curves.png"):
        assert (tmp_path / name).read_bytes() == (uninterrupted[1] / name).read_bytes()


def test_interrupted_twice(data, uninterrupted, tmp_path, monkeypatch):
    for steps, start in ((4, train), (7, resume)):
        with monkeypatch.context() as patch:
            _interrupt_after(patch, steps)
            with pytest.raises(Interrupted):
                start(data, **({"settings": BUSY} if start is train else {}), out=tmp_path, progress=False)
    assert _same(resume(data, tmp_path, progress=False), uninterrupted[0])


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX's")
def test_killed_and_resumed(data, uninterrupted, tmp_path):
    program = f"""
from pathlib import Path
from mediml.data.synthetic import chest_xray_data
from mediml.evaluation import Estimate
from mediml.training import Settings, train
train(chest_xray_data(80, 40, 40, size=16, seed=1), {BUSY!r}, Path({str(tmp_path)!r}), progress=False)
"""
    worker = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not checkpoint.exists(tmp_path) and worker.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    worker.kill()
    _, errors = worker.communicate()
    assert checkpoint.exists(tmp_path), errors.decode()
    assert _same(resume(data, tmp_path, progress=False), uninterrupted[0])


def test_resume_after_the_end_and_further(data, uninterrupted, tmp_path):
    again = resume(data, uninterrupted[1], progress=False)
    assert _same(again, uninterrupted[0])
    short = Settings(**{**vars(BUSY), "epochs": 2})
    train(data, short, tmp_path, progress=False)
    assert _same(resume(data, tmp_path, progress=False, epochs=3), uninterrupted[0])
    with pytest.raises(ValueError, match="at least the 3 that are done, got 2"):
        resume(data, tmp_path, progress=False, epochs=2)


def test_refusals(data, uninterrupted, tmp_path):
    with pytest.raises(CheckpointError, match="holds a training already; continue it with --resume"):
        train(data, BUSY, uninterrupted[1], progress=False)
    with pytest.raises(CheckpointError, match="no checkpoint here"):
        resume(data, tmp_path, progress=False)
    other = chest_xray_data(80, 40, 40, size=16, seed=2)
    with pytest.raises(CheckpointError, match="begun with other images or labels"):
        resume(other, uninterrupted[1], progress=False)
    with pytest.raises(ValueError, match=r"the loss became nan .*train with a smaller lr"):
        train(data, Settings(lr=1e30, epochs=2), progress=False)


@pytest.mark.parametrize(
    ("option", "value"),
    [("epochs", 0), ("batch_size", 1.5), ("seed", -1), ("lr", 0.0), ("lr", float("nan")), ("weight_decay", -1.0),
     ("dropout", 1.0)],
)  # fmt: skip
def test_settings_refuse(option, value):
    with pytest.raises(ValueError, match=f"settings: {option} expects"):
        Settings(**{option: value})


def test_best_epoch_is_that_of_validation(uninterrupted):
    result = uninterrupted[0]
    rows = result.history.rows
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    best = max(rows, key=lambda row: (row["val_auc"], -row["val_loss"]))
    assert result.best_epoch == best["epoch"]
    assert not result.model.training
    header = (uninterrupted[1] / "history.csv").read_text().splitlines()[0]
    assert header == "epoch,train_loss,train_accuracy,val_loss,val_auc,val_accuracy"


def test_the_weights_are_those_of_the_best_epoch(data, monkeypatch):
    areas = iter([0.6, 0.9, 0.8, 0.9, 0.5])
    monkeypatch.setattr(loop, "auc", lambda labels, scores: Estimate(next(areas), 0.0, 1.0))
    two = train(data, Settings(epochs=2, batch_size=16), progress=False)
    assert two.best_epoch == 2
    three = train(data, Settings(epochs=3, batch_size=16), progress=False)  # its areas: 0.8, 0.9, 0.5
    assert three.best_epoch == 2 and _weights(three) == _weights(two)


def test_it_learns():
    data = _blobs()
    result = train(data, Settings(epochs=6, batch_size=16, lr=3e-3), progress=False)
    losses = result.history.column("train_loss")
    assert losses[-1] < 0.5 * losses[0]
    assert max(result.history.column("val_auc")) > 0.97


def test_three_classes_in_colour():
    result = train(_blobs(classes=3, channels=3), Settings(epochs=6, batch_size=16, lr=3e-3), progress=False)
    assert result.architecture["in_channels"] == 3 and result.architecture["num_classes"] == 3
    assert max(result.history.column("val_auc")) > 0.9


def _blobs(classes=2, channels=1, count=120):
    """Images with a bright square whose corner tells the class."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, 2 * count).astype(np.int64)
    images = rng.integers(0, 60, (2 * count, 12, 12, channels)).astype(np.uint8)
    for image, label in zip(images, labels):
        top, left = ((1, 1), (6, 6), (1, 6))[label] + rng.integers(-1, 2, 2)
        image[top : top + 4, left : left + 4] += 90
    images = images[..., 0] if channels == 1 else images
    parts = [Split(images[a:b], labels[a:b]) for a, b in ((0, count), (count, count + 60), (count + 60, 2 * count))]
    return ImageData("blobs", tuple(f"class {c}" for c in range(classes)), *parts)
