"""The recurrent classifier: by hand, whatever stands in the padding, and the article's program, mended."""

import importlib.util

import numpy as np
import pytest

import mediml
from mediml import nn, optim
from mediml.models.rnn import CELLS, POOLINGS, RNN

OPTIONS = [
    {"cell": cell, "pooling": pooling, "bidirectional": both}
    for cell in CELLS for pooling in POOLINGS for both in (False, True)
]  # fmt: skip


def naming(options):
    return "-".join(map(str, options.values()))


def test_the_articles_sizes_and_names():
    model = RNN()
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    assert shapes["embedding.weight"] == (10, 50) and shapes["fc.weight"] == (2, 50)
    assert {
        f"rnn.{kind}_l{layer}" for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh") for layer in (0, 1)
    } < set(shapes)
    assert sum(p.numel() for p in model.parameters()) == 500 + 2 * (2500 + 2500 + 50 + 50) + 102
    assert model(mediml.randint(0, 10, (5, 10))).shape == (5, 2)


def test_two_steps_by_hand():
    """One unit, weights and biases chosen: h = tanh(w x + b + u h' + c) twice in two layers, score = 3 h - 1."""
    model = RNN(input_size=1, hidden_size=1, num_layers=2, num_classes=1, embed=False)
    values = {
        "rnn.weight_ih_l0": 0.5, "rnn.weight_hh_l0": -0.25, "rnn.bias_ih_l0": 0.1, "rnn.bias_hh_l0": 0.2,
        "rnn.weight_ih_l1": 2.0, "rnn.weight_hh_l1": 0.75, "rnn.bias_ih_l1": -0.3, "rnn.bias_hh_l1": 0.05,
        "fc.weight": 3.0, "fc.bias": -1.0,
    }  # fmt: skip
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    assert shapes.keys() == values.keys()
    model.load_state_dict({name: mediml.full(shapes[name], value) for name, value in values.items()})
    first = [np.tanh(0.5 * 1.0 + 0.3)]
    first.append(np.tanh(0.5 * -2.0 + 0.3 - 0.25 * first[0]))
    second = np.tanh(2 * first[0] - 0.25)
    second = np.tanh(2 * first[1] - 0.25 + 0.75 * second)
    score = model(mediml.tensor([[[1.0], [-2.0]]]))
    np.testing.assert_allclose(score.detach().numpy(), [[3 * second - 1]], rtol=1e-6)


@pytest.mark.parametrize("options", OPTIONS, ids=naming)
def test_padding_has_no_influence(options):
    model = RNN(input_size=3, hidden_size=5, num_classes=4, embed=False, **options).to(mediml.float64)
    values, lengths = mediml.randn(4, 6, 3, dtype=mediml.float64), [6, 2, 1, 4]
    alone = [model(values[n : n + 1, :length]).detach().numpy()[0] for n, length in enumerate(lengths)]
    for n, length in enumerate(lengths):
        values[n, length:] = float("nan")
    values.requires_grad_(True)
    scores = model(values, lengths)
    np.testing.assert_allclose(scores.detach().numpy(), alone, rtol=1e-12, atol=1e-12)
    (scores * mediml.randn(4, 4, dtype=mediml.float64)).sum().backward()
    gradient = values.grad.numpy()
    for n, length in enumerate(lengths):
        assert (gradient[n, length:] == 0).all() and (gradient[n, :length] != 0).any()
    assert all(np.isfinite(parameter.grad.numpy()).all() for parameter in model.parameters())


@pytest.mark.parametrize("options", OPTIONS, ids=naming)
def test_full_lengths_change_nothing(options):
    model, tokens = RNN(hidden_size=5, **options).eval(), mediml.randint(0, 10, (3, 4))
    without, full = model(tokens).detach().numpy(), model(tokens, mediml.tensor([4, 4, 4])).detach().numpy()
    np.testing.assert_allclose(full, without, rtol=1e-5, atol=1e-6)


def test_pooling_is_over_the_steps_of_each_sequence():
    model, tokens = RNN(hidden_size=4, pooling="mean").to(mediml.float64), mediml.randint(0, 10, (2, 5))
    steps = model.rnn(model.embedding(tokens))[0].detach().numpy()
    np.testing.assert_allclose(
        model.features(tokens, [5, 2]).detach().numpy(), [steps[0].mean(0), steps[1, :2].mean(0)], rtol=1e-12
    )
    model.pooling = "max"
    np.testing.assert_allclose(
        model.features(tokens, [5, 2]).detach().numpy(), [steps[0].max(0), steps[1, :2].max(0)], rtol=1e-12
    )
    model.pooling = "last"
    np.testing.assert_allclose(model.features(tokens, [5, 2]).detach().numpy(), [steps[0, 4], steps[1, 1]], rtol=1e-12)


def test_both_directions_end_where_they_end():
    model, tokens = RNN(hidden_size=4, bidirectional=True, cell="gru"), mediml.randint(0, 10, (2, 5))
    steps = model.rnn(model.embedding(tokens))[0].detach().numpy()
    features = model.features(tokens).detach().numpy()
    np.testing.assert_allclose(features, np.concatenate([steps[:, -1, :4], steps[:, 0, 4:]], 1), rtol=1e-6)


def test_the_padding_token_is_not_trained():
    model = RNN(padding_idx=0)
    assert (model.embedding.weight.detach().numpy()[0] == 0).all()
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    loss = nn.functional.cross_entropy(model(mediml.tensor([[3, 0, 0], [0, 4, 4]])), mediml.tensor([0, 1]))
    loss.backward()
    optimizer.step()
    rows = model.embedding.weight.detach().numpy()
    assert (rows[0] == 0).all() and (model.embedding.weight.grad.numpy()[[3, 4]] != 0).any(axis=1).all()


def test_dropout_acts_in_training_only():
    tokens = mediml.randint(0, 10, (4, 6))
    for layers in (1, 2):
        model = RNN(num_layers=layers, dropout=0.5)
        assert (model(tokens).detach().numpy() != model(tokens).detach().numpy()).any()
        model.eval()
        np.testing.assert_array_equal(model(tokens).detach().numpy(), model(tokens).detach().numpy())


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: RNN(cell="elman"), "cell expects one of rnn, lstm, gru, got 'elman'"),
        (lambda: RNN(pooling="sum"), "pooling expects one of last, mean, max, got 'sum'"),
        (lambda: RNN(padding_idx=0, embed=False), "padding_idx .0. is a token"),
        (lambda: RNN()(mediml.zeros(2, 3, 10)), r"expected \(N, T\) tokens, got shape \(2, 3, 10\)"),
        (lambda: RNN(embed=False)(mediml.zeros(2, 3, 9)), r"expected \(N, T, 10\) values, got shape \(2, 3, 9\)"),
        (lambda: RNN()(mediml.zeros(2, 0, dtype=mediml.int64)), "at least 1 step"),
        (lambda: RNN()(mediml.zeros(2, 3, dtype=mediml.int64), [3, 0]), r"2 whole numbers from 1 to 3, got \[3, 0\]"),
        (lambda: RNN()(mediml.zeros(2, 3, dtype=mediml.int64), [3, 4]), r"2 whole numbers from 1 to 3, got \[3, 4\]"),
        (lambda: RNN()(mediml.zeros(2, 3, dtype=mediml.int64), [3]), r"2 whole numbers from 1 to 3, got \[3\]"),
    ],
)
def test_what_does_not_fit_is_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


#: A program as the article's, with what it lacked: labels, and sequences from which they can be learnt.
PROGRAM = """
import torch
import torch.nn as nn
import torch.optim as optim

class Classifier(nn.Module):
    def __init__(self, input_size, hidden_size, num_layers, num_classes):
        super().__init__()
        self.num_layers, self.hidden_size = num_layers, hidden_size
        self.embedding = nn.Embedding(input_size, hidden_size)
        self.rnn = nn.RNN(hidden_size, hidden_size, num_layers, batch_first=True)
        self.fc = nn.Linear(hidden_size, num_classes)

    def forward(self, x):
        h0 = torch.zeros(self.num_layers, x.size(0), self.hidden_size).to(x.device)
        out, _ = self.rnn(self.embedding(x), h0)
        return self.fc(out[:, -1, :])

model = Classifier(input_size=10, hidden_size=50, num_layers=2, num_classes=2)
model.load_state_dict({name: torch.tensor(value) for name, value in weights.items()})
criterion = nn.CrossEntropyLoss()
optimizer = optim.Adam(model.parameters(), lr=0.001)
dataset = torch.utils.data.TensorDataset(torch.tensor(sequences), torch.tensor(classes))
loader = torch.utils.data.DataLoader(dataset, batch_size=5, shuffle=False)
losses = []
for epoch in range(3):
    for inputs, labels in loader:
        optimizer.zero_grad()
        loss = criterion(model(inputs), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
correct = total = 0
with torch.no_grad():
    for inputs, labels in loader:
        _, predicted = torch.max(model(inputs), 1)
        total += labels.size(0)
        correct += (predicted == labels).sum().item()
"""


def _run_program(source):
    rng = np.random.default_rng(0)
    sequences = rng.integers(0, 10, (100, 10))
    namespace = {
        "weights": {
            name: (0.2 * rng.normal(size=tuple(value.shape))).astype(np.float32)
            for name, value in RNN().state_dict().items()
        },
        "sequences": sequences,
        "classes": (sequences[:, -1] > 4).astype(np.int64),
    }
    exec(compile(source, "article.py", "exec"), namespace)
    return namespace["losses"], namespace["correct"] / namespace["total"]


def test_the_articles_program_runs_and_learns():
    changed = PROGRAM.replace("import torch\n", "import mediml as torch\n").replace("import torch.", "import mediml.")
    losses, accuracy = _run_program(changed)
    assert len(losses) == 60 and accuracy > 0.9 > losses[0]
    if importlib.util.find_spec("torch") is not None:
        torch_losses, torch_accuracy = _run_program(PROGRAM)
        np.testing.assert_allclose(losses, torch_losses, rtol=2e-3, atol=1e-5)
        assert accuracy == torch_accuracy
