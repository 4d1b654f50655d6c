"""Models with their card: loaded when whole and described, refused otherwise."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

import mediml
from mediml.data import medmnist
from mediml.evaluation import evaluate
from mediml.models import pretrained
from mediml.models.cnn import CNN
from mediml.models.predict import predict_logits
from mediml.models.pretrained import CARD_KEYS, ModelError, available, build, load, save

ARCHITECTURE = {"name": "CNN", "in_channels": 1, "num_classes": 2, "image_size": [8, 12], "dropout": 0.5}


def _card(**changes):
    return dict.fromkeys(CARD_KEYS) | {"architecture": ARCHITECTURE} | changes


@pytest.fixture
def saved(tmp_path):
    model = build(ARCHITECTURE)
    save(tmp_path / "model", model, _card())
    return tmp_path / "model.safetensors", model


def test_save_and_load(saved, tmp_path):
    path, model = saved
    for name in (path, path.with_suffix(".json"), tmp_path):
        loaded = load(name)
        assert loaded.name == tmp_path.name and not loaded.model.training
        images = np.random.default_rng(0).normal(size=(3, 1, 8, 12)).astype(np.float32)
        np.testing.assert_array_equal(predict_logits(loaded.model, images), predict_logits(model, images))
    assert isinstance(loaded.model, CNN)


def test_a_model_is_called_by_its_stem(tmp_path):
    save(tmp_path / "chests", build(ARCHITECTURE), _card())
    assert load(tmp_path / "chests.safetensors").name == "chests"


def test_damage_is_seen(saved):
    path, _ = saved
    whole = path.read_bytes()
    for content in (whole[:-1], whole[:100], b"", whole[:500] + b"\x01" + whole[501:]):
        path.write_bytes(content)
        with pytest.raises(ModelError, match="expected weights of sha256"):
            load(path)
    path.unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        load(path)


def test_a_card_must_be_whole(saved):
    path, _ = saved
    card_path = path.with_suffix(".json")
    card = json.loads(card_path.read_text())
    for content in ("", "[1]", "{", json.dumps({k: v for k, v in card.items() if k != "licence"})):
        card_path.write_text(content)
        with pytest.raises(ModelError, match=r"not a model card|the card lacks"):
            load(path)
    with pytest.raises(ModelError, match="the card lacks architecture"):
        save(path, build(ARCHITECTURE), {})


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"name": "Transformer"}, "expected one of CNN, .*, got 'Transformer'"),
        ({"image_size": [10**6, 10**6]}, "image_size expects whole numbers from 4 to 512"),
        ({"num_classes": "2"}, "num_classes expects whole numbers"),
        ({"depth": 3}, "cannot be built"),
        ({"dropout": 7}, "cannot be built"),
    ],
)
def test_architectures_refused(change, text):
    with pytest.raises(ModelError, match=text):
        build(ARCHITECTURE | change)


@pytest.mark.parametrize(
    "architecture",
    [
        {"name": "RNN", "input_size": 9, "hidden_size": 5, "cell": "lstm", "bidirectional": True},
        {"name": "Generator", "channels": 1, "image_size": 64, "latent": 7, "width": 2},
        {"name": "Discriminator", "channels": 1, "image_size": 32, "spectral": True, "width": 2},
        {"name": "UNet", "in_channels": 1, "num_classes": 3, "widths": [2, 3], "rank": 3},
        {"name": "Translator", "in_channels": 1, "out_channels": 2, "widths": [2, 3]},
        {"name": "PatchDiscriminator", "in_channels": 1, "out_channels": 2, "widths": [2, 3]},
    ],
    ids=lambda architecture: architecture["name"],
)
def test_every_model_is_saved_and_loaded(architecture, tmp_path):
    model = build(architecture)
    save(tmp_path / "model", model, dict.fromkeys(CARD_KEYS) | {"architecture": architecture})
    loaded = load(tmp_path / "model.json").model
    assert type(loaded).__name__ == architecture["name"]
    for key, value in model.state_dict().items():
        np.testing.assert_array_equal(loaded.state_dict()[key].numpy(), value.numpy())


@pytest.mark.parametrize(
    ("architecture", "text"),
    [
        ({"name": "RNN", "hidden_size": 10**6}, "hidden_size expects whole numbers from 1 to 1024"),
        ({"name": "UNet", "widths": [8, 10**6]}, "widths expects whole numbers from 1 to 1024"),
        ({"name": "UNet", "widths": [1] * 100}, "widths expects at most 8 numbers, got 100"),
        ({"name": "UNet", "rank": 4}, "rank expects whole numbers from 2 to 3"),
        ({"name": "Generator", "image_size": 48}, "Generator cannot be built"),
    ],
)
def test_sizes_of_any_model_refused(architecture, text):
    with pytest.raises(ModelError, match=text):
        build(architecture)


def test_weights_of_another_model(saved, tmp_path):
    path, _ = saved
    card_path = path.with_suffix(".json")
    card = json.loads(card_path.read_text())
    card["architecture"]["image_size"] = [8, 8]
    card_path.write_text(json.dumps(card))
    with pytest.raises(ModelError, match=r"fc1.weight expects shape \(128, 256\), got \(128, 384\)"):
        load(path)


def test_unknown_names():
    for name in ("no_such_model", "../cnn", "weights/none"):
        with pytest.raises(ModelError, match=r"expected .*a .safetensors file or a folder"):
            load(name)


def test_predict_keeps_the_mode():
    model = build(ARCHITECTURE)
    images = np.random.default_rng(0).normal(size=(7, 1, 8, 12)).astype(np.float32)
    whole = predict_logits(model, images)
    assert model.training and whole.shape == (7, 2) and whole.dtype == np.float64
    np.testing.assert_allclose(predict_logits(model, images, batch_size=3), whole, rtol=1e-5)
    with pytest.raises(ValueError, match="at least one image"):
        predict_logits(model, images[:0])


@pytest.mark.parametrize("name", available())
def test_packaged_models(name):
    loaded = load(name)
    assert loaded.path.stat().st_size < 2 * 2**20
    height, width = loaded.card["architecture"]["image_size"]
    grey = mediml.zeros(1, loaded.card["architecture"]["in_channels"], height, width)
    assert loaded.model(grey).shape == (1, len(loaded.card["classes"]))
    assert loaded.card["limits"] and loaded.card["metrics"]["test"]["auc"]["low"] > 0.9
    assert pretrained.WEIGHTS in loaded.path.parents


def test_the_page_of_the_packaged_model_is_that_of_its_card():
    from mediml.training.card import card_text

    page = (pretrained.WEIGHTS / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert page == card_text("pneumonia_cnn", load("pneumonia_cnn").card)


def test_the_packaged_model_on_its_test_split():
    folder = os.environ.get("MEDIML_DATA_DIR")
    path = Path(folder or "") / "pneumoniamnist.npz"
    if not folder or not path.is_file():
        pytest.skip("needs pneumoniamnist.npz in $MEDIML_DATA_DIR")
    loaded, data = load("pneumonia_cnn"), medmnist.load(path)
    assert data.content_sha256() == loaded.card["data"]["content_sha256"]
    preprocessing = loaded.card["preprocessing"]
    logits = predict_logits(loaded.model, data.test.arrays(preprocessing["mean"], preprocessing["std"]))
    figures = evaluate(data.test.labels, logits, loaded.card["threshold"], loaded.card["temperature"])
    expected = loaded.card["metrics"]["test"]
    assert figures["confusion"] == expected["confusion"]
    assert figures["auc"]["value"] == pytest.approx(expected["auc"]["value"], abs=1e-4)
    assert figures["auc"]["value"] > 0.96
