"""Embeddings as function and layer: torch's answers, gradients, state, norms in place, and refusals."""

import copy

import numpy as np
import pytest

import mediml
import mediml.nn.functional as F
from mediml import nn

INF = float("inf")


def draw(*shape):
    return np.random.default_rng(0).standard_normal(shape)


def both(index, table, **options):
    """Output, gradient and the table afterwards, of ours and of PyTorch's."""
    torch = pytest.importorskip("torch")
    answers = []
    for functional, make in ((F, mediml.tensor), (torch.nn.functional, torch.tensor)):
        weight = make(table.copy(), requires_grad=True)
        y = functional.embedding(make(index), weight, **options)
        y.backward(make(draw(*y.shape)))
        answers.append([a.detach().numpy() for a in (y, weight.grad, weight)])
    return answers


@pytest.mark.torch
@pytest.mark.parametrize("shape", [(), (7,), (3, 5), (2, 1, 4), (0,)])
@pytest.mark.parametrize("integer", [np.int32, np.int64])
@pytest.mark.parametrize("options", [{}, {"padding_idx": 2}, {"padding_idx": -6}, {"scale_grad_by_freq": True}])
def test_answers_are_torchs(shape, integer, options):
    index = np.random.default_rng(1).integers(0, 6, shape, dtype=integer)
    for ours, theirs in zip(*both(index, draw(6, 4), **options)):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


@pytest.mark.torch
@pytest.mark.parametrize("norm_type", [2.0, 1.0, 0.0, 0.5, 3, -1.0, INF, -INF])
@pytest.mark.parametrize("max_norm", [1.0, 0.0, -1.0, 1e3, float("nan")])
@pytest.mark.filterwarnings("ignore")
def test_rows_are_shortened_as_torch_does(norm_type, max_norm):
    table = draw(6, 4)
    table[1, 2], table[3, 0] = np.nan, np.inf
    for ours, theirs in zip(*both(np.array([[0, 1, 3], [5, 0, 3]]), table, max_norm=max_norm, norm_type=norm_type)):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_shortening_is_seen_by_the_tape():
    """A gradient that needs the table's old values must not be computed from the new ones."""
    weight = mediml.tensor(draw(3, 4), requires_grad=True)
    square = (weight * weight).sum()
    F.embedding(mediml.tensor([0]), weight, max_norm=0.1)
    with pytest.raises(RuntimeError, match="changed in place"):
        square.backward()


def test_an_index_that_is_changed_before_backward_is_noticed():
    index, weight = mediml.tensor([0, 1]), mediml.tensor(draw(3, 4), requires_grad=True)
    y = F.embedding(index, weight)
    index[0] = 2
    with pytest.raises(RuntimeError, match="changed in place"):
        y.sum().backward()


@pytest.mark.parametrize(
    ("index", "options", "error", "text"),
    [
        ([3], {}, IndexError, "embedding: index expects numbers from 0 to 2, one of 3 rows, got 3"),
        ([-1], {}, ValueError, "got -1"),
        ([0], {"sparse": True}, ValueError, "gradients are not sparse"),
        ([0], {"padding_idx": 3}, ValueError, "padding_idx expects a row of weight, from -3 to 2, got 3"),
        ([0], {"padding_idx": -4}, ValueError, "padding_idx expects a row"),
        ([0], {"padding_idx": 1.5}, TypeError, "padding_idx expects an int"),
        ([0], {"max_norm": "1"}, TypeError, "max_norm expects a number"),
        ([0.0], {}, TypeError, "index expects int32 or int64, got float32"),
    ],
)
def test_refusals(index, options, error, text):
    with pytest.raises(error, match=text):
        F.embedding(mediml.tensor(index), mediml.tensor(draw(3, 4)), **options)


def test_a_refused_index_leaves_the_table_alone():
    weight = mediml.tensor(draw(3, 4))
    with pytest.raises(IndexError):
        F.embedding(mediml.tensor([0, 5]), weight, max_norm=0.1)
    assert np.array_equal(weight.numpy(), draw(3, 4))


@pytest.mark.torch
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"padding_idx": -2},
        {"max_norm": 0.5, "norm_type": 1.0},
        {"scale_grad_by_freq": True, "padding_idx": 0},
    ],
)
def test_layer_is_torchs(arguments):
    torch = pytest.importorskip("torch")
    peer = torch.nn.Embedding(7, 5, dtype=torch.float64, **arguments)
    layer = nn.Embedding(7, 5, dtype=mediml.float64, **arguments)
    assert repr(layer) == repr(peer)
    assert layer.padding_idx == peer.padding_idx
    assert list(layer.state_dict()) == list(peer.state_dict())
    layer.load_state_dict(peer.state_dict())
    index = np.array([[0, 3, 3], [5, 6, 0]])
    y, expected = layer(mediml.tensor(index)), peer(torch.tensor(index))
    y.backward(mediml.tensor(draw(2, 3, 5)))
    expected.backward(torch.tensor(draw(2, 3, 5)))
    np.testing.assert_allclose(y.detach().numpy(), expected.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(layer.weight.grad.numpy(), peer.weight.grad.numpy(), rtol=1e-12)
    np.testing.assert_allclose(layer.weight.detach().numpy(), peer.weight.detach().numpy(), rtol=1e-12)


def test_the_table_is_normal_at_first_and_the_padding_row_zero():
    mediml.manual_seed(0)
    layer = nn.Embedding(400, 50, padding_idx=-1)
    values = layer.weight.detach().numpy()
    assert (values[-1] == 0).all() and layer.padding_idx == 399
    assert abs(values[:-1].mean()) < 0.03 and abs(values[:-1].std() - 1) < 0.02
    assert layer.weight.is_leaf and layer.weight.requires_grad
    layer(mediml.tensor([399, 1])).sum().backward()
    assert (layer.weight.grad.numpy()[399] == 0).all() and (layer.weight.grad.numpy()[1] == 1).all()


def test_from_pretrained():
    table = mediml.tensor(draw(4, 3))
    frozen, learnt = nn.Embedding.from_pretrained(table), nn.Embedding.from_pretrained(table, freeze=False)
    assert not frozen.weight.requires_grad and learnt.weight.requires_grad
    assert np.shares_memory(frozen.weight.numpy(), table.numpy())
    np.testing.assert_array_equal(frozen(mediml.tensor([2, 0])).numpy(), draw(4, 3)[[2, 0]])
    assert nn.Embedding.from_pretrained(table, padding_idx=1).weight.numpy()[1].any()  # given values are kept
    with pytest.raises(ValueError, match=r"expects 2 axes \(V, E\)"):
        nn.Embedding.from_pretrained(table[0])
    with pytest.raises(ValueError, match=r"_weight expects the shape \(3, 3\)"):
        nn.Embedding(3, 3, _weight=table)
    with pytest.raises(ValueError, match="padding_idx expects a row from -4 to 3, got 4"):
        nn.Embedding.from_pretrained(table, padding_idx=4)
    with pytest.raises(ValueError, match="not sparse"):
        nn.Embedding(3, 3, sparse=True)


def test_a_table_learns_and_is_copied():
    mediml.manual_seed(1)
    layer = nn.Embedding(5, 2)
    optimizer = mediml.optim.SGD(layer.parameters(), lr=0.5)
    index, wanted = mediml.tensor([4, 1, 4]), mediml.tensor([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]])
    before = copy.deepcopy(layer).weight.detach().numpy()
    for _ in range(60):
        optimizer.zero_grad()
        F.mse_loss(layer(index), wanted).backward()
        optimizer.step()
    after = layer.weight.detach().numpy()
    np.testing.assert_allclose(after[[4, 1]], [[1, 2], [3, 4]], atol=1e-3)
    np.testing.assert_array_equal(after[[0, 2, 3]], before[[0, 2, 3]])
