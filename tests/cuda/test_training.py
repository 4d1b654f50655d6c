"""The trainings on the GPU: as on the CPU, the same bits again and after an interruption, and used where they are."""

import copy
import signal
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import mediml
from kernels.gpu.transfer import TRANSFERS
from mediml import cli, nn, optim
from mediml.data.noise import low_dose_data
from mediml.data.synthetic import chest_xray_data
from mediml.data.volumes import generated_volumes
from mediml.diagnosis.classify import classify
from mediml.models.predict import device_of, output_of, predict_logits
from mediml.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence
from mediml.training import Interrupted, Settings, adversarial, checkpoint, loop, segmentation, sequences, translation
from mediml.training.quality import two_mode_data
from mediml.training.sequence_tasks import load_task
from mediml.training.volumes import segment, split


def tiny_cnn(architecture):
    """In place of the article's network, which is large for a simulator."""
    layers = [nn.AvgPool2d(2), nn.Conv2d(1, 2, 3, bias=False), nn.BatchNorm2d(2), nn.ReLU(), nn.AvgPool2d(3)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(architecture["dropout"]), nn.Linear(2 * 2 * 2, 2))


@pytest.fixture
def chests(monkeypatch):
    monkeypatch.setattr(loop, "build", tiny_cnn)
    return chest_xray_data(8, 4, 4, size=16, seed=1)


def state_of(result):
    return {name: value.cpu().numpy().tobytes() for name, value in result.model.state_dict().items()}


def interrupted(training, data, settings, out, monkeypatch):
    """The training stopped after its third step, and the process's random numbers moved on."""
    learn, count = training._Training._learn_from, []

    def counted(self, *batch):
        learn(self, *batch)
        count.append(1)
        if len(count) == 3:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(training._Training, "_learn_from", counted)
        with pytest.raises(Interrupted):
            training.train(data, settings, out, progress=False)
    mediml.manual_seed(999)
    mediml.rand(5, device="cuda")


def test_a_classifier_is_interrupted_and_goes_on_to_the_same_bits(chests, tmp_path, monkeypatch):
    settings = Settings(epochs=2, batch_size=4, dropout=0.4, augment=True, seed=2, device="cuda")
    whole = loop.train(chests, settings, progress=False)
    assert whole.model[1].weight.is_cuda
    interrupted(loop, chests, settings, tmp_path, monkeypatch)
    assert checkpoint.load(tmp_path)["settings"]["device"] == "cuda"
    resumed = loop.resume(chests, tmp_path, progress=False)
    assert resumed.model[1].weight.is_cuda
    assert state_of(resumed) == state_of(whole)
    assert resumed.history.rows == whole.history.rows


def test_a_classifier_learns_as_on_the_cpu(chests):
    rows = []
    for device in ("cpu", "cuda"):
        result = loop.train(chests, Settings(epochs=2, batch_size=4, seed=2, device=device), progress=False)
        rows.append([[row[key] for key in ("train_loss", "val_loss", "val_auc")] for row in result.history.rows])
    np.testing.assert_allclose(*rows, rtol=1e-4)


def test_a_recurrent_network_is_interrupted_and_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    task = load_task("adding", train=6, val=2, test=2, length=4)
    settings = sequences.SequenceSettings(
        task="adding", hidden=3, layers=2, dropout=0.3, epochs=2, batch_size=3, seed=3, device="cuda"
    )
    whole = sequences.train(task, settings, progress=False)
    interrupted(sequences, task, settings, tmp_path, monkeypatch)
    resumed = sequences.resume(task, tmp_path, progress=False)
    assert state_of(resumed) == state_of(whole)
    assert resumed.history.rows == whole.history.rows


def other_kinds():
    """Trainings of images, each with one small batch."""
    gan = adversarial.GanSettings(batch_size=2, width=2, latent=3, measured=2, seed=3, each_epoch=False)
    pix2pix = translation.TranslationSettings(batch_size=1, width=2, seed=3)
    unet = segmentation.SegmentationSettings(batch_size=2, widths=(2, 3), context=0, seed=3)
    return {
        "gan": lambda: (adversarial, two_mode_data(4, 2, 2), gan),
        "pix2pix": lambda: (translation, low_dose_data(2, 1, 1, 16), pix2pix),
        "unet": lambda: (segmentation, split(generated_volumes(4, 1, (16, 16, 16), 0)), unet),
    }


@pytest.mark.parametrize("kind", other_kinds())
def test_a_step_of_the_other_kinds_is_that_of_the_cpu(kind):
    module, data, settings = other_kinds()[kind]()
    sums = []
    for device in ("cpu", "cuda"):
        training = module._Training(data, replace(settings, device=device), None, False)
        batch = next(iter(training._batches(0)))
        before = TRANSFERS.to_device
        batch = training._on_device(batch)
        assert TRANSFERS.to_device - before == (len(batch) if device == "cuda" else 0)
        training._learn_from(*batch)
        sums.append(training.progress.sums)
        for name in ("model", "generator", "translator"):
            if name in training.parts:
                assert device_of(training.parts[name]).type == device
    assert sums[1] == pytest.approx(sums[0], rel=1e-4)


def test_what_is_trained_on_the_gpu_is_used_there_and_anywhere():
    mediml.manual_seed(0)
    model = tiny_cnn({"dropout": 0.2})
    images = np.random.default_rng(0).standard_normal((3, 1, 16, 16)).astype(np.float32)
    expected = predict_logits(model, images)
    ours = predict_logits(copy.deepcopy(model).cuda(), images)
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)
    assert isinstance(output_of(model.cuda(), images), np.ndarray)
    net = segmentation.build({"in_channels": 1, "num_classes": 2, "rank": 2, "norm": "batch", "widths": [2, 3]})
    volume = generated_volumes(4, 1, (16, 16, 16), 0).test[0]
    thin = [replace(volume, image=volume.image[:, :, 7:9], label=volume.label[:, :, 7:9])]
    architecture = {"rank": 2, "axis": 2, "context": 0}
    there = segment(copy.deepcopy(net).cuda(), architecture, thin)
    assert np.array_equal(there[0], segment(net, architecture, thin)[0])


def test_a_report_is_computed_on_the_gpu():
    model = tiny_cnn({"dropout": 0.2}).eval()
    card = {"temperature": 1.5, "threshold": 0.5}
    batch = np.random.default_rng(2).standard_normal((1, 1, 16, 16)).astype(np.float32)
    expected = classify(SimpleNamespace(model=model, card=card), batch)
    ours = classify(SimpleNamespace(model=model.cuda(), card=card), batch)
    assert ours.score == pytest.approx(expected.score, rel=1e-5)
    np.testing.assert_allclose(ours.feature_maps, expected.feature_maps, rtol=1e-4, atol=1e-5)


def test_the_optimizers_state_moves_with_its_checkpoint():
    def stepped(device):
        mediml.manual_seed(4)
        model = nn.Linear(3, 2).to(device)
        optimizer = optim.Adam(model.parameters(), lr=0.1)
        x = mediml.tensor(np.arange(6, dtype=np.float32).reshape(2, 3), device=device)
        for _ in range(2):
            optimizer.zero_grad()
            (model(x) ** 2).mean().backward()
            optimizer.step()
        return model, optimizer

    model, optimizer = stepped("cuda")
    state = optimizer.state[model.weight]
    assert (state["exp_avg"].device.type, state["step"].device.type) == ("cuda", "cpu")
    for device in ("cpu", "cuda"):
        other, again = stepped(device)
        again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
        assert again.state[other.weight]["exp_avg"].device.type == device
        np.testing.assert_allclose(again.state[other.weight]["exp_avg"].tolist(), state["exp_avg"].tolist(), rtol=1e-6)
        assert again.state[other.weight]["step"].item() == 2


def test_sequences_of_different_lengths():
    rng = np.random.default_rng(0)
    parts = [rng.standard_normal((n, 2)).astype(np.float32) for n in (2, 4, 1)]
    results = []
    for device in ("cpu", "cuda"):
        tensors = [mediml.tensor(part, device=device, requires_grad=True) for part in parts]
        padded = pad_sequence(tensors, batch_first=True, padding_value=7.0)
        packed = pack_padded_sequence(padded, [2, 4, 1], batch_first=True, enforce_sorted=False)
        assert (packed.data.device.type, packed.sorted_indices.device.type) == (device, device)
        assert packed.batch_sizes.device.type == "cpu"
        y, lengths = pad_packed_sequence(packed, batch_first=True, padding_value=-1.0)
        (y * y).sum().backward()
        results.append([padded.tolist(), y.tolist(), lengths.tolist(), *(tensor.grad.tolist() for tensor in tensors)])
    assert results[0] == results[1]


def test_schedules_work_on_the_gpu():
    weight = mediml.ones(1, device="cuda", requires_grad=True)
    optimizer = optim.SGD([weight], lr=1.0, momentum=0.5)
    schedule = optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    for _ in range(2):
        weight.grad = mediml.ones(1, device="cuda")
        optimizer.step()
        schedule.step()
    assert weight.item() == 1 - 1.0 - 0.5 * 1.5


@pytest.mark.parametrize("norm_type", [2.0, 1.0, 3.0, 0.0, float("inf"), float("-inf")])
def test_norms_of_gradients(norm_type):
    rng = np.random.default_rng(1)
    arrays = [rng.standard_normal(shape).astype(np.float32) for shape in ((2, 3), (4,), ())]
    after = []
    for device in ("cpu", "cuda"):
        weights = [mediml.zeros(array.shape, device=device, requires_grad=True) for array in arrays]
        for weight, array in zip(weights, arrays):
            weight.grad = mediml.tensor(array, device=device)
        total = nn.utils.clip_grad_norm_(weights, 0.5, norm_type)
        assert total.device.type == device
        nn.utils.clip_grad_value_(weights, 0.2)
        after.append(np.concatenate([[total.item()], *(weight.grad.cpu().numpy().ravel() for weight in weights)]))
    np.testing.assert_allclose(*after, rtol=1e-5)
    weights[0].grad.fill_(np.nan)
    with pytest.raises(ValueError, match="error_if_nonfinite"):
        nn.utils.clip_grad_norm_(weights, 1.0, error_if_nonfinite=True)


def test_the_commands_train_evaluate_and_refuse(tmp_path, capsys):
    options = ["--task", "adding", "--length", "4"]
    run = [*options, "--count", "20", "--hidden", "2", "--epochs", "1", "--batch-size", "10", "--quiet"]
    assert cli.main(["train", "rnn", *run, "--device", "cuda", "--out", str(tmp_path / "run")]) == 0
    assert cli.main(["evaluate", str(tmp_path / "run"), "--device", "cuda", "--split", "val"]) == 0
    capsys.readouterr()
    again = ["train", "rnn", *options, "--count", "20", "--device", "cpu", "--resume", "--out", str(tmp_path / "run")]
    assert cli.main(again) == 2
    assert "--device: the training in" in capsys.readouterr().err
    assert cli.main(["train", "rnn", *run, "--device", "tpu", "--out", str(tmp_path / "other")]) == 2
    assert "expected one of 'cpu', 'reference', 'cuda', got 'tpu'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "make", [lambda p: optim.Adam(p), lambda p: optim.SGD(p, 0.1, momentum=0.9)], ids=["adam", "sgd"]
)
@pytest.mark.parametrize(("first", "then"), [("cpu", "cuda"), ("cuda", "cpu")])
def test_an_optimizer_whose_model_was_moved_says_what_to_do(make, first, then):
    layer = nn.Linear(2, 1).to(first)
    optimizer = make(layer.parameters())
    layer(mediml.ones(1, 2, device=first)).sum().backward()
    optimizer.step()
    optimizer.zero_grad()
    layer.to(then)
    layer(mediml.ones(1, 2, device=then)).sum().backward()
    with pytest.raises(ValueError, match=f"on {then}, .* on {first}: the model was moved .* after model.to"):
        optimizer.step()
    fresh = make(layer.parameters())
    fresh.load_state_dict(optimizer.state_dict())
    fresh.step()
