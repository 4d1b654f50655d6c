"""The article's CNN: its twin on torch, any image size, and the same numbers step by step."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import mediml
import mediml.models
from mediml import nn, optim
from mediml.models.cnn import CNN

MODELS = Path(mediml.models.__file__).parent
TWINS = sorted(path.name for path in (MODELS.parent / "reference").glob("[a-z]*.py"))


@pytest.mark.parametrize("name", TWINS)
def test_twins_differ_in_their_imports_only(name):
    texts = ((MODELS.parent / folder / name).read_text() for folder in ("models", "reference"))
    # torch's imports are a paragraph of their own: an empty line more in the twin
    ours, theirs = ([line for line in text.splitlines() if line] for text in texts)
    assert len(ours) == len(theirs)
    different = [(a, b) for a, b in zip(ours, theirs) if a != b]
    assert different
    for a, b in different:
        assert a.startswith(("import ", "from "))
        assert b in (a.replace("mediml", "torch"), a.replace("mediml.models", "mediml.reference"))
    borrowed = [b for b in theirs if b.startswith(("import mediml", "from mediml"))]
    assert all(b.startswith("from mediml.reference.") for b in borrowed)


def test_every_twin_is_of_a_model():
    assert "cnn.py" in TWINS and all((MODELS / name).is_file() for name in TWINS)


@pytest.mark.parametrize(("size", "channels", "classes"), [(28, 1, 2), (32, 3, 10), ((5, 13), 2, 3), (4, 1, 2)])
def test_any_size(size, channels, classes):
    height, width = size if isinstance(size, tuple) else (size, size)
    scores = CNN(channels, classes, size)(mediml.randn(2, channels, height, width))
    assert scores.shape == (2, classes)


def test_too_small():
    with pytest.raises(ValueError, match="at least 4 x 4 pixels, got 3 x 9"):
        CNN(image_size=(3, 9))


def test_dropout_acts_in_training_only():
    model, images = CNN(1, 2, 8, dropout=0.5), mediml.randn(4, 1, 8, 8)
    assert (model(images).detach().numpy() != model(images).detach().numpy()).any()
    model.eval()
    np.testing.assert_array_equal(model(images).detach().numpy(), model(images).detach().numpy())
    assert model.features(images).shape == (4, 128)


@pytest.mark.torch
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-9), ("float32", 1e-4)])
def test_twenty_adam_steps_as_torch(dtype, tolerance):
    torch = pytest.importorskip("torch")
    from mediml.reference import cnn as twin

    torch.manual_seed(0)
    theirs = twin.CNN(1, 2, 28).to(getattr(torch, dtype))
    ours = CNN(1, 2, 28).to(dtype=getattr(mediml, dtype))
    ours.load_state_dict({name: mediml.tensor(value.numpy()) for name, value in theirs.state_dict().items()})
    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(20, 32, 1, 28, 28)).astype(dtype), rng.integers(0, 2, (20, 32))
    ours_opt = optim.Adam(ours.parameters(), lr=1e-3)
    theirs_opt = torch.optim.Adam(theirs.parameters(), lr=1e-3)
    for x, y in zip(images, labels):
        losses = []
        for library, model, optimizer in ((mediml, ours, ours_opt), (torch, theirs, theirs_opt)):
            loss = library.nn.functional.cross_entropy(model(library.tensor(x)), library.tensor(y))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[0] == pytest.approx(losses[1], rel=tolerance)


#: The article's program, mended: imports complete, flattened size computed, data that need no download.
PROGRAM = """
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim

class CNN(nn.Module):
    def __init__(self):
        super(CNN, self).__init__()
        self.conv1 = nn.Conv2d(3, 32, 3, padding=1)
        self.conv2 = nn.Conv2d(32, 64, 3, padding=1)
        self.pool = nn.MaxPool2d(2, 2)
        self.fc1 = nn.Linear(64 * 8 * 8, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = x.view(-1, 64 * 8 * 8)
        x = F.relu(self.fc1(x))
        x = self.fc2(x)
        return x

model = CNN()
model.load_state_dict({name: torch.tensor(value) for name, value in weights.items()})
criterion = nn.CrossEntropyLoss()
optimizer = optim.Adam(model.parameters(), lr=0.001)
dataset = torch.utils.data.TensorDataset(torch.tensor(images_array), torch.tensor(labels_array))
train_loader = torch.utils.data.DataLoader(dataset, batch_size=16, shuffle=False)
test_loader = torch.utils.data.DataLoader(dataset, batch_size=16, shuffle=False)

losses = []
for epoch in range(2):
    for i, (images, labels) in enumerate(train_loader):
        optimizer.zero_grad()
        outputs = model(images)
        loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

correct = 0
total = 0
with torch.no_grad():
    for images, labels in test_loader:
        outputs = model(images)
        _, predicted = torch.max(outputs.data, 1)
        total += labels.size(0)
        correct += (predicted == labels).sum().item()

accuracy = 100 * correct / total
"""


def _run_program(source):
    rng = np.random.default_rng(0)
    weights = {
        name: (0.1 * rng.normal(size=tuple(value.shape))).astype(np.float32)
        for name, value in CNN(3, 10, 32).state_dict().items()
    }
    namespace = {
        "weights": weights,
        "images_array": rng.random((40, 3, 32, 32), np.float32),
        "labels_array": rng.integers(0, 10, 40),
    }
    exec(compile(source, "article.py", "exec"), namespace)
    return namespace["losses"], namespace["accuracy"]


def test_the_articles_program_runs_when_its_imports_change():
    changed = PROGRAM.replace("import torch\n", "import mediml as torch\n").replace("import torch.", "import mediml.")
    losses, accuracy = _run_program(changed)
    assert len(losses) == 6 and np.isfinite(losses).all() and 0 <= accuracy <= 100
    if importlib.util.find_spec("torch") is not None:
        torch_losses, torch_accuracy = _run_program(PROGRAM)
        np.testing.assert_allclose(losses, torch_losses, rtol=1e-3)
        assert accuracy == torch_accuracy


def test_is_a_module():
    assert isinstance(CNN(), nn.Module)
    assert sum(p.numel() for p in CNN(1, 2, 28).parameters()) == 320 + 18496 + 401536 + 258
